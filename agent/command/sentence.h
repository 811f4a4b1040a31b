/* The one plain sentence of `status`: what is wrong, since when, and what to do about it; or that
 * all is well. Pure, but for the local time zone. */
#ifndef REFLOOP_AGENT_COMMAND_SENTENCE_H
#define REFLOOP_AGENT_COMMAND_SENTENCE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/supervise/supervisor.h"

enum { SENTENCE_BYTES = 512 };

/* The link's troubles, and those that only the broker's own words tell. */
enum sentence_trouble {
    SENTENCE_REVOKED = TROUBLE_COUNT, /* below: enum link_trouble */
    SENTENCE_BUSY,
    SENTENCE_ROLLED_BACK,
    SENTENCE_RECOVERING,
    SENTENCE_UNPROVED,
    SENTENCE_TROUBLE_COUNT
};
/* The word of docs/json.md. */
const char *sentence_trouble_name(unsigned trouble);

struct sentence_facts {
    bool ready;           /* the link works: `trouble` is not looked at */
    unsigned trouble;     /* enum link_trouble or enum sentence_trouble */
    enum err refusal;     /* what the broker said, ERR_OK when it said nothing */
    const char *unproved; /* why the broker's words are not believed, NULL when they are */
    int64_t since_ms;     /* wall; of the trouble, 0 unknown */
    bool disk_full;
    int64_t disk_full_since_ms;
    uint64_t n_waiting; /* loops with steps that wait for the broker */
    uint64_t n_need_me;
    uint64_t read, head;    /* of the log */
    uint64_t n_bad;         /* entries of the log that were not believed, since start */
    int64_t clock_ahead_ms; /* the broker's clock minus ours */
    int64_t now_ms;
};

/* Returns true when something is wrong. */
bool sentence_write(const struct sentence_facts *facts, char out[SENTENCE_BYTES]);

#endif
