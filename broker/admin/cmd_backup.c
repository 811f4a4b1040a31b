/* refloop-admin backup and export. Decides what is said of a copy: what it holds, what it does not
 * (the keys), and how it is used. Copying, syncing and reading back is broker/audit's. */
#include "broker/admin/cmd.h"

#include <string.h>
#include <sys/stat.h>

#include "broker/admin/inspect.h"
#include "broker/admin/root_key.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "broker/keys.h"
#include "lib/base/text.h"
#include "lib/edge/terminal.h"

enum { MIB = 1024 * 1024 };

/* A copy as it was found when it was opened again. */
struct copied {
    const char *dir;
    uint64_t bytes;
    struct audit *audit; /* owned */
    struct audit_summary summary;
    struct inspect_note note;
};

static void
copied_done(struct copied *copied)
{
    audit_close(copied->audit);
}

static uint64_t
bytes_of_store(const char *dir)
{
    char path[FILE_PATH_MAX];
    struct stat status;
    return file_path(path, dir, KEYS_STORE_NAME "/data.mdb") == ERR_OK && stat(path, &status) == 0
               ? (uint64_t)status.st_size
               : 0;
}

static enum err
copy(const struct admin *admin, const struct audit_copy_options *options, struct copied *copied,
     struct complaint *complaint)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    copied->dir = admin->words[0];
    enum err err = inspect_open(admin, &audit, complaint);
    if (err == ERR_OK) {
        terminal_progress("copying, and reading back");
        err = audit_copy(audit, copied->dir, options, complaint);
        terminal_progress_done();
    }
    if (err == ERR_OK) {
        err = audit_open(copied->dir, NULL, &copied->audit, complaint);
    }
    if (err == ERR_OK) {
        err = audit_get_summary(copied->audit, &copied->summary);
    }
    if (err == ERR_OK) {
        err = inspect_read_note(copied->audit, copied->summary.checkpoint_note, &copied->note);
    }
    copied->bytes = bytes_of_store(copied->dir);
    return err;
}

static void
print_holds(const struct copied *copied, const char *done)
{
    char entries[SAY_COUNT_BYTES];
    char size[SAY_COUNT_BYTES];
    char mib[SAY_COUNT_BYTES];
    say_line(stdout, "%s %s: %s entr%s, %s MiB, read back and compared.", done, copied->dir,
             say_count(copied->summary.entries, entries),
             copied->summary.entries == 1 ? "y" : "ies",
             say_count((copied->bytes + MIB - 1) / MIB, mib));
    say_line(stdout, "Checkpoint: %s entries, root %s (in %s/checkpoint).",
             say_count(copied->note.checkpoint.size, size), copied->note.root, copied->dir);
}

static void
print_backup(const struct admin *admin, const struct copied *copied)
{
    print_holds(copied, "Backed up to");
    say_line(stdout, "%s", "");
    say_line(stdout,
             "The keys are not in it. Keep a copy of each, once, closed to others and apart "
             "from the backups:");
    say_line(stdout,
             "  %s/" KEYS_DIR_NAME "/" KEYS_FILE_NAME ": without it no broker can go on "
             "with this log;",
             admin->home);
    say_line(stdout, "  " ROOT_KEY_FILE_NAME ", wherever you keep it: without it nobody can be let "
                     "in or sent away.");
    say_line(stdout,
             "To restore: stop the broker, move %s/" KEYS_STORE_NAME
             " aside, and copy %s/" KEYS_STORE_NAME " to its place,",
             admin->home, copied->dir);
    say_line(stdout, "as the user the broker runs as. Started again, it waits until the members "
                     "have brought back");
    say_line(stdout, "what the backup lacks: 'refloop-admin recover' shows how far that is.");
}

static void
print_export(const struct copied *copied, bool without_sealed)
{
    print_holds(copied, "Exported to");
    say_line(stdout, "%s",
             without_sealed ? "What is sealed was left out: nobody can learn content from it, also "
                              "not with a key."
                            : "What is sealed is in it, readable only with the keys it is sealed "
                              "to (--without-sealed leaves it out).");
    say_line(stdout, "No secret key is in it. To read it no broker is needed:");
    say_line(stdout, "  refloop-admin verify --copy %s", copied->dir);
    say_line(stdout, "  refloop-admin loops --copy %s", copied->dir);
    say_line(stdout, "  refloop-admin evidence LOOP --copy %s", copied->dir);
}

static json_t *
copied_json(const struct copied *copied, bool sealed)
{
    return json_pack("{s:b, s:s, s:I, s:I, s:b, s:b, s:o}", "ok", 1, "dir", copied->dir, "entries",
                     (json_int_t)copied->summary.entries, "bytes", (json_int_t)copied->bytes,
                     "backup", copied->summary.is_copy, "sealed", sealed, "checkpoint",
                     inspect_note_json(&copied->note));
}

static int
run(struct admin *admin, const struct audit_copy_options *options)
{
    CLEANUP(copied_done) struct copied copied = {.audit = NULL};
    struct complaint complaint = {.text = ""};
    enum err err = copy(admin, options, &copied, &complaint);
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, copied_json(&copied, !options->without_sealed));
    }
    if (options->mark_as_backup) {
        print_backup(admin, &copied);
    } else {
        print_export(&copied, options->without_sealed);
    }
    return ADMIN_EXIT_DONE;
}

int
cmd_backup(struct admin *admin)
{
    return run(admin, &(struct audit_copy_options){.mark_as_backup = true});
}

int
cmd_export(struct admin *admin)
{
    return run(admin,
               &(struct audit_copy_options){.without_sealed = admin->options.without_sealed});
}
