/* Each wrong thing gives exactly its line; each source has its strength. */
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

#include <conclave/limits.h>

#include "daemon/config.h"
#include "daemon/suggest.h"

struct fixture {
    char directory[64];
    char file[96]; /* an INI file in it */
    struct config config;
    struct settings_error error;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/conclave-config-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    (void)snprintf(fixture->file, sizeof fixture->file, "%s/node.ini", fixture->directory);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    (void)unlink(fixture->file);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static void write_file(struct fixture *fixture, const char *text, size_t size)
{
    FILE *file = fopen(fixture->file, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#define ARGUMENTS_MAX 16

/* Loads with these flags (ends with NULL) after "conclaved", and this environment. */
static enum conclave_code load(struct fixture *fixture, const char *const *flags,
                               const char *const *environment)
{
    static const char *const none[] = {NULL};
    char *arguments[ARGUMENTS_MAX];
    char *variables[ARGUMENTS_MAX];
    int count = 0, variable_count = 0;
    arguments[count++] = (char *)(uintptr_t) "conclaved"; /* nobody writes there */
    for (; flags[count - 1] != NULL; count++) {
        arguments[count] = (char *)(uintptr_t)flags[count - 1];
    }
    arguments[count] = NULL;
    environment = environment == NULL ? none : environment;
    for (; environment[variable_count] != NULL; variable_count++) {
        variables[variable_count] = (char *)(uintptr_t)environment[variable_count];
    }
    variables[variable_count] = NULL;
    return config_load(&fixture->config, count, arguments, variables, &fixture->error);
}

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_line(struct fixture *fixture, enum conclave_code code, const char *line)
{
    if (code == CONCLAVE_OK) {
        fail_msg("nothing was wrong, expected: %s", line);
    }
    assert_int_equal(code, CONCLAVE_CONFIG);
    assert_string_equal(fixture->error.text, line);
    assert_null(strchr(fixture->error.text, '\n'));
}

static void test_defaults(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load(fixture, FLAGS("--node-id", "3"), NULL), CONCLAVE_OK);
    const struct config *config = &fixture->config;
    assert_int_equal(config->action, CONFIG_RUN);
    assert_int_equal(config->node_id, 3);
    assert_int_equal(config->heartbeat_ms, 50);
    assert_int_equal(config->connection_rate, LIMIT_CONNECTION_RATE);
    assert_int_equal(config->member_rate, LIMIT_MEMBER_RATE);
    assert_int_equal(config->idle_ms, LIMIT_IDLE_MS);
    assert_int_equal(config->election_ms, 300);
    assert_int_equal(config->workers, 2);
    assert_int_equal(config->log_level, LOGGER_INFO);
    assert_int_equal(config->log_format, LOGGER_LOGFMT);
    assert_string_equal(settings_text(&config->settings, SETTING_DATA_DIR), "/var/lib/conclave");
    assert_string_equal(settings_text(&config->settings, SETTING_LOG_FILE), "");
    assert_null(config->bootstrap);
}

static void test_flag_beats_environment_beats_file(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "[node]\nid = 1\ndata_dir = /file\nworkers = 3\n"
                               "[log]\nlevel = debug\n";
    const char *const environment[] = {"CONCLAVE_NODE_ID=2", "CONCLAVE_DATA_DIR=/environment",
                                       "CONCLAVE_WORKERS=", "HOME=/root", NULL};
    write_file(fixture, text, sizeof text - 1);
    assert_int_equal(load(fixture, FLAGS("--node-id=7", "--config", fixture->file), environment),
                     CONCLAVE_OK);
    const struct settings *settings = &fixture->config.settings;
    assert_int_equal(fixture->config.node_id, 7);
    assert_string_equal(settings_where(settings, SETTING_NODE_ID), "--node-id");
    assert_string_equal(settings_text(settings, SETTING_DATA_DIR), "/environment");
    assert_string_equal(settings_where(settings, SETTING_DATA_DIR), "CONCLAVE_DATA_DIR");
    assert_int_equal(fixture->config.workers, 3); /* an empty variable is no value */
    assert_int_equal(fixture->config.log_level, LOGGER_DEBUG);
    assert_string_equal(settings_where(settings, SETTING_HEARTBEAT_MS), "default");
    char where[128];
    (void)snprintf(where, sizeof where, "%s:6", fixture->file);
    assert_string_equal(settings_where(settings, SETTING_LOG_LEVEL), where);
}

static void test_file_from_the_environment(void **state)
{
    struct fixture *fixture = *state;
    char variable[160];
    write_file(fixture, "[node]\nid=9\n", 12);
    (void)snprintf(variable, sizeof variable, "CONCLAVE_CONFIG=%s", fixture->file);
    const char *const environment[] = {variable, NULL};
    const char *const flags[] = {NULL};
    assert_int_equal(load(fixture, flags, environment), CONCLAVE_OK);
    assert_int_equal(fixture->config.node_id, 9);
}

static void test_wrong_lines_of_the_file(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        const char *line; /* after "FILE" */
    } cases[] = {
        {"[node]\nid = 1\ndata_dri = /x\n",
         ":3: there is no key \"data_dri\" in [node] (did you mean \"data_dir\"?)"},
        {"[raft]\n\n; comment\nheartbeat = 50\n",
         ":4: there is no key \"heartbeat\" in [raft] (did you mean \"heartbeat_ms\"?)"},
        {"[node]\nlevel = info\n", ":2: there is no key \"level\" in [node]: it belongs in [log]"},
        {"[node]\ncompletely_different = 1\n",
         ":2: there is no key \"completely_different\" in [node]"},
        {"[ndoe]\nid = 1\n", ":1: there is no section [ndoe] (did you mean \"node\"?)"},
        {"[storage]\nengine = x\n", ":1: there is no section [storage]"},
        {"# x\n[logs]\n", ":2: there is no section [logs] (did you mean \"log\"?)"},
        {"[node\nid = 1\n", ":1: a section is written [name]"},
        {"id = 1\n", ":1: the key \"id\" stands before any [section]"},
        {"[node]\nid\n", ":2: this is neither [section] nor key = value"},
        {"[node]\nid = 1\nid = 2\n", ":3: \"id\" was set on line 2 already"},
        {"[node]\nid = one\n",
         ":2: id must be a whole number from 1 to 9223372036854775807, not \"one\""},
        {"[node]\nid = 0\n", ":2: id must be from 1 to 9223372036854775807, not 0"},
        {"[node]\nid = -1\n",
         ":2: id must be a whole number from 1 to 9223372036854775807, not \"-1\""},
        {"[node]\nid = 99999999999999999999\n",
         ":2: id must be from 1 to 9223372036854775807, not 99999999999999999999"},
        {"[raft]\nelection_ms = 300ms\n",
         ":2: election_ms must be a whole number, not \"300ms\" (did you mean \"300\"?)"},
        {"[raft]\nelection_ms = 0.3\n",
         ":2: election_ms must be a whole number, not \"0.3\" (did you mean \"0\"?)"},
        {"[node]\nworkers = 65\n", ":2: workers must be from 1 to 64, not 65"},
        {"[node]\nworkers =\n", ":2: workers must be a whole number from 1 to 64, not \"\""},
        {"[log]\nlevel = inof\n", ":2: level cannot be \"inof\" (did you mean \"info\"?)"},
        {"[log]\nlevel = warning\n", ":2: level cannot be \"warning\" (did you mean \"warn\"?)"},
        {"[log]\nlevel = INFO\n", ":2: level cannot be \"INFO\" (did you mean \"info\"?)"},
        {"[log]\nformat = xml\n", ":2: format cannot be \"xml\": it is logfmt or json"},
        {"[node]\ndata_dir =\n", ":2: data_dir is empty"},
        {"[node]\nlisten_peer = 7101\n",
         ":2: \"7101\" is not an address (did you mean \"127.0.0.1:7101\"?)"},
        {"[node]\nlisten_peer = 127.0.0.1:71010\n",
         ":2: \"127.0.0.1:71010\": the port must be a number from 1 to 65535"},
        {"[node]\nlisten_client = localhost:7201\n",
         ":2: \"localhost:7201\" needs an IP address (did you mean \"127.0.0.1:7201\"?)"},
        {"[node]\nid = 1\nlisten_client = 0.0.0.0:7201\n",
         ":3: \"0.0.0.0:7201\" is not a loopback address: without certificates connections are "
         "not encrypted, and only 127.0.0.0/8 and ::1 are allowed (`conclave certs` makes "
         "certificates)"},
        {"[node]\nid = 1\n[raft]\nheartbeat_ms = 101\n",
         ":4: election_ms (300) must be at least three times heartbeat_ms (101)"},
        {"[node]\nid = 1\n[raft]\nheartbeat_ms = 100\nelection_ms = 299\n",
         ":5: election_ms (299) must be at least three times heartbeat_ms (100)"},
        {"[node]\nid=1\nlisten_peer=127.0.0.1:1\nlisten_client=127.0.0.1:1\n",
         ":4: listen_client is the address of listen_peer too, 127.0.0.1:1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[512];
        write_file(fixture, cases[i].text, strlen(cases[i].text));
        (void)snprintf(expected, sizeof expected, "%s%s", fixture->file, cases[i].line);
        expect_line(fixture, load(fixture, FLAGS("--config", fixture->file), NULL), expected);
    }
}

static void test_good_files(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "[node]\nid = 1\n",
        "[node]\r\nid = 1\r\n",
        "\xef\xbb\xbf[node]\nid=1",
        "; a comment\n# another\n\n  [node]\n\tid = 1 ; the first\n[log]\nfile =\n",
        "[node]\nid : 1\n[node]\nworkers = 1\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(fixture, texts[i], strlen(texts[i]));
        if (load(fixture, FLAGS("--config", fixture->file), NULL) != CONCLAVE_OK) {
            fail_msg("%zu: %s", i, fixture->error.text);
        }
        assert_int_equal(fixture->config.node_id, 1);
    }
}

static void test_lines_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    char text[1024], expected[512];
    memset(text, 'x', sizeof text);
    memcpy(text, "[node]\nid = 4\n# ", 17); /* a comment may be long */
    memcpy(text + sizeof text - 14, "\n[log]\nid = 1", 14);
    write_file(fixture, text, sizeof text);
    (void)snprintf(expected, sizeof expected,
                   "%s:5: there is no key \"id\" in [log]: it belongs in [node]", fixture->file);
    expect_line(fixture, load(fixture, FLAGS("--config", fixture->file), NULL), expected);
    memset(text, 'x', sizeof text);
    memcpy(text, "[node]\ndata_dir = /", 19);
    write_file(fixture, text, sizeof text);
    (void)snprintf(expected, sizeof expected,
                   "%s:2: the line is longer than 198 bytes or has a zero byte", fixture->file);
    expect_line(fixture, load(fixture, FLAGS("--config", fixture->file), NULL), expected);
    write_file(fixture, "[node]\nid = 1\0\n[log]\n", 21);
    expect_line(fixture, load(fixture, FLAGS("--config", fixture->file), NULL), expected);
    expect_line(fixture, load(fixture, FLAGS("--config", "/nonexistent.ini"), NULL),
                "/nonexistent.ini: cannot be read: No such file or directory");
    (void)snprintf(expected, sizeof expected, "%s: cannot be read: it is not a file",
                   fixture->directory);
    expect_line(fixture, load(fixture, FLAGS("--config", fixture->directory), NULL), expected);
}

