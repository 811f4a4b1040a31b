/* Decides which of the things that may be odd about a loop is said first: what somebody here must
 * do again, then what no answer can be expected for, then what to take care of. It refuses to know
 * where the facts come from. */
#include "agent/command/notice.h"

#include "lib/base/text.h"

static void
write_refused(const struct notice_facts *facts, char *out)
{
    const char *again = facts->newest_own == EVENT_REQUEST
                            ? "it was not sent; send it anew and void this one"
                            : "it changed nothing; say it anew";

    (void)text_format(out, NOTICE_BYTES,
                      "The broker refused your %s for good (%s): %s, or ask your administrator.",
                      lifecycle_event_name(facts->newest_own), err_text(facts->refusal), again);
}

static void
write_dropped(const struct notice_facts *facts, char *out)
{
    (void)text_format(out, NOTICE_BYTES,
                      "This referral was never sent, as the broker refused its request (%s); it "
                      "was ended here.",
                      err_text(facts->refusal));
}

/* The partner was gone before the step went out. */
static void
write_unreached(const struct notice_facts *facts, char *out)
{
    (void)text_format(
        out, NOTICE_BYTES, "%s is no longer in this network: your %s did not reach them%s.",
        facts->partner, lifecycle_event_name(facts->newest_own),
        facts->newest_own == EVENT_REQUEST ? "; refer elsewhere, and void this one" : "");
}

static void
write_crossed(const struct notice_facts *facts, char *out)
{
    if (facts->has_winner) {
        (void)text_format(
            out, NOTICE_BYTES, "Your %s crossed with their %s: theirs came first and counts.",
            lifecycle_event_name(facts->newest_own), lifecycle_event_name(facts->winner));
    } else {
        (void)text_format(out, NOTICE_BYTES,
                          "Your %s crossed with a step of theirs: theirs came first and counts.",
                          lifecycle_event_name(facts->newest_own));
    }
}

static void
write_revoked(const struct notice_facts *facts, char *out)
{
    const char *rest = facts->role == LOOP_SOURCE
                           ? "no answer will come; refer elsewhere if help is still needed"
                           : "answers no longer reach them";

    (void)text_format(out, NOTICE_BYTES, "%s is no longer in this network: %s.", facts->partner,
                      rest);
}

static void
write_unreadable(const struct notice_facts *facts, char *out)
{
    if (facts->role == LOOP_TARGET) {
        (void)text_format(out, NOTICE_BYTES,
                          "This referral cannot be read here: ask %s to send it anew.",
                          facts->partner);
    } else {
        (void)text_format(out, NOTICE_BYTES,
                          "What this referral said can no longer be read on this machine.");
    }
}

/* A step that was possible when it was said and is not any more has met one of theirs on the way,
 * whether the broker still took it in or not. */
static bool
has_crossed(const struct notice_facts *facts)
{
    return facts->superseded ||
           (facts->refused && facts->refusal == ERR_WRONG_STATE && facts->has_winner);
}

void
notice_write(const struct notice_facts *facts, char out[NOTICE_BYTES])
{
    out[0] = '\0';
    if (facts->dropped)
        write_dropped(facts, out);
    else if (facts->refused && facts->refusal == ERR_REVOKED && facts->partner_revoked)
        write_unreached(facts, out);
    else if (has_crossed(facts))
        write_crossed(facts, out);
    else if (facts->refused)
        write_refused(facts, out);
    else if (facts->partner_revoked && facts->open)
        write_revoked(facts, out);
    else if (facts->unreadable)
        write_unreadable(facts, out);
    else if (facts->held)
        (void)text_format(out, NOTICE_BYTES,
                          "What was said last waits on this machine, as sending is stopped (see "
                          "'refloop alarms').");
    else if (facts->no_contact)
        (void)text_format(out, NOTICE_BYTES, "This person must not be contacted.");
}
