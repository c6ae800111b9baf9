/* src/net/handshake.h: the first words between nodes, both ways. What was read can be written and
 * is then read as the same; nothing but it is left in the caller's struct.
 *
 * fuzz: -max_len=256
 */
#include "net/handshake.h"

#include "fuzz/mutate.h"

static const char *const words[] = {"ok", "refused", "wrong_cluster", "0.1.0", NULL};

static struct buffer written;

void fuzz_open(void)
{
    buffer_init(&written, HANDSHAKE_BYTES_MAX);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, words);
}

/* A disk is the one that is remembered of it; a sentence about it has an end. */
static void judge(const struct disk_shown *shown)
{
    struct disk_known known;
    char text[HANDSHAKE_SENTENCE_BYTES] = "";
    memset(&known, 0, sizeof known);
    (void)disk_judge(&known, shown);
    disk_sentence(DISK_OTHER, 3, &known, shown, text, sizeof text);
    ASSERT(strnlen(text, sizeof text) < sizeof text);
    disk_remember(shown, &known);
    ASSERT(disk_judge(&known, shown) == DISK_SAME);
}

static void run_handshake(struct slice input)
{
    struct handshake first;
    struct handshake second;
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    if (handshake_read(input, &first) != CONCLAVE_OK) {
        return;
    }
    handshake_write(&written, &first);
    enum conclave_code rv = handshake_read(buffer_slice(&written), &second);
    ASSERT(rv == CONCLAVE_OK);
    ASSERT(memcmp(first.cluster_id, second.cluster_id, sizeof first.cluster_id) == 0);
    ASSERT(memcmp(&first.disk, &second.disk, sizeof first.disk) == 0);
    ASSERT(slice_equal(slice_of(first.token, first.token_size),
                       slice_of(second.token, second.token_size)));
    ASSERT(first.from == second.from && first.to == second.to);
    ASSERT(strcmp(first.program_version, second.program_version) == 0);
    judge(&first.disk);
}

static void run_answer(struct slice input)
{
    struct handshake_answer first = {.code = ""};
    struct handshake_answer second = {.code = ""};
    if (handshake_answer_read(input, &first) != CONCLAVE_OK) {
        return;
    }
    handshake_answer_write(&written, first.code, first.sentence);
    enum conclave_code rv = handshake_answer_read(buffer_slice(&written), &second);
    ASSERT(rv == CONCLAVE_OK);
    ASSERT(strcmp(first.code, second.code) == 0 && strcmp(first.sentence, second.sentence) == 0);
}

/* input: which of the two, then its bytes */
void fuzz_run(struct slice input)
{
    bool answer = fuzz_take(&input) % 2 != 0;
    buffer_clear(&written);
    if (answer) {
        run_answer(input);
    } else {
        run_handshake(input);
    }
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, HANDSHAKE_BYTES_MAX);
    const struct handshake handshake = {.cluster_id = "0123456789abcde",
                                        .from = 1,
                                        .to = 3,
                                        .disk = {.generation = 2, .start_count = 2},
                                        .program_version = "0.1.0",
                                        .token_size = 5,
                                        .token = "token"};
    handshake_write(&seed, &handshake);
    fuzz_seed_buffer("handshake", "0", &seed);
    handshake_answer_write(&seed, "wrong_cluster", "this node is of the cluster 0123");
    fuzz_seed_buffer("answer", "1", &seed);
    buffer_close(&seed);
}
