/* conclave init: the genesis of a cluster and the configuration of its nodes.
 *
 * The genesis file is text: comment lines, then `conclave-genesis-v1 ` and the base64url (no
 * padding) of the signed genesis command. Every node is started with the same file; the cluster's
 * id is the hash of what is in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "client/address.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "certs_make.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "init.h"
#include "key.h"

#define NOT_AFTER_AHEAD_MS LIMIT_NOT_AFTER_AHEAD_MS
#define INI_LINE_BYTES     198 /* conclaved reads no longer line (inih's INI_MAX_LINE is 200) */

/* "1=127.0.0.1:7101,127.0.0.1:7201" */
static bool parse_node(const char *text, struct init_node *node)
{
    char id[24];
    size_t id_size = strcspn(text, "=");
    if (text[id_size] != '=' || id_size >= sizeof id) {
        return false;
    }
    snprintf(id, sizeof id, "%.*s", (int)id_size, text);
    const char *peer = text + id_size + 1;
    size_t peer_size = strcspn(peer, ",");
    if (!format_parse_u64(id, &node->id) || node->id == 0 || node->id > INT64_MAX ||
        peer[peer_size] != ',' || peer_size > LIMIT_ADDRESS_BYTES ||
        strlen(peer + peer_size + 1) > LIMIT_ADDRESS_BYTES) {
        return false;
    }
    snprintf(node->peer, sizeof node->peer, "%.*s", (int)peer_size, peer);
    snprintf(node->client, sizeof node->client, "%s", peer + peer_size + 1);
    struct client_address address;
    return client_address_parse(&address, node->peer) == CONCLAVE_OK &&
           client_address_parse(&address, node->client) == CONCLAVE_OK;
}

/* Addresses are numbers: conclaved refuses what this refuses. An address that is not loopback's
 * makes the cluster one with TLS: without, a node neither listens there nor dials it. */
static int check_address(struct cli *cli, struct init *init, const struct init_node *node,
                         const char *text)
{
    struct client_address address;
    struct in_addr four;
    struct in6_addr six;
    if (client_address_parse(&address, text) != CONCLAVE_OK) {
        return cli_usage(cli, "--node %llu: %s is no address", (unsigned long long)node->id, text);
    }
    bool is_four = inet_pton(AF_INET, address.host, &four) == 1;
    bool is_six = inet_pton(AF_INET6, address.host, &six) == 1;
    if (!is_four && !is_six) {
        return cli_usage(cli, "--node %llu: %s is no IP address and port: names are not looked up",
                         (unsigned long long)node->id, text);
    }
    if ((is_four && four.s_addr == 0) || (is_six && IN6_IS_ADDR_UNSPECIFIED(&six))) {
        return cli_usage(cli,
                         "--node %llu: %s can be listened on, but not dialled: give the address "
                         "that the others dial (listen_peer in node%llu.ini may be another)",
                         (unsigned long long)node->id, text, (unsigned long long)node->id);
    }
    bool loopback = is_four ? ntohl(four.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&six);
    init->tls = init->tls || !loopback;
    return 0;
}

static int check_distinct(struct cli *cli, const struct init *init)
{
    for (size_t i = 0; i < init->node_count; i++) {
        const struct init_node *a = &init->nodes[i];
        if (strcmp(a->peer, a->client) == 0) {
            return cli_usage(cli, "node %llu has one address for peers and clients: %s",
                             (unsigned long long)a->id, a->peer);
        }
        for (size_t j = i + 1; j < init->node_count; j++) {
            const struct init_node *b = &init->nodes[j];
            if (a->id == b->id) {
                return cli_usage(cli, "two nodes have the number %llu", (unsigned long long)a->id);
            }
            if (strcmp(a->peer, b->peer) == 0 || strcmp(a->client, b->client) == 0 ||
                strcmp(a->peer, b->client) == 0 || strcmp(a->client, b->peer) == 0) {
                return cli_usage(cli, "nodes %llu and %llu share an address",
                                 (unsigned long long)a->id, (unsigned long long)b->id);
            }
        }
    }
    return 0;
}

