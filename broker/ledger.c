/* Decides how the tree over the log is kept and when a head of it is signed. The tiles and the note
 * go into the transaction of the entries they cover, so that what has been signed is always on disk
 * with what it was signed for; and a size that has a head is never given another one. It refuses to
 * know what the entries are, and who is told of the head (tell.c). */
#include "broker/ledger.h"

#include <string.h>

#include "broker/recover.h"

enum {
    CACHE_TILES = 2048, /* 4 MiB */
    TILE_BYTES = TREE_TILE_WIDTH * MERKLE_HASH_BYTES,
};

static enum err
read_tile(void *context, unsigned row, uint64_t column,
          struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    struct bytes value;
    uint8_t key[TREE_KEY_BYTES];
    enum err err = kv_get(context, TABLE_TREE, tables_tree_key(row, column, key), &value);
    if (err != ERR_OK) {
        return err;
    }
    if (value.len == 0 || value.len > TILE_BYTES || value.len % MERKLE_HASH_BYTES != 0) {
        return ERR_CORRUPT;
    }
    memcpy(hashes_out, value.data, value.len);
    *n_out = value.len / MERKLE_HASH_BYTES;
    return ERR_OK;
}

static enum err
write_tile(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes, size_t n)
{
    uint8_t key[TREE_KEY_BYTES];
    return kv_put(context, TABLE_TREE, tables_tree_key(row, column, key),
                  bytes_of(hashes, n * sizeof(*hashes)));
}

enum err
ledger_append(struct kv_txn *txn, struct tree *staged, const struct merkle_hash *leaf)
{
    return tree_append(staged, leaf, write_tile, txn);
}

enum err
ledger_flush(struct kv_txn *txn, struct tree *staged)
{
    return tree_flush(staged, write_tile, txn);
}

struct tree_reader
ledger_reader(struct kv_txn *txn, struct tree_cache *cache)
{
    return (struct tree_reader){.read = read_tile, .context = txn, .cache = cache};
}

/* The size of the note in the store, 0 when there is none. Its signature is not looked at: whatever
 * is there, nothing may be signed that is not beyond it. */
static enum err
stored_size(struct kv_txn *txn, uint64_t *size_out)
{
    struct bytes value;
    struct note note;
    struct checkpoint checkpoint = {.size = 0};
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(META_CHECKPOINT), &value);
    if (err == ERR_OK) {
        err = note_parse(value, &note);
        err = err == ERR_OK ? checkpoint_parse(note.text, &checkpoint) : err;
        err = err_is_peer(err) ? ERR_CORRUPT : err;
    } else if (err == ERR_NOT_FOUND) {
        err = ERR_OK;
    }
    if (err == ERR_OK) {
        *size_out = checkpoint.size;
    }
    return err;
}

enum err
ledger_seal(struct kv_txn *txn, struct tree *staged, const struct network_id *network,
            const struct sign_secret *log_secret, struct buffer *note_out)
{
    struct merkle_hash root;
    uint64_t signed_size = 0;
    enum err err = stored_size(txn, &signed_size);
    if (err == ERR_OK && staged->size <= signed_size) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK) {
        err = ledger_flush(txn, staged);
    }
    if (err == ERR_OK) {
        tree_root(staged, &root);
        err = checkpoint_sign(network, staged->size, &root, log_secret, note_out);
    }
    if (err == ERR_OK) {
        err = kv_put(txn, TABLE_META, bytes_of_text(META_CHECKPOINT), buffer_view(note_out));
    }
    return err;
}

enum err
ledger_read_checkpoint(struct kv_txn *txn, const struct network_id *network,
                       const struct sign_public *log_key, struct checkpoint *checkpoint_out,
                       struct bytes *note_out)
{
    struct bytes note;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(META_CHECKPOINT), &note);
    if (err == ERR_OK && note.len > LIMIT_CHECKPOINT_BYTES) {
        return ERR_CORRUPT;
    }
    if (err == ERR_OK) {
        err = checkpoint_open(note, network, log_key, checkpoint_out);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND || err_is_peer(err) ? ERR_CORRUPT : err;
    }
    *note_out = note;
    return ERR_OK;
}

