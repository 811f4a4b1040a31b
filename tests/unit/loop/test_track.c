/* A track by itself: places in a side's sequence, references, room, and the stored form under
 * damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "tests/unit/loop/said.h"

static const enum loop_role S = LOOP_SOURCE;
static const enum loop_role T = LOOP_TARGET;

static void
must(struct track *track, enum loop_role role, enum loop_event event, unsigned n, unsigned heard)
{
    struct track_verdict verdict;

    assert_int_equal(said(track, role, event, n, heard, &verdict), ERR_OK);
    assert_false(verdict.superseded);
    assert_int_equal(verdict.position.state, track->position.state);
    assert_int_equal(track_check(track), ERR_OK);
}

/* A judgement that must fail and leave everything as it was. */
static void
refused(struct track *track, const struct track_step *step, enum err expected)
{
    struct track before = *track;
    struct track_verdict verdict = {.superseded_by = said_id(77)};
    struct track_verdict untouched = verdict;

    assert_int_equal(track_judge(track, step, &verdict), expected);
    assert_int_equal(track_apply(track, step, 1000000, 1, &verdict), expected);
    assert_memory_equal(&verdict, &untouched, sizeof(verdict));
    assert_memory_equal(track, &before, sizeof(before));
}

static void
a_loop_from_request_to_closed(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    said_begin(&track);
    assert_int_equal(track.position.state, LOOP_NONE);
    assert_int_equal(track_since_ms(&track), 0);
    struct digest none = track_last_mark(&track, S);
    assert_true(digest_is_zero(&none));
    assert_int_equal(track_check(&track), ERR_OK);

    must(&track, S, EVENT_REQUEST, 1, 0);
    must(&track, T, EVENT_DELIVERED, 2, 1);
    must(&track, T, EVENT_ACCEPT, 3, 1);
    must(&track, S, EVENT_NOTE, 4, 3);
    must(&track, T, EVENT_PROGRESS, 5, 1);
    must(&track, T, EVENT_PROGRESS, 6, 4);
    assert_int_equal(track_since_ms(&track), 5000);
    must(&track, S, EVENT_CANCEL, 7, 6);
    assert_int_equal(track.position.under, LOOP_IN_PROGRESS);
    must(&track, S, EVENT_RETRACT, 8, 6);
    assert_int_equal(track.position.state, LOOP_IN_PROGRESS);
    assert_int_equal(track_since_ms(&track), 8000);
    must(&track, T, EVENT_COMPLETE, 9, 8);
    must(&track, S, EVENT_ACKNOWLEDGE, 10, 9);
    must(&track, T, EVENT_NOTE, 11, 10);
    assert_int_equal(track.position.state, LOOP_CLOSED);
    assert_int_equal(track_since_ms(&track), 10000);
    assert_int_equal(track.n_marks, 10);
    assert_int_equal(track.side[T].last_seq, 6);
    struct digest newest = said_id(11);
    struct digest last = track_last_mark(&track, T);
    assert_true(digest_equal(&last, &newest));
}

static void
places_are_taken_once_and_in_order(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    said_begin(&track);
    must(&track, S, EVENT_REQUEST, 1, 0);
    must(&track, S, EVENT_NOTE, 2, 0);

    struct track_step step = said_step(&track, S, EVENT_NOTE, 3, 0);
    step.seq = 4;
    refused(&track, &step, ERR_SEQUENCE);
    step.seq = UINT32_MAX;
    refused(&track, &step, ERR_SEQUENCE);
    step.seq = 2;
    refused(&track, &step, ERR_EQUIVOCATION);
    step.seq = 0;
    refused(&track, &step, ERR_EQUIVOCATION);
    step = said_step(&track, S, EVENT_NOTE, 3, 0);
    step.previous = said_id(1);
    refused(&track, &step, ERR_EQUIVOCATION);
    step.previous = said_id(0);
    refused(&track, &step, ERR_EQUIVOCATION);

    step = said_step(&track, T, EVENT_ACCEPT, 3, 1);
    step.previous = said_id(1);
    refused(&track, &step, ERR_EQUIVOCATION); /* a first statement has none before it */
    step = said_step(&track, T, EVENT_DELIVERED, 3, 1);
    step.seq = 2;
    refused(&track, &step, ERR_SEQUENCE);
    track.side[T].last_seq = UINT32_MAX;
    step = said_step(&track, T, EVENT_DELIVERED, 3, 1);
    refused(&track, &step, ERR_EQUIVOCATION); /* the sequence does not wrap */
}

