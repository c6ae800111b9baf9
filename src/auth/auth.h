/* Keys and signatures: Ed25519 (RFC 8032) and SHA-256 by libsodium. Key files: key_file.h. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/slice.h"

#define AUTH_PUBLIC_KEY_BYTES 32u
#define AUTH_SECRET_KEY_BYTES 64u /* libsodium's form: seed and public key */
#define AUTH_SIGNATURE_BYTES  64u
#define AUTH_SHA256_BYTES     32u
#define AUTH_CLUSTER_ID_BYTES 16u

/* A member's key pair. auth_key_wipe before it goes out of scope. */
struct auth_key {
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES];
    uint8_t secret_key[AUTH_SECRET_KEY_BYTES];
};

/* Once per process, before anything else here. INTERNAL when libsodium does not start. */
enum conclave_code auth_init(void) MUST_USE;

/* A new key from the system's random numbers, or from a 32-byte seed. */
void auth_key_generate(struct auth_key *key);
void auth_key_from_seed(struct auth_key *key, const uint8_t seed[32]);
void auth_key_wipe(struct auth_key *key);

void auth_sign(const struct auth_key *key, struct slice message,
               uint8_t signature[AUTH_SIGNATURE_BYTES]);
bool auth_verify(const uint8_t public_key[AUTH_PUBLIC_KEY_BYTES], struct slice message,
                 const uint8_t signature[AUTH_SIGNATURE_BYTES]);

void auth_sha256(struct slice message, uint8_t digest[AUTH_SHA256_BYTES]);

/* The cluster id: the first bytes of the SHA-256 of the genesis envelope. */
void auth_cluster_id(struct slice genesis_envelope, uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES]);

/* Public keys as text: "ed25519:" and base64url without padding (51 bytes and a NUL). BAD_REQUEST
 * when not of this form. */
#define AUTH_PUBLIC_KEY_TEXT_BYTES 52u
void auth_public_key_text(const uint8_t public_key[AUTH_PUBLIC_KEY_BYTES],
                          char text[AUTH_PUBLIC_KEY_TEXT_BYTES]);
/* Exactly 32 bytes of base64url without padding. */
bool auth_decode_32_bytes(const char *text, size_t size, uint8_t bytes[32]);

enum conclave_code auth_public_key_parse(const char *text,
                                         uint8_t public_key[AUTH_PUBLIC_KEY_BYTES]) MUST_USE;

#endif
