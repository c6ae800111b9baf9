/* Keys, signatures, digests and key files, against the vectors of RFC 8032 (section 7.1) and FIPS
 * 180 (SHA256.pdf of NIST's examples), and texts encoded by another base64 implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <conclave/limits.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key_file.h"

#define HEX_BYTES_MAX 256u

/* Decodes hexadecimal by its own means; returns the number of bytes. */
static size_t from_hex(const char *hex, uint8_t bytes[HEX_BYTES_MAX])
{
    size_t size = strlen(hex) / 2;
    assert_true(size <= HEX_BYTES_MAX && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < size; i++) {
        unsigned int byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return size;
}

static const struct {
    const char *seed, *public_key, *message, *signature;
} ed25519_vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
     "ebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704"},
};

static void test_ed25519_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ed25519_vectors) / sizeof(ed25519_vectors[0]); i++) {
        uint8_t seed[HEX_BYTES_MAX], public_key[HEX_BYTES_MAX], message[HEX_BYTES_MAX];
        uint8_t expected[HEX_BYTES_MAX], signature[AUTH_SIGNATURE_BYTES];
        assert_int_equal(from_hex(ed25519_vectors[i].seed, seed), 32);
        assert_int_equal(from_hex(ed25519_vectors[i].public_key, public_key), 32);
        size_t size = from_hex(ed25519_vectors[i].message, message);
        assert_int_equal(from_hex(ed25519_vectors[i].signature, expected), 64);

        struct auth_key key;
        auth_key_from_seed(&key, seed);
        assert_memory_equal(key.public_key, public_key, AUTH_PUBLIC_KEY_BYTES);
        auth_sign(&key, slice_of(message, size), signature);
        assert_memory_equal(signature, expected, AUTH_SIGNATURE_BYTES);
        assert_true(auth_verify(public_key, slice_of(message, size), expected));
    }
}

static void test_verify_refuses_what_was_changed(void **state)
{
    (void)state;
    uint8_t public_key[HEX_BYTES_MAX], message[HEX_BYTES_MAX], signature[HEX_BYTES_MAX];
    from_hex(ed25519_vectors[2].public_key, public_key);
    size_t size = from_hex(ed25519_vectors[2].message, message);
    from_hex(ed25519_vectors[2].signature, signature);
    for (size_t i = 0; i < AUTH_SIGNATURE_BYTES; i++) {
        signature[i] ^= 1;
        assert_false(auth_verify(public_key, slice_of(message, size), signature));
        signature[i] ^= 1;
    }
    for (size_t i = 0; i < size; i++) {
        message[i] ^= 0x80;
        assert_false(auth_verify(public_key, slice_of(message, size), signature));
        message[i] ^= 0x80;
    }
    assert_false(auth_verify(public_key, slice_of(message, size - 1), signature));
    uint8_t other_key[HEX_BYTES_MAX];
    from_hex(ed25519_vectors[1].public_key, other_key);
    assert_false(auth_verify(other_key, slice_of(message, size), signature));
    assert_true(auth_verify(public_key, slice_of(message, size), signature));
}

/* The identity point as key and R, S = 0, "signs" every message for a verifier without checks. */
static void test_verify_refuses_key_of_small_order(void **state)
{
    (void)state;
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES] = {1};
    uint8_t signature[AUTH_SIGNATURE_BYTES] = {1};
    assert_false(auth_verify(public_key, slice_of_text("anything"), signature));
}

static void test_generated_keys_differ_and_sign(void **state)
{
    (void)state;
    struct auth_key a, b;
    auth_key_generate(&a);
    auth_key_generate(&b);
    assert_memory_not_equal(a.public_key, b.public_key, AUTH_PUBLIC_KEY_BYTES);
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    auth_sign(&a, slice_of_text("ballot"), signature);
    assert_true(auth_verify(a.public_key, slice_of_text("ballot"), signature));
    assert_false(auth_verify(b.public_key, slice_of_text("ballot"), signature));

    static const struct auth_key zeros;
    auth_key_wipe(&a);
    assert_memory_equal(&a, &zeros, sizeof(a));
}