static void
receipts_use_the_chain_and_leave_no_mark(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    said_begin(&track);
    struct track_step early = said_step(&track, T, EVENT_DELIVERED, 9, 0);
    refused(&track, &early, ERR_WRONG_STATE);
    must(&track, S, EVENT_REQUEST, 1, 0);
    must(&track, T, EVENT_DELIVERED, 2, 1);
    assert_int_equal(track.n_marks, 1);
    assert_int_equal(track.side[T].last_seq, 1);
    struct digest said_last = said_id(2);
    assert_true(digest_equal(&track.side[T].last_id, &said_last));
    struct track_step on_receipt = said_step(&track, S, EVENT_NOTE, 3, 2);
    refused(&track, &on_receipt, ERR_UNKNOWN_REFERENCE);
    must(&track, S, EVENT_VOID, 3, 0);
    must(&track, T, EVENT_DELIVERED, 4, 3); /* a void must be heard of too */
}

static void
references_name_a_mark_of_the_other_side(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    said_begin(&track);
    must(&track, S, EVENT_REQUEST, 1, 0);
    struct track_step step = said_step(&track, T, EVENT_ACCEPT, 2, 42);
    refused(&track, &step, ERR_UNKNOWN_REFERENCE);
    step = said_step(&track, S, EVENT_NOTE, 2, 1);
    refused(&track, &step, ERR_UNKNOWN_REFERENCE); /* its own */
    step = said_step(&track, T, EVENT_DELIVERED, 2, 42);
    refused(&track, &step, ERR_UNKNOWN_REFERENCE);
}

static void
what_was_never_possible_is_refused(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    said_begin(&track);
    struct track_step step = said_step(&track, T, EVENT_REQUEST, 1, 0);
    refused(&track, &step, ERR_WRONG_STATE);
    step = said_step(&track, T, EVENT_ACCEPT, 1, 0);
    refused(&track, &step, ERR_WRONG_STATE);
    must(&track, S, EVENT_REQUEST, 1, 0);
    step = said_step(&track, S, EVENT_REQUEST, 2, 0);
    refused(&track, &step, ERR_LOOP_EXISTS);
    step.seq = 1;
    refused(&track, &step, ERR_LOOP_EXISTS);
    step = said_step(&track, T, EVENT_COMPLETE, 2, 1);
    refused(&track, &step, ERR_WRONG_STATE);
    must(&track, T, EVENT_NOTE, 2, 1);
    step = said_step(&track, S, EVENT_CANCEL, 3, 2);
    refused(&track, &step, ERR_WRONG_STATE); /* an unheard note is no crossing either */
    step.heard = said_id(0);
    refused(&track, &step, ERR_WRONG_STATE);
    step = said_step(&track, S, EVENT_NOTE, 3, 2);
    step.role = LOOP_ROLE_COUNT;
    refused(&track, &step, ERR_WRONG_STATE);
    step.role = S;
    step.event = EVENT_COUNT;
    refused(&track, &step, ERR_WRONG_STATE);
}

static void
log_indexes_only_rise(void **state)
{
    CLEANUP(track_done) struct track track;
    struct track_verdict verdict;

    (void)state;
    said_begin(&track);
    must(&track, S, EVENT_REQUEST, 3, 0);
    struct track_step step = said_step(&track, T, EVENT_ACCEPT, 4, 3);
    assert_int_equal(track_apply(&track, &step, 30, 1, &verdict), ERR_INTERNAL);
    assert_int_equal(track.position.state, LOOP_REQUESTED);
    assert_int_equal(track.side[T].last_seq, 0);
    assert_int_equal(track_apply(&track, &step, 31, 1, &verdict), ERR_OK);
}

