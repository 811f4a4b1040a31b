/* Whole calls against a small agent of our own: what is asked, what is printed, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/cli/commands.h"
#include "fake_agent.h"
#include "lib/base/file.h"
#include "printed.h"

enum { WORDS_MAX = 10 };

static char file_path_name[] = "/tmp/refloop-call-XXXXXX";

static const char answers[] =
    "{'list': {'ok': true, 'loops': [], 'total': 0, 'matched': 0},"
    " 'status': {'ok': true, 'sentence': 'Online. 1 referral needs you.', 'problem': false,"
    "  'organization': {'org': 'oak-clinic', 'name': 'Oak Clinic'}, 'network': {'name': 'Elm "
    "County', 'fingerprint': '3f2a 91c0', 'endpoint': 'tcp://broker.example.org:7707'},"
    "  'link': {'state': 'online', 'since': '2026-11-21T09:30:00Z'}, 'queue': {'waiting': 2},"
    "  'log': {'read': 120, 'head': 121, 'broker_clock_ahead_ms': 600000}, 'loops': {'total': 9,"
    "  'open': 4, 'needs_me': 1, 'undelivered': 0, 'refused': 0}, 'version': '0.1.0'},"
    " 'send': {'ok': true, 'sent': [{'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'to': "
    "'elm-pantry', 'row': 0}], 'refused': [{'row': 3, 'field': 'name', 'text': 'needed'}]},"
    " 'check': {'ok': false, 'sent': [], 'refused': [{'row': 0, 'field': 'to', 'text': 'needed'}],"
    "  'error': {'code': 'invalid', 'text': 'needed', 'field': 'to'}},"
    " 'step': {'ok': false, 'error': {'code': 'wrong-state', 'text': 'loop 3f2a91c0 is completed; "
    "possible now: acknowledge, void'}},"
    " 'show': {'ok': true, 'loop': {'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4'}, 'timeline': []},"
    " 'watch': {'ok': true, 'more': true},"
    " 'export': {'ok': true, 'bundle': {'resourceType': 'Bundle'}},"
    " 'members': {'ok': true, 'members': [{'org': 'oak-clinic', 'name': 'Oak Clinic', 'state': "
    "'active', 'me': true}]},"
    " 'codes': {'ok': true, 'lists': {'decline': [{'code': 'other', 'words': 'another reason', "
    "'needs_text': true}], 'hold': []}},"
    " 'verify': {'ok': false, 'error': {'code': 'corrupt', 'text': 'loop 3f2a91c0 differs'}}}";

static const char changes[] =
    "[{'ok': true, 'more': true, 'loop': {'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'role': "
    "'source', 'state': 'accepted', 'queued_state': 'completed', 'no_contact': true, 'notice': "
    "'This person must not be contacted.', 'partner': {'name': 'Elm Street Pantry'}, 'next': "
    "{'who': "
    "'source', 'step': 'acknowledge'}}}, {'ok': true, 'more': true, 'loop': {'loop': "
    "'4f2a91c077de0b14a2f56c8e01d2b3c4', 'role': 'source', 'state': 'accepted', 'partner': "
    "{'name': 'Elm Street Pantry'}, 'next': {'who': 'target', 'step': 'x'}}}]";

struct call {
    struct fake_agent *agent;
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
    int fd = mkstemp(file_path_name);
    assert_non_null(call);
    assert_true(fd >= 0);
    (void)close(fd); /* made empty */
    call->agent = fake_agent_start(canned, published);
    *state = call;
    return 0;
}

static int
end(void **state)
{
    struct call *call = *state;
    fake_agent_stop(call->agent);
    free(call->out);
    free(call->err);
    free(call);
    (void)unlink(file_path_name); /* some tests have removed it */
    (void)snprintf(file_path_name, sizeof(file_path_name), "/tmp/refloop-call-XXXXXX");
    return 0;
}

static const char *
asked(struct call *call, const char *command, const char *field)
{
    const json_t *request = fake_agent_request(call->agent, command);
    assert_non_null(request);
    return json_string_value(json_object_get(request, field));
}

static void
options_may_follow_the_command(void **state)
{
    struct call *call = *state;
    run(call, 0, "--json list");
    assert_string_equal(asked(call, "list", "show"), "open");
    json_auto_t *first = json_loads(call->out, 0, NULL);
    assert_true(json_is_true(json_object_get(first, "ok")));
    assert_ptr_equal(strchr(call->out, '\n'), call->out + strlen(call->out) - 1);
    run(call, 0, "list --json --needs-me --limit 7");
    assert_string_equal(asked(call, "list", "show"), "needs-me");
    assert_int_equal(
        json_integer_value(json_object_get(fake_agent_request(call->agent, "list"), "limit")), 7);
    run(call, 0, "list --closed");
    assert_non_null(strstr(call->out, "No closed referrals yet."));
}

static void
status_starts_with_the_sentence(void **state)
{
    struct call *call = *state;
    run(call, 0, "status");
    assert_memory_equal(call->out, "Online. 1 referral needs you.\n\n", 31);
    assert_non_null(strstr(call->out, "  Organization Oak Clinic (oak-clinic)\n"));
    assert_non_null(strstr(call->out, "2 steps on this machine\n"));
    assert_non_null(strstr(call->out, "clock is 10 min behind the broker's"));
}

