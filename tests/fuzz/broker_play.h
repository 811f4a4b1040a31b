/* One input played to a broker's core: what has been said, and what must hold of every answer. */
#ifndef REFLOOP_TESTS_FUZZ_BROKER_PLAY_H
#define REFLOOP_TESTS_FUZZ_BROKER_PLAY_H

#include "tests/fuzz/town.h"

enum { PLAY_HISTORY = 24, PLAY_RECEIPTS = 128, PLAY_COPIES = 16 };

/* An entry with its proof, as somebody was shown it. */
struct play_copy {
    uint64_t index;
    int64_t log_time_ms;
    struct buffer envelope, checkpoint, inclusion;
};

struct play_receipt {
    struct digest id;
    uint64_t index;
};

struct play {
    struct town *town;
    struct reader input;
    struct rig_loop loops[TOWN_LOOPS];
    struct instant now;
    uint8_t generation[TOWN_WHO_COUNT];  /* of the connection */
    struct buffer history[PLAY_HISTORY]; /* envelopes said */
    size_t n_history;
    struct play_copy copies[PLAY_COPIES];
    size_t n_copies;
    struct play_receipt receipts[PLAY_RECEIPTS];
    size_t n_receipts;
    struct buffer newest; /* the largest checkpoint shown to anybody */
    uint64_t newest_size;
    uint64_t entries;
    bool was_restored; /* an old copy was put in place: receipts given since the copy are not in it
                        */
    struct verify_job *held;
    struct message said, heard;
};

/* Returns the play of this input; only one is there at a time. */
struct play *play_begin(struct town *town, struct bytes input);
void play_end(struct play *play);

struct route play_route(const struct play *play, unsigned who);
/* Encodes and sends; what cannot be encoded is not said. */
void play_send(struct play *play, unsigned who, const struct message *message);
/* As bytes. What is no message must be refused, be counted, and change nothing. */
void play_send_bytes(struct play *play, unsigned who, struct bytes frame);
/* Runs the jobs that wait, commits, and looks at everything the broker says. */
void play_turn(struct play *play);
void play_listen(struct play *play);
/* The job that a slow worker has. */
void play_give_back(struct play *play);
void play_keep(struct play *play, struct bytes envelope);

#endif
