/* Connections as the server sees them from the side, over real sockets of this process. */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/server/connections.h"

enum { PATIENCE_MS = 10 * 1000, GUESTS = 6 };

struct world {
    int listener;
    struct sockaddr_in address;
    struct connections *connections;
    int64_t now_ms;
};

static int
set_up(void **state)
{
    static struct world world;
    socklen_t len = sizeof(world.address);
    world = (struct world){.listener = socket(AF_INET, SOCK_STREAM, 0), .now_ms = 1000000};
    world.address.sin_family = AF_INET;
    world.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(world.listener, (void *)&world.address, len), 0);
    assert_int_equal(listen(world.listener, GUESTS), 0);
    assert_int_equal(getsockname(world.listener, (void *)&world.address, &len), 0);
    assert_int_equal(connections_new(ntohs(world.address.sin_port), &world.connections), ERR_OK);
    *state = &world;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *world = *state;
    connections_freep(&world->connections);
    (void)close(world->listener);
    return 0;
}

/* A guest and the server's end of it. */
struct pair {
    int guest, ours;
};

static struct pair
join(const struct world *world)
{
    struct pair pair = {.guest = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(pair.guest, (const void *)&world->address, sizeof(world->address)), 0);
    pair.ours = accept(world->listener, NULL, NULL);
    assert_true(pair.ours >= 0);
    return pair;
}

static void
leave(struct pair pair)
{
    (void)close(pair.guest);
    (void)close(pair.ours);
}

static bool
is_cut(struct pair pair, int patience_ms)
{
    struct pollfd item = {.fd = pair.guest, .events = POLLIN};
    char byte;
    return poll(&item, 1, patience_ms) == 1 && recv(pair.guest, &byte, 1, MSG_DONTWAIT) == 0;
}

static void
look_for(struct world *world, int64_t ms)
{
    for (int64_t end_ms = world->now_ms + ms; world->now_ms < end_ms;) {
        world->now_ms += CONNECTIONS_LOOK_MS;
        connections_look(world->connections, world->now_ms);
    }
}

static struct curve_public
key_of(uint8_t number)
{
    struct curve_public key;
    memset(&key, number, sizeof(key));
    return key;
}

static void
test_newest_are_kept(void **state)
{
    struct world *world = *state;
    struct pair pairs[GUESTS];
    const struct curve_public key = key_of(1);
    const struct curve_public other = key_of(2);
    for (size_t i = 0; i < GUESTS; i++) {
        pairs[i] = join(world);
        connections_heard(world->connections, pairs[i].ours, i == 1 ? &other : &key, world->now_ms);
    }
    assert_int_equal(connections_closed(world->connections, CONNECTIONS_CROWDED), 1);
    assert_true(is_cut(pairs[0], PATIENCE_MS));
    for (size_t i = 1; i < GUESTS; i++) {
        assert_false(is_cut(pairs[i], 0));
    }
    for (size_t i = 0; i < GUESTS; i++) {
        leave(pairs[i]);
    }
}

static void
test_silent_go(void **state)
{
    struct world *world = *state;
    const struct curve_public key = key_of(1);
    struct pair silent = join(world);
    struct pair heard = join(world);
    connections_heard(world->connections, heard.ours, &key, world->now_ms);
    look_for(world, CONNECTIONS_SILENT_MS - 1000);
    assert_false(is_cut(silent, 0));
    world->now_ms += 3600 * 1000; /* this machine slept: nobody could have said anything */
    look_for(world, CONNECTIONS_LOOK_MS);
    assert_false(is_cut(silent, 0));
    look_for(world, 2000);
    assert_true(is_cut(silent, PATIENCE_MS));
    assert_false(is_cut(heard, 0));
    assert_int_equal(connections_closed(world->connections, CONNECTIONS_SILENT), 1);
    leave(silent);
    leave(heard);
}

/* Reads what has come, so that the guest can send on; nothing of it is a message yet. */
static void
pour(struct pair pair, size_t bytes)
{
    static char block[64 * 1024];
    for (size_t sent = 0; sent < bytes; sent += sizeof(block)) {
        assert_int_equal(send(pair.guest, block, sizeof(block), MSG_NOSIGNAL), sizeof(block));
        for (size_t got = 0; got < sizeof(block);) {
            ssize_t n = recv(pair.ours, block, sizeof(block) - got, 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
    }
}

static void
test_unfinished_go(void **state)
{
    struct world *world = *state;
    const struct curve_public key = key_of(1);
    struct pair pair = join(world);
    connections_heard(world->connections, pair.ours, &key, world->now_ms);
    look_for(world, 200);
    for (int i = 0; i < 3; i++) { /* much, but in messages */
        pour(pair, CONNECTIONS_UNFINISHED_BYTES / 2);
        connections_heard(world->connections, pair.ours, &key, world->now_ms);
        look_for(world, 200);
    }
    assert_int_equal(connections_closed(world->connections, CONNECTIONS_UNFINISHED), 0);
    pour(pair, CONNECTIONS_UNFINISHED_BYTES + 128 * 1024);
    look_for(world, 200);
    assert_int_equal(connections_closed(world->connections, CONNECTIONS_UNFINISHED), 1);
    assert_true(is_cut(pair, PATIENCE_MS));
    leave(pair);
}

/* The number is another connection's now: that one has done nothing. */
static void
test_number_used_again(void **state)
{
    struct world *world = *state;
    struct pair first = join(world);
    look_for(world, CONNECTIONS_SILENT_MS - 1000);
    int number = first.ours;
    leave(first);
    struct pair second = join(world);
    if (second.ours != number) { /* the lower number went to the guest */
        assert_int_equal(dup2(second.ours, number), number);
        (void)close(second.ours == number ? -1 : second.ours);
        second.ours = number;
    }
    look_for(world, 5000);
    assert_false(is_cut(second, 0));
    assert_int_equal(connections_open(world->connections), 1);
    leave(second);
    look_for(world, 200);
    assert_int_equal(connections_open(world->connections), 0);
}

/* A socket that did not arrive at our port is none of ours. */
static void
test_others_are_left_alone(void **state)
{
    struct world *world = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    look_for(world, CONNECTIONS_SILENT_MS + 5000);
    assert_int_equal(connections_open(world->connections), 0);
    assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), 1);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_number_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others_are_left_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
