/* The replica's parts, one at a time: the entry cache, writes and what they acknowledge, the table
 * of commands under way, the record of what was applied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "consensus/core.h"
#include "consensus/pending.h"
#include "consensus/state.h"
#include "kv/kv_memory.h"
#include "support/world.h"

/* --- Cache --- */

static void push(struct cache *cache, uint64_t term, const char *text)
{
    const struct log_entry entry = {term, LOG_ENTRY_COMMAND, slice_of_text(text)};
    assert_int_equal(cache_push(cache, &entry), CONCLAVE_OK);
}

static void assert_cached(const struct cache *cache, uint64_t index, const char *text)
{
    const struct cache_entry *entry = cache_get(cache, index);
    assert_non_null(entry);
    assert_true(slice_is_text(cache_entry_view(entry).data, text));
}

static void test_cache_keeps_order_through_growth_and_eviction(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 10);
    char text[16];
    /* Twice the first capacity, evicting on the way, so that the ring wraps. */
    for (uint64_t index = 10; index < 300; index++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)index);
        push(&cache, 1, text);
        if (index % 3 == 0) {
            cache_evict(&cache, index - 40, 0);
        }
    }
    assert_int_equal(cache_next_index(&cache), 300);
    assert_int_equal(cache.first_index, 297 - 40 + 1); /* evicted up to 257 at 297 */
    assert_null(cache_get(&cache, 257));
    assert_null(cache_get(&cache, 300));
    for (uint64_t index = 258; index < 300; index++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)index);
        assert_cached(&cache, index, text);
    }
    cache_close(&cache);
}

static void test_cache_truncates_in_the_middle_and_below_its_start(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 5);
    push(&cache, 1, "five");
    push(&cache, 1, "six");
    struct cache_entry *held = cache_entry_take(cache_get(&cache, 6));
    cache_truncate(&cache, 6);
    push(&cache, 2, "six again");
    assert_cached(&cache, 5, "five");
    assert_cached(&cache, 6, "six again");
    /* Who holds an entry keeps it. */
    assert_true(slice_is_text(cache_entry_view(held).data, "six"));
    cache_entry_release(held);
    cache_truncate(&cache, 2);
    assert_int_equal(cache.count, 0);
    assert_int_equal(cache.bytes, 0);
    push(&cache, 3, "two");
    assert_cached(&cache, 2, "two");
    cache_close(&cache);
}

/* --- Writes under way while the log is truncated --- */

static void append_entries(struct world *world, uint64_t term, uint64_t previous_index,
                           uint64_t previous_term, unsigned count, uint64_t commit_index)
{
    struct buffer entries;
    struct buffer bytes;
    buffer_init(&entries, LIMIT_FRAME_BYTES);
    buffer_init(&bytes, LIMIT_FRAME_BYTES);
    for (unsigned i = 0; i < count; i++) {
        message_write_entry(&entries, term, RAFT_BARRIER, slice_of("12345678", 8));
    }
    const struct raft_append_entries append = {.term = term,
                                               .prev_log_index = previous_index,
                                               .prev_log_term = previous_term,
                                               .leader_commit = commit_index};
    message_write_append(&bytes, &append, buffer_slice(&entries), count);
    world_inject(world, term % 2 == 0 ? 2 : 3, 1, buffer_slice(&bytes));
    buffer_close(&entries);
    buffer_close(&bytes);
}

struct acknowledged {
    uint64_t term;
    uint64_t index; /* the highest told to the leader of `term` */
};

static void note_acknowledged(void *context, unsigned from, unsigned to, struct slice bytes)
{
    struct acknowledged *acknowledged = context;
    (void)to;
    struct message message;
    assert_int_equal(message_decode(&message, from, bytes), CONCLAVE_OK);
    const struct raft_append_entries_result *result = &message.raft.append_entries_result;
    if (message.type == MESSAGE_APPEND_RESULT && result->rejected == 0 &&
        result->term == acknowledged->term && result->last_log_index > acknowledged->index) {
        acknowledged->index = result->last_log_index;
    }
    message_close(&message);
}

/* Entries 3 to 6 of term 4 are being written; a leader of term 5 replaces 5 and 6. When the write
 * ends, 5 and 6 on the disk are the old ones: the new leader must not be told that it has them. */
