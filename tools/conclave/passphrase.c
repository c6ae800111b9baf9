/* See passphrase.h. */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "format.h"

#define DESCRIPTOR_MAX 1000000u

static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
#define CAUGHT_COUNT (sizeof caught / sizeof caught[0])

static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
}

/* Reads a line, byte by byte: what comes after it is for the next. -1 when reading fails or the
 * line is too long (E2BIG). */
static ssize_t read_line(int fd, char *text, size_t capacity)
{
    size_t size = 0;
    for (;;) {
        char byte;
        ssize_t rv = read(fd, &byte, 1);
        if (rv < 0 && errno == EINTR && signal_seen == 0) {
            continue;
        }
        if (rv < 0) {
            return -1;
        }
        if (rv == 0 || byte == '\n') {
            return (ssize_t)size;
        }
        if (size == capacity) {
            errno = E2BIG;
            return -1;
        }
        text[size++] = byte;
    }
}

/* A signal must not leave the terminal without echo: they are caught, and sent again afterwards. */
static ssize_t read_without_echo(int fd, const char *prompt, const char *path, char *text,
                                 size_t capacity)
{
    struct termios before, silent;
    struct sigaction actions[CAUGHT_COUNT];
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: read ends */
    if (tcgetattr(fd, &before) != 0) {
        return -1;
    }
    signal_seen = 0;
    for (size_t i = 0; i < CAUGHT_COUNT; i++) {
        (void)sigaction(caught[i], &action, &actions[i]);
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    ssize_t size = -1;
    if (tcsetattr(fd, TCSAFLUSH, &silent) == 0) {
        (void)dprintf(fd, "%s%s: ", prompt, path);
        size = read_line(fd, text, capacity);
        int cause = errno;
        (void)tcsetattr(fd, TCSAFLUSH, &before);
        (void)dprintf(fd, "\n");
        errno = cause;
    }
    int cause = errno;
    for (size_t i = 0; i < CAUGHT_COUNT; i++) {
        (void)sigaction(caught[i], &actions[i], NULL);
    }
    if (signal_seen != 0) {
        (void)raise((int)signal_seen);
    }
    errno = cause;
    return size;
}

static int ask_terminal(struct cli *cli, const char *prompt, const char *path,
                        struct passphrase *passphrase)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return cli_error(cli, CONCLAVE_KEY_LOCKED,
                         "there is no terminal to ask at: hand the passphrase in with "
                         "--passphrase-fd N, such as --passphrase-fd 3 3<FILE",
                         "the key file %s needs its passphrase", path);
    }
    ssize_t size =
        read_without_echo(fd, prompt, path, passphrase->text, sizeof passphrase->text - 1);
    int cause = errno;
    (void)close(fd);
    if (size < 0) {
        return cli_error(cli, CONCLAVE_IO, "", "the passphrase could not be read: %s",
                         strerror(cause));
    }
    passphrase->size = (size_t)size;
    return 0;
}

/* The descriptor's number; -1: none is given. */
static int take_descriptor(struct cli *cli, int *fd)
{
    const char *text = args_text(&cli->args, "passphrase-fd");
    uint64_t number;
    *fd = -1;
    if (text == NULL) {
        return 0;
    }
    if (!format_parse_u64(text, &number) || number > DESCRIPTOR_MAX ||
        fcntl((int)number, F_GETFD) < 0) {
        return cli_usage(cli,
                         "--passphrase-fd %s: not the number of an open file descriptor, such as 3 "
                         "after 3<FILE",
                         text);
    }
    *fd = (int)number;
    return 0;
}

static int get(struct cli *cli, int fd, const char *prompt, const char *path,
               struct passphrase *passphrase)
{
    int status = 0;
    passphrase->size = 0;
    if (fd < 0) {
        status = ask_terminal(cli, prompt, path, passphrase);
    } else {
        ssize_t size = read_line(fd, passphrase->text, sizeof passphrase->text - 1);
        if (size < 0 && errno != E2BIG) {
            status = cli_error(cli, CONCLAVE_IO, "", "--passphrase-fd %d: %s", fd, strerror(errno));
        }
        passphrase->size = size < 0 ? sizeof passphrase->text - 1 : (size_t)size;
    }
    if (status == 0 && (passphrase->size == 0 || passphrase->size > PASSPHRASE_BYTES_MAX)) {
        status = cli_error(cli, CONCLAVE_BAD_PASSPHRASE, "", "a passphrase has 1 to %u bytes",
                           PASSPHRASE_BYTES_MAX);
    }
    if (status != 0) {
        passphrase_wipe(passphrase);
    }
    return status;
}

int passphrase_get(struct cli *cli, const char *path, struct passphrase *passphrase)
{
    ASSERT(cli != NULL && path != NULL && passphrase != NULL);
    int fd;
    int status = take_descriptor(cli, &fd);
    return status != 0 ? status : get(cli, fd, "Passphrase of ", path, passphrase);
}

int passphrase_choose(struct cli *cli, const char *path, struct passphrase *passphrase)
{
    ASSERT(cli != NULL && path != NULL && passphrase != NULL);
    int fd;
    int status = take_descriptor(cli, &fd);
    if (status == 0) {
        status = get(cli, fd, "New passphrase of ", path, passphrase);
    }
    if (status == 0 && passphrase->size < PASSPHRASE_BYTES_MIN) {
        status = cli_error(cli, CONCLAVE_BAD_PASSPHRASE, "", "a passphrase has at least %u bytes",
                           PASSPHRASE_BYTES_MIN);
    }
    if (status == 0 && fd < 0) {
        struct passphrase again;
        status = get(cli, fd, "Again, the new passphrase of ", path, &again);
        if (status == 0 && !slice_equal(passphrase_slice(passphrase), passphrase_slice(&again))) {
            status = cli_error(cli, CONCLAVE_BAD_PASSPHRASE, "", "the two are not the same");
        }
        passphrase_wipe(&again);
    }
    if (status != 0) {
        passphrase_wipe(passphrase);
    }
    return status;
}

void passphrase_wipe(struct passphrase *passphrase)
{
    ASSERT(passphrase != NULL);
    sodium_memzero(passphrase, sizeof *passphrase);
}
