/* Decides what an identifier looks like: the text of a loop id, the short form people read to one
 * another on the phone, and the name of an organization. It refuses to know which ids exist: a
 * short form becomes a range, and whoever holds the store looks there. */
#include "lib/loop/ident.h"

#include <string.h>

#include "lib/base/text.h"

static const char hex_digits[] = "0123456789abcdefABCDEF";

void
ident_format(const struct loop_id *id, char out[LOOP_ID_TEXT])
{
    text_hex(bytes_of(id->bytes, sizeof(id->bytes)), out);
}

bool
ident_parse(const char *text, struct loop_id *id_out)
{
    if (strlen(text) != LOOP_ID_TEXT - 1)
        return false;
    return text_unhex(text, id_out->bytes, sizeof(id_out->bytes)) == ERR_OK;
}

/* The prefix, filled up to a whole id with one digit. */
static bool
parse_padded(const char *prefix, size_t len, char digit, struct loop_id *id_out)
{
    char text[LOOP_ID_TEXT];

    memset(text, digit, sizeof(text) - 1);
    memcpy(text, prefix, len);
    text[sizeof(text) - 1] = '\0';
    return ident_parse(text, id_out);
}

bool
ident_prefix_range(const char *text, struct loop_id *first_out, struct loop_id *last_out)
{
    size_t len = strspn(text, hex_digits);
    struct loop_id first;
    struct loop_id last;

    if (text[len] != '\0' || len < LOOP_ID_SHORT_MIN || len > LOOP_ID_TEXT - 1)
        return false;
    if (!parse_padded(text, len, '0', &first) || !parse_padded(text, len, 'f', &last))
        return false;
    *first_out = first;
    *last_out = last;
    return true;
}

/* Locale-free on purpose: what is a letter must not depend on where an agent runs. */
static bool
is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool
ident_is_org(const char *text)
{
    size_t len = strnlen(text, ORG_ID_MAX + 1);

    if (len < 2 || len > ORG_ID_MAX || !is_letter(text[0]) || text[len - 1] == '-')
        return false;
    for (size_t i = 1; i < len; i++) {
        if (text[i] == '-' ? text[i - 1] == '-' : !is_letter(text[i]) && !is_digit(text[i]))
            return false;
    }
    return true;
}
