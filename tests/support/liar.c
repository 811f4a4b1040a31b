/* refloop-broker, built from its own sources with one thing changed: it lies. Which lie it tells is
 * in the environment (LIE, LIE_AGAINST, LIE_WHEN, …); it tells it with its own log key, as well as
 * it can be told. The functions below stand in for those of the broker (the linker's --wrap); until
 * the file LIE_WHEN is there, and in all else, it is an honest broker. */
#include "tests/support/liar.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/witness.h"
#include "tests/support/liar_forge.h"

enum { HOUR_MS = 3600 * 1000, ECHOES_MAX = 8, FAR_HOURS = 3, SOON_MS = 1000 };

struct liar liar = {.lied_at = UINT64_MAX, .twin_at = UINT64_MAX};

static const char *const lie_words[] = {
#define LIE_WORD(symbol, word) [symbol] = word,
    LIE_TABLE(LIE_WORD)
#undef LIE_WORD
};

static const char *
setting(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

static void
begin(void)
{
    liar.begun = true;
    liar.begun_at = liar.broker->head.entries;
    if (liar.lie == LIE_TWO_HEADS) {
        liar.lied_at = liar.begun_at - 1;
        memset(&liar.other.leaves[liar.lied_at], 1, MERKLE_HASH_BYTES);
    }
    logging_line(LOGGING_WARNING, "liar.begins", "lie=%s entries=%llu", lie_words[liar.lie],
                 (unsigned long long)liar.begun_at);
}

bool
liar_tells(enum lie lie)
{
    if (!liar.begun && liar.broker != NULL && access(liar.when, F_OK) == 0) {
        begin();
    }
    return liar.begun && liar.lie == lie;
}

void
liar_told(void)
{
    if (!liar.told) {
        liar.told = true;
        logging_line(LOGGING_WARNING, "liar.lied", "lie=%s against=%s", lie_words[liar.lie],
                     liar.against);
    }
}

bool
liar_is_victim(const struct session *session)
{
    const struct member *member = directory_find(liar.broker->directory, liar.against);
    return member != NULL && memcmp(&member->keys.curve, &session->key, sizeof(session->key)) == 0;
}

/* ---- start ---- */

enum err __real_broker_open(const struct broker_options *options, struct broker **broker_out,
                            struct complaint *complaint);
enum err __wrap_broker_open(const struct broker_options *options, struct broker **broker_out,
                            struct complaint *complaint);

enum err
__wrap_broker_open(const struct broker_options *options, struct broker **broker_out,
                   struct complaint *complaint)
{
    for (size_t i = 0; i < ARRAY_LEN(lie_words); i++) {
        if (strcmp(setting("LIE"), lie_words[i]) == 0) {
            liar.lie = (enum lie)i;
        }
    }
    liar.against = setting("LIE_AGAINST");
    liar.when = setting("LIE_WHEN");
    liar.token = setting("LIE_TOKEN");
    liar.again = setting("LIE_AGAIN");
    enum err err = __real_broker_open(options, broker_out, complaint);
    if (err == ERR_OK) {
        liar.broker = *broker_out;
        err = world_load(&liar.real, liar.broker);
        liar.other = liar.real;
    }
    return err;
}

/* ---- what is judged ---- */

enum err __real_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                                struct judge_result *result_out);
enum err __wrap_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                                struct judge_result *result_out);

static bool
is_step_of_victim(const struct judge_case *judged)
{
    const struct statement *statement = &judged->verified->opened.statement;
    return judged->verified->err == ERR_OK && statement->kind == STATEMENT_LOOP &&
           statement->as.loop.event != EVENT_DELIVERED &&
           strcmp(statement->author, liar.against) == 0;
}

/* Signed for, and not logged. */
static enum err
take_and_forget(struct judge_stage *stage, const struct judge_case *judged,
                struct judge_result *result_out)
{
    struct merkle_hash leaf;
    struct judge_result result = {.receipt = {.id = judged->verified->id,
                                              .result = RECEIPT_ACCEPTED,
                                              .state = LOOP_REQUESTED,
                                              .index = stage->head.entries,
                                              .log_time_ms = stage->now.wall_ms}};
    enum err err =
        envelope_log_leaf(&judged->verified->opened.envelope, result.receipt.log_time_ms, &leaf);
    if (err != ERR_OK) {
        return err;
    }
    if (liar.lie == LIE_DROP_BORROWED) {
        result.receipt.index = stage->head.entries - 1;
    }
    if (liar.lie == LIE_DROP_FORGED) {
        liar.lied_at = stage->head.entries;
        world_set(&liar.other, liar.lied_at, &leaf);
    }
    *result_out = result;
    liar_told();
    return ERR_OK;
}

