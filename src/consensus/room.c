/* A full disk. See the header. */
#include "consensus/room.h"

#include "base/logger.h"
#include "consensus/core.h"
#include "consensus/driver.h"
#include "consensus/membership.h"
#include "consensus/seats.h"

#define WAIT_MS          50u
#define WAIT_MOST_MS     1000u
#define TRANSFER_MOST_MS 60000u

/* What one transaction of the state may need, when it applies one entry. */
#define ENTRY_ROOM_BYTES (LIMIT_STATE_ROOM_BYTES / 8u)

/* When to try again: after twice the time that was waited before. */
static uint64_t wait_longer(const struct replica *replica, unsigned *wait_ms, unsigned most_ms)
{
    *wait_ms = *wait_ms == 0 ? WAIT_MS : 2 * *wait_ms;
    *wait_ms = *wait_ms > most_ms ? most_ms : *wait_ms;
    return replica->now_ms + *wait_ms;
}

void room_vote_saved(struct replica *replica, bool saved)
{
    struct room *room = &replica->room;
    room->unsaved = !saved;
    if (saved) {
        room->vote_wait_ms = 0;
        room->vote_ms = 0;
    } else {
        room->vote_ms = wait_longer(replica, &room->vote_wait_ms, WAIT_MOST_MS);
    }
}

void room_written(struct replica *replica, bool written)
{
    struct room *room = &replica->room;
    if (written) {
        room->write_wait_ms = 0;
        room->write_ms = 0;
    } else {
        room->write_ms = wait_longer(replica, &room->write_wait_ms, WAIT_MOST_MS);
    }
}

/* Room ahead of the state, after it was written to or when it is time to look again. */
static void reserve(struct replica *replica)
{
    struct room *room = &replica->room;
    enum conclave_code code = kv_reserve(replica->config.kv, LIMIT_STATE_ROOM_BYTES);
    if (code != CONCLAVE_OK && code != CONCLAVE_DISK_FULL) {
        replica_fail(replica, code, "the state can take no room on the disk");
        return;
    }
    room->state_full = code == CONCLAVE_DISK_FULL;
    if (!room->state_full) {
        room->state_wait_ms = 0;
        room->state_ms = 0;
    } else {
        room->state_ms = wait_longer(replica, &room->state_wait_ms, WAIT_MOST_MS);
        /* Less is enough to finish what is committed. */
        code = kv_reserve(replica->config.kv, ENTRY_ROOM_BYTES);
    }
    if (code == CONCLAVE_OK) {
        replica->work_pending = true;
        room->held = false;
    }
}

void room_applied(struct replica *replica, bool applied)
{
    struct room *room = &replica->room;
    if (!applied) {
        room->state_full = true;
        room->held = true;
        room->state_ms = wait_longer(replica, &room->state_wait_ms, WAIT_MOST_MS);
    } else if (!room->state_full) {
        reserve(replica);
    }
}

/* The reserve's end is not waited for: LMDB could not tell a write that was cut short for want of
 * room from a broken disk. */
unsigned room_may_apply(const struct replica *replica, unsigned most)
{
    const struct room *room = &replica->room;
    if (!room->state_full) {
        return most;
    }
    return room->held || kv_room(replica->config.kv) < ENTRY_ROOM_BYTES ? 0 : 1;
}

static void save_vote_again(struct replica *replica)
{
    struct room *room = &replica->room;
    driver_save_vote(replica);
    if (!replica->failed && !room->unsaved && room->written) {
        room->written = false;
        writer_done(replica);
    }
}

bool room_look(struct replica *replica)
{
    struct room *room = &replica->room;
    if (room->vote_ms != 0 && replica->now_ms >= room->vote_ms) {
        save_vote_again(replica);
    }
    if (room->state_ms != 0 && replica->now_ms >= room->state_ms && !replica->failed) {
        reserve(replica);
    }
    if (room->write_ms != 0 && replica->now_ms >= room->write_ms && !replica->failed) {
        room->write_ms = 0;
        writer_again(replica);
    }
    bool full = room->unsaved || room->state_full || log_full(replica->config.log);
    if (!full && replica->repair.index == 0) {
        room->transfer_wait_ms = 0;
    } else if (!room->full) {
        room->transfer_ms = replica->now_ms;
    }
    replica->work_pending = replica->work_pending || full != room->full;
    room->full = full;
    return !room->unsaved;
}

void room_hand_over(struct replica *replica)
{
    struct room *room = &replica->room;
    bool ill = room->full || replica->repair.index != 0;
    if (!ill || !replica_can_propose(replica) || replica->now_ms < room->transfer_ms) {
        return;
    }
    uint64_t heir_id = membership_heir(replica, room->transferred_id);
    /* The time in which the core tries: then somebody else is next, if there is. */
    room->transfer_ms = wait_longer(replica, &room->transfer_wait_ms, TRANSFER_MOST_MS) +
                        2u * (uint64_t)replica->config.election_ms;
    if (heir_id != 0) {
        LOG_INFO("the disk is full or damaged: leadership is offered", FIELD_U64("node", heir_id));
        room->transferred_id = heir_id;
        membership_transfer(replica, heir_id);
    }
}

uint64_t room_deadline_ms(const struct replica *replica)
{
    const struct room *room = &replica->room;
    const uint64_t times_ms[] = {room->vote_ms, room->state_ms, room->write_ms};
    uint64_t deadline_ms = UINT64_MAX;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        if (times_ms[i] != 0 && times_ms[i] < deadline_ms) {
            deadline_ms = times_ms[i];
        }
    }
    return deadline_ms;
}