static void test_wrong_flags(void **state)
{
    struct fixture *fixture = *state;
    expect_line(fixture, load(fixture, FLAGS("--nod-id", "1"), NULL),
                "--nod-id: there is no such flag (did you mean \"--node-id\"?)");
    expect_line(fixture, load(fixture, FLAGS("--node-id", "1", "--log-levle=info"), NULL),
                "--log-levle: there is no such flag (did you mean \"--log-level\"?)");
    expect_line(fixture, load(fixture, FLAGS("--frobnicate"), NULL),
                "--frobnicate: there is no such flag; --help lists them");
    expect_line(fixture, load(fixture, FLAGS("-x"), NULL),
                "-x: there is no such flag; --help lists them");
    expect_line(fixture, load(fixture, FLAGS("--node-id"), NULL), "--node-id: needs a value");
    expect_line(fixture, load(fixture, FLAGS("--node-id", "1", "start"), NULL),
                "start: conclaved takes flags only; --help lists them");
    expect_line(fixture, load(fixture, FLAGS("--node-id", "1", "--node-id", "2"), NULL),
                "--node-id: given twice");
    expect_line(fixture, load(fixture, FLAGS("--node-id", "x"), NULL),
                "--node-id: id must be a whole number from 1 to 9223372036854775807, not \"x\"");
    expect_line(fixture, load(fixture, FLAGS("--check-config"), NULL),
                "no node-id is set: give --node-id N, CONCLAVE_NODE_ID, or id in section [node] "
                "of the configuration file");
}

