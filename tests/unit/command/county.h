/* A whole small network in one process: the broker's core, agents' cores, and this file as the
 * network between them. Time stands still unless it is moved. Everybody in it is fictional. */
#ifndef REFLOOP_TESTS_UNIT_COMMAND_COUNTY_H
#define REFLOOP_TESTS_UNIT_COMMAND_COUNTY_H

#include <jansson.h>

#include "agent/command/command.h"
#include "broker/broker.h"

/* The shelter has keys but no agent: its statements are made by hand. The last two are invited
 * only, and unknown. */
enum { CLINIC, PANTRY, SHELTER, COUNTY_MEMBERS };
#define COUNTY_INVITED "late-church"
#define COUNTY_STRANGER "nobody-here"
/* When it begins, and what it is once the members have met. */
#define COUNTY_NOW "2026-11-21T09:30:00Z"
#define COUNTY_NOW_PUMPED "2026-11-21T09:30:01Z"

struct county_member {
    struct identity identity;
    struct agent *agent;
    struct route route;
    bool up;
    struct command_link link; /* as the edge would tell it */
};

struct county {
    char root[64]; /* a directory */
    struct sign_secret root_secret, log_secret;
    struct sign_public log_public;
    struct network_id network;
    struct statement_genesis genesis;
    struct buffer genesis_envelope;
    struct broker *broker;
    struct county_member members[COUNTY_MEMBERS];
    struct instant now;
    bool watched; /* what the last request said */
};

void county_open(struct county *county);
void county_done(struct county *county);
/* cmocka's setup and teardown: the county is *state. */
int county_setup(void **state);
int county_teardown(void **state);

/* Connects or disconnects, without exchanging anything yet. */
void county_link(struct county *county, unsigned who, bool up);
/* Carries frames until nobody has anything more to say. */
void county_pump(struct county *county);
void county_wait(struct county *county, int64_t ms);
void county_revoke(struct county *county, const char *org);
/* The shelter sends a request to the pantry, with this id and content. */
void county_shelter_request(struct county *county, const char *loop_hex, const char *facts,
                            const char *body);

struct command_context county_context(struct county *county, unsigned who);
/* Runs one request (json_pack's format); never NULL, new reference. */
json_t *county_run(struct county *county, unsigned who, const char *format, ...);
/* The same and the answer must be ok; then everything is pumped. */
json_t *county_do(struct county *county, unsigned who, const char *format, ...);
/* One referral from clinic to pantry, pumped; its id into `loop`. */
void county_refer(struct county *county, const char *person, char loop[LOOP_ID_TEXT]);

/* "" and 0 when there is no such value; `path` is like "error.code" or "loops.0.state". */
const char *county_text(json_t *json, const char *path);
json_int_t county_number(json_t *json, const char *path);
json_t *county_at(json_t *json, const char *path);

#endif
