/* The two shapes every answer has (docs/json.md). */
#include "lib/edge/control.h"

json_t *
control_ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

json_t *
control_error(enum err err, const char *sentence)
{
    const char *text = sentence != NULL && sentence[0] != '\0' ? sentence : err_text(err);
    json_t *answer =
        json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", err_name(err), "text", text);
    if (answer != NULL) {
        return answer;
    }
    /* The sentence was not UTF-8 (a path can be anything): the code still says what happened. */
    return json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", err_name(err), "text",
                     err_text(err));
}
