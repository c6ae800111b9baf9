/* Commands: sign once, send the same bytes until there is an answer. */
#include "client/client.h"

#include <conclave/limits.h>
#include <sodium.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "codec/envelope.h"
#include "codec/writer.h"

#define NOT_AFTER_AHEAD_MS (3600u * 1000u)

/* docs/PROTOCOL.md recommends: 8 bytes of big-endian time, 8 random bytes. */
static void make_nonce(uint8_t nonce[CONCLAVE_NONCE_BYTES], uint64_t now_ms)
{
    ASSERT(nonce != NULL);
    for (unsigned i = 0; i < 8; i++) {
        nonce[i] = (uint8_t)(now_ms >> (56u - 8u * i));
    }
    randombytes_buf(nonce + 8, CONCLAVE_NONCE_BYTES - 8);
}

/* Writes the signed command into client->command. */
static enum conclave_code sign_command(struct conclave_client *client, const struct envelope *head,
                                       const uint8_t *secret_key, struct slice body)
{
    struct buffer envelope;
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    envelope_write_head(&envelope, head);
    codec_write_raw(&envelope, body);
    enum conclave_code rv = envelope.status;
    if (rv == CONCLAVE_OK) {
        struct auth_key key;
        uint8_t signature[AUTH_SIGNATURE_BYTES];
        memcpy(key.secret_key, secret_key, AUTH_SECRET_KEY_BYTES);
        memcpy(key.public_key, secret_key + AUTH_SECRET_KEY_BYTES - AUTH_PUBLIC_KEY_BYTES,
               AUTH_PUBLIC_KEY_BYTES);
        auth_sign(&key, buffer_slice(&envelope), signature);
        auth_key_wipe(&key);
        envelope_write_command(&client->command, buffer_slice(&envelope),
                               slice_of(signature, sizeof signature));
        rv = client->command.status;
    }
    buffer_close(&envelope);
    if (rv != CONCLAVE_OK) {
        client->command.size = 0;
        return client_fail(client, rv, NULL,
                           rv == CONCLAVE_TOO_LARGE ? "the command is larger than 96 KiB"
                                                    : conclave_code_text(rv));
    }
    return CONCLAVE_OK;
}

/* The code in a reply map; INTERNAL for one that this client does not know. */
static enum conclave_code read_reply(struct conclave_client *client, struct slice reply)
{
    struct reply_head {
        struct slice code;
        struct slice message;
    } head = {0};
    static const struct codec_field fields[] = {
        {"code", CODEC_STRING, true, offsetof(struct reply_head, code), 1, 64},
        {"message", CODEC_STRING, false, offsetof(struct reply_head, message), 0, 0},
    };
    const char *endpoint = client->endpoints[client->current].address.text;
    struct codec_tree tree;
    struct codec_error error;
    enum conclave_code rv = codec_parse(&tree, reply);
    if (rv != CONCLAVE_OK) {
        return client_fail(client, CONCLAVE_UNKNOWN_OUTCOME, endpoint,
                           "the node's reply is not understood");
    }
    if (codec_decode_map(&tree.root, fields, 2, false, &head, &error) != CONCLAVE_OK) {
        rv = client_fail(client, CONCLAVE_UNKNOWN_OUTCOME, endpoint,
                         "the node's reply is not understood");
        goto done;
    }
    rv = conclave_code_from_name((const char *)head.code.data, head.code.size);
    if (rv == CONCLAVE_CODE_COUNT) {
        rv = CONCLAVE_INTERNAL;
    }
    if (rv != CONCLAVE_OK) {
        char message[512];
        size_t size = head.message.size < sizeof message - 1 ? head.message.size
                                                             : sizeof message - 1;
        if (size > 0) {
            memcpy(message, head.message.data, size);
        }
        message[size] = '\0';
        (void)client_fail(client, rv, endpoint, size > 0 ? message : conclave_code_text(rv));
    }
done:
    codec_tree_close(&tree);
    return rv;
}

static enum conclave_code submit_until(struct conclave_client *client, struct slice command,
                                       uint64_t deadline_ms, struct conclave_bytes *reply)
{
    struct buffer params;
    buffer_init(&params, LIMIT_FRAME_BYTES);
    codec_write_map(&params, 1);
    codec_write_text(&params, "command");
    codec_write_bytes(&params, command);
    enum conclave_code rv = params.status;
    if (rv != CONCLAVE_OK) {
        rv = client_fail(client, rv, NULL, conclave_code_text(rv));
        goto done;
    }
    const struct client_call call = {.method = "submit",
                                     .params = buffer_slice(&params),
                                     .command = true,
                                     .deadline_ms = deadline_ms};
    struct slice packed;
    rv = client_run(client, &call, &packed);
    if (rv != CONCLAVE_OK) {
        goto done;
    }
    rv = read_reply(client, packed);
    if (rv != CONCLAVE_UNKNOWN_OUTCOME) {
        *reply = (struct conclave_bytes){packed.data, packed.size};
    }
done:
    buffer_close(&params);
    return rv;
}

enum conclave_code conclave_submit(struct conclave_client *client, const char *author,
                                   const uint8_t secret_key[CONCLAVE_SECRET_KEY_BYTES],
                                   const char *kind, const void *body, size_t body_size,
                                   uint8_t nonce[CONCLAVE_NONCE_BYTES],
                                   struct conclave_bytes *reply)
{
    ASSERT(client != NULL && author != NULL && secret_key != NULL && kind != NULL);
    ASSERT(body != NULL && body_size > 0 && nonce != NULL && reply != NULL);
    client_clear_failure(client);
    *reply = (struct conclave_bytes){0};
    memset(nonce, 0, CONCLAVE_NONCE_BYTES);
    buffer_clear(&client->command);
    uint64_t deadline_ms = client_now_ms() + client->timeout_ms;
    enum conclave_code rv = client_need_cluster(client, deadline_ms);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t now_ms = clock_wall_ms(&clock_system);
    uint64_t ahead_ms = client->timeout_ms > NOT_AFTER_AHEAD_MS ? client->timeout_ms
                                                                : NOT_AFTER_AHEAD_MS;
    make_nonce(nonce, now_ms);
    const struct envelope head = {
        .cluster = slice_of(client->cluster_id, sizeof client->cluster_id),
        .author = slice_of_text(author),
        .nonce = slice_of(nonce, CONCLAVE_NONCE_BYTES),
        .not_after_ms = now_ms + ahead_ms,
        .kind = slice_of_text(kind)};
    rv = sign_command(client, &head, secret_key, slice_of(body, body_size));
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    return submit_until(client, buffer_slice(&client->command), deadline_ms, reply);
}

enum conclave_code conclave_submit_signed(struct conclave_client *client, const void *command,
                                          size_t command_size, struct conclave_bytes *reply)
{
    ASSERT(client != NULL && command != NULL && command_size > 0 && reply != NULL);
    client_clear_failure(client);
    *reply = (struct conclave_bytes){0};
    return submit_until(client, slice_of(command, command_size),
                        client_now_ms() + client->timeout_ms, reply);
}

struct conclave_bytes conclave_last_command(const struct conclave_client *client)
{
    ASSERT(client != NULL);
    return (struct conclave_bytes){client->command.data, client->command.size};
}