static void test_a_write_does_not_acknowledge_what_was_replaced_meanwhile(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 1, .node_count = 3};
    struct world *world = world_open(&config);
    struct acknowledged acknowledged = {.term = 5};
    world->watch.context = &acknowledged;
    world->watch.sent = note_acknowledged;
    world->disks = (struct world_disks){.write_min_ms = 50, .write_max_ms = 50};
    assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    append_entries(world, 4, 2, 1, 4, 2);
    world_run(world, 10);
    append_entries(world, 5, 4, 4, 2, 2);
    world_run(world, 60); /* the first write has ended, the second has not */
    struct replica *replica = world->nodes[1].replica;
    assert_int_equal(log_last_index(world->nodes[1].log), 6);
    assert_true(acknowledged.index <= 4);
    assert_int_equal(replica->raft.last_stored, 4);
    uint64_t term;
    enum log_entry_type type;
    assert_int_equal(log_read_header(world->nodes[1].log, 5, &term, &type), CONCLAVE_OK);
    assert_int_equal(term, 4);
    world_run(world, 60);
    assert_int_equal(log_read_header(world->nodes[1].log, 5, &term, &type), CONCLAVE_OK);
    assert_int_equal(term, 5);
    assert_int_equal(acknowledged.index, 6);
    assert_string_equal(world->broken, "");
    world_close(world);
}

/* The commit index may run ahead of this node's disk: nothing is applied before it is stored. */
static void test_nothing_is_applied_before_it_is_stored(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 1, .node_count = 3};
    struct world *world = world_open(&config);
    world->disks = (struct world_disks){.write_min_ms = 50, .write_max_ms = 50};
    assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    append_entries(world, 4, 2, 1, 3, 5);
    world_run(world, 20);
    struct replica_status status;
    replica_status(world->nodes[1].replica, &status);
    assert_int_equal(status.commit_index, 5);
    assert_int_equal(status.applied_index, 2);
    world_run(world, 60);
    replica_status(world->nodes[1].replica, &status);
    assert_int_equal(status.applied_index, 5);
    assert_string_equal(world->broken, "");
    world_close(world);
}

/* --- Commands under way --- */

static void wait_for(struct pending *pending, struct pending_record *record, uint64_t token,
                     uint64_t deadline_ms, uint64_t node_id)
{
    const struct pending_waiter waiter = {
        .token = token, .deadline_ms = deadline_ms, .node_id = node_id};
    assert_int_equal(pending_wait(pending, record, &waiter), CONCLAVE_OK);
}

static void test_pending_chains_the_same_command(void **state)
{
    (void)state;
    struct pending pending;
    assert_int_equal(pending_open(&pending), CONCLAVE_OK);
    struct pending_record *one = pending_enter(&pending, slice_of_text("command"));
    assert_non_null(one);
    wait_for(&pending, one, 1, 100, 0);
    assert_ptr_equal(pending_enter(&pending, slice_of_text("command")), one);
    wait_for(&pending, one, 2, 50, 0);
    wait_for(&pending, one, 0, 0, 7);
    wait_for(&pending, one, 0, 0, 7); /* the same peer again: one waiter */
    struct pending_record *two = pending_enter(&pending, slice_of_text("commanD"));
    assert_ptr_not_equal(two, one);
    assert_int_equal(pending_count(&pending), 2);
    assert_int_equal(pending.local_count, 2);
    assert_int_equal(pending.deadline_ms, 50);
    assert_int_equal(pending.bytes, 14);
    unsigned waiters = 0;
    for (const struct pending_waiter *waiter = one->waiters; waiter != NULL;
         waiter = waiter->next) {
        waiters++;
    }
    assert_int_equal(waiters, 3);
    pending_close(&pending);
}

static void test_pending_requeues_in_front_and_in_order(void **state)
{
    (void)state;
    struct pending pending;
    assert_int_equal(pending_open(&pending), CONCLAVE_OK);
    static const char *const names[] = {"a", "b", "c", "d"};
    for (unsigned i = 0; i < 4; i++) {
        struct pending_record *record = pending_enter(&pending, slice_of_text(names[i]));
        assert_non_null(record);
        wait_for(&pending, record, i + 1, 1000, i == 1 ? 9 : 0);
    }
    pending_mark_sent(&pending, pending.queued.first);
    pending_mark_sent(&pending, pending.queued.first);
    assert_int_equal(pending.sent.count, 2);
    pending_requeue(&pending);
    assert_int_equal(pending.sent.count, 0);
    const struct pending_record *record = pending.queued.first;
    for (unsigned i = 0; i < 4; i++, record = record->next) {
        assert_int_equal(record->bytes[0], names[i][0]);
        assert_true(record->queued);
    }
    assert_null(record);
    pending_drop_remote(&pending); /* "b" was only a peer's */
    assert_int_equal(pending_count(&pending), 3);
    pending_close(&pending);
}

