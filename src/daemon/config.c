/* Where the configuration comes from: flags and environment here, the file in config_file.c; and
 * the check against the disk. */
#include "daemon/config.h"

#include <errno.h>
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/certificates.h"
#include "daemon/config_file.h"
#include "daemon/genesis_file.h"
#include "daemon/join_file.h"
#include "daemon/suggest.h"
#include "net/address.h"

#define ENVIRONMENT_PREFIX "CONCLAVE_"
#define ENVIRONMENT_FILE   "CONCLAVE_CONFIG"

enum flag { /* after those of the table */
    FLAG_CONFIG = SETTING_COUNT,
    FLAG_BOOTSTRAP,
    FLAG_JOIN,
    FLAG_RESTORE,
    FLAG_CHECK_CONFIG,
    FLAG_HELP,
    FLAG_VERSION,
    FLAG_COUNT
};
#define FLAG_VALUE 256 /* getopt's values for long options start here: below are characters */

static const struct {
    const char *name;
    int has_argument;
} other_flags[FLAG_COUNT - SETTING_COUNT] = {
    [FLAG_CONFIG - SETTING_COUNT] = {"config", required_argument},
    [FLAG_BOOTSTRAP - SETTING_COUNT] = {"bootstrap", required_argument},
    [FLAG_JOIN - SETTING_COUNT] = {"join", required_argument},
    [FLAG_RESTORE - SETTING_COUNT] = {"restore", required_argument},
    [FLAG_CHECK_CONFIG - SETTING_COUNT] = {"check-config", no_argument},
    [FLAG_HELP - SETTING_COUNT] = {"help", no_argument},
    [FLAG_VERSION - SETTING_COUNT] = {"version", no_argument},
};

static const char *flag_name(int flag)
{
    return flag < SETTING_COUNT ? settings_table[flag].flag
                                : other_flags[flag - SETTING_COUNT].name;
}

static enum conclave_code refuse_flag(const char *given, struct settings_error *error)
{
    struct suggest best = {.word = ""};
    char name[SUGGEST_WORD_BYTES + 1];
    size_t dashes = strspn(given, "-");
    size_t size = strcspn(given + dashes, "=");
    (void)snprintf(name, sizeof name, "%.*s", size < sizeof name ? (int)size : 0, given + dashes);
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        suggest_offer(&best, name, flag_name(flag));
    }
    if (best.word[0] != '\0') {
        settings_error_set(error, "%.*s: there is no such flag (did you mean \"--%s\"?)",
                           (int)(dashes + size), given, best.word);
    } else {
        settings_error_set(error, "%.*s: there is no such flag; --help lists them",
                           (int)(dashes + size), given);
    }
    return CONCLAVE_CONFIG;
}

static enum conclave_code take_flag(struct config *config, int flag, const char *argument,
                                    struct settings_error *error)
{
    char where[64];
    switch (flag) {
    case FLAG_CONFIG:
        config->file = argument;
        return CONCLAVE_OK;
    case FLAG_BOOTSTRAP:
        config->bootstrap = argument;
        return CONCLAVE_OK;
    case FLAG_JOIN:
        config->join = argument;
        return CONCLAVE_OK;
    case FLAG_RESTORE:
        config->restore = argument;
        return CONCLAVE_OK;
    case FLAG_CHECK_CONFIG:
        config->action = CONFIG_CHECK;
        return CONCLAVE_OK;
    case FLAG_HELP:
        config->action = CONFIG_HELP;
        return CONCLAVE_OK;
    case FLAG_VERSION:
        config->action = CONFIG_VERSION;
        return CONCLAVE_OK;
    default:
        ASSERT(flag >= 0 && flag < SETTING_COUNT);
        (void)snprintf(where, sizeof where, "--%s", settings_table[flag].flag);
        if (config->settings.values[flag].set) {
            settings_error_set(error, "%s: given twice", where);
            return CONCLAVE_CONFIG;
        }
        return settings_set(&config->settings, (enum setting)flag, argument, where, error);
    }
}

