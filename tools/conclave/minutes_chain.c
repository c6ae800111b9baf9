/* The chain of hashes beside minutes kept by hand, and what else they say: figures that were
 * published, thresholds.
 *
 * A block verifies when all three hold: its own hash is the SHA-256 of its fields joined by "|"
 * (index|timestamp|previous_hash|type|model|vote_file|vote_file_hash, a null previous hash as the
 * empty string), it names the hash of the block before it, and the file it names has the hash it
 * names. Nothing is repaired; a file that matches only when CRLF line ends are read as LF is said
 * to do so.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "convert.h"
#include "minutes_internal.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static bool hash_is(struct slice bytes, const char *expected_hex)
{
    uint8_t found[AUTH_SHA256_BYTES];
    uint8_t expected[AUTH_SHA256_BYTES];
    auth_sha256(bytes, found);
    return convert_hex_parse(expected_hex, expected, sizeof expected) &&
           memcmp(found, expected, sizeof found) == 0;
}

static bool block_hash_holds(const json_t *block)
{
    struct buffer joined;
    buffer_init(&joined, MINUTES_FILE_BYTES);
    char index[32];
    snprintf(index, sizeof index, "%lld",
             (long long)json_integer_value(json_object_get(block, "index")));
    const char *const parts[] = {index,
                                 text_of(block, "timestamp"),
                                 text_of(block, "previous_hash"),
                                 text_of(block, "type"),
                                 text_of(block, "model"),
                                 text_of(block, "vote_file"),
                                 text_of(block, "vote_file_hash")};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i > 0) {
            buffer_append(&joined, "|", 1);
        }
        buffer_append(&joined, parts[i], strlen(parts[i]));
    }
    bool holds = joined.status == CONCLAVE_OK &&
                 hash_is(buffer_slice(&joined), text_of(block, "block_hash"));
    buffer_close(&joined);
    return holds;
}

/* Takes the carriage return out of every CR LF. */
static void drop_carriage_returns(struct buffer *contents)
{
    size_t kept = 0;
    for (size_t i = 0; i < contents->size; i++) {
        bool drop = contents->data[i] == '\r' && i + 1 < contents->size &&
                    contents->data[i + 1] == '\n';
        if (!drop) {
            contents->data[kept++] = contents->data[i];
        }
    }
    contents->size = kept;
}

enum file_match {
    FILE_MATCHES,
    FILE_MATCHES_AS_LF,
    FILE_DIFFERS,
    FILE_MISSING
};

/* A name in a chain is somebody's text: it must not lead out of the directory. */
static bool name_is_inside(const char *file)
{
    return file[0] != '\0' && file[0] != '/' && strstr(file, "..") == NULL;
}

static enum file_match match_file(const struct minutes *minutes, const json_t *block)
{
    const char *file = text_of(block, "vote_file");
    const char *expected = text_of(block, "vote_file_hash");
    struct buffer contents;
    buffer_init(&contents, MINUTES_FILE_BYTES);
    bool missing;
    enum file_match match = FILE_MISSING;
    if (name_is_inside(file) && minutes_read_file(minutes, file, &contents, &missing)) {
        if (hash_is(buffer_slice(&contents), expected)) {
            match = FILE_MATCHES;
        } else {
            drop_carriage_returns(&contents);
            match = hash_is(buffer_slice(&contents), expected) ? FILE_MATCHES_AS_LF : FILE_DIFFERS;
        }
    }
    buffer_close(&contents);
    return match;
}

static json_t *examine_block(const struct minutes *minutes, const json_t *block,
                             const char *previous_hash)
{
    json_t *why = json_array();
    if (!block_hash_holds(block)) {
        (void)json_array_append_new(why, json_string("its hash is not that of its fields"));
    }
    if (strcmp(text_of(block, "previous_hash"), previous_hash) != 0) {
        (void)json_array_append_new(
            why, json_string("it does not name the hash of the block before it"));
    }
    enum file_match match = match_file(minutes, block);
    if (match == FILE_DIFFERS) {
        (void)json_array_append_new(why, json_sprintf("%s has another hash than the block says",
                                                      text_of(block, "vote_file")));
    } else if (match == FILE_MISSING) {
        (void)json_array_append_new(
            why, json_sprintf("there is no file %s", text_of(block, "vote_file")));
    }
    const char *status = json_array_size(why) > 0      ? "unverifiable"
                         : match == FILE_MATCHES_AS_LF ? "verified_after_crlf_to_lf"
                                                       : "verified";
    json_t *index = json_object_get(block, "index");
    return json_pack("{s:o, s:s, s:s, s:s, s:o}", "index",
                     json_is_integer(index)
                         ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(index))
                         : json_null(),
                     "model", text_of(block, "model"), "type", text_of(block, "type"), "status",
                     status, "why", why);
}

