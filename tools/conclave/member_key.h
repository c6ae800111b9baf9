/* The commands on members' keys: `member rotate-key` and `member revoke`. */
#ifndef CONCLAVE_MEMBER_KEY_H
#define CONCLAVE_MEMBER_KEY_H

#include "session.h"

int member_rotate_key(struct cli *cli) MUST_USE;
int member_revoke(struct cli *cli) MUST_USE;

extern const struct args_option member_rotate_key_options[];
extern const struct args_option member_revoke_options[];

#endif
