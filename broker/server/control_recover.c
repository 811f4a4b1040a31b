/* Decides what the administrator is told while the log is refilled: how far it is, which entries
 * nobody has brought yet, and who has been heard. It refuses to know how that is decided. */
#include "broker/server/control_recover.h"

#include "lib/base/text.h"

enum { GAPS_MAX = 16, SENTENCE_BYTES = 256 };

const char control_recover_why[] =
    "the broker was restored from an old copy and is being refilled by its members: nothing new is "
    "taken until that is done; 'refloop-admin recover' shows how far it is";

static json_t *
json_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static bool
counts(const struct member *member)
{
    return member->state == MEMBER_ACTIVE && !member->is_auditor;
}

uint64_t
control_recover_members(const struct broker *broker)
{
    const struct directory *directory = broker_directory(broker);
    uint64_t n = 0;
    for (size_t i = 0; i < directory_count(directory); i++) {
        n += counts(directory_at(directory, i)) ? 1 : 0;
    }
    return n;
}

static json_t *
gaps_json(struct broker *broker)
{
    struct broker_gap gaps[GAPS_MAX];
    json_t *list = json_array();
    size_t n = 0;
    if (broker_recover_gaps(broker, gaps, GAPS_MAX, &n) != ERR_OK) {
        return list; /* the next turn of the broker meets what is wrong, and stops */
    }
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list,
                                    json_pack("{s:o, s:o}", "first", json_number(gaps[i].first),
                                              "last", json_number(gaps[i].last)));
    }
    return list;
}

json_t *
control_recover_json(struct broker *broker)
{
    struct broker_status status;
    broker_get_status(broker, &status);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "began_at", json_number(status.recover_began_at),
        "entries", json_number(status.entries), "goal", json_number(status.recover_goal), "unheard",
        json_number(status.recover_missing), "helpers", json_number(status.recover_helpers),
        "forked", (int)status.recover_forked, "missing", gaps_json(broker));
}

static json_t *
members_json(const struct broker *broker, struct instant now)
{
    const struct directory *directory = broker_directory(broker);
    json_t *list = json_array();
    for (size_t i = 0; i < directory_count(directory); i++) {
        const struct member *member = directory_at(directory, i);
        if (counts(member)) {
            (void)json_array_append_new(
                list, json_pack("{s:s, s:s, s:b, s:b}", "org", member->org, "name", member->name,
                                "online", (int)broker_is_online(broker, member->org, now), "heard",
                                (int)broker_recover_has_heard(broker, member->org)));
        }
    }
    return list;
}

json_t *
control_recover_answer(struct control_view *view, json_t *request, struct instant now)
{
    struct broker_status status;
    (void)request;
    broker_get_status(view->broker, &status);
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "entries", json_number(status.entries),
                     "recovery",
                     status.recovering ? control_recover_json(view->broker) : json_null(),
                     "members", members_json(view->broker, now));
}

static json_t *
refuse_incomplete(struct broker *broker)
{
    char sentence[SENTENCE_BYTES];
    struct broker_status status;
    broker_get_status(broker, &status);
    uint64_t n = status.recover_goal > status.entries ? status.recover_goal - status.entries : 0;
    (void)text_format(sentence, sizeof(sentence),
                      "%llu entr%s up to entry %llu %s still missing, and members were told that "
                      "they are safe: only members that hold them can bring them back",
                      (unsigned long long)n, n == 1 ? "y" : "ies",
                      (unsigned long long)status.recover_goal - 1, n == 1 ? "is" : "are");
    return control_error(ERR_SEQUENCE, sentence);
}

json_t *
control_recover_go_on(struct control_view *view, json_t *request, struct instant now)
{
    enum err err = broker_recover_waive(view->broker, now);
    if (err == ERR_NOT_PERMITTED) {
        return control_error(err, "the broker is whole: there is nobody to go on without");
    }
    if (err == ERR_SEQUENCE) {
        return refuse_incomplete(view->broker);
    }
    if (err != ERR_OK) {
        view->broken = true;
        view->failure = err;
        return control_error(err, NULL);
    }
    return control_recover_answer(view, request, now);
}
