/* Passphrases of key files: from a file descriptor (--passphrase-fd) or from the terminal without
 * echo. Never from an argument or the environment, which others may read.
 */
#ifndef CONCLAVE_PASSPHRASE_H
#define CONCLAVE_PASSPHRASE_H

#include "cli.h"

#define PASSPHRASE_BYTES_MIN 8u /* of a new one */
#define PASSPHRASE_BYTES_MAX 1024u

struct passphrase {
    size_t size;
    char text[PASSPHRASE_BYTES_MAX + 2];
};

/* The next line of the descriptor, or what is typed after "Passphrase of PATH: ". Nonzero: the exit
 * status; then nothing is in it. */
int passphrase_get(struct cli *cli, const char *path, struct passphrase *passphrase) MUST_USE;

/* A new one: at the terminal asked for twice. */
int passphrase_choose(struct cli *cli, const char *path, struct passphrase *passphrase) MUST_USE;

void passphrase_wipe(struct passphrase *passphrase);

static inline struct slice passphrase_slice(const struct passphrase *passphrase)
{
    return slice_of(passphrase->text, passphrase->size);
}

#endif
