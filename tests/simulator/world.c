/* Founds the network through the same tokens and joins that people use. Root, broker and members
 * are fictional; the root's work (invites) is done before the first day. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "tests/simulator/sim.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "simulator: %s\n", #condition);                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { STARTS_AT_S = 1700000000 };

static void
sign(const struct statement *statement, const struct sign_secret *secret, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};
    MUST(statement_encode(statement, &bytes) == ERR_OK);
    envelope.statement = buffer_view(&bytes);
    MUST(turn_sign(SIGN_STATEMENTS, &statement->network, &envelope.statement, 1, secret,
                   &envelope.signature) == ERR_OK);
    *out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    MUST(envelope_encode(&envelope, out) == ERR_OK);
}

static struct statement
root_statement(const struct sim *sim, enum statement_kind kind)
{
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = kind,
                                  .network = sim->network,
                                  .authored_ms = STARTS_AT_S * INT64_C(1000)};
    struct sign_public root;
    memcpy(root.bytes, sim->network.bytes, sizeof(root.bytes));
    statement.author_key = key_id_of_signer(&root);
    return statement;
}

static void
found(struct sim *sim)
{
    struct sign_public root;
    struct sign_secret unused_sign;
    struct seal_secret unused_seal;
    struct curve_secret unused_curve;
    sign_new_pair(&root, &sim->root);
    memcpy(sim->network.bytes, root.bytes, sizeof(root.bytes));
    struct statement statement = root_statement(sim, STATEMENT_GENESIS);
    struct statement_genesis *genesis = &statement.as.genesis;
    (void)snprintf(genesis->network_name, sizeof(genesis->network_name), "Fictional County");
    (void)snprintf(genesis->endpoint, sizeof(genesis->endpoint), "tcp://broker.example.org:5555");
    (void)snprintf(genesis->auditor_org, sizeof(genesis->auditor_org), "county-office");
    curve_new_pair(&genesis->broker_curve, &unused_curve);
    sign_new_pair(&genesis->broker_log, &sim->log_secret);
    sign_new_pair(&genesis->auditor.sign, &unused_sign);
    seal_new_pair(&genesis->auditor.seal, &unused_seal);
    curve_new_pair(&genesis->auditor.curve, &unused_curve);
    sign(&statement, &sim->root, &sim->genesis);
}

static void
make_member(struct sim *sim, struct site *site)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    struct statement statement = root_statement(sim, STATEMENT_INVITE);
    struct statement_invite *invite = &statement.as.invite;
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_secret once_sign;
    struct curve_secret once_curve;
    secret_random(seed, sizeof(seed));
    sign_pair_from_seed(seed, &invite->once_sign, &once_sign);
    curve_new_pair(&invite->once_curve, &once_curve);
    (void)snprintf(invite->org, sizeof(invite->org), "site-%03u",
                   (unsigned)(site_number(sim, site) % 1000));
    (void)snprintf(invite->name, sizeof(invite->name), "Site %03u",
                   (unsigned)(site_number(sim, site) % 1000));
    invite->expires_ms = INT64_MAX;
    sign(&statement, &sim->root, &site->invite);
    MUST(token_format(buffer_view(&sim->genesis), buffer_view(&site->invite), seed, &once_curve,
                      &line) == ERR_OK);
    MUST(token_parse(buffer_view(&line), &site->token) == ERR_OK);
    MUST(identity_new(&site->token, &site->identity) == ERR_OK);
    site->join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    MUST(identity_join_envelope(&site->identity, &site->token, &site->join) == ERR_OK);
}

static void
make_machine(struct sim *sim, struct machine *machine, const char *name)
{
    MUST(snprintf(machine->dir, sizeof(machine->dir), "%s/%s", sim->dir, name) <
         (int)sizeof(machine->dir));
    machine->disk = fault_disk_new(machine->dir);
    /* Some have been on for long, and no clock is quite right. */
    machine->booted_ms = sim->now_ms - sim_around(sim, HOUR_MS);
    machine->wall_ahead_ms = (int64_t)sim_dice(sim, 4000) - 2000;
}

