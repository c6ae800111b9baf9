/* conclave member: who is in the cluster. */
#include <string.h>

#include "codec/writer.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "key.h"
#include "member_key.h"
#include "session.h"

/* Labels: a repeatable option, each value one label or several with commas. */
static void write_labels(struct body *body, const struct cli *cli, const char *option,
                         const char *key)
{
    uint32_t count = 0;
    size_t given = args_count(&cli->args, option);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            body_key(body, key);
            codec_write_array(&body->pairs, count);
        }
        for (size_t i = 0; i < given; i++) {
            for (const char *text = args_nth(&cli->args, option, i); *text != '\0';) {
                size_t size = strcspn(text, ",");
                count += pass == 0 && size > 0;
                if (pass == 1 && size > 0) {
                    codec_write_string(&body->pairs, slice_of(text, size));
                }
                text += size + (text[size] == ',');
            }
        }
    }
}

static int write_common(struct cli *cli, struct body *body, const char *id)
{
    body_text(body, "id", id);
    body_text(body, "name", args_text(&cli->args, "name"));
    if (args_given(&cli->args, "weight")) {
        uint64_t weight;
        int status = session_number(cli, "weight", 1, LIMIT_WEIGHT, 1, &weight);
        if (status != 0) {
            return status;
        }
        body_u64(body, "weight", weight);
    }
    if (args_given(&cli->args, "class") || args_given(&cli->args, "no-classes")) {
        write_labels(body, cli, "class", "classes");
    }
    if (args_given(&cli->args, "role") || args_given(&cli->args, "no-roles")) {
        write_labels(body, cli, "role", "roles");
    }
    return 0;
}

static int run_admit(struct cli *cli)
{
    const char *id = args_word(&cli->args, 0);
    const char *key_text = args_text(&cli->args, "public-key");
    uint8_t key[AUTH_PUBLIC_KEY_BYTES];
    if (key_text == NULL) {
        return cli_usage(
            cli, "--public-key is needed: the member makes it with `conclave key new %s`", id);
    }
    int status = key_take_public(cli, key_text, key);
    if (status != 0) {
        return status;
    }
    struct body body;
    body_init(&body);
    status = write_common(cli, &body, id);
    if (status != 0) {
        body_close(&body);
        return status;
    }
    body_bytes(&body, "key", slice_of(key, sizeof key));
    body_text(&body, "kind", args_text(&cli->args, "kind"));
    json_t *reply;
    status = session_submit(cli, "member.admit", &body, &reply);
    if (status != 0) {
        return status;
    }
    return session_done(cli, reply, "admitted %s as member %s", id,
                        convert_text(json_object_get(reply, "result"), "number"));
}

static int run_update(struct cli *cli)
{
    const char *id = args_word(&cli->args, 0);
    struct body body;
    body_init(&body);
    int status = write_common(cli, &body, id);
    if (status == 0) {
        body_text(&body, "status", args_text(&cli->args, "status"));
        if (body.count < 2) {
            status = cli_usage(cli, "nothing to change: give --name, --weight, --class, --role or "
                                    "--status");
        }
    }
    if (status != 0) {
        body_close(&body);
        return status;
    }
    json_t *reply;
    status = session_submit(cli, "member.update", &body, &reply);
    return status != 0 ? status : session_done(cli, reply, "updated %s", id);
}

/* "general, expert:technical" */
static const char *join(const json_t *array, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(array) && used < size; i++) {
        int written = snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
                               convert_item_text(array, i));
        used += written < 0 ? size : (size_t)written;
    }
    return text;
}

static enum output_style style_of_status(const char *status)
{
    return strcmp(status, "active") == 0      ? OUTPUT_GOOD
           : strcmp(status, "suspended") == 0 ? OUTPUT_NOTICE
                                              : OUTPUT_DIM;
}

