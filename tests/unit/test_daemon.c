/* The parts of the daemon below its loop: the directory and its lock, the genesis, storage, who
 * holds a port, what systemd is told, and the two kinds of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/logger.h"
#include "daemon/data_dir.h"
#include "daemon/genesis_file.h"
#include "daemon/log_writer.h"
#include "daemon/notify.h"
#include "daemon/port_holder.h"
#include "daemon/storage.h"
#include "daemon/verifier.h"
#include "log/log_lmdb.h"
#include "log/log_memory.h"
#include "support/actors.h"
#include "support/loop.h"
#include "support/scratch.h"

#define WAIT_MS 10000u

struct fixture {
    char directory[SCRATCH_PATH_BYTES];
    char path[SCRATCH_PATH_BYTES]; /* of something in it */
    struct settings_error error;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    scratch_make(fixture->directory);
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

static const char *in(struct fixture *fixture, const char *name)
{
    scratch_join(fixture->path, fixture->directory, name);
    return fixture->path;
}

/* --- the directory --- */

static void test_data_dir_has_one_owner(void **state)
{
    struct fixture *fixture = *state;
    struct data_dir first, second;
    struct stat info;
    char expected[2 * SCRATCH_PATH_BYTES];
    const char *path = in(fixture, "data");
    assert_int_equal(data_dir_open(path, &first, &fixture->error), CONCLAVE_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0750);
    assert_int_equal(data_dir_open(path, &second, &fixture->error), CONCLAVE_BUSY);
    (void)snprintf(expected, sizeof expected, "%s is in use by another conclaved (pid %ld)", path,
                   (long)getpid());
    assert_string_equal(fixture->error.text, expected);
    data_dir_close(&first);
    assert_int_equal(data_dir_open(path, &second, &fixture->error), CONCLAVE_OK);
    assert_int_equal(access(second.log, F_OK), 0);
    assert_int_equal(access(second.state, F_OK), 0);
    data_dir_close(&second);
}

/* --- the genesis --- */

