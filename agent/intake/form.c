/* Decides what a referral in refloop's own form must and may say. One table holds every field:
 * where it stands in the form, its column in a CSV file, whether it must be there, and how it is
 * taken. A name that is not in the table is refused, so that a misspelled field does not vanish.
 *
 * It refuses to guess: nothing is corrected, and what contradicts the command line is refused. */
#include "agent/intake/form.h"

#include <string.h>
#include <strings.h>

#include "agent/content/content_text.h"
#include "lib/base/text.h"
#include "lib/loop/reason.h"

enum kind {
    KIND_TO,
    KIND_PRIORITY,
    KIND_NEEDED_BY,
    KIND_CATEGORY,
    KIND_SERVICE,
    KIND_BASIS,
    KIND_REPLACES,
    KIND_BIRTH,
    KIND_TEXT,        /* as it is, to the same place in the body */
    KIND_PROHIBITED,  /* true or false */
    KIND_IDENTIFIERS, /* list of {"system", "value"} */
    KIND_COUNT
};

enum { IDENTIFIERS_MAX = 16 };

struct form_field {
    const char *object; /* NULL: the form itself */
    const char *name;
    const char *column; /* NULL: not in a CSV file */
    const char *limit;  /* row of the limits table; NULL: no text */
    enum kind kind;
    bool required;
};

/* clang-format off */
static const struct form_field fields[] = {
    {NULL, "to", "to", "word", KIND_TO, false}, /* required, but it may come from the command line */
    {NULL, "priority", "priority", "word", KIND_PRIORITY, false},
    {NULL, "needed_by", "needed_by", "word", KIND_NEEDED_BY, false},
    {NULL, "category", "category", "word", KIND_CATEGORY, true},
    {NULL, "service", "service", "service", KIND_SERVICE, false},
    {"person", "name", "name", "name", KIND_TEXT, true},
    {"person", "birth_date", "birth_date", "birth_date", KIND_BIRTH, false},
    {"person", "phone", "phone", "phone", KIND_TEXT, false},
    {"person", "email", "email", "email", KIND_TEXT, false},
    {"person", "address", "address", "address", KIND_TEXT, false},
    {"person", "language", "language", "language", KIND_TEXT, false},
    {"person", "identifiers", NULL, NULL, KIND_IDENTIFIERS, false},
    {"contact", "prohibited", "no_contact", NULL, KIND_PROHIBITED, false},
    {"contact", "how", "contact_how", "how", KIND_TEXT, false},
    {"contact", "when", "contact_when", "when", KIND_TEXT, false},
    {NULL, "need", "need", "need", KIND_TEXT, false},
    {"consent", "basis", "basis", "word", KIND_BASIS, true},
    {"consent", "signed_on", "signed_on", "signed_on", KIND_TEXT, false},
    {"consent", "expires_on", "expires_on", "expires_on", KIND_TEXT, false},
    {"consent", "covers", NULL, "covers", KIND_TEXT, false},
    {"consent", "source", NULL, "source", KIND_TEXT, false},
    {NULL, "note", "note", "note", KIND_TEXT, false},
    {NULL, "replaces", NULL, "word", KIND_REPLACES, false},
};
/* clang-format on */

enum { LABEL_BYTES = 48 };

struct job {
    const struct intake_context *context;
    json_t *form;
    bool columns; /* the form was a row: its fields are called by their columns */
    struct intake_referral *referral;
};

static const char *
label_of(const struct job *job, const struct form_field *field, char out[LABEL_BYTES])
{
    if (job->columns && field->column != NULL)
        (void)text_format(out, LABEL_BYTES, "%s", field->column);
    else
        (void)text_format(out, LABEL_BYTES, "%s%s%s", field->object != NULL ? field->object : "",
                          field->object != NULL ? "." : "", field->name);
    return out;
}

static json_t *
value_of(const json_t *form, const struct form_field *field)
{
    const json_t *in = field->object != NULL ? json_object_get(form, field->object) : form;

    return json_object_get(in, field->name);
}

static enum err
put_in_body(struct job *job, const struct form_field *field, json_t *value)
{
    if (field->object == NULL)
        return content_put(job->referral->body, field->name, value);
    return content_put_in(job->referral->body, field->object, field->name, value);
}

/* --- one taker per kind; `text` is clean, within its limit and not empty --- */