static enum conclave_code read_flags(struct config *config, int argc, char **argv,
                                     struct settings_error *error)
{
    struct option options[FLAG_COUNT + 1];
    memset(options, 0, sizeof options);
    for (int flag = 0; flag < FLAG_COUNT; flag++) {
        options[flag].name = flag_name(flag);
        options[flag].has_arg = flag < SETTING_COUNT
                                    ? required_argument
                                    : other_flags[flag - SETTING_COUNT].has_argument;
        options[flag].val = FLAG_VALUE + flag;
    }
    optind = 0; /* glibc: start anew, also when called a second time */
    opterr = 0;
    for (;;) {
        int place = optind == 0 ? 1 : optind;
        int option = getopt_long(argc, argv, "+:h", options, NULL);
        if (option == -1) {
            break;
        }
        if (option == ':') {
            settings_error_set(error, "%s: needs a value", argv[optind - 1]);
            return CONCLAVE_CONFIG;
        }
        if (option == '?') {
            return refuse_flag(argv[place], error);
        }
        int flag = option == 'h' ? FLAG_HELP : option - FLAG_VALUE;
        enum conclave_code code = take_flag(config, flag, optarg, error);
        if (code != CONCLAVE_OK || config->action >= CONFIG_HELP) {
            return code;
        }
    }
    if (optind < argc) {
        settings_error_set(error, "%s: conclaved takes flags only; --help lists them",
                           argv[optind]);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

/* The environment is shared with other programs of ours and of others: only names that are almost
 * one of ours are taken for mistakes. */
static enum conclave_code check_name(const char *name, struct settings_error *error)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        size_t distance = suggest_distance(name, settings_table[i].environment);
        if (distance <= 2) {
            settings_error_set(error, "%s: there is no such setting (did you mean \"%s\"?)", name,
                               settings_table[i].environment);
            return CONCLAVE_CONFIG;
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code read_variable(struct config *config, const char *name, const char *value,
                                        struct settings_error *error)
{
    if (strcmp(name, ENVIRONMENT_FILE) == 0) {
        if (config->file == NULL && value[0] != '\0') {
            config->file = value;
        }
        return CONCLAVE_OK;
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings_table[i].environment, name) == 0) {
            return value[0] == '\0'
                       ? CONCLAVE_OK
                       : settings_set(&config->settings, (enum setting)i, value, name, error);
        }
    }
    return check_name(name, error);
}

static enum conclave_code read_environment(struct config *config, char *const *environment,
                                           struct settings_error *error)
{
    for (size_t i = 0; environment[i] != NULL; i++) {
        char name[SUGGEST_WORD_BYTES + 1];
        size_t size = strcspn(environment[i], "=");
        if (strncmp(environment[i], ENVIRONMENT_PREFIX, sizeof ENVIRONMENT_PREFIX - 1) != 0 ||
            size >= sizeof name || environment[i][size] == '\0') {
            continue;
        }
        memcpy(name, environment[i], size);
        name[size] = '\0';
        enum conclave_code code = read_variable(config, name, environment[i] + size + 1, error);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return CONCLAVE_OK;
}

/* All three, or none. */
static enum conclave_code check_tls(const struct config *config, struct settings_error *error)
{
    static const enum setting files[] = {SETTING_TLS_CA, SETTING_TLS_CERTIFICATE, SETTING_TLS_KEY};
    enum setting there = SETTING_COUNT, missing = SETTING_COUNT;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bool given = settings_text(&config->settings, files[i])[0] != '\0';
        there = given ? files[i] : there;
        missing = given ? missing : files[i];
    }
    if (there != SETTING_COUNT && missing != SETTING_COUNT) {
        settings_error_set(error,
                           "%s: tls.%s is set, but tls.%s is not: a node needs all of ca, "
                           "certificate and key",
                           settings_where(&config->settings, there), settings_table[there].key,
                           settings_table[missing].key);
        return CONCLAVE_CONFIG;
    }
    if (there == SETTING_COUNT && config->client_certificates_required) {
        settings_error_set(error,
                           "%s: client_certificates is required, but the node has no "
                           "certificates itself: set ca, certificate and key in section [tls]",
                           settings_where(&config->settings, SETTING_TLS_CLIENTS));
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

/* Without certificates only loopback. */
static enum conclave_code check_listen(const struct config *config, enum setting setting,
                                       struct settings_error *error)
{
    const char *text = settings_text(&config->settings, setting);
    union net_address address;
    struct codec_error why;
    if (config->tls || text[0] == '\0') {
        return CONCLAVE_OK;
    }
    enum conclave_code code = net_address_parse(text, false, &address, &why);
    if (code == CONCLAVE_OK) {
        code = net_address_check_allowed(&address, text, &why);
    }
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: %s", settings_where(&config->settings, setting), why.text);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

/* What one value alone cannot show. */
static enum conclave_code check_together(const struct config *config, struct settings_error *error)
{
    const struct settings *settings = &config->settings;
    if (config->restore != NULL && config->bootstrap == NULL) {
        settings_error_set(error, "--restore: name the genesis that `conclave restore` made, too: "
                                  "--bootstrap GENESIS_FILE");
        return CONCLAVE_CONFIG;
    }
    if (config->bootstrap != NULL && config->join != NULL) {
        settings_error_set(error,
                           "--bootstrap and --join: a node is one of a new cluster, or comes "
                           "to one that is there; give one of them");
        return CONCLAVE_CONFIG;
    }
    enum conclave_code code = check_tls(config, error);
    if (code == CONCLAVE_OK) {
        code = check_listen(config, SETTING_LISTEN_PEER, error);
    }
    if (code == CONCLAVE_OK) {
        code = check_listen(config, SETTING_LISTEN_CLIENT, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (config->election_ms < 3 * config->heartbeat_ms) {
        bool election_set = strcmp(settings_where(settings, SETTING_ELECTION_MS), "default") != 0;
        settings_error_set(
            error, "%s: election_ms (%u) must be at least three times heartbeat_ms (%u)",
            settings_where(settings, election_set ? SETTING_ELECTION_MS : SETTING_HEARTBEAT_MS),
            config->election_ms, config->heartbeat_ms);
        return CONCLAVE_CONFIG;
    }
    const char *peer = settings_text(settings, SETTING_LISTEN_PEER);
    if (peer[0] != '\0' && strcmp(peer, settings_text(settings, SETTING_LISTEN_CLIENT)) == 0) {
        settings_error_set(error, "%s: listen_client is the address of listen_peer too, %s",
                           settings_where(settings, SETTING_LISTEN_CLIENT), peer);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

enum conclave_code config_load(struct config *config, int argc, char **argv,
                               char *const *environment, struct settings_error *error)
{
    ASSERT(config != NULL && argv != NULL && environment != NULL && error != NULL);
    memset(config, 0, sizeof *config);
    enum conclave_code code = read_flags(config, argc, argv, error);
    if (code != CONCLAVE_OK || config->action >= CONFIG_HELP) {
        return code;
    }
    code = read_environment(config, environment, error);
    if (code == CONCLAVE_OK && config->file != NULL) {
        code = config_file_read(config->file, &config->settings, error);
    }
    if (code == CONCLAVE_OK) {
        code = settings_finish(&config->settings, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    const struct settings *settings = &config->settings;
    config->node_id = settings_number(settings, SETTING_NODE_ID);
    config->connection_rate = (unsigned)settings_number(settings, SETTING_CONNECTION_RATE);
    config->member_rate = (unsigned)settings_number(settings, SETTING_MEMBER_RATE);
    config->idle_ms = 1000 * settings_number(settings, SETTING_IDLE_S);
    config->workers = (unsigned)settings_number(settings, SETTING_WORKERS);
    config->heartbeat_ms = (unsigned)settings_number(settings, SETTING_HEARTBEAT_MS);
    config->election_ms = (unsigned)settings_number(settings, SETTING_ELECTION_MS);
    config->tls = settings_text(settings, SETTING_TLS_CA)[0] != '\0';
    config->client_certificates_required = settings_choice(settings, SETTING_TLS_CLIENTS) == 1;
    config->log_level = (enum logger_level)settings_choice(settings, SETTING_LOG_LEVEL);
    config->log_format = (enum logger_format)settings_choice(settings, SETTING_LOG_FORMAT);
    return check_together(config, error);
}

/* --- the disk --- */

/* Copies the directory that `path` stands in. */
static void parent_of(const char *path, char parent[SETTINGS_VALUE_BYTES])
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    (void)snprintf(parent, SETTINGS_VALUE_BYTES, "%.*s", size == 0 ? 1 : (int)size,
                   size == 0 ? "." : path);
}

/* Looks for a directory with almost this name beside it. */
static void suggest_directory(const char *path, struct suggest *best)
{
    char parent[SETTINGS_VALUE_BYTES];
    parent_of(path, parent);
    const char *slash = strrchr(path, '/');
    DIR *directory = opendir(parent);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            suggest_offer(best, slash == NULL ? path : slash + 1, entry->d_name);
        }
    }
    (void)closedir(directory);
}

static enum conclave_code check_parent(const char *what, const char *path, const char *where,
                                       struct settings_error *error)
{
    char parent[SETTINGS_VALUE_BYTES];
    struct stat info;
    parent_of(path, parent);
    if (stat(parent, &info) != 0) {
        int why = errno;
        struct suggest best = {.word = ""};
        suggest_directory(parent, &best);
        char grandparent[SETTINGS_VALUE_BYTES];
        parent_of(parent, grandparent);
        if (best.word[0] != '\0') {
            settings_error_set(error, "%s: %s: the directory \"%s\": %s (did you mean \"%s%s%s\"?)",
                               where, what, parent, strerror(why), grandparent,
                               strcmp(grandparent, "/") == 0 ? "" : "/", best.word);
        } else {
            settings_error_set(error, "%s: %s: the directory \"%s\": %s", where, what, parent,
                               strerror(why));
        }
        return CONCLAVE_CONFIG;
    }
    if (!S_ISDIR(info.st_mode)) {
        settings_error_set(error, "%s: %s: \"%s\" is not a directory", where, what, parent);
        return CONCLAVE_CONFIG;
    }
    if (access(parent, W_OK | X_OK) != 0) {
        settings_error_set(error, "%s: %s: nothing can be made in \"%s\": %s", where, what, parent,
                           strerror(errno));
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_data_dir(const struct config *config, struct settings_error *error)
{
    const char *path = settings_text(&config->settings, SETTING_DATA_DIR);
    const char *where = settings_where(&config->settings, SETTING_DATA_DIR);
    struct stat info;
    if (stat(path, &info) != 0) {
        return check_parent("data_dir", path, where, error);
    }
    if (!S_ISDIR(info.st_mode)) {
        settings_error_set(error, "%s: data_dir: \"%s\" is not a directory", where, path);
        return CONCLAVE_CONFIG;
    }
    if (access(path, R_OK | W_OK | X_OK) != 0) {
        settings_error_set(error, "%s: data_dir: \"%s\" cannot be used: %s", where, path,
                           strerror(errno));
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_log_file(const struct config *config, struct settings_error *error)
{
    const char *path = settings_text(&config->settings, SETTING_LOG_FILE);
    const char *where = settings_where(&config->settings, SETTING_LOG_FILE);
    struct stat info;
    if (path[0] == '\0') {
        return CONCLAVE_OK;
    }
    if (stat(path, &info) != 0) {
        return check_parent("log file", path, where, error);
    }
    if (S_ISDIR(info.st_mode)) {
        settings_error_set(error, "%s: log file: \"%s\" is a directory", where, path);
        return CONCLAVE_CONFIG;
    }
    if (access(path, W_OK) != 0) {
        settings_error_set(error, "%s: log file: \"%s\" cannot be written: %s", where, path,
                           strerror(errno));
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_genesis_address(const struct config *config, uint64_t node_id,
                                                const char *text, struct settings_error *error)
{
    union net_address address;
    struct codec_error why;
    enum conclave_code code = net_address_parse(text, false, &address, &why);
    if (code == CONCLAVE_OK && !config->tls) {
        code = net_address_check_allowed(&address, text, &why);
    }
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: node %" PRIu64 ": %s", config->bootstrap, node_id, why.text);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

/* What this node would listen on, where no setting says otherwise, and dial: net refuses it too,
 * but only when a disk has been made that of a node. */
static enum conclave_code check_genesis_addresses(const struct config *config,
                                                  const struct genesis_file *genesis,
                                                  struct settings_error *error)
{
    ASSERT(config->bootstrap != NULL && genesis->node_count > 0);
    enum conclave_code code = CONCLAVE_OK;
    for (unsigned i = 0; i < genesis->node_count && code == CONCLAVE_OK; i++) {
        const struct genesis_file_node *node = &genesis->nodes[i];
        bool own = node->node_id == config->node_id;
        if (!own || settings_text(&config->settings, SETTING_LISTEN_PEER)[0] == '\0') {
            code = check_genesis_address(config, node->node_id, node->peer_address, error);
        }
        if (code == CONCLAVE_OK && own &&
            settings_text(&config->settings, SETTING_LISTEN_CLIENT)[0] == '\0') {
            code = check_genesis_address(config, node->node_id, node->client_address, error);
        }
    }
    return code;
}

static enum conclave_code check_genesis(const struct config *config,
                                        uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES],
                                        struct settings_error *error)
{
    struct genesis_file genesis;
    struct genesis_file_error why;
    ASSERT(config->bootstrap != NULL);
    enum conclave_code code = genesis_file_read(config->bootstrap, &genesis, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s", why.text);
        return code;
    }
    if (genesis_file_find(&genesis, config->node_id) == NULL) {
        char nodes[LIMIT_NODES * 24] = "";
        for (unsigned i = 0, size = 0; i < genesis.node_count && size < sizeof nodes; i++) {
            size += (unsigned)snprintf(nodes + size, sizeof nodes - size, "%s%" PRIu64,
                                       i == 0 ? "" : ", ", genesis.nodes[i].node_id);
        }
        settings_error_set(error, "%s: node id %" PRIu64 " is not in %s, whose nodes are %s",
                           settings_where(&config->settings, SETTING_NODE_ID), config->node_id,
                           config->bootstrap, nodes);
        code = CONCLAVE_CONFIG;
    } else {
        code = check_genesis_addresses(config, &genesis, error);
    }
    memcpy(cluster_id, genesis.cluster_id, CERTIFICATE_CLUSTER_BYTES);
    genesis_file_close(&genesis);
    return code;
}

static enum conclave_code check_ticket(const struct config *config,
                                       uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES],
                                       struct settings_error *error)
{
    struct join_ticket ticket;
    enum conclave_code code = join_file_read(config->join, &ticket, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (ticket.node_id != config->node_id) {
        settings_error_set(error, "%s: node id %" PRIu64 " is not that of %s, %" PRIu64,
                           settings_where(&config->settings, SETTING_NODE_ID), config->node_id,
                           config->join, ticket.node_id);
        return CONCLAVE_CONFIG;
    }
    memcpy(cluster_id, ticket.cluster_id, CERTIFICATE_CLUSTER_BYTES);
    return CONCLAVE_OK;
}

enum conclave_code config_check(const struct config *config, struct settings_error *error)
{
    ASSERT(config != NULL && error != NULL);
    uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES];
    enum conclave_code code = check_data_dir(config, error);
    if (code == CONCLAVE_OK) {
        code = check_log_file(config, error);
    }
    if (code == CONCLAVE_OK && config->bootstrap != NULL) {
        code = check_genesis(config, cluster_id, error);
    }
    if (code == CONCLAVE_OK && config->join != NULL) {
        code = check_ticket(config, cluster_id, error);
    }
    if (code == CONCLAVE_OK && config->tls) {
        struct tls_context *context;
        bool cluster_known = config->bootstrap != NULL || config->join != NULL;
        code = certificates_open(config, cluster_known ? cluster_id : NULL, &context, error);
        if (code == CONCLAVE_OK) {
            tls_context_release(context);
        }
    }
    return code;
}

void config_help(void)
{
    (void)fputs(
        "usage: conclaved [--config FILE] [--bootstrap GENESIS_FILE [--restore BACKUP] | --join "
        "TICKET] [FLAG...]\n"
        "Runs one node of a Conclave cluster.\n\n"
        "  --config FILE           read settings from an INI file (or " ENVIRONMENT_FILE ")\n"
        "  --bootstrap FILE        first start: begin with this genesis (from `conclave init`)\n"
        "  --restore FILE          with --bootstrap, where the genesis restores a backup: that "
        "file (see "
        "`conclave restore`)\n"
        "  --join FILE             first start: come to a cluster that is there (from `conclave "
        "cluster add`)\n"
        "  --check-config          say what is wrong with the configuration, or nothing\n"
        "  --help, --version\n\n"
        "Settings: a flag is stronger than the environment, and that than the file.\n",
        stdout);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &settings_table[i];
        char flag[64];
        (void)snprintf(flag, sizeof flag, "--%s %s", info->flag, info->value_name);
        (void)printf("  %-23s %s", flag, info->help);
        if (!info->required && info->standard[0] != '\0') {
            (void)printf(" [%s]", info->standard);
        }
        (void)printf("\n  %-23s   %s, [%s] %s\n", "", info->environment, info->section, info->key);
    }
    (void)fputs("\nexamples:\n"
                "  conclaved --node-id 1 --data-dir /srv/one --bootstrap genesis\n"
                "  conclaved --config /etc/conclave/node.ini\n"
                "  conclaved --config /etc/conclave/node.ini --check-config\n\n"
                "exit status: 0 stopped on request, 1 failure while running, 2 wrong configuration "
                "or data\n",
                stdout);
}
