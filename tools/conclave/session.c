/* Talking to the cluster, as commands do it. */
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "convert.h"
#include "format.h"
#include "text.h"

#define PAGE_ITEMS 1000u

/* A node wants to know who asks: the key file tells, if there is one. What is wrong with it is said
 * here, and then not again (cli_failure). */
static bool identify(void *context, struct conclave_identity *identity)
{
    struct cli *cli = context;
    if (!cli->key_loaded && access(cli->key_path, F_OK) != 0) {
        return false;
    }
    cli->identify_status = session_load_key(cli);
    *identity = (struct conclave_identity){cli->author, cli->key.secret_key};
    return cli->identify_status == 0;
}

int session_open(struct cli *cli, const char *const *endpoints, size_t count, uint64_t timeout_ms,
                 struct conclave_client **client)
{
    ASSERT(cli != NULL && client != NULL);
    struct conclave_failure failure = {.code = CONCLAVE_OK};
    const struct conclave_options options = {.endpoints = endpoints,
                                             .endpoint_count = count,
                                             .timeout_ms = timeout_ms,
                                             .ca_file = cli->ca,
                                             .certificate_file = cli->certificate,
                                             .certificate_key_file = cli->certificate_key,
                                             .identify = identify,
                                             .identify_context = cli,
                                             .failure = &failure};
    enum conclave_code code = conclave_open(&options, client);
    if (code == CONCLAVE_USAGE && failure.endpoint[0] != '\0') {
        return cli_error(cli, code, "an endpoint is HOST:PORT, such as 127.0.0.1:7201",
                         "the endpoint %s is no address", failure.endpoint);
    }
    return code == CONCLAVE_OK ? 0 : cli_error(cli, code, NULL, "%s", failure.message);
}

int session_connect(struct cli *cli)
{
    ASSERT(cli != NULL);
    if (cli->client != NULL) {
        return 0;
    }
    return session_open(cli, cli->endpoints, cli->endpoint_count, cli->timeout_ms, &cli->client);
}

int session_load_key(struct cli *cli)
{
    ASSERT(cli != NULL);
    if (cli->key_loaded) {
        return 0;
    }
    struct key_file file = {.locked = false};
    int status = session_open_key(cli, cli->key_path, &file);
    if (status == 0) {
        memcpy(cli->author, file.member_id, sizeof cli->author);
        cli->key = file.key;
        cli->key_loaded = true;
    }
    key_file_wipe(&file);
    return status;
}

int session_read_key(struct cli *cli, const char *path, struct key_file *file)
{
    ASSERT(cli != NULL && path != NULL && file != NULL);
    enum conclave_code code = key_file_read(path, file);
    switch (code) {
    case CONCLAVE_OK:
        return 0;
    case CONCLAVE_NOT_FOUND:
        return cli_error(cli, code,
                         "make one with `conclave key new ID`, or name yours with --key FILE or "
                         "CONCLAVE_KEY",
                         "there is no key file %s", path);
    case CONCLAVE_UNAUTHORISED: {
        char hint[CLI_PATH_BYTES + 64];
        snprintf(hint, sizeof hint, "close it to others: chmod 600 %s", path);
        return cli_error(cli, code, hint, "others may read the key file %s", path);
    }
    case CONCLAVE_BAD_REQUEST:
        return cli_error(cli, CONCLAVE_CONFIG, "a key file is what `conclave key new` writes",
                         "%s is not a key file", path);
    default:
        return cli_error(cli, code, NULL, "the key file %s: %s", path,
                         errno != 0 ? strerror(errno) : conclave_code_text(code));
    }
}

int session_unlock_key(struct cli *cli, const char *path, struct key_file *file,
                       struct passphrase *passphrase)
{
    ASSERT(cli != NULL && file != NULL && file->locked && passphrase != NULL);
    int status = passphrase_get(cli, path, passphrase);
    if (status != 0) {
        return status;
    }
    enum conclave_code code = key_file_unlock(file, passphrase_slice(passphrase));
    if (code == CONCLAVE_BAD_PASSPHRASE) {
        status = cli_error(cli, code, "", "the passphrase does not open the key file %s", path);
    } else if (code != CONCLAVE_OK) {
        status = cli_error(cli, code, "", "the key file %s cannot be opened: %s", path,
                           conclave_code_text(code));
    }
    return status;
}

int session_open_key(struct cli *cli, const char *path, struct key_file *file)
{
    int status = session_read_key(cli, path, file);
    if (status == 0 && file->locked) {
        struct passphrase passphrase = {.size = 0};
        status = session_unlock_key(cli, path, file, &passphrase);
        passphrase_wipe(&passphrase);
    }
    return status;
}