int init_take_nodes(struct cli *cli, struct init *init)
{
    size_t count = args_count(&cli->args, "node");
    if (count == 0 || count > LIMIT_NODES) {
        return cli_usage(cli,
                         "a cluster has 1 to %u nodes: give --node for each (3 or 5 are usual)",
                         LIMIT_NODES);
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = args_nth(&cli->args, "node", i);
        if (!parse_node(text, &init->nodes[i])) {
            return cli_usage(cli,
                             "--node %s: not NUMBER=PEER_ADDRESS,CLIENT_ADDRESS, such as "
                             "1=127.0.0.1:7101,127.0.0.1:7201",
                             text);
        }
        int status = check_address(cli, init, &init->nodes[i], init->nodes[i].peer);
        if (status == 0) {
            status = check_address(cli, init, &init->nodes[i], init->nodes[i].client);
        }
        if (status != 0) {
            return status;
        }
    }
    init->node_count = count;
    return check_distinct(cli, init);
}

int init_check_name(struct cli *cli, const char *name)
{
    if (name[0] == '\0' || strlen(name) > LIMIT_NAME_BYTES) {
        return cli_usage(cli, "--name: 1 to %u bytes", LIMIT_NAME_BYTES);
    }
    for (const char *at = name; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) { /* it stands in lines of the files */
            return cli_usage(cli, "--name: no control characters");
        }
    }
    return 0;
}

static int take_options(struct cli *cli, struct init *init)
{
    init->name = args_text(&cli->args, "name");
    init->chair = args_text(&cli->args, "chair");
    init->out = args_text(&cli->args, "out");
    init->tls = args_given(&cli->args, "tls");
    if (init->name == NULL || init->chair == NULL || init->out == NULL) {
        return cli_usage(cli, "--name, --chair and --out are needed");
    }
    int status = init_check_name(cli, init->name);
    if (status != 0) {
        return status;
    }
    const char *reads = args_text(&cli->args, "reads");
    if (reads != NULL && strcmp(reads, "public") != 0 && strcmp(reads, "members") != 0) {
        return cli_usage(cli, "--reads %s: it is public or members", reads);
    }
    if (!envelope_id_valid(slice_of_text(init->chair))) {
        return cli_usage(cli, "--chair %s: not a member id", init->chair);
    }
    return init_take_nodes(cli, init);
}

/* The chair's key: the file's, or a new one. */
static int take_key(struct cli *cli, const struct init *init, bool *made)
{
    *made = access(cli->key_path, F_OK) != 0 && errno == ENOENT;
    if (*made) {
        int status = key_create_asking(cli, cli->key_path, init->chair, &cli->key);
        cli->key_loaded = status == 0;
        return status;
    }
    int status = session_load_key(cli);
    if (status == 0 && strcmp(cli->author, init->chair) != 0) {
        return cli_usage(cli, "the key file %s is that of %s, not of the chair %s", cli->key_path,
                         cli->author, init->chair);
    }
    return status;
}

static void write_former(struct buffer *buffer, const struct genesis_former *former)
{
    codec_write_text(buffer, "former");
    codec_write_map(buffer, 6);
    codec_write_text(buffer, "clusters");
    codec_write_array(buffer, former->count);
    for (uint32_t i = 0; i < former->count; i++) {
        codec_write_bytes(buffer, slice_of(former->clusters[i], sizeof former->clusters[i]));
    }
    codec_write_text(buffer, "index");
    codec_write_u64(buffer, former->index);
    codec_write_text(buffer, "digest");
    codec_write_bytes(buffer, slice_of(former->digest, sizeof former->digest));
    codec_write_text(buffer, "leaves");
    codec_write_u64(buffer, former->leaves);
    codec_write_text(buffer, "root");
    codec_write_bytes(buffer, slice_of(former->root, sizeof former->root));
    codec_write_text(buffer, "backup");
    codec_write_bytes(buffer, slice_of(former->backup, sizeof former->backup));
}

