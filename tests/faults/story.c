/* Decides what there is to do and what must be true of it. It plays the programs' part as they play
 * it themselves (keys before the broker hears of them, a file by replacing it), and the people's:
 * who is told "not taken" says it again. */
#include "tests/faults/story.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/command/command.h"
#include "agent/daemon/config.h"
#include "broker/tables.h"

#define EVIDENCE_TAG "refloop.test.evidence"

enum { FORM_BYTES = 512, FILE_BYTES_MAX = 4 << 20, ATTEMPTS = 4 };

/* --- what the staff does --- */

static enum err
err_of_answer(const json_t *answer)
{
    const char *code = json_string_value(json_object_get(json_object_get(answer, "error"), "code"));
    if (json_is_true(json_object_get(answer, "ok"))) {
        return ERR_OK;
    }
    /* Without memory there may be no answer, or one without its code; and the JSON reader takes the
     * text for broken then. Nothing was taken in all these cases, so people try again. */
    return code == NULL || strcmp(code, err_name(ERR_INVALID)) == 0 ||
                   strcmp(code, err_name(ERR_MEMORY)) == 0
               ? ERR_MEMORY
           : strcmp(code, err_name(ERR_DISK_FULL)) == 0 ? ERR_DISK_FULL
           : strcmp(code, err_name(ERR_IO)) == 0        ? ERR_IO
                                                        : ERR_INTERNAL;
}

static enum err
command(struct world *world, json_t *request, json_t **answer_out)
{
    struct command_context context = {.agent = world->member[CLINIC].agent, .now = world->now};
    bool watch = false;
    if (request == NULL) {
        return ERR_MEMORY;
    }
    json_t *answer = command_run(&context, request, &watch);
    enum err err = err_of_answer(answer);
    if (err != ERR_OK) {
        const char *text =
            json_string_value(json_object_get(json_object_get(answer, "error"), "text"));
        (void)complain(&world->complaint, err, "%s", text == NULL ? "no answer" : text);
    }
    if (answer_out != NULL && err == ERR_OK) {
        *answer_out = json_incref(answer);
    }
    json_decref(answer);
    json_decref(request);
    return err;
}

/* Nothing that goes wrong with a question ends a program, or changes anything. */
static enum err
ask(struct world *world, const char *loop)
{
    static const char *const questions[] = {"status", "list",       "members", "codes",
                                            "events", "checkpoint", "alarms",  "verify"};
    static const char *const about_loop[] = {"show", "export", "evidence"};
    enum err err = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        world->doing = questions[i];
        err = command(world, json_pack("{s:s}", "command", questions[i]), NULL);
        if (err != ERR_OK && err != ERR_MEMORY && err != ERR_IO) {
            return err;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(about_loop); i++) {
        world->doing = about_loop[i];
        err = command(world, json_pack("{s:s, s:s}", "command", about_loop[i], "loop", loop), NULL);
        if (err != ERR_OK && err != ERR_MEMORY && err != ERR_IO) {
            return err;
        }
    }
    return ERR_OK;
}

static json_t *
referral(const struct promise_said *said)
{
    char form[FORM_BYTES];
    (void)snprintf(form, sizeof(form),
                   "{\"to\":\"%s\",\"category\":\"food-insecurity\",\"person\":{\"name\":"
                   "\"Ana Example\",\"phone\":\"555-0100\"},\"need\":\"%s\","
                   "\"consent\":{\"basis\":\"consent\",\"signed_on\":\"2023-11-10\"}}",
                   fixture_orgs[PANTRY], said->text);
    return json_pack("{s:s, s:[{s:s, s:s}]}", "command", "send", "files", "name", "form", "text",
                     form);
}

static enum err
send_once(struct world *world)
{
    struct promise_said *said = promise_next_said(world->promises, CLINIC);
    (void)snprintf(said->text, sizeof(said->text), "groceries, number %u.",
                   world->promises->serial);
    world->doing = "send";
    enum err err = command(world, referral(said), NULL);
    said->kind = err == ERR_OK ? PROMISE_KEPT : err == ERR_IO ? PROMISE_UNKNOWN : PROMISE_REFUSED;
    return err;
}

static enum err
send(struct world *world)
{
    struct loop_id loop;
    enum err err = ERR_OK;
    for (unsigned i = 0; i < ATTEMPTS && !world_find_loop(world, 1, &loop); i++) {
        err = send_once(world);
        if (err != ERR_OK && err != ERR_MEMORY && err != ERR_DISK_FULL) {
            return err;
        }
    }
    return err;
}

