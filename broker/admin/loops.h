/* Loops as the administrator lists them: gathered, chosen, put in order, and printed. */
#ifndef REFLOOP_BROKER_ADMIN_LOOPS_H
#define REFLOOP_BROKER_ADMIN_LOOPS_H

#include <jansson.h>
#include <stdio.h>

#include "broker/audit/audit.h"

/* Coded facts of a loop. Codes are as they were sent, but those that are sensitive, which a list
 * never shows; "" when not said or not opened. */
enum { LOOPS_CODE_BYTES = 64 };
struct loops_facts {
    bool opened;
    char category[LOOPS_CODE_BYTES];
    char reason[LOOPS_CODE_BYTES]; /* of the newest step that carries one, an outcome left out */
    char outcome[LOOPS_CODE_BYTES];
    char words[4 * LOOPS_CODE_BYTES]; /* all of it, for people */
};
void loops_read_facts(const struct audit_loop *loop, struct loops_facts *facts_out);

struct loops_row {
    struct audit_loop loop; /* source, target: into this row's own text; no facts */
    char source[ORG_ID_BYTES], target[ORG_ID_BYTES];
    struct loops_facts *facts; /* owned; NULL unless asked for */
};
struct loops {
    size_t n_rows, capacity;
    struct loops_row **rows;       /* owned */
    uint64_t total;                /* loops there are */
    uint64_t matched;              /* those asked for; more than rows when `limit` cut them */
    uint64_t count[VERDICT_COUNT]; /* of those asked for */
    bool with_facts;
};

struct loops_choice {
    const char *org; /* as source or target; NULL: any */
    bool has_state, has_verdict, only_open;
    enum loop_state state;
    enum verdict verdict;
    int64_t older_than_ms; /* in its state for longer; 0: any */
    size_t limit;          /* 0: none */
};

/* Worst first (the order of enum verdict), and of one verdict the oldest first. */
enum err loops_gather(struct audit *audit, const struct audit_loops_options *options,
                      const struct loops_choice *choice, struct loops *loops_out) MUST_CHECK;
void loops_done(struct loops *loops);

/* "5d", "36h", "2w"; ERR_INVALID. */
enum err loops_parse_age(const char *text, int64_t *ms_out) MUST_CHECK;

/* `width` 0 cuts nothing. Errors are those of the stream, and ERR_MEMORY. */
enum err loops_print(const struct loops *loops, int64_t now_ms, size_t width, bool emphasis,
                     FILE *out) MUST_CHECK;
/* RFC 4180, with a line of names first; no cell can be taken for a formula. */
void loops_print_csv(const struct loops *loops, FILE *out);
/* NULL is out of memory. */
json_t *loops_json(const struct loops *loops);

/* The open loops of an organization that has gone: who is left in each, and how that side can end
 * it. */
void loops_print_ending(const struct loops *loops, const char *gone, FILE *out);
json_t *loops_ending_json(const struct loops *loops, const char *gone);

#endif
