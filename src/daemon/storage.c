/* What a node keeps on disk, opened in order: lock, log, genesis, state. */
#include "daemon/storage.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/join_file.h"
#include "daemon/restore_log.h"
#include "daemon/state_trust.h"
#include "kv/kv_lmdb.h"
#include "log/log_journal.h"

static enum conclave_code refuse(struct settings_error *error, const char *path,
                                 enum conclave_code code)
{
    settings_error_set(error, "%s: %s", path, conclave_code_text(code));
    return code;
}

static const char *data_dir_of(const struct config *config)
{
    return settings_text(&config->settings, SETTING_DATA_DIR);
}

/* The directory has data: a genesis given again must be its own. */
static enum conclave_code check_same_genesis(const struct config *config,
                                             const struct storage *storage,
                                             const struct genesis_file *genesis,
                                             struct settings_error *error)
{
    char has[33], wants[33];
    sodium_bin2hex(has, sizeof has, storage->identity.cluster_id, 16);
    sodium_bin2hex(wants, sizeof wants, genesis->cluster_id, 16);
    if (strcmp(has, wants) != 0) {
        settings_error_set(error, "%s holds data of the cluster %s, but %s is the genesis of %s",
                           data_dir_of(config), has, config->bootstrap, wants);
        return CONCLAVE_CONFIG;
    }
    LOG_INFO("bootstrapped already with this genesis", FIELD_TEXT("cluster", has));
    return CONCLAVE_OK;
}

/* The log's first entries were written, the identity was not: the first start was cut off, and the
 * node has taken part in nothing yet. It may start over. */
enum conclave_code storage_start_log_over(struct storage *storage)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "journal"};
    char path[DATA_DIR_PATH_BYTES + 16];
    LOG_WARN("the first start was cut off: it is done again");
    log_close(storage->log);
    storage->log = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", storage->data_dir.log, files[i]);
        if (unlink(path) != 0) {
            return CONCLAVE_IO;
        }
    }
    return log_journal_open(storage->data_dir.log, NULL, &storage->log);
}

static enum conclave_code bootstrap(const struct config *config, struct storage *storage,
                                    const struct genesis_file *genesis,
                                    struct settings_error *error)
{
    struct codec_error why = {.text = ""};
    struct slice command = buffer_slice(&genesis->command);
    enum conclave_code code = CONCLAVE_OK;
    if (genesis->restores) {
        code = restore_log(config, storage, genesis, error);
        return code == CONCLAVE_OK ? replica_identity(storage->log, &storage->identity) : code;
    }
    if (config->restore != NULL) {
        settings_error_set(error,
                           "--restore: %s is the genesis of a new cluster, it restores nothing: "
                           "`conclave restore` makes one that does",
                           config->bootstrap);
        return CONCLAVE_CONFIG;
    }
    uint64_t last_index = log_last_index(storage->log);
    if (last_index > REPLICA_BOOTSTRAP_ENTRIES) {
        code =
            CONCLAVE_CORRUPT; /* it has taken part, and its identity is lost: not ours to delete */
    } else if (last_index > 0) {
        code = storage_start_log_over(storage);
    }
    if (code != CONCLAVE_OK) {
        return refuse(error, storage->data_dir.log, code);
    }
    code = replica_bootstrap(storage->log, command, config->node_id, &random_system, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: not the genesis of a cluster: %s", config->bootstrap,
                           why.text[0] != '\0' ? why.text : conclave_code_text(code));
        return code == CONCLAVE_BAD_REQUEST || code == CONCLAVE_BAD_SIGNATURE ? CONCLAVE_CONFIG
                                                                              : code;
    }
    LOG_INFO("bootstrapped", FIELD_TEXT("genesis", config->bootstrap));
    return replica_identity(storage->log, &storage->identity);
}

/* The ticket is kept beside the log: later starts need its addresses and token. First the ticket,
 * then the identity: a start that is cut off in between is done again. */
static enum conclave_code join(const struct config *config, struct storage *storage, bool found,
                               struct settings_error *error)
{
    struct join_ticket *ticket = &storage->ticket;
    enum conclave_code code = join_file_read(config->join, ticket, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (found && memcmp(ticket->cluster_id, storage->identity.cluster_id, 16) != 0) {
        settings_error_set(error, "%s holds data of another cluster than that of the ticket %s",
                           data_dir_of(config), config->join);
        return CONCLAVE_CONFIG;
    }
    if (!found && !ticket->has_token) {
        settings_error_set(error,
                           "%s: this ticket is for a node that has data, and %s holds none: add "
                           "the node with `conclave cluster add`",
                           config->join, data_dir_of(config));
        return CONCLAVE_CONFIG;
    }
    code = join_file_keep(data_dir_of(config), ticket, error);
    if (code != CONCLAVE_OK || found) {
        return code;
    }
    struct codec_error why = {.text = ""};
    code = replica_join(storage->log, ticket->cluster_id, config->node_id, &random_system, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: %s", storage->data_dir.log,
                           why.text[0] != '\0' ? why.text : conclave_code_text(code));
        return code;
    }
    LOG_INFO("joining", FIELD_TEXT("ticket", config->join));
    return replica_identity(storage->log, &storage->identity);
}

/* A node that joined once has its ticket. */
static enum conclave_code find_ticket(const struct config *config, struct storage *storage,
                                      struct settings_error *error)
{
    enum conclave_code code = join_file_kept(data_dir_of(config), &storage->ticket, error);
    storage->joined = code == CONCLAVE_OK;
    return code == CONCLAVE_NOT_FOUND && !storage->identity.joined ? CONCLAVE_OK : code;
}

