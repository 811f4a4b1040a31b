/* Decides which of the key pairs of this home, present, former or next, a statement speaks of. What
 * was sealed to a former one may come late, or be read again after the loss of a disk. It refuses
 * to know when keys change (rotate.c). */
#include <string.h>

#include "agent/identity.h"

static bool
same_key(const struct key_id *a, const struct key_id *b)
{
    return memcmp(a->bytes, b->bytes, KEY_ID_BYTES) == 0;
}

bool
identity_is_own_key(const struct identity *identity, const struct key_id *key)
{
    if (same_key(&identity->key_id, key))
        return true;
    for (size_t i = 0; i < identity->n_former; i++) {
        if (same_key(&identity->former[i].key, key))
            return true;
    }
    if (!identity->has_next)
        return false;
    struct key_id next = key_set_id(&identity->next);
    return same_key(&next, key);
}

const struct key_id *
identity_named_key(const struct identity *identity, const struct statement *statement)
{
    const struct key_id *named = NULL;

    if (statement->kind != STATEMENT_LOOP)
        return NULL;
    if (strcmp(statement->author, identity->org) == 0)
        named = &statement->author_key;
    for (size_t i = 0; named == NULL && i < statement->as.loop.n_readers; i++) {
        if (strcmp(statement->as.loop.readers[i].org, identity->org) == 0)
            named = &statement->as.loop.readers[i].key;
    }
    return named != NULL && identity_is_own_key(identity, named) ? named : NULL;
}

struct seal_pair {
    const struct seal_public *public_key;
    const struct seal_secret *secret;
};

static struct seal_pair
pair_of(const struct identity *identity, const struct key_id *key)
{
    const struct identity_secrets *secrets = identity->secrets;

    if (same_key(&identity->key_id, key))
        return (struct seal_pair){&identity->keys.seal, &secrets->seal};
    for (size_t i = 0; i < identity->n_former; i++) {
        if (same_key(&identity->former[i].key, key))
            return (struct seal_pair){&identity->former[i].seal, &secrets->former[i]};
    }
    return (struct seal_pair){&identity->next.seal, &secrets->next_seal};
}

enum err
identity_open_sealed(const struct identity *identity, const struct statement *statement,
                     struct bytes sealed, struct buffer *body_out, struct buffer *facts_out,
                     struct sealed_opened *opened_out)
{
    const struct key_id *key = identity_named_key(identity, statement);

    if (key == NULL) {
        *opened_out = (struct sealed_opened){false, false};
        return ERR_OK;
    }
    struct seal_pair pair = pair_of(identity, key);
    return sealed_open(statement, sealed, key, pair.public_key, pair.secret, body_out, facts_out,
                       opened_out);
}

enum err
identity_reveal_sealed(const struct identity *identity, const struct statement *statement,
                       struct bytes sealed, struct sealed_revealed *revealed_out)
{
    const struct key_id *key = identity_named_key(identity, statement);

    if (key == NULL) {
        memset(revealed_out, 0, sizeof(*revealed_out));
        return ERR_OK;
    }
    struct seal_pair pair = pair_of(identity, key);
    return sealed_reveal(statement, sealed, key, pair.public_key, pair.secret, revealed_out);
}
