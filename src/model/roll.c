/* See roll.h. */
#include "model/roll.h"

#include "base/mutant.h"
#include "model/member.h"

#define ROLL_VERSION      1u
#define ROLL_HEADER_BYTES 3u  /* version, bytes of the veto mask, bytes of the expert mask */
#define ROLL_VOTER_BYTES  13u /* member, weight, class set, flags; the masks follow */

static const char EXPERT_PREFIX[] = "expert:";

/* --- Chunks --- */

struct chunk {
    const uint8_t *voters;
    uint32_t count;
    uint32_t voter_bytes;
    uint32_t veto_bytes;
    uint32_t expert_bytes;
};

static enum conclave_code chunk_open(struct slice value, struct chunk *chunk)
{
    if (value.size < ROLL_HEADER_BYTES || value.data[0] != ROLL_VERSION || value.data[1] > 8 ||
        value.data[2] > 8) {
        return CONCLAVE_CORRUPT;
    }
    chunk->veto_bytes = value.data[1];
    chunk->expert_bytes = value.data[2];
    chunk->voter_bytes = ROLL_VOTER_BYTES + chunk->veto_bytes + chunk->expert_bytes;
    chunk->voters = value.data + ROLL_HEADER_BYTES;
    size_t size = value.size - ROLL_HEADER_BYTES;
    if (size == 0 || size % chunk->voter_bytes != 0 ||
        size / chunk->voter_bytes > ROLL_CHUNK_VOTERS) {
        return CONCLAVE_CORRUPT;
    }
    chunk->count = (uint32_t)(size / chunk->voter_bytes);
    return CONCLAVE_OK;
}

static uint32_t chunk_member(const struct chunk *chunk, uint32_t i)
{
    return load_be32(chunk->voters + (size_t)i * chunk->voter_bytes);
}

/* The place of the first voter whose number is `member` or above; count when there is none. */
static uint32_t chunk_search(const struct chunk *chunk, uint32_t member)
{
    uint32_t low = 0;
    uint32_t high = chunk->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (chunk_member(chunk, middle) < member) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint64_t load_mask(const uint8_t *bytes, uint32_t count)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < count; i++) {
        mask = mask << 8 | bytes[i];
    }
    return mask;
}

static void chunk_voter(const struct chunk *chunk, uint32_t i, struct roll_voter *voter)
{
    ASSERT(i < chunk->count);
    const uint8_t *bytes = chunk->voters + (size_t)i * chunk->voter_bytes;
    voter->member = load_be32(bytes);
    voter->weight = load_be32(bytes + 4);
    voter->class_set = load_be32(bytes + 8);
    voter->elector = bytes[12] != 0;
    voter->veto_mask = load_mask(bytes + ROLL_VOTER_BYTES, chunk->veto_bytes);
    voter->expert_mask =
        load_mask(bytes + ROLL_VOTER_BYTES + chunk->veto_bytes, chunk->expert_bytes);
}

