/* Entries of the log with their commands decoded. */
#include "entry.h"

#include <inttypes.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "convert.h"

static json_t *text_json(struct slice text)
{
    return json_stringn((const char *)text.data, text.size);
}

static void expand_command(json_t *command)
{
    struct buffer bytes;
    struct envelope envelope;
    struct codec_error error;
    buffer_init(&bytes, LIMIT_FRAME_BYTES);
    if (convert_base64_parse(convert_text(command, "command"), &bytes) && bytes.size > 0 &&
        envelope_decode(&envelope, buffer_slice(&bytes), &error) == CONCLAVE_OK) {
        char *nonce = convert_hex(envelope.nonce);
        json_t *author = text_json(envelope.author);
        (void)json_object_set_new(
            command, "request",
            json_sprintf("%s:%s", json_string_value(author), nonce == NULL ? "" : nonce));
        (void)json_object_set_new(command, "author", author);
        (void)json_object_set_new(command, "nonce", json_string(nonce == NULL ? "" : nonce));
        (void)json_object_set_new(command, "not_after",
                                  json_sprintf("%" PRIu64, envelope.not_after_ms));
        (void)json_object_set_new(command, "kind", text_json(envelope.kind));
        (void)json_object_set_new(command, "body", convert_to_json(envelope.body));
        memory_free(nonce);
        envelope_close(&envelope);
    }
    buffer_close(&bytes);
}

void entry_expand(json_t *entry)
{
    ASSERT(entry != NULL);
    const json_t *commands = json_object_get(entry, "commands");
    for (size_t i = 0; i < json_array_size(commands); i++) {
        expand_command(json_array_get(commands, i));
    }
}

json_t *entry_page(struct cli *cli, uint64_t from, uint64_t limit, int *status)
{
    struct body params;
    body_init(&params);
    body_u64(&params, "from", from);
    body_u64(&params, "limit", limit < LIMIT_PAGE_ITEMS ? limit : LIMIT_PAGE_ITEMS);
    return session_query(cli, "log.read", &params, status);
}