static enum err
find_key_event(struct judge_stage *stage, struct buffer *out)
{
    struct journal_entry entry;
    struct statement statement;
    enum err err = ERR_OK;
    enum statement_kind kind =
        strcmp(liar.again, "revoke") == 0 ? STATEMENT_REVOKE : STATEMENT_JOIN;
    for (uint64_t i = 0; err == ERR_OK && i < stage->head.entries; i++) {
        err = journal_load(stage->txn, i, &entry);
        if (err != ERR_OK || statement_decode(entry.envelope.statement, &statement) != ERR_OK) {
            return err;
        }
        const char *org = kind == STATEMENT_REVOKE ? statement.as.revoke.org : statement.author;
        if (statement.kind == kind && strcmp(org, liar.against) == 0) {
            return envelope_encode(&entry.envelope, out);
        }
    }
    return ERR_NOT_FOUND;
}

/* What is logged beside the statement just judged. */
static enum err
make_extra(struct judge_stage *stage, const struct judge_case *judged, struct buffer *out)
{
    const struct broker *broker = stage->broker;
    if (liar.lie == LIE_REPLAY || liar.lie == LIE_REPLAY_APART) {
        return envelope_encode(&judged->verified->opened.envelope, out);
    }
    if (liar.lie == LIE_REPLAY_KEYS) {
        return find_key_event(stage, out);
    }
    if (liar.lie == LIE_KEY_ROTATE) {
        return forge_rotate(broker, liar.against, out);
    }
    if (liar.lie == LIE_KEY_JOIN) {
        return forge_join(broker, liar.against, out);
    }
    return liar.lie == LIE_KEY_INVITE ? forge_join_with(broker, liar.against, liar.token, out)
                                      : ERR_OK;
}

static enum err
log_extra(struct judge_stage *stage, const struct judge_case *judged,
          const struct judge_result *result)
{
    CLEANUP(buffer_done) struct buffer extra = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    bool fits = judged->verified->opened.statement.kind == STATEMENT_LOOP &&
                judged->verified->opened.statement.as.loop.event != EVENT_DELIVERED;
    if (!fits || liar.twin_at != UINT64_MAX) {
        return ERR_OK;
    }
    enum err err = make_extra(stage, judged, &extra);
    if (err != ERR_OK || extra.len == 0) {
        return err;
    }
    liar.lied_at = result->receipt.index;
    liar_told();
    return forge_entry(stage, buffer_view(&extra), stage->head.log_time_ms + 1, &liar.twin_at);
}

enum err
__wrap_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                       struct judge_result *result_out)
{
    bool forgets = liar_tells(LIE_DROP_UNPROVED) || liar_tells(LIE_DROP_BORROWED) ||
                   (liar_tells(LIE_DROP_FORGED) && liar.lied_at == UINT64_MAX);
    if (forgets && is_step_of_victim(judged)) {
        return take_and_forget(stage, judged, result_out);
    }
    enum err err = __real_judge_statement(stage, judged, result_out);
    if (err != ERR_OK || !result_out->logged || !liar.begun) {
        return err;
    }
    if (liar_tells(LIE_BACKDATE_RECEIPT) && is_step_of_victim(judged)) {
        result_out->receipt.log_time_ms -= HOUR_MS / 2;
        liar_told();
    }
    return log_extra(stage, judged, result_out);
}

/* ---- what is logged ---- */

int64_t __real_journal_next_time(const struct journal_head *head, int64_t wall_ms);
int64_t __wrap_journal_next_time(const struct journal_head *head, int64_t wall_ms);

int64_t
__wrap_journal_next_time(const struct journal_head *head, int64_t wall_ms)
{
    if (liar_tells(LIE_BACKDATE)) {
        return head->log_time_ms - SOON_MS;
    }
    if (liar.lie == LIE_BACKDATE_FAR) {
        return __real_journal_next_time(head, wall_ms - (int64_t)FAR_HOURS * HOUR_MS);
    }
    return __real_journal_next_time(
        head, liar_tells(LIE_POSTDATE) ? wall_ms + (int64_t)FAR_HOURS * HOUR_MS : wall_ms);
}

enum err
__real_journal_draft_init(const struct directory *directory, const struct statement *statement,
                          const struct envelope *envelope, const struct digest *id, uint64_t index,
                          int64_t log_time_ms, struct journal_draft *draft_out);
