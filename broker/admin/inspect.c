/* What the auditor's commands share. Decides which store is looked into and how a checkpoint is
 * told; what is right is for broker/audit. */
#include "broker/admin/inspect.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"

enum { NAMES_SHOWN = 6, MS_PER_S = 1000 };

/* LMDB believes the pages of its file. In one that is cut short, or whose pages are garbage, it
 * reads where there is nothing, and no check of ours comes before that. */
static void
say_damaged(int number)
{
    static const char sentence[] =
        "NO: the file of the store is cut short, or garbage stands where its pages should be: it "
        "cannot be read\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, sentence, sizeof(sentence) - 1);
    (void)written; /* there is nobody else to tell; the exit status says it too */
    _exit(ADMIN_EXIT_FAILED);
}

static enum err
expect_damage(void)
{
    const struct sigaction action = {.sa_handler = say_damaged};
    static const int faults[] = {SIGBUS, SIGSEGV, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (sigaction(faults[i], &action, NULL) != 0) {
            return ERR_INTERNAL;
        }
    }
    return ERR_OK;
}

enum err
inspect_open(const struct admin *admin, struct audit **audit_out, struct complaint *complaint)
{
    enum err err = expect_damage();
    if (err != ERR_OK) {
        return complain(complaint, err, "%s", err_text(err));
    }
    const char *copy = admin->options.copy;
    return audit_open(copy != NULL ? copy : admin->home, NULL, audit_out, complaint);
}

/* The third line of a note. */
static void
copy_root(struct bytes note, char out[64])
{
    size_t at = 0;
    for (int line = 0; line < 2; line++) {
        const uint8_t *end = memchr(note.data + at, '\n', note.len - at);
        at = end == NULL ? note.len : (size_t)(end - note.data) + 1;
    }
    size_t len = 0;
    while (at < note.len && note.data[at] != '\n' && len < 63) {
        out[len++] = (char)note.data[at++];
    }
    out[len] = '\0';
}

enum err
inspect_read_note(const struct audit *audit, struct bytes note, struct inspect_note *note_out)
{
    const struct directory *directory = audit_directory(audit);
    struct inspect_note read = {.bytes = note};
    char liar[ORG_ID_BYTES];
    if (note.len == 0) {
        return ERR_NOT_FOUND;
    }
    enum err err = checkpoint_open(note, directory_network(directory),
                                   &directory_genesis(directory)->broker_log, &read.checkpoint);
    if (err == ERR_OK) {
        err = checkpoint_cosigners(note, directory, read.cosigners, &read.n_cosigners, liar);
    }
    if (err != ERR_OK) {
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    }
    copy_root(note, read.root);
    *note_out = read;
    return ERR_OK;
}

enum err
inspect_best_note(struct audit *audit, struct inspect_note *note_out)
{
    struct audit_summary summary;
    enum err err = audit_get_summary(audit, &summary);
    if (err != ERR_OK) {
        return err;
    }
    err = inspect_read_note(audit, summary.witnessed_note, note_out);
    return err == ERR_NOT_FOUND ? inspect_read_note(audit, summary.checkpoint_note, note_out) : err;
}

json_t *
inspect_time_json(int64_t ms)
{
    char text[CLOCK_TEXT_BYTES];
    if (ms == 0) {
        return json_null();
    }
    clock_format_utc(ms, text);
    return json_string(text);
}

json_t *
inspect_note_json(const struct inspect_note *note)
{
    char root[2 * MERKLE_HASH_BYTES + 1];
    json_t *cosigners = json_array();
    text_hex(bytes_of(note->checkpoint.root.bytes, MERKLE_HASH_BYTES), root);
    for (size_t i = 0; i < note->n_cosigners; i++) {
        const struct cosigner *cosigner = &note->cosigners[i];
        int64_t ms =
            cosigner->time_s < INT64_MAX / MS_PER_S ? (int64_t)cosigner->time_s * MS_PER_S : 0;
        (void)json_array_append_new(cosigners, json_pack("{s:s, s:o}", "org", cosigner->org, "time",
                                                         inspect_time_json(ms)));
    }
    return json_pack("{s:I, s:s, s:s%, s:o}", "size", (json_int_t)note->checkpoint.size, "root",
                     root, "note", note->bytes.data, note->bytes.len, "cosigners", cosigners);
}

void
inspect_names(const struct inspect_note *note, char out[INSPECT_NAMES_BYTES])
{
    size_t n = note->n_cosigners;
    size_t shown = n > NAMES_SHOWN ? NAMES_SHOWN - 1 : n;
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < shown; i++) {
        const char *gap = i == 0 ? "" : i + 1 == n ? " and " : ", ";
        (void)text_format(out + len, INSPECT_NAMES_BYTES - len, "%s%s", gap,
                          note->cosigners[i].org);
        len += strlen(out + len);
    }
    if (shown < n) {
        (void)text_format(out + len, INSPECT_NAMES_BYTES - len, " and %zu more", n - shown);
    }
}

json_t *
inspect_network_json(const struct audit_summary *summary)
{
    char fingerprint[FINGERPRINT_TEXT];
    char id[2 * SIGN_PUBLIC_BYTES + 1];
    token_fingerprint(&summary->network, fingerprint);
    text_hex(bytes_of(summary->network.bytes, sizeof(summary->network.bytes)), id);
    return json_pack("{s:s, s:s, s:s}", "id", id, "name", summary->network_name, "fingerprint",
                     fingerprint);
}
