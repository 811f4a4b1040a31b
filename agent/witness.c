/* Decides whether this agent vouches for a checkpoint that the broker puts before the members, and
 * whether enough others have. Whoever finds a cosignature of a member under another log, or a
 * cosigned checkpoint that is not part of its own, has caught the broker showing two logs. Our view
 * is on disk before we sign, and covers what is signed: so no restart can make us vouch for two. It
 * refuses to know when the broker asks. */
#include "agent/witness.h"

#include <string.h>

#include "agent/state.h"

static const char meta_note[] = "witnessed";
static const char meta_at[] = "witnessed-at";
enum { AT_BYTES = 24, MS_PER_S = 1000 };

struct sighting {
    const struct message_witnessed *told;
    struct checkpoint checkpoint;
    size_t n_others; /* active members other than ourselves */
    bool ours;       /* our own cosignature is among them */
};

struct caught {
    struct bytes note;
    uint64_t size;
    const char *org; /* who was shown another log; NULL when the checkpoint itself tells */
};

static enum err
raise(struct unit *unit, void *context)
{
    const struct caught *caught = context;
    struct bytes proof = caught->note;

    if (proof.len > ALARM_PROOF_MAX)
        proof.len = ALARM_PROOF_MAX;
    if (caught->org != NULL)
        return alarm_raise(unit, ALARM_SPLIT_VIEW, UINT64_MAX, proof,
                           "%s vouches for another log of %llu entries", caught->org,
                           (unsigned long long)caught->size);
    return alarm_raise(unit, ALARM_SPLIT_VIEW, UINT64_MAX, proof,
                       "the members vouch for a log of %llu entries that is not ours",
                       (unsigned long long)caught->size);
}

static void
count(const struct agent *agent, const struct cosigner *cosigners, size_t n,
      struct sighting *sighting)
{
    for (size_t i = 0; i < n; i++) {
        const struct member *member = directory_find(agent->directory, cosigners[i].org);
        if (member == NULL || member->state != MEMBER_ACTIVE)
            continue;
        if (strcmp(member->org, agent->identity->org) == 0)
            sighting->ours = true;
        else
            sighting->n_others++;
    }
}

static enum err
store(struct unit *unit, void *context)
{
    const struct sighting *sighting = context;
    CLEANUP(buffer_done) struct buffer at = BUFFER_INIT(AT_BYTES);

    buffer_put_u64(&at, sighting->checkpoint.size);
    buffer_put_i64(&at, unit->now.wall_ms);
    buffer_put_u64(&at, sighting->n_others);
    enum err err = unit_put(unit, TABLE_META, bytes_of_text(meta_note), sighting->told->checkpoint);
    return err == ERR_OK ? unit_put_record(unit, TABLE_META, bytes_of_text(meta_at), &at) : err;
}

/* Kept when it vouches for more of the log than what we have, or more members do for the same. */
static enum err
keep(struct agent *agent, const struct sighting *sighting, struct instant now)
{
    struct proof_state *proof = &agent->proof;
    size_t before = proof->n_witnesses;

    proof->n_witnesses = sighting->n_others;
    if ((int64_t)sighting->n_others < agent->options.witnesses_wanted ||
        sighting->checkpoint.size < proof->witnessed_size ||
        (sighting->checkpoint.size == proof->witnessed_size && sighting->n_others <= before))
        return ERR_OK;
    struct sighting copy = *sighting;
    enum err err = unit_run(agent, now, store, &copy);
    if (err != ERR_OK) {
        proof->n_witnesses = before;
        return err;
    }
    proof->witnessed_size = sighting->checkpoint.size;
    proof->witnessed_ms = now.wall_ms;
    proof->unconfirmed_ms = proof->witnessed_size < proof->view.last.size ? now.wall_ms : 0;
    return ERR_OK;
}

/* What is signed is part of the log that stands in our view, which is on disk. */
static enum err
want_cosignature(struct agent *agent, const struct sighting *sighting, struct instant now)
{
    uint64_t size = sighting->checkpoint.size;
    struct message_cosign word = {.size = size};

    if (sighting->ours || agent->proof.stopped || size == 0 || size == agent->cosign.done_size ||
        size > agent->proof.view.last.size || now.wall_ms < 0)
        return ERR_OK;
    word.time_s = (uint64_t)(now.wall_ms / MS_PER_S);
    enum err err = checkpoint_cosign(sighting->told->checkpoint, word.time_s,
                                     &agent->identity->secrets->sign, word.signature);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_OK;
    agent->cosign.wanted = true;
    agent->cosign.size = size;
    agent->cosign.word = word;
    return ERR_OK;
}

enum err
witness_on_told(struct agent *agent, const struct message_witnessed *witnessed, struct instant now)
{
    const struct identity *identity = agent->identity;
    struct sighting sighting = {.told = witnessed};
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES] = "";
    size_t n = 0;

    if (!witnessed->present || !agent->proof.view.has)
        return ERR_OK;
    enum view_finding finding =
        view_judge_witnessed(&agent->proof.view, &identity->network, &identity->genesis.broker_log,
                             witnessed, &sighting.checkpoint);
    struct caught caught = {.note = witnessed->checkpoint, .size = sighting.checkpoint.size};
    if (finding == VIEW_SPLIT || finding == VIEW_REWRITTEN)
        return unit_run(agent, now, raise, &caught);
    if (finding != VIEW_SAME && finding != VIEW_GOES_ON)
        return ERR_OK; /* proves nothing, so it is nothing to us */
    enum err err =
        checkpoint_cosigners(witnessed->checkpoint, agent->directory, cosigners, &n, liar);
    if (err == ERR_SIGNATURE) {
        caught.org = liar;
        return unit_run(agent, now, raise, &caught);
    }
    if (err != ERR_OK)
        return err_is_peer(err) ? ERR_OK : err;
    count(agent, cosigners, n, &sighting);
    err = keep(agent, &sighting, now);
    return err == ERR_OK ? want_cosignature(agent, &sighting, now) : err;
}

bool
witness_next_word(struct agent *agent, struct instant now)
{
    (void)now; /* the time in it is that of signing */
    if (!agent->cosign.wanted || !agent->session.ready || agent->proof.stopped)
        return false;
    agent->cosign.wanted = false;
    agent->cosign.done_size = agent->cosign.size;
    agent->out.kind = MESSAGE_COSIGN;
    agent->out.as.cosign = agent->cosign.word;
    return true;
}

enum err
witness_load(struct agent *agent, struct kv_txn *txn)
{
    struct proof_state *proof = &agent->proof;
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_at), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err != ERR_OK)
        return err;
    struct reader reader = reader_of(value);
    uint64_t size = reader_u64(&reader);
    int64_t at_ms = reader_i64(&reader);
    uint64_t n = reader_u64(&reader);
    err = reader_err(&reader);
    if (err != ERR_OK)
        return err;
    proof->witnessed_size = size;
    proof->witnessed_ms = at_ms;
    proof->n_witnesses = (size_t)n;
    return ERR_OK;
}

enum err
witness_note(struct kv_txn *txn, uint64_t size, struct bytes *note_out)
{
    struct bytes at;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_at), &at);

    if (err != ERR_OK)
        return err;
    struct reader reader = reader_of(at);
    if (reader_u64(&reader) != size)
        return ERR_NOT_FOUND;
    return kv_get(txn, TABLE_META, bytes_of_text(meta_note), note_out);
}
