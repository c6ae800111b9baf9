/* src/codec/envelope.h, commands: what is decoded can be written again, and is then decoded as the
 * same; a refusal says why.
 *
 * fuzz: -max_len=512
 */
#include "codec/envelope.h"

#include <conclave/limits.h>

#include "codec/writer.h"
#include "fuzz/mutate.h"
#include "support/actors.h"

static const char *const words[] = {"id",   "poll.open", "ballot.cast", "chair", "answers",
                                    "poll", "q",         "a",           "yes",   NULL};

static struct buffer inner, outer;

void fuzz_open(void)
{
    buffer_init(&inner, LIMIT_FRAME_BYTES);
    buffer_init(&outer, LIMIT_FRAME_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, words);
}

static int pack(void *context, const char *data, size_t size)
{
    buffer_append(context, data, size);
    return 0;
}

static void write_again(const struct envelope *envelope)
{
    buffer_clear(&inner);
    buffer_clear(&outer);
    envelope_write_head(&inner, envelope);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &inner, pack);
    ASSERT(msgpack_pack_object(&packer, *envelope->body) == 0);
    envelope_write_command(&outer, buffer_slice(&inner), envelope->signature);
    ASSERT(inner.status == CONCLAVE_OK && outer.status == CONCLAVE_OK);
}

void fuzz_run(struct slice input)
{
    struct envelope first;
    struct envelope second;
    struct codec_error error = {.text = ""};
    if (envelope_decode(&first, input, &error) != CONCLAVE_OK) {
        ASSERT(error.text[0] != '\0');
        return;
    }
    ASSERT(envelope_id_valid(first.author) && first.body->type == MSGPACK_OBJECT_MAP);
    write_again(&first);
    enum conclave_code rv = envelope_decode(&second, buffer_slice(&outer), &error);
    ASSERT(rv == CONCLAVE_OK || rv == CONCLAVE_TOO_LARGE); /* a float 32 becomes a float 64 */
    if (rv == CONCLAVE_OK) {
        ASSERT(slice_equal(first.signature, second.signature));
        ASSERT(slice_equal(first.cluster, second.cluster));
        ASSERT(slice_equal(first.author, second.author));
        ASSERT(slice_equal(first.nonce, second.nonce) && slice_equal(first.kind, second.kind));
        ASSERT(first.not_after_ms == second.not_after_ms);
        envelope_close(&second);
    }
    envelope_close(&first);
}

void fuzz_seeds(void)
{
    static const uint8_t cluster[16] = "0123456789abcde";
    struct actor chair;
    struct buffer seed;
    actor_init(&chair, "chair");
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    actor_genesis(&chair, &seed, 3, 1767225600000);
    fuzz_seed_buffer("genesis", "", &seed);
    actor_open(&chair, &seed, cluster, 1767225600000, "poll", "simple-majority", 60000);
    fuzz_seed_buffer("open", "", &seed);
    actor_vote(&chair, &seed, cluster, 1767225600000, "poll", "yes");
    fuzz_seed_buffer("vote", "", &seed);
    buffer_close(&seed);
}
