/* What a witness makes of two checkpoints, and its cosignature. The trees are hashed here by hand,
 * as RFC 6962, section 2.1, says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/conclave/witness_state.h"

static struct merkle_hash leaves[4], pair, three, four;
static char sentence[WITNESS_SENTENCE_BYTES];

/* Roots of the leaves "0", "01", "012" and "0123". */
static int setup(void **state)
{
    (void)state;
    struct merkle_hash right;
    for (unsigned i = 0; i < 4; i++) {
        char text = (char)('0' + i);
        merkle_hash_leaf(slice_of(&text, 1), &leaves[i]);
    }
    merkle_hash_nodes(&leaves[0], &leaves[1], &pair);
    merkle_hash_nodes(&pair, &leaves[2], &three);
    merkle_hash_nodes(&leaves[2], &leaves[3], &right);
    merkle_hash_nodes(&pair, &right, &four);
    sentence[0] = '\0';
    return 0;
}

static struct checkpoint of(uint64_t size, const struct merkle_hash *root)
{
    return (struct checkpoint){.size = size, .root = *root};
}

static void test_goes_on(void **state)
{
    (void)state;
    const struct checkpoint two = of(2, &pair);
    const struct checkpoint last = of(3, &three);
    const struct merkle_proof proof = {.count = 1, .hashes = {leaves[2]}};
    assert_int_equal(witness_compare(&two, &last, &proof, sentence), WITNESS_NEWER);
    assert_int_equal(witness_compare(&last, &two, &proof, sentence), WITNESS_OLDER);
    assert_int_equal(witness_compare(&two, &two, NULL, sentence), WITNESS_SAME);
    assert_string_equal(sentence, "");
}

static void test_fork(void **state)
{
    (void)state;
    const struct checkpoint two = of(2, &pair);
    const struct checkpoint other = of(2, &four);
    const struct checkpoint last = of(3, &three);
    const struct merkle_proof wrong = {.count = 1, .hashes = {leaves[3]}};
    assert_int_equal(witness_compare(&two, &other, NULL, sentence), WITNESS_FORK);
    assert_non_null(strstr(sentence, "two roots were signed for 2 leaves, "));

    assert_int_equal(witness_compare(&two, &last, &wrong, sentence), WITNESS_FORK);
    assert_non_null(strstr(sentence, "fork: 2 leaves with the root "));
    assert_non_null(strstr(sentence, "... were signed, and now 3 leaves with the root "));
    assert_non_null(strstr(sentence, "one is not the beginning of the other"));
    assert_int_equal(witness_compare(&last, &two, &wrong, sentence), WITNESS_FORK);
    assert_non_null(strstr(sentence, "fork: 3 leaves "));
    assert_int_equal(witness_compare(&two, &last, NULL, sentence), WITNESS_FORK);
    assert_non_null(strstr(sentence, "the cluster has no proof"));
}

/* Nothing is the beginning of everything, but nobody signs nothing. */
static void test_empty(void **state)
{
    (void)state;
    const struct checkpoint none = of(0, &pair);
    const struct checkpoint two = of(2, &pair);
    const struct merkle_proof proof = {.count = 0};
    assert_int_equal(witness_compare(&two, &none, &proof, sentence), WITNESS_FORK);
    assert_int_equal(witness_compare(&none, &two, &proof, sentence), WITNESS_FORK);
}

static void test_cosigns(void **state)
{
    (void)state;
    static const char text[] = "example.com/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
                               "\n\xe2\x80\x94 example.com/log AAAAAAAA\n";
    uint8_t seed[32] = {7};
    struct auth_key key;
    struct note_key name;
    struct note note;
    struct buffer cosigned;
    enum note_verdict verdict;
    uint64_t time_s;
    auth_key_from_seed(&key, seed);
    assert_int_equal(
        note_key_init(&name, slice_of_text("w.example.org"), NOTE_COSIGNATURE, key.public_key),
        CONCLAVE_OK);
    buffer_init(&cosigned, NOTE_BYTES_MAX);
    witness_write_cosigned(&cosigned, slice_of_text(text), &name, &key, 1767225600);
    assert_int_equal(cosigned.status, CONCLAVE_OK);
    assert_memory_equal(cosigned.data, text, sizeof text - 1); /* what others signed stays */
    assert_int_equal(note_decode(&note, buffer_slice(&cosigned)), CONCLAVE_OK);
    assert_int_equal(note.signature_count, 2);
    assert_int_equal(note_verify(&note, &name, &verdict, &time_s), CONCLAVE_OK);
    assert_int_equal(verdict, NOTE_SIGNED);
    assert_int_equal(time_s, 1767225600);
    buffer_close(&cosigned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_goes_on, setup),
        cmocka_unit_test_setup(test_fork, setup),
        cmocka_unit_test_setup(test_empty, setup),
        cmocka_unit_test_setup(test_cosigns, setup),
    };
    if (auth_init() != CONCLAVE_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
