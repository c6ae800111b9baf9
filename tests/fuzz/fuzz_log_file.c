/* src/log/log_file.h: the meta pages of an LMDB file are taken only when they fit each other and
 * the file.
 *
 * fuzz: -max_len=320
 */
#include "log/log_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/harness.h"

#define META_BYTES 152u

static int folder;
static int file;

static char path[] = "/tmp/conclave-fuzz-XXXXXX";

static void clean_up(void)
{
    (void)unlinkat(folder, LOG_FILE_NAME, 0);
    (void)rmdir(path);
}

/* A folder with a link to a file in memory. */
void fuzz_open(void)
{
    ASSERT(mkdtemp(path) != NULL);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT(folder >= 0);
    static struct fuzz_file memory;
    fuzz_file_open(&memory);
    file = memory.descriptor;
    ASSERT(symlinkat(memory.path, folder, LOG_FILE_NAME) == 0);
    ASSERT(atexit(clean_up) == 0);
}

/* input: power of two of the page size less 9 (3 bits), pages in the file (5 bits); two metas */
void fuzz_run(struct slice input)
{
    uint8_t first = fuzz_take(&input);
    size_t page_bytes = 512u << (first & 7u);
    struct slice metas[2];
    metas[0] = fuzz_take_bytes(&input, META_BYTES);
    metas[1] = fuzz_take_bytes(&input, META_BYTES);
    ASSERT(ftruncate(file, 0) == 0);
    ASSERT(ftruncate(file, (off_t)(page_bytes * (first >> 3)) + (first >> 3 == 31)) == 0);
    for (size_t i = 0; i < 2; i++) {
        if (metas[i].size > 0) {
            ssize_t put = pwrite(file, metas[i].data, metas[i].size, (off_t)(i * page_bytes));
            ASSERT(put == (ssize_t)metas[i].size);
        }
    }
    enum conclave_code code = log_file_check(folder);
    ASSERT(code == CONCLAVE_OK || code == CONCLAVE_CORRUPT);
    struct stat status;
    ASSERT(fstat(file, &status) == 0);
    if (code == CONCLAVE_OK && status.st_size > 0) {
        /* Two metas whose numbers say what the header of struct MDB_meta says. */
        ASSERT(metas[0].size == META_BYTES && metas[1].size >= 1);
        uint32_t magic;
        uint64_t transactions[2] = {0};
        memcpy(&magic, metas[0].data + 16, sizeof magic);
        ASSERT(magic == 0xbeefc0de);
        for (size_t i = 0; i < 2; i++) { /* what the input lacks is zeros in the file */
            uint8_t meta[META_BYTES] = {0};
            memcpy(meta, metas[i].data, metas[i].size);
            memcpy(&transactions[i], meta + 144, sizeof transactions[i]);
        }
        uint64_t apart = transactions[0] > transactions[1] ? transactions[0] - transactions[1]
                                                           : transactions[1] - transactions[0];
        ASSERT(apart <= 1);
    }
}

static void write_meta(uint8_t *meta, uint64_t page, uint32_t page_bytes, uint64_t last_page,
                       uint64_t transaction)
{
    const uint16_t flags = 8;
    const uint32_t magic = 0xbeefc0de;
    const uint32_t version = 1;
    const uint64_t root = 2;
    memcpy(meta, &page, 8);
    memcpy(meta + 10, &flags, 2);
    memcpy(meta + 16, &magic, 4);
    memcpy(meta + 20, &version, 4);
    memcpy(meta + 40, &page_bytes, 4);
    memcpy(meta + 80, &root, 8);
    memcpy(meta + 128, &root, 8);
    memcpy(meta + 136, &last_page, 8);
    memcpy(meta + 144, &transaction, 8);
}

void fuzz_seeds(void)
{
    uint8_t seed[1 + 2 * META_BYTES] = {3 | 8 << 3}; /* pages of 4096 bytes, 8 of them */
    write_meta(seed + 1, 0, 4096, 6, 4);
    write_meta(seed + 1 + META_BYTES, 1, 4096, 7, 5);
    fuzz_seed("sound", slice_of(seed, sizeof seed));
    write_meta(seed + 1 + META_BYTES, 1, 4096, 7, 9);
    fuzz_seed("apart", slice_of(seed, sizeof seed));
    fuzz_seed("empty", slice_of("", 0));
}
