/* See statement.h. All parts but the last, the member's id, have a known length. */
#include "auth/statement.h"

static const char ROTATION_LINE[] = "conclave member.rotate-key v1\n";
static const char SESSION_LINE[] = "conclave session v1\n";

void statement_rotation(struct buffer *text, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                        struct slice member, const uint8_t old_key[AUTH_PUBLIC_KEY_BYTES],
                        const uint8_t new_key[AUTH_PUBLIC_KEY_BYTES])
{
    ASSERT(text != NULL && cluster_id != NULL && old_key != NULL && new_key != NULL);
    ASSERT(member.size > 0);
    buffer_append(text, ROTATION_LINE, sizeof ROTATION_LINE - 1);
    buffer_append(text, cluster_id, AUTH_CLUSTER_ID_BYTES);
    buffer_append(text, old_key, AUTH_PUBLIC_KEY_BYTES);
    buffer_append(text, new_key, AUTH_PUBLIC_KEY_BYTES);
    buffer_append(text, member.data, member.size);
}

void statement_session(struct buffer *text, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                       uint64_t node_id, const uint8_t challenge[STATEMENT_CHALLENGE_BYTES],
                       struct slice binding, struct slice member)
{
    ASSERT(text != NULL && cluster_id != NULL && challenge != NULL);
    ASSERT(binding.size == 0 || binding.size == STATEMENT_BINDING_BYTES);
    ASSERT(member.size > 0);
    uint8_t number[8];
    for (unsigned i = 0; i < 8; i++) {
        number[i] = (uint8_t)(node_id >> (56u - 8u * i));
    }
    uint8_t binding_size = (uint8_t)binding.size;
    buffer_append(text, SESSION_LINE, sizeof SESSION_LINE - 1);
    buffer_append(text, cluster_id, AUTH_CLUSTER_ID_BYTES);
    buffer_append(text, number, sizeof number);
    buffer_append(text, challenge, STATEMENT_CHALLENGE_BYTES);
    buffer_append(text, &binding_size, 1);
    if (binding.size > 0) {
        buffer_append(text, binding.data, binding.size);
    }
    buffer_append(text, member.data, member.size);
}
