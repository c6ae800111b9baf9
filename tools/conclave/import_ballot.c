/* Ballots of imported minutes. */
#include <string.h>

#include "codec/writer.h"
#include "convert.h"
#include "format.h"
#include "import.h"
#include "minutes_internal.h"

/* The reason given with an answer: a veto's justification, or a comment. */
static const char *reason_of(const json_t *answer)
{
    const char *veto = json_string_value(json_object_get(answer, "veto"));
    return veto != NULL ? veto : json_string_value(json_object_get(answer, "comment"));
}

/* Writes the value of "a". False with a problem said when the answer is none of the poll's. */
static bool write_value(struct import *import, const struct minutes_ballot *ballot, size_t place,
                        const json_t *answer, struct buffer *out)
{
    const json_t *score = json_object_get(answer, "weight");
    const char *vote = json_string_value(json_object_get(answer, "vote"));
    if (import->minutes.method == MINUTES_SCORE) {
        if (!json_is_integer(score) || json_integer_value(score) < (json_int_t)IMPORT_SCORE_MIN ||
            json_integer_value(score) > (json_int_t)IMPORT_SCORE_MAX) {
            minutes_problem(&import->minutes, ballot->file, NULL,
                            "weights[%zu]: the weight is no whole number of %u to %u", place,
                            IMPORT_SCORE_MIN, IMPORT_SCORE_MAX);
            return false;
        }
        codec_write_u64(out, (uint64_t)json_integer_value(score));
        return true;
    }
    const char *choice = vote == NULL                   ? NULL
                         : strcmp(vote, "SUPPORT") == 0 ? "yes"
                         : strcmp(vote, "REJECT") == 0  ? "no"
                         : strcmp(vote, "ABSTAIN") == 0 ? "abstain"
                                                        : NULL;
    if (choice == NULL) {
        minutes_problem(&import->minutes, ballot->file, NULL,
                        "proposals[%zu]: the vote is none of SUPPORT, REJECT, ABSTAIN", place);
        return false;
    }
    codec_write_text(out, choice);
    return true;
}

static void note_not_on_poll(struct import *import, const struct minutes_ballot *ballot,
                             const json_t *answer, const char *id)
{
    const json_t *value = json_object_get(answer, "weight");
    char *text =
        json_dumps(value != NULL ? value : json_object_get(answer, "vote"), JSON_ENCODE_ANY);
    (void)json_array_append_new(import->not_on_poll,
                                json_pack("{s:s, s:s, s:s}", "model", ballot->model, "question", id,
                                          "answer", text == NULL ? "" : text));
    free(text);
}

/* Was this question answered at an earlier place of the ballot? */
static bool comes_before(const struct minutes_ballot *ballot, size_t place, const char *id)
{
    for (size_t i = 0; i < place; i++) {
        const char *other =
            json_string_value(json_object_get(json_array_get(ballot->answers, i), "proposal_id"));
        if (other != NULL && strcmp(other, id) == 0) {
            return true;
        }
    }
    return false;
}

/* One answer; how many were written: 0 or 1. */
static uint32_t write_answer(struct import *import, const struct minutes_ballot *ballot,
                             size_t place, const json_t *answer, struct buffer *out)
{
    const char *id = json_string_value(json_object_get(answer, "proposal_id"));
    if (id == NULL) {
        minutes_problem(&import->minutes, ballot->file, NULL, "answer [%zu] names no proposal",
                        place);
        return 0;
    }
    if (minutes_proposal(&import->minutes, id) == NULL) {
        note_not_on_poll(import, ballot, answer, id);
        return 0;
    }
    if (comes_before(ballot, place, id)) {
        minutes_problem(&import->minutes, ballot->file, NULL,
                        "answer [%zu] is a second one to %s; the first is taken", place, id);
        return 0;
    }
    struct buffer value;
    buffer_init(&value, LIMIT_FRAME_BYTES);
    uint32_t written = 0;
    if (write_value(import, ballot, place, answer, &value)) {
        const char *why = reason_of(answer);
        if (why != NULL && (*why == '\0' || strlen(why) > LIMIT_RATIONALE_BYTES)) {
            why = NULL; /* the original bytes have it all the same */
        }
        codec_write_map(out, why == NULL ? 2 : 3);
        codec_write_text(out, "q");
        codec_write_text(out, id);
        codec_write_text(out, "a");
        codec_write_raw(out, buffer_slice(&value));
        if (why != NULL) {
            codec_write_text(out, "why");
            codec_write_text(out, why);
        }
        written = 1;
    }
    buffer_close(&value);
    return written;
}

static uint32_t write_answers(struct import *import, const struct minutes_ballot *ballot,
                              struct buffer *out)
{
    uint32_t count = 0;
    size_t place;
    const json_t *answer;
    json_array_foreach(ballot->answers, place, answer)
    {
        count += write_answer(import, ballot, place, answer, out);
    }
    return count;
}

