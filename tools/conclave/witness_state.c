/* A witness's memory: see the header. */
#include "witness_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "convert.h"
#include "format.h"
#include "kept_file.h"
#include "key.h"

#define GENESIS_HEAD      "conclave-genesis-v1 "
#define GENESIS_BYTES_MAX (2u * LIMIT_COMMAND_BYTES)
#define NAME_DIGITS       8u

/* `path` = the state's directory/name. */
static int join(struct cli *cli, const struct witness_state *state, const char *name,
                char path[CLI_PATH_BYTES])
{
    int size = snprintf(path, CLI_PATH_BYTES, "%s/%s", state->directory, name);
    return size < 0 || (size_t)size >= CLI_PATH_BYTES
               ? cli_usage(cli, "the path of the directory is too long")
               : 0;
}

static int write_file(struct cli *cli, const char *path, struct slice bytes)
{
    if (kept_file_write(path, bytes) != CONCLAVE_OK) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be written: %s", path, strerror(errno));
    }
    return 0;
}

static int make_directory(struct cli *cli, const char *path)
{
    if (kept_directory_make(path) != CONCLAVE_OK) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be made: %s", path, strerror(errno));
    }
    return 0;
}

/* A file that may not be there: then the buffer stays empty. */
static int read_file(struct cli *cli, const char *path, struct buffer *bytes)
{
    enum conclave_code code = kept_file_read(path, bytes);
    if (code == CONCLAVE_OK || code == CONCLAVE_NOT_FOUND) {
        return 0;
    }
    return cli_error(cli, code, "", "%s cannot be read: %s", path, strerror(errno));
}

static int lock(struct cli *cli, struct witness_state *state)
{
    char path[CLI_PATH_BYTES];
    int status = join(cli, state, "LOCK", path);
    if (status != 0) {
        return status;
    }
    state->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock < 0) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be opened: %s", path, strerror(errno));
    }
    if (flock(state->lock, LOCK_EX | LOCK_NB) != 0) {
        return cli_error(cli, CONCLAVE_CONFIG, "give each witness a directory of its own",
                         "another witness uses %s", state->directory);
    }
    return 0;
}

/* --- Its key --- */

