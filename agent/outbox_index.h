/* The outbox's index in memory: lists and maps, no disk. For outbox.c. */
#ifndef REFLOOP_AGENT_OUTBOX_INDEX_H
#define REFLOOP_AGENT_OUTBOX_INDEX_H

#include "agent/outbox.h"

/* Takes the row over and links it last; on ERR_MEMORY it is freed. */
enum err
outbox_index_link(struct outbox *outbox, const struct loop_id *loop, struct row *row) MUST_CHECK;
void outbox_index_unlink(struct outbox *outbox, struct row *row); /* and frees it */
void outbox_index_forget_id(struct outbox *outbox, struct row *row);

#endif
