/* See keys.h. */
#include "model/keys.h"

#include "model/encoding.h"

static uint8_t *grow(struct key *key, size_t size)
{
    ASSERT(size <= KV_KEY_BYTES - key->size);
    uint8_t *place = key->bytes + key->size;
    key->size += size;
    return place;
}

void key_begin(struct key *key, enum key_space space)
{
    ASSERT(space >= KEY_HEAD && space <= 0xfe);
    key->size = 0;
    *grow(key, 1) = (uint8_t)space;
}

void key_u8(struct key *key, uint8_t value)
{
    *grow(key, 1) = value;
}

void key_u32(struct key *key, uint32_t value)
{
    store_be32(grow(key, 4), value);
}

void key_u64(struct key *key, uint64_t value)
{
    store_be64(grow(key, 8), value);
}

void key_bytes(struct key *key, struct slice bytes)
{
    if (bytes.size > 0) {
        memcpy(grow(key, bytes.size), bytes.data, bytes.size);
    }
}

void key_of_id(struct key *key, enum key_space space, struct slice id)
{
    key_begin(key, space);
    key_bytes(key, id);
}

void key_of_u32(struct key *key, enum key_space space, uint32_t number)
{
    key_begin(key, space);
    key_u32(key, number);
}

void key_of_u64(struct key *key, enum key_space space, uint64_t number)
{
    key_begin(key, space);
    key_u64(key, number);
}

void key_of_u32_u32(struct key *key, enum key_space space, uint32_t first, uint32_t second)
{
    key_begin(key, space);
    key_u32(key, first);
    key_u32(key, second);
}

bool key_starts(struct slice found, const struct key *prefix)
{
    return found.size >= prefix->size && memcmp(found.data, prefix->bytes, prefix->size) == 0;
}

void key_past_prefix(struct key *key)
{
    ASSERT(key->size > 0);
    for (size_t i = key->size; i > 0; i--) {
        if (key->bytes[i - 1] != 0xff) {
            key->bytes[i - 1]++;
            key->size = i;
            return;
        }
    }
    UNREACHABLE("a key space of 0xff");
}
