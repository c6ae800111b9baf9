/* Peer messages as bytes. */
#include "consensus/message.h"

#include <conclave/limits.h>

#include "base/memory.h"
#include "codec/writer.h"
#include "consensus/configuration.h"
#include "record/checkpoint.h"

/* The library's own versions of its messages, as 0.22 sets them: they tell it which fields are
 * there. */
#define RAFT_VOTE_VERSION          2
#define RAFT_VOTE_RESULT_VERSION   2
#define RAFT_APPEND_RESULT_VERSION 2

/* Far above what any log reaches, far below where sums of indexes overflow. */
#define INDEX_MAX (UINT64_C(1) << 62)

#define APPEND_ENTRIES_MAX 4096u
#define ELEMENTS_MAX       8u

/* Reads the elements of a message one after the other; the first fault is remembered. */
struct elements {
    const msgpack_object *items;
    uint32_t count;
    uint32_t next;
    bool bad;
};

static const msgpack_object *next_element(struct elements *elements)
{
    if (elements->bad || elements->next >= elements->count) {
        elements->bad = true;
        return NULL;
    }
    return &elements->items[elements->next++];
}

static uint64_t next_u64(struct elements *elements)
{
    const msgpack_object *object = next_element(elements);
    uint64_t value = 0;
    if (object != NULL && codec_get_u64(object, &value) != CONCLAVE_OK) {
        elements->bad = true;
    }
    return value;
}

/* An index or a term. */
static uint64_t next_index(struct elements *elements)
{
    uint64_t value = next_u64(elements);
    if (value > INDEX_MAX) {
        elements->bad = true;
        return 0;
    }
    return value;
}

static bool next_bool(struct elements *elements)
{
    const msgpack_object *object = next_element(elements);
    bool value = false;
    if (object != NULL && codec_get_bool(object, &value) != CONCLAVE_OK) {
        elements->bad = true;
    }
    return value;
}

static struct slice next_bytes(struct elements *elements, size_t size_min, size_t size_max)
{
    const msgpack_object *object = next_element(elements);
    struct slice value = {0};
    if (object != NULL && (codec_get_bytes(object, &value) != CONCLAVE_OK ||
                           value.size < size_min || value.size > size_max)) {
        elements->bad = true;
        return (struct slice){0};
    }
    return value;
}

/* --- Decoding --- */

static bool decode_entry(const msgpack_object *object, struct raft_entry *entry)
{
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(object, 3, 3, &items, &count) != CONCLAVE_OK) {
        return false;
    }
    struct elements elements = {.items = items, .count = count};
    uint64_t term = next_index(&elements);
    uint64_t type = next_u64(&elements);
    struct slice data = next_bytes(&elements, 0, LIMIT_PEER_FRAME_BYTES);
    if (elements.bad || term == 0 || type < RAFT_COMMAND || type > RAFT_CHANGE) {
        return false;
    }
    if (type == RAFT_CHANGE && !configuration_valid(data)) {
        return false;
    }
    *entry = (struct raft_entry){.term = term,
                                 .type = (enum raft_entry_type)type,
                                 .buf = {.base = (void *)(uintptr_t)data.data, .len = data.size}};
    return true;
}

