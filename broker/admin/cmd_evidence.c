/* refloop-admin evidence. Decides that a file is handed out only when it was read back and found
 * true by the same rules an outsider will apply, and that nothing is written over. */
#include "broker/admin/cmd.h"

#include <string.h>

#include "broker/admin/inspect.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/base/text.h"
#include "lib/proof/evidence.h"

enum { WITNESSES_BYTES = 64, FILE_MODE = 0644, SHORT_DIGITS = 8, SVG_BYTES_MAX = 64 * 1024 * 1024 };

struct proof_order {
    struct loop_id loop;
    char id[LOOP_ID_TEXT];
    char out[FILE_PATH_MAX];
    const char *svg; /* NULL: none */
    struct network_id network;
    struct buffer file, picture;
    struct evidence_reading reading;
};

static void
order_done(struct proof_order *order)
{
    buffer_done(&order->file);
    buffer_done(&order->picture);
    evidence_reading_done(&order->reading);
}

static enum err
refuse_existing(const char *path, const char *option, struct complaint *complaint)
{
    return path != NULL && file_exists(path)
               ? complain(complaint, ERR_EXISTS,
                          "%s exists and is not written over; remove it, or choose another file "
                          "with --%s",
                          path, option)
               : ERR_OK;
}

static enum err
choose_files(const struct admin *admin, struct proof_order *order, struct complaint *complaint)
{
    const char *given = admin->options.out;
    order->svg = admin->options.svg;
    bool fits = given != NULL ? text_format(order->out, FILE_PATH_MAX, "%s", given)
                              : text_format(order->out, FILE_PATH_MAX, "loop-%.*s.evidence",
                                            SHORT_DIGITS, order->id);
    if (!fits) {
        return complain(complaint, ERR_INVALID, "the path of the file is too long");
    }
    enum err err = refuse_existing(order->out, "out", complaint);
    return err == ERR_OK ? refuse_existing(order->svg, "svg", complaint) : err;
}

static enum err
prove(struct audit *audit, struct proof_order *order, struct complaint *complaint)
{
    struct complaint said = {.text = ""};
    enum err err = audit_evidence(audit, &order->loop, &order->file, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = evidence_read(buffer_view(&order->file), &order->network, &order->reading, &said);
    if (err != ERR_OK) {
        return complain(complaint, err_is_peer(err) ? ERR_CORRUPT : err,
                        "no evidence was written, as it would prove nothing: %s; 'refloop-admin "
                        "verify' says what is wrong with the log",
                        said.text[0] != '\0' ? said.text : err_text(err));
    }
    return order->svg == NULL ? ERR_OK : picture_draw(&order->reading, &order->picture);
}

static enum err
put_file(const char *path, const struct buffer *content, struct complaint *complaint)
{
    enum err err = file_create(path, buffer_view(content), FILE_MODE);
    return err == ERR_OK
               ? ERR_OK
               : complain(complaint, err, "%s cannot be written: %s", path, err_text(err));
}

static enum err
make(const struct admin *admin, struct proof_order *order, struct complaint *complaint)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    enum err err = inspect_open(admin, &audit, complaint);
    if (err == ERR_OK) {
        err = audit_find_loop(audit, admin->words[0], &order->loop, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    order->network = *directory_network(audit_directory(audit));
    ident_format(&order->loop, order->id);
    err = choose_files(admin, order, complaint);
    if (err == ERR_OK) {
        err = prove(audit, order, complaint);
    }
    if (err == ERR_OK) {
        err = put_file(order->out, &order->file, complaint);
    }
    return err == ERR_OK && order->svg != NULL ? put_file(order->svg, &order->picture, complaint)
                                               : err;
}

/* A member cosigns at its next round, a minute away or so. */
static void
describe_witnesses(const struct evidence_reading *reading, char out[WITNESSES_BYTES])
{
    if (reading->n_cosigners == 0) {
        (void)text_format(out, WITNESSES_BYTES, ", not cosigned by members yet");
    } else {
        (void)text_format(out, WITNESSES_BYTES, ", cosigned by %zu member%s", reading->n_cosigners,
                          say_plural(reading->n_cosigners));
    }
}

static void
print_made(const struct proof_order *order)
{
    const struct evidence_reading *reading = &order->reading;
    char bytes[SAY_COUNT_BYTES];
    char size[SAY_COUNT_BYTES];
    char witnesses[WITNESSES_BYTES];
    char root[2 * SIGN_PUBLIC_BYTES + 1];
    text_hex(bytes_of(order->network.bytes, sizeof(order->network.bytes)), root);
    describe_witnesses(reading, witnesses);
    say_line(stdout,
             "%s (%s bytes) proves loop %s: from %s to %s, %s, %zu statement%s, in the log of %s "
             "entries%s.",
             order->out, say_count(order->file.len, bytes), order->id, reading->org[LOOP_SOURCE],
             reading->org[LOOP_TARGET], lifecycle_state_name(reading->state), reading->n_steps,
             say_plural(reading->n_steps), say_count(reading->size, size), witnesses);
    say_line(stdout, "It holds no person data. Anybody can check it, without network or account:");
    say_line(stdout, "  refloop-verify %s --root %s", order->out, root);
    if (order->svg != NULL) {
        say_line(stdout, "The picture of it is in %s.", order->svg);
    }
}

static json_t *
made_json(const struct proof_order *order)
{
    const struct evidence_reading *reading = &order->reading;
    char root[2 * SIGN_PUBLIC_BYTES + 1];
    text_hex(bytes_of(order->network.bytes, sizeof(order->network.bytes)), root);
    return json_pack("{s:b, s:s, s:s, s:s?, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s}", "ok", 1,
                     "loop", order->id, "file", order->out, "svg", order->svg, "bytes",
                     (json_int_t)order->file.len, "source", reading->org[LOOP_SOURCE], "target",
                     reading->org[LOOP_TARGET], "state", lifecycle_state_name(reading->state),
                     "steps", (json_int_t)reading->n_steps, "entries", (json_int_t)reading->size,
                     "cosigners", (json_int_t)reading->n_cosigners, "with_body", 0, "root", root);
}

int
cmd_evidence(struct admin *admin)
{
    CLEANUP(order_done)
    struct proof_order order = {.file = BUFFER_INIT(EVIDENCE_BYTES_MAX),
                                .picture = BUFFER_INIT(SVG_BYTES_MAX)};
    struct complaint complaint = {.text = ""};
    enum err err = make(admin, &order, &complaint);
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, made_json(&order));
    }
    print_made(&order);
    return ADMIN_EXIT_DONE;
}
