/* Disks that can be frozen, fail and rot. */
#include "sim/sim_disk.h"

#include <stdlib.h>

#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "log/log_record.h"
#include "sim/sim_host.h"

#define SECTOR_BYTES 512u

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
    enum conclave_code failure; /* of a write in it */
};

struct countdown {
    uint64_t left; /* 0: none */
    enum sim_trouble trouble;
};

struct sim_disk {
    struct sim_node *node;
    struct frozen_log log;
    struct frozen_kv kv;
    struct log *bare_log;
    struct kv *bare_kv;
    uint64_t bytes; /* written to the log so far: where in a sector the next begins */
    struct countdown log_trouble;
    struct countdown state_trouble;
    bool full;
    uint64_t full_until_ms;              /* then somebody makes room */
    struct kv_transaction *written_back; /* a snapshot of the state, or NULL */
    uint64_t rot_index;                  /* 0: none */
    size_t rot_bit;
    uint64_t state_rot; /* reads until the damaged place is met; 0: none is to be met */
    uint8_t bad_key[KV_KEY_BYTES];
    size_t bad_key_size; /* 0: none */
};

static uint64_t lot(struct sim_disk *disk, uint64_t bound)
{
    return sim_random_below(&disk->node->sim->lot, bound);
}

bool sim_disk_is_full(struct sim_disk *disk)
{
    if (disk->full && disk->node->sim->now_ms >= disk->full_until_ms) {
        disk->full = false;
        sim_say(disk->node->sim, "node %u has room on its disk again", disk->node->id);
    }
    return disk->full;
}

/* Whether this write fails, and how. A full disk is nothing to die of. */
static bool fails(struct sim_disk *disk, struct countdown *countdown, enum sim_trouble *trouble)
{
    if (sim_disk_is_full(disk)) {
        *trouble = SIM_FULL;
        return true;
    }
    if (countdown->left == 0 || --countdown->left > 0) {
        return false;
    }
    *trouble = countdown->trouble;
    if (*trouble == SIM_FULL) {
        disk->full = true;
        disk->full_until_ms = disk->node->sim->now_ms + 50 + lot(disk, 2000);
        sim_say(disk->node->sim, "the disk of node %u is full", disk->node->id);
    } else {
        disk->node->excused = true;
    }
    static const enum sim_count marks[] = {[SIM_WRITE_ERROR] = SIM_write_error,
                                           [SIM_SYNC_ERROR] = SIM_sync_error,
                                           [SIM_FULL] = SIM_disk_full};
    sim_count(disk->node->sim, marks[*trouble]);
    return true;
}

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
    enum sim_trouble trouble;
    if (sim_doom(disk->node, SIM_crash_before_vote)) {
        return CONCLAVE_OK;
    }
    if (fails(disk, &disk->log_trouble, &trouble)) {
        if (trouble == SIM_SYNC_ERROR && lot(disk, 2) == 0) {
            enum conclave_code rv = log_save_vote(disk->bare_log, vote);
            ASSERT(rv == CONCLAVE_OK);
        }
        /* There is a reserve, which somebody else may have taken. */
        bool taken = trouble == SIM_FULL && lot(disk, 8) == 0;
        SOMETIMES(disk->node->sim, taken, vote_without_room);
        if (taken || trouble != SIM_FULL) {
            return taken ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
        }
    }
    enum conclave_code rv = log_save_vote(disk->bare_log, vote);
    (void)sim_doom(disk->node, SIM_crash_after_vote);
    return rv;
}

