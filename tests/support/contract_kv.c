/* The contract of kv.h as tests. */
#include "support/contract_kv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kv/kv_digest.h"

#define FAULT_ROUNDS_MAX 10000u

static struct kv *kv_of(void **state)
{
    return ((struct contract_kv *)*state)->kv;
}

static struct kv_transaction *begin(struct kv *kv, bool write)
{
    struct kv_transaction *transaction = NULL;
    assert_int_equal(kv_begin(kv, write, &transaction), CONCLAVE_OK);
    assert_non_null(transaction);
    return transaction;
}

static void put(struct kv_transaction *transaction, const char *key, const char *value)
{
    assert_int_equal(kv_put(transaction, slice_of_text(key), slice_of_text(value)), CONCLAVE_OK);
}

static void expect(struct kv_transaction *transaction, const char *key, const char *value)
{
    struct slice found;
    enum conclave_code rv = kv_get(transaction, slice_of_text(key), &found);
    if (value == NULL) {
        assert_int_equal(rv, CONCLAVE_NOT_FOUND);
        return;
    }
    assert_int_equal(rv, CONCLAVE_OK);
    assert_true(slice_is_text(found, value));
}

void contract_kv_pairs(void **state)
{
    struct kv *kv = kv_of(state);
    struct kv_transaction *transaction = begin(kv, true);
    expect(transaction, "a", NULL);
    put(transaction, "a", "1");
    put(transaction, "b", "");
    expect(transaction, "a", "1");
    expect(transaction, "b", "");
    put(transaction, "a", "a longer value than before");
    expect(transaction, "a", "a longer value than before");
    assert_int_equal(kv_get(transaction, slice_of_text("a"), NULL), CONCLAVE_OK);
    assert_int_equal(kv_remove(transaction, slice_of_text("c")), CONCLAVE_NOT_FOUND);
    assert_int_equal(kv_remove(transaction, slice_of_text("b")), CONCLAVE_OK);
    expect(transaction, "b", NULL);
    assert_int_equal(kv_remove(transaction, slice_of_text("b")), CONCLAVE_NOT_FOUND);
    put(transaction, "d", "4");
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);

    transaction = begin(kv, false);
    expect(transaction, "a", "a longer value than before");
    expect(transaction, "b", NULL);
    expect(transaction, "d", "4");
    assert_int_equal(kv_get(transaction, slice_of_text(""), NULL), CONCLAVE_NOT_FOUND);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    assert_int_equal(kv_sync(kv), CONCLAVE_OK);
}

void contract_kv_sizes(void **state)
{
    static uint8_t value[KV_VALUE_BYTES];
    static const size_t sizes[] = {
        0, 1, 2000, 2040, 4096, 65536, KV_VALUE_BYTES - 1, KV_VALUE_BYTES};
    uint8_t key[KV_KEY_BYTES + 1];
    struct kv *kv = kv_of(state);
    memset(key, 0xff, sizeof key);
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct kv_transaction *transaction = begin(kv, true);
        size_t key_size = i % 2 == 0 ? KV_KEY_BYTES : 1;
        assert_int_equal(kv_put(transaction, slice_of(key, key_size), slice_of(value, sizes[i])),
                         CONCLAVE_OK);
        assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
        transaction = begin(kv, false);
        struct slice found;
        assert_int_equal(kv_get(transaction, slice_of(key, key_size), &found), CONCLAVE_OK);
        assert_true(slice_equal(found, slice_of(value, sizes[i])));
        struct slice last;
        assert_int_equal(kv_seek_last(transaction, slice_of(key, key_size + 1), &last, NULL),
                         CONCLAVE_OK);
        assert_true(slice_equal(last, slice_of(key, key_size)));
        assert_int_equal(kv_get(transaction, slice_of(key, KV_KEY_BYTES + 1), &found),
                         CONCLAVE_NOT_FOUND);
        kv_abort(transaction);
    }
}

/* Keys in their order: bytes as unsigned, a prefix before what it begins. */
static const struct slice ordered[] = {
    {(const uint8_t *)"\x00", 1},     {(const uint8_t *)"\x00\x00", 2},
    {(const uint8_t *)"\x00\x01", 2}, {(const uint8_t *)"a", 1},
    {(const uint8_t *)"a\x00", 2},    {(const uint8_t *)"a\x00\x00", 3},
    {(const uint8_t *)"aa", 2},       {(const uint8_t *)"ab", 2},
    {(const uint8_t *)"b", 1},        {(const uint8_t *)"\x7f", 1},
    {(const uint8_t *)"\x80", 1},     {(const uint8_t *)"\xff", 1},
    {(const uint8_t *)"\xff\xff", 2},
};
#define ORDERED_COUNT (sizeof ordered / sizeof ordered[0])

