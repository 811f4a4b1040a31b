/* Decides what a step of a referral must carry, may carry and must not. One table says it, event by
 * field; an empty cell forbids. The lists of codes are lib/loop/reason's, and which list an event
 * draws from as well.
 *
 * It refuses to know whether the step is possible now: that is the lifecycle's business. */
#include <string.h>

#include "agent/content/content_text.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/loop/ident.h"
#include "lib/loop/reason.h"

enum field {
    FIELD_REASON,
    FIELD_KIND,
    FIELD_OUTCOME,
    FIELD_NEXT,
    FIELD_NEXT_LOOP,
    FIELD_TEXT,
    FIELD_CONTACT_NAME,
    FIELD_CONTACT_PHONE,
    FIELD_APPOINTMENT,
    FIELD_DUE,
    FIELD_STAFF,
    FIELD_COUNT
};

enum need { FORBIDDEN, OPTIONAL, REQUIRED };

static const uint8_t needs[EVENT_COUNT][FIELD_COUNT] = {
    [EVENT_ASK] = {[FIELD_TEXT] = REQUIRED, [FIELD_STAFF] = OPTIONAL},
    [EVENT_ANSWER] = {[FIELD_TEXT] = REQUIRED, [FIELD_STAFF] = OPTIONAL},
    [EVENT_ACCEPT] = {[FIELD_TEXT] = OPTIONAL,
                      [FIELD_CONTACT_NAME] = OPTIONAL,
                      [FIELD_CONTACT_PHONE] = OPTIONAL,
                      [FIELD_DUE] = OPTIONAL,
                      [FIELD_STAFF] = OPTIONAL},
    [EVENT_DECLINE] =
        {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_PROGRESS] = {[FIELD_KIND] = REQUIRED,
                        [FIELD_TEXT] = OPTIONAL,
                        [FIELD_APPOINTMENT] = OPTIONAL,
                        [FIELD_STAFF] = OPTIONAL},
    [EVENT_HOLD] = {[FIELD_REASON] = REQUIRED,
                    [FIELD_TEXT] = OPTIONAL,
                    [FIELD_DUE] = OPTIONAL,
                    [FIELD_STAFF] = OPTIONAL},
    [EVENT_CANCEL] = {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_RETRACT] = {[FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_RELEASE] =
        {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_COMPLETE] =
        {[FIELD_OUTCOME] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_FAIL] = {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_WITHDRAW] =
        {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_ACKNOWLEDGE] = {[FIELD_NEXT] = REQUIRED,
                           [FIELD_NEXT_LOOP] = OPTIONAL,
                           [FIELD_TEXT] = OPTIONAL,
                           [FIELD_STAFF] = OPTIONAL},
    [EVENT_VOID] = {[FIELD_REASON] = REQUIRED, [FIELD_TEXT] = OPTIONAL, [FIELD_STAFF] = OPTIONAL},
    [EVENT_NOTE] = {[FIELD_TEXT] = REQUIRED, [FIELD_STAFF] = OPTIONAL},
};

/* How a value is checked. */
enum kind { KIND_CODE, KIND_LOOP, KIND_TEXT, KIND_TIME };

static const struct {
    const char *name;  /* in the command */
    const char *limit; /* row of the limits table */
    enum kind kind;
    bool fact;       /* goes into the facts; else into the body */
    bool kept_aside; /* checked here, carried by the statement itself */
} fields[FIELD_COUNT] = {
    [FIELD_REASON] = {"reason", "word", KIND_CODE, true, false},
    [FIELD_KIND] = {"kind", "word", KIND_CODE, true, false},
    [FIELD_OUTCOME] = {"outcome", "word", KIND_CODE, true, false},
    [FIELD_NEXT] = {"next", "word", KIND_CODE, true, false},
    [FIELD_NEXT_LOOP] = {"next_loop", "word", KIND_LOOP, true, false},
    [FIELD_TEXT] = {"text", "note", KIND_TEXT, false, false},
    [FIELD_CONTACT_NAME] = {"contact_name", "contact_name", KIND_TEXT, false, false},
    [FIELD_CONTACT_PHONE] = {"contact_phone", "contact_phone", KIND_TEXT, false, false},
    [FIELD_APPOINTMENT] = {"appointment", "appointment", KIND_TIME, false, false},
    [FIELD_DUE] = {"due", "word", KIND_TIME, false, true},
    [FIELD_STAFF] = {"staff", "staff", KIND_TEXT, false, false},
};

/* Where a step's text goes when it is not a plain note. */
static const char *const text_names[EVENT_COUNT] = {
    [EVENT_ASK] = "missing",
    [EVENT_ANSWER] = "answer",
};

struct draft {
    enum loop_event event;
    json_t *values[FIELD_COUNT]; /* owned */
    const struct reason *code;   /* of reason, kind, outcome or next */
    struct content_fault *fault;
};

static void
draft_done(struct draft *draft)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        json_decref(draft->values[i]);
}

