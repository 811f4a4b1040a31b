/* From trouble with what the broker told to the alarm it proves, with what people need to judge it.
 */
#ifndef REFLOOP_AGENT_ACCUSE_H
#define REFLOOP_AGENT_ACCUSE_H

#include "agent/state.h"

/* Where an entry that is in the log did not fit. */
enum accuse_place {
    ACCUSE_OPENING,   /* bytes, author, signature */
    ACCUSE_DIRECTORY, /* the members as they are */
    ACCUSE_LOOP,      /* the loop as it is */
};

/* The alarm that such trouble with a proved entry is, false when it proves nothing against the
 * broker: somebody else may have lied, or be of another version. */
bool accuse_of(enum accuse_place place, enum err trouble, enum statement_kind kind,
               enum alarm_kind *alarm_out);
enum err
accuse_entry(struct unit *unit, enum alarm_kind alarm, const struct entry *entry) MUST_CHECK;
enum err accuse_receipt(struct unit *unit, enum alarm_kind alarm, const struct loop_id *loop,
                        const struct receipt *receipt) MUST_CHECK;
/* Something of this loop was not delivered. Raised once per loop for ever. */
enum err accuse_withheld(struct unit *unit, const struct loop_id *loop, uint64_t index) MUST_CHECK;
/* What such an alarm is about. */
void accuse_name_loop(const struct loop_id *loop, char out[LOOP_ID_TEXT]);

#endif
