/* A cluster that is restored from the record of another: the command, what it does to the state,
 * what an auditor makes of it, and the log that a node begins with.
 *
 * The record: chair admits ada and bob, adds node 4, opens the poll "lunch"; ada votes yes, bob no.
 * The id that is expected is the hash of the envelope by libsodium. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "audit/audit.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "consensus/replica.h"
#include "consensus/restore.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "model/model.h"
#include "model/node.h"
#include "model/restore.h"
#include "support/actors.h"

#define CREATED_MS UINT64_C(1000000)
#define UNTIL_MS   (CREATED_MS + UINT64_C(3600000))
#define LAST_INDEX 5u
#define AFTER      (LAST_INDEX + 1u)
#define ITEMS      3u

struct entry {
    uint32_t count;
    struct buffer commands[ITEMS];
    enum conclave_code codes[ITEMS];
};

static struct {
    struct actor chair, ada, bob;
    uint8_t old_id[16];
    struct entry entries[AFTER + 2]; /* by index; entry 1 is a configuration */
    struct audit_summary at_end;     /* of the record */
    struct genesis_former former;
} f;

static struct buffer *add(uint64_t index, enum conclave_code code)
{
    struct entry *entry = &f.entries[index];
    assert_true(entry->count < ITEMS);
    buffer_init(&entry->commands[entry->count], LIMIT_COMMAND_BYTES + 1024);
    entry->codes[entry->count] = code;
    return &entry->commands[entry->count++];
}

static void add_node(struct buffer *command)
{
    uint8_t token[32] = {1};
    struct buffer body;
    buffer_init(&body, 1024);
    codec_write_map(&body, 5);
    codec_write_text(&body, "id");
    codec_write_u64(&body, 4);
    codec_write_text(&body, "peer");
    codec_write_text(&body, "127.0.0.1:7104");
    codec_write_text(&body, "client");
    codec_write_text(&body, "127.0.0.1:7204");
    codec_write_text(&body, "token");
    codec_write_bytes(&body, slice_of(token, sizeof token));
    codec_write_text(&body, "role");
    codec_write_text(&body, "voter");
    actor_command(&f.chair, command, f.old_id, UNTIL_MS, "node.add", buffer_slice(&body));
    buffer_close(&body);
}

static void id_of(const struct buffer *command, uint8_t id[16])
{
    struct envelope envelope;
    struct codec_error error;
    uint8_t hash[crypto_hash_sha256_BYTES];
    assert_int_equal(envelope_decode(&envelope, buffer_slice(command), &error), CONCLAVE_OK);
    crypto_hash_sha256(hash, envelope.bytes.data, envelope.bytes.size);
    memcpy(id, hash, 16);
    envelope_close(&envelope);
}

static uint64_t time_of(uint64_t index)
{
    return CREATED_MS + 10 * index;
}

static enum conclave_code audit_one(struct audit *audit, uint64_t index)
{
    const struct entry *entry = &f.entries[index];
    struct audit_command commands[ITEMS];
    for (uint32_t i = 0; i < entry->count; i++) {
        commands[i] = (struct audit_command){buffer_slice(&entry->commands[i]), entry->codes[i]};
    }
    const struct audit_entry given = {.index = index,
                                      .batch = index > 1,
                                      .time_ms = time_of(index),
                                      .commands = commands,
                                      .command_count = entry->count};
    return audit_entry(audit, &given);
}

/* The audit up to an entry. The fault is "" when there is none. */
static void audit_to(uint64_t last, const uint8_t *cluster_id, struct audit_fault *fault,
                     struct audit_summary *summary)
{
    struct audit *audit;
    enum conclave_code code = audit_open(cluster_id, &audit);
    for (uint64_t index = 1; code == CONCLAVE_OK && index <= last; index++) {
        code = audit_one(audit, index);
    }
    if (code == CONCLAVE_OK) {
        code = audit_finish(audit);
    }
    *fault = *audit_fault(audit);
    assert_int_equal(code, fault->found ? CONCLAVE_NOT_PROVEN : CONCLAVE_OK);
    audit_summary(audit, summary);
    audit_close(audit);
}