static enum err
take_to(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    (void)field;
    return referral_set_to(job->context, job->referral, label, json_string_value(text));
}

static enum err
take_priority(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    (void)field;
    return referral_set_priority(job->referral, label, json_string_value(text));
}

static enum err
take_needed_by(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    (void)field;
    return referral_set_needed_by(job->context, job->referral, label, json_string_value(text));
}

static enum err
blame_code(struct job *job, const char *label, const char *code, const char *list)
{
    char shown[48];

    text_printable(bytes_of_text(code), shown, sizeof(shown));
    return content_blame(&job->referral->fault, label, "\"%s\" is no %s; see the list of codes",
                         shown, list);
}

static enum err
take_category(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    if (reason_find(REASON_CATEGORY, json_string_value(text)) == NULL)
        return blame_code(job, label, json_string_value(text), "category");
    return content_put(job->referral->facts, field->name, json_incref(text));
}

static enum err
take_service(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *code = json_string_value(text);

    /* It is read by the auditor too: a code, so that nobody is tempted to write a sentence here. */
    if (code[strspn(code, allowed)] != '\0') {
        return content_blame(&job->referral->fault, label,
                             "%s is a code: letters, digits, dots and hyphens only", label);
    }
    return content_put(job->referral->facts, field->name, json_incref(text));
}

static enum err
take_basis(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    if (reason_find(REASON_BASIS, json_string_value(text)) == NULL)
        return blame_code(job, label, json_string_value(text), "legal basis");
    enum err err = content_put(job->referral->facts, field->name, json_incref(text));
    return err == ERR_OK ? put_in_body(job, field, json_incref(text)) : err;
}

static enum err
take_replaces(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    struct loop_id loop;
    char id[LOOP_ID_TEXT];

    if (!ident_parse(json_string_value(text), &loop)) {
        return content_blame(&job->referral->fault, label, "%s must be a loop id of 32 hex digits",
                             label);
    }
    ident_format(&loop, id);
    return content_put(job->referral->facts, field->name, json_string(id));
}

static enum err
take_birth(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    int64_t ms = 0;

    if (!referral_parse_date(json_string_value(text), false, &ms)) {
        return content_blame(&job->referral->fault, label,
                             "%s must be a date like 1980-02-29 (or 1980-02, or 1980)", label);
    }
    if (ms > job->context->now_ms)
        return content_blame(&job->referral->fault, label, "%s is in the future", label);
    return put_in_body(job, field, json_incref(text));
}

static enum err
take_text(struct job *job, const struct form_field *field, const char *label, json_t *text)
{
    (void)label;
    return put_in_body(job, field, json_incref(text));
}

static enum err
take_prohibited(struct job *job, const struct form_field *field, const char *label, json_t *value)
{
    if (!json_is_boolean(value))
        return content_blame(&job->referral->fault, label, "%s must be true or false", label);
    enum err err = content_put(job->referral->facts, "no_contact", json_incref(value));
    return err == ERR_OK ? put_in_body(job, field, json_incref(value)) : err;
}

/* Both members of an identifier are texts, and it has no others. */
static enum err
take_identifier(struct job *job, const char *label, json_t *given, json_t *taken)
{
    static const char *const members[] = {"system", "value"};
    size_t n_known = 0;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *value = json_object_get(given, members[i]);
        json_t *text = NULL;
        n_known += value != NULL ? 1 : 0;
        enum err err = content_take(members[i], label, value, &text, &job->referral->fault);
        if (err == ERR_OK && text != NULL)
            err = content_put(taken, members[i], text);
        if (err != ERR_OK)
            return err;
    }
    if (json_object_get(taken, "value") == NULL || json_object_size(given) != n_known) {
        return content_blame(&job->referral->fault, label,
                             "each of %s is {\"system\": ..., \"value\": ...}", label);
    }
    return ERR_OK;
}

static enum err
take_identifiers(struct job *job, const struct form_field *field, const char *label, json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) > IDENTIFIERS_MAX) {
        return content_blame(&job->referral->fault, label,
                             "%s must be a list of at most %d identifiers", label, IDENTIFIERS_MAX);
    }
    json_auto_t *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *taken = json_object();
        if (content_append(list, taken) != ERR_OK)
            return ERR_MEMORY;
        enum err err = take_identifier(job, label, json_array_get(value, i), taken);
        if (err != ERR_OK)
            return err;
    }
    return put_in_body(job, field, json_incref(list));
}

