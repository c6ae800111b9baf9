/* The record PROGRESS, for the files of this folder that write it. */
#ifndef MODEL_POLL_RECORD_H
#define MODEL_POLL_RECORD_H

#include "model/poll.h"

void poll_encode_progress(struct buffer *buffer, const struct poll *poll);

#endif
