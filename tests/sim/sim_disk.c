/* Disks that can be frozen, fail and rot. */
#include "sim/sim_disk.h"

#include <stdlib.h>

#include "kv/kv_memory.h"
#include "log/log_memory.h"

struct frozen_log {
    struct log base;
    struct sim_disk *disk;
};

struct frozen_kv {
    struct kv base;
    struct sim_disk *disk;
};

struct frozen_transaction {
    struct kv_transaction base;
    struct kv_transaction *bare;
    struct sim_disk *disk;
};

struct sim_disk {
    struct sim_node *node;
    struct frozen_log log;
    struct frozen_kv kv;
    struct log *bare_log;
    struct kv *bare_kv;
    uint64_t rot_index; /* 0: none */
    size_t rot_bit;
};

/* --- The log --- */

static struct log *bare_log(struct log *log)
{
    return ((struct frozen_log *)log)->disk->bare_log;
}

static uint64_t frozen_last_index(struct log *log)
{
    return log_last_index(bare_log(log));
}

static enum conclave_code frozen_append(struct log *log, uint64_t first_index,
                                        const struct log_entry *entries, size_t entry_count)
{
    return log_append(bare_log(log), first_index, entries, entry_count);
}

static enum conclave_code frozen_read(struct log *log, uint64_t first_index, uint64_t last_index,
                                      log_read_entry callback, void *context)
{
    return log_read(bare_log(log), first_index, last_index, callback, context);
}

static enum conclave_code frozen_read_header(struct log *log, uint64_t index, uint64_t *term,
                                             enum log_entry_type *type)
{
    return log_read_header(bare_log(log), index, term, type);
}

static enum conclave_code frozen_save_vote(struct log *log, struct log_vote vote)
{
    struct sim_disk *disk = ((struct frozen_log *)log)->disk;
    if (sim_doom(disk->node, SIM_crash_before_vote)) {
        return CONCLAVE_OK;
    }
    return log_save_vote(disk->bare_log, vote);
}

static enum conclave_code frozen_load_vote(struct log *log, struct log_vote *vote)
{
    return log_load_vote(bare_log(log), vote);
}

static enum conclave_code frozen_save_identity(struct log *log, struct slice identity)
{
    return log_save_identity(bare_log(log), identity);
}

static enum conclave_code frozen_load_identity(struct log *log, uint8_t *identity,
                                               size_t *identity_size)
{
    return log_load_identity(bare_log(log), identity, identity_size);
}

static void frozen_log_close(struct log *log)
{
    (void)log; /* the disk's */
}

static const struct log_operations log_table = {
    .last_index = frozen_last_index,
    .append = frozen_append,
    .read = frozen_read,
    .read_header = frozen_read_header,
    .save_vote = frozen_save_vote,
    .load_vote = frozen_load_vote,
    .save_identity = frozen_save_identity,
    .load_identity = frozen_load_identity,
    .close = frozen_log_close,
};

/* --- The state --- */

static const struct kv_operations kv_table;

static struct kv_transaction *bare(struct kv_transaction *transaction)
{
    return ((struct frozen_transaction *)transaction)->bare;
}

static enum conclave_code frozen_begin(struct kv *kv, bool write,
                                       struct kv_transaction **transaction)
{
    struct sim_disk *disk = ((struct frozen_kv *)kv)->disk;
    struct frozen_transaction *frozen = sim_checked(calloc(1, sizeof *frozen));
    enum conclave_code rv = kv_begin(disk->bare_kv, write, &frozen->bare);
    if (rv != CONCLAVE_OK) {
        free(frozen);
        return rv;
    }
    frozen->base = (struct kv_transaction){.kv = kv, .operations = &kv_table, .write = write};
    frozen->disk = disk;
    *transaction = &frozen->base;
    return CONCLAVE_OK;
}

static enum conclave_code frozen_get(struct kv_transaction *transaction, struct slice key,
                                     struct slice *value)
{
    return kv_get(bare(transaction), key, value);
}

static enum conclave_code frozen_put(struct kv_transaction *transaction, struct slice key,
                                     struct slice value)
{
    return kv_put(bare(transaction), key, value);
}

static enum conclave_code frozen_remove(struct kv_transaction *transaction, struct slice key)
{
    return kv_remove(bare(transaction), key);
}

