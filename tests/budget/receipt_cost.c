/* How long a receipt takes from a record of many leaves: the load that bench/record runs.
 *
 * One node of a cluster of one, with its state in LMDB. Before it starts, the tree in the state is
 * grown by src/record/tree.h to as many leaves as are wanted, in entries of as many commands as are
 * wanted; they are of no log. Then the node starts, ballots are cast, and a final checkpoint is
 * made over all of it. Receipts of the ballots, and proofs for any leaf, are asked for as the api
 * asks for them (replica_query): with the file's pages dropped before (the first ones), and then
 * warm.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec/writer.h"
#include "consensus/replica.h"
#include "kv/kv_lmdb.h"
#include "log/log_memory.h"
#include "record/receipt.h"
#include "record/tree.h"
#include "support/actors.h"

#define VOTERS             1000u
#define ASKED              10000u
#define COLD               100u
#define PUTS_A_TRANSACTION 100000u
#define BEGIN_MS           UINT64_C(1700000000000)
#define DAY_MS             (24u * 3600u * 1000u)
#define SETTLE_MAX         100000u

struct node {
    struct log *log;
    struct kv *kv;
    struct replica *replica;
    const struct replica_write *write;
    bool keeping;
    uint64_t refusals, decided;
    uint64_t random_state;
    struct auth_key key;
};

static struct node node;
static uint64_t now_ms = 1000;
static struct actor chair, voters[VOTERS];
static struct buffer command;

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "conclave-receipt-cost: %s\n", what);
        exit(1);
    }
}

static uint64_t measured_ns(clockid_t clock)
{
    struct timespec time;
    must(clock_gettime(clock, &time) == 0, "no clock");
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* --- The host --- */

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    (void)context;
    (void)node_id;
    (void)message; /* there is nobody else */
}

static void host_persist(void *context, const struct replica_write *write)
{
    ((struct node *)context)->write = write;
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    struct node *own = context;
    static const uint8_t ok[] = {0xa2, 'o', 'k'}; /* the reply's code comes first */
    (void)token;
    own->decided++;
    own->refusals += code != CONCLAVE_OK || reply.size < 10 || memcmp(reply.data + 6, ok, 3) != 0;
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    (void)context;
    (void)token;
    (void)code;
}

static void host_event(void *context, struct slice event)
{
    (void)context;
    (void)event;
}

static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    (void)context;
    (void)seats;
    (void)count;
}

static void host_keep(void *context, struct slice bytes)
{
    (void)bytes;
    ((struct node *)context)->keeping = true;
}

static void host_failed(void *context, enum conclave_code code, const char *what)
{
    (void)context;
    (void)fprintf(stderr, "conclave-receipt-cost: %s: %s\n", what, conclave_code_text(code));
    exit(1);
}

static void sign(void *context, struct slice message, uint8_t signature[64])
{
    auth_sign(&((struct node *)context)->key, message, signature);
}

static uint64_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

static uint64_t clock_day_ms(void *context)
{
    (void)context;
    return BEGIN_MS + now_ms;
}

static uint64_t next_random(void *context)
{
    struct node *own = context;
    own->random_state = own->random_state * UINT64_C(6364136223846793005) + 1;
    return own->random_state >> 16;
}

static const struct clock clock_of_run = {.monotonic_ms = clock_ms, .wall_ms = clock_day_ms};
static const struct random random_of_run = {.context = &node, .next = next_random};

/* --- The tree --- */

static void add_entry(struct tree_append *append, struct merkle_tree *tree, uint32_t commands,
                      struct kv_transaction *transaction)
{
    uint8_t digest[LEAF_DIGEST_BYTES] = {0};
    uint8_t signature[LEAF_SIGNATURE_BYTES] = {0};
    tree_append_begin(append, tree, 0, BEGIN_MS);
    for (uint32_t i = 0; i < commands; i++) {
        uint64_t number = tree->size; /* makes each leaf another one */
        memcpy(digest, &number, sizeof number);
        tree_append_command(append,
                            &(struct leaf){.kind = LEAF_COMMAND,
                                           .code = slice_of_text("ok"),
                                           .envelope = slice_of(digest, sizeof digest),
                                           .signature = slice_of(signature, sizeof signature)},
                            slice_of(&number, sizeof number));
    }
    must(tree_append_finish(append, transaction) == CONCLAVE_OK, "the tree does not grow");
}

static void grow_tree(uint64_t leaves, uint32_t commands)
{
    struct tree_append append;
    struct merkle_tree tree = {0};
    struct kv_transaction *transaction;
    tree_append_open(&append);
    while (tree.size < leaves) {
        must(kv_begin(node.kv, true, &transaction) == CONCLAVE_OK, "no transaction");
        for (unsigned i = 0; i < PUTS_A_TRANSACTION && tree.size < leaves; i++) {
            uint64_t left = leaves - tree.size;
            add_entry(&append, &tree, left < commands ? (uint32_t)left : commands, transaction);
        }
        must(kv_commit(transaction) == CONCLAVE_OK, "the state cannot be written");
    }
    tree_append_close(&append);
}

