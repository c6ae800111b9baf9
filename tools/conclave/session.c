/* Talking to the cluster, as commands do it. */
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "client/address.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "convert.h"
#include "format.h"
#include "text.h"

#define PAGE_ITEMS 1000u

int session_connect(struct cli *cli)
{
    ASSERT(cli != NULL);
    if (cli->client != NULL) {
        return 0;
    }
    const struct conclave_options options = {.endpoints = cli->endpoints,
                                             .endpoint_count = cli->endpoint_count,
                                             .timeout_ms = cli->timeout_ms};
    enum conclave_code code = conclave_open(&options, &cli->client);
    if (code == CONCLAVE_USAGE) {
        struct client_address address;
        size_t i = 0;
        while (i + 1 < cli->endpoint_count &&
               client_address_parse(&address, cli->endpoints[i]) == CONCLAVE_OK) {
            i++;
        }
        return cli_error(cli, code, "an endpoint is HOST:PORT, such as 127.0.0.1:7201",
                         "the endpoint %s is no address", cli->endpoints[i]);
    }
    return code == CONCLAVE_OK ? 0 : cli_error(cli, code, NULL, "%s", conclave_code_text(code));
}

int session_load_key(struct cli *cli)
{
    ASSERT(cli != NULL);
    if (cli->key_loaded) {
        return 0;
    }
    enum conclave_code code = auth_key_load(cli->key_path, cli->author, &cli->key);
    switch (code) {
    case CONCLAVE_OK:
        cli->key_loaded = true;
        return 0;
    case CONCLAVE_NOT_FOUND:
        return cli_error(cli, code,
                         "make one with `conclave key new ID`, or name yours with --key FILE or "
                         "CONCLAVE_KEY",
                         "there is no key file %s", cli->key_path);
    case CONCLAVE_UNAUTHORISED:
        return cli_error(cli, code, "close it to others: chmod 600 FILE",
                         "others may read the key file %s", cli->key_path);
    case CONCLAVE_BAD_REQUEST:
        return cli_error(cli, CONCLAVE_CONFIG, "a key file is what `conclave key new` writes",
                         "%s is not a key file", cli->key_path);
    default:
        return cli_error(cli, code, NULL, "the key file %s: %s", cli->key_path,
                         errno != 0 ? strerror(errno) : conclave_code_text(code));
    }
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
        status = cli_failure(cli, json);
        json_decref(json);
    } else {
        *reply = json;
    }
done:
    buffer_close(&packed);
    body_close(body);
    return status;
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
