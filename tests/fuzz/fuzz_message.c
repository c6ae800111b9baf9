/* src/consensus/message.h: what is decoded can be written again, and is then decoded as the same.
 *
 * fuzz: -max_len=256
 */
#include "consensus/message.h"

#include <conclave/limits.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "fuzz/mutate.h"

static const char *const words[] = {"ok", "busy", NULL};

static struct buffer written, entries;

void fuzz_open(void)
{
    buffer_init(&written, 2u * LIMIT_PEER_FRAME_BYTES);
    buffer_init(&entries, 2u * LIMIT_PEER_FRAME_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, words);
}

static void write_append(const struct raft_append_entries *append)
{
    buffer_clear(&entries);
    for (unsigned i = 0; i < append->n_entries; i++) {
        const struct raft_entry *entry = &append->entries[i];
        message_write_entry(&entries, entry->term, (int)entry->type,
                            slice_of(entry->buf.base, entry->buf.len));
    }
    message_write_append(&written, append, buffer_slice(&entries), append->n_entries);
}

static void write_again(const struct message *message)
{
    buffer_clear(&written);
    switch (message->type) {
    case MESSAGE_APPEND:
        write_append(&message->raft.append_entries);
        break;
    case MESSAGE_FORWARD:
        message_write_forward(&written, &message->forward);
        break;
    case MESSAGE_FORWARD_RESULT:
        message_write_forward_result(&written, &message->forward_result);
        break;
    case MESSAGE_READ_PING:
    case MESSAGE_READ_PONG:
        message_write_read_round(&written, message->type, &message->read_round);
        break;
    case MESSAGE_READ_ASK:
        message_write_read_ask(&written, &message->read_ask);
        break;
    case MESSAGE_READ_ANSWER:
        message_write_read_answer(&written, &message->read_ask);
        break;
    case MESSAGE_CHECKPOINT:
    case MESSAGE_CHECKPOINT_COSIGNED:
        message_write_checkpoint(&written, message->type, &message->checkpoint);
        break;
    case MESSAGE_CHECKPOINT_FINAL:
        message_write_checkpoint_final(&written, message->note);
        break;
    case MESSAGE_CHECKPOINT_HELD:
        message_write_checkpoint_held(&written, message->checkpoint.size);
        break;
    case MESSAGE_REPAIR_ASK:
    case MESSAGE_REPAIR_ENTRY:
        message_write_repair(&written, message->type, &message->repair);
        break;
    case MESSAGE_SNAPSHOT: /* has no writer */
        codec_write_array(&written, 2);
        codec_write_u64(&written, MESSAGE_VERSION);
        codec_write_u64(&written, MESSAGE_SNAPSHOT);
        break;
    case MESSAGE_APPEND_RESULT:
    case MESSAGE_VOTE:
    case MESSAGE_VOTE_RESULT:
    case MESSAGE_TIMEOUT_NOW:
        message_write_raft(&written, &message->raft);
        break;
    }
    ASSERT(written.status == CONCLAVE_OK);
}

static void compare_appends(const struct raft_append_entries *a,
                            const struct raft_append_entries *b)
{
    ASSERT(a->term == b->term && a->prev_log_index == b->prev_log_index);
    ASSERT(a->prev_log_term == b->prev_log_term && a->leader_commit == b->leader_commit);
    ASSERT(a->n_entries == b->n_entries);
    for (unsigned i = 0; i < a->n_entries; i++) {
        const struct raft_entry *x = &a->entries[i];
        const struct raft_entry *y = &b->entries[i];
        ASSERT(x->term == y->term && x->type == y->type);
        ASSERT(slice_equal(slice_of(x->buf.base, x->buf.len), slice_of(y->buf.base, y->buf.len)));
    }
}

static void compare(const struct message *a, const struct message *b)
{
    ASSERT(a->type == b->type);
    if (a->type == MESSAGE_APPEND) {
        compare_appends(&a->raft.append_entries, &b->raft.append_entries);
    } else if (a->type == MESSAGE_FORWARD) {
        ASSERT(slice_equal(a->forward.command, b->forward.command));
        ASSERT(a->forward.attempt == b->forward.attempt);
        ASSERT(a->forward.incarnation == b->forward.incarnation);
    } else if (a->type == MESSAGE_FORWARD_RESULT) {
        ASSERT(slice_equal(a->forward_result.reply, b->forward_result.reply));
        ASSERT(slice_equal(a->forward_result.command_id, b->forward_result.command_id));
        ASSERT(a->forward_result.code == b->forward_result.code);
    }
}

