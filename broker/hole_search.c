/* Decides in which order guesses about a hole in the log are made, and which one is right. It
 * refuses to know what the statements say and where they come from: only their bytes, their
 * author's order, and which of them stands on which. */
#include "broker/hole_search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIME_BYTES = 8,
    WORK_BYTES = 256,
    MEMBERS_A_HASH = 64,
    LAST_STEP = HOLE_SKEW_MS + HOLE_AHEAD_MS
};

/* How an author's pieces may be picked. */
enum manner {
    MANNER_RUN,    /* from the first, without leaving out any that may come now */
    MANNER_SUBSET, /* in its order, some left out */
    MANNER_ANY,    /* in any order */
    MANNER_COUNT
};

struct author {
    size_t first, n; /* pieces */
    size_t next;     /* the first that may still be picked, but for MANNER_ANY */
    size_t picked;
};

/* The first `n_after` entries go on from the time before the hole, the last `n_before` lead up to
 * the one behind it; what is between lies `shift_ms` from when it was written. */
struct pattern {
    size_t n_after, n_before;
    int64_t shift_ms;
};

/* Whose pieces are tried: one author (both the same), two, or all (`first` is their number). */
struct group {
    size_t first, second;
};

struct hole_search {
    struct hole_question question;
    struct hole_piece *pieces;
    struct author *authors;
    bool *taken;
    uint8_t *row; /* space for the longest */
    size_t n_pieces, n_authors;
    /* what is tried now */
    uint64_t step;
    bool again;              /* the steps beyond the close ones, a second time */
    int64_t low_ms, high_ms; /* no shift outside of these leads into the hole */
    struct pattern pattern;
    enum manner manner;
    struct group group;
    int64_t begin_ms; /* of what is between */
    size_t spent, unit_end;
    struct hole_edge edges[HOLE_GAP_MAX + 1];
    struct hole_entry found[HOLE_GAP_MAX];
};

static void
copy_edge(struct hole_edge *to, const struct hole_edge *from)
{
    to->size = from->size;
    to->n = from->n;
    memcpy(to->hashes, from->hashes, from->n * sizeof(from->hashes[0]));
}

/* --- beginning --- */

static bool
is_free(const struct hole_search *search)
{
    return search->question.n <= HOLE_FREE_MAX;
}

static bool
has_end(const struct hole_search *search)
{
    return search->question.before_ms != INT64_MAX;
}

static uint64_t
count_close(const struct hole_search *search)
{
    return has_end(search) ? search->question.n + 1 : 1;
}

/* Times next to known ones: there are few, so all manners are tried at once. */
static bool
is_close(const struct hole_search *search)
{
    return search->step < count_close(search);
}

/* For one entry it is all the same whether others before it are left out. */
static enum manner
first_manner(const struct hole_search *search)
{
    return search->again || search->question.n == 1 ? MANNER_SUBSET : MANNER_RUN;
}

static void
find_authors(struct hole_search *search)
{
    for (size_t i = 0; i < search->n_pieces; i++) {
        if (i == 0 || search->pieces[i].author != search->pieces[i - 1].author) {
            search->authors[search->n_authors++] = (struct author){.first = i};
        }
        search->authors[search->n_authors - 1].n++;
    }
}

static int64_t
minus(int64_t a, int64_t b)
{
    int64_t result;
    if (__builtin_sub_overflow(a, b, &result)) {
        return a < b ? INT64_MIN : INT64_MAX;
    }
    return result;
}

static void
find_shifts(struct hole_search *search)
{
    const struct hole_question *question = &search->question;
    search->low_ms = INT64_MAX;
    search->high_ms = INT64_MIN;
    for (size_t i = 0; i < search->n_pieces; i++) {
        int64_t low = minus(question->after_ms + 1, search->pieces[i].authored_ms);
        int64_t high = minus(question->before_ms - 1, search->pieces[i].authored_ms);
        if (low <= HOLE_AHEAD_MS && high >= -(int64_t)HOLE_SKEW_MS) {
            search->low_ms = low < search->low_ms ? low : search->low_ms;
            search->high_ms = high > search->high_ms ? high : search->high_ms;
        }
    }
}