static void put_ordered(struct kv *kv)
{
    struct kv_transaction *transaction = begin(kv, true);
    for (size_t i = 0; i < ORDERED_COUNT; i++) {
        size_t at = i * 5 % ORDERED_COUNT; /* not in order: 5 and 13 have no common factor */
        uint8_t value = (uint8_t)at;
        assert_int_equal(kv_put(transaction, ordered[at], slice_of(&value, 1)), CONCLAVE_OK);
    }
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
}

static void expect_at(enum conclave_code rv, struct slice key, struct slice value, size_t at)
{
    assert_int_equal(rv, CONCLAVE_OK);
    assert_true(slice_equal(key, ordered[at]));
    assert_int_equal(value.size, 1);
    assert_int_equal(value.data[0], at);
}

void contract_kv_order(void **state)
{
    struct kv *kv = kv_of(state);
    struct kv_transaction *transaction = begin(kv, false);
    struct slice key;
    struct slice value;
    assert_int_equal(kv_seek(transaction, slice_of_text(""), &key, &value), CONCLAVE_NOT_FOUND);
    assert_int_equal(kv_seek(transaction, slice_of_text("a"), &key, &value), CONCLAVE_NOT_FOUND);
    assert_int_equal(kv_seek_last(transaction, slice_of_text("a"), &key, &value),
                     CONCLAVE_NOT_FOUND);
    kv_abort(transaction);

    put_ordered(kv);
    for (int write = 0; write < 2; write++) {
        transaction = begin(kv, write == 1);
        for (size_t i = 0; i < ORDERED_COUNT; i++) {
            uint8_t after[KV_KEY_BYTES + 1];
            struct slice next = kv_key_after(ordered[i], after);
            expect_at(kv_seek(transaction, ordered[i], &key, &value), key, value, i);
            if (i + 1 < ORDERED_COUNT) {
                expect_at(kv_seek(transaction, next, &key, &value), key, value, i + 1);
            } else {
                assert_int_equal(kv_seek(transaction, next, &key, &value), CONCLAVE_NOT_FOUND);
            }
            expect_at(kv_seek_last(transaction, next, &key, &value), key, value, i);
            if (i > 0) {
                expect_at(kv_seek_last(transaction, ordered[i], &key, &value), key, value, i - 1);
            }
        }
        assert_int_equal(kv_seek_last(transaction, ordered[0], &key, &value), CONCLAVE_NOT_FOUND);
        assert_int_equal(kv_seek_last(transaction, slice_of_text(""), &key, &value),
                         CONCLAVE_NOT_FOUND);
        expect_at(kv_seek(transaction, slice_of_text(""), &key, &value), key, value, 0);
        expect_at(kv_seek(transaction, slice_of_text("aaz"), &key, &value), key, value, 7);
        expect_at(kv_seek_last(transaction, slice_of_text("aaz"), &key, &value), key, value, 6);
        kv_abort(transaction);
    }
}

/* Walking with removals on the way, as a caller that drops what expired does. */
void contract_kv_walk(void **state)
{
    struct kv *kv = kv_of(state);
    put_ordered(kv);
    struct kv_transaction *transaction = begin(kv, true);
    uint8_t next[KV_KEY_BYTES + 1];
    struct slice from = slice_of_text("");
    struct slice key;
    struct slice value;
    size_t seen = 0;
    while (kv_seek(transaction, from, &key, &value) == CONCLAVE_OK) {
        assert_true(seen < ORDERED_COUNT);
        expect_at(CONCLAVE_OK, key, value, seen);
        from = kv_key_after(key, next);
        if (seen % 2 == 0) {
            assert_int_equal(kv_remove(transaction, key), CONCLAVE_OK);
        }
        seen++;
    }
    assert_int_equal(seen, ORDERED_COUNT);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);

    transaction = begin(kv, false);
    for (size_t i = 0; i < ORDERED_COUNT; i++) {
        assert_int_equal(kv_get(transaction, ordered[i], NULL),
                         i % 2 == 0 ? CONCLAVE_NOT_FOUND : CONCLAVE_OK);
    }
    kv_abort(transaction);
}

