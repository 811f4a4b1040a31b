/* The record of one loop: the track as the log gives it, our own steps that the log does not have
 * yet, and the counters a list of loops shows.
 *
 * Invariants (check.c compares them with the steps): `ahead` holds exactly our steps that are
 * neither in the log as far as we have read it nor refused, in the order of their numbers; own_seq
 * and own_id are the newest statement of ours that the broker has receipted or logged. */
#ifndef REFLOOP_AGENT_MIRROR_H
#define REFLOOP_AGENT_MIRROR_H

#include "agent/unit.h"
#include "lib/loop/track.h"
#include "lib/wire/statement.h"

struct mirror_ahead {
    uint32_t number;
    enum loop_event event;
    bool superseded; /* the broker's receipt said so: it changes nothing */
};

struct mirror {
    enum loop_role role; /* ours */
    enum statement_priority priority;
    int64_t created_ms; /* log time of the request, local time until it is logged */
    int64_t needed_by_ms, due_ms;
    uint32_t n_steps, n_waiting, n_undelivered, n_refused;
    uint32_t newest_own;  /* number of our newest step that was no note, 0 when none */
    bool last_superseded; /* it crossed and changed nothing */
    bool dropped;         /* its request was refused for good, and people here have ended it: no
                             statement says so, as nobody else knows of it */
    uint32_t own_seq;
    struct digest own_id;
    struct mirror_ahead *ahead; /* owned */
    size_t n_ahead, ahead_capacity;
    struct track track;
};

enum loop_role mirror_other(enum loop_role role);
void mirror_init(struct mirror *mirror, const struct loop_id *loop, enum loop_role role,
                 const char *self_org, const char *partner_org);
void mirror_done(struct mirror *mirror);
const char *mirror_partner(const struct mirror *mirror);

/* ERR_MEMORY. */
enum err mirror_ahead_add(struct mirror *mirror, uint32_t number, enum loop_event event) MUST_CHECK;
void mirror_ahead_remove(struct mirror *mirror, uint32_t number);
void mirror_ahead_supersede(struct mirror *mirror, uint32_t number);
/* Where the loop stands by the log; void when it was dropped. */
struct loop_position mirror_position(const struct mirror *mirror);
/* Where it stands once everything ahead has arrived. */
struct loop_position mirror_queued_position(const struct mirror *mirror);
/* Its request was refused and nothing of it is on its way: it never became a referral. */
bool mirror_is_stillborn(const struct mirror *mirror);

void mirror_encode(const struct mirror *mirror, struct buffer *out);
/* On an error nothing is owned. */
enum err mirror_decode(struct bytes record, struct mirror *mirror_out) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err
mirror_load(struct kv_txn *txn, const struct loop_id *loop, struct mirror *mirror_out) MUST_CHECK;
/* Stores it, and tells those who watch. */
enum err mirror_store(struct unit *unit, const struct mirror *mirror) MUST_CHECK;

#endif
