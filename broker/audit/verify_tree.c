/* Decides whether the stored tree is the one over the entries, and whether that is the one the
 * broker has signed. Every tile is compared from below: leaves with row 0, full tiles with the hash
 * they have in the row above, the top with the root of the checkpoint.
 *
 * When a leaf and its tile differ, one of them was changed. Which one is told by what stands above:
 * if the leaf as it is leads to the hash that stands there, the tile is the wrong one. */
#include "broker/audit/verify.h"

#include <string.h>

#include "broker/witness.h"

enum { CACHE_TILES = 64, ROW_CHUNKS = 2 /* the row with one hash for each chunk */ };

struct tile {
    size_t n;
    struct merkle_hash hashes[TREE_TILE_WIDTH];
};

/* How many full subtrees of a row's height there are below `size`: hashes of that row. */
static uint64_t
row_width(uint64_t size, unsigned row)
{
    enum { SIZE_BITS = 64 };
    unsigned levels = TREE_TILE_LEVELS * row;
    return levels < SIZE_BITS ? size >> levels : 0;
}

/* How many hashes a tile of a tree of `size` leaves holds. */
static size_t
width_of(uint64_t size, unsigned row, uint64_t column)
{
    uint64_t width = row_width(size, row);
    uint64_t first = column * TREE_TILE_WIDTH;
    uint64_t n = width > first ? width - first : 0;
    return n < TREE_TILE_WIDTH ? (size_t)n : TREE_TILE_WIDTH;
}

static bool
same(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, MERKLE_HASH_BYTES) == 0;
}

static enum err
read_tile(struct kv_txn *txn, unsigned row, uint64_t column, struct tile *tile_out)
{
    struct tree_reader reader = ledger_reader(txn, NULL);
    return reader.read(reader.context, row, column, tile_out->hashes, &tile_out->n);
}

/* False when it is not there, not readable or not of its size, which is then found. */
static bool
get_tile(struct verify *verify, struct kv_txn *txn, unsigned row, uint64_t column,
         struct tile *tile_out)
{
    size_t wanted = width_of(verify->audit->entries, row, column);
    enum err err = read_tile(txn, row, column, tile_out);
    if (err == ERR_OK && tile_out->n == wanted) {
        return true;
    }
    if (err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_CORRUPT) {
        finding_other(&verify->finding, "the stored tree: row %u, tile %llu is %s", row,
                      (unsigned long long)column,
                      err == ERR_OK          ? "not of its size"
                      : err == ERR_NOT_FOUND ? "missing"
                                             : "damaged");
    } else {
        finding_break(&verify->finding, err, "the tree cannot be read: %s", err_text(err));
    }
    return false;
}

/* A full tile against the hash that stands for it one row up. */
static void
check_above(struct verify *verify, unsigned row, uint64_t column, const struct tile *tile,
            const struct tile *above)
{
    struct merkle_hash root;
    if (tile->n < TREE_TILE_WIDTH) {
        return;
    }
    merkle_root(tile->hashes, tile->n, &root);
    if (!same(&root, &above->hashes[column % TREE_TILE_WIDTH])) {
        finding_other(&verify->finding,
                      "the stored tree: row %u, tile %llu does not stand for the "
                      "tile below it",
                      row + 1, (unsigned long long)(column / TREE_TILE_WIDTH));
    }
}

/* ---- leaf or tile ---- */

struct substitute {
    struct kv_txn *txn;
    uint64_t column;
    const struct tile *tile;
};

static enum err
read_substituted(void *context, unsigned row, uint64_t column,
                 struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    const struct substitute *substitute = context;
    struct tree_reader stored = ledger_reader(substitute->txn, NULL);
    if (row != 0 || column != substitute->column) {
        return stored.read(stored.context, row, column, hashes_out, n_out);
    }
    memcpy(hashes_out, substitute->tile->hashes, substitute->tile->n * sizeof(hashes_out[0]));
    *n_out = substitute->tile->n;
    return ERR_OK;
}

static bool
leads_to_root(const struct verify_worker *worker, uint64_t column, const struct tile *mine)
{
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(CACHE_TILES);
    const struct verify *verify = worker->verify;
    struct substitute substitute = {worker->txn, column, mine};
    const struct tree_reader reader = {read_substituted, &substitute, cache};
    struct merkle_hash root;
    return cache != NULL && verify->has_checkpoint &&
           verify->checkpoint.size == verify->audit->entries &&
           tree_root_at(&reader, verify->checkpoint.size, &root) == ERR_OK &&
           same(&root, &verify->checkpoint.root);
}

