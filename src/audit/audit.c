/* The auditor's rounds: for each command its form, its cluster, its signature, its decision, and
 * what it does to the auditor's own books. */
#include "audit/audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "audit/people.h"
#include "audit/poll.h"
#include "audit/receipt.h"
#include "audit/replay.h"
#include "audit/seen.h"
#include "auth/auth.h"
#include "base/memory.h"
#include "codec/envelope.h"

#define SHOWN(text) (int)((text).size < 80 ? (text).size : 80), (const char *)(text).data

struct audit {
    bool has_cluster; /* genesis was seen */
    bool wants_cluster;
    uint8_t wanted_id[AUTH_CLUSTER_ID_BYTES];
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    uint64_t founded_index; /* of the last command that founded a cluster */
    struct audit_people people;
    struct audit_policies policies;
    struct audit_polls polls;
    struct audit_seen seen;
    struct audit_replay replay;
    struct checkpoint_nodes nodes; /* whose checkpoints count: those of genesis */
    bool note_waits;               /* it is by the nodes of a later cluster; */
    struct codec_error no_note;    /* what it is otherwise */
    struct codec_error no_nodes;   /* why there are none */
    struct buffer note;            /* the checkpoint that came with the log; empty: none */
    struct buffer batch;           /* scratch */
    struct slice *items;           /* LIMIT_BATCH_COMMANDS of them: scratch */
    struct audit_summary summary;
    struct audit_fault fault;
};

/* --- Opening and closing --- */

enum conclave_code audit_open(const uint8_t *cluster_id, struct audit **audit)
{
    struct audit *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    buffer_init(&made->batch, 2 * LIMIT_BATCH_BYTES);
    buffer_init(&made->note, CHECKPOINT_NOTE_BYTES_MAX);
    audit_polls_open(&made->polls);
    audit_seen_open(&made->seen);
    if (cluster_id != NULL) {
        made->wants_cluster = true;
        memcpy(made->wanted_id, cluster_id, sizeof made->wanted_id);
    }
    made->items = memory_allocate_zeroed(LIMIT_BATCH_COMMANDS, sizeof *made->items);
    enum conclave_code code = made->items == NULL ? CONCLAVE_NO_MEMORY
                                                  : audit_policies_open(&made->policies);
    if (code == CONCLAVE_OK) {
        code = audit_replay_open(&made->replay);
    }
    if (code != CONCLAVE_OK) {
        audit_close(made);
        return code;
    }
    *audit = made;
    return CONCLAVE_OK;
}

void audit_close(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    audit_replay_close(&audit->replay);
    audit_polls_close(&audit->polls);
    audit_policies_close(&audit->policies);
    audit_people_close(&audit->people);
    audit_seen_close(&audit->seen);
    buffer_close(&audit->batch);
    buffer_close(&audit->note);
    memory_free(audit->items);
    memory_free(audit);
}

const struct audit_fault *audit_fault(const struct audit *audit)
{
    return &audit->fault;
}

void audit_summary(const struct audit *audit, struct audit_summary *summary)
{
    *summary = audit->summary;
    memcpy(summary->cluster_id, audit->cluster_id, sizeof summary->cluster_id);
    summary->leaves = audit->replay.tree.size;
    summary->expected = audit->replay.expect.count;
    summary->time_ms = audit->replay.time_ms;
    memcpy(summary->digest, audit->replay.digest, sizeof summary->digest);
    merkle_root(&audit->replay.tree, &summary->root);
}

/* --- Faults --- */