static void write_body(struct import *import, const struct minutes_ballot *ballot,
                       struct slice answers, uint32_t answer_count, struct body *body)
{
    uint64_t claimed_ms;
    body_init(body);
    body_text(body, "poll", import->poll);
    body_key(body, "answers");
    codec_write_array(&body->pairs, answer_count);
    codec_write_raw(&body->pairs, answers);
    if (format_parse_time(ballot->timestamp, &claimed_ms)) {
        body_u64(body, "claimed_at", claimed_ms);
    }
    bool dated = ballot->timestamp[0] != '\0' && strlen(ballot->timestamp) <= LIMIT_NAME_BYTES;
    body_key(body, "imported");
    codec_write_map(&body->pairs, dated ? 4 : 3);
    codec_write_text(&body->pairs, "file");
    codec_write_text(&body->pairs, ballot->file);
    codec_write_text(&body->pairs, "sha256");
    codec_write_bytes(&body->pairs, slice_of(ballot->sha256, sizeof ballot->sha256));
    codec_write_text(&body->pairs, "bytes");
    codec_write_bytes(&body->pairs, buffer_slice(&ballot->bytes));
    if (dated) {
        codec_write_text(&body->pairs, "timestamp");
        codec_write_text(&body->pairs, ballot->timestamp);
    }
}

/* Signs with the member's key and submits. A refusal is a problem of the file; other failures end
 * the import. */
static int submit_ballot(struct import *import, const struct minutes_ballot *ballot,
                         struct slice packed)
{
    struct auth_key key;
    int status = import_load_key(import, ballot->model, false, &key);
    if (status != 0) {
        return status;
    }
    uint8_t nonce[16];
    struct conclave_bytes reply;
    enum conclave_code code = conclave_submit(import->cli->client, ballot->model, key.secret_key,
                                              "ballot.cast", packed.data, packed.size, nonce,
                                              &reply);
    auth_key_wipe(&key);
    if (code == CONCLAVE_OK) {
        import->ballots_made++;
        return 0;
    }
    int exit_status = conclave_code_exit_status(code);
    if (exit_status == conclave_code_exit_status(CONCLAVE_BAD_VALUE) ||
        exit_status == conclave_code_exit_status(CONCLAVE_NOT_ON_ROLL) ||
        code == CONCLAVE_TOO_LARGE) {
        minutes_problem(&import->minutes, ballot->file, NULL, "the ballot is refused: %s (%s)",
                        conclave_last_failure(import->cli->client)->message,
                        conclave_code_name(code));
        return 0;
    }
    return cli_failure(import->cli, NULL);
}

/* Has the cluster this ballot? `*found` says so; one from another file is a problem. */
static int look_for_ballot(struct import *import, const struct minutes_ballot *ballot, bool *found)
{
    int status;
    struct body params;
    body_init(&params);
    body_text(&params, "poll", import->poll);
    body_text(&params, "member", ballot->model);
    json_t *stored = import_find(import, "ballot.get", &params, &status);
    *found = stored != NULL;
    if (stored != NULL) {
        uint8_t sha256[AUTH_SHA256_BYTES];
        const json_t *imported = json_object_get(stored, "imported");
        if (!convert_hex_parse(convert_text(imported, "sha256"), sha256, sizeof sha256) ||
            memcmp(sha256, ballot->sha256, sizeof sha256) != 0) {
            minutes_problem(&import->minutes, ballot->file, NULL,
                            "the cluster has another ballot of %s in this poll", ballot->model);
        }
        json_decref(stored);
    }
    return status;
}

static int cast_ballot(struct import *import, const struct minutes_ballot *ballot)
{
    bool found;
    int status = look_for_ballot(import, ballot, &found);
    if (status != 0) {
        return status;
    }
    struct buffer answers;
    buffer_init(&answers, LIMIT_FRAME_BYTES);
    uint32_t count = write_answers(import, ballot, &answers);
    if (!found && count > 0) {
        struct body body;
        struct buffer packed;
        buffer_init(&packed, LIMIT_FRAME_BYTES);
        write_body(import, ballot, buffer_slice(&answers), count, &body);
        enum conclave_code code = body_finish(&body, &packed);
        status = code == CONCLAVE_OK ? submit_ballot(import, ballot, buffer_slice(&packed))
                                     : cli_error(import->cli, code, NULL, "%s: %s", ballot->file,
                                                 conclave_code_text(code));
        body_close(&body);
        buffer_close(&packed);
    }
    buffer_close(&answers);
    return status;
}

int import_cast_ballots(struct import *import)
{
    int status = 0;
    for (size_t i = 0; i < import->minutes.ballot_count && status == 0; i++) {
        status = cast_ballot(import, &import->minutes.ballots[i]);
    }
    return status;
}
