/* One command of a batch, from its bytes to its reply. */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

#include "model/context.h"

/* Decides the command, replies through the sink, and notes its code. Failures only. */
enum conclave_code command_apply(struct model_context *context, struct slice bytes) MUST_USE;

#endif
