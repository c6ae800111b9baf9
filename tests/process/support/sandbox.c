/* Starts a program as the systemd unit does, as far as system calls go: no new privileges, only the
 * calls of the unit's SystemCallFilter (numbers in the file ALLOWED,
 * which test_sandbox.sh makes), only its address
 * families, and no memory that is writable and executable. A call outside ends the process by
 * SIGSYS, where the unit answers EPERM: a test must see it.
 *
 * usage: sandbox PROGRAM ARGUMENT...
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "this architecture is not known here"
#endif

#define FILTER_MOST 4096u

static const int allowed[] = {
#include ALLOWED
};

static struct sock_filter filter[FILTER_MOST];
static unsigned short used;

static void add(struct sock_filter instruction)
{
    if (used < FILTER_MOST) {
        filter[used++] = instruction;
    }
}

#define STATEMENT(code, k)          ((struct sock_filter)BPF_STMT(code, k))
#define JUMP(code, k, yes, no)      ((struct sock_filter)BPF_JUMP(code, k, yes, no))
#define RETURN(what)                add(STATEMENT(BPF_RET | BPF_K, what))
#define SKIP_UNLESS_EQUAL(k, count) add(JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, count))
#define SKIP_IF_EQUAL(k, count)     add(JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, count, 0))

static void load(size_t offset)
{
    add(STATEMENT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

/* Of this call the argument (its lower half) may have no bits but with `and` less than all of
 * `all`. */
static void restrict_bits(int call, unsigned argument, unsigned all)
{
    SKIP_UNLESS_EQUAL((unsigned)call, 5);
    load(offsetof(struct seccomp_data, args) + argument * sizeof(__u64));
    add(STATEMENT(BPF_ALU | BPF_AND | BPF_K, all));
    SKIP_UNLESS_EQUAL(all, 1);
    RETURN(SECCOMP_RET_KILL_PROCESS);
    RETURN(SECCOMP_RET_ALLOW);
}

static void build(void)
{
    load(offsetof(struct seccomp_data, arch));
    SKIP_IF_EQUAL(ARCHITECTURE, 1);
    RETURN(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
    restrict_bits(SYS_mmap, 2, PROT_WRITE | PROT_EXEC);
    restrict_bits(SYS_mprotect, 2, PROT_EXEC);
    SKIP_UNLESS_EQUAL(SYS_socket, 6);
    load(offsetof(struct seccomp_data, args));
    SKIP_IF_EQUAL(AF_UNIX, 3);
    SKIP_IF_EQUAL(AF_INET, 2);
    SKIP_IF_EQUAL(AF_INET6, 1);
    RETURN(SECCOMP_RET_KILL_PROCESS);
    RETURN(SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        SKIP_UNLESS_EQUAL((unsigned)allowed[i], 1);
        RETURN(SECCOMP_RET_ALLOW);
    }
    RETURN(SECCOMP_RET_KILL_PROCESS);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: sandbox PROGRAM ARGUMENT...\n");
        return 2;
    }
    build();
    struct sock_fprog program = {.len = used, .filter = filter};
    if (used >= FILTER_MOST || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        (void)fprintf(stderr, "sandbox: the filter is refused: %s\n", strerror(errno));
        return 1;
    }
    (void)execv(argv[1], argv + 1);
    (void)fprintf(stderr, "sandbox: %s: %s\n", argv[1], strerror(errno));
    return 1;
}
