/* show: one referral on one page: who, what, where it stands, and everything that was said. Decides
 * the order (what must not be overlooked comes first) and how far each step has come; "answered" is
 * said only when a person of the other side has said something after it. */
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/terminal.h"

enum {
    SHORT_ID = 8,
    LABEL_COLUMNS = 13,
    DETAIL_INDENT = 16,
    WHO_COLUMNS = 18,
    WHO_COLUMNS_MIN = 8,
    WHAT_COLUMNS = 22,
    MOMENT_COLUMNS = 12,
    STAGE_COLUMNS = 26,
    GAPS_COLUMNS = 8,
    RECORD_BYTES = 40,
    LINE_BYTES = 1024
};

static const char *
partner_name(const json_t *loop)
{
    const json_t *partner = json_object_get(loop, "partner");
    const char *name = fields_text(partner, "name");
    return name[0] != '\0' ? name : fields_text(partner, "org");
}

static bool
is_source(const json_t *loop)
{
    return strcmp(fields_text(loop, "role"), "source") == 0;
}

/* Appends ", label value" (the comma only between parts) when there is a value. */
static void
join(struct buffer *line, const char *label, const char *value)
{
    if (value[0] == '\0') {
        return;
    }
    if (line->len > 0) {
        buffer_put(line, ", ", 2);
    }
    buffer_put(line, label, strlen(label));
    buffer_put(line, value, strlen(value));
}

struct part {
    const char *label, *field;
};

static void
print_parts(struct screen *screen, const char *label, const json_t *object,
            const struct part *parts, size_t n)
{
    CLEANUP(buffer_wipe) struct buffer line = BUFFER_INIT(64 * 1024);
    for (size_t i = 0; i < n; i++) {
        join(&line, parts[i].label, fields_text(object, parts[i].field));
    }
    screen_field(screen, SCREEN_PLAIN, label, LABEL_COLUMNS, "%.*s", (int)line.len,
                 line.len > 0 ? (const char *)line.data : "");
}

static void
print_identifiers(struct screen *screen, const json_t *person)
{
    size_t i = 0;
    const json_t *identifier = NULL;
    json_array_foreach(json_object_get(person, "identifiers"), i, identifier)
    {
        screen_field(screen, SCREEN_PLAIN, "  Known as", LABEL_COLUMNS, "%s (%s)",
                     fields_text(identifier, "value"), fields_text(identifier, "system"));
    }
}

static void
print_consent(struct screen *screen, const json_t *consent)
{
    static const struct part parts[] = {
        {"", "words"}, {"signed ", "signed_on"}, {"until ", "expires_on"}, {"for ", "covers"}};
    json_auto_t *copy = json_copy(json_object_get(consent, "consent"));
    const char *basis = fields_text(copy, "basis");
    if (copy == NULL || basis[0] == '\0') {
        return;
    }
    if (fields_set(copy, "words", words_code(REASON_BASIS, basis)) != ERR_OK) {
        screen->failed = true;
        return;
    }
    print_parts(screen, "  Consent", copy, parts, ARRAY_LEN(parts));
}

static void
print_request(struct screen *screen, const json_t *loop, const json_t *request)
{
    static const struct part person_parts[] = {{"", "name"},
                                               {"born ", "birth_date"},
                                               {"phone ", "phone"},
                                               {"", "email"},
                                               {"language ", "language"}};
    static const struct part contact_parts[] = {{"", "how"}, {"", "when"}};
    const json_t *person = json_object_get(request, "person");
    print_parts(screen, "  Person", person, person_parts, ARRAY_LEN(person_parts));
    screen_field(screen, SCREEN_PLAIN, "  Address", LABEL_COLUMNS, "%s",
                 fields_text(person, "address"));
    print_identifiers(screen, person);
    print_parts(screen, "  Contact by", json_object_get(request, "contact"), contact_parts,
                ARRAY_LEN(contact_parts));
    screen_field(screen, SCREEN_PLAIN, "  Category", LABEL_COLUMNS, "%s",
                 words_code(REASON_CATEGORY, fields_text(loop, "category")));
    screen_field(screen, SCREEN_PLAIN, "  Service", LABEL_COLUMNS, "%s",
                 fields_text(loop, "service"));
    screen_field(screen, SCREEN_PLAIN, "  Need", LABEL_COLUMNS, "%s", fields_text(request, "need"));
    print_consent(screen, request);
}

