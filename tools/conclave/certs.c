/* conclave certs: the cluster's CA and its certificates. Needs no cluster: it works on files.
 *
 * The happy path of a change of CA: rotate (a new CA, the old one beside it in ca.pem) -> SIGHUP to
 * every node, which then trusts both -> renew (all certificates, by the new CA) -> SIGHUP -> retire
 * (the old CA leaves ca.pem) -> SIGHUP. The cluster serves all the while.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "certs_make.h"
#include "commands.h"
#include "convert.h"
#include "format.h"

#define FILES_MAX       1000u
#define DAY_MS          (24ull * 3600u * 1000u)
#define SOON_DAYS       30u
#define DAYS_MOST       36500u
#define CA_SHOWN_MAX    CERTIFICATE_BUNDLE_MAX
#define FINGERPRINT_HEX (2u * CERTIFICATE_FINGERPRINT_BYTES + 1u)

/* --- what the options say --- */

static int take_directory(struct cli *cli, const char **directory)
{
    *directory = args_text(&cli->args, "dir");
    if (*directory == NULL) {
        return cli_usage(cli, "--dir is needed: the directory of the certificates");
    }
    if ((*directory)[0] == '\0' || strlen(*directory) >= CERTS_DIRECTORY_BYTES) {
        return cli_usage(cli, "--dir: the path is empty or too long");
    }
    return 0;
}

static int take_days(struct cli *cli, unsigned otherwise, unsigned *days)
{
    const char *text = args_text(&cli->args, "days");
    uint64_t value = otherwise;
    if (text != NULL && (!format_parse_u64(text, &value) || value == 0 || value > DAYS_MOST)) {
        return cli_usage(cli, "--days %s: not a whole number from 1 to %u", text, DAYS_MOST);
    }
    *days = (unsigned)value;
    return 0;
}

static int take_algorithm(struct cli *cli, enum issue_algorithm *algorithm)
{
    const char *text = args_text(&cli->args, "algorithm");
    *algorithm = ISSUE_P256;
    if (text == NULL || strcmp(text, "p256") == 0) {
        return 0;
    }
    if (strcmp(text, "ed25519") != 0) {
        return cli_usage(cli, "--algorithm %s: p256 or ed25519", text);
    }
    *algorithm = ISSUE_ED25519;
    return 0;
}

/* The newest of the directory's CA: what it signs is of its cluster. */
static int read_ca(struct cli *cli, const char *directory, struct certificate *ca)
{
    struct certificate all[CERTIFICATE_BUNDLE_MAX];
    struct certs_paths paths;
    struct tls_error error;
    size_t count;
    const struct issue_files files = certs_ca_files(directory, &paths);
    enum conclave_code code =
        certificate_read(files.certificate, all, CERTIFICATE_BUNDLE_MAX, &count, &error);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, "`conclave certs ca` makes one", "%s", error.text);
    }
    *ca = all[0];
    if (ca->kind != CERTIFICATE_CA) {
        return cli_error(cli, CONCLAVE_CONFIG, "`conclave certs ca` makes one",
                         "%s is not the CA of a cluster of ours", files.certificate);
    }
    return 0;
}

/* --- showing --- */

enum validity {
    VALID,
    SOON,
    EXPIRED
};

static enum validity validity_of(const struct certificate *certificate, uint64_t now_ms,
                                 uint64_t soon_ms)
{
    if (certificate->ends_ms <= now_ms) {
        return EXPIRED;
    }
    return certificate->ends_ms - now_ms < soon_ms ? SOON : VALID;
}

static const char *const validity_names[] = {"valid", "expires soon", "expired"};

struct listing {
    uint64_t now_ms, soon_ms;
    struct output_table table;
    json_t *items;
    size_t soon, expired;
};

