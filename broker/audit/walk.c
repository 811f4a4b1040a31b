/* Decides what belongs to a loop: what its two sides have signed to be one after the other. It goes
 * by the digests in the statements, so a row that was added or lost is noticed. Whether signatures
 * and steps are right is for verify.c. */
#include "broker/audit/walk.h"

#include <string.h>

enum err
walk_read(const struct audit *audit, uint64_t index, struct walk_statement *read_out)
{
    enum err err = journal_load(audit->txn, index, &read_out->entry);
    if (err == ERR_OK &&
        statement_decode(read_out->entry.envelope.statement, &read_out->statement) != ERR_OK) {
        err = ERR_CORRUPT;
    }
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static enum err
read_by_id(const struct audit *audit, const struct digest *id, struct walk_statement *read_out)
{
    struct receipt receipt;
    enum err err = journal_find_receipt(audit->txn, id, &receipt);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    return walk_read(audit, receipt.index, read_out);
}

static bool
is_of_side(const struct walk_statement *read, const struct track *track, enum loop_role role,
           const struct digest *id)
{
    const struct statement *statement = &read->statement;
    struct digest real = statement_id(read->entry.envelope.statement);
    return digest_equal(&real, id) && statement->kind == STATEMENT_LOOP &&
           strcmp(statement->author, track->side[role].org) == 0 &&
           memcmp(&statement->as.loop.loop, &track->loop, sizeof(track->loop)) == 0;
}

enum err
walk_side(const struct audit *audit, const struct track *track, enum loop_role role, walk_take take,
          void *context)
{
    struct digest id = track->side[role].last_id;
    struct walk_statement read;
    for (uint32_t left = track->side[role].last_seq; left > 0; left--) {
        enum err err = read_by_id(audit, &id, &read);
        if (err == ERR_OK && !is_of_side(&read, track, role, &id)) {
            err = ERR_CORRUPT;
        }
        if (err == ERR_OK) {
            err = take(context, &read);
        }
        if (err != ERR_OK) {
            return err;
        }
        id = read.statement.as.loop.previous;
    }
    return digest_is_zero(&id) ? ERR_OK : ERR_CORRUPT;
}
