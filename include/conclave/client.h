/* libconclave: a client of a Conclave cluster. Blocking, single-threaded, one client object a thread.
 *
 * It connects to one of several endpoints, finds another when that one fails or knows no leader, and sends a command again with the same bytes until its
 * own timeout: sending again is always safe. When it cannot know what became of a command it says CONCLAVE_UNKNOWN_OUTCOME.
 *
 *   struct conclave_client *client;
 *   struct conclave_options options = {.endpoints = endpoints, .endpoint_count = 3, .timeout_ms = 10000};
 *   conclave_open(&options, &client);
 *   conclave_query(client, "poll.get", params, params_size, &answer);
 *
 * Bodies, params and results are MessagePack, as docs/PROTOCOL.md has them.
 */
#ifndef CONCLAVE_CLIENT_H
#define CONCLAVE_CLIENT_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct conclave_client;

struct conclave_options {
    const char *const *endpoints; /* "127.0.0.1:7201"; copied */
    size_t endpoint_count;
    uint64_t timeout_ms; /* of one call, retries included; 0: 10 s */
};

/* Packed bytes that the client owns; valid until the next call on it. */
struct conclave_bytes {
    const uint8_t *data;
    size_t size;
};

/* Why a call failed: the code's name, a sentence, and the endpoint that said so ("" if none did). Valid until the next call. */
struct conclave_failure {
    enum conclave_code code;
    char message[512];
    char endpoint[96];
};

/* USAGE (an endpoint that is no address), NO_MEMORY. Does not connect yet. */
enum conclave_code conclave_open(const struct conclave_options *options, struct conclave_client **client);
void conclave_close(struct conclave_client *client);
const struct conclave_failure *conclave_last_failure(const struct conclave_client *client);

/* The cluster's id (asks `hello` once). */
enum conclave_code conclave_cluster_id(struct conclave_client *client, uint8_t cluster_id[16]);

/* One request and its answer: retried on other endpoints while that is safe (queries, hello). */
enum conclave_code conclave_query(struct conclave_client *client, const char *method, const void *params,
                                  size_t params_size, struct conclave_bytes *result);

/* One request to one endpoint, by its place in the options; no retries (status of each node). */
enum conclave_code conclave_ask(struct conclave_client *client, size_t endpoint, const char *method, const void *params,
                                size_t params_size, uint64_t timeout_ms, struct conclave_bytes *result);

/* Signs a command of `kind` with `body` (a packed map) as `author`, with a fresh nonce and not_after = now + 1 h (at least the timeout), and submits it until there is an answer.
 * `secret_key`: 64 bytes, libsodium's form. `nonce` (16 bytes) gets the nonce, known also when the outcome is not.
 * OK: decided and accepted, `reply` is the reply map. A refusal's code: decided or refused, `reply` is the reply map if it was decided (size 0 if not). UNKNOWN_OUTCOME. */
enum conclave_code conclave_submit(struct conclave_client *client, const char *author, const uint8_t *secret_key,
                                   const char *kind, const void *body, size_t body_size, uint8_t nonce[16],
                                   struct conclave_bytes *reply);

/* The same for a command that is signed already (bytes of [envelope, signature]). */
enum conclave_code conclave_submit_signed(struct conclave_client *client, const void *command, size_t command_size,
                                          struct conclave_bytes *reply);

/* Starts `watch`; then conclave_next_event waits up to `timeout_ms` for one (UNKNOWN_OUTCOME: none came; UNREACHABLE: connection lost, call conclave_watch again). */
enum conclave_code conclave_watch(struct conclave_client *client, uint64_t *index);
enum conclave_code conclave_next_event(struct conclave_client *client, uint64_t timeout_ms, struct conclave_bytes *event);

#ifdef __cplusplus
}
#endif

#endif
