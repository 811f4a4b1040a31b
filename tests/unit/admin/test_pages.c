/* What people read: members and status, from canned answers of a broker. */
#include "broker/admin/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static const char members_text[] =
    "{\"ok\":true,\"members\":["
    "{\"org\":\"administrator\",\"name\":\"Elm County\",\"state\":\"active\","
    " \"since\":\"2026-11-01T08:00:00Z\",\"online\":false,\"last_heard\":null,"
    " \"invite_expires\":null,\"auditor\":true,\"key\":\"00112233445566778899aabbccddeeff\","
    " \"reason\":\"\"},"
    "{\"org\":\"elm-pantry\",\"name\":\"Elm \\u001b[2JPantry\",\"state\":\"active\","
    " \"since\":\"2026-11-02T09:10:00Z\",\"online\":true,\"last_heard\":\"2026-11-21T09:29:00Z\","
    " \"invite_expires\":\"2026-11-22T10:00:00Z\",\"auditor\":false,"
    " \"key\":\"aabbccddeeff00112233445566778899\",\"reason\":\"\"},"
    "{\"org\":\"oak-clinic\",\"name\":\"Oak Clinic\",\"state\":\"active\","
    " \"since\":\"2026-11-02T09:20:00Z\",\"online\":false,"
    " \"last_heard\":\"2026-11-21T06:30:00Z\",\"invite_expires\":null,\"auditor\":false,"
    " \"key\":\"0123456789abcdef0123456789abcdef\",\"reason\":\"\"},"
    "{\"org\":\"ash-house\",\"name\":\"Ash House\",\"state\":\"invited\","
    " \"since\":\"2026-11-18T09:00:00Z\",\"online\":false,\"last_heard\":null,"
    " \"invite_expires\":\"2026-11-21T09:00:00Z\",\"auditor\":false,\"key\":null,\"reason\":\"\"},"
    "{\"org\":\"yew-legal\",\"name\":\"Yew Legal Aid\",\"state\":\"revoked\","
    " \"since\":\"2026-11-20T12:00:00Z\",\"online\":false,\"last_heard\":null,"
    " \"invite_expires\":null,\"auditor\":false,\"key\":\"ffeeddccbbaa99887766554433221100\","
    " \"reason\":\"machine stolen\"},"
    "{\"org\":\"fir-shelter\",\"name\":\"Fir Shelter\",\"state\":\"revoked\","
    " \"since\":\"2026-11-20T12:00:00Z\",\"online\":false,\"last_heard\":null,"
    " \"invite_expires\":null,\"auditor\":false,\"key\":\"00000000000000000000000000000000\","
    " \"reason\":\"left before it came\"}]}";

static const char status_text[] =
    "{\"ok\":true,\"network\":{\"id\":\"00\",\"name\":\"Elm\\u001bCounty\",\"fingerprint\":"
    "\"3f2a 91c0 77de 0b14 a2f5 6c8e\",\"endpoint\":\"tcp://broker.example.org:7707\"},"
    "\"started\":\"2026-11-21T08:15:00Z\",\"version\":\"0.1.0\",\"listen\":\"tcp://"
    "0.0.0.0:7707\",\"entries\":120,\"loops\":1,"
    "\"log_time\":\"2026-11-21T09:30:00Z\",\"members_online\":1,\"read_only\":false,"
    "\"fill_percent\":2,\"accepted\":110,\"superseded\":1,\"duplicates\":3,"
    "\"refused\":{\"wrong-state\":3,\"revoked\":1,\"brand-new\":2},\"refused_members\":["
    "{\"org\":\"ash\\u001b-rogue\",\"code\":\"wrong-state\",\"count\":3,"
    "\"first\":\"2026-11-21T08:20:00Z\",\"last\":\"2026-11-21T09:25:00Z\"}],"
    "\"refused_members_more\":7,\"handshakes_refused\":1,"
    "\"dropped\":0,\"checkpoint_size\":120,\"witnesses\":{\"size\":112,\"cosigned\":1,"
    "\"members\":2,\"since\":\"2026-11-21T09:29:00Z\"},\"recovery\":null}";

static const char recover_text[] =
    "{\"ok\":true,\"entries\":120,\"recovery\":{\"began_at\":100,\"entries\":120,"
    "\"goal\":130,\"unheard\":1,\"helpers\":2,\"forked\":false,\"missing\":[{\"first\":120,"
    "\"last\":120},"
    "{\"first\":122,\"last\":129}]},\"members\":["
    "{\"org\":\"elm-pantry\",\"name\":\"Elm Pantry\",\"online\":true,\"heard\":true},"
    "{\"org\":\"oak-clinic\",\"name\":\"Oak Clinic\",\"online\":false,\"heard\":false}]}";

