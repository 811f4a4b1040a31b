/* Decides what a request may say: one table of commands, each with its fields and their types. What
 * is not in the table is refused by its name, so that a misspelled field does not vanish. A field
 * that is null counts as not given.
 *
 * It refuses to know what the commands do, and never repeats a field's value: values are about
 * people. */
#include "agent/command/command.h"

#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "lib/base/text.h"

enum type { TYPE_TEXT, TYPE_FLAG, TYPE_COUNT, TYPE_LIST };
enum need { OPTIONAL, REQUIRED };

struct field {
    const char *name;
    enum type type;
    enum need need;
};

typedef json_t *(*handler)(struct command_context *context, json_t *request);

static const struct field list_fields[] = {
    {"show", TYPE_TEXT, OPTIONAL},
    {"limit", TYPE_COUNT, OPTIONAL},
};

static const struct field show_fields[] = {{"loop", TYPE_TEXT, REQUIRED}};

static const struct field send_fields[] = {
    {"files", TYPE_LIST, REQUIRED},
    {"to", TYPE_TEXT, OPTIONAL},
    {"priority", TYPE_TEXT, OPTIONAL},
    {"needed_by", TYPE_TEXT, OPTIONAL},
};

static const struct field step_fields[] = {
    {"loop", TYPE_TEXT, REQUIRED},          {"event", TYPE_TEXT, REQUIRED},
    {"reason", TYPE_TEXT, OPTIONAL},        {"kind", TYPE_TEXT, OPTIONAL},
    {"outcome", TYPE_TEXT, OPTIONAL},       {"next", TYPE_TEXT, OPTIONAL},
    {"next_loop", TYPE_TEXT, OPTIONAL},     {"due", TYPE_TEXT, OPTIONAL},
    {"text", TYPE_TEXT, OPTIONAL},          {"contact_name", TYPE_TEXT, OPTIONAL},
    {"contact_phone", TYPE_TEXT, OPTIONAL}, {"appointment", TYPE_TEXT, OPTIONAL},
    {"staff", TYPE_TEXT, OPTIONAL},         {"automatic", TYPE_FLAG, OPTIONAL},
};

static const struct field export_fields[] = {
    {"loop", TYPE_TEXT, REQUIRED},
    {"format", TYPE_TEXT, OPTIONAL},
};

static const struct field alarms_fields[] = {{"standing", TYPE_FLAG, OPTIONAL}};
static const struct field alarm_fields[] = {{"n", TYPE_COUNT, REQUIRED}};
static const struct field settle_fields[] = {{"newest", TYPE_COUNT, REQUIRED}};
static const struct field checkpoint_fields[] = {{"check", TYPE_TEXT, OPTIONAL}};
static const struct field events_fields[] = {{"limit", TYPE_COUNT, OPTIONAL}};

static const struct field evidence_fields[] = {
    {"loop", TYPE_TEXT, REQUIRED},
    {"with_body", TYPE_FLAG, OPTIONAL},
    {"now", TYPE_FLAG, OPTIONAL},
};

#define FIELDS(array) .fields = (array), .n_fields = ARRAY_LEN(array)

static const struct row {
    const char *name;
    handler run;
    const struct field *fields;
    size_t n_fields;
    bool watches;
} rows[] = {
    {.name = "status", .run = cmd_status_run},
    {.name = "list", .run = cmd_list_run, FIELDS(list_fields)},
    {.name = "show", .run = cmd_show_run, FIELDS(show_fields)},
    {.name = "send", .run = cmd_send_run, FIELDS(send_fields)},
    {.name = "check", .run = cmd_send_check, FIELDS(send_fields)},
    {.name = "step", .run = cmd_step_run, FIELDS(step_fields)},
    {.name = "export", .run = cmd_export_run, FIELDS(export_fields)},
    {.name = "evidence", .run = cmd_evidence_run, FIELDS(evidence_fields)},
    {.name = "alarms", .run = cmd_alarms_run, FIELDS(alarms_fields)},
    {.name = "alarm", .run = cmd_alarms_one, FIELDS(alarm_fields)},
    {.name = "settle", .run = cmd_alarms_settle, FIELDS(settle_fields)},
    {.name = "checkpoint", .run = cmd_checkpoint_run, FIELDS(checkpoint_fields)},
    {.name = "events", .run = cmd_events_run, FIELDS(events_fields)},
    {.name = "members", .run = cmd_other_members},
    {.name = "codes", .run = cmd_other_codes},
    {.name = "watch", .run = cmd_other_watch, .watches = true},
    {.name = "verify", .run = cmd_other_verify},
};

