/* What the application of one batch carries from function to function.
 *
 * Rules return a code. OK: done. A failure (store_failed) ends the batch and the node. Any other
 * code is a refusal: its sentence is in `error`, and nothing was written. So every function checks
 * all it has to check before its first put.
 */
#ifndef MODEL_CONTEXT_H
#define MODEL_CONTEXT_H

#include <conclave/limits.h>

#include "auth/roles.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "model/encoding.h"
#include "model/model.h"
#include "model/store.h"

#define REFUSE_FORMAT(format_, first_) __attribute__((format(printf, format_, first_)))

/* The counters of the state (record HEAD). */
struct model_head {
    uint64_t time_ms; /* log time */
    uint32_t members; /* admitted ever: numbers 1..members are in use */
    uint32_t proposals;
    uint32_t polls;
    uint32_t class_sets;
    uint32_t open_polls;
    uint32_t active_chairs;
    uint64_t ballots;         /* accepted, revotes too */
    uint64_t commands;        /* decided */
    uint64_t refused;         /* of those */
    uint64_t replies_dropped; /* of the table of replies */
};

struct poll;

#define REPLY_HASH_BYTES 32u

struct model_context {
    struct kv_transaction *transaction;
    const struct model_sink *sink;
    uint64_t index;
    uint32_t position; /* of the command at hand */
    struct model_head head;
    bool has_cluster; /* genesis was applied */
    uint8_t cluster_id[ENVELOPE_CLUSTER_BYTES];
    struct poll *poll; /* the poll at hand and what of it is not written back yet: poll.h */
    uint8_t envelope_hash[REPLY_HASH_BYTES]; /* of the command at hand: SHA-256 */
    struct buffer result; /* of the command at hand, packed; empty for the empty map */
    struct buffer reply;
    struct buffer event;
    struct buffer record;   /* a record under construction; anyone's between two calls */
    struct buffer replies;  /* keys that this batch put into the table of replies */
    struct buffer refusals; /* what model_codes will tell of this batch */
    uint32_t refusal_count;
    struct codec_error error;
};

/* A command that has come as far as its rule. */
struct command {
    const struct envelope *envelope;
    uint32_t author;         /* member number */
    bool author_key_changed; /* the author has had another key, or was revoked */
    role_set author_roles;   /* but for those that what is acted on gives */
    const struct role_rule *rule;
};

/* Sets the sentence of a refusal and returns its code. */
enum conclave_code refuse(struct model_context *context, enum conclave_code code,
                          const char *format, ...) REFUSE_FORMAT(3, 4) MUST_USE;

/* For "%.*s" of a slice, at most 64 bytes and no half character. */
#define TEXT_ARGUMENTS(slice_) text_shown_bytes(slice_), (const char *)(slice_).data
int text_shown_bytes(struct slice text);

/* The largest part of `text`, cut anywhere, that is whole UTF-8 characters. */
struct slice text_whole(const char *text);

/* An id, a label or a short text as a body may have it; BAD_VALUE names `field`. */
enum conclave_code check_id(struct model_context *context, const char *field, struct slice id)
    MUST_USE;
enum conclave_code check_text(struct model_context *context, const char *field, struct slice text,
                              size_t size_min, size_t size_max)
    MUST_USE; /* no control characters */

/* A fresh record under construction, with its version byte. */
struct buffer *record_begin(struct model_context *context, uint8_t version);

#endif
