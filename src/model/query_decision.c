/* decision.get and decision.list. */
#include "model/decision.h"
#include "model/member.h"
#include "model/query_poll.h"
#include "model/roll_change.h"

#define DECISION_PAIRS 11u

static enum conclave_code write_changes(const struct query *query, struct buffer *buffer,
                                        const struct poll *poll)
{
    struct roll_change changes[ROLL_CHANGES_MAX];
    uint32_t count = 0;
    uint32_t sequence = 0;
    enum conclave_code code = CONCLAVE_OK;
    while (count < ROLL_CHANGES_MAX &&
           (code = roll_change_next(query->transaction, poll->number, &sequence,
                                    &changes[count])) == CONCLAVE_OK) {
        count++;
    }
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    codec_write_text(buffer, "roll_changes");
    codec_write_array(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct member member;
        code = member_load(query->transaction, changes[i].member, &member);
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(buffer, 3);
        pair_string(buffer, "member", member.id);
        pair_text(buffer, "what", roll_change_name(changes[i].kind));
        pair_u64(buffer, "index", changes[i].index);
    }
    return CONCLAVE_OK;
}

static enum conclave_code write_superseded_by(const struct query *query, struct buffer *buffer,
                                              const struct poll *poll,
                                              const struct poll_question *question)
{
    struct slice by = slice_of("", 0);
    enum conclave_code code =
        decision_superseded_by(query->transaction, poll->id, question->id, &by);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    pair_string_or_nil(buffer, "superseded_by", code == CONCLAVE_OK ? by : slice_of("", 0));
    return CONCLAVE_OK;
}

static enum conclave_code write_pairs(const struct query *query, struct buffer *buffer,
                                      const struct decision *decision, const struct poll *poll)
{
    if (decision->question >= poll->question_count) {
        return CONCLAVE_CORRUPT;
    }
    const struct poll_question *question = &poll->questions[decision->question];
    pair_string(buffer, "poll", poll->id);
    pair_string(buffer, "question", question->id);
    uint8_t id[2 * LIMIT_ID_BYTES + 1];
    size_t size = poll->id.size + 1 + question->id.size;
    ASSERT(size <= sizeof id);
    memcpy(id, poll->id.data, poll->id.size);
    id[poll->id.size] = '/';
    memcpy(id + poll->id.size + 1, question->id.data, question->id.size);
    pair_string(buffer, "id", slice_of(id, size));
    pair_text(buffer, "outcome", tally_outcome_name(decision->verdict.outcome));
    pair_string(buffer, "text", decision->text);
    codec_write_text(buffer, "tally");
    enum conclave_code code = query_write_tally(query, buffer, poll, decision->question);
    pair_u64(buffer, "index", decision->index);
    pair_u64(buffer, "time", decision->time_ms);
    pair_string(buffer, "reason", poll->reason);
    if (code == CONCLAVE_OK) {
        code = write_superseded_by(query, buffer, poll, question);
    }
    return code == CONCLAVE_OK ? write_changes(query, buffer, poll) : code;
}

static enum conclave_code get_decision(const struct query *query, const struct query_params *params,
                                       struct poll *poll)
{
    struct decision decision;
    enum conclave_code code = query_load_poll(query, params->poll, poll);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (poll_question_find(poll, params->question) == UINT32_MAX) {
        return query_refuse(query, CONCLAVE_NOT_FOUND, "poll \"%.*s\" has no question \"%.*s\"",
                            TEXT_ARGUMENTS(params->poll), TEXT_ARGUMENTS(params->question));
    }
    code = decision_load(query->transaction, params->poll, params->question, &decision);
    if (code == CONCLAVE_NOT_FOUND) {
        return query_refuse(query, code, "poll \"%.*s\" is open: nothing is decided yet",
                            TEXT_ARGUMENTS(params->poll));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    query_begin_shape(query, DECISION_PAIRS);
    return write_pairs(query, query->answer, &decision, poll);
}

enum conclave_code query_decision_get(const struct query *query)
{
    static const char *const wanted[] = {"!poll", "!question", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = get_decision(query, &params, poll);
    poll_free(poll);
    return code;
}

static enum conclave_code fill_page(const struct query *query, struct scan *scan, struct page *page,
                                    struct poll *poll)
{
    struct slice value;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, scan, NULL, &value)) == CONCLAVE_OK) {
        struct decision decision;
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        code = decision_decode(value, &decision);
        if (code == CONCLAVE_OK && !(poll->held && poll->number == decision.poll)) {
            code = poll_load(query->transaction, decision.poll, poll);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(&page->item, DECISION_PAIRS);
        code = write_pairs(query, &page->item, &decision, poll);
        if (code != CONCLAVE_OK) {
            return code;
        }
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

/* Where the list starts: all decisions, or those of one poll; `after` is always a whole
 * "poll/question". */
static enum conclave_code begin_list(const struct query *query, const struct query_params *params,
                                     struct scan *scan)
{
    struct key prefix;
    struct slice after = params->after;
    key_begin(&prefix, KEY_DECISION);
    if (params->poll.data != NULL) {
        uint32_t number;
        enum conclave_code code = query_poll_number(query, params->poll, &number);
        if (code != CONCLAVE_OK) {
            return code;
        }
        key_bytes(&prefix, params->poll);
        key_u8(&prefix, '/');
        size_t size = params->poll.size + 1;
        if (after.size > 0) {
            if (after.size <= size || memcmp(after.data, prefix.bytes + 1, size) != 0) {
                return query_refuse(query, CONCLAVE_BAD_REQUEST,
                                    "after \"%.*s\" is no decision of poll \"%.*s\"",
                                    TEXT_ARGUMENTS(after), TEXT_ARGUMENTS(params->poll));
            }
            after = slice_of(after.data + size, after.size - size);
        }
    }
    scan_begin(scan, &prefix);
    return query_scan_after(query, scan, after);
}

enum conclave_code query_decision_list(const struct query *query)
{
    static const char *const wanted[] = {"after", "limit", "poll", NULL};
    struct query_params params;
    struct scan scan;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code == CONCLAVE_OK) {
        code = begin_list(query, &params, &scan);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct page page;
    page_open(&page, &params);
    code = fill_page(query, &scan, &page, poll);
    if (code == CONCLAVE_OK) {
        code = page_finish(&page, query);
    }
    page_close(&page);
    poll_free(poll);
    return code;
}