static json_t *describe(const struct listing *listing, const char *file,
                        const struct certificate *certificate)
{
    char whose[CERTIFICATE_TEXT_BYTES], begins[FORMAT_TIME_BYTES], ends[FORMAT_TIME_BYTES];
    char cluster[2 * CERTIFICATE_CLUSTER_BYTES + 1] = "", fingerprint[FINGERPRINT_HEX];
    certificate_whose(certificate, whose);
    format_time(certificate->begins_ms, begins);
    format_time(certificate->ends_ms, ends);
    sodium_bin2hex(fingerprint, sizeof fingerprint, certificate->fingerprint,
                   sizeof certificate->fingerprint);
    if (certificate->kind != CERTIFICATE_OTHER) {
        sodium_bin2hex(cluster, sizeof cluster, certificate->cluster_id,
                       sizeof certificate->cluster_id);
    }
    enum validity validity = validity_of(certificate, listing->now_ms, listing->soon_ms);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "file", file,
                     "whose", whose, "cluster", cluster, "name", certificate->name, "issuer",
                     certificate->issuer, "hosts", certificate->hosts, "algorithm",
                     certificate->algorithm, "begins", begins, "ends", ends, "state",
                     validity_names[validity], "sha256", fingerprint);
}

static void list_one(struct listing *listing, const char *file,
                     const struct certificate *certificate)
{
    char whose[CERTIFICATE_TEXT_BYTES], ends[FORMAT_TIME_BYTES], left[FORMAT_DURATION_BYTES];
    enum validity validity = validity_of(certificate, listing->now_ms, listing->soon_ms);
    listing->soon += validity == SOON;
    listing->expired += validity == EXPIRED;
    (void)json_array_append_new(listing->items, describe(listing, file, certificate));
    certificate_whose(certificate, whose);
    format_time(certificate->ends_ms, ends);
    format_duration(validity == EXPIRED ? 0 : certificate->ends_ms - listing->now_ms, left);
    output_table_cell(&listing->table, whose);
    output_table_cell(&listing->table, ends);
    output_table_cell(&listing->table, validity == EXPIRED ? "-" : left);
    output_table_styled(&listing->table,
                        validity == VALID  ? OUTPUT_GOOD
                        : validity == SOON ? OUTPUT_NOTICE
                                           : OUTPUT_BAD,
                        validity_names[validity]);
    output_table_cell(&listing->table, certificate->issuer);
    output_table_cell(&listing->table, file);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a directory that end with .pem, sorted; each to be freed with memory_free. */
static int read_names(struct cli *cli, const char *path, char *names[FILES_MAX], size_t *count)
{
    DIR *directory = opendir(path);
    *count = 0;
    if (directory == NULL) {
        return cli_error(cli, errno == ENOENT ? CONCLAVE_NOT_FOUND : CONCLAVE_IO, "", "%s: %s",
                         path, strerror(errno));
    }
    const struct dirent *entry;
    while (*count < FILES_MAX && (entry = readdir(directory)) != NULL) {
        size_t size = strlen(entry->d_name);
        if (size <= 4 || strcmp(entry->d_name + size - 4, ".pem") != 0) {
            continue;
        }
        char *name = memory_allocate(size + 1);
        if (name != NULL) {
            memcpy(name, entry->d_name, size + 1);
            names[(*count)++] = name;
        }
    }
    (void)closedir(directory);
    qsort(names, *count, sizeof *names, compare_names);
    return 0;
}

static int list_file(struct cli *cli, struct listing *listing, const char *path)
{
    struct certificate found[CERTIFICATE_BUNDLE_MAX];
    struct tls_error error;
    size_t count;
    enum conclave_code code = certificate_read(path, found, CERTIFICATE_BUNDLE_MAX, &count, &error);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, "", "%s", error.text);
    }
    for (size_t i = 0; i < count; i++) {
        list_one(listing, path, &found[i]);
    }
    return 0;
}

/* 1 when something needs to be done: a script sees it. */
static int finish_listing(struct cli *cli, struct listing *listing)
{
    int status = listing->soon + listing->expired > 0 ? 1 : 0;
    if (cli->output.json) {
        output_table_drop(&listing->table);
        output_json(&cli->output, "certs", json_pack("{s:O}", "items", listing->items));
    } else {
        output_table_finish(&listing->table, &cli->output, "no certificates here");
    }
    if (status != 0 && !cli->output.json) {
        (void)fflush(cli->output.file);
        (void)fprintf(cli->output.error,
                      "conclave: %zu expired, %zu within the next %llu"
                      " days: `conclave certs renew`\n",
                      listing->expired, listing->soon,
                      (unsigned long long)(listing->soon_ms / DAY_MS));
    }
    return status;
}

