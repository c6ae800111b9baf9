/* MessagePack and JSON.
 *
 * What the cluster answers becomes JSON by these rules, the same for every command:
 *   integers            strings of decimal digits (they may be 64-bit; JSON numbers are not)
 *   booleans, null      booleans, null
 *   text                text; bytes that are no UTF-8 become U+FFFD
 *   binary              lower-case hexadecimal; for the keys `command`, `bytes` and `body`
 * base64url without padding What people give as JSON becomes MessagePack the plain way: integers
 * stay integers, reals are refused.
 */
#ifndef CONCLAVE_CONVERT_H
#define CONCLAVE_CONVERT_H

#include <jansson.h>

#include "base/buffer.h"
#include "codec/reader.h"

/* A new reference, or NULL when there is no memory. */
json_t *convert_to_json(const msgpack_object *object);

/* The same from packed bytes; NULL also when they are malformed. */
json_t *convert_packed_to_json(struct slice packed);

/* Appends `value`. False for a real number or an integer below 0 past int64: `what` says so. */
bool convert_to_msgpack(struct buffer *buffer, const json_t *value, const char **what) MUST_USE;

/* Changes, inside of `value`, strings of decimal digits into integers (what --json printed goes
 * back in), except under the keys of `text_keys` (a list that ends with NULL). */
void convert_restore_integers(json_t *value, const char *const *text_keys);

/* Fields of JSON that convert_to_json made: the text ("" when it is not there or no text), the
 * number in it (0), the truth (false). */
const char *convert_text(const json_t *object, const char *key);
uint64_t convert_u64(const json_t *object, const char *key);
bool convert_bool(const json_t *object, const char *key);
bool convert_is_null(const json_t *object, const char *key); /* also when it is not there */

/* The i-th item of an array: its text, or the number in it. */
const char *convert_item_text(const json_t *array, size_t i);
uint64_t convert_item_u64(const json_t *array, size_t i);

/* Hexadecimal and base64url. The results are freed with memory_free; NULL when there is no memory,
 * or (reading) when it is not of the form. */
char *convert_hex(struct slice bytes);
bool convert_hex_parse(const char *text, uint8_t *bytes, size_t size) MUST_USE;
char *convert_base64(struct slice bytes);
bool convert_base64_parse(const char *text, struct buffer *bytes) MUST_USE;

#endif