static const char *
type_words(enum type type)
{
    static const char *const words[] = {
        [TYPE_TEXT] = "a text",
        [TYPE_FLAG] = "true or false",
        [TYPE_COUNT] = "a whole number from 0",
        [TYPE_LIST] = "a list",
    };

    return words[type];
}

static bool
is_of_type(const json_t *value, enum type type)
{
    switch (type) {
    case TYPE_TEXT:
        return json_is_string(value);
    case TYPE_FLAG:
        return json_is_boolean(value);
    case TYPE_COUNT:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case TYPE_LIST:
        return json_is_array(value);
    }
    return false;
}

static const struct row *
find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct field *
find_field(const struct row *row, const char *name)
{
    for (size_t i = 0; i < row->n_fields; i++) {
        if (strcmp(row->fields[i].name, name) == 0)
            return &row->fields[i];
    }
    return NULL;
}

static enum err
check_given(const struct row *row, json_t *request, struct content_fault *fault)
{
    const char *name;
    json_t *value;

    json_object_foreach(request, name, value)
    {
        if (strcmp(name, "command") == 0)
            continue;
        const struct field *field = find_field(row, name);
        if (field == NULL) {
            char shown[48];
            text_printable(bytes_of_text(name), shown, sizeof(shown));
            return content_blame(fault, shown, "%s takes no field \"%s\"", row->name, shown);
        }
        if (!json_is_null(value) && !is_of_type(value, field->type)) {
            return content_blame(fault, field->name, "%s must be %s", field->name,
                                 type_words(field->type));
        }
    }
    return ERR_OK;
}

static enum err
check_required(const struct row *row, const json_t *request, struct content_fault *fault)
{
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct field *field = &row->fields[i];
        const json_t *value = json_object_get(request, field->name);
        if (field->need == REQUIRED && (value == NULL || json_is_null(value)))
            return content_blame(fault, field->name, "%s needs the field %s", row->name,
                                 field->name);
    }
    return ERR_OK;
}

static enum err
choose(json_t *request, const struct row **row_out, struct content_fault *fault)
{
    const char *name = json_string_value(json_object_get(request, "command"));

    if (name == NULL)
        return content_blame(fault, "command", "a request is an object with a \"command\"");
    const struct row *row = find_row(name);
    if (row == NULL) {
        char shown[48];
        text_printable(bytes_of_text(name), shown, sizeof(shown));
        return content_blame(fault, "command", "there is no command \"%s\"", shown);
    }
    enum err err = check_given(row, request, fault);
    if (err == ERR_OK)
        err = check_required(row, request, fault);
    if (err == ERR_OK)
        *row_out = row;
    return err;
}

/* Even without memory there is an answer: null needs none. */
static json_t *
never_null(json_t *answer)
{
    if (answer == NULL)
        answer = error_answer(ERR_MEMORY, NULL, NULL);
    return answer != NULL ? answer : json_null();
}

json_t *
command_run(struct command_context *context, json_t *request, bool *watch_out)
{
    struct agent_proof_status proof;
    const struct row *row = NULL;
    struct content_fault fault = {.field = ""};
    enum err err = choose(request, &row, &fault);

    *watch_out = false;
    agent_get_proof_status(context->agent, &proof);
    context->stopped = proof.stopped;
    if (err != ERR_OK)
        return never_null(error_of_fault(err, &fault));
    json_t *answer = row->run(context, request);
    *watch_out = row->watches && answer != NULL;
    return never_null(answer);
}

json_t *
command_watch_message(struct command_context *context, const struct loop_id *loop, json_t *status)
{
    json_t *view = NULL;

    if (view_make_by_id(context, loop, &view) != ERR_OK)
        view = json_null(); /* something did change, and the status may say what is wrong */
    return never_null(
        json_pack("{s:b, s:b, s:o, s:O}", "ok", 1, "more", 1, "loop", view, "status", status));
}
