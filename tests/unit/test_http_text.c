/* The text of metrics, byte by byte as the formats' specifications have it, and which of them is
 * given; the judgement of a node's health; how many series there can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/metrics.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"

#define NOW_MS UINT64_C(5000000)

/* --- Text --- */

static void write_sample_page(struct exposition *exposition)
{
    static struct metric_histogram sizes;
    static const struct metric_scale two = {.bound_count = 2, .bounds = {1, 16}};
    metric_histogram_init(&sizes, &two);
    metric_observe(&sizes, 1);
    metric_observe(&sizes, 40);
    exposition_family(exposition, "a", EXPOSITION_COUNTER, "Things.");
    exposition_counter(exposition, "x=\"y\"", 3);
    exposition_family(exposition, "b", EXPOSITION_GAUGE, "Level.");
    exposition_seconds(exposition, NULL, 1500001);
    exposition_family(exposition, "c", EXPOSITION_INFO, "Program.");
    exposition_info(exposition, "version=\"1\"");
    exposition_family(exposition, "d", EXPOSITION_HISTOGRAM, "Sizes.");
    exposition_histogram(exposition, "k=\"v\"", &sizes);
    exposition_end(exposition);
    assert_int_equal(exposition->text->status, CONCLAVE_OK);
}

static void expect_text(bool openmetrics, const char *expected)
{
    struct buffer text;
    buffer_init(&text, 65536);
    struct exposition exposition = {.text = &text, .openmetrics = openmetrics};
    write_sample_page(&exposition);
    buffer_append(&text, "", 1);
    assert_string_equal((const char *)text.data, expected);
    assert_int_equal(exposition.series, 8);
    buffer_close(&text);
}

#define HISTOGRAM_LINES                     \
    "# HELP d Sizes.\n# TYPE d histogram\n" \
    "d_bucket{k=\"v\",le=\"1.0\"} 1\n"      \
    "d_bucket{k=\"v\",le=\"16.0\"} 1\n"     \
    "d_bucket{k=\"v\",le=\"+Inf\"} 2\n"     \
    "d_sum{k=\"v\"} 41\nd_count{k=\"v\"} 2\n"

static void test_openmetrics(void **state)
{
    (void)state;
    expect_text(true, "# HELP a Things.\n# TYPE a counter\na_total{x=\"y\"} 3\n"
                      "# HELP b Level.\n# TYPE b gauge\nb 1.500001\n"
                      "# HELP c Program.\n# TYPE c info\nc_info{version=\"1\"} 1\n" HISTOGRAM_LINES
                      "# EOF\n");
}

static void test_plain_text(void **state)
{
    (void)state;
    expect_text(false, "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"y\"} 3\n"
                       "# HELP b Level.\n# TYPE b gauge\nb 1.500001\n"
                       "# HELP c_info Program.\n# TYPE c_info gauge\n"
                       "c_info{version=\"1\"} 1\n" HISTOGRAM_LINES);
}

/* Times are counted in microseconds and shown in seconds. */
static void test_seconds(void **state)
{
    (void)state;
    struct metric_histogram times;
    struct buffer text;
    metric_histogram_init(&times, &metric_scale_us);
    metric_observe(&times, 50);
    metric_observe(&times, 2400000);
    buffer_init(&text, 65536);
    struct exposition exposition = {.text = &text, .openmetrics = true};
    exposition_family(&exposition, "t_seconds", EXPOSITION_HISTOGRAM, "Times.");
    exposition_histogram(&exposition, NULL, &times);
    buffer_append(&text, "", 1);
    static const char *const lines[] = {"\nt_seconds_bucket{le=\"0.00005\"} 1\n",
                                        "\nt_seconds_bucket{le=\"1.0\"} 1\n",
                                        "\nt_seconds_bucket{le=\"2.5\"} 2\n",
                                        "\nt_seconds_bucket{le=\"10.0\"} 2\n",
                                        "\nt_seconds_bucket{le=\"+Inf\"} 2\n",
                                        "\nt_seconds_sum 2.400050\n",
                                        "\nt_seconds_count 2\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr((const char *)text.data, lines[i]) == NULL) {
            fail_msg("there is no line %s", lines[i]);
        }
    }
    buffer_close(&text);
}

