/* Questions to the state, and to the log behind it. */
#include <stddef.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "consensus/core.h"
#include "consensus/record.h"
#include "model/model.h"

#define LOG_READ_METHOD        "log.read"
#define LOG_READ_LIMIT_DEFAULT 100u
#define COUNT_OF(array)        (sizeof(array) / sizeof((array)[0]))

/* --- The bytes of one command --- */

struct command_reading {
    uint32_t position;
    struct buffer *command;
};

static enum conclave_code copy_command(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    struct command_reading *reading = context;
    if (entry->type != LOG_ENTRY_COMMAND) {
        return CONCLAVE_NOT_FOUND;
    }
    struct batch batch;
    enum conclave_code rv = batch_decode(&batch, entry->data);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    struct slice command;
    if (reading->position >= batch.command_count) {
        rv = CONCLAVE_NOT_FOUND;
    } else if (codec_get_bytes(&batch.commands[reading->position], &command) != CONCLAVE_OK) {
        rv = CONCLAVE_CORRUPT;
    } else {
        buffer_append(reading->command, command.data, command.size);
        rv = reading->command->status;
    }
    batch_close(&batch);
    return rv;
}

static enum conclave_code read_command(void *context, uint64_t index, uint32_t position,
                                       struct buffer *command)
{
    struct replica *replica = context;
    if (index == 0 || index > replica->state.applied_index) {
        return CONCLAVE_NOT_FOUND;
    }
    struct command_reading reading = {.position = position, .command = command};
    struct cache_entry *cached = cache_get(&replica->cache, index);
    if (cached != NULL) {
        struct log_entry view = cache_entry_view(cached);
        return copy_command(&reading, index, &view);
    }
    return log_read(replica->config.log, index, index, copy_command, &reading);
}

/* --- log.read --- */

struct page {
    struct kv_transaction *transaction;
    struct buffer items; /* packed entries */
    uint32_t count;
    enum conclave_code *codes; /* LIMIT_BATCH_COMMANDS of them */
};

static void write_entry_head(struct buffer *buffer, uint64_t index, uint64_t term, const char *type,
                             uint64_t time_ms)
{
    codec_write_map(buffer, 6);
    codec_write_text(buffer, "index");
    codec_write_u64(buffer, index);
    codec_write_text(buffer, "term");
    codec_write_u64(buffer, term);
    codec_write_text(buffer, "type");
    codec_write_text(buffer, type);
    codec_write_text(buffer, "time");
    codec_write_u64(buffer, time_ms);
}

static void write_commands(struct buffer *buffer, const struct batch *batch,
                           const enum conclave_code *codes)
{
    codec_write_text(buffer, "commands");
    codec_write_array(buffer, batch->command_count);
    for (uint32_t i = 0; i < batch->command_count; i++) {
        struct slice command;
        enum conclave_code rv = codec_get_bytes(&batch->commands[i], &command);
        ASSERT(rv == CONCLAVE_OK); /* batch_decode has checked it */
        codec_write_map(buffer, 2);
        codec_write_text(buffer, "command");
        codec_write_bytes(buffer, command);
        codec_write_text(buffer, "code");
        codec_write_text(buffer, conclave_code_name(codes[i]));
    }
}

static enum conclave_code write_batch_entry(struct page *page, uint64_t index, uint64_t term,
                                            const struct batch *batch)
{
    uint32_t count = 0;
    enum conclave_code rv =
        model_codes(page->transaction, index, page->codes, LIMIT_BATCH_COMMANDS, &count);
    if (rv != CONCLAVE_OK && !(rv == CONCLAVE_NOT_FOUND && batch->command_count == 0)) {
        return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
    }
    if (count < batch->command_count) {
        return CONCLAVE_CORRUPT;
    }
    write_entry_head(&page->items, index, term, "batch", batch->time_ms);
    codec_write_text(&page->items, "closes");
    codec_write_array(&page->items, batch->close_count);
    for (uint32_t i = 0; i < batch->close_count; i++) {
        struct slice poll;
        rv = codec_get_string(&batch->closes[i], &poll);
        ASSERT(rv == CONCLAVE_OK);
        codec_write_string(&page->items, poll);
    }
    write_commands(&page->items, batch, page->codes);
    return CONCLAVE_OK;
}

static enum conclave_code write_entry(struct page *page, uint64_t index,
                                      const struct log_entry *entry)
{
    if (entry->type != LOG_ENTRY_COMMAND) {
        bool barrier = entry->type == LOG_ENTRY_BARRIER;
        write_entry_head(&page->items, index, entry->term, barrier ? "barrier" : "configuration",
                         0);
        codec_write_text(&page->items, "closes");
        codec_write_array(&page->items, 0);
        codec_write_text(&page->items, "commands");
        codec_write_array(&page->items, 0);
        return page->items.status;
    }
    struct batch batch;
    enum conclave_code rv = batch_decode(&batch, entry->data);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    rv = write_batch_entry(page, index, entry->term, &batch);
    batch_close(&batch);
    return rv == CONCLAVE_OK ? page->items.status : rv;
}

/* Ends the page, with TOO_LARGE, before an entry that would make it too long; the first always
 * fits: LIMIT_BATCH_BYTES sees to it. */
static enum conclave_code page_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct page *page = context;
    size_t size_before = page->items.size;
    if (page->count > 0 && size_before + entry->data.size > LIMIT_PAGE_BYTES) {
        return CONCLAVE_TOO_LARGE;
    }
    enum conclave_code rv = write_entry(page, index, entry);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (page->count > 0 && page->items.size > LIMIT_PAGE_BYTES) {
        page->items.size = size_before;
        return CONCLAVE_TOO_LARGE;
    }
    page->count++;
    return CONCLAVE_OK;
}

