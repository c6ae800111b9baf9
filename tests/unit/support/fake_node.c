/* A node that does as it is told. */
#include "unit/support/fake_node.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "codec/reader.h"
#include "codec/writer.h"

#define CONNECTIONS 16
#define REQUESTS    512

struct fake_request {
    char *bytes; /* the whole message; owned */
    struct codec_tree tree;
    struct slice method;
    size_t params_offset, params_size;
};

struct fake_node {
    const struct fake_script *script;
    size_t script_size;
    int listener;
    int stop_pipe[2];
    char address[32];
    pthread_t thread;
    pthread_mutex_t mutex;
    struct fake_request requests[REQUESTS];
    size_t request_count;
    struct {
        int fd;
        struct buffer input;
    } connections[CONNECTIONS];
};

static int listen_somewhere(char address[32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    ASSERT(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    ASSERT(listen(fd, 16) == 0);
    ASSERT(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    snprintf(address, 32, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    return fd;
}

const char *fake_node_nobody(void)
{
    static char address[32];
    close(listen_somewhere(address));
    return address;
}

static void send_all(int fd, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes = slice_of(bytes.data + sent, bytes.size - (size_t)sent);
    }
}

static void write_hello(struct buffer *buffer)
{
    uint8_t cluster[16];
    memset(cluster, FAKE_CLUSTER_BYTE, sizeof cluster);
    codec_write_map(buffer, 2);
    codec_write_text(buffer, "name");
    codec_write_text(buffer, "fake");
    codec_write_text(buffer, "cluster");
    codec_write_bytes(buffer, slice_of(cluster, sizeof cluster));
}

static void write_response(struct buffer *buffer, uint64_t msgid, const struct fake_script *script)
{
    codec_write_array(buffer, 4);
    codec_write_u64(buffer, 1);
    codec_write_u64(buffer, msgid);
    if (script->step == FAKE_ERROR || script->step == FAKE_LIMITED) {
        bool limited = script->step == FAKE_LIMITED;
        codec_write_array(buffer, 3);
        codec_write_text(buffer, limited ? "rate_limited" : script->text);
        codec_write_text(buffer, "the node says so");
        codec_write_map(buffer, limited ? 1 : 0);
        if (limited) {
            codec_write_text(buffer, "retry_after_ms");
            codec_write_u64(buffer, strtoull(script->text, NULL, 10));
        }
        codec_write_nil(buffer);
    } else {
        codec_write_nil(buffer);
        if (script->step == FAKE_HELLO) {
            write_hello(buffer);
        } else {
            codec_write_raw(buffer, script->result);
        }
    }
}

static void write_event(struct buffer *buffer, struct slice event)
{
    codec_write_array(buffer, 3);
    codec_write_u64(buffer, 2);
    codec_write_text(buffer, "event");
    codec_write_array(buffer, 1);
    codec_write_raw(buffer, event);
}

/* False: hang up. */
static bool act(int fd, uint64_t msgid, const struct fake_script *script)
{
    struct buffer out;
    bool stay = script->step != FAKE_HANG_UP && script->step != FAKE_EVENT;
    buffer_init(&out, 8u * 1024u * 1024u);
    if (script->step == FAKE_GARBAGE) {
        send_all(fd, slice_of_text("\xc1HTTP/1.1 400 Bad Request\r\n\r\n"));
    } else if (script->step != FAKE_SILENCE && script->step != FAKE_HANG_UP) {
        if (script->step == FAKE_WRONG_FIRST) {
            const struct fake_script other = {.step = FAKE_ERROR, .text = "internal"};
            write_response(&out, msgid + 1000, &other);
            write_event(&out, script->event);
        }
        write_response(&out, msgid, script);
        if (script->step == FAKE_EVENT) {
            write_event(&out, script->event);
        }
        if (script->step == FAKE_TRICKLE) {
            for (size_t i = 0; i < out.size; i++) {
                send_all(fd, slice_of(out.data + i, 1));
                (void)poll(NULL, 0, 1);
            }
        } else {
            send_all(fd, buffer_slice(&out));
        }
    }
    buffer_close(&out);
    return stay;
}

static void keep(struct fake_node *node, struct slice message, uint64_t *msgid,
                 const struct fake_script **script)
{
    ASSERT(node->request_count < REQUESTS);
    struct fake_request *request = &node->requests[node->request_count];
    request->bytes = malloc(message.size);
    ASSERT(request->bytes != NULL);
    memcpy(request->bytes, message.data, message.size);
    ASSERT(codec_parse(&request->tree, slice_of(request->bytes, message.size)) == CONCLAVE_OK);
    const msgpack_object *items;
    uint32_t count;
    ASSERT(codec_get_array(&request->tree.root, 4, 4, &items, &count) == CONCLAVE_OK);
    ASSERT(codec_get_u64(&items[1], msgid) == CONCLAVE_OK);
    ASSERT(codec_get_string(&items[2], &request->method) == CONCLAVE_OK);
    ASSERT(items[3].type == MSGPACK_OBJECT_ARRAY && items[3].via.array.size == 1);
    /* The params stand last: array head of one byte, then the map. */
    const uint8_t *method_end = request->method.data + request->method.size;
    request->params_offset = (size_t)(method_end - (const uint8_t *)request->bytes) + 1;
    request->params_size = message.size - request->params_offset;
    size_t step = node->request_count < node->script_size ? node->request_count
                                                          : node->script_size - 1;
    *script = &node->script[step];
    node->request_count++;
}

/* What has come on one connection. False: it is over. */
static bool serve(struct fake_node *node, int fd, struct buffer *input)
{
    uint8_t *at = buffer_reserve(input, 65536);
    ASSERT(at != NULL);
    ssize_t got = recv(fd, at, 65536, 0);
    if (got <= 0) {
        return false;
    }
    input->size += (size_t)got;
    for (;;) {
        struct codec_scan scan = {0};
        if (codec_scan(&scan, buffer_slice(input)) != CODEC_SCAN_COMPLETE) {
            return true;
        }
        uint64_t msgid = 0;
        const struct fake_script *script = NULL;
        pthread_mutex_lock(&node->mutex);
        keep(node, slice_of(input->data, scan.offset), &msgid, &script);
        pthread_mutex_unlock(&node->mutex);
        buffer_consume(input, scan.offset);
        if (!act(fd, msgid, script)) {
            return false;
        }
    }
}

static void drop(struct fake_node *node, size_t i)
{
    close(node->connections[i].fd);
    node->connections[i].fd = -1;
    buffer_close(&node->connections[i].input);
}

static void take_connection(struct fake_node *node)
{
    int fd = accept4(node->listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        if (node->connections[i].fd < 0) {
            node->connections[i].fd = fd;
            buffer_init(&node->connections[i].input, 8u * 1024u * 1024u);
            return;
        }
    }
    ASSERT(fd < 0);
}

static void *run(void *argument)
{
    struct fake_node *node = argument;
    for (;;) {
        struct pollfd wanted[CONNECTIONS + 2];
        wanted[0] = (struct pollfd){.fd = node->stop_pipe[0], .events = POLLIN};
        wanted[1] = (struct pollfd){.fd = node->listener, .events = POLLIN};
        for (size_t i = 0; i < CONNECTIONS; i++) {
            wanted[i + 2] = (struct pollfd){.fd = node->connections[i].fd, .events = POLLIN};
        }
        (void)poll(wanted, CONNECTIONS + 2, -1);
        if (wanted[0].revents != 0) {
            return NULL;
        }
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (node->connections[i].fd >= 0 && wanted[i + 2].revents != 0 &&
                !serve(node, node->connections[i].fd, &node->connections[i].input)) {
                drop(node, i);
            }
        }
        if (wanted[1].revents != 0) {
            take_connection(node);
        }
    }
}

struct fake_node *fake_node_start(const struct fake_script *script, size_t script_size)
{
    ASSERT(script != NULL && script_size > 0);
    struct fake_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL);
    node->script = script;
    node->script_size = script_size;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        node->connections[i].fd = -1;
    }
    node->listener = listen_somewhere(node->address);
    ASSERT(pipe(node->stop_pipe) == 0);
    ASSERT(pthread_mutex_init(&node->mutex, NULL) == 0);
    ASSERT(pthread_create(&node->thread, NULL, run, node) == 0);
    return node;
}

