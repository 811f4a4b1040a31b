/* Which heads a member takes, and which it calls a lie: every row of the table. */
#include "tests/unit/proof/small_log.h"

#include "lib/proof/view.h"

enum { LEAVES = 100, FORK = 40, OURS = 50, NONE = -1 };

/* MAIN is the log we know; OTHER is the same up to FORK; LATE forks at 60. */
enum which { MAIN, OTHER, LATE, LOGS };
static const uint64_t forks[LOGS] = {[MAIN] = LEAVES + 1, [OTHER] = FORK, [LATE] = 60};
static struct small_log logs[LOGS];

/* The proof that comes along. */
enum proof_kind {
    PROOF_NONE,
    PROOF_GOOD,   /* of the log told, from `proof_from` to its size */
    PROOF_BROKEN, /* the same with one bit changed */
    PROOF_LONG,   /* the same and one hash more */
    PROOF_SHORT,  /* the same and one hash less */
    PROOF_RAGGED, /* the same and half a hash more */
};

static int
make_logs(void **state)
{
    for (size_t i = 0; i < LOGS; i++) {
        small_log_fill(&logs[i], LEAVES, forks[i]);
    }
    return start_secrets(state);
}

static void
put_proof(enum proof_kind kind, enum which log, uint64_t from, uint64_t size, struct buffer *out)
{
    static const uint8_t zeros[MERKLE_HASH_BYTES];
    if (kind == PROOF_NONE) {
        return;
    }
    struct proof proof = small_log_consistency(&logs[log], from, size);
    struct bytes bytes = proof_bytes(&proof);
    buffer_put(out, bytes.data, bytes.len);
    if (kind == PROOF_BROKEN) {
        out->data[out->len - 1] ^= 1;
    } else if (kind == PROOF_LONG || kind == PROOF_RAGGED) {
        buffer_put(out, zeros, kind == PROOF_LONG ? sizeof(zeros) : sizeof(zeros) / 2);
    } else if (kind == PROOF_SHORT) {
        out->len -= MERKLE_HASH_BYTES;
    }
    assert_ok(buffer_err(out));
}

/* Without a view there may still be something where it would stand. */
static struct view
view_of(int size)
{
    struct view view = {.has = size != NONE, .last = {.size = OURS}};
    struct network_id network = fixture_network();
    checkpoint_origin(&network, view.last.origin);
    if (view.has) {
        view.last.size = (uint64_t)size;
    }
    view.last.root = small_log_root(&logs[MAIN], view.last.size);
    return view;
}

struct row {
    int ours; /* size of our view of MAIN, or NONE */
    enum which log;
    uint64_t size; /* told */
    uint64_t from;
    enum proof_kind proof;
    uint64_t proof_from;
    enum view_finding answer;  /* when told in answer to ours */
    enum view_finding running; /* on a running connection */
};

