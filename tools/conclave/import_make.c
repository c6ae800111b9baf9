/* Members, policies, proposals and the poll of imported minutes: each is looked up first and made
 * only when it is not there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/writer.h"
#include "convert.h"
#include "import.h"
#include "key.h"

#define POLL_OPEN_MS (24ull * 3600u * 1000u) /* closed by us long before */

json_t *import_find(struct import *import, const char *method, struct body *params, int *status)
{
    struct buffer packed;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    enum conclave_code code = body_finish(params, &packed);
    struct conclave_bytes result = {0};
    json_t *found = NULL;
    *status = 0;
    if (code != CONCLAVE_OK) {
        *status = cli_error(import->cli, code, NULL, "%s", conclave_code_text(code));
        goto done;
    }
    code = conclave_query(import->cli->client, method, packed.data, packed.size, &result);
    if (code == CONCLAVE_OK) {
        found = convert_packed_to_json(slice_of(result.data, result.size));
        if (found == NULL) {
            *status = cli_error(import->cli, CONCLAVE_INTERNAL, "",
                                "the node's answer to %s is not understood", method);
        }
    } else if (conclave_code_exit_status(code) != conclave_code_exit_status(CONCLAVE_NOT_FOUND)) {
        *status = cli_failure(import->cli, NULL);
    }
done:
    buffer_close(&packed);
    body_close(params);
    return found;
}

static json_t *find_by_id(struct import *import, const char *method, const char *id, int *status)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", id);
    return import_find(import, method, &params, status);
}

/* Submits as the chair; the reply is of no further use. */
static int submit(struct import *import, const char *kind, struct body *body, uint64_t *counter)
{
    json_t *reply;
    int status = session_submit(import->cli, kind, body, &reply);
    if (status == 0) {
        (*counter)++;
        json_decref(reply);
    }
    return status;
}

/* --- Members --- */

int import_load_key(struct import *import, const char *model, bool make, struct auth_key *key)
{
    char path[CLI_PATH_BYTES + LIMIT_ID_BYTES + 8];
    char id[LIMIT_ID_BYTES + 1];
    snprintf(path, sizeof path, "%s/%s.key", import->keys_directory, model);
    enum conclave_code code = auth_key_load(path, id, key);
    if (code == CONCLAVE_NOT_FOUND && make) {
        if (!key_make_parents(path)) {
            return cli_error(import->cli, CONCLAVE_IO, NULL, "%s: %s", path, strerror(errno));
        }
        return key_create(import->cli, path, model, key, NULL);
    }
    if (code != CONCLAVE_OK) {
        return cli_error(import->cli, code,
                         "the key was made when the member was imported; name its directory with "
                         "--keys",
                         "the key of %s cannot be taken from %s", model, path);
    }
    return 0;
}

/* The member's labels and those of this import. A member has room for a few only: when there is
 * none, those of earlier imports go, whose rolls are frozen. */
static void write_classes(struct import *import, struct body *body, const char *model,
                          const json_t *present)
{
    struct buffer labels;
    buffer_init(&labels, LIMIT_FRAME_BYTES);
    uint32_t count = 1;
    codec_write_text(&labels, import->voters_class);
    if (import_is_general(import, model)) {
        codec_write_text(&labels, import->general_class);
        count++;
    }
    bool full = json_array_size(present) + count > LIMIT_CLASSES;
    size_t i;
    const json_t *label;
    json_array_foreach(present, i, label)
    {
        const char *text = json_string_value(label);
        bool imported = text != NULL && strncmp(text, "minutes:", 8) == 0;
        bool ours = text != NULL && (strcmp(text, import->voters_class) == 0 ||
                                     strcmp(text, import->general_class) == 0);
        if (text != NULL && !ours && !(imported && full)) {
            codec_write_text(&labels, text);
            count++;
        }
    }
    body_key(body, "classes");
    codec_write_array(&body->pairs, count);
    codec_write_raw(&body->pairs, buffer_slice(&labels));
    if (labels.status != CONCLAVE_OK) {
        body->pairs.status = labels.status;
    }
    buffer_close(&labels);
}

static bool has_label(const json_t *labels, const char *label)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(labels, i, entry)
    {
        const char *text = json_string_value(entry);
        if (text != NULL && strcmp(text, label) == 0) {
            return true;
        }
    }
    return false;
}

static int admit(struct import *import, const char *model, const struct auth_key *key)
{
    struct body body;
    body_init(&body);
    body_text(&body, "id", model);
    body_bytes(&body, "key", slice_of(key->public_key, sizeof key->public_key));
    write_classes(import, &body, model, NULL);
    return submit(import, "member.admit", &body, &import->members_made);
}

