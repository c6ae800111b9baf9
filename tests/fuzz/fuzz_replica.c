/* src/consensus: a replica of one node or three that is told anything by its peers.
 *
 * Whatever comes, terms, commit and applied indexes never go back, what was committed stays as it
 * was, at most what is in the log is committed, every token is answered once, and what is sent can
 * be decoded. A replica may stop (host->failed), and then does nothing more.
 *
 * fuzz: -max_len=500 -entropic=0
 */
#include <conclave/limits.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "codec/envelope.h"
#include "consensus/message.h"
#include "consensus/replica.h"
#include "fuzz/mutate.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "support/actors.h"

#define EVENTS_MAX    24u
#define INDEXES_SEEN  16u
#define TOKENS_MAX    64u
#define ENTRIES_START 2u

static const char *const words[] = {"ok", "busy", "cluster.get", NULL};

/* The disks that every run begins with, by number of nodes. */
struct disk {
    struct log_entry entries[ENTRIES_START];
    uint8_t *bytes[ENTRIES_START];
    uint8_t identity[LOG_IDENTITY_BYTES];
    size_t identity_size;
    struct log_vote vote;
};
static struct disk disks[2]; /* one node; three */
static struct buffer genesis, scratch;
static struct actor chair;

/* What a run has. */
static struct run {
    struct replica *replica;
    struct log *log;
    struct kv *kv;
    uint64_t now_ms, random;
    const struct replica_write *write;
    bool hold; /* writes are not reported */
    bool failed;
    bool answered[TOKENS_MAX];
    unsigned token_count;
    struct replica_status before;
    uint64_t terms[INDEXES_SEEN + 1]; /* of what was seen committed; 0: not yet */
} run;

/* --- The host --- */

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    (void)context;
    struct message decoded;
    ASSERT(node_id != 1 && !run.failed);
    enum conclave_code code = message_decode(&decoded, 1, message);
    ASSERT(code == CONCLAVE_OK);
    message_close(&decoded);
}

static void host_persist(void *context, const struct replica_write *write)
{
    (void)context;
    ASSERT(run.write == NULL && write->entry_count > 0);
    run.write = write;
}

static void answer(uint64_t token)
{
    ASSERT(token >= 1 && token <= run.token_count && !run.answered[token - 1]);
    run.answered[token - 1] = true;
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    (void)context;
    ASSERT((code == CONCLAVE_OK) == (reply.size > 0));
    answer(token);
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    (void)context;
    (void)code;
    answer(token);
}

static void host_event(void *context, struct slice event)
{
    (void)context;
    struct codec_tree tree;
    enum conclave_code code = codec_parse(&tree, event);
    ASSERT(code == CONCLAVE_OK);
    codec_tree_close(&tree);
}

static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    (void)context;
    ASSERT(count <= LIMIT_NODES);
    for (unsigned i = 0; i < count; i++) {
        ASSERT(seats[i].node_id != 0 && seats[i].address[0] != '\0');
    }
}

static void host_failed(void *context, enum conclave_code code, const char *what)
{
    (void)context;
    ASSERT(code != CONCLAVE_OK && what != NULL && !run.failed);
    run.failed = true;
}

static uint64_t now_ms(void *context)
{
    (void)context;
    return run.now_ms;
}

static uint64_t wall_ms(void *context)
{
    (void)context;
    return UINT64_C(1767225600000) + run.now_ms;
}

static uint64_t next_random(void *context)
{
    (void)context;
    return run.random = run.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
}

static const struct replica_host host = {.send = host_send,
                                         .persist = host_persist,
                                         .decided = host_decided,
                                         .readable = host_readable,
                                         .event = host_event,
                                         .seated = host_seated,
                                         .failed = host_failed};
static const struct clock virtual_clock = {.monotonic_ms = now_ms, .wall_ms = wall_ms};
static const struct random seeded = {.next = next_random};

/* --- Opening --- */

static enum conclave_code keep_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct disk *disk = context;
    disk->bytes[index - 1] = fuzz_copy(entry->data);
    disk->entries[index - 1] = *entry;
    disk->entries[index - 1].data.data = disk->bytes[index - 1];
    return CONCLAVE_OK;
}

static void make_disk(struct disk *disk, unsigned nodes)
{
    struct log *log;
    struct codec_error error;
    actor_genesis(&chair, &genesis, nodes, 1767225600000);
    enum conclave_code code = log_memory_open(&log);
    ASSERT(code == CONCLAVE_OK);
    code = replica_bootstrap(log, buffer_slice(&genesis), 1, &seeded, &error);
    ASSERT(code == CONCLAVE_OK);
    code = log_read(log, 1, ENTRIES_START, keep_entry, disk);
    ASSERT(code == CONCLAVE_OK);
    code = log_load_identity(log, disk->identity, &disk->identity_size);
    ASSERT(code == CONCLAVE_OK);
    code = log_load_vote(log, &disk->vote);
    ASSERT(code == CONCLAVE_OK);
    log_close(log);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, words);
}

