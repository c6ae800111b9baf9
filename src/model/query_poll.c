/* poll.get, poll.list and poll.roll. */
#include "model/query_poll.h"

#include "model/ballot.h"
#include "model/member.h"
#include "model/roll.h"

#define POLL_PAIRS 14u
#define ROLL_PAIRS 6u

static void write_pairs(struct buffer *buffer, const struct poll *poll)
{
    const char *by = poll_closed_by_name(poll->closed_by);
    pair_string(buffer, "id", poll->id);
    pair_u64(buffer, "number", poll->number);
    pair_string(buffer, "title", poll->title);
    pair_text(buffer, "state", poll_state_name(poll->state));
    pair_string(buffer, "author", poll->author);
    pair_u64(buffer, "opened_at", poll->opened_at_ms);
    pair_u64(buffer, "closes_at", poll->closes_at_ms);
    codec_write_text(buffer, "closed_at");
    if (by == NULL) {
        codec_write_nil(buffer);
    } else {
        codec_write_u64(buffer, poll->closed_at_ms);
    }
    pair_string_or_nil(buffer, "closed_by", by == NULL ? slice_of("", 0) : slice_of_text(by));
    pair_u64(buffer, "index", poll->index);
    codec_write_text(buffer, "roll");
    codec_write_map(buffer, 2);
    pair_u64(buffer, "heads", poll->roll_heads);
    pair_u64(buffer, "weight", poll->roll_weight);
    pair_u64(buffer, "ballots", poll->voters);
    codec_write_text(buffer, "electorate");
    labels_write(buffer, &poll->electorate);
    codec_write_text(buffer, "imported");
    if (poll->imported) {
        codec_write_map(buffer, 2);
        pair_string(buffer, "source", poll->imported_source);
        pair_bytes(buffer, "sha256", slice_of(poll->imported_sha256, POLL_SHA256_BYTES));
    } else {
        codec_write_nil(buffer);
    }
}

static enum conclave_code write_poll(const struct query *query, const struct poll *poll)
{
    query_begin_shape(query, POLL_PAIRS + 1);
    write_pairs(query->answer, poll);
    codec_write_text(query->answer, "questions");
    codec_write_array(query->answer, poll->question_count);
    enum conclave_code code = CONCLAVE_OK;
    for (uint32_t i = 0; code == CONCLAVE_OK && i < poll->question_count; i++) {
        code = query_write_tally(query, query->answer, poll, i);
    }
    return code;
}

enum conclave_code query_poll_get(const struct query *query)
{
    static const char *const wanted[] = {"!id", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = query_load_poll(query, params.id, poll);
    if (code == CONCLAVE_OK) {
        code = write_poll(query, poll);
    }
    poll_free(poll);
    return code;
}

static enum conclave_code fill_polls(const struct query *query, struct scan *scan,
                                     struct page *page, struct poll *poll)
{
    struct slice value;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, scan, NULL, &value)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        code = value.size == 4 ? poll_load(query->transaction, load_be32(value.data), poll)
                               : CONCLAVE_CORRUPT;
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(&page->item, POLL_PAIRS);
        write_pairs(&page->item, poll);
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

/* The state with this name, or 0. */
static int state_from_name(struct slice name)
{
    for (int state = POLL_STATE_OPEN; state <= POLL_STATE_CANCELLED; state++) {
        if (slice_is_text(name, poll_state_name((enum poll_state)state))) {
            return state;
        }
    }
    return 0;
}

enum conclave_code query_poll_list(const struct query *query)
{
    static const char *const wanted[] = {"after", "limit", "state", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key prefix;
    key_begin(&prefix, KEY_POLL_ID);
    if (params.state.data != NULL) {
        int state = state_from_name(params.state);
        if (state == 0) {
            return query_refuse(query, CONCLAVE_BAD_REQUEST,
                                "state \"%.*s\" is not open, closed or cancelled",
                                TEXT_ARGUMENTS(params.state));
        }
        key_begin(&prefix, KEY_POLL_STATE);
        key_u8(&prefix, (uint8_t)state);
    }
    struct scan scan;
    scan_begin(&scan, &prefix);
    code = query_scan_after(query, &scan, params.after);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct page page;
    page_open(&page, &params);
    code = fill_polls(query, &scan, &page, poll);
    if (code == CONCLAVE_OK) {
        code = page_finish(&page, query);
    }
    page_close(&page);
    poll_free(poll);
    return code;
}

/* --- poll.roll --- */

static enum conclave_code write_voter(const struct query *query, struct buffer *buffer,
                                      const struct poll *poll, const struct roll_voter *voter)
{
    struct member member;
    struct labels classes;
    struct ballot ballot;
    enum conclave_code code = member_load(query->transaction, voter->member, &member);
    if (code == CONCLAVE_OK) {
        code = class_set_load(query->transaction, voter->class_set, &classes);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = ballot_load(query->transaction, poll->number, voter->member, &ballot);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    codec_write_map(buffer, ROLL_PAIRS);
    pair_string(buffer, "member", member.id);
    pair_u64(buffer, "weight", voter->weight);
    codec_write_text(buffer, "classes");
    labels_write(buffer, &classes);
    pair_bool(buffer, "elector", voter->elector);
    codec_write_text(buffer, "domains");
    codec_write_array(buffer, (uint32_t)__builtin_popcountll(voter->expert_mask));
    for (uint32_t i = 0; i < poll->domain_count; i++) {
        if ((voter->expert_mask >> i & 1u) != 0) {
            codec_write_string(buffer, poll->domains[i]);
        }
    }
    pair_bool(buffer, "voted", code == CONCLAVE_OK);
    return CONCLAVE_OK;
}

static enum conclave_code fill_roll(const struct query *query, const struct poll *poll,
                                    uint32_t after, struct page *page)
{
    struct roll_voter voter;
    enum conclave_code code;
    while ((code = roll_next(query->transaction, poll->number, after, &voter)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        code = write_voter(query, &page->item, poll, &voter);
        if (code != CONCLAVE_OK) {
            return code;
        }
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
        after = voter.member;
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code query_poll_roll(const struct query *query)
{
    static const char *const wanted[] = {"!id", "after", "limit", NULL};
    struct query_params params;
    uint32_t after = 0;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code == CONCLAVE_OK && params.after.size > 0) {
        code = query_member_number(query, params.after, &after);
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
    code = query_load_poll(query, params.id, poll);
    if (code == CONCLAVE_OK) {
        code = fill_roll(query, poll, after, &page);
    }
    if (code == CONCLAVE_OK) {
        code = page_finish(&page, query);
    }
    page_close(&page);
    poll_free(poll);
    return code;
}
