/* src/auth/genesis.h and src/daemon/genesis_file.h: what one of the two readers of a genesis
 * takes, the other takes as the same cluster.
 *
 * One mutation in eight signs the command anew, with the key that the seeds' chair has.
 *
 * fuzz: -max_len=1000
 */
#include "auth/genesis.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/genesis_file.h"
#include "fuzz/mutate.h"
#include "support/actors.h"

#define MARK       "conclave-genesis-v1 "
#define BASE64_URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

static const char *const words[] = {
    "name",    "nodes",           "chair",  "id",    "key",      "127.0.0.1:7101", "created",
    "genesis", "cluster.restore", "former", "index", "clusters", "digest",         "leaves",
    "root",    "backup",          NULL};
static struct fuzz_file file;
static struct actor chair;

void fuzz_open(void)
{
    ASSERT(auth_init() == CONCLAVE_OK);
    actor_init(&chair, "chair");
    fuzz_file_open(&file);
}

/* Signs what stands in a command: the new size, or 0 when it is no command. */
static size_t sign(uint8_t *data, size_t size, size_t size_max)
{
    struct envelope envelope;
    struct codec_error error;
    if (envelope_decode(&envelope, slice_of(data, size), &error) != CONCLAVE_OK) {
        return 0;
    }
    struct buffer signed_again;
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    buffer_init(&signed_again, size_max);
    auth_sign(&chair.key, envelope.bytes, signature);
    envelope_write_command(&signed_again, envelope.bytes, slice_of(signature, sizeof signature));
    size_t made = signed_again.status == CONCLAVE_OK ? signed_again.size : 0;
    if (made > 0) {
        memcpy(data, signed_again.data, made);
    }
    envelope_close(&envelope);
    buffer_close(&signed_again);
    return made;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    if (size > 0 && data[0] % 2 != 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    size = mutate_behind(1, data, size, size_max, seed, words);
    if (seed % 64 < 8 && size > 1) {
        size_t made = sign(data + 1, size - 1, size_max - 1);
        size = made > 0 ? made + 1 : size;
    }
    return size;
}

static void run_file(struct slice text)
{
    struct genesis_file genesis;
    struct genesis_file_error error = {.text = ""};
    fuzz_file_write(&file, text);
    if (genesis_file_read(file.path, &genesis, &error) == CONCLAVE_OK) {
        ASSERT(genesis.node_count >= 1 && genesis.node_count <= LIMIT_NODES);
        ASSERT(genesis_file_find(&genesis, genesis.nodes[0].node_id) == &genesis.nodes[0]);
    } else {
        ASSERT(strncmp(error.text, file.path, strlen(file.path)) == 0);
    }
    genesis_file_close(&genesis);
}

static void run_command(struct slice command)
{
    struct genesis genesis;
    struct codec_error error = {.text = ""};
    enum conclave_code code = genesis_decode(&genesis, command, &error);
    if (code != CONCLAVE_OK) {
        ASSERT(error.text[0] != '\0');
        return;
    }
    size_t size = sodium_base64_ENCODED_LEN(command.size, BASE64_URL);
    char *text = malloc(sizeof MARK - 1 + size);
    ASSERT(text != NULL);
    memcpy(text, MARK, sizeof MARK - 1);
    sodium_bin2base64(text + sizeof MARK - 1, size, command.data, command.size, BASE64_URL);
    fuzz_file_write(&file, slice_of_text(text));
    free(text);
    struct genesis_file found;
    struct genesis_file_error why;
    code = genesis_file_read(file.path, &found, &why);
    ASSERT(code == CONCLAVE_OK);
    ASSERT(slice_equal(buffer_slice(&found.command), command));
    ASSERT(memcmp(found.cluster_id, genesis.cluster_id, sizeof found.cluster_id) == 0);
    ASSERT(found.restores == (genesis.former.count > 0));
    ASSERT(found.node_count == genesis.node_count);
    for (unsigned i = 0; i < found.node_count; i++) {
        ASSERT(found.nodes[i].node_id == genesis.nodes[i].id);
        ASSERT(slice_is_text(genesis.nodes[i].address, found.nodes[i].peer_address));
    }
    genesis_file_close(&found);
}

/* input: odd: a file; even: a command */
void fuzz_run(struct slice input)
{
    if (fuzz_take(&input) % 2 != 0) {
        run_file(input);
    } else {
        run_command(input);
    }
}

void fuzz_seeds(void)
{
    struct buffer seed;
    char text[1024] = "1# a comment\n\n" MARK;
    buffer_init(&seed, LIMIT_COMMAND_BYTES);
    for (unsigned nodes = 1; nodes <= 3; nodes += 2) {
        actor_genesis(&chair, &seed, nodes, 1767225600000);
        if (nodes == 1) {
            sodium_bin2base64(text + strlen(text), sizeof text - strlen(text), seed.data, seed.size,
                              BASE64_URL);
            fuzz_seed_text("file", text);
        }
        fuzz_seed_buffer(nodes == 1 ? "one" : "three", "0", &seed);
    }
    const struct genesis_former former = {.count = 2, .index = 7, .leaves = 5};
    actor_restore(&chair, &seed, 1, 1767225600000, &former);
    fuzz_seed_buffer("restore", "0", &seed);
    buffer_close(&seed);
}
