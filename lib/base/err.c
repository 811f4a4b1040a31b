/* The words and sentences of the error table. Everything here is generated from ERR_TABLE, so a new
 * error is one line in the header. This file does not know who reports an error or what follows
 * from it. */
#include "lib/base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum err_class { PEER, OWN };

/* The wire carries PEER numbers in one byte with room to spare; a number in the wrong half would
 * let a fault of ours be reported as the sender's. */
#define ERR_NUMBER_CHECK(symbol, number, class, name, text)                                        \
    _Static_assert((number) > 0 && (class == PEER ? (number) < 64 : (number) >= 64),               \
                   #symbol " stands in the wrong half of the table");
ERR_TABLE(ERR_NUMBER_CHECK)
#undef ERR_NUMBER_CHECK

struct row {
    unsigned number;
    enum err_class class;
    const char *name;
    const char *text;
};

#define ERR_ROW(symbol, number, class, name, text) {number, class, name, text},
static const struct row rows[] = {ERR_TABLE(ERR_ROW)};
#undef ERR_ROW

static const struct row *
find_row(unsigned number)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].number == number) {
            return &rows[i];
        }
    }
    return NULL;
}

bool
err_is_peer_number(unsigned number)
{
    const struct row *row = find_row(number);
    return row != NULL && row->class == PEER;
}

bool
err_is_peer(enum err err)
{
    return err_is_peer_number((unsigned)err);
}

const char *
err_name(enum err err)
{
    if (err == ERR_OK) {
        return "ok";
    }
    const struct row *row = find_row((unsigned)err);
    return row != NULL ? row->name : "unknown";
}

const char *
err_text(enum err err)
{
    if (err == ERR_OK) {
        return "no error";
    }
    const struct row *row = find_row((unsigned)err);
    return row != NULL ? row->text : "an error with an unknown number";
}

enum err
complain(struct complaint *complaint, enum err err, const char *format, ...)
{
    if (complaint == NULL) {
        return err;
    }
    va_list args;
    va_start(args, format);
    if (vsnprintf(complaint->text, sizeof(complaint->text), format, args) < 0) {
        complaint->text[0] = '\0';
    }
    va_end(args);
    return err;
}