static enum err
check_code(struct draft *draft, enum field field, const char *text)
{
    enum reason_list list;

    if (!reason_list_for(draft->event, &list))
        return ERR_INTERNAL;
    draft->code = reason_find(list, text);
    if (draft->code != NULL)
        return ERR_OK;
    char shown[48];
    text_printable(bytes_of_text(text), shown, sizeof(shown));
    return content_blame(draft->fault, fields[field].name,
                         "\"%s\" is no %s of %s; see the list of codes", shown, fields[field].name,
                         lifecycle_event_name(draft->event));
}

static enum err
check_value(struct draft *draft, enum field field, const char *text)
{
    const char *name = fields[field].name;
    struct loop_id loop;
    int64_t ms;

    switch (fields[field].kind) {
    case KIND_CODE:
        return check_code(draft, field, text);
    case KIND_LOOP:
        if (!ident_parse(text, &loop))
            return content_blame(draft->fault, name, "%s must be a loop id of 32 hex digits", name);
        return ERR_OK;
    case KIND_TIME:
        if (clock_parse(text, true, &ms) != ERR_OK) {
            return content_blame(draft->fault, name,
                                 "%s must be a date like 2026-12-01 or a time like "
                                 "2026-12-01T14:30:00Z",
                                 name);
        }
        return ERR_OK;
    case KIND_TEXT:
        break;
    }
    return ERR_OK;
}

static enum err
take_field(struct draft *draft, enum field field, json_t *given)
{
    const char *name = fields[field].name;
    json_t *value = NULL;
    enum err err = content_take(fields[field].limit, name, given, &value, draft->fault);

    if (err != ERR_OK)
        return err;
    draft->values[field] = value;
    enum need need = (enum need)needs[draft->event][field];
    if (value == NULL && need == REQUIRED) {
        return content_blame(draft->fault, name, "%s needs a %s",
                             lifecycle_event_name(draft->event), name);
    }
    if (value == NULL)
        return ERR_OK;
    if (need == FORBIDDEN) {
        return content_blame(draft->fault, name, "%s takes no %s",
                             lifecycle_event_name(draft->event), name);
    }
    return check_value(draft, field, json_string_value(value));
}

static bool
code_is(const struct draft *draft, const char *code)
{
    return draft->code != NULL && strcmp(draft->code->code, code) == 0;
}

/* What depends on the code that was chosen. */
static enum err
check_together(const struct draft *draft)
{
    if (draft->code != NULL && draft->code->needs_text && draft->values[FIELD_TEXT] == NULL) {
        return content_blame(draft->fault, "text", "\"%s\" needs a text that explains it",
                             draft->code->code);
    }
    if (draft->values[FIELD_APPOINTMENT] != NULL && !code_is(draft, "scheduled")) {
        return content_blame(draft->fault, "appointment",
                             "an appointment goes with the kind \"scheduled\" only");
    }
    if (draft->values[FIELD_NEXT_LOOP] != NULL && !code_is(draft, "re-referred")) {
        return content_blame(draft->fault, "next_loop",
                             "a next loop goes with the next step \"re-referred\" only");
    }
    return ERR_OK;
}

static enum err
take_fields(struct draft *draft, const json_t *given)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        enum err err = take_field(draft, (enum field)i, json_object_get(given, fields[i].name));
        if (err != ERR_OK)
            return err;
    }
    return check_together(draft);
}

static enum err
fill(const struct draft *draft, json_t *facts, json_t *body)
{
    enum err err = content_put(facts, "v", json_integer(1));

    if (err == ERR_OK)
        err = content_put(body, "v", json_integer(1));
    for (size_t i = 0; i < FIELD_COUNT && err == ERR_OK; i++) {
        if (draft->values[i] == NULL || fields[i].kept_aside)
            continue;
        const char *name = fields[i].name;
        if (i == FIELD_TEXT)
            name = text_names[draft->event] != NULL ? text_names[draft->event] : "note";
        err = content_put(fields[i].fact ? facts : body, name, json_incref(draft->values[i]));
    }
    return err;
}

enum err
content_from_step(enum loop_event event, json_t *given, json_t **facts_out, json_t **body_out,
                  struct content_fault *fault)
{
    /* A request has its own way in (agent/intake), and a receipt carries nothing. */
    if (event >= EVENT_COUNT || event == EVENT_REQUEST || event == EVENT_DELIVERED)
        return content_blame(fault, "event", "this is no step that can be given here");
    CLEANUP(draft_done) struct draft draft = {.event = event, .fault = fault};
    json_auto_t *facts = json_object();
    json_auto_t *body = json_object();
    enum err err = take_fields(&draft, given);
    if (err == ERR_OK)
        err = fill(&draft, facts, body);
    if (err != ERR_OK)
        return err;
    *facts_out = json_incref(facts);
    *body_out = json_incref(body);
    return ERR_OK;
}
