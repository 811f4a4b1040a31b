/* evidence: one referral's proofs as a file for whoever doubts it. The agent makes it; here it is
 * written, read back as an outsider would, and only then called done. Decides that no file is
 * replaced, and that one with personal data in it is private and said to be so. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/terminal.h"
#include "lib/proof/evidence.h"

enum {
    SHORT_ID = 8,
    WAIT_MS = 8000,
    PAUSE_MS = 100,
    PRIVATE_MODE = 0600,
    OPEN_MODE = 0644,
    FILE_BYTES_MAX = 16 * 1024 * 1024,
    NAMED_MAX = 5,
    KIB = 1024,
};

static json_t *
make_request(const struct cli *cli, bool now)
{
    return json_pack("{s:s, s:s, s:b, s:b}", "command", "evidence", "loop", cli_word(cli, 0),
                     "with_body", cli->options.with_body, "now", now);
}

/* Asks until the broker has proved everything in one checkpoint, or long enough. */
static int
fetch(struct cli *cli, json_t **answer_out)
{
    bool shown = !cli->options.json;
    for (int waited = 0;; waited += PAUSE_MS) {
        json_t *answer = NULL;
        int code =
            talk_ask_quietly(cli, make_request(cli, waited >= WAIT_MS), TALK_PATIENCE_MS, &answer);
        if (code != CLI_EXIT_DONE || fields_flag(answer, "ready")) {
            if (shown) {
                terminal_progress_done();
            }
            *answer_out = answer;
            return code;
        }
        json_decref(answer);
        if (shown) {
            terminal_progress("Asking the broker for its proofs ...");
        }
        (void)poll(NULL, 0, PAUSE_MS); /* only to let time pass */
    }
}

static enum err
write_new(const char *path, struct bytes content, mode_t mode, struct complaint *complaint)
{
    enum err err = file_create(path, content, mode);
    return err == ERR_OK
               ? err
               : complain(complaint, err, "%s cannot be written: %s", path, err_text(err));
}

static enum err
refuse_existing(const char *path, struct complaint *complaint)
{
    return path != NULL && file_exists(path)
               ? complain(complaint, ERR_EXISTS, "%s exists already, and is not replaced", path)
               : ERR_OK;
}

/* As somebody else would: from the disk, with nothing but the network's root. */
static enum err
read_back(const char *path, const json_t *answer, struct evidence_reading *reading_out,
          struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer file = BUFFER_INIT(FILE_BYTES_MAX);
    struct complaint said = {0};
    struct network_id root;
    bool locked = false;
    enum err err = secret_start(&locked);
    if (err == ERR_OK) {
        err = text_unhex(fields_text(answer, "root"), root.bytes, sizeof(root.bytes));
    }
    if (err == ERR_OK) {
        err = file_read(path, &file);
    }
    if (err == ERR_OK) {
        err = evidence_read(buffer_view(&file), &root, reading_out, &said);
    }
    return err == ERR_OK ? err
                         : complain(complaint, err,
                                    "the file that was made proves nothing and was taken away: %s",
                                    said.text[0] != '\0' ? said.text : err_text(err));
}

static enum err
write_picture(const char *path, const struct evidence_reading *reading, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(FILE_BYTES_MAX);
    if (path == NULL) {
        return ERR_OK;
    }
    enum err err = picture_draw(reading, &svg);
    return err == ERR_OK
               ? write_new(path, buffer_view(&svg), OPEN_MODE, complaint)
               : complain(complaint, err, "the picture cannot be drawn: %s", err_text(err));
}

/* --- what is told ---------------------------------------------------------------------------- */

static void
name_cosigners(const struct evidence_reading *reading, char out[256])
{
    size_t n = reading->n_cosigners;
    out[0] = '\0';
    for (size_t i = 0; i < n && i < NAMED_MAX; i++) {
        size_t used = strlen(out);
        (void)text_format(out + used, 256 - used, "%s%s", i > 0 ? ", " : "",
                          reading->cosigners[i].org);
    }
    if (n > NAMED_MAX) {
        size_t used = strlen(out);
        (void)text_format(out + used, 256 - used, " and %zu more", n - NAMED_MAX);
    }
}