static enum conclave_code frozen_seek(struct kv_transaction *transaction, struct slice from,
                                      struct slice *key, struct slice *value)
{
    return kv_seek(bare(transaction), from, key, value);
}

static enum conclave_code frozen_seek_last(struct kv_transaction *transaction, struct slice before,
                                           struct slice *key, struct slice *value)
{
    return kv_seek_last(bare(transaction), before, key, value);
}

static enum conclave_code frozen_commit(struct kv_transaction *transaction)
{
    struct frozen_transaction *frozen = (struct frozen_transaction *)transaction;
    enum conclave_code rv = CONCLAVE_OK;
    if (frozen->base.write && sim_doom(frozen->disk->node, SIM_crash_before_apply)) {
        kv_abort(frozen->bare);
    } else {
        rv = kv_commit(frozen->bare);
    }
    free(frozen);
    return rv;
}

static void frozen_abort(struct kv_transaction *transaction)
{
    kv_abort(bare(transaction));
    free(transaction);
}

static enum conclave_code frozen_sync(struct kv *kv)
{
    return kv_sync(((struct frozen_kv *)kv)->disk->bare_kv);
}

static void frozen_kv_close(struct kv *kv)
{
    (void)kv; /* the disk's */
}

static const struct kv_operations kv_table = {
    .begin = frozen_begin,
    .get = frozen_get,
    .put = frozen_put,
    .remove = frozen_remove,
    .seek = frozen_seek,
    .seek_last = frozen_seek_last,
    .commit = frozen_commit,
    .abort = frozen_abort,
    .sync = frozen_sync,
    .close = frozen_kv_close,
};

/* --- The disk --- */

struct sim_disk *sim_disk_open(struct sim_node *node)
{
    ASSERT(node != NULL);
    struct sim_disk *disk = sim_checked(calloc(1, sizeof *disk));
    disk->node = node;
    disk->log = (struct frozen_log){.base = {&log_table}, .disk = disk};
    disk->kv = (struct frozen_kv){.base = {&kv_table}, .disk = disk};
    enum conclave_code rv = log_memory_open(&disk->bare_log);
    ASSERT(rv == CONCLAVE_OK);
    rv = kv_memory_open(&disk->bare_kv);
    ASSERT(rv == CONCLAVE_OK);
    return disk;
}

void sim_disk_close(struct sim_disk *disk)
{
    log_close(disk->bare_log);
    kv_close(disk->bare_kv);
    free(disk);
}

struct log *sim_disk_log(struct sim_disk *disk)
{
    return &disk->log.base;
}

struct kv *sim_disk_kv(struct sim_disk *disk)
{
    return &disk->kv.base;
}

struct log *sim_disk_bare_log(struct sim_disk *disk)
{
    return disk->bare_log;
}

void sim_disk_wipe_state(struct sim_disk *disk)
{
    kv_close(disk->bare_kv);
    enum conclave_code rv = kv_memory_open(&disk->bare_kv);
    ASSERT(rv == CONCLAVE_OK);
}

void sim_disk_log_error(struct sim_disk *disk, uint64_t countdown)
{
    log_memory_fault_arm(disk->bare_log, countdown);
}

void sim_disk_state_error(struct sim_disk *disk, uint64_t countdown)
{
    kv_memory_fault_arm(disk->bare_kv, countdown);
}

void sim_disk_rot(struct sim_disk *disk, uint64_t index, size_t bit)
{
    ASSERT(disk->rot_index == 0);
    disk->rot_index = index;
    disk->rot_bit = bit;
    log_memory_corrupt(disk->bare_log, index, bit);
}

static enum conclave_code look(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)context;
    (void)index;
    (void)entry;
    return CONCLAVE_OK;
}

void sim_disk_mend(struct sim_disk *disk)
{
    uint64_t index = disk->rot_index;
    disk->rot_index = 0;
    if (index == 0 || index > log_last_index(disk->bare_log)) {
        return;
    }
    /* Overwritten since: there is nothing to mend. */
    if (log_read(disk->bare_log, index, index, look, NULL) == CONCLAVE_CORRUPT) {
        log_memory_corrupt(disk->bare_log, index, disk->rot_bit);
    }
}

uint64_t sim_disk_rotten(const struct sim_disk *disk)
{
    return disk->rot_index;
}
