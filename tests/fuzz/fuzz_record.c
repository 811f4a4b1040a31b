/* Any bytes as a stored record. As they are: the check in front refuses what was not written so.
 * Behind a right check: every decoder of a table refuses it as corrupt, or gives what can be
 * written again and reads the same. The first byte says which decoder. */
#include <string.h>

#include "agent/alarm_record.h"
#include "agent/mirror.h"
#include "agent/steps.h"
#include "broker/recover.h"
#include "lib/store/record.h"
#include "tests/fuzz/fuzz.h"

enum { RECORD_ROOM = 2 * TRACK_RECORD_BYTES_MAX };

static void
try_check(struct bytes bytes)
{
    CLEANUP(buffer_done) struct buffer stored = BUFFER_INIT(RECORD_ROOM);
    const struct bytes key = bytes_of_text("key");
    uint8_t head[RECORD_HEAD_BYTES];
    struct bytes payload = bytes_of(NULL, 7);
    enum err err = record_open("table", key, bytes, &payload);
    FUZZ_HOLDS(err == ERR_OK || (err == ERR_CORRUPT && payload.len == 7));
    if (err == ERR_OK) { /* a search that sees the comparison finds even the digest */
        record_head("table", key, payload, head);
        FUZZ_HOLDS(memcmp(bytes.data, head, sizeof(head)) == 0);
    }
    record_head("table", key, bytes, head);
    buffer_put(&stored, head, sizeof(head));
    buffer_put(&stored, bytes.data, bytes.len);
    if (buffer_err(&stored) == ERR_OK) {
        FUZZ_HOLDS(record_open("table", key, buffer_view(&stored), &payload) == ERR_OK);
        FUZZ_HOLDS(bytes_equal(payload, bytes));
        FUZZ_HOLDS(record_open("table", bytes_of_text("kez"), buffer_view(&stored), &payload) ==
                   ERR_CORRUPT);
    }
}

static void
try_track(struct bytes bytes)
{
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(RECORD_ROOM);
    struct track track;
    enum err err = track_decode(bytes, &track);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_CORRUPT);
        return;
    }
    FUZZ_HOLDS(track_check(&track) == ERR_OK);
    track_encode(&track, &again);
    FUZZ_HOLDS(bytes_equal(buffer_view(&again), bytes));
    track_done(&track);
}

static void
try_mirror(struct bytes bytes)
{
    CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(RECORD_ROOM);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(RECORD_ROOM);
    struct mirror mirror;
    enum err err = mirror_decode(bytes, &mirror);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_CORRUPT);
        return;
    }
    (void)mirror_position(&mirror);
    (void)mirror_queued_position(&mirror);
    (void)mirror_is_stillborn(&mirror);
    FUZZ_HOLDS(mirror_partner(&mirror)[0] != '\0');
    mirror_encode(&mirror, &first);
    mirror_done(&mirror);
    FUZZ_HOLDS(mirror_decode(buffer_view(&first), &mirror) == ERR_OK);
    mirror_encode(&mirror, &second);
    mirror_done(&mirror);
    FUZZ_HOLDS(bytes_equal(buffer_view(&first), buffer_view(&second)));
}

static void
try_step(struct bytes bytes)
{
    struct step step;
    enum err err = step_decode(bytes, &step);
    FUZZ_HOLDS(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK) {
        FUZZ_HOLDS((unsigned)step.event < EVENT_COUNT && (unsigned)step.role < LOOP_ROLE_COUNT);
        FUZZ_HOLDS((unsigned)step.stage <= STAGE_REFUSED);
        FUZZ_HOLDS(step.unproved == PROOF_GOOD || proof_reason_words(step.unproved) != NULL);
        FUZZ_HOLDS(lifecycle_state_name(step.state_after) != NULL);
    }
}

static void
try_alarm(struct bytes bytes)
{
    const uint8_t key[ALARM_KEY_BYTES] = {0, 0, 0, 1};
    struct alarm alarm;
    enum err err = alarm_record_decode(bytes_of(key, sizeof(key)), bytes, &alarm);
    FUZZ_HOLDS(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK) {
        FUZZ_HOLDS(alarm_word(alarm.kind) != NULL && alarm_sentence(alarm.kind) != NULL);
        (void)alarm_stops(alarm.kind);
        FUZZ_HOLDS(memchr(alarm.about, 0, sizeof(alarm.about)) != NULL);
    }
}

static void
try_held_copy(struct bytes bytes)
{
    struct recover_copy copy;
    enum err err = recover_decode_held(bytes, &copy);
    FUZZ_HOLDS(err == ERR_OK || err == ERR_CORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct bytes bytes) = {try_check, try_track, try_mirror,
                                                        try_step,  try_alarm, try_held_copy};
    fuzz_start();
    if (size > 0) {
        tries[data[0] % ARRAY_LEN(tries)](bytes_of(data + 1, size - 1));
    }
    return 0;
}
