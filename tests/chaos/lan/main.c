/* chaos-lan: the network of the chaos test. Every host has a network namespace of its own, in which
 * a TUN device "lan0" ends in this process: it passes the packets on, and on the way it can lose
 * them and make them late. (What cuts hosts off is iptables in the namespaces.)
 *
 * Host 0 is the namespace it was started in, 1 to N are new ones. It prints "ready", then reads
 * commands and answers each with one line; it ends, and the namespaces with it, when standard
 * input does.
 *
 *   link FROM TO LOSS DELAY JITTER   per mille, microseconds, microseconds; FROM and TO may be *
 *   stats                            packets passed on and lost
 *   namespace HOST                   the file of a host's namespace, for nsenter
 *
 * Late packets keep no order among each other: that of a link with jitter is chance, as on a real
 * one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX    16u
#define PACKET_BYTES 2048u /* the devices' MTU is 1500 */
#define LATE_MAX     8192u /* packets that wait; more are lost */
#define LINE_BYTES   256u
#define BURST        64u /* packets of one host before another's turn */

struct link {
    unsigned loss; /* of 1000 */
    uint64_t delay_us, jitter_us;
};

struct late {
    uint64_t due_us;
    unsigned to;
    size_t size;
    uint8_t *bytes;
};

static struct {
    unsigned host_count;
    int devices[HOSTS_MAX];
    int namespaces[HOSTS_MAX];
    struct link links[HOSTS_MAX][HOSTS_MAX];
    struct late late[LATE_MAX]; /* a heap: the first is due first */
    size_t late_count;
    uint64_t random;
    uint64_t passed, lost;
    char line[LINE_BYTES];
    size_t line_size;
} lan;

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t random_below(uint64_t limit) /* xorshift64, Marsaglia 2003 */
{
    lan.random ^= lan.random << 13;
    lan.random ^= lan.random >> 7;
    lan.random ^= lan.random << 17;
    return limit == 0 ? 0 : lan.random % limit;
}

/* --- late packets --- */

static void swap_late(size_t a, size_t b)
{
    struct late kept = lan.late[a];
    lan.late[a] = lan.late[b];
    lan.late[b] = kept;
}

