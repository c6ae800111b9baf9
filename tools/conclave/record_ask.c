/* Asking for the record: see the header. */
#include "record_ask.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "convert.h"

#define GENESIS_ENTRIES 8u /* it is in the first entry that has commands */
#define BEHIND_WAIT_MS  50
#define BEHIND_MOST_MS  1000u /* reads are linearizable: only stale ones are behind */

int record_named_cluster(struct cli *cli, uint8_t id[AUTH_CLUSTER_ID_BYTES], bool *named)
{
    ASSERT(cli != NULL && id != NULL && named != NULL);
    const char *text = args_text(&cli->args, "cluster");
    const char *where = text == NULL ? "CONCLAVE_CLUSTER" : "--cluster";
    text = text == NULL ? getenv("CONCLAVE_CLUSTER") : text;
    *named = text != NULL && text[0] != '\0';
    if (*named && !convert_hex_parse(text, id, AUTH_CLUSTER_ID_BYTES)) {
        return cli_usage(cli, "%s %s: a cluster id is %u hexadecimal digits", where, text,
                         2 * AUTH_CLUSTER_ID_BYTES);
    }
    return 0;
}

int record_cluster(struct cli *cli, uint8_t id[AUTH_CLUSTER_ID_BYTES])
{
    ASSERT(cli != NULL && id != NULL);
    uint8_t told[AUTH_CLUSTER_ID_BYTES];
    bool named;
    int status = record_named_cluster(cli, id, &named);
    if (status == 0) {
        status = session_connect(cli);
    }
    if (status != 0) {
        return status;
    }
    if (conclave_cluster_id(cli->client, told) != CONCLAVE_OK) {
        return cli_failure(cli, NULL);
    }
    if (named && memcmp(id, told, sizeof told) != 0) {
        char *wanted = convert_hex(slice_of(id, AUTH_CLUSTER_ID_BYTES));
        char *has = convert_hex(slice_of(told, sizeof told));
        status = cli_error(cli, CONCLAVE_WRONG_CLUSTER,
                           "name the nodes of that one with --endpoint",
                           "these nodes are of the cluster %s, not of %s", has == NULL ? "" : has,
                           wanted == NULL ? "" : wanted);
        memory_free(wanted);
        memory_free(has);
        return status;
    }
    memcpy(id, told, sizeof told);
    return 0;
}

json_t *record_query(struct cli *cli, const char *method, struct body *params,
                     enum conclave_code *code)
{
    ASSERT(cli != NULL && cli->client != NULL && params != NULL && code != NULL);
    struct buffer packed;
    struct conclave_bytes result = {.size = 0};
    json_t *answer = NULL;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    if (cli->stale) {
        body_bool(params, "stale", true);
    }
    *code = body_finish(params, &packed);
    if (*code == CONCLAVE_OK) {
        *code = conclave_query(cli->client, method, packed.data, packed.size, &result);
    }
    if (*code == CONCLAVE_OK) {
        answer = convert_packed_to_json(slice_of(result.data, result.size));
        if (!json_is_object(answer)) {
            json_decref(answer);
            answer = NULL;
            *code = CONCLAVE_INTERNAL;
        }
    }
    buffer_close(&packed);
    body_close(params);
    return answer;
}

/* --- Genesis --- */

/* The first command of the entries, in base64url. */
static const char *first_command(const json_t *page)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(page, "items"), i, entry)
    {
        const json_t *commands = json_object_get(entry, "commands");
        if (json_array_size(commands) > 0) {
            return convert_text(json_array_get(commands, 0), "command");
        }
    }
    return "";
}