static enum conclave_code fault_at(struct audit *audit, uint64_t index, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum conclave_code fault_at(struct audit *audit, uint64_t index, const char *format, ...)
{
    ASSERT(!audit->fault.found);
    audit->fault.found = true;
    audit->fault.index = index;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(audit->fault.text, sizeof audit->fault.text, format, arguments);
    va_end(arguments);
    return CONCLAVE_NOT_PROVEN;
}

/* --- The tree --- */

enum conclave_code audit_expect_note(struct audit *audit, struct slice note)
{
    ASSERT(audit != NULL && audit->summary.entries == 0);
    buffer_clear(&audit->note);
    buffer_append(&audit->note, note.data, note.size);
    return audit->note.status;
}

enum conclave_code audit_expect_proven(struct audit *audit, const struct audit_expected *expected)
{
    ASSERT(audit != NULL && audit->summary.entries == 0);
    return audit_expect_add(&audit->replay.expect, expected);
}

/* The checkpoint that came with the log, once the keys are known with which it must be signed: in
 * the genesis, or in the command that restored the log as that of the cluster it is of now. */
static enum conclave_code take_note(struct audit *audit, uint64_t index)
{
    char origin[CHECKPOINT_ORIGIN_BYTES];
    struct checkpoint_verdict verdict;
    struct codec_error error = audit->no_nodes;
    const struct merkle_tree *tree = &audit->replay.tree;
    struct slice note = buffer_slice(&audit->note);
    checkpoint_origin(audit->nodes.cluster_id, origin);
    size_t size = strlen(origin);
    audit->note_waits = note.size > size && memcmp(note.data, origin, size) != 0;
    if (note.size == 0) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = audit->nodes.count == 0
                                  ? CONCLAVE_NOT_PROVEN
                                  : audit_checkpoint(note, &audit->nodes, &verdict, &error);
    if (code != CONCLAVE_OK && audit->note_waits && audit->nodes.count > 0) {
        audit->no_note = error;
        return code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_OK;
    }
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : fault_at(audit, index, "%s", error.text);
    }
    struct audit_expected expected = {.at = verdict.checkpoint.size,
                                      .hash = verdict.checkpoint.root};
    struct merkle_hash root;
    (void)snprintf(expected.name, sizeof expected.name, "the checkpoint that came with the log");
    merkle_root(tree, &root);
    if (expected.at < tree->size || (expected.at == tree->size && tree->size > 0 &&
                                     !merkle_hash_equal(&root, &expected.hash))) {
        return fault_at(audit, index,
                        "the checkpoint that came with the log does not go with the %llu leaves "
                        "that the log had when its cluster began",
                        (unsigned long long)tree->size);
    }
    audit->summary.final_size = expected.at;
    return audit_expect_add(&audit->replay.expect, &expected);
}

/* The keys that sign checkpoints stand in the first command there is. Where no checkpoint is to be
 * checked, it may have none. */
static enum conclave_code take_nodes(struct audit *audit, uint64_t index, struct slice genesis)
{
    enum conclave_code code = audit_genesis(genesis, &audit->nodes, &audit->no_nodes);
    return code == CONCLAVE_NO_MEMORY ? code : take_note(audit, index);
}

/* Something that is signed says otherwise. */
static enum conclave_code check_tree(struct audit *audit, uint64_t index)
{
    const struct audit_replay *replay = &audit->replay;
    if (replay->broken == NULL) {
        return CONCLAVE_OK;
    }
    bool of_command = replay->broken_position != UINT32_MAX;
    audit->fault.has_position = of_command;
    audit->fault.position = of_command ? replay->broken_position : 0;
    if (replay->broken->is_leaf) {
        return fault_at(audit, index, "leaf %llu of this log is not the one that %s proves",
                        (unsigned long long)replay->broken_at, replay->broken->name);
    }
    return fault_at(audit, index,
                    "with these %llu leaves the root is not the one that %s has: something up to "
                    "here was changed, dropped or put in",
                    (unsigned long long)replay->tree.size, replay->broken->name);
}

static enum conclave_code check_tree_end(struct audit *audit)
{
    uint64_t size = audit->replay.tree.size;
    const struct audit_expected *item = audit_expect_beyond(&audit->replay.expect, size);
    if (item == NULL) {
        return CONCLAVE_OK;
    }
    return fault_at(audit, audit->summary.last_index,
                    "the log ends with %llu leaves, and %s is %s %llu: something was dropped",
                    (unsigned long long)size, item->name,
                    item->is_leaf ? "about leaf" : "of a tree of", (unsigned long long)item->at);
}

enum conclave_code audit_chair(const struct audit *audit, struct slice id,
                               const uint8_t key[AUTH_PUBLIC_KEY_BYTES])
{
    ASSERT(audit != NULL && key != NULL);
    const struct audit_person *person = audit_people_find(&audit->people, id);
    if (person == NULL) {
        return CONCLAVE_UNKNOWN_AUTHOR;
    }
    if (!person->active) {
        return CONCLAVE_NOT_ACTIVE;
    }
    if (!audit_labels_have(&person->roles, "", slice_of_text("chair"))) {
        return CONCLAVE_NOT_CHAIR;
    }
    return person->revoked || memcmp(person->key, key, sizeof person->key) != 0
               ? CONCLAVE_KEY_REVOKED
               : CONCLAVE_OK;
}