/* Entries of a chunk whose leaves were worked out afresh. */
struct span {
    uint64_t from, to;
    const struct merkle_hash *leaves;
};

/* The tile as the entries give it. */
static struct tile
tile_of_leaves(const struct tile *stored, uint64_t column, const struct span *span)
{
    struct tile mine = *stored;
    for (size_t i = 0; i < mine.n; i++) {
        uint64_t index = column * TREE_TILE_WIDTH + i;
        if (index >= span->from && index < span->to) {
            mine.hashes[i] = span->leaves[index - span->from];
        }
    }
    return mine;
}

/* `above` is NULL when that tile could not be read. */
static void
blame(struct verify_worker *worker, uint64_t index, const struct tile *mine,
      const struct tile *above)
{
    struct finding *finding = &worker->verify->finding;
    uint64_t column = index / TREE_TILE_WIDTH;
    struct merkle_hash root;
    bool tile_is_wrong = false;
    if (mine->n < TREE_TILE_WIDTH) {
        tile_is_wrong = leads_to_root(worker, column, mine);
    } else if (above != NULL) {
        merkle_root(mine->hashes, mine->n, &root);
        tile_is_wrong = same(&root, &above->hashes[column % TREE_TILE_WIDTH]);
    }
    if (tile_is_wrong) {
        finding_other(finding,
                      "the stored tree: row 0, tile %llu is not that of entry %llu, which "
                      "is as it was signed",
                      (unsigned long long)column, (unsigned long long)index);
    } else {
        verify_entries_bad(worker, index,
                           "it is not what the tree has at its place: another entry, or "
                           "the same at another time");
    }
}

static void
check_leaves(struct verify_worker *worker, uint64_t column, const struct span *span,
             const struct tile *above)
{
    struct tile stored;
    if (!get_tile(worker->verify, worker->txn, 0, column, &stored)) {
        return;
    }
    const struct tile mine = tile_of_leaves(&stored, column, span);
    for (size_t i = 0; i < stored.n; i++) {
        if (!same(&stored.hashes[i], &mine.hashes[i])) {
            blame(worker, column * TREE_TILE_WIDTH + i, &mine, above);
            return;
        }
    }
    if (above != NULL) {
        check_above(worker->verify, 0, column, &stored, above);
    }
}

void
verify_tree_chunk(struct verify_worker *worker, uint64_t from, uint64_t to,
                  const struct merkle_hash *leaves)
{
    struct verify *verify = worker->verify;
    const struct span span = {from, to, leaves};
    struct tile row_1;
    struct tile row_2;
    uint64_t chunk = from / VERIFY_CHUNK;
    bool has_row_1 = width_of(verify->audit->entries, 1, chunk) > 0 &&
                     get_tile(verify, worker->txn, 1, chunk, &row_1);
    for (uint64_t column = from / TREE_TILE_WIDTH; column * TREE_TILE_WIDTH < to; column++) {
        check_leaves(worker, column, &span, has_row_1 ? &row_1 : NULL);
    }
    if (has_row_1 && row_1.n == TREE_TILE_WIDTH &&
        get_tile(verify, worker->txn, ROW_CHUNKS, chunk / TREE_TILE_WIDTH, &row_2)) {
        check_above(verify, 1, chunk, &row_1, &row_2);
    }
}

/* ---- the whole tree ---- */

static void
check_row(struct verify *verify, unsigned row)
{
    struct kv_txn *txn = verify->audit->txn;
    uint64_t entries = verify->audit->entries;
    uint64_t column = row_width(verify->from, row + 1);
    struct tile tile;
    struct tile above;
    for (; width_of(entries, row, column) > 0; column++) {
        if (!get_tile(verify, txn, row, column, &tile)) {
            return;
        }
        if (tile.n == TREE_TILE_WIDTH &&
            get_tile(verify, txn, row + 1, column / TREE_TILE_WIDTH, &above)) {
            check_above(verify, row, column, &tile, &above);
        }
    }
}

static uint64_t
count_tiles(uint64_t entries)
{
    uint64_t n = 0;
    for (unsigned row = 0; row < TREE_ROWS; row++) {
        uint64_t width = row_width(entries, row);
        n += width / TREE_TILE_WIDTH + (width % TREE_TILE_WIDTH > 0 ? 1 : 0);
    }
    return n;
}