static int update(struct import *import, const char *model, const json_t *member)
{
    const json_t *classes = json_object_get(member, "classes");
    if (has_label(classes, import->voters_class) &&
        has_label(classes, import->general_class) == import_is_general(import, model)) {
        return 0;
    }
    struct body body;
    body_init(&body);
    body_text(&body, "id", model);
    write_classes(import, &body, model, classes);
    uint64_t unused = 0;
    return submit(import, "member.update", &body, &unused);
}

static int make_member(struct import *import, const char *model)
{
    int status;
    json_t *member = find_by_id(import, "member.get", model, &status);
    if (status != 0) {
        return status;
    }
    struct auth_key key;
    status = import_load_key(import, model, member == NULL, &key);
    if (status != 0) {
        goto done;
    }
    if (member == NULL) {
        status = admit(import, model, &key);
    } else {
        uint8_t stored[AUTH_PUBLIC_KEY_BYTES];
        if (!convert_hex_parse(convert_text(member, "key"), stored, sizeof stored) ||
            memcmp(stored, key.public_key, sizeof stored) != 0) {
            status = cli_error(import->cli, CONCLAVE_DUPLICATE_ID,
                               "name the directory with the member's own key by --keys",
                               "%s is a member already, with another key than %s/%s.key", model,
                               import->keys_directory, model);
        } else {
            status = update(import, model, member);
        }
    }
    auth_key_wipe(&key);
done:
    json_decref(member);
    return status;
}

int import_make_members(struct import *import)
{
    int status = 0;
    for (size_t i = 0; i < import->minutes.ballot_count && status == 0; i++) {
        status = make_member(import, import->minutes.ballots[i].model);
    }
    return status;
}

/* --- Policies --- */

uint32_t import_percent(const struct import *import, const json_t *proposal)
{
    uint32_t percent;
    return minutes_threshold(&import->minutes, proposal, &percent) ? percent : IMPORT_NO_THRESHOLD;
}

void import_policy_id(const struct import *import, uint32_t percent, char id[LIMIT_ID_BYTES + 1])
{
    if (percent == IMPORT_NO_THRESHOLD) {
        snprintf(id, LIMIT_ID_BYTES + 1, "minutes-%s-majority", import->minutes.id);
    } else {
        snprintf(id, LIMIT_ID_BYTES + 1, "minutes-%s-%u", import->minutes.id, (unsigned)percent);
    }
}

static json_t *policy_map(const struct import *import, uint32_t percent)
{
    bool majority = percent == IMPORT_NO_THRESHOLD;
    json_t *policy = json_pack("{s:s, s:[i, i, s], s:s, s:s}", "for", "minutes kept by hand",
                               "pass", majority ? 1 : (int)percent, majority ? 2 : 100,
                               majority ? ">" : ">=", "revote", "final", "method",
                               import->minutes.method == MINUTES_SCORE ? "score" : "yesno");
    if (import->minutes.method == MINUTES_SCORE) {
        (void)json_object_set_new(policy, "min", json_integer(IMPORT_SCORE_MIN));
        (void)json_object_set_new(policy, "max", json_integer(IMPORT_SCORE_MAX));
        if (import->minutes.vetoes) {
            (void)json_object_set_new(policy, "veto",
                                      json_pack("{s:s, s:[s, i], s:s, s:[i, i], s:[i, i]}", "class",
                                                import->general_class, "trigger", "score",
                                                (int)IMPORT_VETO_SCORE, "share_of", "roll",
                                                "reject", (int)IMPORT_VETO_REJECT, 100, "revise",
                                                (int)IMPORT_VETO_REVISE, 100));
        }
    }
    return policy;
}

static int make_policy(struct import *import, const json_t *proposal)
{
    char id[LIMIT_ID_BYTES + 1];
    uint32_t percent = import_percent(import, proposal);
    import_policy_id(import, percent, id);
    int status;
    json_t *found = find_by_id(import, "policy.get", id, &status);
    bool exists = found != NULL;
    json_decref(found);
    if (status != 0 || exists) {
        return status;
    }
    struct body body;
    body_init(&body);
    body_text(&body, "id", id);
    json_t *policy = policy_map(import, percent);
    body_json(&body, "policy", policy);
    json_decref(policy);
    return submit(import, "policy.put", &body, &import->policies_made);
}

/* --- Proposals --- */

static void proposal_id(const struct import *import, const json_t *proposal,
                        char id[LIMIT_ID_BYTES + 1])
{
    snprintf(id, LIMIT_ID_BYTES + 1, "%s.%.*s", import->minutes.id, (int)MINUTES_ID_BYTES,
             json_string_value(json_object_get(proposal, "id")));
}

