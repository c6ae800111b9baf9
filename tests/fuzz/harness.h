/* What every harness of tests/fuzz has in common.
 *
 * A harness is one file fuzz_NAME.c that defines the three functions below; libFuzzer's own entry
 * points stand in harness.c. It may define LLVMFuzzerCustomMutator too. docs/HACKING.md, "Fuzzing",
 * says how to add one, run it, and replay what it found.
 *
 * A harness asserts more than that nothing crashes: what was decoded is written and decoded again,
 * two ways to read the same bytes agree, a stream means the same however it was cut. ASSERT is what
 * it asserts with. A run must not depend on the runs before it.
 */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/slice.h"

/* --- What a harness defines --- */

/* Once, before the first run: what all runs share. */
void fuzz_open(void);

/* One run. The input is in memory of its exact size: a read past its end is found. */
void fuzz_run(struct slice input);

/* Gives the corpus its first inputs, by fuzz_seed: made by our encoders or written by hand. */
void fuzz_seeds(void);

/* --- For fuzz_seeds --- */
void fuzz_seed(const char *name, struct slice input);
void fuzz_seed_text(const char *name, const char *text);

/* The buffer, with `first` before it, is a seed; the buffer is then empty. */
void fuzz_seed_buffer(const char *name, const char *first, struct buffer *buffer);

/* --- Taking an input apart: zeros when it is at its end --- */
uint8_t fuzz_take(struct slice *input);
struct slice fuzz_take_bytes(struct slice *input, size_t size);
/* A length of two bytes, big endian, then so many bytes, or what there is. */
struct slice fuzz_take_piece(struct slice *input);

/* A copy of exactly the size, so that reads past its end are found; freed by the caller. */
uint8_t *fuzz_copy(struct slice bytes);

/* Sizes that cut a stream: the same for the same seed, mostly small. */
struct fuzz_cuts {
    uint32_t state;
};
size_t fuzz_cut(struct fuzz_cuts *cuts, size_t rest);

/* --- A file in memory, for decoders that open one by its path and only read it --- */
struct fuzz_file {
    int descriptor;
    char path[40];
    struct buffer content; /* what was written: the same is not written again */
};
void fuzz_file_open(struct fuzz_file *file);
/* For a harness that has opened the descriptor itself, empty. */
void fuzz_file_begin(struct fuzz_file *file);
void fuzz_file_write(struct fuzz_file *file, struct slice content);

/* --- libFuzzer's --- */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

#endif