static int finish_body(struct cli *cli, struct body *body, struct buffer *packed)
{
    enum conclave_code code = body_finish(body, packed);
    if (code == CONCLAVE_USAGE) {
        return cli_error(cli, code, "", "the JSON has %s", body->problem);
    }
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, NULL, "%s", conclave_code_text(code));
    }
    return 0;
}

json_t *session_query(struct cli *cli, const char *method, struct body *params, int *status)
{
    ASSERT(cli != NULL && method != NULL && status != NULL);
    struct body none;
    if (params == NULL) {
        body_init(&none);
        params = &none;
    }
    if (cli->stale) {
        body_bool(params, "stale", true);
    }
    struct buffer packed;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    json_t *answer = NULL;
    *status = finish_body(cli, params, &packed);
    if (*status == 0) {
        *status = session_connect(cli);
    }
    if (*status != 0) {
        goto done;
    }
    struct conclave_bytes result;
    if (conclave_query(cli->client, method, packed.data, packed.size, &result) != CONCLAVE_OK) {
        *status = cli_failure(cli, NULL);
        goto done;
    }
    answer = convert_packed_to_json(slice_of(result.data, result.size));
    if (!json_is_object(answer)) {
        json_decref(answer);
        answer = NULL;
        *status = cli_error(cli, CONCLAVE_INTERNAL, "", "the node's answer to %s is not understood",
                            method);
    }
done:
    buffer_close(&packed);
    body_close(params);
    return answer;
}

int session_number(struct cli *cli, const char *option, uint64_t least, uint64_t most,
                   uint64_t otherwise, uint64_t *value)
{
    ASSERT(cli != NULL && option != NULL && value != NULL);
    const char *text = args_text(&cli->args, option);
    *value = otherwise;
    if (text == NULL) {
        return 0;
    }
    if (!format_parse_u64(text, value) || *value < least || *value > most) {
        return cli_usage(cli, "--%s %s: not a whole number from %llu to %llu", option, text,
                         (unsigned long long)least, (unsigned long long)most);
    }
    return 0;
}

/* One page; `base` stays as it is. */
static json_t *query_page(struct cli *cli, const char *method, const struct body *base,
                          const char *after, uint64_t limit, int *status)
{
    struct body page;
    body_init(&page);
    if (base != NULL && base->pairs.size > 0) {
        codec_write_raw(&page.pairs, buffer_slice(&base->pairs));
        page.count = base->count;
    }
    body_text(&page, "after", after);
    body_u64(&page, "limit", limit);
    return session_query(cli, method, &page, status);
}

json_t *session_list(struct cli *cli, const char *method, struct body *params, const char *cursor,
                     int *status)
{
    ASSERT(cli != NULL && method != NULL && cursor != NULL && status != NULL);
    json_t *whole = NULL;
    uint64_t wanted;
    char after[LIMIT_ID_BYTES * 2 + 2];
    const char *start = args_text(&cli->args, "after");
    snprintf(after, sizeof after, "%s", start == NULL ? "" : start);
    *status = session_number(cli, "limit", 1, UINT64_MAX, UINT64_MAX, &wanted);
    while (*status == 0) {
        json_t *page = query_page(cli, method, params, after[0] == '\0' ? NULL : after,
                                  wanted < PAGE_ITEMS ? wanted : PAGE_ITEMS, status);
        if (page == NULL) {
            break;
        }
        json_t *items = json_object_get(page, "items");
        size_t count = json_array_size(items);
        bool more = convert_bool(page, "more") && count > 0;
        snprintf(after, sizeof after, "%s",
                 count == 0 ? "" : convert_text(json_array_get(items, count - 1), cursor));
        wanted -= count < wanted ? count : wanted;
        if (whole == NULL) {
            whole = page;
        } else {
            (void)json_array_extend(json_object_get(whole, "items"), items);
            (void)json_object_set(whole, "more", json_object_get(page, "more"));
            (void)json_object_set(whole, "index", json_object_get(page, "index"));
            json_decref(page);
        }
        if (!more || wanted == 0 || after[0] == '\0') {
            break;
        }
    }
    if (*status != 0) {
        json_decref(whole);
        whole = NULL;
    }
    if (params != NULL) {
        body_close(params);
    }
    return whole;
}

