/* Holes in a log that is being refilled. When a disaster comes in the middle of a turn, some
 * entries may be with nobody: their authors had no receipt yet and do not know where they stand,
 * and no reader had fetched them. But each author still has the statement and says it again, while
 * the broker is refilled too. It is refused as busy, as everything is, and remembered here for as
 * long as the refilling lasts. When the log stops short of an entry that somebody holds, or of the
 * largest checkpoint shown, the place and log time of what is missing are searched for
 * (hole_search.h): what leads to the root that was signed was there, so nobody can slip anything
 * in, and a statement that was never logged harms nothing.
 *
 * What cannot be filled: a hole of more than HOLE_GAP_MAX entries, or of more than HOLE_FREE_MAX in
 * another order than that of the authors; entries of several turns between, none next to a known
 * one; what was signed with the root key (invite, revoke), since the administrator's word is
 * another one each time; a join, since who is not a member yet is not heard; what somebody said who
 * changed keys behind the hole, as nobody knows the new ones yet; and what its author no longer
 * has. */
#ifndef REFLOOP_BROKER_HOLE_H
#define REFLOOP_BROKER_HOLE_H

#include "broker/recover.h"
#include "broker/verify_job.h"

enum {
    HOLE_CANDIDATES_MAX = 4096,
    HOLE_PER_MEMBER = 256, /* so that nobody takes the room of all */
    HOLE_BYTES_MAX = 64 * 1024 * 1024,
    HOLE_BYTES_PER_MEMBER = 8 * 1024 * 1024,
    HOLE_WORK = 200 * 1000, /* hashes a second */
};

/* All that is remembered; part of struct recover, NULL as long as there is nothing. */
struct hole;
void hole_free(struct hole *hole);

/* A verified statement of the member behind `peer`. What finds no room is forgotten; it is said
 * again. */
enum err hole_remember(struct broker *broker, const struct curve_public *peer,
                       const struct verified *verified) MUST_CHECK;
/* Once a second: searches a while, and appends what it finds, as copies are. */
enum err hole_fill(struct broker *broker) MUST_CHECK;
/* Statements remembered. */
size_t hole_count(const struct broker *broker);

#endif
