/* refloop-admin loops. Decides what the options mean and which of them fit together; without
 * --facts no key is touched and nobody is asked for a passphrase. */
#include "broker/admin/cmd.h"

#include <string.h>
#include <unistd.h>

#include "broker/admin/inspect.h"
#include "broker/admin/loops.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "broker/admin/unlock.h"
#include "lib/edge/terminal.h"

#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY (24 * MS_PER_HOUR)

static bool
find_verdict(const char *name, enum verdict *verdict_out)
{
    for (enum verdict verdict = VERDICT_HALF_CLOSED; verdict < VERDICT_COUNT; verdict++) {
        if (strcmp(name, verdict_name(verdict)) == 0) {
            *verdict_out = verdict;
            return true;
        }
    }
    return false;
}

/* ADMIN_EXIT_DONE, or that of a mistake, which has been told. */
static int
read_choice(const struct admin *admin, struct loops_choice *choice)
{
    const struct admin_options *options = &admin->options;
    *choice = (struct loops_choice){.org = options->org,
                                    .only_open = options->open,
                                    .has_state = options->state != NULL,
                                    .has_verdict = options->verdict != NULL,
                                    .limit = (size_t)options->limit};
    if (options->csv && options->json) {
        return args_usage_error(admin->program, "--csv and --json are two answers; choose one");
    }
    if (choice->has_state && !lifecycle_find_state(options->state, &choice->state)) {
        return args_usage_error(admin->program,
                                "'%s' is no state; they are requested, info-requested, accepted, "
                                "in-progress, on-hold, cancel-requested, declined, completed, "
                                "not-completed, withdrawn, closed and void",
                                options->state);
    }
    if (choice->has_verdict && !find_verdict(options->verdict, &choice->verdict)) {
        return args_usage_error(admin->program,
                                "'%s' is no verdict; they are half-closed, silent, broken, "
                                "overdue, open, closed-met, closed-unmet and void",
                                options->verdict);
    }
    if (options->older_than != NULL &&
        loops_parse_age(options->older_than, &choice->older_than_ms) != ERR_OK) {
        return args_usage_error(admin->program,
                                "'%s' is no age; it is a number and h, d or w, as in 36h or 5d",
                                options->older_than);
    }
    return ADMIN_EXIT_DONE;
}

static enum err
check_org(const struct audit *audit, const char *org, struct complaint *complaint)
{
    return org == NULL || directory_find(audit_directory(audit), org) != NULL
               ? ERR_OK
               : complain(complaint, ERR_UNKNOWN_MEMBER,
                          "there is no organization '%s'; 'refloop-admin members' lists all", org);
}

static enum err
gather(const struct admin *admin, int64_t now_ms, const struct loops_choice *choice,
       struct loops *loops, struct complaint *complaint)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    CLEANUP(auditor_key_done) struct auditor_key key = {.secret = NULL};
    struct audit_loops_options options = {
        .now_ms = now_ms,
        .silent_after_ms = admin->options.silent_days * MS_PER_DAY,
        .undelivered_after_ms = admin->options.undelivered_hours * MS_PER_HOUR,
    };
    enum err err = inspect_open(admin, &audit, complaint);
    if (err == ERR_OK) {
        err = check_org(audit, choice->org, complaint);
    }
    if (err == ERR_OK && admin->options.facts) {
        err = unlock_auditor(admin, directory_genesis(audit_directory(audit)), &key, complaint);
        options.key = &key.id;
        options.seal_public = &key.public_key;
        options.seal_secret = key.secret;
    }
    if (err != ERR_OK) {
        return err;
    }
    err = loops_gather(audit, &options, choice, loops);
    return err == ERR_CORRUPT ? complain(complaint, err,
                                         "what is stored of the loops is damaged; 'refloop-admin "
                                         "verify' says where")
                              : err;
}

int
cmd_loops(struct admin *admin)
{
    CLEANUP(loops_done) struct loops loops = {.n_rows = 0};
    struct complaint complaint = {.text = ""};
    struct loops_choice choice;
    int64_t now_ms = clock_now().wall_ms;
    int code = read_choice(admin, &choice);
    if (code != ADMIN_EXIT_DONE) {
        return code;
    }
    enum err err = gather(admin, now_ms, &choice, &loops, &complaint);
    if (err == ERR_OK && admin->options.json) {
        return talk_print_json(admin, loops_json(&loops));
    }
    if (err == ERR_OK && admin->options.csv) {
        loops_print_csv(&loops, stdout);
        return ADMIN_EXIT_DONE;
    }
    if (err == ERR_OK) {
        err = loops_print(&loops, now_ms, terminal_width(STDOUT_FILENO),
                          terminal_wants_colour(STDOUT_FILENO), stdout);
    }
    return err == ERR_OK ? ADMIN_EXIT_DONE : talk_fail(admin, err, complaint.text);
}
