/* Repairs of the log. See the header. */
#include "consensus/repair.h"

#include "base/logger.h"
#include "consensus/core.h"

#define ASK_MS 300u

static enum conclave_code ignore(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)context;
    (void)index;
    (void)entry;
    return CONCLAVE_OK;
}

static enum conclave_code look(struct replica *replica, uint64_t index)
{
    return log_read(replica->config.log, index, index, ignore, NULL);
}

bool repair_take(struct replica *replica, uint64_t index)
{
    uint64_t term;
    enum log_entry_type type;
    struct repair *repair = &replica->repair;
    if (repair->index == index) {
        return true;
    }
    /* One at a time: whoever meets another one meets it again. */
    if (repair->index != 0 || replica->raft.configuration.n < 2 ||
        look(replica, index) != CONCLAVE_CORRUPT ||
        log_read_header(replica->config.log, index, &term, &type) != CONCLAVE_OK) {
        return repair->index != 0;
    }
    LOG_ERROR("an entry of the log is damaged: it is fetched from another node, and until then "
              "this one does not vote",
              FIELD_U64("index", index), FIELD_U64("term", term));
    *repair = (struct repair){.index = index, .term = term, .ask_ms = replica->now_ms};
    replica->work_pending = true;
    return true;
}

/* The next server of the configuration after the one that was asked last. */
static uint64_t next_peer(const struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    unsigned begin = 0;
    while (begin < configuration->n &&
           configuration->servers[begin].id != replica->repair.asked_id) {
        begin++;
    }
    for (unsigned i = 1; i <= configuration->n; i++) {
        uint64_t id = configuration->servers[(begin + i) % configuration->n].id;
        if (id != replica->config.node_id) {
            return id;
        }
    }
    return 0;
}

static void finish(struct replica *replica)
{
    const struct replica_host *host = replica->config.host;
    uint64_t index = replica->repair.index;
    replica->repair = (struct repair){0};
    replica->work_pending = true;
    if (host->repaired != NULL) {
        host->repaired(host->context, index);
    }
}

void repair_run(struct replica *replica)
{
    struct repair *repair = &replica->repair;
    if (repair->index == 0 || replica->now_ms < repair->ask_ms) {
        return;
    }
    /* Read well after all, or replaced, as nobody had committed it. */
    if (look(replica, repair->index) != CONCLAVE_CORRUPT) {
        finish(replica);
        return;
    }
    repair->ask_ms = replica->now_ms + ASK_MS;
    repair->asked_id = next_peer(replica);
    if (repair->asked_id != 0) {
        const struct message_repair ask = {.index = repair->index, .term = repair->term};
        message_write_repair(&replica->message, MESSAGE_REPAIR_ASK, &ask);
        replica_send(replica, repair->asked_id);
    }
}

uint64_t repair_deadline_ms(const struct replica *replica)
{
    return replica->repair.index == 0 ? UINT64_MAX : replica->repair.ask_ms;
}

struct answering {
    struct replica *replica;
    uint64_t node_id;
    uint64_t term;
};

static enum conclave_code answer_with(void *context, uint64_t index, const struct log_entry *entry)
{
    struct answering *answering = context;
    if (entry->term == answering->term) {
        const struct message_repair answer = {.index = index,
                                              .term = entry->term,
                                              .type = (uint64_t)entry->type,
                                              .data = entry->data};
        message_write_repair(&answering->replica->message, MESSAGE_REPAIR_ENTRY, &answer);
        replica_send(answering->replica, answering->node_id);
    }
    return CONCLAVE_OK;
}

void repair_asked(struct replica *replica, uint64_t node_id, const struct message_repair *ask)
{
    struct answering answering = {.replica = replica, .node_id = node_id, .term = ask->term};
    /* Who has it not, or damaged, says nothing: another one is asked. */
    enum conclave_code code =
        log_read(replica->config.log, ask->index, ask->index, answer_with, &answering);
    replica->messages_dropped += code != CONCLAVE_OK;
}

void repair_answered(struct replica *replica, const struct message_repair *answer)
{
    struct repair *repair = &replica->repair;
    if (answer->index != repair->index || answer->term != repair->term) {
        return;
    }
    const struct log_entry entry = {
        .term = answer->term, .type = (enum log_entry_type)answer->type, .data = answer->data};
    enum conclave_code code = log_repair(replica->config.log, repair->index, &entry);
    if (code == CONCLAVE_IO) {
        replica_fail(replica, code, "an entry of the log could not be repaired");
        return;
    }
    /* It may have been replaced by another one meanwhile: that is well, too. */
    if (look(replica, repair->index) == CONCLAVE_CORRUPT) {
        LOG_WARN("an entry of the log could not be repaired yet", FIELD_U64("index", repair->index),
                 FIELD_TEXT("code", conclave_code_name(code)));
        return;
    }
    LOG_INFO("an entry of the log was repaired from another node",
             FIELD_U64("index", repair->index));
    finish(replica);
}

enum conclave_code replica_repair(struct replica *replica, uint64_t index)
{
    ASSERT(replica != NULL && index >= 1);
    replica_advance(replica);
    if (replica->failed) {
        return CONCLAVE_SHUTTING_DOWN;
    }
    enum conclave_code code = look(replica, index);
    if (code != CONCLAVE_CORRUPT) {
        return code;
    }
    (void)repair_take(replica, index);
    if (replica->repair.index == 0) {
        return CONCLAVE_CORRUPT;
    }
    return replica->repair.index == index ? CONCLAVE_OK : CONCLAVE_BUSY;
}