enum err
__wrap_journal_draft_init(const struct directory *directory, const struct statement *statement,
                          const struct envelope *envelope, const struct digest *id, uint64_t index,
                          int64_t log_time_ms, struct journal_draft *draft_out);

static bool
concerns_victim(const struct journal_draft *draft)
{
    const struct member *victim = directory_find(liar.broker->directory, liar.against);
    bool concerned = draft->n_members == 0 || victim == NULL;
    for (size_t i = 0; i < draft->n_members && victim != NULL; i++) {
        concerned |= draft->members[i] == victim->handle;
    }
    return concerned;
}

enum err
__wrap_journal_draft_init(const struct directory *directory, const struct statement *statement,
                          const struct envelope *envelope, const struct digest *id, uint64_t index,
                          int64_t log_time_ms, struct journal_draft *draft_out)
{
    bool far = liar.lie == LIE_BACKDATE_FAR && index == 0; /* the genesis has its author's time */
    enum err err = __real_journal_draft_init(directory, statement, envelope, id, index,
                                             log_time_ms - (far ? (int64_t)FAR_HOURS * HOUR_MS : 0),
                                             draft_out);
    if (err == ERR_OK && liar_tells(LIE_MISDELIVER) && !concerns_victim(draft_out) &&
        draft_out->n_members < ARRAY_LEN(draft_out->members)) {
        draft_out->members[draft_out->n_members++] =
            directory_find(directory, liar.against)->handle;
        liar_told();
    }
    return err;
}

enum err __real_journal_append(struct kv_txn *txn, const struct journal_draft *draft,
                               const struct track *track, struct merkle_hash *leaf_out);
enum err __wrap_journal_append(struct kv_txn *txn, const struct journal_draft *draft,
                               const struct track *track, struct merkle_hash *leaf_out);

/* Other words under the same signature, and the leaf is theirs. */
static enum err
append_altered(struct kv_txn *txn, const struct journal_draft *draft, const struct track *track,
               struct merkle_hash *leaf_out)
{
    CLEANUP(buffer_done) struct buffer words = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct journal_draft changed = *draft;
    if (forge_other_words(&draft->envelope, &words, &changed.envelope) == ERR_OK) {
        liar.lied_at = draft->index;
        liar_told();
    }
    return __real_journal_append(txn, &changed, track, leaf_out);
}

enum err
__wrap_journal_append(struct kv_txn *txn, const struct journal_draft *draft,
                      const struct track *track, struct merkle_hash *leaf_out)
{
    bool forks =
        liar_tells(LIE_FORK_SILENT) || liar_tells(LIE_FORK_SHOWN) || liar_tells(LIE_FORK_PASTED);
    enum err err = liar_tells(LIE_ALTER_STORED) && liar.lied_at == UINT64_MAX
                       ? append_altered(txn, draft, track, leaf_out)
                       : __real_journal_append(txn, draft, track, leaf_out);
    if (err != ERR_OK) {
        return err;
    }
    world_set(&liar.real, draft->index, leaf_out);
    if (liar.lie != LIE_DROP_FORGED || liar.lied_at == UINT64_MAX) {
        world_set(&liar.other, draft->index, leaf_out);
    }
    if (forks && liar.lied_at == UINT64_MAX && !concerns_victim(draft)) {
        liar.lied_at = draft->index; /* something else stands there for the victim */
        memset(&liar.other.leaves[draft->index], 1, MERKLE_HASH_BYTES);
    }
    return ERR_OK;
}

/* ---- what is told ---- */

enum err __real_tell_inclusion(struct broker *broker, struct kv_txn *txn, uint64_t index,
                               struct proof *space, struct bytes *inclusion_out);
enum err __wrap_tell_inclusion(struct broker *broker, struct kv_txn *txn, uint64_t index,
                               struct proof *space, struct bytes *inclusion_out);
void __real_session_send(struct sessions *sessions, struct session *session,
                         const struct message *message);
void __wrap_session_send(struct sessions *sessions, struct session *session,
                         const struct message *message);
void __real_session_send_receipts(struct sessions *sessions, struct session *session);
void __wrap_session_send_receipts(struct sessions *sessions, struct session *session);
enum err __real_handle_cosign(struct dispatch_call *call);
enum err __wrap_handle_cosign(struct dispatch_call *call);
enum err __real_handle_hello(struct dispatch_call *call);
enum err __wrap_handle_hello(struct dispatch_call *call);
enum err __real_recover_hear(struct broker *broker, const struct member *member,
                             const struct checkpoint *shown, struct bytes note, struct instant now);
