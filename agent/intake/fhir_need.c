/* Decides what is asked for, in words and in codes: the words for the people who read the referral,
 * the codes for the facts. Codes are carried as they are; what they mean is between the two
 * organizations.
 *
 * It refuses to interpret clinical content, and leaves out what does not fit rather than half of
 * it. */
#include <stdlib.h>
#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_import.h"
#include "agent/intake/fhir_read.h"
#include "lib/base/text.h"
#include "lib/loop/reason.h"

enum { CODES_MAX = 4, NEED_ROOM = 64 * 1024 };

static void
add_line(struct buffer *out, const char *label, const char *text)
{
    if (text == NULL)
        return;
    if (out->len > 0)
        buffer_put(out, "\n", 1);
    buffer_put(out, label, strlen(label));
    buffer_put(out, text, strlen(text));
}

static void
add_notes(struct buffer *out, const json_t *resource)
{
    json_t *notes = json_object_get(resource, "note");
    json_t *note;
    size_t i;

    json_array_foreach(notes, i, note)
    {
        add_line(out, "", fhir_read_text(note, "text"));
    }
}

/* A reason's words stand in the reference itself, or in the resource it points to. */
static const char *
words_of_reason(struct fhir_job *job, json_t *reference)
{
    const char *display = fhir_read_text(reference, "display");

    if (display != NULL)
        return display;
    json_t *reason = fhir_set_resolve(&job->set, job->request.service_request, reference);
    return fhir_read_words(json_object_get(reason, "code"));
}

static void
add_reasons(struct fhir_job *job, struct buffer *out)
{
    json_t *codes = json_object_get(job->request.service_request, "reasonCode");
    json_t *references = json_object_get(job->request.service_request, "reasonReference");
    json_t *reason;
    size_t i;

    json_array_foreach(codes, i, reason)
    {
        add_line(out, "Reason: ", fhir_read_words(reason));
    }
    json_array_foreach(references, i, reason)
    {
        add_line(out, "Reason: ", words_of_reason(job, reason));
    }
}

static enum err
read_words(struct fhir_job *job)
{
    json_t *request = job->request.service_request;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(NEED_ROOM);
    bool cut = false;

    add_line(&text, "", fhir_read_words(json_object_get(request, "code")));
    add_line(&text, "", fhir_read_text(job->request.task, "description"));
    add_reasons(job, &text);
    add_notes(&text, request);
    add_notes(&text, job->request.task);
    enum err err = buffer_err(&text);
    if (err == ERR_TOO_LARGE) /* what fits is there; it is cut below all the same */
        cut = true;
    else if (err != ERR_OK)
        return err;
    struct bytes all = buffer_view(&text);
    char *words = strndup(all.len > 0 ? (const char *)all.data : "", all.len);
    if (words == NULL)
        return ERR_MEMORY;
    json_t *need = content_clean("need", words, &cut);
    free(words);
    if (need == NULL || json_string_length(need) > 0)
        err = content_put(job->referral.body, "need", need);
    else
        json_decref(need);
    if (err == ERR_TOO_LARGE)
        err = ERR_OK;
    if (err == ERR_OK && cut)
        err = referral_notice(job->result,
                              "the need was cut to what fits; the resources hold the whole text");
    return err;
}

/* --- category --- */

static enum err
take_category(struct fhir_job *job, const char *code, const char **taken)
{
    if (reason_find(REASON_CATEGORY, code) == NULL) {
        char shown[48];
        text_printable(bytes_of_text(code), shown, sizeof(shown));
        return referral_notice(job->result, "the category \"%s\" is not known here", shown);
    }
    if (*taken == NULL) {
        *taken = code;
        return ERR_OK;
    }
    if (strcmp(*taken, code) == 0)
        return ERR_OK;
    return referral_notice(job->result,
                           "the ServiceRequest has several categories: %s counts, %s stands in the "
                           "resources only",
                           *taken, code);
}

