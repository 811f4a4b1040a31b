/* A network that has lost the end of its log: a copy of the store, and what members hold. */
#ifndef REFLOOP_TESTS_UNIT_BROKER_LOST_H
#define REFLOOP_TESTS_UNIT_BROKER_LOST_H

#include "tests/unit/broker/rig.h"

enum { LOST_MEMBERS = 3, LOST_ENTRIES_MAX = 64 };

/* An entry as its holders keep it, with proofs in the last checkpoint and in the early one. */
struct lost_entry {
    int64_t log_time_ms;
    struct buffer statement_leaf; /* envelope_leaf */
    struct buffer sealed;
    size_t sealed_len;
    struct proof inclusion, early_inclusion;
    bool held_by[LOST_MEMBERS];
};

struct lost {
    struct rig *rig;
    char copy[RIG_PATH_MAX]; /* data.mdb as it was at n_kept entries */
    struct rig_org *members[LOST_MEMBERS];
    struct rig_org elder; /* invited, never joined */
    uint64_t n_kept, n, loops;
    struct lost_entry entries[LOST_ENTRIES_MAX];
    struct buffer note, early_note; /* of n, and of n_kept + 3 entries */
    struct message copies;
};

/* cmocka setup and teardown. Before the copy: clinic and pantry have worked; after it the shelter
 * joins and all three work. */
int lost_start(void **state);
int lost_stop(void **state);
/* Reads entries and proofs again from the running broker's store. */
void lost_read(struct lost *lost);
/* Puts the copy in place and opens the broker on it. */
void lost_restore(struct lost *lost, bool marked);
/* Marks the store as it is. */
void lost_mark_present(struct lost *lost);
void lost_forget_frames(struct lost *lost);
/* The peers know the last head of before the loss again, whatever they were told since. */
void lost_keep_heads(struct lost *lost);
/* They know none: for a broker that goes another way. */
void lost_forget_heads(struct lost *lost);

/* Hello, then everything the member holds, a few at a time. */
void lost_bring(struct lost *lost, const struct rig_org *org);
void lost_hello_with(struct lost *lost, const struct rig_org *org, struct bytes note);
void lost_hello_from_nothing(struct lost *lost, const struct rig_org *org);
/* The answer, in rig->heard, is not judged: for heads that nobody may believe. */
void lost_hello_raw(struct lost *lost, const struct rig_org *org, struct bytes note);

enum lost_how { LOST_ALL, LOST_MORE, LOST_WITHOUT_SEALED, LOST_WRONG_SEALED };
/* One Copies message with the entries from `from` to before `to`; LOST_MORE says that there is
 * more. */
void lost_send(struct lost *lost, const struct rig_org *org, uint64_t from, uint64_t to,
               enum lost_how how);
/* The same, proved in the early checkpoint. */
void lost_send_early(struct lost *lost, const struct rig_org *org, uint64_t from, uint64_t to);
/* The author says the entry again, as an agent does that has no receipt for it; busy, it hears. */
void lost_say_again(struct lost *lost, const struct rig_org *org, uint64_t index);
/* Nobody holds the entry with its place. */
void lost_make_hole(struct lost *lost, uint64_t index);

enum lost_lie {
    LOST_LIE_NOTE,
    LOST_LIE_ROOT,
    LOST_LIE_PROOF,
    LOST_LIE_PROOF_LENGTH,
    LOST_LIE_INDEX,
    LOST_LIE_TIME,
    LOST_LIE_STATEMENT,
    LOST_LIES
};
/* A true copy of the first lost entry, then one of the next with one thing changed. */
void lost_send_lie(struct lost *lost, const struct rig_org *org, enum lost_lie lie);

/* All members bring what they hold, in the order of `order`, again and again until it is done: who
 * joined after the copy was made is a stranger at first. */
void lost_bring_back(struct lost *lost, const size_t order[LOST_MEMBERS]);
/* The broker's own check of its store; prints the first difference. */
enum err lost_check(struct rig *rig);
/* As whole as before the loss: same entries, same head, projections that follow from them. */
void lost_expect_whole(struct lost *lost);
/* Work goes on. */
void lost_expect_works(struct rig *rig);
/* Does the store have the sealed part of the entry? */
bool lost_has_sealed(struct lost *lost, uint64_t index);

#endif
