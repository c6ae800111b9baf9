/* Receipts from files: read, checked, shown. */
#include "verify_receipt.h"

#include "key.h"
#include "receipt_print.h"
#include "session.h"

/* What to do about a receipt that proves nothing. */
#define NOT_PROVEN_HINT \
    "it was changed, or never was a receipt; if it came so from the cluster, keep it and ask why"

static int check_author(struct cli *cli, const char *path, const struct audit_receipt *proven,
                        const uint8_t *public_key)
{
    if (public_key == NULL || audit_receipt_signed_by(proven, public_key)) {
        return 0;
    }
    char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
    auth_public_key_text(public_key, text);
    return cli_error(cli, CONCLAVE_NOT_PROVEN, "the author may have had another key then",
                     proven->has_command ? "%s: the command in it is not signed with the key %s"
                                         : "%s: the command is not in it, so nothing is known of "
                                           "its signature by %s",
                     path, text);
}

static int verify_one(struct cli *cli, const char *path, const uint8_t *cluster_id,
                      const uint8_t *public_key)
{
    struct buffer text;
    struct audit_receipt proven;
    struct codec_error error = {.text = "no memory"};
    buffer_init(&text, RECEIPT_BYTES_MAX);
    int status = session_read_file(cli, path, RECEIPT_BYTES_MAX, &text);
    if (status != 0) {
        buffer_close(&text);
        return status;
    }
    enum conclave_code code = audit_receipt_open(&proven, buffer_slice(&text), cluster_id, &error);
    if (code != CONCLAVE_OK) {
        status = cli_error(cli, code, code == CONCLAVE_NOT_PROVEN ? NOT_PROVEN_HINT : NULL,
                           "%s: %s", path,
                           code == CONCLAVE_NOT_PROVEN ? error.text : conclave_code_text(code));
        buffer_close(&text);
        return status;
    }
    status = check_author(cli, path, &proven, public_key);
    if (status == 0 && (!cli->output.quiet || cli->output.json)) {
        char key_text[AUTH_PUBLIC_KEY_TEXT_BYTES] = "";
        if (public_key != NULL) {
            auth_public_key_text(public_key, key_text);
        }
        const struct receipt_shown shown = {.path = path,
                                            .pinned = cluster_id != NULL,
                                            .signed_by = public_key == NULL ? NULL : key_text};
        receipt_print(&cli->output, &proven, &shown);
    }
    audit_receipt_close(&proven);
    buffer_close(&text);
    return status;
}

int verify_receipts(struct cli *cli, const uint8_t *cluster_id)
{
    ASSERT(cli != NULL && cli->args.word_count > 0);
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES];
    const char *key_text = args_text(&cli->args, "public-key");
    int first = key_text == NULL ? 0 : key_take_public(cli, key_text, public_key);
    if (first != 0) {
        return first;
    }
    for (size_t i = 0; i < cli->args.word_count; i++) {
        if (i > 0 && !cli->output.json && !cli->output.quiet) {
            output_print(&cli->output, OUTPUT_PLAIN, "\n");
        }
        int status = verify_one(cli, args_word(&cli->args, i), cluster_id,
                                key_text == NULL ? NULL : public_key);
        first = first == 0 ? status : first;
    }
    return first;
}
