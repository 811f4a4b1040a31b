/* The configuration reader. Decides strictly: what is not understood is refused with its line, so
 * that a typing mistake can never leave a default silently in force. Knows no key by name; the
 * table it is given says everything. */
#include "lib/base/conf.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/text.h"

enum {
    CONF_FILE_MAX = 64 * 1024,
    CONF_NAME_MAX = 64, /* longest key name that a suggestion is looked up for */
    CONF_ECHO_MAX = 49, /* how much of a wrong word a complaint repeats, with its NUL */
    CONF_RANGE_MAX = 128,
    CONF_SUGGEST_EDITS = 2,
};

/* One parse. `lines` says for each key on which line it was given, 0 for not yet. */
struct parse {
    const struct conf_key *keys;
    size_t n_keys;
    const char *name;
    unsigned *lines;
    uint8_t *values; /* a copy of the target */
    struct complaint *complaint;
    unsigned line;
};

static void
parse_done(struct parse *parse)
{
    free(parse->lines);
    free(parse->values);
}

static const struct {
    const char *word;
    bool value;
} booleans[] = {
    {"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true}, {"off", false},
};

static bool
store_boolean(const struct conf_key *key, struct bytes word, void *field)
{
    (void)key;
    for (size_t i = 0; i < ARRAY_LEN(booleans); i++) {
        if (bytes_equal(word, bytes_of_text(booleans[i].word))) {
            memcpy(field, &booleans[i].value, sizeof(bool));
            return true;
        }
    }
    return false;
}

/* Decimal only: a leading zero, a plus or a 0x would be read differently by different people. */
static bool
store_integer(const struct conf_key *key, struct bytes word, void *field)
{
    bool negative = word.len > 1 && word.data[0] == '-';
    size_t first = negative ? 1 : 0;
    if (word.len == first || (word.data[first] == '0' && word.len > first + 1)) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = first; i < word.len; i++) {
        int digit = word.data[i] - '0';
        /* Summed with its sign, since the smallest number has no positive counterpart. */
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value)) {
            return false;
        }
    }
    if (value < key->min || value > key->max) {
        return false;
    }
    memcpy(field, &value, sizeof(value));
    return true;
}

static int64_t
longest_text(const struct conf_key *key)
{
    return key->max < CONF_TEXT_MAX ? key->max : CONF_TEXT_MAX - 1;
}

static bool
store_text(const struct conf_key *key, struct bytes word, void *field)
{
    if ((int64_t)word.len < key->min || (int64_t)word.len > longest_text(key)) {
        return false;
    }
    memset(field, 0, CONF_TEXT_MAX);
    if (word.len > 0) {
        memcpy(field, word.data, word.len);
    }
    return true;
}

static bool
store_word(const struct conf_key *key, struct bytes word, void *field)
{
    for (int64_t i = 0; key->words[i] != NULL; i++) {
        if (bytes_equal(word, bytes_of_text(key->words[i]))) {
            memcpy(field, &i, sizeof(i));
            return true;
        }
    }
    return false;
}

static void
range_of_boolean(const struct conf_key *key, char *out)
{
    (void)key;
    (void)text_format(out, CONF_RANGE_MAX, "yes or no");
}

static void
range_of_integer(const struct conf_key *key, char *out)
{
    (void)text_format(out, CONF_RANGE_MAX, "a whole number from %lld to %lld%s%s",
                      (long long)key->min, (long long)key->max, key->unit[0] != '\0' ? " " : "",
                      key->unit);
}

static void
range_of_text(const struct conf_key *key, char *out)
{
    (void)text_format(out, CONF_RANGE_MAX, "text of %lld to %lld bytes", (long long)key->min,
                      (long long)longest_text(key));
}

static void
range_of_word(const struct conf_key *key, char *out)
{
    out[0] = '\0';
    for (size_t i = 0; key->words[i] != NULL; i++) {
        size_t len = strlen(out);
        const char *before = i == 0 ? "" : key->words[i + 1] == NULL ? " or " : ", ";
        (void)text_format(out + len, CONF_RANGE_MAX - len, "%s%s", before, key->words[i]);
    }
}

static void
print_boolean(const struct conf_key *key, const void *field, FILE *out)
{
    (void)key;
    bool value = false;
    memcpy(&value, field, sizeof(value));
    (void)fputs(value ? " yes" : " no", out);
}

static void
print_integer(const struct conf_key *key, const void *field, FILE *out)
{
    (void)key;
    int64_t value = 0;
    memcpy(&value, field, sizeof(value));
    (void)fprintf(out, " %lld", (long long)value);
}

static void
print_word(const struct conf_key *key, const void *field, FILE *out)
{
    int64_t value = 0;
    memcpy(&value, field, sizeof(value));
    (void)fprintf(out, " %s", key->words[value]);
}

static void
print_text(const struct conf_key *key, const void *field, FILE *out)
{
    (void)key;
    const char *value = field;
    (void)fprintf(out, "%s%s", value[0] != '\0' ? " " : "", value);
}

