/* A log out of a backup.
 *
 * The happy path is: the directory is empty -> the file RESTORING is there, synced -> the entries
 * of the backup, the command that founds the cluster, the identity -> RESTORING is gone. The
 * failure modes are: a directory with anything in it, refused; another backup than the one that was
 * signed for, or a damaged one, refused before anything is written; a start that is cut off: there
 * is no identity then, so the node starts as nothing else, and RESTORING says that the log is ours
 * to throw away and to make again. */
#include "daemon/restore_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/backup_read.h"
#include "consensus/restore.h"
#include "log/log_journal.h"

#define MARK "RESTORING"

static const char *directory_of(const struct config *config)
{
    return settings_text(&config->settings, SETTING_DATA_DIR);
}

static void mark_path(const struct config *config, char path[DATA_DIR_PATH_BYTES])
{
    (void)snprintf(path, DATA_DIR_PATH_BYTES, "%s/%s", directory_of(config), MARK);
}

static bool sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    return fd >= 0 && close(fd) == 0 && synced;
}

static enum conclave_code put_mark(const struct config *config, struct settings_error *error)
{
    char path[DATA_DIR_PATH_BYTES];
    mark_path(config, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd < 0 || close(fd) != 0 || !synced || !sync_directory(directory_of(config))) {
        settings_error_set(error, "%s: cannot be made: %s", path, strerror(errno));
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

static enum conclave_code remove_mark(const struct config *config, struct settings_error *error)
{
    char path[DATA_DIR_PATH_BYTES];
    mark_path(config, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        settings_error_set(error, "%s: cannot be removed: %s", path, strerror(errno));
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

static bool is_marked(const struct config *config)
{
    char path[DATA_DIR_PATH_BYTES];
    mark_path(config, path);
    return access(path, F_OK) == 0;
}

/* The first name in a directory that is none of `expected` (a list that ends with NULL). */
static bool find_other(const char *path, const char *const *expected, char *name, size_t size)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool found = false;
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        size_t i = 0;
        while (expected[i] != NULL && strcmp(expected[i], entry->d_name) != 0) {
            i++;
        }
        found = expected[i] == NULL;
        if (found) {
            (void)snprintf(name, size, "%s", entry->d_name);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

/* What a node that ran has left would be taken for that of the new one. */
static enum conclave_code check_empty(const struct config *config, const struct storage *storage,
                                      struct settings_error *error)
{
    static const char *const own[] = {".", "..", "LOCK", "log", "state", "lost+found", MARK, NULL};
    static const char *const none[] = {".", "..", NULL};
    char name[256];
    bool other = find_other(directory_of(config), own, name, sizeof name) ||
                 find_other(storage->data_dir.state, none, name, sizeof name);
    if (!other && log_last_index(storage->log) > 0 && !is_marked(config)) {
        (void)snprintf(name, sizeof name, "a log");
        other = true;
    }
    if (other) {
        settings_error_set(error,
                           "%s: not empty, it has %s: a backup is restored into an empty "
                           "directory, as a new node. Name another one, or move this one away",
                           directory_of(config), name);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code on_entry(void *context, const struct backup_entry *entry,
                                   struct codec_error *error)
{
    static const enum replica_restore_type types[] = {
        [BACKUP_BATCH] = REPLICA_RESTORE_BATCH,
        [BACKUP_BARRIER] = REPLICA_RESTORE_BARRIER,
        [BACKUP_CONFIGURATION] = REPLICA_RESTORE_CONFIGURATION,
    };
    const struct replica_restore_entry restored = {.index = entry->index,
                                                   .term = entry->term,
                                                   .type = types[entry->type],
                                                   .time_ms = entry->time_ms,
                                                   .closes = entry->closes,
                                                   .close_count = entry->close_count,
                                                   .commands = entry->commands,
                                                   .command_count = entry->command_count};
    return replica_restore_entry(context, &restored, error);
}

static enum conclave_code fill(const struct config *config, struct storage *storage,
                               const struct genesis_file *genesis, struct codec_error *why)
{
    struct replica_restore *restore;
    const struct replica_restore_config restore_config = {
        .log = storage->log,
        .command = buffer_slice(&genesis->command),
        .node_id = config->node_id,
        .random = &random_system};
    enum conclave_code code = replica_restore_open(&restore_config, &restore, why);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = backup_read(config->restore, replica_restore_backup(restore), on_entry, restore, why);
    if (code == CONCLAVE_OK) {
        code = replica_restore_finish(restore, why);
    }
    replica_restore_close(restore);
    return code;
}

enum conclave_code restore_log(const struct config *config, struct storage *storage,
                               const struct genesis_file *genesis, struct settings_error *error)
{
    ASSERT(config != NULL && storage != NULL && genesis != NULL && genesis->restores);
    struct codec_error why = {.text = ""};
    if (config->restore == NULL) {
        settings_error_set(error,
                           "%s restores a backup: name it with --restore FILE (`conclave restore` "
                           "has said which)",
                           config->bootstrap);
        return CONCLAVE_CONFIG;
    }
    enum conclave_code code = check_empty(config, storage, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (log_last_index(storage->log) > 0) {
        code = storage_start_log_over(storage);
    }
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: %s", storage->data_dir.log, conclave_code_text(code));
        return code;
    }
    code = put_mark(config, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = fill(config, storage, genesis, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: it cannot be restored: %s", config->restore,
                           why.text[0] != '\0' ? why.text : conclave_code_text(code));
        bool about_input = code == CONCLAVE_NOT_FOUND || code == CONCLAVE_NOT_PROVEN ||
                           code == CONCLAVE_BAD_REQUEST || code == CONCLAVE_BAD_VERSION ||
                           code == CONCLAVE_BAD_SIGNATURE || code == CONCLAVE_DUPLICATE_ID;
        return about_input ? CONCLAVE_CONFIG : code;
    }
    LOG_INFO("restored", FIELD_TEXT("backup", config->restore),
             FIELD_TEXT("genesis", config->bootstrap),
             FIELD_U64("entries", log_last_index(storage->log)));
    return remove_mark(config, error);
}
