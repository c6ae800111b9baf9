/* policy.get and policy.list. */
#include "model/policy_store.h"
#include "model/query.h"

#define POLICY_PAIRS 6u

static void write_pairs(struct buffer *buffer, struct slice id,
                        const struct policy_version *version)
{
    pair_string(buffer, "id", id);
    pair_u64(buffer, "version", version->version);
    pair_string(buffer, "author", version->author);
    pair_u64(buffer, "index", version->index);
    pair_u64(buffer, "time", version->time_ms);
    codec_write_text(buffer, "policy");
    policy_write(buffer, &version->policy);
}

enum conclave_code query_policy_get(const struct query *query)
{
    static const char *const wanted[] = {"!id", "version", NULL};
    struct query_params params;
    struct policy_version version;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t number = params.version > UINT32_MAX ? UINT32_MAX : (uint32_t)params.version;
    code = policy_load(query->transaction, params.id, number, &version);
    if (code == CONCLAVE_NOT_FOUND && number > 0) {
        return query_refuse(query, CONCLAVE_UNKNOWN_POLICY,
                            "there is no policy \"%.*s\" with a version %llu",
                            TEXT_ARGUMENTS(params.id), (unsigned long long)params.version);
    }
    if (code == CONCLAVE_NOT_FOUND) {
        return query_refuse(query, CONCLAVE_UNKNOWN_POLICY, "there is no policy \"%.*s\"",
                            TEXT_ARGUMENTS(params.id));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    query_begin_shape(query, POLICY_PAIRS);
    write_pairs(query->answer, params.id, &version);
    return CONCLAVE_OK;
}

static enum conclave_code fill_page(const struct query *query, struct scan *scan, struct page *page)
{
    struct slice id;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, scan, &id, NULL)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        struct policy_version version;
        code = policy_load(query->transaction, id, 0, &version);
        if (code != CONCLAVE_OK) {
            return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
        }
        codec_write_map(&page->item, POLICY_PAIRS);
        write_pairs(&page->item, id, &version);
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code query_policy_list(const struct query *query)
{
    static const char *const wanted[] = {"after", "limit", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key prefix;
    struct scan scan;
    struct page page;
    key_begin(&prefix, KEY_POLICY_ID);
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
