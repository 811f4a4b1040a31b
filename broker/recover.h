/* Coming back from an old copy. A broker knows that it was restored when its store says so (a
 * backup is marked: meta RECOVER_MARK) or when a member shows a checkpoint that the broker itself
 * has signed for more entries than it has. From then on it signs nothing and takes no statement. It
 * asks every member for what it holds beyond the end of the log (Copies); each copy is proved by a
 * checkpoint of the broker's own, so nobody can slip anything in. An entry is appended as soon as
 * it is the next; what comes before its turn is kept in TABLE_COPIES. The mark stays in the store,
 * and the stored checkpoint the old one, until all is back: a broker that stops on the way goes on
 * where it was.
 *
 * It is whole again when the log has reached the largest checkpoint that any member has shown, with
 * the root that was signed then, and every active member has told its size since the recovery
 * began, or the administrator has said to go on without the rest. The administrator's own
 * membership is not waited for: no agent need run for it. Nothing is signed at the end either: that
 * largest checkpoint, as it was signed the first time, is the last checkpoint again.
 *
 * Sealed parts are not in the tree: a true copy may come without, be it that its holder has erased
 * it or that it is withheld. As long as one is missing, members are asked for everything from the
 * beginning of the recovery on, and each must have said that it has no more.
 *
 * Members that joined or changed keys since the copy was made are strangers to it, and may hold
 * what nobody else does. So while it lasts an unknown key may connect (helpers, recover_help.c):
 * one that shows a checkpoint of ours for more than we have is asked for copies as members are. It
 * has no voice: nobody knows whose key it is until its own entry is back.
 *
 * Entries that nobody holds, because their authors were still waiting for their receipts when it
 * happened, are found again in what those authors say again: hole.h.
 *
 * What can go wrong. A copy's proof also says what the log before it was. When that is not our log,
 * then a copy was put in place without the mark and new entries were signed, while members hold the
 * old ones: two logs, and no entry can be put right by itself (`forked`). The broker stays as it is
 * and says so. The administrator either restores the backup again, as it should have been, or says
 * to go on with this log; the members who hold the other one find that out by themselves.
 *
 * Members without whom it went on are remembered (meta RECOVER_GIVEN_UP) until they are seen to
 * share our log: what they show beyond its end was given up, and does not stop the network again.
 */
#ifndef REFLOOP_BROKER_RECOVER_H
#define REFLOOP_BROKER_RECOVER_H

#include "broker/broker.h"
#include "lib/base/logging.h"
#include "lib/base/map.h"
#include "lib/store/kv.h"

struct dispatch_call;
struct hole;

/* Word of a store that is a copy. The value is the note of the goal, or anything else while no goal
 * is known. */
#define RECOVER_MARK "restored"
#define RECOVER_GIVEN_UP "given-up" /* member handles, u64 each */

enum {
    RECOVER_RETRY_MS = 1000,       /* told to those who are to say hello again */
    RECOVER_JOIN_RETRY_MS = 15000, /* told to who is not a member yet */
    RECOVER_HELD_MAX = 65536,      /* rows of TABLE_COPIES */
    RECOVER_HELD_BYTES = 256 * 1024 * 1024,
    RECOVER_HELPERS_MAX = 256, /* unknown keys at once */
};

/* A member that has told its size since the recovery began. */
struct recover_voice {
    uint64_t handle;
    bool paused; /* to be asked again, from here on, when there is room for what it holds */
    bool done;   /* it has given all that it was asked for */
    uint64_t from;
};

/* An unknown key. */
struct recover_helper {
    struct recover_voice voice; /* without a member; what is asked of it */
    bool proved;                /* it has shown a checkpoint of ours */
};

/* All zero, but for the maps, while the broker is whole. */
struct recover {
    bool active;
    bool waived;       /* the administrator: go on without members not heard */
    bool forked;       /* members hold another log than ours */
    uint64_t began_at; /* entries when it began */
    uint64_t goal;     /* largest size shown; 0: none beyond what there was */
    struct merkle_hash goal_root;
    struct buffer goal_note;    /* signed by us alone, as we signed it */
    struct map *heard;          /* handle (u64) → struct recover_voice, owned */
    struct map *helpers;        /* curve key → struct recover_helper, owned */
    struct map *given_up;       /* handle (u64) → the map itself */
    size_t n_held, held_bytes;  /* of TABLE_COPIES */
    size_t n_bare;              /* entries that are back without their sealed part */
    struct logging_limit lines; /* about what peers send */
    struct hole *hole;          /* hole.h; owned */
};

/* At start, when all else is loaded: active when the store is marked. */
enum err recover_open(struct broker *broker, struct kv_txn *txn) MUST_CHECK;
void recover_done(struct recover *recover);
/* Of a member's Hello, before it is answered: what its checkpoint tells. `shown` is NULL when there
 * was none; else it is what `note` holds, its signature checked. May begin a recovery, and may end
 * one.
 *
 * A checkpoint of ours that is not in our log is told loudly, and nothing else happens: the member
 * finds out by itself, since no head of ours can be proved to go on from its own. */
