/* See join.h. */
#include "auth/join.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define BASE64_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define TOKEN_TEXT     sodium_base64_ENCODED_LEN(JOIN_TOKEN_BYTES, BASE64_VARIANT)
#define CLUSTER_TEXT   (2u * AUTH_CLUSTER_ID_BYTES + 1u)
#define LINE_BYTES     512u
#define WORDS_MAX      4u

/* --- Writing --- */

static void append_line(struct buffer *buffer, const char *line, int size)
{
    ASSERT(size > 0 && (unsigned)size < LINE_BYTES);
    buffer_append(buffer, line, (size_t)size);
}

void join_ticket_write(struct buffer *buffer, const struct join_ticket *ticket)
{
    ASSERT(buffer != NULL && ticket != NULL && ticket->node_count <= LIMIT_NODES);
    char line[LINE_BYTES];
    char cluster[CLUSTER_TEXT];
    char token[TOKEN_TEXT] = "-";
    sodium_bin2hex(cluster, sizeof cluster, ticket->cluster_id, sizeof ticket->cluster_id);
    if (ticket->has_token) {
        sodium_bin2base64(token, sizeof token, ticket->token, sizeof ticket->token, BASE64_VARIANT);
    }
    append_line(buffer, line,
                snprintf(line, sizeof line,
                         "# For conclaved --join, on node %" PRIu64
                         ". Who has the token can be that node: keep it to yourself.\n"
                         "conclave-join-v1 %s %" PRIu64 " %s\nself %s %s\n",
                         ticket->node_id, cluster, ticket->node_id, token, ticket->peer_address,
                         ticket->client_address));
    for (unsigned i = 0; i < ticket->node_count; i++) {
        append_line(buffer, line,
                    snprintf(line, sizeof line, "node %" PRIu64 " %s\n", ticket->nodes[i].node_id,
                             ticket->nodes[i].address));
    }
    sodium_memzero(line, sizeof line);
    sodium_memzero(token, sizeof token);
}

/* --- Parsing --- */

struct parser {
    struct slice rest;
    unsigned line; /* number of the last one taken */
    struct slice words[WORDS_MAX + 1];
    unsigned word_count;
};

static void split(struct parser *parser, struct slice line)
{
    parser->word_count = 0;
    size_t at = 0;
    while (at < line.size && parser->word_count <= WORDS_MAX) {
        size_t start = at;
        while (at < line.size && line.data[at] != ' ') {
            at++;
        }
        parser->words[parser->word_count++] = slice_of(line.data + start, at - start);
        at += at < line.size ? 1 : 0;
    }
}

/* The words of the next line that is no comment; false at the end. */
static bool next_line(struct parser *parser)
{
    while (parser->rest.size > 0) {
        const uint8_t *end = memchr(parser->rest.data, '\n', parser->rest.size);
        size_t size = end == NULL ? parser->rest.size : (size_t)(end - parser->rest.data);
        struct slice line = slice_of(parser->rest.data, size);
        size_t taken = end == NULL ? size : size + 1;
        parser->rest = slice_of(parser->rest.data + taken, parser->rest.size - taken);
        parser->line++;
        if (line.size > 0 && line.data[0] != '#') {
            split(parser, line);
            return true;
        }
    }
    parser->word_count = 0;
    parser->line = 0;
    return false;
}

static bool take_id(struct slice word, uint64_t *id)
{
    *id = 0;
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9' ||
            __builtin_mul_overflow(*id, (uint64_t)10, id) ||
            __builtin_add_overflow(*id, (uint64_t)(word.data[i] - '0'), id)) {
            return false;
        }
    }
    return *id != 0 && *id <= INT64_MAX;
}

/* What a listener or a dial makes of it is for them to say. */
static bool take_address(struct slice word, char address[LIMIT_ADDRESS_BYTES + 1])
{
    if (word.size == 0 || word.size > LIMIT_ADDRESS_BYTES ||
        memchr(word.data, '\0', word.size) != NULL) {
        return false;
    }
    memcpy(address, word.data, word.size);
    address[word.size] = '\0';
    return true;
}

static bool take_token(struct slice word, struct join_ticket *ticket)
{
    ticket->has_token = !slice_is_text(word, "-");
    return !ticket->has_token ||
           auth_decode_32_bytes((const char *)word.data, word.size, ticket->token);
}

static bool take_cluster(struct slice word, struct join_ticket *ticket)
{
    size_t size;
    return word.size == CLUSTER_TEXT - 1 &&
           sodium_hex2bin(ticket->cluster_id, sizeof ticket->cluster_id, (const char *)word.data,
                          word.size, NULL, &size, NULL) == 0 &&
           size == sizeof ticket->cluster_id;
}

static bool parse_head(struct parser *parser, struct join_ticket *ticket)
{
    return next_line(parser) && parser->word_count == 4 &&
           slice_is_text(parser->words[0], "conclave-join-v1") &&
           take_cluster(parser->words[1], ticket) && take_id(parser->words[2], &ticket->node_id) &&
           take_token(parser->words[3], ticket);
}

static bool parse_self(struct parser *parser, struct join_ticket *ticket)
{
    return next_line(parser) && parser->word_count == 3 &&
           slice_is_text(parser->words[0], "self") &&
           take_address(parser->words[1], ticket->peer_address) &&
           take_address(parser->words[2], ticket->client_address);
}

/* No node twice, and not the one that joins. */
static bool is_new(const struct join_ticket *ticket, uint64_t id)
{
    for (unsigned i = 0; i < ticket->node_count; i++) {
        if (ticket->nodes[i].node_id == id) {
            return false;
        }
    }
    return id != ticket->node_id;
}

static bool parse_node(const struct parser *parser, struct join_ticket *ticket)
{
    if (ticket->node_count == LIMIT_NODES) {
        return false;
    }
    struct join_node *node = &ticket->nodes[ticket->node_count];
    bool ok = parser->word_count == 3 && slice_is_text(parser->words[0], "node") &&
              take_id(parser->words[1], &node->node_id) && is_new(ticket, node->node_id) &&
              take_address(parser->words[2], node->address);
    ticket->node_count += ok ? 1 : 0;
    return ok;
}

enum conclave_code join_ticket_parse(struct slice text, struct join_ticket *ticket, unsigned *line)
{
    ASSERT(ticket != NULL && line != NULL);
    memset(ticket, 0, sizeof *ticket);
    struct parser parser = {.rest = text};
    bool ok = parse_head(&parser, ticket) && parse_self(&parser, ticket);
    while (ok && next_line(&parser)) {
        ok = parse_node(&parser, ticket);
    }
    *line = parser.line;
    return ok && ticket->node_count > 0 ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

void join_token_hash(struct slice token, uint8_t hash[AUTH_SHA256_BYTES])
{
    auth_sha256(token, hash);
}
