/* Decides what of a tree is needed to know the roots it would have with more leaves: its full
 * subtrees, which are few, so that guesses are cheap. It refuses to know tiles and stores. */
#include "broker/hole_search.h"

void
hole_edge_of(const struct tree *tree, struct hole_edge *edge_out)
{
    *edge_out = (struct hole_edge){.size = tree->size};
    for (size_t row = TREE_ROWS; row-- > 0;) {
        const struct tree_edge *edge = &tree->edge[row];
        size_t at = 0;
        for (size_t width = TREE_TILE_WIDTH / 2; width > 0; width /= 2) {
            if ((edge->n & width) != 0) {
                merkle_root(edge->hashes + at, width, &edge_out->hashes[edge_out->n++]);
                at += width;
            }
        }
    }
}

size_t
hole_edge_push(struct hole_edge *edge, const struct merkle_hash *leaf)
{
    struct merkle_hash hash = *leaf;
    size_t joins = 0;
    for (uint64_t size = edge->size; (size & 1) != 0; size >>= 1) {
        merkle_join(&edge->hashes[--edge->n], &hash, &hash);
        joins++;
    }
    edge->hashes[edge->n++] = hash;
    edge->size++;
    return joins;
}

size_t
hole_edge_root(const struct hole_edge *edge, struct merkle_hash *root_out)
{
    struct merkle_hash root;
    if (edge->n == 0) {
        merkle_root(NULL, 0, root_out);
        return 1;
    }
    root = edge->hashes[edge->n - 1];
    for (size_t i = edge->n - 1; i-- > 0;) {
        merkle_join(&edge->hashes[i], &root, &root);
    }
    *root_out = root;
    return edge->n;
}
