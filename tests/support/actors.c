/* Signed commands for tests. */
#include "support/actors.h"

#include <stdio.h>

#include "codec/envelope.h"
#include "codec/writer.h"

void actor_init(struct actor *actor, const char *id)
{
    size_t size = strlen(id);
    ASSERT(size <= LIMIT_ID_BYTES);
    *actor = (struct actor){0};
    memcpy(actor->id, id, size);
    uint8_t seed[AUTH_SHA256_BYTES];
    auth_sha256(slice_of(id, size), seed);
    auth_key_from_seed(&actor->key, seed);
}

void actor_command(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                   uint64_t not_after_ms, const char *kind, struct slice body)
{
    uint8_t nonce[ENVELOPE_NONCE_BYTES] = {0};
    actor->nonces++;
    memcpy(nonce, &actor->nonces, sizeof actor->nonces);
    const struct envelope head = {.cluster = slice_of(cluster_id, ENVELOPE_CLUSTER_BYTES),
                                  .author = slice_of_text(actor->id),
                                  .nonce = slice_of(nonce, sizeof nonce),
                                  .not_after_ms = not_after_ms,
                                  .kind = slice_of_text(kind)};
    struct buffer envelope;
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    envelope_write_head(&envelope, &head);
    codec_write_raw(&envelope, body);
    ASSERT(envelope.status == CONCLAVE_OK);
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    auth_sign(&actor->key, buffer_slice(&envelope), signature);
    buffer_clear(command);
    envelope_write_command(command, buffer_slice(&envelope), slice_of(signature, sizeof signature));
    ASSERT(command->status == CONCLAVE_OK);
    buffer_close(&envelope);
}

static void write_pair(struct buffer *body, const char *name, const char *value)
{
    codec_write_text(body, name);
    codec_write_text(body, value);
}

static void write_key(struct buffer *body, const struct actor *actor)
{
    codec_write_text(body, "key");
    codec_write_bytes(body, slice_of(actor->key.public_key, sizeof actor->key.public_key));
}

/* Signs with `body`, which it closes. */
static void finish(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                   uint64_t not_after_ms, const char *kind, struct buffer *body)
{
    ASSERT(body->status == CONCLAVE_OK);
    actor_command(actor, command, cluster_id, not_after_ms, kind, buffer_slice(body));
    buffer_close(body);
}

void actor_node_key(struct auth_key *key, uint64_t node_id)
{
    char text[32];
    uint8_t seed[AUTH_SHA256_BYTES];
    int size = snprintf(text, sizeof text, "node %llu", (unsigned long long)node_id);
    auth_sha256(slice_of(text, (size_t)size), seed);
    auth_key_from_seed(key, seed);
}

/* What a genesis has, and what follows it in a restore. */
static void write_founding(struct buffer *body, const struct actor *actor, unsigned node_count,
                           uint64_t created_ms)
{
    write_pair(body, "name", "test");
    codec_write_text(body, "nodes");
    codec_write_array(body, node_count);
    for (unsigned id = 1; id <= node_count; id++) {
        char address[LIMIT_ADDRESS_BYTES + 1];
        struct auth_key key;
        actor_node_key(&key, id);
        codec_write_array(body, 4);
        codec_write_u64(body, id);
        snprintf(address, sizeof address, "127.0.0.1:%u", 7100 + id);
        codec_write_text(body, address);
        snprintf(address, sizeof address, "127.0.0.1:%u", 7200 + id);
        codec_write_text(body, address);
        codec_write_bytes(body, slice_of(key.public_key, sizeof key.public_key));
    }
    codec_write_text(body, "chair");
    codec_write_map(body, 2);
    write_pair(body, "id", actor->id);
    write_key(body, actor);
    codec_write_text(body, "created");
    codec_write_u64(body, created_ms);
}

void actor_genesis(struct actor *actor, struct buffer *command, unsigned node_count,
                   uint64_t created_ms)
{
    static const uint8_t no_cluster[16];
    struct buffer body;
    buffer_init(&body, LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 4);
    write_founding(&body, actor, node_count, created_ms);
    finish(actor, command, no_cluster, created_ms + 1000u, "genesis", &body);
}

void actor_restore(struct actor *actor, struct buffer *command, unsigned node_count,
                   uint64_t created_ms, const struct genesis_former *former)
{
    static const uint8_t no_cluster[16];
    struct buffer body;
    buffer_init(&body, LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 5);
    write_founding(&body, actor, node_count, created_ms);
    codec_write_text(&body, "former");
    codec_write_map(&body, 6);
    codec_write_text(&body, "clusters");
    codec_write_array(&body, former->count);
    for (uint32_t i = 0; i < former->count; i++) {
        codec_write_bytes(&body, slice_of(former->clusters[i], sizeof former->clusters[i]));
    }
    codec_write_text(&body, "index");
    codec_write_u64(&body, former->index);
    codec_write_text(&body, "digest");
    codec_write_bytes(&body, slice_of(former->digest, sizeof former->digest));
    codec_write_text(&body, "leaves");
    codec_write_u64(&body, former->leaves);
    codec_write_text(&body, "root");
    codec_write_bytes(&body, slice_of(former->root, sizeof former->root));
    codec_write_text(&body, "backup");
    codec_write_bytes(&body, slice_of(former->backup, sizeof former->backup));
    finish(actor, command, no_cluster, created_ms + 1000u, "cluster.restore", &body);
}

void actor_admit(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                 uint64_t not_after_ms, const struct actor *member)
{
    struct buffer body;
    buffer_init(&body, LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 3);
    write_pair(&body, "id", member->id);
    write_key(&body, member);
    codec_write_text(&body, "classes");
    codec_write_array(&body, 1);
    codec_write_text(&body, "general");
    finish(actor, command, cluster_id, not_after_ms, "member.admit", &body);
}

void actor_open(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                uint64_t not_after_ms, const char *poll, const char *policy, uint64_t open_for_ms)
{
    struct buffer body;
    buffer_init(&body, LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 4);
    write_pair(&body, "id", poll);
    write_pair(&body, "title", "A poll");
    codec_write_text(&body, "questions");
    codec_write_array(&body, 1);
    codec_write_map(&body, 3);
    write_pair(&body, "id", "q");
    write_pair(&body, "title", "Shall we?");
    write_pair(&body, "policy", policy);
    codec_write_text(&body, "open_for_ms");
    codec_write_u64(&body, open_for_ms);
    finish(actor, command, cluster_id, not_after_ms, "poll.open", &body);
}

void actor_vote(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                uint64_t not_after_ms, const char *poll, const char *answer)
{
    struct buffer body;
    buffer_init(&body, LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 2);
    write_pair(&body, "poll", poll);
    codec_write_text(&body, "answers");
    codec_write_array(&body, 1);
    codec_write_map(&body, 2);
    write_pair(&body, "q", "q");
    write_pair(&body, "a", answer);
    finish(actor, command, cluster_id, not_after_ms, "ballot.cast", &body);
}
