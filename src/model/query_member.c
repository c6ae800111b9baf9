/* member.get and member.list. */
#include "model/member.h"
#include "model/query.h"

#define MEMBER_PAIRS 11u

static void write_pairs(struct buffer *buffer, const struct member *member)
{
    pair_string(buffer, "id", member->id);
    pair_u64(buffer, "number", member->number);
    pair_string(buffer, "name", member->name);
    pair_text(buffer, "kind", member_kind_name(member->kind));
    pair_bytes(buffer, "key", slice_of(member->public_key, MEMBER_KEY_BYTES));
    pair_u64(buffer, "weight", member->weight);
    codec_write_text(buffer, "classes");
    labels_write(buffer, &member->classes);
    codec_write_text(buffer, "roles");
    labels_write(buffer, &member->roles);
    pair_text(buffer, "status", member_status_name(member->status));
    pair_u64(buffer, "index", member->index);
    pair_u64(buffer, "time", member->time_ms);
}

enum conclave_code query_member_get(const struct query *query)
{
    static const char *const wanted[] = {"!id", NULL};
    struct query_params params;
    struct member member;
    uint32_t number;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = query_member_number(query, params.id, &number);
    if (code == CONCLAVE_OK) {
        code = member_load(query->transaction, number, &member);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    query_begin_shape(query, MEMBER_PAIRS);
    write_pairs(query->answer, &member);
    return CONCLAVE_OK;
}

static enum conclave_code fill_page(const struct query *query, struct scan *scan, struct page *page)
{
    struct slice value;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, scan, NULL, &value)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        struct member member;
        code = value.size == 4 ? member_load(query->transaction, load_be32(value.data), &member)
                               : CONCLAVE_CORRUPT;
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(&page->item, MEMBER_PAIRS);
        write_pairs(&page->item, &member);
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code query_member_list(const struct query *query)
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
    key_begin(&prefix, KEY_MEMBER_ID);
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
