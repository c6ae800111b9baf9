/* member.get and member.list. */
#include "model/member_key.h"
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

static void write_key(struct buffer *buffer, const struct member_old_key *key, bool ended)
{
    codec_write_map(buffer, 6);
    pair_bytes(buffer, "key", slice_of(key->public_key, MEMBER_KEY_BYTES));
    pair_u64(buffer, "from", key->from_index);
    if (ended) {
        pair_u64(buffer, "until", key->until_index);
        pair_u64(buffer, "until_time", key->until_ms);
        pair_text(buffer, "ended", member_key_end_name(key->how));
    } else {
        static const char *const names[] = {"until", "until_time", "ended"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            codec_write_text(buffer, names[i]);
            codec_write_nil(buffer);
        }
    }
    pair_string_or_nil(buffer, "reason", key->reason);
}

/* All keys the member has had, in order. */
static enum conclave_code write_keys(const struct query *query, const struct member *member)
{
    codec_write_text(query->answer, "keys");
    codec_write_array(query->answer, member->keys);
    uint32_t ended = member->status == MEMBER_REVOKED ? member->keys : member->keys - 1;
    struct member_old_key key;
    for (uint32_t i = 1; i <= ended; i++) {
        enum conclave_code code = member_old_key_load(query->transaction, member->number, i, &key);
        if (code != CONCLAVE_OK) {
            return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
        }
        write_key(query->answer, &key, true);
    }
    if (ended < member->keys) {
        key = (struct member_old_key){.from_index = member->key_index, .reason = slice_of_text("")};
        memcpy(key.public_key, member->public_key, MEMBER_KEY_BYTES);
        write_key(query->answer, &key, false);
    }
    return CONCLAVE_OK;
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
    query_begin_shape(query, MEMBER_PAIRS + 1);
    write_pairs(query->answer, &member);
    return write_keys(query, &member);
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
        uint32_t number;
        bool key_changed;
        code = member_find_decode(value, &number, &key_changed);
        if (code == CONCLAVE_OK) {
            code = member_load(query->transaction, number, &member);
        }
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
