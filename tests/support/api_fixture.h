/* A host for an api over a fake replica, and a client that speaks to it by msgpack-c and libsodium
 * alone.
 *
 * Allocates by the C library, so that counted allocation failures hit the code under test only.
 */
#ifndef TESTS_SUPPORT_API_FIXTURE_H
#define TESTS_SUPPORT_API_FIXTURE_H

#include <msgpack.h>

#include "api/api.h"
#include "support/fake_replica.h"

#define FIXTURE_CONNECTIONS 5000u /* ids from 1 */
#define FIXTURE_NOW_MS      1000000u

/* Bytes of a string literal: as an expression, and in tables. */
#define FIXTURE_BYTES(text) slice_of(text, sizeof(text) - 1)
#define FIXTURE_LITERAL(text)                     \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }
#define FIXTURE_NO_PARAMS ((struct slice){0})

/* What the api sent on a connection. */
struct fixture_connection {
    uint8_t *output;
    size_t size;
    size_t taken; /* read by the test */
    bool open;
    bool close_asked; /* host->close was called */
    bool paused;      /* host->pause */
    size_t unsent;    /* what host->unsent says */
};

struct api_fixture {
    struct api *api;
    struct fake_replica *replica; /* NULL over a real one */
    struct api_host host;
    struct clock clock;
    uint64_t now_ms;
    struct api_limits limits; /* of fixture_start */
    struct fixture_connection *connections;
    struct api_verification *verify_first, *verify_last; /* waiting to be checked */
    unsigned verify_count;
    unsigned random_calls;
    struct api_peer peers[LIMIT_NODES];
    unsigned peer_count;
    uint8_t public_key[32]; /* of the author "ada" */
    uint8_t secret_key[64];
    uint8_t cluster[16];
};

/* An api with one connection, number 1, without limits in time, over a fake replica with one
 * author, "ada". Aborts when it fails. */
struct api_fixture *fixture_open(void);
struct api_fixture *fixture_open_limited(const struct api_limits *limits);

/* The same in two steps, for a real replica: `operations` NULL, and `fixture->cluster` is the
 * caller's to set. */
struct api_fixture *fixture_prepare(void);
void fixture_start(struct api_fixture *fixture, struct replica *replica,
                   const struct api_replica_operations *operations);
void fixture_close(struct api_fixture *fixture);

void fixture_connect(struct api_fixture *fixture, uint64_t connection);
void fixture_disconnect(struct api_fixture *fixture, uint64_t connection);

/* Gives bytes to the api, without api_run. */
void fixture_feed(struct api_fixture *fixture, uint64_t connection, struct slice bytes);

/* Sends [0, msgid, method, [params]] and runs the api. `params` is a packed map; NULL data: an
 * empty one. */
void fixture_request(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                     const char *method, struct slice params);

/* Checks the signatures that wait, and runs the api. */
void fixture_verify(struct api_fixture *fixture);

/* Answers the n-th submit or read of the fake replica, and runs the api. */
void fixture_decide(struct api_fixture *fixture, unsigned number, enum conclave_code code,
                    struct slice reply);
void fixture_readable(struct api_fixture *fixture, unsigned number, enum conclave_code code);

/* The next message sent on a connection, into `message`; false when there is none. The caller
 * destroys it. */
bool fixture_next(struct api_fixture *fixture, uint64_t connection, msgpack_unpacked *message);
bool fixture_silent(struct api_fixture *fixture, uint64_t connection);

/* The next message must be an error of this request with this code, and its sentence must have
 * `fragment`; its details must have the unsigned number `detail_value` as `detail` when that is not
 * NULL. */
void fixture_expect_error(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                          const char *code, const char *fragment);
void fixture_expect_limit(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                          const char *code, const char *detail, uint64_t detail_value);

/* The next message must be a result of this request; the caller destroys `message`. */
const msgpack_object *fixture_expect_result(struct api_fixture *fixture, uint64_t connection,
                                            uint32_t message_id, msgpack_unpacked *message);

/* The value under a key of a map; the test fails when it has none. */
const msgpack_object *fixture_get(const msgpack_object *map, const char *key);

/* Asks `hello`: the challenge is fixture->random_calls, 32 times. */
void fixture_hello(struct api_fixture *fixture, uint64_t connection);

/* Sends `prove` on connection 1, signed as PROTOCOL.md's "Sessions" says. `binding` is the
 * channel's, or NULL. */
void fixture_send_proof(struct api_fixture *fixture, uint32_t message_id, const char *member,
                        uint8_t challenge, const uint8_t secret_key[64], const uint8_t *binding);

/* What a command is made of; zeros and NULLs stand for what is right. */
struct fixture_command {
    const char *author;     /* "ada" */
    const char *kind;       /* "poll.close" */
    const uint8_t *cluster; /* the fixture's */
    size_t body_bytes;      /* of the one text, "id", in the body */
    struct slice body;      /* packed; in its place */
    uint64_t nonce;
    bool bad_signature;
};

/* Packs params {"command": bin, "timeout_ms": timeout_ms when not 0} into `params`, which the
 * caller destroys. */
void fixture_write_submit(struct api_fixture *fixture, const struct fixture_command *command,
                          uint64_t timeout_ms, msgpack_sbuffer *params);

/* Packs the command alone. */
void fixture_write_command(struct api_fixture *fixture, const struct fixture_command *command,
                           msgpack_sbuffer *out);

static inline struct slice fixture_slice(const msgpack_sbuffer *buffer)
{
    return slice_of(buffer->data, buffer->size);
}

/* A packed request, appended. */
void fixture_pack_request(msgpack_sbuffer *out, uint32_t message_id, const char *method,
                          struct slice params);

#endif
