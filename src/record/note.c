/* See note.h. */
#include "record/note.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "codec/utf8.h"

#define BASE64             sodium_base64_VARIANT_ORIGINAL
#define SIGNATURE_PREFIX   "\xe2\x80\x94 " /* em dash, space */
#define KEY_ID_BYTES       4u
#define SIGNED_BYTES_MAX   8192u /* of one signature: post-quantum ones have about 2.5 KiB */
#define COSIGNATURE_HEAD   "cosignature/v1\n"
#define TIME_BYTES         8u
#define TIME_S_MAX         (UINT64_MAX / 2)
#define KEY_ID_DIGITS      8u
#define KEY_MATERIAL_BYTES (1u + NOTE_PUBLIC_KEY_BYTES)

_Static_assert(NOTE_PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "keys are Ed25519");
_Static_assert(NOTE_ED25519_BYTES == crypto_sign_BYTES, "signatures are Ed25519");

/* --- Small texts --- */

void note_write_base64(struct buffer *buffer, struct slice bytes)
{
    ASSERT(buffer != NULL);
    size_t size = sodium_base64_encoded_len(bytes.size, BASE64); /* with a NUL */
    uint8_t *at = buffer_reserve(buffer, size);
    if (at == NULL) {
        return;
    }
    sodium_bin2base64((char *)at, size, bytes.data, bytes.size, BASE64);
    buffer->size += size - 1;
}