enum conclave_code audit_covered(struct audit *audit, struct slice note,
                                 const struct merkle_proof *proof)
{
    ASSERT(audit != NULL && proof != NULL && !audit->fault.found);
    struct checkpoint_verdict verdict;
    struct codec_error error = audit->no_nodes;
    struct merkle_hash root;
    uint64_t size = audit->replay.tree.size;
    enum conclave_code code = audit->nodes.count == 0
                                  ? CONCLAVE_NOT_PROVEN
                                  : audit_checkpoint(note, &audit->nodes, &verdict, &error);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : fault_at(audit, 0, "%s", error.text);
    }
    merkle_root(&audit->replay.tree, &root);
    if (!merkle_verify_consistency(size, &root, verdict.checkpoint.size, &verdict.checkpoint.root,
                                   proof)) {
        return fault_at(audit, audit->summary.last_index,
                        "the proof does not lead from the root of these %llu leaves to that of the "
                        "checkpoint of %llu that came with them",
                        (unsigned long long)size, (unsigned long long)verdict.checkpoint.size);
    }
    audit->summary.final_size = size;
    return CONCLAVE_OK;
}

/* --- Commands --- */

/* One command on its way. */
struct command {
    struct audit *audit;
    uint64_t index;
    uint32_t position;
    enum conclave_code code; /* as exported and as replayed */
    const struct envelope *envelope;
    struct audit_person *author;
    struct codec_error error;
};

static enum conclave_code fault_of(const struct command *command, const char *text)
{
    enum conclave_code code = fault_at(command->audit, command->index, "%s", text);
    command->audit->fault.has_position = true;
    command->audit->fault.position = command->position;
    return code;
}

static enum conclave_code check_signature(struct command *command,
                                          const uint8_t key[AUDIT_KEY_BYTES])
{
    const struct envelope *envelope = command->envelope;
    command->audit->summary.signatures++;
    if (auth_verify(key, envelope->bytes, envelope->signature.data)) {
        return CONCLAVE_OK;
    }
    char text[AUDIT_FAULT_BYTES];
    (void)snprintf(text, sizeof text,
                   "the signature of this %.*s is not by the key of its author \"%.*s\": the "
                   "command was altered, or made by somebody else",
                   SHOWN(envelope->kind), SHOWN(envelope->author));
    return fault_of(command, text);
}

/* By the key that holds; or by one that held before, where the command has no effect here: it was
 * refused, or is a copy of one that had its effect then. */
static enum conclave_code check_author_signature(struct command *command)
{
    const struct envelope *envelope = command->envelope;
    const struct audit_person *author = command->author;
    bool effect = command->code == CONCLAVE_OK &&
                  !audit_seen_has(&command->audit->seen, author->number, envelope->nonce);
    if (effect && author->revoked) {
        return fault_of(command, "a command was accepted whose author's key had been revoked");
    }
    for (uint32_t i = 0; !effect && i < author->old_key_count; i++) {
        if (auth_verify(author->old_keys[i], envelope->bytes, envelope->signature.data)) {
            command->audit->summary.signatures++;
            return CONCLAVE_OK;
        }
    }
    return check_signature(command, author->key);
}