/* A new key in the directory. Without a name it gets one from its public half. */
static int make_key(struct cli *cli, const char *path)
{
    char name[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    const char *given = args_text(&cli->args, "name");
    auth_key_generate(&key);
    if (given != NULL) {
        snprintf(name, sizeof name, "%.*s", (int)LIMIT_ID_BYTES, given);
    } else {
        char *hex = convert_hex(slice_of(key.public_key, sizeof key.public_key));
        snprintf(name, sizeof name, "witness-%.*s", (int)NAME_DIGITS, hex == NULL ? "" : hex);
        memory_free(hex);
    }
    enum conclave_code code =
        key_file_save(path, name, &key, slice_of_text(""), &key_file_cost_standard);
    auth_key_wipe(&key);
    return code == CONCLAVE_OK ? 0
                               : cli_error(cli, code, "", "the key file %s cannot be made: %s",
                                           path, conclave_code_text(code));
}

static int load_key(struct cli *cli, struct witness_state *state)
{
    char path[CLI_PATH_BYTES];
    const char *given = args_text(&cli->args, "witness-key");
    const char *name = args_text(&cli->args, "name");
    int status = given == NULL ? join(cli, state, "witness.key", path) : 0;
    if (name != NULL && (!envelope_id_valid(slice_of_text(name)) || strchr(name, '+') != NULL)) {
        return cli_usage(cli, "--name %s: 1 to %u letters, digits and . _ - :", name,
                         LIMIT_ID_BYTES);
    }
    if (status == 0 && given == NULL && access(path, F_OK) != 0) {
        status = make_key(cli, path);
    }
    struct key_file file = {.locked = false};
    if (status == 0) {
        status = session_open_key(cli, given == NULL ? path : given, &file);
    }
    if (status == 0 && name != NULL && strcmp(name, file.member_id) != 0) {
        status =
            cli_usage(cli, "--name %s: this witness's key has the name %s", name, file.member_id);
    }
    if (status == 0) {
        state->key = file.key;
        if (note_key_init(&state->name, slice_of_text(file.member_id), NOTE_COSIGNATURE,
                          file.key.public_key) != CONCLAVE_OK) {
            status = cli_usage(cli, "%s is no name for a witness: notes have no + in names",
                               file.member_id);
        }
    }
    key_file_wipe(&file);
    return status;
}

/* --- The cluster --- */

/* The genesis that it took once. */
static int take_genesis(struct cli *cli, struct witness_state *state, const char *path,
                        const struct buffer *text)
{
    struct buffer command;
    struct codec_error error = {.text = "it is no genesis file"};
    size_t head = sizeof GENESIS_HEAD - 1;
    enum conclave_code code = CONCLAVE_BAD_REQUEST;
    buffer_init(&command, GENESIS_BYTES_MAX);
    if (text->size > head + 1 && memcmp(text->data, GENESIS_HEAD, head) == 0 &&
        text->data[text->size - 1] == '\n') {
        text->data[text->size - 1] = '\0';
        if (convert_base64_parse((const char *)text->data + head, &command)) {
            code = audit_genesis(buffer_slice(&command), &state->nodes, &error);
        }
    }
    buffer_close(&command);
    return code == CONCLAVE_OK ? 0
                               : cli_error(cli, CONCLAVE_CONFIG, "", "%s: %s", path, error.text);
}

/* The first time: what the nodes say, which the id proves. */
static int fetch_genesis(struct cli *cli, struct witness_state *state, const char *path)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct buffer command;
    struct buffer text;
    int status = record_cluster(cli, cluster_id);
    if (status != 0) {
        return status;
    }
    buffer_init(&command, GENESIS_BYTES_MAX);
    buffer_init(&text, 2u * GENESIS_BYTES_MAX);
    status = record_nodes(cli, cluster_id, &state->nodes, &command);
    if (status == 0) {
        char *base64 = convert_base64(buffer_slice(&command));
        buffer_append(&text, GENESIS_HEAD, sizeof GENESIS_HEAD - 1);
        buffer_append(&text, base64, base64 == NULL ? 0 : strlen(base64));
        buffer_append(&text, "\n", 1);
        status = base64 == NULL || text.status != CONCLAVE_OK
                     ? cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory")
                     : write_file(cli, path, buffer_slice(&text));
        memory_free(base64);
    }
    buffer_close(&command);
    buffer_close(&text);
    return status;
}

static int load_cluster(struct cli *cli, struct witness_state *state)
{
    char path[CLI_PATH_BYTES];
    uint8_t named_id[AUTH_CLUSTER_ID_BYTES];
    bool named = false;
    struct buffer text;
    int status = join(cli, state, "genesis", path);
    if (status == 0) {
        status = record_named_cluster(cli, named_id, &named);
    }
    if (status != 0) {
        return status;
    }
    buffer_init(&text, 2u * GENESIS_BYTES_MAX);
    status = read_file(cli, path, &text);
    if (status == 0) {
        status = text.size > 0 ? take_genesis(cli, state, path, &text)
                               : fetch_genesis(cli, state, path);
    }
    buffer_close(&text);
    if (status == 0 && named &&
        memcmp(named_id, state->nodes.cluster_id, AUTH_CLUSTER_ID_BYTES) != 0) {
        status = cli_error(cli, CONCLAVE_WRONG_CLUSTER, "give each cluster a directory of its own",
                           "%s is the directory of a witness of another cluster", state->directory);
    }
    return status;
}

static int load_last(struct cli *cli, struct witness_state *state)
{
    char path[CLI_PATH_BYTES];
    struct buffer text;
    struct codec_error error = {.text = "no memory"};
    int status = join(cli, state, "checkpoint", path);
    if (status != 0) {
        return status;
    }
    buffer_init(&text, NOTE_BYTES_MAX);
    status = read_file(cli, path, &text);
    if (status == 0 && text.size > 0) {
        enum conclave_code code =
            record_checkpoint_take(&state->last, buffer_slice(&text), &state->nodes, &error);
        state->has_last = code == CONCLAVE_OK;
        if (code != CONCLAVE_OK) {
            status = cli_error(cli, CONCLAVE_CONFIG,
                               "without it this witness knows nothing of before: if it was "
                               "damaged, take the newest file of cosigned/ in its place",
                               "%s: %s", path, error.text);
        }
    }
    buffer_close(&text);
    return status;
}

