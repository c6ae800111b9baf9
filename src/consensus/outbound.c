/* Outgoing raft messages. */
#include "consensus/outbound.h"

#include "base/mutant.h"

/* Packs entries into replica->entries until LIMIT_APPEND_BYTES is reached, at least one. */
struct packing {
    struct replica *replica;
    uint64_t next_index;
    uint32_t count;
    uint64_t last_term;
};

static bool is_full(const struct packing *packing)
{
    return packing->count > 0 && packing->replica->entries.size >= LIMIT_APPEND_BYTES;
}

static void pack(struct packing *packing, const struct log_entry *entry)
{
    message_write_entry(&packing->replica->entries, entry->term, (int)entry->type, entry->data);
    packing->next_index++;
    packing->count++;
    packing->last_term = entry->term;
}

/* Ends the reading of the log when the message is full: NOT_FOUND cannot come from here otherwise,
 * the caller asks for entries that are there. */
static enum conclave_code pack_from_log(void *context, uint64_t index,
                                        const struct log_entry *entry)
{
    struct packing *packing = context;
    ASSERT(index == packing->next_index);
    if (is_full(packing)) {
        return CONCLAVE_TOO_LARGE;
    }
    pack(packing, entry);
    return CONCLAVE_OK;
}

/* Packs from `packing->next_index` on, not past `last_index`. */
static bool pack_entries(struct packing *packing, uint64_t last_index)
{
    struct replica *replica = packing->replica;
    buffer_clear(&replica->entries);
    uint64_t cached_index = replica->cache.first_index;
    if (packing->next_index <= last_index && packing->next_index < cached_index) {
        uint64_t log_last = last_index < cached_index ? last_index : cached_index - 1;
        enum conclave_code rv =
            log_read(replica->config.log, packing->next_index, log_last, pack_from_log, packing);
        if (rv == CONCLAVE_CORRUPT && repair_take(replica, packing->next_index)) {
            return false; /* the core sends it again */
        }
        if (rv != CONCLAVE_OK && rv != CONCLAVE_TOO_LARGE) {
            replica_fail(replica, rv, "an entry of the log could not be read for a peer");
            return false;
        }
    }
    while (packing->next_index <= last_index && !is_full(packing)) {
        const struct cache_entry *entry = cache_get(&replica->cache, packing->next_index);
        ASSERT(entry != NULL);
        struct log_entry view = cache_entry_view(entry);
        pack(packing, &view);
    }
    return true;
}

static void send_append(struct replica *replica, uint64_t node_id,
                        const struct raft_append_entries *append)
{
    struct raft_append_entries part = *append;
    uint64_t last_index = append->prev_log_index + append->n_entries;
    do {
        struct packing packing = {.replica = replica, .next_index = part.prev_log_index + 1};
        if (!pack_entries(&packing, last_index)) {
            return;
        }
        if (replica->entries.status != CONCLAVE_OK) { /* there may be none of them */
            replica_fail(replica, replica->entries.status,
                         "entries for a peer could not be packed");
            return;
        }
        message_write_append(&replica->message, &part, buffer_slice(&replica->entries),
                             packing.count);
        replica_send(replica, node_id);
        part.prev_log_index = packing.next_index - 1;
        part.prev_log_term = packing.last_term;
    } while (part.prev_log_index < last_index && !replica->failed);
}

void outbound_send(struct replica *replica, const struct raft_message *message)
{
    struct raft_message copy;
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        send_append(replica, message->server_id, &message->append_entries);
        return;
    case RAFT_REQUEST_VOTE_RESULT:
        copy = *message;
        /* M2: the core echoes the term of a refused pre-vote, so that a candidate with an older
         * term never learns ours, and two nodes can refuse each other for ever. */
        if (!MUTANT(7) && copy.request_vote_result.pre_vote &&
            !copy.request_vote_result.vote_granted &&
            copy.request_vote_result.term < raft_current_term(&replica->raft)) {
            copy.request_vote_result.term = raft_current_term(&replica->raft);
            replica->mitigations[2]++;
        }
        message_write_raft(&replica->message, &copy);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        if (replica->repair.index != 0 && message->append_entries_result.rejected == 0) {
            replica->messages_dropped++;
            return; /* what it stands on is not whole here */
        }
        message_write_raft(&replica->message, message);
        break;
    case RAFT_REQUEST_VOTE:
    case RAFT_TIMEOUT_NOW:
        message_write_raft(&replica->message, message);
        break;
    case RAFT_INSTALL_SNAPSHOT: /* M5: the log is whole, so nobody is ever behind its start */
    default:
        replica->messages_dropped++;
        return;
    }
    replica_send(replica, message->server_id);
}