/* clang-format off */
static const struct row rows[] = {
    /* The first head: on the log key's word, when it does not claim to go on from another. */
    {NONE, MAIN, 70, 0, PROOF_NONE, 0, VIEW_GOES_ON, VIEW_GOES_ON},
    {NONE, OTHER, 70, 0, PROOF_NONE, 0, VIEW_GOES_ON, VIEW_GOES_ON},
    {NONE, MAIN, 1, 0, PROOF_NONE, 0, VIEW_GOES_ON, VIEW_GOES_ON},
    {NONE, MAIN, 0, 0, PROOF_NONE, 0, VIEW_GOES_ON, VIEW_GOES_ON},
    {NONE, MAIN, 70, 50, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    {NONE, MAIN, 70, 50, PROOF_GOOD, 50, VIEW_UNPROVED, VIEW_UNPROVED},
    {NONE, MAIN, 70, 0, PROOF_GOOD, 50, VIEW_UNPROVED, VIEW_UNPROVED},
    {NONE, MAIN, 70, 70, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    /* Our size: the root says it all, whatever else comes along. */
    {OURS, MAIN, OURS, OURS, PROOF_NONE, 0, VIEW_SAME, VIEW_SAME},
    {OURS, MAIN, OURS, 0, PROOF_NONE, 0, VIEW_SAME, VIEW_SAME},
    {OURS, MAIN, OURS, 40, PROOF_GOOD, 40, VIEW_SAME, VIEW_SAME},
    {OURS, MAIN, OURS, OURS, PROOF_BROKEN, 40, VIEW_SAME, VIEW_SAME},
    {OURS, OTHER, OURS, OURS, PROOF_NONE, 0, VIEW_SPLIT, VIEW_SPLIT},
    {OURS, OTHER, OURS, 0, PROOF_NONE, 0, VIEW_SPLIT, VIEW_SPLIT},
    {OURS, OTHER, OURS, 40, PROOF_GOOD, 40, VIEW_SPLIT, VIEW_SPLIT},
    {1, MAIN, 1, 1, PROOF_NONE, 0, VIEW_SAME, VIEW_SAME},
    /* Larger, with a proof from our size. */
    {OURS, MAIN, 51, OURS, PROOF_GOOD, OURS, VIEW_GOES_ON, VIEW_GOES_ON},
    {OURS, MAIN, 70, OURS, PROOF_GOOD, OURS, VIEW_GOES_ON, VIEW_GOES_ON},
    {OURS, MAIN, LEAVES, OURS, PROOF_GOOD, OURS, VIEW_GOES_ON, VIEW_GOES_ON},
    {64, MAIN, 70, 64, PROOF_GOOD, 64, VIEW_GOES_ON, VIEW_GOES_ON},
    {1, MAIN, 2, 1, PROOF_GOOD, 1, VIEW_GOES_ON, VIEW_GOES_ON},
    {OURS, LATE, 70, OURS, PROOF_GOOD, OURS, VIEW_GOES_ON, VIEW_GOES_ON},
    /* The same, and it leads elsewhere: another history, a changed bit, another log's proof. */
    {OURS, OTHER, 70, OURS, PROOF_GOOD, OURS, VIEW_REWRITTEN, VIEW_UNPROVED},
    {64, OTHER, 70, 64, PROOF_GOOD, 64, VIEW_REWRITTEN, VIEW_UNPROVED},
    {64, LATE, 70, 64, PROOF_GOOD, 64, VIEW_REWRITTEN, VIEW_UNPROVED},
    {OURS, MAIN, 70, OURS, PROOF_BROKEN, OURS, VIEW_REWRITTEN, VIEW_UNPROVED},
    {OURS, OTHER, 70, OURS, PROOF_BROKEN, OURS, VIEW_REWRITTEN, VIEW_UNPROVED},
    {OURS, OTHER, 51, OURS, PROOF_GOOD, OURS, VIEW_REWRITTEN, VIEW_UNPROVED},
    /* A proof that was not made for these sizes, or none. */
    {OURS, MAIN, 70, OURS, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, OURS, PROOF_LONG, OURS, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, OURS, PROOF_SHORT, OURS, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, OURS, PROOF_RAGGED, OURS, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, OTHER, 70, OURS, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, OTHER, 70, OURS, PROOF_LONG, OURS, VIEW_UNPROVED, VIEW_UNPROVED},
    /* It says itself that it goes on from another: frames between were lost, or it is no answer. */
    {OURS, MAIN, 70, 40, PROOF_GOOD, 40, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, 60, PROOF_GOOD, 60, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, 70, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, 0, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, MAIN, 70, 49, PROOF_GOOD, OURS, VIEW_UNPROVED, VIEW_UNPROVED},
    {OURS, OTHER, 70, 60, PROOF_GOOD, 60, VIEW_UNPROVED, VIEW_UNPROVED},
    /* Smaller. */
    {OURS, MAIN, 40, OURS, PROOF_NONE, 0, VIEW_ROLLED_BACK, VIEW_UNPROVED},
    {OURS, MAIN, 40, 0, PROOF_NONE, 0, VIEW_ROLLED_BACK, VIEW_UNPROVED},
    {OURS, MAIN, 49, 40, PROOF_GOOD, 40, VIEW_ROLLED_BACK, VIEW_UNPROVED},
    {OURS, OTHER, 49, 40, PROOF_GOOD, 40, VIEW_ROLLED_BACK, VIEW_UNPROVED},
    {OURS, MAIN, 0, 0, PROOF_NONE, 0, VIEW_ROLLED_BACK, VIEW_UNPROVED},
    /* Every log goes on from the empty one. */
    {0, MAIN, 0, 0, PROOF_NONE, 0, VIEW_SAME, VIEW_SAME},
    {0, MAIN, 70, 0, PROOF_NONE, 0, VIEW_GOES_ON, VIEW_GOES_ON},
    {0, MAIN, 70, 0, PROOF_GOOD, 1, VIEW_UNPROVED, VIEW_UNPROVED},
    {0, MAIN, 70, 1, PROOF_NONE, 0, VIEW_UNPROVED, VIEW_UNPROVED},
};
/* clang-format on */

static enum view_finding
judge(const struct view *view, struct bytes note, uint64_t from, struct bytes consistency,
      bool answers_ours, struct checkpoint *told_out)
{
    struct network_id network = fixture_network();
    struct message_head head = {
        .present = true, .checkpoint = note, .from = from, .consistency = consistency};
    return view_judge(view, &network, &fixture_who(BROKER)->keys.sign, &head, answers_ours,
                      told_out);
}

static void
every_head_has_its_finding(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        CLEANUP(buffer_done) struct buffer note;
        CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(NOTE_ROOM);
        struct view view = view_of(row->ours);
        struct merkle_hash root = small_log_root(&logs[row->log], row->size);
        small_log_note(&logs[row->log], row->size, BROKER, &note);
        put_proof(row->proof, row->log, row->proof_from, row->size, &proof);
        for (int answer = 0; answer < 2; answer++) {
            struct checkpoint told = {.size = 12345};
            enum view_finding found = judge(&view, buffer_view(&note), row->from,
                                            buffer_view(&proof), answer == 1, &told);
            if (found != (answer == 1 ? row->answer : row->running)) {
                fail_msg("row %zu, answer %d: finding %d", i, answer, (int)found);
            }
            assert_int_equal(told.size, row->size);
            assert_memory_equal(&told.root, &root, sizeof(root));
        }
    }
}

/* The empty log has one root, whoever signs another. */
static void
an_empty_log_with_a_root_is_no_first_head(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_ROOM);
    struct network_id network = fixture_network();
    struct merkle_hash root = small_log_root(&logs[MAIN], 7);
    struct checkpoint told;
    struct view none = view_of(NONE);
    struct view empty = view_of(0);
    assert_ok(checkpoint_sign(&network, 0, &root, &fixture_who(BROKER)->sign, &note));
    struct bytes bytes = buffer_view(&note);
    assert_int_equal(judge(&none, bytes, 0, bytes_of(NULL, 0), true, &told), VIEW_UNPROVED);
    assert_int_equal(judge(&empty, bytes, 0, bytes_of(NULL, 0), true, &told), VIEW_SPLIT);
}

