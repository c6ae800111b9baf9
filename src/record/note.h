/* Signed notes: C2SP signed-note, and the two kinds of signatures we use on them: plain Ed25519
 * (0x01) and timestamped Ed25519 cosignatures (0x04, C2SP tlog-cosignature "cosignature/v1").
 *
 *   text, ending in a newline
 *   <empty line>
 *   — <key name> base64(key id, u32 big endian || signature)      once or more
 *
 * A key is known by its name and id together; the id is the start of SHA-256(name || "\n" || type
 * || public key). Signatures by other keys are skipped, whatever they hold.
 */
#ifndef RECORD_NOTE_H
#define RECORD_NOTE_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/buffer.h"

#define NOTE_BYTES_MAX        (256u * 1024u)
#define NOTE_SIGNATURES_MAX   64u
#define NOTE_NAME_BYTES_MAX   255u
#define NOTE_PUBLIC_KEY_BYTES 32u
#define NOTE_ED25519_BYTES    64u
#define NOTE_COSIGNED_BYTES   72u /* time and signature */

enum note_key_type {
    NOTE_ED25519 = 0x01,
    NOTE_COSIGNATURE = 0x04
};

struct note_key {
    enum note_key_type type;
    uint32_t id;
    uint8_t public_key[NOTE_PUBLIC_KEY_BYTES];
    char name[NOTE_NAME_BYTES_MAX + 1];
};

/* Not empty, valid UTF-8, without Unicode spaces, control characters and plus. */
bool note_name_valid(struct slice name);

/* BAD_VALUE when the name is not valid. */
enum conclave_code note_key_init(struct note_key *key, struct slice name, enum note_key_type type,
                                 const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES]) MUST_USE;

/* Verifier keys as text: "<name>+<hex id>+<base64 of type and key>". BAD_REQUEST. */
enum conclave_code note_key_parse(struct note_key *key, struct slice text) MUST_USE;
void note_key_write(struct buffer *buffer, const struct note_key *key);

struct note_signature {
    struct slice name;
    uint32_t key_id;
    uint32_t size;                      /* of the signature, whether or not it fits `bytes` */
    uint8_t bytes[NOTE_COSIGNED_BYTES]; /* its first bytes */
};

/* Slices point into the bytes it was decoded from. */
struct note {
    struct slice text; /* with its last newline */
    unsigned signature_count;
    struct note_signature signatures[NOTE_SIGNATURES_MAX];
};

/* BAD_REQUEST (form), TOO_LARGE (too many bytes or signatures). */
enum conclave_code note_decode(struct note *note, struct slice bytes) MUST_USE;

enum note_verdict {
    NOTE_NOT_SIGNED, /* no signature with this key's name and id */
    NOTE_SIGNED,
    NOTE_FORGED /* one that does not verify: refuse the whole note */
};

/* `time_s` is set to a cosignature's time (0 of a plain signature) when it is SIGNED; NULL is
 * allowed. NO_MEMORY. */
enum conclave_code note_verify(const struct note *note, const struct note_key *key,
                               enum note_verdict *verdict, uint64_t *time_s) MUST_USE;

/* The bytes that a key of `type` signs for `text`; `time_s` counts for cosignatures only. */
void note_write_message(struct buffer *buffer, enum note_key_type type, uint64_t time_s,
                        struct slice text);

/* Does `signature` (Ed25519) sign that message? NO_MEMORY. */
enum conclave_code note_check_signature(const struct note_key *key, uint64_t time_s,
                                        struct slice text,
                                        const uint8_t signature[NOTE_ED25519_BYTES], bool *valid)
    MUST_USE;

/* Writing: the text, note_write_separator, then signatures. */
void note_write_separator(struct buffer *buffer);
void note_write_signature(struct buffer *buffer, const struct note_key *key, uint64_t time_s,
                          const uint8_t signature[NOTE_ED25519_BYTES]);

/* Base64 of RFC 4648, section 4, with padding: how all of the record's texts have bytes. */
void note_write_base64(struct buffer *buffer, struct slice bytes);

/* Decodes exactly one text of it, strictly; `size` gets how many bytes. BAD_REQUEST; TOO_LARGE past
 * `capacity`. */
enum conclave_code note_read_base64(struct slice text, uint8_t *bytes, size_t capacity,
                                    size_t *size) MUST_USE;

/* An unsigned decimal number without leading zeros. */
bool note_read_number(struct slice text, uint64_t *value) MUST_USE;

/* Takes the next line, without its newline, off the front of `rest`; false when there is no
 * newline. */
bool note_next_line(struct slice *rest, struct slice *line) MUST_USE;

#endif
