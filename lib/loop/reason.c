/* Decides which codes a statement may carry and what each means in plain words. Version 1 of all
 * lists: a code is never removed or given another meaning, because signed statements keep it for
 * years; new ones are added at the place where people should see them.
 *
 * It refuses to know what a code leads to: no code moves a loop, and no report is written here. */
#include "lib/loop/reason.h"

#include <string.h>

#include "lib/base/attr.h"

/* clang-format off */
static const struct reason decline[] = {
    {"no-capacity", "no room at the moment", false, false},
    {"out-of-scope", "we do not offer this kind of help", false, false},
    {"out-of-area", "lives outside the area we serve", false, false},
    {"not-eligible", "does not meet the rules for this service", false, false},
    {"not-authorized", "the plan has not approved it", false, false},
    {"incomplete-information", "we do not have enough information", false, false},
    {"duplicate", "we have this referral already", false, false},
    {"safety", "we cannot serve this person safely", false, true},
    {"language-or-access", "we cannot meet a language or access need", false, false},
    {"other", "another reason, please explain", true, false},
};

static const struct reason hold[] = {
    {"waitlist", "on the waiting list", false, false},
    {"awaiting-client", "waiting for the person to get back to us", false, false},
    {"awaiting-document", "waiting for a document", false, false},
    {"awaiting-authorization", "waiting for the plan to approve it", false, false},
    {"funding", "waiting for funding", false, false},
    {"seasonal-closure", "closed for the season", false, false},
    {"other", "another reason, please explain", true, false},
};

static const struct reason not_completed[] = {
    {"unable-to-reach", "we could not reach the person", false, false},
    {"no-longer-eligible", "no longer meets the rules for this service", false, false},
    {"moved", "moved away", false, false},
    {"deceased", "has died", false, true},
    {"incarcerated", "is in jail or prison", false, true},
    {"hospitalized", "is in hospital", false, false},
    {"service-discontinued", "we no longer offer this service", false, false},
    {"benefit-exhausted", "has used up what the service allows", false, false},
    {"other", "another reason, please explain", true, false},
};

static const struct reason withdraw[] = {
    {"client-declined", "the person does not want it", false, false},
    {"no-longer-needed", "no longer needed", false, false},
    {"consent-revoked", "the person took back their consent", false, false},
    {"sent-in-error-duplicate", "sent twice by mistake", false, false},
    {"served-elsewhere", "getting help somewhere else", false, false},
    {"declined-after-accept", "accepted, but we cannot do it after all", false, false},
    {"source-cancelled", "called off by whoever sent it", false, false},
    {"other", "another reason, please explain", true, false},
};

static const struct reason entered_in_error[] = {
    {"wrong-person", "about the wrong person", false, false},
    {"wrong-recipient", "sent to the wrong organization", false, false},
    {"duplicate", "entered twice", false, false},
    {"test", "only a test", false, false},
    {"other", "another reason, please explain", true, false},
};

static const struct reason progress[] = {
    {"outreach", "tried to reach the person", false, false},
    {"scheduled", "appointment made", false, false},
    {"no-show", "did not come to the appointment", false, false},
    {"appointment-cancelled", "appointment called off", false, false},
    {"service-delivered", "some help was given", false, false},
    {"interim-note", "news on the way", false, false},
};

static const struct reason outcome[] = {
    {"service-provided", "got the help asked for", false, false},
    {"partly-provided", "got some of the help asked for", false, false},
    {"enrolled", "signed up for the program", false, false},
    {"not-enrolled-on-waitlist", "not signed up yet, on the waiting list", false, false},
    {"information-given", "was told where and how to get help", false, false},
    {"other", "another outcome, please explain", true, false},
};

static const struct reason next_step[] = {
    {"none", "nothing more to do", false, false},
    {"re-referred", "sent to somebody else", false, false},
    {"other", "something else, please explain", true, false},
};

static const struct reason basis[] = {
    {"consent", "the person agreed to it", false, false},
    {"treatment", "part of the person's treatment", false, false},
    {"baa", "covered by a business associate agreement", false, false},
    {"other", "another legal basis, please explain", true, false},
};

