/* Mutations that know MessagePack: what was well formed mostly stays so, and a decoder is reached
 * behind its first check.
 *
 * A value is walked and written anew with one change somewhere in it: an element deleted, repeated,
 * exchanged or put in, a number moved to an edge, the bytes of a string mutated, a value replaced
 * by another of the input or by a word of the harness. A bin that is itself MessagePack is walked
 * into, so that the heads of what is packed in what is packed stay right.
 */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "fuzz/harness.h"

/* Words that the format knows: keys, kinds, methods. Ends with NULL. */
typedef const char *const *mutate_words;

/* Mutates the bytes of one or more values, one after the other. Returns the new size, at most
 * size_max; 0 when the bytes are no MessagePack or the result was too large: then nothing was
 * changed. */
size_t mutate_packed(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                     mutate_words words);

/* The same after `head` bytes that are left to libFuzzer; one time in eight, and whenever there is
 * no MessagePack, libFuzzer mutates everything. For LLVMFuzzerCustomMutator. */
size_t mutate_behind(size_t head, uint8_t *data, size_t size, size_t size_max, unsigned seed,
                     mutate_words words);

#endif
