/* The record of what was applied: [version 1, index, term, digest, configuration index,
 * configuration]. */
#include "consensus/state.h"

#include "base/mutant.h"
#include "codec/reader.h"
#include "codec/writer.h"

#define STATE_VERSION  1u
#define STATE_ELEMENTS 6u

static const uint8_t state_key[] = {0, 'r', 'e', 'p', 'l', 'i', 'c', 'a'};

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
        configuration.size > sizeof state->configuration) {
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
    enum conclave_code rv = value.status;
    if (rv == CONCLAVE_OK) {
        rv = kv_put(transaction, slice_of(state_key, sizeof state_key), buffer_slice(&value));
    }
    buffer_close(&value);
    return rv;
}
