/* proposal.get and proposal.list. Bodies are fetched from the log. */
#include "model/proposal.h"
#include "model/query.h"

#define PROPOSAL_PAIRS 11u

static void write_pairs(struct buffer *buffer, const struct proposal *proposal)
{
    pair_string(buffer, "id", proposal->id);
    pair_u64(buffer, "number", proposal->number);
    pair_string(buffer, "title", proposal->title);
    pair_string(buffer, "category", proposal->category);
    pair_string(buffer, "author", proposal->author);
    pair_text(buffer, "stage", proposal_stage_name(proposal->stage));
    pair_u64(buffer, "revision", proposal->revision);
    pair_bytes(buffer, "sha256", slice_of(proposal->sha256, PROPOSAL_SHA256_BYTES));
    pair_u64(buffer, "index", proposal->index);
    pair_u64(buffer, "time", proposal->time_ms);
    pair_string_or_nil(buffer, "poll", proposal->poll);
}

/* The body of a revision, from the command that brought it. */
static enum conclave_code write_body(const struct query *query,
                                     const struct proposal_revision *revision)
{
    codec_write_text(query->answer, "body");
    if (query->log == NULL) {
        codec_write_nil(query->answer);
        return CONCLAVE_OK;
    }
    struct buffer bytes;
    struct envelope envelope;
    buffer_init(&bytes, LIMIT_FRAME_BYTES);
    enum conclave_code code =
        query_command(query, revision->body_index, revision->body_position, &bytes, &envelope);
    if (code == CONCLAVE_OK) {
        struct slice body;
        const msgpack_object *value = query_map_value(envelope.body, "body");
        if (value != NULL && codec_get_string(value, &body) == CONCLAVE_OK) {
            codec_write_string(query->answer, body);
        } else {
            code = CONCLAVE_CORRUPT;
        }
        envelope_close(&envelope);
    }
    buffer_close(&bytes);
    return code;
}

static enum conclave_code load_revision(const struct query *query, const struct proposal *proposal,
                                        uint32_t number, struct proposal_revision *revision)
{
    enum conclave_code code =
        proposal_revision_load(query->transaction, proposal->number, number, revision);
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
}

static enum conclave_code write_history(const struct query *query, const struct proposal *proposal)
{
    struct buffer *answer = query->answer;
    codec_write_text(answer, "history");
    codec_write_array(answer, proposal->revision);
    for (uint32_t i = 1; i <= proposal->revision; i++) {
        struct proposal_revision revision;
        enum conclave_code code = load_revision(query, proposal, i, &revision);
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(answer, 7);
        pair_u64(answer, "revision", i);
        pair_string(answer, "title", revision.title);
        pair_string(answer, "category", revision.category);
        pair_bytes(answer, "sha256", slice_of(revision.sha256, PROPOSAL_SHA256_BYTES));
        pair_string(answer, "author", revision.author);
        pair_u64(answer, "index", revision.index);
        pair_u64(answer, "time", revision.time_ms);
    }
    return CONCLAVE_OK;
}

/* Shows the proposal as it was at an earlier revision, where one is asked for. */
static enum conclave_code go_back(const struct query *query, uint64_t number,
                                  struct proposal *proposal, struct proposal_revision *revision)
{
    if (number > proposal->revision) {
        return query_refuse(query, CONCLAVE_UNKNOWN_PROPOSAL,
                            "proposal \"%.*s\" has no revision %llu: the newest is %u",
                            TEXT_ARGUMENTS(proposal->id), (unsigned long long)number,
                            proposal->revision);
    }
    uint32_t wanted = number == 0 ? proposal->revision : (uint32_t)number;
    enum conclave_code code = load_revision(query, proposal, wanted, revision);
    if (code != CONCLAVE_OK) {
        return code;
    }
    proposal->title = revision->title;
    proposal->category = revision->category;
    memcpy(proposal->sha256, revision->sha256, PROPOSAL_SHA256_BYTES);
    return CONCLAVE_OK;
}

enum conclave_code query_proposal_get(const struct query *query)
{
    static const char *const wanted[] = {"!id", "revision", NULL};
    struct query_params params;
    struct proposal proposal;
    struct proposal_revision revision;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = proposal_load(query->transaction, params.id, &proposal);
    if (code == CONCLAVE_NOT_FOUND) {
        return query_refuse(query, CONCLAVE_UNKNOWN_PROPOSAL, "there is no proposal \"%.*s\"",
                            TEXT_ARGUMENTS(params.id));
    }
    if (code == CONCLAVE_OK) {
        code = go_back(query, params.revision, &proposal, &revision);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t newest = proposal.revision;
    proposal.revision = params.revision == 0 ? newest : (uint32_t)params.revision;
    query_begin_shape(query, PROPOSAL_PAIRS + 2);
    write_pairs(query->answer, &proposal);
    code = write_body(query, &revision);
    proposal.revision = newest;
    return code == CONCLAVE_OK ? write_history(query, &proposal) : code;
}

static enum conclave_code fill_page(const struct query *query, struct scan *scan, struct page *page)
{
    struct slice id;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, scan, &id, NULL)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        struct proposal proposal;
        code = proposal_load(query->transaction, id, &proposal);
        if (code != CONCLAVE_OK) {
            return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
        }
        codec_write_map(&page->item, PROPOSAL_PAIRS);
        write_pairs(&page->item, &proposal);
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code query_proposal_list(const struct query *query)
{
    static const char *const wanted[] = {"after", "limit", "stage", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key prefix;
    key_begin(&prefix, KEY_PROPOSAL);
    if (params.stage.data != NULL) {
        int stage = proposal_stage_from_name(params.stage);
        if (stage == 0) {
            return query_refuse(query, CONCLAVE_BAD_REQUEST,
                                "stage \"%.*s\" is not submitted, voting, accepted, rejected, "
                                "revision or withdrawn",
                                TEXT_ARGUMENTS(params.stage));
        }
        key_begin(&prefix, KEY_PROPOSAL_STAGE);
        key_u8(&prefix, (uint8_t)stage);
    }
    struct scan scan;
    struct page page;
    scan_begin(&scan, &prefix);
    code = query_scan_after(query, &scan, params.after);
    if (code != CONCLAVE_OK) {
        return code;
    }
    page_open(&page, &params);
    code = fill_page(query, &scan, &page);
    if (code == CONCLAVE_OK) {
        code = page_finish(&page, query);
    }
    page_close(&page);
    return code;
}
