/* The server: what is answered where, to whom, and what those who do not behave can do to others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "model/model.h"

struct fixture {
    struct http *http;
    struct http_instruments instruments;
    struct replica_metrics replica;
    struct api_metrics api;
    struct sockaddr_in address;
    struct kv *kv;
    struct log *log;
};

/* A port that was free a moment ago. */
static struct sockaddr_in free_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(file >= 0);
    assert_int_equal(bind(file, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(file, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(close(file), 0);
    return address;
}

static enum conclave_code open_at(struct fixture *fixture, struct http **http)
{
    const struct http_config config = {.address = (const struct sockaddr *)&fixture->address,
                                       .address_bytes = sizeof fixture->address,
                                       .version = "1.2.3",
                                       .data_dir = "/tmp",
                                       .node_id = 1,
                                       .clock = &clock_system,
                                       .log = fixture->log,
                                       .kv = fixture->kv,
                                       .instruments = &fixture->instruments};
    return http_open(&config, http);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    metric_histogram_init(&fixture->instruments.sync_us, &metric_scale_us);
    metric_histogram_init(&fixture->instruments.write_entries, &metric_scale_count);
    metric_histogram_init(&fixture->replica.apply_us, &metric_scale_us);
    metric_histogram_init(&fixture->replica.replicate_us, &metric_scale_us);
    metric_histogram_init(&fixture->replica.batch_commands, &metric_scale_count);
    api_metrics_init(&fixture->api);
    assert_int_equal(kv_memory_open(&fixture->kv), CONCLAVE_OK);
    assert_int_equal(log_memory_open(&fixture->log), CONCLAVE_OK);
    fixture->address = free_address();
    assert_int_equal(open_at(fixture, &fixture->http), CONCLAVE_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    http_close(fixture->http);
    kv_close(fixture->kv);
    log_close(fixture->log);
    free(fixture);
    return 0;
}

static int dial(const struct fixture *fixture)
{
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(file >= 0);
    assert_int_equal(
        connect(file, (const struct sockaddr *)&fixture->address, sizeof fixture->address), 0);
    return file;
}

static void send_text(int file, const char *text)
{
    assert_int_equal(send(file, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

#define ANSWER_BYTES 262144u

/* All that comes until the other side closes. */
static const char *receive(int file)
{
    static char answer[ANSWER_BYTES];
    size_t size = 0;
    ssize_t got;
    do {
        got = recv(file, answer + size, sizeof answer - 1 - size, 0);
        assert_true(got >= 0);
        size += (size_t)got;
    } while (got > 0);
    answer[size] = '\0';
    assert_int_equal(close(file), 0);
    return answer;
}

static const char *request(const struct fixture *fixture, const char *text)
{
    int file = dial(fixture);
    send_text(file, text);
    return receive(file);
}

static const char *get(const struct fixture *fixture, const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return request(fixture, text);
}

static void expect(const char *answer, const char *status, const char *fragment)
{
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
    if (strncmp(answer, line, strlen(line)) != 0 || strstr(answer, fragment) == NULL) {
        fail_msg("expected %s with \"%s\", got: %.600s", status, fragment, answer);
    }
}

static struct http_view ready_view(void)
{
    return (struct http_view){
        .phase = HTTP_RUNNING,
        .replica =
            {.state = REPLICA_LEADER, .node_id = 1, .leader_id = 1, .term = 3, .ready = true},
        .read_known = true,
        .read_ok_ms = clock_monotonic_ms(&clock_system),
    };
}

static void test_pages(void **state)
{
    struct fixture *fixture = *state;
    expect(get(fixture, "/livez"), "200", "\r\n\r\nok\n");
    expect(get(fixture, "/readyz"), "503", "not ready: node: starting");
    expect(get(fixture, "/metrics"), "200", "\nconclave_ready 0\n");

    struct http_view view = ready_view();
    http_serve(fixture->http, &fixture->replica, &fixture->api);
    http_publish(fixture->http, &view);
    expect(get(fixture, "/readyz"), "200", "\r\n\r\nok\n");
    expect(get(fixture, "/readyz?verbose"), "200", "[+] leader  ok: node 1, term 3\n");
    expect(get(fixture, "/readyz?verbose=1"), "200", "[+] quorum");
    expect(get(fixture, "/metrics"), "200", "\nconclave_raft_term 3\n");
    expect(get(fixture, "/metrics"), "200", "Content-Type: text/plain; version=0.0.4");
    expect(get(fixture, "/metrics"), "200", "\nconclave_ballots_total{outcome=\"answered\"} 0\n");

    const char *answer = request(fixture, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                                          "Accept: application/openmetrics-text\r\n\r\n");
    expect(answer, "200", "Content-Type: application/openmetrics-text; version=1.0.0");
    assert_string_equal(answer + strlen(answer) - 6, "# EOF\n");

    view.replica.leader_id = 0;
    http_publish(fixture->http, &view);
    expect(get(fixture, "/readyz"), "503", "not ready: leader: none is known");
    expect(get(fixture, "/livez"), "200", "ok\n");
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    expect(get(fixture, "/"), "404", "/readyz?verbose");
    expect(get(fixture, "/metrics/../etc/passwd"), "404", "/metrics");
    expect(request(fixture, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
           "405", "Allow: GET, HEAD");
    expect(request(fixture, "DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "405", "read only");
    const char *answer = request(fixture, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(answer, "200", "Content-Length: 3");
    assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");

    /* More headers than a connection has memory for. */
    static char headers[4 * HTTP_CONNECTION_BYTES];
    memset(headers, 'a', sizeof headers - 1);
    int file = dial(fixture);
    send_text(file, "GET /livez HTTP/1.1\r\nX: ");
    (void)send(file, headers, sizeof headers - 1, MSG_NOSIGNAL); /* it may be cut off in between */
    struct pollfd ended = {.fd = file, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 5000), 1);
    assert_int_equal(close(file), 0);
    expect(get(fixture, "/livez"), "200", "ok\n");
}

/* All places are taken by those who never end their request: they make room for one who does. */
static void test_drip(void **state)
{
    struct fixture *fixture = *state;
    int files[HTTP_CONNECTIONS];
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        files[i] = dial(fixture);
        send_text(files[i], "GET /livez HTTP/1.1\r\nX: ");
    }
    uint64_t began_ms = clock_monotonic_ms(&clock_system);
    int file = dial(fixture);
    send_text(file, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    struct pollfd answered = {.fd = file, .events = POLLIN};
    while (poll(&answered, 1, 50) == 0) {
        assert_true(clock_monotonic_ms(&clock_system) - began_ms < HTTP_CONNECTION_MS);
        for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
            (void)send(files[i], "a", 1, MSG_NOSIGNAL); /* busy, to the eye of an idle timeout */
        }
    }
    expect(receive(file), "200", "ok\n");
    assert_true(clock_monotonic_ms(&clock_system) - began_ms < 5000);
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        assert_int_equal(close(files[i]), 0);
    }
}

static void test_address_taken(void **state)
{
    struct fixture *fixture = *state;
    struct http *second;
    assert_int_equal(open_at(fixture, &second), CONCLAVE_BUSY);
    fixture->address.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, of RFC 5737: nobody's */
    assert_int_equal(open_at(fixture, &second), CONCLAVE_BAD_VALUE);
    fixture->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_address_taken, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
