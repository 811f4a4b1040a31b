/* Decides how a refusal looks. It refuses to know what went wrong: code and clause are the error
 * table's, the sentence is the caller's. Sentences may have been cut in the middle of a character
 * of a partner's name, and are replaced then. */
#include "agent/command/error.h"

json_t *
error_object(enum err err, const char *field, const char *text)
{
    bool has_field = field != NULL && field[0] != '\0';
    json_t *sentence = text != NULL && text[0] != '\0' ? json_string(text) : NULL;

    if (sentence == NULL)
        sentence = json_string(err_text(err));
    return json_pack("{s:s, s:o, s:s*}", "code", err_name(err), "text", sentence, "field",
                     has_field ? field : NULL);
}

json_t *
error_answer(enum err err, const char *field, const char *text)
{
    return json_pack("{s:b, s:o}", "ok", 0, "error", error_object(err, field, text));
}

json_t *
error_of_fault(enum err err, const struct content_fault *fault)
{
    bool told = err == ERR_INVALID;

    return error_answer(err, told ? fault->field : NULL, told ? fault->text : NULL);
}
