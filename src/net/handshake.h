/* The first words between nodes: who calls, whom, of which cluster, and from which disk. Nothing
 * else of a connection is looked at before they were accepted.
 *
 *   caller:    [2, cluster id: bin 16, from: node id, to: node id, disk id: bin 16,
 *               generation: uint, start numbers: bin (8 bytes each, at most 16), version: str,
 *               token: bin]
 *   answerer:  [2, "ok" or the name of an error, sentence: str]
 *
 * The token is that of a node which joined with one (auth/join.h), else empty.
 * Errors: "wrong_cluster", "unauthorised", "stale_disk" (disk.h), "removed" (from the cluster, by
 * a command), names of conclave_code.
 *
 * Each is one frame of at most HANDSHAKE_BYTES_MAX bytes.
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include "base/buffer.h"
#include "net/disk.h"

#define HANDSHAKE_VERSION        2u
#define HANDSHAKE_BYTES_MAX      1024u
#define HANDSHAKE_ID_BYTES       16u
#define HANDSHAKE_VERSION_BYTES  32u
#define HANDSHAKE_TOKEN_BYTES    64u
#define HANDSHAKE_CODE_BYTES     32u
#define HANDSHAKE_SENTENCE_BYTES 256u

struct handshake {
    uint8_t cluster_id[HANDSHAKE_ID_BYTES];
    uint64_t from, to; /* node ids */
    struct disk_shown disk;
    char program_version[HANDSHAKE_VERSION_BYTES + 1]; /* a longer one is cut, between characters */
    size_t token_size;
    uint8_t token[HANDSHAKE_TOKEN_BYTES];
};

struct handshake_answer {
    char code[HANDSHAKE_CODE_BYTES + 1];
    char sentence[HANDSHAKE_SENTENCE_BYTES + 1];
};

/* Appends one MessagePack value. */
void handshake_write(struct buffer *buffer, const struct handshake *handshake);
void handshake_answer_write(struct buffer *buffer, const char *code, const char *sentence);

/* BAD_REQUEST; BAD_VERSION; NO_MEMORY. */
enum conclave_code handshake_read(struct slice bytes, struct handshake *handshake) MUST_USE;
enum conclave_code handshake_answer_read(struct slice bytes, struct handshake_answer *answer)
    MUST_USE;

#endif