static void test_negotiation(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool openmetrics;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        /* what Prometheus 2.42 sends */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"text/plain;version=0.0.4;q=1,*/*;q=0.1", false},
        {"text/plain; q=0.3, Application/OpenMetrics-Text; version=1.0.0; q=0.4", true},
        {"application/openmetrics-text;q=0.2, text/*;q=0.9", false},
        {"application/openmetrics-text;q=0", false},
        {"application/openmetrics-textual", false},
        {",,, ;;q=,", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (exposition_wants_openmetrics(cases[i].accept) != cases[i].openmetrics) {
            fail_msg("Accept: %s", cases[i].accept == NULL ? "(none)" : cases[i].accept);
        }
    }
}

/* --- Health --- */

static struct http_view healthy_view(void)
{
    return (struct http_view){
        .phase = HTTP_RUNNING,
        .taken_ms = NOW_MS - 90,
        .replica = {.state = REPLICA_FOLLOWER,
                    .node_id = 1,
                    .leader_id = 2,
                    .term = 7,
                    .ready = true,
                    .commit_index = 41,
                    .applied_index = 40},
        .peers = {{.node_id = 2, .connected = true, .error = ""},
                  {.node_id = 3, .connected = true, .error = ""}},
        .peer_count = 2,
        .read_known = true,
        .read_ok_ms = NOW_MS - 400,
    };
}

static void expect_health(const struct http_view *view, enum health health, const char *reason)
{
    struct health_report report;
    char text[HEALTH_WHY_BYTES];
    health_judge(view, NOW_MS, &report);
    health_reason(&report, text);
    assert_string_equal(text, reason);
    assert_int_equal(report.health, health);
}

static void test_health(void **state)
{
    (void)state;
    struct http_view view = healthy_view();
    expect_health(&view, HEALTH_OK, "");

    view.peers[1] = (struct api_peer){.node_id = 3, .error = "timed_out"};
    expect_health(&view, HEALTH_DEGRADED, "peers: not reached: node 3 (timed_out)");
    view.replica.leader_id = 0; /* the worst comes first */
    expect_health(&view, HEALTH_NOT_READY, "leader: none is known: the cluster may have no quorum");

    view = healthy_view();
    view.replica.ready = false;
    expect_health(&view, HEALTH_NOT_READY,
                  "leader: node 2 of term 7 has not committed anything yet");

    /* A leader is known, but nobody has heard of a majority for a while. */
    view = healthy_view();
    view.read_ok_ms = NOW_MS - 1501;
    expect_health(&view, HEALTH_NOT_READY, "quorum: no majority has answered a read for 1501 ms");
    view.read_ok_ms = NOW_MS - 1500;
    expect_health(&view, HEALTH_OK, "");
    view.read_known = false;
    expect_health(&view, HEALTH_NOT_READY, "quorum: no read was answered yet");

    view = healthy_view();
    view.replica.disk_full = true;
    view.data_dir = "/var/lib/conclave";
    expect_health(&view, HEALTH_NOT_READY,
                  "disk: full: make room on the one with /var/lib/conclave");

    view = healthy_view();
    view.replica.commit_index = 300;
    view.replica.applied_index = 300 - 256;
    expect_health(&view, HEALTH_OK, "");
    view.replica.applied_index--;
    expect_health(&view, HEALTH_DEGRADED, "applied: 257 committed entries wait to be applied");

    view = healthy_view();
    view.phase = HTTP_STARTING;
    expect_health(&view, HEALTH_NOT_READY, "node: starting: the state is being opened");
    view.phase = HTTP_STOPPING;
    expect_health(&view, HEALTH_NOT_READY, "node: stopping");
    view = healthy_view();
    view.replica.state = REPLICA_UNAVAILABLE;
    expect_health(&view, HEALTH_NOT_READY, "node: the replica has failed");
}

static void test_stuck(void **state)
{
    (void)state;
    char why[HEALTH_TEXT_BYTES];
    struct http_view view = healthy_view();
    assert_true(health_alive(&view, NOW_MS, why));
    view.taken_ms = NOW_MS - 2001;
    expect_health(&view, HEALTH_NOT_READY, "node: it has done nothing for 2001 ms");
    assert_true(health_alive(&view, NOW_MS, why));
    view.taken_ms = NOW_MS - 30001;
    assert_false(health_alive(&view, NOW_MS, why));
    assert_string_equal(why, "the loop has not turned for 30001 ms");
    view.phase = HTTP_STARTING; /* however long it takes */
    assert_true(health_alive(&view, NOW_MS, why));
}

