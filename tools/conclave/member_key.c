/* conclave member rotate-key and revoke.
 *
 * The happy path of a rotation: a new key is written beside the old one, as FILE.new -> the command
 * is submitted -> FILE.new takes the place of FILE. The failure modes: when the outcome is not
 * known, both files stay; run again, the command takes the FILE.new that is there, and if the
 * cluster says that the old key has ended, asks it whether the new one holds by proving a session
 * with it.
 */
#include "member_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/statement.h"
#include "convert.h"
#include "key.h"

struct rotation {
    char new_path[CLI_PATH_BYTES + 8];
    bool replaces; /* the new file takes the old one's place in the end */
    struct key_file old_file, new_file;
    struct passphrase passphrase; /* of the old file, and so of the new one; may be empty */
};

static int read_old(struct cli *cli, struct rotation *rotation)
{
    int status = session_read_key(cli, cli->key_path, &rotation->old_file);
    if (status == 0 && rotation->old_file.locked) {
        status = session_unlock_key(cli, cli->key_path, &rotation->old_file, &rotation->passphrase);
    }
    if (status == 0) {
        memcpy(cli->author, rotation->old_file.member_id, sizeof cli->author);
        cli->key = rotation->old_file.key;
        cli->key_loaded = true;
    }
    return status;
}

/* Opens the new file, with the old one's passphrase where that fits. */
static int read_new(struct cli *cli, struct rotation *rotation)
{
    struct key_file *file = &rotation->new_file;
    int status = session_read_key(cli, rotation->new_path, file);
    if (status == 0 && file->locked && rotation->passphrase.size > 0 &&
        key_file_unlock(file, passphrase_slice(&rotation->passphrase)) != CONCLAVE_OK) {
        file->locked = true; /* it has one of its own */
    }
    if (status == 0 && file->locked) {
        struct passphrase passphrase = {.size = 0};
        status = session_unlock_key(cli, rotation->new_path, file, &passphrase);
        passphrase_wipe(&passphrase);
    }
    if (status == 0 && strcmp(file->member_id, cli->author) != 0) {
        status = cli_usage(cli, "%s is a key of %s, not of %s", rotation->new_path, file->member_id,
                           cli->author);
    }
    return status;
}

static int take_keys(struct cli *cli, struct rotation *rotation)
{
    int status = read_old(cli, rotation);
    if (status != 0) {
        return status;
    }
    const char *given = args_text(&cli->args, "new-key");
    rotation->replaces = given == NULL;
    if (given != NULL) {
        snprintf(rotation->new_path, sizeof rotation->new_path, "%.*s", (int)CLI_PATH_BYTES, given);
    } else {
        snprintf(rotation->new_path, sizeof rotation->new_path, "%s.new", cli->key_path);
    }
    if (rotation->replaces && access(rotation->new_path, F_OK) != 0 && errno == ENOENT) {
        struct auth_key made;
        status = key_create(cli, rotation->new_path, cli->author, &made, &rotation->passphrase);
        auth_key_wipe(&made);
    }
    return status != 0 ? status : read_new(cli, rotation);
}

static int write_body(struct cli *cli, const struct rotation *rotation, struct body *body)
{
    uint8_t cluster[CONCLAVE_CLUSTER_ID_BYTES];
    int status = session_connect(cli);
    if (status == 0 && conclave_cluster_id(cli->client, cluster) != CONCLAVE_OK) {
        status = cli_failure(cli, NULL);
    }
    if (status != 0) {
        return status;
    }
    struct buffer text;
    uint8_t proof[AUTH_SIGNATURE_BYTES];
    const struct auth_key *key = &rotation->new_file.key;
    buffer_init(&text, KEY_FILE_TEXT_BYTES);
    statement_rotation(&text, cluster, slice_of_text(cli->author),
                       rotation->old_file.key.public_key, key->public_key);
    ASSERT(text.status == CONCLAVE_OK || text.status == CONCLAVE_NO_MEMORY);
    if (text.status == CONCLAVE_OK) {
        auth_sign(key, buffer_slice(&text), proof);
        body_bytes(body, "key", slice_of(key->public_key, sizeof key->public_key));
        body_bytes(body, "proof", slice_of(proof, sizeof proof));
    } else {
        status = cli_error(cli, text.status, NULL, "out of memory");
    }
    buffer_close(&text);
    return status;
}