static void check_sha256(struct slice message, const char *hex)
{
    uint8_t expected[HEX_BYTES_MAX], digest[AUTH_SHA256_BYTES];
    assert_int_equal(from_hex(hex, expected), AUTH_SHA256_BYTES);
    auth_sha256(message, digest);
    assert_memory_equal(digest, expected, AUTH_SHA256_BYTES);
}

static void test_sha256_vectors(void **state)
{
    (void)state;
    check_sha256(slice_of_text(""),
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256(slice_of_text("abc"),
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256(slice_of_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    enum {
        MILLION = 1000000
    };
    uint8_t *million = malloc(MILLION);
    assert_non_null(million);
    memset(million, 'a', MILLION);
    check_sha256(slice_of(million, MILLION),
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void test_cluster_id_is_the_head_of_the_digest(void **state)
{
    (void)state;
    uint8_t expected[HEX_BYTES_MAX], cluster_id[AUTH_CLUSTER_ID_BYTES];
    from_hex("ba7816bf8f01cfea414140de5dae2223", expected);
    auth_cluster_id(slice_of_text("abc"), cluster_id);
    assert_memory_equal(cluster_id, expected, AUTH_CLUSTER_ID_BYTES);
}

/* RFC 8032's first key, encoded by Python's base64.urlsafe_b64encode. */
#define KEY_1_TEXT  "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define SEED_1_TEXT "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

static void test_public_key_text(void **state)
{
    (void)state;
    uint8_t public_key[HEX_BYTES_MAX], parsed[AUTH_PUBLIC_KEY_BYTES];
    char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
    from_hex(ed25519_vectors[0].public_key, public_key);
    auth_public_key_text(public_key, text);
    assert_string_equal(text, KEY_1_TEXT);
    assert_int_equal(auth_public_key_parse(KEY_1_TEXT, parsed), CONCLAVE_OK);
    assert_memory_equal(parsed, public_key, AUTH_PUBLIC_KEY_BYTES);
}

static void test_public_key_parse_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "ed25519:",
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",           /* no prefix */
        "ED25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",   /* another prefix */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=",  /* padding */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR",    /* too short */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURoo",  /* too long */
        "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo",   /* the other alphabet */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp",   /* bits past the last byte */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR ",   /* a blank */
        "ed25519: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",  /* a blank before */
        "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\n", /* a newline after */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t parsed[AUTH_PUBLIC_KEY_BYTES] = {7};
        assert_int_equal(auth_public_key_parse(wrong[i], parsed), CONCLAVE_BAD_REQUEST);
        assert_int_equal(parsed[0], 7);
    }
}

/* --- Key files, in a directory of their own. --- */

struct key_directory {
    char directory[64];
    char path[96];
};

static int key_directory_open(void **state)
{
    struct key_directory *keys = calloc(1, sizeof(*keys));
    assert_non_null(keys);
    snprintf(keys->directory, sizeof(keys->directory), "/tmp/conclave-test-auth-XXXXXX");
    assert_non_null(mkdtemp(keys->directory));
    snprintf(keys->path, sizeof(keys->path), "%s/key", keys->directory);
    *state = keys;
    return 0;
}

static int key_directory_close(void **state)
{
    struct key_directory *keys = *state;
    unlink(keys->path);
    int rv = rmdir(keys->directory);
    free(keys);
    return rv;
}

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void test_key_file_has_its_form(void **state)
{
    struct key_directory *keys = *state;
    uint8_t seed[HEX_BYTES_MAX];
    from_hex(ed25519_vectors[0].seed, seed);
    struct auth_key key;
    auth_key_from_seed(&key, seed);
    mode_t umask_before = umask(0);
    assert_int_equal(auth_key_save(keys->path, "grok-3", &key), CONCLAVE_OK);
    umask(umask_before);

    struct stat status;
    assert_int_equal(stat(keys->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    char text[256] = {0};
    FILE *file = fopen(keys->path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "conclave-secret-key-v1 grok-3\n" SEED_1_TEXT "\n");
    assert_int_equal(size, strlen(text));

    char member_id[LIMIT_ID_BYTES + 1];
    struct auth_key loaded;
    assert_int_equal(auth_key_load(keys->path, member_id, &loaded), CONCLAVE_OK);
    assert_string_equal(member_id, "grok-3");
    assert_memory_equal(&loaded, &key, sizeof(key));
}

static void test_key_file_of_longest_id(void **state)
{
    struct key_directory *keys = *state;
    char id[LIMIT_ID_BYTES + 2] = {0};
    memset(id, 'x', LIMIT_ID_BYTES);
    struct auth_key key, loaded;
    auth_key_generate(&key);
    assert_int_equal(auth_key_save(keys->path, id, &key), CONCLAVE_OK);
    char member_id[LIMIT_ID_BYTES + 1];
    assert_int_equal(auth_key_load(keys->path, member_id, &loaded), CONCLAVE_OK);
    assert_string_equal(member_id, id);

    unlink(keys->path);
    id[LIMIT_ID_BYTES] = 'x';
    assert_int_equal(auth_key_save(keys->path, id, &key), CONCLAVE_BAD_REQUEST);
    assert_int_equal(auth_key_save(keys->path, "", &key), CONCLAVE_BAD_REQUEST);
    assert_int_equal(auth_key_save(keys->path, "a\nb", &key), CONCLAVE_BAD_REQUEST);
    assert_int_not_equal(access(keys->path, F_OK), 0);
}

static void test_key_file_is_never_overwritten(void **state)
{
    struct key_directory *keys = *state;
    struct auth_key first, second, loaded;
    auth_key_generate(&first);
    auth_key_generate(&second);
    assert_int_equal(auth_key_save(keys->path, "a", &first), CONCLAVE_OK);
    assert_int_equal(auth_key_save(keys->path, "a", &second), CONCLAVE_DUPLICATE_ID);
    char member_id[LIMIT_ID_BYTES + 1];
    assert_int_equal(auth_key_load(keys->path, member_id, &loaded), CONCLAVE_OK);
    assert_memory_equal(&loaded, &first, sizeof(first));
}

static void test_key_file_not_there(void **state)
{
    struct key_directory *keys = *state;
    struct auth_key key;
    auth_key_generate(&key);
    char member_id[LIMIT_ID_BYTES + 1], path[128];
    assert_int_equal(auth_key_load(keys->path, member_id, &key), CONCLAVE_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/no/such", keys->directory);
    assert_int_equal(auth_key_save(path, "a", &key), CONCLAVE_NOT_FOUND);
    assert_int_equal(auth_key_load(keys->directory, member_id, &key), CONCLAVE_BAD_REQUEST);
    assert_int_equal(mkfifo(keys->path, 0600), 0);
    assert_int_equal(auth_key_load(keys->path, member_id, &key), CONCLAVE_BAD_REQUEST);
}

/* A write that fails half way (here: past the largest file that we may write). */
static void test_key_file_half_written_is_removed(void **state)
{
    struct key_directory *keys = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 40, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct auth_key key;
    auth_key_generate(&key);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum conclave_code code = auth_key_save(keys->path, "a", &key);
    int cause = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(code, CONCLAVE_IO);
    assert_int_equal(cause, EFBIG);
    assert_int_not_equal(access(keys->path, F_OK), 0);
}

static void test_key_file_that_others_may_use_is_refused(void **state)
{
    struct key_directory *keys = *state;
    static const char text[] = "conclave-secret-key-v1 a\n" SEED_1_TEXT "\n";
    static const struct {
        mode_t mode;
        enum conclave_code code;
    } cases[] = {
        {0600, CONCLAVE_OK},           {0400, CONCLAVE_OK},           {0640, CONCLAVE_UNAUTHORISED},
        {0604, CONCLAVE_UNAUTHORISED}, {0644, CONCLAVE_UNAUTHORISED}, {0620, CONCLAVE_UNAUTHORISED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(keys->path, text, sizeof(text) - 1, cases[i].mode);
        char member_id[LIMIT_ID_BYTES + 1];
        struct auth_key key;
        assert_int_equal(auth_key_load(keys->path, member_id, &key), cases[i].code);
    }
}

static void test_key_file_of_another_form_is_refused(void **state)
{
    struct key_directory *keys = *state;
#define HEADER "conclave-secret-key-v1 "
    static const char zero_in_id[] = HEADER "a\0b\n" SEED_1_TEXT "\n";
    const struct {
        const char *text;
        size_t size;
        enum conclave_code code;
    } cases[] = {
#define CASE(string, code) {string, sizeof(string) - 1, code}
        CASE(HEADER "a\n" SEED_1_TEXT "\n", CONCLAVE_OK),
        CASE(HEADER "a\n" SEED_1_TEXT, CONCLAVE_OK), /* an editor dropped the last newline */
        CASE("", CONCLAVE_BAD_REQUEST),
        CASE("conclave-secret-key-v2 a\n" SEED_1_TEXT "\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "\n" SEED_1_TEXT "\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a b\n" SEED_1_TEXT "\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\n" SEED_1_TEXT "=\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\n" SEED_1_TEXT "\n\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\r\n" SEED_1_TEXT "\r\n", CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\n\n" SEED_1_TEXT, CONCLAVE_BAD_REQUEST),
        CASE(zero_in_id, CONCLAVE_BAD_REQUEST),
        CASE(HEADER "a\nnWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2\n", CONCLAVE_BAD_REQUEST),
#undef CASE
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(keys->path, cases[i].text, cases[i].size, 0600);
        char member_id[LIMIT_ID_BYTES + 1] = "untouched";
        struct auth_key key;
        assert_int_equal(auth_key_load(keys->path, member_id, &key), cases[i].code);
        assert_string_equal(member_id, cases[i].code == CONCLAVE_OK ? "a" : "untouched");
    }
    /* A key file with any byte cut off from its end, but the newline, is refused. */
    for (size_t size = 0; size < cases[1].size; size++) {
        write_file(keys->path, cases[1].text, size, 0600);
        char member_id[LIMIT_ID_BYTES + 1];
        struct auth_key key;
        assert_int_equal(auth_key_load(keys->path, member_id, &key), CONCLAVE_BAD_REQUEST);
    }
    char long_text[1024];
    memset(long_text, 'a', sizeof(long_text));
    memcpy(long_text, cases[0].text, cases[0].size);
    write_file(keys->path, long_text, sizeof(long_text), 0600);
    char member_id[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    assert_int_equal(auth_key_load(keys->path, member_id, &key), CONCLAVE_BAD_REQUEST);
#undef HEADER
}

static int start(void **state)
{
    (void)state;
    return auth_init() == CONCLAVE_OK && auth_init() == CONCLAVE_OK ? 0 : -1;
}

int main(void)
{
#define KEY_FILE_TEST(test) \
    cmocka_unit_test_setup_teardown(test, key_directory_open, key_directory_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ed25519_vectors),
        cmocka_unit_test(test_verify_refuses_what_was_changed),
        cmocka_unit_test(test_verify_refuses_key_of_small_order),
        cmocka_unit_test(test_generated_keys_differ_and_sign),
        cmocka_unit_test(test_sha256_vectors),
        cmocka_unit_test(test_cluster_id_is_the_head_of_the_digest),
        cmocka_unit_test(test_public_key_text),
        cmocka_unit_test(test_public_key_parse_refuses),
        KEY_FILE_TEST(test_key_file_has_its_form),
        KEY_FILE_TEST(test_key_file_of_longest_id),
        KEY_FILE_TEST(test_key_file_is_never_overwritten),
        KEY_FILE_TEST(test_key_file_not_there),
        KEY_FILE_TEST(test_key_file_half_written_is_removed),
        KEY_FILE_TEST(test_key_file_that_others_may_use_is_refused),
        KEY_FILE_TEST(test_key_file_of_another_form_is_refused),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
