/* Codes: why something was refused or failed. Stable: clients and stored replies use the names.
 *
 * CONCLAVE_CODES(X) lists X(ENUM, "wire_name", EXIT, "sentence for people"). EXIT is the exit
 * status that the command line gives: 0 done, 1 other failure, 2 usage or configuration, 3 not
 * found, 4 not allowed, 5 no quorum or nobody reachable, 6 refused by a rule, 7 outcome unknown.
 */
#ifndef CONCLAVE_CODES_H
#define CONCLAVE_CODES_H

#include <stddef.h>

#define CONCLAVE_CODES(X)                                                                       \
    X(OK, "ok", 0, "done")                                                                      \
    /* failures of this machine or program */                                                   \
    X(NO_MEMORY, "no_memory", 1, "out of memory")                                               \
    X(IO, "io", 1, "an input or output operation failed")                                       \
    X(DISK_FULL, "disk_full", 1, "the disk is full")                                            \
    X(CORRUPT, "corrupt", 1, "stored bytes do not match their checksum")                        \
    X(INTERNAL, "internal", 1, "something that cannot happen happened")                         \
    X(NOT_PROVEN, "not_proven", 1, "the record does not prove what it says")                    \
    /* the request is not well formed */                                                        \
    X(BAD_REQUEST, "bad_request", 2, "the request is not well formed")                          \
    X(BAD_VERSION, "bad_version", 2, "this version of the format is not known here")            \
    X(UNKNOWN_METHOD, "unknown_method", 2, "there is no such method")                           \
    X(UNKNOWN_KIND, "unknown_kind", 2, "there is no such kind of command")                      \
    X(TOO_LARGE, "too_large", 2, "larger than the limit")                                       \
    X(USAGE, "usage", 2, "wrong use of the command line")                                       \
    X(CONFIG, "config", 2, "the configuration is wrong")                                        \
    /* not found */                                                                             \
    X(NOT_FOUND, "not_found", 3, "there is no such thing")                                      \
    X(UNKNOWN_POLL, "unknown_poll", 3, "there is no such poll")                                 \
    X(UNKNOWN_PROPOSAL, "unknown_proposal", 3, "there is no such proposal")                     \
    X(UNKNOWN_POLICY, "unknown_policy", 3, "there is no such policy")                           \
    X(UNKNOWN_MEMBER, "unknown_member", 3, "there is no such member")                           \
    X(UNKNOWN_NODE, "unknown_node", 3, "there is no such node")                                 \
    X(UNKNOWN_QUESTION, "unknown_question", 6, "the poll has no such question")                 \
    /* not allowed */                                                                           \
    X(UNKNOWN_AUTHOR, "unknown_author", 4, "the author is not a member")                        \
    X(BAD_SIGNATURE, "bad_signature", 4, "the signature does not verify with the author's key") \
    X(WRONG_CLUSTER, "wrong_cluster", 4, "the command is signed for another cluster")           \
    X(NOT_CHAIR, "not_chair", 4, "only a chair may do this")                                    \
    X(NOT_AUTHOR, "not_author", 4, "only the author or a chair may do this")                    \
    X(NOT_ACTIVE, "not_active", 4, "the member is not active")                                  \
    X(NOT_ON_ROLL, "not_on_roll", 4, "the member is not on the poll's roll")                    \
    X(NOT_EXPERT, "not_expert", 4, "the member is not an expert for this question")             \
    X(UNAUTHORISED, "unauthorised", 4, "this connection may not do this")                       \
    X(KEY_REVOKED, "key_revoked", 4, "the key was replaced or revoked before this")             \
    X(KEY_LOCKED, "key_locked", 4, "the key file is locked: its passphrase is needed")          \
    X(BAD_PASSPHRASE, "bad_passphrase", 4, "the passphrase does not open the key file")         \
    X(PROOF_NEEDED, "proof_needed", 4, "reads are for members: prove who you are")              \
    /* nobody there */                                                                          \
    X(NO_LEADER, "no_leader", 5, "no leader is known: the cluster may have no quorum")          \
    X(NOT_LEADER, "not_leader", 5, "this node does not lead")                                   \
    X(BUSY, "busy", 5, "too much under way: try again")                                         \
    X(RATE_LIMITED, "rate_limited", 5, "more than the limit in this time: wait, then go on")    \
    X(UNREACHABLE, "unreachable", 5, "no node could be reached")                                \
    X(SHUTTING_DOWN, "shutting_down", 5, "the node is stopping")                                \
    X(NOT_FINAL, "not_final", 5, "no final checkpoint covers it")                               \
    /* refused by a rule */                                                                     \
    X(EXPIRED, "expired", 6, "not_after has passed")                                            \
    X(NOT_AFTER_TOO_FAR, "not_after_too_far", 6, "not_after is more than 24 hours ahead")       \
    X(NONCE_REUSED, "nonce_reused", 6, "another command of the author had this nonce")          \
    X(BAD_VALUE, "bad_value", 6, "a field's value is out of its range")                         \
    X(LIMIT_REACHED, "limit_reached", 6, "a limit of the cluster is reached")                   \
    X(DUPLICATE_ID, "duplicate_id", 6, "the id is taken")                                       \
    X(DUPLICATE_KEY, "duplicate_key", 6, "another member has this key")                         \
    X(POLL_CLOSED, "poll_closed", 6, "the poll is closed")                                      \
    X(POLL_OPEN, "poll_open", 6, "the poll is open")                                            \
    X(BALLOT_FINAL, "ballot_final", 6, "the poll takes one ballot a member and has this one")   \
    X(BALLOT_EMPTY, "ballot_empty", 6, "the ballot answers no question")                        \
    X(DUPLICATE_ANSWER, "duplicate_answer", 6, "the ballot answers a question twice")           \
    X(BAD_ANSWER, "bad_answer", 6, "the answer is not one of the question's method")            \
    X(SCORE_OUT_OF_RANGE, "score_out_of_range", 6, "the score is outside the question's range") \
    X(RATIONALE_MISSING, "rationale_missing", 6, "the policy requires a rationale")             \
    X(RATIONALE_NOT_WANTED, "rationale_not_wanted", 6, "the policy takes no rationale")         \
    X(RATIONALE_LENGTH, "rationale_length", 6, "the rationale is too short or too long")        \
    X(RATIONALE_SECTION, "rationale_section", 6, "the rationale lacks a section")               \
    X(VETO_NOT_ALLOWED, "veto_not_allowed", 6, "the member or the policy has no veto here")     \
    X(JUSTIFICATION_LENGTH, "justification_length", 6, "the veto's justification is too short") \
    X(WRONG_STAGE, "wrong_stage", 6, "the proposal's stage does not allow this")                \
    X(EMPTY_ROLL, "empty_roll", 6, "nobody would be on the roll")                               \
    X(LAST_CHAIR, "last_chair", 6, "the cluster needs at least one active chair")               \
    X(LAST_VOTER, "last_voter", 6, "the cluster needs at least two voters")                     \
    X(NO_QUORUM_LEFT, "no_quorum_left", 6, "no majority of the voters would be up")             \
    X(NOT_IMPORTED, "not_imported", 6,                                                          \
      "imported ballots belong in imported polls, and only there")                              \
    /* nobody knows */                                                                          \
    X(UNKNOWN_OUTCOME, "unknown_outcome", 7, "the outcome is not known")

enum conclave_code {
#define X(name, wire, status, text) CONCLAVE_##name,
    CONCLAVE_CODES(X)
#undef X
    CONCLAVE_CODE_COUNT
};

/* The wire name ("poll_closed"), the sentence, and the exit status of a code. */
const char *conclave_code_name(enum conclave_code code);
const char *conclave_code_text(enum conclave_code code);
int conclave_code_exit_status(enum conclave_code code);

/* The code with this wire name, or CONCLAVE_CODE_COUNT when there is none. */
enum conclave_code conclave_code_from_name(const char *name, size_t name_size);

#endif
