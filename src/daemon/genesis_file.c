/* The genesis of a cluster, from its file or the log. */
#include "daemon/genesis_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/auth.h"
#include "auth/genesis.h"
#include "codec/envelope.h"
#include "codec/utf8.h"

#define GENESIS_MARK           "conclave-genesis-v1"
#define GENESIS_LOG_INDEX      2u /* entry 1 is the configuration */
#define GENESIS_BASE64_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

struct body {
    struct slice name;
    const msgpack_object *nodes;
    const msgpack_object *chair;
    uint64_t created_ms;
    struct slice reads;
    const msgpack_object *former; /* the replica's business */
};

static const struct codec_field body_fields[] = {
    {"name", CODEC_STRING, true, offsetof(struct body, name), 0, 0},
    {"nodes", CODEC_ARRAY, true, offsetof(struct body, nodes), 1, LIMIT_NODES},
    {"chair", CODEC_MAP, true, offsetof(struct body, chair), 0, 0},
    {"created", CODEC_U64, true, offsetof(struct body, created_ms), 0, 0},
    {"reads", CODEC_STRING, false, offsetof(struct body, reads), 0, 16},
    {"former", CODEC_MAP, false, offsetof(struct body, former), 0, 0},
};

static enum conclave_code copy_address(const msgpack_object *object,
                                       char address[LIMIT_ADDRESS_BYTES + 1])
{
    struct slice text;
    enum conclave_code code = codec_get_string(object, &text);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (text.size == 0 || text.size > LIMIT_ADDRESS_BYTES ||
        memchr(text.data, '\0', text.size) != NULL) {
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(address, text.data, text.size);
    address[text.size] = '\0';
    return CONCLAVE_OK;
}

static enum conclave_code read_node(const msgpack_object *object, struct genesis_file *genesis)
{
    const msgpack_object *items;
    uint32_t count;
    struct genesis_file_node node;
    struct slice key;
    enum conclave_code code;
    if ((code = codec_get_array(object, 4, 4, &items, &count)) != CONCLAVE_OK ||
        (code = codec_get_u64(&items[0], &node.node_id)) != CONCLAVE_OK ||
        (code = copy_address(&items[1], node.peer_address)) != CONCLAVE_OK ||
        (code = copy_address(&items[2], node.client_address)) != CONCLAVE_OK ||
        (code = codec_get_bytes(&items[3], &key)) != CONCLAVE_OK) {
        return code;
    }
    if (key.size != AUTH_PUBLIC_KEY_BYTES) {
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(node.key, key.data, AUTH_PUBLIC_KEY_BYTES);
    if (node.node_id == 0 || genesis_file_find(genesis, node.node_id) != NULL) {
        return CONCLAVE_BAD_REQUEST;
    }
    genesis->nodes[genesis->node_count++] = node;
    return CONCLAVE_OK;
}

static enum conclave_code read_envelope(const struct envelope *envelope,
                                        struct genesis_file *genesis, struct codec_error *error)
{
    struct body body = {.nodes = NULL};
    genesis->restores = slice_is_text(envelope->kind, GENESIS_RESTORE_KIND);
    if (!genesis->restores && !slice_is_text(envelope->kind, GENESIS_KIND)) {
        codec_error_set(error, "it holds a command that is not a genesis");
        return CONCLAVE_BAD_REQUEST;
    }
    enum conclave_code code = codec_decode_map(
        envelope->body, body_fields, sizeof body_fields / sizeof *body_fields, true, &body, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    const msgpack_object *nodes;
    uint32_t count;
    code = codec_get_array(body.nodes, 1, LIMIT_NODES, &nodes, &count);
    for (uint32_t i = 0; code == CONCLAVE_OK && i < count; i++) {
        code = read_node(&nodes[i], genesis);
    }
    if (code != CONCLAVE_OK) {
        codec_error_set(error,
                        "a node is not [id, peer address, client address, key], or comes twice");
        return code;
    }
    auth_cluster_id(envelope->bytes, genesis->cluster_id);
    return CONCLAVE_OK;
}

static enum conclave_code read_command(struct slice command, struct genesis_file *genesis,
                                       struct codec_error *error)
{
    struct envelope envelope;
    genesis->node_count = 0;
    enum conclave_code code = envelope_decode(&envelope, command, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = read_envelope(&envelope, genesis, error);
    envelope_close(&envelope);
    return code;
}

const struct genesis_file_node *genesis_file_find(const struct genesis_file *genesis,
                                                  uint64_t node_id)
{
    ASSERT(genesis != NULL);
    for (unsigned i = 0; i < genesis->node_count; i++) {
        if (genesis->nodes[i].node_id == node_id) {
            return &genesis->nodes[i];
        }
    }
    return NULL;
}

void genesis_file_close(struct genesis_file *genesis)
{
    ASSERT(genesis != NULL);
    buffer_close(&genesis->command);
}

/* --- the file --- */

static enum conclave_code refuse(struct genesis_file_error *error, const char *path, unsigned line,
                                 const char *what)
{
    (void)snprintf(error->text, sizeof error->text, "%s:%u: %s", path, line, what);
    return CONCLAVE_CONFIG;
}

/* `text` is the line that holds the genesis, without its newline. */
static enum conclave_code read_text(const char *path, unsigned line, const char *text,
                                    struct genesis_file *genesis, struct genesis_file_error *error)
{
    static const char mark[] = GENESIS_MARK " ";
    struct codec_error why;
    char what[CODEC_ERROR_BYTES + 64];
    if (strncmp(text, mark, sizeof mark - 1) != 0) {
        return refuse(error, path, line,
                      "expected \"" GENESIS_MARK "\" and the genesis command in base64url, as "
                      "`conclave init` writes it");
    }
    text += sizeof mark - 1;
    size_t size = strlen(text);
    if (size > LIMIT_COMMAND_BYTES * 2u) {
        return refuse(error, path, line, "the genesis command is too large");
    }
    uint8_t *at = buffer_reserve(&genesis->command, size + 1);
    if (at == NULL) {
        return refuse(error, path, line, "out of memory");
    }
    if (!codec_ascii_valid(slice_of(text, size)) ||
        sodium_base642bin(at, size + 1, text, size, NULL, &genesis->command.size, NULL,
                          GENESIS_BASE64_VARIANT) != 0 ||
        genesis->command.size == 0) {
        return refuse(error, path, line, "the genesis command is not base64url (was it cut?)");
    }
    if (read_command(buffer_slice(&genesis->command), genesis, &why) != CONCLAVE_OK) {
        (void)snprintf(what, sizeof what, "not the genesis of a cluster: %s", why.text);
        return refuse(error, path, line, what);
    }
    return CONCLAVE_OK;
}

static enum conclave_code read_lines(FILE *file, const char *path, struct genesis_file *genesis,
                                     struct genesis_file_error *error)
{
    char *text = NULL;
    size_t capacity = 0;
    unsigned line = 0, found_on = 0;
    enum conclave_code code = CONCLAVE_OK;
    ssize_t size;
    while (code == CONCLAVE_OK && (size = getline(&text, &capacity, file)) >= 0) {
        line++;
        while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) {
            text[--size] = '\0';
        }
        if (text[0] == '#' || size == 0) {
            continue;
        }
        if (found_on != 0) {
            code = refuse(error, path, line, "a second genesis in one file");
            break;
        }
        found_on = line;
        code = read_text(path, line, text, genesis, error);
    }
    free(text);
    if (code == CONCLAVE_OK && found_on == 0) {
        code = refuse(error, path, line, "there is no line that starts with \"" GENESIS_MARK "\"");
    }
    return code;
}

enum conclave_code genesis_file_read(const char *path, struct genesis_file *genesis,
                                     struct genesis_file_error *error)
{
    ASSERT(path != NULL && genesis != NULL && error != NULL);
    struct stat info;
    memset(genesis, 0, sizeof *genesis);
    buffer_init(&genesis->command, LIMIT_COMMAND_BYTES * 2u + 1);
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &info) != 0 || S_ISDIR(info.st_mode)) {
        (void)snprintf(error->text, sizeof error->text, "%s: cannot be read: %s", path,
                       file == NULL ? strerror(errno) : "it is not a file");
        if (file != NULL) {
            (void)fclose(file);
        }
        return CONCLAVE_CONFIG;
    }
    enum conclave_code code = read_lines(file, path, genesis, error);
    (void)fclose(file);
    if (code != CONCLAVE_OK) {
        buffer_close(&genesis->command);
    }
    return code;
}

/* --- the log --- */

static enum conclave_code on_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct genesis_file *genesis = context;
    struct codec_error error;
    struct batch batch;
    struct slice command;
    (void)index;
    if (entry->type != LOG_ENTRY_COMMAND) {
        return CONCLAVE_CORRUPT;
    }
    enum conclave_code code = batch_decode(&batch, entry->data);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_CORRUPT;
    }
    code = CONCLAVE_CORRUPT;
    if (batch.command_count == 1 && codec_get_bytes(&batch.commands[0], &command) == CONCLAVE_OK &&
        read_command(command, genesis, &error) == CONCLAVE_OK) {
        code = CONCLAVE_OK;
    }
    batch_close(&batch);
    return code;
}

enum conclave_code genesis_file_read_log(struct log *log, uint64_t index,
                                         struct genesis_file *genesis)
{
    ASSERT(log != NULL && genesis != NULL);
    memset(genesis, 0, sizeof *genesis);
    buffer_init(&genesis->command, LIMIT_COMMAND_BYTES);
    index = index == 0 ? GENESIS_LOG_INDEX : index;
    return log_read(log, index, index, on_entry, genesis);
}
