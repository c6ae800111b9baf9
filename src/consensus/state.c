/* The record of what was applied: [version 1, index, term, digest, configuration index,
 * configuration, [[voter, since index], ...]]. */
#include "consensus/state.h"

#include "base/mutant.h"
#include "codec/reader.h"
#include "codec/writer.h"

#define STATE_VERSION  1u
#define STATE_ELEMENTS 7u

static const uint8_t state_key[] = {0, 'r', 'e', 'p', 'l', 'i', 'c', 'a'};

static bool decode_voters(const msgpack_object *array, struct state *state)
{
    const msgpack_object *items;
    if (codec_get_array(array, 0, LIMIT_NODES, &items, &state->voter_count) != CONCLAVE_OK) {
        return false;
    }
    for (uint32_t i = 0; i < state->voter_count; i++) {
        const msgpack_object *parts;
        uint32_t count;
        struct state_voter *voter = &state->voters[i];
        if (codec_get_array(&items[i], 2, 2, &parts, &count) != CONCLAVE_OK ||
            codec_get_u64(&parts[0], &voter->node_id) != CONCLAVE_OK ||
            codec_get_u64(&parts[1], &voter->since_index) != CONCLAVE_OK ||
            voter->since_index > state->configuration_index) {
            return false;
        }
    }
    return true;
}

static bool decode(const msgpack_object *object, struct state *state)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    struct slice digest;
    struct slice configuration;
    if (codec_get_array(object, STATE_ELEMENTS, STATE_ELEMENTS, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK || version != STATE_VERSION ||
        codec_get_u64(&items[1], &state->applied_index) != CONCLAVE_OK ||
        codec_get_u64(&items[2], &state->applied_term) != CONCLAVE_OK ||
        codec_get_bytes(&items[3], &digest) != CONCLAVE_OK || digest.size != KV_DIGEST_BYTES ||
        codec_get_u64(&items[4], &state->configuration_index) != CONCLAVE_OK ||
        codec_get_bytes(&items[5], &configuration) != CONCLAVE_OK ||
        configuration.size > sizeof state->configuration || !decode_voters(&items[6], state)) {
        return false;
    }
    memcpy(state->digest, digest.data, digest.size);
    state->configuration_size = configuration.size;
    if (configuration.size > 0) {
        memcpy(state->configuration, configuration.data, configuration.size);
    }
    bool has_configuration = configuration.size > 0;
    return state->configuration_index <= state->applied_index &&
           (state->configuration_index > 0) == has_configuration &&
           (!has_configuration || configuration_valid(configuration));
}

enum conclave_code state_load(struct kv_transaction *transaction, struct state *state)
{
    ASSERT(transaction != NULL && state != NULL);
    *state = (struct state){0};
    struct slice value;
    enum conclave_code rv = kv_get(transaction, slice_of(state_key, sizeof state_key), &value);
    if (rv == CONCLAVE_NOT_FOUND) {
        return CONCLAVE_OK;
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct codec_tree tree;
    rv = codec_parse(&tree, value);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    rv = decode(&tree.root, state) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
    codec_tree_close(&tree);
    return rv;
}

enum conclave_code state_save(struct kv_transaction *transaction, const struct state *state)
{
    ASSERT(transaction != NULL && state != NULL);
    struct buffer value;
    buffer_init(&value, KV_VALUE_BYTES);
    codec_write_array(&value, STATE_ELEMENTS);
    codec_write_u64(&value, STATE_VERSION);
    codec_write_u64(&value, state->applied_index - MUTANT(18));
    codec_write_u64(&value, state->applied_term);
    codec_write_bytes(&value, slice_of(state->digest, sizeof state->digest));
    codec_write_u64(&value, state->configuration_index);
    codec_write_bytes(&value, slice_of(state->configuration, state->configuration_size));
    codec_write_array(&value, state->voter_count);
    for (uint32_t i = 0; i < state->voter_count; i++) {
        codec_write_array(&value, 2);
        codec_write_u64(&value, state->voters[i].node_id);
        codec_write_u64(&value, state->voters[i].since_index);
    }
    enum conclave_code rv = value.status;
    if (rv == CONCLAVE_OK) {
        rv = kv_put(transaction, slice_of(state_key, sizeof state_key), buffer_slice(&value));
    }
    buffer_close(&value);
    return rv;
}

/* Since when a node has voted without a break. */
static uint64_t voter_since(const struct state *state, uint64_t node_id, uint64_t otherwise)
{
    for (uint32_t i = 0; i < state->voter_count; i++) {
        if (state->voters[i].node_id == node_id) {
            return state->voters[i].since_index;
        }
    }
    return otherwise;
}

enum conclave_code state_configure(struct state *state, uint64_t index, struct slice bytes)
{
    struct raft_configuration configuration;
    struct state_voter voters[LIMIT_NODES];
    uint32_t count = 0;
    enum conclave_code rv = configuration_decode(bytes, &configuration);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    for (unsigned i = 0; i < configuration.n; i++) {
        const struct raft_server *server = &configuration.servers[i];
        if (server->role == RAFT_VOTER) {
            voters[count++] =
                (struct state_voter){server->id, voter_since(state, server->id, index)};
        }
    }
    raft_configuration_close(&configuration);
    memcpy(state->voters, voters, count * sizeof voters[0]);
    state->voter_count = count;
    memcpy(state->configuration, bytes.data, bytes.size);
    state->configuration_size = bytes.size;
    state->configuration_index = index;
    return CONCLAVE_OK;
}
