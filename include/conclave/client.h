/* libconclave: a client of a Conclave cluster. Blocking, single-threaded, one client object a
 * thread.
 *
 * It connects to one of several endpoints, finds another when that one fails or knows no leader,
 * and sends a command again with the same bytes until its own timeout: sending again is always
 * safe. When it cannot know what became of a command it says CONCLAVE_UNKNOWN_OUTCOME.
 *
 *   const char *endpoints[] = {"127.0.0.1:7201", "127.0.0.1:7202", "127.0.0.1:7203"};
 *   struct conclave_options options = {.endpoints = endpoints, .endpoint_count = 3};
 *   struct conclave_client *client;
 *   if (conclave_open(&options, &client) == CONCLAVE_OK) {
 *       struct conclave_bytes answer;
 *       enum conclave_code code = conclave_query(client, "poll.get", params, params_size, &answer);
 *       ...
 *       conclave_close(client);
 *   }
 *
 * Bodies, params and results are MessagePack, as docs/PROTOCOL.md has them. No function raises a
 * signal (SIGPIPE included) or blocks past its timeout, except for the time that the system's
 * resolver takes where an endpoint is a host name and not an address.
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

#define CONCLAVE_MUST_USE __attribute__((warn_unused_result))

#define CONCLAVE_CLUSTER_ID_BYTES 16u
#define CONCLAVE_NONCE_BYTES      16u
#define CONCLAVE_SECRET_KEY_BYTES 64u

struct conclave_client;

/* Who the client is: a member, and its key in libsodium's form (the seed, then the public key),
 * which stays the caller's until conclave_close. */
struct conclave_identity {
    const char *member;
    const uint8_t *secret_key; /* CONCLAVE_SECRET_KEY_BYTES */
};

/* Why a call failed: the code, a sentence, and the endpoint that said so or that was tried last
 * ("" if none). Valid until the next call. */
struct conclave_failure {
    enum conclave_code code;
    char message[512];
    char endpoint[96];
};

struct conclave_options {
    const char *const *endpoints; /* "127.0.0.1:7201", "[::1]:7201", "name:7201"; copied */
    size_t endpoint_count;        /* 1 to LIMIT_ENDPOINTS */
    uint64_t timeout_ms;          /* of one call, retries included; 0: 10 s */
    /* TLS 1.3, when there is a CA to trust: a PEM file of certificates. Nodes must show one of the
     * CA that is a node's, or that names the endpoint's host. Without it only loopback addresses
     * are connected to. */
    const char *ca_file; /* NULL: no TLS */
    /* What this client shows, where the cluster wants to see one; NULL: nothing. The key must be
     * readable by its owner only. */
    const char *certificate_file, *certificate_key_file;
    /* Asked at most once, when a node wants proof of who the client is before it answers (reads
     * that are for members only): fills in `identity`, or returns false, and the call fails with
     * PROOF_NEEDED. NULL: never proves anything. The client proves again by itself where it has to.
     */
    bool (*identify)(void *context, struct conclave_identity *identity);
    void *identify_context;
    struct conclave_failure *failure; /* gets why conclave_open failed; may be NULL */
};

/* Packed bytes that the client owns; valid until the next call on it. */
struct conclave_bytes {
    const uint8_t *data;
    size_t size;
};

/* USAGE (an endpoint that is no address, none, or too many), CONFIG (a file for TLS that is not
 * what it should be), NO_MEMORY, INTERNAL (no cryptography). Reads the files for TLS, once; does
 * not connect yet. On failure `*client` is NULL. */
enum conclave_code conclave_open(const struct conclave_options *options,
                                 struct conclave_client **client) CONCLAVE_MUST_USE;
void conclave_close(struct conclave_client *client);
const struct conclave_failure *conclave_last_failure(const struct conclave_client *client);

/* From now on calls take at most this long (0: 10 s). */
void conclave_set_timeout(struct conclave_client *client, uint64_t timeout_ms);

/* The cluster's id; asks `hello` once and remembers. Fails as conclave_query does. */
enum conclave_code conclave_cluster_id(struct conclave_client *client,
                                       uint8_t cluster_id[CONCLAVE_CLUSTER_ID_BYTES])
    CONCLAVE_MUST_USE;

