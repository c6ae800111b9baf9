/* Keys, signatures and digests by libsodium; the texts and files that hold keys. */
#include "auth/auth.h"

#include <conclave/limits.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/envelope.h"

#define SEED_BYTES        32u
#define BASE64_VARIANT    sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define BASE64_32_BYTES   43u /* characters of 32 bytes in base64url without padding */
#define PUBLIC_KEY_PREFIX "ed25519:"
#define KEY_FILE_HEADER   "conclave-secret-key-v1 "
#define KEY_FILE_BYTES_MAX \
    (sizeof(KEY_FILE_HEADER) - 1u + LIMIT_ID_BYTES + 1u + BASE64_32_BYTES + 1u)
#define KEY_FILE_MODE       (S_IRUSR | S_IWUSR)
#define KEY_FILE_MODE_OTHER (S_IRWXG | S_IRWXO)

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
    int rv = crypto_hash_sha256(digest, message.data, message.size);
    ASSERT(rv == 0);
}

void auth_cluster_id(struct slice genesis_envelope, uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES])
{
    uint8_t digest[AUTH_SHA256_BYTES];
    auth_sha256(genesis_envelope, digest);
    memcpy(cluster_id, digest, AUTH_CLUSTER_ID_BYTES);
}

/* Decodes exactly 32 bytes of base64url without padding. */
static bool decode_32_bytes(const char *text, size_t size, uint8_t bytes[32])
{
    size_t decoded;
    return size == BASE64_32_BYTES &&
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
        !decode_32_bytes(text + prefix_size, size - prefix_size, bytes)) {
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(public_key, bytes, sizeof(bytes));
    return CONCLAVE_OK;
}

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

/* The text of a key file; returns its size. */
static size_t format_key_file(char text[KEY_FILE_BYTES_MAX + 1], const char *member_id,
                              const struct auth_key *key)
{
    uint8_t seed[SEED_BYTES];
    char seed_text[BASE64_32_BYTES + 1];
    int rv = crypto_sign_ed25519_sk_to_seed(seed, key->secret_key);
    ASSERT(rv == 0);
    sodium_bin2base64(seed_text, sizeof(seed_text), seed, sizeof(seed), BASE64_VARIANT);
    int size =
        snprintf(text, KEY_FILE_BYTES_MAX + 1, "%s%s\n%s\n", KEY_FILE_HEADER, member_id, seed_text);
    ASSERT(size > 0 && (size_t)size <= KEY_FILE_BYTES_MAX);
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(seed_text, sizeof(seed_text));
    return (size_t)size;
}

enum conclave_code auth_key_save(const char *path, const char *member_id,
                                 const struct auth_key *key)
{
    ASSERT(path != NULL && member_id != NULL && key != NULL);
    if (!envelope_id_valid(slice_of_text(member_id))) {
        return CONCLAVE_BAD_REQUEST;
    }
    /* O_EXCL: whoever was first keeps the file, also against a second process. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, KEY_FILE_MODE);
    if (fd < 0) {
        return code_of_errno(errno);
    }
    char text[KEY_FILE_BYTES_MAX + 1];
    size_t size = format_key_file(text, member_id, key);
    enum conclave_code code = write_all(fd, text, size);
    sodium_memzero(text, sizeof(text));
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

/* Takes the text of a key file apart. The newline at its end may be missing. */
static enum conclave_code parse_key_file(const char *text, size_t size, char *member_id,
                                         struct auth_key *key)
{
    size_t header_size = sizeof(KEY_FILE_HEADER) - 1;
    if (size < header_size || memcmp(text, KEY_FILE_HEADER, header_size) != 0) {
        return CONCLAVE_BAD_REQUEST;
    }
    const char *id = text + header_size;
    const char *id_end = memchr(id, '\n', size - header_size);
    if (id_end == NULL) {
        return CONCLAVE_BAD_REQUEST;
    }
    size_t id_size = (size_t)(id_end - id);
    const char *seed_text = id_end + 1;
    size_t seed_text_size = size - header_size - id_size - 1;
    if (seed_text_size == BASE64_32_BYTES + 1 && seed_text[BASE64_32_BYTES] == '\n') {
        seed_text_size--;
    }
    uint8_t seed[SEED_BYTES];
    enum conclave_code code = CONCLAVE_BAD_REQUEST;
    if (envelope_id_valid(slice_of(id, id_size)) &&
        decode_32_bytes(seed_text, seed_text_size, seed)) {
        memcpy(member_id, id, id_size);
        member_id[id_size] = '\0';
        auth_key_from_seed(key, seed);
        code = CONCLAVE_OK;
    }
    sodium_memzero(seed, sizeof(seed));
    return code;
}

enum conclave_code auth_key_load(const char *path, char *member_id, struct auth_key *key)
{
    ASSERT(path != NULL && member_id != NULL && key != NULL);
    /* O_NONBLOCK: a named pipe at this path must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return code_of_errno(errno);
    }
    char text[KEY_FILE_BYTES_MAX + 1]; /* one more than allowed, to notice what is too long */
    size_t size = 0;
    struct stat status;
    enum conclave_code code = CONCLAVE_OK;
    if (fstat(fd, &status) != 0) {
        code = CONCLAVE_IO;
    } else if (!S_ISREG(status.st_mode)) {
        code = CONCLAVE_BAD_REQUEST;
    } else if ((status.st_mode & KEY_FILE_MODE_OTHER) != 0) {
        code = CONCLAVE_UNAUTHORISED;
    } else {
        code = read_all(fd, text, sizeof(text), &size);
    }
    int cause = errno;
    close(fd);
    errno = cause;
    if (code == CONCLAVE_OK) {
        code = size > KEY_FILE_BYTES_MAX ? CONCLAVE_BAD_REQUEST
                                         : parse_key_file(text, size, member_id, key);
    }
    sodium_memzero(text, sizeof(text));
    return code;
}
