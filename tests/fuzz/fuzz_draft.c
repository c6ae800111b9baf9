/* tools/conclave/ballot_draft.h and convert.h: ballots and policies as files of JSON, and answers
 * as words. A ballot that was taken can be written, and is a map; what was not has a sentence.
 *
 * fuzz: -max_len=500
 */
#include "tools/conclave/ballot_draft.h"

#include <stdlib.h>

#include "codec/reader.h"
#include "fuzz/harness.h"
#include "tools/conclave/convert.h"

static struct buffer packed;

void fuzz_open(void)
{
    buffer_init(&packed, 4u * LIMIT_FRAME_BYTES);
}

static void write_draft(const struct draft *draft)
{
    struct body body;
    struct codec_tree tree;
    body_init(&body);
    draft_write(draft, 1767225600000, &body);
    buffer_clear(&packed);
    enum conclave_code code = body_finish(&body, &packed);
    ASSERT(code == CONCLAVE_OK);
    code = codec_parse(&tree, buffer_slice(&packed));
    ASSERT(code == CONCLAVE_OK && tree.root.type == MSGPACK_OBJECT_MAP);
    codec_tree_close(&tree);
    body_close(&body);
}

static void run_ballot(const json_t *value)
{
    struct draft draft;
    draft_init(&draft, "p");
    if (draft_take_json(&draft, value)) {
        write_draft(&draft);
    } else {
        ASSERT(draft.problem[0] != '\0' && strlen(draft.problem) < sizeof draft.problem);
    }
    draft_close(&draft);
}

static void run_policy(json_t *value)
{
    static const char *const text_keys[] = {"title", "for", "method", "base", NULL};
    const char *what = NULL;
    convert_restore_integers(value, text_keys);
    buffer_clear(&packed);
    if (convert_to_msgpack(&packed, value, &what)) {
        struct codec_tree tree;
        ASSERT(packed.status == CONCLAVE_OK);
        if (codec_parse(&tree, buffer_slice(&packed)) == CONCLAVE_OK) { /* else nested too deep */
            codec_tree_close(&tree);
        }
    } else {
        ASSERT(what != NULL);
    }
}

/* Lines of words: the first byte says which of the options. */
static void run_words(struct slice input)
{
    static bool (*const takes[])(struct draft *, const char *) = {
        draft_take_answer, draft_take_why, draft_take_veto, draft_take_review};
    struct draft draft;
    draft_init(&draft, "p");
    bool good = true;
    while (good && input.size > 0) {
        const uint8_t *end = memchr(input.data, '\n', input.size);
        size_t size = end == NULL ? input.size : (size_t)(end - input.data);
        struct slice line = fuzz_take_bytes(&input, size);
        (void)fuzz_take(&input);
        if (line.size == 0) {
            continue;
        }
        unsigned which = fuzz_take(&line) % 4u;
        char *text = calloc(1, line.size + 1);
        ASSERT(text != NULL);
        if (line.size > 0) {
            memcpy(text, line.data, line.size);
        }
        good = takes[which](&draft, text);
        ASSERT(good || draft.problem[0] != '\0');
        free(text);
    }
    if (good) {
        write_draft(&draft);
    }
    draft_close(&draft);
}

/* input: which of them, then JSON or words */
void fuzz_run(struct slice input)
{
    uint8_t which = fuzz_take(&input) % 4;
    if (which == 0) {
        run_words(input);
        return;
    }
    json_error_t error;
    json_t *value = input.size == 0 ? NULL
                                    : json_loadb((const char *)input.data, input.size,
                                                 JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(value)) {
        if (which == 1) {
            run_policy(value);
        } else {
            run_ballot(value);
        }
    }
    json_decref(value);
}

void fuzz_seeds(void)
{
    fuzz_seed_text("ballot", "2{\"poll\":\"p\",\"answers\":[{\"q\":\"q1\",\"a\":\"yes\",\"why\":"
                             "\"because\"},{\"q\":\"q2\",\"a\":7,\"veto\":true,\"review\":"
                             "\"approve\"}]}");
    fuzz_seed_text("policy", "1{\"method\":\"score\",\"min\":\"1\",\"max\":10,\"pass\":[60,100,"
                             "\">=\"],\"title\":\"12\",\"veto\":null}");
    fuzz_seed_text("words", "0\x04q1=yes\n\x05q1=because\n\x06q1\n\x07q2=approve\n\x04q3=10\n");
}
