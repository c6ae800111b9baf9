/* src/log/log_frame.h: whatever stands in a journal's file is told apart, never read past its end,
 * and a whole frame gives the records that were written.
 *
 * The input says what the sectors of two blocks are; they are stamped here as the program says, so
 * that the fuzzer gets past the checksums.
 *
 * fuzz: -max_len=512
 */
#include "log/log_frame.h"

#include <stdlib.h>
#include <xxhash.h>

#include "fuzz/harness.h"

#define FILE_ID      77u
#define BLOCKS       3u
#define FILE_BYTES   (BLOCKS * LOG_FRAME_BLOCK_BYTES)
#define SECTORS      (FILE_BYTES / LOG_FRAME_SECTOR_BYTES)
#define FIRST_SECTOR (LOG_FRAME_BLOCK_BYTES / LOG_FRAME_SECTOR_BYTES)

static uint8_t *file;
static uint8_t *payload;

void fuzz_open(void)
{
    file = malloc(FILE_BYTES);
    payload = malloc(FILE_BYTES);
    ASSERT(file != NULL && payload != NULL);
}

static void stamp(uint8_t *sector, unsigned number, uint64_t sequence)
{
    for (unsigned i = 0; i < 8; i++) {
        sector[i] = (uint8_t)(sequence >> (8 * i));
    }
    uint64_t checksum = XXH3_64bits_withSeed(sector, 504, FILE_ID + number);
    for (unsigned i = 0; i < 8; i++) {
        sector[504 + i] = (uint8_t)(checksum >> (8 * i));
    }
}

/* input: for each sector a byte (0: zeros; 1: rot; else stamped with that sequence less 2), then
 * pieces of payload, in order */
static void build(struct slice input)
{
    uint8_t how[SECTORS] = {0};
    memset(file, 0, FILE_BYTES);
    for (unsigned i = FIRST_SECTOR; i < SECTORS; i++) {
        how[i] = fuzz_take(&input);
    }
    for (unsigned i = FIRST_SECTOR; i < SECTORS; i++) {
        uint8_t *sector = file + i * LOG_FRAME_SECTOR_BYTES;
        if (how[i] == 0) {
            continue;
        }
        struct slice piece = fuzz_take_bytes(&input, LOG_FRAME_PAYLOAD_BYTES);
        if (piece.size > 0) {
            memcpy(sector + 8, piece.data, piece.size);
        }
        if (how[i] == 1) {
            sector[504] = 1;
        } else {
            stamp(sector, i, how[i] - 2u);
        }
    }
}

static void read_frame(uint64_t offset, uint64_t frame_bytes)
{
    struct log_frame frame;
    struct slice whole = slice_of(file + offset, (size_t)frame_bytes);
    if (log_frame_read(whole, payload, &frame) != CONCLAVE_OK) {
        return;
    }
    ASSERT(frame.first_index > 0 && frame.entry_count > 0);
    ASSERT(log_frame_bytes(frame.records.size) == frame_bytes);
    struct slice record;
    const uint8_t *next = frame.records.data;
    while (frame.records.size > 0 && log_frame_next(&frame.records, &record) == CONCLAVE_OK) {
        ASSERT(record.data == next && record.size >= LOG_RECORD_HEAD_BYTES);
        next += record.size;
        struct log_record read;
        (void)!log_record_read(record, frame.first_index, &read);
    }
}

/* The same records, written by our writer, look whole and read the same. */
static void write_and_read(struct slice record)
{
    uint64_t size = log_frame_bytes(record.size);
    ASSERT(size <= 2u * LOG_FRAME_BLOCK_BYTES);
    struct log_frame_writer writer;
    memset(file, 0, FILE_BYTES);
    log_frame_begin(&writer, file + LOG_FRAME_BLOCK_BYTES, 9, 1, record.size);
    log_frame_add(&writer, record);
    log_frame_end(&writer, FILE_ID, 4, LOG_FRAME_BLOCK_BYTES);
    struct slice bytes = slice_of(file, FILE_BYTES);
    uint64_t found = 0;
    enum log_frame_state state = log_frame_look(bytes, FILE_ID, LOG_FRAME_BLOCK_BYTES, 4, &found);
    ASSERT(state == LOG_FRAME_WHOLE && found == size);
    struct log_frame frame;
    enum conclave_code code =
        log_frame_read(slice_of(file + LOG_FRAME_BLOCK_BYTES, (size_t)size), payload, &frame);
    ASSERT(code == CONCLAVE_OK && frame.first_index == 9 && frame.entry_count == 1);
    ASSERT(slice_equal(frame.records, record));
}

void fuzz_run(struct slice input)
{
    if (input.size > 0 && input.data[0] % 8 == 7) {
        write_and_read(input);
        return;
    }
    build(input);
    struct slice bytes = slice_of(file, FILE_BYTES);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        uint64_t frame_bytes = 0;
        (void)log_frame_any_after(bytes, FILE_ID, sequence);
        uint64_t offset = LOG_FRAME_BLOCK_BYTES;
        enum log_frame_state state = log_frame_look(bytes, FILE_ID, offset, sequence, &frame_bytes);
        if (state == LOG_FRAME_WHOLE) {
            ASSERT(frame_bytes % LOG_FRAME_BLOCK_BYTES == 0 && frame_bytes > 0);
            ASSERT(offset + frame_bytes <= FILE_BYTES);
            read_frame(offset, frame_bytes);
        }
    }
    struct log_frame_file head;
    if (input.size >= 64) {
        memcpy(file, input.data, 64);
    }
    (void)!log_frame_read_file(file, &head);
}

void fuzz_seeds(void)
{
    uint8_t seed[16 + LOG_FRAME_HEAD_BYTES + LOG_RECORD_HEAD_BYTES + 8] = {0};
    memset(seed, 3, 8); /* one whole block of the frame 1 */
    uint8_t *at = seed + 16;
    at[0] = 1; /* version */
    at[4] = 1; /* entries */
    at[8] = LOG_FRAME_HEAD_BYTES + LOG_RECORD_HEAD_BYTES + 8;
    at[16] = 5; /* first index */
    const struct log_record record = {
        .type = LOG_ENTRY_COMMAND, .term = 2, .data = slice_of("eight by", 8)};
    log_record_write_head(at + LOG_FRAME_HEAD_BYTES, 5, &record);
    memcpy(at + LOG_FRAME_HEAD_BYTES + LOG_RECORD_HEAD_BYTES, "eight by", 8);
    fuzz_seed("whole", slice_of(seed, sizeof seed));
    seed[3] = 2;
    fuzz_seed("torn", slice_of(seed, sizeof seed));
    seed[3] = 1;
    fuzz_seed("rotten", slice_of(seed, sizeof seed));
    fuzz_seed_text("record", "/a record");
}
