/* The small commands: export, members, codes, verify. */
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "lib/base/file.h"
#include "lib/edge/args.h"
#include "lib/edge/fields.h"
#include "lib/edge/table.h"

enum { EXPORT_MODE = 0600, EXPORT_INDENT = 2 };

/* --- export ---------------------------------------------------------------------------------- */

static void
free_json_text(char **text)
{
    free(*text);
}

static int
write_bundle(struct cli *cli, const json_t *bundle)
{
    const char *path = cli->options.out;
    CLEANUP(free_json_text) char *text = json_dumps(bundle, JSON_INDENT(EXPORT_INDENT));
    struct complaint complaint = {0};
    if (text == NULL) {
        return talk_fail(cli, ERR_MEMORY, NULL);
    }
    /* It holds a person's data: nobody else may read it, and no other file may be lost for it. */
    enum err err = file_create(path, bytes_of_text(text), EXPORT_MODE);
    if (err == ERR_OK) {
        return CLI_EXIT_DONE;
    }
    err = complain(&complaint, err, "%s cannot be written: %s", path, err_text(err));
    return talk_fail(cli, err, complaint.text);
}

int
cmd_export(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s}", "command", "export", "loop", cli_word(cli, 0),
                                "format", "fhir");
    int code = talk_ask(cli, request, TALK_PATIENCE_MS, &answer);
    const json_t *bundle = json_object_get(answer, "bundle");
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    if (cli->options.out != NULL) {
        return write_bundle(cli, bundle);
    }
    if (!cli->options.json) {
        talk_print_json(cli, bundle);
    }
    return code;
}

/* --- members --------------------------------------------------------------------------------- */

static enum err
add_member(struct table *table, const json_t *member)
{
    const char *cells[] = {
        fields_text(member, "org"),
        fields_text(member, "name"),
        fields_text(member, "state"),
        fields_flag(member, "me") ? "you" : "",
    };
    return table_add(table, cells);
}

int
cmd_members(struct cli *cli)
{
    static const char *const titles[] = {"ORGANIZATION", "NAME", "STATE", ""};
    json_auto_t *answer = NULL;
    int code = talk_ask(cli, json_pack("{s:s}", "command", "members"), TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE || cli->options.json) {
        return code;
    }
    CLEANUP(table_freep) struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i = 0;
    const json_t *member = NULL;
    json_array_foreach(json_object_get(answer, "members"), i, member)
    {
        if (table == NULL || add_member(table, member) != ERR_OK) {
            return talk_fail(cli, ERR_MEMORY, NULL);
        }
    }
    screen_table(&cli->screen, table, NULL);
    return code;
}

/* --- codes ----------------------------------------------------------------------------------- */

static void
print_codes(struct screen *screen, const char *name, const json_t *codes)
{
    size_t i = 0;
    const json_t *code = NULL;
    screen_line(screen, SCREEN_BOLD, 0, "%s", name);
    json_array_foreach(codes, i, code)
    {
        char label[128];
        (void)snprintf(label, sizeof(label), "  %s",
                       fields_text(code, "code")); /* codes are short */
        screen_field(screen, SCREEN_PLAIN, label, 36, "%s%s", fields_text(code, "words"),
                     fields_flag(code, "needs_text") ? " (with --text)" : "");
    }
}

static int
print_list(struct cli *cli, json_t *lists, const char *wanted)
{
    const char *name = NULL;
    json_t *codes = NULL;
    size_t n = 0;
    json_object_foreach(lists, name, codes)
    {
        if (wanted == NULL || strcmp(wanted, name) == 0) {
            print_codes(&cli->screen, name, codes);
            n++;
        }
    }
    if (n > 0 || wanted == NULL) {
        return CLI_EXIT_DONE;
    }
    screen_line(&cli->errors, SCREEN_PLAIN, 0,
                "refloop codes: there is no list of that name;"
                " these there are:");
    json_object_foreach(lists, name, codes)
    {
        screen_line(&cli->errors, SCREEN_PLAIN, 2, "%s", name);
    }
    return CLI_EXIT_REFUSED;
}

int
cmd_codes(struct cli *cli)
{
    json_auto_t *answer = NULL;
    int code = talk_ask(cli, json_pack("{s:s}", "command", "codes"), TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE || cli->options.json) {
        return code;
    }
    return print_list(cli, json_object_get(answer, "lists"), cli_word(cli, 0));
}

/* --- verify ---------------------------------------------------------------------------------- */

int
cmd_verify(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "command", "verify");
    int code = talk_ask(cli, request, TALK_LONG_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        screen_line(&cli->screen, SCREEN_PLAIN, 0,
                    "Every referral agrees with the statements it was made from.");
    }
    return code;
}