/* The chunk whose first member is the last at or below `member`. */
static enum conclave_code chunk_of(struct kv_transaction *transaction, uint32_t poll,
                                   uint32_t member, struct chunk *chunk)
{
    struct key before;
    key_of_u32_u32(&before, KEY_ROLL, poll, member);
    key_u8(&before, 0); /* the first key after that of `member` itself */
    struct slice key;
    struct slice value;
    enum conclave_code code = kv_seek_last(transaction, key_slice(&before), &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key prefix;
    key_of_u32(&prefix, KEY_ROLL, poll);
    return key_starts(key, &prefix) ? chunk_open(value, chunk) : CONCLAVE_NOT_FOUND;
}

enum conclave_code roll_find(struct kv_transaction *transaction, uint32_t poll, uint32_t member,
                             struct roll_voter *voter)
{
    struct chunk chunk;
    enum conclave_code code = chunk_of(transaction, poll, member, &chunk);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t place = chunk_search(&chunk, member);
    if (place == chunk.count || chunk_member(&chunk, place) != member) {
        return CONCLAVE_NOT_FOUND;
    }
    chunk_voter(&chunk, place, voter);
    return CONCLAVE_OK;
}

enum conclave_code roll_next(struct kv_transaction *transaction, uint32_t poll, uint32_t after,
                             struct roll_voter *voter)
{
    struct chunk chunk;
    enum conclave_code code = chunk_of(transaction, poll, after, &chunk);
    if (code == CONCLAVE_OK) {
        uint32_t place = chunk_search(&chunk, after + 1);
        if (place < chunk.count) {
            chunk_voter(&chunk, place, voter);
            return CONCLAVE_OK;
        }
    } else if (code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    struct key prefix;
    struct key last;
    key_of_u32(&prefix, KEY_ROLL, poll);
    key_of_u32_u32(&last, KEY_ROLL, poll, after);
    struct scan scan;
    scan_begin(&scan, &prefix);
    scan_after(&scan, &last);
    struct slice value;
    code = scan_next(transaction, &scan, NULL, &value);
    if (code == CONCLAVE_OK) {
        code = chunk_open(value, &chunk);
    }
    if (code == CONCLAVE_OK) {
        chunk_voter(&chunk, 0, voter);
    }
    return code;
}

/* --- Freezing --- */

static bool is_elector(const struct labels *electorate, const struct member *member)
{
    return member->status == MEMBER_ACTIVE &&
           (electorate->count == 0 || labels_have_any(&member->classes, electorate));
}

/* One step of a walk over all members. */
static enum conclave_code next_member(struct kv_transaction *transaction, struct scan *scan,
                                      struct member *member)
{
    struct slice value;
    enum conclave_code code = scan_next(transaction, scan, NULL, &value);
    return code == CONCLAVE_OK ? member_decode(value, member) : code;
}

enum conclave_code roll_has_elector(struct kv_transaction *transaction,
                                    const struct labels *electorate, bool *has)
{
    struct key prefix;
    key_begin(&prefix, KEY_MEMBER);
    struct scan scan;
    scan_begin(&scan, &prefix);
    struct member member;
    enum conclave_code code;
    *has = false;
    while ((code = next_member(transaction, &scan, &member)) == CONCLAVE_OK) {
        if (is_elector(electorate, &member)) {
            *has = true;
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

/* Is the member an expert of the domain: has it the role "expert:<domain>"? */
static bool is_expert(const struct member *member, struct slice domain)
{
    size_t prefix = sizeof EXPERT_PREFIX - 1;
    for (uint32_t i = 0; i < member->roles.count; i++) {
        struct slice role = member->roles.items[i];
        if (role.size == prefix + domain.size && memcmp(role.data, EXPERT_PREFIX, prefix) == 0 &&
            memcmp(role.data + prefix, domain.data, domain.size) == 0) {
            return true;
        }
    }
    return false;
}

/* What the member is on the poll's roll; the sums are raised. False when it is not on it. */
static bool enrol(struct poll *poll, const struct member *member, struct roll_voter *voter)
{
    if (!MUTANT(30) && member->status != MEMBER_ACTIVE) {
        return false;
    }
    *voter = (struct roll_voter){.member = member->number,
                                 .weight = member->weight,
                                 .class_set = member->class_set,
                                 .elector = is_elector(&poll->electorate, member)};
    for (uint32_t i = 0; voter->elector && i < poll->veto_class_count; i++) {
        if (labels_have(&member->classes, poll->veto_classes[i])) {
            voter->veto_mask |= UINT64_C(1) << i;
            poll->veto_heads[i]++;
        }
    }
    for (uint32_t i = 0; i < poll->domain_count; i++) {
        if (is_expert(member, poll->domains[i])) {
            voter->expert_mask |= UINT64_C(1) << i;
            poll->expert_heads[i]++;
        }
    }
    if (voter->elector) {
        poll->roll_heads++;
        poll->roll_weight += voter->weight;
    }
    return voter->elector || voter->expert_mask != 0;
}

static void encode_mask(struct buffer *buffer, uint64_t mask, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--) {
        encode_u8(buffer, (uint8_t)(mask >> (8 * (i - 1))));
    }
}

struct chunk_writer {
    struct buffer bytes;
    uint32_t poll;
    uint32_t first; /* member number of the chunk's first voter */
    uint32_t count;
    uint32_t veto_bytes;
    uint32_t expert_bytes;
};

static enum conclave_code write_chunk(struct model_context *context, struct chunk_writer *writer)
{
    if (writer->count == 0) {
        return CONCLAVE_OK;
    }
    struct key key;
    key_of_u32_u32(&key, KEY_ROLL, writer->poll, writer->first);
    writer->count = 0;
    return store_put(context->transaction, &key, &writer->bytes);
}

static enum conclave_code write_voter(struct model_context *context, struct chunk_writer *writer,
                                      const struct roll_voter *voter)
{
    if (writer->count == 0) {
        buffer_clear(&writer->bytes);
        encode_u8(&writer->bytes, ROLL_VERSION);
        encode_u8(&writer->bytes, (uint8_t)writer->veto_bytes);
        encode_u8(&writer->bytes, (uint8_t)writer->expert_bytes);
        writer->first = voter->member;
    }
    encode_u32(&writer->bytes, voter->member);
    encode_u32(&writer->bytes, voter->weight);
    encode_u32(&writer->bytes, voter->class_set);
    encode_u8(&writer->bytes, voter->elector ? 1 : 0);
    encode_mask(&writer->bytes, voter->veto_mask, writer->veto_bytes);
    encode_mask(&writer->bytes, voter->expert_mask, writer->expert_bytes);
    writer->count++;
    return writer->count == ROLL_CHUNK_VOTERS ? write_chunk(context, writer) : CONCLAVE_OK;
}

enum conclave_code roll_freeze(struct model_context *context, struct poll *poll)
{
    ASSERT(poll->roll_heads == 0 && poll->roll_weight == 0);
    struct chunk_writer writer = {.poll = poll->number,
                                  .veto_bytes = (poll->veto_class_count + 7) / 8,
                                  .expert_bytes = (poll->domain_count + 7) / 8};
    buffer_init(&writer.bytes, KV_VALUE_BYTES);
    struct key prefix;
    key_begin(&prefix, KEY_MEMBER);
    struct scan scan;
    scan_begin(&scan, &prefix);
    struct member member;
    enum conclave_code code;
    while ((code = next_member(context->transaction, &scan, &member)) == CONCLAVE_OK) {
        struct roll_voter voter;
        if (enrol(poll, &member, &voter)) {
            code = write_voter(context, &writer, &voter);
            if (code != CONCLAVE_OK) {
                break;
            }
        }
    }
    if (code == CONCLAVE_NOT_FOUND) {
        code = write_chunk(context, &writer);
    }
    buffer_close(&writer.bytes);
    return code;
}
