/* Signed notes: the examples of C2SP signed-note and of Go's golang.org/x/mod/sumdb/note, whose
 * secret key is public, and what is near them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/memory.h"
#include "record/note.h"

/* Go's documentation of the package note; the seed is its secret key's without the first byte. */
#define GO_KEY  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define GO_SEED "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM="
#define GO_TEXT                                                  \
    "If you think cryptography is the answer to your problem,\n" \
    "then you don't know what your problem is.\n"
#define GO_SIGNATURE                                                                              \
    "\xe2\x80\x94 PeterNeumann "                                                                  \
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM" \
    "=\n"

/* C2SP signed-note, "Example". */
#define C2SP_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define C2SP_NOTE                                                                                 \
    "This is an example message.\n\n"                                                             \
    "\xe2\x80\x94 example.com/foo "                                                               \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM" \
    "=\n"

/* C2SP tlog-cosignature: a note with a signature of each kind, whose keys are not given. */
#define CHECKPOINT_TEXT \
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define COSIGNED_NOTE                                                                             \
    CHECKPOINT_TEXT                                                                               \
    "\n\xe2\x80\x94 example.com/behind-the-sofa "                                                 \
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8" \
    "=\n\xe2\x80\x94 witness.example.com/w1 "                                                     \
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbI" \
    "UBkBIfZ+qnA==\n"

static struct note note;

static enum note_verdict verify(const struct note_key *key, uint64_t *time_s)
{
    enum note_verdict verdict;
    assert_int_equal(note_verify(&note, key, &verdict, time_s), CONCLAVE_OK);
    return verdict;
}

static void assert_opens(const char *key_text, const char *text)
{
    struct note_key key;
    assert_int_equal(note_key_parse(&key, slice_of_text(key_text)), CONCLAVE_OK);
    assert_int_equal(note_decode(&note, slice_of_text(text)), CONCLAVE_OK);
    assert_int_equal(verify(&key, NULL), NOTE_SIGNED);

    struct buffer again;
    buffer_init(&again, 1024);
    note_key_write(&again, &key);
    assert_true(slice_is_text(buffer_slice(&again), key_text));
    buffer_close(&again);
}

static void test_published_notes(void **state)
{
    (void)state;
    assert_opens(C2SP_KEY, C2SP_NOTE);
    assert_true(slice_is_text(note.text, "This is an example message.\n"));
    assert_opens(GO_KEY, GO_TEXT "\n" GO_SIGNATURE);
    assert_true(slice_is_text(note.text, GO_TEXT));
}

/* Ed25519 is deterministic: our signature is Go's, byte for byte. */
static void test_written_as_go_does(void **state)
{
    (void)state;
    uint8_t seed[32];
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint8_t signature[64];
    size_t size;
    struct note_key key;
    assert_int_equal(note_read_base64(slice_of_text(GO_SEED), seed, sizeof seed, &size),
                     CONCLAVE_OK);
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
    assert_int_equal(note_key_init(&key, slice_of_text("PeterNeumann"), NOTE_ED25519, public_key),
                     CONCLAVE_OK);
    struct buffer message;
    struct buffer written;
    buffer_init(&message, 1024);
    buffer_init(&written, 1024);
    note_write_message(&message, NOTE_ED25519, 0, slice_of_text(GO_TEXT));
    assert_int_equal(crypto_sign_detached(signature, NULL, message.data, message.size, secret_key),
                     0);
    buffer_append(&written, GO_TEXT, strlen(GO_TEXT));
    note_write_separator(&written);
    note_write_signature(&written, &key, 0, signature);
    assert_true(slice_is_text(buffer_slice(&written), GO_TEXT "\n" GO_SIGNATURE));
    buffer_close(&message);
    buffer_close(&written);
}

/* Every changed bit of text or signature is noticed: the note no longer opens, or is signed by
 * nobody known. */
static void test_every_bit_counts(void **state)
{
    (void)state;
    struct note_key key;
    char text[] = GO_TEXT "\n" GO_SIGNATURE;
    assert_int_equal(note_key_parse(&key, slice_of_text(GO_KEY)), CONCLAVE_OK);
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        if (note_decode(&note, slice_of(text, sizeof text - 1)) == CONCLAVE_OK) {
            assert_int_not_equal(verify(&key, NULL), NOTE_SIGNED);
        }
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    }
    assert_int_equal(note_decode(&note, slice_of_text(text)), CONCLAVE_OK);
    assert_int_equal(verify(&key, NULL), NOTE_SIGNED);
}

