/* The receipts kept on this machine: see the header. */
#include "receipts.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "convert.h"
#include "kept_file.h"
#include "receipt_print.h"

#define AGAIN_MS           100
#define PENDING_BYTES_MAX  (2u * LIMIT_COMMAND_BYTES)
#define PENDING_AT_ONCE    32u    /* of those that one command goes on with */
#define NEVER_AFTER_MS     60000u /* past not_after: clocks differ */
#define CLUSTER_TEXT_BYTES (2u * AUTH_CLUSTER_ID_BYTES + 1u)

/* --- Where they are --- */

/* ROOT. False: `root` says why there is none ("" when it was turned off). */
static bool find_root(char root[CLI_PATH_BYTES])
{
    const char *given = getenv("CONCLAVE_RECEIPTS");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int size;
    if (given != NULL && (strcmp(given, "off") == 0 || strcmp(given, "no") == 0)) {
        root[0] = '\0';
        return false;
    }
    if (given != NULL && given[0] != '\0') {
        size = snprintf(root, CLI_PATH_BYTES, "%s", given);
    } else if (data != NULL && data[0] == '/') {
        size = snprintf(root, CLI_PATH_BYTES, "%s/conclave/receipts", data);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(root, CLI_PATH_BYTES, "%s/.local/share/conclave/receipts", home);
    } else {
        (void)snprintf(root, CLI_PATH_BYTES, "neither HOME nor CONCLAVE_RECEIPTS names a place");
        return false;
    }
    if (size < 0 || (size_t)size >= CLI_PATH_BYTES) {
        snprintf(root, CLI_PATH_BYTES, "the path is too long");
        return false;
    }
    return true;
}

/* `path` = directory/name. False when it is too long. */
static bool join(char path[CLI_PATH_BYTES], const char *directory, const char *name)
{
    int size = snprintf(path, CLI_PATH_BYTES, "%s/%s", directory, name);
    return size > 0 && (size_t)size < CLI_PATH_BYTES;
}

enum conclave_code receipts_directory(const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                                      char path[CLI_PATH_BYTES])
{
    ASSERT(cluster_id != NULL && path != NULL);
    char root[CLI_PATH_BYTES];
    if (!find_root(root)) {
        snprintf(path, CLI_PATH_BYTES, "%s", root);
        return CONCLAVE_USAGE;
    }
    char *cluster = convert_hex(slice_of(cluster_id, AUTH_CLUSTER_ID_BYTES));
    bool fits = cluster != NULL && join(path, root, cluster);
    memory_free(cluster);
    if (!fits) {
        snprintf(path, CLI_PATH_BYTES, "the path is too long");
    }
    return fits ? CONCLAVE_OK : CONCLAVE_USAGE;
}

void receipts_name(const struct audit_receipt *proven, char name[RECEIPTS_NAME_BYTES])
{
    ASSERT(proven != NULL && name != NULL);
    char poll[LIMIT_ID_BYTES + 1];
    const struct leaf *leaf = &proven->leaf;
    if (leaf->kind == LEAF_CLOSING || !proven->has_command) {
        snprintf(name, RECEIPTS_NAME_BYTES, "log.%" PRIu64 "-%" PRIu32 RECEIPTS_SUFFIX, leaf->index,
                 leaf->position);
        return;
    }
    bool ballot = receipt_poll(proven, poll);
    struct slice what = ballot ? slice_of_text(poll) : proven->envelope.kind;
    what.size = what.size < LIMIT_ID_BYTES ? what.size : LIMIT_ID_BYTES;
    if (memchr(what.data, '/', what.size) != NULL) {
        what = slice_of_text("command"); /* a kind that nobody knows */
    }
    snprintf(name, RECEIPTS_NAME_BYTES, "%.*s.%.*s.%" PRIu64 "-%" PRIu32 RECEIPTS_SUFFIX,
             (int)what.size, (const char *)what.data, (int)proven->envelope.author.size,
             (const char *)proven->envelope.author.data, leaf->index, leaf->position);
}

/* --- Asking --- */

static void copy_body(struct body *to, const struct body *from)
{
    body_init(to);
    if (from->pairs.size > 0) {
        buffer_append(&to->pairs, from->pairs.data, from->pairs.size);
        to->count = from->count;
    }
}

static enum conclave_code check_answer(const json_t *answer, const uint8_t *cluster_id,
                                       struct buffer *text, struct codec_error *error)
{
    const json_t *receipt = json_object_get(answer, "receipt");
    struct audit_receipt proven;
    if (!json_is_string(receipt)) {
        codec_error_set(error, "the node's answer has no receipt");
        return CONCLAVE_NOT_PROVEN;
    }
    buffer_clear(text);
    buffer_append(text, json_string_value(receipt), json_string_length(receipt));
    if (text->status != CONCLAVE_OK) {
        return text->status;
    }
    enum conclave_code code = audit_receipt_open(&proven, buffer_slice(text), cluster_id, error);
    if (code == CONCLAVE_OK) {
        audit_receipt_close(&proven);
    }
    return code;
}

