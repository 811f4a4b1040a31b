/* Decides what belongs into the Bundle of a loop and how its parts point to one another. What came
 * as FHIR goes out unchanged, in its order; only the ServiceRequest gets the status the loop has
 * given it. What did not come as FHIR is made (fhir_make.c).
 *
 * The content of a partner is not trusted to be sound: what cannot be read as resources is left
 * out, and made instead. */
#include "agent/intake/fhir_export.h"

#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_make.h"
#include "agent/intake/fhir_read.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"

static void
maker_done(struct fhir_maker *maker)
{
    fhir_set_done(&maker->given);
}

/* --- where the loop stands --- */

/* Which fact of the step that made a state the mapping turns on; the state tells nothing for other
 * events. */
static const char *const mapped_fact[EVENT_COUNT] = {
    [EVENT_DECLINE] = "reason",  [EVENT_PROGRESS] = "kind",    [EVENT_HOLD] = "reason",
    [EVENT_RELEASE] = "reason",  [EVENT_COMPLETE] = "outcome", [EVENT_FAIL] = "reason",
    [EVENT_WITHDRAW] = "reason",
};

/* The state an event makes, where only one is possible. */
static const enum loop_state made_state[EVENT_COUNT] = {
    [EVENT_REQUEST] = LOOP_REQUESTED,  [EVENT_ASK] = LOOP_INFO_REQUESTED,
    [EVENT_ANSWER] = LOOP_REQUESTED,   [EVENT_ACCEPT] = LOOP_ACCEPTED,
    [EVENT_DECLINE] = LOOP_DECLINED,   [EVENT_PROGRESS] = LOOP_IN_PROGRESS,
    [EVENT_HOLD] = LOOP_ON_HOLD,       [EVENT_RELEASE] = LOOP_WITHDRAWN,
    [EVENT_COMPLETE] = LOOP_COMPLETED, [EVENT_FAIL] = LOOP_NOT_COMPLETED,
    [EVENT_WITHDRAW] = LOOP_WITHDRAWN, [EVENT_VOID] = LOOP_VOID,
};

/* The last step that made one of the two states (a closed loop: the one that ended it). */
static const struct export_step *
find_ending(const struct export_loop *loop)
{
    enum loop_state wanted =
        loop->position.state == LOOP_CANCEL_REQUESTED ? loop->position.under : loop->position.state;

    for (size_t i = loop->n_steps; i-- > 0;) {
        const struct export_step *step = &loop->steps[i];
        if (step->superseded || step->event >= EVENT_COUNT)
            continue;
        enum loop_state made = made_state[step->event];
        if (made != LOOP_NONE &&
            (made == wanted || (wanted == LOOP_CLOSED && lifecycle_is_answered(made))))
            return step;
    }
    return NULL;
}

static bool
is_re_referred(const struct export_loop *loop)
{
    for (size_t i = 0; i < loop->n_steps; i++) {
        const struct export_step *step = &loop->steps[i];
        if (!step->superseded && step->event == EVENT_ACKNOWLEDGE &&
            strcmp(content_text(step->facts, "next"), "re-referred") == 0)
            return true;
    }
    return false;
}

static void
find_standing(struct fhir_maker *maker)
{
    const struct export_loop *loop = maker->loop;

    maker->ending = find_ending(loop);
    maker->standing.position = loop->position;
    maker->standing.code = "";
    maker->standing.re_referred = is_re_referred(loop);
    if (maker->ending != NULL && mapped_fact[maker->ending->event] != NULL)
        maker->standing.code =
            content_text(maker->ending->facts, mapped_fact[maker->ending->event]);
    if (loop->position.state == LOOP_CLOSED && maker->ending != NULL)
        maker->standing.position.state = made_state[maker->ending->event];
    maker->status = fhir_status_of(&maker->standing);
}

/* --- what points where --- */

