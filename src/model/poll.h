/* A poll in memory: what was frozen when it opened (questions, policies, the roll in sums) and its
 * progress (state, counts, tallies).
 *
 * Two records: POLL never changes; PROGRESS is written once a batch. While a batch is applied, the
 * poll at hand is kept decoded in the context, so that a batch of ballots for one poll reads and
 * writes it once (poll_hold, poll_flush).
 */
#ifndef MODEL_POLL_H
#define MODEL_POLL_H

#include "model/labels.h"
#include "model/policy.h"
#include "tally/tally.h"

#define POLL_SHA256_BYTES 32u
#define POLL_NO_LABEL     0xffu /* the question has no veto class, or no expert domain */

enum poll_state {
    POLL_STATE_OPEN = 1,
    POLL_STATE_CLOSED = 2,
    POLL_STATE_CANCELLED = 3
};

enum poll_closed_by {
    POLL_BY_NOBODY = 0, /* open */
    POLL_BY_DEADLINE,
    POLL_BY_SETTLED,
    POLL_BY_CHAIR,
    POLL_BY_CANCEL
};

/* One question, as frozen. All slices point into the poll's bytes. */
struct poll_question {
    struct slice id;
    struct slice title;
    struct slice proposal; /* empty: none */
    uint32_t proposal_revision;
    struct slice policy_id;
    uint32_t policy_version;
    struct slice supersedes; /* "poll/question", or empty */
    struct policy policy;
    uint8_t veto_label;   /* index into poll.veto_classes, or POLL_NO_LABEL */
    uint8_t expert_label; /* index into poll.domains, or POLL_NO_LABEL */
};

/* The sums of one question that change. */
struct poll_count {
    struct tally tally;
    /* Of those who have a valid ballot in the poll, whether they answered this question or not. */
    uint64_t veto_heads;
    uint64_t expert_heads;
};

struct poll {
    /* As opened. */
    uint32_t number;
    struct slice id;
    struct slice title;
    struct slice author;
    uint64_t index;
    uint64_t opened_at_ms;
    uint64_t closes_at_ms; /* the closing instant, inclusive */
    bool imported;
    struct slice imported_source;
    uint8_t imported_sha256[POLL_SHA256_BYTES];
    struct labels electorate;  /* classes; none: all active members */
    uint32_t veto_class_count; /* the distinct ones: bits of a voter's veto_mask */
    struct slice veto_classes[LIMIT_QUESTIONS];
    uint32_t domain_count; /* the same for experts */
    struct slice domains[LIMIT_QUESTIONS];
    uint32_t question_count;
    struct poll_question questions[LIMIT_QUESTIONS];
    bool early_close; /* all questions' policies allow it */
    uint64_t min_open_ms;

    /* The roll in sums; frozen too. */
    uint64_t roll_heads; /* the electorate */
    uint64_t roll_weight;
    uint64_t veto_heads[LIMIT_QUESTIONS];   /* by veto class */
    uint64_t expert_heads[LIMIT_QUESTIONS]; /* by domain */

    /* Progress. */
    enum poll_state state;
    enum poll_closed_by closed_by;
    uint64_t closed_at_ms;
    uint64_t closed_index;
    struct slice reason; /* of a cancellation */
    uint64_t due_ms;     /* a batch stamped so or later closes it; OPEN only */
    bool settled;
    uint32_t voters;      /* members with a valid ballot */
    uint64_t cast_heads;  /* of those, members of the electorate */
    uint64_t cast_weight; /* and their weight */
    struct poll_count counts[LIMIT_QUESTIONS];

    /* Not stored. */
    bool held;                    /* the fields above are those of a poll */
    bool dirty;                   /* progress must be written */
    struct buffer bytes;          /* the record that the slices of the first part point into */
    struct buffer progress_bytes; /* and `reason` */
};

const char *poll_state_name(enum poll_state state);
const char *poll_closed_by_name(enum poll_closed_by by); /* NULL for NOBODY */

/* An empty poll on the heap, or NULL. */
struct poll *poll_new(void);
void poll_free(struct poll *poll); /* NULL is allowed */

/* Makes it empty again, and keeps its memory. */
void poll_clear(struct poll *poll);

/* The number of the poll with this id, or NOT_FOUND. */
enum conclave_code poll_find(struct kv_transaction *transaction, struct slice id, uint32_t *number)
    MUST_USE;

/* Reads both records into `poll`, which owns the bytes. CORRUPT when they are not there. */
enum conclave_code poll_load(struct kv_transaction *transaction, uint32_t number, struct poll *poll)
    MUST_USE;

/* The record POLL, without the sums of the roll or with them. Decoding copies the record into
 * poll->bytes. */
void poll_encode(struct buffer *buffer, const struct poll *poll);
enum conclave_code poll_decode(struct poll *poll, struct slice record) MUST_USE;

/* Makes the poll with this id the one at hand: writes back another that was, reads this one.
 * UNKNOWN_POLL is refused. */
enum conclave_code poll_hold(struct model_context *context, struct slice id, struct poll **poll)
    MUST_USE;

/* Writes back what changed of the poll at hand; works out whether it is settled, and when it is
 * due. */
enum conclave_code poll_flush(struct model_context *context) MUST_USE;

/* The roll of one question, and who may still answer it (those without a ballot: meant for polls
 * without revotes). */
struct tally_roll poll_question_roll(const struct poll *poll, uint32_t question);
struct tally_outstanding poll_question_outstanding(const struct poll *poll, uint32_t question);

/* The question with this id, or UINT32_MAX. */
uint32_t poll_question_find(const struct poll *poll, struct slice id);

/* Places among the states and the due polls. */
enum conclave_code poll_put_state(struct kv_transaction *transaction, const struct poll *poll)
    MUST_USE;
enum conclave_code poll_move_state(struct kv_transaction *transaction, const struct poll *poll,
                                   enum poll_state was) MUST_USE;
enum conclave_code poll_put_due(struct kv_transaction *transaction, const struct poll *poll)
    MUST_USE;
enum conclave_code poll_remove_due(struct kv_transaction *transaction, const struct poll *poll)
    MUST_USE;

#endif