static void open_table(struct output_table *table)
{
    output_table_init(table);
    output_table_column(table, "WHOSE", OUTPUT_LEFT);
    output_table_column(table, "EXPIRES", OUTPUT_LEFT);
    output_table_column(table, "LEFT", OUTPUT_RIGHT);
    output_table_column(table, "STATE", OUTPUT_LEFT);
    output_table_column(table, "ISSUER", OUTPUT_SHRINK);
    output_table_column(table, "FILE", OUTPUT_SHRINK);
}

static int start_listing(struct cli *cli, struct listing *listing)
{
    unsigned days = SOON_DAYS;
    *listing = (struct listing){.now_ms = clock_wall_ms(&clock_system)};
    int status = take_days(cli, SOON_DAYS, &days);
    if (status != 0) {
        return status;
    }
    listing->soon_ms = days * DAY_MS;
    listing->items = json_array();
    open_table(&listing->table);
    return 0;
}

static int run_list(struct cli *cli)
{
    const char *directory = args_word(&cli->args, 0);
    char *names[FILES_MAX];
    size_t count;
    struct listing listing;
    if (strlen(directory) >= CERTS_DIRECTORY_BYTES) {
        return cli_usage(cli, "%s: the path is too long", directory);
    }
    int status = start_listing(cli, &listing);
    if (status != 0) {
        return status;
    }
    status = read_names(cli, directory, names, &count);
    for (size_t i = 0; i < count; i++) {
        char path[CLI_PATH_BYTES + 256];
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        memory_free(names[i]);
        status = status == 0 ? list_file(cli, &listing, path) : status;
    }
    if (status == 0) {
        status = finish_listing(cli, &listing);
    } else {
        output_table_drop(&listing.table);
    }
    json_decref(listing.items);
    return status;
}

static void show_one(const struct output *output, const json_t *item)
{
    static const char *const fields[] = {"whose",     "cluster", "name", "issuer", "hosts",
                                         "algorithm", "begins",  "ends", "state",  "sha256"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        output_field(output, fields[i], convert_text(item, fields[i]));
    }
}

static int run_show(struct cli *cli)
{
    struct listing listing;
    int status = start_listing(cli, &listing);
    if (status != 0) {
        return status;
    }
    status = list_file(cli, &listing, args_word(&cli->args, 0));
    output_table_drop(&listing.table);
    if (status == 0) {
        status = listing.soon + listing.expired > 0 ? 1 : 0;
        if (cli->output.json) {
            output_json(&cli->output, "certs", json_pack("{s:O}", "items", listing.items));
        } else {
            size_t i;
            const json_t *item;
            json_array_foreach(listing.items, i, item)
            {
                if (i > 0) {
                    output_print(&cli->output, OUTPUT_PLAIN, "\n");
                }
                show_one(&cli->output, item);
            }
        }
    }
    json_decref(listing.items);
    return status;
}

/* --- making --- */

/* What was made, as `list` would show it. */
static int report_made(struct cli *cli, const char *path)
{
    struct listing listing;
    if (cli->output.quiet && !cli->output.json) {
        return 0;
    }
    listing = (struct listing){.now_ms = clock_wall_ms(&clock_system), .items = json_array()};
    open_table(&listing.table);
    int status = list_file(cli, &listing, path);
    output_table_drop(&listing.table);
    if (status == 0 && cli->output.json) {
        output_json(&cli->output, "certs", json_pack("{s:O}", "items", listing.items));
    } else if (status == 0) {
        show_one(&cli->output, json_array_get(listing.items, 0));
        output_field(&cli->output, "file", path);
    }
    json_decref(listing.items);
    return status;
}

static int run_ca(struct cli *cli)
{
    const char *directory, *cluster = args_text(&cli->args, "cluster");
    const char *name = args_text(&cli->args, "name");
    uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES];
    enum issue_algorithm algorithm;
    unsigned days;
    size_t size;
    int status = take_directory(cli, &directory);
    if (status == 0) {
        status = take_days(cli, CERTS_CA_DAYS, &days);
    }
    if (status == 0) {
        status = take_algorithm(cli, &algorithm);
    }
    if (status == 0 && (cluster == NULL ||
                        sodium_hex2bin(cluster_id, sizeof cluster_id, cluster, strlen(cluster),
                                       NULL, &size, NULL) != 0 ||
                        size != sizeof cluster_id || strlen(cluster) != 2 * sizeof cluster_id)) {
        status = cli_usage(cli, "--cluster: the cluster's id, 32 hex digits: it stands in the "
                                "genesis file, and `conclave status` shows it");
    }
    if (status == 0) {
        status = certs_make_directory(cli, directory);
    }
    if (status == 0) {
        status = certs_make_ca(cli, directory, cluster_id, name == NULL ? "" : name, algorithm,
                               days, false);
    }
    struct certs_paths paths;
    return status == 0 ? report_made(cli, certs_ca_files(directory, &paths).certificate) : status;
}

