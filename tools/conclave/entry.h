/* Entries of the log with their commands decoded: for `log` and `export`. */
#ifndef CONCLAVE_ENTRY_H
#define CONCLAVE_ENTRY_H

#include "session.h"

/* Adds to every command of an entry (log.read, as JSON) what is in its envelope: request, author,
 * nonce, not_after, kind and body. A command that is not understood stays as it is. */
void entry_expand(json_t *entry);

/* One page of entries from index `from`, at most `limit`, not expanded; NULL with the status set.
 */
json_t *entry_page(struct cli *cli, uint64_t from, uint64_t limit, int *status) MUST_USE;

#endif