enum err
ledger_compare(const struct tree *tree, const struct checkpoint *signed_head,
               struct complaint *complaint)
{
    struct merkle_hash root;
    if (tree->size != signed_head->size) {
        return ERR_OK;
    }
    tree_root(tree, &root);
    return memcmp(&root, &signed_head->root, sizeof(root)) == 0
               ? ERR_OK
               : complain(complaint, ERR_CORRUPT,
                          "the tree over the log is not the one that was signed");
}

/* What was signed is what is stored. In a store that is being refilled the log may have grown past
 * it, since nothing is signed then. */
static enum err
check_signed(struct kv_txn *txn, const struct ledger *ledger, const struct checkpoint *checkpoint,
             struct complaint *complaint)
{
    struct merkle_hash root;
    uint64_t entries = ledger->tree.size;
    bool refilling = kv_has(txn, TABLE_META, bytes_of_text(RECOVER_MARK));
    if (checkpoint->size > entries || (checkpoint->size < entries && !refilling)) {
        return complain(complaint, ERR_CORRUPT,
                        "the log has %llu entries, and its last checkpoint was signed for %llu",
                        (unsigned long long)entries, (unsigned long long)checkpoint->size);
    }
    if (checkpoint->size == entries) {
        return ledger_compare(&ledger->tree, checkpoint, complaint);
    }
    struct tree_reader reader = ledger_reader(txn, ledger->cache);
    enum err err = tree_root_at(&reader, checkpoint->size, &root);
    if (err == ERR_OK && memcmp(&root, &checkpoint->root, sizeof(root)) == 0) {
        return ERR_OK;
    }
    return complain(complaint, err == ERR_MEMORY || err == ERR_IO ? err : ERR_CORRUPT,
                    "the tree over the log is not the one that was signed");
}

static enum err
load(struct kv_txn *txn, uint64_t entries, const struct network_id *network,
     const struct sign_public *log_key, struct ledger *ledger, struct complaint *complaint)
{
    struct checkpoint checkpoint;
    struct bytes note = {0};
    enum err err = tree_load(entries, read_tile, txn, &ledger->tree);
    if (err != ERR_OK) {
        return complain(complaint, err_is_peer(err) || err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                        "the tree over the log is damaged or incomplete");
    }
    err = ledger_read_checkpoint(txn, network, log_key, &checkpoint, &note);
    if (err != ERR_OK) {
        return complain(complaint, err, "the store has no checkpoint signed by this broker");
    }
    memcpy(ledger->checkpoint, note.data, note.len);
    ledger->checkpoint_len = note.len;
    return check_signed(txn, ledger, &checkpoint, complaint);
}

enum err
ledger_load(struct kv_txn *txn, uint64_t entries, const struct network_id *network,
            const struct sign_public *log_key, struct ledger *ledger_out,
            struct complaint *complaint)
{
    struct ledger ledger = {.cache = tree_cache_new(CACHE_TILES)};
    if (ledger.cache == NULL) {
        return ERR_MEMORY;
    }
    enum err err = load(txn, entries, network, log_key, &ledger, complaint);
    if (err != ERR_OK) {
        ledger_done(&ledger);
        return err;
    }
    *ledger_out = ledger;
    return ERR_OK;
}

void
ledger_take(struct ledger *ledger, const struct tree *staged, struct bytes note)
{
    ledger->tree = *staged;
    if (note.len > 0 && note.len <= sizeof(ledger->checkpoint)) {
        memcpy(ledger->checkpoint, note.data, note.len);
        ledger->checkpoint_len = note.len;
    }
}

void
ledger_done(struct ledger *ledger)
{
    tree_cache_freep(&ledger->cache);
}
