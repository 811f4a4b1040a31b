/* A broker in memory, made of the libraries only: one log, signed receipts, long polls. It can be
 * told to be broken. Peers are numbers: the places of the members in the fixture. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_FAKE_BROKER_H
#define REFLOOP_TESTS_UNIT_AGENT_FAKE_BROKER_H

#include "tests/unit/agent/fake_tree.h"
#include "tests/unit/agent/fixture.h"

enum { FAKE_QUEUE_MAX = 64, FAKE_LOG_MAX = FAKE_TREE_LEAVES };

struct fake_entry {
    struct buffer envelope, bare; /* with and without the sealed part */
    int64_t log_time_ms;
    char author[ORG_ID_BYTES], reader[ORG_ID_BYTES]; /* "" reader: concerns everybody */
};

struct fake_session {
    bool greeted, fetching, with_own_sealed;
    uint64_t cursor;
    uint64_t told_size; /* of the head told last */
    struct buffer queue[FAKE_QUEUE_MAX];
    size_t n_queued;
};

struct fake_broker {
    const struct fixture *fixture;
    struct directory *directory;
    struct fake_entry *log;
    size_t n_log;
    struct fake_tree *tree;
    struct proof consistency;
    struct proof *inclusions; /* of one frame */
    struct buffer spoilt;
    struct map *tracks, *receipts; /* by loop id, by statement id; own their values */
    struct fake_session session[FIXTURE_MEMBERS_MAX];
    uint8_t incarnation[INCARNATION_BYTES];
    struct message in, out;
    /* how to be broken */
    enum err refuse_next; /* the next statements ... */
    uint32_t refuse_retry_ms;
    size_t n_refuse_next;         /* ... so many */
    enum loop_event refuse_event; /* only this one, EVENT_COUNT for all */
    bool refuse_but_log;          /* takes them all the same */
    bool forge_receipts;          /* signed with a key that is not the log's */
    bool swallow_receipts;
    bool show_everything; /* also other people's entries */
    size_t spoil_entry;   /* index of an entry to show with one changed byte, 0 none */
    bool strip_sealed;
    uint64_t head_shown;        /* 0: the truth */
    size_t n_submitted;         /* envelopes received, with repetitions */
    bool fork_view;             /* signs heads with another root */
    bool strip_consistency;     /* heads come without their proof */
    bool strip_head;            /* a pong comes without one */
    uint64_t proved_size;       /* the log it proves ends here, 0: the truth */
    bool strip_inclusion;       /* receipts and entries without their proof */
    bool falsify_receipts;      /* receipts with a proof that leads elsewhere */
    bool falsify_entries;       /* the same for entries */
    size_t hide_entry;          /* this one is not delivered, 0 none */
    uint64_t recall_from;       /* it says that it was restored */
    size_t n_recalls, n_copies; /* frames of copies, and what was in them */
    int64_t time_shift_ms;      /* of what is logged from now on */
    size_t n_hellos, n_pings;
    uint64_t shown_size; /* of the checkpoint in the last hello, 0 none */
};

void fake_init(struct fake_broker *broker, const struct fixture *fixture);
void fake_done(struct fake_broker *broker);
void
fake_log(struct fake_broker *broker, struct bytes envelope); /* from the administrator, or a join */
/* Once more, in the same words: of entry `index`. */
void fake_log_again(struct fake_broker *broker, size_t index);
/* Entry `index` under a signature that nobody has made. */
void fake_log_forged(struct fake_broker *broker, size_t index);
void fake_receive(struct fake_broker *broker, size_t peer, struct bytes frame, struct instant now);
/* The caller's to release; false when none. */
bool fake_take(struct fake_broker *broker, size_t peer, struct buffer *frame_out);
void fake_drop(struct fake_broker *broker, size_t peer); /* the connection is gone */
const struct track *fake_track(const struct fake_broker *broker, const struct loop_id *loop);

#endif