static enum conclave_code take_genesis(struct command *command)
{
    struct audit *audit = command->audit;
    const msgpack_object *chair = value_get(command->envelope->body, "chair");
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    auth_cluster_id(command->envelope->bytes, cluster_id);
    struct audit_person *person;
    enum conclave_code code = audit_people_admit(&audit->people, chair, &person);
    if (code == CONCLAVE_OK) {
        code = audit_people_make_chair(person);
    }
    if (code == CONCLAVE_BAD_REQUEST) {
        return fault_of(command, "the genesis names no chair with a key");
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    memcpy(audit->cluster_id, cluster_id, sizeof cluster_id);
    audit->has_cluster = true;
    audit->founded_index = command->index;
    return check_signature(command, person->key);
}

/* Is it about what stands before it? */
static enum conclave_code check_restored(struct command *command, const struct genesis *genesis)
{
    const struct audit *audit = command->audit;
    const struct genesis_former *former = &genesis->former;
    const struct audit_summary *summary = &audit->summary;
    struct merkle_hash root;
    merkle_root(&audit->replay.tree_before, &root);
    if (former->leaves != audit->replay.tree_before.size ||
        memcmp(former->root, root.bytes, sizeof root.bytes) != 0) {
        return fault_of(command, "the cluster was restored with another record than the one before "
                                 "this: the root is not the one that the chair signed");
    }
    if (memcmp(former->digest, audit->replay.digest_before, sizeof former->digest) != 0) {
        return fault_of(command, "the cluster was restored with another state than the one before "
                                 "this: the digest is not the one that the chair signed");
    }
    if (former->count != summary->former_count + 1 ||
        memcmp(former->clusters, summary->former,
               summary->former_count * sizeof summary->former[0]) != 0 ||
        memcmp(former->clusters[summary->former_count], audit->cluster_id,
               sizeof audit->cluster_id) != 0) {
        return fault_of(command, "the cluster was restored from the record of another one");
    }
    return CONCLAVE_OK;
}

/* From here on it is the log of another cluster, with the same people. */
static enum conclave_code take_restore(struct command *command, struct slice bytes)
{
    struct audit *audit = command->audit;
    struct genesis genesis;
    enum conclave_code code = genesis_decode(&genesis, bytes, &command->error);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : fault_of(command, command->error.text);
    }
    audit->summary.signatures++;
    if (audit_chair(audit, genesis.chair, genesis.chair_key.data) != CONCLAVE_OK) {
        return fault_of(command, "the cluster was restored by somebody who was no chair, or with "
                                 "another key than the chair's");
    }
    code = check_restored(command, &genesis);
    if (code != CONCLAVE_OK) {
        return code;
    }
    memcpy(audit->summary.former, genesis.former.clusters, sizeof audit->summary.former);
    audit->summary.former_count = genesis.former.count;
    memcpy(audit->cluster_id, genesis.cluster_id, sizeof audit->cluster_id);
    audit->founded_index = command->index;
    code = audit_genesis(bytes, &audit->nodes, &audit->no_nodes);
    if (code == CONCLAVE_NO_MEMORY) {
        return code;
    }
    return audit->note_waits ? take_note(audit, command->index) : CONCLAVE_OK;
}

/* What the accepted command does to the auditor's books. */
static enum conclave_code take_effect(struct command *command)
{
    struct audit *audit = command->audit;
    const struct envelope *envelope = command->envelope;
    struct audit_moment moment = {command->index, audit->replay.time_ms};
    struct audit_person *person;
    if (slice_is_text(envelope->kind, "ballot.cast")) {
        audit->summary.ballots++;
        return audit_polls_cast(&audit->polls, command->author, moment, envelope->body,
                                &command->error);
    }
    if (slice_is_text(envelope->kind, "poll.open")) {
        return audit_polls_begin(&audit->polls, &audit->people, &audit->policies, moment,
                                 envelope->body, &command->error);
    }
    bool cancel = slice_is_text(envelope->kind, "poll.cancel");
    if (cancel || slice_is_text(envelope->kind, "poll.close")) {
        return audit_polls_end(&audit->polls, moment, envelope->body, cancel, &command->error);
    }
    codec_error_set(&command->error, "an accepted %.*s does not fit what was before it",
                    SHOWN(envelope->kind));
    if (slice_is_text(envelope->kind, "policy.put")) {
        return audit_policies_put(&audit->policies, envelope->body);
    }
    if (slice_is_text(envelope->kind, "member.admit")) {
        return audit_people_admit(&audit->people, envelope->body, &person);
    }
    if (slice_is_text(envelope->kind, "member.update")) {
        return audit_people_update(&audit->people, envelope->body);
    }
    if (slice_is_text(envelope->kind, "member.rotate-key")) {
        return audit_people_rotate(command->author, envelope->body);
    }
    if (slice_is_text(envelope->kind, "member.revoke")) {
        return audit_people_revoke(&audit->people, envelope->body);
    }
    return CONCLAVE_OK; /* proposals do not change what is counted */
}

/* An accepted command: once, whatever the number of its copies. */
static enum conclave_code take_accepted(struct command *command)
{
    bool again;
    enum conclave_code code = audit_seen_note(&command->audit->seen, command->author->number,
                                              command->envelope->nonce, &again);
    if (code != CONCLAVE_OK || again) {
        return code;
    }
    code = take_effect(command);
    if (code == CONCLAVE_NO_MEMORY || code == CONCLAVE_OK) {
        return code;
    }
    return fault_of(command, command->error.text);
}

