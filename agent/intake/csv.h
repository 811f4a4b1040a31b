/* A reader of comma-separated values (RFC 4180): one record at a time, whatever its quoting. */
#ifndef REFLOOP_AGENT_INTAKE_CSV_H
#define REFLOOP_AGENT_INTAKE_CSV_H

#include "lib/base/bytes.h"

enum { CSV_FIELDS_MAX = 64 };

struct csv_reader {
    struct bytes rest;
    unsigned row; /* of the last record, counted from 1 */
};

/* One record. Start from zero; release with csv_done. */
struct csv_record {
    struct buffer text; /* all fields, one after the other */
    size_t starts[CSV_FIELDS_MAX + 1];
    size_t n_fields;       /* fields past CSV_FIELDS_MAX are counted, not kept */
    const char *complaint; /* NULL, or what is wrong with the quoting */
    size_t bad_field;      /* where, counted from 0 */
};

/* A byte order mark at the start is passed over. */
struct csv_reader csv_open(struct bytes text);
/* False at the end of the text. Lines end with LF or CRLF, inside quoted fields too (there made
 * LF). ERR_MEMORY in *err_out. */
bool csv_next(struct csv_reader *reader, struct csv_record *record, enum err *err_out);
void csv_done(struct csv_record *record);
/* Empty past the last field. */
struct bytes csv_field(const struct csv_record *record, size_t i);
/* No field, or nothing but empty ones. */
bool csv_is_blank(const struct csv_record *record);

#endif
