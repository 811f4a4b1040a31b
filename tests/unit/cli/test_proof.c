/* Alarms come before everything, what is proved is told quietly, and no evidence is called done
 * that proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/cli/cmd.h"
#include "agent/cli/commands.h"
#include "fake_agent.h"
#include "printed.h"

/* clang-format off */
#define STOPPED "STOPPED: The broker did it. Nothing is sent."
#define ALARMS                                                                                     \
    "{'ok': true, 'stopped': true, 'warning': '" STOPPED "', 'alarms': ["                          \
    "{'n': 3, 'kind': 'split-view', 'text': 'The broker did it.', 'about': 'a log of 12 entries'," \
    " 'advice': 'Telephone.', 'stops': true, 'raised': '2026-11-22T09:30:00Z', 'settled': null},"  \
    "{'n': 2, 'kind': 'clock', 'text': 'The clock is off.', 'about': '', 'advice': 'Set it.',"     \
    " 'stops': false, 'raised': '2026-11-21T09:30:00Z', 'settled': null},"                         \
    "{'n': 1, 'kind': 'clock', 'text': 'The clock was off.', 'about': '', 'advice': 'Set it.',"    \
    " 'stops': false, 'raised': '2026-11-20T09:30:00Z', 'settled': '2026-11-20T10:00:00Z'}]}"

static const char answers[] =
    "{'alarms': " ALARMS ","
    " 'alarm': {'ok': true, 'proof': 'dGhlIHByb29m'},"
    " 'settle': {'ok': true, 'settled': 2},"
    " 'list': {'ok': true, 'loops': [], 'total': 0, 'matched': 0},"
    " 'step': {'ok': false, 'error': {'code': 'wrong-state', 'text': 'completed'}},"
    " 'export': {'ok': true, 'bundle': {'resourceType': 'Bundle'}},"
    " 'watch': {'ok': true, 'more': true},"
    " 'checkpoint': {'ok': true, 'verdict': 'split', 'text': 'two logs', 'note': 'x'},"
    " 'status': {'ok': true, 'sentence': '" STOPPED "', 'warning': '" STOPPED "', 'stopped': true,"
    "  'problem': true, 'alarms': [], 'proof': {'sentence': 'Log proved up to entry 11.',"
    "  'problem': false}},"
    " 'events': {'ok': true, 'total': 2, 'events': ["
    "  {'time': '2026-10-01T09:30:00Z', 'org': 'oak-clinic', 'name': 'Oak Clinic', 'event':"
    "   'joined', 'reason': ''},"
    "  {'time': '2026-11-21T09:30:00Z', 'org': 'elm-pantry', 'name': 'Elm \\u001b[31mPantry',"
    "   'event': 'revoked', 'reason': 'left the county'}]},"
    " 'evidence': {'ok': true, 'ready': true, 'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'root':"
    "  '0000000000000000000000000000000000000000000000000000000000000000', 'file': 'dGhlIHByb29m'}}";

static const char changes[] =
    "[{'ok': true, 'more': true, 'loop': null, 'status': {'sentence': '" STOPPED "', 'warning': '"
    STOPPED "', 'stopped': true}},"
    " {'ok': true, 'more': true, 'loop': null, 'status': {'sentence': 'Online.', 'warning': ''}},"
    " {'ok': true, 'more': true, 'loop': null, 'status': {'sentence': '" STOPPED "', 'warning': '"
    STOPPED "', 'stopped': true}}]";
/* clang-format on */

enum { WORDS_MAX = 10 };

struct call {
    struct fake_agent *agent;
    char dir[64];
    char *out, *err;
    size_t out_size, err_size;
};

static void
run(struct call *call, int code, const char *words)
{
    char text[512];
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    char *rest = NULL;
    free(call->out);
    free(call->err);
    (void)snprintf(text, sizeof(text), "refloop --home %s %s", fake_agent_home(call->agent), words);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    FILE *out = open_memstream(&call->out, &call->out_size);
    FILE *err = open_memstream(&call->err, &call->err_size);
    assert_non_null(out);
    assert_non_null(err);
    int got = commands_run(argc, argv, out, err);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(err), 0);
    if (got != code) {
        fail_msg("%s ended with %d, not %d: %s%s", words, got, code, call->out, call->err);
    }
}

static int
begin(void **state)
{
    json_auto_t *canned = printed_json(answers);
    json_auto_t *published = printed_json(changes);
    struct call *call = calloc(1, sizeof(*call));
    assert_non_null(call);
    (void)snprintf(call->dir, sizeof(call->dir), "/tmp/refloop-proof-XXXXXX");
    assert_non_null(mkdtemp(call->dir));
    call->agent = fake_agent_start(canned, published);
    *state = call;
    return 0;
}

static int
end(void **state)
{
    struct call *call = *state;
    fake_agent_stop(call->agent);
    assert_int_equal(rmdir(call->dir), 0);
    free(call->out);
    free(call->err);
    free(call);
    return 0;
}