static int set_up(void **state)
{
    (void)state;
    struct audit_fault fault;
    memset(&f, 0, sizeof f);
    actor_init(&f.chair, "chair");
    actor_init(&f.ada, "ada");
    actor_init(&f.bob, "bob");
    actor_genesis(&f.chair, add(2, CONCLAVE_OK), 3, CREATED_MS);
    id_of(&f.entries[2].commands[0], f.old_id);
    actor_admit(&f.chair, add(3, CONCLAVE_OK), f.old_id, UNTIL_MS, &f.ada);
    actor_admit(&f.chair, add(3, CONCLAVE_OK), f.old_id, UNTIL_MS, &f.bob);
    add_node(add(3, CONCLAVE_OK));
    actor_open(&f.chair, add(4, CONCLAVE_OK), f.old_id, UNTIL_MS, "lunch", "simple-majority",
               1000000);
    actor_vote(&f.ada, add(5, CONCLAVE_OK), f.old_id, UNTIL_MS, "lunch", "yes");
    actor_vote(&f.bob, add(5, CONCLAVE_OK), f.old_id, UNTIL_MS, "lunch", "no");
    audit_to(LAST_INDEX, f.old_id, &fault, &f.at_end);
    assert_false(fault.found);
    f.former = (struct genesis_former){
        .count = 1, .index = LAST_INDEX, .leaves = f.at_end.leaves, .backup = {7}};
    assert_int_equal(f.former.leaves, 7); /* one, three, one, two */
    memcpy(f.former.clusters[0], f.old_id, sizeof f.old_id);
    memcpy(f.former.digest, f.at_end.digest, sizeof f.former.digest);
    memcpy(f.former.root, f.at_end.root.bytes, sizeof f.former.root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof f.entries / sizeof f.entries[0]; i++) {
        for (uint32_t j = 0; j < f.entries[i].count; j++) {
            buffer_close(&f.entries[i].commands[j]);
        }
    }
    return 0;
}

/* The restore is the only command of the entry after the record. */
static void restore_by(struct actor *actor, enum conclave_code code)
{
    actor_restore(actor, add(AFTER, code), 3, time_of(AFTER), &f.former);
}

/* --- The command --- */

static void a_genesis_restores_nothing_and_a_restore_something(void **state)
{
    (void)state;
    struct genesis genesis;
    struct codec_error error;
    restore_by(&f.chair, CONCLAVE_OK);
    const struct buffer *command = &f.entries[AFTER].commands[0];
    assert_int_equal(genesis_decode(&genesis, buffer_slice(command), &error), CONCLAVE_OK);
    assert_int_equal(genesis.former.count, 1);
    assert_int_equal(genesis.former.index, LAST_INDEX);
    assert_int_equal(genesis.former.leaves, 7);
    assert_memory_equal(genesis.former.clusters[0], f.old_id, 16);
    assert_memory_equal(genesis.former.digest, f.at_end.digest, 16);
    assert_memory_equal(genesis.former.root, f.at_end.root.bytes, 32);
    assert_int_equal(genesis.former.backup[0], 7);
    assert_int_equal(genesis_decode(&genesis, buffer_slice(&f.entries[2].commands[0]), &error),
                     CONCLAVE_OK);
    assert_int_equal(genesis.former.count, 0);
    /* A restore of nothing, and one of an empty record. */
    f.former.count = 0;
    actor_restore(&f.chair, add(AFTER, CONCLAVE_OK), 3, CREATED_MS, &f.former);
    assert_int_equal(genesis_decode(&genesis, buffer_slice(&f.entries[AFTER].commands[1]), &error),
                     CONCLAVE_BAD_REQUEST);
    f.former.count = 1;
    f.former.index = 0;
    actor_restore(&f.chair, add(AFTER, CONCLAVE_OK), 3, CREATED_MS, &f.former);
    assert_int_equal(genesis_decode(&genesis, buffer_slice(&f.entries[AFTER].commands[2]), &error),
                     CONCLAVE_BAD_REQUEST);
}

/* --- The auditor --- */