/* --- files --- */

static enum err
write_evidence(struct world *world)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_BYTES_MAX);
    char path[FILE_PATH_MAX];
    struct loop_id loop;
    bool ready = false;
    struct agent *agent = world->member[CLINIC].agent;
    if (!world_find_loop(world, 0, &loop)) {
        return ERR_MEMORY; /* it is there: it could not be looked at */
    }
    world->doing = "evidence";
    enum err err = agent_want_proofs(agent, &loop, world->now, &ready);
    if (err == ERR_OK) {
        err = world_settle(world);
    }
    world->doing = "evidence";
    if (err == ERR_OK) {
        err = agent_evidence(agent, &loop, true, &file, &world->complaint);
    }
    if (err == ERR_OK) {
        err = file_path(path, world->dir, "evidence");
    }
    if (err == ERR_OK) {
        digest_one(EVIDENCE_TAG, buffer_view(&file), &world->promises->evidence);
        err = file_replace(path, buffer_view(&file), 0600);
    }
    world->promises->has_evidence |= err == ERR_OK;
    return err;
}

static enum err
back_up(struct world *world)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    char path[FILE_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%.900s/backup-%d", world->dir, (int)getpid());
    world->doing = "kv_open_read";
    enum err err =
        kv_open_read(world->broker_store, tables_names, TABLE_COUNT, &kv, &world->complaint);
    world->doing = "kv_copy";
    return err == ERR_OK ? kv_copy(kv, path) : err;
}

static enum err
configure(struct world *world, size_t which)
{
    struct config config;
    world->doing = "config_write_sample";
    enum err err = config_write_sample(world->member[which].home, &world->complaint);
    if (err == ERR_OK) {
        world->doing = "config_load";
        err = config_load(world->member[which].home, &config, &world->complaint);
    }
    return err;
}

/* --- the story --- */

static enum err
found(struct world *world)
{
    enum err err = world_open_broker(world);
    for (size_t i = 0; err == ERR_OK && i < WORLD_MEMBERS; i++) {
        err = configure(world, i);
        if (err == ERR_OK) {
            err = world_invite(world, i);
        }
        if (err == ERR_OK) {
            err = world_join(world, i);
        }
        if (err == ERR_OK) {
            err = world_open_agent(world, i);
        }
        /* As the daemon does at its start: keys that were half changed. */
        if (err == ERR_OK && world->member[i].identity.has_next) {
            err = world_rotate(world, i);
        }
    }
    return err;
}

static enum err
work(struct world *world)
{
    struct loop_id loop;
    char text[LOOP_ID_TEXT] = "";
    enum err err = world_finish_loop(world, 0);
    if (err == ERR_OK && world_find_loop(world, 0, &loop)) {
        ident_format(&loop, text);
        err = ask(world, text);
    }
    if (err == ERR_OK) {
        err = send(world);
    }
    return err == ERR_OK ? world_finish_loop(world, 1) : err;
}

enum err
story_run(struct world *world)
{
    enum err err = found(world);
    if (err == ERR_OK) {
        err = work(world);
    }
    if (err == ERR_OK) {
        err = world_rotate(world, CLINIC);
    }
    if (err == ERR_OK) {
        err = world_finish_loop(world, STORY_LOOPS - 1);
    }
    if (err == ERR_OK) {
        err = write_evidence(world);
    }
    /* A process never opens a store twice. */
    world_close_broker(world);
    if (err == ERR_OK) {
        err = back_up(world);
    }
    return err == ERR_OK ? world_open_broker(world) : err;
}

/* --- what must hold --- */

static enum err
wrong(struct world *world, const char *sentence)
{
    return complain(&world->complaint, ERR_CORRUPT, "%s", sentence);
}

/* A temporary file that stays is a copy of keys that nobody knows of. */
static enum err
check_names(struct world *world, const char *dir)
{
    DIR *names = opendir(dir);
    const struct dirent *name;
    enum err err = ERR_OK;
    while (names != NULL && (name = readdir(names)) != NULL) {
        if (strstr(name->d_name, ".new-") != NULL) {
            err = wrong(world, "half a file was left beside its place");
        }
    }
    if (names != NULL) {
        closedir(names);
    }
    return err;
}