static void test_wrong_environment(void **state)
{
    struct fixture *fixture = *state;
    const char *const flags[] = {"--node-id", "1", NULL};
    const char *const typo[] = {"CONCLAVE_LOG_LEVL=info", NULL};
    expect_line(fixture, load(fixture, flags, typo),
                "CONCLAVE_LOG_LEVL: there is no such setting (did you mean "
                "\"CONCLAVE_LOG_LEVEL\"?)");
    const char *const value[] = {"CONCLAVE_LOG_LEVEL=loud", NULL};
    expect_line(fixture, load(fixture, flags, value),
                "CONCLAVE_LOG_LEVEL: level cannot be \"loud\": it is debug, info, warn, error or "
                "off");
    /* Names of other programs of ours are none of our business. */
    const char *const others[] = {"CONCLAVE_BIN_DIR=/x",
                                  "CONCLAVE_ENDPOINTS=127.0.0.1:1",
                                  "CONCLAVE_LOCAL_DIR=/y",
                                  "CONCLAVE_KEY=k",
                                  "CONCLAVE",
                                  NULL};
    assert_int_equal(load(fixture, flags, others), CONCLAVE_OK);
}

/* A mistake that a stronger source hides is a mistake all the same. */
static void test_hidden_mistakes_are_found(void **state)
{
    struct fixture *fixture = *state;
    char expected[256];
    write_file(fixture, "[node]\nid = x\n", 14);
    (void)snprintf(expected, sizeof expected,
                   "%s:2: id must be a whole number from 1 to 9223372036854775807, not \"x\"",
                   fixture->file);
    expect_line(fixture, load(fixture, FLAGS("--node-id", "1", "--config", fixture->file), NULL),
                expected);
}

