/* refloop-admin verify and checkpoint. Decides how the yes and the no of a verification are told,
 * and what an administrator does after a no. It reads the store beside the broker, which goes on
 * working meanwhile. */
#include "broker/admin/cmd.h"

#include <string.h>

#include "broker/admin/inspect.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/edge/terminal.h"
#include "lib/trust/token.h"

enum { PERCENT = 100, MS_PER_S = 1000, TENTH_MS = 100 };

/* What is said of a store that is not true, in this order. */
static const char *const what_next[] = {
    "Nothing was changed by looking. What to do:",
    "  1. Keep the store as it is: stop the broker, and set a copy of its directory aside.",
    "  2. If the reason names only what follows from the log (ids, mailboxes, loops, directory),",
    "     the log itself stands: 'refloop-broker --rebuild-store' makes the rest again.",
    "  3. Else verify the newest backup ('refloop-admin verify --copy DIR'). If that is true,",
    "     restore it; the members bring back what it lacks ('refloop-admin recover').",
    "  4. If the reason speaks of a checkpoint or a cosignature, two logs may have been shown to",
    "     members: compare 'refloop checkpoint' of several members before anything is restored.",
};

static void
show_progress(void *context, const char *phase, uint64_t done, uint64_t total)
{
    (void)context;
    terminal_progress("%s: %u %%", phase,
                      total == 0 ? PERCENT : (unsigned)(PERCENT * (double)done / (double)total));
}

static enum err
read_since(const struct admin *admin, struct buffer *out, struct complaint *complaint)
{
    const char *path = admin->options.since;
    if (path == NULL) {
        return ERR_OK;
    }
    enum err err = file_read(path, out);
    return err == ERR_OK && out->len > 0
               ? ERR_OK
               : complain(complaint, err == ERR_OK ? ERR_MALFORMED : err,
                          "the checkpoint to begin from, %s, cannot be read: %s", path,
                          err == ERR_OK ? "it is empty" : err_text(err));
}

/* ---- the yes ---- */

static json_t *
witnessed_json(const struct audit *audit, const struct audit_summary *summary)
{
    struct inspect_note note;
    return inspect_read_note(audit, summary->witnessed_note, &note) == ERR_OK
               ? inspect_note_json(&note)
               : json_null();
}

static json_t *
verified_json(const struct audit *audit, const struct audit_summary *summary,
              const struct audit_report *report, const struct inspect_note *last)
{
    return json_pack("{s:b, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "ok", 1,
                     "network", inspect_network_json(summary), "backup", summary->is_copy,
                     "entries", (json_int_t)summary->entries, "loops", (json_int_t)summary->loops,
                     "from", (json_int_t)report->from, "to", (json_int_t)report->to, "statements",
                     (json_int_t)report->statements, "signatures", (json_int_t)report->signatures,
                     "elapsed_ms", (json_int_t)report->elapsed_ms, "log_time",
                     inspect_time_json(summary->log_time_ms), "checkpoint", inspect_note_json(last),
                     "witnessed", witnessed_json(audit, summary));
}

static void
print_range(const struct audit_summary *summary, const struct audit_report *report, FILE *out)
{
    char entries[SAY_COUNT_BYTES];
    char loops[SAY_COUNT_BYTES];
    char from[SAY_COUNT_BYTES];
    (void)say_count(report->to - report->from, entries);
    (void)say_count(report->from == 0 ? summary->loops : report->loops, loops);
    if (report->from == 0) {
        say_line(out, "The log is whole and true: %s entr%s, %s loop%s.", entries,
                 report->to == 1 ? "y" : "ies", loops, say_plural(summary->loops));
    } else {
        say_line(out,
                 "The log goes on truly from the checkpoint of %s entries: %s entr%s after it, in "
                 "%s loop%s.",
                 say_count(report->from, from), entries,
                 report->to - report->from == 1 ? "y" : "ies", loops, say_plural(report->loops));
        say_line(out, "What is before that checkpoint was not looked at again.");
    }
}

static void
print_checked(const struct audit_report *report, FILE *out)
{
    char statements[SAY_COUNT_BYTES];
    char signatures[SAY_COUNT_BYTES];
    say_line(out,
             "Checked in %lld.%lld s: %s statement%s under %s signature%s, and everything stored "
             "that follows from them.",
             (long long)(report->elapsed_ms / MS_PER_S),
             (long long)(report->elapsed_ms % MS_PER_S / TENTH_MS),
             say_count(report->statements, statements), say_plural(report->statements),
             say_count(report->signatures, signatures), say_plural(report->signatures));
}

