/* Configuration: one table says every key, its type, range, default, unit and help. A file with an
 * unknown, repeated or out-of-range key is refused with file:line. Lines are `key = value`; '#'
 * starts a comment; values are not quoted. */
#ifndef REFLOOP_LIB_BASE_CONF_H
#define REFLOOP_LIB_BASE_CONF_H

#include <stdio.h>

#include "lib/base/bytes.h"

enum conf_type { CONF_INTEGER, CONF_BOOLEAN, CONF_TEXT, CONF_WORD, CONF_TYPE_COUNT };
enum { CONF_TEXT_MAX = 256 };

struct conf_key {
    const char *name;
    enum conf_type type;
    int64_t min, max;     /* integers: range; texts: length */
    const char *fallback; /* default, as text; NULL means the key must be given */
    const char *unit;     /* "ms", "MiB", ... or "" */
    const char *help;     /* one line or more, '\n' between */
    /* Of the field in the caller's struct: int64_t, bool, char[CONF_TEXT_MAX], or for CONF_WORD
     * int64_t: the place in `words`. */
    size_t offset;
    const char *const *words; /* CONF_WORD: the words that may be given, then NULL */
};

/* Fills `target` (the caller's struct) from defaults and then the text. `name` is the file's name
 * for messages. On ERR_CONFIG the complaint reads "file:line: ..." and the target is untouched. */
enum err conf_parse(const struct conf_key *keys, size_t n_keys, const char *name, struct bytes text,
                    void *target, size_t target_size, struct complaint *complaint) MUST_CHECK;
/* Reads the file and parses it; a file that does not exist is an empty one. */
enum err conf_load(const struct conf_key *keys, size_t n_keys, const char *path, void *target,
                   size_t target_size, struct complaint *complaint) MUST_CHECK;
/* The line a key is given on, 1 when it is not: for rules that concern several keys. */
unsigned conf_line_of(struct bytes text, const char *name);
/* Prints every key with help, unit, range and the value it has in `target`, in table order; the
 * output parses back to the same values. */
void conf_print(const struct conf_key *keys, size_t n_keys, const void *target, FILE *out);

#endif