static void test_help_and_version_need_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load(fixture, FLAGS("--help", "--nonsense"), NULL), CONCLAVE_OK);
    assert_int_equal(fixture->config.action, CONFIG_HELP);
    assert_int_equal(load(fixture, FLAGS("-h"), NULL), CONCLAVE_OK);
    assert_int_equal(fixture->config.action, CONFIG_HELP);
    assert_int_equal(load(fixture, FLAGS("--version"), NULL), CONCLAVE_OK);
    assert_int_equal(fixture->config.action, CONFIG_VERSION);
    assert_int_equal(load(fixture, FLAGS("--check-config", "--node-id", "1"), NULL), CONCLAVE_OK);
    assert_int_equal(fixture->config.action, CONFIG_CHECK);
}

/* --- against the disk --- */

static enum conclave_code check_with(struct fixture *fixture, const char *flag, const char *value)
{
    assert_int_equal(
        load(fixture, FLAGS("--node-id", "1", "--data-dir", fixture->directory, flag, value), NULL),
        CONCLAVE_OK);
    return config_check(&fixture->config, &fixture->error);
}

static enum conclave_code check_data_dir(struct fixture *fixture, const char *path)
{
    assert_int_equal(load(fixture, FLAGS("--node-id", "1", "--data-dir", path), NULL), CONCLAVE_OK);
    return config_check(&fixture->config, &fixture->error);
}

static void test_directories(void **state)
{
    struct fixture *fixture = *state;
    char path[128], expected[512];
    assert_int_equal(check_data_dir(fixture, fixture->directory), CONCLAVE_OK);
    (void)snprintf(path, sizeof path, "%s/new", fixture->directory);
    assert_int_equal(check_data_dir(fixture, path), CONCLAVE_OK);
    assert_int_equal(access(path, F_OK), -1); /* a check makes nothing */

    write_file(fixture, "x", 1);
    (void)snprintf(expected, sizeof expected, "--data-dir: data_dir: \"%s\" is not a directory",
                   fixture->file);
    expect_line(fixture, check_data_dir(fixture, fixture->file), expected);
    (void)snprintf(path, sizeof path, "%s/below", fixture->file);
    expect_line(fixture, check_data_dir(fixture, path), expected);

    char there[96];
    (void)snprintf(there, sizeof there, "%s/conclave", fixture->directory);
    assert_int_equal(mkdir(there, 0750), 0);
    (void)snprintf(path, sizeof path, "%s/conclaev/one", fixture->directory);
    (void)snprintf(expected, sizeof expected,
                   "--data-dir: data_dir: the directory \"%s/conclaev\": No such file or directory "
                   "(did you mean \"%s\"?)",
                   fixture->directory, there);
    expect_line(fixture, check_data_dir(fixture, path), expected);
    assert_int_equal(rmdir(there), 0);

    (void)snprintf(path, sizeof path, "%s/nowhere/log", fixture->directory);
    (void)snprintf(expected, sizeof expected,
                   "--log-file: log file: the directory \"%s/nowhere\": No such file or directory",
                   fixture->directory);
    expect_line(fixture, check_with(fixture, "--log-file", path), expected);
    (void)snprintf(expected, sizeof expected, "--log-file: log file: \"%s\" is a directory",
                   fixture->directory);
    expect_line(fixture, check_with(fixture, "--log-file", fixture->directory), expected);
    assert_int_equal(check_with(fixture, "--log-file", fixture->file), CONCLAVE_OK);
}

