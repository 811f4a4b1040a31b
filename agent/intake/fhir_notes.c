/* Decides how what was said in a loop reads in FHIR: each step as one Annotation of the Task, and
 * the reason of the present state as its statusReason. One table gives each event its opening words
 * and the place of its text.
 *
 * One thing is held back: with a consent that was taken back, the words that came with it stay out,
 * only the coded reason is told. */
#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_make.h"
#include "agent/intake/fhir_read.h"
#include "lib/loop/reason.h"

enum { TEXT_MAX = LIMIT_BODY_BYTES + 1024 }; /* a partner may have filled all of a body */

static const struct {
    const char *opening; /* NULL: nothing before the text */
    const char *code;    /* the fact whose words follow; NULL when none */
    const char *text;    /* member of the body */
    bool is_reason;      /* of the state the event makes */
} said[EVENT_COUNT] = {
    [EVENT_REQUEST] = {NULL, NULL, "note", false},
    [EVENT_ASK] = {"Question", NULL, "missing", false},
    [EVENT_ANSWER] = {"Answer", NULL, "answer", false},
    [EVENT_ACCEPT] = {"Accepted", NULL, "note", false},
    [EVENT_DECLINE] = {"Declined", "reason", "note", true},
    [EVENT_PROGRESS] = {NULL, "kind", "note", false},
    [EVENT_HOLD] = {"On hold", "reason", "note", true},
    [EVENT_CANCEL] = {"Cancellation requested", "reason", "note", false},
    [EVENT_RETRACT] = {"Cancellation taken back", NULL, "note", false},
    [EVENT_RELEASE] = {"Withdrawn", "reason", "note", true},
    [EVENT_COMPLETE] = {"Completed", "outcome", "note", false},
    [EVENT_FAIL] = {"Not completed", "reason", "note", true},
    [EVENT_WITHDRAW] = {"Withdrawn", "reason", "note", true},
    [EVENT_ACKNOWLEDGE] = {"Acknowledged", "next", "note", false},
    [EVENT_VOID] = {"Entered in error", "reason", "note", true},
    [EVENT_NOTE] = {NULL, NULL, "note", false},
};

static void
add(struct buffer *out, const char *separator, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    if (out->len > 0)
        buffer_put(out, separator, strlen(separator));
    buffer_put(out, text, strlen(text));
}

static const char *
code_of(const struct export_step *step)
{
    return said[step->event].code != NULL ? content_text(step->facts, said[step->event].code) : "";
}

static void
add_code(struct buffer *out, const struct export_step *step)
{
    enum reason_list list;

    if (!reason_list_for(step->event, &list))
        return;
    const struct reason *reason = reason_find(list, code_of(step));
    if (reason != NULL &&
        !reason->needs_text) /* "other, please explain": the text that follows is the reason */
        add(out, ": ", reason->words);
}

static void
add_text(struct buffer *out, const struct export_step *step)
{
    if (strcmp(code_of(step), "consent-revoked") != 0)
        add(out, ": ", content_text(step->body, said[step->event].text));
}

/* NULL when there is nothing to tell, or when memory ran out. */
static json_t *
text_of(struct fhir_maker *maker, const struct buffer *text)
{
    if (buffer_err(text) != ERR_OK)
        maker->failed = true;
    if (text->len == 0 || maker->failed)
        return NULL;
    json_t *string = json_stringn((const char *)text->data, text->len);
    if (string == NULL)
        maker->failed = true;
    return string;
}

static json_t *
tell(struct fhir_maker *maker, const struct export_step *step)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX);

    add(&text, "", said[step->event].opening);
    add_code(&text, step);
    add(&text, ": contact ", fhir_read_text(step->body, "contact_name"));
    add(&text, ", ", fhir_read_text(step->body, "contact_phone"));
    add(&text, ": ", fhir_read_text(step->body, "appointment"));
    add_text(&text, step);
    if (step->superseded)
        add(&text, " ", "(it crossed with a step of the other side and changed nothing)");
    return text_of(maker, &text);
}

json_t *
fhir_make_notes(struct fhir_maker *maker)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < maker->loop->n_steps; i++) {
        const struct export_step *step = &maker->loop->steps[i];
        json_t *text = step->event < EVENT_COUNT ? tell(maker, step) : NULL;
        const char *org =
            step->role == LOOP_SOURCE ? maker->loop->source_org : maker->loop->target_org;
        if (text == NULL)
            continue;
        json_t *note = json_pack("{s:o}", "authorReference", fhir_make_org_reference(org));
        fhir_make_put_time(maker, note, "time", step->time_ms);
        fhir_make_put(maker, note, "text", text);
        if (content_append(notes, note) != ERR_OK)
            maker->failed = true;
    }
    if (notes == NULL)
        maker->failed = true;
    return notes;
}

json_t *
fhir_make_reason(struct fhir_maker *maker)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX);

    if (maker->ending == NULL || !said[maker->ending->event].is_reason)
        return NULL;
    add_code(&text, maker->ending);
    add_text(&text, maker->ending);
    if (text.len == 0)
        add(&text, "", "no reason was given");
    return text_of(maker, &text);
}
