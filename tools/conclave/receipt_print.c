/* What a receipt proves, line by line. */
#include "receipt_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "convert.h"
#include "format.h"

/* --- What it is of --- */

bool receipt_poll(const struct audit_receipt *proven, char poll[LIMIT_ID_BYTES + 1])
{
    ASSERT(proven != NULL && poll != NULL);
    struct ballot {
        struct slice poll;
    } ballot = {0};
    static const struct codec_field fields[] = {
        {"poll", CODEC_STRING, true, offsetof(struct ballot, poll), 1, LIMIT_ID_BYTES},
    };
    struct codec_error error;
    poll[0] = '\0';
    if (!proven->has_command || !slice_is_text(proven->envelope.kind, "ballot.cast") ||
        codec_decode_map(proven->envelope.body, fields, 1, false, &ballot, &error) != CONCLAVE_OK ||
        !envelope_id_valid(ballot.poll)) {
        return false;
    }
    snprintf(poll, LIMIT_ID_BYTES + 1, "%.*s", (int)ballot.poll.size,
             (const char *)ballot.poll.data);
    return true;
}

void receipt_what(const struct audit_receipt *proven, char text[RECEIPT_WHAT_BYTES])
{
    ASSERT(proven != NULL && text != NULL);
    const char *copy = proven->leaf.kind == LEAF_COPY ? " (sent again)" : "";
    if (proven->leaf.kind == LEAF_CLOSING) {
        snprintf(text, RECEIPT_WHAT_BYTES, "closing of %" PRIu32 " polls",
                 proven->leaf.close_count);
    } else if (!proven->has_command) {
        snprintf(text, RECEIPT_WHAT_BYTES, "a command whose bytes are not in the receipt%s", copy);
    } else {
        snprintf(text, RECEIPT_WHAT_BYTES, "%.*s by %.*s%s", (int)proven->envelope.kind.size,
                 (const char *)proven->envelope.kind.data, (int)proven->envelope.author.size,
                 (const char *)proven->envelope.author.data, copy);
    }
}

static json_t *text_json(struct slice text)
{
    json_t *value = json_stringn((const char *)text.data, text.size);
    return value == NULL ? json_string("") : value;
}

static json_t *hex_json(struct slice bytes)
{
    char *text = convert_hex(bytes);
    json_t *value = json_string(text == NULL ? "" : text);
    memory_free(text);
    return value;
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    (void)json_object_set_new(object, key, json_sprintf("%" PRIu64, number));
}

/* The body, and in each answer the hash of its rationale. */
static json_t *body_json(const struct audit_receipt *proven)
{
    json_t *body = convert_to_json(proven->envelope.body);
    size_t i;
    json_t *answer;
    json_array_foreach(json_object_get(body, "answers"), i, answer)
    {
        const json_t *why = json_object_get(answer, "why");
        if (json_is_string(why)) {
            uint8_t digest[AUTH_SHA256_BYTES];
            auth_sha256(slice_of(json_string_value(why), json_string_length(why)), digest);
            (void)json_object_set_new(answer, "why_sha256",
                                      hex_json(slice_of(digest, sizeof digest)));
        }
    }
    return body == NULL ? json_object() : body;
}

/* --- JSON --- */

static json_t *signers_json(const struct checkpoint_verdict *verdict)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < verdict->cosigner_count; i++) {
        json_t *one = json_object();
        set_number(one, "node", verdict->cosigners[i]);
        set_number(one, "time", verdict->cosigned_s[i] * 1000);
        (void)json_array_append_new(list, one);
    }
    return list;
}

static void add_command_json(json_t *object, const struct audit_receipt *proven)
{
    (void)json_object_set_new(object, "position", json_sprintf("%" PRIu32, proven->leaf.position));
    (void)json_object_set_new(object, "code", text_json(proven->leaf.code));
    (void)json_object_set_new(object, "envelope", hex_json(proven->leaf.envelope));
    (void)json_object_set_new(object, "signature", hex_json(proven->leaf.signature));
    (void)json_object_set_new(object, "reply", hex_json(proven->leaf.reply));
    if (proven->has_command) {
        (void)json_object_set_new(object, "author", text_json(proven->envelope.author));
        (void)json_object_set_new(object, "command_kind", text_json(proven->envelope.kind));
        (void)json_object_set_new(object, "nonce", hex_json(proven->envelope.nonce));
        (void)json_object_set_new(object, "command", body_json(proven));
    }
}

