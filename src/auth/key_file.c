/* See key_file.h. */
#include "auth/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/envelope.h"
#include "codec/utf8.h"

#define SEED_BYTES      32u
#define NONCE_BYTES     24u
#define BASE64_VARIANT  sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SEED_TEXT_BYTES 43u /* characters of 32 bytes in base64url without padding */
#define PLAIN_HEADER    "conclave-secret-key-v1 "
#define LOCKED_HEADER   "conclave-secret-key-v2 "
#define HEADER_BYTES    (sizeof PLAIN_HEADER - 1u)
#define MODE            (S_IRUSR | S_IWUSR)
#define MODE_OTHERS     (S_IRWXG | S_IRWXO)

/* A file that asks for more than this is not ours: it would only eat memory and time. */
#define PASSES_MAX     64u
#define MEMORY_MIN_KIB 8u
#define MEMORY_MAX_KIB (2u * 1024u * 1024u)

_Static_assert(sizeof PLAIN_HEADER == sizeof LOCKED_HEADER, "headers of one size");
_Static_assert(KEY_FILE_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "size of a salt");
_Static_assert(NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "size of a nonce");
_Static_assert(KEY_FILE_SEALED_BYTES ==
                   NONCE_BYTES + SEED_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "size of what is sealed");
_Static_assert(SEED_BYTES == crypto_sign_SEEDBYTES, "size of a seed");

const struct key_file_cost key_file_cost_standard = {.passes = 3, .memory_kib = 64u * 1024u};

static enum conclave_code code_of_errno(int error)
{
    switch (error) {
    case EEXIST:
        return CONCLAVE_DUPLICATE_ID;
    case ENOENT:
    case ENOTDIR:
        return CONCLAVE_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return CONCLAVE_DISK_FULL;
    default:
        return CONCLAVE_IO;
    }
}

/* --- the seal --- */

/* The key that a passphrase gives. */
static enum conclave_code derive(const struct key_file *file, struct slice passphrase,
                                 uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
    /* libsodium takes no NULL, and an empty passphrase locks nothing */
    ASSERT(passphrase.size > 0);
    int rv = crypto_pwhash_argon2id(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
                                    (const char *)passphrase.data, passphrase.size, file->salt,
                                    file->cost.passes, (size_t)file->cost.memory_kib * 1024u,
                                    crypto_pwhash_argon2id_ALG_ARGON2ID13);
    return rv == 0 ? CONCLAVE_OK : CONCLAVE_NO_MEMORY;
}

enum conclave_code key_file_unlock(struct key_file *file, struct slice passphrase)
{
    ASSERT(file != NULL && file->locked);
    uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    uint8_t seed[SEED_BYTES];
    struct auth_key opened;
    if (passphrase.size == 0) {
        return CONCLAVE_BAD_PASSPHRASE;
    }
    enum conclave_code code = derive(file, passphrase, key);
    if (code == CONCLAVE_OK &&
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            seed, NULL, NULL, file->sealed + NONCE_BYTES, KEY_FILE_SEALED_BYTES - NONCE_BYTES,
            (const uint8_t *)file->head, file->head_size, file->sealed, key) != 0) {
        code = CONCLAVE_BAD_PASSPHRASE;
    }
    if (code == CONCLAVE_OK) {
        auth_key_from_seed(&opened, seed);
        if (memcmp(opened.public_key, file->key.public_key, AUTH_PUBLIC_KEY_BYTES) != 0) {
            code = CONCLAVE_BAD_REQUEST; /* whoever sealed it wrote another key's name on it */
        } else {
            file->key = opened;
            file->locked = false;
        }
        auth_key_wipe(&opened);
    }
    sodium_memzero(key, sizeof key);
    sodium_memzero(seed, sizeof seed);
    return code;
}

/* --- the text --- */

/* The lines before the seal. */
static void format_head(struct key_file *file)
{
    char salt[32];
    char public_key[AUTH_PUBLIC_KEY_TEXT_BYTES];
    sodium_bin2base64(salt, sizeof salt, file->salt, sizeof file->salt, BASE64_VARIANT);
    auth_public_key_text(file->key.public_key, public_key);
    int size = snprintf(file->head, sizeof file->head, "%s%s\n%s\nargon2id %llu %llu %s\n",
                        LOCKED_HEADER, file->member_id, public_key,
                        (unsigned long long)file->cost.passes,
                        (unsigned long long)file->cost.memory_kib, salt);
    ASSERT(size > 0 && (size_t)size < sizeof file->head);
    file->head_size = (size_t)size;
}