typedef enum err (*taker)(struct job *job, const struct form_field *field, const char *label,
                          json_t *value);

static const taker takers[KIND_COUNT] = {
    [KIND_TO] = take_to,
    [KIND_PRIORITY] = take_priority,
    [KIND_NEEDED_BY] = take_needed_by,
    [KIND_CATEGORY] = take_category,
    [KIND_SERVICE] = take_service,
    [KIND_BASIS] = take_basis,
    [KIND_REPLACES] = take_replaces,
    [KIND_BIRTH] = take_birth,
    [KIND_TEXT] = take_text,
    [KIND_PROHIBITED] = take_prohibited,
    [KIND_IDENTIFIERS] = take_identifiers,
};

static enum err
take_field(struct job *job, const struct form_field *field)
{
    char label[LABEL_BYTES];
    json_t *given = value_of(job->form, field);
    json_t *text = NULL;

    (void)label_of(job, field, label);
    if (field->limit != NULL) {
        enum err err = content_take(field->limit, label, given, &text, &job->referral->fault);
        if (err != ERR_OK)
            return err;
    } else if (!json_is_null(given)) {
        text = json_incref(given);
    }
    json_auto_t *value = text;
    if (value == NULL) {
        return field->required ? content_blame(&job->referral->fault, label, "%s is missing", label)
                               : ERR_OK;
    }
    return takers[field->kind](job, field, label, value);
}

/* --- names --- */

static bool
is_object_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].object != NULL && strcmp(fields[i].object, name) == 0)
            return true;
    }
    return false;
}

static bool
is_known(const char *object, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        bool same = object == NULL
                        ? fields[i].object == NULL
                        : fields[i].object != NULL && strcmp(fields[i].object, object) == 0;
        if (same && strcmp(fields[i].name, name) == 0)
            return true;
    }
    return false;
}

static enum err
check_names_in(const char *object, json_t *in, struct content_fault *fault)
{
    const char *name;
    json_t *value;

    json_object_foreach(in, name, value)
    {
        char shown[80];
        char label[96];
        text_printable(bytes_of_text(name), shown, sizeof(shown));
        (void)text_format(label, sizeof(label), "%s%s%s", object != NULL ? object : "",
                          object != NULL ? "." : "", shown);
        bool is_object = object == NULL && is_object_name(name);
        if (!is_object && !is_known(object, name)) {
            return content_blame(fault, label, "\"%s\" is not a field of the referral form", label);
        }
        if (is_object && !json_is_object(value) && !json_is_null(value))
            return content_blame(fault, label, "%s must be an object in braces", label);
        if (is_object && check_names_in(name, value, fault) != ERR_OK)
            return ERR_INVALID;
    }
    return ERR_OK;
}

/* --- what must fit together --- */

/* What the command line says wins, but it may not contradict what the file says. */
static enum err
apply_defaults(struct job *job)
{
    const struct intake_defaults *defaults = job->context->defaults;
    const struct {
        const char *label, *text;
        taker take;
    } rows[] = {
        {"to", defaults->to, take_to},
        {"priority", defaults->priority, take_priority},
        {"needed_by", defaults->needed_by, take_needed_by},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text == NULL || rows[i].text[0] == '\0')
            continue;
        const char *given = content_text(job->form, rows[i].label);
        if (given[0] != '\0' && strcmp(given, rows[i].text) != 0) {
            return content_blame(&job->referral->fault, rows[i].label,
                                 "the file and the command say two different things for %s",
                                 rows[i].label);
        }
        json_auto_t *text = json_string(rows[i].text);
        if (text == NULL)
            return content_blame(&job->referral->fault, rows[i].label, "%s is no text",
                                 rows[i].label);
        enum err err = rows[i].take(job, NULL, rows[i].label, text);
        if (err != ERR_OK)
            return err;
    }
    if (job->referral->to[0] == '\0') {
        return content_blame(&job->referral->fault, "to",
                             "to is missing: name the partner there or with --to");
    }
    return ERR_OK;
}