static enum conclave_code decode_entries(struct message *message, const msgpack_object *object)
{
    struct raft_append_entries *append = &message->raft.append_entries;
    const msgpack_object *items;
    uint32_t count;
    if (object == NULL ||
        codec_get_array(object, 0, APPEND_ENTRIES_MAX, &items, &count) != CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    append->n_entries = count;
    if (count == 0) {
        return CONCLAVE_OK;
    }
    message->entries = memory_allocate_zeroed(count, sizeof *message->entries);
    if (message->entries == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    append->entries = message->entries;
    raft_term previous_term = append->prev_log_term;
    for (uint32_t i = 0; i < count; i++) {
        struct raft_entry *entry = &message->entries[i];
        if (!decode_entry(&items[i], entry) || entry->term < previous_term ||
            entry->term > append->term) {
            return CONCLAVE_BAD_REQUEST;
        }
        previous_term = entry->term;
    }
    /* The first entry of every log is a configuration. */
    if (append->prev_log_index == 0 && message->entries[0].type != RAFT_CHANGE) {
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

static enum conclave_code decode_append(struct message *message, struct elements *elements)
{
    struct raft_append_entries *append = &message->raft.append_entries;
    message->raft.type = RAFT_APPEND_ENTRIES;
    append->term = next_index(elements);
    append->prev_log_index = next_index(elements);
    append->prev_log_term = next_index(elements);
    append->leader_commit = next_index(elements);
    const msgpack_object *entries = next_element(elements);
    if (elements->bad || append->term == 0 ||
        (append->prev_log_index == 0) != (append->prev_log_term == 0) ||
        append->prev_log_term > append->term) {
        return CONCLAVE_BAD_REQUEST;
    }
    return decode_entries(message, entries);
}

static void decode_append_result(struct message *message, struct elements *elements)
{
    struct raft_append_entries_result *result = &message->raft.append_entries_result;
    message->raft.type = RAFT_APPEND_ENTRIES_RESULT;
    result->version = RAFT_APPEND_RESULT_VERSION;
    result->term = next_index(elements);
    result->rejected = next_index(elements);
    result->last_log_index = next_index(elements);
    elements->bad |= result->term == 0;
}

static void decode_vote(struct message *message, struct elements *elements, uint64_t sender)
{
    struct raft_request_vote *vote = &message->raft.request_vote;
    message->raft.type = RAFT_REQUEST_VOTE;
    vote->version = RAFT_VOTE_VERSION;
    vote->candidate_id = sender;
    vote->term = next_index(elements);
    vote->last_log_index = next_index(elements);
    vote->last_log_term = next_index(elements);
    vote->disrupt_leader = next_bool(elements);
    vote->pre_vote = next_bool(elements);
    elements->bad |= vote->term == 0 || vote->last_log_term > vote->term;
}

static void decode_vote_result(struct message *message, struct elements *elements)
{
    struct raft_request_vote_result *result = &message->raft.request_vote_result;
    message->raft.type = RAFT_REQUEST_VOTE_RESULT;
    result->version = RAFT_VOTE_RESULT_VERSION;
    result->term = next_index(elements);
    result->vote_granted = next_bool(elements);
    result->pre_vote = next_bool(elements);
    elements->bad |= result->term == 0;
}

static void decode_timeout_now(struct message *message, struct elements *elements)
{
    struct raft_timeout_now *timeout = &message->raft.timeout_now;
    message->raft.type = RAFT_TIMEOUT_NOW;
    timeout->term = next_index(elements);
    timeout->last_log_index = next_index(elements);
    timeout->last_log_term = next_index(elements);
    elements->bad |= timeout->term == 0;
}

static void decode_forward(struct message *message, struct elements *elements)
{
    /* A signed envelope and its wrapping: what api admitted at the other node. */
    const size_t command_bytes_max = LIMIT_COMMAND_BYTES + 128u;
    message->forward.incarnation = next_u64(elements);
    message->forward.attempt = next_u64(elements);
    message->forward.command = next_bytes(elements, 1, command_bytes_max);
    elements->bad |= message->forward.attempt == 0;
}

static void decode_forward_result(struct message *message, struct elements *elements)
{
    struct message_forward_result *result = &message->forward_result;
    result->incarnation = next_u64(elements);
    result->attempt = next_u64(elements);
    result->command_id = next_bytes(elements, MESSAGE_COMMAND_ID_BYTES, MESSAGE_COMMAND_ID_BYTES);
    const msgpack_object *object = next_element(elements);
    struct slice name = {0};
    if (object == NULL || codec_get_string(object, &name) != CONCLAVE_OK) {
        elements->bad = true;
        return;
    }
    result->code = conclave_code_from_name((const char *)name.data, name.size);
    result->reply = next_bytes(elements, 0, LIMIT_FRAME_BYTES);
    if (result->code == CONCLAVE_OK) {
        /* The reply goes on to a client as it is: it must be one map. */
        struct codec_tree reply;
        if (codec_parse(&reply, result->reply) != CONCLAVE_OK) {
            elements->bad = true;
            return;
        }
        elements->bad |= reply.root.type != MSGPACK_OBJECT_MAP;
        codec_tree_close(&reply);
    } else {
        elements->bad |= (result->code != CONCLAVE_BUSY && result->code != CONCLAVE_DISK_FULL) ||
                         result->reply.size != 0;
    }
}

/* How many leaves a tree has. */
static uint64_t next_size(struct elements *elements)
{
    uint64_t value = next_u64(elements);
    if (value > MERKLE_SIZE_MAX) {
        elements->bad = true;
        return 0;
    }
    return value;
}

static void decode_checkpoint(struct message *message, struct elements *elements)
{
    struct message_checkpoint *checkpoint = &message->checkpoint;
    checkpoint->size = next_size(elements);
    checkpoint->root = next_bytes(elements, MERKLE_HASH_BYTES, MERKLE_HASH_BYTES);
    checkpoint->time_s = next_u64(elements);
    checkpoint->signature = next_bytes(elements, 0, NOTE_ED25519_BYTES);
    bool whole = checkpoint->signature.size == NOTE_ED25519_BYTES;
    bool none = message->type == MESSAGE_CHECKPOINT_COSIGNED && checkpoint->signature.size == 0;
    elements->bad |= checkpoint->size == 0 || (!whole && !none);
}

static void decode_repair(struct message *message, struct elements *elements)
{
    struct message_repair *repair = &message->repair;
    repair->index = next_index(elements);
    repair->term = next_index(elements);
    elements->bad |= repair->index == 0 || repair->term == 0;
    if (message->type == MESSAGE_REPAIR_ENTRY) {
        repair->type = next_u64(elements);
        repair->data = next_bytes(elements, 0, LIMIT_PEER_FRAME_BYTES);
        elements->bad |= repair->type < RAFT_COMMAND || repair->type > RAFT_CHANGE;
    }
}

static enum conclave_code decode_body(struct message *message, struct elements *elements,
                                      uint64_t sender)
{
    enum conclave_code rv = CONCLAVE_OK;
    switch (message->type) {
    case MESSAGE_APPEND:
        rv = decode_append(message, elements);
        break;
    case MESSAGE_APPEND_RESULT:
        decode_append_result(message, elements);
        break;
    case MESSAGE_VOTE:
        decode_vote(message, elements, sender);
        break;
    case MESSAGE_VOTE_RESULT:
        decode_vote_result(message, elements);
        break;
    case MESSAGE_SNAPSHOT:
        message->raft.type = RAFT_INSTALL_SNAPSHOT;
        break;
    case MESSAGE_TIMEOUT_NOW:
        decode_timeout_now(message, elements);
        break;
    case MESSAGE_FORWARD:
        decode_forward(message, elements);
        break;
    case MESSAGE_FORWARD_RESULT:
        decode_forward_result(message, elements);
        break;
    case MESSAGE_REPAIR_ASK:
    case MESSAGE_REPAIR_ENTRY:
        decode_repair(message, elements);
        break;
    case MESSAGE_READ_PING:
    case MESSAGE_READ_PONG:
        message->read_round.term = next_index(elements);
        message->read_round.round = next_u64(elements);
        break;
    case MESSAGE_READ_ASK:
        message->read_ask.ask = next_u64(elements);
        break;
    case MESSAGE_READ_ANSWER:
        message->read_ask.ask = next_u64(elements);
        message->read_ask.index = next_index(elements);
        message->read_ask.term = next_index(elements);
        break;
    case MESSAGE_CHECKPOINT:
    case MESSAGE_CHECKPOINT_COSIGNED:
        decode_checkpoint(message, elements);
        break;
    case MESSAGE_CHECKPOINT_FINAL:
        message->note = next_bytes(elements, 1, CHECKPOINT_NOTE_BYTES_MAX);
        break;
    case MESSAGE_CHECKPOINT_HELD:
        message->checkpoint.size = next_size(elements);
        break;
    default:
        rv = CONCLAVE_BAD_REQUEST;
        break;
    }
    if (rv == CONCLAVE_OK && (elements->bad || elements->next != elements->count)) {
        rv = CONCLAVE_BAD_REQUEST;
    }
    return rv;
}

enum conclave_code message_decode(struct message *message, uint64_t sender, struct slice bytes)
{
    ASSERT(message != NULL && sender != 0);
    *message = (struct message){0};
    if (bytes.size == 0 || bytes.size > LIMIT_PEER_FRAME_BYTES) {
        return CONCLAVE_BAD_REQUEST;
    }
    enum conclave_code rv = codec_parse(&message->tree, bytes);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct elements elements = {0};
    rv = codec_get_array(&message->tree.root, 2, ELEMENTS_MAX, &elements.items, &elements.count);
    if (rv != CONCLAVE_OK) {
        goto err_after_parse;
    }
    uint64_t version = next_u64(&elements);
    uint64_t type = next_u64(&elements);
    if (elements.bad || type > MESSAGE_REPAIR_ENTRY) {
        rv = CONCLAVE_BAD_REQUEST;
        goto err_after_parse;
    }
    if (version != MESSAGE_VERSION) {
        rv = CONCLAVE_BAD_VERSION;
        goto err_after_parse;
    }
    message->type = (enum message_type)type;
    rv = decode_body(message, &elements, sender);
    if (rv != CONCLAVE_OK) {
        goto err_after_parse;
    }
    return CONCLAVE_OK;

err_after_parse:
    ASSERT(rv != CONCLAVE_OK);
    message_close(message);
    return rv;
}

void message_close(struct message *message)
{
    ASSERT(message != NULL);
    memory_free(message->entries);
    codec_tree_close(&message->tree);
    *message = (struct message){0};
}

/* --- Encoding --- */

static void write_head(struct buffer *buffer, enum message_type type, uint32_t body_count)
{
    codec_write_array(buffer, 2 + body_count);
    codec_write_u64(buffer, MESSAGE_VERSION);
    codec_write_u64(buffer, type);
}

void message_write_append(struct buffer *buffer, const struct raft_append_entries *append,
                          struct slice packed_entries, uint32_t entry_count)
{
    ASSERT(append != NULL);
    write_head(buffer, MESSAGE_APPEND, 5);
    codec_write_u64(buffer, append->term);
    codec_write_u64(buffer, append->prev_log_index);
    codec_write_u64(buffer, append->prev_log_term);
    codec_write_u64(buffer, append->leader_commit);
    codec_write_array(buffer, entry_count);
    if (entry_count > 0) {
        codec_write_raw(buffer, packed_entries);
    }
}

void message_write_entry(struct buffer *buffer, uint64_t term, int type, struct slice data)
{
    ASSERT(type >= RAFT_COMMAND && type <= RAFT_CHANGE);
    codec_write_array(buffer, 3);
    codec_write_u64(buffer, term);
    codec_write_u64(buffer, (uint64_t)type);
    codec_write_bytes(buffer, data);
}

static void write_vote(struct buffer *buffer, const struct raft_request_vote *vote)
{
    write_head(buffer, MESSAGE_VOTE, 5);
    codec_write_u64(buffer, vote->term);
    codec_write_u64(buffer, vote->last_log_index);
    codec_write_u64(buffer, vote->last_log_term);
    codec_write_bool(buffer, vote->disrupt_leader);
    codec_write_bool(buffer, vote->pre_vote);
}

void message_write_raft(struct buffer *buffer, const struct raft_message *message)
{
    ASSERT(message != NULL);
    switch (message->type) {
    case RAFT_APPEND_ENTRIES_RESULT:
        write_head(buffer, MESSAGE_APPEND_RESULT, 3);
        codec_write_u64(buffer, message->append_entries_result.term);
        codec_write_u64(buffer, message->append_entries_result.rejected);
        codec_write_u64(buffer, message->append_entries_result.last_log_index);
        break;
    case RAFT_REQUEST_VOTE:
        write_vote(buffer, &message->request_vote);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        write_head(buffer, MESSAGE_VOTE_RESULT, 3);
        codec_write_u64(buffer, message->request_vote_result.term);
        codec_write_bool(buffer, message->request_vote_result.vote_granted);
        codec_write_bool(buffer, message->request_vote_result.pre_vote);
        break;
    case RAFT_TIMEOUT_NOW:
        write_head(buffer, MESSAGE_TIMEOUT_NOW, 3);
        codec_write_u64(buffer, message->timeout_now.term);
        codec_write_u64(buffer, message->timeout_now.last_log_index);
        codec_write_u64(buffer, message->timeout_now.last_log_term);
        break;
    case RAFT_APPEND_ENTRIES:
    case RAFT_INSTALL_SNAPSHOT:
    default:
        UNREACHABLE("these have no body of their own to write");
    }
}

void message_write_forward(struct buffer *buffer, const struct message_forward *forward)
{
    ASSERT(forward != NULL && forward->attempt > 0);
    write_head(buffer, MESSAGE_FORWARD, 3);
    codec_write_u64(buffer, forward->incarnation);
    codec_write_u64(buffer, forward->attempt);
    codec_write_bytes(buffer, forward->command);
}

void message_write_forward_result(struct buffer *buffer,
                                  const struct message_forward_result *result)
{
    ASSERT(result != NULL && result->command_id.size == MESSAGE_COMMAND_ID_BYTES);
    ASSERT(result->code == CONCLAVE_OK || result->code == CONCLAVE_BUSY ||
           result->code == CONCLAVE_DISK_FULL);
    write_head(buffer, MESSAGE_FORWARD_RESULT, 5);
    codec_write_u64(buffer, result->incarnation);
    codec_write_u64(buffer, result->attempt);
    codec_write_bytes(buffer, result->command_id);
    codec_write_text(buffer, conclave_code_name(result->code));
    codec_write_bytes(buffer, result->reply);
}

void message_write_read_round(struct buffer *buffer, enum message_type type,
                              const struct message_read_round *round)
{
    ASSERT(type == MESSAGE_READ_PING || type == MESSAGE_READ_PONG);
    write_head(buffer, type, 2);
    codec_write_u64(buffer, round->term);
    codec_write_u64(buffer, round->round);
}

void message_write_read_ask(struct buffer *buffer, const struct message_read_ask *ask)
{
    ASSERT(ask != NULL);
    write_head(buffer, MESSAGE_READ_ASK, 1);
    codec_write_u64(buffer, ask->ask);
}

void message_write_read_answer(struct buffer *buffer, const struct message_read_ask *answer)
{
    ASSERT(answer != NULL);
    write_head(buffer, MESSAGE_READ_ANSWER, 3);
    codec_write_u64(buffer, answer->ask);
    codec_write_u64(buffer, answer->index);
    codec_write_u64(buffer, answer->term);
}

void message_write_checkpoint(struct buffer *buffer, enum message_type type,
                              const struct message_checkpoint *checkpoint)
{
    ASSERT(type == MESSAGE_CHECKPOINT || type == MESSAGE_CHECKPOINT_COSIGNED);
    ASSERT(checkpoint != NULL && checkpoint->root.size == MERKLE_HASH_BYTES);
    write_head(buffer, type, 4);
    codec_write_u64(buffer, checkpoint->size);
    codec_write_bytes(buffer, checkpoint->root);
    codec_write_u64(buffer, checkpoint->time_s);
    codec_write_bytes(buffer, checkpoint->signature);
}

void message_write_checkpoint_final(struct buffer *buffer, struct slice note)
{
    write_head(buffer, MESSAGE_CHECKPOINT_FINAL, 1);
    codec_write_bytes(buffer, note);
}

void message_write_checkpoint_held(struct buffer *buffer, uint64_t size)
{
    write_head(buffer, MESSAGE_CHECKPOINT_HELD, 1);
    codec_write_u64(buffer, size);
}

void message_write_repair(struct buffer *buffer, enum message_type type,
                          const struct message_repair *repair)
{
    ASSERT(type == MESSAGE_REPAIR_ASK || type == MESSAGE_REPAIR_ENTRY);
    write_head(buffer, type, type == MESSAGE_REPAIR_ASK ? 2 : 4);
    codec_write_u64(buffer, repair->index);
    codec_write_u64(buffer, repair->term);
    if (type == MESSAGE_REPAIR_ENTRY) {
        codec_write_u64(buffer, repair->type);
        codec_write_bytes(buffer, repair->data);
    }
}