static void test_verbose(void **state)
{
    (void)state;
    struct http_view view = healthy_view();
    struct health_report report;
    struct buffer text;
    view.read_ok_ms = NOW_MS - 2000;
    view.peers[0] = (struct api_peer){.node_id = 2, .error = "refused"};
    health_judge(&view, NOW_MS, &report);
    buffer_init(&text, 4096);
    health_write(&text, &report, true);
    buffer_append(&text, "", 1);
    assert_string_equal((const char *)text.data,
                        "[+] node    ok: running\n"
                        "[+] disk    ok: has room\n"
                        "[+] leader  ok: node 2, term 7\n"
                        "[-] quorum  not ready: no majority has answered a read for 2000 ms\n"
                        "[+] applied ok: to entry 40\n"
                        "[!] peers   degraded: not reached: node 2 (refused)\n"
                        "not ready: quorum: no majority has answered a read for 2000 ms\n");
    buffer_clear(&text);
    health_write(&text, &report, false);
    buffer_append(&text, "", 1);
    assert_string_equal((const char *)text.data,
                        "not ready: quorum: no majority has answered a read for 2000 ms\n");
    buffer_close(&text);
}

/* --- The whole page --- */

/* Series of a page: lines that are no comments. */
static unsigned count_series(struct http_view *view, struct model_overview *overview)
{
    struct http_instruments instruments;
    struct replica_metrics replica = {0};
    struct api_metrics api = {0};
    struct process_usage process = {0};
    struct buffer text;
    struct kv *kv;
    struct log *log;
    metric_histogram_init(&instruments.sync_us, &metric_scale_us);
    metric_histogram_init(&instruments.write_entries, &metric_scale_count);
    metric_histogram_init(&replica.apply_us, &metric_scale_us);
    metric_histogram_init(&replica.replicate_us, &metric_scale_us);
    metric_histogram_init(&replica.batch_commands, &metric_scale_count);
    api_metrics_init(&api);
    assert_int_equal(kv_memory_open(&kv), CONCLAVE_OK);
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    const struct http_config config = {
        .version = "1.2.3", .log = log, .kv = kv, .instruments = &instruments};
    buffer_init(&text, HTTP_ANSWER_BYTES);
    struct exposition exposition = {.text = &text, .openmetrics = true};
    const struct metrics_source source = {.config = &config,
                                          .view = view,
                                          .now_ms = NOW_MS,
                                          .replica = &replica,
                                          .api = &api,
                                          .overview = overview,
                                          .process = &process};
    metrics_write(&exposition, &source);
    buffer_append(&text, "", 1);
    assert_int_equal(text.status, CONCLAVE_OK);
    unsigned lines = 0;
    for (const char *at = (const char *)text.data; *at != '\0'; at = strchr(at, '\n') + 1) {
        lines += *at != '#';
    }
    assert_int_equal(lines, exposition.series);
    buffer_close(&text);
    kv_close(kv);
    log_close(log);
    return lines;
}

/* What a busy cluster holds adds no series; only nodes do, of which there are seven at most. */
static void test_series_bounded(void **state)
{
    (void)state;
    struct http_view view = healthy_view();
    struct model_overview overview = {0};
    unsigned quiet = count_series(&view, &overview);
    overview = (struct model_overview){.members = LIMIT_MEMBERS,
                                       .polls = UINT32_MAX,
                                       .ballots = UINT64_MAX,
                                       .open = LIMIT_OPEN_POLLS,
                                       .overdue = LIMIT_OPEN_POLLS,
                                       .overdue_ms_max = UINT32_MAX};
    view.connections = LIMIT_CONNECTIONS;
    assert_int_equal(count_series(&view, &overview), quiet);
    view.peer_count = view.replica.peer_count = LIMIT_NODES - 1;
    for (unsigned i = 0; i < LIMIT_NODES - 1; i++) {
        view.peers[i] = (struct api_peer){.node_id = UINT64_MAX - i, .error = ""};
        view.replica.peers[i].node_id = UINT64_MAX - i;
        view.replica.peers[i].has_match = true;
    }
    unsigned most = count_series(&view, &overview);
    assert_int_equal(most, quiet - 2 + 2 * (LIMIT_NODES - 1));
    assert_true(most < 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openmetrics), cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_seconds),     cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_health),      cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_verbose),     cmocka_unit_test(test_series_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