static void the_record_goes_on_as_that_of_another_cluster(void **state)
{
    (void)state;
    struct audit_fault fault;
    struct audit_summary summary;
    uint8_t id[16];
    restore_by(&f.chair, CONCLAVE_OK);
    id_of(&f.entries[AFTER].commands[0], id);
    actor_vote(&f.ada, add(AFTER + 1, CONCLAVE_OK), id, UNTIL_MS, "lunch", "no");
    actor_vote(&f.bob, add(AFTER + 1, CONCLAVE_WRONG_CLUSTER), f.old_id, UNTIL_MS, "lunch", "yes");
    audit_to(AFTER + 1, id, &fault, &summary);
    print_message("%s\n", fault.text);
    assert_false(fault.found);
    assert_memory_equal(summary.cluster_id, id, 16);
    assert_int_equal(summary.former_count, 1);
    assert_memory_equal(summary.former[0], f.old_id, 16);
    assert_int_equal(summary.ballots, 3);
    assert_int_equal(summary.leaves, 10);
    audit_to(AFTER + 1, f.old_id, &fault, &summary);
    assert_true(fault.found);
    assert_non_null(strstr(fault.text, "another cluster"));
    assert_int_equal(fault.index, AFTER);
}

static void damage_digest(void)
{
    f.former.digest[15] ^= 1;
}
static void damage_root(void)
{
    f.former.root[0] ^= 1;
}
static void damage_leaves(void)
{
    f.former.leaves--;
}
static void damage_cluster(void)
{
    f.former.clusters[0][0] ^= 1;
}
static void damage_index(void)
{
    f.former.index--;
}
static void damage_count(void)
{
    f.former.count = 2;
    memcpy(f.former.clusters[1], f.old_id, 16);
}