static int run_node(struct cli *cli)
{
    const char *directory, *hosts[ISSUE_HOSTS_MAX];
    uint64_t node_id;
    struct certificate ca;
    enum issue_algorithm algorithm;
    unsigned days;
    size_t count = args_count(&cli->args, "host");
    if (!format_parse_u64(args_word(&cli->args, 0), &node_id) || node_id == 0 ||
        node_id > INT64_MAX) {
        return cli_usage(cli, "%s is not a node's number", args_word(&cli->args, 0));
    }
    if (count == 0 || count > ISSUE_HOSTS_MAX) {
        return cli_usage(cli,
                         "--host is needed: the IP addresses and names under which the node "
                         "is dialled, 1 to %u",
                         ISSUE_HOSTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        hosts[i] = args_nth(&cli->args, "host", i);
    }
    int status = take_directory(cli, &directory);
    if (status == 0) {
        status = take_days(cli, CERTS_DAYS, &days);
    }
    if (status == 0) {
        status = take_algorithm(cli, &algorithm);
    }
    if (status == 0) {
        status = read_ca(cli, directory, &ca);
    }
    if (status == 0) {
        status =
            certs_make_node(cli, directory, ca.cluster_id, node_id, hosts, count, algorithm, days);
    }
    struct certs_paths paths;
    return status == 0 ? report_made(cli, certs_node_files(directory, node_id, &paths).certificate)
                       : status;
}

static int run_client(struct cli *cli)
{
    const char *directory, *name = args_word(&cli->args, 0);
    struct certs_paths ca_paths, paths;
    struct certificate ca;
    struct issue_request request = {.kind = CERTIFICATE_CLIENT, .name = name};
    struct tls_error error;
    int status = take_directory(cli, &directory);
    if (status == 0) {
        status = take_days(cli, CERTS_DAYS, &request.days);
    }
    if (status == 0) {
        status = take_algorithm(cli, &request.algorithm);
    }
    if (status == 0) {
        status = read_ca(cli, directory, &ca);
    }
    if (status != 0) {
        return status;
    }
    memcpy(request.cluster_id, ca.cluster_id, sizeof request.cluster_id);
    const struct issue_files ca_files = certs_ca_files(directory, &ca_paths);
    const struct issue_files files = certs_client_files(directory, name, &paths);
    enum conclave_code code = issue_certificate(&request, &ca_files, &files, &error);
    return code == CONCLAVE_OK ? report_made(cli, files.certificate)
                               : certs_fail(cli, code, &error);
}

/* --- renewing --- */

/* FILE.pem and FILE.key. */
static int renew_file(struct cli *cli, const char *directory, const char *path, unsigned days)
{
    char key[CLI_PATH_BYTES + 256];
    struct certs_paths ca_paths;
    struct tls_error error;
    size_t size = strlen(path);
    if (size <= 4 || size >= CLI_PATH_BYTES || strcmp(path + size - 4, ".pem") != 0) {
        return cli_usage(cli, "%s: the name of a certificate's file ends with .pem", path);
    }
    (void)snprintf(key, sizeof key, "%.*s.key", (int)(size - 4), path);
    const struct issue_files ca = certs_ca_files(directory, &ca_paths);
    const struct issue_files files = {.certificate = path, .key = key};
    enum conclave_code code =
        issue_renewal(&ca, &files, days, args_given(&cli->args, "new-key"), &error);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, "", "%s", error.text);
    }
    if (!cli->output.quiet && !cli->output.json) {
        output_print(&cli->output, OUTPUT_PLAIN, "renewed ");
        output_safe(&cli->output, OUTPUT_PLAIN, path);
        output_print(&cli->output, OUTPUT_PLAIN, "\n");
    }
    return 0;
}