/* The title, cut to what a proposal's may have, at the end of a character. */
static void proposal_title(const json_t *proposal, char title[LIMIT_TITLE_BYTES + 1])
{
    const char *text = json_string_value(json_object_get(proposal, "title"));
    if (text == NULL || *text == '\0') {
        text = json_string_value(json_object_get(proposal, "id"));
    }
    size_t size = strlen(text);
    if (size > LIMIT_TITLE_BYTES) {
        size = LIMIT_TITLE_BYTES;
        while (size > 0 && ((unsigned char)text[size] & 0xc0u) == 0x80u) {
            size--;
        }
    }
    memcpy(title, text, size);
    title[size] = '\0';
}

static int make_proposal(struct import *import, const json_t *proposal)
{
    char id[LIMIT_ID_BYTES + 1];
    char title[LIMIT_TITLE_BYTES + 1];
    proposal_id(import, proposal, id);
    int status;
    json_t *found = find_by_id(import, "proposal.get", id, &status);
    bool exists = found != NULL;
    json_decref(found);
    if (status != 0 || exists) {
        return status;
    }
    proposal_title(proposal, title);
    char *text = json_dumps(proposal, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text == NULL) {
        return cli_error(import->cli, CONCLAVE_NO_MEMORY, NULL, "out of memory");
    }
    struct body body;
    body_init(&body);
    body_text(&body, "id", id);
    body_text(&body, "title", title);
    body_text(&body, "category", json_string_value(json_object_get(proposal, "category")));
    body_text(&body, "body", text);
    free(text);
    return submit(import, "proposal.submit", &body, &import->proposals_made);
}

/* --- The poll --- */

static json_t *questions(const struct import *import)
{
    json_t *list = json_array();
    size_t i;
    const json_t *proposal;
    json_array_foreach(import->minutes.proposals, i, proposal)
    {
        char id[LIMIT_ID_BYTES + 1];
        char policy[LIMIT_ID_BYTES + 1];
        proposal_id(import, proposal, id);
        import_policy_id(import, import_percent(import, proposal), policy);
        (void)json_array_append_new(list, json_pack("{s:O, s:s, s:s}", "id",
                                                    json_object_get(proposal, "id"), "proposal", id,
                                                    "policy", policy));
    }
    return list;
}

static int open_poll(struct import *import)
{
    int status = 0;
    size_t i;
    const json_t *proposal;
    json_array_foreach(import->minutes.proposals, i, proposal)
    {
        status = make_policy(import, proposal);
        if (status == 0) {
            status = make_proposal(import, proposal);
        }
        if (status != 0) {
            return status;
        }
    }
    char title[LIMIT_TITLE_BYTES + 1];
    snprintf(title, sizeof title, "Minutes %s, imported", import->minutes.id);
    struct body body;
    body_init(&body);
    body_text(&body, "id", import->poll);
    body_text(&body, "title", title);
    json_t *list = questions(import);
    body_json(&body, "questions", list);
    json_decref(list);
    body_u64(&body, "open_for_ms", POLL_OPEN_MS);
    body_key(&body, "classes");
    codec_write_array(&body.pairs, 1);
    codec_write_text(&body.pairs, import->voters_class);
    body_key(&body, "imported");
    codec_write_map(&body.pairs, 2);
    codec_write_text(&body.pairs, "source");
    codec_write_text(&body.pairs, import->minutes.id);
    codec_write_text(&body.pairs, "sha256");
    codec_write_bytes(&body.pairs, slice_of(import->minutes.sha256, sizeof import->minutes.sha256));
    return submit(import, "poll.open", &body, &import->polls_made);
}

/* A poll that is there must come from the same files. */
static int check_poll(struct import *import, const json_t *poll)
{
    uint8_t stored[AUTH_SHA256_BYTES];
    const json_t *imported = json_object_get(poll, "imported");
    if (convert_hex_parse(convert_text(imported, "sha256"), stored, sizeof stored) &&
        memcmp(stored, import->minutes.sha256, sizeof stored) == 0) {
        return 0;
    }
    return cli_error(import->cli, CONCLAVE_DUPLICATE_ID,
                     "what was imported stays as it was; give other minutes another name",
                     "the poll %s is there already, from other files", import->poll);
}

static int close_poll(struct import *import)
{
    struct body body;
    body_init(&body);
    body_text(&body, "id", import->poll);
    uint64_t unused = 0;
    return submit(import, "poll.close", &body, &unused);
}

int import_make_poll(struct import *import)
{
    int status;
    json_t *poll = find_by_id(import, "poll.get", import->poll, &status);
    if (status == 0) {
        status = poll == NULL ? open_poll(import) : check_poll(import, poll);
    }
    bool open = poll == NULL || strcmp(convert_text(poll, "state"), "open") == 0;
    json_decref(poll);
    if (status != 0) {
        return status;
    }
    /* Also when it is closed: answers that are not on the poll are part of the report. */
    status = import_cast_ballots(import);
    return status == 0 && open ? close_poll(import) : status;
}
