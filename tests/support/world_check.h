/* The world's own eyes: invariants that hold after every event, checked from logs and status alone.
 *
 *   I3  one digest at one applied index, on whatever node and in whatever life
 *   I4  one leader in a term
 *   I5  what was applied anywhere stands at its index in every log, for ever
 *   and: applied and committed indexes of a node's life never go back.
 */
#ifndef TESTS_SUPPORT_WORLD_CHECK_H
#define TESTS_SUPPORT_WORLD_CHECK_H

#include "support/world.h"

struct world_check *world_check_open(void);
void world_check_close(struct world_check *check);

/* A node starts, or starts anew. */
void world_check_started(struct world *world, unsigned node);

/* After an event of a node that is up. Sets world->broken. */
void world_check_node(struct world *world, unsigned node);

/* The highest index that any node was seen to have applied. */
uint64_t world_check_applied(const struct world *world);

#endif
