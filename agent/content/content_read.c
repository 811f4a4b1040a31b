/* Decides how a partner's content is taken: leniently, because a signed statement cannot be sent
 * back for a better one. One table names the fields we know and their types; of these, a wrong type
 * is dropped and control characters become blanks. What we do not know stays as it is, for a later
 * version to read.
 *
 * One exception, on the side of safety: a "must not be contacted" that is unclear counts as yes. */
#include <string.h>

#include "agent/content/content_text.h"

enum type { TYPE_NUMBER, TYPE_WORD, TYPE_LINE, TYPE_TEXT, TYPE_CAREFUL, TYPE_OBJECT, TYPE_PAIRS };

struct known {
    const char *parent; /* NULL: the compartment itself */
    const char *name;
    enum type type;
};

/* Parents before their children. */
static const struct known known_facts[] = {
    {NULL, "v", TYPE_NUMBER},           {NULL, "category", TYPE_WORD},
    {NULL, "service", TYPE_WORD},       {NULL, "codes", TYPE_PAIRS},
    {NULL, "basis", TYPE_WORD},         {NULL, "reason", TYPE_WORD},
    {NULL, "no_contact", TYPE_CAREFUL}, {NULL, "kind", TYPE_WORD},
    {NULL, "outcome", TYPE_WORD},       {NULL, "next", TYPE_WORD},
    {NULL, "next_loop", TYPE_WORD},     {NULL, "replaces", TYPE_WORD},
};

static const struct known known_body[] = {
    {NULL, "v", TYPE_NUMBER},
    {NULL, "person", TYPE_OBJECT},
    {"person", "name", TYPE_LINE},
    {"person", "birth_date", TYPE_LINE},
    {"person", "phone", TYPE_LINE},
    {"person", "email", TYPE_LINE},
    {"person", "address", TYPE_TEXT},
    {"person", "language", TYPE_LINE},
    {"person", "identifiers", TYPE_PAIRS},
    {NULL, "contact", TYPE_OBJECT},
    {"contact", "prohibited", TYPE_CAREFUL},
    {"contact", "how", TYPE_LINE},
    {"contact", "when", TYPE_LINE},
    {NULL, "need", TYPE_TEXT},
    {NULL, "consent", TYPE_OBJECT},
    {"consent", "basis", TYPE_WORD},
    {"consent", "signed_on", TYPE_LINE},
    {"consent", "expires_on", TYPE_LINE},
    {"consent", "covers", TYPE_TEXT},
    {"consent", "source", TYPE_TEXT},
    {NULL, "note", TYPE_TEXT},
    {NULL, "missing", TYPE_TEXT},
    {NULL, "answer", TYPE_TEXT},
    {NULL, "contact_name", TYPE_LINE},
    {NULL, "contact_phone", TYPE_LINE},
    {NULL, "appointment", TYPE_LINE},
    {NULL, "fhir", TYPE_OBJECT},
    {NULL, "staff", TYPE_LINE},
};

static enum err
tame_text(json_t *in, const char *name, json_t *value, bool line)
{
    if (!json_is_string(value)) {
        (void)json_object_del(in, name);
        return ERR_OK;
    }
    return content_put(in, name, content_tame(json_string_value(value), line));
}

/* A list of objects whose members are texts ({"system", "code"} or {"system", "value"}); what is
 * none is dropped. */
static enum err
tame_pairs(json_t *in, const char *name, json_t *value)
{
    if (!json_is_array(value)) {
        (void)json_object_del(in, name);
        return ERR_OK;
    }
    for (size_t i = json_array_size(value); i-- > 0;) {
        json_t *pair = json_array_get(value, i);
        const char *member;
        json_t *text;
        void *next;
        bool sound = json_is_object(pair);
        json_object_foreach_safe(pair, next, member, text)
        {
            sound = sound && json_is_string(text);
            if (sound &&
                content_put(pair, member, content_tame(json_string_value(text), true)) != ERR_OK)
                return ERR_MEMORY;
        }
        if (!sound)
            (void)json_array_remove(value, i);
    }
    return ERR_OK;
}

static enum err
tame(json_t *in, const struct known *known)
{
    json_t *value = json_object_get(in, known->name);

    if (value == NULL)
        return ERR_OK;
    switch (known->type) {
    case TYPE_NUMBER:
        if (!json_is_integer(value))
            (void)json_object_del(in, known->name);
        return ERR_OK;
    case TYPE_WORD:
    case TYPE_LINE:
        return tame_text(in, known->name, value, true);
    case TYPE_TEXT:
        return tame_text(in, known->name, value, false);
    case TYPE_CAREFUL:
        return content_put(in, known->name,
                           json_boolean(!json_is_false(value) && !json_is_null(value)));
    case TYPE_OBJECT:
        if (!json_is_object(value))
            (void)json_object_del(in, known->name);
        return ERR_OK;
    case TYPE_PAIRS:
        return tame_pairs(in, known->name, value);
    }
    return ERR_INTERNAL;
}

static enum err
read_one(struct bytes text, const struct known *known, size_t n_known, json_t **out,
         bool *sound_out)
{
    json_t *read = NULL;
    enum err err = content_parse(text, LIMIT_BODY_BYTES, &read, NULL);
    if (err == ERR_MEMORY)
        return err;
    json_auto_t *object = read;
    if (err != ERR_OK || !json_is_object(object)) {
        *sound_out = false;
        *out = json_object();
        return *out != NULL ? ERR_OK : ERR_MEMORY;
    }
    for (size_t i = 0; i < n_known; i++) {
        const char *parent = known[i].parent;
        json_t *in = parent == NULL ? object : json_object_get(object, parent);
        err = in != NULL ? tame(in, &known[i]) : ERR_OK;
        if (err != ERR_OK)
            return err;
    }
    *out = json_incref(object);
    return ERR_OK;
}

enum err
content_read(struct bytes facts, struct bytes body, json_t **facts_out, json_t **body_out,
             bool *sound_out)
{
    json_t *facts_read = NULL;
    json_t *body_read = NULL;
    bool sound = true;
    enum err err = read_one(facts, known_facts, ARRAY_LEN(known_facts), &facts_read, &sound);

    if (err == ERR_OK)
        err = read_one(body, known_body, ARRAY_LEN(known_body), &body_read, &sound);
    if (err != ERR_OK) {
        json_decref(facts_read);
        return err;
    }
    *facts_out = facts_read;
    *body_out = body_read;
    *sound_out = sound;
    return ERR_OK;
}