static void print_json(const struct output *output, const struct audit_receipt *proven,
                       const struct receipt_shown *shown)
{
    static const char *const kinds[] = {"", "command", "closing", "copy"};
    const struct checkpoint_verdict *verdict = &proven->verdict;
    json_t *object = json_object();
    (void)json_object_set_new(object, "file", json_string(shown->path));
    (void)json_object_set_new(
        object, "cluster",
        hex_json(slice_of(proven->nodes.cluster_id, sizeof proven->nodes.cluster_id)));
    (void)json_object_set_new(object, "cluster_given", json_boolean(shown->pinned));
    (void)json_object_set_new(object, "kind", json_string(kinds[proven->leaf.kind]));
    set_number(object, "leaf", proven->receipt.number);
    set_number(object, "size", verdict->checkpoint.size);
    (void)json_object_set_new(
        object, "root", hex_json(slice_of(verdict->checkpoint.root.bytes, MERKLE_HASH_BYTES)));
    set_number(object, "index", proven->leaf.index);
    set_number(object, "time", proven->leaf.time_ms);
    if (proven->leaf.kind == LEAF_CLOSING) {
        json_t *polls = json_array();
        for (uint32_t i = 0; i < proven->leaf.close_count; i++) {
            (void)json_array_append_new(polls, convert_to_json(&proven->leaf.closes[i]));
        }
        (void)json_object_set_new(object, "closes", polls);
    } else {
        add_command_json(object, proven);
    }
    (void)json_object_set_new(object, "signed_by",
                              shown->signed_by == NULL ? json_null()
                                                       : json_string(shown->signed_by));
    set_number(object, "issuer", verdict->issuer);
    (void)json_object_set_new(object, "cosigners", signers_json(verdict));
    set_number(object, "nodes", proven->nodes.count);
    output_json_line(output, "receipt", object);
}

/* --- A page --- */

static void print_answers(const struct output *output, const struct audit_receipt *proven)
{
    json_t *body = body_json(proven);
    size_t i;
    const json_t *answer;
    json_array_foreach(json_object_get(body, "answers"), i, answer)
    {
        const char *choice = convert_text(answer, "a");
        const char *review = convert_text(answer, "review");
        output_print(output, OUTPUT_PLAIN, "  ");
        output_safe(output, OUTPUT_BOLD, convert_text(answer, "q"));
        output_print(output, OUTPUT_PLAIN, "  ");
        output_safe(output, OUTPUT_PLAIN, choice[0] == '\0' ? "-" : choice);
        output_print(output, OUTPUT_PLAIN, "%s", convert_bool(answer, "veto") ? ", veto" : "");
        if (review[0] != '\0') {
            output_print(output, OUTPUT_PLAIN, " (");
            output_safe(output, OUTPUT_PLAIN, review);
            output_print(output, OUTPUT_PLAIN, ")");
        }
        output_print(output, OUTPUT_PLAIN, "\n");
        if (convert_text(answer, "why_sha256")[0] != '\0') {
            output_block(output, 6, convert_text(answer, "why"));
            output_print(output, OUTPUT_DIM, "      sha256 %s\n",
                         convert_text(answer, "why_sha256"));
        }
    }
    json_decref(body);
}

static void print_hex(const struct output *output, const char *name, struct slice bytes)
{
    char *text = convert_hex(bytes);
    output_field(output, name, text == NULL ? "" : text);
    memory_free(text);
}