static void write_body(struct buffer *buffer, const struct cli *cli, const struct init *init)
{
    const char *chair_name = args_text(&cli->args, "chair-name");
    const char *reads = args_text(&cli->args, "reads");
    codec_write_map(buffer, 4u + (reads != NULL ? 1u : 0u) + (init->former != NULL ? 1u : 0u));
    if (init->former != NULL) {
        write_former(buffer, init->former);
    }
    if (reads != NULL) {
        codec_write_text(buffer, "reads");
        codec_write_text(buffer, reads);
    }
    codec_write_text(buffer, "name");
    codec_write_text(buffer, init->name);
    codec_write_text(buffer, "nodes");
    codec_write_array(buffer, (uint32_t)init->node_count);
    for (size_t i = 0; i < init->node_count; i++) {
        codec_write_array(buffer, 4);
        codec_write_u64(buffer, init->nodes[i].id);
        codec_write_text(buffer, init->nodes[i].peer);
        codec_write_text(buffer, init->nodes[i].client);
        codec_write_bytes(buffer, slice_of(init->nodes[i].public_key, AUTH_PUBLIC_KEY_BYTES));
    }
    codec_write_text(buffer, "chair");
    codec_write_map(buffer, chair_name == NULL ? 2 : 3);
    codec_write_text(buffer, "id");
    codec_write_text(buffer, init->chair);
    codec_write_text(buffer, "key");
    codec_write_bytes(buffer, slice_of(cli->key.public_key, sizeof cli->key.public_key));
    if (chair_name != NULL) {
        codec_write_text(buffer, "name");
        codec_write_text(buffer, chair_name);
    }
    codec_write_text(buffer, "created");
    codec_write_u64(buffer, init->created_ms);
}

/* The key with which a node signs checkpoints, for node<N>.key; one that is there is taken. */
static int make_node_key(struct cli *cli, const struct init *init, struct init_node *node)
{
    char path[CLI_PATH_BYTES + 40];
    char owner[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    snprintf(path, sizeof path, "%s/node%llu.key", init->directory, (unsigned long long)node->id);
    enum conclave_code code = auth_key_load(path, owner, &key);
    if (code == CONCLAVE_NOT_FOUND) {
        snprintf(owner, sizeof owner, "node%llu", (unsigned long long)node->id);
        auth_key_generate(&key);
        code = auth_key_save(path, owner, &key);
    }
    if (code == CONCLAVE_OK) {
        memcpy(node->public_key, key.public_key, sizeof node->public_key);
    }
    auth_key_wipe(&key);
    return code == CONCLAVE_OK ? 0
                               : cli_error(cli, code, NULL, "%s, the node's key: %s", path,
                                           conclave_code_text(code));
}

static int sign_genesis(struct cli *cli, struct init *init)
{
    static const uint8_t no_cluster[ENVELOPE_CLUSTER_BYTES];
    uint8_t nonce[ENVELOPE_NONCE_BYTES];
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES];
    struct buffer envelope;
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    uint64_t now_ms = clock_wall_ms(&clock_system);
    init->created_ms = init->created_ms > now_ms ? init->created_ms : now_ms;
    randombytes_buf(nonce, sizeof nonce);
    const struct envelope head = {
        .cluster = slice_of(no_cluster, sizeof no_cluster),
        .author = slice_of_text(init->chair),
        .nonce = slice_of(nonce, sizeof nonce),
        .not_after_ms = init->created_ms + NOT_AFTER_AHEAD_MS,
        .kind = slice_of_text(init->former == NULL ? GENESIS_KIND : GENESIS_RESTORE_KIND)};
    envelope_write_head(&envelope, &head);
    write_body(&envelope, cli, init);
    enum conclave_code code = envelope.status;
    if (code == CONCLAVE_OK) {
        auth_sign(&cli->key, buffer_slice(&envelope), signature);
        auth_cluster_id(buffer_slice(&envelope), init->cluster_id);
        envelope_write_command(&init->command, buffer_slice(&envelope),
                               slice_of(signature, sizeof signature));
        code = init->command.status;
    }
    buffer_close(&envelope);
    return code == CONCLAVE_OK ? 0 : cli_error(cli, code, NULL, "%s", conclave_code_text(code));
}

