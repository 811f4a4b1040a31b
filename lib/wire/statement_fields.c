/* The bounds of every field of a statement, and which fields go together. One place for both ways:
 * what we would refuse to read we also refuse to write. It knows nothing of protobuf, of members or
 * of the state of a loop: whether the author may say this is decided elsewhere. */
#include "lib/wire/statement_fields.h"

#include <string.h>

#include "lib/wire/codec.h"

static const char endpoint_scheme[] = "tcp://";
static const char host_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
static const char ipv6_characters[] = "0123456789abcdefABCDEF:.";

enum { PORT_MAX = 65535, PORT_DIGITS_MAX = 5 };

static bool
is_set(const void *data, size_t len)
{
    return !codec_is_zero(data, len);
}

static bool
port_ok(const char *text)
{
    unsigned port = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > PORT_DIGITS_MAX || text[len] != '\0' || text[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= PORT_MAX;
}

/* tcp://host:port, where host is a name, an IPv4 address or an IPv6 address in brackets. */
static bool
endpoint_ok(const char *text, size_t size)
{
    const size_t n_scheme = sizeof(endpoint_scheme) - 1;
    if (!codec_line_ok(text, size, n_scheme) || strncmp(text, endpoint_scheme, n_scheme) != 0) {
        return false;
    }
    const char *host = text + n_scheme;
    size_t len = strspn(host, host_characters);
    if (host[0] == '[') {
        host++;
        len = strspn(host, ipv6_characters);
        if (len == 0 || host[len] != ']') {
            return false;
        }
        host++;
    }
    return len > 0 && host[len] == ':' && port_ok(host + len + 1);
}

static bool
keys_ok(const struct key_set *keys)
{
    return is_set(&keys->sign, sizeof(keys->sign)) && is_set(&keys->seal, sizeof(keys->seal)) &&
           is_set(&keys->curve, sizeof(keys->curve));
}

static bool
genesis_ok(const struct statement *statement)
{
    const struct statement_genesis *genesis = &statement->as.genesis;
    return codec_line_ok(genesis->network_name, sizeof(genesis->network_name), 1) &&
           endpoint_ok(genesis->endpoint, sizeof(genesis->endpoint)) &&
           is_set(&genesis->broker_curve, sizeof(genesis->broker_curve)) &&
           is_set(&genesis->broker_log, sizeof(genesis->broker_log)) &&
           codec_org_ok(genesis->auditor_org) && keys_ok(&genesis->auditor);
}

static bool
invite_ok(const struct statement *statement)
{
    const struct statement_invite *invite = &statement->as.invite;
    return codec_org_ok(invite->org) && codec_line_ok(invite->name, sizeof(invite->name), 1) &&
           is_set(&invite->once_sign, sizeof(invite->once_sign)) &&
           is_set(&invite->once_curve, sizeof(invite->once_curve)) && invite->expires_ms > 0;
}

static bool
join_ok(const struct statement *statement)
{
    const struct statement_join *join = &statement->as.join;
    return codec_org_ok(join->org) && is_set(&join->invite, sizeof(join->invite)) &&
           keys_ok(&join->keys);
}

static bool
revoke_ok(const struct statement *statement)
{
    const struct statement_revoke *revoke = &statement->as.revoke;
    return codec_org_ok(revoke->org) && codec_line_ok(revoke->reason, sizeof(revoke->reason), 0);
}

static bool
rotate_ok(const struct statement *statement)
{
    return keys_ok(&statement->as.rotate.keys);
}

static bool
readers_ok(const struct statement *statement)
{
    const struct statement_loop *loop = &statement->as.loop;
    if (loop->n_readers < 1 || loop->n_readers > LIMIT_READERS) {
        return false;
    }
    for (size_t i = 0; i < loop->n_readers; i++) {
        const struct statement_reader *reader = &loop->readers[i];
        if (!codec_org_ok(reader->org) || codec_is_zero(&reader->key, sizeof(reader->key)) ||
            strcmp(reader->org, statement->author) == 0) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(reader->org, loop->readers[k].org) == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool
sealed_fields_ok(const struct statement_loop *loop)
{
    bool no_digest = digest_is_zero(&loop->sealed_digest);
    if (!loop->has_sealed) {
        return no_digest && loop->body_class == SEAL_1K;
    }
    return !no_digest && loop->body_class < SEAL_CLASS_COUNT;
}

static bool
loop_ok(const struct statement *statement)
{
    const struct statement_loop *loop = &statement->as.loop;
    bool is_delivered = loop->event == EVENT_DELIVERED;
    return is_set(&loop->loop, sizeof(loop->loop)) && loop->event < EVENT_COUNT && loop->seq >= 1 &&
           digest_is_zero(&loop->previous) == (loop->seq == 1) &&
           digest_is_zero(&loop->delivered) == !is_delivered && readers_ok(statement) &&
           (loop->priority == PRIORITY_ROUTINE || loop->priority == PRIORITY_URGENT) &&
           loop->due_ms >= 0 && loop->has_sealed == !is_delivered && sealed_fields_ok(loop);
}

static const struct kind_rule {
    bool by_root; /* the author is the root, which has no organization id */
    bool (*ok)(const struct statement *statement);
} kind_rules[] = {
    [STATEMENT_GENESIS] = {true, genesis_ok}, [STATEMENT_INVITE] = {true, invite_ok},
    [STATEMENT_JOIN] = {false, join_ok},      [STATEMENT_REVOKE] = {true, revoke_ok},
    [STATEMENT_LOOP] = {false, loop_ok},      [STATEMENT_ROTATE] = {false, rotate_ok},
};

bool
statement_fields_ok(const struct statement *statement)
{
    size_t kind = (size_t)statement->kind;
    if (kind >= ARRAY_LEN(kind_rules) || kind_rules[kind].ok == NULL) {
        return false;
    }
    bool author_ok =
        kind_rules[kind].by_root ? statement->author[0] == '\0' : codec_org_ok(statement->author);
    return statement->suite == STATEMENT_SUITE_1 && author_ok &&
           is_set(&statement->network, sizeof(statement->network)) &&
           is_set(&statement->author_key, sizeof(statement->author_key)) &&
           statement->authored_ms >= 0 && kind_rules[kind].ok(statement);
}