static void
a_full_loop_can_still_be_ended(void **state)
{
    CLEANUP(track_done) struct track track;
    unsigned n = 3;

    (void)state;
    said_begin(&track);
    must(&track, S, EVENT_REQUEST, 1, 0);
    must(&track, T, EVENT_ACCEPT, 2, 1);
    for (; track.n_marks < TRACK_MARKS_MAX - TRACK_MARKS_RESERVED; n++) {
        struct track_verdict verdict;
        assert_int_equal(said(&track, S, EVENT_NOTE, n, 2, &verdict), ERR_OK);
    }
    assert_int_equal(track_check(&track), ERR_OK);
    struct track_step step = said_step(&track, T, EVENT_PROGRESS, n, 1);
    refused(&track, &step, ERR_LOOP_FULL);
    step = said_step(&track, S, EVENT_NOTE, n, 2);
    refused(&track, &step, ERR_LOOP_FULL);
    step = said_step(&track, S, EVENT_WITHDRAW, n, 0);
    refused(&track, &step, ERR_LOOP_FULL); /* superseded: takes no reserved place */
    must(&track, S, EVENT_DELIVERED, n, 2);
    must(&track, T, EVENT_COMPLETE, n + 1, 1);
    must(&track, S, EVENT_ACKNOWLEDGE, n + 2, n + 1);
    must(&track, S, EVENT_VOID, n + 3, n + 1);

    struct buffer record = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    track_encode(&track, &record);
    assert_int_equal(buffer_err(&record), ERR_OK);
    buffer_done(&record);
}

/* --- the stored form --- */

/* A loop with a receipt, a crossing, a pending cancel: everything a record can hold. */
static void
eventful(struct track *track)
{
    struct track_verdict verdict;

    said_begin(track);
    must(track, S, EVENT_REQUEST, 1, 0);
    must(track, T, EVENT_DELIVERED, 2, 1);
    must(track, T, EVENT_ACCEPT, 3, 1);
    assert_int_equal(said(track, S, EVENT_WITHDRAW, 4, 0, &verdict), ERR_OK);
    assert_true(verdict.superseded);
    must(track, T, EVENT_HOLD, 5, 4);
    must(track, S, EVENT_CANCEL, 6, 5);
}

static void
encode_and_decode_give_the_same_track(void **state)
{
    CLEANUP(track_done) struct track track;
    CLEANUP(track_done) struct track copy;
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);

    (void)state;
    eventful(&track);
    track_encode(&track, &record);
    assert_int_equal(track_decode(buffer_view(&record), &copy), ERR_OK);
    track_encode(&copy, &again);
    assert_true(bytes_equal(buffer_view(&record), buffer_view(&again)));
    assert_int_equal(copy.position.state, LOOP_CANCEL_REQUESTED);
    assert_int_equal(copy.position.under, LOOP_ON_HOLD);
    assert_string_equal(copy.side[T].org, "corner-pantry");
    assert_int_equal(copy.n_marks, 5);
    assert_true(copy.marks[2].superseded);
    assert_int_equal(copy.marks[4].log_time_ms, 6000);
    must(&copy, T, EVENT_RELEASE, 7, 6); /* and it goes on */
}

static void
a_fresh_track_can_be_stored(void **state)
{
    CLEANUP(track_done) struct track track;
    CLEANUP(track_done) struct track copy;
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);

    (void)state;
    said_begin(&track);
    track_encode(&track, &record);
    assert_int_equal(track_decode(buffer_view(&record), &copy), ERR_OK);
    assert_null(copy.marks);
    assert_int_equal(copy.position.state, LOOP_NONE);
}

/* Decodes from memory of exactly that size, so that a reading past the end is seen by the
 * sanitizer. True when it was taken. */
static bool
decodes_soundly(const uint8_t *data, size_t len)
{
    struct track track;
    uint8_t *exact = malloc(len == 0 ? 1 : len);

    assert_non_null(exact);
    memcpy(exact, data, len);
    enum err err = track_decode(bytes_of(exact, len), &track);
    free(exact);
    if (err != ERR_OK) {
        assert_int_equal(err, ERR_CORRUPT);
        return false;
    }
    assert_int_equal(track_check(&track), ERR_OK);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    track_encode(&track, &again);
    assert_true(bytes_equal(buffer_view(&again), bytes_of(data, len))); /* one form only */
    track_done(&track);
    return true;
}