static void
print_standing(struct screen *screen, const json_t *loop)
{
    const json_t *next = json_object_get(loop, "next");
    const char *state = fields_text(loop, "state");
    const char *queued = fields_text(loop, "queued_state");
    char since[WORDS_BYTES] = "";
    char span[CLOCK_TEXT_BYTES] = "";
    char day[WORDS_BYTES];
    int64_t ms = 0;
    if (fields_time(loop, "since", &ms)) {
        words_moment(ms, screen->now_ms, since);
    }
    screen_field(screen, SCREEN_PLAIN, "  State", LABEL_COLUMNS, "%s%s%s", words_state(state),
                 since[0] != '\0' ? " since " : "", since);
    if (queued[0] != '\0' && strcmp(queued, state) != 0) {
        screen_field(screen, SCREEN_PLAIN, "", LABEL_COLUMNS,
                     "then %s: said here, not on the broker's disk yet", words_state(queued));
    }
    if (fields_text(next, "who")[0] != '\0') {
        bool ours = strcmp(fields_text(next, "who"), fields_text(loop, "role")) == 0;
        if (fields_time(next, "since", &ms)) {
            clock_format_span(screen->now_ms - ms, span);
        }
        bool long_since = strchr("0123456789", span[0]) != NULL && span[0] != '\0';
        screen_field(screen, SCREEN_PLAIN, "  Next", LABEL_COLUMNS, "%s: %s%s%s%s",
                     ours ? "you" : partner_name(loop), fields_text(next, "step"),
                     long_since ? " (for " : "", long_since ? span : "", long_since ? ")" : "");
    }
    words_field_day(loop, "needed_by", screen->now_ms, day);
    screen_field(screen, SCREEN_PLAIN, "  Needed by", LABEL_COLUMNS, "%s", day);
    words_field_day(loop, "due", screen->now_ms, day);
    screen_field(screen, SCREEN_PLAIN, "  Due", LABEL_COLUMNS, "%s", day);
}

static void
print_heading(struct screen *screen, const json_t *loop, const json_t *request)
{
    const json_t *partner = json_object_get(loop, "partner");
    const json_t *contact = json_object_get(request, "contact");
    const char *notice = words_notice(loop);
    bool urgent = strcmp(fields_text(loop, "priority"), "urgent") == 0;
    if (fields_flag(loop, "no_contact") || fields_flag(contact, "prohibited")) {
        screen_line(screen, SCREEN_ALARM, 0, "[!] DO NOT CONTACT THIS PERSON. %s [!]",
                    is_source(loop) ? "The partner is told so too."
                                    : "Speak with the organization that sent the referral.");
        screen_gap(screen);
    }
    screen_line(screen, SCREEN_BOLD, 0, "%s %.*s %s %s%s", urgent ? "URGENT referral" : "Referral",
                SHORT_ID, fields_text(loop, "loop"), is_source(loop) ? "to" : "from",
                partner_name(loop),
                fields_flag(partner, "revoked") ? " (no longer in the network)" : "");
    if (notice[0] != '\0') {
        screen_line(screen, SCREEN_WARN, 2, "! %s", notice);
    }
    print_request(screen, loop, request);
    print_standing(screen, loop);
}

/* --- the timeline ---------------------------------------------------------------------------- */

/* The step of the other side, said by a person, that came after step `place`; NULL when none. */
static const json_t *
find_answer(const json_t *timeline, size_t place)
{
    const json_t *asked = json_array_get(timeline, place);
    if (!words_event_expects(fields_text(asked, "event")) || fields_flag(asked, "superseded") ||
        strcmp(fields_text(asked, "stage"), "refused") == 0) {
        return NULL;
    }
    for (size_t i = place + 1; i < json_array_size(timeline); i++) {
        const json_t *step = json_array_get(timeline, i);
        bool counts = !fields_flag(step, "superseded") && !fields_flag(step, "automatic") &&
                      strcmp(fields_text(step, "stage"), "refused") != 0 &&
                      strcmp(fields_text(step, "event"), "note") != 0;
        if (counts && fields_flag(step, "mine") != fields_flag(asked, "mine")) {
            return step;
        }
    }
    return NULL;
}

/* The log's time, which both sides agree on; the author's own until there is one. */
static bool
step_time(const json_t *step, int64_t *ms_out)
{
    return fields_time(step, "accepted", ms_out) || fields_time(step, "authored", ms_out);
}

/* Sent and receipted, but the receipt proves nothing. */
static bool
is_unproved(const json_t *step)
{
    return fields_text(step, "unproved")[0] != '\0';
}

