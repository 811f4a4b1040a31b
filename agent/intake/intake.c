/* Decides which of the three forms the files are in, by what is in them and never by their names,
 * and which forms may come together.
 *
 * It refuses to know the forms themselves (form.c, csv_rows.c, fhir_import.c), and sends nothing.
 */
#include "agent/intake/intake.h"

#include <stdlib.h>
#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/csv_rows.h"
#include "agent/intake/fhir_import.h"
#include "agent/intake/fhir_read.h"
#include "agent/intake/form.h"
#include "lib/base/text.h"

enum { DECIMALS_MAX = 1000 };
enum shape { SHAPE_CSV, SHAPE_FORM, SHAPE_CONSENT, SHAPE_FHIR, SHAPE_COUNT };

struct batch {
    const struct intake_file *files;
    size_t n_files;
    json_t *json[INTAKE_FILES_MAX]; /* owned; NULL for CSV */
    enum shape shapes[INTAKE_FILES_MAX];
    size_t n_of[SHAPE_COUNT];
    struct content_fault *fault;
};

static void
batch_done(struct batch *batch)
{
    for (size_t i = 0; i < INTAKE_FILES_MAX; i++)
        json_decref(batch->json[i]);
}

static struct bytes
without_mark(struct bytes text)
{
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        return bytes_of(text.data + 3, text.len - 3);
    return text;
}

/* The first byte that is no blank, 0 when there is none. */
static uint8_t
first_byte(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(" \t\r\n", text.data[i]) == NULL || text.data[i] == '\0')
            return text.data[i];
    }
    return 0;
}

static enum err
blame_file(struct batch *batch, const struct intake_file *file, const char *words)
{
    char name[128];

    text_printable(bytes_of_text(file->name != NULL ? file->name : "input"), name, sizeof(name));
    return content_blame(batch->fault, "", "%s: %s", name, words);
}

static enum err
check_file(struct batch *batch, const struct intake_file *file)
{
    struct bytes text = without_mark(file->text);

    if (file->text.len > INTAKE_FILE_BYTES)
        return blame_file(batch, file, "larger than 2 MiB");
    if (file->text.len >= 2 && (memcmp(file->text.data, "\xff\xfe", 2) == 0 ||
                                memcmp(file->text.data, "\xfe\xff", 2) == 0))
        return blame_file(batch, file, "this is UTF-16; save the file as UTF-8");
    if (first_byte(text) == 0)
        return blame_file(batch, file, "the file is empty, or no text");
    if (first_byte(text) == '<')
        return blame_file(batch, file, "XML and HTML are not read; FHIR must come as JSON");
    return ERR_OK;
}

/* The shape of parsed JSON; SHAPE_COUNT when it is none of ours. */
static enum shape
shape_of(const json_t *json)
{
    const json_t *sample = json_is_array(json) ? json_array_get(json, 0) : json;

    if (json_object_get(sample, "resourceType") != NULL)
        return SHAPE_FHIR;
    if (json_is_array(json))
        return SHAPE_COUNT;
    return form_is_consent_only(json) ? SHAPE_CONSENT : SHAPE_FORM;
}

static enum err
read_file(struct batch *batch, size_t i)
{
    const struct intake_file *file = &batch->files[i];
    struct bytes text = without_mark(file->text);
    struct content_fault inner = {"", ""};
    enum err err = check_file(batch, file);

    if (err != ERR_OK)
        return err;
    if (first_byte(text) != '{' && first_byte(text) != '[') {
        batch->shapes[i] = SHAPE_CSV;
        batch->n_of[SHAPE_CSV]++;
        return ERR_OK;
    }
    err = content_parse(text, INTAKE_FILE_BYTES, &batch->json[i], &inner);
    if (err == ERR_INVALID)
        return blame_file(batch, file, inner.text);
    if (err != ERR_OK)
        return err;
    batch->shapes[i] = shape_of(batch->json[i]);
    if (batch->shapes[i] == SHAPE_COUNT)
        return blame_file(batch, file, "a list must hold FHIR resources");
    batch->n_of[batch->shapes[i]]++;
    return ERR_OK;
}

/* --- one reader per form --- */