static void test_genesis_files(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        const char *line;
    } cases[] = {
        {"", ":0: there is no line that starts with \"conclave-genesis-v1\""},
        {"# only a comment\n\n", ":2: there is no line that starts with \"conclave-genesis-v1\""},
        {"# x\nhello\n", ":2: expected \"conclave-genesis-v1\" and the genesis command in "
                         "base64url, as `conclave init` writes it"},
        {"conclave-genesis-v2 AAAA\n", ":1: expected \"conclave-genesis-v1\" and the genesis "
                                       "command in base64url, as `conclave init` writes it"},
        {"conclave-genesis-v1 \n", ":1: the genesis command is not base64url (was it cut?)"},
        {"conclave-genesis-v1 a+b/\n", ":1: the genesis command is not base64url (was it cut?)"},
        {"conclave-genesis-v1 AAAAA\n", ":1: the genesis command is not base64url (was it cut?)"},
    };
    char expected[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(fixture, cases[i].text, strlen(cases[i].text));
        (void)snprintf(expected, sizeof expected, "%s%s", fixture->file, cases[i].line);
        expect_line(fixture, check_with(fixture, "--bootstrap", fixture->file), expected);
    }
    (void)unlink(fixture->file);
    (void)snprintf(expected, sizeof expected, "%s: cannot be read: No such file or directory",
                   fixture->file);
    expect_line(fixture, check_with(fixture, "--bootstrap", fixture->file), expected);
    /* No genesis at all, though well formed: MessagePack nil. */
    write_file(fixture, "conclave-genesis-v1 wA", 22);
    assert_int_equal(check_with(fixture, "--bootstrap", fixture->file), CONCLAVE_CONFIG);
    (void)snprintf(expected, sizeof expected,
                   "%s:1: not the genesis of a cluster: ", fixture->file);
    assert_memory_equal(fixture->error.text, expected, strlen(expected));
}

/* The configurations that we ship are right, and each is another node's. */
static void test_examples(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *directory;
        unsigned nodes;
    } examples[] = {{"three", 3}, {"five", 5}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        for (unsigned node = 1; node <= examples[i].nodes; node++) {
            char path[512], data_dir[64];
            (void)snprintf(path, sizeof path, "%s/cluster/%s/node%u.ini", CONCLAVE_SOURCE_DIR,
                           examples[i].directory, node);
            if (load(fixture, FLAGS("--config", path), NULL) != CONCLAVE_OK) {
                fail_msg("%s", fixture->error.text);
            }
            assert_int_equal(fixture->config.node_id, node);
            (void)snprintf(data_dir, sizeof data_dir, "/var/lib/conclave/node%u", node);
            assert_string_equal(settings_text(&fixture->config.settings, SETTING_DATA_DIR),
                                data_dir);
        }
    }
}

/* Distances: the classic pairs. */
static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_int_equal(suggest_distance("saturday", "sunday"), 3);
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", ""), 3);
    assert_int_equal(suggest_distance("same", "same"), 0);
    assert_int_equal(suggest_distance("ab", "ba"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_flag_beats_environment_beats_file),
        TEST(test_file_from_the_environment),
        TEST(test_wrong_lines_of_the_file),
        TEST(test_good_files),
        TEST(test_lines_that_cannot_be_read),
        TEST(test_wrong_flags),
        TEST(test_wrong_environment),
        TEST(test_hidden_mistakes_are_found),
        TEST(test_help_and_version_need_nothing_else),
        TEST(test_directories),
        TEST(test_genesis_files),
        TEST(test_examples),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
