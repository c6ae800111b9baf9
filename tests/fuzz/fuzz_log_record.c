/* src/log/log_record.h: a stored record is taken only as it was written, at its own index.
 *
 * The mutator puts checksums right three times out of four, so that what is behind them is reached.
 *
 * fuzz: -max_len=256
 */
#include "log/log_record.h"

#include <stdlib.h>
#include <xxhash.h>

#include "fuzz/harness.h"

#define INDEX_BYTES 2u /* before the record: its index */

void fuzz_open(void)
{
}

static void store(uint8_t *at, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* By the layout in the header: checksums and size become those of the rest. */
static void repair(uint8_t *record, size_t size, uint64_t index)
{
    if (size >= LOG_RECORD_HEAD_BYTES) {
        size_t data_size = size - LOG_RECORD_HEAD_BYTES;
        store(record + 4, 4, data_size);
        store(record + 16, 8, XXH3_64bits(record + LOG_RECORD_HEAD_BYTES, data_size));
        store(record + 24, 8, XXH3_64bits_withSeed(record, 24, index));
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, size_max);
    if (seed % 4 != 0 && size > INDEX_BYTES) {
        repair(data + INDEX_BYTES, size - INDEX_BYTES, (uint64_t)data[0] << 8 | data[1]);
    }
    return size;
}

void fuzz_run(struct slice input)
{
    uint64_t index = (uint64_t)fuzz_take(&input) << 8;
    index |= fuzz_take(&input);
    struct log_record record;
    struct log_record head;
    struct log_entry entry;
    enum conclave_code code = log_record_read(input, index, &record);
    enum conclave_code head_code = log_record_read_head(input, index, &head);
    enum conclave_code entry_code = log_record_read_entry(input, index, &entry);
    ASSERT(code == CONCLAVE_OK || entry_code == CONCLAVE_CORRUPT);
    if (code != CONCLAVE_OK) {
        ASSERT(code == CONCLAVE_CORRUPT);
        return;
    }
    ASSERT(head_code == CONCLAVE_OK && head.term == record.term && head.type == record.type);
    ASSERT(record.data.size == input.size - LOG_RECORD_HEAD_BYTES);
    ASSERT((entry_code == CONCLAVE_OK) == log_record_is_entry_type(record.type));
    /* It can be written again: the same bytes, but for the two that are always zero. */
    uint8_t again[LOG_RECORD_HEAD_BYTES];
    log_record_write_head(again, index, &record);
    ASSERT(memcmp(again, input.data, 2) == 0 && memcmp(again + 4, input.data + 4, 20) == 0);
    /* Nowhere else, and not with one bit changed. */
    enum conclave_code elsewhere = log_record_read(input, index + 1, &record);
    ASSERT(elsewhere == CONCLAVE_CORRUPT);
    uint8_t *flipped = fuzz_copy(input);
    size_t bit = index % (input.size * 8);
    flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    code = log_record_read(slice_of(flipped, input.size), index, &record);
    ASSERT(code == CONCLAVE_CORRUPT);
    free(flipped);
}

void fuzz_seeds(void)
{
    static const uint8_t types[] = {LOG_ENTRY_COMMAND, LOG_ENTRY_CONFIGURATION, LOG_RECORD_VOTE,
                                    LOG_RECORD_COMMIT};
    static const char *const names[] = {"command", "configuration", "vote", "commit"};
    for (size_t i = 0; i < sizeof types; i++) {
        uint8_t seed[INDEX_BYTES + LOG_RECORD_HEAD_BYTES + 16] = {0, 5};
        struct slice data = slice_of("0123456789abcde", i == 3 ? 8 : 16);
        const struct log_record record = {.type = types[i], .term = 7, .data = data};
        log_record_write_head(seed + INDEX_BYTES, 5, &record);
        memcpy(seed + INDEX_BYTES + LOG_RECORD_HEAD_BYTES, data.data, data.size);
        fuzz_seed(names[i], slice_of(seed, INDEX_BYTES + LOG_RECORD_HEAD_BYTES + data.size));
    }
}