void fuzz_open(void)
{
    enum conclave_code code = auth_init();
    ASSERT(code == CONCLAVE_OK);
    actor_init(&chair, "chair");
    buffer_init(&genesis, LIMIT_COMMAND_BYTES);
    buffer_init(&scratch, LIMIT_PEER_FRAME_BYTES);
    make_disk(&disks[0], 1);
    make_disk(&disks[1], 3);
}

static void start(const struct disk *disk)
{
    run = (struct run){.now_ms = 1000, .random = 1};
    enum conclave_code code = log_memory_open(&run.log);
    ASSERT(code == CONCLAVE_OK);
    code = kv_memory_open(&run.kv);
    ASSERT(code == CONCLAVE_OK);
    code = log_append(run.log, 1, disk->entries, ENTRIES_START);
    ASSERT(code == CONCLAVE_OK);
    code = log_save_vote(run.log, disk->vote);
    ASSERT(code == CONCLAVE_OK);
    code = log_save_identity(run.log, slice_of(disk->identity, disk->identity_size));
    ASSERT(code == CONCLAVE_OK);
    const struct replica_config config = {.node_id = 1,
                                          .heartbeat_ms = 50,
                                          .election_ms = 300,
                                          .log = run.log,
                                          .kv = run.kv,
                                          .clock = &virtual_clock,
                                          .random = &seeded,
                                          .host = &host};
    code = replica_open(&config, &run.replica);
    ASSERT(code == CONCLAVE_OK);
    replica_status(run.replica, &run.before);
}

/* --- What must hold after anything --- */

static void check_committed(uint64_t commit_index)
{
    for (uint64_t index = 1; index <= commit_index && index <= INDEXES_SEEN; index++) {
        uint64_t term;
        enum log_entry_type type;
        if (log_read_header(run.log, index, &term, &type) != CONCLAVE_OK) {
            continue; /* committed by others, not written here yet */
        }
        ASSERT(run.terms[index] == 0 || run.terms[index] == term);
        run.terms[index] = term;
    }
}

static void check(void)
{
    struct replica_status now;
    replica_status(run.replica, &now);
    ASSERT(now.term >= run.before.term);
    ASSERT(now.commit_index >= run.before.commit_index);
    ASSERT(now.applied_index >= run.before.applied_index);
    ASSERT(now.applied_index <= now.commit_index);
    ASSERT(run.failed || now.commit_index <= now.last_index);
    check_committed(now.applied_index);
    run.before = now;
}

/* --- Events --- */

static void finish_writes(void)
{
    for (unsigned i = 0; i < 8 && run.write != NULL && !run.hold && !run.failed; i++) {
        const struct replica_write *write = run.write;
        run.write = NULL;
        enum conclave_code code =
            log_append(run.log, write->first_index, write->entries, write->entry_count);
        ASSERT(code == CONCLAVE_OK);
        replica_persisted(run.replica, CONCLAVE_OK);
    }
}

static int pack(void *context, const char *data, size_t size)
{
    buffer_append(context, data, size);
    return 0;
}

static void receive(uint64_t from, const msgpack_object *object)
{
    buffer_clear(&scratch);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &scratch, pack);
    ASSERT(msgpack_pack_object(&packer, *object) == 0);
    uint8_t *message = fuzz_copy(buffer_slice(&scratch));
    replica_receive(run.replica, from, slice_of(message, scratch.size));
    free(message);
}

static void ask(bool read, struct slice command)
{
    if (run.token_count == TOKENS_MAX) {
        return;
    }
    uint64_t token = ++run.token_count;
    enum conclave_code code = read ? replica_read(run.replica, token, 500)
                                   : replica_submit(run.replica, command, token, 500);
    if (code != CONCLAVE_OK) {
        answer(token);
    }
}

/* A number: time passes. true: writes are held, false: no more. An array: a message of node 2, or,
 * within another array, of node 3. A bin: a command. nil: a read. A text: a lost peer. */
static void handle(const msgpack_object *event)
{
    uint64_t number;
    struct slice bytes;
    if (codec_get_u64(event, &number) == CONCLAVE_OK) {
        run.now_ms += number % 1000;
        replica_tick(run.replica);
    } else if (event->type == MSGPACK_OBJECT_BOOLEAN) {
        run.hold = event->via.boolean;
    } else if (event->type == MSGPACK_OBJECT_NIL) {
        ask(true, (struct slice){0});
    } else if (codec_get_bytes(event, &bytes) == CONCLAVE_OK && bytes.size > 0) {
        ask(false, bytes);
    } else if (event->type == MSGPACK_OBJECT_STR) {
        replica_peer_lost(run.replica, 2 + event->via.str.size % 2);
    } else if (event->type == MSGPACK_OBJECT_ARRAY && event->via.array.size == 1) {
        receive(3, &event->via.array.ptr[0]);
    } else {
        receive(2, event);
    }
    finish_writes();
}

