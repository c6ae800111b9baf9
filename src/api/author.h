/* Whose signature is it? Common to `submit` and `prove`: the author's keys as this node knows them,
 * the check on the host's threads, and what to do when it fails.
 *
 * The happy path: replica_author -> host->verify with the key that holds -> checked(CURRENT). When
 * that key does not verify, the member's earlier ones are tried, the latest first, so that a key
 * that has ended is told from a bad signature. When none does, or the author is not known at all,
 * this node may lag: after a linearizable read it looks once more, and tries again if there is
 * another key now.
 */
#ifndef API_AUTHOR_H
#define API_AUTHOR_H

#include "api/state.h"

/* request->author, envelope (what is signed), signature and the deadline are set. Goes on with the
 * method's `checked` or `failed`. */
void author_check(struct api_request *request);

/* The ways on: after the linearizable read, and after the check of the signature. */
void author_readable(struct api_request *request);
void author_verified(struct api_request *request);

/* Refusals with the author in the details. */
void author_refuse_unknown(struct api_request *request);
void author_refuse_signature(struct api_request *request);
void author_refuse_old_key(struct api_request *request);

#endif