static enum conclave_code take_envelope(struct command *command)
{
    struct audit *audit = command->audit;
    const struct envelope *envelope = command->envelope;
    if (!audit->has_cluster) {
        return take_genesis(command);
    }
    bool ok = command->code == CONCLAVE_OK;
    bool ours =
        slice_equal(envelope->cluster, slice_of(audit->cluster_id, sizeof audit->cluster_id));
    command->author = audit_people_find(&audit->people, envelope->author);
    if (ok && !ours) {
        return fault_of(command, "a command that was signed for another cluster was accepted");
    }
    if (ok && command->author == NULL) {
        return fault_of(command, "a command was accepted whose author is not a member");
    }
    if (command->author == NULL || !ours) {
        return CONCLAVE_OK; /* refused, and of no effect */
    }
    enum conclave_code code = check_author_signature(command);
    return code == CONCLAVE_OK && ok ? take_accepted(command) : code;
}

static enum conclave_code take_command(struct command *command, struct slice bytes)
{
    struct envelope envelope;
    enum conclave_code code = envelope_decode(&envelope, bytes, &command->error);
    if (code == CONCLAVE_NO_MEMORY) {
        return code;
    }
    if (code != CONCLAVE_OK) {
        return command->code == CONCLAVE_OK
                   ? fault_of(command, "a command was accepted that cannot be decoded")
                   : CONCLAVE_OK;
    }
    command->envelope = &envelope;
    bool restores = command->audit->has_cluster && genesis_founds(&envelope) &&
                    slice_is_text(envelope.kind, GENESIS_RESTORE_KIND);
    if (restores) {
        code = command->code == CONCLAVE_OK ? take_restore(command, bytes) : CONCLAVE_OK;
    } else {
        code = take_envelope(command);
    }
    command->envelope = NULL;
    envelope_close(&envelope);
    return code;
}

/* --- Entries --- */

static enum conclave_code replay_batch(struct audit *audit, const struct audit_entry *entry)
{
    if (entry->command_count > LIMIT_BATCH_COMMANDS) {
        return fault_at(audit, entry->index, "an entry of %u commands, %u are allowed",
                        entry->command_count, LIMIT_BATCH_COMMANDS);
    }
    for (uint32_t i = 0; i < entry->command_count; i++) {
        audit->items[i] = entry->commands[i].bytes;
    }
    buffer_clear(&audit->batch);
    batch_write(&audit->batch, entry->time_ms, entry->closes, entry->close_count, audit->items,
                entry->command_count);
    enum conclave_code code = audit->batch.status;
    if (code == CONCLAVE_OK) {
        code = audit_replay_batch(&audit->replay, entry->index, buffer_slice(&audit->batch));
    }
    return code == CONCLAVE_OK || code == CONCLAVE_NO_MEMORY
               ? code
               : fault_at(audit, entry->index, "the entry cannot be applied: %s",
                          conclave_code_text(code));
}

