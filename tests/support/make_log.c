/* A log as a year of a county would leave it: requests answered, served and closed, every statement
 * confirmed by a delivery receipt, now and then two that crossed. It follows the broker's own
 * functions for what is stored (journal, ledger), so it cannot drift from them; only the order of
 * events is its own. */
#include "tests/support/make_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/keys.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/wire/sealed.h"

enum { START_S = 1795000000, MIB = 1 << 20, ORG_STEP_MS = 1000 };

struct script_step {
    enum loop_role role;
    enum loop_event event;
    bool stale; /* said before the other side's last word was heard */
};
struct make_log_script {
    size_t n;
    struct script_step steps[16];
};

#define SAYS(who, what)                                                                            \
    {                                                                                              \
        LOOP_##who, EVENT_##what, false                                                            \
    }
static const struct make_log_script scripts[] = {
    {10,
     {SAYS(SOURCE, REQUEST), SAYS(TARGET, DELIVERED), SAYS(TARGET, ACCEPT), SAYS(SOURCE, DELIVERED),
      SAYS(TARGET, PROGRESS), SAYS(SOURCE, DELIVERED), SAYS(TARGET, COMPLETE),
      SAYS(SOURCE, DELIVERED), SAYS(SOURCE, ACKNOWLEDGE), SAYS(TARGET, DELIVERED)}},
    {6,
     {SAYS(SOURCE, REQUEST), SAYS(TARGET, DELIVERED), SAYS(TARGET, DECLINE),
      SAYS(SOURCE, DELIVERED), SAYS(SOURCE, ACKNOWLEDGE), SAYS(TARGET, DELIVERED)}},
    {10,
     {SAYS(SOURCE, REQUEST),
      SAYS(TARGET, DELIVERED),
      SAYS(TARGET, ACCEPT),
      SAYS(SOURCE, DELIVERED),
      SAYS(TARGET, COMPLETE),
      {LOOP_SOURCE, EVENT_CANCEL, true},
      SAYS(SOURCE, DELIVERED),
      SAYS(TARGET, DELIVERED),
      SAYS(SOURCE, ACKNOWLEDGE),
      SAYS(TARGET, DELIVERED)}},
};

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        fprintf(stderr, "make_log: %s: %s\n", what, err_text(err));
        abort();
    }
}

static uint64_t
draw(struct make_log *log, uint64_t below)
{
    log->random ^= log->random << 13;
    log->random ^= log->random >> 7;
    log->random ^= log->random << 17;
    return (log->random >> 11) % below;
}

/* ---- appending ---- */

static struct kv_txn *
transaction(struct make_log *log)
{
    if (log->txn == NULL) {
        must(kv_begin(log->kv, &log->txn), "begin");
    }
    return log->txn;
}

static void
append(struct make_log *log, const struct statement *statement, struct bytes sealed,
       const struct sign_secret *secret, const struct journal_verdict *verdict,
       const struct track *track, struct bytes bytes)
{
    struct envelope envelope = {.statement = bytes, .sealed = sealed};
    struct journal_draft draft;
    struct merkle_hash leaf;
    struct digest id = statement_id(bytes);
    if (log->drop_next) {
        log->drop_next = false;
        return;
    }
    log->head.log_time_ms += ORG_STEP_MS;
    must(turn_sign(SIGN_STATEMENTS, &log->network, &bytes, 1, secret, &envelope.signature), "sign");
    if (directory_concerns(statement->kind)) {
        must(directory_apply(log->directory, statement, log->head.entries, log->head.log_time_ms),
             "directory");
    }
    must(journal_draft_init(log->directory, statement, &envelope, &id, log->head.entries,
                            log->head.log_time_ms, &draft),
         "draft");
    draft.verdict = *verdict;
    must(journal_append(transaction(log), &draft, track, &leaf), "append");
    must(ledger_append(log->txn, &log->tree, &leaf), "tree");
    log->head.entries++;
    if (log->options.commit_after > 0 &&
        log->head.entries - log->committed >= log->options.commit_after) {
        make_log_commit(log);
    }
}

void
make_log_commit(struct make_log *log)
{
    if (log->txn == NULL) {
        return;
    }
    buffer_clear(&log->note);
    must(ledger_seal(log->txn, &log->tree, &log->network, &log->log, &log->note), "seal");
    must(kv_commit(&log->txn), "commit");
    log->committed = log->head.entries;
}