static void test_forged(void **state)
{
    (void)state;
    struct note_key key;
    assert_int_equal(note_key_parse(&key, slice_of_text(GO_KEY)), CONCLAVE_OK);
    assert_int_equal(note_decode(&note, slice_of_text("Another text.\n\n" GO_SIGNATURE)),
                     CONCLAVE_OK);
    assert_int_equal(verify(&key, NULL), NOTE_FORGED);
    /* One good signature does not make up for a bad one of the same key. */
    char two[2048];
    int size = snprintf(two, sizeof two, GO_TEXT "\n" GO_SIGNATURE GO_SIGNATURE);
    two[size - 10] = two[size - 10] == 'A' ? 'B' : 'A';
    assert_int_equal(note_decode(&note, slice_of(two, (size_t)size)), CONCLAVE_OK);
    assert_int_equal(note.signature_count, 2);
    assert_int_equal(verify(&key, NULL), NOTE_FORGED);
}

/* The same name with another id, and the same id with another name, are other keys. */
static void test_unknown_keys(void **state)
{
    (void)state;
    struct note_key key;
    assert_int_equal(note_decode(&note, slice_of_text(GO_TEXT "\n" GO_SIGNATURE)), CONCLAVE_OK);
    assert_int_equal(note_key_parse(&key, slice_of_text(C2SP_KEY)), CONCLAVE_OK);
    assert_int_equal(verify(&key, NULL), NOTE_NOT_SIGNED);
    assert_int_equal(note_key_parse(&key, slice_of_text(GO_KEY)), CONCLAVE_OK);
    key.id ^= 1;
    assert_int_equal(verify(&key, NULL), NOTE_NOT_SIGNED);
    key.id ^= 1;
    key.name[0] = 'Q';
    assert_int_equal(verify(&key, NULL), NOTE_NOT_SIGNED);
}

static void test_cosignatures(void **state)
{
    (void)state;
    assert_int_equal(note_decode(&note, slice_of_text(COSIGNED_NOTE)), CONCLAVE_OK);
    assert_true(slice_is_text(note.text, CHECKPOINT_TEXT));
    assert_int_equal(note.signature_count, 2);
    assert_int_equal(note.signatures[0].size, NOTE_ED25519_BYTES);
    assert_int_equal(note.signatures[1].size, NOTE_COSIGNED_BYTES);
    assert_int_equal(note.signatures[1].key_id, 0x8d66cf3f);
    /* 0x641850cb is 1679315147, the time in the specification's signed message. */
    assert_int_equal(note.signatures[1].bytes[4], 0x64);
    assert_int_equal(note.signatures[1].bytes[7], 0xcb);

    struct buffer message;
    buffer_init(&message, 1024);
    note_write_message(&message, NOTE_COSIGNATURE, 1679315147, note.text);
    assert_true(
        slice_is_text(buffer_slice(&message), "cosignature/v1\ntime 1679315147\n" CHECKPOINT_TEXT));
    buffer_close(&message);
}

static void cosign(struct buffer *written, const char *text, const uint8_t seed[32],
                   struct note_key *key, uint64_t signed_s, uint64_t said_s)
{
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint8_t signature[64];
    struct buffer message;
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
    assert_int_equal(note_key_init(key, slice_of_text("w.example"), NOTE_COSIGNATURE, public_key),
                     CONCLAVE_OK);
    buffer_init(&message, 1024);
    note_write_message(&message, NOTE_COSIGNATURE, signed_s, slice_of_text(text));
    assert_int_equal(crypto_sign_detached(signature, NULL, message.data, message.size, secret_key),
                     0);
    buffer_append(written, text, strlen(text));
    note_write_separator(written);
    note_write_signature(written, key, said_s, signature);
    assert_int_equal(written->status, CONCLAVE_OK);
    buffer_close(&message);
}

static void test_a_cosignature_binds_its_time(void **state)
{
    (void)state;
    static const uint8_t seed[32] = {7};
    struct note_key key;
    uint64_t time_s = 0;
    struct buffer written;
    buffer_init(&written, 1024);
    cosign(&written, CHECKPOINT_TEXT, seed, &key, 1679315147, 1679315147);
    assert_int_equal(note_decode(&note, buffer_slice(&written)), CONCLAVE_OK);
    assert_int_equal(verify(&key, &time_s), NOTE_SIGNED);
    assert_int_equal(time_s, 1679315147);

    buffer_clear(&written);
    cosign(&written, CHECKPOINT_TEXT, seed, &key, 1679315147, 1679315148);
    assert_int_equal(note_decode(&note, buffer_slice(&written)), CONCLAVE_OK);
    assert_int_equal(verify(&key, &time_s), NOTE_FORGED);

    buffer_clear(&written); /* tlog-cosignature: it MUST NOT exceed 2^63 - 1 */
    cosign(&written, CHECKPOINT_TEXT, seed, &key, UINT64_C(1) << 63, UINT64_C(1) << 63);
    assert_int_equal(note_decode(&note, buffer_slice(&written)), CONCLAVE_OK);
    assert_int_equal(verify(&key, &time_s), NOTE_FORGED);
    buffer_close(&written);
}

#define OTHER "\xe2\x80\x94 a.example AAAAAQ4=\n"