static enum conclave_code take_commands(struct audit *audit, const struct audit_entry *entry)
{
    for (uint32_t i = 0; i < entry->command_count; i++) {
        struct command command = {
            .audit = audit, .index = entry->index, .position = i, .code = entry->commands[i].code};
        enum conclave_code decided = i < audit->replay.command_count ? audit->replay.codes[i]
                                                                     : CONCLAVE_CODE_COUNT;
        if (decided != command.code) {
            char text[AUDIT_FAULT_BYTES];
            (void)snprintf(text, sizeof text,
                           "the export says \"%s\" of this command; by the rules it is \"%s\"",
                           conclave_code_name(command.code), conclave_code_name(decided));
            return fault_of(&command, text);
        }
        audit->summary.commands++;
        audit->summary.refused += command.code != CONCLAVE_OK;
        enum conclave_code code = take_command(&command, entry->commands[i].bytes);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return CONCLAVE_OK;
}

enum conclave_code audit_entry(struct audit *audit, const struct audit_entry *entry)
{
    ASSERT(audit != NULL && entry != NULL && !audit->fault.found);
    unsigned long long expected = audit->summary.last_index + 1;
    if (entry->index != expected) {
        return fault_at(audit, expected, "entry %llu is missing: the next one is %llu", expected,
                        (unsigned long long)entry->index);
    }
    audit->summary.last_index = entry->index;
    audit->summary.entries++;
    if (!entry->batch) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = CONCLAVE_OK;
    if (!audit->has_cluster && entry->command_count > 0) {
        code = take_nodes(audit, entry->index, entry->commands[0].bytes);
    }
    if (code == CONCLAVE_OK) {
        code = replay_batch(audit, entry);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct audit_moment moment = {entry->index, audit->replay.time_ms};
    for (uint32_t i = 0; i < entry->close_count; i++) {
        audit_polls_close_due(&audit->polls, moment, entry->closes[i]);
    }
    code = take_commands(audit, entry); /* first: what it finds says more */
    return code == CONCLAVE_OK ? check_tree(audit, entry->index) : code;
}

/* --- Decisions --- */

static enum conclave_code compare(struct audit *audit, const struct audit_published *published,
                                  const struct audit_figures *counted)
{
    struct audit_difference difference;
    if (audit_figures_differ(&published->figures, counted, &difference)) {
        return fault_at(audit, published->index,
                        "decision %.*s/%.*s was published with %s = %llu; its ballots say %llu",
                        SHOWN(published->poll), SHOWN(published->question), difference.name,
                        (unsigned long long)difference.said, (unsigned long long)difference.is);
    }
    if (!slice_is_text(published->outcome, counted->outcome)) {
        return fault_at(audit, published->index,
                        "decision %.*s/%.*s was published as \"%.*s\"; its ballots say \"%s\"",
                        SHOWN(published->poll), SHOWN(published->question),
                        SHOWN(published->outcome), counted->outcome);
    }
    return CONCLAVE_OK;
}

enum conclave_code audit_decision(struct audit *audit, const struct audit_published *published)
{
    ASSERT(audit != NULL && published != NULL && !audit->fault.found);
    struct audit_poll *poll = audit_polls_find(&audit->polls, published->poll);
    unsigned q = 0;
    while (poll != NULL && q < poll->question_count &&
           !slice_is_text(published->question, poll->questions[q].id)) {
        q++;
    }
    if (poll == NULL || q == poll->question_count || poll->state == AUDIT_POLL_OPEN) {
        return fault_at(audit, published->index,
                        "decision %.*s/%.*s was published, but the log decides no such question",
                        SHOWN(published->poll), SHOWN(published->question));
    }
    if (published->index != poll->closed_index) {
        return fault_at(audit, published->index,
                        "decision %.*s/%.*s was published for entry %llu; the log has it in %llu",
                        SHOWN(published->poll), SHOWN(published->question),
                        (unsigned long long)published->index,
                        (unsigned long long)poll->closed_index);
    }
    struct audit_figures counted;
    audit_count(&poll->roll, &poll->questions[q].rule, q, &counted);
    if (poll->questions[q].published) {
        return fault_at(audit, published->index, "decision %.*s/%.*s was published twice",
                        SHOWN(published->poll), SHOWN(published->question));
    }
    poll->questions[q].published = true;
    if (poll->state == AUDIT_POLL_CANCELLED) {
        counted.outcome = "cancelled";
    }
    audit->summary.decisions++;
    return compare(audit, published, &counted);
}

enum conclave_code audit_finish(struct audit *audit)
{
    ASSERT(audit != NULL && !audit->fault.found);
    uint64_t decided = 0;
    for (const struct audit_poll *poll = audit->polls.first; poll != NULL; poll = poll->next) {
        audit->summary.polls++;
        audit->summary.questions += poll->question_count;
        decided += poll->state == AUDIT_POLL_OPEN ? 0 : poll->question_count;
    }
    if (!audit->has_cluster) {
        return fault_at(audit, 0, "the log has no genesis: it is not whole");
    }
    if (audit->wants_cluster &&
        memcmp(audit->wanted_id, audit->cluster_id, sizeof audit->cluster_id) != 0) {
        return fault_at(audit, audit->founded_index,
                        "this is the log of another cluster: its genesis does not have the cluster "
                        "id that was asked for");
    }
    if (audit->note_waits) {
        return fault_at(audit, audit->founded_index, "%s", audit->no_note.text);
    }
    if (decided != audit->summary.decisions) {
        return fault_at(audit, 0, "the log decides %llu questions; %llu decisions were published",
                        (unsigned long long)decided, (unsigned long long)audit->summary.decisions);
    }
    return check_tree_end(audit);
}