/* Writes a new file, whole and synced, or says why not. */
static int write_file(struct cli *cli, const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return cli_error(cli, errno == EEXIST ? CONCLAVE_USAGE : CONCLAVE_IO,
                         errno == EEXIST ? "a cluster is made once: choose another --out directory"
                                         : "",
                         "%s cannot be made: %s", path, strerror(errno));
    }
    size_t size = strlen(text);
    bool written = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 || !written) {
        (void)unlink(path);
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be written: %s", path, strerror(error));
    }
    return 0;
}

static int write_genesis(struct cli *cli, const struct init *init)
{
    char path[CLI_PATH_BYTES + 16];
    char created[FORMAT_TIME_BYTES];
    char *hex = convert_hex(slice_of(init->cluster_id, sizeof init->cluster_id));
    char *base64 = convert_base64(buffer_slice(&init->command));
    struct buffer text;
    buffer_init(&text, LIMIT_FRAME_BYTES);
    format_time(init->created_ms, created);
    snprintf(path, sizeof path, "%s/genesis", init->directory);
    char head[1024];
    snprintf(head, sizeof head,
             "# The genesis of the Conclave cluster \"%s\", made by conclave %s.\n"
             "# Every node is started with this same file: conclaved --bootstrap. Nothing in it is "
             "secret.\n"
             "# cluster %s\n# chair %s\n# created %s\nconclave-genesis-v1 ",
             init->name, init->former == NULL ? "init" : "restore", hex == NULL ? "" : hex,
             init->chair, created);
    int status;
    if (hex == NULL || base64 == NULL) {
        status = cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
    } else {
        buffer_append(&text, head, strlen(head));
        buffer_append(&text, base64, strlen(base64));
        buffer_append(&text, "\n", 2); /* and the NUL */
        status = text.status != CONCLAVE_OK
                     ? cli_error(cli, text.status, NULL, "%s", conclave_code_text(text.status))
                     : write_file(cli, path, (const char *)text.data);
    }
    buffer_close(&text);
    memory_free(hex);
    memory_free(base64);
    return status;
}

static int write_configuration(struct cli *cli, const struct init *init, size_t i)
{
    char path[CLI_PATH_BYTES + 40];
    char text[5 * CLI_PATH_BYTES + 1024];
    unsigned long long id = init->nodes[i].id;
    snprintf(path, sizeof path, "%s/node%llu.ini", init->directory, id);
    char tls[3 * CLI_PATH_BYTES + 64] = "";
    if (init->tls) {
        struct certs_paths paths;
        const struct issue_files files = certs_node_files(init->certs, id, &paths);
        snprintf(tls, sizeof tls, "\n[tls]\nca = %s/ca.pem\ncertificate = %s\nkey = %s\n",
                 init->certs, files.certificate, files.key);
    }
    int written = snprintf(
        text, sizeof text,
        "; Node %llu of the Conclave cluster \"%s\": conclaved --config %s\n"
        "; conclaved --help lists every key. Its addresses are those of the genesis file:\n"
        "; peers %s, clients %s\n"
        "[node]\nid = %llu\ndata_dir = %s/node%llu\nnode_key = %s/node%llu.key\n\n"
        "[log]\nlevel = info\nformat = logfmt\n%s",
        id, init->name, path, init->nodes[i].peer, init->nodes[i].client, id, init->directory, id,
        init->directory, id, tls);
    if (written < 0 || (size_t)written >= sizeof text) {
        return cli_usage(cli, "--out: the path is too long");
    }
    return write_file(cli, path, text);
}

/* conclaved must be able to read what is written about the directory. */
static int check_lines(struct cli *cli, const struct init *init)
{
    for (size_t i = 0; i < init->node_count; i++) {
        int size = snprintf(NULL, 0,
                            init->tls ? "certificate = %s/certs/node%llu.pem"
                                      : "node_key = %s/node%llu.key",
                            init->directory, (unsigned long long)init->nodes[i].id);
        if (size < 0 || size > INI_LINE_BYTES) {
            return cli_usage(cli,
                             "--out: the path is %d bytes too long: a line of a node's "
                             "configuration has at most %d bytes",
                             size - INI_LINE_BYTES, INI_LINE_BYTES);
        }
    }
    return 0;
}