/* Proves to a node, now, that the client is who `identify` says. OK: some node took the proof. Else
 * why the last one did not (BAD_SIGNATURE, KEY_REVOKED, NOT_ACTIVE, UNKNOWN_AUTHOR, ...);
 * PROOF_NEEDED: nobody is identified. */
enum conclave_code conclave_prove(struct conclave_client *client) CONCLAVE_MUST_USE;

/* One request that changes nothing, and its answer: asked again of other endpoints while nodes fail
 * or know no leader, until the timeout. `params` is a packed map, NULL for an empty one; it must
 * not have the key `timeout_ms`, which the client adds. UNREACHABLE: no node could be asked.
 * NO_LEADER: nodes answered and none knew a leader, or they took the request and no answer came in
 * time (a leader without a quorum cannot answer). BUSY, SHUTTING_DOWN: likewise. Else the code that
 * a node answered with; INTERNAL where its answer was not understood. */
enum conclave_code conclave_query(struct conclave_client *client, const char *method,
                                  const void *params, size_t params_size,
                                  struct conclave_bytes *result) CONCLAVE_MUST_USE;

/* One request to one endpoint, by its place in the options; no retries (status of each node).
 * UNREACHABLE: it could not be asked, the failure's message says why ("connection refused", "timed
 * out", ...). UNKNOWN_OUTCOME: asked, and no answer in time. Else the node's code. */
enum conclave_code conclave_ask(struct conclave_client *client, size_t endpoint, const char *method,
                                const void *params, size_t params_size, uint64_t timeout_ms,
                                struct conclave_bytes *result) CONCLAVE_MUST_USE;

/* Signs a command of `kind` with `body` (a packed map) as `author`, with a fresh nonce and
 * not_after one hour (at least the timeout) from now, and submits it until there is an answer or
 * the timeout. `secret_key` is libsodium's form: the seed, then the public key. `nonce` gets the
 * nonce, known also when the outcome is not (zeros when nothing was signed, because no node told
 * the cluster's id).
 *
 * OK: decided and accepted; `reply` is the reply map. Another code with reply->size > 0: decided
 * and refused by a rule. With reply->size 0, one of: UNKNOWN_OUTCOME   it may or may not be
 * decided: ask `request`, or send the same bytes again UNREACHABLE       it reached no node: it is
 * not decided NO_LEADER, BUSY, SHUTTING_DOWN   nodes answered and none took it: it is not decided
 *   any other         refused before the log: it is not decided */
enum conclave_code conclave_submit(struct conclave_client *client, const char *author,
                                   const uint8_t secret_key[CONCLAVE_SECRET_KEY_BYTES],
                                   const char *kind, const void *body, size_t body_size,
                                   uint8_t nonce[CONCLAVE_NONCE_BYTES],
                                   struct conclave_bytes *reply) CONCLAVE_MUST_USE;

/* The same for a command that is signed already (the bytes of [envelope, signature]). */
enum conclave_code conclave_submit_signed(struct conclave_client *client, const void *command,
                                          size_t command_size,
                                          struct conclave_bytes *reply) CONCLAVE_MUST_USE;

/* The bytes of the last command that conclave_submit signed (size 0: none), to be sent again with
 * conclave_submit_signed. Valid until the next conclave_submit. */
struct conclave_bytes conclave_last_command(const struct conclave_client *client);

/* Starts `watch` on a connection of its own (a watch that was there ends); `index` gets the log
 * index that the events follow. Fails as conclave_query does. */
enum conclave_code conclave_watch(struct conclave_client *client,
                                  uint64_t *index) CONCLAVE_MUST_USE;

/* Waits up to `timeout_ms` for an event, a packed map. UNKNOWN_OUTCOME: none came. UNREACHABLE: the
 * connection is lost, call conclave_watch again (and log.read for what was missed). Other calls on
 * the client may be made between. */
enum conclave_code conclave_next_event(struct conclave_client *client, uint64_t timeout_ms,
                                       struct conclave_bytes *event) CONCLAVE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