static enum conclave_code find_identity(const struct config *config, struct storage *storage,
                                        struct settings_error *error)
{
    enum conclave_code code = replica_identity(storage->log, &storage->identity);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return refuse(error, storage->data_dir.log, code);
    }
    bool found = code == CONCLAVE_OK;
    if (!found && config->bootstrap == NULL && config->join == NULL) {
        settings_error_set(error,
                           "%s holds no data: start a node of a new cluster with --bootstrap "
                           "GENESIS_FILE (from `conclave init`), one that comes to a cluster with "
                           "--join TICKET (from `conclave cluster add`)",
                           data_dir_of(config));
        return CONCLAVE_CONFIG;
    }
    if (config->join != NULL) {
        code = join(config, storage, found, error);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    if (config->bootstrap != NULL) {
        struct genesis_file genesis;
        struct genesis_file_error why;
        code = genesis_file_read(config->bootstrap, &genesis, &why);
        if (code != CONCLAVE_OK) {
            settings_error_set(error, "%s", why.text);
            return code;
        }
        code = found ? check_same_genesis(config, storage, &genesis, error)
                     : bootstrap(config, storage, &genesis, error);
        genesis_file_close(&genesis);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    if (storage->identity.node_id != config->node_id) {
        settings_error_set(error, "%s: %s holds data of node %" PRIu64 ", not of node %" PRIu64,
                           settings_where(&config->settings, SETTING_NODE_ID), data_dir_of(config),
                           storage->identity.node_id, config->node_id);
        return CONCLAVE_CONFIG;
    }
    return find_ticket(config, storage, error);
}

/* The genesis that the log began with; a node that joined may not have it yet, and is not in it. */
static enum conclave_code find_genesis(const struct config *config, struct storage *storage)
{
    const struct replica_identity *identity = &storage->identity;
    enum conclave_code code =
        genesis_file_read_log(storage->log, identity->founded_index, &storage->genesis);
    if (code == CONCLAVE_OK && identity->joined &&
        memcmp(storage->genesis.cluster_id, identity->cluster_id, 16) != 0) {
        storage->genesis.node_count = 0; /* of a former cluster, whose record this one restored */
    }
    if (identity->joined) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    if (code == CONCLAVE_OK && genesis_file_find(&storage->genesis, config->node_id) == NULL) {
        return CONCLAVE_CORRUPT;
    }
    return code;
}

static enum conclave_code open_log(const struct config *config, struct storage *storage,
                                   struct settings_error *error)
{
    enum conclave_code code = log_journal_open(storage->data_dir.log, NULL, &storage->log);
    if (code != CONCLAVE_OK) {
        return refuse(error, storage->data_dir.log, code);
    }
    code = find_identity(config, storage, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    /* Before anybody hears of this node: a copy of its disk differs from now on. */
    code = replica_count_start(storage->log, &random_system, &storage->identity);
    if (code != CONCLAVE_OK) {
        return refuse(error, storage->data_dir.log, code);
    }
    code = find_genesis(config, storage);
    return code == CONCLAVE_OK ? code : refuse(error, storage->data_dir.log, code);
}

static enum conclave_code open_state(struct storage *storage, struct settings_error *error)
{
    const char *directory = storage->data_dir.state;
    char boot_id[STATE_TRUST_BOOT_ID_BYTES];
    bool wiped = false;
    state_trust_boot_id(boot_id);
    enum conclave_code code = state_trust_begin(directory, boot_id, &wiped);
    if (code != CONCLAVE_OK) {
        return refuse(error, directory, code);
    }
    if (wiped) {
        LOG_WARN("the state on disk cannot be trusted (the machine stopped without closing it, or "
                 "it was damaged): it is rebuilt from the log");
    }
    code = kv_lmdb_open(directory, 0, &storage->kv);
    if (code == CONCLAVE_CORRUPT) {
        LOG_WARN("the state is damaged: it is rebuilt from the log");
        code = state_trust_wipe(directory, &wiped);
        if (code == CONCLAVE_OK) {
            code = kv_lmdb_open(directory, 0, &storage->kv);
        }
    }
    return code == CONCLAVE_OK ? code : refuse(error, directory, code);
}

enum conclave_code storage_open(const struct config *config, struct storage *storage,
                                struct settings_error *error)
{
    ASSERT(config != NULL && storage != NULL && error != NULL);
    memset(storage, 0, sizeof *storage);
    enum conclave_code code = data_dir_open(data_dir_of(config), &storage->data_dir, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = open_log(config, storage, error);
    if (code == CONCLAVE_OK) {
        code = open_state(storage, error);
    }
    if (code != CONCLAVE_OK) {
        storage_close(storage);
    }
    return code;
}

void storage_close(struct storage *storage)
{
    ASSERT(storage != NULL);
    kv_close(storage->kv);
    log_close(storage->log);
    genesis_file_close(&storage->genesis);
    data_dir_close(&storage->data_dir);
}

enum conclave_code storage_close_clean(struct storage *storage)
{
    ASSERT(storage != NULL && storage->kv != NULL);
    enum conclave_code code = kv_sync(storage->kv);
    kv_close(storage->kv);
    storage->kv = NULL;
    if (code == CONCLAVE_OK) {
        code = state_trust_end(storage->data_dir.state);
    }
    storage_close(storage);
    return code;
}
