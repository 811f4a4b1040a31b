/* Alarms: what this agent has caught the broker, or whoever holds our keys, doing. Each is kept on
 * disk with what proves it. One that stops means that nothing more is said to this broker until
 * people have looked: the queue is kept, reading goes on. */
#ifndef REFLOOP_AGENT_ALARM_H
#define REFLOOP_AGENT_ALARM_H

#include "agent/unit.h"

/* X(symbol, number, stops, word, sentence). Numbers are stored: never reused. */
#define ALARM_TABLE(X)                                                                             \
    X(ALARM_SPLIT_VIEW, 1, true, "split-view",                                                     \
      "The broker has signed two different logs of the same length.")                              \
    X(ALARM_REWRITTEN, 2, true, "rewritten",                                                       \
      "The broker's log no longer contains what it contained before.")                             \
    X(ALARM_ROLLED_BACK, 3, true, "rolled-back",                                                   \
      "The broker's log does not have all that it had, and the broker does not ask for it back.")  \
    X(ALARM_NOT_LOGGED, 4, true, "not-logged",                                                     \
      "The broker signed for a statement of ours that is not in its log.")                         \
    X(ALARM_FORGED_ENTRY, 5, true, "forged-entry",                                                 \
      "The broker delivered something that is not in its log, or not as it was signed.")           \
    X(ALARM_MISDELIVERED, 6, false, "misdelivered",                                                \
      "The broker delivered a statement that is addressed to others.")                             \
    X(ALARM_BACKDATED, 7, true, "backdated",                                                       \
      "The broker gave an entry a time that is not after the one before it.")                      \
    X(ALARM_REPLAYED, 8, true, "replayed", "The broker logged a statement a second time.")         \
    X(ALARM_WITHHELD, 9, true, "withheld",                                                         \
      "A statement that came before one we have was not delivered to us.")                         \
    X(ALARM_FALSE_KEY, 10, true, "false-key",                                                      \
      "The broker named keys for an organization that the network's root does not vouch for.")     \
    X(ALARM_NOT_OURS, 11, false, "not-ours",                                                       \
      "There is an entry in our name that this agent did not make.")                               \
    X(ALARM_OTHER_LOG, 12, true, "other-log",                                                      \
      "The broker shows another log than the one we know.")                                        \
    X(ALARM_CLOCK, 13, false, "clock", "The broker's log time is far from this machine's clock.")

enum alarm_kind {
#define ALARM_ENUM(symbol, number, stops, word, sentence) symbol = number,
    ALARM_TABLE(ALARM_ENUM)
#undef ALARM_ENUM
};

const char *alarm_word(enum alarm_kind kind);
const char *alarm_sentence(enum alarm_kind kind);
bool alarm_stops(enum alarm_kind kind);

struct alarm {
    uint32_t number; /* 1.. */
    enum alarm_kind kind;
    int64_t raised_ms;  /* wall */
    int64_t settled_ms; /* wall: people have said to go on; 0 while it stands */
    uint64_t index;     /* of the entry concerned, UINT64_MAX when none */
    char about[160]; /* for people: which loop (short form), organization or size; nothing personal
                      */
    struct bytes proof; /* view: what was told, as it came (notes, entries), for whoever has to
                           judge; at most ALARM_PROOF_MAX bytes */
};
enum { ALARM_PROOF_MAX = 32 * 1024, ALARMS_KEPT = 256 };

/* Stores it in the unit's transaction. The same kind about the same index and words is raised once
 * as long as it stands, and a log that is not ours whatever its length, and what is not ours in one
 * loop whatever its index; past ALARMS_KEPT nothing more is stored, and what stops still stops. */
enum err alarm_raise(struct unit *unit, enum alarm_kind kind, uint64_t index, struct bytes proof,
                     const char *about_format, ...)
    __attribute__((format(printf, 5, 6))) MUST_CHECK;
/* Reads the number and state of what stands; for state_reload. */
enum err alarm_load(struct kv_txn *txn, uint32_t *n_standing_out, bool *stopped_out) MUST_CHECK;

#endif