static int run_list(struct cli *cli)
{
    int status;
    json_t *answer = session_list(cli, "member.list", NULL, "id", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "members", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "NAME", OUTPUT_SHRINK);
    output_table_column(&table, "KIND", OUTPUT_LEFT);
    output_table_column(&table, "WEIGHT", OUTPUT_RIGHT);
    output_table_column(&table, "STATUS", OUTPUT_LEFT);
    output_table_column(&table, "CLASSES", OUTPUT_SHRINK);
    output_table_column(&table, "ROLES", OUTPUT_SHRINK);
    size_t i;
    const json_t *member;
    char text[LIMIT_CLASSES * (LIMIT_LABEL_BYTES + 2) + 1];
    json_array_foreach(json_object_get(answer, "items"), i, member)
    {
        output_table_cell(&table, convert_text(member, "id"));
        output_table_cell(&table, convert_text(member, "name"));
        output_table_cell(&table, convert_text(member, "kind"));
        output_table_cell(&table, convert_text(member, "weight"));
        output_table_styled(&table, style_of_status(convert_text(member, "status")),
                            convert_text(member, "status"));
        output_table_cell(&table, join(json_object_get(member, "classes"), text, sizeof text));
        output_table_cell(&table, join(json_object_get(member, "roles"), text, sizeof text));
    }
    output_table_finish(&table, &cli->output, "no members");
    json_decref(answer);
    return 0;
}

/* The keys before the one that holds, and a revoked one. */
static void print_keys(const struct output *output, const json_t *keys)
{
    size_t i;
    const json_t *key;
    json_array_foreach(keys, i, key)
    {
        uint8_t bytes[AUTH_PUBLIC_KEY_BYTES];
        char text[AUTH_PUBLIC_KEY_TEXT_BYTES] = "";
        char line[LIMIT_TITLE_BYTES + 256];
        if (json_is_null(json_object_get(key, "ended"))) {
            continue;
        }
        if (convert_hex_parse(convert_text(key, "key"), bytes, sizeof bytes)) {
            auth_public_key_text(bytes, text);
        }
        const char *reason = convert_text(key, "reason");
        snprintf(line, sizeof line, "%s, log %s to %s, %s%s%s", text, convert_text(key, "from"),
                 convert_text(key, "until"), convert_text(key, "ended"),
                 reason[0] == '\0' ? "" : ": ", reason);
        output_field(output, "ended key", line);
    }
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", args_word(&cli->args, 0));
    int status;
    json_t *member = session_query(cli, "member.get", &params, &status);
    if (member == NULL) {
        return status;
    }
    uint8_t key[AUTH_PUBLIC_KEY_BYTES];
    char key_text[AUTH_PUBLIC_KEY_TEXT_BYTES] = "";
    if (convert_hex_parse(convert_text(member, "key"), key, sizeof key)) {
        auth_public_key_text(key, key_text);
    }
    if (cli->output.json) {
        (void)json_object_set_new(member, "public_key", json_string(key_text));
        output_json(&cli->output, "member", member);
        return 0;
    }
    char text[LIMIT_CLASSES * (LIMIT_LABEL_BYTES + 2) + 1];
    char time[FORMAT_TIME_BYTES];
    char admitted[96];
    format_time(convert_u64(member, "time"), time);
    snprintf(admitted, sizeof admitted, "%s (log %s)", time, convert_text(member, "index"));
    output_field(&cli->output, "id", convert_text(member, "id"));
    output_field(&cli->output, "number", convert_text(member, "number"));
    output_field(&cli->output, "name", convert_text(member, "name"));
    output_field(&cli->output, "kind", convert_text(member, "kind"));
    output_field(&cli->output, "status", convert_text(member, "status"));
    output_field(&cli->output, "weight", convert_text(member, "weight"));
    output_field(&cli->output, "classes",
                 join(json_object_get(member, "classes"), text, sizeof text));
    output_field(&cli->output, "roles", join(json_object_get(member, "roles"), text, sizeof text));
    output_field(&cli->output, "public key", key_text);
    output_field(&cli->output, "admitted", admitted);
    print_keys(&cli->output, json_object_get(member, "keys"));
    json_decref(member);
    return 0;
}

