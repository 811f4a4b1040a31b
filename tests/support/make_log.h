/* Makes a broker's home with a log of any length, faster than a broker would: statements are signed
 * one by one and appended as the broker appends them, but nothing goes over a network. For tests
 * and benches of whoever reads a store. Everybody in it is fictional. Whatever goes wrong ends the
 * program. */
#ifndef REFLOOP_TESTS_SUPPORT_MAKE_LOG_H
#define REFLOOP_TESTS_SUPPORT_MAKE_LOG_H

#include "broker/broker.h"
#include "broker/journal.h"
#include "broker/ledger.h"
#include "lib/base/file.h"

enum {
    MAKE_LOG_MEMBERS_MAX = 256,
    MAKE_LOG_LOOPS = 512, /* under way at one time */
};

struct make_log_member {
    char org[ORG_ID_BYTES];
    struct key_set keys;
    struct key_id key_id;
    struct sign_secret sign;
    uint64_t handle;
    bool revoked;
};

/* A loop under way. */
struct make_log_loop {
    bool open;
    const struct make_log_script *script;
    size_t at; /* next step of it */
    struct track track;
    size_t side[LOOP_ROLE_COUNT]; /* members */
    struct digest mark[LOOP_ROLE_COUNT], before[LOOP_ROLE_COUNT];
};

#define MAKE_LOG_SEALED "a sealed part that nobody opens" /* what is in each, over and over */

struct make_log_options {
    const char *home; /* must not exist */
    size_t n_members;
    size_t sealed_bytes;   /* of each statement that has a sealed part */
    uint64_t commit_after; /* entries under one checkpoint; 0: only at make_log_commit */
};

struct make_log {
    struct make_log_options options;
    char store[FILE_PATH_MAX];
    struct sign_secret root, log;
    struct sign_public log_public;
    struct network_id network;
    struct key_set auditor;
    struct buffer genesis;
    struct kv *kv;
    struct kv_txn *txn; /* NULL between commits */
    struct tree tree;
    struct directory *directory;
    struct journal_head head;
    uint64_t committed;
    struct buffer note; /* the last checkpoint */
    uint64_t random;
    bool drop_next;       /* the next statement is said and does not reach the log */
    bool confirm_wrongly; /* delivery receipts are for what nobody has said */
    size_t n_members;
    struct make_log_member members[MAKE_LOG_MEMBERS_MAX];
    struct make_log_loop loops[MAKE_LOG_LOOPS];
    uint8_t *sealed;
};

/* A founded network; all members have joined. */
struct make_log *make_log_new(const struct make_log_options *options);
/* Commits, and frees. */
void make_log_free(struct make_log *log);

/* Goes on with loops until there are `entries`. */
void make_log_fill(struct make_log *log, uint64_t entries);
/* The next step of one loop, whatever it is; begins a new one when that has ended. Returns the
 * index. */
uint64_t make_log_step(struct make_log *log, struct make_log_loop *loop);
/* A loop whose next statement is `member`'s. */
struct make_log_loop *make_log_find_loop(struct make_log *log, size_t member);
/* New keys; an end to them. Return the index. */
uint64_t make_log_rotate(struct make_log *log, size_t member);
uint64_t make_log_revoke(struct make_log *log, size_t member);
/* Signs a checkpoint of what there is, and stores both. */
void make_log_commit(struct make_log *log);

/* The store for changes by hand; not while a make_log has it open. */
struct kv *make_log_open_store(const char *home);

#endif