static void
print_witnesses(const struct audit *audit, const struct audit_summary *summary, FILE *out)
{
    struct inspect_note note;
    char names[INSPECT_NAMES_BYTES];
    char size[SAY_COUNT_BYTES];
    if (inspect_read_note(audit, summary->witnessed_note, &note) != ERR_OK ||
        note.n_cosigners == 0) {
        say_line(
            out,
            "No present member has cosigned it: only the broker vouches that it shows everybody "
            "the same log.");
        return;
    }
    inspect_names(&note, names);
    say_line(out, "Cosigned by %zu member%s up to %s entr%s: %s.", note.n_cosigners,
             say_plural(note.n_cosigners), say_count(note.checkpoint.size, size),
             note.checkpoint.size == 1 ? "y" : "ies", names);
}

static void
print_verified(const struct audit *audit, const struct audit_summary *summary,
               const struct audit_report *report, const struct inspect_note *last)
{
    char size[SAY_COUNT_BYTES];
    char newest[CLOCK_TEXT_BYTES];
    char fingerprint[FINGERPRINT_TEXT];
    token_fingerprint(&summary->network, fingerprint);
    say_time(summary->log_time_ms, newest);
    print_range(summary, report, stdout);
    print_checked(report, stdout);
    say_line(stdout, "Checkpoint: %s entries, root %s.", say_count(last->checkpoint.size, size),
             last->root);
    print_witnesses(audit, summary, stdout);
    say_line(stdout, "Network: %s, fingerprint %s; newest entry of %s.", summary->network_name,
             fingerprint, newest);
    if (summary->is_copy) {
        say_line(stdout, "It is a backup: a broker started from it will wait for its members.");
    }
}

/* ---- the no ---- */

static int
tell_no(const struct admin *admin, const struct audit_report *report, const char *sentence)
{
    if (admin->options.json) {
        json_t *index = report->bad_index == UINT64_MAX
                            ? json_null()
                            : json_integer((json_int_t)report->bad_index);
        (void)talk_print_json(admin, json_pack("{s:b, s:{s:s, s:s}, s:o}", "ok", 0, "error", "code",
                                               err_name(ERR_CORRUPT), "text", sentence, "bad_index",
                                               index)); /* it is a failure already */
        return ADMIN_EXIT_FAILED;
    }
    say_line(stderr, "%s: NO: %s", admin->program->name, sentence);
    for (size_t i = 0; i < ARRAY_LEN(what_next); i++) {
        say_line(stderr, "%s", what_next[i]);
    }
    return ADMIN_EXIT_FAILED;
}

static enum err
verify(const struct admin *admin, struct audit *audit, struct audit_report *report,
       struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer since = BUFFER_INIT(NOTE_BYTES_MAX);
    enum err err = read_since(admin, &since, complaint);
    if (err != ERR_OK) {
        return err;
    }
    const struct audit_verify_options options = {
        .since = buffer_view(&since),
        .n_threads = (unsigned)admin->options.threads,
        .progress = show_progress,
    };
    err = audit_verify(audit, &options, report, complaint);
    terminal_progress_done();
    return err;
}

int
cmd_verify(struct admin *admin)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    struct audit_report report = {.bad_index = UINT64_MAX};
    struct audit_summary summary;
    struct inspect_note last;
    enum err err = inspect_open(admin, &audit, &complaint);
    if (err == ERR_OK) {
        err = verify(admin, audit, &report, &complaint);
    }
    if (err == ERR_OK) {
        err = audit_get_summary(audit, &summary);
    }
    if (err == ERR_OK) {
        err = inspect_read_note(audit, summary.checkpoint_note, &last);
    }
    if (err == ERR_CORRUPT) {
        return tell_no(admin, &report, complaint.text[0] != '\0' ? complaint.text : err_text(err));
    }
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, verified_json(audit, &summary, &report, &last));
    }
    print_verified(audit, &summary, &report, &last);
    return ADMIN_EXIT_DONE;
}

int
cmd_checkpoint(struct admin *admin)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    struct inspect_note note;
    enum err err = inspect_open(admin, &audit, &complaint);
    if (err == ERR_OK) {
        err = inspect_best_note(audit, &note);
    }
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(
            admin, json_pack("{s:b, s:o}", "ok", 1, "checkpoint", inspect_note_json(&note)));
    }
    /* As it is, for --since: whoever reads it checks its form; note_parse allows no controls. */
    (void)fwrite(note.bytes.data, 1, note.bytes.len, stdout); /* main looks at the stream */
    return ADMIN_EXIT_DONE;
}
