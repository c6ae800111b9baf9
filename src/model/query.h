/* Queries: what the files query_*.c share.
 *
 * A query function gets its parameters and appends its answer. Refusals (UNKNOWN_*, NOT_FOUND,
 * BAD_REQUEST) set the error; then what was written so far is dropped.
 */
#ifndef MODEL_QUERY_H
#define MODEL_QUERY_H

#include "codec/writer.h"
#include "model/context.h"

struct query {
    struct kv_transaction *transaction;
    const struct model_log *log; /* may be NULL: then what only the log has is shown as nil */
    const msgpack_object *params;
    uint64_t applied_index;
    struct slice digest;
    struct buffer *answer;
    struct codec_error *error;
};

/* The parameters that queries have; each takes those it knows. */
struct query_params {
    struct slice id;
    struct slice after; /* lists go on after this one */
    uint64_t limit;
    uint64_t version;
    uint64_t revision;
    struct slice stage;
    struct slice state;
    struct slice poll;
    struct slice question;
    struct slice member;
    struct slice author;
    struct slice nonce;
};

/* Reads the parameters named by `wanted` (a list that ends with NULL; a name that starts with '!'
 * is required). Others are skipped. */
enum conclave_code query_parse(const struct query *query, const char *const *wanted,
                               struct query_params *params) MUST_USE;

enum conclave_code query_refuse(const struct query *query, enum conclave_code code,
                                const char *format, ...) REFUSE_FORMAT(3, 4) MUST_USE;

/* The answer's map: `pairs` besides `index`, the log index that the answer shows; where what is
 * asked for has an index of its own, that is `index`, and the one shown is `applied`. */
void query_begin(const struct query *query, uint32_t pairs);
void query_begin_shape(const struct query *query, uint32_t pairs);

/* Lets a walk go on after the key whose rest is `after` (as a page's parameter; nothing when it is
 * empty). */
enum conclave_code query_scan_after(const struct query *query, struct scan *scan,
                                    struct slice after) MUST_USE;

/* The numbers behind ids; UNKNOWN_MEMBER and UNKNOWN_POLL are refused. */
enum conclave_code query_member_number(const struct query *query, struct slice id, uint32_t *number)
    MUST_USE;
enum conclave_code query_poll_number(const struct query *query, struct slice id, uint32_t *number)
    MUST_USE;

/* One page of a list: items are packed aside and counted until the limit or LIMIT_PAGE_BYTES is
 * reached. */
struct page {
    struct buffer items;
    struct buffer item; /* the one being packed */
    uint32_t count;
    uint32_t limit;
    bool more;
};

void page_open(struct page *page, const struct query_params *params);
void page_close(struct page *page);

/* Is the page full, so that another item only means `more`? Then notes that and returns true. Else
 * makes `page->item` empty. */
bool page_full(struct page *page);

/* Takes the item that was packed. False when it did not fit: the page is full. */
bool page_take(struct page *page);

/* Writes the whole answer {index, items, more}. */
enum conclave_code page_finish(struct page *page, const struct query *query) MUST_USE;

/* Pairs. */
void pair_text(struct buffer *buffer, const char *key, const char *value);
void pair_string(struct buffer *buffer, const char *key, struct slice value);
void pair_string_or_nil(struct buffer *buffer, const char *key, struct slice value);
void pair_bytes(struct buffer *buffer, const char *key, struct slice value);
void pair_u64(struct buffer *buffer, const char *key, uint64_t value);
void pair_bool(struct buffer *buffer, const char *key, bool value);
void pair_two(struct buffer *buffer, const char *key, uint64_t first, uint64_t second);

/* Fetches a command from the log and decodes it; CORRUPT when it is not there. `bytes` must be
 * initialised and outlive the envelope. */
enum conclave_code query_command(const struct query *query, uint64_t index, uint32_t position,
                                 struct buffer *bytes, struct envelope *envelope) MUST_USE;

/* The value of a text key in a map, or NULL. */
const msgpack_object *query_map_value(const msgpack_object *map, const char *key);

/* The queries. */
enum conclave_code query_cluster_get(const struct query *query) MUST_USE;
enum conclave_code query_request(const struct query *query) MUST_USE;
enum conclave_code query_member_get(const struct query *query) MUST_USE;
enum conclave_code query_member_list(const struct query *query) MUST_USE;
enum conclave_code query_node_list(const struct query *query) MUST_USE;
enum conclave_code query_policy_get(const struct query *query) MUST_USE;
enum conclave_code query_policy_list(const struct query *query) MUST_USE;
enum conclave_code query_proposal_get(const struct query *query) MUST_USE;
enum conclave_code query_proposal_list(const struct query *query) MUST_USE;
enum conclave_code query_poll_get(const struct query *query) MUST_USE;
enum conclave_code query_poll_list(const struct query *query) MUST_USE;
enum conclave_code query_poll_roll(const struct query *query) MUST_USE;
enum conclave_code query_tally(const struct query *query) MUST_USE;
enum conclave_code query_decision_get(const struct query *query) MUST_USE;
enum conclave_code query_decision_list(const struct query *query) MUST_USE;
enum conclave_code query_ballot_get(const struct query *query) MUST_USE;
enum conclave_code query_ballot_list(const struct query *query) MUST_USE;

#endif
