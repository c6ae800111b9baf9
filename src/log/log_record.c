/* Stored records and their checksums: see the header. */
#include "log/log_record.h"

#include <xxhash.h>

#include "base/mutant.h"

#define RECORD_VERSION      1u
#define RECORD_COVERED_SIZE 24u /* bytes of the head before its checksum */

static void store_u64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t load_bytes(const uint8_t *at, unsigned byte_count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < byte_count; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

bool log_record_is_entry_type(uint8_t type)
{
    return type == LOG_ENTRY_COMMAND || type == LOG_ENTRY_BARRIER ||
           type == LOG_ENTRY_CONFIGURATION;
}

void log_record_write_head(uint8_t head[LOG_RECORD_HEAD_BYTES], uint64_t index,
                           const struct log_record *record)
{
    ASSERT(head != NULL && record != NULL);
    ASSERT(record->data.size <= LOG_RECORD_DATA_MAX);
    head[0] = RECORD_VERSION;
    head[1] = record->type;
    head[2] = 0;
    head[3] = 0;
    for (unsigned i = 0; i < 4; i++) {
        head[4 + i] = (uint8_t)(record->data.size >> (8 * i));
    }
    store_u64(head + 8, record->term);
    store_u64(head + 16, XXH3_64bits(record->data.data, record->data.size));
    store_u64(head + 24, XXH3_64bits_withSeed(head, RECORD_COVERED_SIZE, index));
}

enum conclave_code log_record_read_head(struct slice stored, uint64_t index,
                                        struct log_record *record)
{
    ASSERT(record != NULL);
    if (stored.size < LOG_RECORD_HEAD_BYTES || stored.data[0] != RECORD_VERSION) {
        return CONCLAVE_CORRUPT;
    }
    uint64_t checksum = load_bytes(stored.data + 24, 8);
    /* Only a head that is sound says how much data there is to read. */
    if (checksum != XXH3_64bits_withSeed(stored.data, RECORD_COVERED_SIZE, index) ||
        load_bytes(stored.data + 4, 4) != stored.size - LOG_RECORD_HEAD_BYTES) {
        return CONCLAVE_CORRUPT;
    }
    *record = (struct log_record){
        .type = stored.data[1],
        .term = load_bytes(stored.data + 8, 8),
        .data = slice_of(stored.data + LOG_RECORD_HEAD_BYTES, stored.size - LOG_RECORD_HEAD_BYTES),
    };
    return CONCLAVE_OK;
}

enum conclave_code log_record_read(struct slice stored, uint64_t index, struct log_record *record)
{
    enum conclave_code rv = log_record_read_head(stored, index, record);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t checksum = load_bytes(stored.data + 16, 8);
    bool sound = MUTANT(27) || checksum == XXH3_64bits(record->data.data, record->data.size);
    return sound ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code log_record_read_entry(struct slice stored, uint64_t index,
                                         struct log_entry *entry)
{
    ASSERT(entry != NULL);
    struct log_record record;
    enum conclave_code rv = log_record_read(stored, index, &record);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (!log_record_is_entry_type(record.type)) {
        return CONCLAVE_CORRUPT;
    }
    *entry = (struct log_entry){
        .term = record.term, .type = (enum log_entry_type)record.type, .data = record.data};
    return CONCLAVE_OK;
}

enum conclave_code log_record_check_origin(struct slice stored, uint64_t index,
                                           const struct log_entry *entry)
{
    ASSERT(entry != NULL);
    struct log_record record;
    enum conclave_code rv = log_record_read_head(stored, index, &record);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    bool same = record.type == (uint8_t)entry->type && record.term == entry->term &&
                record.data.size == entry->data.size &&
                load_bytes(stored.data + 16, 8) == XXH3_64bits(entry->data.data, entry->data.size);
    return same ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

void log_record_pack_vote(uint8_t data[LOG_RECORD_VOTE_BYTES], struct log_vote vote)
{
    store_u64(data, vote.term);
    store_u64(data + 8, vote.voted_for);
}

struct log_vote log_record_unpack_vote(const uint8_t data[LOG_RECORD_VOTE_BYTES])
{
    return (struct log_vote){.term = load_bytes(data, 8), .voted_for = load_bytes(data + 8, 8)};
}

void log_record_pack_commit(uint8_t data[LOG_RECORD_COMMIT_BYTES], uint64_t commit)
{
    store_u64(data, commit);
}

uint64_t log_record_unpack_commit(const uint8_t data[LOG_RECORD_COMMIT_BYTES])
{
    return load_bytes(data, 8);
}

void log_record_pack_mark(uint8_t data[LOG_RECORD_MARK_BYTES], const struct log_mark *mark)
{
    store_u64(data, mark->journal_id);
    store_u64(data + 8, mark->sequence);
    store_u64(data + 16, mark->offset);
    data[24] = mark->open ? 1 : 0;
}

struct log_mark log_record_unpack_mark(const uint8_t data[LOG_RECORD_MARK_BYTES])
{
    return (struct log_mark){.journal_id = load_bytes(data, 8),
                             .sequence = load_bytes(data + 8, 8),
                             .offset = load_bytes(data + 16, 8),
                             .open = data[24] != 0};
}