/* Whoever made them, they prove nothing, whatever they say. */
static void
notes_that_are_not_the_logs_prove_nothing(void **state)
{
    (void)state;
    static const int sizes[] = {NONE, 40, OURS, 70};
    struct network_id network = fixture_network();
    struct network_id other = network;
    const struct sign_public *key = &fixture_who(BROKER)->keys.sign;
    other.bytes[5] ^= 1;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(buffer_done) struct buffer strange;
        CLEANUP(buffer_done) struct buffer good;
        struct view view = view_of(sizes[i]);
        struct checkpoint told = {.size = 12345};
        small_log_note(&logs[OTHER], OURS, CLINIC, &strange);
        small_log_note(&logs[OTHER], OURS, BROKER, &good);
        struct message_head head = {.present = true, .checkpoint = buffer_view(&strange)};
        struct message_witnessed seen = {.present = true, .checkpoint = buffer_view(&strange)};
        assert_int_equal(view_judge(&view, &network, key, &head, true, &told), VIEW_UNPROVED);
        assert_int_equal(view_judge_witnessed(&view, &network, key, &seen, &told), VIEW_UNPROVED);
        head.checkpoint = seen.checkpoint = buffer_view(&good);
        assert_int_equal(view_judge(&view, &other, key, &head, true, &told), VIEW_UNPROVED);
        assert_int_equal(view_judge_witnessed(&view, &other, key, &seen, &told), VIEW_UNPROVED);
        head.checkpoint.len = seen.checkpoint.len = good.len - 3;
        assert_int_equal(view_judge(&view, &network, key, &head, true, &told), VIEW_UNPROVED);
        assert_int_equal(view_judge_witnessed(&view, &network, key, &seen, &told), VIEW_UNPROVED);
        head.checkpoint = seen.checkpoint = buffer_view(&good);
        head.present = seen.present = false;
        assert_int_equal(view_judge(&view, &network, key, &head, true, &told), VIEW_UNPROVED);
        assert_int_equal(view_judge_witnessed(&view, &network, key, &seen, &told), VIEW_UNPROVED);
        assert_int_equal(told.size, 12345);
    }
}