/* Makes the directory and its absolute name, free of what would break a line of the files. */
int init_make_directory(struct cli *cli, struct init *init)
{
    char path[CLI_PATH_BYTES];
    snprintf(path, sizeof path, "%s/", init->out);
    if (strlen(init->out) + 64 > sizeof path || strpbrk(init->out, "\r\n;") != NULL) {
        return cli_usage(cli, "--out: the path is too long, or has a line end or ; in it");
    }
    if (!key_make_parents(path) || realpath(init->out, init->directory) == NULL) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be made: %s", init->out, strerror(errno));
    }
    snprintf(path, sizeof path, "%.*s/genesis", CLI_PATH_BYTES - 16, init->directory);
    if (access(path, F_OK) == 0) {
        return cli_error(cli, CONCLAVE_USAGE,
                         "a cluster is made once: choose another --out directory",
                         "there is a cluster in %s already", init->out);
    }
    snprintf(init->certs, sizeof init->certs, "%.*s/certs", CLI_PATH_BYTES - 16, init->directory);
    return check_lines(cli, init);
}

/* The CA, and what it signs for the nodes. */
static int make_certificates(struct cli *cli, const struct init *init)
{
    int status = certs_make_directory(cli, init->certs);
    if (status == 0) {
        status = certs_make_ca(cli, init->certs, init->cluster_id, init->name, ISSUE_P256,
                               CERTS_CA_DAYS, false);
    }
    for (size_t i = 0; status == 0 && i < init->node_count; i++) {
        const struct init_node *node = &init->nodes[i];
        struct client_address peer, client;
        enum conclave_code code = client_address_parse(&peer, node->peer);
        if (code == CONCLAVE_OK) {
            code = client_address_parse(&client, node->client);
        }
        ASSERT(code == CONCLAVE_OK); /* take_nodes has looked */
        const char *const hosts[] = {peer.host, client.host};
        size_t count = strcmp(peer.host, client.host) == 0 ? 1 : 2;
        status = certs_make_node(cli, init->certs, init->cluster_id, node->id, hosts, count,
                                 ISSUE_P256, CERTS_DAYS);
    }
    return status;
}

static void print_next(const struct cli *cli, const struct init *init, bool made)
{
    const struct output *output = &cli->output;
    char *hex = convert_hex(slice_of(init->cluster_id, sizeof init->cluster_id));
    char peers[24];
    snprintf(peers, sizeof peers, "%zu", init->node_count);
    output_field(output, "cluster", init->name);
    output_field(output, "id", hex == NULL ? "" : hex);
    output_field(output, "nodes", peers);
    output_field(output, "chair", init->chair);
    output_field(output, made ? "new key" : "key", cli->key_path);
    output_field(output, "directory", init->directory);
    output_field(output, "certificates", init->tls ? init->certs : "");
    memory_free(hex);
    if (output->quiet) {
        return;
    }
    output_print(output, OUTPUT_BOLD, "\nStart the nodes:\n");
    for (size_t i = 0; i < init->node_count; i++) {
        output_print(output, OUTPUT_PLAIN,
                     "  conclaved --config %s/node%llu.ini --bootstrap %s/genesis%s%s\n",
                     init->directory, (unsigned long long)init->nodes[i].id, init->directory,
                     init->former == NULL ? "" : " --restore ",
                     init->former == NULL ? "" : init->backup);
    }
    output_print(output, OUTPUT_BOLD, "\nThen look:\n");
    char *key = realpath(cli->key_path, NULL);
    output_print(output, OUTPUT_PLAIN,
                 "  export CONCLAVE_KEY=%s CONCLAVE_ENDPOINTS=", key == NULL ? cli->key_path : key);
    free(key);
    for (size_t i = 0; i < init->node_count; i++) {
        output_print(output, OUTPUT_PLAIN, "%s%s", i == 0 ? "" : ",", init->nodes[i].client);
    }
    if (init->tls) {
        output_print(output, OUTPUT_PLAIN, " CONCLAVE_CA=%s/ca.pem", init->certs);
    }
    output_print(output, OUTPUT_PLAIN, "\n  conclave status\n");
    if (init->tls) {
        output_print(output, OUTPUT_DIM,
                     "\nEach node needs its own two files of %s, and ca.pem. Keep ca.key where no "
                     "node is: whoever has it can make nodes.\n",
                     init->certs);
    }
}

