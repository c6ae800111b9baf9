/* The file of known disks: what was given comes back, and damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "daemon/known_disks.h"
#include "support/loop.h"
#include "support/scratch.h"

#define WAIT_MS 10000u

struct world {
    uv_loop_t loop;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    struct known_disks *known;
    unsigned done, failed;
    uint64_t last;
};

static void on_done(void *context, uint64_t node_id, enum conclave_code code)
{
    struct world *world = context;
    world->done++;
    world->failed += code != CONCLAVE_OK;
    world->last = node_id;
}

static enum conclave_code reopen(struct world *world, struct settings_error *error)
{
    known_disks_close(world->known);
    world->known = NULL;
    return known_disks_open(&world->loop, world->path, on_done, world, &world->known, error);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct settings_error error;
    assert_non_null(world);
    assert_int_equal(auth_init(), CONCLAVE_OK);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    scratch_make(world->directory);
    scratch_join(world->path, world->directory, "peers");
    assert_int_equal(reopen(world, &error), CONCLAVE_OK);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    loop_finish(&world->loop);
    known_disks_close(world->known);
    scratch_remove(world->directory);
    free(world);
    return 0;
}

static struct peers_disk disk(uint64_t node_id, char id, uint64_t generation, char number)
{
    struct peers_disk result = {.node_id = node_id, .disk.generation = generation};
    memset(result.disk.id, id, sizeof result.disk.id);
    memset(result.disk.start, number, sizeof result.disk.start);
    return result;
}

struct wanted {
    struct world *world;
    unsigned done;
};

static bool are_done(void *context)
{
    const struct wanted *wanted = context;
    return wanted->world->done == wanted->done;
}

static void await(struct world *world, unsigned done)
{
    struct wanted wanted = {world, done};
    assert_true(loop_run_until(&world->loop, are_done, &wanted, WAIT_MS));
}

static void expect(struct world *world, const struct peers_disk *disks, unsigned count)
{
    unsigned found;
    struct settings_error error = {""};
    assert_int_equal(reopen(world, &error), CONCLAVE_OK);
    const struct peers_disk *list = known_disks_list(world->known, &found);
    assert_int_equal(found, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(list[i].node_id, disks[i].node_id);
        assert_memory_equal(list[i].disk.id, disks[i].disk.id, DISK_ID_BYTES);
        assert_int_equal(list[i].disk.generation, disks[i].disk.generation);
        assert_memory_equal(list[i].disk.start, disks[i].disk.start, DISK_START_BYTES);
    }
}

static void test_comes_back(void **state)
{
    struct world *world = *state;
    struct peers_disk disks[] = {disk(2, 'a', 1, 'x'), disk(3, 'b', UINT64_MAX, 'y'),
                                 disk(UINT64_MAX, 'c', 7, 'z')};
    expect(world, disks, 0);           /* there is no file yet */
    for (unsigned i = 0; i < 3; i++) { /* three at once: the first is being written meanwhile */
        known_disks_add(world->known, &disks[i]);
    }
    await(world, 3);
    assert_int_equal(world->failed, 0);
    expect(world, disks, 3);
    disks[1].disk.generation = 12;
    known_disks_add(world->known, &disks[1]);
    await(world, 4);
    assert_int_equal(world->last, 3);
    expect(world, disks, 3);
}

/* The bytes, by hand: "61" is 'a', and sha256sum says the rest. */
static void test_bytes(void **state)
{
    struct world *world = *state;
    const struct peers_disk one = disk(2, 'a', 5, 'x');
    known_disks_add(world->known, &one);
    await(world, 1);
    char text[512] = "";
    FILE *file = fopen(world->path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(
        text, "conclave-peers-v1\n"
              "2 61616161616161616161616161616161 5 7878787878787878\n"
              "sha256 502f8448ff80c468290c90cb377de71b488ef7c18d5d21f3f64adcab47e54752\n");
}

static void test_every_flipped_bit_is_found(void **state)
{
    struct world *world = *state;
    const struct peers_disk one = disk(2, 'a', 5, 'x');
    known_disks_add(world->known, &one);
    await(world, 1);
    char text[512], changed[512];
    FILE *file = fopen(world->path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct settings_error error = {""};
        memcpy(changed, text, size);
        changed[bit / 8] ^= (char)(1 << bit % 8);
        file = fopen(world->path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(changed, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(reopen(world, &error), CONCLAVE_CORRUPT);
        assert_non_null(strstr(error.text, "is damaged"));
    }
    for (size_t cut = 0; cut < size; cut++) {
        struct settings_error error = {""};
        file = fopen(world->path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, cut, file), cut);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(reopen(world, &error), CONCLAVE_CORRUPT);
    }
}

/* The directory is gone: it says so, remembers nothing of it, and works again later. */
static void test_cannot_be_written(void **state)
{
    struct world *world = *state;
    const struct peers_disk one = disk(2, 'a', 5, 'x'), two = disk(2, 'a', 6, 'y');
    known_disks_add(world->known, &one);
    await(world, 1);
    char beside[SCRATCH_PATH_BYTES];
    scratch_join(beside, world->directory, "peers.new");
    assert_int_equal(mkdir(beside, 0700), 0); /* where it writes first */
    known_disks_add(world->known, &two);
    await(world, 2);
    assert_int_equal(world->failed, 1);
    expect(world, &one, 1);
    assert_int_equal(rmdir(beside), 0);
    known_disks_add(world->known, &two);
    await(world, 3);
    assert_int_equal(world->failed, 1);
    expect(world, &two, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_comes_back),
        TEST(test_bytes),
        TEST(test_every_flipped_bit_is_found),
        TEST(test_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