/* As it is said to have been accepted. What the rules know of, they refuse. */
static void what_the_chair_signed_must_be_there(void **state)
{
    static const struct {
        void (*damage)(void);
        const char *says;
    } cases[] = {
        {damage_digest, "another state than the one before this"},
        {damage_root, "another record than the one before this"},
        {damage_leaves, "another record than the one before this"},
        {damage_cluster, "by the rules it is \"bad_value\""},
        {damage_index, "by the rules it is \"bad_value\""},
        {damage_count, "by the rules it is \"bad_value\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct audit_fault fault;
        struct audit_summary summary;
        cases[i].damage();
        restore_by(&f.chair, CONCLAVE_OK);
        audit_to(AFTER, NULL, &fault, &summary);
        assert_true(fault.found);
        print_message("%s\n", fault.text);
        assert_non_null(strstr(fault.text, cases[i].says));
        tear_down(state);
        set_up(state);
    }
}

static void only_a_chair_restores(void **state)
{
    struct actor impostor;
    struct audit_fault fault;
    struct audit_summary summary;
    actor_init(&impostor, "somebody");
    restore_by(&impostor, CONCLAVE_UNKNOWN_AUTHOR);
    audit_to(AFTER, f.old_id, &fault, &summary);
    assert_false(fault.found); /* refused, the cluster is what it was */
    tear_down(state);
    set_up(state);
    restore_by(&f.ada, CONCLAVE_NOT_CHAIR);
    audit_to(AFTER, f.old_id, &fault, &summary);
    assert_false(fault.found);
    tear_down(state);
    set_up(state);
    memcpy(impostor.id, "chair", 6);
    restore_by(&impostor, CONCLAVE_KEY_REVOKED);
    audit_to(AFTER, f.old_id, &fault, &summary);
    print_message("%s\n", fault.text);
    assert_false(fault.found);
}

/* Behind another command, or one entry later, it is about another place than where it stands. */
static void it_stands_where_it_says(void **state)
{
    struct audit_fault fault;
    struct audit_summary summary;
    actor_vote(&f.ada, add(AFTER, CONCLAVE_OK), f.old_id, UNTIL_MS, "lunch", "no");
    restore_by(&f.chair, CONCLAVE_BAD_VALUE);
    audit_to(AFTER, f.old_id, &fault, &summary);
    assert_false(fault.found);
    tear_down(state);
    set_up(state);
    actor_vote(&f.ada, add(AFTER, CONCLAVE_OK), f.old_id, UNTIL_MS, "lunch", "no");
    actor_restore(&f.chair, add(AFTER + 1, CONCLAVE_BAD_VALUE), 3, time_of(AFTER), &f.former);
    audit_to(AFTER + 1, f.old_id, &fault, &summary);
    assert_false(fault.found);
}

/* --- The state --- */

static void ignore_reply(void *context, const struct model_decided *decided)
{
    (void)context;
    (void)decided;
}

static void ignore_event(void *context, struct slice event)
{
    (void)context;
    (void)event;
}

static void apply(struct kv *kv, uint64_t index)
{
    static const struct model_sink sink = {.reply = ignore_reply, .event = ignore_event};
    struct slice items[ITEMS];
    struct buffer batch;
    struct kv_transaction *transaction;
    for (uint32_t i = 0; i < f.entries[index].count; i++) {
        items[i] = buffer_slice(&f.entries[index].commands[i]);
    }
    buffer_init(&batch, LIMIT_BATCH_BYTES);
    batch_write(&batch, time_of(index), NULL, 0, items, f.entries[index].count);
    assert_int_equal(batch.status, CONCLAVE_OK);
    assert_int_equal(kv_begin(kv, true, &transaction), CONCLAVE_OK);
    assert_int_equal(model_apply(transaction, index, buffer_slice(&batch), &sink), CONCLAVE_OK);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    buffer_close(&batch);
}

static void nodes_and_id_are_new_and_the_rest_stays(void **state)
{
    (void)state;
    static struct node_list list;
    struct kv *kv;
    struct kv_transaction *transaction;
    struct model_founding founding;
    struct restore_record record;
    struct buffer reply;
    uint8_t id[16];
    restore_by(&f.chair, CONCLAVE_OK);
    id_of(&f.entries[AFTER].commands[0], id);
    assert_int_equal(kv_memory_open(&kv), CONCLAVE_OK);
    for (uint64_t index = 2; index <= LAST_INDEX; index++) {
        apply(kv, index);
    }
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(node_list_load(transaction, &list), CONCLAVE_OK);
    assert_int_equal(list.count, 4);
    assert_int_equal(restore_load(transaction, &record), CONCLAVE_NOT_FOUND);
    assert_int_equal(model_founding(transaction, &founding), CONCLAVE_OK);
    assert_false(founding.restored);
    kv_abort(transaction);
    apply(kv, AFTER);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(node_list_load(transaction, &list), CONCLAVE_OK);
    assert_int_equal(list.count, 3);
    assert_null(node_list_find(&list, 4));
    assert_int_equal(list.nodes[0].index, AFTER);
    assert_int_equal(model_founding(transaction, &founding), CONCLAVE_OK);
    assert_true(founding.restored);
    assert_int_equal(founding.index, AFTER);
    assert_memory_equal(founding.cluster_id, id, 16);
    assert_int_equal(restore_load(transaction, &record), CONCLAVE_OK);
    assert_int_equal(record.count, 1);
    assert_memory_equal(record.clusters[0], f.old_id, 16);
    /* bob's ballot is still known as decided. */
    struct envelope envelope;
    struct codec_error error;
    assert_int_equal(envelope_decode(&envelope, buffer_slice(&f.entries[5].commands[1]), &error),
                     CONCLAVE_OK);
    buffer_init(&reply, 4096);
    assert_int_equal(
        model_reply(transaction, envelope.author, envelope.nonce, envelope.bytes, &reply),
        CONCLAVE_OK);
    buffer_close(&reply);
    envelope_close(&envelope);
    kv_abort(transaction);
    kv_close(kv);
}

/* --- The log --- */

static uint64_t next_random(void *context)
{
    return ++*(uint64_t *)context;
}

static const enum replica_restore_type types[] = {
    [1] = REPLICA_RESTORE_CONFIGURATION, [2] = REPLICA_RESTORE_BATCH,   [3] = REPLICA_RESTORE_BATCH,
    [4] = REPLICA_RESTORE_CONFIGURATION, [5] = REPLICA_RESTORE_BARRIER,
};

static enum conclave_code give(struct replica_restore *restore, uint64_t index)
{
    struct slice items[ITEMS];
    struct codec_error error = {.text = ""};
    for (uint32_t i = 0; i < f.entries[index].count; i++) {
        items[i] = buffer_slice(&f.entries[index].commands[i]);
    }
    const struct replica_restore_entry entry = {
        .index = index,
        .term = index < 4 ? 1 : 6,
        .type = types[index],
        .time_ms = time_of(index),
        .commands = items,
        .command_count = types[index] == REPLICA_RESTORE_BATCH ? f.entries[index].count : 0};
    enum conclave_code code = replica_restore_entry(restore, &entry, &error);
    assert_true((code == CONCLAVE_OK) == (error.text[0] == '\0'));
    return code;
}

static struct replica_restore *open_restore(struct log *log, uint64_t node_id,
                                            const struct random *random)
{
    struct replica_restore *restore = NULL;
    struct codec_error error;
    const struct replica_restore_config config = {log, buffer_slice(&f.entries[AFTER].commands[0]),
                                                  node_id, random};
    assert_int_equal(replica_restore_open(&config, &restore, &error), CONCLAVE_OK);
    assert_int_equal(replica_restore_backup(restore)[0], 7);
    return restore;
}

static enum conclave_code append_text(void *context, uint64_t index, const struct log_entry *entry)
{
    struct buffer *text = context;
    buffer_append(text, &index, sizeof index);
    buffer_append(text, &entry->term, sizeof entry->term);
    buffer_append(text, &entry->type, sizeof entry->type);
    buffer_append(text, entry->data.data, entry->data.size);
    return text->status;
}

static enum conclave_code copy_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    struct buffer *data = context;
    buffer_append(data, entry->data.data, entry->data.size);
    return data->status;
}

