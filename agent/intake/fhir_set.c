/* Decides which resources were given and what a reference among them means. References come in many
 * spellings and all of them are honoured, but none is followed outside the set: what was not given
 * is not there.
 *
 * It refuses to know what the resources are about, but for the choice of the one request. */
#include "agent/intake/fhir_set.h"

#include <stdlib.h>
#include <string.h>

#include "agent/intake/fhir_read.h"
#include "lib/base/text.h"

void
fhir_set_done(struct fhir_set *set)
{
    free(set->items);
}

static bool
is_type_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_type(const char *type)
{
    size_t n = 0;

    while (n < 64 && is_type_char(type[n]))
        n++;
    return n > 0 && type[n] == '\0';
}

/* The same Type/id again is fine when it says the same: people select a file twice. */
static enum err
check_repeated(const struct fhir_set *set, const struct fhir_resource *item, bool *repeated_out,
               struct content_fault *fault)
{
    char label[FHIR_LABEL_BYTES];

    *repeated_out = false;
    for (size_t i = 0; i < set->n && item->id != NULL; i++) {
        const struct fhir_resource *other = &set->items[i];
        if (other->id == NULL || strcmp(other->id, item->id) != 0 ||
            strcmp(other->type, item->type) != 0)
            continue;
        if (!json_equal(other->json, item->json)) {
            return content_blame(fault, fhir_set_label(item, label),
                                 "%s is given twice, with different content",
                                 fhir_set_label(item, label));
        }
        *repeated_out = true;
        return ERR_OK;
    }
    return ERR_OK;
}

static enum err
add_item(struct fhir_set *set, json_t *json, const char *full_url, struct content_fault *fault)
{
    struct fhir_resource item = {
        .json = json,
        .full_url = full_url,
        .type = fhir_read_text(json, "resourceType"),
        .id = fhir_read_text(json, "id"),
    };
    bool repeated = false;

    if (item.type == NULL || !is_type(item.type))
        return content_blame(fault, "resourceType",
                             "this is no FHIR resource: it has no resourceType");
    enum err err = check_repeated(set, &item, &repeated, fault);
    if (err != ERR_OK)
        return err;
    if (repeated) {
        set->n_repeated++;
        return ERR_OK;
    }
    if (set->n == FHIR_RESOURCES_MAX)
        return content_blame(fault, "", "more than %d resources are too many", FHIR_RESOURCES_MAX);
    if (set->n == set->room) {
        size_t room = set->room == 0 ? 16 : 2 * set->room;
        struct fhir_resource *grown = reallocarray(set->items, room, sizeof(*grown));
        if (grown == NULL)
            return ERR_MEMORY;
        set->items = grown;
        set->room = room;
    }
    set->items[set->n++] = item;
    return ERR_OK;
}

static enum err
add_bundle(struct fhir_set *set, json_t *bundle, struct content_fault *fault)
{
    json_t *entries = json_object_get(bundle, "entry");
    json_t *entry;
    size_t i;

    json_array_foreach(entries, i, entry)
    {
        json_t *resource = json_object_get(entry, "resource");
        if (resource == NULL) /* the answer to a transaction has such entries */
            continue;
        enum err err = add_item(set, resource, fhir_read_text(entry, "fullUrl"), fault);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err
fhir_set_add(struct fhir_set *set, json_t *json, struct content_fault *fault)
{
    const char *type = fhir_read_text(json, "resourceType");
    json_t *element;
    size_t i;

    if (!json_is_array(json)) {
        return type != NULL && strcmp(type, "Bundle") == 0 ? add_bundle(set, json, fault)
                                                           : add_item(set, json, NULL, fault);
    }
    json_array_foreach(json, i, element)
    {
        type = fhir_read_text(element, "resourceType");
        enum err err = type != NULL && strcmp(type, "Bundle") == 0
                           ? add_bundle(set, element, fault)
                           : add_item(set, element, NULL, fault);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* --- references --- */

/* "…/Type/id", "Type/id/_history/3": where Type starts and how long Type and id are. */
struct tail {
    const char *type;
    size_t type_len;
    const char *id;
    size_t id_len;
    size_t whole_len; /* of the reference up to the end of id */
};

static bool
find_tail(const char *reference, struct tail *out)
{
    const char *history = strstr(reference, "/_history/");
    size_t len = history != NULL ? (size_t)(history - reference) : strlen(reference);
    const char *slash = memrchr(reference, '/', len);

    if (slash == NULL || slash == reference)
        return false;
    const char *before = memrchr(reference, '/', (size_t)(slash - reference));
    out->type = before != NULL ? before + 1 : reference;
    out->type_len = (size_t)(slash - out->type);
    out->id = slash + 1;
    out->id_len = len - (size_t)(out->id - reference);
    out->whole_len = len;
    return out->type_len > 0 && out->id_len > 0;
}

static bool
same(const char *text, const char *part, size_t part_len)
{
    return text != NULL && strlen(text) == part_len && memcmp(text, part, part_len) == 0;
}

static bool
is_absolute(const char *reference)
{
    return strstr(reference, "://") != NULL;
}

/* By Type/id. Two full URLs on different servers are two things, however alike their ends are. */
static bool
ends_alike(const struct fhir_resource *item, const char *reference)
{
    struct tail tail;

    if (strncmp(reference, "urn:", 4) == 0 || !find_tail(reference, &tail))
        return false;
    if (!same(item->type, tail.type, tail.type_len) || !same(item->id, tail.id, tail.id_len))
        return false;
    if (!is_absolute(reference) || item->full_url == NULL || !is_absolute(item->full_url))
        return true;
    return same(item->full_url, reference, tail.whole_len);
}

static json_t *
find_contained(json_t *from, const char *id)
{
    json_t *contained = json_object_get(from, "contained");
    json_t *element;
    size_t i;

    json_array_foreach(contained, i, element)
    {
        const char *own = fhir_read_text(element, "id");
        if (own != NULL && strcmp(own, id) == 0)
            return element;
    }
    return NULL;
}

static bool
has_identifier(json_t *resource, json_t *identifier)
{
    const char *value = fhir_read_text(identifier, "value");
    json_t *identifiers = json_object_get(resource, "identifier");
    json_t *own;
    size_t i;

    json_array_foreach(identifiers, i, own)
    {
        const char *own_value = fhir_read_text(own, "value");
        if (value != NULL && own_value != NULL && strcmp(value, own_value) == 0 &&
            strcmp(content_text(own, "system"), content_text(identifier, "system")) == 0)
            return true;
    }
    return false;
}

static json_t *
resolve_identifier(const struct fhir_set *set, json_t *reference)
{
    const char *type = fhir_read_text(reference, "type");
    json_t *identifier = json_object_get(reference, "identifier");

    for (size_t i = 0; i < set->n; i++) {
        if ((type == NULL || strcmp(type, set->items[i].type) == 0) &&
            has_identifier(set->items[i].json, identifier))
            return set->items[i].json;
    }
    return NULL;
}

json_t *
fhir_set_resolve(const struct fhir_set *set, json_t *from, json_t *reference)
{
    const char *text = fhir_read_text(reference, "reference");

    if (text == NULL)
        return resolve_identifier(set, reference);
    if (text[0] == '#')
        return find_contained(from, text + 1);
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].full_url != NULL && strcmp(set->items[i].full_url, text) == 0)
            return set->items[i].json;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (ends_alike(&set->items[i], text))
            return set->items[i].json;
    }
    return NULL;
}

struct fhir_resource *
fhir_set_find(const struct fhir_set *set, const json_t *resource)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].json == resource)
            return &set->items[i];
    }
    return NULL;
}