static int open_file(const char *directory)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/data.mdb", directory);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* So that the next reads are the disk's, as far as the kernel lets go of pages. */
static void drop_pages(const char *directory)
{
    int fd = open_file(directory);
    must(fd >= 0 && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0,
         "the pages cannot be dropped");
    (void)close(fd);
}

/* And so that they are not. */
static void read_pages(const char *directory)
{
    static char piece[1024 * 1024];
    int fd = open_file(directory);
    must(fd >= 0, "the state cannot be read");
    while (read(fd, piece, sizeof piece) > 0) {
    }
    (void)close(fd);
}

/* --- The node --- */

static void settle(void)
{
    for (unsigned i = 0;; i++) {
        must(i < SETTLE_MAX, "it never comes to rest");
        if (node.write != NULL) {
            const struct replica_write *write = node.write;
            node.write = NULL;
            must(log_append(node.log, write->first_index, write->entries, write->entry_count) ==
                     CONCLAVE_OK,
                 "a write failed");
            replica_persisted(node.replica, CONCLAVE_OK);
        } else if (node.keeping) {
            node.keeping = false;
            replica_kept(node.replica, CONCLAVE_OK);
        } else if (replica_deadline_ms(node.replica) <= now_ms) {
            replica_tick(node.replica);
        } else {
            return;
        }
    }
}

static void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        now_ms++;
        settle();
    }
}

static void open_log(void)
{
    struct codec_error error;
    actor_init(&chair, "chair");
    actor_node_key(&node.key, 1);
    actor_genesis(&chair, &command, 1, BEGIN_MS);
    must(log_memory_open(&node.log) == CONCLAVE_OK, "no log");
    must(replica_bootstrap(node.log, buffer_slice(&command), 1, &random_of_run, &error) ==
             CONCLAVE_OK,
         "no bootstrap");
}

static void open_replica(void)
{
    static const struct replica_host host = {.context = &node,
                                             .send = host_send,
                                             .persist = host_persist,
                                             .decided = host_decided,
                                             .readable = host_readable,
                                             .event = host_event,
                                             .seated = host_seated,
                                             .keep = host_keep,
                                             .failed = host_failed};
    static struct replica_signer signer = {.context = &node, .sign = sign};
    memcpy(signer.public_key, node.key.public_key, sizeof signer.public_key);
    const struct replica_config config = {.node_id = 1,
                                          .heartbeat_ms = 50,
                                          .election_ms = 300,
                                          .log = node.log,
                                          .kv = node.kv,
                                          .clock = &clock_of_run,
                                          .random = &random_of_run,
                                          .host = &host,
                                          .signer = &signer};
    must(replica_open(&config, &node.replica) == CONCLAVE_OK, "no replica");
    struct replica_status status = {.ready = false};
    for (unsigned i = 0; i < 10000 && !(status.state == REPLICA_LEADER && status.ready); i++) {
        pass_ms(1);
        replica_status(node.replica, &status);
    }
    must(status.state == REPLICA_LEADER && status.ready, "nobody leads");
}

static void submit(void)
{
    static uint64_t token;
    must(replica_submit(node.replica, buffer_slice(&command), ++token, 10000) == CONCLAVE_OK,
         "a command is not taken");
    settle();
}

static void cast_ballots(void)
{
    struct replica_identity identity;
    must(replica_identity(node.log, &identity) == CONCLAVE_OK, "no identity");
    for (unsigned i = 0; i < VOTERS; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "voter-%04u", i);
        actor_init(&voters[i], id);
        actor_admit(&chair, &command, identity.cluster_id, BEGIN_MS + DAY_MS / 2, &voters[i]);
        submit();
    }
    actor_open(&chair, &command, identity.cluster_id, BEGIN_MS + DAY_MS / 2, "poll",
               "simple-majority", DAY_MS);
    submit();
    for (unsigned i = 0; i < VOTERS; i++) {
        actor_vote(&voters[i], &command, identity.cluster_id, BEGIN_MS + DAY_MS / 2, "poll", "yes");
        submit();
    }
    pass_ms(5000);
    must(node.refusals == 0 && node.decided == 2 * VOTERS + 1, "something was refused");
}

/* --- Asking --- */

struct times {
    uint64_t wall_ns[ASKED], cpu_ns[ASKED];
};