void minutes_examine_chain(struct minutes *minutes)
{
    const json_t *blocks = json_is_object(minutes->chain_root)
                               ? json_object_get(minutes->chain_root, "chain")
                               : minutes->chain_root;
    if (minutes->chain_root != NULL && !json_is_array(blocks)) {
        minutes_problem(minutes, "voting_chain.json", NULL, "there is no array of blocks in it");
        return;
    }
    const char *previous_hash = "";
    size_t i;
    const json_t *block;
    json_array_foreach(blocks, i, block)
    {
        json_t *found = examine_block(minutes, block, previous_hash);
        if (found == NULL) {
            minutes_problem(minutes, "voting_chain.json", NULL, "block %zu is not understood",
                            i + 1);
        } else {
            (void)json_array_append_new(minutes->chain, found);
        }
        previous_hash = text_of(block, "block_hash");
    }
}

/* --- What was published --- */

static const struct {
    const char *list;   /* key of results.json */
    const char *status; /* of all its entries; NULL: they say it themselves */
} published_lists[] = {{"results", NULL}, {"approved", "approved"}, {"rejected", "rejected"}};

#define PUBLISHED_LISTS (sizeof published_lists / sizeof *published_lists)

static const char *published_id(const json_t *entry)
{
    const char *id = text_of(entry, "proposal_id");
    return id[0] != '\0' ? id : text_of(entry, "temp_id");
}

const json_t *minutes_published(const struct minutes *minutes, const char *id, const char **status)
{
    for (size_t list = 0; list < PUBLISHED_LISTS; list++) {
        size_t i;
        const json_t *entry;
        json_array_foreach(json_object_get(minutes->results, published_lists[list].list), i, entry)
        {
            if (strcmp(published_id(entry), id) == 0) {
                *status = published_lists[list].status != NULL ? published_lists[list].status
                                                               : text_of(entry, "status");
                return entry;
            }
        }
    }
    *status = "";
    return NULL;
}

json_t *minutes_published_elsewhere(const struct minutes *minutes)
{
    json_t *found = json_array();
    for (size_t list = 0; list < PUBLISHED_LISTS; list++) {
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(minutes->results, published_lists[list].list), i, entry)
        {
            const char *id = published_id(entry);
            if (minutes_proposal(minutes, id) == NULL) {
                (void)json_array_append_new(found,
                                            json_pack("{s:s, s:s, s:O?}", "id", id, "status",
                                                      published_lists[list].status != NULL
                                                          ? published_lists[list].status
                                                          : text_of(entry, "status"),
                                                      "score", json_object_get(entry, "score")));
            }
        }
    }
    return found;
}

/* --- Thresholds --- */

/* 0.6 and 60 both mean 60 of 100; anything that is no whole number of hundredths is none. */
static bool percent_of(const json_t *value, uint32_t *percent)
{
    if (!json_is_number(value)) {
        return false;
    }
    double number = json_number_value(value);
    double hundredths = number <= 1.0 ? number * 100.0 : number;
    if (!(hundredths >= 0.0 && hundredths <= 100.0)) {
        return false;
    }
    double whole = (double)(uint32_t)(hundredths + 0.5);
    if (hundredths - whole > 1e-6 || whole - hundredths > 1e-6) {
        return false;
    }
    *percent = (uint32_t)whole;
    return true;
}

/* "Security" is named by the key security_proposals. */
static void category_key(const char *category, char *key, size_t size)
{
    size_t used = 0;
    for (; *category != '\0' && used + 1 < size; category++) {
        char letter = *category;
        key[used++] = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a')
                      : letter == ' '                ? '_'
                                                     : letter;
    }
    key[used] = '\0';
    if (used + sizeof "_proposals" <= size) {
        memcpy(key + used, "_proposals", sizeof "_proposals");
    }
}

static bool threshold_from(const json_t *where, const json_t *proposal, uint32_t *percent)
{
    char key[128];
    const json_t *special = json_object_get(where, "special_thresholds");
    category_key(text_of(proposal, "category"), key, sizeof key);
    return percent_of(json_object_get(special, text_of(proposal, "id")), percent) ||
           percent_of(json_object_get(special, key), percent) ||
           percent_of(json_object_get(where, "approval_threshold"), percent);
}

bool minutes_threshold(const struct minutes *minutes, const json_t *proposal, uint32_t *percent)
{
    ASSERT(minutes != NULL && proposal != NULL && percent != NULL);
    return threshold_from(minutes->chain_root, proposal, percent) ||
           threshold_from(json_object_get(minutes->results, "voting_summary"), proposal, percent);
}
