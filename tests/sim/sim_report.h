/* What happened in runs: faults fired, interesting states reached, work done.
 *
 * The marks are FoundationDB's "sometimes" assertions: each should be reached somewhere in a
 * campaign; one that never is says that the simulator does not go where it should.
 */
#ifndef TESTS_SIM_REPORT_H
#define TESTS_SIM_REPORT_H

#include <stdint.h>
#include <stdio.h>

#define SIM_TOTALS(X)     \
    X(seeds)              \
    X(steps)              \
    X(virtual_ms)         \
    X(entries_committed)  \
    X(commands_submitted) \
    X(commands_decided)   \
    X(commands_accepted)  \
    X(ballots_accepted)   \
    X(reads_checked)      \
    X(stale_reads_checked)

#define SIM_FAULTS(X)        \
    X(message_lost)          \
    X(message_repeated)      \
    X(message_straggled)     \
    X(message_replayed)      \
    X(message_truncated)     \
    X(message_snapshot)      \
    X(partition)             \
    X(cut_one_way)           \
    X(bridge)                \
    X(isolate_leader)        \
    X(depose)                \
    X(clog)                  \
    X(unclog)                \
    X(crash)                 \
    X(crash_majority)        \
    X(crash_all)             \
    X(crash_before_send)     \
    X(crash_after_send)      \
    X(crash_before_persist)  \
    X(crash_after_persist)   \
    X(crash_before_vote)     \
    X(crash_after_vote)      \
    X(crash_before_apply)    \
    X(crash_after_apply)     \
    X(crash_before_answer)   \
    X(crash_after_answer)    \
    X(crash_before_keep)     \
    X(crash_after_keep)      \
    X(keep_error)            \
    X(keep_interrupted)      \
    X(write_lost)            \
    X(write_unreported)      \
    X(write_torn)            \
    X(power_loss)            \
    X(state_torn)            \
    X(state_went_back)       \
    X(state_wiped)           \
    X(pause)                 \
    X(clock_jump)            \
    X(clock_drift)           \
    X(clock_bad)             \
    X(slow_disk)             \
    X(stalled_disks)         \
    X(write_error)           \
    X(sync_error)            \
    X(disk_full)             \
    X(bit_rot)               \
    X(bit_rot_found)         \
    X(bit_rot_repaired)      \
    X(state_rot)             \
    X(state_rot_found)       \
    X(no_memory)             \
    X(wiped_disk)            \
    X(transfer)              \
    X(peer_lost)             \
    X(membership)            \
    X(membership_spare)      \
    X(membership_dark)       \
    X(membership_removed)    \
    X(node_added)            \
    X(node_replaced)         \
    X(node_changed)          \
    X(node_removed)          \
    X(node_to_lead)          \
    X(answer_lost)           \
    X(flood)                 \
    X(stranger)              \
    X(stranger_silent)       \
    X(other_cluster)         \
    X(wrong_node)            \
    X(wrong_certificate)     \
    X(other_disk)            \
    X(frame_malformed)       \
    X(client_garbage)        \
    X(client_malformed)      \
    X(client_cut_off)        \
    X(command_altered)       \
    X(command_forged)        \
    X(command_other_cluster) \
    X(command_replayed)      \
    X(vote_twice_at_once)    \
    X(vote_late)

#define SIM_MARKS(X)             \
    X(nodes_1)                   \
    X(nodes_3)                   \
    X(nodes_5)                   \
    X(nodes_other)               \
    X(leader_changed)            \
    X(leaders_two_at_once)       \
    X(log_overwritten)           \
    X(answered_busy)             \
    X(answered_no_leader)        \
    X(answered_unknown)          \
    X(answered_never)            \
    X(command_abandoned)         \
    X(command_sent_again)        \
    X(command_sent_twice)        \
    X(command_twice_in_log)      \
    X(command_via_follower)      \
    X(command_expired)           \
    X(nonce_reused)              \
    X(ballot_revoted)            \
    X(ballot_final)              \
    X(ballot_late)               \
    X(ballot_off_roll)           \
    X(ballot_malformed)          \
    X(ballot_by_suspended)       \
    X(ballot_at_last_instant)    \
    X(veto_counted)              \
    X(review_counted)            \
    X(member_changed)            \
    X(not_chair)                 \
    X(poll_closed_by_deadline)   \
    X(poll_closed_settled)       \
    X(poll_closed_by_chair)      \
    X(poll_cancelled)            \
    X(outcome_passed)            \
    X(outcome_failed)            \
    X(outcome_tie)               \
    X(outcome_no_quorum)         \
    X(outcome_veto)              \
    X(outcome_revision)          \
    X(outcome_experts)           \
    X(read_by_leader)            \
    X(read_by_follower)          \
    X(read_refused)              \
    X(stale_read_behind)         \
    X(batch_of_many)             \
    X(m1_split_append)           \
    X(m2_own_term)               \
    X(m3_change_refused)         \
    X(m4_old_rejection)          \
    X(m6_timer_floor)            \
    X(m7_commit_kept)            \
    X(m8_capped)                 \
    X(write_torn_between)        \
    X(vote_without_room)         \
    X(refused_without_room)      \
    X(led_without_room)          \
    X(frame_delivered)           \
    X(secure)                    \
    X(frame_cut_off)             \
    X(stranger_told_why)         \
    X(stranger_turned_away)      \
    X(call_accepted)             \
    X(call_tally)                \
    X(call_refused)              \
    X(call_bad_signature)        \
    X(call_wrong_cluster)        \
    X(call_unknown_author)       \
    X(call_bad_request)          \
    X(call_closed)               \
    X(replay_first_answer)       \
    X(vote_twice_decided)        \
    X(vote_late_refused)         \
    X(crowd_decided)             \
    X(crowd_refused)             \
    X(deposed_believes)          \
    X(uncommitted_many)          \
    X(change_with_voter_down)    \
    X(checkpoint_signed)         \
    X(checkpoint_final)          \
    X(leaves_checked)            \
    X(members_as_commanded)      \
    X(leader_without_key)        \
    X(progress_by_bare_majority) \
    X(equal_at_end)              \
    X(members_as_before)

enum sim_count {
#define SIM_NAME(name) SIM_##name,
    SIM_TOTALS(SIM_NAME)
    SIM_FAULTS(SIM_NAME) SIM_MARKS(SIM_NAME)
#undef SIM_NAME
        SIM_COUNTS
};

struct sim_report {
    uint64_t counts[SIM_COUNTS];
};

void sim_report_add(struct sim_report *sum, const struct sim_report *part);

/* The name of a count. */
const char *sim_report_name(enum sim_count count);

/* For people, and as one JSON object with "totals", "faults" and "marks". */
void sim_report_text(const struct sim_report *report, FILE *out);
void sim_report_json(const struct sim_report *report, FILE *out);

#endif
