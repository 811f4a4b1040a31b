/* Decides how the key events of the network are told: one line's worth for each entry the directory
 * is made of. Names are those of the time, so that an old line does not change. Everything is read
 * before the first callback, so that a callback may ask again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state.h"
#include "lib/base/map.h"

struct told {
    struct key_event event;
    struct key_id once; /* of an invite */
};

struct telling {
    struct told *told;
    size_t n;
    struct map *invites; /* organization → its newest invite in `told` */
};

static void
telling_done(struct telling *telling)
{
    free(telling->told);
    map_free(telling->invites);
}

struct org_key {
    char org[ORG_ID_BYTES]; /* zeros after its end, as the map compares all of it */
};

static struct org_key
org_key(const char *org)
{
    struct org_key key = {""};

    memcpy(key.org, org, strnlen(org, ORG_ID_MAX));
    return key;
}

static struct told *
newest_invite(const struct telling *telling, const char *org)
{
    struct org_key key = org_key(org);

    return map_find(telling->invites, key.org);
}

static void
tell_genesis(const struct telling *telling, const struct statement *statement, struct told *told)
{
    const struct statement_genesis *genesis = &statement->as.genesis;

    (void)telling; /* nothing comes before it */
    memcpy(told->event.org, genesis->auditor_org, sizeof(told->event.org));
    memcpy(told->event.name, genesis->network_name, sizeof(told->event.name));
}

static void
tell_invite(const struct telling *telling, const struct statement *statement, struct told *told)
{
    const struct statement_invite *invite = &statement->as.invite;

    (void)telling; /* each invite brings its own name */
    memcpy(told->event.org, invite->org, sizeof(told->event.org));
    memcpy(told->event.name, invite->name, sizeof(told->event.name));
    told->event.replaces = invite->replaces;
    told->once = key_id_of_signer(&invite->once_sign);
}

static void
name_from_invite(const struct telling *telling, struct told *told)
{
    const struct told *invite = newest_invite(telling, told->event.org);

    if (invite != NULL)
        memcpy(told->event.name, invite->event.name, sizeof(told->event.name));
}

static void
tell_join(const struct telling *telling, const struct statement *statement, struct told *told)
{
    const struct statement_join *join = &statement->as.join;

    memcpy(told->event.org, join->org, sizeof(told->event.org));
    name_from_invite(telling, told);
    const struct told *invite = newest_invite(telling, join->org);
    told->event.replaces = invite != NULL && invite->event.replaces &&
                           memcmp(&invite->once, &join->invite, sizeof(invite->once)) == 0;
    told->event.key = key_set_id(&join->keys);
}

static void
tell_revoke(const struct telling *telling, const struct statement *statement, struct told *told)
{
    const struct statement_revoke *revoke = &statement->as.revoke;

    memcpy(told->event.org, revoke->org, sizeof(told->event.org));
    memcpy(told->event.reason, revoke->reason, sizeof(told->event.reason));
    name_from_invite(telling, told);
}

/* The auditor has no invite: its name is the network's, as the genesis gave it. */
static void
tell_rotate(const struct telling *telling, const struct statement *statement, struct told *told)
{
    const struct key_event *genesis = &telling->told[0].event;

    memcpy(told->event.org, statement->author, sizeof(told->event.org));
    if (telling->n > 0 && strcmp(genesis->org, statement->author) == 0)
        memcpy(told->event.name, genesis->name, sizeof(told->event.name));
    name_from_invite(telling, told);
    told->event.key = key_set_id(&statement->as.rotate.keys);
}

static void (*const tellers[])(const struct telling *telling, const struct statement *statement,
                               struct told *told) = {
    [STATEMENT_GENESIS] = tell_genesis, [STATEMENT_INVITE] = tell_invite,
    [STATEMENT_JOIN] = tell_join,       [STATEMENT_REVOKE] = tell_revoke,
    [STATEMENT_ROTATE] = tell_rotate,
};

static enum err
tell(struct telling *telling, struct bytes key, struct bytes record)
{
    struct reader reader = reader_of(record);
    int64_t log_time_ms = reader_i64(&reader);
    struct told *told = &telling->told[telling->n];
    struct envelope envelope;
    struct statement statement;
    enum err err = envelope_decode(reader.rest, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &statement);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    size_t kind = (size_t)statement.kind;
    if (kind >= ARRAY_LEN(tellers) || tellers[kind] == NULL)
        return ERR_CORRUPT;
    told->event = (struct key_event){
        .index = kv_u64_of_key(key), .log_time_ms = log_time_ms, .kind = statement.kind};
    tellers[kind](telling, &statement, told);
    telling->n++;
    struct org_key org = org_key(told->event.org);
    return statement.kind == STATEMENT_INVITE ? map_put(telling->invites, org.org, told) : ERR_OK;
}

static enum err
read_all(struct agent *agent, struct telling *telling)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    uint8_t from[8];
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err != ERR_OK)
        return err;
    size_t capacity = kv_count(txn, TABLE_DIRECTORY);
    telling->told = calloc(capacity + 1, sizeof(*telling->told)); /* one too many, never none */
    telling->invites = map_new(ORG_ID_BYTES);
    if (telling->told == NULL || telling->invites == NULL)
        return ERR_MEMORY;
    err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(0, from), &cursor);
    while (err == ERR_OK && telling->n < capacity) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = tell(telling, key, record);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
agent_each_key_event(struct agent *agent, agent_key_event_callback callback, void *context)
{
    CLEANUP(telling_done) struct telling telling = {.n = 0};
    enum err err = read_all(agent, &telling);

    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < telling.n; i++) {
        if (!callback(context, &telling.told[i].event))
            break;
    }
    return ERR_OK;
}
