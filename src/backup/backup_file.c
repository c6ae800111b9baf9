/* Backup files and their checksum: see the header. */
#include "backup/backup_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define PIECE_BYTES 65536u
#define SCHEMA_HEAD "{\"schema\":\""
#define BACKUP_ANY  SCHEMA_HEAD "conclave.backup."
#define BACKUP_THIS SCHEMA_HEAD BACKUP_HEAD_SCHEMA "\""

/* --- Hashes --- */

void backup_hash_begin(struct backup_hash *hash)
{
    ASSERT(hash != NULL);
    hash->bytes = 0;
    (void)crypto_hash_sha256_init(&hash->state);
}

void backup_hash_add(struct backup_hash *hash, const void *bytes, size_t size)
{
    ASSERT(hash != NULL && (bytes != NULL || size == 0));
    hash->bytes += size;
    (void)crypto_hash_sha256_update(&hash->state, bytes, size);
}

void backup_hash_line(const struct backup_hash *hash, char line[BACKUP_CHECKSUM_LINE_BYTES])
{
    ASSERT(hash != NULL && line != NULL);
    uint8_t digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];
    crypto_hash_sha256_state state = hash->state;
    (void)crypto_hash_sha256_final(&state, digest);
    (void)sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    int size = snprintf(line, BACKUP_CHECKSUM_LINE_BYTES,
                        SCHEMA_HEAD BACKUP_CHECKSUM_SCHEMA "\",\"bytes\":\"%" PRIu64
                                                           "\",\"sha256\":\"%s\"}\n",
                        hash->bytes, hex);
    ASSERT(size > 0 && (size_t)size < BACKUP_CHECKSUM_LINE_BYTES);
}

/* --- Files --- */

/* Adds `size` bytes of the file, from where it stands. */
static enum conclave_code add_bytes(struct backup_hash *hash, FILE *file, uint64_t size)
{
    uint8_t *piece = memory_allocate(PIECE_BYTES);
    if (piece == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = CONCLAVE_OK;
    while (size > 0 && code == CONCLAVE_OK) {
        size_t wanted = size < PIECE_BYTES ? (size_t)size : PIECE_BYTES;
        size_t got = fread(piece, 1, wanted, file);
        backup_hash_add(hash, piece, got);
        size -= got;
        code = got == wanted ? CONCLAVE_OK : CONCLAVE_IO;
    }
    memory_free(piece);
    return code;
}

enum conclave_code backup_file_seal(FILE *file)
{
    ASSERT(file != NULL);
    char line[BACKUP_CHECKSUM_LINE_BYTES];
    struct backup_hash hash;
    backup_hash_begin(&hash);
    off_t size = fflush(file) == 0 ? ftello(file) : -1;
    if (size < 0 || fseeko(file, 0, SEEK_SET) != 0) {
        return CONCLAVE_IO;
    }
    enum conclave_code code = add_bytes(&hash, file, (uint64_t)size);
    if (code != CONCLAVE_OK) {
        return code;
    }
    backup_hash_line(&hash, line);
    bool written = fseeko(file, 0, SEEK_END) == 0 && fputs(line, file) >= 0 && fflush(file) == 0 &&
                   fsync(fileno(file)) == 0;
    return written ? CONCLAVE_OK : CONCLAVE_IO;
}

/* The bytes before the last line, and that line (a string, cut if it is too long to be one of
 * ours). */
static enum conclave_code find_last_line(FILE *file, uint64_t *before,
                                         char line[BACKUP_CHECKSUM_LINE_BYTES])
{
    char tail[BACKUP_CHECKSUM_LINE_BYTES];
    off_t size = fseeko(file, 0, SEEK_END) == 0 ? ftello(file) : -1;
    if (size < 0) {
        return CONCLAVE_IO;
    }
    size_t tail_size = (uint64_t)size < sizeof tail - 1 ? (size_t)size : sizeof tail - 1;
    if (fseeko(file, size - (off_t)tail_size, SEEK_SET) != 0 ||
        fread(tail, 1, tail_size, file) != tail_size) {
        return CONCLAVE_IO;
    }
    size_t start = tail_size == 0 ? 0 : tail_size - 1; /* its own newline is no line's end */
    while (start > 0 && tail[start - 1] != '\n') {
        start--;
    }
    memcpy(line, tail + start, tail_size - start);
    line[tail_size - start] = '\0';
    *before = (uint64_t)size - (tail_size - start);
    return CONCLAVE_OK;
}

static enum conclave_code check_head(FILE *file, struct codec_error *error)
{
    char head[sizeof BACKUP_THIS];
    size_t size = fseeko(file, 0, SEEK_SET) == 0 ? fread(head, 1, sizeof head - 1, file) : 0;
    head[size] = '\0';
    if (ferror(file)) {
        return CONCLAVE_IO;
    }
    if (strcmp(head, BACKUP_THIS) == 0) {
        return CONCLAVE_OK;
    }
    if (strncmp(head, BACKUP_ANY, sizeof BACKUP_ANY - 1) == 0) {
        codec_error_set(error, "a backup of another version than this program reads, which is %s",
                        BACKUP_HEAD_SCHEMA);
        return CONCLAVE_BAD_VERSION;
    }
    codec_error_set(error, "this is no backup: its first line is not that of one");
    return CONCLAVE_BAD_REQUEST;
}

static enum conclave_code check_file(FILE *file, uint8_t *sha256, struct codec_error *error)
{
    static const char checksum_head[] = SCHEMA_HEAD "conclave.sha256.";
    char found[BACKUP_CHECKSUM_LINE_BYTES];
    char expected[BACKUP_CHECKSUM_LINE_BYTES];
    uint64_t before;
    struct backup_hash hash;
    enum conclave_code code = find_last_line(file, &before, found);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (strncmp(found, checksum_head, sizeof checksum_head - 1) != 0) {
        code = check_head(file, error);
        if (code == CONCLAVE_OK) {
            codec_error_set(error, "the backup was cut off, or its end is damaged: its last line "
                                   "is no checksum");
            code = CONCLAVE_NOT_PROVEN;
        }
        return code;
    }
    backup_hash_begin(&hash);
    code = fseeko(file, 0, SEEK_SET) == 0 ? add_bytes(&hash, file, before) : CONCLAVE_IO;
    if (code != CONCLAVE_OK) {
        return code;
    }
    backup_hash_line(&hash, expected);
    if (strcmp(found, expected) != 0) {
        codec_error_set(error, "the backup is damaged: its bytes do not have the checksum that its "
                               "last line has");
        return CONCLAVE_NOT_PROVEN;
    }
    if (sha256 != NULL) {
        (void)crypto_hash_sha256_final(&hash.state, sha256);
    }
    return check_head(file, error);
}

enum conclave_code backup_file_check(const char *path, uint8_t sha256[BACKUP_SHA256_BYTES],
                                     struct codec_error *error)
{
    ASSERT(path != NULL && error != NULL);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        enum conclave_code code = errno == ENOENT ? CONCLAVE_NOT_FOUND : CONCLAVE_IO;
        codec_error_set(error, "it cannot be read: %s", strerror(errno));
        return code;
    }
    enum conclave_code code = check_file(file, sha256, error);
    if (code == CONCLAVE_IO || code == CONCLAVE_NO_MEMORY) {
        codec_error_set(error, "it cannot be read: %s",
                        code == CONCLAVE_IO ? strerror(errno) : conclave_code_text(code));
    }
    (void)fclose(file);
    return code;
}
