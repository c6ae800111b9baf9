/* The table of queries, and what they share. See query.h. */
#include "model/query.h"

#include <stdarg.h>
#include <stdio.h>

#include "model/member.h"
#include "model/poll.h"

#define PAGE_ITEMS_DEFAULT 100u
#define AFTER_BYTES_MAX    (2u * LIMIT_ID_BYTES + 1u) /* "poll/question" */

static const struct {
    const char *method;
    enum conclave_code (*answer)(const struct query *query);
} queries[] = {
    {"ballot.get", query_ballot_get},
    {"ballot.list", query_ballot_list},
    {"cluster.get", query_cluster_get},
    {"decision.get", query_decision_get},
    {"decision.list", query_decision_list},
    {"member.get", query_member_get},
    {"member.list", query_member_list},
    {"node.list", query_node_list},
    {"policy.get", query_policy_get},
    {"policy.list", query_policy_list},
    {"poll.get", query_poll_get},
    {"poll.list", query_poll_list},
    {"poll.roll", query_poll_roll},
    {"proposal.get", query_proposal_get},
    {"proposal.list", query_proposal_list},
    {"request", query_request},
    {"tally", query_tally},
};

#define QUERY_COUNT (sizeof queries / sizeof queries[0])

static size_t find_query(struct slice method)
{
    size_t i = 0;
    while (i < QUERY_COUNT && !slice_is_text(method, queries[i].method)) {
        i++;
    }
    return i;
}

bool model_is_query(struct slice method)
{
    return find_query(method) < QUERY_COUNT;
}

enum conclave_code model_query(struct kv_transaction *transaction, const struct model_log *log,
                               struct slice method, const msgpack_object *params,
                               uint64_t applied_index, struct slice digest, struct buffer *answer,
                               struct codec_error *error)
{
    ASSERT(transaction != NULL && params != NULL && answer != NULL && error != NULL);
    struct query query = {.transaction = transaction,
                          .log = log,
                          .params = params,
                          .applied_index = applied_index,
                          .digest = digest,
                          .answer = answer,
                          .error = error};
    size_t place = find_query(method);
    if (place == QUERY_COUNT) {
        return query_refuse(&query, CONCLAVE_UNKNOWN_METHOD, "there is no query \"%.*s\"",
                            TEXT_ARGUMENTS(method));
    }
    size_t size_before = answer->size;
    enum conclave_code code = queries[place].answer(&query);
    if (code == CONCLAVE_OK) {
        code = answer->status;
    }
    if (code != CONCLAVE_OK) {
        answer->size = size_before;
    }
    return code;
}

enum conclave_code query_refuse(const struct query *query, enum conclave_code code,
                                const char *format, ...)
{
    ASSERT(code != CONCLAVE_OK);
    char text[CODEC_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ASSERT(written >= 0);
    struct slice whole = text_whole(text);
    codec_error_set(query->error, "%.*s", (int)whole.size, (const char *)whole.data);
    return code;
}

#define PARAM(name_, type_, member_)                                          \
    {                                                                         \
        (name_), (type_), false, offsetof(struct query_params, member_), 0, 0 \
    }

static const struct codec_field all_params[] = {
    PARAM("id", CODEC_STRING, id),
    PARAM("after", CODEC_STRING, after),
    PARAM("limit", CODEC_U64, limit),
    PARAM("version", CODEC_U64, version),
    PARAM("revision", CODEC_U64, revision),
    PARAM("stage", CODEC_STRING, stage),
    PARAM("state", CODEC_STRING, state),
    PARAM("poll", CODEC_STRING, poll),
    PARAM("question", CODEC_STRING, question),
    PARAM("member", CODEC_STRING, member),
    PARAM("author", CODEC_STRING, author),
    PARAM("nonce", CODEC_BYTES, nonce),
};

#define PARAM_COUNT (sizeof all_params / sizeof all_params[0])

static const struct codec_field *find_param(const char *name)
{
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        if (strcmp(all_params[i].name, name) == 0) {
            return &all_params[i];
        }
    }
    UNREACHABLE("a parameter that no query has");
}

