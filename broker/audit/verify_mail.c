/* Decides whether each mailbox holds what the entries call for. Looked up one by one the rows would
 * cost a descent each; so those of a chunk are noted and each mailbox is walked once over it. What
 * stands between two of them and is not called for is found on the way. */
#include <stdlib.h>

#include "broker/audit/verify.h"

enum { INDEX_BYTES = 8 };

_Static_assert(1 + VERIFY_CHUNK * (1 + LIMIT_READERS) <= UINT16_MAX, "places of letters");
_Static_assert(LIMIT_MEMBERS <= UINT16_MAX, "places of mailboxes");

enum err
verify_mail_init(struct verify_mail *mail, size_t n_orgs)
{
    mail->boxes = calloc(n_orgs + 1, sizeof(*mail->boxes));
    mail->in_use = calloc(n_orgs + 1, sizeof(*mail->in_use));
    return mail->boxes != NULL && mail->in_use != NULL ? ERR_OK : ERR_MEMORY;
}

void
verify_mail_done(struct verify_mail *mail)
{
    free(mail->boxes);
    free(mail->in_use);
}

static uint64_t
handle_of(struct bytes key)
{
    return kv_u64_of_key(bytes_of(key.data, INDEX_BYTES));
}

static uint64_t
index_of(struct bytes key)
{
    return kv_u64_of_key(bytes_of(key.data + INDEX_BYTES, INDEX_BYTES));
}

static void
note(struct verify_mail *mail, size_t place, uint64_t index, uint8_t part)
{
    struct verify_box *box = &mail->boxes[place];
    uint16_t letter = (uint16_t)++mail->n_letters;
    mail->letters[letter] = (struct verify_letter){.index = index, .part = part};
    if (box->first == 0) {
        box->first = letter;
        mail->in_use[mail->n_boxes++] = (uint16_t)place;
    } else {
        mail->letters[box->last].next = letter;
    }
    box->last = letter;
}

enum err
verify_mail_expect(void *context, enum table table, struct bytes key, struct bytes expected)
{
    const struct verify_row *row = context;
    if (table == TABLE_IDS) {
        return ERR_OK;
    }
    const struct keyring_org *org =
        keyring_find_handle(&row->worker->verify->audit->keyring, handle_of(key));
    if (table != TABLE_MAILBOX || org == NULL || expected.len != 1) {
        return ERR_INTERNAL; /* the journal calls for other rows than it did */
    }
    row->worker->counts.mailbox++;
    note(&row->worker->mail, org->place, row->index, expected.data[0]);
    return ERR_OK;
}

/* ---- walking ---- */

struct mail_walk {
    struct verify_worker *worker;
    const struct keyring_org *org;
    struct kv_cursor *cursor;
    enum err err; /* of the row that comes next */
    uint64_t index;
    struct bytes value;
};

static void
next(struct mail_walk *walk)
{
    struct bytes key;
    walk->err = kv_cursor_next(walk->cursor, &key, &walk->value);
    if (walk->err == ERR_OK &&
        (key.len != MAILBOX_KEY_BYTES || handle_of(key) != walk->org->handle)) {
        walk->err = ERR_NOT_FOUND; /* the next mailbox */
    }
    if (walk->err == ERR_OK) {
        walk->index = index_of(key);
    }
}

/* A damaged row does not tell its key: it is the one looked for, if that can be read no better. */
static bool
is_damaged(const struct mail_walk *walk, uint64_t index)
{
    uint8_t key[MAILBOX_KEY_BYTES];
    struct bytes value;
    return kv_get(walk->worker->txn, TABLE_MAILBOX,
                  tables_mailbox_key(walk->org->handle, index, key), &value) == ERR_CORRUPT;
}

static void
find(const struct mail_walk *walk, uint64_t index, const char *what)
{
    finding_entry(&walk->worker->verify->finding, index, "its row in the mailbox of %s is %s",
                  walk->org->org, what);
}

static void
check_letter(struct mail_walk *walk, const struct verify_letter *letter)
{
    struct finding *finding = &walk->worker->verify->finding;
    while (walk->err == ERR_OK && walk->index < letter->index) {
        finding_entry(finding, walk->index,
                      "it stands in the mailbox of %s, whom it does not concern", walk->org->org);
        next(walk);
    }
    if (walk->err == ERR_OK && walk->index == letter->index) {
        if (!bytes_equal(walk->value, bytes_of(&letter->part, 1))) {
            find(walk, letter->index, "not what the log says");
        }
        next(walk);
    } else if (walk->err == ERR_CORRUPT) {
        find(walk, letter->index,
             is_damaged(walk, letter->index) ? "damaged" : "beside a damaged one");
        next(walk);
    } else if (walk->err == ERR_OK || walk->err == ERR_NOT_FOUND) {
        find(walk, letter->index, "missing");
    } else {
        finding_break(finding, walk->err, "the store cannot be read: %s", err_text(walk->err));
    }
}

static void
walk_box(struct verify_worker *worker, size_t place)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    uint8_t key[MAILBOX_KEY_BYTES];
    const struct verify_mail *mail = &worker->mail;
    const struct keyring_org *org = worker->verify->audit->keyring.orgs[place];
    uint16_t at = mail->boxes[place].first;
    struct bytes from = tables_mailbox_key(org->handle, mail->letters[at].index, key);
    enum err err = kv_cursor_open(worker->txn, TABLE_MAILBOX, from, &cursor);
    if (err != ERR_OK) {
        finding_break(&worker->verify->finding, err, "the store cannot be read: %s", err_text(err));
        return;
    }
    struct mail_walk walk = {.worker = worker, .org = org, .cursor = cursor};
    next(&walk);
    for (; at != 0; at = mail->letters[at].next) {
        check_letter(&walk, &mail->letters[at]);
    }
}

void
verify_mail_run(struct verify_worker *worker)
{
    struct verify_mail *mail = &worker->mail;
    for (size_t i = 0; i < mail->n_boxes; i++) {
        walk_box(worker, mail->in_use[i]);
        mail->boxes[mail->in_use[i]] = (struct verify_box){0, 0};
    }
    mail->n_boxes = 0;
    mail->n_letters = 0;
}
