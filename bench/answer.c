/* Answers: docs/PROTOCOL.md, "Connections" and "Reply". */
#include "answer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum conclave_code code_of(struct slice name)
{
    for (unsigned i = 0; i < CONCLAVE_CODE_COUNT; i++) {
        if (slice_is_text(name, conclave_code_name((enum conclave_code)i))) {
            return (enum conclave_code)i;
        }
    }
    return CONCLAVE_INTERNAL;
}

static bool is_passing(enum conclave_code code)
{
    return code == CONCLAVE_BUSY || code == CONCLAVE_RATE_LIMITED || code == CONCLAVE_NO_LEADER ||
           code == CONCLAVE_NOT_LEADER || code == CONCLAVE_SHUTTING_DOWN ||
           code == CONCLAVE_UNKNOWN_OUTCOME;
}

static void set_text(struct answer *answer, struct slice text)
{
    (void)snprintf(answer->text, sizeof answer->text, "%.*s", (int)text.size,
                   (const char *)text.data);
}

static bool read_error(const msgpack_object *error, struct answer *answer)
{
    const msgpack_object *items;
    uint32_t count;
    struct slice name, text;
    if (codec_get_array(error, 2, 3, &items, &count) != CONCLAVE_OK ||
        codec_get_string(&items[0], &name) != CONCLAVE_OK ||
        codec_get_string(&items[1], &text) != CONCLAVE_OK) {
        return false;
    }
    answer->code = code_of(name);
    answer->passing = is_passing(answer->code);
    set_text(answer, text);
    return true;
}

/* A reply has a code; the result of a query has none, and is fine. */
static bool read_result(const msgpack_object *result, struct answer *answer)
{
    struct fields {
        struct slice code, message;
    } fields = {{0}, {0}};
    static const struct codec_field table[] = {
        {"code", CODEC_STRING, false, offsetof(struct fields, code), 0, 0},
        {"message", CODEC_STRING, false, offsetof(struct fields, message), 0, 0},
    };
    struct codec_error error;
    if (codec_decode_map(result, table, 2, false, &fields, &error) != CONCLAVE_OK) {
        return false;
    }
    answer->code = fields.code.size == 0 ? CONCLAVE_OK : code_of(fields.code);
    if (answer->code != CONCLAVE_OK) {
        set_text(answer, fields.message);
    }
    return true;
}

bool answer_read(struct slice bytes, struct answer *answer)
{
    struct codec_tree tree;
    *answer = (struct answer){0};
    if (codec_parse(&tree, bytes) != CONCLAVE_OK) {
        return false;
    }
    const msgpack_object *items;
    uint32_t count;
    uint64_t type, msgid;
    bool good = codec_get_array(&tree.root, 4, 4, &items, &count) == CONCLAVE_OK &&
                codec_get_u64(&items[0], &type) == CONCLAVE_OK && type == 1 &&
                codec_get_u64(&items[1], &msgid) == CONCLAVE_OK && msgid <= UINT32_MAX;
    if (good) {
        answer->msgid = (uint32_t)msgid;
        good = items[2].type == MSGPACK_OBJECT_NIL ? read_result(&items[3], answer)
                                                   : read_error(&items[2], answer);
    }
    codec_tree_close(&tree);
    return good;
}

bool answer_parse_endpoint(const char *text, struct sockaddr_storage *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host) {
        return false;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    struct sockaddr_in parsed = {.sin_family = AF_INET};
    if (*end != '\0' || port == 0 || port > UINT16_MAX ||
        inet_pton(AF_INET, host, &parsed.sin_addr) != 1) {
        return false;
    }
    parsed.sin_port = htons((uint16_t)port);
    memset(address, 0, sizeof *address);
    memcpy(address, &parsed, sizeof parsed);
    return true;
}