static enum conclave_code frozen_repair(struct log *log, uint64_t index,
                                        const struct log_entry *entry)
{
    return log_repair(bare_log(log), index, entry);
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

static bool frozen_full(struct log *log)
{
    return sim_disk_is_full(((struct frozen_log *)log)->disk);
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
    .repair = frozen_repair,
    .save_vote = frozen_save_vote,
    .load_vote = frozen_load_vote,
    .save_identity = frozen_save_identity,
    .load_identity = frozen_load_identity,
    .full = frozen_full,
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

static struct sim_disk *disk_of(struct kv_transaction *transaction)
{
    return ((struct frozen_transaction *)transaction)->disk;
}

static bool is_bad(const struct sim_disk *disk, struct slice key)
{
    return disk->bad_key_size > 0 && slice_equal(key, slice_of(disk->bad_key, disk->bad_key_size));
}

/* A read of this key: does it meet the damage? */
static bool meets_rot(struct sim_disk *disk, struct slice key)
{
    if (disk->state_rot > 0 && --disk->state_rot == 0) {
        memcpy(disk->bad_key, key.data, key.size);
        disk->bad_key_size = key.size;
        sim_count(disk->node->sim, SIM_state_rot);
    }
    return is_bad(disk, key);
}

static enum conclave_code frozen_get(struct kv_transaction *transaction, struct slice key,
                                     struct slice *value)
{
    enum conclave_code rv = kv_get(bare(transaction), key, value);
    return rv == CONCLAVE_OK && meets_rot(disk_of(transaction), key) ? CONCLAVE_CORRUPT : rv;
}

static enum conclave_code written(struct kv_transaction *transaction, enum conclave_code rv)
{
    struct frozen_transaction *frozen = (struct frozen_transaction *)transaction;
    enum sim_trouble trouble;
    if (rv == CONCLAVE_OK && fails(frozen->disk, &frozen->disk->state_trouble, &trouble)) {
        rv = frozen->failure = trouble == SIM_FULL ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
    }
    return rv;
}

static enum conclave_code frozen_put(struct kv_transaction *transaction, struct slice key,
                                     struct slice value)
{
    struct sim_disk *disk = disk_of(transaction);
    if (is_bad(disk, key)) {
        disk->bad_key_size = 0;
    }
    return written(transaction, kv_put(bare(transaction), key, value));
}

static enum conclave_code frozen_remove(struct kv_transaction *transaction, struct slice key)
{
    return written(transaction, kv_remove(bare(transaction), key));
}

static enum conclave_code frozen_seek(struct kv_transaction *transaction, struct slice from,
                                      struct slice *key, struct slice *value)
{
    struct slice found;
    enum conclave_code rv = kv_seek(bare(transaction), from, &found, value);
    if (rv == CONCLAVE_OK && meets_rot(disk_of(transaction), found)) {
        return CONCLAVE_CORRUPT;
    }
    if (rv == CONCLAVE_OK && key != NULL) {
        *key = found;
    }
    return rv;
}

static enum conclave_code frozen_seek_last(struct kv_transaction *transaction, struct slice before,
                                           struct slice *key, struct slice *value)
{
    struct slice found;
    enum conclave_code rv = kv_seek_last(bare(transaction), before, &found, value);
    if (rv == CONCLAVE_OK && meets_rot(disk_of(transaction), found)) {
        return CONCLAVE_CORRUPT;
    }
    if (rv == CONCLAVE_OK && key != NULL) {
        *key = found;
    }
    return rv;
}

/* Now and then the kernel writes back what it has. */
static void write_back(struct sim_disk *disk)
{
    if (lot(disk, 40) != 0) {
        return;
    }
    if (disk->written_back != NULL) {
        kv_abort(disk->written_back);
    }
    enum conclave_code rv = kv_begin(disk->bare_kv, false, &disk->written_back);
    ASSERT(rv == CONCLAVE_OK);
}

static enum conclave_code commit_write(struct frozen_transaction *frozen)
{
    struct sim_disk *disk = frozen->disk;
    if (frozen->failure != CONCLAVE_OK) {
        kv_abort(frozen->bare);
        return frozen->failure;
    }
    if (sim_doom(disk->node, SIM_crash_before_apply)) {
        kv_abort(frozen->bare);
        return CONCLAVE_OK;
    }
    enum conclave_code rv = kv_commit(frozen->bare);
    if (rv == CONCLAVE_OK) {
        write_back(disk);
        (void)sim_doom(disk->node, SIM_crash_after_apply);
    }
    return rv;
}

static enum conclave_code frozen_commit(struct kv_transaction *transaction)
{
    struct frozen_transaction *frozen = (struct frozen_transaction *)transaction;
    enum conclave_code rv = frozen->base.write ? commit_write(frozen) : kv_commit(frozen->bare);
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

static enum conclave_code frozen_reserve(struct kv *kv, uint64_t bytes)
{
    (void)bytes;
    return sim_disk_is_full(((struct frozen_kv *)kv)->disk) ? CONCLAVE_DISK_FULL : CONCLAVE_OK;
}

/* Now and then what was thought to be enough is not. */
static uint64_t frozen_room(struct kv *kv)
{
    return lot(((struct frozen_kv *)kv)->disk, 2) == 0 ? 0 : UINT64_MAX;
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
    .reserve = frozen_reserve,
    .room = frozen_room,
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

static void forget_written_back(struct sim_disk *disk)
{
    if (disk->written_back != NULL) {
        kv_abort(disk->written_back);
        disk->written_back = NULL;
    }
}

void sim_disk_close(struct sim_disk *disk)
{
    forget_written_back(disk);
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

/* --- Writes of the log --- */

/* The bytes of the write as they go to the platter, one record after the other. */
static uint8_t *lay_out(const struct replica_write *write, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < write->entry_count; i++) {
        *size += LOG_RECORD_HEAD_BYTES + write->entries[i].data.size;
    }
    uint8_t *bytes = sim_checked(malloc(*size));
    uint8_t *at = bytes;
    for (size_t i = 0; i < write->entry_count; i++) {
        const struct log_entry *entry = &write->entries[i];
        const struct log_record record = {
            .type = (uint8_t)entry->type, .term = entry->term, .data = entry->data};
        log_record_write_head(at, write->first_index + i, &record);
        at += LOG_RECORD_HEAD_BYTES;
        if (entry->data.size > 0) {
            memcpy(at, entry->data.data, entry->data.size);
        }
        at += entry->data.size;
    }
    return bytes;
}

/* Loses sectors: all from one on, or some anywhere. What was there before is still there. */
static void tear(struct sim_disk *disk, uint8_t *bytes, size_t size)
{
    size_t begin = (size_t)(disk->bytes % SECTOR_BYTES); /* of the first byte, in its sector */
    size_t sectors = (begin + size + SECTOR_BYTES - 1) / SECTOR_BYTES;
    size_t kept = (size_t)lot(disk, sectors + 1);
    bool anywhere = lot(disk, 2) == 0;
    for (size_t sector = 0; sector < sectors; sector++) {
        if (anywhere ? lot(disk, 4) != 0 : sector < kept) {
            continue;
        }
        size_t from = sector == 0 ? 0 : sector * SECTOR_BYTES - begin;
        size_t to = (sector + 1) * SECTOR_BYTES - begin;
        to = to < size ? to : size;
        memset(bytes + from, 0, to - from);
    }
}

/* Recovery: the entries that are sound, up to the first that is not. They are taken as they read.
 */
static size_t recover(struct sim_disk *disk, const struct replica_write *write,
                      const uint8_t *bytes)
{
    struct log_entry *entries = sim_checked(calloc(write->entry_count, sizeof *entries));
    size_t count = 0;
    const uint8_t *at = bytes;
    while (count < write->entry_count) {
        size_t size = LOG_RECORD_HEAD_BYTES + write->entries[count].data.size;
        if (log_record_read_entry(slice_of(at, size), write->first_index + count,
                                  &entries[count]) != CONCLAVE_OK) {
            break;
        }
        at += size;
        count++;
    }
    if (count > 0) {
        enum conclave_code rv = log_append(disk->bare_log, write->first_index, entries, count);
        ASSERT(rv == CONCLAVE_OK);
    }
    free(entries);
    return count;
}

static void write_torn(struct sim_disk *disk, const struct replica_write *write)
{
    size_t size;
    uint8_t *bytes = lay_out(write, &size);
    tear(disk, bytes, size);
    size_t count = recover(disk, write, bytes);
    struct sim *sim = disk->node->sim;
    sim_count(sim, SIM_write_torn);
    SOMETIMES(sim, count > 0 && count < write->entry_count, write_torn_between);
    sim_say(sim, "of %zu entries that node %u wrote from %llu, %zu are there", write->entry_count,
            disk->node->id, (unsigned long long)write->first_index, count);
    disk->bytes += size;
    free(bytes);
}

static enum conclave_code write_whole(struct sim_disk *disk, const struct replica_write *write)
{
    for (size_t i = 0; i < write->entry_count; i++) {
        disk->bytes += LOG_RECORD_HEAD_BYTES + write->entries[i].data.size;
    }
    return log_append(disk->bare_log, write->first_index, write->entries, write->entry_count);
}

enum conclave_code sim_disk_write(struct sim_disk *disk, const struct replica_write *write)
{
    enum sim_trouble trouble;
    if (!fails(disk, &disk->log_trouble, &trouble)) {
        return write_whole(disk, write);
    }
    if (trouble == SIM_SYNC_ERROR) {
        write_torn(disk, write);
    }
    return trouble == SIM_FULL ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
}

void sim_disk_interrupt(struct sim_disk *disk, const struct replica_write *write)
{
    struct sim *sim = disk->node->sim;
    uint64_t fate = lot(disk, 4);
    if (fate == 0) {
        sim_count(sim, SIM_write_lost);
    } else if (fate == 1) { /* done, but nobody was told */
        enum conclave_code rv = write_whole(disk, write);
        ASSERT(rv == CONCLAVE_OK);
        sim_count(sim, SIM_write_unreported);
    } else {
        write_torn(disk, write);
    }
}

/* --- The state --- */

void sim_disk_wipe_state(struct sim_disk *disk)
{
    forget_written_back(disk);
    kv_close(disk->bare_kv);
    enum conclave_code rv = kv_memory_open(&disk->bare_kv);
    ASSERT(rv == CONCLAVE_OK);
    disk->bad_key_size = 0;
}

/* Everything that the transaction sees, in a store of its own. */
static struct kv *copy_of(struct kv_transaction *from)
{
    struct kv *copy;
    struct kv_transaction *to;
    enum conclave_code rv = kv_memory_open(&copy);
    ASSERT(rv == CONCLAVE_OK);
    rv = kv_begin(copy, true, &to);
    ASSERT(rv == CONCLAVE_OK);
    uint8_t next[KV_KEY_BYTES + 1];
    struct slice key = slice_of("", 0);
    struct slice value;
    while ((rv = kv_seek(from, key, &key, &value)) == CONCLAVE_OK) {
        rv = kv_put(to, key, value);
        ASSERT(rv == CONCLAVE_OK);
        key = kv_key_after(key, next);
    }
    ASSERT(rv == CONCLAVE_NOT_FOUND);
    rv = kv_commit(to);
    ASSERT(rv == CONCLAVE_OK);
    return copy;
}

void sim_disk_power_loss(struct sim_disk *disk)
{
    if (disk->written_back == NULL || lot(disk, 2) == 0) {
        sim_count(disk->node->sim, SIM_state_torn);
        sim_disk_wipe_state(disk);
        return;
    }
    struct kv *old = copy_of(disk->written_back);
    forget_written_back(disk);
    kv_close(disk->bare_kv);
    disk->bare_kv = old;
    sim_count(disk->node->sim, SIM_state_went_back);
}

/* --- Troubles --- */

void sim_disk_log_trouble(struct sim_disk *disk, enum sim_trouble trouble, uint64_t countdown)
{
    disk->log_trouble = (struct countdown){countdown, trouble};
}

void sim_disk_state_trouble(struct sim_disk *disk, enum sim_trouble trouble, uint64_t countdown)
{
    disk->state_trouble = (struct countdown){countdown, trouble};
}

void sim_disk_heal(struct sim_disk *disk)
{
    disk->log_trouble.left = 0;
    disk->state_trouble.left = 0;
    disk->state_rot = 0;
    disk->full = false;
}

void sim_disk_rot_state(struct sim_disk *disk, uint64_t countdown)
{
    disk->state_rot = countdown;
}

bool sim_disk_state_rotten(const struct sim_disk *disk)
{
    return disk->bad_key_size > 0;
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
    disk->bad_key_size = 0;
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
