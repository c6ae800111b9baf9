/* The table of replies: what makes every command exactly-once.
 *
 * Keyed by nonce, then author: nonces that start with the time keep the writes of a batch close
 * together. A command is told by the SHA-256 of its envelope. Each batch also notes which keys it
 * made (REPLY_QUEUE); once log time is REPLIES_KEEP_MS past that batch they are dropped, at most
 * LIMIT_REPLIES_EXPIRED_PER_BATCH a batch. That is safe because not_after is at most 24 h ahead of
 * log time when a command is decided: whatever was dropped is refused `expired` when it comes
 * again. Only a command refused because its not_after is further ahead would outlive its reply, and
 * could be decided a second time by whoever found it in the log: such a reply is never dropped.
 * The hour on top lets `request` tell "absent" from "no longer known" by the time in a
 * nonce, whose maker's clock may be ahead.
 */
#ifndef MODEL_REPLIES_H
#define MODEL_REPLIES_H

#include "model/context.h"

#define REPLIES_KEEP_MS (LIMIT_NOT_AFTER_AHEAD_MS + 3600ull * 1000u)

/* A reply as stored; the slices are the store's. */
struct stored_reply {
    uint8_t hash[REPLY_HASH_BYTES]; /* SHA-256 of the envelope */
    enum conclave_code code;
    struct slice packed; /* the reply map */
};

/* NOT_FOUND; CORRUPT. */
enum conclave_code reply_load(struct kv_transaction *transaction, struct slice nonce,
                              uint32_t author, struct stored_reply *reply) MUST_USE;

/* Stores the reply that was packed into context->reply. */
enum conclave_code reply_save(struct model_context *context, const struct command *command,
                              const uint8_t hash[REPLY_HASH_BYTES], enum conclave_code reply_code)
    MUST_USE;

/* Drops what is old enough. */
enum conclave_code replies_drop_old(struct model_context *context) MUST_USE;

/* Notes how a command of this batch was decided, for model_codes. */
void batch_note_code(struct model_context *context, enum conclave_code decided);

/* Writes the batch's codes and its part of the queue. `count`: commands in the batch. */
enum conclave_code batch_save(struct model_context *context, uint32_t count) MUST_USE;

#endif