static void all_nodes_begin_with_the_same_log(void **state)
{
    (void)state;
    uint64_t seed = 0;
    const struct random random = {&seed, next_random};
    struct buffer texts[2];
    uint8_t id[16];
    restore_by(&f.chair, CONCLAVE_OK);
    id_of(&f.entries[AFTER].commands[0], id);
    for (uint64_t node = 1; node <= 2; node++) {
        struct log *log;
        struct replica_identity identity;
        struct codec_error error;
        struct log_vote vote;
        assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
        struct replica_restore *restore = open_restore(log, node, &random);
        for (uint64_t index = 1; index <= LAST_INDEX; index++) {
            assert_int_equal(give(restore, index), CONCLAVE_OK);
        }
        assert_int_equal(replica_identity(log, &identity), CONCLAVE_NOT_FOUND);
        assert_int_equal(replica_restore_finish(restore, &error), CONCLAVE_OK);
        replica_restore_close(restore);
        assert_int_equal(log_last_index(log), AFTER);
        assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
        assert_int_equal(vote.term, 7); /* after 6 */
        assert_int_equal(replica_count_start(log, &random, &identity), CONCLAVE_OK);
        assert_int_equal(replica_identity(log, &identity), CONCLAVE_OK);
        assert_int_equal(identity.founded_index, AFTER);
        assert_int_equal(identity.generation, 1);
        assert_int_equal(identity.node_id, node);
        assert_false(identity.joined);
        assert_memory_equal(identity.cluster_id, id, 16);
        buffer_init(&texts[node - 1], 1u << 20);
        assert_int_equal(log_read(log, 1, AFTER, append_text, &texts[node - 1]), CONCLAVE_OK);
        /* Who was in the old cluster is in no configuration. */
        struct buffer first;
        struct buffer later;
        buffer_init(&first, 4096);
        buffer_init(&later, 4096);
        assert_int_equal(log_read(log, 1, 1, copy_entry, &first), CONCLAVE_OK);
        assert_int_equal(log_read(log, 4, 4, copy_entry, &later), CONCLAVE_OK);
        assert_int_equal(first.size, later.size);
        assert_memory_equal(first.data, later.data, first.size);
        buffer_close(&first);
        buffer_close(&later);
        /* It is somebody's now: not made again. */
        struct replica_restore *again;
        const struct replica_restore_config config = {
            log, buffer_slice(&f.entries[AFTER].commands[0]), node, &random};
        assert_int_equal(replica_restore_open(&config, &again, &error), CONCLAVE_DUPLICATE_ID);
        log_close(log);
    }
    assert_int_equal(texts[0].size, texts[1].size);
    assert_memory_equal(texts[0].data, texts[1].data, texts[0].size);
    buffer_close(&texts[0]);
    buffer_close(&texts[1]);
}