struct hole_search *
hole_search_new(const struct hole_question *question, const struct hole_piece *pieces, size_t n)
{
    struct hole_search *search = calloc(1, sizeof(*search));
    size_t longest = TIME_BYTES;
    assert(question->n > 0 && question->n <= HOLE_GAP_MAX);
    if (search == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        longest = pieces[i].row.len > longest ? pieces[i].row.len : longest;
    }
    search->question = *question;
    search->pieces = calloc(n + 1, sizeof(*pieces));
    search->authors = calloc(n + 1, sizeof(*search->authors));
    search->taken = calloc(n + 1, sizeof(*search->taken));
    search->row = calloc(1, longest);
    if (search->pieces == NULL || search->authors == NULL || search->taken == NULL ||
        search->row == NULL) {
        hole_search_free(search);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        search->pieces[i] = pieces[i];
    }
    search->n_pieces = n;
    search->manner = first_manner(search);
    find_authors(search);
    find_shifts(search);
    copy_edge(&search->edges[0], &question->edge);
    return search;
}

void
hole_search_free(struct hole_search *search)
{
    if (search != NULL) {
        free(search->pieces);
        free(search->authors);
        free(search->taken);
        free(search->row);
        free(search);
    }
}

const struct hole_entry *
hole_search_found(const struct hole_search *search)
{
    return search->found;
}

size_t
hole_search_spent(const struct hole_search *search)
{
    return search->spent;
}

/* --- one guess --- */

/* False when there is no such time in the hole. */
static bool
pick_time(struct hole_search *search, size_t depth, const struct hole_piece *piece,
          int64_t *time_out)
{
    const struct hole_question *question = &search->question;
    const struct pattern *pattern = &search->pattern;
    size_t between_end = question->n - pattern->n_before;
    if (depth < pattern->n_after) {
        *time_out = question->after_ms + 1 + (int64_t)depth;
        return true;
    }
    if (depth >= between_end) {
        *time_out = question->before_ms - (int64_t)(question->n - depth);
        return true;
    }
    if (depth == pattern->n_after) {
        int64_t last_ms;
        if (__builtin_add_overflow(piece->authored_ms, pattern->shift_ms, &search->begin_ms) ||
            __builtin_add_overflow(search->begin_ms, (int64_t)(between_end - depth - 1),
                                   &last_ms) ||
            search->begin_ms <= question->after_ms + (int64_t)pattern->n_after ||
            last_ms >= question->before_ms - (int64_t)pattern->n_before) {
            return false;
        }
    }
    *time_out = search->begin_ms + (int64_t)(depth - pattern->n_after);
    return true;
}

static void
make_leaf(struct hole_search *search, const struct hole_piece *piece, int64_t time,
          struct merkle_hash *leaf_out)
{
    uint64_t rest = (uint64_t)time;
    memcpy(search->row, piece->row.data, piece->row.len);
    for (size_t i = TIME_BYTES; i-- > 0; rest >>= 8) {
        search->row[i] = (uint8_t)rest;
    }
    merkle_leaf(bytes_of(search->row, piece->row.len), leaf_out);
    search->spent += 1 + piece->row.len / WORK_BYTES;
}

static bool
may_come(const struct hole_search *search, size_t at)
{
    const struct hole_piece *piece = &search->pieces[at];
    return !search->taken[at] &&
           (piece->stands || (piece->after != HOLE_NONE && search->taken[piece->after]));
}

static bool
is_of_group(const struct hole_search *search, size_t author)
{
    const struct group *group = &search->group;
    return group->first == search->n_authors || author == group->first || author == group->second;
}

/* With one of two unused it is a guess that has been made before. */
static bool
is_right(struct hole_search *search)
{
    struct merkle_hash root;
    const struct group *group = &search->group;
    if (group->first < search->n_authors &&
        (search->authors[group->first].picked == 0 || search->authors[group->second].picked == 0)) {
        return false;
    }
    search->spent += hole_edge_root(&search->edges[search->question.n], &root);
    return memcmp(&root, &search->question.root, sizeof(root)) == 0;
}

