/* Polls as the auditor sees them: rolls frozen by his own register of members, ballots taken from
 * the accepted commands, and for each question the figures that his own count gives.
 *
 * Where a node accepted what the rules do not allow (a ballot after closing, by nobody on the roll,
 * of a score out of range, ...), that is the fault: BAD_REQUEST with `error` saying which rule. */
#ifndef AUDIT_POLL_H
#define AUDIT_POLL_H

#include "audit/count.h"
#include "audit/people.h"

struct audit_question {
    char id[LIMIT_ID_BYTES + 1];
    char policy[LIMIT_ID_BYTES + 1];
    uint64_t policy_version;
    struct audit_rule rule;
    bool published; /* its decision was compared */
};

enum audit_poll_state {
    AUDIT_POLL_OPEN,
    AUDIT_POLL_CLOSED,
    AUDIT_POLL_CANCELLED
};

struct audit_poll {
    char id[LIMIT_ID_BYTES + 1];
    enum audit_poll_state state;
    uint64_t opened_ms, closes_ms;
    uint64_t closed_index, closed_ms; /* when it is no longer open */
    struct audit_question *questions;
    unsigned question_count;
    struct audit_roll roll;
    struct audit_poll *next; /* in the order of opening */
};

struct audit_polls {
    void *by_id; /* tsearch's */
    struct audit_poll *first, **last;
    size_t count, open_count;
};

void audit_polls_open(struct audit_polls *polls);
void audit_polls_close(struct audit_polls *polls);

struct audit_poll *audit_polls_find(const struct audit_polls *polls, struct slice id);

/* Where and when a command was decided. */
struct audit_moment {
    uint64_t index;
    uint64_t time_ms;
};

/* poll.open: freezes the roll. BAD_REQUEST; NO_MEMORY. */
enum conclave_code audit_polls_begin(struct audit_polls *polls, const struct audit_people *people,
                                     const struct audit_policies *policies,
                                     struct audit_moment moment, const msgpack_object *body,
                                     struct codec_error *error) MUST_USE;

/* ballot.cast. BAD_REQUEST; NO_MEMORY. */
enum conclave_code audit_polls_cast(struct audit_polls *polls, const struct audit_person *author,
                                    struct audit_moment moment, const msgpack_object *body,
                                    struct codec_error *error) MUST_USE;

/* poll.close and poll.cancel by a chair. BAD_REQUEST. */
enum conclave_code audit_polls_end(struct audit_polls *polls, struct audit_moment moment,
                                   const msgpack_object *body, bool cancel,
                                   struct codec_error *error) MUST_USE;

/* What the leader found due: closes the poll if it is open, and past its time or settled; as on the
 * nodes, anything else is of no effect. */
void audit_polls_close_due(struct audit_polls *polls, struct audit_moment moment, struct slice id);

#endif