void contract_kv_snapshot(void **state)
{
    struct kv *kv = kv_of(state);
    struct kv_transaction *transaction = begin(kv, true);
    put(transaction, "a", "1");
    put(transaction, "b", "1");
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);

    struct kv_transaction *before = begin(kv, false);
    transaction = begin(kv, true);
    put(transaction, "a", "2");
    assert_int_equal(kv_remove(transaction, slice_of_text("b")), CONCLAVE_OK);
    put(transaction, "c", "2");
    struct kv_transaction *during = begin(kv, false);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    struct kv_transaction *after = begin(kv, false);

    struct kv_transaction *old[] = {before, during};
    for (size_t i = 0; i < 2; i++) {
        struct slice key;
        expect(old[i], "a", "1");
        expect(old[i], "b", "1");
        expect(old[i], "c", NULL);
        assert_int_equal(kv_seek_last(old[i], slice_of_text("z"), &key, NULL), CONCLAVE_OK);
        assert_true(slice_is_text(key, "b"));
        kv_abort(old[i]);
    }
    expect(after, "a", "2");
    expect(after, "b", NULL);
    expect(after, "c", "2");
    kv_abort(after);
}

void contract_kv_abort(void **state)
{
    struct kv *kv = kv_of(state);
    struct kv_transaction *transaction = begin(kv, true);
    put(transaction, "a", "1");
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    transaction = begin(kv, true);
    put(transaction, "a", "2");
    put(transaction, "b", "2");
    kv_abort(transaction);
    transaction = begin(kv, true);
    expect(transaction, "a", "1");
    expect(transaction, "b", NULL);
    assert_int_equal(kv_remove(transaction, slice_of_text("a")), CONCLAVE_OK);
    kv_abort(transaction);
    transaction = begin(kv, false);
    expect(transaction, "a", "1");
    kv_abort(transaction);
}

/* What the store hands out may be put back under another key, also when that moves what was handed
 * out. */
void contract_kv_aliases(void **state)
{
    struct kv *kv = kv_of(state);
    struct kv_transaction *transaction = begin(kv, true);
    char text[300];
    memset(text, 'x', sizeof text);
    assert_int_equal(kv_put(transaction, slice_of_text("key-0000"), slice_of(text, sizeof text)),
                     CONCLAVE_OK);
    for (unsigned i = 1; i < 500; i++) {
        char key[16];
        struct slice found_key;
        struct slice found;
        assert_int_equal(kv_seek_last(transaction, slice_of_text("z"), &found_key, &found),
                         CONCLAVE_OK);
        assert_int_equal(snprintf(key, sizeof key, "key-%04u", i), 8);
        assert_int_equal(kv_put(transaction, slice_of_text(key), found), CONCLAVE_OK);
        assert_int_equal(kv_seek(transaction, slice_of_text(""), &found_key, &found), CONCLAVE_OK);
        assert_int_equal(kv_put(transaction, found_key, found_key), CONCLAVE_OK);
        expect(transaction, "key-0000", "key-0000");
        assert_int_equal(
            kv_put(transaction, slice_of_text("key-0000"), slice_of(text, sizeof text)),
            CONCLAVE_OK);
        assert_int_equal(kv_get(transaction, slice_of_text(key), &found), CONCLAVE_OK);
        assert_true(slice_equal(found, slice_of(text, sizeof text)));
    }
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
}

/* --- Random operations against a table --- */

#define RANDOM_KEYS   400u
#define RANDOM_ROUNDS 200u

struct table {
    bool there[RANDOM_KEYS];
    uint32_t stamp[RANDOM_KEYS]; /* says what the value is */
};

/* A value of 0 to 1200 bytes, given by its stamp. */
static struct slice stamp_value(uint32_t stamp, uint8_t value[1200])
{
    size_t size = stamp * 2654435761u % 1200u;
    for (size_t i = 0; i < size; i++) {
        value[i] = (uint8_t)(stamp + i);
    }
    return slice_of(value, size);
}

static struct slice key_of(unsigned number, char key[8])
{
    int size = snprintf(key, 8, "%04u", number);
    return slice_of(key, (size_t)size);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (uint32_t)(*seed >> 33);
}

