/* tools/conclave/convert.h: what a node answers becomes JSON, any of it; that JSON can be written
 * down, and read, and packed again, and then becomes the same. Policies are put into words whatever
 * a node calls a policy.
 *
 * fuzz: -max_len=300
 */
#include "tools/conclave/convert.h"

#include <conclave/limits.h>
#include <stdlib.h>

#include "fuzz/mutate.h"
#include "fuzz/state.h"
#include "tools/conclave/rule.h"

static struct buffer packed;

void fuzz_open(void)
{
    buffer_init(&packed, 16u * LIMIT_FRAME_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, fuzz_words);
}

static void read_again(const json_t *value)
{
    json_error_t error;
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    ASSERT(text != NULL);
    json_t *again = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    ASSERT(again != NULL && json_equal(value, again));
    json_decref(again);
    free(text);
}

static void pack_again(const json_t *value)
{
    const char *what = NULL;
    buffer_clear(&packed);
    if (!convert_to_msgpack(&packed, value, &what)) {
        ASSERT(what != NULL);
        return;
    }
    json_t *again = convert_packed_to_json(buffer_slice(&packed));
    ASSERT(again != NULL && json_equal(value, again));
    json_decref(again);
}

void fuzz_run(struct slice input)
{
    struct codec_tree tree;
    bool parses = codec_parse(&tree, input) == CONCLAVE_OK;
    if (parses) {
        codec_tree_close(&tree);
    }
    json_t *value = convert_packed_to_json(input);
    ASSERT((value != NULL) == parses);
    if (!parses) {
        return;
    }
    read_again(value);
    pack_again(value);
    char text[RULE_TEXT_BYTES];
    rule_summary(value, text);
    ASSERT(strlen(text) < sizeof text && rule_measure(value) != NULL);
    static const char *const text_keys[] = {"title", "method", NULL};
    convert_restore_integers(value, text_keys);
    read_again(value);
    json_decref(value);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    fuzz_pack(&seed, "{'method': 'score', 'min': 1, 'max': 10, 'pass': [60, 100, '>='], 'quorum': "
                     "[1, 2, 'heads'], 'veto': {'class': 'g', 'trigger': ['score', 1], 'reject': "
                     "[1, 2], 'revise': [1, 4], 'justification': 4}}");
    fuzz_seed_buffer("score", "", &seed);
    fuzz_pack(&seed, "{'items': [{'id': 'a', 'key': 'hex:00ff', 'command': 'hex:00ff', 'n': "
                     "18446744073709551, 'none': null, 'yes': true}], 'more': false}");
    fuzz_seed_buffer("list", "", &seed);
    buffer_close(&seed);
}
