/* A set of fingerprints. */
#include "audit/seen.h"

#include "base/memory.h"

#define SEEN_FIRST_PLACES 4096u
#define SEEN_NONCE_BYTES  16u

struct fingerprint {
    uint64_t low, high; /* both 0: a free place */
};

_Static_assert(sizeof(struct fingerprint) == crypto_shorthash_siphashx24_BYTES, "128 bits");

void audit_seen_open(struct audit_seen *seen)
{
    *seen = (struct audit_seen){0};
    randombytes_buf(seen->secret, sizeof seen->secret);
}

void audit_seen_close(struct audit_seen *seen)
{
    memory_free(seen->places);
    *seen = (struct audit_seen){0};
}

/* The place of `wanted`, or the free one where it belongs. There is always a free one. */
static struct fingerprint *find_place(struct fingerprint *places, size_t place_count,
                                      struct fingerprint wanted)
{
    ASSERT((place_count & (place_count - 1)) == 0);
    size_t at = wanted.low & (place_count - 1);
    while ((places[at].low | places[at].high) != 0 &&
           (places[at].low != wanted.low || places[at].high != wanted.high)) {
        at = (at + 1) & (place_count - 1);
    }
    return &places[at];
}

/* At most half of the places are taken. */
static enum conclave_code make_room(struct audit_seen *seen)
{
    if (2 * (seen->count + 1) <= seen->place_count) {
        return CONCLAVE_OK;
    }
    size_t place_count = seen->place_count == 0 ? SEEN_FIRST_PLACES : 2 * seen->place_count;
    struct fingerprint *places = memory_allocate_zeroed(place_count, sizeof *places);
    if (places == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (size_t i = 0; i < seen->place_count; i++) {
        if ((seen->places[i].low | seen->places[i].high) != 0) {
            *find_place(places, place_count, seen->places[i]) = seen->places[i];
        }
    }
    memory_free(seen->places);
    seen->places = places;
    seen->place_count = place_count;
    return CONCLAVE_OK;
}

static struct fingerprint fingerprint_of(const struct audit_seen *seen, uint32_t author,
                                         struct slice nonce)
{
    ASSERT(nonce.size == SEEN_NONCE_BYTES);
    uint8_t text[sizeof author + SEEN_NONCE_BYTES];
    memcpy(text, &author, sizeof author);
    memcpy(text + sizeof author, nonce.data, nonce.size);
    struct fingerprint print;
    crypto_shorthash_siphashx24((uint8_t *)&print, text, sizeof text, seen->secret);
    print.high |= (print.low | print.high) == 0; /* never the mark of a free place */
    return print;
}

bool audit_seen_has(const struct audit_seen *seen, uint32_t author, struct slice nonce)
{
    if (seen->place_count == 0) {
        return false;
    }
    const struct fingerprint *place =
        find_place(seen->places, seen->place_count, fingerprint_of(seen, author, nonce));
    return (place->low | place->high) != 0;
}

enum conclave_code audit_seen_note(struct audit_seen *seen, uint32_t author, struct slice nonce,
                                   bool *again)
{
    struct fingerprint print = fingerprint_of(seen, author, nonce);
    enum conclave_code code = make_room(seen);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct fingerprint *place = find_place(seen->places, seen->place_count, print);
    *again = (place->low | place->high) != 0;
    if (!*again) {
        *place = print;
        seen->count++;
    }
    return CONCLAVE_OK;
}
