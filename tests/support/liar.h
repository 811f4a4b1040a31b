/* The lies there are, and what all parts of the liar know. */
#ifndef REFLOOP_TESTS_SUPPORT_LIAR_H
#define REFLOOP_TESTS_SUPPORT_LIAR_H

#include "tests/support/liar_world.h"

/* X(symbol, word): the word is what the environment names in LIE. */
#define LIE_TABLE(X)                                                                               \
    X(LIE_NONE, "none")                                                                            \
    X(LIE_DROP_UNPROVED, "drop-unproved")       /* receipt without a proof, nothing logged */      \
    X(LIE_DROP_BORROWED, "drop-borrowed-proof") /* the same with another entry's proof */          \
    X(LIE_DROP_FORGED, "drop-forged-head")      /* the same proved in a head made for it */        \
    X(LIE_DROP_ONE, "drop-one-delivery")        /* logged, one statement is never delivered */     \
    X(LIE_DROP_ALL, "drop-all-deliveries")      /* logged, nothing more is delivered */            \
    X(LIE_DROP_OWN, "drop-own")                 /* not delivered back to its author */             \
    X(LIE_DROP_KEYS, "drop-key-event")          /* changes of the members are kept from one */     \
    X(LIE_DROP_HISTORY, "drop-history")         /* taken out of the log after it was signed */     \
    X(LIE_ALTER_DELIVERY, "alter-delivery")     /* other words on the way */                       \
    X(LIE_ALTER_SEALED, "alter-sealed")         /* another sealed part on the way */               \
    X(LIE_ALTER_STORED, "alter-stored")         /* other words in the log, and a good tree */      \
    X(LIE_ALTER_HISTORY, "alter-history")       /* the same after it was signed */                 \
    X(LIE_REORDER, "reorder")                   /* two entries change places after signing */      \
    X(LIE_FORK_SILENT, "fork-silent")           /* another log for one, told nothing of others */  \
    X(LIE_FORK_SHOWN, "fork-shown")             /* the same, shown the others' checkpoint */       \
    X(LIE_FORK_PASTED, "fork-pasted")           /* the same, with the others' cosignatures */      \
    X(LIE_ROLL_BACK, "roll-back")               /* an old store that admits nothing */             \
    X(LIE_ROLL_BACK_ECHO, "roll-back-echo")     /* the same, each is told what it told */          \
    X(LIE_TWO_HEADS, "two-heads")               /* one size, two roots */                          \
    X(LIE_KEY_ROTATE, "key-rotate")             /* new keys in a member's name */                  \
    X(LIE_KEY_JOIN, "key-join")                 /* it joins again under its spent invite */        \
    X(LIE_KEY_INVITE, "key-invite")             /* it joins under an invite of the attacker's */   \
    X(LIE_BACKDATE, "backdate")                 /* an entry's time before the last one's */        \
    X(LIE_BACKDATE_RECEIPT, "backdate-receipt") /* a receipt's time is not the entry's */          \
    X(LIE_BACKDATE_FAR, "backdate-far")         /* the whole log hours behind */                   \
    X(LIE_POSTDATE, "postdate")                 /* a time hours ahead */                           \
    X(LIE_MISDELIVER, "misdeliver")             /* to a member that is no reader */                \
    X(LIE_REPLAY, "replay")                     /* logged twice, delivered twice */                \
    X(LIE_REPLAY_APART, "replay-apart")         /* each side is shown another one of the two */    \
    X(LIE_REPLAY_KEYS, "replay-key-event")      /* an old change of the members once more */

enum lie {
#define LIE_ENUM(symbol, word) symbol,
    LIE_TABLE(LIE_ENUM)
#undef LIE_ENUM
};

struct liar {
    enum lie lie;
    const char *against; /* organization */
    const char *when;    /* the lie begins when this file is there */
    const char *token;   /* of the attacker's own invite */
    const char *again;   /* kind of the key event to be replayed: "join", "revoke" */
    bool begun, told;
    struct broker *broker;
    struct world real, other; /* what is stored; what the victim is shown */
    uint64_t begun_at;        /* entries when it began */
    uint64_t lied_at;         /* entry that the lie is about; UINT64_MAX: none yet */
    uint64_t twin_at;         /* its second place */
};
extern struct liar liar;

/* True from the moment the lie of this run is to be told, when it is this one. */
bool liar_tells(enum lie lie);
/* Says in the log, once, that the lie has been told. */
void liar_told(void);
bool liar_is_victim(const struct session *session);

/* What leaves for the victim, changed as the lie wants it; false: nothing leaves. */
bool liar_bend(struct session *session, struct message *message);
/* A cosignature of the victim under the log it was shown. */
void liar_keep_cosignature(const struct member *member, const struct message_cosign *cosign);

#endif
