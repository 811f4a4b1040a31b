/* A directory under test: says statements to it as a log would, and looks at what became of them.
 */
#ifndef REFLOOP_TESTS_UNIT_TRUST_NETWORK_H
#define REFLOOP_TESTS_UNIT_TRUST_NETWORK_H

#include "tests/unit/wire/case.h"

#include <string.h>

#include "lib/trust/directory.h"
#include "tests/unit/wire/fixture.h"

/* A directory and the log it folds. */
struct network {
    struct directory *directory;
    uint64_t next;
};

static inline void
network_done(struct network *network)
{
    directory_free(network->directory);
}

/* Judging must say the same as applying, and a refusal must change nothing. */
static inline enum err
say_at(struct network *network, const struct statement *statement, int64_t log_time_ms)
{
    size_t count = directory_count(network->directory);
    enum err judged = directory_judge(network->directory, statement, log_time_ms);
    enum err applied = directory_apply(network->directory, statement, network->next, log_time_ms);
    assert_int_equal(judged, applied);
    if (applied == ERR_OK) {
        network->next++;
    } else {
        assert_int_equal(directory_count(network->directory), count);
    }
    return applied;
}

static inline enum err
say(struct network *network, struct statement statement)
{
    return say_at(network, &statement, 2000);
}

static inline void
start_empty(struct network *network)
{
    struct network_id root = fixture_network();
    *network = (struct network){0};
    assert_ok(directory_new(&root, &network->directory));
}

static inline void
start(struct network *network)
{
    start_empty(network);
    assert_ok(say(network, fixture_genesis()));
}

/* With the pantry invited and joined. */
static inline void
start_joined(struct network *network)
{
    start(network);
    assert_ok(say(network, fixture_invite("elm-pantry", ONCE)));
    assert_ok(say(network, fixture_join(PANTRY, ONCE)));
}

static inline enum member_state
state_of(const struct network *network, const char *org)
{
    const struct member *member = directory_find(network->directory, org);
    assert_non_null(member);
    return member->state;
}

static inline const struct member *
find_curve(const struct network *network, unsigned number, bool *once_out)
{
    struct fixture_org org = fixture_org(number);
    return directory_find_curve(network->directory, &org.keys.curve, once_out);
}

#endif