enum conclave_code query_parse(const struct query *query, const char *const *wanted,
                               struct query_params *params)
{
    struct codec_field fields[PARAM_COUNT];
    size_t count = 0;
    for (size_t i = 0; wanted[i] != NULL; i++) {
        bool required = wanted[i][0] == '!';
        ASSERT(count < PARAM_COUNT);
        fields[count] = *find_param(required ? wanted[i] + 1 : wanted[i]);
        fields[count++].required = required;
    }
    *params = (struct query_params){.limit = PAGE_ITEMS_DEFAULT};
    enum conclave_code code =
        codec_decode_map(query->params, fields, count, false, params, query->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (params->limit < 1 || params->limit > LIMIT_PAGE_ITEMS) {
        return query_refuse(query, CONCLAVE_BAD_REQUEST, "limit %llu is outside 1..%u",
                            (unsigned long long)params->limit, LIMIT_PAGE_ITEMS);
    }
    return CONCLAVE_OK;
}

void query_begin(const struct query *query, uint32_t pairs)
{
    codec_write_map(query->answer, 1 + pairs);
    pair_u64(query->answer, "index", query->applied_index);
}

void query_begin_shape(const struct query *query, uint32_t pairs)
{
    codec_write_map(query->answer, 1 + pairs);
    pair_u64(query->answer, "applied", query->applied_index);
}

enum conclave_code query_scan_after(const struct query *query, struct scan *scan,
                                    struct slice after)
{
    if (after.size == 0) {
        return CONCLAVE_OK;
    }
    if (after.size > AFTER_BYTES_MAX) {
        return query_refuse(query, CONCLAVE_BAD_REQUEST, "after has %zu bytes, no id is so long",
                            after.size);
    }
    struct key key = scan->prefix;
    key_bytes(&key, after);
    scan_after(scan, &key);
    return CONCLAVE_OK;
}

enum conclave_code query_member_number(const struct query *query, struct slice id, uint32_t *number)
{
    bool key_changed;
    enum conclave_code code = member_find(query->transaction, id, number, &key_changed);
    return code == CONCLAVE_NOT_FOUND
               ? query_refuse(query, CONCLAVE_UNKNOWN_MEMBER, "there is no member \"%.*s\"",
                              TEXT_ARGUMENTS(id))
               : code;
}

enum conclave_code query_poll_number(const struct query *query, struct slice id, uint32_t *number)
{
    enum conclave_code code = poll_find(query->transaction, id, number);
    return code == CONCLAVE_NOT_FOUND
               ? query_refuse(query, CONCLAVE_UNKNOWN_POLL, "there is no poll \"%.*s\"",
                              TEXT_ARGUMENTS(id))
               : code;
}

/* --- Pages --- */

void page_open(struct page *page, const struct query_params *params)
{
    *page = (struct page){.limit = (uint32_t)params->limit};
    buffer_init(&page->items, LIMIT_PAGE_BYTES);
    buffer_init(&page->item, LIMIT_FRAME_BYTES);
}

void page_close(struct page *page)
{
    buffer_close(&page->items);
    buffer_close(&page->item);
}

bool page_full(struct page *page)
{
    if (page->count == page->limit) {
        page->more = true;
        return true;
    }
    buffer_clear(&page->item);
    return false;
}

bool page_take(struct page *page)
{
    if (page->item.status != CONCLAVE_OK) {
        page->items.status = page->item.status;
        return false;
    }
    if (page->items.size + page->item.size > LIMIT_PAGE_BYTES) {
        page->more = true;
        return false;
    }
    buffer_append(&page->items, page->item.data, page->item.size);
    page->count++;
    return true;
}

enum conclave_code page_finish(struct page *page, const struct query *query)
{
    if (page->items.status != CONCLAVE_OK) {
        return page->items.status;
    }
    query_begin(query, 2);
    codec_write_text(query->answer, "items");
    codec_write_array(query->answer, page->count);
    if (page->items.size > 0) {
        codec_write_raw(query->answer, buffer_slice(&page->items));
    }
    pair_bool(query->answer, "more", page->more);
    return CONCLAVE_OK;
}

/* --- Pairs --- */

void pair_text(struct buffer *buffer, const char *key, const char *value)
{
    codec_write_text(buffer, key);
    codec_write_text(buffer, value);
}

void pair_string(struct buffer *buffer, const char *key, struct slice value)
{
    codec_write_text(buffer, key);
    codec_write_string(buffer, value);
}

void pair_string_or_nil(struct buffer *buffer, const char *key, struct slice value)
{
    codec_write_text(buffer, key);
    if (value.size > 0) {
        codec_write_string(buffer, value);
    } else {
        codec_write_nil(buffer);
    }
}

void pair_bytes(struct buffer *buffer, const char *key, struct slice value)
{
    codec_write_text(buffer, key);
    codec_write_bytes(buffer, value);
}

void pair_u64(struct buffer *buffer, const char *key, uint64_t value)
{
    codec_write_text(buffer, key);
    codec_write_u64(buffer, value);
}

void pair_bool(struct buffer *buffer, const char *key, bool value)
{
    codec_write_text(buffer, key);
    codec_write_bool(buffer, value);
}

void pair_two(struct buffer *buffer, const char *key, uint64_t first, uint64_t second)
{
    codec_write_text(buffer, key);
    codec_write_array(buffer, 2);
    codec_write_u64(buffer, first);
    codec_write_u64(buffer, second);
}

/* --- The log --- */

enum conclave_code query_command(const struct query *query, uint64_t index, uint32_t position,
                                 struct buffer *bytes, struct envelope *envelope)
{
    ASSERT(query->log != NULL);
    buffer_clear(bytes);
    enum conclave_code code = query->log->read_command(query->log->context, index, position, bytes);
    if (code == CONCLAVE_OK) {
        code = bytes->status;
    }
    if (code == CONCLAVE_OK) {
        struct codec_error ignored;
        code = envelope_decode(envelope, buffer_slice(bytes), &ignored);
    }
    if (code == CONCLAVE_OK || store_failed(code)) {
        return code;
    }
    /* The state says that this command is there and was decided: a log without it is not its log.
     */
    return query_refuse(query, CONCLAVE_CORRUPT, "the log has no command at %llu/%u",
                        (unsigned long long)index, position);
}

const msgpack_object *query_map_value(const msgpack_object *map, const char *key)
{
    if (map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR &&
            slice_is_text(slice_of(pair->key.via.str.ptr, pair->key.via.str.size), key)) {
            return &pair->val;
        }
    }
    return NULL;
}