static void
tell_people(struct cli *cli, const char *path, size_t bytes, const json_t *answer,
            const struct evidence_reading *reading)
{
    struct screen *screen = &cli->screen;
    char cosigners[256];
    name_cosigners(reading, cosigners);
    screen_line(screen, SCREEN_BOLD, 0, "The evidence is in %s (%zu KB). It was checked: it holds.",
                path, (bytes + KIB - 1) / KIB);
    screen_line(screen, SCREEN_PLAIN, 2,
                "Referral %.*s from %s to %s: %s. Proved in the log of %llu entries%s%s.", SHORT_ID,
                fields_text(answer, "loop"), reading->name[LOOP_SOURCE], reading->name[LOOP_TARGET],
                words_state(lifecycle_state_name(reading->state)),
                (unsigned long long)reading->size,
                cosigners[0] != '\0' ? ", confirmed by " : ", which no other member has confirmed",
                cosigners);
    if (cli->options.with_body) {
        screen_line(screen, SCREEN_WARN, 2,
                    "It now holds PERSONAL DATA: what was said about the person can be read in it. "
                    "Give it only to those who may know.");
    } else {
        screen_line(screen, SCREEN_PLAIN, 2,
                    "It says who referred to whom, when, and what became of it; nothing about the "
                    "person.");
    }
    if (cli->options.svg != NULL) {
        screen_line(screen, SCREEN_PLAIN, 2, "The picture is in %s.", cli->options.svg);
    }
    screen_line(screen, SCREEN_PLAIN, 2,
                "Whoever gets it checks it, without network or account, with: refloop-verify FILE "
                "--root %s",
                fields_text(answer, "root"));
}

static void
tell_json(struct cli *cli, const char *path, size_t bytes, const json_t *answer,
          const struct evidence_reading *reading)
{
    json_auto_t *told =
        json_pack("{s:b, s:s, s:s, s:s?, s:I, s:s, s:I, s:I, s:I, s:b, s:s}", "ok", 1, "loop",
                  fields_text(answer, "loop"), "file", path, "svg", cli->options.svg, "bytes",
                  (json_int_t)bytes, "state", lifecycle_state_name(reading->state), "steps",
                  (json_int_t)reading->n_steps, "entries", (json_int_t)reading->size, "cosigners",
                  (json_int_t)reading->n_cosigners, "with_body", cli->options.with_body, "root",
                  fields_text(answer, "root"));
    talk_print_json(cli, told);
}

static enum err
write_all(struct cli *cli, const char *path, const json_t *answer, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer file = BUFFER_INIT(FILE_BYTES_MAX);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {.n_steps = 0};
    mode_t mode = cli->options.with_body ? PRIVATE_MODE : OPEN_MODE;
    enum err err = text_unbase64(bytes_of_text(fields_text(answer, "file")), &file);
    if (err == ERR_OK) {
        err = write_new(path, buffer_view(&file), mode, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = read_back(path, answer, &reading, complaint);
    if (err != ERR_OK) {
        (void)unlink(path); /* ours, just made; if it stays, it still proves nothing */
        return err;
    }
    err = write_picture(cli->options.svg, &reading, complaint);
    if (err == ERR_OK && cli->options.json) {
        tell_json(cli, path, file.len, answer, &reading);
    } else if (err == ERR_OK) {
        tell_people(cli, path, file.len, answer, &reading);
    }
    return err;
}

int
cmd_evidence(struct cli *cli)
{
    json_auto_t *answer = NULL;
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    enum err err = refuse_existing(cli->options.out, &complaint);
    if (err == ERR_OK) {
        err = refuse_existing(cli->options.svg, &complaint);
    }
    if (err != ERR_OK) {
        return talk_fail(cli, err, complaint.text);
    }
    int code = fetch(cli, &answer);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    bool fits = cli->options.out != NULL ? text_format(path, sizeof(path), "%s", cli->options.out)
                                         : text_format(path, sizeof(path), "loop-%.*s.evidence",
                                                       SHORT_ID, fields_text(answer, "loop"));
    err = fits ? refuse_existing(path, &complaint)
               : complain(&complaint, ERR_INVALID, "the file's name is too long");
    if (err == ERR_OK) {
        err = write_all(cli, path, answer, &complaint);
    }
    return err == ERR_OK ? CLI_EXIT_DONE : talk_fail(cli, err, complaint.text);
}
