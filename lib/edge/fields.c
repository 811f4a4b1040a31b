/* Reading a daemon's answers. Decides that what is missing is empty: a daemon of another version
 * may not know a field, and a page with a gap is better than no page. */
#include "lib/edge/fields.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"

const char *
fields_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

bool
fields_flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

uint64_t
fields_count(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

bool
fields_time(const json_t *object, const char *name, int64_t *ms_out)
{
    return clock_parse(fields_text(object, name), false, ms_out) == ERR_OK;
}

enum err
fields_set(json_t *object, const char *name, const char *text)
{
    if (text == NULL) {
        return ERR_OK;
    }
    json_t *value = json_string(text);
    if (value == NULL) {
        return text_is_clean(bytes_of_text(text), SIZE_MAX) ? ERR_MEMORY : ERR_INVALID;
    }
    return json_object_set_new(object, name, value) == 0 ? ERR_OK : ERR_MEMORY;
}

const json_t *
fields_member(const json_t *members, const char *org)
{
    const json_t *list = json_object_get(members, "members");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *member = json_array_get(list, i);
        if (strcmp(fields_text(member, "org"), org) == 0) {
            return member;
        }
    }
    return NULL;
}
