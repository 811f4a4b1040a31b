/* A store is read from outside: beside the process that owns it, and as a copy. LMDB must not be
 * opened twice in one process, so the owner is a child of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/store/scratch.h"

enum { FAT_BYTES = 200000, N_FAT = 20, N_THREADS = 4, N_TURNS = 200, N_LOOKS = 20, N_ROWS = 50 };

static const char *const tables[SCRATCH_TABLES] = {"rows", "other"};

/* The owner: does one order a byte and says when it is done. */
struct owner {
    pid_t pid;
    int orders, answers;
};
enum order { ORDER_PUT = 'p', ORDER_FATTEN = 'f', ORDER_CHURN = 'c', ORDER_QUIT = 'q' };

static enum err
put(struct scratch *s, uint64_t number, size_t len)
{
    static uint8_t bytes[FAT_BYTES];
    memset(bytes, (int)(number & 0xff), len);
    enum err err;
    do {
        err = scratch_put(s->kv, number, bytes_of(bytes, len));
    } while (err == ERR_TOO_LARGE); /* the map has grown: the same turn again */
    return err;
}

static enum err
obey(struct scratch *s, enum order order)
{
    static uint64_t next;
    enum err err = ERR_OK;
    if (order == ORDER_PUT) {
        return put(s, next++, 8);
    }
    for (uint64_t i = 0; err == ERR_OK && order == ORDER_FATTEN && i < N_FAT; i++) {
        err = put(s, next++, FAT_BYTES);
    }
    for (uint64_t i = 0; err == ERR_OK && order == ORDER_CHURN && i < N_TURNS; i++) {
        err = put(s, i % N_ROWS, 1000 + (size_t)i);
    }
    return err;
}

static void
own(struct scratch *s, int orders, int answers)
{
    char order;
    if (scratch_open(s) != ERR_OK || write(answers, "!", 1) != 1) {
        _exit(1);
    }
    while (read(orders, &order, 1) == 1 && order != ORDER_QUIT) {
        if (obey(s, (enum order)order) != ERR_OK || write(answers, "!", 1) != 1) {
            _exit(1);
        }
    }
    kv_closep(&s->kv);
    _exit(0);
}

static void
await(const struct owner *owner)
{
    char done;
    assert_int_equal(read(owner->answers, &done, 1), 1);
}

static void
tell(const struct owner *owner, enum order order)
{
    char byte = (char)order;
    assert_int_equal(write(owner->orders, &byte, 1), 1);
}

static void
let(const struct owner *owner, enum order order)
{
    tell(owner, order);
    await(owner);
}