static void write_genesis(struct fixture *fixture, const char *name, const char *chair,
                          unsigned nodes)
{
    struct actor actor;
    struct buffer command;
    char text[4096];
    actor_init(&actor, chair);
    buffer_init(&command, LIMIT_COMMAND_BYTES);
    actor_genesis(&actor, &command, nodes, 1700000000000);
    (void)sodium_bin2base64(text, sizeof text, command.data, command.size,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buffer_close(&command);
    FILE *file = fopen(in(fixture, name), "we");
    assert_non_null(file);
    assert_true(fprintf(file, "# made by a test\n\nconclave-genesis-v1 %s\n", text) > 0);
    assert_int_equal(fclose(file), 0);
}

static void test_genesis_file_has_the_addresses(void **state)
{
    struct fixture *fixture = *state;
    struct genesis_file genesis;
    struct genesis_file_error error;
    write_genesis(fixture, "genesis", "chair", 3);
    assert_int_equal(genesis_file_read(in(fixture, "genesis"), &genesis, &error), CONCLAVE_OK);
    assert_int_equal(genesis.node_count, 3);
    const struct genesis_file_node *node = genesis_file_find(&genesis, 2);
    assert_non_null(node);
    assert_string_equal(node->peer_address, "127.0.0.1:7102");
    assert_string_equal(node->client_address, "127.0.0.1:7202");
    assert_null(genesis_file_find(&genesis, 4));
    genesis_file_close(&genesis);
}

/* --- storage --- */

static enum conclave_code open_storage(struct fixture *fixture, unsigned node_id,
                                       const char *genesis, struct storage *storage)
{
    static struct config config;
    static char genesis_path[SCRATCH_PATH_BYTES];
    memset(&config, 0, sizeof config);
    scratch_join(genesis_path, fixture->directory, genesis == NULL ? "" : genesis);
    config.bootstrap = genesis == NULL ? NULL : genesis_path;
    config.node_id = node_id;
    assert_int_equal(
        settings_set(&config.settings, SETTING_NODE_ID, "1", "a test", &fixture->error),
        CONCLAVE_OK);
    assert_int_equal(settings_set(&config.settings, SETTING_DATA_DIR, in(fixture, "data"), "a test",
                                  &fixture->error),
                     CONCLAVE_OK);
    return storage_open(&config, storage, &fixture->error);
}

static void expect_complaint(const struct fixture *fixture, const char *part)
{
    if (strstr(fixture->error.text, part) == NULL) {
        fail_msg("expected \"%s\" in: %s", part, fixture->error.text);
    }
}

/* The same disk, started `starts` times more than before, each time with a number of its own. */
static void expect_started_again(const struct replica_identity *before,
                                 const struct replica_identity *now, unsigned starts)
{
    assert_memory_equal(now->cluster_id, before->cluster_id, sizeof now->cluster_id);
    assert_memory_equal(now->disk_id, before->disk_id, sizeof now->disk_id);
    assert_int_equal(now->node_id, before->node_id);
    assert_int_equal(now->generation, before->generation + starts);
    assert_int_equal(now->start_count, before->start_count + starts);
    assert_memory_equal(now->starts, before->starts,
                        (size_t)before->start_count * REPLICA_START_BYTES);
    for (unsigned i = 1; i < now->start_count; i++) {
        assert_memory_not_equal(now->starts[i], now->starts[i - 1], REPLICA_START_BYTES);
    }
}

static void test_bootstrap_is_done_once(void **state)
{
    struct fixture *fixture = *state;
    static struct storage storage;
    write_genesis(fixture, "genesis", "chair", 3);
    write_genesis(fixture, "other", "somebody", 3);

    assert_int_equal(open_storage(fixture, 1, NULL, &storage), CONCLAVE_CONFIG);
    expect_complaint(fixture, "holds no data: start a node of a new cluster with --bootstrap");
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_OK);
    struct replica_identity identity = storage.identity;
    assert_int_equal(identity.node_id, 1);
    assert_int_equal(identity.generation, 1);
    assert_int_equal(log_last_index(storage.log), 2);
    assert_int_equal(storage.genesis.node_count, 3);
    storage_close(&storage);

    /* With or without it again: the same node on the same disk. */
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_OK);
    expect_started_again(&identity, &storage.identity, 1);
    assert_int_equal(storage_close_clean(&storage), CONCLAVE_OK);
    assert_int_equal(open_storage(fixture, 1, NULL, &storage), CONCLAVE_OK);
    expect_started_again(&identity, &storage.identity, 2);
    storage_close(&storage);

    assert_int_equal(open_storage(fixture, 1, "other", &storage), CONCLAVE_CONFIG);
    expect_complaint(fixture, "is the genesis of");
    assert_int_equal(open_storage(fixture, 2, NULL, &storage), CONCLAVE_CONFIG);
    expect_complaint(fixture, "holds data of node 1, not of node 2");
}

/* Killed between the first entries and the identity: the node took part in nothing yet. */
static void test_bootstrap_that_was_cut_off(void **state)
{
    struct fixture *fixture = *state;
    static struct storage storage;
    struct data_dir data_dir;
    struct log *log;
    write_genesis(fixture, "genesis", "chair", 1);
    assert_int_equal(data_dir_open(in(fixture, "data"), &data_dir, &fixture->error), CONCLAVE_OK);
    assert_int_equal(log_lmdb_open(data_dir.log, 0, &log), CONCLAVE_OK);
    const struct log_entry entry = {1, LOG_ENTRY_CONFIGURATION, slice_of_text("half a start")};
    assert_int_equal(log_append(log, 1, &entry, 1), CONCLAVE_OK);
    log_close(log);
    data_dir_close(&data_dir);

    assert_int_equal(open_storage(fixture, 1, NULL, &storage), CONCLAVE_CONFIG);
    expect_complaint(fixture, "holds no data");
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_OK);
    assert_int_equal(log_last_index(storage.log), 2);
    storage_close(&storage);
}

