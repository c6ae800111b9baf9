/* The shape of a request, and what can be told of one that is cut off or malformed. */
#include "api/rpc_message.h"

#define MESSAGE_ELEMENTS     4u
#define MESSAGE_TYPE_REQUEST 0u

static enum conclave_code wrong_shape(struct codec_error *error, const char *what)
{
    codec_error_set(error, "a request is [0, msgid, method, params]: %s", what);
    return CONCLAVE_BAD_REQUEST;
}

enum conclave_code rpc_message_decode(const msgpack_object *message, struct rpc_message *request,
                                      struct codec_error *error)
{
    ASSERT(message != NULL && request != NULL && error != NULL);
    const msgpack_object *items;
    uint32_t count;
    uint64_t number;
    if (codec_get_array(message, MESSAGE_ELEMENTS, MESSAGE_ELEMENTS, &items, &count) !=
        CONCLAVE_OK) {
        return wrong_shape(error, "this is not an array of 4 elements");
    }
    if (codec_get_u64(&items[0], &number) != CONCLAVE_OK || number != MESSAGE_TYPE_REQUEST) {
        return wrong_shape(error, "the type is not 0");
    }
    if (codec_get_u64(&items[1], &number) != CONCLAVE_OK || number > UINT32_MAX) {
        return wrong_shape(error, "msgid is not an unsigned 32-bit integer");
    }
    request->message_id = (uint32_t)number;
    if (codec_get_string(&items[2], &request->method) != CONCLAVE_OK) {
        return wrong_shape(error, "method is not a string");
    }
    if (items[3].type != MSGPACK_OBJECT_ARRAY) {
        return wrong_shape(error, "params is not an array");
    }
    request->params = &items[3];
    return CONCLAVE_OK;
}

/* Reads `size` bytes, big endian, as a number and steps over them. */
static bool take_number(struct slice *bytes, size_t size, uint64_t *number)
{
    if (bytes->size < size) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < size; i++) {
        *number = *number << 8 | bytes->data[i];
    }
    *bytes = slice_of(bytes->data + size, bytes->size - size);
    return true;
}

/* Steps over an array's head; false when there is none. */
static bool take_array(struct slice *bytes, uint64_t *count)
{
    uint64_t first;
    if (!take_number(bytes, 1, &first)) {
        return false;
    }
    if (first >= 0x90 && first <= 0x9f) {
        *count = first & 0x0f;
        return true;
    }
    if (first == 0xdc || first == 0xdd) {
        return take_number(bytes, first == 0xdc ? 2 : 4, count);
    }
    return false;
}

/* Steps over an unsigned integer; false when there is none. */
static bool take_unsigned(struct slice *bytes, uint64_t *number)
{
    uint64_t first;
    if (!take_number(bytes, 1, &first)) {
        return false;
    }
    if (first <= 0x7f) {
        *number = first;
        return true;
    }
    if (first >= 0xcc && first <= 0xcf) {
        return take_number(bytes, (size_t)1 << (first - 0xcc), number);
    }
    return false;
}

bool rpc_message_peek_id(struct slice bytes, uint32_t *message_id)
{
    ASSERT(message_id != NULL);
    uint64_t count, type, id;
    if (!take_array(&bytes, &count) || count < 2 || !take_unsigned(&bytes, &type) ||
        type != MESSAGE_TYPE_REQUEST || !take_unsigned(&bytes, &id) || id > UINT32_MAX) {
        return false;
    }
    *message_id = (uint32_t)id;
    return true;
}

size_t rpc_message_least_bytes(const struct codec_scan *scan, struct slice input)
{
    ASSERT(scan != NULL);
    ASSERT(scan->offset <= input.size);
    uint64_t least = scan->offset;
    for (size_t depth = 0; depth <= scan->depth; depth++) {
        least += scan->remaining[depth]; /* a value has at least one byte */
    }
    struct slice rest = slice_of(input.data + scan->offset, input.size - scan->offset);
    uint64_t first, declared;
    /* bin 32 and str 32: nothing shorter can be past a limit by itself */
    if (take_number(&rest, 1, &first) && (first == 0xc6 || first == 0xdb) &&
        take_number(&rest, 4, &declared)) {
        least += 4 + declared;
    }
    if (least <= input.size) { /* a shorter payload is cut off: at least a byte is still to come */
        least = (uint64_t)input.size + 1;
    }
    return least > SIZE_MAX ? SIZE_MAX : (size_t)least;
}
