/* The one list of everything that can go wrong.
 *
 * Two classes that never become one another: PEER is the fault of whoever sent the bytes (a member,
 * a stranger, a user at the keyboard): the input is refused, counted, and nothing else happens. OWN
 * is our fault or our machine's: it travels unchanged to main, is said once, and stops or pauses
 * the program. Values of PEER class go over the wire in receipts (proto/session.proto), so a number
 * is never reused.
 */
#ifndef REFLOOP_LIB_BASE_ERR_H
#define REFLOOP_LIB_BASE_ERR_H

#include <stdbool.h>

#include "lib/base/attr.h"

/* X(symbol, number, class, name, text): name is the stable word of logs and --json. */
#define ERR_TABLE(X)                                                                               \
    X(ERR_MALFORMED, 1, PEER, "malformed", "the bytes are not a valid message")                    \
    X(ERR_VERSION, 2, PEER, "version", "this version of the protocol is not spoken here")          \
    X(ERR_TOO_LARGE, 3, PEER, "too-large", "larger than the limit for it")                         \
    X(ERR_SIGNATURE, 4, PEER, "signature", "the signature does not match its author's key")        \
    X(ERR_UNKNOWN_MEMBER, 5, PEER, "unknown-member", "no such member in this network")             \
    X(ERR_REVOKED, 6, PEER, "revoked", "the administrator has revoked this organization's keys")   \
    X(ERR_NOT_PERMITTED, 7, PEER, "not-permitted", "this sender may not say this")                 \
    X(ERR_WRONG_NETWORK, 8, PEER, "wrong-network", "this belongs to another network")              \
    X(ERR_WRONG_STATE, 9, PEER, "wrong-state", "the loop's state does not allow this step")        \
    X(ERR_SEQUENCE, 10, PEER, "sequence", "a statement before this one is missing")                \
    X(ERR_EQUIVOCATION, 11, PEER, "equivocation", "a different statement already has this place")  \
    X(ERR_UNKNOWN_LOOP, 12, PEER, "unknown-loop", "no such loop")                                  \
    X(ERR_UNKNOWN_REFERENCE, 13, PEER, "unknown-reference", "it refers to a statement not logged") \
    X(ERR_LOOP_EXISTS, 14, PEER, "loop-exists", "a loop with this id exists already")              \
    X(ERR_TOKEN_SPENT, 15, PEER, "token-spent", "this invite has been used already")               \
    X(ERR_TOKEN_EXPIRED, 16, PEER, "token-expired", "this invite has expired")                     \
    X(ERR_TOKEN_ALTERED, 17, PEER, "token-altered", "this invite is damaged or was changed")       \
    X(ERR_READER_KEY, 18, PEER, "reader-key", "a reader's key is not the current one")             \
    X(ERR_QUOTA, 19, PEER, "quota", "this sender has used up its share for now")                   \
    X(ERR_BUSY, 20, PEER, "busy", "no room just now, the sender should try again later")           \
    X(ERR_LOOP_FULL, 21, PEER, "loop-full", "this loop holds as many statements as a loop may")    \
    X(ERR_INVALID, 22, PEER, "invalid", "the input is missing something or contradicts itself")    \
    X(ERR_AMBIGUOUS, 23, PEER, "ambiguous", "this short form fits more than one")                  \
    X(ERR_SELF_ADDRESSED, 24, PEER, "self-addressed", "an organization cannot refer to itself")    \
    X(ERR_MEMBER_EXISTS, 25, PEER, "member-exists",                                                \
      "an organization with this name exists already")                                             \
    X(ERR_MEMORY, 64, OWN, "memory", "out of memory")                                              \
    X(ERR_IO, 65, OWN, "io", "reading or writing failed")                                          \
    X(ERR_DISK_FULL, 66, OWN, "disk-full", "the disk is full")                                     \
    X(ERR_CORRUPT, 67, OWN, "corrupt", "stored data fails its check")                              \
    X(ERR_CONFIG, 68, OWN, "config", "the configuration is not usable")                            \
    X(ERR_KEY, 69, OWN, "key", "a key is missing or does not open this")                           \
    X(ERR_LOCKED, 70, OWN, "locked", "another process is using it")                                \
    X(ERR_NOT_FOUND, 71, OWN, "not-found", "it does not exist")                                    \
    X(ERR_EXISTS, 72, OWN, "exists", "it exists already")                                          \
    X(ERR_UNREACHABLE, 73, OWN, "unreachable", "the other side cannot be reached")                 \
    X(ERR_PERMISSION, 74, OWN, "permission", "the file is open to others or not ours")             \
    X(ERR_INTERNAL, 75, OWN, "internal", "a mistake in refloop itself")

enum err {
    ERR_OK = 0,
#define ERR_ENUM(symbol, number, class, name, text) symbol = number,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/* True for the PEER class; false for ERR_OK and the OWN class. */
bool err_is_peer(enum err err);

/* True when `number` is a defined PEER value (for values read from the wire). */
bool err_is_peer_number(unsigned number);

/* The stable word ("wrong-state"; "ok" for ERR_OK; "unknown" for a number outside the table). */
const char *err_name(enum err err);

/* One plain clause without a full stop. */
const char *err_text(enum err err);

/* A sentence for the person at the keyboard, filled beside an `enum err` by functions that take
 * one. Never holds anything that identifies a person. May be NULL where a caller does not want it.
 */
enum { COMPLAINT_MAX_BYTES = 512 };
struct complaint {
    char text[COMPLAINT_MAX_BYTES];
};

/* Writes the sentence (cut at the limit) and returns `err`, so `return complain(c, ERR_INVALID,
 * ...)`. `complaint` may be NULL. */
enum err complain(struct complaint *complaint, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