/* A log that took part and lost its identity is damaged: a bootstrap must not delete it. */
static void test_bootstrap_deletes_no_used_log(void **state)
{
    struct fixture *fixture = *state;
    static struct storage storage;
    struct data_dir data_dir;
    struct log *log;
    write_genesis(fixture, "genesis", "chair", 1);
    assert_int_equal(data_dir_open(in(fixture, "data"), &data_dir, &fixture->error), CONCLAVE_OK);
    assert_int_equal(log_lmdb_open(data_dir.log, 0, &log), CONCLAVE_OK);
    const struct log_entry entry = {1, LOG_ENTRY_BARRIER, slice_of_text("12345678")};
    for (uint64_t index = 1; index <= 3; index++) {
        assert_int_equal(log_append(log, index, &entry, 1), CONCLAVE_OK);
    }
    log_close(log);
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_BUSY);
    data_dir_close(&data_dir);
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_CORRUPT);
    assert_int_equal(log_lmdb_open(data_dir.log, 0, &log), CONCLAVE_OK);
    assert_int_equal(log_last_index(log), 3);
    log_close(log);
}

static void test_damaged_state_is_made_anew(void **state)
{
    struct fixture *fixture = *state;
    static struct storage storage;
    write_genesis(fixture, "genesis", "chair", 1);
    assert_int_equal(open_storage(fixture, 1, "genesis", &storage), CONCLAVE_OK);
    assert_int_equal(storage_close_clean(&storage), CONCLAVE_OK);
    FILE *file = fopen(in(fixture, "data/state/data.mdb"), "r+e");
    assert_non_null(file);
    for (int i = 0; i < 8192; i++) {
        assert_true(fputc('x', file) == 'x');
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_storage(fixture, 1, NULL, &storage), CONCLAVE_OK);
    storage_close(&storage);
}

/* --- who holds a port --- */

static void test_port_holder(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    char text[64];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(port_holder_find(text), 0); /* bound, but nobody listens */
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(port_holder_find(text), getpid());
    assert_int_equal(close(listener), 0);
    assert_int_equal(port_holder_find(text), 0);
    assert_int_equal(port_holder_find("nonsense"), 0);
}

/* --- the service manager --- */

static void expect_told(int receiver, const char *text)
{
    char bytes[128];
    ssize_t size = recv(receiver, bytes, sizeof bytes - 1, MSG_DONTWAIT);
    assert_true(size > 0);
    bytes[size] = '\0';
    assert_string_equal(bytes, text);
}