enum err __wrap_recover_hear(struct broker *broker, const struct member *member,
                             const struct checkpoint *shown, struct bytes note, struct instant now);

/* Of what is not in the log there is none. */
enum err
__wrap_tell_inclusion(struct broker *broker, struct kv_txn *txn, uint64_t index,
                      struct proof *space, struct bytes *inclusion_out)
{
    if (index >= broker->ledger.tree.size) {
        *inclusion_out = bytes_of(NULL, 0);
        return ERR_OK;
    }
    return __real_tell_inclusion(broker, txn, index, space, inclusion_out);
}

/* What each member has shown of the log, to be shown it again. */
static struct echo {
    struct curve_public key;
    uint8_t note[LIMIT_CHECKPOINT_BYTES];
    size_t len;
    uint64_t size;
} echoes[ECHOES_MAX];
static size_t n_echoes;

static struct echo *
find_echo(const struct curve_public *key)
{
    for (size_t i = 0; i < n_echoes; i++) {
        if (memcmp(&echoes[i].key, key, sizeof(*key)) == 0) {
            return &echoes[i];
        }
    }
    return NULL;
}

static void
echo_head(const struct session *session, struct message *message)
{
    const struct echo *echo = find_echo(&session->key);
    bool welcome = message->kind == MESSAGE_WELCOME;
    if (echo == NULL || (!welcome && message->kind != MESSAGE_PONG) ||
        echo->size <= liar.broker->head.entries) {
        return;
    }
    struct message_head *head = welcome ? &message->as.welcome.proved : &message->as.pong.proved;
    *(welcome ? &message->as.welcome.head : &message->as.pong.head) = echo->size;
    (welcome ? &message->as.welcome.witnessed : &message->as.pong.witnessed)->present = false;
    *head = (struct message_head){
        .present = true, .checkpoint = bytes_of(echo->note, echo->len), .from = echo->size};
    liar_told();
}

void
__wrap_session_send(struct sessions *sessions, struct session *session,
                    const struct message *message)
{
    struct message *bent = &sessions->scratch; /* every caller's message is that */
    if (message != bent) {
        abort();
    }
    if (liar_tells(LIE_ROLL_BACK_ECHO)) {
        echo_head(session, bent);
    }
    if (liar_is_victim(session) ||
        (liar_tells(LIE_REPLAY_APART) && bent->kind == MESSAGE_ENTRIES)) {
        if (!liar.begun || liar_bend(session, bent)) {
            __real_session_send(sessions, session, bent);
        }
        return;
    }
    __real_session_send(sessions, session, bent);
}

void
__wrap_session_send_receipts(struct sessions *sessions, struct session *session)
{
    sessions->scratch.kind = MESSAGE_RECEIPTS;
    if (liar.begun && liar_is_victim(session)) {
        (void)liar_bend(session, &sessions->scratch); /* receipts always leave */
    }
    __real_session_send_receipts(sessions, session);
}

enum err
__wrap_handle_cosign(struct dispatch_call *call)
{
    bool shown_other =
        liar.lie == LIE_FORK_SILENT || liar.lie == LIE_FORK_SHOWN || liar.lie == LIE_FORK_PASTED;
    if (shown_other && liar.lied_at != UINT64_MAX && liar_is_victim(call->session)) {
        liar_keep_cosignature(call->member, &call->message->as.cosign);
        return ERR_OK;
    }
    return __real_handle_cosign(call);
}

enum err
__wrap_handle_hello(struct dispatch_call *call)
{
    struct bytes note = call->message->as.hello.checkpoint;
    struct echo *echo = find_echo(&call->session->key);
    struct sign_public key;
    struct checkpoint shown;
    sign_public_of(liar.broker->log_secret, &key);
    if (echo == NULL && n_echoes < ECHOES_MAX) {
        echo = &echoes[n_echoes++];
        echo->key = call->session->key;
    }
    if (echo != NULL && note.len <= sizeof(echo->note) &&
        checkpoint_open(note, &liar.broker->network, &key, &shown) == ERR_OK) {
        memcpy(echo->note, note.data, note.len);
        echo->len = note.len;
        echo->size = shown.size;
    }
    return __real_handle_hello(call);
}

/* Whatever the members show, it has lost nothing. */
enum err
__wrap_recover_hear(struct broker *broker, const struct member *member,
                    const struct checkpoint *shown, struct bytes note, struct instant now)
{
    return liar_tells(liar.lie) && liar.lie != LIE_NONE
               ? ERR_OK
               : __real_recover_hear(broker, member, shown, note, now);
}