/* What is no note, and why. */
static void test_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "text\n",                                     /* no signatures */
        "text\n\n",                                   /* none */
        "text" OTHER,                                 /* no empty line */
        "text\n\n\xe2\x80\x94 a.example AAAAAQ4=",    /* no newline at the end */
        "text\n\n- a.example AAAAAQ4=\n",             /* a hyphen */
        "text\n\n\xe2\x80\x94  AAAAAQ4=\n",           /* no name */
        "text\n\n\xe2\x80\x94 a+b AAAAAQ4=\n",        /* a plus in the name */
        "text\n\n\xe2\x80\x94 a\xc2\xa0z AAAAAQ4=\n", /* a space of Unicode */
        "text\n\n\xe2\x80\x94 a.example AAAAAQ4\n",   /* no padding */
        "text\n\n\xe2\x80\x94 a.example AAAAAQ5=\n",  /* bits that belong to no byte */
        "text\n\n\xe2\x80\x94 a.example AAAAAQ==\n",  /* a key id and nothing more */
        "text\n\n\xe2\x80\x94 a.example AAAA*Q4=\n",
        "te\rxt\n\n" OTHER, /* control characters */
        "te\txt\n\n" OTHER,
        "te\xff"
        "xt\n\n" OTHER, /* no UTF-8 */
        "text\n\n" OTHER "more\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(note_decode(&note, slice_of_text(texts[i])), CONCLAVE_BAD_REQUEST);
    }
    assert_int_equal(note_decode(&note, slice_of_text("text\n\n" OTHER)), CONCLAVE_OK);
    assert_int_equal(note_decode(&note, slice_of_text("te\n\nxt\n\n" OTHER)), CONCLAVE_OK);
    assert_true(slice_is_text(note.text, "te\n\nxt\n")); /* the last empty line divides */
}

/* At least 16 signatures must be taken; a flood is not. Large ones of kinds unknown are skipped. */
static void test_many_signatures(void **state)
{
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes, 4 * NOTE_BYTES_MAX);
    buffer_append(&bytes, "text\n\n", 6);
    for (unsigned i = 0; i < NOTE_SIGNATURES_MAX; i++) {
        buffer_append(&bytes, OTHER, sizeof OTHER - 1);
    }
    assert_int_equal(note_decode(&note, buffer_slice(&bytes)), CONCLAVE_OK);
    assert_int_equal(note.signature_count, NOTE_SIGNATURES_MAX);
    buffer_append(&bytes, OTHER, sizeof OTHER - 1);
    assert_int_equal(note_decode(&note, buffer_slice(&bytes)), CONCLAVE_TOO_LARGE);

    static const uint8_t large[5000] = {1, 2, 3, 4};
    buffer_clear(&bytes);
    buffer_append(&bytes, "text\n\n\xe2\x80\x94 pq.example ", 21);
    note_write_base64(&bytes, slice_of(large, sizeof large));
    buffer_append(&bytes, "\n", 1);
    assert_int_equal(note_decode(&note, buffer_slice(&bytes)), CONCLAVE_OK);
    assert_int_equal(note.signatures[0].size, sizeof large - 4);
    assert_int_equal(note.signatures[0].key_id, 0x01020304);
    buffer_close(&bytes);
}

static void test_verifier_keys(void **state)
{
    (void)state;
    struct note_key key;
    static const char *const bad[] = {
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", /* another id */
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        /* Go's note_test.go: a long key and an unknown kind, each with its right id */
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(note_key_parse(&key, slice_of_text(bad[i])), CONCLAVE_BAD_REQUEST);
    }
    struct slice whole = slice_of_text(GO_KEY);
    for (size_t size = 0; size < whole.size; size++) {
        assert_int_equal(note_key_parse(&key, slice_of(whole.data, size)), CONCLAVE_BAD_REQUEST);
    }
    uint8_t public_key[32] = {0};
    assert_int_equal(note_key_init(&key, slice_of_text("a b"), NOTE_ED25519, public_key),
                     CONCLAVE_BAD_VALUE);
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(note_read_number(slice_of_text("0"), &value));
    assert_int_equal(value, 0);
    assert_true(note_read_number(slice_of_text("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "18446744073709551616",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(note_read_number(slice_of_text(bad[i]), &value));
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    struct note_key key;
    enum note_verdict verdict;
    assert_int_equal(note_key_parse(&key, slice_of_text(GO_KEY)), CONCLAVE_OK);
    assert_int_equal(note_decode(&note, slice_of_text(GO_TEXT "\n" GO_SIGNATURE)), CONCLAVE_OK);
    memory_fault_arm(1);
    assert_int_equal(note_verify(&note, &key, &verdict, NULL), CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
    assert_int_equal(verify(&key, NULL), NOTE_SIGNED);
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_notes),
        cmocka_unit_test(test_written_as_go_does),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_cosignatures),
        cmocka_unit_test(test_a_cosignature_binds_its_time),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_verifier_keys),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
