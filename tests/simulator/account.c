/* Looks at what agents show, every time something changed, and remembers the most they ever said.
 * What was once shown must be shown for ever; what turns up must have been said by somebody, once,
 * with that content. It refuses to know how statements travel. */
#include "tests/simulator/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/sim.h"

static void *
grown(void *rows, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room) {
        return rows;
    }
    *room = *room == 0 ? 128 : *room * 2;
    rows = realloc(rows, *room * size);
    if (rows == NULL) {
        abort();
    }
    return rows;
}

uint32_t
account_begin(struct account *account, uint32_t loop, uint32_t author, enum loop_event event)
{
    if (account->n_said == 0) {
        account->n_said = 1; /* serial 0 is nobody's */
    }
    account->said =
        grown(account->said, account->n_said, &account->said_room, sizeof(*account->said));
    account->said[0] = (struct said){.loop = UINT32_MAX};
    account->said[account->n_said] = (struct said){.loop = loop, .author = author, .event = event};
    return account->n_said++;
}

uint32_t
account_add_loop(struct account *account, uint32_t source, uint32_t target, uint32_t plan)
{
    account->loops =
        grown(account->loops, account->n_loops, &account->loops_room, sizeof(*account->loops));
    account->loops[account->n_loops] =
        (struct sim_loop){.source = source, .target = target, .plan = plan};
    return account->n_loops++;
}

void
account_done(struct account *account)
{
    free(account->said);
    free(account->loops);
    *account = (struct account){.n_said = 0};
}

void
account_content(uint32_t serial, size_t len, char *out)
{
    int n = snprintf(out, len, "serial=%u ", (unsigned)serial);
    for (size_t i = (size_t)n; i < len; i++) {
        out[i] = (char)('a' + (serial + i) % 26);
    }
}

/* One look at one loop of one agent. */
struct look {
    struct sim *sim;
    struct site *site;
    uint32_t number, loop;
    uint64_t last_index;
};

static uint32_t
serial_of(struct bytes facts)
{
    char text[32] = "";
    unsigned serial = 0;
    memcpy(text, facts.data, facts.len < sizeof(text) - 1 ? facts.len : sizeof(text) - 1);
    return sscanf(text, "serial=%u", &serial) == 1 ? serial : 0;
}

static bool
is_content(const struct said *said, uint32_t serial, struct bytes body)
{
    static char wanted[CONTENT_BYTES_MAX];
    account_content(serial, said->body_bytes, wanted);
    return bytes_equal(body, bytes_of(wanted, said->body_bytes));
}

static bool
note_serial(void *context, const struct step_view *step)
{
    uint32_t *serial = context;
    *serial = step->unreadable ? 0 : serial_of(step->facts);
    return false;
}

uint32_t
account_know_loop(struct sim *sim, struct site *site, const struct loop_id *id)
{
    static const struct loop_id none = {{0}};
    struct account *account = &sim->account;
    uint32_t serial = 0;
    for (uint32_t i = account->n_loops; i > 0; i--) {
        if (memcmp(&account->loops[i - 1].id, id, sizeof(*id)) == 0) {
            return i - 1;
        }
    }
    enum err err = agent_each_step(site->agent, id, note_serial, &serial);
    if (err != ERR_OK || serial == 0 || serial >= account->n_said || account->said[serial].sure) {
        return UINT32_MAX;
    }
    struct sim_loop *loop = &account->loops[account->said[serial].loop];
    if (memcmp(&loop->id, &none, sizeof(none)) != 0 || loop->source != site_number(sim, site)) {
        return UINT32_MAX;
    }
    loop->id = *id;
    loop->dropped = false;
    return account->said[serial].loop;
}

static void
look_at_receipt(const struct look *look, struct said *said, uint32_t serial,
                const struct step_view *step)
{
    struct sim *sim = look->sim;
    bool accepted = step->stage == STAGE_ACCEPTED || step->stage == STAGE_DELIVERED;
    if (said->receipted && (!accepted || step->index != said->index)) {
        sim_break(sim, RULE_FORGOTTEN, "%s: statement %u was receipted, and is no more",
                  look->site->identity.org, serial);
    } else if (accepted && !said->receipted) {
        said->receipted = true;
        said->index = step->index;
        said->id = step->id;
        if (!logbook_holds(sim, step->index, &step->id)) {
            sim_break(sim, RULE_RECEIPT, "%s: statement %u has a receipt and is not in the log",
                      look->site->identity.org, serial);
        }
    }
}