enum err recover_hear(struct broker *broker, const struct member *member,
                      const struct checkpoint *shown, struct bytes note,
                      struct instant now) MUST_CHECK;
/* Takes all of a Copies message or, when one copy in it is not proved, none. Asks for more. */
enum err handle_copies(struct dispatch_call *call) MUST_CHECK;
/* --- helpers --- */

/* A message of a key that this copy does not know: true when there is room for one more. Those who
 * have not proved anything make room. */
bool recover_meet(struct broker *broker, const struct curve_public *key);
/* May such a key connect? */
bool recover_may_connect(const struct broker *broker);
/* Its Hello: *taken_out when `shown` is of more entries than we have. Raises the goal. */
enum err recover_offer(struct broker *broker, const struct curve_public *key,
                       const struct checkpoint *shown, struct bytes note,
                       bool *taken_out) MUST_CHECK;
/* NULL when the key has proved nothing. */
struct recover_voice *
recover_find_helper(const struct broker *broker, const struct curve_public *key);
/* The key is a member's from now on: if it has helped, it says hello again and is counted. */
void recover_helper_is_known(struct broker *broker, const struct curve_public *key);
/* Helpers whose session is gone are forgotten. */
void recover_tend_helpers(struct broker *broker);
/* The end: who is unknown still is forgotten, session and all. */
void recover_let_helpers_go(struct broker *broker);

/* Once a second: appends what has its turn, asks paused members, ends when it can. */
enum err recover_tend(struct broker *broker, struct instant now) MUST_CHECK;
/* Ends the recovery when it can be ended; called after copies, hellos and waiver. */
enum err recover_try_end(struct broker *broker, struct instant now) MUST_CHECK;

/* --- between the files of the recovery --- */

/* Back to all zero but for the members given up. */
enum err recover_reset(struct recover *recover) MUST_CHECK;
/* Everybody says hello again, and tells its size by it. Whoever is being answered (may be NULL)
 * needs no word. */
void recover_send_away(struct broker *broker, const struct curve_public *answered);
/* As recover_try_end, while a member is being answered. */
enum err recover_end(struct broker *broker, const struct curve_public *answered) MUST_CHECK;
enum err recover_put_given_up(const struct broker *broker, struct kv_txn *txn) MUST_CHECK;
/* Writes the mark with the goal, a transaction of its own. */
enum err recover_write_mark(struct broker *broker) MUST_CHECK;
/* The first index that a member is asked for. */
uint64_t recover_from(const struct broker *broker);
/* At start: how many entries came back without their sealed part. */
enum err recover_count_bare(struct broker *broker, struct kv_txn *txn) MUST_CHECK;
/* NULL when the member has not been heard. */
struct recover_voice *recover_find_voice(const struct broker *broker, uint64_t handle);
/* Notes the checkpoint when it is the largest so far; *raised_out tells. The mark with it is the
 * caller's to write. */
enum err recover_raise_goal(struct broker *broker, const struct checkpoint *shown,
                            struct bytes note, bool *raised_out) MUST_CHECK;
/* The mark with the goal's note, into a transaction of the recovery. */
enum err recover_put_mark(const struct broker *broker, struct kv_txn *txn) MUST_CHECK;
/* Members hold another log: said once. */
void recover_found_fork(struct broker *broker, uint64_t index);
/* A copy that is proved. Views into the message. */
struct recover_copy {
    uint64_t index;
    int64_t log_time_ms;
    struct envelope envelope; /* its sealed part left out when it is not the right one */
    struct merkle_hash leaf;
    struct merkle_hash before; /* root of the log up to it */
};
/* The note opened last: those of one message are mostly the same. */
struct recover_note {
    struct bytes note;
    struct checkpoint checkpoint;
};
/* ERR_MALFORMED, ERR_SIGNATURE, ERR_WRONG_NETWORK, ERR_TOO_LARGE: it is no entry of our log. */
enum err recover_prove(const struct broker *broker, const struct message_copy *said,
                       struct recover_note *opened, struct recover_copy *copy_out) MUST_CHECK;
/* A row of TABLE_COPIES: all but index and leaf. Views into it. ERR_CORRUPT. */
enum err recover_decode_held(struct bytes row, struct recover_copy *copy_out) MUST_CHECK;
/* Keeps `n` copies and appends what has its turn by then; *kept_out tells how many of them, from
 * the first on, found room. A full disk keeps none. What is known already costs no commit. */
enum err recover_take(struct broker *broker, const struct recover_copy *copies, size_t n,
                      size_t *kept_out) MUST_CHECK;
/* Appends held copies as long as the next one is there, at most some thousands at once. */
enum err recover_append_held(struct broker *broker) MUST_CHECK;

#endif