/* clang-format off */
static const struct {
    int ours;
    enum which log; /* witnessed, and its size */
    uint64_t size;
    enum which proof_log; /* the proof is from proof_from to our size */
    enum proof_kind proof;
    uint64_t proof_from;
    enum view_finding finding;
} witnessed_rows[] = {
    {OURS, MAIN, OURS, MAIN, PROOF_NONE, 0, VIEW_SAME},
    {OURS, MAIN, OURS, MAIN, PROOF_GOOD, 40, VIEW_SAME},
    {OURS, OTHER, OURS, MAIN, PROOF_NONE, 0, VIEW_SPLIT},
    {OURS, OTHER, OURS, OTHER, PROOF_GOOD, 40, VIEW_SPLIT},
    {OURS, MAIN, 49, MAIN, PROOF_GOOD, 49, VIEW_GOES_ON},
    {OURS, MAIN, 1, MAIN, PROOF_GOOD, 1, VIEW_GOES_ON},
    {OURS, OTHER, 40, MAIN, PROOF_GOOD, 40, VIEW_GOES_ON},
    {70, LATE, 60, MAIN, PROOF_GOOD, 60, VIEW_GOES_ON},
    /* Others were told of a log that ours does not go on from. */
    {OURS, OTHER, 45, OTHER, PROOF_GOOD, 45, VIEW_REWRITTEN},
    {OURS, OTHER, 45, MAIN, PROOF_GOOD, 45, VIEW_REWRITTEN},
    {70, LATE, 64, LATE, PROOF_GOOD, 64, VIEW_REWRITTEN},
    {70, LATE, 64, MAIN, PROOF_GOOD, 64, VIEW_REWRITTEN},
    {OURS, MAIN, 45, MAIN, PROOF_BROKEN, 45, VIEW_REWRITTEN},
    /* Nothing that could be judged. */
    {OURS, MAIN, 45, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {OURS, OTHER, 45, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {OURS, MAIN, 45, MAIN, PROOF_LONG, 45, VIEW_UNPROVED},
    {OURS, MAIN, 45, MAIN, PROOF_SHORT, 45, VIEW_UNPROVED},
    {OURS, MAIN, 45, MAIN, PROOF_RAGGED, 45, VIEW_UNPROVED},
    {OURS, MAIN, 51, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {OURS, OTHER, 70, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {OURS, MAIN, 0, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {0, MAIN, 0, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {0, MAIN, 45, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {NONE, MAIN, 45, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
    {NONE, MAIN, 45, MAIN, PROOF_GOOD, 45, VIEW_UNPROVED},
    {NONE, MAIN, OURS, MAIN, PROOF_NONE, 0, VIEW_UNPROVED},
};
/* clang-format on */

static void
every_witnessed_head_has_its_finding(void **state)
{
    (void)state;
    struct network_id network = fixture_network();
    for (size_t i = 0; i < ARRAY_LEN(witnessed_rows); i++) {
        CLEANUP(buffer_done) struct buffer note;
        CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(NOTE_ROOM);
        uint8_t signature[SIGN_BYTES];
        struct checkpoint told = {.size = 12345};
        const struct fixture_org *pantry = fixture_who(PANTRY);
        struct view view = view_of(witnessed_rows[i].ours);
        small_log_note(&logs[witnessed_rows[i].log], witnessed_rows[i].size, BROKER, &note);
        assert_ok(checkpoint_cosign(buffer_view(&note), 9, &pantry->sign, signature));
        assert_ok(checkpoint_add_cosignature(&note, &network, pantry->org, &pantry->keys.sign, 9,
                                             signature));
        put_proof(witnessed_rows[i].proof, witnessed_rows[i].proof_log,
                  witnessed_rows[i].proof_from, view.last.size, &proof);
        struct message_witnessed seen = {
            .present = true, .checkpoint = buffer_view(&note), .consistency = buffer_view(&proof)};
        enum view_finding found =
            view_judge_witnessed(&view, &network, &fixture_who(BROKER)->keys.sign, &seen, &told);
        if (found != witnessed_rows[i].finding) {
            fail_msg("row %zu: finding %d", i, (int)found);
        }
        assert_int_equal(told.size, witnessed_rows[i].size);
    }
}

static void
entries_of_our_log_are_in_it(void **state)
{
    (void)state;
    struct view view = view_of(OURS);
    for (uint64_t index = 0; index < OURS; index++) {
        struct merkle_hash leaf;
        struct merkle_hash other;
        struct proof proof = small_log_inclusion(&logs[MAIN], index, OURS);
        small_log_leaf(index, LEAVES, &leaf);
        small_log_leaf(index, 0, &other);
        assert_ok(view_check_entry(&view, &leaf, index, proof_bytes(&proof)));
        assert_err(view_check_entry(&view, &other, index, proof_bytes(&proof)), ERR_SIGNATURE);
        proof.hashes[proof.n - 1].bytes[0] ^= 1;
        assert_err(view_check_entry(&view, &leaf, index, proof_bytes(&proof)), ERR_SIGNATURE);
    }
}

static void
other_entries_are_not(void **state)
{
    (void)state;
    struct merkle_hash leaf;
    struct view view = view_of(OURS);
    struct view none = view_of(NONE);
    struct proof proof = small_log_inclusion(&logs[MAIN], 7, OURS);
    struct proof elsewhere = small_log_inclusion(&logs[OTHER], 45, OURS);
    struct bytes bytes = proof_bytes(&proof);
    small_log_leaf(7, LEAVES, &leaf);
    assert_err(view_check_entry(&none, &leaf, 7, bytes), ERR_MALFORMED);
    assert_err(view_check_entry(&view, &leaf, 8, bytes), ERR_SIGNATURE);
    assert_err(view_check_entry(&view, &leaf, OURS, bytes), ERR_MALFORMED);
    assert_err(view_check_entry(&view, &leaf, UINT64_MAX, bytes), ERR_MALFORMED);
    assert_err(view_check_entry(&view, &leaf, 7, bytes_of(NULL, 0)), ERR_MALFORMED);
    assert_err(view_check_entry(&view, &leaf, 7, bytes_of(bytes.data, bytes.len - 1)),
               ERR_MALFORMED);
    assert_err(view_check_entry(&view, &leaf, 7, bytes_of(bytes.data, bytes.len - 32)),
               ERR_MALFORMED);
    small_log_leaf(45, FORK, &leaf);
    assert_err(view_check_entry(&view, &leaf, 45, proof_bytes(&elsewhere)), ERR_SIGNATURE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_head_has_its_finding),
        cmocka_unit_test(an_empty_log_with_a_root_is_no_first_head),
        cmocka_unit_test(notes_that_are_not_the_logs_prove_nothing),
        cmocka_unit_test(every_witnessed_head_has_its_finding),
        cmocka_unit_test(entries_of_our_log_are_in_it),
        cmocka_unit_test(other_entries_are_not),
    };
    return cmocka_run_group_tests(tests, make_logs, NULL);
}