static const struct {
    bool (*store)(const struct conf_key *key, struct bytes word, void *field);
    void (*range)(const struct conf_key *key, char *out);
    void (*print)(const struct conf_key *key, const void *field, FILE *out);
} types[CONF_TYPE_COUNT] = {
    [CONF_INTEGER] = {store_integer, range_of_integer, print_integer},
    [CONF_BOOLEAN] = {store_boolean, range_of_boolean, print_boolean},
    [CONF_TEXT] = {store_text, range_of_text, print_text},
    [CONF_WORD] = {store_word, range_of_word, print_word},
};

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct bytes
trim(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* A '#' starts a comment at the start of a line or after a blank; inside a word it is itself. */
static struct bytes
without_comment(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '#' && (i == 0 || is_blank(line.data[i - 1]))) {
            line.len = i;
        }
    }
    return trim(line);
}

/* Takes the text up to the separator off the front; without one, all of it. */
static struct bytes
take_until(struct bytes *rest, char separator, bool *found_out)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
    struct bytes taken = *rest;
    *found_out = at != NULL;
    if (at == NULL) {
        *rest = bytes_of(NULL, 0);
        return taken;
    }
    taken.len = (size_t)(at - taken.data);
    *rest = bytes_of(at + 1, rest->len - taken.len - 1);
    return taken;
}

static size_t
find_key(const struct parse *parse, struct bytes word)
{
    size_t i = 0;
    while (i < parse->n_keys && !bytes_equal(word, bytes_of_text(parse->keys[i].name))) {
        i++;
    }
    return i;
}

/* How many single letters must be added, dropped or changed (Levenshtein), one row at a time. */
static size_t
count_edits(struct bytes a, struct bytes b)
{
    size_t row[CONF_NAME_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t changed = diagonal + (a.data[i] != b.data[j] ? 1 : 0);
            diagonal = row[j + 1];
            size_t other = (row[j] < diagonal ? row[j] : diagonal) + 1;
            row[j + 1] = changed < other ? changed : other;
        }
    }
    return row[b.len];
}

static const char *
nearest_name(const struct parse *parse, struct bytes word)
{
    const char *nearest = NULL;
    size_t least = CONF_SUGGEST_EDITS + 1;
    for (size_t i = 0; word.len <= CONF_NAME_MAX && i < parse->n_keys; i++) {
        struct bytes name = bytes_of_text(parse->keys[i].name);
        size_t edits = name.len <= CONF_NAME_MAX ? count_edits(word, name) : least;
        if (edits < least) {
            least = edits;
            nearest = parse->keys[i].name;
        }
    }
    return nearest;
}

static enum err
refuse_unknown(const struct parse *parse, struct bytes word)
{
    char echo[CONF_ECHO_MAX];
    text_printable(word, echo, sizeof(echo));
    const char *nearest = nearest_name(parse, word);
    if (nearest == NULL) {
        return complain(parse->complaint, ERR_CONFIG, "%s:%u: there is no key '%s'", parse->name,
                        parse->line, echo);
    }
    return complain(parse->complaint, ERR_CONFIG,
                    "%s:%u: there is no key '%s'; perhaps '%s' is meant", parse->name, parse->line,
                    echo, nearest);
}

/* What a key is for, on one line: the first line of its help. */
static int
help_len(const struct conf_key *key)
{
    return (int)strcspn(key->help, "\n");
}

static enum err
refuse_value(const struct parse *parse, const struct conf_key *key, struct bytes value)
{
    char echo[CONF_ECHO_MAX];
    char range[CONF_RANGE_MAX];
    text_printable(value, echo, sizeof(echo));
    types[key->type].range(key, range);
    return complain(parse->complaint, ERR_CONFIG,
                    "%s:%u: '%s' cannot be '%s': it must be %s (%.*s)", parse->name, parse->line,
                    key->name, echo, range, help_len(key), key->help);
}

static enum err
parse_setting(struct parse *parse, struct bytes word, struct bytes value)
{
    size_t i = find_key(parse, word);
    if (i == parse->n_keys) {
        return refuse_unknown(parse, word);
    }
    const struct conf_key *key = &parse->keys[i];
    if (parse->lines[i] != 0) {
        return complain(parse->complaint, ERR_CONFIG, "%s:%u: '%s' was already given on line %u",
                        parse->name, parse->line, key->name, parse->lines[i]);
    }
    if (!types[key->type].store(key, value, parse->values + key->offset)) {
        return refuse_value(parse, key, value);
    }
    parse->lines[i] = parse->line;
    return ERR_OK;
}

static enum err
parse_line(struct parse *parse, struct bytes line)
{
    if (!text_is_clean(trim(line), CONF_FILE_MAX)) {
        return complain(parse->complaint, ERR_CONFIG, "%s:%u: the line is not plain UTF-8 text",
                        parse->name, parse->line);
    }
    struct bytes rest = without_comment(line);
    if (rest.len == 0) {
        return ERR_OK;
    }
    bool found = false;
    struct bytes word = trim(take_until(&rest, '=', &found));
    if (!found || word.len == 0) {
        return complain(parse->complaint, ERR_CONFIG,
                        "%s:%u: a line must read 'key = value' or start with '#'", parse->name,
                        parse->line);
    }
    struct bytes value = trim(rest);
    if (value.len > 0 && value.data[0] == '#') {
        value.len = 0; /* a comment: printed behind a blank it would be read as one */
    }
    return parse_setting(parse, word, value);
}

