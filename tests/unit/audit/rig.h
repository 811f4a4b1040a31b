/* A log that was made once, and copies of it to be damaged. */
#ifndef REFLOOP_TESTS_UNIT_AUDIT_RIG_H
#define REFLOOP_TESTS_UNIT_AUDIT_RIG_H

#include "broker/audit/audit.h"
#include "lib/base/file.h"
#include "tests/support/make_log.h"

enum {
    RIG_ENTRIES = 2600, /* more than two tiles of row 1 */
    RIG_SINCE = 2000,
    RIG_MEMBERS = 12,
    RIG_ROTATED = 3, /* members */
    RIG_REVOKED = 5,
};

struct rig {
    char root[FILE_PATH_MAX], home[FILE_PATH_MAX]; /* home: the one to be damaged */
    char made[FILE_PATH_MAX];                      /* the one that stays as it is */
    struct sign_secret log;
    struct network_id network;
    struct make_log_member members[RIG_MEMBERS];
    uint64_t rotate_index, revoke_index;
    struct kv *kv;
    struct kv_txn *txn; /* of the damage */
    struct audit_report report;
    struct complaint complaint;
};

/* cmocka group: makes the log, removes everything. */
int rig_group_start(void **state);
int rig_group_stop(void **state);
/* cmocka test: a fresh copy in rig->home. */
int rig_start(void **state);
int rig_stop(void **state);

struct rig *rig_new(void);
void rig_free(struct rig *rig);
struct make_log *rig_make(const char *home);

/* Between these two the store may be changed; records get their right digests. */
void rig_begin(struct rig *rig);
void rig_commit(struct rig *rig);
/* The value of a row, to be changed: copied into `out`. */
void rig_read(struct rig *rig, enum table table, struct bytes key, struct buffer *out);
void rig_write(struct rig *rig, enum table table, struct bytes key, struct bytes value);
void rig_delete(struct rig *rig, enum table table, struct bytes key);
void rig_read_log(struct rig *rig, uint64_t index, struct buffer *out);
void rig_write_log(struct rig *rig, uint64_t index, struct bytes value);
struct statement rig_statement(struct rig *rig, uint64_t index, struct digest *id_out);
/* The first entry from `from` on that says this event. */
uint64_t rig_find(struct rig *rig, uint64_t from, enum loop_event event);

/* A checkpoint of what the log was at `size`, signed by the broker. */
void rig_note_at(struct rig *rig, uint64_t size, struct buffer *note_out);

enum err rig_verify_at(struct rig *rig, const char *home, struct bytes since);
/* Verifies rig->home. */
void rig_expect_true(struct rig *rig);
void rig_expect_bad(struct rig *rig, uint64_t index, const char *words);
#define RIG_NO_ENTRY UINT64_MAX

#endif
