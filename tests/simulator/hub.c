/* The broker's machine: what broker/server does with the core, without sockets and threads. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/recover.h"
#include "broker/state.h"
#include "tests/simulator/bugs.h"
#include "tests/simulator/sim.h"

enum { TEND_MS = 20 * 1000, RETRY_MS = 20 * 1000, MAP_BYTES = 4 << 20, SLOW_MS = 4000 };

void
hub_plan(struct sim *sim, int64_t at_ms)
{
    struct hub *hub = &sim->hub;
    if (hub->turn_ms <= at_ms && hub->turn_ms >= sim->now_ms) {
        return;
    }
    const struct event event = {.at_ms = at_ms, .kind = HAPPENS_HUB_TURN};
    hub->turn_ms = at_ms;
    events_plan(&sim->events, &event);
}

static enum err
open_broker(struct sim *sim, struct complaint *complaint)
{
    const struct broker_options options = {
        .store_dir = sim->hub.machine.dir,
        .map_bytes = MAP_BYTES,
        .map_max_bytes = INT64_C(1) << 30,
        .genesis_envelope = buffer_view(&sim->genesis),
        .network = sim->network,
        .log_secret = &sim->log_secret,
        .gather_ms = 5,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 60,
        .witness_ms = HOUR_MS,
    };
    return broker_open(&options, &sim->hub.broker, complaint);
}

static void
start_later(struct sim *sim)
{
    const struct event event = {.at_ms = sim->now_ms + RETRY_MS, .kind = HAPPENS_HUB_START};
    events_plan(&sim->events, &event);
}

void
hub_start(struct sim *sim)
{
    struct hub *hub = &sim->hub;
    struct complaint complaint = {""};
    if (hub->broker != NULL) {
        return;
    }
    bugs_enter(BUGS_AT_BROKER);
    enum err err = open_broker(sim, &complaint);
    if (err == ERR_DISK_FULL && hub->machine.full) {
        start_later(sim);
        return;
    }
    if (err != ERR_OK) {
        sim_break(sim, RULE_STORE, "the broker does not open: %s: %s", err_name(err),
                  complaint.text);
        return;
    }
    sim->counts.broker_starts++;
    sim_trace(sim, "broker up");
    hub->tend_ms = sim->now_ms;
    hub->turn_ms = 0;
    logbook_check_receipted(sim);
    hub_plan(sim, sim->now_ms);
}

/* What the core has to say by now stands on commits that have happened, whatever comes next. */
static void
send_all(struct sim *sim)
{
    struct route route;
    struct buffer frame;
    while (broker_take_output(sim->hub.broker, &route, &frame)) {
        if (!wire_down(sim, &route, &frame)) {
            broker_route_lost(sim->hub.broker, &route);
        }
        buffer_done(&frame);
    }
}

void
hub_die(struct sim *sim, bool power_lost)
{
    struct hub *hub = &sim->hub;
    if (hub->broker == NULL) {
        return;
    }
    if (sim_chance(sim, 500)) {
        send_all(sim);
    }
    broker_freep(&hub->broker);
    machine_restart(sim, &hub->machine, power_lost);
    sim_trace(sim, "broker down, power lost %d", power_lost);
    for (size_t i = 0; !power_lost && i < sim->n_sites; i++) {
        wire_reset(sim, &sim->sites[i]);
    }
}

void
hub_crash(struct sim *sim)
{
    bool power_lost = sim_chance(sim, 500);
    const struct event event = {.at_ms = sim->now_ms +
                                         sim_around(sim, power_lost ? 5 * MINUTE_MS : 3000),
                                .kind = HAPPENS_HUB_START};
    hub_die(sim, power_lost);
    events_plan(&sim->events, &event);
}

static bool
survives(struct sim *sim, enum err err, const char *what)
{
    /* Nothing that a peer sends, and no full disk, is an error here. */
    if (err_is_peer(err) || err == ERR_DISK_FULL) {
        sim_break(sim, RULE_CONTRACT, "the broker's %s: %s", what, err_name(err));
        return false;
    }
    bool survives = machine_survives(sim, &sim->hub.machine, err, what);
    if (!survives && sim->broken == RULE_NONE) {
        hub_crash(sim);
    }
    return survives;
}

/* When the log is whole again, everything that ever was in it is. */
static void
tend(struct sim *sim, struct instant now)
{
    struct hub *hub = &sim->hub;
    struct broker_status status;
    broker_tend(hub->broker, now);
    hub->tend_ms = sim->now_ms + TEND_MS;
    broker_get_status(hub->broker, &status);
    if (hub->recovering && !status.recovering) {
        sim_trace(sim, "broker whole again");
        logbook_check_receipted(sim);
    }
    hub->recovering = status.recovering;
}