static size_t
count_in(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void
what_stops_is_told_before_everything(void **state)
{
    struct call *call = *state;
    static const struct {
        const char *words;
        int code;
    } calls[] = {{"list", 0}, {"accept 3f2a", 1}, {"status", 0}, {"watch", 3}};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        run(call, calls[i].code, calls[i].words);
        assert_memory_equal(call->out, STOPPED "\n", strlen(STOPPED) + 1);
    }
}

/* What goes into another program or a file is not spoilt. */
static void
output_for_programs_is_left_alone(void **state)
{
    struct call *call = *state;
    static const char *const words[] = {"list --json", "export 3f2a", "events"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        run(call, 0, words[i]);
        assert_null(strstr(call->out, "STOPPED"));
    }
}

static void
a_status_says_it_once_and_what_is_proved(void **state)
{
    struct call *call = *state;
    run(call, 0, "status");
    assert_int_equal(count_in(call->out, "STOPPED"), 1);
    assert_non_null(strstr(call->out, "  Proof        Log proved up to entry 11.\n"));
}

static void
a_watcher_is_told_again_only_when_it_changed(void **state)
{
    struct call *call = *state;
    run(call, 3, "watch");
    assert_int_equal(count_in(call->out, "STOPPED"), 2);
    assert_int_equal(count_in(call->out, "Online."), 1);
}

static void
alarms_say_what_to_do(void **state)
{
    struct call *call = *state;
    run(call, 0, "alarms");
    assert_string_equal(
        call->out,
        "3. Nov 22 09:30  The broker did it. Sending is stopped.\n"
        "      About: a log of 12 entries\n"
        "      What to do: Telephone.\n\n"
        "2. Nov 21 09:30  The clock is off.\n"
        "      What to do: Set it.\n\n"
        "1. Nov 20 09:30  The clock was off.\n"
        "      Settled Nov 20 10:00.\n\n"
        "2 alarms stand. Nothing is sent; what is said here is kept, and arriving referrals are "
        "still taken in. When the administrator says that it is clear: 'refloop alarms "
        "--settle'.\n");
}

static void
nothing_is_settled_without_a_yes(void **state)
{
    struct call *call = *state;
    int terminal = dup(STDIN_FILENO);
    assert_non_null(freopen("/dev/null", "r", stdin));
    run(call, 1, "alarms --settle");
    assert_non_null(strstr(call->err, "--yes"));
    run(call, 1, "alarms --settle --json");
    assert_null(fake_agent_request(call->agent, "settle"));
    run(call, 0, "alarms --settle --yes");
    const json_t *request = fake_agent_request(call->agent, "settle");
    assert_int_equal(json_integer_value(json_object_get(request, "newest")), 3);
    assert_non_null(strstr(call->out, "Settled. Sending goes on.\n"));
    run(call, 0, "alarms --settle --yes --json");
    assert_string_equal(call->out, "{\"ok\":true,\"settled\":2}\n");
    assert_true(dup2(terminal, STDIN_FILENO) >= 0);
    (void)close(terminal); /* was only a copy */
}

static void
proofs_are_saved_for_whoever_judges(void **state)
{
    static const char *const names[] = {"alarm-1-clock.proof", "alarm-2-clock.proof",
                                        "alarm-3-split-view.proof"};
    struct call *call = *state;
    char words[128];
    (void)snprintf(words, sizeof(words), "alarms --save %s", call->dir);
    run(call, 0, words);
    assert_non_null(strstr(call->out, "3 proofs saved."));
    run(call, 0, words);
    assert_int_equal(count_in(call->out, "was there already"), 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(1024);
        char path[FILE_PATH_MAX];
        struct stat status;
        assert_int_equal(file_path(path, call->dir, names[i]), ERR_OK);
        assert_int_equal(file_read(path, &proof), ERR_OK);
        assert_true(bytes_equal(buffer_view(&proof), bytes_of_text("the proof")));
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_int_equal(unlink(path), 0);
    }
}

static void
events_are_one_line_each(void **state)
{
    struct call *call = *state;
    run(call, 0, "events");
    assert_string_equal(call->out, "WHEN          ORGANIZATION     WHAT HAPPENED\n"
                                   "Oct 1 09:30   Oak Clinic       joined\n"
                                   "Nov 21 09:30  Elm ?[31mPantry  was revoked: left the county\n");
    json_auto_t *canned = printed_json(answers);
    struct printed printed;
    printed_begin(&printed, 0);
    cmd_print_recent(&printed.screen, json_object_get(canned, "events"));
    assert_string_equal(printed_text(&printed),
                        "  Members      1 change of members or their keys in "
                        "the last 7 days; see 'refloop events'\n");
    printed_end(&printed);
}