static uint64_t
append_plain(struct make_log *log, const struct statement *statement,
             const struct sign_secret *secret)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    const struct journal_verdict accepted = {.result = RECEIPT_ACCEPTED};
    must(statement_encode(statement, &bytes), "encode");
    append(log, statement, bytes_of(NULL, 0), secret, &accepted, NULL, buffer_view(&bytes));
    return log->head.entries - 1;
}

/* ---- the directory ---- */

static struct statement
root_statement(const struct make_log *log, enum statement_kind kind)
{
    struct sign_public root;
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = kind,
                                  .network = log->network,
                                  .authored_ms = START_S * INT64_C(1000)};
    memcpy(root.bytes, log->network.bytes, sizeof(root.bytes));
    statement.author_key = key_id_of_signer(&root);
    return statement;
}

static void
new_keys(struct make_log_member *member)
{
    struct seal_secret seal;
    struct curve_secret curve;
    sign_new_pair(&member->keys.sign, &member->sign);
    seal_new_pair(&member->keys.seal, &seal);
    curve_new_pair(&member->keys.curve, &curve);
    member->key_id = key_set_id(&member->keys);
}

static void
prove_possession(const struct make_log *log, const struct make_log_member *member,
                 uint8_t possession_out[SIGN_BYTES])
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1024);
    statement_possession_bytes(&log->network, member->org, &member->keys, &bytes);
    const struct bytes part = buffer_view(&bytes);
    sign_make(SIGN_POSSESSION, &part, 1, &member->sign, possession_out);
}

static void
add_member(struct make_log *log, size_t place)
{
    struct make_log_member *member = &log->members[place];
    struct sign_secret once_secret;
    struct curve_secret once_curve;
    struct statement invite = root_statement(log, STATEMENT_INVITE);
    struct statement join = {.suite = STATEMENT_SUITE_1,
                             .kind = STATEMENT_JOIN,
                             .network = log->network,
                             .authored_ms = log->head.log_time_ms};
    (void)text_format(member->org, sizeof(member->org), "example-%zu", place);
    new_keys(member);
    memcpy(invite.as.invite.org, member->org, sizeof(member->org));
    memcpy(invite.as.invite.name, member->org, sizeof(member->org));
    sign_new_pair(&invite.as.invite.once_sign, &once_secret);
    curve_new_pair(&invite.as.invite.once_curve, &once_curve);
    invite.as.invite.expires_ms = INT64_C(1) << 60;
    member->handle = append_plain(log, &invite, &log->root);
    memcpy(join.author, member->org, sizeof(member->org));
    memcpy(join.as.join.org, member->org, sizeof(member->org));
    join.author_key = key_id_of_signer(&invite.as.invite.once_sign);
    join.as.join.invite = join.author_key;
    join.as.join.keys = member->keys;
    prove_possession(log, member, join.as.join.possession);
    (void)append_plain(log, &join, &once_secret);
}

uint64_t
make_log_rotate(struct make_log *log, size_t member)
{
    struct make_log_member *author = &log->members[member];
    struct sign_secret old = author->sign;
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_ROTATE,
                                  .network = log->network,
                                  .author_key = author->key_id,
                                  .authored_ms = log->head.log_time_ms};
    memcpy(statement.author, author->org, sizeof(author->org));
    new_keys(author);
    statement.as.rotate.keys = author->keys;
    prove_possession(log, author, statement.as.rotate.possession);
    return append_plain(log, &statement, &old);
}

uint64_t
make_log_revoke(struct make_log *log, size_t member)
{
    struct statement statement = root_statement(log, STATEMENT_REVOKE);
    memcpy(statement.as.revoke.org, log->members[member].org, sizeof(log->members[member].org));
    (void)text_format(statement.as.revoke.reason, sizeof(statement.as.revoke.reason), "left");
    log->members[member].revoked = true;
    return append_plain(log, &statement, &log->root);
}

/* ---- loops ---- */

static void
begin_loop(struct make_log *log, struct make_log_loop *loop)
{
    struct loop_id id;
    uint64_t kind = draw(log, 10);
    track_done(&loop->track);
    *loop = (struct make_log_loop){.open = true};
    loop->script = &scripts[kind < 8 ? 0 : kind - 7];
    do {
        loop->side[LOOP_SOURCE] = draw(log, log->n_members);
        loop->side[LOOP_TARGET] = draw(log, log->n_members);
    } while (loop->side[LOOP_SOURCE] == loop->side[LOOP_TARGET] ||
             log->members[loop->side[LOOP_SOURCE]].revoked ||
             log->members[loop->side[LOOP_TARGET]].revoked);
    secret_random(id.bytes, sizeof(id.bytes));
    track_init(&loop->track, &id, log->members[loop->side[LOOP_SOURCE]].org,
               log->members[loop->side[LOOP_TARGET]].org);
}

