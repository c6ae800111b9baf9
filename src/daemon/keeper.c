/* See keeper.h. */
#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key_file.h"
#include "base/logger.h"

#define KEPT_BYTES_MAX (64u * 1024u)
#define KEPT_NAME      "checkpoint"

static void sign(void *context, struct slice message, uint8_t signature[64])
{
    const struct keeper *keeper = context;
    auth_sign(&keeper->key, message, signature);
}

/* --- The key --- */

static enum conclave_code refuse_key(struct settings_error *error, const char *path,
                                     const char *what)
{
    settings_error_set(error, "%s: %s: it is the key that `conclave init` made for this node", path,
                       what);
    return CONCLAVE_CONFIG;
}

static enum conclave_code load_key(struct keeper *keeper, const struct config *config,
                                   const struct genesis_file *genesis, struct settings_error *error)
{
    char path[SETTINGS_VALUE_BYTES + 8];
    char owner[LIMIT_ID_BYTES + 1];
    const char *set = settings_text(&config->settings, SETTING_NODE_KEY);
    const struct genesis_file_node *node = genesis_file_find(genesis, config->node_id);
    if (node == NULL) {
        LOG_WARN("this node is not in genesis: it signs no checkpoints");
        return CONCLAVE_OK;
    }
    (void)snprintf(path, sizeof path, "%s%s", set[0] != '\0' ? set : keeper->directory,
                   set[0] != '\0' ? "" : ".key");
    enum conclave_code code = auth_key_load(path, owner, &keeper->key);
    if (code == CONCLAVE_NOT_FOUND && set[0] == '\0') {
        LOG_WARN("this node has no key, and signs no checkpoints: name it with node_key",
                 FIELD_TEXT("file", path));
        return CONCLAVE_OK;
    }
    if (code != CONCLAVE_OK) {
        return refuse_key(error, path,
                          code == CONCLAVE_UNAUTHORISED
                              ? "others than its owner may read or write it (chmod 600)"
                              : conclave_code_text(code));
    }
    if (memcmp(keeper->key.public_key, node->key, AUTH_PUBLIC_KEY_BYTES) != 0) {
        return refuse_key(error, path, "not the key that genesis has for this node");
    }
    keeper->signs = true;
    keeper->signer = (struct replica_signer){.context = keeper, .sign = sign};
    memcpy(keeper->signer.public_key, keeper->key.public_key, AUTH_PUBLIC_KEY_BYTES);
    return CONCLAVE_OK;
}

/* --- The file --- */

static enum conclave_code read_file(struct keeper *keeper, struct settings_error *error)
{
    FILE *file = fopen(keeper->path, "rbe");
    if (file == NULL) {
        if (errno == ENOENT) {
            return CONCLAVE_OK;
        }
        settings_error_set(error, "%s: cannot be read: %s", keeper->path, strerror(errno));
        return CONCLAVE_CONFIG;
    }
    enum conclave_code code = CONCLAVE_OK;
    uint8_t *at = buffer_reserve(&keeper->kept, KEPT_BYTES_MAX);
    if (at == NULL) {
        code = CONCLAVE_NO_MEMORY;
    } else {
        keeper->kept.size = fread(at, 1, KEPT_BYTES_MAX, file);
        if (ferror(file) != 0 || keeper->kept.size == KEPT_BYTES_MAX) {
            settings_error_set(error, "%s: cannot be read, or is too large", keeper->path);
            code = CONCLAVE_CONFIG;
        }
    }
    (void)fclose(file);
    return code;
}

static bool write_all(int fd, struct slice bytes)
{
    size_t written = 0;
    while (written < bytes.size) {
        ssize_t rv = write(fd, bytes.data + written, bytes.size - written);
        if (rv < 0 && errno == EINTR) {
            continue;
        }
        if (rv <= 0) {
            return false;
        }
        written += (size_t)rv;
    }
    return true;
}

static bool sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return synced;
}

static enum conclave_code write_file(const struct keeper *keeper)
{
    char part[KEEPER_PATH_BYTES + 8];
    (void)snprintf(part, sizeof part, "%s.part", keeper->path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return errno == ENOSPC ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
    }
    bool written = write_all(fd, buffer_slice(&keeper->kept)) && fsync(fd) == 0;
    enum conclave_code code = written           ? CONCLAVE_OK
                              : errno == ENOSPC ? CONCLAVE_DISK_FULL
                                                : CONCLAVE_IO;
    if (close(fd) != 0 && code == CONCLAVE_OK) {
        code = CONCLAVE_IO;
    }
    if (code == CONCLAVE_OK &&
        (rename(part, keeper->path) != 0 || !sync_directory(keeper->directory))) {
        code = CONCLAVE_IO;
    }
    return code;
}

static void on_work(uv_work_t *work)
{
    struct keeper *keeper = work->data;
    keeper->code = write_file(keeper);
}

static void after_work(uv_work_t *work, int status)
{
    struct keeper *keeper = work->data;
    keeper->busy = false;
    keeper->done(keeper->context, status == 0 ? keeper->code : CONCLAVE_IO);
}

void keeper_keep(struct keeper *keeper, struct slice bytes)
{
    ASSERT(keeper != NULL && !keeper->busy && bytes.size < KEPT_BYTES_MAX);
    buffer_clear(&keeper->kept);
    buffer_append(&keeper->kept, bytes.data, bytes.size);
    ASSERT(keeper->kept.status == CONCLAVE_OK); /* its memory is there from the start */
    keeper->busy = true;
    keeper->work.data = keeper;
    int rv = uv_queue_work(keeper->loop, &keeper->work, on_work, after_work);
    ASSERT(rv == 0);
}

enum conclave_code keeper_open(struct keeper *keeper, uv_loop_t *loop, const struct config *config,
                               const struct genesis_file *genesis,
                               void (*done)(void *context, enum conclave_code code), void *context,
                               struct settings_error *error)
{
    ASSERT(keeper != NULL && loop != NULL && done != NULL);
    *keeper = (struct keeper){.loop = loop, .done = done, .context = context};
    buffer_init(&keeper->kept, KEPT_BYTES_MAX);
    (void)snprintf(keeper->directory, sizeof keeper->directory, "%s",
                   settings_text(&config->settings, SETTING_DATA_DIR));
    (void)snprintf(keeper->path, sizeof keeper->path, "%s/%s", keeper->directory, KEPT_NAME);
    if (buffer_reserve(&keeper->kept, KEPT_BYTES_MAX) == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = load_key(keeper, config, genesis, error);
    return code == CONCLAVE_OK ? read_file(keeper, error) : code;
}

void keeper_close(struct keeper *keeper)
{
    ASSERT(keeper != NULL && !keeper->busy);
    auth_key_wipe(&keeper->key);
    buffer_close(&keeper->kept);
}