static void compare_with_table(struct kv_transaction *transaction, const struct table *table)
{
    uint8_t value[1200];
    char name[8];
    uint8_t next[KV_KEY_BYTES + 1];
    struct slice from = slice_of_text("");
    struct slice key;
    struct slice found;
    for (unsigned i = 0; i < RANDOM_KEYS; i++) {
        if (!table->there[i]) {
            assert_int_equal(kv_get(transaction, key_of(i, name), &found), CONCLAVE_NOT_FOUND);
            continue;
        }
        assert_int_equal(kv_seek(transaction, from, &key, &found), CONCLAVE_OK);
        assert_true(slice_equal(key, key_of(i, name)));
        assert_true(slice_equal(found, stamp_value(table->stamp[i], value)));
        from = kv_key_after(key, next);
    }
    assert_int_equal(kv_seek(transaction, from, &key, &found), CONCLAVE_NOT_FOUND);
}

static void change_at_random(struct kv_transaction *transaction, struct table *table,
                             uint64_t *seed)
{
    uint8_t value[1200];
    char name[8];
    unsigned at = next_random(seed) % RANDOM_KEYS;
    struct slice key = key_of(at, name);
    if (next_random(seed) % 5 < 3) {
        table->stamp[at] = next_random(seed);
        table->there[at] = true;
        assert_int_equal(kv_put(transaction, key, stamp_value(table->stamp[at], value)),
                         CONCLAVE_OK);
    } else {
        assert_int_equal(kv_remove(transaction, key),
                         table->there[at] ? CONCLAVE_OK : CONCLAVE_NOT_FOUND);
        table->there[at] = false;
    }
    /* the neighbours, through a cursor that lives across the changes */
    struct slice found;
    int below = (int)at - 1;
    while (below >= 0 && !table->there[below]) {
        below--;
    }
    enum conclave_code rv = kv_seek_last(transaction, key_of(at, name), &found, NULL);
    assert_int_equal(rv, below >= 0 ? CONCLAVE_OK : CONCLAVE_NOT_FOUND);
    if (below >= 0) {
        assert_true(slice_equal(found, key_of((unsigned)below, name)));
    }
}

void contract_kv_random(void **state)
{
    static struct table committed;
    static struct table snapshot;
    static struct table table;
    struct kv *kv = kv_of(state);
    memset(&committed, 0, sizeof committed);
    uint64_t seed = 20260102;
    struct kv_transaction *reader = begin(kv, false);
    memset(&snapshot, 0, sizeof snapshot);
    for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
        struct kv_transaction *transaction = begin(kv, true);
        table = committed;
        for (unsigned i = 0; i < 40; i++) {
            change_at_random(transaction, &table, &seed);
        }
        compare_with_table(transaction, &table);
        if (next_random(&seed) % 4 == 0) {
            kv_abort(transaction);
        } else {
            assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
            committed = table;
        }
        if (round % 7 == 0) {
            compare_with_table(reader, &snapshot);
            kv_abort(reader);
            reader = begin(kv, false);
            snapshot = committed;
        }
    }
    compare_with_table(reader, &snapshot);
    kv_abort(reader);
    reader = begin(kv, false);
    compare_with_table(reader, &committed);
    kv_abort(reader);
}

/* --- Failures --- */

