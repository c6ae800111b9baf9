/* The entry points of libFuzzer, and helpers. */
#include "fuzz/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/logger.h"

/* `--seeds=DIRECTORY` writes the seeds there and ends. libFuzzer leaves flags with two dashes to
 * us. */
#define SEEDS_FLAG "--seeds="

static const char *seeds_directory;

/* A quarantine that fits the processor's cache, and traces of allocations of two frames, the least
 * with which a leak is told: several times as many runs a second. `tools/fuzz --show` has more of
 * both, by ASAN_OPTIONS, which overrides this. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=2:"
           "max_malloc_fill_size=0:detect_stack_use_after_return=0";
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    enum conclave_code code = logger_open("/dev/null"); /* lines are put together, not kept */
    ASSERT(code == CONCLAVE_OK);
    fuzz_open();
    for (int i = 1; i < *argc; i++) {
        if (strncmp((*argv)[i], SEEDS_FLAG, sizeof SEEDS_FLAG - 1) == 0) {
            seeds_directory = (*argv)[i] + sizeof SEEDS_FLAG - 1;
            fuzz_seeds();
            _exit(0);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_run(slice_of(data, size));
    return 0;
}

void fuzz_seed(const char *name, struct slice input)
{
    char path[1024];
    int length = snprintf(path, sizeof path, "%s/seed-%s", seeds_directory, name);
    ASSERT(length > 0 && (size_t)length < sizeof path);
    FILE *file = fopen(path, "we");
    if (file == NULL || (input.size > 0 && fwrite(input.data, input.size, 1, file) != 1) ||
        fclose(file) != 0) {
        perror(path);
        _exit(1);
    }
    fuzz_run(input); /* a seed that fails is no seed */
}

void fuzz_seed_text(const char *name, const char *text)
{
    fuzz_seed(name, slice_of_text(text));
}

void fuzz_seed_buffer(const char *name, const char *first, struct buffer *buffer)
{
    struct buffer whole;
    ASSERT(buffer->status == CONCLAVE_OK);
    buffer_init(&whole, SIZE_MAX / 2);
    buffer_append(&whole, first, strlen(first));
    buffer_append(&whole, buffer->data, buffer->size);
    ASSERT(whole.status == CONCLAVE_OK);
    fuzz_seed(name, buffer_slice(&whole));
    buffer_close(&whole);
    buffer_clear(buffer);
}

struct slice fuzz_take_bytes(struct slice *input, size_t size)
{
    if (size > input->size) {
        size = input->size;
    }
    struct slice taken = slice_of(input->data, size);
    if (size > 0) {
        *input = slice_of(input->data + size, input->size - size);
    }
    return taken;
}

uint8_t fuzz_take(struct slice *input)
{
    struct slice taken = fuzz_take_bytes(input, 1);
    return taken.size == 0 ? 0 : taken.data[0];
}

struct slice fuzz_take_piece(struct slice *input)
{
    size_t size = (size_t)fuzz_take(input) << 8;
    size |= fuzz_take(input);
    return fuzz_take_bytes(input, size);
}

uint8_t *fuzz_copy(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);
    ASSERT(copy != NULL);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

size_t fuzz_cut(struct fuzz_cuts *cuts, size_t rest)
{
    ASSERT(rest > 0);
    cuts->state = cuts->state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    size_t size = (cuts->state >> 24) % 4 == 0 ? cuts->state >> 8 : (cuts->state >> 16) % 16 + 1;
    return size % rest + 1;
}

void fuzz_file_open(struct fuzz_file *file)
{
    file->descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    ASSERT(file->descriptor >= 0);
    ASSERT(fchmod(file->descriptor, 0600) == 0);
    (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->descriptor);
    fuzz_file_begin(file);
}

void fuzz_file_begin(struct fuzz_file *file)
{
    buffer_init(&file->content, SIZE_MAX / 2);
    ASSERT(buffer_reserve(&file->content, 1u << 16) != NULL); /* no growth that looks like a leak */
}

void fuzz_file_write(struct fuzz_file *file, struct slice content)
{
    if (slice_equal(buffer_slice(&file->content), content)) {
        return;
    }
    if (file->content.size != content.size) {
        ASSERT(ftruncate(file->descriptor, (off_t)content.size) == 0);
    }
    buffer_clear(&file->content);
    buffer_append(&file->content, content.data, content.size);
    if (content.size > 0) {
        ssize_t written = pwrite(file->descriptor, content.data, content.size, 0);
        ASSERT(written == (ssize_t)content.size);
    }
}
