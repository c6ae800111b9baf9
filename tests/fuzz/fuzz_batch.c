/* src/codec/envelope.h, batches: what is decoded can be written again, and is then decoded as the
 * same.
 *
 * fuzz: -max_len=256
 */
#include <conclave/limits.h>
#include <stdlib.h>

#include "codec/envelope.h"
#include "fuzz/mutate.h"
#include "support/actors.h"

static const char *const words[] = {"poll", "p1", "chair", NULL};

static struct buffer written;

void fuzz_open(void)
{
    buffer_init(&written, 2u * LIMIT_FRAME_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, words);
}

static struct slice *slices(const msgpack_object *items, uint32_t count)
{
    struct slice *made = malloc((count + 1u) * sizeof *made);
    ASSERT(made != NULL);
    for (uint32_t i = 0; i < count; i++) {
        bool bin = items[i].type == MSGPACK_OBJECT_BIN;
        enum conclave_code rv = bin ? codec_get_bytes(&items[i], &made[i])
                                    : codec_get_string(&items[i], &made[i]);
        ASSERT(rv == CONCLAVE_OK);
    }
    return made;
}

void fuzz_run(struct slice input)
{
    struct batch first;
    struct batch second;
    if (batch_decode(&first, input) != CONCLAVE_OK) {
        return;
    }
    struct slice *closes = slices(first.closes, first.close_count);
    struct slice *commands = slices(first.commands, first.command_count);
    buffer_clear(&written);
    batch_write(&written, first.time_ms, closes, first.close_count, commands, first.command_count);
    enum conclave_code rv = batch_decode(&second, buffer_slice(&written));
    ASSERT(rv == CONCLAVE_OK);
    ASSERT(first.time_ms == second.time_ms);
    ASSERT(first.close_count == second.close_count && first.command_count == second.command_count);
    for (uint32_t i = 0; i < first.close_count; i++) {
        ASSERT(msgpack_object_equal(first.closes[i], second.closes[i]));
    }
    for (uint32_t i = 0; i < first.command_count; i++) {
        ASSERT(msgpack_object_equal(first.commands[i], second.commands[i]));
    }
    free(closes);
    free(commands);
    batch_close(&second);
    batch_close(&first);
}

void fuzz_seeds(void)
{
    static const uint8_t cluster[16] = "0123456789abcde";
    struct actor chair;
    struct buffer command, seed;
    actor_init(&chair, "chair");
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    actor_vote(&chair, &command, cluster, 1767225600000, "poll", "no");
    const struct slice closes[] = {slice_of_text("p1"), slice_of_text("2026-11:x")};
    const struct slice commands[] = {buffer_slice(&command), slice_of_text("no command")};
    batch_write(&seed, 1767225600000, closes, 2, commands, 2);
    fuzz_seed_buffer("full", "", &seed);
    batch_write(&seed, 0, NULL, 0, NULL, 0);
    fuzz_seed_buffer("empty", "", &seed);
    buffer_close(&command);
    buffer_close(&seed);
}
