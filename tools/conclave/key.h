/* Making key files: for `key`, `init` and `import`. */
#ifndef CONCLAVE_KEY_H
#define CONCLAVE_KEY_H

#include "session.h"

/* Makes the directories above `path` (mode 0700). False with errno. */
bool key_make_parents(const char *path);

/* A new key for member `id`, saved at `path`. Nonzero: the exit status. */
int key_create(struct cli *cli, const char *path, const char *id, struct auth_key *key) MUST_USE;

#endif
