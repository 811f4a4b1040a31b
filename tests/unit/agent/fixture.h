/* A small network for tests: root, broker log key, auditor, and up to four organizations with
 * agents. All names are fictional. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_FIXTURE_H
#define REFLOOP_TESTS_UNIT_AGENT_FIXTURE_H

#include "agent/agent.h"

enum { FIXTURE_MEMBERS_MAX = 4 };

struct fixture_member {
    struct token token;
    struct identity identity;
    struct buffer invite, join; /* envelopes for the log */
};

struct fixture {
    struct network_id network;
    struct sign_secret root, log_secret;
    struct statement_genesis genesis;
    struct buffer genesis_envelope;
    struct fixture_member member[FIXTURE_MEMBERS_MAX];
    size_t n_members;
    char dir[64]; /* for stores; removed at the end */
    int64_t map_max_bytes;
};

extern const char *const fixture_orgs[FIXTURE_MEMBERS_MAX];

void fixture_init(struct fixture *fixture, size_t n_members);
void fixture_done(struct fixture *fixture);
/* An invite for a lost machine of member `which`, and the join of the machine that takes its place.
 */
void fixture_replace(const struct fixture *fixture, size_t which, const char *name,
                     struct fixture_member *member_out);
void fixture_member_done(struct fixture_member *member);
/* A root-signed revocation of member `which`. */
void fixture_revoke(const struct fixture *fixture, size_t which, struct buffer *out);
/* New keys for member `which`, signed by its present ones. */
void fixture_rotate(const struct fixture *fixture, size_t which, const struct key_set *keys,
                    const struct sign_secret *new_sign, struct buffer *out);
/* Opens (or opens again) the agent of member `which`, whose store is in `dir`/`name` and may grow
 * to map_max_bytes. */
struct agent *fixture_open_agent(const struct fixture *fixture, size_t which, const char *name);
void fixture_path(const struct fixture *fixture, const char *name, char *out, size_t size);

#endif