static enum err
parse_text(struct parse *parse, struct bytes text)
{
    bool more = text.len > 0;
    while (more) {
        parse->line++;
        enum err err = parse_line(parse, take_until(&text, '\n', &more));
        if (err != ERR_OK) {
            return err;
        }
        more = more && text.len > 0;
    }
    return ERR_OK;
}

static enum err
store_defaults(struct parse *parse)
{
    for (size_t i = 0; i < parse->n_keys; i++) {
        const struct conf_key *key = &parse->keys[i];
        if (key->fallback != NULL && !types[key->type].store(key, bytes_of_text(key->fallback),
                                                             parse->values + key->offset)) {
            return complain(parse->complaint, ERR_INTERNAL,
                            "the default of '%s' is outside its own range", key->name);
        }
    }
    return ERR_OK;
}

static enum err
require_all(const struct parse *parse)
{
    for (size_t i = 0; i < parse->n_keys; i++) {
        const struct conf_key *key = &parse->keys[i];
        if (key->fallback == NULL && parse->lines[i] == 0) {
            char range[CONF_RANGE_MAX];
            types[key->type].range(key, range);
            return complain(parse->complaint, ERR_CONFIG,
                            "%s:%u: '%s' is missing and has no default: it must be %s (%.*s)",
                            parse->name, parse->line > 0 ? parse->line : 1, key->name, range,
                            help_len(key), key->help);
        }
    }
    return ERR_OK;
}

enum err
conf_parse(const struct conf_key *keys, size_t n_keys, const char *name, struct bytes text,
           void *target, size_t target_size, struct complaint *complaint)
{
    CLEANUP(parse_done)
    struct parse parse = {
        .keys = keys,
        .n_keys = n_keys,
        .name = name,
        .lines = calloc(n_keys + 1, sizeof(*parse.lines)),
        .values = malloc(target_size + 1),
        .complaint = complaint,
    };
    if (parse.lines == NULL || parse.values == NULL) {
        return complain(complaint, ERR_MEMORY, "out of memory");
    }
    /* On a copy, so that a refused file leaves the running configuration as it was. */
    memcpy(parse.values, target, target_size);
    enum err err = store_defaults(&parse);
    if (err == ERR_OK) {
        err = parse_text(&parse, text);
    }
    if (err == ERR_OK) {
        err = require_all(&parse);
    }
    if (err == ERR_OK) {
        memcpy(target, parse.values, target_size);
    }
    return err;
}

enum err
conf_load(const struct conf_key *keys, size_t n_keys, const char *path, void *target,
          size_t target_size, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONF_FILE_MAX);
    enum err err = file_read(path, &text);
    if (err == ERR_TOO_LARGE) {
        return complain(complaint, ERR_CONFIG, "%s:1: the file is larger than %d KiB", path,
                        CONF_FILE_MAX / 1024);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return complain(complaint, err, "%s cannot be read: %s", path, err_text(err));
    }
    return conf_parse(keys, n_keys, path, buffer_view(&text), target, target_size, complaint);
}

unsigned
conf_line_of(struct bytes text, const char *name)
{
    bool more = text.len > 0;
    for (unsigned line = 1; more; line++) {
        struct bytes rest = without_comment(take_until(&text, '\n', &more));
        bool found = false;
        if (bytes_equal(trim(take_until(&rest, '=', &found)), bytes_of_text(name)) && found) {
            return line;
        }
    }
    return 1;
}

static void
print_help(const char *help, FILE *out)
{
    while (*help != '\0') {
        size_t len = strcspn(help, "\n");
        (void)fprintf(out, "#%s%.*s\n", len > 0 ? " " : "", (int)len, help);
        help += len + (help[len] == '\n' ? 1 : 0);
    }
}

void
conf_print(const struct conf_key *keys, size_t n_keys, const void *target, FILE *out)
{
    const uint8_t *values = target;
    for (size_t i = 0; i < n_keys; i++) {
        const struct conf_key *key = &keys[i];
        char range[CONF_RANGE_MAX];
        types[key->type].range(key, range);
        (void)fputs(i > 0 ? "\n" : "", out);
        print_help(key->help, out);
        if (key->fallback == NULL) {
            (void)fprintf(out, "# Must be given: %s.\n", range);
        } else if (key->fallback[0] == '\0') {
            (void)fprintf(out, "# %c%s; empty by default.\n", range[0] - 'a' + 'A', range + 1);
        } else {
            (void)fprintf(out, "# %c%s; default %s.\n", range[0] - 'a' + 'A', range + 1,
                          key->fallback);
        }
        (void)fprintf(out, "%s =", key->name);
        types[key->type].print(key, values + key->offset, out);
        (void)fputc('\n', out);
    }
}