/* The sample is the same wherever it is written. */
static enum err
check_config(struct world *world, const char *home)
{
    CLEANUP(buffer_done) struct buffer found = BUFFER_INIT(FILE_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer fresh = BUFFER_INIT(FILE_BYTES_MAX);
    char path[FILE_PATH_MAX];
    char fresh_path[FILE_PATH_MAX];
    enum err err = file_path(path, home, CONFIG_FILE_NAME);
    if (err != ERR_OK || !file_exists(path)) {
        return err;
    }
    (void)snprintf(fresh_path, sizeof(fresh_path), "%.900s/%s", world->dir, CONFIG_FILE_NAME);
    err = config_write_sample(world->dir, &world->complaint);
    if (err == ERR_OK) {
        err = file_read(path, &found);
    }
    if (err == ERR_OK) {
        err = file_read(fresh_path, &fresh);
    }
    if (err == ERR_OK && !bytes_equal(buffer_view(&found), buffer_view(&fresh))) {
        err = wrong(world, "half a configuration is in place");
    }
    return err;
}

static enum err
check_member(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    char keys[FILE_PATH_MAX];
    enum err err = file_path(keys, member->home, "keys");
    if (err == ERR_OK) {
        err = check_names(world, keys);
    }
    if (err == ERR_OK) {
        err = check_names(world, member->home);
    }
    if (err == ERR_OK) {
        err = check_config(world, member->home);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = world_open_agent(world, which);
    if (err == ERR_NOT_FOUND && !member->has_identity) {
        return world->promises->has_keys[which] ? wrong(world, "keys that were saved are gone")
                                                : ERR_OK;
    }
    if (err == ERR_OK) {
        err = promise_check_agent(world->promises, which, member->agent, &world->complaint);
    }
    if (err == ERR_OK) {
        err = agent_check_store(member->agent, &world->complaint);
    }
    world_close_agent(world, which);
    return err;
}

static enum err
check_evidence(struct world *world)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_BYTES_MAX);
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, world->dir, "evidence");
    if (err == ERR_OK && file_exists(path)) {
        err = file_read(path, &file);
        struct digest digest;
        digest_one(EVIDENCE_TAG, buffer_view(&file), &digest);
        if (err == ERR_OK && !digest_equal(&digest, &world->promises->evidence)) {
            err = wrong(world, "half an evidence file is in place");
        }
    } else if (err == ERR_OK && world->promises->has_evidence) {
        err = wrong(world, "an evidence file that was written is gone");
    }
    return err;
}

enum err
story_check_disks(struct world *world)
{
    struct sign_public log_key;
    enum err err = world_open_broker(world);
    sign_public_of(&world->fixture->log_secret, &log_key);
    if (err == ERR_OK) {
        err = broker_check_store(world->broker, &world->complaint);
    }
    world_close_broker(world);
    if (err == ERR_OK) {
        err = promise_check_broker(world->promises, world->broker_store, &world->fixture->network,
                                   &log_key, &world->complaint);
    }
    for (size_t i = 0; err == ERR_OK && i < WORLD_MEMBERS; i++) {
        err = check_member(world, i);
    }
    return err == ERR_OK ? check_evidence(world) : err;
}

static bool
count_loop(void *context, const struct loop_view *loop)
{
    size_t *n = context;
    *n += loop->position.state == LOOP_CLOSED && loop->n_waiting == 0 && loop->n_refused == 0
              ? 1
              : 1000;
    return true;
}

enum err
story_check_end(struct world *world)
{
    enum err err = broker_check_store(world->broker, &world->complaint);
    for (size_t i = 0; err == ERR_OK && i < WORLD_MEMBERS; i++) {
        struct agent *agent = world->member[i].agent;
        struct agent_proof_status proof;
        struct agent_link_status link;
        size_t n = 0;
        agent_get_proof_status(agent, &proof);
        agent_get_link_status(agent, &link);
        err = agent_each_loop(agent, count_loop, &n);
        if (err == ERR_OK && n != STORY_LOOPS) {
            err = complain(&world->complaint, ERR_CORRUPT, "%s has %zu loops, or one is not closed",
                           fixture_orgs[i], n);
        }
        if (err == ERR_OK && (proof.n_alarms > 0 || proof.stopped || link.bad_entries > 0)) {
            err = wrong(world, "somebody was accused");
        }
        if (err == ERR_OK) {
            err = agent_check_store(agent, &world->complaint);
        }
    }
    return err;
}