static void a_log_that_is_not_whole_is_nobodys(void **state)
{
    (void)state;
    uint64_t seed = 0;
    const struct random random = {&seed, next_random};
    struct log *log;
    struct codec_error error;
    struct replica_identity identity;
    restore_by(&f.chair, CONCLAVE_OK);
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    struct replica_restore *restore = open_restore(log, 3, &random);
    assert_int_equal(give(restore, 2), CONCLAVE_BAD_REQUEST);
    assert_int_equal(give(restore, 1), CONCLAVE_OK);
    assert_int_equal(give(restore, 3), CONCLAVE_BAD_REQUEST);
    assert_int_equal(replica_restore_finish(restore, &error), CONCLAVE_BAD_REQUEST);
    assert_non_null(strstr(error.text, "ends with entry 1"));
    replica_restore_close(restore);
    assert_int_equal(replica_identity(log, &identity), CONCLAVE_NOT_FOUND);
    log_close(log);
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    const struct slice command = buffer_slice(&f.entries[AFTER].commands[0]);
    const struct replica_restore_config stranger = {log, command, 4, &random};
    assert_int_equal(replica_restore_open(&stranger, &restore, &error), CONCLAVE_BAD_REQUEST);
    assert_non_null(strstr(error.text, "node 4"));
    const struct replica_restore_config genesis = {log, buffer_slice(&f.entries[2].commands[0]), 1,
                                                   &random};
    assert_int_equal(replica_restore_open(&genesis, &restore, &error), CONCLAVE_BAD_REQUEST);
    assert_int_equal(replica_bootstrap(log, command, 1, &random, &error), CONCLAVE_BAD_REQUEST);
    assert_non_null(strstr(error.text, "restored from a backup"));
    log_close(log);
}

/* Each write fails once: said, and no identity. */
static void a_write_that_fails_ends_it(void **state)
{
    (void)state;
    uint64_t seed = 0;
    const struct random random = {&seed, next_random};
    struct codec_error error = {.text = ""};
    restore_by(&f.chair, CONCLAVE_OK);
    for (uint64_t countdown = 1;; countdown++) {
        struct log *log;
        struct replica_identity identity;
        assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
        struct replica_restore *restore = open_restore(log, 1, &random);
        log_memory_fault_arm(log, countdown);
        enum conclave_code code = CONCLAVE_OK;
        for (uint64_t index = 1; code == CONCLAVE_OK && index <= LAST_INDEX; index++) {
            code = give(restore, index);
        }
        if (code == CONCLAVE_OK) {
            code = replica_restore_finish(restore, &error);
        }
        bool hit = log_memory_fault_hit(log);
        replica_restore_close(restore);
        assert_int_equal(code, hit ? CONCLAVE_IO : CONCLAVE_OK);
        assert_int_equal(replica_identity(log, &identity), hit ? CONCLAVE_NOT_FOUND : CONCLAVE_OK);
        log_close(log);
        if (!hit) {
            assert_int_equal(countdown, 4); /* entries, vote and identity were written */
            break;
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_genesis_restores_nothing_and_a_restore_something),
        TEST(the_record_goes_on_as_that_of_another_cluster),
        TEST(what_the_chair_signed_must_be_there),
        TEST(only_a_chair_restores),
        TEST(it_stands_where_it_says),
        TEST(nodes_and_id_are_new_and_the_rest_stays),
        TEST(all_nodes_begin_with_the_same_log),
        TEST(a_log_that_is_not_whole_is_nobodys),
        TEST(a_write_that_fails_ends_it),
    };
    return auth_init() == CONCLAVE_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