static bool add_late(struct late late)
{
    if (lan.late_count == LATE_MAX) {
        return false;
    }
    size_t i = lan.late_count++;
    lan.late[i] = late;
    while (i > 0 && lan.late[(i - 1) / 2].due_us > lan.late[i].due_us) {
        swap_late(i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
    return true;
}

static struct late take_late(void)
{
    struct late first = lan.late[0];
    lan.late[0] = lan.late[--lan.late_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
            if (child < lan.late_count && lan.late[child].due_us < lan.late[least].due_us) {
                least = child;
            }
        }
        if (least == i) {
            return first;
        }
        swap_late(i, least);
        i = least;
    }
}

/* --- packets --- */

static void deliver(unsigned to, const uint8_t *bytes, size_t size)
{
    /* A full queue loses packets, as on any network. */
    bool sent = write(lan.devices[to], bytes, size) == (ssize_t)size;
    lan.passed += sent ? 1 : 0;
    lan.lost += sent ? 0 : 1;
}

static void deliver_late(void)
{
    uint64_t now = now_us();
    while (lan.late_count > 0 && lan.late[0].due_us <= now) {
        struct late late = take_late();
        deliver(late.to, late.bytes, late.size);
        free(late.bytes);
    }
}

static void delay(unsigned to, const uint8_t *bytes, size_t size, uint64_t delay_us)
{
    struct late late = {now_us() + delay_us, to, size, malloc(size)};
    if (late.bytes != NULL) {
        memcpy(late.bytes, bytes, size);
    }
    if (late.bytes == NULL || !add_late(late)) {
        free(late.bytes);
        lan.lost++;
    }
}

/* IPv4 only; the last byte of the address is the host, that of host 0 is 100. */
static unsigned host_of(const uint8_t *packet, size_t size)
{
    if (size < 20 || packet[0] >> 4 != 4) {
        return HOSTS_MAX;
    }
    unsigned host = packet[19] == 100 ? 0 : packet[19];
    return host < lan.host_count && (host > 0 || packet[19] == 100) ? host : HOSTS_MAX;
}

static void forward(unsigned from, const uint8_t *bytes, size_t size)
{
    unsigned to = host_of(bytes, size);
    if (to >= lan.host_count) {
        return; /* a broadcast, or IPv6's */
    }
    const struct link *link = &lan.links[from][to];
    if (random_below(1000) < link->loss) {
        lan.lost++;
        return;
    }
    uint64_t delay_us = link->delay_us + random_below(link->jitter_us + 1);
    if (delay_us == 0) {
        deliver(to, bytes, size);
    } else {
        delay(to, bytes, size, delay_us);
    }
}

static void receive(unsigned from)
{
    uint8_t packet[PACKET_BYTES];
    for (unsigned i = 0; i < BURST; i++) {
        ssize_t size = read(lan.devices[from], packet, sizeof packet);
        if (size <= 0) {
            return;
        }
        forward(from, packet, (size_t)size);
    }
}

/* --- hosts --- */

static bool open_device(unsigned host)
{
    struct ifreq request = {.ifr_name = "lan0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) {
        return false;
    }
    lan.devices[host] = device;
    lan.namespaces[host] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return lan.namespaces[host] >= 0;
}

static bool open_hosts(void)
{
    if (!open_device(0)) {
        return false;
    }
    for (unsigned host = 1; host < lan.host_count; host++) {
        if (unshare(CLONE_NEWNET) != 0 || !open_device(host)) {
            return false;
        }
    }
    return setns(lan.namespaces[0], CLONE_NEWNET) == 0;
}

/* --- commands --- */

static bool parse_host(const char *text, unsigned *begin, unsigned *end)
{
    if (strcmp(text, "*") == 0) {
        *begin = 0;
        *end = lan.host_count;
        return true;
    }
    char *after;
    unsigned long host = strtoul(text, &after, 10);
    *begin = (unsigned)host;
    *end = *begin + 1;
    return after != text && *after == '\0' && host < lan.host_count;
}

static bool set_links(const char *from, const char *to, struct link link)
{
    unsigned from_begin, from_end, to_begin, to_end;
    if (!parse_host(from, &from_begin, &from_end) || !parse_host(to, &to_begin, &to_end) ||
        link.loss > 1000) {
        return false;
    }
    for (unsigned i = from_begin; i < from_end; i++) {
        for (unsigned k = to_begin; k < to_end; k++) {
            lan.links[i][k] = link;
        }
    }
    return true;
}

static void answer(const char *line)
{
    char from[16], to[16];
    struct link link;
    unsigned host;
    if (sscanf(line, "link %15s %15s %u %" SCNu64 " %" SCNu64, from, to, &link.loss, &link.delay_us,
               &link.jitter_us) == 5 &&
        set_links(from, to, link)) {
        printf("ok\n");
    } else if (strcmp(line, "stats") == 0) {
        printf("ok passed=%" PRIu64 " lost=%" PRIu64 "\n", lan.passed, lan.lost);
    } else if (sscanf(line, "namespace %u", &host) == 1 && host < lan.host_count) {
        printf("ok /proc/%ld/fd/%d\n", (long)getpid(), lan.namespaces[host]);
    } else {
        printf("error %s\n", line);
    }
    (void)fflush(stdout);
}

/* False at the end of standard input. */
static bool read_commands(void)
{
    ssize_t got = read(STDIN_FILENO, lan.line + lan.line_size, LINE_BYTES - 1 - lan.line_size);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    lan.line_size += (size_t)got;
    lan.line[lan.line_size] = '\0';
    char *end;
    while ((end = strchr(lan.line, '\n')) != NULL) {
        *end = '\0';
        answer(lan.line);
        lan.line_size -= (size_t)(end + 1 - lan.line);
        memmove(lan.line, end + 1, lan.line_size + 1);
    }
    return lan.line_size < LINE_BYTES - 1;
}

static int run(void)
{
    struct pollfd events[HOSTS_MAX + 1];
    for (unsigned host = 0; host < lan.host_count; host++) {
        events[host] = (struct pollfd){.fd = lan.devices[host], .events = POLLIN};
    }
    events[lan.host_count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        struct timespec wait = {0, 0};
        uint64_t now = now_us();
        if (lan.late_count > 0 && lan.late[0].due_us > now) {
            uint64_t wait_us = lan.late[0].due_us - now;
            wait.tv_sec = (time_t)(wait_us / 1000000u);
            wait.tv_nsec = (long)(wait_us % 1000000u) * 1000;
        }
        const struct timespec *limit = lan.late_count > 0 ? &wait : NULL;
        if (ppoll(events, lan.host_count + 1, limit, NULL) < 0 && errno != EINTR) {
            return EXIT_FAILURE;
        }
        deliver_late();
        for (unsigned host = 0; host < lan.host_count; host++) {
            if (events[host].revents != 0) {
                receive(host);
            }
        }
        if (events[lan.host_count].revents != 0 && !read_commands()) {
            return EXIT_SUCCESS;
        }
    }
}

int main(int argc, char **argv)
{
    char *end;
    unsigned long count = argc == 3 ? strtoul(argv[1], &end, 10) : 0;
    if (argc != 3 || *end != '\0' || count < 1 || count >= HOSTS_MAX) {
        (void)fprintf(stderr, "usage: chaos-lan HOSTS SEED\n");
        return 2;
    }
    lan.host_count = (unsigned)count + 1;
    lan.random = strtoull(argv[2], NULL, 10) | 1; /* never 0 */
    (void)signal(SIGINT, SIG_IGN);                /* it ends with its standard input */
    (void)signal(SIGPIPE, SIG_IGN);
    if (!open_hosts()) {
        (void)fprintf(stderr, "chaos-lan: /dev/net/tun, or a network namespace: %s\n",
                      strerror(errno));
        return EXIT_FAILURE;
    }
    printf("ready\n");
    (void)fflush(stdout);
    return run();
}