static enum err
check_consent(struct job *job)
{
    struct content_fault *fault = &job->referral->fault;
    const char *signed_label = job->columns ? "signed_on" : "consent.signed_on";
    const char *expires_label = job->columns ? "expires_on" : "consent.expires_on";
    json_t *consent = json_object_get(job->referral->body, "consent");
    const char *code = content_text(consent, "basis");
    const struct reason *basis = reason_find(REASON_BASIS, code);

    if (strcmp(code, "consent") == 0 && content_text(consent, "signed_on")[0] == '\0') {
        return content_blame(fault, signed_label,
                             "%s is missing: with the basis \"consent\" say when it was signed",
                             signed_label);
    }
    if (basis != NULL && basis->needs_text && content_text(consent, "covers")[0] == '\0' &&
        content_text(job->referral->body, "note")[0] == '\0') {
        return content_blame(fault, "note",
                             "the basis \"%s\" needs a note (or consent.covers) that explains it",
                             code);
    }
    return referral_check_consent_dates(job->context, fault, signed_label,
                                        content_text(consent, "signed_on"), expires_label,
                                        content_text(consent, "expires_on"));
}

static enum err
read_fields(struct job *job, const char *only_object)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (only_object != NULL &&
            (fields[i].object == NULL || strcmp(fields[i].object, only_object) != 0))
            continue;
        enum err err = take_field(job, &fields[i]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err
read_form(struct job *job)
{
    enum err err = referral_start(job->referral);

    if (err == ERR_OK)
        err = check_names_in(NULL, job->form, &job->referral->fault);
    if (err == ERR_OK)
        err = read_fields(job, NULL);
    if (err == ERR_OK)
        err = apply_defaults(job);
    return err == ERR_OK ? check_consent(job) : err;
}

enum err
form_read(const struct intake_context *context, json_t *form, bool columns,
          struct intake_referral *referral)
{
    struct job job = {.context = context, .form = form, .columns = columns, .referral = referral};

    return referral_finish(referral, read_form(&job), NULL);
}

bool
form_is_consent_only(const json_t *form)
{
    return json_object_size(form) == 1 && json_is_object(json_object_get(form, "consent"));
}

enum err
form_read_consent(const struct intake_context *context, json_t *form,
                  struct intake_referral *referral)
{
    struct job job = {.context = context, .form = form, .referral = referral};
    enum err err = check_names_in(NULL, form, &referral->fault);

    if (err == ERR_OK)
        err = read_fields(&job, "consent");
    return err == ERR_OK ? check_consent(&job) : err;
}

/* --- the same fields as columns --- */

const struct form_field *
form_find_column(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].column != NULL && strcasecmp(fields[i].column, name) == 0)
            return &fields[i];
    }
    return NULL;
}

const char *
form_required_column(size_t i)
{
    for (size_t at = 0; at < ARRAY_LEN(fields); at++) {
        if (fields[at].required && i-- == 0)
            return fields[at].column;
    }
    return NULL;
}

/* What a spreadsheet's user writes for yes and no. */
static bool
find_yes_no(const char *text, bool *yes_out)
{
    static const struct {
        const char *word;
        bool yes;
    } words[] = {{"yes", true}, {"true", true},   {"1", true},  {"y", true},
                 {"no", false}, {"false", false}, {"0", false}, {"n", false}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i].word, text) == 0) {
            *yes_out = words[i].yes;
            return true;
        }
    }
    return false;
}

enum err
form_set_column(const struct form_field *field, json_t *form, const char *text, size_t len,
                struct content_fault *fault)
{
    if (len == 0)
        return ERR_OK;
    struct bytes cell = bytes_of(text, len);
    /* JSON takes no bytes that are not UTF-8, nor NUL; lines and controls are judged with the
     * field. */
    if (memchr(text, '\0', len) != NULL)
        return content_blame(fault, field->column, "%s holds a NUL character", field->column);
    json_t *value = NULL;
    bool yes = false;
    if (field->kind == KIND_PROHIBITED) {
        char word[16];
        text_printable(cell, word, sizeof(word));
        if (!find_yes_no(word, &yes))
            return content_blame(fault, field->column, "%s must be yes or no", field->column);
        value = json_boolean(yes);
    } else {
        value = json_stringn(text, len);
        if (value == NULL) {
            return content_blame(fault, field->column, "%s holds bytes that are not UTF-8 text",
                                 field->column);
        }
    }
    return field->object != NULL ? content_put_in(form, field->object, field->name, value)
                                 : content_put(form, field->name, value);
}
