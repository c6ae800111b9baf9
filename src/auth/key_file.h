/* Key files: a member's secret key as text, plain or locked with a passphrase.
 *
 * Plain, two lines:
 *   conclave-secret-key-v1 <member id>
 *   <the 32-byte seed>
 * Locked, four lines:
 *   conclave-secret-key-v2 <member id>
 *   ed25519:<the public key>
 *   argon2id <passes> <KiB of memory> <16 bytes of salt>
 *   <24 bytes of nonce, the seed sealed, 16 bytes of tag>
 * Bytes are base64url without padding. The seal is XChaCha20-Poly1305 under the 32-byte key that
 * Argon2id (RFC 9106; one lane) makes of the passphrase; the three lines before are its additional
 * data, so none of them can be changed.
 *
 * Files are written with mode 0600 and synced; a write that fails leaves nothing. Reading refuses a
 * file that anybody but its owner may read, write or run (UNAUTHORISED), one that is not of this
 * form or no regular file (BAD_REQUEST; so does saving for what is no id), one that is not there
 * (NOT_FOUND; saving: the directory is not there); DISK_FULL and IO otherwise, errno then says
 * more.
 */
#ifndef AUTH_KEY_FILE_H
#define AUTH_KEY_FILE_H

#include <conclave/limits.h>

#include "auth/auth.h"

#define KEY_FILE_SALT_BYTES   16u
#define KEY_FILE_SEALED_BYTES (24u + 32u + 16u)
#define KEY_FILE_TEXT_BYTES   512u

/* What unlocking costs: more passes and memory cost a guesser as much as the owner. */
struct key_file_cost {
    uint64_t passes;
    uint64_t memory_kib;
};
extern const struct key_file_cost key_file_cost_standard; /* 3 passes over 64 MiB */

/* A file that was read; the seed of a plain one is in it, so wipe it. */
struct key_file {
    char member_id[LIMIT_ID_BYTES + 1];
    bool locked;
    struct auth_key key; /* of a locked one only the public half, until it is unlocked */
    struct key_file_cost cost;
    uint8_t salt[KEY_FILE_SALT_BYTES];
    uint8_t sealed[KEY_FILE_SEALED_BYTES];
    char head[KEY_FILE_TEXT_BYTES]; /* of a locked one: the lines before the seal */
    size_t head_size;
};

enum conclave_code key_file_read(const char *path, struct key_file *file) MUST_USE;

/* The same of a file's bytes: BAD_REQUEST. */
enum conclave_code key_file_parse(struct slice text, struct key_file *file) MUST_USE;
void key_file_wipe(struct key_file *file);

/* Opens a locked one: then file->key is whole. BAD_PASSPHRASE (or the file was changed); NO_MEMORY.
 */
enum conclave_code key_file_unlock(struct key_file *file, struct slice passphrase) MUST_USE;

/* Writes a new file, never over another (DUPLICATE_ID). An empty passphrase: a plain one. */
enum conclave_code key_file_save(const char *path, const char *member_id,
                                 const struct auth_key *key, struct slice passphrase,
                                 const struct key_file_cost *cost) MUST_USE;

/* Puts a new file in the place of the one at `path`: there is always a whole one. */
enum conclave_code key_file_replace(const char *path, const char *member_id,
                                    const struct auth_key *key, struct slice passphrase,
                                    const struct key_file_cost *cost) MUST_USE;

/* For keys without passphrases: both steps in one. KEY_LOCKED when the file needs one. `member_id`
 * has room for LIMIT_ID_BYTES + 1; it and `key` are written only on success. */
enum conclave_code auth_key_save(const char *path, const char *member_id,
                                 const struct auth_key *key) MUST_USE;
enum conclave_code auth_key_load(const char *path, char *member_id, struct auth_key *key) MUST_USE;

#endif
