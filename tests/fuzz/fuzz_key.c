/* src/auth/key_file.h, auth.h: key files and public keys as text. There is one way to write a key:
 * what is read and written again is the same text.
 *
 * fuzz: -max_len=200
 */
#include "auth/key_file.h"

#include <conclave/limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/envelope.h"
#include "fuzz/harness.h"

static struct fuzz_file file;

void fuzz_open(void)
{
    ASSERT(auth_init() == CONCLAVE_OK);
    fuzz_file_open(&file);
}

static void run_file(struct slice input)
{
    char id[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    fuzz_file_write(&file, input);
    enum conclave_code code = auth_key_load(file.path, id, &key);
    if (code != CONCLAVE_OK) {
        ASSERT(code == CONCLAVE_BAD_REQUEST || code == CONCLAVE_KEY_LOCKED);
        return;
    }
    ASSERT(envelope_id_valid(slice_of_text(id)));
    char again[LIMIT_ID_BYTES + 128];
    char seed[64];
    sodium_bin2base64(seed, sizeof seed, key.secret_key, 32,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int size = snprintf(again, sizeof again, "conclave-secret-key-v1 %s\n%s\n", id, seed);
    ASSERT(size > 0 && (size_t)size < sizeof again);
    ASSERT(input.size == (size_t)size || input.size + 1 == (size_t)size);
    ASSERT(memcmp(input.data, again, input.size) == 0);
}

static void run_public(struct slice input)
{
    char *text = malloc(input.size + 1);
    ASSERT(text != NULL);
    if (input.size > 0) {
        memcpy(text, input.data, input.size);
    }
    text[input.size] = '\0';
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES];
    if (auth_public_key_parse(text, public_key) == CONCLAVE_OK) {
        char again[AUTH_PUBLIC_KEY_TEXT_BYTES];
        auth_public_key_text(public_key, again);
        ASSERT(strcmp(again, text) == 0);
    }
    free(text);
}

/* input: which of the two, then the text */
void fuzz_run(struct slice input)
{
    if (fuzz_take(&input) % 2 != 0) {
        run_public(input);
    } else {
        run_file(input);
    }
}

void fuzz_seeds(void)
{
    fuzz_seed_text("file",
                   "0conclave-secret-key-v1 ada\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n");
    fuzz_seed_text("public", "1ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
}
