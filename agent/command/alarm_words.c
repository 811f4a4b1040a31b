/* Decides what people are told when this agent has caught somebody at something. What stops sending
 * comes first and says so in its first word; of several things the newest is told, and where the
 * others stand. The advice never asks for a judgement that only the administrator can make.
 *
 * It refuses to know how an alarm came about. */
#include "agent/command/alarm_words.h"

#include "lib/base/text.h"

#define ASK_ADMINISTRATOR                                                                          \
    "Telephone the administrator, who compares with the other organizations. Leave this machine "  \
    "on; nothing said here is lost. 'refloop alarms --save DIR' keeps the proof."

static const char *const advices[] = {
    [ALARM_SPLIT_VIEW] = ASK_ADMINISTRATOR,
    [ALARM_REWRITTEN] = ASK_ADMINISTRATOR,
    [ALARM_ROLLED_BACK] =
        ASK_ADMINISTRATOR " Perhaps the broker was restored from a backup without saying so, or "
                          "the network went on without what this machine has; the administrator "
                          "knows, and the manual says how this machine begins anew.",
    [ALARM_NOT_LOGGED] = ASK_ADMINISTRATOR " Ask the partner by telephone whether it has arrived.",
    [ALARM_FORGED_ENTRY] = ASK_ADMINISTRATOR " Do not act on what was delivered.",
    [ALARM_MISDELIVERED] = "Tell the administrator: others' letters came to us, and ours may go "
                           "elsewhere. They are sealed; nobody here could read them.",
    [ALARM_BACKDATED] = ASK_ADMINISTRATOR,
    [ALARM_REPLAYED] = ASK_ADMINISTRATOR,
    [ALARM_WITHHELD] = ASK_ADMINISTRATOR " Ask the partner by telephone what is missing.",
    [ALARM_FALSE_KEY] = ASK_ADMINISTRATOR " Send nothing to that organization by other ways of "
                                          "this network.",
    [ALARM_NOT_OURS] =
        "If nobody here has changed its keys or moved it to another machine, somebody "
        "has taken this organization's keys: telephone the administrator at once, "
        "who revokes it and invites it anew with --replace.",
    [ALARM_OTHER_LOG] = ASK_ADMINISTRATOR,
    [ALARM_CLOCK] = "Set this machine's clock right. If it is right, tell the administrator that "
                    "the broker's is not.",
};

const char *
alarm_advice(enum alarm_kind kind)
{
    size_t place = (size_t)kind;

    return place < ARRAY_LEN(advices) && advices[place] != NULL ? advices[place]
                                                                : ASK_ADMINISTRATOR;
}

void
alarm_standing_add(struct alarm_standing *standing, enum alarm_kind kind)
{
    bool stops = alarm_stops(kind);

    if (standing->n == 0 || (stops && !standing->has_stopping))
        standing->kind = kind;
    standing->has_stopping |= stops;
    standing->n++;
}

void
alarm_warning(const struct alarm_standing *standing, char out[ALARM_WARNING_BYTES])
{
    char more[48] = "";

    out[0] = '\0';
    if (standing->n > 1)
        (void)text_format(more, sizeof(more), " (And %zu more.)", standing->n - 1);
    if (standing->stopped)
        (void)text_format(out, ALARM_WARNING_BYTES,
                          "STOPPED: %s%s Nothing is sent. What to do: telephone the administrator; "
                          "see 'refloop alarms'.",
                          standing->has_stopping ? alarm_sentence(standing->kind)
                                                 : "The broker was caught at something untrue.",
                          more);
    else if (standing->n > 0)
        (void)text_format(out, ALARM_WARNING_BYTES,
                          "ALARM: %s%s Sending goes on. What to do: see 'refloop alarms'.",
                          alarm_sentence(standing->kind), more);
}