static void print_json(const struct cli *cli, const struct init *init)
{
    char *hex = convert_hex(slice_of(init->cluster_id, sizeof init->cluster_id));
    json_t *nodes = json_array();
    for (size_t i = 0; i < init->node_count; i++) {
        json_t *node = json_pack("{s:o, s:s, s:s, s:o}", "id",
                                 json_sprintf("%llu", (unsigned long long)init->nodes[i].id),
                                 "peer", init->nodes[i].peer, "client", init->nodes[i].client,
                                 "config",
                                 json_sprintf("%s/node%llu.ini", init->directory,
                                              (unsigned long long)init->nodes[i].id));
        (void)json_array_append_new(nodes, node);
    }
    output_json(&cli->output, init->former == NULL ? "init" : "restored",
                json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "cluster", hex == NULL ? "" : hex,
                          "name", init->name, "chair", init->chair, "key_file", cli->key_path,
                          "genesis", json_sprintf("%s/genesis", init->directory), "nodes", nodes));
    memory_free(hex);
}

int init_sign(struct cli *cli, struct init *init)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < init->node_count; i++) {
        status = make_node_key(cli, init, &init->nodes[i]);
    }
    return status == 0 ? sign_genesis(cli, init) : status;
}

int init_write(struct cli *cli, const struct init *init)
{
    int status = init->tls ? make_certificates(cli, init) : 0;
    for (size_t i = 0; status == 0 && i < init->node_count; i++) {
        status = write_configuration(cli, init, i);
    }
    return status == 0 ? write_genesis(cli, init) : status;
}

void init_print(const struct cli *cli, const struct init *init, bool made)
{
    if (cli->output.json) {
        print_json(cli, init);
    } else {
        print_next(cli, init, made);
    }
}

static int run_init(struct cli *cli)
{
    struct init init = {0};
    buffer_init(&init.command, LIMIT_FRAME_BYTES);
    bool made = false;
    int status = take_options(cli, &init);
    if (status == 0) {
        status = init_make_directory(cli, &init);
    }
    if (status == 0) {
        status = take_key(cli, &init, &made);
    }
    if (status == 0) {
        status = init_sign(cli, &init);
    }
    if (status == 0) {
        status = init_write(cli, &init);
    }
    if (status == 0) {
        init_print(cli, &init, made);
    }
    buffer_close(&init.command);
    return status;
}

static const struct args_option init_options[] = {
    {.name = "name", .argument = "NAME", .help = "The cluster's name, for people"},
    {.name = "chair", .argument = "ID", .help = "The first chair's member id"},
    {.name = "chair-name", .argument = "NAME", .help = "The chair's name, for people"},
    INIT_NODE_OPTION,
    INIT_TLS_OPTION,
    INIT_OUT_OPTION,
    {.name = "reads",
     .argument = "WHO",
     .help = "Who may read: public (default) or members; `conclave cluster set` changes it"},
    KEY_PASSPHRASE_OPTION,
    ARGS_END};

static const struct command init_commands[] = {
    {.summary = "Make a new cluster: its genesis file and the configuration of its nodes",
     .usage = "--name NAME --chair ID --node N=PEER,CLIENT... --out DIR [--key FILE]",
     .details = "Writes DIR/genesis, which the chair signs with the key (made if it is not there), "
                "and for each node DIR/node1.ini and DIR/node1.key, with which it signs "
                "checkpoints (move it to that node), and says how to start the nodes. With --tls "
                "also DIR/certs, with a CA and the nodes' certificates. No cluster is needed "
                "for this, and nothing that is there is overwritten.",
     .examples = "conclave init --name hive --chair alice --key alice.key --out ./hive \\\n"
                 "  --node 1=127.0.0.1:7101,127.0.0.1:7201 \\\n"
                 "  --node 2=127.0.0.1:7102,127.0.0.1:7202 \\\n"
                 "  --node 3=127.0.0.1:7103,127.0.0.1:7203\n",
     .options = init_options,
     .words_max = 0,
     .run = run_init},
};

const struct command_group cli_group_init = {"init", "Make a new cluster", init_commands, 1};