static void test_notify(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char bytes[128];
    unsigned long long moment;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_ready(); /* nobody to tell */
    int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *path = in(fixture, "notify");
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(receiver, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    notify_ready();
    expect_told(receiver, "READY=1");
    notify_stopping();
    expect_told(receiver, "STOPPING=1");
    notify_reloading();
    ssize_t size = recv(receiver, bytes, sizeof bytes - 1, MSG_DONTWAIT);
    assert_true(size > 0);
    bytes[size] = '\0';
    assert_int_equal(sscanf(bytes, "RELOADING=1\nMONOTONIC_USEC=%llu", &moment), 1);
    assert_int_equal(close(receiver), 0);

    /* A name in the abstract namespace starts with @. */
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "conclave-test-%ld",
                          (long)getpid());
    receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(receiver, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
                     0);
    (void)snprintf(bytes, sizeof bytes, "@conclave-test-%ld", (long)getpid());
    assert_int_equal(setenv("NOTIFY_SOCKET", bytes, 1), 0);
    notify_ready();
    expect_told(receiver, "READY=1");
    assert_int_equal(close(receiver), 0);
    notify_ready(); /* nobody listens any more */
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

/* --- threads --- */

struct writes {
    struct log_writer *writer;
    unsigned done;
    unsigned wanted;
    enum conclave_code code;
    uint64_t next_index;
};

static void write_next(struct writes *writes)
{
    static const struct log_entry entries[2] = {{1, LOG_ENTRY_COMMAND, {(const uint8_t *)"a", 1}},
                                                {1, LOG_ENTRY_COMMAND, {(const uint8_t *)"b", 1}}};
    const struct replica_write write = {writes->next_index, entries, 2};
    writes->next_index += 2;
    assert_false(log_writer_busy(writes->writer));
    log_writer_write(writes->writer, &write);
    assert_true(log_writer_busy(writes->writer));
}

static void on_written(void *context, enum conclave_code code)
{
    struct writes *writes = context;
    assert_int_equal(code, CONCLAVE_OK);
    writes->done++;
    if (writes->done < writes->wanted) {
        write_next(writes);
    }
}

static bool all_written(void *context)
{
    const struct writes *writes = context;
    return writes->done == writes->wanted;
}

static void test_log_writer(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct log *log;
    struct writes writes = {.wanted = 200, .next_index = 1};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    struct http_instruments instruments;
    metric_histogram_init(&instruments.sync_us, &metric_scale_us);
    metric_histogram_init(&instruments.write_entries, &metric_scale_count);
    assert_int_equal(log_writer_open(&loop, log, &instruments, on_written, &writes, &writes.writer),
                     CONCLAVE_OK);
    write_next(&writes);
    assert_true(loop_run_until(&loop, all_written, &writes, WAIT_MS));
    assert_int_equal(log_last_index(log), 400);
    write_next(&writes); /* closing waits for it */
    log_writer_close(writes.writer);
    assert_int_equal(log_last_index(log), 402);
    loop_finish(&loop);
    assert_int_equal(writes.done, 200);
    log_close(log);
}

#define CHECKS 500u

struct checks {
    struct api_verification items[CHECKS];
    unsigned done;
};

static void on_verified(void *context, struct api_verification *verification)
{
    struct checks *checks = context;
    size_t i = (size_t)(verification - checks->items);
    assert_true(i < CHECKS);
    assert_int_equal(verification->valid, i % 3 != 0);
    checks->done++;
}

static bool all_verified(void *context)
{
    return ((struct checks *)context)->done == CHECKS;
}

/* Every third signature is of another message. */
static void test_verifier(void **state)
{
    (void)state;
    static struct checks checks;
    uv_loop_t loop;
    struct verifier *verifier;
    struct auth_key key;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(verifier_open(&loop, 2, on_verified, &checks, &verifier), CONCLAVE_OK);
    auth_key_generate(&key);
    for (size_t i = 0; i < CHECKS; i++) {
        struct api_verification *item = &checks.items[i];
        item->message = slice_of_text(i % 3 == 0 ? "one" : "two");
        memcpy(item->public_key, key.public_key, sizeof item->public_key);
        auth_sign(&key, slice_of_text("two"), item->signature);
        verifier_add(verifier, item);
    }
    while (!all_verified(&checks)) {
        assert_true(verifier_busy(verifier));
        verifier_run(verifier);
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_false(verifier_busy(verifier));
    verifier_close(verifier);
    loop_finish(&loop);
    auth_key_wipe(&key);
}

static int start(void **state)
{
    (void)state;
    return auth_init() == CONCLAVE_OK ? 0 : -1;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_data_dir_has_one_owner),
        TEST(test_genesis_file_has_the_addresses),
        TEST(test_bootstrap_is_done_once),
        TEST(test_bootstrap_that_was_cut_off),
        TEST(test_bootstrap_deletes_no_used_log),
        TEST(test_damaged_state_is_made_anew),
        TEST(test_port_holder),
        TEST(test_notify),
        TEST(test_log_writer),
        TEST(test_verifier),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
