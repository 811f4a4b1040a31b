/* Decides which row becomes which referral. Each row is turned into the same form a person would
 * have written, and judged there, so a spreadsheet and a form cannot come to mean different things;
 * one bad row holds up no other.
 *
 * It refuses to guess columns: an unknown one is refused, since what stands in it would be lost. */
#include "agent/intake/csv_rows.h"

#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/csv.h"
#include "agent/intake/form.h"
#include "lib/base/text.h"

struct table {
    const struct intake_context *context;
    const struct form_field *columns[CSV_FIELDS_MAX];
    char names[CSV_FIELDS_MAX][24]; /* as the file has them, for faults */
    size_t n_columns;
    size_t room;
    struct intake_result *result;
    struct content_fault *fault;
};

static void
copy_name(struct bytes field, char out[24])
{
    while (field.len > 0 && field.data[0] == ' ')
        field = bytes_of(field.data + 1, field.len - 1);
    while (field.len > 0 && field.data[field.len - 1] == ' ')
        field.len--;
    text_printable(field, out, 24);
}

static enum err
read_column(struct table *table, size_t i, struct bytes field)
{
    char *name = table->names[i];

    copy_name(field, name);
    table->columns[i] = form_find_column(name);
    if (table->columns[i] == NULL) {
        return content_blame(table->fault, name,
                             "row 1: \"%s\" is no column of a referral file; see docs/json.md for "
                             "the names",
                             name);
    }
    for (size_t before = 0; before < i; before++) {
        if (table->columns[before] == table->columns[i])
            return content_blame(table->fault, name, "row 1: the column \"%s\" is there twice",
                                 name);
    }
    return ERR_OK;
}

static bool
has_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i] == form_find_column(name))
            return true;
    }
    return false;
}

static enum err
read_header(struct table *table, const struct csv_record *record)
{
    if (record->complaint != NULL)
        return content_blame(table->fault, "", "row 1: %s", record->complaint);
    if (record->n_fields == 1 && record->text.len > 0 &&
        memchr(record->text.data, ';', record->text.len) != NULL) {
        return content_blame(table->fault, "",
                             "the columns are separated by semicolons; save the file with commas");
    }
    if (record->n_fields > CSV_FIELDS_MAX)
        return content_blame(table->fault, "", "row 1 has more than %d columns", CSV_FIELDS_MAX);
    table->n_columns = record->n_fields;
    for (size_t i = 0; i < table->n_columns; i++) {
        enum err err = read_column(table, i, csv_field(record, i));
        if (err != ERR_OK)
            return err;
    }
    const char *name;
    for (size_t i = 0; (name = form_required_column(i)) != NULL; i++) {
        if (!has_column(table, name))
            return content_blame(table->fault, name, "row 1: the column \"%s\" is missing", name);
    }
    return ERR_OK;
}

static enum err
fill_form(const struct table *table, const struct csv_record *record, json_t *form,
          struct content_fault *fault)
{
    if (record->complaint != NULL) {
        const char *name =
            record->bad_field < table->n_columns ? table->names[record->bad_field] : "";
        return content_blame(fault, name, "%s", record->complaint);
    }
    if (record->n_fields != table->n_columns) {
        return content_blame(fault, "", "the row has %zu fields, the first row has %zu",
                             record->n_fields, table->n_columns);
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        struct bytes cell = csv_field(record, i);
        enum err err =
            form_set_column(table->columns[i], form, (const char *)cell.data, cell.len, fault);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err
read_row(struct table *table, const struct csv_record *record, unsigned row)
{
    struct intake_referral referral = {.row = row};
    json_auto_t *form = json_object();

    if (form == NULL)
        return ERR_MEMORY;
    enum err err = fill_form(table, record, form, &referral.fault);
    err = err == ERR_OK ? form_read(table->context, form, true, &referral)
                        : referral_finish(&referral, err, NULL);
    return err == ERR_OK ? referral_add(table->result, &table->room, &referral) : err;
}

static enum err
read_all(struct table *table, struct csv_reader *reader, struct csv_record *record)
{
    enum err err = ERR_OK;

    if (!csv_next(reader, record, &err))
        return err != ERR_OK ? err : content_blame(table->fault, "", "the file is empty");
    err = read_header(table, record);
    while (err == ERR_OK && csv_next(reader, record, &err)) {
        if (csv_is_blank(record))
            continue;
        if (table->result->n == INTAKE_ROWS_MAX) {
            return content_blame(table->fault, "", "a file may have at most %d referrals",
                                 INTAKE_ROWS_MAX);
        }
        err = read_row(table, record, reader->row);
    }
    if (err == ERR_OK && table->result->n == 0)
        return content_blame(table->fault, "", "the file has column names but no row");
    return err;
}

enum err
csv_rows_read(const struct intake_context *context, struct bytes text, struct intake_result *result,
              struct content_fault *fault)
{
    struct table table = {.context = context, .result = result, .fault = fault};
    struct csv_reader reader = csv_open(text);
    CLEANUP(csv_done) struct csv_record record = {.n_fields = 0};

    return read_all(&table, &reader, &record);
}
