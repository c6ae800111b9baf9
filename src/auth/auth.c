/* Keys, signatures and digests by libsodium, and public keys as text. */
#include "auth/auth.h"

#include <sodium.h>

#include "base/sha256.h"
#include "codec/utf8.h"

#define SEED_BYTES        32u
#define BASE64_VARIANT    sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define BASE64_32_BYTES   43u /* characters of 32 bytes in base64url without padding */
#define PUBLIC_KEY_PREFIX "ed25519:"

_Static_assert(AUTH_PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "size of a public key");
_Static_assert(AUTH_SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "size of a secret key");
_Static_assert(AUTH_SIGNATURE_BYTES == crypto_sign_BYTES, "size of a signature");
_Static_assert(AUTH_SHA256_BYTES == crypto_hash_sha256_BYTES, "size of a SHA-256");
_Static_assert(SEED_BYTES == crypto_sign_SEEDBYTES, "size of a seed");
_Static_assert(BASE64_32_BYTES + 1u == sodium_base64_ENCODED_LEN(32, BASE64_VARIANT),
               "size of 32 bytes as text");
_Static_assert(AUTH_PUBLIC_KEY_TEXT_BYTES == sizeof(PUBLIC_KEY_PREFIX) + BASE64_32_BYTES,
               "size of a public key's text");

enum conclave_code auth_init(void)
{
    return sodium_init() < 0 ? CONCLAVE_INTERNAL : CONCLAVE_OK; /* 1: was started before */
}

void auth_key_generate(struct auth_key *key)
{
    ASSERT(key != NULL);
    int rv = crypto_sign_keypair(key->public_key, key->secret_key);
    ASSERT(rv == 0);
}

void auth_key_from_seed(struct auth_key *key, const uint8_t seed[32])
{
    ASSERT(key != NULL && seed != NULL);
    int rv = crypto_sign_seed_keypair(key->public_key, key->secret_key, seed);
    ASSERT(rv == 0);
}

void auth_key_wipe(struct auth_key *key)
{
    ASSERT(key != NULL);
    sodium_memzero(key, sizeof(*key));
}

void auth_sign(const struct auth_key *key, struct slice message,
               uint8_t signature[AUTH_SIGNATURE_BYTES])
{
    ASSERT(key != NULL && signature != NULL);
    int rv = crypto_sign_detached(signature, NULL, message.data, message.size, key->secret_key);
    ASSERT(rv == 0);
}

bool auth_verify(const uint8_t public_key[AUTH_PUBLIC_KEY_BYTES], struct slice message,
                 const uint8_t signature[AUTH_SIGNATURE_BYTES])
{
    ASSERT(public_key != NULL && signature != NULL);
    return crypto_sign_verify_detached(signature, message.data, message.size, public_key) == 0;
}

void auth_sha256(struct slice message, uint8_t digest[AUTH_SHA256_BYTES])
{
    ASSERT(digest != NULL);
    sha256(message, digest);
}

void auth_cluster_id(struct slice genesis_envelope, uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES])
{
    uint8_t digest[AUTH_SHA256_BYTES];
    auth_sha256(genesis_envelope, digest);
    memcpy(cluster_id, digest, AUTH_CLUSTER_ID_BYTES);
}

bool auth_decode_32_bytes(const char *text, size_t size, uint8_t bytes[32])
{
    size_t decoded;
    return size == BASE64_32_BYTES && codec_ascii_valid(slice_of(text, size)) &&
           sodium_base642bin(bytes, 32, text, size, NULL, &decoded, NULL, BASE64_VARIANT) == 0 &&
           decoded == 32;
}

void auth_public_key_text(const uint8_t public_key[AUTH_PUBLIC_KEY_BYTES],
                          char text[AUTH_PUBLIC_KEY_TEXT_BYTES])
{
    ASSERT(public_key != NULL && text != NULL);
    size_t prefix_size = sizeof(PUBLIC_KEY_PREFIX) - 1;
    memcpy(text, PUBLIC_KEY_PREFIX, prefix_size);
    sodium_bin2base64(text + prefix_size, AUTH_PUBLIC_KEY_TEXT_BYTES - prefix_size, public_key,
                      AUTH_PUBLIC_KEY_BYTES, BASE64_VARIANT);
}

enum conclave_code auth_public_key_parse(const char *text,
                                         uint8_t public_key[AUTH_PUBLIC_KEY_BYTES])
{
    ASSERT(text != NULL && public_key != NULL);
    size_t prefix_size = sizeof(PUBLIC_KEY_PREFIX) - 1;
    size_t size = strnlen(text, AUTH_PUBLIC_KEY_TEXT_BYTES);
    uint8_t bytes[AUTH_PUBLIC_KEY_BYTES];
    if (size != AUTH_PUBLIC_KEY_TEXT_BYTES - 1 ||
        memcmp(text, PUBLIC_KEY_PREFIX, prefix_size) != 0 ||
        !auth_decode_32_bytes(text + prefix_size, size - prefix_size, bytes)) {
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(public_key, bytes, sizeof(bytes));
    return CONCLAVE_OK;
}
