/* Decides how belief in the log is told. Entries are counted as the steps of a referral are: the
 * log of 1,205 entries goes up to entry 1,204. That others are a little behind is the ordinary run
 * of things; that they stay behind is worth a word. */
#include "agent/command/proof_words.h"

#include <string.h>

#include "lib/base/text.h"

enum {
    COUNT_BYTES = 32,
    PART_BYTES = 192,
    LATE_MS = 24 * 3600000 /* others are closed at night, and that is no news */
};

/* "1,204" */
static void
write_count(uint64_t n, char out[COUNT_BYTES])
{
    char digits[COUNT_BYTES];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

/* "12 s ago", or "just now". */
static void
write_ago(int64_t ms, int64_t now_ms, char out[CLOCK_TEXT_BYTES + 8])
{
    char span[CLOCK_TEXT_BYTES];

    clock_format_span(now_ms > ms ? now_ms - ms : 0, span);
    bool counted = span[0] >= '0' && span[0] <= '9';
    (void)text_format(out, CLOCK_TEXT_BYTES + 8, "%s%s", span, counted ? " ago" : "");
}

static void
write_confirmed(const struct agent_proof_status *status, char out[PART_BYTES])
{
    bool enough = status->n_witnesses > 0 && status->n_witnesses >= status->witnesses_wanted;
    size_t n = enough ? status->n_witnesses : status->witnesses_wanted;
    char size[COUNT_BYTES];

    if (status->witnessed_size == 0 || n == 0) {
        (void)text_format(out, PART_BYTES, "; no other organization has confirmed it yet");
        return;
    }
    write_count(status->witnessed_size - 1, size);
    (void)text_format(out, PART_BYTES, "; confirmed by %s%zu other organization%s up to entry %s",
                      enough ? "" : "at least ", n, n == 1 ? "" : "s", size);
}

static bool
is_late(const struct agent_proof_status *status, int64_t now_ms)
{
    return status->witnesses_wanted > 0 && status->unconfirmed_ms > 0 &&
           now_ms - status->unconfirmed_ms >= LATE_MS;
}

static void
write_late(const struct agent_proof_status *status, int64_t now_ms, char out[PART_BYTES])
{
    char ago[CLOCK_TEXT_BYTES + 8];
    bool never = status->witnessed_size == 0;

    out[0] = '\0';
    if (!is_late(status, now_ms))
        return;
    write_ago(status->witnessed_ms, now_ms, ago);
    (void)text_format(out, PART_BYTES,
                      " This office wants %zu to confirm it, which %s%s. Sending goes on; if it "
                      "stays so, ask your administrator.",
                      status->witnesses_wanted, never ? "has not happened yet" : "last happened ",
                      never ? "" : ago);
}

static void
write_unproved(const struct agent_proof_status *status, char out[PART_BYTES])
{
    bool one = status->n_unproved == 1;

    out[0] = '\0';
    if (status->n_unproved > 0)
        (void)text_format(out, PART_BYTES,
                          " %u step%s of ours %s sent, but not proved to be in the log: %s sent "
                          "again without further help.",
                          status->n_unproved, one ? "" : "s", one ? "was" : "were",
                          one ? "it is" : "they are");
}

bool
proof_words_write(const struct agent_proof_status *status, int64_t now_ms,
                  char out[PROOF_WORDS_BYTES])
{
    char size[COUNT_BYTES];
    char ago[CLOCK_TEXT_BYTES + 8];
    char confirmed[PART_BYTES], late[PART_BYTES], unproved[PART_BYTES];

    write_unproved(status, unproved);
    if (!status->has_checkpoint || status->checkpoint_size == 0) {
        (void)text_format(out, PROOF_WORDS_BYTES,
                          "Nothing of the log is proved yet: that begins with the first answer of "
                          "the broker.%s",
                          unproved);
        return unproved[0] != '\0';
    }
    write_count(status->checkpoint_size - 1, size);
    write_ago(status->checkpoint_ms, now_ms, ago);
    write_confirmed(status, confirmed);
    write_late(status, now_ms, late);
    (void)text_format(out, PROOF_WORDS_BYTES, "Log proved up to entry %s (%s)%s.%s%s", size, ago,
                      confirmed, late, unproved);
    return late[0] != '\0' || unproved[0] != '\0';
}
