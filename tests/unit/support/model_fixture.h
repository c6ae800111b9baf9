/* The state machine under test: commands and queries as JSON, batches applied to two stores at
 * once.
 *
 * Every batch goes to a second store too, and replies, events and digests of both must be the same:
 * each test is a test of determinism. Signatures are zeros, which the model does not look at, until
 * model_sign_with says otherwise.
 *
 * JSON texts are printf formats in which ' stands for ". A string "hex:..." stands for bytes, both
 * ways.
 */
#ifndef TESTS_UNIT_SUPPORT_MODEL_FIXTURE_H
#define TESTS_UNIT_SUPPORT_MODEL_FIXTURE_H

#include <jansson.h>

#include "kv/kv_digest.h"
#include "model/model.h"
#include "unit/support/model_json.h"

#define MODEL_START_MS UINT64_C(1000000)
#define MODEL_HOUR_MS  UINT64_C(3600000)

struct model_fixture {
    struct kv *stores[2];
    uint8_t digests[2][KV_DIGEST_BYTES];
    uint64_t index;   /* of the last batch */
    uint64_t time_ms; /* of the next batch */
    uint8_t cluster[16];
    uint64_t nonces;    /* used so far */
    json_t *replies;    /* of the last batch, by position */
    json_t *events;     /* of the last batch */
    struct buffer raw;  /* the packed replies of the last batch, one after the other */
    struct buffer *log; /* batches by index; index 0 is unused */
    size_t log_count;
    struct buffer commands[1024]; /* of the batch being made */
    uint32_t command_count;
    char query_error[CODEC_ERROR_BYTES];
    struct {
        const char *author;
        uint8_t secret_key[64];
    } signers[8];
    unsigned signer_count;
};

/* Two empty stores, both in memory, or the second an LMDB environment in `directory`. No genesis
 * yet. */
void model_open_empty(struct model_fixture *fixture, const char *directory);
void model_close(struct model_fixture *fixture);

/* The same with a cluster "test" of three nodes, whose chair is "chair". */
void model_open(struct model_fixture *fixture, const char *directory);

/* The key of a test member: its id, filled with zeros, as "hex:..." (static, of the last four
 * calls). */
const char *model_key(const char *id);

/* A real key whose seed is the text, filled with zeros: its public half as "hex:..." (static, of
 * the last four calls), and a signature by it, likewise. */
const char *model_real_key(const char *seed);
const char *model_signature(const char *seed, struct slice message);

/* From now on the commands of `author` are signed with this key. */
void model_sign_with(struct model_fixture *fixture, const char *author, const char *seed);

/* Makes a command. `not_after_ms` 0: an hour ahead. `nonce` NULL: a new one. The bytes go to
 * `command` (initialised). */
void model_command(struct model_fixture *fixture, struct buffer *command, const char *author,
                   const uint8_t nonce[16], uint64_t not_after_ms, const char *kind, json_t *body);

/* Puts commands into the next batch; model_apply_batch applies it, with the polls in `closes` (JSON
 * array, or NULL). */
void model_add(struct model_fixture *fixture, const char *author, const char *kind,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
void model_add_bytes(struct model_fixture *fixture, struct slice command);
void model_apply_batch(struct model_fixture *fixture, const char *closes);

/* One command, one batch. The reply is the fixture's until the next batch. */
json_t *model_submit(struct model_fixture *fixture, const char *author, const char *kind,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, and the reply must be `ok`; its result comes back. */
json_t *model_ok(struct model_fixture *fixture, const char *author, const char *kind,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, and it must be refused with this code; only the table of replies and the counters may
 * have changed. Returns the message. */
const char *model_refused(struct model_fixture *fixture, const char *code, const char *author,
                          const char *kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A query whose answer must come (the caller's reference), or must be refused with a code. */
json_t *model_ask(struct model_fixture *fixture, const char *method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void model_ask_refused(struct model_fixture *fixture, enum conclave_code code, const char *method,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Closes what is due at fixture->time_ms, as a leader does. Returns how many polls were due. */
uint32_t model_close_due(struct model_fixture *fixture);

/* Everything in a store, but the keys whose first byte is in `but` (may be NULL): one line a pair,
 * in hex. Freed by the caller. */
char *model_dump(struct kv *kv, const char *but);

#endif