static void append_base64(char text[KEY_FILE_TEXT_BYTES], size_t *size, const uint8_t *bytes,
                          size_t count)
{
    size_t room = sodium_base64_encoded_len(count, BASE64_VARIANT);
    ASSERT(*size + room < KEY_FILE_TEXT_BYTES);
    sodium_bin2base64(text + *size, room, bytes, count, BASE64_VARIANT);
    *size += room - 1;
    text[(*size)++] = '\n';
}

static enum conclave_code format_locked(char text[KEY_FILE_TEXT_BYTES], size_t *size,
                                        const char *member_id, const struct auth_key *key,
                                        struct slice passphrase, const struct key_file_cost *cost)
{
    struct key_file file = {.locked = true, .cost = *cost};
    uint8_t lock[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    uint8_t seed[SEED_BYTES];
    (void)snprintf(file.member_id, sizeof file.member_id, "%s", member_id);
    memcpy(file.key.public_key, key->public_key, AUTH_PUBLIC_KEY_BYTES);
    randombytes_buf(file.salt, sizeof file.salt);
    randombytes_buf(file.sealed, NONCE_BYTES);
    format_head(&file);
    enum conclave_code code = derive(&file, passphrase, lock);
    if (code == CONCLAVE_OK) {
        int rv = crypto_sign_ed25519_sk_to_seed(seed, key->secret_key);
        ASSERT(rv == 0);
        rv = crypto_aead_xchacha20poly1305_ietf_encrypt(file.sealed + NONCE_BYTES, NULL, seed,
                                                        sizeof seed, (const uint8_t *)file.head,
                                                        file.head_size, NULL, file.sealed, lock);
        ASSERT(rv == 0);
        memcpy(text, file.head, file.head_size);
        *size = file.head_size;
        append_base64(text, size, file.sealed, sizeof file.sealed);
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(lock, sizeof lock);
    return code;
}

static void format_plain(char text[KEY_FILE_TEXT_BYTES], size_t *size, const char *member_id,
                         const struct auth_key *key)
{
    uint8_t seed[SEED_BYTES];
    int rv = crypto_sign_ed25519_sk_to_seed(seed, key->secret_key);
    ASSERT(rv == 0);
    int written = snprintf(text, KEY_FILE_TEXT_BYTES, "%s%s\n", PLAIN_HEADER, member_id);
    ASSERT(written > 0);
    *size = (size_t)written;
    append_base64(text, size, seed, sizeof seed);
    sodium_memzero(seed, sizeof seed);
}

/* The next line, without its end; false when there is none. The last may lack its end. */
static bool take_line(struct slice *text, struct slice *line)
{
    if (text->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    *line = slice_of(text->data, size);
    size_t taken = end == NULL ? size : size + 1;
    *text = slice_of(text->data + taken, text->size - taken);
    return true;
}

static bool take_number(struct slice *line, uint64_t *number)
{
    size_t i = 0;
    *number = 0;
    while (i < line->size && i < 10 && line->data[i] >= '0' && line->data[i] <= '9') {
        *number = *number * 10 + (line->data[i] - '0');
        i++;
    }
    if (i == 0 || i == line->size || line->data[i] != ' ' || line->data[0] == '0') {
        return false;
    }
    *line = slice_of(line->data + i + 1, line->size - i - 1);
    return true;
}

static bool decode_base64(struct slice text, uint8_t *bytes, size_t size)
{
    size_t decoded;
    return codec_ascii_valid(text) &&
           sodium_base642bin(bytes, size, (const char *)text.data, text.size, NULL, &decoded, NULL,
                             BASE64_VARIANT) == 0 &&
           decoded == size;
}

static bool parse_cost(struct slice line, struct key_file *file)
{
    static const char name[] = "argon2id ";
    if (line.size < sizeof name - 1 || memcmp(line.data, name, sizeof name - 1) != 0) {
        return false;
    }
    line = slice_of(line.data + sizeof name - 1, line.size - (sizeof name - 1));
    return take_number(&line, &file->cost.passes) && take_number(&line, &file->cost.memory_kib) &&
           file->cost.passes <= PASSES_MAX && file->cost.memory_kib >= MEMORY_MIN_KIB &&
           file->cost.memory_kib <= MEMORY_MAX_KIB &&
           decode_base64(line, file->salt, sizeof file->salt);
}

static bool parse_locked(struct slice text, struct key_file *file)
{
    struct slice lines[3];
    char public_key[AUTH_PUBLIC_KEY_TEXT_BYTES];
    for (size_t i = 0; i < 3; i++) {
        if (!take_line(&text, &lines[i])) {
            return false;
        }
    }
    if (text.size > 0 || lines[0].size != sizeof public_key - 1) {
        return false;
    }
    memcpy(public_key, lines[0].data, lines[0].size);
    public_key[lines[0].size] = '\0';
    if (auth_public_key_parse(public_key, file->key.public_key) != CONCLAVE_OK ||
        !parse_cost(lines[1], file) ||
        !decode_base64(lines[2], file->sealed, sizeof file->sealed)) {
        return false;
    }
    file->locked = true;
    format_head(file); /* what was sealed: there is one way to write it */
    return true;
}

static bool parse_plain(struct slice text, struct key_file *file)
{
    struct slice line;
    uint8_t seed[SEED_BYTES];
    bool parsed = take_line(&text, &line) && text.size == 0 &&
                  auth_decode_32_bytes((const char *)line.data, line.size, seed);
    if (parsed) {
        auth_key_from_seed(&file->key, seed);
    }
    sodium_memzero(seed, sizeof seed);
    return parsed;
}

enum conclave_code key_file_parse(struct slice text, struct key_file *file)
{
    ASSERT(file != NULL);
    *file = (struct key_file){.locked = false};
    struct slice line;
    if (text.size < HEADER_BYTES || !take_line(&text, &line) || line.size <= HEADER_BYTES) {
        return CONCLAVE_BAD_REQUEST;
    }
    bool plain = memcmp(line.data, PLAIN_HEADER, HEADER_BYTES) == 0;
    bool locked = memcmp(line.data, LOCKED_HEADER, HEADER_BYTES) == 0;
    struct slice id = slice_of(line.data + HEADER_BYTES, line.size - HEADER_BYTES);
    if ((!plain && !locked) || !envelope_id_valid(id)) {
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(file->member_id, id.data, id.size);
    if (!(plain ? parse_plain(text, file) : parse_locked(text, file))) {
        key_file_wipe(file);
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

/* --- the file --- */

static enum conclave_code write_all(int fd, const char *data, size_t size)
{
    size_t written = 0;
    while (written < size) {
        ssize_t rv = write(fd, data + written, size - written);
        if (rv < 0 && errno == EINTR) {
            continue;
        }
        if (rv <= 0) {
            return rv < 0 ? code_of_errno(errno) : CONCLAVE_IO;
        }
        written += (size_t)rv;
    }
    return CONCLAVE_OK;
}

/* Writes to an open file, syncs and closes it; what failed is removed. */
static enum conclave_code write_file(int fd, const char *path, const char *text, size_t size)
{
    enum conclave_code code = write_all(fd, text, size);
    if (code == CONCLAVE_OK && fsync(fd) != 0) {
        code = code_of_errno(errno);
    }
    if (close(fd) != 0 && code == CONCLAVE_OK) {
        code = code_of_errno(errno);
    }
    if (code != CONCLAVE_OK) {
        int cause = errno;
        unlink(path); /* half a key is worse than none; its own failure would add nothing */
        errno = cause;
    }
    return code;
}

static enum conclave_code format(char text[KEY_FILE_TEXT_BYTES], size_t *size,
                                 const char *member_id, const struct auth_key *key,
                                 struct slice passphrase, const struct key_file_cost *cost)
{
    ASSERT(member_id != NULL && key != NULL && cost != NULL);
    if (!envelope_id_valid(slice_of_text(member_id))) {
        return CONCLAVE_BAD_REQUEST;
    }
    if (passphrase.size > 0) {
        return format_locked(text, size, member_id, key, passphrase, cost);
    }
    format_plain(text, size, member_id, key);
    return CONCLAVE_OK;
}

enum conclave_code key_file_save(const char *path, const char *member_id,
                                 const struct auth_key *key, struct slice passphrase,
                                 const struct key_file_cost *cost)
{
    ASSERT(path != NULL);
    char text[KEY_FILE_TEXT_BYTES];
    size_t size;
    enum conclave_code code = format(text, &size, member_id, key, passphrase, cost);
    if (code == CONCLAVE_OK) {
        /* O_EXCL: whoever was first keeps the file, also against a second process. */
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
        code = fd < 0 ? code_of_errno(errno) : write_file(fd, path, text, size);
    }
    sodium_memzero(text, sizeof text);
    return code;
}

/* A rename is there after a power cut when the directory is synced. */
static enum conclave_code sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL   ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    if (directory == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum conclave_code code = fd < 0 || fsync(fd) != 0 ? CONCLAVE_IO : CONCLAVE_OK;
    if (fd >= 0) {
        close(fd);
    }
    free(directory);
    return code;
}

enum conclave_code key_file_replace(const char *path, const char *member_id,
                                    const struct auth_key *key, struct slice passphrase,
                                    const struct key_file_cost *cost)
{
    ASSERT(path != NULL);
    char text[KEY_FILE_TEXT_BYTES];
    size_t size;
    enum conclave_code code = format(text, &size, member_id, key, passphrase, cost);
    char *beside = NULL;
    if (code == CONCLAVE_OK && asprintf(&beside, "%s.XXXXXX", path) < 0) {
        beside = NULL;
        code = CONCLAVE_NO_MEMORY;
    }
    if (code == CONCLAVE_OK) {
        int fd = mkostemp(beside, O_CLOEXEC); /* with mode 0600 */
        code = fd < 0 ? code_of_errno(errno) : write_file(fd, beside, text, size);
    }
    if (code == CONCLAVE_OK && rename(beside, path) != 0) {
        int cause = errno;
        unlink(beside);
        errno = cause;
        code = code_of_errno(cause);
    }
    if (code == CONCLAVE_OK) {
        code = sync_directory_of(path);
    }
    free(beside);
    sodium_memzero(text, sizeof text);
    return code;
}

/* Reads up to `capacity` bytes; `size` gets how many there were. */
static enum conclave_code read_all(int fd, char *data, size_t capacity, size_t *size)
{
    *size = 0;
    while (*size < capacity) {
        ssize_t rv = read(fd, data + *size, capacity - *size);
        if (rv < 0 && errno == EINTR) {
            continue;
        }
        if (rv < 0) {
            return CONCLAVE_IO;
        }
        if (rv == 0) {
            break;
        }
        *size += (size_t)rv;
    }
    return CONCLAVE_OK;
}

enum conclave_code key_file_read(const char *path, struct key_file *file)
{
    ASSERT(path != NULL && file != NULL);
    /* O_NONBLOCK: a named pipe at this path must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return code_of_errno(errno);
    }
    char text[KEY_FILE_TEXT_BYTES]; /* more than any file of ours has: too long is noticed */
    size_t size = 0;
    struct stat status;
    enum conclave_code code = CONCLAVE_OK;
    if (fstat(fd, &status) != 0) {
        code = CONCLAVE_IO;
    } else if (!S_ISREG(status.st_mode)) {
        code = CONCLAVE_BAD_REQUEST;
    } else if ((status.st_mode & MODE_OTHERS) != 0) {
        code = CONCLAVE_UNAUTHORISED;
    } else {
        code = read_all(fd, text, sizeof text, &size);
    }
    int cause = errno;
    close(fd);
    errno = cause;
    if (code == CONCLAVE_OK) {
        code = size == sizeof text ? CONCLAVE_BAD_REQUEST
                                   : key_file_parse(slice_of(text, size), file);
    }
    sodium_memzero(text, sizeof text);
    return code;
}

void key_file_wipe(struct key_file *file)
{
    ASSERT(file != NULL);
    sodium_memzero(file, sizeof *file);
}

enum conclave_code auth_key_save(const char *path, const char *member_id,
                                 const struct auth_key *key)
{
    return key_file_save(path, member_id, key, slice_of_text(""), &key_file_cost_standard);
}

enum conclave_code auth_key_load(const char *path, char *member_id, struct auth_key *key)
{
    ASSERT(path != NULL && member_id != NULL && key != NULL);
    struct key_file file;
    enum conclave_code code = key_file_read(path, &file);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (file.locked) {
        code = CONCLAVE_KEY_LOCKED;
    } else {
        memcpy(member_id, file.member_id, sizeof file.member_id);
        *key = file.key;
    }
    key_file_wipe(&file);
    return code;
}