/* The command that founds a cluster, in the first entry with commands from `index` on. */
static int founding_at(struct cli *cli, uint64_t index, struct checkpoint_nodes *nodes,
                       struct buffer *command)
{
    struct body params;
    struct codec_error error = {.text = "it is no base64url"};
    int status;
    body_init(&params);
    body_u64(&params, "from", index);
    body_u64(&params, "limit", GENESIS_ENTRIES);
    json_t *page = session_query(cli, "log.read", &params, &status);
    if (page == NULL) {
        return status;
    }
    enum conclave_code code = CONCLAVE_BAD_REQUEST;
    buffer_clear(command);
    if (convert_base64_parse(first_command(page), command)) {
        code = audit_genesis(buffer_slice(command), nodes, &error);
    }
    json_decref(page);
    return code == CONCLAVE_OK
               ? 0
               : cli_error(cli, CONCLAVE_NOT_PROVEN, "",
                           "what the nodes show as the first command is no genesis: %s",
                           error.text);
}

/* Where the cluster was restored from a backup, as the nodes say (its id will show); 0: it was not.
 */
static int restored_at(struct cli *cli, uint64_t *index)
{
    int status;
    json_t *cluster = session_query(cli, "cluster.get", NULL, &status);
    if (cluster == NULL) {
        return status;
    }
    *index = convert_u64(json_object_get(cluster, "restored"), "index");
    json_decref(cluster);
    return 0;
}

int record_nodes(struct cli *cli, const uint8_t id[AUTH_CLUSTER_ID_BYTES],
                 struct checkpoint_nodes *nodes, struct buffer *genesis)
{
    ASSERT(cli != NULL && id != NULL && nodes != NULL);
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    int status = founding_at(cli, 1, nodes, &command);
    if (status == 0 && memcmp(nodes->cluster_id, id, AUTH_CLUSTER_ID_BYTES) != 0) {
        uint64_t index = 0;
        status = restored_at(cli, &index);
        if (status == 0 && index > 0) {
            status = founding_at(cli, index, nodes, &command);
        }
    }
    if (status == 0 && memcmp(nodes->cluster_id, id, AUTH_CLUSTER_ID_BYTES) != 0) {
        status = cli_error(cli, CONCLAVE_NOT_PROVEN, "",
                           "the genesis that the nodes show does not make the id of this cluster");
    } else if (status == 0 && genesis != NULL) {
        buffer_append(genesis, command.data, command.size);
    }
    buffer_close(&command);
    return status;
}

/* --- Checkpoints --- */

void record_checkpoint_init(struct record_checkpoint *checkpoint)
{
    ASSERT(checkpoint != NULL);
    *checkpoint = (struct record_checkpoint){.verdict = {.final = false}};
    buffer_init(&checkpoint->note, NOTE_BYTES_MAX);
}

void record_checkpoint_close(struct record_checkpoint *checkpoint)
{
    ASSERT(checkpoint != NULL);
    buffer_close(&checkpoint->note);
}

enum conclave_code record_checkpoint_take(struct record_checkpoint *checkpoint, struct slice note,
                                          const struct checkpoint_nodes *nodes,
                                          struct codec_error *error)
{
    ASSERT(checkpoint != NULL && nodes != NULL && error != NULL);
    buffer_clear(&checkpoint->note);
    buffer_append(&checkpoint->note, note.data, note.size);
    if (checkpoint->note.status != CONCLAVE_OK) {
        codec_error_set(error, "the note is too large");
        return checkpoint->note.status == CONCLAVE_NO_MEMORY ? CONCLAVE_NO_MEMORY
                                                             : CONCLAVE_NOT_PROVEN;
    }
    return audit_checkpoint(buffer_slice(&checkpoint->note), nodes, &checkpoint->verdict, error);
}

