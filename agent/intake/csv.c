/* Decides where a record and its fields end. What is badly quoted is still read to its end and
 * marked, so that one bad row costs no other: the rows are judged one by one.
 *
 * It refuses to know what a column means. */
#include "agent/intake/csv.h"

#include <string.h>

struct csv_reader
csv_open(struct bytes text)
{
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = bytes_of(text.data + 3, text.len - 3);
    return (struct csv_reader){.rest = text};
}

void
csv_done(struct csv_record *record)
{
    buffer_done(&record->text);
}

static void
skip(struct csv_reader *reader, size_t n)
{
    reader->rest = bytes_of(reader->rest.data + n, reader->rest.len - n);
}

/* Length of the line break at the start, 0 when there is none. */
static size_t
break_length(struct bytes rest)
{
    if (rest.len > 0 && rest.data[0] == '\n')
        return 1;
    return rest.len > 1 && rest.data[0] == '\r' && rest.data[1] == '\n' ? 2 : 0;
}

static bool
at_field_end(struct bytes rest)
{
    return rest.len == 0 || rest.data[0] == ',' || break_length(rest) > 0;
}

static void
complain_once(struct csv_record *record, const char *complaint)
{
    if (record->complaint != NULL)
        return;
    record->complaint = complaint;
    record->bad_field = record->n_fields;
}

static void
keep(struct csv_record *record, uint8_t byte)
{
    if (record->n_fields < CSV_FIELDS_MAX)
        buffer_put_u8(&record->text, byte);
}

static void
take_plain(struct csv_reader *reader, struct csv_record *record, const char *on_quote)
{
    while (!at_field_end(reader->rest)) {
        if (reader->rest.data[0] == '"')
            complain_once(record, on_quote);
        keep(record, reader->rest.data[0]);
        skip(reader, 1);
    }
}

static void
take_quoted(struct csv_reader *reader, struct csv_record *record)
{
    skip(reader, 1);
    while (reader->rest.len > 0) {
        size_t line = break_length(reader->rest);
        bool quote = reader->rest.data[0] == '"';
        bool doubled = quote && reader->rest.len > 1 && reader->rest.data[1] == '"';
        if (quote && !doubled) {
            skip(reader, 1);
            if (!at_field_end(reader->rest))
                complain_once(record, "text follows the closing quotation mark");
            take_plain(reader, record, "text follows the closing quotation mark");
            return;
        }
        keep(record, line > 0 ? (uint8_t)'\n' : reader->rest.data[0]);
        skip(reader, line > 0 ? line : doubled ? 2 : 1);
    }
    complain_once(record, "the quotation mark at its start is never closed; nothing after it could "
                          "be read");
}

bool
csv_next(struct csv_reader *reader, struct csv_record *record, enum err *err_out)
{
    if (reader->rest.len == 0)
        return false;
    if (record->text.max == 0)
        record->text = BUFFER_INIT(SIZE_MAX / 2);
    buffer_clear(&record->text);
    record->n_fields = 0;
    record->complaint = NULL;
    record->bad_field = 0;
    reader->row++;
    for (bool more = true; more;) {
        if (record->n_fields < CSV_FIELDS_MAX)
            record->starts[record->n_fields] = record->text.len;
        if (reader->rest.len > 0 && reader->rest.data[0] == '"')
            take_quoted(reader, record);
        else
            take_plain(reader, record,
                       "a quotation mark inside a field that is not in quotation marks");
        record->n_fields++;
        if (record->n_fields <= CSV_FIELDS_MAX)
            record->starts[record->n_fields] = record->text.len;
        more = reader->rest.len > 0 && reader->rest.data[0] == ',';
        skip(reader, more ? 1 : break_length(reader->rest));
    }
    enum err err = buffer_err(&record->text);
    if (err != ERR_OK)
        *err_out = err;
    return err == ERR_OK;
}

struct bytes
csv_field(const struct csv_record *record, size_t i)
{
    if (i >= record->n_fields || i >= CSV_FIELDS_MAX || record->text.data == NULL)
        return bytes_of(NULL, 0);
    return bytes_of(record->text.data + record->starts[i],
                    record->starts[i + 1] - record->starts[i]);
}

bool
csv_is_blank(const struct csv_record *record)
{
    return record->text.len == 0 && record->complaint == NULL;
}