/* Are there enough left for the rest of the hole? */
static bool
is_enough(const struct hole_search *search, size_t depth)
{
    size_t n = 0;
    for (size_t i = 0; i < search->n_authors; i++) {
        const struct author *author = &search->authors[i];
        if (is_of_group(search, i)) {
            n += search->manner == MANNER_ANY ? author->n - author->picked
                                              : author->first + author->n - author->next;
        }
    }
    return n >= search->question.n - depth;
}

static bool fill_from(struct hole_search *search, size_t depth);

static bool
try_piece(struct hole_search *search, size_t depth, struct author *author, size_t at)
{
    struct hole_entry *entry = &search->found[depth];
    struct hole_edge *edge = &search->edges[depth + 1];
    size_t next = author->next;
    *entry = (struct hole_entry){.piece = at};
    if (!pick_time(search, depth, &search->pieces[at], &entry->log_time_ms)) {
        return false;
    }
    make_leaf(search, &search->pieces[at], entry->log_time_ms, &entry->leaf);
    copy_edge(edge, &search->edges[depth]);
    search->spent += hole_edge_push(edge, &entry->leaf);
    search->taken[at] = true;
    author->next = at + 1;
    author->picked++;
    bool found = fill_from(search, depth + 1);
    search->taken[at] = false;
    author->next = next;
    author->picked--;
    return found;
}

static bool
try_author(struct hole_search *search, size_t depth, struct author *author)
{
    size_t end = author->first + author->n;
    size_t at = search->manner == MANNER_ANY ? author->first : author->next;
    for (; at < end && search->spent < search->unit_end; at++) {
        search->spent++;
        if (!may_come(search, at)) {
            continue;
        }
        if (try_piece(search, depth, author, at)) {
            return true;
        }
        if (search->manner == MANNER_RUN) {
            break;
        }
    }
    return false;
}

/* As deep as the hole is long. */
static bool
fill_from(struct hole_search *search, size_t depth)
{
    if (depth == search->question.n) {
        return is_right(search);
    }
    search->spent += search->n_authors / MEMBERS_A_HASH;
    if (!is_enough(search, depth)) {
        return false;
    }
    for (size_t i = 0; i < search->n_authors && search->spent < search->unit_end; i++) {
        if (is_of_group(search, i) && try_author(search, depth, &search->authors[i])) {
            return true;
        }
    }
    return false;
}

static bool
run_unit(struct hole_search *search)
{
    for (size_t i = 0; i < search->n_authors; i++) {
        search->authors[i].next = search->authors[i].first;
    }
    search->unit_end = search->spent + HOLE_UNIT_WORK;
    search->spent++;
    return fill_from(search, 0);
}

/* --- from guess to guess --- */

/* Step by step away from what the author claims, in both directions, then ahead. */
static int64_t
shift_of(int64_t step)
{
    if (step > 2 * (int64_t)HOLE_SKEW_MS) {
        return step - HOLE_SKEW_MS;
    }
    return step % 2 != 0 ? (step + 1) / 2 : -(step / 2);
}

/* The `number`th way to have something between; *number_out is what is left of it when there are
 * fewer. */
static bool
split(const struct hole_search *search, uint64_t number, struct pattern *pattern_out,
      uint64_t *n_splits_out)
{
    size_t n = is_free(search) ? search->question.n : 1;
    uint64_t at = 0;
    bool found = false;
    for (size_t after = 0; after < n; after++) {
        for (size_t before = 0; before + after < n && (before == 0 || has_end(search)); before++) {
            if (at++ == number) {
                *pattern_out = (struct pattern){.n_after = after, .n_before = before};
                found = true;
            }
        }
    }
    *n_splits_out = at;
    return found;
}

/* All of them before the entry behind, all of them after the one before, then some here and some
 * there. */