static void note_expired(void *context, const struct pending_record *record,
                         const struct pending_waiter *waiter)
{
    uint64_t *tokens = context;
    (void)record;
    *tokens = *tokens * 10 + waiter->token;
}

static void test_pending_expires_by_deadline(void **state)
{
    (void)state;
    struct pending pending;
    uint64_t tokens = 0;
    assert_int_equal(pending_open(&pending), CONCLAVE_OK);
    struct pending_record *record = pending_enter(&pending, slice_of_text("a"));
    assert_non_null(record);
    wait_for(&pending, record, 1, 100, 0);
    wait_for(&pending, record, 2, 200, 0);
    record = pending_enter(&pending, slice_of_text("b"));
    assert_non_null(record);
    wait_for(&pending, record, 3, 100, 0);
    pending_expire(&pending, 99, note_expired, &tokens);
    assert_int_equal(tokens, 0);
    pending_expire(&pending, 100, note_expired, &tokens);
    assert_int_equal(tokens, 13);
    assert_int_equal(pending_count(&pending), 1); /* "b" has nobody left */
    assert_int_equal(pending.deadline_ms, 200);
    pending_expire(&pending, 1000, note_expired, &tokens);
    assert_int_equal(tokens, 132);
    assert_int_equal(pending_count(&pending), 0);
    assert_int_equal(pending.bytes, 0);
    assert_true(pending.deadline_ms == UINT64_MAX);
    pending_close(&pending);
}

/* --- The record of what was applied --- */

static void test_state_is_what_was_saved(void **state)
{
    (void)state;
    struct kv *kv;
    struct kv_transaction *transaction;
    assert_int_equal(kv_memory_open(&kv), CONCLAVE_OK);
    assert_int_equal(kv_begin(kv, true, &transaction), CONCLAVE_OK);
    struct state saved;
    assert_int_equal(state_load(transaction, &saved), CONCLAVE_OK);
    assert_int_equal(saved.applied_index, 0);
    static const char configuration[] = "\1\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\0\1";
    saved.applied_index = 900;
    saved.applied_term = 7;
    memset(saved.digest, 0xd1, sizeof saved.digest);
    saved.configuration_index = 800;
    saved.configuration_size = sizeof configuration - 1;
    memcpy(saved.configuration, configuration, saved.configuration_size);
    assert_int_equal(state_save(transaction, &saved), CONCLAVE_OK);
    struct state loaded;
    assert_int_equal(state_load(transaction, &loaded), CONCLAVE_OK);
    assert_int_equal(loaded.applied_index, 900);
    assert_int_equal(loaded.applied_term, 7);
    assert_memory_equal(loaded.digest, saved.digest, sizeof loaded.digest);
    assert_int_equal(loaded.configuration_index, 800);
    assert_int_equal(loaded.configuration_size, saved.configuration_size);
    assert_memory_equal(loaded.configuration, configuration, loaded.configuration_size);
    /* Its key starts with a zero byte, and whatever is damaged is found. */
    struct slice key;
    struct slice value;
    assert_int_equal(kv_seek(transaction, slice_of("\0", 1), &key, &value), CONCLAVE_OK);
    assert_int_equal(key.data[0], 0);
    uint8_t key_copy[KV_KEY_BYTES];
    memcpy(key_copy, key.data, key.size);
    struct slice key_slice = slice_of(key_copy, key.size);
    assert_int_equal(kv_put(transaction, key_slice, slice_of("\x91\x01", 2)), CONCLAVE_OK);
    assert_int_equal(state_load(transaction, &loaded), CONCLAVE_CORRUPT);
    assert_int_equal(kv_put(transaction, key_slice, slice_of("\xc1", 1)), CONCLAVE_OK);
    assert_int_equal(state_load(transaction, &loaded), CONCLAVE_CORRUPT);
    kv_abort(transaction);
    kv_close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_keeps_order_through_growth_and_eviction),
        cmocka_unit_test(test_cache_truncates_in_the_middle_and_below_its_start),
        cmocka_unit_test(test_a_write_does_not_acknowledge_what_was_replaced_meanwhile),
        cmocka_unit_test(test_nothing_is_applied_before_it_is_stored),
        cmocka_unit_test(test_pending_chains_the_same_command),
        cmocka_unit_test(test_pending_requeues_in_front_and_in_order),
        cmocka_unit_test(test_pending_expires_by_deadline),
        cmocka_unit_test(test_state_is_what_was_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