#define MEMBER_OPTIONS                                                                            \
    {.name = "name", .argument = "NAME", .help = "Name for people"},                              \
        {.name = "weight", .argument = "N", .help = "What the member's vote weighs (default 1)"}, \
        {.name = "class",                                                                         \
         .argument = "CLASS",                                                                     \
         .help = "A class, such as general; again, or with commas, for more",                     \
         .repeatable = true},                                                                     \
    {                                                                                             \
        .name = "role", .argument = "ROLE",                                                       \
        .help = "A role: chair, expert:DOMAIN; again, or with commas, for more",                  \
        .repeatable = true                                                                        \
    }

static const struct args_option admit_options[] = {
    {.name = "public-key",
     .argument = "KEY",
     .help = "The member's public key (ed25519:...), or the key file it stands in"},
    {.name = "kind", .argument = "KIND", .help = "model (default), person or service"},
    MEMBER_OPTIONS,
    ARGS_END};

static const struct args_option update_options[] = {
    {.name = "status", .argument = "STATUS", .help = "active, suspended or retired"},
    {.name = "no-classes", .help = "Leave the member without classes"},
    {.name = "no-roles", .help = "Leave the member without roles"},
    MEMBER_OPTIONS,
    ARGS_END};

static const struct args_option list_options[] = {SESSION_LIST_OPTIONS, ARGS_END};

static const struct command member_commands[] = {
    {.verb = "admit",
     .summary = "Admit a member (chairs only)",
     .usage = "ID --public-key KEY [OPTIONS]",
     .examples = "conclave member admit bob --public-key ed25519:...\n"
                 "conclave member admit gpt-5 --public-key gpt-5.key --class general --weight 2\n"
                 "conclave member admit dora --public-key dora.key --kind person "
                 "--role expert:technical\n",
     .options = admit_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_admit},
    {.verb = "update",
     .summary = "Change a member (chairs only); what is given is replaced",
     .usage = "ID [OPTIONS]",
     .details = "Polls that are open keep the roll they were opened with.",
     .examples = "conclave member update bob --status suspended\n"
                 "conclave member update bob --role chair --weight 3\n"
                 "conclave member update bob --no-classes\n",
     .options = update_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_update},
    {.verb = "rotate-key",
     .summary = "Put a new key in the place of your own",
     .usage = "[--new-key FILE]",
     .details = "The command is signed by the old key and carries the new key's proof that it is "
                "yours. A new key is made beside the key file, with the same passphrase, and takes "
                "its place when the cluster has accepted it. From then on the old key signs "
                "nothing; what it signed before stays. If the outcome stays unknown both files are "
                "kept: run it again.",
     .examples = "conclave member rotate-key\n"
                 "conclave member rotate-key --new-key ./alice-2026.key\n",
     .options = member_rotate_key_options,
     .run = member_rotate_key},
    {.verb = "revoke",
     .summary = "End a member's key, for good (chairs only)",
     .usage = "ID [--reason TEXT]",
     .details = "For a key that is lost or that others have. What it signed before stays; nothing "
                "it signs later counts, not even a ballot in an open poll. Who comes back is "
                "admitted as a new member.",
     .examples = "conclave member revoke bob --reason 'laptop stolen'\n",
     .options = member_revoke_options,
     .words_min = 1,
     .words_max = 1,
     .run = member_revoke},
    {.verb = "list",
     .summary = "List the members",
     .examples = "conclave member list\nconclave member list --limit 10 --after bob --json\n",
     .options = list_options,
     .run = run_list},
    {.verb = "show",
     .summary = "Show one member",
     .usage = "ID",
     .examples = "conclave member show bob\n",
     .words_min = 1,
     .words_max = 1,
     .run = run_show},
};

const struct command_group cli_group_member = {"member", "Admit, change and list members",
                                               member_commands, COMMANDS_COUNT(member_commands)};
