/* Decides what of a Patient goes into the referral as the person: the name and address that hold
 * now, one phone, one e-mail, the language to speak. Names and addresses end and change; the one
 * valid today counts, and the last one when none says so.
 *
 * It refuses to know why the person is referred. */
#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_import.h"
#include "agent/intake/fhir_read.h"

enum { IDENTIFIERS_MAX = 8 };

/* The element of a list that is best by `uses` (a lower place is better, unlisted ones come last)
 * among those valid now; else the last one. What is marked old counts only when there is nothing
 * else. */
static json_t *
pick_current(const json_t *list, const char *const *uses, size_t n_uses, int64_t now_ms)
{
    json_t *best = NULL;
    size_t best_place = SIZE_MAX;
    json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        const char *use = fhir_read_text(element, "use");
        size_t place = 0;
        if (!fhir_read_period_holds(json_object_get(element, "period"), now_ms) ||
            (use != NULL && strcmp(use, "old") == 0))
            continue;
        while (place < n_uses && (use == NULL || strcmp(uses[place], use) != 0))
            place++;
        if (place < best_place) {
            best_place = place;
            best = element;
        }
    }
    size_t n = json_array_size(list);
    return best != NULL || n == 0 ? best : json_array_get(list, n - 1);
}

/* Appends the texts of a list (or the one text), each after a separator when something is there
 * already. */
static void
append_texts(const json_t *value, const char *separator, struct buffer *out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; i < n; i++) {
        const char *text =
            json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        if (text == NULL || text[0] == '\0')
            continue;
        if (out->len > 0)
            buffer_put(out, separator, strlen(separator));
        buffer_put(out, text, strlen(text));
    }
}

/* Puts the text, cleaned and cut to its limit, into the body's person. */
static enum err
put(struct fhir_job *job, const char *name, const char *text)
{
    bool cut = false;
    json_t *clean = content_clean(name, text, &cut);

    if (clean != NULL && json_string_length(clean) == 0) {
        json_decref(clean);
        return ERR_OK;
    }
    enum err err = content_put_in(job->referral.body, "person", name, clean);
    if (err == ERR_OK && cut)
        err = referral_notice(job->result, "the person's %s was cut: it is too long", name);
    return err;
}

static enum err
put_buffer(struct fhir_job *job, const char *name, struct buffer *text)
{
    buffer_put_u8(text, '\0');
    enum err err = buffer_err(text);
    return err == ERR_OK ? put(job, name, (const char *)text->data) : err;
}

static enum err
read_name(struct fhir_job *job)
{
    static const char *const uses[] = {"official", "usual"};
    static const char *const parts[] = {"prefix", "given", "family", "suffix"};
    json_t *name = pick_current(json_object_get(job->patient, "name"), uses, ARRAY_LEN(uses),
                                job->context->now_ms);
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(LIMIT_BODY_BYTES);

    append_texts(json_object_get(name, "text"), "", &text);
    bool has_text = text.len > 0;
    for (size_t i = 0; i < ARRAY_LEN(parts) && !has_text; i++)
        append_texts(json_object_get(name, parts[i]), " ", &text);
    enum err err = put_buffer(job, "name", &text);
    json_t *person = json_object_get(job->referral.body, "person");
    if (err == ERR_OK && content_text(person, "name")[0] == '\0')
        return content_blame(&job->referral.fault, "Patient.name", "the Patient has no name");
    return err;
}

static enum err
read_birth_date(struct fhir_job *job)
{
    const char *text = fhir_read_text(job->patient, "birthDate");
    int64_t ms = 0;

    if (text == NULL)
        return ERR_OK;
    if (strlen(text) > 10 || !fhir_read_time(text, false, &ms)) {
        return content_blame(&job->referral.fault, "Patient.birthDate",
                             "Patient.birthDate must be a date like 1980-02-29");
    }
    return put(job, "birth_date", text);
}

/* The first contact point of a system that holds now; a mobile phone before others. */
static enum err
read_telecom(struct fhir_job *job, const char *system, const char *name)
{
    static const char *const uses[] = {"mobile", "home"};
    json_t *telecom = json_object_get(job->patient, "telecom");
    json_auto_t *fitting = json_array();
    json_t *point;
    size_t i;

    json_array_foreach(telecom, i, point)
    {
        const char *own = fhir_read_text(point, "system");
        if (own != NULL && strcmp(own, system) == 0 && fhir_read_text(point, "value") != NULL &&
            content_append(fitting, json_incref(point)) != ERR_OK)
            return ERR_MEMORY;
    }
    json_t *picked = pick_current(fitting, uses, ARRAY_LEN(uses), job->context->now_ms);
    return picked != NULL ? put(job, name, fhir_read_text(picked, "value")) : ERR_OK;
}

static enum err
read_address(struct fhir_job *job)
{
    static const char *const uses[] = {"home", "temp"};
    static const char *const parts[] = {"line", "city", "state", "postalCode", "country"};
    json_t *address = pick_current(json_object_get(job->patient, "address"), uses, ARRAY_LEN(uses),
                                   job->context->now_ms);
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(LIMIT_BODY_BYTES);

    append_texts(json_object_get(address, "text"), "", &text);
    bool has_text = text.len > 0;
    for (size_t i = 0; i < ARRAY_LEN(parts) && !has_text; i++)
        append_texts(json_object_get(address, parts[i]), ", ", &text);
    return text.len > 0 ? put_buffer(job, "address", &text) : buffer_err(&text);
}

static enum err
read_language(struct fhir_job *job)
{
    json_t *list = json_object_get(job->patient, "communication");
    json_t *chosen = json_array_get(list, 0);
    json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        if (json_is_true(json_object_get(element, "preferred"))) {
            chosen = element;
            break;
        }
    }
    json_t *language = json_object_get(chosen, "language");
    const char *code = fhir_read_text(fhir_read_first(language, "coding"), "code");
    const char *text = code != NULL ? code : fhir_read_words(language);
    return text != NULL ? put(job, "language", text) : ERR_OK;
}

static enum err
read_identifiers(struct fhir_job *job)
{
    static const char *const members[] = {"system", "value"};
    json_t *given = json_object_get(job->patient, "identifier");
    json_auto_t *list = json_array();
    json_t *identifier;
    size_t i;

    json_array_foreach(given, i, identifier)
    {
        bool cut = false;
        if (fhir_read_text(identifier, "value") == NULL || json_array_size(list) == IDENTIFIERS_MAX)
            continue;
        json_auto_t *own = json_object();
        for (size_t m = 0; m < ARRAY_LEN(members); m++) {
            const char *text = fhir_read_text(identifier, members[m]);
            if (text != NULL &&
                content_put(own, members[m], content_clean(members[m], text, &cut)) != ERR_OK)
                return ERR_MEMORY;
        }
        if (!cut &&
            content_append(list, json_incref(own)) != ERR_OK) /* half an identifier is none */
            return ERR_MEMORY;
    }
    if (json_array_size(list) == 0)
        return list != NULL ? ERR_OK : ERR_MEMORY;
    return content_put_in(job->referral.body, "person", "identifiers", json_incref(list));
}

enum err
fhir_person_read(struct fhir_job *job)
{
    enum err err = read_name(job);

    if (err == ERR_OK)
        err = read_birth_date(job);
    if (err == ERR_OK)
        err = read_telecom(job, "phone", "phone");
    if (err == ERR_OK)
        err = read_telecom(job, "email", "email");
    if (err == ERR_OK)
        err = read_address(job);
    if (err == ERR_OK)
        err = read_language(job);
    return err == ERR_OK ? read_identifiers(job) : err;
}
