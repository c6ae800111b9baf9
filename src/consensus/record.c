/* record.checkpoint, record.proof, record.leaves and record.receipt. */
#include "consensus/record.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stddef.h>

#include "auth/auth.h"
#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "model/model.h"
#include "record/receipt.h"

#define LEAVES_DEFAULT  100u
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void write_u64(struct buffer *answer, const char *name, uint64_t value)
{
    codec_write_text(answer, name);
    codec_write_u64(answer, value);
}

static void write_hash(struct buffer *answer, const char *name, const struct merkle_hash *hash)
{
    codec_write_text(answer, name);
    codec_write_bytes(answer, slice_of(hash->bytes, MERKLE_HASH_BYTES));
}

/* --- record.checkpoint --- */

struct no_params {
    const msgpack_object *ignored;
};

static const struct codec_field no_fields[] = {
    {"stale", CODEC_ANY, false, offsetof(struct no_params, ignored), 0, 0},
    {"timeout_ms", CODEC_ANY, false, offsetof(struct no_params, ignored), 0, 0},
};

static enum conclave_code answer_checkpoint(struct replica *replica, const msgpack_object *params,
                                            struct buffer *answer, struct codec_error *error)
{
    struct no_params ignored;
    const struct checkpoints *checkpoints = &replica->checkpoints;
    enum conclave_code rv =
        codec_decode_map(params, no_fields, COUNT_OF(no_fields), true, &ignored, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct merkle_hash root;
    merkle_root(&replica->tree, &root);
    codec_write_map(answer, 5);
    write_u64(answer, "index", replica->state.applied_index);
    write_u64(answer, "size", replica->tree.size);
    write_hash(answer, "root", &root);
    write_u64(answer, "final", checkpoints->final.size);
    codec_write_text(answer, "note");
    if (checkpoints->final.size > 0) {
        codec_write_string(answer, buffer_slice(&checkpoints->final_note));
    } else {
        codec_write_nil(answer);
    }
    return answer->status;
}

/* --- record.proof --- */

struct proof_params {
    uint64_t leaf, from, to;
    const msgpack_object *ignored;
};

static const struct codec_field proof_fields[] = {
    {"leaf", CODEC_U64, false, offsetof(struct proof_params, leaf), 0, 0},
    {"from", CODEC_U64, false, offsetof(struct proof_params, from), 1, 0},
    {"to", CODEC_U64, false, offsetof(struct proof_params, to), 1, 0},
    {"stale", CODEC_ANY, false, offsetof(struct proof_params, ignored), 0, 0},
    {"timeout_ms", CODEC_ANY, false, offsetof(struct proof_params, ignored), 0, 0},
};

static void write_proof(struct buffer *answer, const struct merkle_proof *proof)
{
    codec_write_text(answer, "hashes");
    codec_write_array(answer, proof->count);
    for (unsigned i = 0; i < proof->count; i++) {
        codec_write_bytes(answer, slice_of(proof->hashes[i].bytes, MERKLE_HASH_BYTES));
    }
}

static enum conclave_code check_proof(const struct replica *replica, struct proof_params *params,
                                      struct codec_error *error)
{
    bool inclusion = params->leaf != UINT64_MAX;
    if (inclusion == (params->from != 0)) {
        codec_error_set(error, "one of \"leaf\" (inclusion) and \"from\" (consistency) is needed");
        return CONCLAVE_BAD_REQUEST;
    }
    if (params->to == 0) {
        params->to = replica->checkpoints.final.size;
    }
    if (params->to > replica->tree.size) {
        codec_error_set(error, "the tree has %" PRIu64 " leaves, not %" PRIu64, replica->tree.size,
                        params->to);
        return CONCLAVE_NOT_FOUND;
    }
    if (inclusion ? params->leaf >= params->to : params->from > params->to) {
        codec_error_set(error, "a tree of %" PRIu64 " leaves does not reach %" PRIu64, params->to,
                        inclusion ? params->leaf : params->from);
        return CONCLAVE_NOT_FOUND;
    }
    return CONCLAVE_OK;
}

static enum conclave_code answer_proof(struct replica *replica, struct kv_transaction *transaction,
                                       const msgpack_object *object, struct buffer *answer,
                                       struct codec_error *error)
{
    struct proof_params params = {.leaf = UINT64_MAX};
    struct merkle_reader reader = tree_reader(transaction);
    struct merkle_proof proof;
    struct merkle_hash from_root;
    struct merkle_hash root;
    enum conclave_code rv =
        codec_decode_map(object, proof_fields, COUNT_OF(proof_fields), true, &params, error);
    if (rv == CONCLAVE_OK) {
        rv = check_proof(replica, &params, error);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    bool inclusion = params.leaf != UINT64_MAX;
    rv = inclusion ? merkle_prove_inclusion(&reader, params.leaf, params.to, &proof)
                   : merkle_prove_consistency(&reader, params.from, params.to, &proof);
    if (rv == CONCLAVE_OK) {
        rv = merkle_root_at(&reader, params.to, &root);
    }
    if (rv == CONCLAVE_OK && !inclusion) {
        rv = merkle_root_at(&reader, params.from, &from_root);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    codec_write_map(answer, inclusion ? 5 : 6);
    write_u64(answer, "index", replica->state.applied_index);
    if (inclusion) {
        write_u64(answer, "leaf", params.leaf);
    } else {
        write_u64(answer, "from", params.from);
        write_hash(answer, "from_root", &from_root);
    }
    write_u64(answer, "to", params.to);
    write_hash(answer, "root", &root);
    write_proof(answer, &proof);
    return answer->status;
}

/* --- record.leaves --- */

struct leaves_params {
    uint64_t from, limit;
    const msgpack_object *ignored;
};

static const struct codec_field leaves_fields[] = {
    {"from", CODEC_U64, true, offsetof(struct leaves_params, from), 0, 0},
    {"limit", CODEC_U64, false, offsetof(struct leaves_params, limit), 1, LIMIT_PAGE_ITEMS},
    {"stale", CODEC_ANY, false, offsetof(struct leaves_params, ignored), 0, 0},
    {"timeout_ms", CODEC_ANY, false, offsetof(struct leaves_params, ignored), 0, 0},
};

struct leaves_page {
    struct buffer items;
    uint32_t count;
};

/* Ends the page, with TOO_LARGE, before a leaf that would make it too long. */
static enum conclave_code page_leaf(void *context, const struct record_leaf *leaf)
{
    struct leaves_page *page = context;
    if (page->count > 0 && page->items.size + leaf->bytes.size > LIMIT_PAGE_BYTES) {
        return CONCLAVE_TOO_LARGE;
    }
    codec_write_bytes(&page->items, leaf->bytes);
    page->count++;
    return page->items.status;
}

static enum conclave_code answer_leaves(struct replica *replica, struct kv_transaction *transaction,
                                        const msgpack_object *object, struct buffer *answer,
                                        struct codec_error *error)
{
    struct leaves_params params = {.limit = LEAVES_DEFAULT};
    struct leaves_page page = {0};
    enum conclave_code rv =
        codec_decode_map(object, leaves_fields, COUNT_OF(leaves_fields), true, &params, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    buffer_init(&page.items, LIMIT_FRAME_BYTES);
    uint64_t size = replica->tree.size;
    while (rv == CONCLAVE_OK && page.count < params.limit && params.from < size &&
           page.count < size - params.from) {
        uint64_t count;
        rv = record_read_leaves(replica, transaction, params.from + page.count,
                                params.limit - page.count, page_leaf, &page, &count);
    }
    if (rv == CONCLAVE_TOO_LARGE && page.items.status == CONCLAVE_OK) {
        rv = CONCLAVE_OK; /* the page is full */
    }
    if (rv == CONCLAVE_OK) {
        codec_write_map(answer, 4);
        write_u64(answer, "index", replica->state.applied_index);
        codec_write_text(answer, "items");
        codec_write_array(answer, page.count);
        if (page.count > 0) {
            codec_write_raw(answer, buffer_slice(&page.items));
        }
        codec_write_text(answer, "more");
        codec_write_bool(answer, params.from < size && page.count < size - params.from);
        write_u64(answer, "size", size);
        rv = answer->status;
    }
    buffer_close(&page.items);
    return rv;
}

/* --- record.receipt --- */

struct receipt_params {
    struct slice poll, member, author, nonce;
    uint64_t index, position;
    const msgpack_object *ignored;
};

static const struct codec_field receipt_fields[] = {
    {"poll", CODEC_STRING, false, offsetof(struct receipt_params, poll), 1, LIMIT_ID_BYTES},
    {"member", CODEC_STRING, false, offsetof(struct receipt_params, member), 1, LIMIT_ID_BYTES},
    {"author", CODEC_STRING, false, offsetof(struct receipt_params, author), 1, LIMIT_ID_BYTES},
    {"nonce", CODEC_BYTES, false, offsetof(struct receipt_params, nonce), ENVELOPE_NONCE_BYTES,
     ENVELOPE_NONCE_BYTES},
    {"index", CODEC_U64, false, offsetof(struct receipt_params, index), 1, 0},
    {"position", CODEC_U64, false, offsetof(struct receipt_params, position), 0, 0},
    {"stale", CODEC_ANY, false, offsetof(struct receipt_params, ignored), 0, 0},
    {"timeout_ms", CODEC_ANY, false, offsetof(struct receipt_params, ignored), 0, 0},
};

/* Asks the model; `params` has been written by the caller, `tree` is that of the answer in
 * `answer`. On success codec_tree_close the tree. */
static enum conclave_code ask_model(struct replica *replica, struct kv_transaction *transaction,
                                    const char *method, struct slice params, struct buffer *answer,
                                    struct codec_tree *tree, struct codec_error *error)
{
    struct codec_tree question;
    enum conclave_code rv = codec_parse(&question, params);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_query(transaction, NULL, slice_of_text(method), &question.root,
                     replica->state.applied_index,
                     slice_of(replica->state.digest, sizeof replica->state.digest), answer, error);
    codec_tree_close(&question);
    if (rv == CONCLAVE_OK) {
        rv = codec_parse(tree, buffer_slice(answer));
    }
    return rv;
}

struct place {
    uint64_t index, position;
};

static const struct codec_field place_fields[] = {
    {"index", CODEC_U64, true, offsetof(struct place, index), 0, 0},
    {"position", CODEC_U64, true, offsetof(struct place, position), 0, 0},
};

static enum conclave_code place_of_ballot(struct replica *replica,
                                          struct kv_transaction *transaction,
                                          const struct receipt_params *params, struct place *place,
                                          struct codec_error *error)
{
    struct buffer question;
    struct buffer answer;
    struct codec_tree tree;
    buffer_init(&question, 1024);
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
    codec_write_map(&question, 2);
    codec_write_text(&question, "poll");
    codec_write_string(&question, params->poll);
    codec_write_text(&question, "member");
    codec_write_string(&question, params->member);
    enum conclave_code rv = question.status;
    if (rv == CONCLAVE_OK) {
        rv = ask_model(replica, transaction, "ballot.get", buffer_slice(&question), &answer, &tree,
                       error);
    }
    if (rv == CONCLAVE_OK) {
        rv = codec_decode_map(&tree.root, place_fields, 2, false, place, error);
        codec_tree_close(&tree);
    }
    buffer_close(&question);
    buffer_close(&answer);
    return rv;
}

/* What the table of replies has for a command. `reply` is nil when it has none. */
struct request_answer {
    struct slice state;
    const msgpack_object *reply;
};

static const struct codec_field request_fields[] = {
    {"state", CODEC_STRING, true, offsetof(struct request_answer, state), 0, 0},
    {"reply", CODEC_ANY, false, offsetof(struct request_answer, reply), 0, 0},
};

static int pack_to_buffer(void *context, const char *data, size_t size)
{
    struct buffer *buffer = context;
    buffer_append(buffer, data, size);
    return buffer->status == CONCLAVE_OK ? 0 : -1;
}

/* The reply to a command, packed as it was, or nothing. */
static enum conclave_code read_reply(struct replica *replica, struct kv_transaction *transaction,
                                     struct slice author, struct slice nonce, struct buffer *reply,
                                     struct place *place, struct codec_error *error)
{
    struct buffer question;
    struct buffer answer;
    struct codec_tree tree;
    struct request_answer request = {0};
    buffer_init(&question, 1024);
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
    codec_write_map(&question, 2);
    codec_write_text(&question, "author");
    codec_write_string(&question, author);
    codec_write_text(&question, "nonce");
    codec_write_bytes(&question, nonce);
    enum conclave_code rv = question.status;
    if (rv == CONCLAVE_OK) {
        rv = ask_model(replica, transaction, "request", buffer_slice(&question), &answer, &tree,
                       error);
    }
    if (rv == CONCLAVE_OK) {
        rv = codec_decode_map(&tree.root, request_fields, 2, false, &request, error);
        if (rv == CONCLAVE_OK && request.reply != NULL &&
            request.reply->type == MSGPACK_OBJECT_MAP) {
            msgpack_packer packer;
            msgpack_packer_init(&packer, reply, pack_to_buffer);
            (void)msgpack_pack_object(&packer, *request.reply); /* the buffer remembers */
            rv = reply->status;
            if (rv == CONCLAVE_OK) {
                rv = codec_decode_map(request.reply, place_fields, 2, false, place, error);
            }
        }
        codec_tree_close(&tree);
    }
    buffer_close(&question);
    buffer_close(&answer);
    return rv;
}

static enum conclave_code place_of_request(struct replica *replica,
                                           struct kv_transaction *transaction,
                                           const struct receipt_params *params, struct place *place,
                                           struct codec_error *error)
{
    struct buffer reply;
    buffer_init(&reply, LIMIT_ANSWER_BYTES);
    enum conclave_code rv =
        read_reply(replica, transaction, params->author, params->nonce, &reply, place, error);
    if (rv == CONCLAVE_OK && reply.size == 0) {
        codec_error_set(error, "the table of replies has no such command (it goes back a day and "
                               "an hour): name its index and position, or its poll and member");
        rv = CONCLAVE_NOT_FOUND;
    }
    buffer_close(&reply);
    return rv;
}

static enum conclave_code find_place(struct replica *replica, struct kv_transaction *transaction,
                                     const struct receipt_params *params, struct place *place,
                                     struct codec_error *error)
{
    bool by_ballot = params->poll.size > 0 && params->member.size > 0;
    bool by_request = params->author.size > 0 && params->nonce.size > 0;
    bool by_place = params->index > 0 && params->position != UINT64_MAX;
    bool half = (params->poll.size > 0) != (params->member.size > 0) ||
                (params->author.size > 0) != (params->nonce.size > 0) ||
                (params->index > 0) != (params->position != UINT64_MAX);
    if (half || by_ballot + by_request + by_place != 1) {
        codec_error_set(error, "name the command by \"poll\" and \"member\", \"index\" and "
                               "\"position\", or \"author\" and \"nonce\"");
        return CONCLAVE_BAD_REQUEST;
    }
    if (by_ballot) {
        return place_of_ballot(replica, transaction, params, place, error);
    }
    if (by_request) {
        return place_of_request(replica, transaction, params, place, error);
    }
    *place = (struct place){.index = params->index, .position = params->position};
    return CONCLAVE_OK;
}

enum conclave_code record_locate(struct replica *replica, struct kv_transaction *transaction,
                                 const msgpack_object *object, uint64_t *number,
                                 struct codec_error *error)
{
    struct receipt_params params = {.position = UINT64_MAX};
    struct place place;
    struct tree_entry entry;
    enum conclave_code rv =
        codec_decode_map(object, receipt_fields, COUNT_OF(receipt_fields), true, &params, error);
    if (rv == CONCLAVE_OK) {
        rv = find_place(replica, transaction, &params, &place, error);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = tree_entry_of_index(transaction, place.index, &entry);
    if (rv == CONCLAVE_NOT_FOUND || (rv == CONCLAVE_OK && place.position >= entry.command_count)) {
        codec_error_set(error, "the log has no command at index %" PRIu64 ", position %" PRIu64,
                        place.index, place.position);
        return CONCLAVE_NOT_FOUND;
    }
    *number = entry.first + (entry.closing ? 1 : 0) + place.position;
    return rv;
}

/* Collects a receipt. */
struct receipt_making {
    struct replica *replica;
    struct kv_transaction *transaction;
    struct receipt receipt;
    struct buffer reply;
    struct buffer *text;
    struct codec_error *error;
};

/* The reply, if the table of replies still has the one that the leaf binds. */
static enum conclave_code add_reply(struct receipt_making *making, const struct record_leaf *leaf)
{
    struct envelope envelope;
    struct leaf decoded;
    struct place place;
    uint8_t digest[LEAF_DIGEST_BYTES];
    enum conclave_code rv = envelope_decode(&envelope, leaf->command, making->error);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_OK;
    }
    rv = read_reply(making->replica, making->transaction, envelope.author, envelope.nonce,
                    &making->reply, &place, making->error);
    envelope_close(&envelope);
    if (rv == CONCLAVE_OK) {
        rv = leaf_decode(&decoded, leaf->bytes);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    auth_sha256(buffer_slice(&making->reply), digest);
    if (making->reply.size > 0 && slice_equal(decoded.reply, slice_of(digest, sizeof digest))) {
        making->receipt.reply = buffer_slice(&making->reply);
    }
    leaf_close(&decoded);
    return CONCLAVE_OK;
}

static enum conclave_code make_receipt(void *context, const struct record_leaf *leaf)
{
    struct receipt_making *making = context;
    struct receipt *receipt = &making->receipt;
    receipt->leaf = leaf->bytes;
    if (leaf->command.size <= RECEIPT_COMMAND_BYTES_MAX) {
        receipt->command = leaf->command;
    }
    enum conclave_code rv = add_reply(making, leaf);
    if (rv == CONCLAVE_OK) {
        receipt_write(making->text, receipt);
        rv = making->text->status;
    }
    return rv;
}

static enum conclave_code answer_receipt(struct replica *replica,
                                         struct kv_transaction *transaction,
                                         const msgpack_object *params, struct buffer *answer,
                                         struct codec_error *error)
{
    const struct checkpoints *checkpoints = &replica->checkpoints;
    struct merkle_reader reader = tree_reader(transaction);
    struct buffer text;
    struct receipt_making making = {
        .replica = replica, .transaction = transaction, .text = &text, .error = error};
    uint64_t count;
    making.receipt.genesis = buffer_slice(&checkpoints->genesis);
    making.receipt.checkpoint = buffer_slice(&checkpoints->final_note);
    enum conclave_code rv =
        record_locate(replica, transaction, params, &making.receipt.number, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t number = making.receipt.number;
    if (number >= checkpoints->final.size || checkpoints->final.size > replica->tree.size) {
        codec_error_set(error,
                        "the command is leaf %" PRIu64 ", and the newest final checkpoint known "
                        "here has %" PRIu64 " leaves: ask again soon",
                        number, checkpoints->final.size);
        return CONCLAVE_NOT_FINAL;
    }
    buffer_init(&text, RECEIPT_BYTES_MAX);
    buffer_init(&making.reply, LIMIT_ANSWER_BYTES);
    rv = merkle_prove_inclusion(&reader, number, checkpoints->final.size, &making.receipt.proof);
    if (rv == CONCLAVE_OK) {
        rv = record_read_leaves(replica, transaction, number, 1, make_receipt, &making, &count);
    }
    if (rv == CONCLAVE_OK) {
        codec_write_map(answer, 4);
        write_u64(answer, "index", replica->state.applied_index);
        write_u64(answer, "leaf", number);
        write_u64(answer, "size", checkpoints->final.size);
        codec_write_text(answer, "receipt");
        codec_write_string(answer, buffer_slice(&text));
        rv = answer->status;
    }
    buffer_close(&making.reply);
    buffer_close(&text);
    return rv;
}

/* --- The contract --- */

bool record_is_query(struct slice method)
{
    static const char prefix[] = "record.";
    return method.size > sizeof prefix - 1 && memcmp(method.data, prefix, sizeof prefix - 1) == 0;
}

enum conclave_code record_query(struct replica *replica, struct kv_transaction *transaction,
                                struct slice method, const msgpack_object *params,
                                struct buffer *answer, struct codec_error *error)
{
    if (slice_is_text(method, "record.checkpoint")) {
        return answer_checkpoint(replica, params, answer, error);
    }
    if (slice_is_text(method, "record.proof")) {
        return answer_proof(replica, transaction, params, answer, error);
    }
    if (slice_is_text(method, "record.leaves")) {
        return answer_leaves(replica, transaction, params, answer, error);
    }
    if (slice_is_text(method, "record.receipt")) {
        return answer_receipt(replica, transaction, params, answer, error);
    }
    return CONCLAVE_UNKNOWN_METHOD;
}

enum conclave_code replica_await_receipt(struct replica *replica, const msgpack_object *params,
                                         uint64_t token, uint64_t timeout_ms,
                                         struct codec_error *error)
{
    ASSERT(replica != NULL && params != NULL && error != NULL);
    struct kv_transaction *transaction;
    uint64_t number;
    error->text[0] = 0;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = record_locate(replica, transaction, params, &number, error);
    kv_abort(transaction);
    return rv == CONCLAVE_OK ? replica_await_final(replica, number + 1, token, timeout_ms) : rv;
}