static void
a_split_view_is_a_failure(void **state)
{
    struct call *call = *state;
    char path[FILE_PATH_MAX];
    char words[FILE_PATH_MAX + 32];
    assert_int_equal(file_path(path, call->dir, "theirs"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("a note\n"), 0600), ERR_OK);
    (void)snprintf(words, sizeof(words), "checkpoint --check %s", path);
    run(call, 1, words);
    assert_string_equal(call->out, "two logs\n");
    const json_t *request = fake_agent_request(call->agent, "checkpoint");
    assert_string_equal(json_string_value(json_object_get(request, "check")), "a note\n");
    assert_int_equal(unlink(path), 0);
    run(call, 1, "checkpoint --check");
    assert_non_null(strstr(call->err, "needs the file"));
}

static void
evidence_that_proves_nothing_is_taken_away(void **state)
{
    struct call *call = *state;
    char path[FILE_PATH_MAX];
    char words[FILE_PATH_MAX + 64];
    assert_int_equal(file_path(path, call->dir, "it.evidence"), ERR_OK);
    (void)snprintf(words, sizeof(words), "evidence 3f2a --with-body --out %s", path);
    run(call, 1, words);
    assert_non_null(strstr(call->err, "proves nothing and was taken away"));
    assert_false(file_exists(path));
    const json_t *request = fake_agent_request(call->agent, "evidence");
    assert_true(json_is_true(json_object_get(request, "with_body")));
    assert_true(json_is_false(json_object_get(request, "now")));
}

static void
evidence_replaces_no_file(void **state)
{
    static const char *const options[] = {"--out", "--svg"};
    struct call *call = *state;
    char path[FILE_PATH_MAX];
    char words[FILE_PATH_MAX + 64];
    assert_int_equal(file_path(path, call->dir, "there"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("mine"), 0600), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        (void)snprintf(words, sizeof(words), "evidence 3f2a %s %s", options[i], path);
        run(call, 1, words);
        assert_non_null(strstr(call->err, "exists already, and is not replaced"));
        assert_null(fake_agent_request(call->agent, "evidence"));
    }
    assert_int_equal(unlink(path), 0);
}

/* --- show ------------------------------------------------------------------------------------ */

/* clang-format off */
static const char shown[] =
    "{'ok': true, 'loop': {'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'role': 'source', 'partner':"
    " {'name': 'Elm Street Pantry'}, 'state': 'requested'}, 'timeline': ["
    "{'event': 'request', 'mine': true, 'stage': 'accepted', 'authored': '2026-11-20T10:00:00Z',"
    " 'accepted': '2026-11-20T10:00:01Z', 'index': 1204, 'proved': true, 'unproved': null},"
    "{'event': 'ask', 'mine': false, 'stage': 'delivered', 'authored': '2026-11-20T10:01:00Z',"
    " 'accepted': '2026-11-20T10:01:01Z', 'index': 1207, 'proved': true, 'unproved': null},"
    "{'event': 'answer', 'mine': true, 'stage': 'sent', 'authored': '2026-11-20T10:02:00Z',"
    " 'index': null, 'proved': false, 'unproved': 'the broker did not prove it'}]}";
/* clang-format on */

static void
print_shown(struct printed *printed, size_t width, bool marks)
{
    json_auto_t *answer = printed_json(shown);
    printed_begin(printed, width);
    printed->screen.marks = marks;
    cmd_print_show(&printed->screen, answer);
}

static void
a_step_on_record_is_marked_quietly(void **state)
{
    static const char *const lines[] = {
        "sent the referral       answered 10:01              #1204\n",
        "asked a question        answered 10:02              #1207\n",
        "answered                sent, not proved\n",
        "                Sent, not proved: the broker did not prove it. There is nothing to do",
        "\n2 steps on record, proved. 'refloop evidence 3f2a91c0' writes",
    };
    struct printed printed;
    (void)state;
    print_shown(&printed, 0, false);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        if (strstr(printed_text(&printed), lines[i]) == NULL) {
            fail_msg("missing: %s\nin:\n%s", lines[i], printed_text(&printed));
        }
    }
    printed_end(&printed);
    print_shown(&printed, 0, true);
    assert_non_null(strstr(printed_text(&printed), "#1204 \xe2\x9c\x93\n"));
    printed_end(&printed);
    for (size_t width = 60; width < 120; width += 3) {
        print_shown(&printed, width, true);
        assert_true(printed_width(printed_text(&printed)) <= width);
        assert_int_equal(strstr(printed_text(&printed), "#1204") != NULL, width >= 95);
        printed_end(&printed);
    }
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_stops_is_told_before_everything),
        CASE(output_for_programs_is_left_alone),
        CASE(a_status_says_it_once_and_what_is_proved),
        CASE(a_watcher_is_told_again_only_when_it_changed),
        CASE(alarms_say_what_to_do),
        CASE(nothing_is_settled_without_a_yes),
        CASE(proofs_are_saved_for_whoever_judges),
        CASE(events_are_one_line_each),
        CASE(a_split_view_is_a_failure),
        CASE(evidence_that_proves_nothing_is_taken_away),
        CASE(evidence_replaces_no_file),
        cmocka_unit_test(a_step_on_record_is_marked_quietly),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
