/* A loop that runs until something is so, or a test has waited too long. */
#ifndef TESTS_SUPPORT_LOOP_H
#define TESTS_SUPPORT_LOOP_H

#include <stdbool.h>
#include <uv.h>

/* Runs `loop` until `condition(context)`; false when that took longer than `timeout_ms`. */
bool loop_run_until(uv_loop_t *loop, bool (*condition)(void *context), void *context,
                    uint64_t timeout_ms);

/* Closes the loop; nothing may be left in it. */
void loop_finish(uv_loop_t *loop);

/* A blocking socket connected to 127.0.0.1:`port` of `address`, or -1; reads on it do not block. */
int loop_connect(const char *address);

/* A port of 127.0.0.1 on which nobody listened a moment ago, as an address. */
void loop_free_address(char *text, size_t size);

#endif
