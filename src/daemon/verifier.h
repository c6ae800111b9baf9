/* Signatures checked on threads: verifications gather during a turn of the loop and leave in
 * batches, at most so many at once as there are workers. */
#ifndef DAEMON_VERIFIER_H
#define DAEMON_VERIFIER_H

#include <uv.h>

#include "api/api.h"

struct verifier;

/* `done` is called on the loop for each verification, with `valid` set. NO_MEMORY. */
enum conclave_code verifier_open(uv_loop_t *loop, unsigned workers,
                                 void (*done)(void *context, struct api_verification *verification),
                                 void *context, struct verifier **verifier) MUST_USE;

/* Queues one; verifier_run hands out what has gathered. */
void verifier_add(struct verifier *verifier, struct api_verification *verification);
void verifier_run(struct verifier *verifier);

bool verifier_busy(const struct verifier *verifier);

/* Nothing may be under way. */
void verifier_close(struct verifier *verifier);

#endif
