/* The in-memory twin of log.h, for tests and the simulator. It outlives the replica that uses it,
 * as a disk does. */
#ifndef LOG_LOG_MEMORY_H
#define LOG_LOG_MEMORY_H

#include "log/log.h"

/* An empty log. NO_MEMORY. log_close frees it. */
enum conclave_code log_memory_open(struct log **log) MUST_USE;

/* Tests: the `countdown`-th append or save from now fails with IO, once (1 is the next; 0 never).
 */
void log_memory_fault_arm(struct log *log, uint64_t countdown);
bool log_memory_fault_hit(const struct log *log);

/* Tests: entries find no room from now on; with `votes`, neither do terms and votes. */
void log_memory_fill(struct log *log, bool entries, bool votes);

/* Tests: flips one bit of the stored data of an entry, as a rotting disk would: `bit` counts from
 * the start of the data and wraps at its end; of an entry without data, of its head. */
void log_memory_corrupt(struct log *log, uint64_t index, size_t bit);

/* The same for a bit of its head. */
void log_memory_corrupt_head(struct log *log, uint64_t index, size_t bit);

#endif