int witness_state_open(struct cli *cli, const char *directory, struct witness_state *state)
{
    ASSERT(cli != NULL && directory != NULL && state != NULL);
    *state = (struct witness_state){.lock = -1};
    record_checkpoint_init(&state->last);
    int size = snprintf(state->directory, sizeof state->directory, "%s", directory);
    if (size <= 0 || (size_t)size >= sizeof state->directory) {
        return cli_usage(cli, "the path of the directory is empty or too long");
    }
    int status = make_directory(cli, state->directory);
    if (status == 0) {
        status = lock(cli, state);
    }
    if (status == 0) {
        status = load_key(cli, state);
    }
    if (status == 0) {
        status = load_cluster(cli, state);
    }
    return status != 0 ? status : load_last(cli, state);
}

void witness_state_close(struct witness_state *state)
{
    ASSERT(state != NULL);
    if (state->lock >= 0) {
        (void)close(state->lock); /* which lets go of it */
    }
    auth_key_wipe(&state->key);
    record_checkpoint_close(&state->last);
}

/* --- Cosigning --- */

void witness_write_cosigned(struct buffer *buffer, struct slice note, const struct note_key *name,
                            const struct auth_key *key, uint64_t time_s)
{
    ASSERT(buffer != NULL && name != NULL && key != NULL);
    struct note *decoded = memory_allocate(sizeof *decoded);
    struct buffer message;
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    buffer_init(&message, NOTE_BYTES_MAX + 64u);
    if (decoded == NULL || note_decode(decoded, note) != CONCLAVE_OK) {
        buffer->status = CONCLAVE_NO_MEMORY; /* what was verified is a note */
    } else {
        note_write_message(&message, NOTE_COSIGNATURE, time_s, decoded->text);
        buffer->status = buffer->status == CONCLAVE_OK ? message.status : buffer->status;
        auth_sign(key, buffer_slice(&message), signature);
        buffer_append(buffer, note.data, note.size);
        note_write_signature(buffer, name, time_s, signature);
    }
    buffer_close(&message);
    memory_free(decoded);
}

int witness_state_cosign(struct cli *cli, struct witness_state *state,
                         const struct record_checkpoint *checkpoint, char path[CLI_PATH_BYTES])
{
    ASSERT(cli != NULL && state != NULL && checkpoint != NULL && path != NULL);
    char name[64];
    char last_path[CLI_PATH_BYTES];
    struct buffer text;
    struct codec_error error = {.text = "no memory"};
    buffer_init(&text, NOTE_BYTES_MAX);
    witness_write_cosigned(&text, buffer_slice(&checkpoint->note), &state->name, &state->key,
                           clock_wall_ms(&clock_system) / 1000);
    int status = text.status == CONCLAVE_OK
                     ? join(cli, state, "cosigned", path)
                     : cli_error(cli, text.status, NULL, "%s", conclave_code_text(text.status));
    if (status == 0) {
        status = make_directory(cli, path);
    }
    if (status == 0) {
        status = join(cli, state, "checkpoint", last_path);
    }
    if (status == 0) {
        status = write_file(cli, last_path, buffer_slice(&text));
    }
    snprintf(name, sizeof name, "cosigned/%020" PRIu64, checkpoint->verdict.checkpoint.size);
    if (status == 0) {
        status = join(cli, state, name, path);
    }
    if (status == 0) {
        status = write_file(cli, path, buffer_slice(&text));
    }
    if (status == 0) {
        enum conclave_code code =
            record_checkpoint_take(&state->last, buffer_slice(&text), &state->nodes, &error);
        state->has_last = code == CONCLAVE_OK;
        status = code == CONCLAVE_OK ? 0 : cli_error(cli, code, "", "%s", error.text);
    }
    buffer_close(&text);
    return status;
}

