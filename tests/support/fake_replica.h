/* A replica that does as it is told: for tests of the api without consensus or state.
 *
 * Reads and commands are kept until the test answers them (by api_readable and api_decided, as a
 * host passes them on). It allocates by the C library, so that counted allocation failures hit the
 * code under test only.
 */
#ifndef TESTS_SUPPORT_FAKE_REPLICA_H
#define TESTS_SUPPORT_FAKE_REPLICA_H

#include "api/operations.h"
#include "model/model.h"

#define FAKE_AUTHORS 4u
#define FAKE_CALLS   9000u

struct fake_call {
    uint64_t token;
    uint64_t timeout_ms;
    uint8_t *command; /* of a submit */
    size_t command_size;
};

struct fake_replica {
    struct replica_status status;
    struct {
        const char *id;
        struct model_author author;
    } authors[FAKE_AUTHORS];
    unsigned author_count;
    unsigned author_calls;
    struct slice reply; /* to any command that is asked for in the table of replies; empty: none */
    bool reads_members; /* reads are not public */

    /* What the functions return; OK unless a test says otherwise. */
    enum conclave_code author_code, submit_code, read_code, query_code;
    const char *query_error;

    struct fake_call submits[FAKE_CALLS];
    unsigned submit_count;
    struct fake_call reads[FAKE_CALLS];
    unsigned read_count;

    /* Answers to cluster.get and to any other query: packed maps. No cluster: NOT_FOUND. */
    struct slice cluster_answer;
    struct slice query_answer;
    char query_method[64];      /* of the last query that was no cluster.get of the api's own */
    uint32_t query_param_count; /* and how many params it had */
    unsigned query_count;
};

extern const struct api_replica_operations fake_replica_operations;

/* On the heap: it is large. fake_replica_close frees. Never fails (aborts). */
struct fake_replica *fake_replica_open(void);
void fake_replica_close(struct fake_replica *fake);

static inline struct replica *fake_replica_handle(struct fake_replica *fake)
{
    return (struct replica *)fake;
}

#endif
