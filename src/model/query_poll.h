/* The shapes of polls, for the queries that show them. */
#ifndef MODEL_QUERY_POLL_H
#define MODEL_QUERY_POLL_H

#include "model/poll.h"
#include "model/query.h"

/* The shape "tally" of one question, with its verdict (as it is now while the poll is open, as it
 * was decided otherwise). */
enum conclave_code query_write_tally(const struct query *query, struct buffer *buffer,
                                     const struct poll *poll, uint32_t question) MUST_USE;

/* Finds and loads the poll with this id, UNKNOWN_POLL otherwise. */
enum conclave_code query_load_poll(const struct query *query, struct slice id, struct poll *poll)
    MUST_USE;

#endif