static const struct reason category[] = {
    {"sdoh-category-unspecified", "a need not in this list", false, false},
    {"food-insecurity", "food", false, false},
    {"housing-instability", "about to lose their home, or moving often", false, false},
    {"homelessness", "no home", false, false},
    {"inadequate-housing", "home in bad condition or too small", false, false},
    {"transportation-insecurity", "getting from place to place", false, false},
    {"financial-insecurity", "not enough money", false, false},
    {"material-hardship", "clothes, household goods and other basics", false, false},
    {"educational-attainment", "school and education", false, false},
    {"employment-status", "work", false, false},
    {"veteran-status", "help for veterans", false, false},
    {"stress", "stress", false, false},
    {"social-connection", "loneliness", false, false},
    {"intimate-partner-violence", "violence by a partner", false, true},
    {"elder-abuse", "abuse of an older person", false, true},
    {"personal-health-literacy", "understanding health information", false, false},
    {"health-insurance-coverage-status", "health insurance", false, false},
    {"medical-cost-burden", "medical bills", false, false},
    {"digital-literacy", "using computers and phones", false, false},
    {"digital-access", "having internet, a computer or a phone", false, false},
    {"utility-insecurity", "electricity, gas, water or heating", false, false},
    {"language-access", "language and interpreting", false, false},
    {"incarceration-status", "jail or prison, now or in the past", false, true},
    {"protective-factor", "something that helps and should be kept", false, false},
};
/* clang-format on */

static const struct {
    const struct reason *reasons;
    size_t n;
} lists[REASON_LIST_COUNT] = {
    [REASON_DECLINE] = {decline, ARRAY_LEN(decline)},
    [REASON_HOLD] = {hold, ARRAY_LEN(hold)},
    [REASON_NOT_COMPLETED] = {not_completed, ARRAY_LEN(not_completed)},
    [REASON_WITHDRAW] = {withdraw, ARRAY_LEN(withdraw)},
    [REASON_VOID] = {entered_in_error, ARRAY_LEN(entered_in_error)},
    [REASON_PROGRESS] = {progress, ARRAY_LEN(progress)},
    [REASON_OUTCOME] = {outcome, ARRAY_LEN(outcome)},
    [REASON_NEXT_STEP] = {next_step, ARRAY_LEN(next_step)},
    [REASON_BASIS] = {basis, ARRAY_LEN(basis)},
    [REASON_CATEGORY] = {category, ARRAY_LEN(category)},
};

static const struct {
    bool carries;
    enum reason_list list;
} by_event[EVENT_COUNT] = {
    [EVENT_DECLINE] = {true, REASON_DECLINE},
    [EVENT_PROGRESS] = {true, REASON_PROGRESS},
    [EVENT_HOLD] = {true, REASON_HOLD},
    [EVENT_CANCEL] = {true, REASON_WITHDRAW},
    [EVENT_RELEASE] = {true, REASON_WITHDRAW},
    [EVENT_COMPLETE] = {true, REASON_OUTCOME},
    [EVENT_FAIL] = {true, REASON_NOT_COMPLETED},
    [EVENT_WITHDRAW] = {true, REASON_WITHDRAW},
    [EVENT_ACKNOWLEDGE] = {true, REASON_NEXT_STEP},
    [EVENT_VOID] = {true, REASON_VOID},
};

const struct reason *
reason_all(enum reason_list list, size_t *n_out)
{
    if (list >= REASON_LIST_COUNT) {
        *n_out = 0;
        return NULL;
    }
    *n_out = lists[list].n;
    return lists[list].reasons;
}

const struct reason *
reason_find(enum reason_list list, const char *code)
{
    size_t n;
    const struct reason *reasons = reason_all(list, &n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(reasons[i].code, code) == 0)
            return &reasons[i];
    }
    return NULL;
}

bool
reason_list_for(enum loop_event event, enum reason_list *list_out)
{
    if (event >= EVENT_COUNT || !by_event[event].carries)
        return false;
    *list_out = by_event[event].list;
    return true;
}