static void
damaged_records_are_refused_or_sound(void **state)
{
    CLEANUP(track_done) struct track track;
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    unsigned n_taken = 0;
    unsigned n_refused = 0;

    (void)state;
    eventful(&track);
    track_encode(&track, &record);
    assert_int_equal(buffer_err(&record), ERR_OK);
    for (size_t len = 0; len < record.len; len++)
        assert_false(decodes_soundly(record.data, len));
    for (size_t i = 0; i < record.len; i++) {
        uint8_t original = record.data[i];
        for (unsigned value = 0; value < 256; value++) {
            if (value == original)
                continue;
            record.data[i] = (uint8_t)value;
            if (decodes_soundly(record.data, record.len))
                n_taken++;
            else
                n_refused++;
        }
        record.data[i] = original;
    }
    assert_true(decodes_soundly(record.data, record.len));
    buffer_put_u8(&record, 0);
    assert_false(decodes_soundly(record.data, record.len));
    print_message("%u damaged records refused, %u still sound\n", n_refused, n_taken);
    assert_true(n_refused > 0);
}

/* Breaks one thing at a time in a sound track. */
static void
check_finds_what_is_broken(void **state)
{
    CLEANUP(track_done) struct track track;

    (void)state;
    eventful(&track);
#define BROKEN(field, value)                                                                       \
    do {                                                                                           \
        __typeof__(track.field) kept = track.field;                                                \
        track.field = (value);                                                                     \
        assert_int_equal(track_check(&track), ERR_CORRUPT);                                        \
        track.field = kept;                                                                        \
        assert_int_equal(track_check(&track), ERR_OK);                                             \
    } while (0)
    BROKEN(position.state, LOOP_ON_HOLD);
    BROKEN(position.under, LOOP_ACCEPTED);
    BROKEN(position.under, LOOP_NONE);
    BROKEN(side[S].last_seq, 2);
    BROKEN(side[S].last_seq, 0);
    BROKEN(side[T].last_seq, 1);
    BROKEN(side[S].last_id, said_id(0));
    BROKEN(side[S].last_id, said_id(4));
    BROKEN(side[T].last_id, said_id(0));
    BROKEN(side[S].org[0], '-');
    BROKEN(side[T].org[0], '\0');
    BROKEN(marks[0].superseded, true);
    BROKEN(marks[1].superseded, true);
    BROKEN(marks[2].superseded, false);
    BROKEN(marks[1].index, 10);
    BROKEN(marks[1].role, S);
    BROKEN(marks[1].role, LOOP_ROLE_COUNT);
    BROKEN(marks[3].event, EVENT_DELIVERED);
    BROKEN(marks[3].event, EVENT_COUNT);
    BROKEN(n_marks, 4);
    BROKEN(n_marks, 0);
    BROKEN(n_marks, TRACK_MARKS_MAX + 1);
#undef BROKEN
    memcpy(track.side[T].org, track.side[S].org, ORG_ID_BYTES);
    assert_int_equal(track_check(&track), ERR_CORRUPT);
}

/* Nothing crosses with nothing: a track cannot begin with a superseded mark. */
static void
a_track_begins_with_a_request(void **state)
{
    struct track_mark mark = {.id = said_id(1), .role = T, .event = EVENT_NOTE, .superseded = true};
    struct track track;

    (void)state;
    said_begin(&track);
    track.marks = &mark;
    track.n_marks = 1;
    track.side[T].last_seq = 1;
    track.side[T].last_id = mark.id;
    assert_int_equal(track_check(&track), ERR_CORRUPT);
    mark = (struct track_mark){.id = said_id(1), .role = S, .event = EVENT_REQUEST};
    track.position.state = LOOP_REQUESTED;
    track.side[S] = track.side[T];
    memcpy(track.side[S].org, "riverside-clinic", sizeof("riverside-clinic"));
    track.side[T].last_seq = 0;
    track.side[T].last_id = said_id(0);
    assert_int_equal(track_check(&track), ERR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_from_request_to_closed),
        cmocka_unit_test(places_are_taken_once_and_in_order),
        cmocka_unit_test(receipts_use_the_chain_and_leave_no_mark),
        cmocka_unit_test(references_name_a_mark_of_the_other_side),
        cmocka_unit_test(what_was_never_possible_is_refused),
        cmocka_unit_test(log_indexes_only_rise),
        cmocka_unit_test(a_full_loop_can_still_be_ended),
        cmocka_unit_test(encode_and_decode_give_the_same_track),
        cmocka_unit_test(a_fresh_track_can_be_stored),
        cmocka_unit_test(damaged_records_are_refused_or_sound),
        cmocka_unit_test(check_finds_what_is_broken),
        cmocka_unit_test(a_track_begins_with_a_request),
    };
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