/* "#1204" and a check mark where there is one; "" when it is not proved to be in the log. */
static void
tell_record(const struct screen *screen, const json_t *step, char out[RECORD_BYTES])
{
    out[0] = '\0';
    if (fields_flag(step, "proved") && json_is_integer(json_object_get(step, "index"))) {
        (void)text_format(out, RECORD_BYTES, "#%zu%s", (size_t)fields_count(step, "index"),
                          screen->marks ? " \xe2\x9c\x93" : "");
    }
}

static void
tell_stage(const struct screen *screen, const json_t *timeline, size_t place, char out[WORDS_BYTES])
{
    const json_t *step = json_array_get(timeline, place);
    const json_t *answer = find_answer(timeline, place);
    if (is_unproved(step)) {
        (void)text_format(out, WORDS_BYTES, "sent, not proved");
        return;
    }
    int64_t said_ms = 0;
    int64_t answered_ms = 0;
    if (answer == NULL || !step_time(answer, &answered_ms) || !step_time(step, &said_ms)) {
        words_stage(step, screen->now_ms, out);
        return;
    }
    char at[WORDS_BYTES];
    words_moment_near(answered_ms, said_ms, screen->now_ms, at);
    (void)text_format(out, WORDS_BYTES, "answered %s", at);
}

/* Who gives way, so that the stage has its place beside the step on 80 columns too. */
static size_t
who_columns(const struct screen *screen)
{
    size_t others = MOMENT_COLUMNS + WHAT_COLUMNS + STAGE_COLUMNS + GAPS_COLUMNS;
    if (screen->width == 0 || screen->width >= others + WHO_COLUMNS) {
        return WHO_COLUMNS;
    }
    return screen->width > others + WHO_COLUMNS_MIN ? screen->width - others : WHO_COLUMNS_MIN;
}

static bool
has_room(const struct screen *screen, size_t columns)
{
    return screen->width == 0 || columns <= screen->width;
}

static void
print_step_line(struct screen *screen, const json_t *step, const char *partner, const char *stage)
{
    char moment[WORDS_BYTES] = "";
    int64_t ms = 0;
    if (step_time(step, &ms)) {
        words_moment(ms, screen->now_ms, moment);
    }
    size_t moment_columns = strlen(moment) > MOMENT_COLUMNS ? strlen(moment) : MOMENT_COLUMNS;
    size_t who = who_columns(screen);
    size_t before = moment_columns + who + WHAT_COLUMNS + GAPS_COLUMNS;
    size_t stage_columns = terminal_columns(stage);
    bool beside = stage[0] != '\0' && has_room(screen, before + stage_columns);
    char record[RECORD_BYTES];
    tell_record(screen, step, record);
    size_t filled = stage_columns > STAGE_COLUMNS ? stage_columns : STAGE_COLUMNS;
    bool recorded = record[0] != '\0' && (beside || stage[0] == '\0') &&
                    has_room(screen, before + filled + 2 + terminal_columns(record));
    const struct screen_cell cells[] = {
        {"", 0, SCREEN_PLAIN},
        {moment, moment_columns, SCREEN_FAINT},
        {fields_flag(step, "mine") ? "you" : partner,
         beside || stage[0] == '\0' ? who : WHO_COLUMNS, SCREEN_PLAIN},
        {words_event(fields_text(step, "event")), beside || recorded ? WHAT_COLUMNS : 0,
         SCREEN_BOLD},
        {stage, recorded ? filled : 0, SCREEN_FAINT},
        {record, 0, SCREEN_FAINT},
    };
    screen_row(screen, cells, ARRAY_LEN(cells) - (recorded ? 0 : beside ? 1 : 2));
    if (!beside && stage[0] != '\0') {
        screen_line(screen, SCREEN_FAINT, DETAIL_INDENT, "%s", stage);
    }
}

static void
print_remarks(struct screen *screen, const json_t *step, const char *partner)
{
    const json_t *refusal = json_object_get(step, "refusal");
    bool mine = fields_flag(step, "mine");
    if (json_is_object(refusal)) {
        screen_line(screen, SCREEN_ALARM, DETAIL_INDENT,
                    "The broker refused this for good and it changed nothing: %s.",
                    fields_text(refusal, "text"));
    }
    if (is_unproved(step)) {
        screen_line(screen, SCREEN_WARN, DETAIL_INDENT,
                    "Sent, not proved: %s. There is nothing to do: it is sent again by itself. If "
                    "it stays so, ask your administrator.",
                    fields_text(step, "unproved"));
    }
    if (fields_flag(step, "superseded")) {
        screen_line(screen, SCREEN_WARN, DETAIL_INDENT,
                    "This crossed with a step of %s that came first. It is kept and changed "
                    "nothing.",
                    mine ? partner : "yours");
    }
    if (fields_flag(step, "automatic")) {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "Said automatically, by no person.");
    }
    if (fields_flag(step, "unreadable")) {
        screen_line(screen, SCREEN_WARN, DETAIL_INDENT,
                    "What it says cannot be opened with this organization's keys. Ask %s.",
                    mine ? "your administrator" : partner);
    }
}