/* All nodes and clients of the directory. */
static int renew_all(struct cli *cli, const char *directory, unsigned days)
{
    char *names[FILES_MAX];
    size_t count;
    int status = read_names(cli, directory, names, &count);
    for (size_t i = 0; i < count; i++) {
        char path[CLI_PATH_BYTES + 256];
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        if (status == 0 && strcmp(names[i], "ca.pem") != 0) {
            status = renew_file(cli, directory, path, days);
        }
        memory_free(names[i]);
    }
    return status;
}

static void say_next(const struct cli *cli, const char *next)
{
    if (!cli->output.quiet && !cli->output.json) {
        output_print(&cli->output, OUTPUT_DIM, "%s\n", next);
    }
}

static int run_renew(struct cli *cli)
{
    const char *directory;
    unsigned days = CERTS_DAYS;
    int status = take_directory(cli, &directory);
    if (status == 0) {
        status = take_days(cli, CERTS_DAYS, &days);
    }
    if (status == 0 && cli->args.word_count == 0) {
        status = renew_all(cli, directory, days);
    }
    for (size_t i = 0; status == 0 && i < cli->args.word_count; i++) {
        status = renew_file(cli, directory, args_word(&cli->args, i), days);
    }
    if (status == 0) {
        say_next(cli, "Bring them to the nodes, and let each read them: kill -HUP PID, or "
                      "systemctl reload conclaved");
    }
    return status;
}

static int run_rotate(struct cli *cli)
{
    const char *directory;
    const char *name = args_text(&cli->args, "name");
    struct certificate ca;
    enum issue_algorithm algorithm;
    unsigned days;
    int status = take_directory(cli, &directory);
    if (status == 0) {
        status = take_days(cli, CERTS_CA_DAYS, &days);
    }
    if (status == 0) {
        status = take_algorithm(cli, &algorithm);
    }
    if (status == 0) {
        status = read_ca(cli, directory, &ca);
    }
    if (status == 0) {
        status = certs_make_ca(cli, directory, ca.cluster_id, name == NULL ? "" : name, algorithm,
                               days, true);
    }
    if (status == 0) {
        say_next(cli,
                 "A new CA stands beside the old one in ca.pem. Bring ca.pem to every node and "
                 "client, and reload the nodes (SIGHUP); then `conclave certs renew`, and reload "
                 "again; then `conclave certs retire`.");
    }
    return status;
}

static int run_retire(struct cli *cli)
{
    const char *directory;
    struct certs_paths paths;
    struct tls_error error;
    unsigned dropped;
    int status = take_directory(cli, &directory);
    if (status != 0) {
        return status;
    }
    const struct issue_files files = certs_ca_files(directory, &paths);
    enum conclave_code code = issue_drop_old_ca(&files, &dropped, &error);
    if (code != CONCLAVE_OK) {
        return certs_fail(cli, code, &error);
    }
    say_next(cli, dropped == 0 ? "There was one CA only: nothing is changed."
                               : "Only the newest CA is left in ca.pem. Bring it to every node and "
                                 "client, and reload the nodes (SIGHUP).");
    return 0;
}

#define DIRECTORY_OPTION                                                              \
    {                                                                                 \
        .name = "dir", .argument = "DIR", .help = "The directory of the certificates" \
    }
#define DAYS_OPTION                                                                             \
    {                                                                                           \
        .name = "days", .argument = "N", .help = "How long it is good (default 397; a CA 3650)" \
    }
#define ALGORITHM_OPTION                                                       \
    {                                                                          \
        .name = "algorithm", .argument = "NAME",                               \
        .help = "Of its key: p256 (default: all software knows it) or ed25519" \
    }

static const struct args_option ca_options[] = {
    DIRECTORY_OPTION,
    {.name = "cluster", .argument = "ID", .help = "The cluster's id, 32 hex digits"},
    {.name = "name", .argument = "NAME", .help = "The cluster's name, for people"},
    DAYS_OPTION,
    ALGORITHM_OPTION,
    ARGS_END};
static const struct args_option node_options[] = {
    DIRECTORY_OPTION,
    {.name = "host",
     .argument = "HOST",
     .help = "An IP address or name under which it is dialled; again for more",
     .repeatable = true},
    DAYS_OPTION,
    ALGORITHM_OPTION,
    ARGS_END};