/* ERR_CORRUPT when the tiles do not give one. */
static enum err
root_at(const struct audit *audit, uint64_t size, struct merkle_hash *root_out)
{
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(CACHE_TILES);
    if (cache == NULL) {
        return ERR_MEMORY;
    }
    const struct tree_reader reader = ledger_reader(audit->txn, cache);
    enum err err = tree_root_at(&reader, size, root_out);
    return err == ERR_NOT_FOUND || err == ERR_INVALID ? ERR_CORRUPT : err;
}

/* Is the signed checkpoint one of this log? */
static bool
fits(struct verify *verify, const struct checkpoint *checkpoint)
{
    struct merkle_hash root;
    enum err err = checkpoint->size > verify->audit->entries
                       ? ERR_CORRUPT
                       : root_at(verify->audit, checkpoint->size, &root);
    if (err != ERR_OK && err != ERR_CORRUPT) {
        finding_break(&verify->finding, err, "the tree cannot be read: %s", err_text(err));
        return true; /* nothing was found against it */
    }
    return err == ERR_OK && same(&root, &checkpoint->root);
}

void
verify_tree_top(struct verify *verify)
{
    const struct audit *audit = verify->audit;
    for (unsigned row = ROW_CHUNKS; row < TREE_ROWS; row++) {
        check_row(verify, row);
    }
    if (verify->has_checkpoint && !fits(verify, &verify->checkpoint)) {
        finding_other(&verify->finding,
                      "the tree over the entries does not have the root that the broker has signed "
                      "for %llu entries",
                      (unsigned long long)verify->checkpoint.size);
    }
    uint64_t n = kv_count(audit->txn, TABLE_TREE);
    if (n != count_tiles(audit->entries)) {
        finding_other(&verify->finding, "table tree: %llu tiles, the log calls for %llu",
                      (unsigned long long)n, (unsigned long long)count_tiles(audit->entries));
    }
}

enum err
verify_tree_since(struct verify *verify, struct bytes note, struct complaint *complaint)
{
    const struct audit *audit = verify->audit;
    struct checkpoint since;
    if (note.len == 0) {
        return ERR_OK;
    }
    enum err err = checkpoint_open(note, &audit->network,
                                   &directory_genesis(audit->directory)->broker_log, &since);
    if (err != ERR_OK) {
        return complain(complaint, err,
                        "the checkpoint to begin from is none of this network's broker: %s",
                        err_text(err));
    }
    verify->from = since.size < audit->entries ? since.size : audit->entries;
    if (since.size > audit->entries) {
        finding_entry(&verify->finding, audit->entries,
                      "it is missing: the checkpoint to begin from covers %llu entries",
                      (unsigned long long)since.size);
    } else if (!fits(verify, &since)) {
        finding_other(&verify->finding,
                      "the checkpoint to begin from is not of this log: what is below entry %llu "
                      "was rewritten, or the broker has signed two logs",
                      (unsigned long long)since.size);
    }
    return ERR_OK;
}

void
verify_tree_witnessed(struct verify *verify)
{
    const struct audit *audit = verify->audit;
    struct finding *finding = &verify->finding;
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    struct checkpoint witnessed;
    struct bytes note;
    char liar[ORG_ID_BYTES];
    size_t n;
    enum err err = state_read_meta(audit, META_WITNESSED, &note);
    if (err == ERR_OK && note.len == 0) {
        return;
    }
    if (err == ERR_OK) {
        err = checkpoint_open(note, &audit->network,
                              &directory_genesis(audit->directory)->broker_log, &witnessed);
    }
    if (err != ERR_OK) {
        finding_other(finding, "the checkpoint that members have cosigned cannot be read: %s",
                      err_text(err));
        return;
    }
    if (!fits(verify, &witnessed)) {
        finding_other(finding,
                      "members have cosigned a checkpoint of %llu entries that is not of this log",
                      (unsigned long long)witnessed.size);
    }
    err = checkpoint_cosigners(note, audit->directory, cosigners, &n, liar);
    if (err == ERR_SIGNATURE) {
        finding_other(finding, "the cosignature of %s does not fit the checkpoint it stands under",
                      liar);
    } else if (err != ERR_OK) {
        finding_other(finding, "the checkpoint that members have cosigned cannot be read: %s",
                      err_text(err));
    }
}