enum conclave_code receipts_ask(struct cli *cli, const struct body *params,
                                const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                                uint64_t deadline_ms, struct buffer *text,
                                struct codec_error *error)
{
    ASSERT(cli != NULL && cli->client != NULL && params != NULL && cluster_id != NULL);
    ASSERT(text != NULL && error != NULL);
    enum conclave_code code;
    for (;;) {
        struct body once;
        uint64_t now_ms = clock_monotonic_ms(&clock_system);
        copy_body(&once, params);
        conclave_set_timeout(cli->client, deadline_ms > now_ms ? deadline_ms - now_ms : 1);
        json_t *answer = record_query(cli, "record.receipt", &once, &code);
        if (answer != NULL) {
            code = check_answer(answer, cluster_id, text, error);
            json_decref(answer);
        }
        now_ms = clock_monotonic_ms(&clock_system);
        if (code != CONCLAVE_NOT_FINAL || now_ms + AGAIN_MS >= deadline_ms) {
            break;
        }
        (void)poll(NULL, 0, AGAIN_MS);
    }
    conclave_set_timeout(cli->client, cli->timeout_ms);
    return code;
}

/* --- Pending ones --- */

/* A pending file, read. */
struct pending {
    json_t *json;
    struct buffer command;
    struct envelope envelope;
    bool decoded;
};

static void pending_close(struct pending *pending)
{
    if (pending->decoded) {
        envelope_close(&pending->envelope);
    }
    buffer_close(&pending->command);
    json_decref(pending->json);
}

static bool pending_read(const char *path, struct pending *pending)
{
    struct buffer bytes;
    struct codec_error error;
    *pending = (struct pending){.decoded = false};
    buffer_init(&bytes, PENDING_BYTES_MAX);
    buffer_init(&pending->command, PENDING_BYTES_MAX);
    if (kept_file_read(path, &bytes) == CONCLAVE_OK && bytes.size > 0) {
        pending->json = json_loadb((const char *)bytes.data, bytes.size, 0, NULL);
    }
    buffer_close(&bytes);
    pending->decoded =
        convert_base64_parse(convert_text(pending->json, "command"), &pending->command) &&
        envelope_decode(&pending->envelope, buffer_slice(&pending->command), &error) == CONCLAVE_OK;
    return pending->decoded;
}

/* Where the cluster is asked for it: by its place where that is known, which is for ever. */
static void pending_params(const struct pending *pending, struct body *params)
{
    uint64_t index = convert_u64(pending->json, "index");
    body_init(params);
    if (index > 0) {
        body_u64(params, "index", index);
        body_u64(params, "position", convert_u64(pending->json, "position"));
        return;
    }
    char author[LIMIT_ID_BYTES + 1];
    snprintf(author, sizeof author, "%.*s", (int)pending->envelope.author.size,
             (const char *)pending->envelope.author.data);
    body_text(params, "author", author);
    body_bytes(params, "nonce", pending->envelope.nonce);
}