enum conclave_code note_read_base64(struct slice text, uint8_t *bytes, size_t capacity,
                                    size_t *size)
{
    ASSERT(bytes != NULL && size != NULL);
    *size = 0;
    if (text.size % 4 != 0) {
        return CONCLAVE_BAD_REQUEST;
    }
    if (text.size / 4 * 3 > capacity + 2) {
        return CONCLAVE_TOO_LARGE;
    }
    if (!codec_ascii_valid(text) ||
        (text.size > 0 && sodium_base642bin(bytes, capacity, (const char *)text.data, text.size,
                                            NULL, size, NULL, BASE64) != 0)) {
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

bool note_read_number(struct slice text, uint64_t *value)
{
    ASSERT(value != NULL);
    if (text.size == 0 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || *value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return true;
}

bool note_next_line(struct slice *rest, struct slice *line)
{
    ASSERT(rest != NULL && line != NULL);
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    if (end == NULL) {
        return false;
    }
    *line = slice_of(rest->data, (size_t)(end - rest->data));
    *rest = slice_of(end + 1, rest->size - line->size - 1);
    return true;
}

/* --- Keys --- */

/* The characters of Unicode's White_Space past ASCII, as UTF-8. */
static bool space_at(const uint8_t *at, size_t size)
{
    static const char *const spaces[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        size_t length = strlen(spaces[i]);
        if (length <= size && memcmp(at, spaces[i], length) == 0) {
            return true;
        }
    }
    return false;
}

bool note_name_valid(struct slice name)
{
    if (name.size == 0 || name.size > NOTE_NAME_BYTES_MAX || !codec_utf8_valid(name)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (byte <= ' ' || byte == '+' || byte == 0x7f ||
            (byte >= 0x80 && space_at(name.data + i, name.size - i))) {
            return false;
        }
    }
    return true;
}

static uint32_t load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_big_endian(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

enum conclave_code note_key_init(struct note_key *key, struct slice name, enum note_key_type type,
                                 const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES])
{
    ASSERT(key != NULL && public_key != NULL);
    ASSERT(type == NOTE_ED25519 || type == NOTE_COSIGNATURE);
    if (!note_name_valid(name)) {
        return CONCLAVE_BAD_VALUE;
    }
    *key = (struct note_key){.type = type};
    memcpy(key->name, name.data, name.size);
    memcpy(key->public_key, public_key, NOTE_PUBLIC_KEY_BYTES);
    uint8_t tail[2 + NOTE_PUBLIC_KEY_BYTES] = {'\n', (uint8_t)type};
    memcpy(tail + 2, public_key, NOTE_PUBLIC_KEY_BYTES);
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, name.data, name.size);
    crypto_hash_sha256_update(&state, tail, sizeof tail);
    crypto_hash_sha256_final(&state, digest);
    key->id = load_u32(digest);
    return CONCLAVE_OK;
}

enum conclave_code note_key_parse(struct note_key *key, struct slice text)
{
    ASSERT(key != NULL);
    const uint8_t *name_end = text.size == 0 ? NULL : memchr(text.data, '+', text.size);
    if (name_end == NULL) {
        return CONCLAVE_BAD_REQUEST;
    }
    size_t name_size = (size_t)(name_end - text.data);
    size_t base64_offset = name_size + 1 + KEY_ID_DIGITS + 1;
    if (text.size <= base64_offset || text.data[base64_offset - 1] != '+') {
        return CONCLAVE_BAD_REQUEST;
    }
    uint8_t material[KEY_MATERIAL_BYTES];
    size_t size;
    if (note_read_base64(slice_of(text.data + base64_offset, text.size - base64_offset), material,
                         sizeof material, &size) != CONCLAVE_OK ||
        size != sizeof material ||
        (material[0] != NOTE_ED25519 && material[0] != NOTE_COSIGNATURE) ||
        note_key_init(key, slice_of(text.data, name_size), (enum note_key_type)material[0],
                      material + 1) != CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    char digits[KEY_ID_DIGITS + 1];
    (void)snprintf(digits, sizeof digits, "%08" PRIx32, key->id);
    return memcmp(digits, name_end + 1, KEY_ID_DIGITS) == 0 ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

void note_key_write(struct buffer *buffer, const struct note_key *key)
{
    ASSERT(buffer != NULL && key != NULL);
    char id[KEY_ID_DIGITS + 3];
    uint8_t material[KEY_MATERIAL_BYTES] = {(uint8_t)key->type};
    memcpy(material + 1, key->public_key, NOTE_PUBLIC_KEY_BYTES);
    (void)snprintf(id, sizeof id, "+%08" PRIx32 "+", key->id);
    buffer_append(buffer, key->name, strlen(key->name));
    buffer_append(buffer, id, strlen(id));
    note_write_base64(buffer, slice_of(material, sizeof material));
}

/* --- Decoding --- */

/* UTF-8 without control characters but newlines. */
static bool text_valid(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' && text.data[i] != '\n') {
            return false;
        }
    }
    return codec_utf8_valid(text);
}

/* The text ends before the last empty line. */
static bool split(struct slice bytes, struct slice *text, struct slice *rest)
{
    for (size_t i = bytes.size; i >= 2; i--) {
        if (bytes.data[i - 1] == '\n' && bytes.data[i - 2] == '\n') {
            *text = slice_of(bytes.data, i - 1);
            *rest = slice_of(bytes.data + i, bytes.size - i);
            return true;
        }
    }
    return false;
}

static bool decode_signature(struct slice line, struct note_signature *signature)
{
    size_t prefix_size = sizeof SIGNATURE_PREFIX - 1;
    if (line.size <= prefix_size || memcmp(line.data, SIGNATURE_PREFIX, prefix_size) != 0) {
        return false;
    }
    const uint8_t *name = line.data + prefix_size;
    const uint8_t *name_end = memchr(name, ' ', line.size - prefix_size);
    if (name_end == NULL) {
        return false;
    }
    uint8_t bytes[SIGNED_BYTES_MAX];
    size_t size;
    const uint8_t *end = line.data + line.size;
    if (note_read_base64(slice_of(name_end + 1, (size_t)(end - name_end - 1)), bytes, sizeof bytes,
                         &size) != CONCLAVE_OK ||
        size <= KEY_ID_BYTES) {
        return false;
    }
    *signature = (struct note_signature){
        .name = slice_of(name, (size_t)(name_end - name)),
        .key_id = load_u32(bytes),
        .size = (uint32_t)(size - KEY_ID_BYTES),
    };
    size_t kept = signature->size < sizeof signature->bytes ? signature->size
                                                            : sizeof signature->bytes;
    memcpy(signature->bytes, bytes + KEY_ID_BYTES, kept);
    return note_name_valid(signature->name);
}

enum conclave_code note_decode(struct note *note, struct slice bytes)
{
    ASSERT(note != NULL);
    note->signature_count = 0;
    if (bytes.size > NOTE_BYTES_MAX) {
        return CONCLAVE_TOO_LARGE;
    }
    struct slice rest;
    struct slice line;
    if (!text_valid(bytes) || !split(bytes, &note->text, &rest)) {
        return CONCLAVE_BAD_REQUEST;
    }
    while (note_next_line(&rest, &line)) {
        if (note->signature_count == NOTE_SIGNATURES_MAX) {
            return CONCLAVE_TOO_LARGE;
        }
        if (!decode_signature(line, &note->signatures[note->signature_count])) {
            return CONCLAVE_BAD_REQUEST;
        }
        note->signature_count++;
    }
    return rest.size == 0 && note->signature_count > 0 ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

/* --- Signatures --- */

void note_write_message(struct buffer *buffer, enum note_key_type type, uint64_t time_s,
                        struct slice text)
{
    ASSERT(buffer != NULL);
    if (type == NOTE_COSIGNATURE) {
        char head[64];
        int size = snprintf(head, sizeof head, COSIGNATURE_HEAD "time %" PRIu64 "\n", time_s);
        ASSERT(size > 0 && (size_t)size < sizeof head);
        buffer_append(buffer, head, (size_t)size);
    }
    buffer_append(buffer, text.data, text.size);
}

enum conclave_code note_check_signature(const struct note_key *key, uint64_t time_s,
                                        struct slice text,
                                        const uint8_t signature[NOTE_ED25519_BYTES], bool *valid)
{
    ASSERT(key != NULL && signature != NULL && valid != NULL);
    struct buffer message;
    buffer_init(&message, NOTE_BYTES_MAX + 64u);
    note_write_message(&message, key->type, time_s, text);
    enum conclave_code rv = message.status;
    if (rv == CONCLAVE_OK) {
        *valid = crypto_sign_verify_detached(signature, message.data, message.size,
                                             key->public_key) == 0;
    }
    buffer_close(&message);
    return rv;
}

/* Of a signature by this key, whether it verifies. */
static enum conclave_code verify_one(const struct note *note, const struct note_key *key,
                                     const struct note_signature *signature, uint64_t *time_s,
                                     bool *valid)
{
    *valid = false;
    *time_s = 0;
    if (key->type == NOTE_ED25519) {
        return signature->size != NOTE_ED25519_BYTES
                   ? CONCLAVE_OK
                   : note_check_signature(key, 0, note->text, signature->bytes, valid);
    }
    *time_s = (uint64_t)load_u32(signature->bytes) << 32 | load_u32(signature->bytes + 4);
    return signature->size != NOTE_COSIGNED_BYTES || *time_s > TIME_S_MAX
               ? CONCLAVE_OK
               : note_check_signature(key, *time_s, note->text, signature->bytes + TIME_BYTES,
                                      valid);
}

enum conclave_code note_verify(const struct note *note, const struct note_key *key,
                               enum note_verdict *verdict, uint64_t *time_s)
{
    ASSERT(note != NULL && key != NULL && verdict != NULL);
    struct slice name = slice_of_text(key->name);
    *verdict = NOTE_NOT_SIGNED;
    for (unsigned i = 0; i < note->signature_count; i++) {
        const struct note_signature *signature = &note->signatures[i];
        if (signature->key_id != key->id || !slice_equal(signature->name, name)) {
            continue;
        }
        bool valid;
        uint64_t signed_s;
        enum conclave_code rv = verify_one(note, key, signature, &signed_s, &valid);
        if (rv != CONCLAVE_OK || !valid) {
            *verdict = NOTE_FORGED;
            return rv;
        }
        *verdict = NOTE_SIGNED;
        if (time_s != NULL) {
            *time_s = signed_s;
        }
    }
    return CONCLAVE_OK;
}

/* --- Writing --- */

void note_write_separator(struct buffer *buffer)
{
    buffer_append(buffer, "\n", 1);
}

void note_write_signature(struct buffer *buffer, const struct note_key *key, uint64_t time_s,
                          const uint8_t signature[NOTE_ED25519_BYTES])
{
    ASSERT(buffer != NULL && key != NULL && signature != NULL);
    uint8_t bytes[KEY_ID_BYTES + NOTE_COSIGNED_BYTES];
    size_t size = 0;
    store_big_endian(bytes, key->id, KEY_ID_BYTES);
    size += KEY_ID_BYTES;
    if (key->type == NOTE_COSIGNATURE) {
        store_big_endian(bytes + size, time_s, TIME_BYTES);
        size += TIME_BYTES;
    }
    memcpy(bytes + size, signature, NOTE_ED25519_BYTES);
    size += NOTE_ED25519_BYTES;
    buffer_append(buffer, SIGNATURE_PREFIX, sizeof SIGNATURE_PREFIX - 1);
    buffer_append(buffer, key->name, strlen(key->name));
    buffer_append(buffer, " ", 1);
    note_write_base64(buffer, slice_of(bytes, size));
    buffer_append(buffer, "\n", 1);
}