void fake_node_stop(struct fake_node *node)
{
    ASSERT(node != NULL);
    ASSERT(write(node->stop_pipe[1], "x", 1) == 1);
    ASSERT(pthread_join(node->thread, NULL) == 0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (node->connections[i].fd >= 0) {
            drop(node, i);
        }
    }
    for (size_t i = 0; i < node->request_count; i++) {
        codec_tree_close(&node->requests[i].tree);
        free(node->requests[i].bytes);
    }
    close(node->listener);
    close(node->stop_pipe[0]);
    close(node->stop_pipe[1]);
    pthread_mutex_destroy(&node->mutex);
    free(node);
}

const char *fake_node_address(const struct fake_node *node)
{
    return node->address;
}

size_t fake_node_request_count(struct fake_node *node)
{
    pthread_mutex_lock(&node->mutex);
    size_t count = node->request_count;
    pthread_mutex_unlock(&node->mutex);
    return count;
}

struct slice fake_node_method(struct fake_node *node, size_t n)
{
    ASSERT(n < fake_node_request_count(node));
    return node->requests[n].method;
}

struct slice fake_node_params(struct fake_node *node, size_t n)
{
    ASSERT(n < fake_node_request_count(node));
    return slice_of(node->requests[n].bytes + node->requests[n].params_offset,
                    node->requests[n].params_size);
}
