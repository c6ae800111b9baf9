/* The commands on polls, and closing by the leader's word. */
#ifndef MODEL_POLL_APPLY_H
#define MODEL_POLL_APPLY_H

#include "model/poll.h"

/* poll.open (poll_open.c), poll.close, poll.cancel */
enum conclave_code poll_apply_open(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code poll_apply_close(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code poll_apply_cancel(struct model_context *context, const struct command *command)
    MUST_USE;

/* The batch says that this poll is due. Closes it when that is so by log time; does nothing
 * otherwise. Failures only. */
enum conclave_code poll_close_due(struct model_context *context, struct slice id) MUST_USE;

#endif