struct log_read_params {
    uint64_t from;
    uint64_t limit;
};

static const struct codec_field log_read_fields[] = {
    {"from", CODEC_U64, true, offsetof(struct log_read_params, from), 1, 0},
    {"limit", CODEC_U64, false, offsetof(struct log_read_params, limit), 1, LIMIT_PAGE_ITEMS},
    {"stale", CODEC_ANY, false, 0, 0, 0},      /* the api's */
    {"timeout_ms", CODEC_ANY, false, 0, 0, 0}, /* the api's */
};

static enum conclave_code fill_page(struct replica *replica, struct page *page,
                                    const struct log_read_params *params)
{
    uint64_t applied_index = replica->state.applied_index;
    if (params->from > applied_index) {
        return CONCLAVE_OK;
    }
    uint64_t last_index = applied_index;
    if (params->limit <= applied_index - params->from) {
        last_index = params->from + params->limit - 1;
    }
    enum conclave_code rv =
        log_read(replica->config.log, params->from, last_index, page_entry, page);
    return rv == CONCLAVE_TOO_LARGE && page->items.status == CONCLAVE_OK ? CONCLAVE_OK : rv;
}

static void write_page(const struct replica *replica, const struct page *page,
                       const struct log_read_params *params, struct buffer *answer)
{
    uint64_t applied_index = replica->state.applied_index;
    codec_write_map(answer, 4);
    codec_write_text(answer, "index");
    codec_write_u64(answer, applied_index);
    codec_write_text(answer, "items");
    codec_write_array(answer, page->count);
    if (page->count > 0) {
        codec_write_raw(answer, buffer_slice(&page->items));
    }
    codec_write_text(answer, "more");
    codec_write_bool(answer,
                     params->from <= applied_index && page->count <= applied_index - params->from);
    codec_write_text(answer, "last");
    codec_write_u64(answer, applied_index);
}

/* The parameters by name; `stale` and `timeout_ms` belong to the api. */
static enum conclave_code decode_params(const msgpack_object *object,
                                        struct log_read_params *params, struct codec_error *error)
{
    struct {
        struct log_read_params params;
        const msgpack_object *ignored;
    } target = {.params = {.limit = LOG_READ_LIMIT_DEFAULT}};
    struct codec_field fields[COUNT_OF(log_read_fields)];
    memcpy(fields, log_read_fields, sizeof fields);
    for (size_t i = 2; i < COUNT_OF(fields); i++) {
        fields[i].offset = sizeof(struct log_read_params);
    }
    enum conclave_code rv =
        codec_decode_map(object, fields, COUNT_OF(fields), true, &target, error);
    *params = target.params;
    return rv;
}

static enum conclave_code read_log(struct replica *replica, struct kv_transaction *transaction,
                                   const msgpack_object *object, struct buffer *answer,
                                   struct codec_error *error)
{
    struct log_read_params params;
    enum conclave_code rv = decode_params(object, &params, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct page page = {.transaction = transaction};
    page.codes = memory_allocate(LIMIT_BATCH_COMMANDS * sizeof *page.codes);
    if (page.codes == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    buffer_init(&page.items, 2u * LIMIT_FRAME_BYTES);
    rv = fill_page(replica, &page, &params);
    if (rv == CONCLAVE_OK) {
        write_page(replica, &page, &params, answer);
        rv = answer->status;
    } else {
        codec_error_set(error, "the log cannot be read: %s", conclave_code_text(rv));
    }
    buffer_close(&page.items);
    memory_free(page.codes);
    return rv;
}

/* --- The contract --- */

enum conclave_code replica_query(struct replica *replica, struct slice method,
                                 const msgpack_object *params, struct buffer *answer,
                                 struct codec_error *error)
{
    ASSERT(replica != NULL && params != NULL && answer != NULL && error != NULL);
    error->text[0] = 0;
    bool is_log_read = slice_is_text(method, LOG_READ_METHOD);
    bool is_record = record_is_query(method);
    if (!is_log_read && !is_record && !model_is_query(method)) {
        return CONCLAVE_UNKNOWN_METHOD;
    }
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (is_log_read) {
        rv = read_log(replica, transaction, params, answer, error);
    } else if (is_record) {
        rv = record_query(replica, transaction, method, params, answer, error);
    } else {
        const struct model_log log = {.context = replica, .read_command = read_command};
        rv = model_query(transaction, &log, method, params, replica->state.applied_index,
                         slice_of(replica->state.digest, sizeof replica->state.digest), answer,
                         error);
    }
    kv_abort(transaction);
    if (rv == CONCLAVE_CORRUPT) {
        replica_fail(replica, rv, "what a query reads is damaged");
    }
    return rv;
}

enum conclave_code replica_author(struct replica *replica, struct slice author,
                                  struct model_author *out)
{
    ASSERT(replica != NULL && out != NULL);
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_author(transaction, author, out);
    kv_abort(transaction);
    return rv;
}

enum conclave_code replica_reply(struct replica *replica, struct slice author, struct slice nonce,
                                 struct slice envelope, struct buffer *reply)
{
    ASSERT(replica != NULL && reply != NULL);
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_reply(transaction, author, nonce, envelope, reply);
    kv_abort(transaction);
    return rv;
}

enum conclave_code replica_reads_public(struct replica *replica, bool *reads_public)
{
    ASSERT(replica != NULL && reads_public != NULL);
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_reads_public(transaction, reads_public);
    kv_abort(transaction);
    return rv;
}