/* FHIR asks to keep the precision of decimals. Their values are kept; where their digits are not,
 * people are told, as a measurement may be among them. */
static enum err
note_decimals(const struct batch *batch, struct intake_result *result)
{
    size_t n = 0;

    for (size_t i = 0; i < batch->n_files; i++) {
        if (batch->shapes[i] == SHAPE_FHIR)
            n += content_changed_decimals(without_mark(batch->files[i].text), DECIMALS_MAX - n);
    }
    if (n == 0)
        return ERR_OK;
    return referral_notice(result,
                           "%s%zu decimal %s carried with other digits than given, like 1.50 as "
                           "1.5; at most 15 are kept",
                           n == DECIMALS_MAX ? "at least " : "", n,
                           n == 1 ? "number is" : "numbers are");
}

static enum err
read_fhir(struct batch *batch, const struct intake_context *context, struct intake_result *result)
{
    json_t *inputs[INTAKE_FILES_MAX];
    json_t *consent = NULL;
    size_t n = 0;

    if (batch->n_of[SHAPE_FORM] > 0 || batch->n_of[SHAPE_CONSENT] > 1) {
        return content_blame(
            batch->fault, "",
            "FHIR resources and referral forms cannot be sent together, but for one "
            "form with nothing but \"consent\"");
    }
    for (size_t i = 0; i < batch->n_files; i++) {
        if (batch->shapes[i] == SHAPE_FHIR)
            inputs[n++] = batch->json[i];
        else
            consent = batch->json[i];
    }
    enum err err = fhir_import(context, inputs, n, consent, result);
    return err == ERR_OK ? note_decimals(batch, result) : err;
}

static enum err
read_forms(struct batch *batch, const struct intake_context *context, struct intake_result *result)
{
    size_t room = 0;

    for (size_t i = 0; i < batch->n_files; i++) {
        struct intake_referral referral = {.row = 0};
        enum err err = form_read(context, batch->json[i], false, &referral);
        if (err == ERR_OK)
            err = referral_add(result, &room, &referral);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err
read_batch(struct batch *batch, const struct intake_context *context, struct intake_result *result)
{
    for (size_t i = 0; i < batch->n_files; i++) {
        enum err err = read_file(batch, i);
        if (err != ERR_OK)
            return err;
    }
    if (batch->n_of[SHAPE_CSV] > 0) {
        if (batch->n_files > 1)
            return content_blame(batch->fault, "", "a CSV file must be sent alone");
        return csv_rows_read(context, batch->files[0].text, result, batch->fault);
    }
    return batch->n_of[SHAPE_FHIR] > 0 ? read_fhir(batch, context, result)
                                       : read_forms(batch, context, result);
}

enum err
intake_read(const struct intake_file *files, size_t n_files, const struct intake_defaults *defaults,
            intake_is_member is_member, void *context, int64_t now_ms,
            struct intake_result *result_out, struct content_fault *fault)
{
    static const struct intake_defaults none = {NULL, NULL, NULL};
    const struct intake_context own = {
        .defaults = defaults != NULL ? defaults : &none,
        .is_member = is_member,
        .member_context = context,
        .now_ms = now_ms,
    };

    if (n_files == 0 || n_files > INTAKE_FILES_MAX) {
        return content_blame(fault, "", "between 1 and %d files can be read at once",
                             INTAKE_FILES_MAX);
    }
    CLEANUP(batch_done) struct batch batch = {.files = files, .n_files = n_files, .fault = fault};
    CLEANUP(intake_done)
    struct intake_result result = {.notices = json_array(), .carried = json_array()};
    enum err err = result.notices != NULL && result.carried != NULL ? ERR_OK : ERR_MEMORY;
    if (err == ERR_OK)
        err = read_batch(&batch, &own, &result);
    if (err != ERR_OK)
        return err;
    *result_out = result;
    result = (struct intake_result){.referrals = NULL};
    return ERR_OK;
}

void
intake_done(struct intake_result *result)
{
    for (size_t i = 0; i < result->n; i++)
        referral_discard(&result->referrals[i]);
    free(result->referrals);
    json_decref(result->notices);
    json_decref(result->carried);
    *result = (struct intake_result){.referrals = NULL};
}