/* Is the receipt of this very command? Puts the command into it where it was left out. */
static enum conclave_code match(const struct pending *pending, struct buffer *text,
                                struct audit_receipt *proven, struct codec_error *error)
{
    uint8_t digest[LEAF_DIGEST_BYTES];
    struct slice signature;
    enum conclave_code code = leaf_bind(buffer_slice(&pending->command), digest, &signature);
    if (code == CONCLAVE_OK) {
        code =
            audit_receipt_open(proven, buffer_slice(text), pending->envelope.cluster.data, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!slice_equal(slice_of(digest, sizeof digest), proven->leaf.envelope) ||
        !slice_equal(signature, proven->leaf.signature)) {
        codec_error_set(error,
                        "at log %" PRIu64 ", position %" PRIu32
                        " the cluster has another command than the one that was signed here",
                        proven->leaf.index, proven->leaf.position);
        audit_receipt_close(proven);
        return CONCLAVE_NOT_PROVEN;
    }
    if (proven->has_command) {
        return CONCLAVE_OK;
    }
    struct buffer whole;
    buffer_init(&whole, RECEIPT_BYTES_MAX);
    proven->receipt.command = buffer_slice(&pending->command);
    receipt_write(&whole, &proven->receipt);
    audit_receipt_close(proven);
    code = whole.status;
    buffer_close(text);
    *text = whole;
    return code == CONCLAVE_OK ? audit_receipt_open(proven, buffer_slice(text),
                                                    pending->envelope.cluster.data, error)
                               : code;
}

/* A command that is in no log although its time has passed. */
static bool never_came(struct cli *cli, const struct pending *pending)
{
    struct body params;
    enum conclave_code code;
    if (convert_u64(pending->json, "index") > 0 ||
        clock_wall_ms(&clock_system) < pending->envelope.not_after_ms + NEVER_AFTER_MS) {
        return false;
    }
    pending_params(pending, &params);
    json_t *answer = record_query(cli, "request", &params, &code);
    bool absent = strcmp(convert_text(answer, "state"), "absent") == 0;
    json_decref(answer);
    return absent;
}

static void keep_whole(const char *directory, const char *pending_path,
                       const struct audit_receipt *proven, const struct buffer *text,
                       struct receipts_result *result)
{
    char name[RECEIPTS_NAME_BYTES];
    receipts_name(proven, name);
    if (!join(result->path, directory, name) ||
        kept_file_write(result->path, buffer_slice(text)) != CONCLAVE_OK) {
        result->state = RECEIPTS_PENDING;
        snprintf(result->why, sizeof result->why, "%.200s cannot be written: %s", result->path,
                 strerror(errno));
        return;
    }
    result->state = RECEIPTS_KEPT;
    (void)unlink(pending_path); /* what is left is asked for again, and found to be there */
}

/* Goes on with one pending file. */
static void complete(struct cli *cli, const char *directory, const char *name, uint64_t deadline_ms,
                     struct receipts_result *result)
{
    char path[CLI_PATH_BYTES];
    struct pending pending;
    *result = (struct receipts_result){.state = RECEIPTS_PENDING};
    if (!join(path, directory, name)) {
        snprintf(result->why, sizeof result->why, "its path is too long");
        return;
    }
    snprintf(result->path, sizeof result->path, "%s", path);
    if (!pending_read(path, &pending)) {
        snprintf(result->why, sizeof result->why, "it is no pending receipt: remove it");
        pending_close(&pending);
        return;
    }
    struct body params;
    struct buffer text;
    struct audit_receipt proven;
    struct codec_error error = {.text = ""};
    buffer_init(&text, RECEIPT_BYTES_MAX);
    pending_params(&pending, &params);
    enum conclave_code code =
        receipts_ask(cli, &params, pending.envelope.cluster.data, deadline_ms, &text, &error);
    if (code == CONCLAVE_OK) {
        code = match(&pending, &text, &proven, &error);
    }
    if (code == CONCLAVE_OK) {
        keep_whole(directory, path, &proven, &text, result);
        audit_receipt_close(&proven);
    } else if (code == CONCLAVE_NOT_PROVEN) {
        result->state = RECEIPTS_REFUSED;
        snprintf(result->why, sizeof result->why, "%s", error.text);
    } else if (code == CONCLAVE_NOT_FOUND && never_came(cli, &pending)) {
        result->state = RECEIPTS_NEVER_CAME;
        snprintf(result->why, sizeof result->why, "it was never decided, and its time has passed");
        (void)unlink(path);
    } else {
        snprintf(result->why, sizeof result->why, "%s", conclave_code_text(code));
    }
    body_close(&params);
    buffer_close(&text);
    pending_close(&pending);
}

/* --- After a ballot --- */

static bool write_pending(const char *directory, const char *poll, const struct envelope *envelope,
                          struct slice command, const json_t *reply, char name[RECEIPTS_NAME_BYTES])
{
    char path[CLI_PATH_BYTES];
    char *nonce = convert_hex(envelope->nonce);
    char *base64 = convert_base64(command);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "schema", "conclave.pending.v1", "poll", poll,
                             "nonce", nonce == NULL ? "" : nonce, "command",
                             base64 == NULL ? "" : base64);
    if (reply != NULL) {
        (void)json_object_set_new(json, "index", json_string(convert_text(reply, "index")));
        (void)json_object_set_new(json, "position", json_string(convert_text(reply, "position")));
    }
    snprintf(name, RECEIPTS_NAME_BYTES, "%s.%.*s.%s" RECEIPTS_PENDING_SUFFIX, poll,
             (int)envelope->author.size, (const char *)envelope->author.data,
             nonce == NULL ? "" : nonce);
    char *text = json == NULL || base64 == NULL ? NULL : json_dumps(json, JSON_INDENT(1));
    bool written = text != NULL && kept_directory_make(directory) == CONCLAVE_OK &&
                   join(path, directory, name) &&
                   kept_file_write(path, slice_of_text(text)) == CONCLAVE_OK;
    free(text);
    json_decref(json);
    memory_free(base64);
    memory_free(nonce);
    return written;
}