static void
format_urn(const uint8_t id[16], char out[64])
{
    char hex[33];

    text_hex(bytes_of(id, 16), hex);
    (void)text_format(out, 64, "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                      hex + 16, hex + 20);
}

/* A name for an entry that has none: the same each time the loop is exported. */
static void
format_entry_url(const struct fhir_maker *maker, const char *name, char out[64])
{
    struct bytes parts[] = {
        bytes_of(maker->loop->loop.bytes, LOOP_ID_BYTES),
        bytes_of_text(name),
    };
    struct digest digest;

    digest_parts("refloop.fhir.v1", parts, ARRAY_LEN(parts), &digest);
    digest.bytes[6] =
        (uint8_t)((digest.bytes[6] & 0x0f) | 0x80); /* UUID version 8: made by a rule of our own */
    digest.bytes[8] = (uint8_t)((digest.bytes[8] & 0x3f) | 0x80);
    format_urn(digest.bytes, out);
}

/* How another resource of the Bundle refers to this one. */
static void
format_reference(const struct fhir_maker *maker, const char *type, const json_t *resource,
                 char out[FHIR_REFERENCE_BYTES])
{
    const struct fhir_resource *item = fhir_set_find(&maker->given, resource);
    const char *id = fhir_read_text(resource, "id");

    if (id == NULL && item != NULL && item->full_url != NULL)
        (void)text_format(out, FHIR_REFERENCE_BYTES, "%s", item->full_url);
    else if (id == NULL)
        (void)text_format(out, FHIR_REFERENCE_BYTES, "%s/refloop-%s", type, maker->loop_hex);
    else
        (void)text_format(out, FHIR_REFERENCE_BYTES, "%s/%s", type, id);
}

/* The Patient among the given, NULL when there is none that an entry holds. */
static json_t *
find_patient(const struct fhir_maker *maker)
{
    json_t *request = maker->request.service_request;
    json_t *patient = fhir_set_resolve(&maker->given, request, json_object_get(request, "subject"));

    return fhir_set_find(&maker->given, patient) != NULL &&
                   strcmp(content_text(patient, "resourceType"), "Patient") == 0
               ? patient
               : NULL;
}

static enum err
read_request(struct fhir_maker *maker)
{
    const struct export_loop *loop = maker->loop;

    if (loop->n_steps == 0)
        return ERR_OK;
    maker->facts = loop->steps[0].facts;
    maker->body = loop->steps[0].body;
    json_t *fhir = json_object_get(maker->body, "fhir");
    enum err err = fhir != NULL ? fhir_set_add(&maker->given, fhir, NULL) : ERR_OK;
    if (err == ERR_MEMORY)
        return err;
    /* No choice among the given means that a request is made; the given ones go along all the same.
     */
    err = fhir_set_pick(&maker->given, &maker->request, NULL);
    return err == ERR_INVALID ? ERR_OK : err;
}

static void
set_references(struct fhir_maker *maker)
{
    ident_format(&maker->loop->loop, maker->loop_hex);
    format_urn(maker->loop->loop.bytes, maker->task_url);
    format_reference(maker, "ServiceRequest", maker->request.service_request,
                     maker->request_reference);
    format_reference(maker, "Patient", find_patient(maker), maker->patient_reference);
    if (maker->request.task != NULL)
        format_reference(maker, "Task", maker->request.task, maker->given_task_reference);
}

/* --- the entries --- */

static void
add_entry(struct fhir_maker *maker, json_t *entries, const char *full_url, json_t *resource)
{
    json_t *entry = json_pack("{s:s, s:o}", "fullUrl", full_url, "resource", resource);

    if (content_append(entries, entry) != ERR_OK)
        maker->failed = true;
}

static void
add_made(struct fhir_maker *maker, json_t *entries, json_t *resource)
{
    char name[FHIR_REFERENCE_BYTES];
    char url[64];

    if (resource == NULL)
        return;
    (void)text_format(name, sizeof(name), "%s/%s", content_text(resource, "resourceType"),
                      content_text(resource, "id"));
    format_entry_url(maker, name, url);
    add_entry(maker, entries, url, resource);
}

/* The given request with the status it has now; every other member as it was. */
static json_t *
with_status(struct fhir_maker *maker, json_t *request)
{
    json_t *copy = json_copy(request);

    fhir_make_put(maker, copy, "status", json_string(maker->status.request));
    return copy;
}

static void
add_given(struct fhir_maker *maker, json_t *entries)
{
    for (size_t i = 0; i < maker->given.n; i++) {
        const struct fhir_resource *item = &maker->given.items[i];
        bool is_request = item->json == maker->request.service_request;
        json_t *resource = is_request ? with_status(maker, item->json) : json_incref(item->json);
        char url[64];
        char name[32];
        /* By its place: an id of a partner's choice must not be able to name an entry of ours. */
        (void)text_format(name, sizeof(name), "given/%zu", i);
        format_entry_url(maker, name, url);
        add_entry(maker, entries, item->full_url != NULL ? item->full_url : url, resource);
    }
}

static void
add_all(struct fhir_maker *maker, json_t *entries)
{
    const struct export_loop *loop = maker->loop;
    json_t *request = maker->request.service_request;

    add_entry(maker, entries, maker->task_url, fhir_make_task(maker));
    add_given(maker, entries);
    if (request == NULL)
        add_made(maker, entries, fhir_make_request(maker));
    else if (fhir_set_find(&maker->given, request) == NULL) /* it was contained in the given Task */
        add_made(maker, entries, with_status(maker, request));
    if (find_patient(maker) == NULL)
        add_made(maker, entries, fhir_make_patient(maker));
    add_made(maker, entries, fhir_make_organization(maker, loop->source_org, loop->source_name));
    add_made(maker, entries, fhir_make_organization(maker, loop->target_org, loop->target_name));
    add_made(maker, entries, fhir_make_procedure(maker));
}

enum err
fhir_export(const struct export_loop *loop, json_t **bundle_out)
{
    CLEANUP(maker_done) struct fhir_maker maker = {.loop = loop};
    json_auto_t *bundle = json_pack("{s:s, s:s}", "resourceType", "Bundle", "type", "collection");
    json_auto_t *entries = json_array();
    enum err err = read_request(&maker);

    if (err != ERR_OK)
        return err;
    find_standing(&maker);
    set_references(&maker);
    add_all(&maker, entries);
    fhir_make_put_time(&maker, bundle, "timestamp", loop->changed_ms);
    fhir_make_put(&maker, bundle, "entry", json_incref(entries));
    if (maker.failed)
        return ERR_MEMORY;
    *bundle_out = json_incref(bundle);
    return ERR_OK;
}
