/* Memory for unpacking what a peer sent: zeroed (protobuf-c reads fields it has not set), counted
 * against one budget, and released as a whole. It knows nothing of messages. */
#include <stdlib.h>

#include "lib/wire/codec.h"
#include "lib/wire/limits.h"

enum {
    BLOCK_BYTES = 8 * 1024,
    BLOCK_SHARED_MAX = 1024, /* larger requests get a block of their own */
    ALIGNMENT = 16,
};

struct codec_block {
    struct codec_block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) uint8_t data[];
};

void
codec_arena_done(struct codec_arena *arena)
{
    while (arena->blocks != NULL) {
        struct codec_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->taken = 0;
}

static struct codec_block *
new_block(struct codec_arena *arena, size_t size)
{
    if (size > LIMIT_UNPACK_BYTES - arena->taken) {
        arena->failed = ERR_TOO_LARGE;
        return NULL;
    }
    struct codec_block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL) {
        arena->failed = ERR_MEMORY;
        return NULL;
    }
    block->size = size;
    arena->taken += size;
    return block;
}

/* A large request goes behind the shared block, so that the rest of that one stays in use. */
static void *
alloc_alone(struct codec_arena *arena, size_t len)
{
    struct codec_block *block = new_block(arena, len);
    if (block == NULL) {
        return NULL;
    }
    block->used = block->size;
    struct codec_block **place = arena->blocks != NULL ? &arena->blocks->next : &arena->blocks;
    block->next = *place;
    *place = block;
    return block->data;
}

void *
codec_alloc(struct codec_arena *arena, size_t len)
{
    if (len > LIMIT_UNPACK_BYTES) {
        arena->failed = ERR_TOO_LARGE;
        return NULL;
    }
    size_t rounded = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded > BLOCK_SHARED_MAX) {
        return alloc_alone(arena, rounded);
    }
    struct codec_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < rounded) {
        block = new_block(arena, BLOCK_BYTES);
        if (block == NULL) {
            return NULL;
        }
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    return memory;
}