static void print_signers(const struct output *output, const struct audit_receipt *proven)
{
    const struct checkpoint_verdict *verdict = &proven->verdict;
    char text[320];
    uint64_t last_s = 0;
    int used = snprintf(text, sizeof text, "by the log (node %" PRIu64 "), cosigned by node",
                        verdict->issuer);
    for (unsigned i = 0; i < verdict->cosigner_count && used > 0 && (size_t)used < sizeof text;
         i++) {
        used += snprintf(text + used, sizeof text - (size_t)used, "%s %" PRIu64,
                         i == 0 ? (verdict->cosigner_count > 1 ? "s" : "") : ",",
                         verdict->cosigners[i]);
        last_s = verdict->cosigned_s[i] > last_s ? verdict->cosigned_s[i] : last_s;
    }
    if (used > 0 && (size_t)used < sizeof text) {
        snprintf(text + used, sizeof text - (size_t)used, " of %u (%u needed)", proven->nodes.count,
                 checkpoint_majority(&proven->nodes));
    }
    output_field(output, "signed", text);
    char time[FORMAT_TIME_BYTES];
    format_time(last_s < UINT64_MAX / 1000 ? last_s * 1000 : 0, time);
    output_field(output, "  last at", time);
}

static void print_place(const struct output *output, const struct audit_receipt *proven)
{
    char time[FORMAT_TIME_BYTES];
    char text[128];
    format_time(proven->leaf.time_ms, time);
    if (proven->leaf.kind == LEAF_CLOSING) {
        snprintf(text, sizeof text, "%" PRIu64 ", at %s", proven->leaf.index, time);
    } else {
        snprintf(text, sizeof text, "%" PRIu64 ", position %" PRIu32 ", at %s", proven->leaf.index,
                 proven->leaf.position, time);
    }
    output_field(output, "log", text);
}

static void print_command(const struct output *output, const struct audit_receipt *proven,
                          const struct receipt_shown *shown)
{
    char poll[LIMIT_ID_BYTES + 1];
    char code[80];
    snprintf(code, sizeof code, "%.*s", (int)proven->leaf.code.size,
             (const char *)proven->leaf.code.data);
    output_field(output, "decided", code);
    if (receipt_poll(proven, poll)) {
        output_field(output, "poll", poll);
        output_print(output, OUTPUT_PLAIN, "answers\n");
        print_answers(output, proven);
    }
    print_hex(output, "envelope", proven->leaf.envelope);
    char signature[AUTH_PUBLIC_KEY_TEXT_BYTES + 32];
    snprintf(signature, sizeof signature, "verifies with %s",
             shown->signed_by == NULL ? "" : shown->signed_by);
    output_field(output, "signature",
                 shown->signed_by != NULL ? signature
                                          : "not checked: give the author's --public-key");
}

void receipt_print(const struct output *output, const struct audit_receipt *proven,
                   const struct receipt_shown *shown)
{
    ASSERT(output != NULL && proven != NULL && shown != NULL);
    if (output->json) {
        print_json(output, proven, shown);
        return;
    }
    char what[RECEIPT_WHAT_BYTES];
    char text[128];
    output_print(output, OUTPUT_GOOD, "proven");
    output_print(output, OUTPUT_PLAIN, "  ");
    output_safe(output, OUTPUT_PLAIN, shown->path);
    output_print(output, OUTPUT_PLAIN, "\n");
    receipt_what(proven, what);
    output_field(output, "command", what);
    print_place(output, proven);
    if (proven->leaf.kind != LEAF_CLOSING) {
        print_command(output, proven, shown);
    }
    print_hex(output, "cluster",
              slice_of(proven->nodes.cluster_id, sizeof proven->nodes.cluster_id));
    if (!shown->pinned) {
        output_field(output, "", "compare this id with the one you know, or give --cluster");
    }
    snprintf(text, sizeof text, "%" PRIu64 ", in a tree of %" PRIu64, proven->receipt.number,
             proven->verdict.checkpoint.size);
    output_field(output, "leaf", text);
    print_hex(output, "root", slice_of(proven->verdict.checkpoint.root.bytes, MERKLE_HASH_BYTES));
    print_signers(output, proven);
}