static struct statement
next_statement(const struct make_log *log, const struct make_log_loop *loop,
               const struct script_step *step)
{
    enum loop_role other = step->role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
    const struct make_log_member *author = &log->members[loop->side[step->role]];
    const struct make_log_member *reader = &log->members[loop->side[other]];
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = log->network,
                                  .author_key = author->key_id,
                                  .authored_ms = log->head.log_time_ms};
    struct statement_loop *said = &statement.as.loop;
    memcpy(statement.author, author->org, sizeof(author->org));
    said->loop = loop->track.loop;
    said->event = step->event;
    said->seq = loop->track.side[step->role].last_seq + 1;
    said->previous = loop->track.side[step->role].last_id;
    said->heard = step->stale ? loop->before[other] : loop->mark[other];
    if (step->event == EVENT_DELIVERED) {
        said->delivered = loop->mark[other];
        said->delivered.bytes[0] ^= log->confirm_wrongly ? 1 : 0;
    }
    said->n_readers = 1;
    memcpy(said->readers[0].org, reader->org, sizeof(reader->org));
    said->readers[0].key = reader->key_id;
    said->priority = PRIORITY_ROUTINE;
    return statement;
}

/* Nobody opens these, so they need not be sealed; only their size and digest must be right. */
static struct bytes
make_sealed(struct make_log *log, struct statement *statement)
{
    if (statement->as.loop.event == EVENT_DELIVERED) {
        return bytes_of(NULL, 0);
    }
    (void)kv_key_u64(log->head.entries, log->sealed);
    struct bytes sealed = bytes_of(log->sealed, log->options.sealed_bytes);
    statement->as.loop.has_sealed = true;
    statement->as.loop.body_class = SEAL_1K;
    statement->as.loop.sealed_digest = sealed_digest(sealed);
    return sealed;
}

uint64_t
make_log_step(struct make_log *log, struct make_log_loop *loop)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    if (!loop->open) {
        begin_loop(log, loop);
    }
    const struct script_step *step = &loop->script->steps[loop->at++];
    struct statement statement = next_statement(log, loop, step);
    struct bytes sealed = make_sealed(log, &statement);
    struct track_verdict verdict;
    must(statement_encode(&statement, &bytes), "encode");
    struct digest id = statement_id(buffer_view(&bytes));
    struct track_step said = journal_step(&statement.as.loop, &id, step->role);
    must(track_apply(&loop->track, &said, log->head.entries, log->head.log_time_ms + ORG_STEP_MS,
                     &verdict),
         "step");
    const struct journal_verdict kept = {.result = verdict.superseded ? RECEIPT_SUPERSEDED
                                                                      : RECEIPT_ACCEPTED,
                                         .state = verdict.position.state,
                                         .superseded_by = verdict.superseded_by};
    append(log, &statement, sealed, &log->members[loop->side[step->role]].sign, &kept, &loop->track,
           buffer_view(&bytes));
    if (step->event != EVENT_DELIVERED) {
        loop->before[step->role] = loop->mark[step->role];
        loop->mark[step->role] = id;
    }
    loop->open = loop->at < loop->script->n;
    return log->head.entries - 1;
}

struct make_log_loop *
make_log_find_loop(struct make_log *log, size_t member)
{
    for (size_t i = 0; i < MAKE_LOG_LOOPS; i++) {
        struct make_log_loop *loop = &log->loops[i];
        if (loop->open && loop->side[loop->script->steps[loop->at].role] == member) {
            return loop;
        }
    }
    must(ERR_NOT_FOUND, "no loop waits for this member");
    return NULL;
}

static bool
has_revoked(const struct make_log *log, const struct make_log_loop *loop)
{
    return loop->open && (log->members[loop->side[LOOP_SOURCE]].revoked ||
                          log->members[loop->side[LOOP_TARGET]].revoked);
}

void
make_log_fill(struct make_log *log, uint64_t entries)
{
    while (log->head.entries < entries) {
        struct make_log_loop *loop = &log->loops[draw(log, MAKE_LOG_LOOPS)];
        if (has_revoked(log, loop)) {
            loop->open = false; /* it stays open in the log */
        }
        (void)make_log_step(log, loop);
    }
}

/* ---- the home ---- */