static void
print_code(struct screen *screen, const json_t *step)
{
    const char *event = fields_text(step, "event");
    const json_t *facts = json_object_get(step, "facts");
    const char *code = words_step_code(event, facts);
    const char *next_loop = fields_text(facts, "next_loop");
    const char *replaces = fields_text(facts, "replaces");
    if (code[0] != '\0') {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "%s", code);
    }
    if (next_loop[0] != '\0') {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "goes on as %.*s", SHORT_ID, next_loop);
    }
    if (replaces[0] != '\0') {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "goes on from %.*s", SHORT_ID, replaces);
    }
}

static void
print_body(struct screen *screen, const json_t *step)
{
    static const char *const texts[] = {"missing", "answer", "note"};
    static const struct part contact_parts[] = {{"", "contact_name"}, {"phone ", "contact_phone"}};
    const json_t *body = json_object_get(step, "body");
    char day[WORDS_BYTES];
    char moment[WORDS_BYTES];
    int64_t ms = 0;
    CLEANUP(buffer_wipe) struct buffer contact = BUFFER_INIT(LINE_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(contact_parts); i++) {
        join(&contact, contact_parts[i].label, fields_text(body, contact_parts[i].field));
    }
    if (contact.len > 0) {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "ask for %.*s", (int)contact.len,
                    (const char *)contact.data);
    }
    if (fields_time(body, "appointment", &ms)) {
        words_moment(ms, screen->now_ms, moment);
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "appointment on %s", moment);
    }
    words_field_day(step, "due", screen->now_ms, day);
    if (day[0] != '\0') {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "by %s", day);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        screen_text(screen, DETAIL_INDENT, fields_text(body, texts[i]));
    }
    if (fields_text(body, "staff")[0] != '\0') {
        screen_line(screen, SCREEN_FAINT, DETAIL_INDENT, "said by %s", fields_text(body, "staff"));
    }
}

/* Which steps somebody else can be made to believe. Nothing from an agent that does not tell. */
static void
print_proved(struct screen *screen, const json_t *loop, const json_t *timeline)
{
    size_t n_logged = 0;
    size_t n_proved = 0;
    size_t i = 0;
    const json_t *step = NULL;
    json_array_foreach(timeline, i, step)
    {
        n_logged += json_is_integer(json_object_get(step, "index")) ? 1 : 0;
        n_proved += fields_flag(step, "proved") ? 1 : 0;
    }
    if (n_proved == 0) {
        return;
    }
    char part[WORDS_BYTES] = "proved";
    if (n_proved < n_logged) {
        (void)text_format(part, sizeof(part), "%zu of them proved", n_proved);
    }
    screen_gap(screen);
    screen_line(screen, SCREEN_FAINT, 0,
                "%zu step%s on record, %s. 'refloop evidence %.*s' writes a file that proves it to "
                "others.",
                n_logged, n_logged == 1 ? "" : "s", part, SHORT_ID, fields_text(loop, "loop"));
}

void
cmd_print_show(struct screen *screen, const json_t *answer)
{
    const json_t *loop = json_object_get(answer, "loop");
    const json_t *timeline = json_object_get(answer, "timeline");
    print_heading(screen, loop, json_object_get(answer, "request"));
    screen_gap(screen);
    size_t i = 0;
    const json_t *step = NULL;
    json_array_foreach(timeline, i, step)
    {
        char stage[WORDS_BYTES];
        tell_stage(screen, timeline, i, stage);
        print_step_line(screen, step, partner_name(loop), stage);
        print_remarks(screen, step, partner_name(loop));
        print_code(screen, step);
        print_body(screen, step);
    }
    if (json_is_true(json_object_get(answer, "cut"))) {
        screen_line(screen, SCREEN_WARN, 0, "The later steps are too long to be shown here.");
    }
    print_proved(screen, loop, timeline);
}

int
cmd_show(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s}", "command", "show", "loop", cli_word(cli, 0));
    int code = talk_ask(cli, request, TALK_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        cmd_print_show(&cli->screen, answer);
    }
    return code;
}
