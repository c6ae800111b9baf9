/* An independent recount: the governance of docs/PROTOCOL.md and docs/SEMANTICS.md, written again
 * for the simulator, from the bytes of log entries alone. It shares no code with src/model,
 * src/tally or src/codec (it unpacks with msgpack-c itself), keeps everything in plain arrays,
 * forgets nothing and counts every tally anew from the ballots. What it says about an index is what
 * every node must say about it (I2, I6, I9).
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "log/log.h"
#include "sim/sim.h"

#define SIM_MEMBERS   40u
#define SIM_POLLS     24u
#define SIM_QUESTIONS 3u
#define SIM_NAME      24u
#define SIM_LABELS    4u

enum sim_choice {
    SIM_LEFT_OUT,
    SIM_YES,
    SIM_NO,
    SIM_ABSTAIN,
    SIM_SCORE
};

struct sim_share {
    uint64_t numerator, denominator;
};

struct sim_rule {
    bool score;
    uint64_t min, max;
    char base; /* 'd'ecisive, 'c'ast, 'e'ligible */
    struct sim_share pass;
    bool at_least;
    char quorum; /* 0, 'h'eads, 'w'eight */
    struct sim_share quorum_share;
    bool veto, veto_explicit, veto_of_roll;
    char veto_class[SIM_NAME];
    uint64_t veto_score, justification;
    struct sim_share reject, revise;
    bool experts;
    char domain[SIM_NAME];
    uint64_t approvals, objections;
    bool required; /* rationale */
    bool final;
    bool early;
    uint64_t min_open_ms;
};

struct sim_answer {
    enum sim_choice choice;
    uint64_t score;
    bool veto;
    int review; /* 1 approve, -1 object */
};

struct sim_voter {
    unsigned member;
    uint64_t weight;
    bool elector;
    bool vetoer[SIM_QUESTIONS]; /* of the class of that question's veto */
    bool expert[SIM_QUESTIONS];
    uint64_t ballots; /* accepted so far */
    struct sim_answer answers[SIM_QUESTIONS];
};

/* One question's figures, as the method `tally` shows them. */
struct sim_figures {
    uint64_t ballots;
    uint64_t yes[2], no[2], abstain[2], scored[2]; /* heads, weight */
    uint64_t score_sum, left_out;
    uint64_t heads, weight, veto_class, experts; /* of the roll */
    uint64_t support[2], quorum[2], veto[2];
    uint64_t approvals, objections;
    const char *outcome;
};

struct sim_moment {
    uint64_t index; /* from here on */
    const char *state;
    struct sim_figures figures[SIM_QUESTIONS];
};

struct sim_poll {
    char id[SIM_NAME];
    const char *state; /* "open", "closed", "cancelled" */
    uint64_t opened_ms, closes_ms;
    unsigned question_count;
    char questions[SIM_QUESTIONS][SIM_NAME];
    struct sim_rule rules[SIM_QUESTIONS];
    struct sim_voter voters[SIM_MEMBERS];
    unsigned voter_count;
    struct sim_moment *moments; /* its history */
    size_t moment_count, moment_capacity;
    bool changed;
};

struct sim_member {
    char id[SIM_NAME];
    uint64_t weight;
    char classes[SIM_LABELS][SIM_NAME];
    unsigned class_count;
    char roles[SIM_LABELS][SIM_NAME];
    unsigned role_count;
    bool active;
};

struct sim_policy {
    char id[SIM_NAME];
    struct sim_rule rule; /* the newest version */
};

/* How a command at a place of the log was decided. */
struct sim_decision {
    uint64_t index;
    uint32_t position;
    uint64_t time_ms;
    uint64_t hash;    /* of the command's bytes */
    bool first;       /* false: a copy of one decided before, which has its answer */
    const char *code; /* "ok", a code, or "?": refused in any way */
    uint64_t answer_index;
    uint32_t answer_position;
};

/* Kept: 1 for each author and nonce that was decided. */
struct sim_kept {
    unsigned author;
    uint8_t nonce[16];
    size_t decision;
};

struct sim_model {
    uint64_t index;
    uint64_t time_ms;
    struct sim_member members[SIM_MEMBERS];
    unsigned member_count;
    struct sim_policy policies[SIM_MEMBERS];
    unsigned policy_count;
    struct sim_poll *polls[SIM_POLLS];
    unsigned poll_count;
    struct sim_decision *decisions;
    size_t decision_count, decision_capacity;
    struct sim_kept *kept;
    size_t kept_count, kept_capacity;
    uint64_t commands, refused, ballots; /* as cluster.get counts */
};

void sim_model_open(struct sim *sim);
void sim_model_close(struct sim *sim);

/* The next committed entry. */
void sim_model_entry(struct sim *sim, uint64_t index, const struct log_entry *entry);

/* What stands at a place of the log, or NULL. */
const struct sim_decision *sim_model_decision(const struct sim *sim, uint64_t index,
                                              uint64_t position);

/* Where this command first stands in the log, or 0. */
uint64_t sim_model_has(const struct sim *sim, uint64_t hash);

struct sim_poll *sim_model_poll(const struct sim *sim, const char *id);

/* How the poll stood after the entry `index`; NULL when it was not there. */
const struct sim_moment *sim_model_moment(const struct sim_poll *poll, uint64_t index);

/* --- sim_recount.c: the count itself --- */

void sim_recount(const struct sim_poll *poll, unsigned question, struct sim_figures *figures);

/* Can no further ballots change the outcome of the question? */
bool sim_recount_settled(const struct sim_poll *poll, unsigned question);

#endif