struct fhir_resource *
fhir_set_next(const struct fhir_set *set, const char *type, const struct fhir_resource *after)
{
    for (size_t i = after != NULL ? (size_t)(after - set->items) + 1 : 0; i < set->n; i++) {
        if (strcmp(set->items[i].type, type) == 0)
            return &set->items[i];
    }
    return NULL;
}

const char *
fhir_set_label(const struct fhir_resource *item, char out[FHIR_LABEL_BYTES])
{
    char shown[FHIR_LABEL_BYTES];

    (void)text_format(shown, sizeof(shown), item->id != NULL ? "%s/%s" : "%s%s", item->type,
                      item->id != NULL ? item->id : " (no id)");
    text_printable(bytes_of_text(shown), out, FHIR_LABEL_BYTES);
    return out;
}

/* --- the one request --- */

static bool
is_of_type(json_t *resource, const char *type)
{
    const char *own = fhir_read_text(resource, "resourceType");

    return own != NULL && strcmp(own, type) == 0;
}

/* A Task about something else (a questionnaire to fill in) says so by the type in its focus. */
static bool
is_about_a_request(json_t *task)
{
    json_t *focus = json_object_get(task, "focus");
    const char *type = fhir_read_text(focus, "type");
    const char *reference = fhir_read_text(focus, "reference");
    struct tail tail;

    if (focus == NULL)
        return false;
    if (type != NULL)
        return strcmp(type, "ServiceRequest") == 0;
    if (reference != NULL && reference[0] != '#' && strncmp(reference, "urn:", 4) != 0 &&
        find_tail(reference, &tail))
        return same("ServiceRequest", tail.type, tail.type_len);
    return true;
}

static enum err
pick_by_tasks(const struct fhir_set *set, struct fhir_request *request, struct content_fault *fault)
{
    for (struct fhir_resource *item = fhir_set_next(set, "Task", NULL); item != NULL;
         item = fhir_set_next(set, "Task", item)) {
        json_t *focus = fhir_set_resolve(set, item->json, json_object_get(item->json, "focus"));
        if (focus == NULL && !is_about_a_request(item->json))
            continue;
        if (focus == NULL) {
            bool any = fhir_set_next(set, "ServiceRequest", NULL) != NULL;
            return content_blame(fault, any ? "Task.focus" : "ServiceRequest",
                                 "the ServiceRequest the Task is about is not among the resources "
                                 "given");
        }
        if (!is_of_type(focus, "ServiceRequest"))
            continue;
        if (request->task != NULL) {
            return content_blame(fault, "Task",
                                 "two Tasks are about a ServiceRequest; give only the one that is "
                                 "to be sent");
        }
        request->task = item->json;
        request->service_request = focus;
    }
    return ERR_OK;
}

enum err
fhir_set_pick(const struct fhir_set *set, struct fhir_request *request_out,
              struct content_fault *fault)
{
    struct fhir_request request = {NULL, NULL};
    enum err err = pick_by_tasks(set, &request, fault);

    if (err != ERR_OK)
        return err;
    if (request.task == NULL) {
        struct fhir_resource *only = fhir_set_next(set, "ServiceRequest", NULL);
        if (only == NULL) {
            return content_blame(fault, "ServiceRequest",
                                 "there is no ServiceRequest among the resources given");
        }
        if (fhir_set_next(set, "ServiceRequest", only) != NULL) {
            return content_blame(
                fault, "ServiceRequest",
                "there are several ServiceRequests; add the Task whose focus is the "
                "one to send");
        }
        request.service_request = only->json;
    }
    *request_out = request;
    return ERR_OK;
}