static enum err
read_category(struct fhir_job *job)
{
    static const char unspecified[] = "sdoh-category-unspecified";
    json_t *categories = json_object_get(job->request.service_request, "category");
    const char *taken = NULL;
    json_t *category;
    size_t i;
    enum err err = ERR_OK;

    json_array_foreach(categories, i, category)
    {
        const char *code = fhir_read_temporary_code(category);
        if (code != NULL && err == ERR_OK)
            err = take_category(job, code, &taken);
    }
    if (err == ERR_OK && taken == NULL) {
        taken = unspecified;
        err = referral_notice(
            job->result, "ServiceRequest.category has no SDOH category: sent as %s", unspecified);
    }
    return err == ERR_OK ? content_put(job->referral.facts, "category", json_string(taken)) : err;
}

/* --- codes --- */

static bool
fits(const char *name, const char *text)
{
    return strlen(text) <= content_limit_find(name)->max_bytes;
}

static json_t *
code_of(json_t *coding)
{
    static const char *const members[] = {"system", "code"};
    bool cut = false;
    json_auto_t *taken = json_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *text = fhir_read_text(coding, members[i]);
        if (text != NULL &&
            content_put(taken, members[i], content_clean(members[i], text, &cut)) != ERR_OK)
            return NULL;
    }
    return json_incref(taken);
}

/* Facts have one small size for all, so that their length says nothing: long codes give way. */
static enum err
drop_until_fit(struct fhir_job *job, json_t *codes, size_t *n_left_out)
{
    for (;;) {
        /* What is still to be added: the basis, the contact rule and the loop it replaces. */
        CLEANUP(buffer_done) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES - 160);
        enum err err = content_print(job->referral.facts, &facts);
        if (err != ERR_TOO_LARGE || json_array_size(codes) == 0)
            return err;
        (void)json_array_remove(codes, json_array_size(codes) - 1);
        (*n_left_out)++;
    }
}

static enum err
read_codes(struct fhir_job *job)
{
    json_t *codings =
        json_object_get(json_object_get(job->request.service_request, "code"), "coding");
    json_t *codes = json_array();
    size_t n_left_out = 0;
    json_t *coding;
    size_t i;
    enum err err = content_put(job->referral.facts, "codes", codes);

    json_array_foreach(codings, i, coding)
    {
        const char *code = fhir_read_text(coding, "code");
        if (code == NULL || err != ERR_OK)
            continue;
        if (json_array_size(codes) == CODES_MAX || !fits("code", code) ||
            !fits("system", content_text(coding, "system")))
            n_left_out++;
        else
            err = content_append(codes, code_of(coding));
    }
    if (err == ERR_OK)
        err = drop_until_fit(job, codes, &n_left_out);
    if (err == ERR_OK && json_array_size(codes) == 0)
        (void)json_object_del(job->referral.facts, "codes");
    if (err == ERR_OK && n_left_out > 0) {
        err = referral_notice(job->result,
                              "%zu codes of ServiceRequest.code stand in the resources only",
                              n_left_out);
    }
    return err;
}

/* --- contact --- */

static bool
is_contact_prohibited(const json_t *request)
{
    json_t *details = json_object_get(request, "orderDetail");
    json_t *detail;
    size_t i;

    json_array_foreach(details, i, detail)
    {
        json_t *codings = json_object_get(detail, "coding");
        json_t *coding;
        size_t c;
        json_array_foreach(codings, c, coding)
        {
            /* By the code alone: a system written wrongly must not lead to a phone call. */
            if (strcmp(content_text(coding, "code"), "contacting-subject-prohibited") == 0)
                return true;
        }
    }
    return false;
}

static enum err
read_contact(struct fhir_job *job)
{
    if (!is_contact_prohibited(job->request.service_request))
        return ERR_OK;
    enum err err = content_put(job->referral.facts, "no_contact", json_true());
    return err == ERR_OK ? content_put_in(job->referral.body, "contact", "prohibited", json_true())
                         : err;
}

enum err
fhir_need_read(struct fhir_job *job)
{
    enum err err = read_category(job);

    if (err == ERR_OK)
        err = read_codes(job);
    if (err == ERR_OK)
        err = read_contact(job);
    return err == ERR_OK ? read_words(job) : err;
}
