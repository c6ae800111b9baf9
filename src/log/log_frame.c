/* Sectors and frames of the journal: see the header. */
#include "log/log_frame.h"

#include <xxhash.h>

#define FILE_VERSION     1u
#define FRAME_VERSION    1u
#define CHECKSUM_OFFSET  (LOG_FRAME_SECTOR_BYTES - 8u)
#define PAYLOAD_OFFSET   8u
#define SECTORS_IN_BLOCK (LOG_FRAME_BLOCK_BYTES / LOG_FRAME_SECTOR_BYTES)
#define BLOCK_PAYLOAD    (SECTORS_IN_BLOCK * LOG_FRAME_PAYLOAD_BYTES)

static const char magic[16] = "conclave journal";

static void store(uint8_t *at, unsigned byte_count, uint64_t value)
{
    for (unsigned i = 0; i < byte_count; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t load(const uint8_t *at, unsigned byte_count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < byte_count; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* --- The first block: magic, version (8), bytes (8), id (8), and its checksum at the end --- */

#define FILE_CHECKSUM_OFFSET (LOG_FRAME_BLOCK_BYTES - 8u)

void log_frame_write_file(uint8_t block[LOG_FRAME_BLOCK_BYTES], const struct log_frame_file *file)
{
    memset(block, 0, LOG_FRAME_BLOCK_BYTES);
    memcpy(block, magic, sizeof magic);
    store(block + 16, 8, FILE_VERSION);
    store(block + 24, 8, file->bytes);
    store(block + 32, 8, file->id);
    store(block + FILE_CHECKSUM_OFFSET, 8, XXH3_64bits(block, FILE_CHECKSUM_OFFSET));
}

enum conclave_code log_frame_read_file(const uint8_t block[LOG_FRAME_BLOCK_BYTES],
                                       struct log_frame_file *file)
{
    if (memcmp(block, magic, sizeof magic) != 0 || load(block + 16, 8) != FILE_VERSION ||
        load(block + FILE_CHECKSUM_OFFSET, 8) != XXH3_64bits(block, FILE_CHECKSUM_OFFSET)) {
        return CONCLAVE_CORRUPT;
    }
    *file = (struct log_frame_file){.bytes = load(block + 24, 8), .id = load(block + 32, 8)};
    return CONCLAVE_OK;
}

/* --- Writing --- */

uint64_t log_frame_bytes(uint64_t record_bytes)
{
    uint64_t payload = LOG_FRAME_HEAD_BYTES + record_bytes;
    return (payload + BLOCK_PAYLOAD - 1) / BLOCK_PAYLOAD * LOG_FRAME_BLOCK_BYTES;
}

static uint64_t sector_checksum(const uint8_t *sector, uint64_t id, uint64_t offset)
{
    return XXH3_64bits_withSeed(sector, CHECKSUM_OFFSET, id + offset / LOG_FRAME_SECTOR_BYTES);
}

void log_frame_add(struct log_frame_writer *writer, struct slice record)
{
    size_t done = 0;
    while (done < record.size) {
        uint64_t sector = writer->used / LOG_FRAME_PAYLOAD_BYTES;
        size_t at = (size_t)(writer->used % LOG_FRAME_PAYLOAD_BYTES);
        size_t room = LOG_FRAME_PAYLOAD_BYTES - at;
        size_t part = record.size - done < room ? record.size - done : room;
        memcpy(writer->frame + sector * LOG_FRAME_SECTOR_BYTES + PAYLOAD_OFFSET + at,
               record.data + done, part);
        writer->used += part;
        done += part;
    }
}

void log_frame_begin(struct log_frame_writer *writer, uint8_t *frame, uint64_t first_index,
                     uint32_t entry_count, uint64_t record_bytes)
{
    uint8_t head[LOG_FRAME_HEAD_BYTES] = {FRAME_VERSION};
    *writer = (struct log_frame_writer){0};
    writer->frame = frame;
    store(head + 4, 4, entry_count);
    store(head + 8, 8, LOG_FRAME_HEAD_BYTES + record_bytes);
    store(head + 16, 8, first_index);
    log_frame_add(writer, slice_of(head, sizeof head));
}

/* Fills the rest with zeros, and stamps each sector. */
void log_frame_end(struct log_frame_writer *writer, uint64_t id, uint64_t sequence, uint64_t offset)
{
    ASSERT(writer->used == load(writer->frame + PAYLOAD_OFFSET + 8, 8));
    uint64_t size = log_frame_bytes(writer->used - LOG_FRAME_HEAD_BYTES);
    for (uint64_t at = 0; at < size; at += LOG_FRAME_SECTOR_BYTES) {
        uint8_t *sector = writer->frame + at;
        uint64_t before = at / LOG_FRAME_SECTOR_BYTES * LOG_FRAME_PAYLOAD_BYTES;
        if (before + LOG_FRAME_PAYLOAD_BYTES > writer->used) {
            size_t kept = writer->used > before ? (size_t)(writer->used - before) : 0;
            memset(sector + PAYLOAD_OFFSET + kept, 0, LOG_FRAME_PAYLOAD_BYTES - kept);
        }
        store(sector, 8, sequence);
        store(sector + CHECKSUM_OFFSET, 8, sector_checksum(sector, id, offset + at));
    }
}

/* --- Reading --- */

static bool is_zero(const uint8_t *sector)
{
    static const uint8_t zeros[LOG_FRAME_SECTOR_BYTES];
    return memcmp(sector, zeros, sizeof zeros) == 0;
}

/* The sequence of a sector: 0 when it was never written. False when it is damaged. */
static bool sector_sequence(struct slice bytes, uint64_t id, uint64_t offset, uint64_t *sequence)
{
    const uint8_t *sector = bytes.data + offset;
    *sequence = 0;
    if (load(sector + CHECKSUM_OFFSET, 8) == sector_checksum(sector, id, offset)) {
        *sequence = load(sector, 8);
        return *sequence > 0;
    }
    return is_zero(sector);
}

enum log_frame_state log_frame_look(struct slice bytes, uint64_t id, uint64_t offset,
                                    uint64_t sequence, uint64_t *frame_bytes)
{
    ASSERT(offset % LOG_FRAME_BLOCK_BYTES == 0 && offset + LOG_FRAME_BLOCK_BYTES <= bytes.size);
    ASSERT(sequence > 0);
    uint64_t found;
    if (!sector_sequence(bytes, id, offset, &found) || found > sequence) {
        return LOG_FRAME_DAMAGED;
    }
    if (found < sequence) {
        return LOG_FRAME_NONE;
    }
    uint64_t size = load(bytes.data + offset + PAYLOAD_OFFSET + 8, 8);
    if (size < LOG_FRAME_HEAD_BYTES || size > bytes.size ||
        log_frame_bytes(size - LOG_FRAME_HEAD_BYTES) > bytes.size - offset) {
        return LOG_FRAME_DAMAGED;
    }
    *frame_bytes = log_frame_bytes(size - LOG_FRAME_HEAD_BYTES);
    bool whole = true;
    for (uint64_t at = 0; at < *frame_bytes; at += LOG_FRAME_SECTOR_BYTES) {
        if (!sector_sequence(bytes, id, offset + at, &found) || found > sequence) {
            return LOG_FRAME_DAMAGED;
        }
        whole = whole && found == sequence;
    }
    return whole ? LOG_FRAME_WHOLE : LOG_FRAME_TORN;
}

bool log_frame_any_after(struct slice bytes, uint64_t id, uint64_t sequence)
{
    for (uint64_t at = LOG_FRAME_BLOCK_BYTES; at < bytes.size; at += LOG_FRAME_SECTOR_BYTES) {
        uint64_t found;
        if (sector_sequence(bytes, id, at, &found) && found > sequence) {
            return true;
        }
    }
    return false;
}

enum conclave_code log_frame_read(struct slice frame_bytes, uint8_t *payload,
                                  struct log_frame *frame)
{
    ASSERT(frame_bytes.size > 0 && frame_bytes.size % LOG_FRAME_BLOCK_BYTES == 0);
    for (size_t i = 0; i < frame_bytes.size / LOG_FRAME_SECTOR_BYTES; i++) {
        memcpy(payload + i * LOG_FRAME_PAYLOAD_BYTES,
               frame_bytes.data + i * LOG_FRAME_SECTOR_BYTES + PAYLOAD_OFFSET,
               LOG_FRAME_PAYLOAD_BYTES);
    }
    uint64_t size = load(payload + 8, 8);
    *frame = (struct log_frame){.first_index = load(payload + 16, 8),
                                .entry_count = (uint32_t)load(payload + 4, 4)};
    if (payload[0] != FRAME_VERSION || load(payload + 1, 3) != 0 || frame->first_index == 0 ||
        frame->entry_count == 0 || size < LOG_FRAME_HEAD_BYTES ||
        log_frame_bytes(size - LOG_FRAME_HEAD_BYTES) != frame_bytes.size) {
        return CONCLAVE_CORRUPT;
    }
    frame->records =
        slice_of(payload + LOG_FRAME_HEAD_BYTES, (size_t)(size - LOG_FRAME_HEAD_BYTES));
    return CONCLAVE_OK;
}

enum conclave_code log_frame_next(struct slice *records, struct slice *record)
{
    if (records->size < LOG_RECORD_HEAD_BYTES) {
        return CONCLAVE_CORRUPT;
    }
    uint64_t data_size = load(records->data + 4, 4);
    if (data_size > records->size - LOG_RECORD_HEAD_BYTES) {
        return CONCLAVE_CORRUPT;
    }
    size_t size = LOG_RECORD_HEAD_BYTES + (size_t)data_size;
    *record = slice_of(records->data, size);
    *records = slice_of(records->data + size, records->size - size);
    return CONCLAVE_OK;
}
