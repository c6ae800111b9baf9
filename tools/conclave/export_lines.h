/* The lines of an export, one kind after the other, as the nodes answer: for `export` and `backup`,
 * which docs/RECORD.md describes. */
#ifndef CONCLAVE_EXPORT_LINES_H
#define CONCLAVE_EXPORT_LINES_H

#include "session.h"

struct export
{
    FILE *file;
    bool msgpack;
    uint64_t from, to; /* the next entry, and the last that is wanted */
    uint64_t entries, commands, decisions;
    uint64_t leaves; /* of the record, that these entries have */
};

/* Each returns 0 or the exit status, and has said why. That a line could not be written is seen by
 * ferror. */

/* conclave.checkpoint.v1: what the nodes have signed of this log; nothing where they have not yet.
 * Before the entries, so that these reach as far. */
int export_checkpoint(struct cli *cli, const struct export *export) MUST_USE;

/* A page of conclave.entry.v1. `more`: there is another. */
int export_entries(struct cli *cli, struct export *export, bool *more) MUST_USE;

/* conclave.decision.v1, of the entries from `first` on that were written. */
int export_decisions(struct cli *cli, struct export *export, uint64_t first) MUST_USE;

/* conclave.end.v1. */
void export_end(const struct export *export);

/* One line of progress on a terminal's standard error, and its end. */
void export_show_progress(const struct cli *cli, const struct export *export);
void export_end_progress(const struct cli *cli);

#endif