/* The other side need not run just now; whether it was right is seen when it starts. */
static void
look_at_delivery(const struct look *look, struct said *said, uint32_t serial,
                 const struct step_view *step)
{
    const struct sim_loop *loop = &look->sim->account.loops[said->loop];
    const struct site *reader =
        &look->sim->sites[said->author == loop->source ? loop->target : loop->source];
    if (said->delivered && step->stage != STAGE_DELIVERED) {
        sim_break(look->sim, RULE_FORGOTTEN, "%s: statement %u was delivered, and is no more",
                  look->site->identity.org, serial);
    }
    if (step->stage != STAGE_DELIVERED || said->delivered) {
        return;
    }
    said->delivered = true;
    if (reader->agent != NULL && !said->seen_by_reader) {
        sim_break(look->sim, RULE_RECEIPT, "%s: statement %u is said to be delivered, and is not",
                  look->site->identity.org, serial);
    }
}

static void
look_at_step(const struct look *look, struct said *said, uint32_t serial,
             const struct step_view *step)
{
    bool own = said->author == site_number(look->sim, look->site);
    uint32_t *looked = own ? &said->looked_author : &said->looked_reader;
    if (*looked == look->number) {
        sim_break(look->sim, RULE_DOUBLED, "%s has statement %u twice", look->site->identity.org,
                  serial);
        return;
    }
    *looked = look->number;
    if (step->event != said->event || !is_content(said, serial, step->body)) {
        sim_break(look->sim, RULE_INVENTED, "%s shows statement %u with another content",
                  look->site->identity.org, serial);
        return;
    }
    if (own) {
        said->seen_by_author = true;
        said->refused = step->stage == STAGE_REFUSED;
        look_at_receipt(look, said, serial, step);
        look_at_delivery(look, said, serial, step);
    } else {
        said->seen_by_reader = true;
    }
}

static bool
see_step(void *context, const struct step_view *step)
{
    struct look *look = context;
    struct sim *sim = look->sim;
    const struct sim_loop *loop = &sim->account.loops[look->loop];
    uint32_t serial = step->unreadable ? 0 : serial_of(step->facts);
    struct said *said = serial < sim->account.n_said ? &sim->account.said[serial] : NULL;
    uint32_t author = step->role == LOOP_SOURCE ? loop->source : loop->target;
    if (serial == 0 || said == NULL || said->loop != look->loop || said->author != author) {
        sim_break(sim, RULE_INVENTED, "%s shows a %s that nobody said%s", look->site->identity.org,
                  lifecycle_event_name(step->event), step->unreadable ? " (unreadable)" : "");
        return false;
    }
    look_at_step(look, said, serial, step);
    return sim->broken == RULE_NONE;
}

/* What was there is there. */
static void
look_for_missing(const struct look *look)
{
    struct sim *sim = look->sim;
    uint32_t self = (uint32_t)site_number(sim, look->site);
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        const struct said *said = &sim->account.said[serial];
        if (said->loop != look->loop) {
            continue;
        }
        bool own = said->author == self;
        bool must =
            own ? said->sure || said->seen_by_author : said->seen_by_reader || said->delivered;
        uint32_t looked = own ? said->looked_author : said->looked_reader;
        if (must && looked != look->number) {
            enum rule rule = !own && !said->seen_by_reader ? RULE_RECEIPT : RULE_FORGOTTEN;
            sim_break(sim, rule, "%s has lost statement %u (%s, %s)", look->site->identity.org,
                      serial, lifecycle_event_name(said->event), own ? "its own" : "a partner's");
            return;
        }
    }
}

void
account_look(struct sim *sim, struct site *site, uint32_t loop)
{
    struct look look = {.sim = sim, .site = site, .number = ++sim->account.n_looks, .loop = loop};
    enum err err = agent_each_step(site->agent, &sim->account.loops[loop].id, see_step, &look);
    if (err != ERR_OK && err != ERR_UNKNOWN_LOOP && err != ERR_NOT_FOUND) {
        sim_break(sim, RULE_STORE, "%s cannot read a loop: %s", site->identity.org, err_name(err));
    }
    if (sim->broken == RULE_NONE) {
        look_for_missing(&look);
    }
}

static bool
see_loop(void *context, const struct loop_view *view)
{
    struct look *look = context;
    if (account_know_loop(look->sim, look->site, &view->loop) == UINT32_MAX) {
        sim_break(look->sim, RULE_INVENTED, "%s shows a loop that nobody has begun",
                  look->site->identity.org);
    }
    return look->sim->broken == RULE_NONE;
}

void
account_look_at_all(struct sim *sim, struct site *site)
{
    struct look look = {.sim = sim, .site = site};
    enum err err = agent_each_loop(site->agent, see_loop, &look);
    if (err != ERR_OK) {
        sim_break(sim, RULE_STORE, "%s cannot list its loops: %s", site->identity.org,
                  err_name(err));
    }
    uint32_t self = (uint32_t)site_number(sim, site);
    for (uint32_t i = 0; i < sim->account.n_loops && sim->broken == RULE_NONE; i++) {
        const struct sim_loop *loop = &sim->account.loops[i];
        if (loop->source == self || loop->target == self) {
            account_look(sim, site, i);
        }
    }
}
