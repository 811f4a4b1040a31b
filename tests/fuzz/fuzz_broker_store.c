/* A broker's store whose records were changed by somebody who could write them. Nobody reads past
 * anything; and whoever verifies the store from outside does not call it true when a record of the
 * log, of its tree or of a projection is not what it was. Input: see store_damage.c. */
#include <string.h>

#include "broker/audit/audit.h"
#include "tests/fuzz/store_damage.h"
#include "tests/fuzz/town.h"

static char home[FILE_PATH_MAX];

static struct town *
open_town(void)
{
    static struct town *town;
    char path[FILE_PATH_MAX];
    if (town == NULL) {
        town = town_new();
        stage_path("home/genesis", path);
        stage_write(path, buffer_view(&town->rig->genesis));
        FUZZ_HOLDS(file_path(home, stage_dir(), "home") == ERR_OK);
    }
    return town;
}

static bool
see_loop(void *context, const struct audit_loop *loop)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(8 << 20);
    struct complaint complaint = {.text = ""};
    enum err err = audit_evidence(context, &loop->loop, &file, &complaint);
    (void)err; /* any: the store is spoilt */
    FUZZ_HOLDS(verdict_name(loop->verdict) != NULL);
    return true;
}

static void
see_event(void *context, const struct audit_key_event *event)
{
    size_t *len = context;
    *len += strlen(event->org) + strlen(event->name) + strlen(event->reason);
}

/* Whether the verification says that all is true. */
static bool
is_called_true(const struct town *town)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    const struct audit_verify_options options = {.n_threads = 1};
    const struct audit_loops_options how = {.now_ms = town->now.wall_ms};
    struct audit_report report;
    struct audit_summary summary;
    size_t len = 0;
    enum err err = audit_open(home, &town->rig->network, &audit, &complaint);
    FUZZ_HOLDS(err == ERR_OK || complaint.text[0] != '\0');
    if (err != ERR_OK) {
        return false;
    }
    enum err verdict = audit_verify(audit, &options, &report, &complaint);
    FUZZ_HOLDS(verdict == ERR_OK || complaint.text[0] != '\0');
    err = audit_get_summary(audit, &summary);
    err = err == ERR_OK ? audit_each_loop(audit, &how, see_loop, audit) : err;
    err = audit_each_key_event(audit, see_event, &len);
    (void)err; /* any: the store is spoilt */
    return verdict == ERR_OK;
}

static bool
checks(const struct town *town)
{
    struct complaint complaint = {.text = ""};
    struct broker *broker = NULL;
    enum err err = broker_open(&town->rig->options, &broker, &complaint);
    FUZZ_HOLDS(err == ERR_OK || complaint.text[0] != '\0');
    if (err == ERR_OK) {
        err = broker_check_store(broker, &complaint);
        FUZZ_HOLDS(err == ERR_OK || complaint.text[0] != '\0');
    }
    broker_free(broker);
    return err == ERR_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned told = 1u << TABLE_LOG | 1u << TABLE_IDS | 1u << TABLE_MAILBOX |
                          1u << TABLE_DIRECTORY | 1u << TABLE_LOOPS | 1u << TABLE_TREE;
    struct town *town = open_town();
    struct reader input = reader_of(bytes_of(data, size));
    const struct rig *rig = town->rig;
    const struct kv_options options = {.dir = rig->dir,
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = (size_t)rig->options.map_bytes,
                                       .map_max_bytes = (size_t)rig->options.map_max_bytes};
    unsigned spoilt = 0;
    stage_put_store(rig->dir, buffer_view(&town->store));
    store_damage(&options, &input, &spoilt);
    bool called_true = is_called_true(town);
    FUZZ_HOLDS((spoilt & told) == 0 || !called_true);
    bool checked = checks(town);
    FUZZ_HOLDS(spoilt != 0 || (called_true && checked));
    return 0;
}