static int
remove_one(const char *path, const struct stat *status, int flag, struct FTW *where)
{
    (void)status;
    (void)flag;
    (void)where;
    return remove(path);
}

static void
name_dir(pid_t pid, char *out, size_t size)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(out, size, "%s/refloop-sim-%d", parent, (int)pid);
}

void
world_remove(pid_t pid)
{
    char dir[48];
    name_dir(pid, dir, sizeof(dir));
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* mostly there is none any more */
}

void
world_make(struct sim *sim, uint64_t seed, size_t n_sites)
{
    bool locked;
    char name[24];
    *sim = (struct sim){.dice = seed * 2 + 1, .disk_dice = seed * 4 + 3, .n_sites = n_sites};
    sim->now_ms = STARTS_AT_S * INT64_C(1000) + DAY_MS;
    for (int i = 0; i < 16; i++) { /* small seeds are alike at first */
        (void)fault_random(&sim->dice);
        (void)fault_random(&sim->disk_dice);
    }
    dice_rule_the_world(seed);
    MUST(secret_start(&locked) == ERR_OK);
    name_dir(getpid(), sim->dir, sizeof(sim->dir));
    MUST(mkdir(sim->dir, 0700) == 0);
    sim->sites = calloc(n_sites, sizeof(*sim->sites));
    MUST(sim->sites != NULL);
    found(sim);
    make_machine(sim, &sim->hub.machine, "broker");
    for (size_t i = 0; i < n_sites; i++) {
        (void)snprintf(name, sizeof(name), "%zu", i);
        make_machine(sim, &sim->sites[i].machine, name);
        make_member(sim, &sim->sites[i]);
    }
}

static void
submit_join(struct sim *sim, const struct site *site)
{
    static struct message message;
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    const struct route route = {.bytes = {0xff}};
    const struct instant now = machine_now(sim, &sim->hub.machine);
    struct verify_job *job;
    message = (struct message){.kind = MESSAGE_SUBMIT};
    message.as.submit.n = 1;
    message.as.submit.envelopes[0] = buffer_view(&site->join);
    MUST(message_encode(&message, &frame) == ERR_OK);
    MUST(broker_receive(sim->hub.broker, &site->token.invite.once_curve, &route,
                        buffer_view(&frame), now) == ERR_OK);
    while ((job = broker_take_job(sim->hub.broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(sim->hub.broker, job, now);
    }
    MUST(broker_turn(sim->hub.broker, now) == ERR_OK);
    const struct member *member =
        directory_find(broker_directory(sim->hub.broker), site->identity.org);
    MUST(member != NULL && member->state == MEMBER_ACTIVE);
}

void
world_enrol(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_sites; i++) {
        struct receipt receipt;
        MUST(broker_submit_root(sim->hub.broker, buffer_view(&sim->sites[i].invite),
                                machine_now(sim, &sim->hub.machine), &receipt) == ERR_OK);
        MUST(receipt.result == RECEIPT_ACCEPTED);
        submit_join(sim, &sim->sites[i]);
    }
}

void
world_end(struct sim *sim)
{
    broker_freep(&sim->hub.broker);
    fault_disk_free(sim->hub.machine.disk);
    for (size_t i = 0; i < sim->n_sites; i++) {
        struct site *site = &sim->sites[i];
        agent_freep(&site->agent);
        fault_disk_free(site->machine.disk);
        token_done(&site->token);
        identity_done(&site->identity);
        buffer_done(&site->invite);
        buffer_done(&site->join);
    }
    free(sim->sites);
    buffer_done(&sim->genesis);
    events_done(&sim->events);
    account_done(&sim->account);
    world_remove(getpid());
}

size_t
world_find(const struct sim *sim, const char *org)
{
    for (size_t i = 0; i < sim->n_sites; i++) {
        if (strcmp(sim->sites[i].identity.org, org) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}
