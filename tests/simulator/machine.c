/* What all machines have: two clocks and a disk that may fail under the program. A program whose
 * disk is gone runs on until it sees an error, or until the power reaches it: what it says in
 * between must be true all the same. */
#include "lib/base/logging.h"
#include "tests/simulator/sim.h"

enum { DEATH_WITHIN_MS = 400 };

struct instant
machine_now(const struct sim *sim, const struct machine *machine)
{
    return (struct instant){.wall_ms = sim->now_ms + machine->wall_ahead_ms,
                            .boot_ms = sim->now_ms - machine->booted_ms};
}

int64_t
machine_true_ms(const struct machine *machine, int64_t boot_ms)
{
    return boot_ms > INT64_MAX / 2 ? INT64_MAX : boot_ms + machine->booted_ms;
}

static void
plan_death(struct sim *sim, struct machine *machine)
{
    bool is_hub = machine == &sim->hub.machine;
    const struct event event = {
        .at_ms = sim->now_ms + sim_dice(sim, DEATH_WITHIN_MS),
        .kind = is_hub ? HAPPENS_HUB_DEATH : HAPPENS_SITE_DEATH,
        .site = is_hub ? 0 : (uint32_t)site_number(sim, (struct site *)machine),
        .what = machine->life,
    };
    machine->doomed = true;
    events_plan(&sim->events, &event);
}

bool
machine_survives(struct sim *sim, struct machine *machine, enum err err, const char *what)
{
    if (fault_disk_is_cut(machine->disk)) {
        if (err == ERR_OK && !machine->doomed) {
            plan_death(sim, machine);
        }
        return err == ERR_OK || err_is_peer(err);
    }
    if (err == ERR_OK || err_is_peer(err) || (err == ERR_DISK_FULL && machine->full)) {
        return true;
    }
    sim_break(sim, RULE_CONTRACT, "%s: %s: %s", machine->dir, what, err_name(err));
    return false;
}

void
machine_restart(struct sim *sim, struct machine *machine, bool power_lost)
{
    fault_disk_restore(machine->disk, power_lost, &sim->disk_dice);
    machine->doomed = false;
    machine->life++;
    if (power_lost) {
        machine->booted_ms = sim->now_ms;
    }
}

/* What a core would tell its operator about a dying disk is no news here. */
void __wrap_logging_line(enum logging_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(3, 4);
void
__wrap_logging_line(enum logging_level level, const char *event, const char *format, ...)
{
    (void)level;
    (void)event;
    (void)format;
}
