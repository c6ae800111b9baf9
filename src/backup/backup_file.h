/* Backup files: the lines of an export (export.c), and a last line with the SHA-256 of all the
 * bytes before it, {"schema":"conclave.sha256.v1","bytes":"<how many>","sha256":"<hexadecimal>"},
 * byte for byte so. docs/RECORD.md, "Backups", is the contract. */
#ifndef BACKUP_BACKUP_FILE_H
#define BACKUP_BACKUP_FILE_H

#include <conclave/codes.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/envelope.h"

#define BACKUP_HEAD_SCHEMA     "conclave.backup.v1"
#define BACKUP_CHECKSUM_SCHEMA "conclave.sha256.v1"
#define BACKUP_SHA256_BYTES    32u

/* --- A checksum on the way --- */

struct backup_hash {
    crypto_hash_sha256_state state;
    uint64_t bytes;
};
void backup_hash_begin(struct backup_hash *hash);
void backup_hash_add(struct backup_hash *hash, const void *bytes, size_t size);

/* The last line, with its newline, for what was added; a string. */
#define BACKUP_CHECKSUM_LINE_BYTES 160u
void backup_hash_line(const struct backup_hash *hash, char line[BACKUP_CHECKSUM_LINE_BYTES]);

/* --- Files --- */

/* Appends the last line to a file that was written from its start, and syncs it. IO; errno says
 * more. */
enum conclave_code backup_file_seal(FILE *file) MUST_USE;

/* Has the file the form of a backup, and its bytes their checksum, which `sha256` gets (NULL: not)?
 * OK; NOT_FOUND and IO (errno says
 * more); BAD_VERSION, a backup of another version than this program reads; BAD_REQUEST, no backup
 * at all; NOT_PROVEN, a backup that was cut off or is damaged. `error` says what is wrong. */
enum conclave_code backup_file_check(const char *path, uint8_t sha256[BACKUP_SHA256_BYTES],
                                     struct codec_error *error) MUST_USE;

#endif