static void
owner_start(struct scratch *s, struct owner *owner)
{
    int orders[2];
    int answers[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    owner->pid = fork();
    assert_true(owner->pid >= 0);
    if (owner->pid == 0) {
        close(orders[1]);
        close(answers[0]);
        own(s, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    owner->orders = orders[1];
    owner->answers = answers[0];
    await(owner);
}

static void
owner_stop(const struct owner *owner)
{
    int status;
    tell(owner, ORDER_QUIT);
    assert_int_equal(waitpid(owner->pid, &status, 0), owner->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(owner->orders);
    close(owner->answers);
}

static enum err
open_read(const char *dir, struct kv **kv_out, struct complaint *complaint)
{
    return kv_open_read(dir, tables, SCRATCH_TABLES, kv_out, complaint);
}

static size_t
count(struct kv *kv)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    return kv_count(txn, ROWS);
}

static void
a_live_store_is_read_beside_its_owner(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *held = NULL;
    struct owner owner;
    struct complaint complaint;
    uint8_t key[8];
    struct bytes found;
    scratch_init(&s);
    owner_start(&s, &owner);
    let(&owner, ORDER_PUT);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    assert_int_equal(count(kv), 1);
    assert_int_equal(kv_begin_read(kv, &held), ERR_OK);
    let(&owner, ORDER_PUT);
    /* What began before sees what was; what begins now sees what is. */
    assert_int_equal(kv_count(held, ROWS), 1);
    assert_int_equal(kv_get(held, ROWS, kv_key_u64(1, key), &found), ERR_NOT_FOUND);
    kv_abort(&held);
    assert_int_equal(count(kv), 2);
    owner_stop(&owner);
    assert_int_equal(count(kv), 2);
}

/* Pages being read are not written again: a reader that the owner did not know of would see its
 * rows change under it, or fail their digests. */
static void
the_owner_leaves_alone_what_is_read(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *held = NULL;
    struct owner owner;
    struct complaint complaint;
    scratch_init(&s);
    owner_start(&s, &owner);
    let(&owner, ORDER_CHURN);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    assert_int_equal(kv_begin_read(kv, &held), ERR_OK);
    let(&owner, ORDER_CHURN);
    let(&owner, ORDER_CHURN);
    for (uint64_t i = 0; i < N_ROWS; i++) {
        uint8_t key[8];
        struct bytes found;
        assert_int_equal(kv_get(held, ROWS, kv_key_u64(i, key), &found), ERR_OK);
        assert_int_equal(found.len, 1000 + N_TURNS - N_ROWS + i);
        assert_int_equal(found.data[found.len - 1], i);
    }
    kv_abort(&held);
    owner_stop(&owner);
}

/* The owner's map grows past ours: while somebody reads nothing moves, afterwards it is adopted. */
static void
a_store_that_outgrows_the_map_is_followed(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *held = NULL;
    CLEANUP(kv_abort) struct kv_txn *second = NULL;
    struct owner owner;
    struct complaint complaint;
    scratch_init(&s);
    owner_start(&s, &owner);
    let(&owner, ORDER_PUT);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    assert_int_equal(kv_begin_read(kv, &held), ERR_OK);
    let(&owner, ORDER_FATTEN);
    assert_int_equal(kv_begin_read(kv, &second), ERR_TOO_LARGE);
    assert_null(second);
    assert_int_equal(kv_count(held, ROWS), 1);
    kv_abort(&held);
    assert_int_equal(count(kv), 1 + N_FAT);
    owner_stop(&owner);
}

struct reading {
    struct kv *kv;
    unsigned n_bad;
};

/* cmocka may be spoken to by one thread only. */
static void *
read_often(void *context)
{
    struct reading *reading = context;
    for (unsigned turn = 0; turn < N_LOOKS; turn++) {
        CLEANUP(kv_abort) struct kv_txn *txn = NULL;
        enum err err;
        do {
            err = kv_begin_read(reading->kv, &txn);
        } while (err == ERR_TOO_LARGE); /* until the others have ended theirs, and one follows */
        if (err != ERR_OK) {
            reading->n_bad++;
            continue;
        }
        for (uint64_t i = 0; i < N_ROWS; i++) {
            uint8_t key[8];
            struct bytes found;
            bool good = kv_get(txn, ROWS, kv_key_u64(i, key), &found) == ERR_OK &&
                        found.data[0] == (uint8_t)i;
            reading->n_bad += !good;
        }
    }
    return NULL;
}

static void
several_threads_read_at_once(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    struct owner owner;
    struct complaint complaint;
    pthread_t threads[N_THREADS];
    struct reading readings[N_THREADS];
    scratch_init(&s);
    owner_start(&s, &owner);
    let(&owner, ORDER_CHURN);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    tell(&owner, ORDER_FATTEN);
    for (size_t i = 0; i < N_THREADS; i++) {
        readings[i] = (struct reading){.kv = kv};
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, &readings[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readings[i].n_bad, 0);
    }
    await(&owner);
    owner_stop(&owner);
}

/* A copy of what an owner is writing, taken from outside, is whole. */
static void
a_copy_is_taken_and_read(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_closep) struct kv *copy = NULL;
    struct owner owner;
    struct complaint complaint;
    struct stat status;
    char dir[SCRATCH_PATH_MAX];
    char path[SCRATCH_PATH_MAX + 16];
    scratch_init(&s);
    (void)snprintf(dir, sizeof(dir), "%s/copy", s.root);
    owner_start(&s, &owner);
    let(&owner, ORDER_PUT);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    let(&owner, ORDER_FATTEN);
    assert_int_equal(kv_copy(kv, dir), ERR_OK);
    owner_stop(&owner);
    assert_int_equal(open_read(dir, &copy, &complaint), ERR_OK);
    assert_int_equal(count(copy), 1 + N_FAT);
    /* Nobody's own lock was taken on the way. */
    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    assert_int_equal(stat(path, &status), -1);
    /* An owner may take the copy over while it is read. */
    (void)snprintf(s.dir, sizeof(s.dir), "%s", dir);
    owner_start(&s, &owner);
    let(&owner, ORDER_CHURN);
    owner_stop(&owner);
    assert_int_equal(count(copy), N_ROWS);
}

static void
the_file_of_readers_stays_the_owners(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *kv = NULL;
    struct complaint complaint;
    struct stat status;
    char lock[SCRATCH_PATH_MAX + 16];
    if (geteuid() != 0) {
        skip();
    }
    scratch_init(&s);
    assert_int_equal(scratch_open(&s), ERR_OK);
    kv_closep(&s.kv);
    (void)snprintf(lock, sizeof(lock), "%s/lock.mdb", s.dir);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(chown(s.data, 12345, 54321), 0);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_OK);
    assert_int_equal(stat(lock, &status), 0);
    assert_int_equal(status.st_uid, 12345);
    assert_int_equal(status.st_gid, 54321);
}

/* Where the file of readers cannot be made nobody can be writing. Root may write anywhere, so a
 * child gives up being root. */
static void
a_directory_that_is_not_ours_to_write_is_read(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    char lock[SCRATCH_PATH_MAX + 16];
    int status;
    scratch_init(&s);
    assert_int_equal(scratch_open(&s), ERR_OK);
    assert_int_equal(scratch_put(s.kv, 1, bytes_of("x", 1)), ERR_OK);
    kv_closep(&s.kv);
    (void)snprintf(lock, sizeof(lock), "%s/lock.mdb", s.dir);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(chmod(s.data, 0444), 0);
    assert_int_equal(chmod(s.dir, 0555), 0);
    assert_int_equal(chmod(s.root, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        struct kv *kv = NULL;
        bool dropped = geteuid() != 0 || setuid(12345) == 0;
        bool good = dropped && open_read(s.dir, &kv, NULL) == ERR_OK && access(lock, F_OK) != 0;
        struct kv_txn *txn = NULL;
        good = good && kv_begin_read(kv, &txn) == ERR_OK && kv_count(txn, ROWS) == 1;
        kv_abort(&txn);
        kv_closep(&kv);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(s.dir, 0755), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
no_store_is_said_to_be_none(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct kv *kv = NULL;
    struct complaint complaint = {.text = ""};
    struct stat status;
    scratch_init(&s);
    assert_int_equal(open_read(s.dir, &kv, &complaint), ERR_NOT_FOUND);
    assert_non_null(strstr(complaint.text, s.dir));
    assert_int_equal(stat(s.dir, &status), -1); /* and none was made */
    assert_int_equal(mkdir(s.dir, 0700), 0);
    assert_int_equal(open_read(s.dir, &kv, NULL), ERR_NOT_FOUND);
    int fd = open(s.data, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(open_read(s.dir, &kv, NULL), ERR_NOT_FOUND);
    static const uint8_t junk[16384] = {1};
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    assert_int_equal(open_read(s.dir, &kv, NULL), ERR_CORRUPT);
    assert_null(kv);
}

static void
a_store_without_the_tables_is_told_apart(void **state)
{
    (void)state;
    static const char *const newer[] = {"rows", "other", "tree"};
    CLEANUP(scratch_done) struct scratch s;
    struct kv *kv = NULL;
    struct complaint complaint = {.text = ""};
    scratch_init(&s);
    assert_int_equal(scratch_open(&s), ERR_OK);
    kv_closep(&s.kv);
    assert_int_equal(kv_open_read(s.dir, newer, 3, &kv, &complaint), ERR_CONFIG);
    assert_non_null(strstr(complaint.text, "older version"));
    assert_null(kv);
    /* Nothing was made: the owner finds its two tables, and the reader of two reads them. */
    assert_int_equal(kv_open_read(s.dir, newer, 2, &kv, &complaint), ERR_OK);
    kv_closep(&kv);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_store_is_read_beside_its_owner),
        cmocka_unit_test(the_owner_leaves_alone_what_is_read),
        cmocka_unit_test(a_store_that_outgrows_the_map_is_followed),
        cmocka_unit_test(several_threads_read_at_once),
        cmocka_unit_test(a_copy_is_taken_and_read),
        cmocka_unit_test(the_file_of_readers_stays_the_owners),
        cmocka_unit_test(a_directory_that_is_not_ours_to_write_is_read),
        cmocka_unit_test(no_store_is_said_to_be_none),
        cmocka_unit_test(a_store_without_the_tables_is_told_apart),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