static void
make_genesis(struct make_log *log)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct make_log_member auditor;
    struct curve_secret broker_curve;
    struct sign_public root;
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};
    char path[FILE_PATH_MAX];
    sign_new_pair(&root, &log->root);
    sign_new_pair(&log->log_public, &log->log);
    memcpy(log->network.bytes, root.bytes, sizeof(root.bytes));
    new_keys(&auditor);
    struct statement statement = root_statement(log, STATEMENT_GENESIS);
    struct statement_genesis *genesis = &statement.as.genesis;
    (void)text_format(genesis->network_name, sizeof(genesis->network_name), "Example County");
    (void)text_format(genesis->endpoint, sizeof(genesis->endpoint),
                      "tcp://broker.example.org:7707");
    curve_new_pair(&genesis->broker_curve, &broker_curve);
    genesis->broker_log = log->log_public;
    (void)text_format(genesis->auditor_org, sizeof(genesis->auditor_org), "county");
    genesis->auditor = auditor.keys;
    must(statement_encode(&statement, &bytes), "encode");
    struct bytes leaf = buffer_view(&bytes);
    must(turn_sign(SIGN_STATEMENTS, &log->network, &leaf, 1, &log->root, &envelope.signature),
         "sign");
    envelope.statement = leaf;
    must(envelope_encode(&envelope, &log->genesis), "genesis");
    must(file_path(path, log->options.home, KEYS_GENESIS_NAME), "path");
    must(file_create(path, buffer_view(&log->genesis), 0600), "genesis file");
    must(directory_new(&log->network, &log->directory), "directory");
    must(directory_apply(log->directory, &statement, 0, statement.authored_ms), "genesis");
}

/* By the broker itself, so that what it writes into a new store is there. */
static void
found(struct make_log *log)
{
    struct broker *broker = NULL;
    struct complaint complaint = {.text = ""};
    const struct broker_options options = {
        .store_dir = log->store,
        .map_bytes = 16 * MIB,
        .map_max_bytes = 64 * MIB,
        .genesis_envelope = buffer_view(&log->genesis),
        .network = log->network,
        .log_secret = &log->log,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 1000000,
    };
    enum err err = broker_open(&options, &broker, &complaint);
    must(err, complaint.text);
    broker_free(broker);
}

struct kv *
make_log_open_store(const char *home)
{
    char path[FILE_PATH_MAX];
    struct kv *kv = NULL;
    struct complaint complaint = {.text = ""};
    must(file_path(path, home, KEYS_STORE_NAME), "path");
    const struct kv_options options = {.dir = path,
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = (size_t)16 * 1024 * MIB,
                                       .map_max_bytes = (size_t)16 * 1024 * MIB};
    enum err err = kv_open(&options, &kv, &complaint);
    must(err, complaint.text);
    return kv;
}

static void
load(struct make_log *log)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct tree_reader reader;
    must(kv_begin_read(log->kv, &txn), "begin");
    must(journal_read_head(txn, &log->head), "head");
    reader = ledger_reader(txn, NULL);
    must(tree_load(log->head.entries, reader.read, reader.context, &log->tree), "tree");
    log->committed = log->head.entries;
}

struct make_log *
make_log_new(const struct make_log_options *options)
{
    struct make_log *log = calloc(1, sizeof(*log));
    must(log != NULL && options->n_members <= MAKE_LOG_MEMBERS_MAX ? ERR_OK : ERR_MEMORY, "new");
    log->options = *options;
    log->genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    log->note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    log->random = UINT64_C(0x9e3779b97f4a7c15);
    log->sealed = calloc(1, options->sealed_bytes + 8);
    must(log->sealed != NULL ? ERR_OK : ERR_MEMORY, "new");
    for (size_t i = 0; i < options->sealed_bytes; i++) {
        log->sealed[i] = (uint8_t)MAKE_LOG_SEALED[i % (sizeof(MAKE_LOG_SEALED) - 1)];
    }
    must(mkdir(options->home, 0700) == 0 ? ERR_OK : ERR_EXISTS, "home");
    must(file_path(log->store, options->home, KEYS_STORE_NAME), "path");
    make_genesis(log);
    found(log);
    log->kv = make_log_open_store(options->home);
    load(log);
    for (size_t i = 0; i < options->n_members; i++) {
        add_member(log, i);
        log->n_members++;
    }
    make_log_commit(log);
    return log;
}

void
make_log_free(struct make_log *log)
{
    if (log == NULL) {
        return;
    }
    make_log_commit(log);
    kv_close(log->kv);
    directory_free(log->directory);
    buffer_done(&log->genesis);
    buffer_done(&log->note);
    for (size_t i = 0; i < MAKE_LOG_LOOPS; i++) {
        track_done(&log->loops[i].track);
    }
    free(log->sealed);
    free(log);
}