static void
work(struct sim *sim)
{
    struct hub *hub = &sim->hub;
    struct instant now = machine_now(sim, &hub->machine);
    struct verify_job *job;
    while ((job = broker_take_job(hub->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(hub->broker, job, now);
    }
    bool turned = broker_turn_wait_ms(hub->broker, now) == 0;
    if (turned && !survives(sim, broker_turn(hub->broker, now), "turn")) {
        return;
    }
    if (sim->now_ms >= hub->tend_ms) {
        tend(sim, now);
    }
    if (turned && hub->machine.slow) {
        hub->machine.busy_to_ms = sim->now_ms + sim_around(sim, SLOW_MS);
    }
    send_all(sim);
    if (!survives(sim, ERR_OK, "tend")) {
        return;
    }
    int64_t wait_ms = broker_turn_wait_ms(hub->broker, now);
    int64_t next_ms = wait_ms < 0 ? hub->tend_ms : sim->now_ms + (wait_ms > 0 ? wait_ms : 1);
    hub_plan(sim, next_ms < hub->tend_ms ? next_ms : hub->tend_ms);
}

void
hub_turn(struct sim *sim, int64_t planned_ms)
{
    struct hub *hub = &sim->hub;
    if (hub->broker == NULL || hub->turn_ms != planned_ms) {
        return;
    }
    hub->turn_ms = 0;
    if (hub->machine.busy_to_ms > sim->now_ms) {
        hub_plan(sim, hub->machine.busy_to_ms);
        return;
    }
    bugs_enter(BUGS_AT_BROKER);
    work(sim);
}

void
hub_take(struct sim *sim, struct event *event)
{
    struct hub *hub = &sim->hub;
    struct site *site = &sim->sites[event->site];
    struct route route;
    if (hub->machine.busy_to_ms > sim->now_ms && hub->broker != NULL) {
        event->at_ms = hub->machine.busy_to_ms;
        events_plan(&sim->events, event);
        event->frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        return;
    }
    bool is_present = site->connection == event->number && site->connected;
    if (hub->broker == NULL || (is_present && site->broker_life != hub->machine.life)) {
        if (hub->broker != NULL) {
            wire_reset(sim, site); /* the new one knows nothing of that connection */
        }
        return;
    }
    bugs_enter(BUGS_AT_BROKER);
    wire_route(sim, site, &route);
    memcpy(route.bytes + 8, &event->number, sizeof(event->number));
    if (broker_admits(hub->broker, &site->identity.keys.curve) == ADMIT_STRANGER) {
        sim_break(sim, RULE_CONTRACT, "the broker takes member %s for a stranger",
                  site->identity.org);
        return;
    }
    enum err err = broker_receive(hub->broker, &site->identity.keys.curve, &route,
                                  buffer_view(&event->frame), machine_now(sim, &hub->machine));
    if (survives(sim, err, "receive")) {
        work(sim);
    }
}

/* --- backups --- */

static void
backup_path(const struct sim *sim, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/backup", sim->dir);
}

static void
copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    ssize_t n;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in < 0 || out < 0) {
        abort();
    }
    while ((n = read(in, bytes, sizeof(bytes))) > 0) {
        if (write(out, bytes, (size_t)n) != n) {
            abort();
        }
    }
    close(in);
    close(out);
}

static bool
is_whole(const struct sim *sim)
{
    struct broker_status status;
    broker_get_status(sim->hub.broker, &status);
    return !status.recovering && !status.read_only;
}

void
hub_back_up(struct sim *sim)
{
    char data[96];
    char backup[96];
    if (sim->hub.broker == NULL || sim->hub.machine.doomed || !is_whole(sim)) {
        return;
    }
    (void)snprintf(data, sizeof(data), "%s/data.mdb", sim->hub.machine.dir);
    backup_path(sim, backup, sizeof(backup));
    copy_file(data, backup);
    sim->hub.has_backup = true;
}

/* What refloop-admin's restore leaves: a store that says that it is a copy. */
static void
mark_restored(const struct sim *sim)
{
    static const uint8_t any = 1;
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    const struct kv_options options = {.dir = sim->hub.machine.dir,
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = MAP_BYTES,
                                       .map_max_bytes = INT64_C(1) << 30};
    if (kv_open(&options, &kv, NULL) != ERR_OK || kv_begin(kv, &txn) != ERR_OK ||
        kv_put(txn, TABLE_META, bytes_of_text(RECOVER_MARK), bytes_of(&any, 1)) != ERR_OK ||
        kv_commit(&txn) != ERR_OK) {
        abort();
    }
    kv_close(kv);
}

void
hub_restore_backup(struct sim *sim)
{
    char data[96];
    char backup[96];
    const struct event event = {.at_ms = sim->now_ms + HOUR_MS, .kind = HAPPENS_HUB_START};
    if (!sim->hub.has_backup || sim->hub.broker == NULL || sim->hub.machine.full ||
        !is_whole(sim)) {
        return;
    }
    hub_die(sim, false);
    (void)snprintf(data, sizeof(data), "%s/data.mdb", sim->hub.machine.dir);
    backup_path(sim, backup, sizeof(backup));
    copy_file(backup, data);
    bugs_enter(BUGS_AT_NOBODY);
    mark_restored(sim);
    sim->counts.restores++;
    sim_trace(sim, "broker restored from a backup");
    events_plan(&sim->events, &event);
}
