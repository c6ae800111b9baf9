/* Reading what a node answers, as far as a load generator must. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "codec/reader.h"

struct answer {
    uint32_t msgid;
    enum conclave_code code; /* of the error, or the reply; OK for a query's result */
    bool passing;            /* an error that says: try again */
    char text[120];          /* the error's or the reply's sentence, cut */
};

/* False when it is no response of MessagePack-RPC. */
bool answer_read(struct slice bytes, struct answer *answer);

/* "127.0.0.1:7201". */
bool answer_parse_endpoint(const char *text, struct sockaddr_storage *address);

#endif