/* --- Comparing --- */

enum witness_verdict witness_compare(const struct checkpoint *last, const struct checkpoint *now,
                                     const struct merkle_proof *proof,
                                     char sentence[WITNESS_SENTENCE_BYTES])
{
    ASSERT(last != NULL && now != NULL && sentence != NULL);
    char was[RECORD_ROOT_BYTES];
    char is[RECORD_ROOT_BYTES];
    bool newer = now->size > last->size;
    const struct checkpoint *low = newer ? last : now;
    const struct checkpoint *high = newer ? now : last;
    record_root(&last->root, was);
    record_root(&now->root, is);
    if (now->size == last->size) {
        if (merkle_hash_equal(&last->root, &now->root)) {
            return WITNESS_SAME;
        }
        snprintf(sentence, WITNESS_SENTENCE_BYTES,
                 "fork: two roots were signed for %" PRIu64 " leaves, %s... and now %s...",
                 now->size, was, is);
        return WITNESS_FORK;
    }
    if (low->size > 0 && proof != NULL &&
        merkle_verify_consistency(low->size, &low->root, high->size, &high->root, proof)) {
        return newer ? WITNESS_NEWER : WITNESS_OLDER;
    }
    snprintf(sentence, WITNESS_SENTENCE_BYTES,
             "fork: %" PRIu64 " leaves with the root %s... were signed, and now %" PRIu64
             " leaves with the root %s..., and %s",
             last->size, was, now->size, is,
             proof == NULL ? "the cluster has no proof that one is the beginning of the other"
                           : "one is not the beginning of the other");
    return WITNESS_FORK;
}

/* --- Evidence --- */

static void add_text(struct buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_text(struct buffer *text, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    buffer_append(text, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

static void write_evidence(struct buffer *text, const struct witness_state *state,
                           const struct record_checkpoint *now, const struct record_proof *proof,
                           const char *sentence)
{
    char time[FORMAT_TIME_BYTES];
    format_time_exact(clock_wall_ms(&clock_system), time);
    add_text(text, "conclave-fork-evidence-v1\nfound %s by %s\n%s\n\nseen before:\n\n", time,
             state->name.name, sentence);
    buffer_append(text, state->last.note.data, state->last.note.size);
    add_text(text, "\nseen now:\n\n");
    buffer_append(text, now->note.data, now->note.size);
    add_text(text, "\nthe cluster's proof of consistency:\n\n");
    if (proof == NULL) {
        add_text(text, "none was given\n");
        return;
    }
    for (unsigned i = 0; i < proof->proof.count; i++) {
        note_write_base64(text, slice_of(proof->proof.hashes[i].bytes, MERKLE_HASH_BYTES));
        add_text(text, "\n");
    }
}

int witness_state_keep_evidence(struct cli *cli, const struct witness_state *state,
                                const struct record_checkpoint *now,
                                const struct record_proof *proof, const char *sentence,
                                char path[CLI_PATH_BYTES])
{
    ASSERT(cli != NULL && state != NULL && state->has_last && now != NULL && sentence != NULL);
    char name[128];
    char root[RECORD_ROOT_BYTES];
    struct buffer text;
    record_root(&now->verdict.checkpoint.root, root);
    snprintf(name, sizeof name, "evidence/%" PRIu64 "-%" PRIu64 "-%s",
             state->last.verdict.checkpoint.size, now->verdict.checkpoint.size, root);
    buffer_init(&text, 4u * NOTE_BYTES_MAX);
    write_evidence(&text, state, now, proof, sentence);
    int status = join(cli, state, "evidence", path);
    if (status == 0) {
        status = make_directory(cli, path);
    }
    if (status == 0) {
        status = join(cli, state, name, path);
    }
    if (status == 0) {
        status = text.status == CONCLAVE_OK
                     ? write_file(cli, path, buffer_slice(&text))
                     : cli_error(cli, text.status, NULL, "%s", conclave_code_text(text.status));
    }
    buffer_close(&text);
    return status;
}
