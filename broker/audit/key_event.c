/* Decides what is told of the entries that gave and took keys, in the order of the log: the same
 * that every member sees. They were verified when the audit was opened. */
#include <string.h>

#include "broker/audit/walk.h"

static const char *
fill(const struct statement *statement, struct audit_key_event *event)
{
    switch (statement->kind) {
    case STATEMENT_GENESIS:
        event->name = statement->as.genesis.network_name;
        return statement->as.genesis.auditor_org;
    case STATEMENT_INVITE:
        event->name = statement->as.invite.name;
        event->expires_ms = statement->as.invite.expires_ms;
        return statement->as.invite.org;
    case STATEMENT_JOIN:
        return statement->as.join.org;
    case STATEMENT_REVOKE:
        event->reason = statement->as.revoke.reason;
        return statement->as.revoke.org;
    case STATEMENT_ROTATE:
    case STATEMENT_LOOP:
    default:
        return statement->author;
    }
}

/* `directory` is of the entries before this one. */
static enum err
tell(struct directory *directory, const struct walk_statement *read,
     audit_key_event_callback callback, void *context)
{
    struct audit_key_event event = {.index = read->entry.index,
                                    .log_time_ms = read->entry.log_time_ms,
                                    .kind = read->statement.kind,
                                    .name = "",
                                    .reason = ""};
    event.org = fill(&read->statement, &event);
    const struct member *member = directory_find(directory, event.org);
    if (member != NULL) {
        event.name = event.name[0] != '\0' ? event.name : member->name;
        event.again = !bytes_all_zero(bytes_of(member->key_id.bytes, sizeof(member->key_id.bytes)));
    }
    callback(context, &event);
    return directory_apply(directory, &read->statement, read->entry.index, read->entry.log_time_ms);
}

enum err
audit_each_key_event(struct audit *audit, audit_key_event_callback callback, void *context)
{
    CLEANUP(directory_freep) struct directory *directory = NULL;
    const struct keyring *keyring = &audit->keyring;
    struct walk_statement read;
    enum err err = directory_new(&audit->network, &directory);
    for (size_t i = 0; err == ERR_OK && i < keyring->n_entries; i++) {
        err = walk_read(audit, keyring->entries[i], &read);
        if (err == ERR_OK) {
            err = tell(directory, &read, callback, context);
        }
    }
    return err_is_peer(err) ? ERR_CORRUPT : err;
}