/* All values of other types are compared by their bytes: written again, they are the same. */
void fuzz_run(struct slice input)
{
    struct message first;
    struct message second;
    if (message_decode(&first, 2, input) != CONCLAVE_OK) {
        return;
    }
    write_again(&first);
    uint8_t *copy = fuzz_copy(buffer_slice(&written));
    struct slice bytes = slice_of(copy, written.size);
    enum conclave_code rv = message_decode(&second, 2, bytes);
    ASSERT(rv == CONCLAVE_OK);
    compare(&first, &second);
    write_again(&second);
    ASSERT(slice_equal(bytes, buffer_slice(&written)));
    message_close(&second);
    message_close(&first);
    free(copy);
}

static void seed_raft(struct buffer *seed, const char *name, struct raft_message message)
{
    message_write_raft(seed, &message);
    fuzz_seed_buffer(name, "", seed);
}

static void seed_others(struct buffer *seed)
{
    message_write_forward(seed, &(struct message_forward){7, 1, slice_of_text("a command")});
    fuzz_seed_buffer("forward", "", seed);
    message_write_forward_result(
        seed, &(struct message_forward_result){7, 1, slice_of_text("0123456789abcdef"), CONCLAVE_OK,
                                               slice_of_text("\x80")});
    fuzz_seed_buffer("forward-result", "", seed);
    message_write_read_round(seed, MESSAGE_READ_PING, &(struct message_read_round){3, 9});
    fuzz_seed_buffer("ping", "", seed);
    message_write_read_round(seed, MESSAGE_READ_PONG, &(struct message_read_round){3, 9});
    fuzz_seed_buffer("pong", "", seed);
    message_write_read_ask(seed, &(struct message_read_ask){.ask = 4});
    fuzz_seed_buffer("ask", "", seed);
    message_write_read_answer(seed, &(struct message_read_ask){4, 90, 3});
    fuzz_seed_buffer("answer", "", seed);
}

static void seed_checkpoints(struct buffer *seed)
{
    static const uint8_t root[32] = {1}, signature[64] = {2};
    struct message_checkpoint checkpoint = {.size = 5,
                                            .root = slice_of(root, sizeof root),
                                            .time_s = 1700000000,
                                            .signature = slice_of(signature, sizeof signature)};
    message_write_checkpoint(seed, MESSAGE_CHECKPOINT, &checkpoint);
    fuzz_seed_buffer("checkpoint", "", seed);
    message_write_checkpoint(seed, MESSAGE_CHECKPOINT_COSIGNED, &checkpoint);
    fuzz_seed_buffer("cosigned", "", seed);
    checkpoint.signature = slice_of(NULL, 0);
    message_write_checkpoint(seed, MESSAGE_CHECKPOINT_COSIGNED, &checkpoint);
    fuzz_seed_buffer("another-root", "", seed);
    message_write_checkpoint_final(seed, slice_of_text("conclave/x\n5\nAA==\n\n"));
    fuzz_seed_buffer("final", "", seed);
    message_write_checkpoint_held(seed, 5);
    fuzz_seed_buffer("held", "", seed);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    buffer_clear(&entries);
    message_write_entry(&entries, 2, RAFT_COMMAND, slice_of_text("data"));
    message_write_entry(&entries, 3, RAFT_BARRIER, slice_of_text(""));
    struct raft_append_entries append = {
        .term = 3, .prev_log_index = 2, .prev_log_term = 1, .leader_commit = 2};
    message_write_append(&seed, &append, buffer_slice(&entries), 2);
    fuzz_seed_buffer("append", "", &seed);
    message_write_append(&seed, &append, (struct slice){0}, 0);
    fuzz_seed_buffer("heartbeat", "", &seed);
    seed_raft(&seed, "append-result",
              (struct raft_message){.type = RAFT_APPEND_ENTRIES_RESULT,
                                    .append_entries_result = {.term = 3, .last_log_index = 4}});
    seed_raft(&seed, "vote",
              (struct raft_message){.type = RAFT_REQUEST_VOTE,
                                    .request_vote = {.term = 4, .last_log_index = 4}});
    seed_raft(&seed, "vote-result",
              (struct raft_message){.type = RAFT_REQUEST_VOTE_RESULT,
                                    .request_vote_result = {.term = 4, .vote_granted = true}});
    seed_raft(&seed, "timeout-now",
              (struct raft_message){.type = RAFT_TIMEOUT_NOW,
                                    .timeout_now = {.term = 4, .last_log_index = 4}});
    seed_others(&seed);
    seed_checkpoints(&seed);
    buffer_close(&seed);
}
