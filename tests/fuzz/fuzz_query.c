/* src/model/query*.c: queries with any params are answered by one map, the same from the store in
 * memory and from LMDB, or refused with a sentence and no answer.
 *
 * fuzz: -max_len=120 -entropic=0
 */
#include <conclave/limits.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "fuzz/mutate.h"
#include "fuzz/state.h"

static struct model_fixture *state;
static struct buffer answers[2];

void fuzz_open(void)
{
    state = fuzz_state();
    buffer_init(&answers[0], LIMIT_ANSWER_BYTES);
    buffer_init(&answers[1], LIMIT_ANSWER_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, fuzz_words);
}

static enum conclave_code ask(unsigned store, const char *method, const msgpack_object *params,
                              struct codec_error *error)
{
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(state->stores[store], false, &transaction);
    ASSERT(code == CONCLAVE_OK);
    buffer_clear(&answers[store]);
    code = model_query(transaction, &fuzz_log, slice_of_text(method), params, state->index,
                       slice_of(state->digests[0], KV_DIGEST_BYTES), &answers[store], error);
    kv_abort(transaction);
    return code;
}

/* input: which query, then its params */
void fuzz_run(struct slice input)
{
    const char *method = fuzz_queries[fuzz_take(&input) % FUZZ_QUERIES];
    struct codec_error errors[2] = {{.text = ""}, {.text = ""}};
    struct codec_tree params;
    struct codec_tree tree;
    if (codec_parse(&params, input) != CONCLAVE_OK) {
        return;
    }
    enum conclave_code code = ask(0, method, &params.root, &errors[0]);
    if (code == CONCLAVE_OK) {
        enum conclave_code parsed = codec_parse(&tree, buffer_slice(&answers[0]));
        ASSERT(parsed == CONCLAVE_OK && tree.root.type == MSGPACK_OBJECT_MAP);
        codec_tree_close(&tree);
    } else {
        ASSERT(answers[0].size == 0 && errors[0].text[0] != '\0');
        ASSERT(codec_utf8_valid(slice_of_text(errors[0].text)));
    }
    if (input.size % 16 == 0) {
        ASSERT(ask(1, method, &params.root, &errors[1]) == code);
        ASSERT(slice_equal(buffer_slice(&answers[0]), buffer_slice(&answers[1])));
        ASSERT(strcmp(errors[0].text, errors[1].text) == 0);
    }
    codec_tree_close(&params);
}

void fuzz_seeds(void)
{
    static const char *const params[FUZZ_QUERIES] = {
        "{}",
        "{'id': 'ann'}",
        "{'limit': 2, 'after': 'ann'}",
        "{'id': 'yesno', 'version': 1}",
        "{'limit': 1}",
        "{'id': 'prop', 'revision': 1}",
        "{'stage': 'draft', 'limit': 5}",
        "{'id': 'p'}",
        "{'state': 'open', 'limit': 2}",
        "{'poll': 's', 'limit': 3, 'after': 'ann'}",
        "{'poll': 's', 'question': 'q1'}",
        "{'poll': 'done', 'question': 'q1'}",
        "{'limit': 4}",
        "{'poll': 'p', 'member': 'cid'}",
        "{'poll': 's', 'limit': 1}",
        "{'author': 'ann', 'nonce': 'hex:00000000000f42400000000000000007'}"};
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    for (unsigned i = 0; i < FUZZ_QUERIES; i++) {
        const char first[] = {(char)i, '\0'};
        char name[32];
        (void)snprintf(name, sizeof name, "%u", i);
        fuzz_pack(&seed, params[i]);
        fuzz_seed_buffer(name, i == 0 ? "\x10" : first, &seed); /* 16 is 0 again */
    }
    buffer_close(&seed);
}
