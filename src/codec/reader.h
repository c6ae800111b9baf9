/* Reading MessagePack from outside, bounds checked (msgpack-c's unpacker underneath).
 *
 * codec_scan finds the end of one value in a stream without allocating. codec_parse turns the bytes
 * of one value into a tree whose strings and bytes point into the input. Both refuse nesting past
 * LIMIT_NESTING and declared lengths that the input cannot hold, so nobody can make us allocate by
 * declaring. Decoders of outside bytes end with an error, never with an assertion.
 */
#ifndef CODEC_READER_H
#define CODEC_READER_H

#include <conclave/codes.h>
#include <msgpack.h>

#include "base/assert.h"
#include "base/slice.h"

/* How far a scan of a growing input has come. Zero it before the first call for a value. */
struct codec_scan {
    size_t offset; /* bytes looked at */
    size_t depth;  /* open arrays and maps */
    bool started;
    uint32_t remaining[17]; /* values still to come at each depth (LIMIT_NESTING + 1) */
};

enum codec_scan_result {
    CODEC_SCAN_COMPLETE,
    CODEC_SCAN_INCOMPLETE,
    CODEC_SCAN_MALFORMED
};

/* Goes on scanning `input` (the same bytes as before, with more after them). COMPLETE: the value is
 * the first scan->offset bytes. MALFORMED: not MessagePack (0xc1), nested too deep, or a declared
 * length past LIMIT_PEER_FRAME_BYTES. Ext types are MALFORMED: no format of ours has them. */
enum codec_scan_result codec_scan(struct codec_scan *scan, struct slice input) MUST_USE;

/* A parsed value and the memory of its arrays and maps. */
struct codec_tree {
    msgpack_zone *zone; /* NULL when there are none */
    msgpack_object root;
};

/* Parses exactly one value that takes all of `input`; BAD_REQUEST when it is malformed, too deep,
 * cut off or followed by more bytes; NO_MEMORY. On success codec_tree_close frees; `input` must
 * outlive the tree. A tree of zeros may be closed too. */
enum conclave_code codec_parse(struct codec_tree *tree, struct slice input) MUST_USE;
void codec_tree_close(struct codec_tree *tree);

/* --- Typed access to one value. BAD_REQUEST when it is of another type or out of range. --- */
enum conclave_code codec_get_u64(const msgpack_object *object, uint64_t *value) MUST_USE;
enum conclave_code codec_get_i64(const msgpack_object *object, int64_t *value) MUST_USE;
enum conclave_code codec_get_bool(const msgpack_object *object, bool *value) MUST_USE;
enum conclave_code codec_get_string(const msgpack_object *object, struct slice *value)
    MUST_USE; /* str, valid UTF-8 */
enum conclave_code codec_get_bytes(const msgpack_object *object, struct slice *value)
    MUST_USE; /* bin */

/* The elements of an array: BAD_REQUEST when it is no array or its count is outside the bounds. */
enum conclave_code codec_get_array(const msgpack_object *object, uint32_t count_min,
                                   uint32_t count_max, const msgpack_object **items,
                                   uint32_t *count) MUST_USE;

/* --- Maps with text keys, by a table of fields. --- */
enum codec_field_type {
    CODEC_U64,    /* uint64_t */
    CODEC_I64,    /* int64_t */
    CODEC_BOOL,   /* bool */
    CODEC_STRING, /* struct slice, UTF-8 */
    CODEC_BYTES,  /* struct slice */
    CODEC_ANY,    /* const msgpack_object * */
    CODEC_ARRAY,  /* const msgpack_object * that is an array */
    CODEC_MAP     /* const msgpack_object * that is a map */
};

struct codec_field {
    const char *name;
    enum codec_field_type type;
    bool required;
    size_t offset; /* of the value in the caller's struct; an absent optional field leaves it as it
                      was */
    size_t size_min; /* STRING, BYTES: bytes; ARRAY, MAP: items; U64: least value */
    size_t size_max; /* likewise the greatest; 0: no bound of its own */
};

/* What was wrong, for people: "field \"closes_at\": expected an unsigned integer". */
#define CODEC_ERROR_BYTES 192u
struct codec_error {
    char text[CODEC_ERROR_BYTES];
};

/* Decodes a map into `target` by the table (at most 64 fields). A missing required field, a wrong
 * type, a size out of bounds, an unknown key (when `strict`), a key that is no string, or a known
 * one that comes twice is BAD_REQUEST, with `error` set; `target` may then be changed in part. */
enum conclave_code codec_decode_map(const msgpack_object *object, const struct codec_field *fields,
                                    size_t field_count, bool strict, void *target,
                                    struct codec_error *error) MUST_USE;

/* printf into an error's text, cut at its end. */
void codec_error_set(struct codec_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
