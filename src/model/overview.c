/* See the header. */
#include "model/overview.h"

#include "model/head.h"
#include "model/poll.h"

/* Half of its time is over and less than half of its roll has voted. */
static bool is_slow(const struct poll *poll, uint64_t now_ms)
{
    uint64_t half_ms = (poll->closes_at_ms - poll->opened_at_ms) / 2;
    return now_ms > poll->opened_at_ms && now_ms - poll->opened_at_ms > half_ms &&
           poll->cast_heads < poll->roll_heads - poll->cast_heads;
}

static void count_poll(const struct poll *poll, uint64_t now_ms, struct model_overview *overview)
{
    overview->open++;
    overview->voted += poll->cast_heads;
    overview->rolled += poll->roll_heads;
    if (now_ms > poll->closes_at_ms) {
        uint64_t overdue_ms = now_ms - poll->closes_at_ms;
        overview->overdue++;
        if (overdue_ms > overview->overdue_ms_max) {
            overview->overdue_ms_max = overdue_ms;
        }
    }
    overview->slow += is_slow(poll, now_ms);
}

static enum conclave_code count_open_polls(struct kv_transaction *transaction, uint64_t now_ms,
                                           struct poll *poll, struct model_overview *overview)
{
    struct key prefix;
    struct scan scan;
    struct slice value;
    key_begin(&prefix, KEY_POLL_STATE);
    key_u8(&prefix, POLL_STATE_OPEN);
    scan_begin(&scan, &prefix);
    enum conclave_code code;
    while ((code = scan_next(transaction, &scan, NULL, &value)) == CONCLAVE_OK) {
        code = value.size == 4 ? poll_load(transaction, load_be32(value.data), poll)
                               : CONCLAVE_CORRUPT;
        if (code != CONCLAVE_OK) {
            return code;
        }
        count_poll(poll, now_ms, overview);
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code model_overview(struct kv_transaction *transaction, uint64_t now_ms,
                                  struct model_overview *overview)
{
    ASSERT(transaction != NULL && overview != NULL);
    struct model_head head;
    enum conclave_code code = head_load(transaction, &head);
    if (code != CONCLAVE_OK) {
        return code;
    }
    *overview = (struct model_overview){.time_ms = head.time_ms,
                                        .members = head.members,
                                        .proposals = head.proposals,
                                        .polls = head.polls,
                                        .ballots = head.ballots,
                                        .commands = head.commands,
                                        .refused = head.refused};
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = count_open_polls(transaction, now_ms, poll, overview);
    poll_free(poll);
    return code;
}