void receipts_keep(struct cli *cli, const char *poll, const json_t *reply,
                   struct receipts_result *result)
{
    ASSERT(cli != NULL && cli->client != NULL && poll != NULL && result != NULL);
    *result = (struct receipts_result){.state = RECEIPTS_NONE};
    struct conclave_bytes signed_bytes = conclave_last_command(cli->client);
    struct slice command = slice_of(signed_bytes.data, signed_bytes.size);
    struct envelope envelope;
    struct codec_error error;
    char directory[CLI_PATH_BYTES];
    char name[RECEIPTS_NAME_BYTES];
    if (command.size == 0 || !envelope_id_valid(slice_of_text(poll)) ||
        envelope_decode(&envelope, command, &error) != CONCLAVE_OK) {
        return;
    }
    if (receipts_directory(envelope.cluster.data, directory) != CONCLAVE_OK) {
        snprintf(result->why, sizeof result->why, "%.300s", directory);
    } else if (!write_pending(directory, poll, &envelope, command, reply, name)) {
        snprintf(result->why, sizeof result->why, "%.200s cannot be written: %s", directory,
                 strerror(errno));
    } else if (reply != NULL) {
        complete(cli, directory, name, clock_monotonic_ms(&clock_system) + RECEIPTS_WAIT_MS,
                 result);
    } else if (join(result->path, directory, name)) {
        result->state = RECEIPTS_PENDING;
    }
    envelope_close(&envelope);
}

/* --- Going on --- */

struct catching_up {
    struct cli *cli;
    const char *directory;
    uint64_t deadline_ms;
    receipts_each *each;
    void *context;
    size_t count;
};

static bool catch_one_up(const char *name, void *context)
{
    struct catching_up *up = context;
    struct receipts_result result;
    complete(up->cli, up->directory, name, up->deadline_ms, &result);
    up->each(up->cli, &result, up->context);
    up->count++;
    return up->count < PENDING_AT_ONCE && clock_monotonic_ms(&clock_system) < up->deadline_ms;
}

size_t receipts_catch_up(struct cli *cli, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                         uint64_t wait_ms, receipts_each *each, void *context)
{
    ASSERT(cli != NULL && cli->client != NULL && cluster_id != NULL && each != NULL);
    char directory[CLI_PATH_BYTES];
    struct catching_up up = {.cli = cli,
                             .directory = directory,
                             .deadline_ms = clock_monotonic_ms(&clock_system) + wait_ms,
                             .each = each,
                             .context = context};
    /* No directory, nothing pending; one that cannot be read says so when it is written to. */
    if (receipts_directory(cluster_id, directory) != CONCLAVE_OK ||
        kept_directory_each(directory, RECEIPTS_PENDING_SUFFIX, catch_one_up, &up) != CONCLAVE_OK) {
        return 0;
    }
    return up.count;
}

static bool found_one(const char *name, void *context)
{
    (void)name;
    *(bool *)context = true;
    return false;
}

struct looking {
    const char *root;
    bool found;
};

/* Directories named by a cluster's id, in which something is pending. */
static bool look_into(const char *name, void *context)
{
    struct looking *looking = context;
    char path[CLI_PATH_BYTES];
    return strlen(name) != CLUSTER_TEXT_BYTES - 1 || !join(path, looking->root, name) ||
           kept_directory_each(path, RECEIPTS_PENDING_SUFFIX, found_one, &looking->found) !=
               CONCLAVE_OK ||
           !looking->found;
}

static void say_what_is_wrong(struct cli *cli, const struct receipts_result *result, void *context)
{
    (void)context;
    if (result->state == RECEIPTS_REFUSED || result->state == RECEIPTS_NEVER_CAME) {
        fprintf(cli->output.error, "conclave: the pending receipt %s: %s\n", result->path,
                result->why);
    }
}

void receipts_after_command(struct cli *cli)
{
    ASSERT(cli != NULL);
    char root[CLI_PATH_BYTES];
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    if (cli->client == NULL || !find_root(root)) {
        return;
    }
    struct looking looking = {.root = root};
    if (kept_directory_each(root, "", look_into, &looking) != CONCLAVE_OK || !looking.found) {
        return;
    }
    conclave_set_timeout(cli->client, RECEIPTS_CATCH_UP_MS);
    if (conclave_cluster_id(cli->client, cluster_id) == CONCLAVE_OK) {
        (void)receipts_catch_up(cli, cluster_id, RECEIPTS_CATCH_UP_MS, say_what_is_wrong, NULL);
    }
}
