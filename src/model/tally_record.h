/* Tallies and verdicts in records, field by field. */
#ifndef MODEL_TALLY_RECORD_H
#define MODEL_TALLY_RECORD_H

#include "model/encoding.h"
#include "tally/tally.h"

void tally_encode(struct buffer *buffer, const struct tally *tally);
void tally_decode(struct decoder *decoder, struct tally *tally);
void verdict_encode(struct buffer *buffer, const struct tally_verdict *verdict);
void verdict_decode(struct decoder *decoder, struct tally_verdict *verdict);

#endif