enum conclave_code record_newest(struct cli *cli, const struct checkpoint_nodes *nodes,
                                 struct record_checkpoint *checkpoint, struct codec_error *error)
{
    ASSERT(cli != NULL && nodes != NULL && checkpoint != NULL && error != NULL);
    struct body params;
    enum conclave_code code;
    body_init(&params);
    json_t *answer = record_query(cli, "record.checkpoint", &params, &code);
    if (answer == NULL) {
        const struct conclave_failure *failure = conclave_last_failure(cli->client);
        codec_error_set(error, "%s",
                        failure->code == code ? failure->message : conclave_code_text(code));
        return code;
    }
    const json_t *note = json_object_get(answer, "note");
    if (json_is_string(note)) {
        struct codec_error inner = {.text = "no memory"};
        code = record_checkpoint_take(
            checkpoint, slice_of(json_string_value(note), json_string_length(note)), nodes, &inner);
        if (code != CONCLAVE_OK) {
            codec_error_set(error, "what the cluster shows as its newest checkpoint: %.130s",
                            inner.text);
        }
    } else {
        codec_error_set(error, "the cluster has no final checkpoint yet");
        code = CONCLAVE_NOT_FINAL;
    }
    json_decref(answer);
    return code;
}

void record_signers(const struct checkpoint_verdict *verdict, char text[RECORD_SIGNERS_BYTES])
{
    ASSERT(verdict != NULL && text != NULL);
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < verdict->cosigner_count; i++) {
        const char *between = i == 0 ? "" : i + 1 == verdict->cosigner_count ? " and " : ", ";
        int written = snprintf(text + used, RECORD_SIGNERS_BYTES - used, "%s%" PRIu64, between,
                               verdict->cosigners[i]);
        ASSERT(written > 0 && used + (size_t)written < RECORD_SIGNERS_BYTES);
        used += (size_t)written;
    }
}

void record_root(const struct merkle_hash *root, char text[RECORD_ROOT_BYTES])
{
    ASSERT(root != NULL && text != NULL);
    char *hex = convert_hex(slice_of(root->bytes, MERKLE_HASH_BYTES));
    snprintf(text, RECORD_ROOT_BYTES, "%.16s", hex == NULL ? "" : hex);
    memory_free(hex);
}

/* --- Proofs --- */

static bool take_hash(const char *hex, struct merkle_hash *hash)
{
    return convert_hex_parse(hex, hash->bytes, MERKLE_HASH_BYTES);
}

static bool take_proof(const json_t *answer, bool inclusion, struct record_proof *proof)
{
    const json_t *hashes = json_object_get(answer, "hashes");
    *proof = (struct record_proof){.proof = {.count = (unsigned)json_array_size(hashes)}};
    if (!json_is_array(hashes) || json_array_size(hashes) > MERKLE_PROOF_HASHES ||
        !take_hash(convert_text(answer, "root"), &proof->root) ||
        (!inclusion && !take_hash(convert_text(answer, "from_root"), &proof->from_root))) {
        return false;
    }
    for (unsigned i = 0; i < proof->proof.count; i++) {
        if (!take_hash(convert_item_text(hashes, i), &proof->proof.hashes[i])) {
            return false;
        }
    }
    return true;
}

enum conclave_code record_prove(struct cli *cli, uint64_t leaf, uint64_t from, uint64_t to,
                                struct record_proof *proof)
{
    ASSERT(cli != NULL && proof != NULL);
    bool inclusion = leaf != UINT64_MAX;
    uint64_t give_up_ms = clock_monotonic_ms(&clock_system) + BEHIND_MOST_MS;
    for (;;) {
        struct body params;
        enum conclave_code code;
        body_init(&params);
        body_u64(&params, inclusion ? "leaf" : "from", inclusion ? leaf : from);
        body_u64(&params, "to", to);
        json_t *answer = record_query(cli, "record.proof", &params, &code);
        if (answer != NULL && !take_proof(answer, inclusion, proof)) {
            code = CONCLAVE_INTERNAL;
        }
        json_decref(answer);
        /* Another node may have answered before, which has more of the log. */
        if (code != CONCLAVE_NOT_FOUND || clock_monotonic_ms(&clock_system) >= give_up_ms) {
            return code;
        }
        (void)poll(NULL, 0, BEHIND_WAIT_MS);
    }
}