/* input: how many nodes; an array of events */
void fuzz_run(struct slice input)
{
    const struct disk *disk = &disks[fuzz_take(&input) % 2];
    struct codec_tree tree;
    const msgpack_object *events;
    uint32_t count;
    if (codec_parse(&tree, input) != CONCLAVE_OK) {
        return;
    }
    if (codec_get_array(&tree.root, 1, EVENTS_MAX, &events, &count) == CONCLAVE_OK) {
        start(disk);
        for (uint32_t i = 0; i < count && !run.failed; i++) {
            handle(&events[i]);
            check();
        }
        replica_close(run.replica);
        kv_close(run.kv);
        log_close(run.log);
    }
    codec_tree_close(&tree);
}

/* --- Seeds --- */

static void write_append(struct buffer *seed, uint64_t term, uint64_t previous,
                         uint64_t previous_term, uint64_t commit, const char *data)
{
    struct buffer entries;
    buffer_init(&entries, LIMIT_FRAME_BYTES);
    if (data != NULL) {
        struct buffer batch;
        const struct slice command = slice_of_text(data);
        buffer_init(&batch, LIMIT_FRAME_BYTES);
        batch_write(&batch, 1767225600000, NULL, 0, &command, 1);
        message_write_entry(&entries, term, RAFT_COMMAND, buffer_slice(&batch));
        buffer_close(&batch);
    }
    const struct raft_append_entries append = {.term = term,
                                               .prev_log_index = previous,
                                               .prev_log_term = previous_term,
                                               .leader_commit = commit};
    message_write_append(seed, &append, buffer_slice(&entries), data == NULL ? 0 : 1);
    buffer_close(&entries);
}

static void write_vote_result(struct buffer *seed, uint64_t term, bool pre_vote)
{
    message_write_raft(seed, &(struct raft_message){.type = RAFT_REQUEST_VOTE_RESULT,
                                                    .request_vote_result = {.term = term,
                                                                            .vote_granted = true,
                                                                            .pre_vote = pre_vote}});
}

static void seed_follower(struct buffer *seed)
{
    codec_write_array(seed, 6);
    write_append(seed, 2, 2, 1, 2, NULL);
    write_append(seed, 2, 2, 1, 2, "no command");
    write_append(seed, 2, 3, 2, 3, NULL);
    codec_write_nil(seed);
    message_write_read_answer(seed, &(struct message_read_ask){1, 3, 2});
    codec_write_u64(seed, 400);
    fuzz_seed_buffer("follower", "1", seed);
}

static void seed_leader(struct buffer *seed)
{
    codec_write_array(seed, 8);
    codec_write_u64(seed, 900);
    write_vote_result(seed, 1, true);
    write_vote_result(seed, 2, true);
    write_vote_result(seed, 2, false);
    codec_write_bytes(seed, slice_of_text("no command"));
    message_write_raft(
        seed, &(struct raft_message){.type = RAFT_APPEND_ENTRIES_RESULT,
                                     .append_entries_result = {.term = 2, .last_log_index = 4}});
    codec_write_nil(seed);
    message_write_read_round(seed, MESSAGE_READ_PONG, &(struct message_read_round){2, 1});
    fuzz_seed_buffer("leader", "1", seed);
}

static void seed_others(struct buffer *seed)
{
    codec_write_array(seed, 5);
    codec_write_u64(seed, 900);
    codec_write_u64(seed, 900);
    codec_write_bytes(seed, slice_of_text("no command"));
    codec_write_nil(seed);
    codec_write_u64(seed, 10);
    fuzz_seed_buffer("alone", "0", seed);
    codec_write_array(seed, 5);
    message_write_raft(seed,
                       &(struct raft_message){
                           .type = RAFT_REQUEST_VOTE,
                           .request_vote = {.term = 4, .last_log_index = 4, .last_log_term = 1}});
    codec_write_array(seed, 1);
    message_write_raft(seed,
                       &(struct raft_message){
                           .type = RAFT_TIMEOUT_NOW,
                           .timeout_now = {.term = 4, .last_log_index = 2, .last_log_term = 1}});
    message_write_forward(seed, &(struct message_forward){7, 1, slice_of_text("no command")});
    message_write_read_round(seed, MESSAGE_READ_PING, &(struct message_read_round){4, 1});
    codec_write_text(seed, "");
    fuzz_seed_buffer("others", "1", seed);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    seed_follower(&seed);
    seed_leader(&seed);
    seed_others(&seed);
    buffer_close(&seed);
}