int session_submit(struct cli *cli, const char *kind, struct body *body, json_t **reply)
{
    ASSERT(cli != NULL && kind != NULL && body != NULL && reply != NULL);
    *reply = NULL;
    struct buffer packed;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    int status = finish_body(cli, body, &packed);
    if (status == 0) {
        status = session_load_key(cli);
    }
    if (status == 0) {
        status = session_connect(cli);
    }
    if (status != 0) {
        goto done;
    }
    uint8_t nonce[CONCLAVE_NONCE_BYTES];
    struct conclave_bytes answer;
    enum conclave_code code = conclave_submit(cli->client, cli->author, cli->key.secret_key, kind,
                                              packed.data, packed.size, nonce, &answer);
    cli->request[0] = '\0';
    if (conclave_last_command(cli->client).size > 0) {
        char *hex = convert_hex(slice_of(nonce, sizeof nonce));
        snprintf(cli->request, sizeof cli->request, "%s:%s", cli->author, hex == NULL ? "" : hex);
        memory_free(hex);
    }
    json_t *json = answer.size == 0 ? NULL
                                    : convert_packed_to_json(slice_of(answer.data, answer.size));
    if (json != NULL) {
        (void)json_object_set_new(json, "request", json_string(cli->request));
        (void)json_object_set_new(json, "kind", json_string(kind));
    }
    if (code != CONCLAVE_OK) {
        status = code == cli->expected ? conclave_code_exit_status(code) : cli_failure(cli, json);
        json_decref(json);
    } else {
        *reply = json;
    }
done:
    buffer_close(&packed);
    body_close(body);
    return status;
}

/* Ids may have colons, so the last one counts. */
int session_take_request(struct cli *cli, const char *text, struct body *params)
{
    ASSERT(cli != NULL && text != NULL && params != NULL);
    const char *colon = strrchr(text, ':');
    uint8_t nonce[CONCLAVE_NONCE_BYTES];
    char author[LIMIT_ID_BYTES + 1];
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    if (!envelope_id_valid(slice_of(text, size)) ||
        !convert_hex_parse(colon + 1, nonce, sizeof nonce)) {
        return cli_usage(
            cli, "%s is no request id: AUTHOR:NONCE, the nonce in 32 hexadecimal digits", text);
    }
    snprintf(author, sizeof author, "%.*s", (int)size, text);
    body_text(params, "author", author);
    body_bytes(params, "nonce", slice_of(nonce, sizeof nonce));
    return 0;
}

int session_done(struct cli *cli, json_t *reply, const char *format, ...)
{
    ASSERT(cli != NULL && format != NULL);
    const struct output *output = &cli->output;
    if (output->json) {
        output_json(output, "reply", reply);
        return 0;
    }
    if (!output->quiet) {
        va_list arguments;
        va_start(arguments, format);
        (void)vfprintf(output->file, format, arguments);
        va_end(arguments);
        output_print(output, OUTPUT_DIM, "  (log %s, request %s)\n", convert_text(reply, "index"),
                     convert_text(reply, "request"));
    }
    json_decref(reply);
    return 0;
}

int session_read_file(struct cli *cli, const char *path, size_t limit, struct buffer *contents)
{
    ASSERT(cli != NULL && path != NULL && contents != NULL);
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        return cli_error(cli, errno == ENOENT ? CONCLAVE_NOT_FOUND : CONCLAVE_IO, "",
                         "%s cannot be read: %s", path, strerror(errno));
    }
    int status = 0;
    for (;;) {
        uint8_t piece[16384];
        size_t got = fread(piece, 1, sizeof piece, file);
        if (got == 0) {
            break;
        }
        if (contents->size + got > limit) {
            status =
                cli_error(cli, CONCLAVE_TOO_LARGE, "", "%s has more than %zu bytes", path, limit);
            break;
        }
        buffer_append(contents, piece, got);
    }
    if (status == 0 && ferror(file)) {
        status = cli_error(cli, CONCLAVE_IO, "", "%s cannot be read: %s", path, strerror(errno));
    }
    if (status == 0 && contents->status != CONCLAVE_OK) {
        status = cli_error(cli, contents->status, NULL, "%s", conclave_code_text(contents->status));
    }
    if (!standard) {
        (void)fclose(file);
    }
    return status;
}

json_t *session_read_json(struct cli *cli, const char *path, int *status)
{
    ASSERT(cli != NULL && path != NULL && status != NULL);
    struct buffer contents;
    buffer_init(&contents, LIMIT_FRAME_BYTES + 1);
    json_t *value = NULL;
    *status = session_read_file(cli, path, LIMIT_FRAME_BYTES, &contents);
    if (*status == 0 && contents.size == 0) { /* jansson takes no bytes for a wrong call */
        *status = cli_error(cli, CONCLAVE_USAGE, "", "%s: the file is empty", path);
    } else if (*status == 0) {
        json_error_t error;
        value =
            json_loadb((const char *)contents.data, contents.size, JSON_REJECT_DUPLICATES, &error);
        if (value == NULL) {
            *status = cli_error(cli, CONCLAVE_USAGE, "", "%s:%d:%d: %s", path, error.line,
                                error.column, error.text);
        } else if (!json_is_object(value)) {
            json_decref(value);
            value = NULL;
            *status = cli_error(cli, CONCLAVE_USAGE, "", "%s: not a JSON object", path);
        }
    }
    buffer_close(&contents);
    return value;
}