static void
send_ends_with_1_when_any_was_refused(void **state)
{
    struct call *call = *state;
    char words[128];
    assert_int_equal(file_replace(file_path_name, bytes_of_text("{\"a\": \"\xc3\xab\"}"), 0600),
                     ERR_OK);
    (void)snprintf(words, sizeof(words), "send %s --to elm-pantry --priority urgent",
                   file_path_name);
    run(call, 1, words);
    assert_non_null(strstr(call->out, "3f2a91c0  to elm-pantry\n"));
    assert_non_null(strstr(call->err, "row 3 refused: name: needed\n"));
    const json_t *files = json_object_get(fake_agent_request(call->agent, "send"), "files");
    const json_t *file = json_array_get(files, 0);
    assert_string_equal(json_string_value(json_object_get(file, "text")), "{\"a\": \"\xc3\xab\"}");
    assert_string_equal(json_string_value(json_object_get(file, "name")), file_path_name + 5);
    assert_string_equal(asked(call, "send", "to"), "elm-pantry");
    assert_string_equal(asked(call, "send", "priority"), "urgent");
    (void)snprintf(words, sizeof(words), "send --check %s", file_path_name);
    run(call, 1, words);
    assert_string_equal(call->out, "");
    assert_string_equal(call->err, "refused: to: needed\n"
                                   "1 referral was refused; correct it and send only that one "
                                   "again.\n");
}

static void
a_file_that_is_no_text_is_not_sent(void **state)
{
    struct call *call = *state;
    char words[128];
    assert_int_equal(file_replace(file_path_name, bytes_of_text("caf\xe9"), 0600), ERR_OK);
    (void)snprintf(words, sizeof(words), "send %s", file_path_name);
    run(call, 1, words);
    assert_non_null(strstr(call->err, "is not UTF-8"));
    assert_null(fake_agent_request(call->agent, "send"));
    run(call, 1, "--json send /nonexistent.json");
    json_auto_t *answer = json_loads(call->out, 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(answer, "error"), "code")), "not-found");
    assert_string_equal(call->err, "");
}

static void
a_refusal_says_what_to_do_next(void **state)
{
    struct call *call = *state;
    run(call, 1, "accept 3f2a");
    assert_string_equal(call->out, "");
    assert_string_equal(call->err, "refloop accept 3f2a: loop 3f2a91c0 is completed; possible now: "
                                   "acknowledge, void\n"
                                   "  'refloop show 3f2a' tells what has happened so far.\n");
    run(call, 1, "accept 3f2a --json");
    assert_non_null(strstr(call->out, "\"code\":\"wrong-state\""));
    assert_string_equal(call->err, "");
    run(call, 1, "verify");
    assert_non_null(strstr(call->err, "loop 3f2a91c0 differs"));
}

static void
an_export_is_private_and_replaces_nothing(void **state)
{
    struct call *call = *state;
    char words[128];
    struct stat status;
    (void)snprintf(words, sizeof(words), "export 3f2a --fhir --out %s", file_path_name);
    run(call, 1, words);
    assert_non_null(strstr(call->err, "it exists already"));
    assert_int_equal(unlink(file_path_name), 0);
    run(call, 0, words);
    assert_int_equal(stat(file_path_name, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    run(call, 0, "export 3f2a --fhir");
    assert_string_equal(call->out, "{\"resourceType\":\"Bundle\"}\n");
}

static void
members_and_codes_are_tables(void **state)
{
    struct call *call = *state;
    run(call, 0, "members");
    assert_string_equal(call->out, "ORGANIZATION  NAME        STATE\n"
                                   "oak-clinic    Oak Clinic  active  you\n");
    run(call, 0, "codes decline");
    assert_string_equal(call->out,
                        "decline\n  other                             another reason (with "
                        "--text)\n");
    run(call, 1, "codes colours");
    assert_string_equal(call->err,
                        "refloop codes: there is no list of that name; these there are:\n"
                        "  decline\n  hold\n");
}

static void
watch_prints_a_line_per_change_until_the_agent_leaves(void **state)
{
    struct call *call = *state;
    run(call, 3, "watch");
    assert_non_null(strstr(call->out, "3f2a91c0  Elm Street Pantry       completed*"));
    assert_non_null(strstr(call->out, "needs you:  acknowledge\n"));
    assert_non_null(strstr(call->out, "4f2a91c0  Elm Street Pantry       accepted"));
    assert_null(strstr(call->out, "must not be contacted"));
    assert_non_null(strstr(call->err, "Watching"));
    assert_non_null(strstr(call->err, "closed the connection"));
}

static void
watch_follows_one_loop_as_json(void **state)
{
    struct call *call = *state;
    run(call, 3, "watch 3f2a --json");
    char *end_of_first = strchr(call->out, '\n');
    assert_non_null(end_of_first);
    *end_of_first = '\0';
    json_auto_t *change = json_loads(call->out, 0, NULL);
    assert_true(json_is_true(json_object_get(change, "more")));
    json_auto_t *last = json_loads(end_of_first + 1, 0, NULL);
    assert_true(json_is_false(json_object_get(last, "ok")));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(options_may_follow_the_command),
        CASE(status_starts_with_the_sentence),
        CASE(send_ends_with_1_when_any_was_refused),
        CASE(a_file_that_is_no_text_is_not_sent),
        CASE(a_refusal_says_what_to_do_next),
        CASE(an_export_is_private_and_replaces_nothing),
        CASE(members_and_codes_are_tables),
        CASE(watch_prints_a_line_per_change_until_the_agent_leaves),
        CASE(watch_follows_one_loop_as_json),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