static void
free_text(char **text)
{
    free(*text);
}

static int64_t
now_ms(void)
{
    int64_t ms = 0;
    assert_int_equal(clock_parse("2026-11-21T09:30:00Z", false, &ms), ERR_OK);
    return ms;
}

static char *
members_page(const char *json, size_t width)
{
    char *text = NULL;
    size_t len = 0;
    json_auto_t *answer = json_loads(json, 0, NULL);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(answer);
    assert_non_null(out);
    assert_int_equal(cmd_print_members(answer, now_ms(), width, false, out), ERR_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static char *
status_page(json_t *status)
{
    char *text = NULL;
    size_t len = 0;
    json_auto_t *members = json_loads(members_text, 0, NULL);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    cmd_print_status(status, members, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The line of `text` that holds `word`, in a static place. */
static const char *
line_with(const char *text, const char *word)
{
    static char line[1024];
    const char *at = strstr(text, word);
    assert_non_null(at);
    while (at > text && at[-1] != '\n') {
        at--;
    }
    size_t len = strcspn(at, "\n");
    assert_true(len < sizeof(line));
    memcpy(line, at, len);
    line[len] = '\0';
    return line;
}

static void
test_members(void **state)
{
    (void)state;
    static const struct {
        const char *org, *shown;
    } cases[] = {
        {"elm-pantry", "online"},
        {"elm-pantry", "new invite until 2026-11-22 10:00"},
        {"elm-pantry", "aabbccdd"},
        {"oak-clinic", "3 h ago"},
        {"oak-clinic", "  2026-11-02  "},
        {"ash-house", "invite expired 2026-11-21 09:00"},
        {"yew-legal", "revoked"},
        {"yew-legal", "machine stolen"},
        {"fir-shelter", "2026-11-20            left before it came"},
        {"administrator", "administrator and auditor"},
    };
    CLEANUP(free_text) char *page = members_page(members_text, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_non_null(strstr(line_with(page, cases[i].org), cases[i].shown));
    }
    assert_null(strstr(line_with(page, "ash-house"), "new invite"));
    assert_null(strstr(line_with(page, "administrator"), "not since"));
    assert_non_null(strstr(page, "\n2 members, 1 online; 1 invited, 2 revoked.\n"));
    assert_null(strchr(page, '\033'));
}

static void
test_members_fit(void **state)
{
    (void)state;
    CLEANUP(free_text) char *page = members_page(members_text, 80);
    for (const char *line = page; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t ellipses = 0;
        size_t len = strcspn(line, "\n");
        for (size_t i = 0; i < len; i++) {
            ellipses += (unsigned char)line[i] == 0xe2 ? 1 : 0;
        }
        assert_true(len - 2 * ellipses <= 80); /* an ellipsis is three bytes and one column */
    }
}

static void
test_nobody_yet(void **state)
{
    (void)state;
    CLEANUP(free_text)
    char *page = members_page("{\"ok\":true,\"members\":[{\"org\":\"administrator\","
                              "\"state\":\"active\",\"auditor\":true}]}",
                              0);
    assert_non_null(strstr(page, "refloop-admin invite"));
}

static void
test_status(void **state)
{
    (void)state;
    static const char *const said[] = {
        "The broker of Elm?County has been running since 2026-11-21 08:15 (version 0.1.0).",
        "tcp://broker.example.org:7707",
        "3f2a 91c0 77de 0b14 a2f5 6c8e",
        "1 of 2 members are online; 1 invited",
        "120 entries and 1 loop;",
        "2026-11-21 09:30",
        "110 statements were accepted, 1 of them crossed",
        "The store is 2 % full.",
        "signed for 120 entries; cosigned by 1 of 2 members at 112 entries,",
        "asked since 2026-11-21 09:29.",
        "3  wrong-state: the loop's state does not allow this step",
        "1  revoked: ",
        "2  brand-new: a reason this version",
        "ash?-rogue: 3 refused: wrong-state (since 2026-11-21 08:20, last 2026-11-21 09:25)",
        "and 7 older.",
        "1 connection with an unknown key was turned away.",
    };
    json_auto_t *status = json_loads(status_text, 0, NULL);
    CLEANUP(free_text) char *page = status_page(status);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        assert_non_null(strstr(page, said[i]));
    }
    assert_null(strchr(page, '\033'));
    assert_null(strstr(page, "DISK IS FULL"));
    assert_null(strstr(page, "dropped"));
}

static void
test_status_of_a_sick_broker(void **state)
{
    (void)state;
    json_auto_t *status = json_loads(status_text, 0, NULL);
    assert_int_equal(json_object_set_new(status, "read_only", json_true()), 0);
    assert_int_equal(json_object_set_new(status, "fill_percent", json_integer(85)), 0);
    assert_int_equal(json_object_set_new(status, "refused", json_object()), 0);
    assert_int_equal(json_object_del(status, "refused_members"), 0);
    CLEANUP(free_text) char *page = status_page(status);
    assert_non_null(strstr(page, "THE DISK IS FULL"));
    assert_non_null(strstr(page, "85 % full: raise map_max_gib"));
    assert_non_null(strstr(page, "No statement or message was refused"));
    assert_null(strstr(page, "By organization"));
}

static char *
recover_page(json_t *answer)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    cmd_print_recover(answer, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
test_recover(void **state)
{
    (void)state;
    static const char *const said[] = {
        "RESTORED FROM AN OLD COPY of 100 entries",
        "120 of 130 entries again",
        "\n  entry 120\n  entries 122 to 129\n",
        "waits for 1 member to connect",
        "2 connections by keys this copy does not know yet are helping.",
        "see that their agents run",
        "Not heard yet:\n  oak-clinic (Oak Clinic), offline\n",
        "Heard:\n  elm-pantry (Elm Pantry)\n",
    };
    json_auto_t *answer = json_loads(recover_text, 0, NULL);
    CLEANUP(free_text) char *page = recover_page(answer);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        assert_non_null(strstr(page, said[i]));
    }
    assert_null(strstr(page, "ANOTHER LOG"));
}

/* Everything is back, or never was away: only somebody is missing. */
static void
test_recover_waits(void **state)
{
    (void)state;
    json_auto_t *answer = json_loads(recover_text, 0, NULL);
    json_t *recovery = json_object_get(answer, "recovery");
    assert_int_equal(json_object_set_new(recovery, "goal", json_integer(120)), 0);
    CLEANUP(free_text) char *back = recover_page(answer);
    assert_non_null(strstr(back, "All 120 entries that members have shown so far are back."));
    assert_non_null(strstr(back, "cannot come any more, 'refloop-admin recover --go-on'"));
    assert_int_equal(json_object_set_new(recovery, "began_at", json_integer(120)), 0);
    assert_int_equal(json_object_set_new(recovery, "goal", json_integer(0)), 0);
    CLEANUP(free_text) char *current = recover_page(answer);
    assert_non_null(strstr(current, "No member has shown more than the 120 entries"));
}

static void
test_recover_of_two_logs(void **state)
{
    (void)state;
    json_auto_t *answer = json_loads(recover_text, 0, NULL);
    json_auto_t *status = json_loads(status_text, 0, NULL);
    json_t *recovery = json_object_get(answer, "recovery");
    assert_int_equal(json_object_set_new(recovery, "forked", json_true()), 0);
    CLEANUP(free_text) char *page = recover_page(answer);
    assert_non_null(strstr(page, "MEMBERS HOLD ANOTHER LOG"));
    assert_int_equal(json_object_set(status, "recovery", recovery), 0);
    CLEANUP(free_text) char *shown = status_page(status);
    assert_non_null(strstr(shown, "MEMBERS HOLD ANOTHER LOG"));
    assert_non_null(strstr(shown, "The store is 2 % full."));
}

static void
test_recover_of_a_whole_broker(void **state)
{
    (void)state;
    json_auto_t *answer = json_loads(recover_text, 0, NULL);
    assert_int_equal(json_object_set_new(answer, "recovery", json_null()), 0);
    CLEANUP(free_text) char *page = recover_page(answer);
    assert_string_equal(
        page, "The broker is whole: its log has 120 entries, and nothing is waited for.\n");
}

/* An answer with nothing in it is a page with gaps, not a crash. */
static void
test_empty_status(void **state)
{
    (void)state;
    json_auto_t *status = json_object();
    CLEANUP(free_text) char *page = status_page(status);
    assert_non_null(strstr(page, "running"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_members_fit),
        cmocka_unit_test(test_nobody_yet),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_of_a_sick_broker),
        cmocka_unit_test(test_empty_status),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_recover_waits),
        cmocka_unit_test(test_recover_of_two_logs),
        cmocka_unit_test(test_recover_of_a_whole_broker),
    };
    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