static void
set_close(struct hole_search *search)
{
    size_t n = search->question.n;
    size_t step = (size_t)search->step;
    size_t after = !has_end(search) || step == 1 ? n : step > 1 ? step - 1 : 0;
    search->pattern = (struct pattern){.n_after = after, .n_before = n - after};
}

static bool
is_beyond(const struct hole_search *search, int64_t step)
{
    int64_t up = step > 2 * (int64_t)HOLE_SKEW_MS ? shift_of(step) : (step + 1) / 2;
    bool both = step <= 2 * (int64_t)HOLE_SKEW_MS;
    return step > LAST_STEP || (up > search->high_ms && (!both || -(step / 2) < search->low_ms));
}

/* Once more, with some statements left out. */
static bool
begin_again(struct hole_search *search)
{
    if (search->again || !is_free(search) || search->question.n == 1) {
        return false;
    }
    search->again = true;
    search->manner = first_manner(search);
    search->step = count_close(search);
    return true;
}

/* Steps that lead nowhere are passed over, but counted. False when there is none any more;
 * *ready_out false when the work is done for now. */
static bool
set_pattern(struct hole_search *search, size_t work, bool *ready_out)
{
    uint64_t n_close = count_close(search);
    uint64_t n_splits;
    *ready_out = true;
    if (is_close(search)) {
        set_close(search);
        return true;
    }
    (void)split(search, 0, &search->pattern, &n_splits);
    for (;; search->step += n_splits) {
        uint64_t number = search->step - n_close;
        int64_t step = (int64_t)(number / n_splits);
        int64_t shift_ms = shift_of(step);
        if (is_beyond(search, step)) {
            return begin_again(search) ? set_pattern(search, work, ready_out) : false;
        }
        if (shift_ms >= search->low_ms && shift_ms <= search->high_ms) {
            (void)split(search, number % n_splits, &search->pattern, &n_splits);
            search->pattern.shift_ms = shift_ms;
            return true;
        }
        if (++search->spent >= work) {
            *ready_out = false;
            return true;
        }
    }
}

static bool
next_group(struct hole_search *search)
{
    struct group *group = &search->group;
    size_t n = search->n_authors;
    if (group->first == n) {
        return false; /* all of them was the last one */
    }
    if (group->first == group->second) {
        if (++group->first < n) {
            group->second = group->first;
            return true;
        }
        *group = (struct group){0, 1};
        return search->question.n > 1 && n > 1;
    }
    if (++group->second == n) {
        group->first++;
        group->second = group->first + 1;
    }
    if (group->second < n) {
        return true;
    }
    *group = (struct group){n, n};
    return search->question.n > 2 && n > 2;
}

static bool
next_manner(struct hole_search *search)
{
    search->group = (struct group){0, 0};
    search->manner++;
    return search->manner < MANNER_COUNT && is_free(search) && is_close(search) &&
           search->question.n > 1;
}

static void
go_on(struct hole_search *search)
{
    if (!next_group(search) && !next_manner(search)) {
        search->group = (struct group){0, 0};
        search->manner = first_manner(search);
        search->step++;
    }
}

/* Strictly rising times need a place each. */
static bool
is_possible(const struct hole_search *search)
{
    const struct hole_question *question = &search->question;
    return search->n_pieces > 0 && question->after_ms < INT64_MAX - HOLE_GAP_MAX &&
           question->after_ms < question->before_ms - (int64_t)question->n;
}

enum hole_outcome
hole_search_run(struct hole_search *search, size_t work)
{
    search->spent = 0;
    if (!is_possible(search)) {
        return HOLE_GIVEN_UP;
    }
    do {
        bool ready;
        if (!set_pattern(search, work, &ready)) {
            return HOLE_GIVEN_UP;
        }
        if (!ready) {
            break;
        }
        if (run_unit(search)) {
            struct merkle_hash root;
            for (size_t i = 0; i < search->question.n; i++) {
                (void)hole_edge_root(&search->edges[i], &root);
                search->found[i].before = root;
            }
            return HOLE_FOUND;
        }
        go_on(search);
    } while (search->spent + HOLE_UNIT_WORK <= work);
    return HOLE_LATER;
}