static void ask(const char *method, const struct buffer *params, struct buffer *answer,
                struct times *times, unsigned i)
{
    struct codec_tree tree;
    struct codec_error error = {.text = ""};
    must(codec_parse(&tree, buffer_slice(params)) == CONCLAVE_OK, "params that are none");
    buffer_clear(answer);
    uint64_t wall_ns = measured_ns(CLOCK_MONOTONIC);
    uint64_t cpu_ns = measured_ns(CLOCK_PROCESS_CPUTIME_ID);
    enum conclave_code code =
        replica_query(node.replica, slice_of_text(method), &tree.root, answer, &error);
    times->cpu_ns[i] = measured_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    times->wall_ns[i] = measured_ns(CLOCK_MONOTONIC) - wall_ns;
    must(code == CONCLAVE_OK, error.text[0] != '\0' ? error.text : conclave_code_text(code));
    codec_tree_close(&tree);
}

static void ask_receipt(struct buffer *params, struct buffer *answer, struct times *times,
                        unsigned i)
{
    char id[32];
    (void)snprintf(id, sizeof id, "voter-%04u", (unsigned)(next_random(&node) % VOTERS));
    buffer_clear(params);
    codec_write_map(params, 2);
    codec_write_text(params, "poll");
    codec_write_text(params, "poll");
    codec_write_text(params, "member");
    codec_write_text(params, id);
    ask("record.receipt", params, answer, times, i);
}

static void ask_proof(struct buffer *params, struct buffer *answer, struct times *times, unsigned i,
                      uint64_t leaves)
{
    buffer_clear(params);
    codec_write_map(params, 1);
    codec_write_text(params, "leaf");
    codec_write_u64(params, next_random(&node) % leaves);
    ask("record.proof", params, answer, times, i);
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

static double at(uint64_t *times_ns, unsigned count, unsigned per_cent)
{
    qsort(times_ns, count, sizeof times_ns[0], compare);
    uint64_t time_ns = times_ns[(count - 1) * per_cent / 100];
    return (double)time_ns / 1000;
}

static void measure(bool receipts, const char *what, unsigned count, uint64_t leaves)
{
    static struct times times;
    struct buffer params;
    struct buffer answer;
    buffer_init(&params, 1024);
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
    for (unsigned i = 0; i < count; i++) {
        if (receipts) {
            ask_receipt(&params, &answer, &times, i);
        } else {
            ask_proof(&params, &answer, &times, i, leaves);
        }
    }
    (void)printf("%-26s %6u asked, us: p50 %7.0f  p99 %7.0f  longest %7.0f; of the processor: "
                 "p50 %5.0f  p99 %5.0f; %zu bytes\n",
                 what, count, at(times.wall_ns, count, 50), at(times.wall_ns, count, 99),
                 at(times.wall_ns, count, 100), at(times.cpu_ns, count, 50),
                 at(times.cpu_ns, count, 99), answer.size);
    buffer_close(&params);
    buffer_close(&answer);
}

int main(int argc, char **argv)
{
    uint64_t leaves = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
    unsigned long commands = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    char path[512];
    if (leaves == 0 || commands == 0 || commands > LIMIT_BATCH_COMMANDS) {
        (void)fprintf(stderr, "usage: conclave-receipt-cost DIRECTORY LEAVES COMMANDS-AN-ENTRY\n");
        return 2;
    }
    must(auth_init() == CONCLAVE_OK, "no libsodium");
    buffer_init(&command, LIMIT_FRAME_BYTES);
    node.random_state = 7;
    (void)snprintf(path, sizeof path, "%s/state", argv[1]);
    open_log();
    uint64_t began_ns = measured_ns(CLOCK_MONOTONIC);
    must(kv_lmdb_open(path, 0, &node.kv) == CONCLAVE_OK, "no state");
    grow_tree(leaves, (uint32_t)commands);
    must(kv_sync(node.kv) == CONCLAVE_OK, "the state cannot be synced");
    struct kv_usage usage = {0};
    kv_usage(node.kv, &usage);
    (void)printf("%llu leaves in entries of %lu, grown in %.0f s; the state has %.0f MiB\n",
                 (unsigned long long)leaves, commands,
                 (double)(measured_ns(CLOCK_MONOTONIC) - began_ns) / 1e9,
                 (double)usage.used_bytes / (1024 * 1024));
    open_replica();
    cast_ballots();
    must(kv_sync(node.kv) == CONCLAVE_OK, "the state cannot be synced");
    /* Opened anew: an environment that is open holds its pages. */
    replica_close(node.replica);
    kv_close(node.kv);
    drop_pages(path);
    must(kv_lmdb_open(path, 0, &node.kv) == CONCLAVE_OK, "no state");
    open_replica();
    pass_ms(5000);
    measure(false, "proofs, pages dropped", COLD, leaves);
    measure(true, "receipts, pages dropped", COLD, leaves);
    read_pages(path);
    measure(false, "proofs for any leaf", ASKED, leaves);
    measure(true, "receipts of ballots", ASKED, leaves);
    replica_close(node.replica);
    kv_close(node.kv);
    log_close(node.log);
    return 0;
}
