/* What is said about a loop, and which of several things is said first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/command/notice.h"

static const struct {
    struct notice_facts facts;
    const char *words;
} cases[] = {
    {{.open = true}, ""},
    {{.no_contact = true}, "This person must not be contacted."},
    {{.held = true, .no_contact = true},
     "What was said last waits on this machine, as sending is stopped (see 'refloop alarms')."},
    {{.role = LOOP_TARGET, .unreadable = true, .no_contact = true},
     "This referral cannot be read here: ask Elm Street Pantry to send it anew."},
    {{.role = LOOP_SOURCE, .unreadable = true},
     "What this referral said can no longer be read on this machine."},
    {{.role = LOOP_SOURCE, .open = true, .partner_revoked = true, .unreadable = true},
     "Elm Street Pantry is no longer in this network: no answer will come; refer elsewhere if help "
     "is still needed."},
    {{.role = LOOP_TARGET, .open = true, .partner_revoked = true},
     "Elm Street Pantry is no longer in this network: answers no longer reach them."},
    {{.role = LOOP_SOURCE, .open = false, .partner_revoked = true}, ""},
    {{.superseded = true,
      .newest_own = EVENT_CANCEL,
      .has_winner = true,
      .winner = EVENT_COMPLETE,
      .open = true,
      .partner_revoked = true},
     "Your cancel crossed with their complete: theirs came first and counts."},
    {{.superseded = true, .newest_own = EVENT_WITHDRAW},
     "Your withdraw crossed with a step of theirs: theirs came first and counts."},
    {{.refused = true,
      .newest_own = EVENT_ACCEPT,
      .refusal = ERR_WRONG_STATE,
      .has_winner = true,
      .winner = EVENT_WITHDRAW},
     "Your accept crossed with their withdraw: theirs came first and counts."},
    {{.refused = true, .newest_own = EVENT_NOTE, .refusal = ERR_WRONG_STATE},
     "The broker refused your note for good (the loop's state does not allow this step): it "
     "changed "
     "nothing; say it anew, or ask your administrator."},
    {{.refused = true, .newest_own = EVENT_ACCEPT, .refusal = ERR_REVOKED},
     "The broker refused your accept for good (the administrator has revoked this organization's "
     "keys): it changed nothing; say it anew, or ask your administrator."},
    {{.refused = true, .newest_own = EVENT_REQUEST, .refusal = ERR_READER_KEY},
     "The broker refused your request for good (a reader's key is not the current one): it was not "
     "sent; send it anew and void this one, or ask your administrator."},
    {{.refused = true,
      .newest_own = EVENT_REQUEST,
      .refusal = ERR_UNKNOWN_MEMBER,
      .dropped = true,
      .partner_revoked = true},
     "This referral was never sent, as the broker refused its request (no such member in this "
     "network); it was ended here."},
    {{.refused = true,
      .newest_own = EVENT_REQUEST,
      .refusal = ERR_REVOKED,
      .partner_revoked = true},
     "Elm Street Pantry is no longer in this network: your request did not reach them; refer "
     "elsewhere, and void this one."},
    {{.refused = true,
      .newest_own = EVENT_ANSWER,
      .refusal = ERR_REVOKED,
      .open = true,
      .partner_revoked = true},
     "Elm Street Pantry is no longer in this network: your answer did not reach them."},
};

static void
test_notices(void **state)
{
    char out[NOTICE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct notice_facts facts = cases[i].facts;
        facts.partner = "Elm Street Pantry";
        notice_write(&facts, out);
        assert_string_equal(out, cases[i].words);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_notices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
