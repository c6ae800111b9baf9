/* Keys and signatures: Ed25519 (RFC 8032) and SHA-256 by libsodium, and the key files of members.
 */
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

/* Key files. Text of two lines:
 *   conclave-secret-key-v1 <member id>
 *   <base64url, no padding, of the 32-byte seed>
 * written with mode 0600 and synced, never over an existing file (DUPLICATE_ID); a save that fails
 * leaves no file. Reading refuses a file that anybody but its owner may read, write or run
 * (UNAUTHORISED), one that is not of this form or no regular file (BAD_REQUEST; so does saving for
 * what is no id), one that is not there (NOT_FOUND; saving: the directory is not there); DISK_FULL
 * and IO otherwise, errno then says more. `member_id` has room for LIMIT_ID_BYTES + 1; it and `key`
 * are written only on success. */
enum conclave_code auth_key_save(const char *path, const char *member_id,
                                 const struct auth_key *key) MUST_USE;
enum conclave_code auth_key_load(const char *path, char *member_id, struct auth_key *key) MUST_USE;

/* Public keys as text: "ed25519:" and base64url without padding (51 bytes and a NUL). BAD_REQUEST
 * when not of this form. */
#define AUTH_PUBLIC_KEY_TEXT_BYTES 52u
void auth_public_key_text(const uint8_t public_key[AUTH_PUBLIC_KEY_BYTES],
                          char text[AUTH_PUBLIC_KEY_TEXT_BYTES]);
enum conclave_code auth_public_key_parse(const char *text,
                                         uint8_t public_key[AUTH_PUBLIC_KEY_BYTES]) MUST_USE;

#endif
