/* src/record/note.h and checkpoint.h: signed notes, checkpoints, verifier keys, base64 and numbers.
 * There is one way to write each: what is read and written again is the same bytes.
 *
 * fuzz: -max_len=900
 */
#include "record/note.h"

#include <sodium.h>
#include <stdlib.h>

#include "codec/utf8.h"
#include "fuzz/harness.h"
#include "record/checkpoint.h"

static struct buffer written;
static struct note note;
static struct note_key key;

void fuzz_open(void)
{
    static const uint8_t seed[32] = "a seed of thirty-two bytes long";
    uint8_t public_key[32];
    uint8_t secret_key[64];
    ASSERT(sodium_init() >= 0);
    buffer_init(&written, 4u * NOTE_BYTES_MAX);
    ASSERT(crypto_sign_seed_keypair(public_key, secret_key, seed) == 0);
    enum conclave_code code =
        note_key_init(&key, slice_of_text("example.com/a"), NOTE_COSIGNATURE, public_key);
    ASSERT(code == CONCLAVE_OK);
}

static void run_checkpoint(struct slice text)
{
    struct checkpoint checkpoint;
    if (checkpoint_decode(&checkpoint, text) != CONCLAVE_OK) {
        return;
    }
    ASSERT(checkpoint.origin.size > 0);
    char *origin = malloc(checkpoint.origin.size + 1);
    ASSERT(origin != NULL);
    memcpy(origin, checkpoint.origin.data, checkpoint.origin.size);
    origin[checkpoint.origin.size] = '\0';
    buffer_clear(&written);
    checkpoint_write(&written, origin, checkpoint.size, &checkpoint.root);
    buffer_append(&written, checkpoint.extensions.data, checkpoint.extensions.size);
    /* An origin may have a zero byte in it; then it cannot be written by its text. */
    if (strlen(origin) == checkpoint.origin.size) {
        ASSERT(slice_equal(buffer_slice(&written), text));
    }
    free(origin);
}

static void run_note(struct slice input)
{
    if (note_decode(&note, input) != CONCLAVE_OK) {
        return;
    }
    ASSERT(note.text.data == input.data && note.text.size < input.size);
    ASSERT(note.text.size > 0 && note.text.data[note.text.size - 1] == '\n');
    ASSERT(note.signature_count >= 1 && note.signature_count <= NOTE_SIGNATURES_MAX);
    ASSERT(codec_utf8_valid(input));
    for (unsigned i = 0; i < note.signature_count; i++) {
        ASSERT(note_name_valid(note.signatures[i].name));
    }
    enum note_verdict verdict;
    enum conclave_code code = note_verify(&note, &key, &verdict, NULL);
    ASSERT(code == CONCLAVE_OK);
    ASSERT(verdict != NOTE_SIGNED); /* nobody here has the secret key */
    run_checkpoint(note.text);
}

static void run_key(struct slice text)
{
    struct note_key parsed;
    if (note_key_parse(&parsed, text) == CONCLAVE_OK) {
        buffer_clear(&written);
        note_key_write(&written, &parsed);
        ASSERT(slice_equal(buffer_slice(&written), text));
    }
}

static void run_base64(struct slice text)
{
    uint8_t bytes[256];
    size_t size;
    if (note_read_base64(text, bytes, sizeof bytes, &size) == CONCLAVE_OK) {
        ASSERT(size <= sizeof bytes);
        buffer_clear(&written);
        note_write_base64(&written, slice_of(bytes, size));
        ASSERT(slice_equal(buffer_slice(&written), text));
    }
    uint64_t number;
    if (note_read_number(text, &number)) {
        ASSERT(text.size >= 1 && text.size <= 20);
        for (size_t i = text.size; i > 0; i--, number /= 10) {
            ASSERT(text.data[i - 1] == '0' + number % 10);
        }
        ASSERT(number == 0);
    }
}

/* input: which of them, then the bytes */
void fuzz_run(struct slice input)
{
    switch (fuzz_take(&input) % 4) {
    case 0:
        run_note(input);
        return;
    case 1:
        run_checkpoint(input);
        return;
    case 2:
        run_key(input);
        return;
    default:
        run_base64(input);
        return;
    }
}

void fuzz_seeds(void)
{
    struct buffer seed;
    struct merkle_hash root = {{1, 2, 3}};
    uint8_t signature[NOTE_ED25519_BYTES] = {4, 5, 6};
    buffer_init(&seed, NOTE_BYTES_MAX);
    checkpoint_write(&seed, "example.com/log", 77, &root);
    note_write_separator(&seed);
    note_write_signature(&seed, &key, 1767225600, signature);
    fuzz_seed_buffer("note", "0", &seed);
    checkpoint_write(&seed, "example.com/log", 0, &root);
    buffer_append(&seed, "extension\n", 10);
    fuzz_seed_buffer("checkpoint", "1", &seed);
    note_key_write(&seed, &key);
    fuzz_seed_buffer("key", "2", &seed);
    fuzz_seed_text("base64", "3AAEC");
    fuzz_seed_text("number", "318446744073709551615");
    buffer_close(&seed);
}
