/* Making key files: for `key`, `init` and `import`. */
#ifndef CONCLAVE_KEY_H
#define CONCLAVE_KEY_H

#include "session.h"

/* Makes the directories above `path` (mode 0700). False with errno. */
bool key_make_parents(const char *path);

/* A new key for member `id`, saved at `path`, locked when there is a passphrase (NULL: none).
 * Nonzero: the exit status. */
int key_create(struct cli *cli, const char *path, const char *id, struct auth_key *key,
               const struct passphrase *passphrase) MUST_USE;

/* The same, with a passphrase that is asked for if the command's --passphrase is given. */
int key_create_asking(struct cli *cli, const char *path, const char *id, struct auth_key *key)
    MUST_USE;

/* A public key: "ed25519:...", 64 hexadecimal digits, or a key file whose public half it is. What
 * is wrong is said of --public-key. Nonzero: the exit status. */
int key_take_public(struct cli *cli, const char *text, uint8_t key[AUTH_PUBLIC_KEY_BYTES]) MUST_USE;

/* The option that key_create_asking heeds. */
#define KEY_PASSPHRASE_OPTION                                                                 \
    {                                                                                         \
        .name = "passphrase",                                                                 \
        .help = "Lock a new key file with a passphrase, from the terminal or --passphrase-fd" \
    }

#endif