static enum conclave_code write_all(struct kv_transaction *transaction)
{
    static const char *const keys[] = {"b", "a", "f", "e", "d", "c"};
    for (size_t i = 0; i < 6; i++) {
        enum conclave_code rv = kv_put(transaction, slice_of_text(keys[i]), slice_of_text("new"));
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    enum conclave_code rv = kv_remove(transaction, slice_of_text("old-2"));
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct slice key;
    return kv_seek(transaction, slice_of_text("old"), &key, NULL);
}

/* One transaction that changes everything; what fails first is its result. */
static enum conclave_code change_all(struct kv *kv)
{
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(kv, true, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = write_all(transaction);
    if (rv != CONCLAVE_OK) {
        kv_abort(transaction);
        return rv;
    }
    return kv_commit(transaction);
}

static void prepare_old(struct kv *kv)
{
    struct kv_transaction *transaction = begin(kv, true);
    put(transaction, "old-1", "1");
    put(transaction, "old-2", "2");
    put(transaction, "old-3", "3");
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
}

static void expect_old_only(struct kv *kv)
{
    struct kv_transaction *transaction = begin(kv, false);
    struct slice key;
    assert_int_equal(kv_seek(transaction, slice_of_text(""), &key, NULL), CONCLAVE_OK);
    assert_true(slice_is_text(key, "old-1"));
    expect(transaction, "old-2", "2");
    expect(transaction, "old-3", "3");
    kv_abort(transaction);
}

static void expect_new(struct kv *kv)
{
    struct kv_transaction *transaction = begin(kv, false);
    expect(transaction, "a", "new");
    expect(transaction, "f", "new");
    expect(transaction, "old-2", NULL);
    expect(transaction, "old-3", "3");
    kv_abort(transaction);
}

void contract_kv_allocation_failures(void **state)
{
    struct kv *kv = kv_of(state);
    prepare_old(kv);
    uint64_t n = 1;
    for (; n < FAULT_ROUNDS_MAX; n++) {
        memory_fault_arm(n);
        enum conclave_code rv = change_all(kv);
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
        expect_old_only(kv);
    }
    assert_true(n > 1 && n < FAULT_ROUNDS_MAX);
    expect_new(kv);
}

void contract_kv_write_failures(void **state)
{
    struct contract_kv *contract = *state;
    struct kv *kv = contract->kv;
    prepare_old(kv);
    uint64_t n = 1;
    for (; n < FAULT_ROUNDS_MAX; n++) {
        contract->fault_arm(kv, n);
        enum conclave_code rv = change_all(kv);
        bool hit = contract->fault_hit(kv);
        contract->fault_arm(kv, 0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            break;
        }
        assert_int_equal(rv, contract->fault_code);
        contract->reopen(contract);
        kv = contract->kv;
        expect_old_only(kv);
    }
    assert_true(n > 1 && n < FAULT_ROUNDS_MAX);
    expect_new(kv);

    /* A transaction that failed cannot be committed, whatever was tried after the failure. */
    struct kv_transaction *transaction = begin(kv, true);
    memory_fault_arm(1);
    assert_int_equal(kv_put(transaction, slice_of_text("x"), slice_of_text("1")),
                     CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
    assert_int_equal(kv_put(transaction, slice_of_text("y"), slice_of_text("1")),
                     CONCLAVE_NO_MEMORY);
    assert_int_equal(kv_commit(transaction), CONCLAVE_NO_MEMORY);
    transaction = begin(kv, false);
    expect(transaction, "x", NULL);
    expect(transaction, "y", NULL);
    kv_abort(transaction);
}

/* --- The digest of writes --- */

/* Makes three writes, or with `other` nearly the same three, and gives their digest; nothing is
 * kept. */
static void digest_writes(struct kv *kv, unsigned other, uint8_t value[KV_DIGEST_BYTES])
{
    static const uint8_t zeros[KV_DIGEST_BYTES];
    static const uint8_t one[KV_DIGEST_BYTES] = {1};
    struct kv_transaction *inner = begin(kv, true);
    struct kv_digest digest;
    assert_int_equal(kv_digest_open(&digest, inner, other == 1 ? one : zeros), CONCLAVE_OK);
    struct kv_transaction *transaction = &digest.base;
    put(transaction, other == 2 ? "ke" : "key", other == 2 ? "yvalue" : "value");
    put(transaction, "second", other == 3 ? "2" : "two");
    assert_int_equal(kv_remove(transaction, slice_of_text("absent")), CONCLAVE_NOT_FOUND);
    if (other != 4) {
        assert_int_equal(kv_remove(transaction, slice_of_text("second")), CONCLAVE_OK);
    }
    expect(transaction, "second", other == 4 ? "two" : NULL);
    struct slice key;
    assert_int_equal(kv_seek(transaction, slice_of_text(""), &key, NULL), CONCLAVE_OK);
    assert_true(slice_is_text(key, other == 2 ? "ke" : "key"));
    assert_int_equal(kv_seek_last(transaction, slice_of_text("z"), &key, NULL), CONCLAVE_OK);
    kv_digest_value(&digest, value);
    uint8_t again[KV_DIGEST_BYTES];
    kv_digest_value(&digest, again);
    assert_memory_equal(value, again, KV_DIGEST_BYTES);
    kv_digest_close(&digest);
    kv_abort(inner);
}

void contract_kv_digest(void **state)
{
    struct kv *kv = kv_of(state);
    uint8_t same[KV_DIGEST_BYTES];
    uint8_t value[KV_DIGEST_BYTES];
    digest_writes(kv, 0, same);
    digest_writes(kv, 0, value);
    assert_memory_equal(same, value, KV_DIGEST_BYTES);
    for (unsigned other = 1; other <= 4; other++) {
        digest_writes(kv, other, value);
        assert_memory_not_equal(same, value, KV_DIGEST_BYTES);
    }
    struct kv_transaction *inner = begin(kv, true);
    struct kv_digest digest;
    memory_fault_arm(1);
    assert_int_equal(kv_digest_open(&digest, inner, same), CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
    kv_abort(inner);
}