static const struct args_option client_options[] = {DIRECTORY_OPTION, DAYS_OPTION, ALGORITHM_OPTION,
                                                    ARGS_END};
static const struct args_option renew_options[] = {
    DIRECTORY_OPTION,
    DAYS_OPTION,
    {.name = "new-key", .help = "Make a new key too; otherwise the key stays"},
    ARGS_END};
static const struct args_option rotate_options[] = {
    DIRECTORY_OPTION,
    {.name = "name", .argument = "NAME", .help = "The cluster's name, for people"},
    DAYS_OPTION,
    ALGORITHM_OPTION,
    ARGS_END};
static const struct args_option retire_options[] = {DIRECTORY_OPTION, ARGS_END};
static const struct args_option list_options[] = {
    {.name = "days", .argument = "N", .help = "How many days before its end is soon (default 30)"},
    ARGS_END};

static const struct command certs_commands[] = {
    {.verb = "ca",
     .summary = "Make a cluster's CA",
     .usage = "--dir DIR --cluster ID [--name NAME]",
     .details = "Writes DIR/ca.pem, which every node and client gets, and DIR/ca.key, which none "
                "gets: whoever has it can make nodes. `conclave init --tls` does this and the next "
                "for a new cluster.",
     .examples = "conclave certs ca --dir ./certs --cluster 9f86d081884c7d659a2feaa0c55ad015\n",
     .options = ca_options,
     .words_max = 0,
     .run = run_ca},
    {.verb = "node",
     .summary = "Make a node's certificate",
     .usage = "N --dir DIR --host HOST...",
     .details = "Writes DIR/nodeN.pem and DIR/nodeN.key.",
     .examples = "conclave certs node 1 --dir ./certs --host 10.0.0.1 --host one.example\n",
     .options = node_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_node},
    {.verb = "client",
     .summary = "Make a client's certificate",
     .usage = "NAME --dir DIR",
     .details = "Writes DIR/client-NAME.pem and .key, for --cert and --cert-key. A cluster asks "
                "for them where client_certificates is required in section [tls].",
     .examples = "conclave certs client alice --dir ./certs\n",
     .options = client_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_client},
    {.verb = "renew",
     .summary = "Make certificates anew, for another while",
     .usage = "[FILE.pem...] --dir DIR [--new-key]",
     .details = "Without a file: all nodes and clients of DIR. They say what they said before and "
                "are signed by the CA as it is now. Nodes read them on SIGHUP, without a stop.",
     .examples = "conclave certs renew --dir ./certs\n"
                 "conclave certs renew ./certs/node1.pem --dir ./certs --new-key\n",
     .options = renew_options,
     .words_max = CLI_WORDS_ANY,
     .run = run_renew},
    {.verb = "rotate",
     .summary = "Replace the CA: put a new one beside the old",
     .usage = "--dir DIR",
     .details =
         "Then bring ca.pem to all nodes and clients and reload the nodes (SIGHUP): both are "
         "trusted. Then `certs renew` and reload, and last `certs retire` and reload.",
     .examples = "conclave certs rotate --dir ./certs\n",
     .options = rotate_options,
     .words_max = 0,
     .run = run_rotate},
    {.verb = "retire",
     .summary = "Drop the old CA when all certificates are of the new one",
     .usage = "--dir DIR",
     .examples = "conclave certs retire --dir ./certs\n",
     .options = retire_options,
     .words_max = 0,
     .run = run_retire},
    {.verb = "list",
     .summary = "Show what expires when",
     .usage = "DIR [--days N]",
     .details = "Exit status 1 when a certificate has expired or ends within 30 days (--days).",
     .examples = "conclave certs list ./certs\n",
     .options = list_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_list},
    {.verb = "show",
     .summary = "Show what a certificate says",
     .usage = "FILE.pem [--days N]",
     .details = "Exit status as for `certs list`.",
     .examples = "conclave certs show ./certs/node1.pem\n",
     .options = list_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_show},
};

const struct command_group cli_group_certs = {"certs", "Make, renew and show certificates for TLS",
                                              certs_commands, COMMANDS_COUNT(certs_commands)};