/* Does the new key hold already? Asked with that key. */
static bool new_key_holds(struct cli *cli, const struct rotation *rotation)
{
    struct conclave_client *client = NULL;
    struct auth_key old = cli->key;
    cli->key = rotation->new_file.key;
    bool holds = session_open(cli, cli->endpoints, cli->endpoint_count, cli->timeout_ms, &client) ==
                     0 &&
                 conclave_prove(client) == CONCLAVE_OK;
    conclave_close(client);
    cli->key = old;
    auth_key_wipe(&old);
    return holds;
}

static int finish(struct cli *cli, const struct rotation *rotation)
{
    if (rotation->replaces && rename(rotation->new_path, cli->key_path) != 0) {
        return cli_error(cli, CONCLAVE_IO, "the key has changed: use the new file from now on",
                         "%s cannot take the place of %s: %s", rotation->new_path, cli->key_path,
                         strerror(errno));
    }
    return 0;
}

static int submit_rotation(struct cli *cli, const struct rotation *rotation, json_t **reply)
{
    struct body body;
    body_init(&body);
    int status = write_body(cli, rotation, &body);
    if (status != 0) {
        body_close(&body);
        return status;
    }
    cli->expected = CONCLAVE_KEY_REVOKED;
    status = session_submit(cli, "member.rotate-key", &body, reply);
    cli->expected = CONCLAVE_OK;
    if (status == 0 || conclave_last_failure(cli->client)->code != CONCLAVE_KEY_REVOKED) {
        return status;
    }
    /* An earlier try may have been decided after all. */
    return new_key_holds(cli, rotation) ? 0 : cli_failure(cli, NULL);
}

int member_rotate_key(struct cli *cli)
{
    struct rotation rotation = {.replaces = false};
    json_t *reply = NULL;
    int status = take_keys(cli, &rotation);
    if (status == 0) {
        status = submit_rotation(cli, &rotation, &reply);
    }
    if (status == 0) {
        status = finish(cli, &rotation);
    } else if (cli->request[0] != '\0' && rotation.replaces && !cli->output.json) {
        fprintf(cli->output.error,
                "hint: the new key is kept in %s; the same command tries again with it\n",
                rotation.new_path);
    }
    const char *file = rotation.replaces ? cli->key_path : rotation.new_path;
    if (status == 0 && reply != NULL) {
        status = session_done(cli, reply, "%s has a new key, in %s", cli->author, file);
    } else if (status == 0 && !cli->output.quiet) {
        output_print(&cli->output, OUTPUT_PLAIN, "%s has a new key, in %s\n", cli->author, file);
    }
    key_file_wipe(&rotation.old_file);
    key_file_wipe(&rotation.new_file);
    passphrase_wipe(&rotation.passphrase);
    return status;
}

int member_revoke(struct cli *cli)
{
    const char *id = args_word(&cli->args, 0);
    struct body body;
    body_init(&body);
    body_text(&body, "id", id);
    body_text(&body, "reason", args_text(&cli->args, "reason"));
    json_t *reply;
    int status = session_submit(cli, "member.revoke", &body, &reply);
    return status != 0 ? status : session_done(cli, reply, "revoked the key of %s, for good", id);
}

const struct args_option member_rotate_key_options[] = {
    {.name = "new-key",
     .argument = "FILE",
     .help = "Take this key file (of `conclave key new`) instead of making one"},
    ARGS_END};

const struct args_option member_revoke_options[] = {
    {.name = "reason", .argument = "TEXT", .help = "Why, for the record"}, ARGS_END};
