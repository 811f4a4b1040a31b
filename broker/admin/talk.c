/* Talking with the broker over its control socket. Decides what a failure is called and where it is
 * told: sentences go to standard error; with --json standard output gets one object in every case,
 * so that a script needs to look at one place only. Knows no command.
 *
 * Every question makes its own connection: between two of them a person may take minutes to find a
 * passphrase, and the broker closes idle connections. */
#include "broker/admin/talk.h"

#include <string.h>

#include "broker/admin/say.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/terminal.h"
#include "lib/wire/limits.h"

enum { ERR_NUMBERS = 128 };

/* Back from the word of an answer to its number. A word of a newer broker is only "not permitted":
 * its sentence still says what happened. */
static enum err
err_of_word(const char *word)
{
    for (unsigned number = 1; number < ERR_NUMBERS; number++) {
        if (strcmp(err_name((enum err)number), word) == 0 && strcmp(word, "unknown") != 0) {
            return (enum err)number;
        }
    }
    return ERR_NOT_PERMITTED;
}

static enum err
judge(const json_t *answer, struct complaint *complaint)
{
    if (fields_flag(answer, "ok")) {
        return ERR_OK;
    }
    const json_t *error = json_object_get(answer, "error");
    const char *text = fields_text(error, "text");
    enum err err = err_of_word(fields_text(error, "code"));
    return complain(complaint, err, "%s", text[0] != '\0' ? text : err_text(err));
}

static enum err
call(const struct admin *admin, json_t *request, int patience_ms, json_t **answer_out,
     struct complaint *complaint)
{
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    json_auto_t *answer = NULL;
    enum err err = control_client_open(admin->home, "refloop-broker", &client, complaint);
    if (err == ERR_OK) {
        err = control_client_call(client, request, patience_ms, &answer, complaint);
    }
    if (err == ERR_OK) {
        err = judge(answer, complaint);
    }
    if (err == ERR_OK) {
        *answer_out = json_incref(answer);
    }
    return err;
}

enum err
talk_ask(const struct admin *admin, const char *command, int patience_ms, json_t **answer_out,
         struct complaint *complaint)
{
    json_auto_t *request = json_pack("{s:s}", "command", command);
    if (request == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    return call(admin, request, patience_ms, answer_out, complaint);
}

enum err
talk_submit(const struct admin *admin, struct bytes envelope, json_t **receipt_out,
            struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(2 * LIMIT_ENVELOPE_BYTES);
    json_auto_t *answer = NULL;
    text_base64(envelope, &text);
    json_auto_t *request =
        buffer_err(&text) != ERR_OK
            ? NULL
            : json_pack("{s:s, s:s%}", "command", "submit", "envelope", text.data, text.len);
    if (request == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    enum err err = call(admin, request, TALK_PATIENCE_MS, &answer, complaint);
    if (err == ERR_OK) {
        *receipt_out = json_incref(json_object_get(answer, "receipt"));
    }
    return err;
}

int
talk_print_json(const struct admin *admin, json_t *value)
{
    json_auto_t *owned = value;
    if (owned == NULL || !terminal_put_json(stdout, owned)) {
        (void)fprintf(stderr, "%s: %s\n", admin->program->name, err_text(ERR_MEMORY));
        return ADMIN_EXIT_FAILED;
    }
    (void)fputc('\n', stdout); /* main looks at the stream */
    return ADMIN_EXIT_DONE;
}

int
talk_fail(const struct admin *admin, enum err err, const char *sentence)
{
    const char *text = sentence != NULL && sentence[0] != '\0' ? sentence : err_text(err);
    if (admin->options.json) {
        (void)talk_print_json(admin, control_error(err, text)); /* it is a failure already */
    } else {
        say_line(stderr, "%s: %s", admin->program->name, text);
    }
    return err == ERR_UNREACHABLE ? ADMIN_EXIT_NO_BROKER : ADMIN_EXIT_FAILED;
}
