/* Making the state: see the header. */
#include "fuzz/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "support/scratch.h"
#include "tools/conclave/convert.h"

static struct model_fixture fixture;
static char directory[SCRATCH_PATH_BYTES];
static bool made;

const char *const fuzz_authors[FUZZ_AUTHORS] = {"chair", "ann", "bob", "cid",
                                                "dan",   "eve", "zoe", "second"};

const char *const fuzz_kinds[FUZZ_KINDS] = {
    "ballot.cast", "member.admit", "member.update",   "node.add",        "node.remove",
    "node.lead",   "node.update",  "policy.put",      "poll.cancel",     "poll.close",
    "poll.open",   "genesis",      "proposal.revise", "proposal.submit", "proposal.withdraw"};

const char *const fuzz_queries[FUZZ_QUERIES] = {
    "cluster.get",   "member.get", "member.list", "policy.get", "policy.list", "proposal.get",
    "proposal.list", "poll.get",   "poll.list",   "poll.roll",  "tally",       "decision.get",
    "decision.list", "ballot.get", "ballot.list", "request"};

const char *const fuzz_words[] = {"id",
                                  "key",
                                  "name",
                                  "class",
                                  "classes",
                                  "roles",
                                  "weight",
                                  "active",
                                  "chair",
                                  "policy",
                                  "title",
                                  "body",
                                  "method",
                                  "yesno",
                                  "score",
                                  "min",
                                  "max",
                                  "pass",
                                  "quorum",
                                  "base",
                                  "cast",
                                  "eligible",
                                  "heads",
                                  ">",
                                  ">=",
                                  "veto",
                                  "trigger",
                                  "explicit",
                                  "share_of",
                                  "roll",
                                  "answered",
                                  "reject",
                                  "revise",
                                  "experts",
                                  "domain",
                                  "approvals",
                                  "objections",
                                  "rationale",
                                  "mode",
                                  "required",
                                  "sections",
                                  "revote",
                                  "final",
                                  "last",
                                  "early_close",
                                  "min_open_ms",
                                  "justification",
                                  "questions",
                                  "proposal",
                                  "open_for_ms",
                                  "imported",
                                  "source",
                                  "sha256",
                                  "file",
                                  "bytes",
                                  "poll",
                                  "answers",
                                  "q",
                                  "a",
                                  "why",
                                  "review",
                                  "approve",
                                  "object",
                                  "yes",
                                  "no",
                                  "abstain",
                                  "claimed_at",
                                  "supersedes",
                                  "limit",
                                  "after",
                                  "stage",
                                  "state",
                                  "question",
                                  "member",
                                  "author",
                                  "nonce",
                                  "revision",
                                  "version",
                                  "open",
                                  "closed",
                                  "draft",
                                  "g",
                                  "x",
                                  "expert:x",
                                  "chair",
                                  "ann",
                                  "bob",
                                  "cid",
                                  "eve",
                                  "p",
                                  "s",
                                  "v",
                                  "e",
                                  "old",
                                  "done",
                                  "q1",
                                  "q2",
                                  "q3",
                                  "prop",
                                  "node",
                                  "address",
                                  "role",
                                  "voter",
                                  "standby",
                                  "spare",
                                  "127.0.0.1:7104",
                                  "reason",
                                  "token",
                                  "peer",
                                  "client",
                                  "force",
                                  "replaces",
                                  "suspended",
                                  "category",
                                  "kind",
                                  "closes_at",
                                  NULL};

const struct fuzz_body fuzz_bodies[] = {
    {1, 0,
     "{'poll': 'p', 'answers': [{'q': 'q1', 'a': 'yes', 'why': 'because'}], "
     "'claimed_at': 1757203200000}"},
    {2, 0, "{'poll': 's', 'answers': [{'q': 'q1', 'a': 7}, {'q': 'q2', 'a': 'abstain'}]}"},
    {1, 0,
     "{'poll': 'v', 'answers': [{'q': 'q1', 'a': 'no', 'veto': true, 'why': 'it is wrong'}]}"},
    {2, 0, "{'poll': 'e', 'answers': [{'q': 'q1', 'review': 'approve'}]}"},
    {1, 0,
     "{'poll': 'old', 'answers': [{'q': 'q1', 'a': 'yes'}], 'imported': {'file': 'a.json', "
     "'sha256': 'hex:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', "
     "'bytes': 'hex:7b7d'}}"},
    {0, 1,
     "{'id': 'new', 'key': 'hex:"
     "6e6577000000000000000000000000000000000000000000000000000000000a', 'name': 'New', "
     "'classes': ['g'], 'roles': ['expert:x'], 'weight': 3}"},
    {0, 2, "{'id': 'bob', 'classes': ['g', 'h'], 'weight': 9}"},
    {0, 2, "{'id': 'dan', 'status': 'active'}"},
    {0, 3,
     "{'id': 4, 'peer': '127.0.0.1:7104', 'client': '127.0.0.1:7204', 'role': 'standby', "
     "'token': 'hex:0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20'}"},
    {0, 4, "{'id': 3, 'force': true}"},
    {0, 5, "{'id': 3, 'role': 'standby'}"},
    {0, 6,
     "{'id': 'yesno', 'policy': {'method': 'yesno', 'pass': [2, 3, '>='], 'quorum': [1, 2, "
     "'weight'], 'rationale': {'mode': 'required', 'min': 3, 'max': 100, 'sections': "
     "['Why']}, 'revote': 'final', 'early_close': {'min_open_ms': 0}}}"},
    {0, 6,
     "{'id': 'other', 'policy': {'method': 'score', 'min': 0, 'max': 5, 'pass': [1, 2, '>'], "
     "'revote': 'final', 'veto': {'class': 'g', 'trigger': ['score', 1], 'justification': 4, "
     "'share_of': 'roll', 'reject': [1, 2], 'revise': [1, 4]}}}"},
    {0, 7, "{'id': 'p', 'reason': 'enough'}"},
    {0, 8, "{'id': 's'}"},
    {0, 9,
     "{'id': 'next', 'title': 'Next', 'open_for_ms': 1000, 'classes': ['g'], 'questions': "
     "[{'id': 'q1', 'title': 'T', 'policy': 'yesno'}, {'id': 'q2', 'title': 'T', "
     "'policy': 'experts'}]}"},
    {1, 12, "{'id': 'mine', 'title': 'Mine', 'body': 'text'}"},
    {1, 11, "{'id': 'prop', 'title': 'Again', 'body': 'more text'}"},
    {1, 13, "{'id': 'prop'}"},
};
const size_t fuzz_body_count = sizeof fuzz_bodies / sizeof *fuzz_bodies;

static void clean_up(void)
{
    scratch_remove(directory);
}

static void ok(const char *author, const char *kind, const char *body)
{
    (void)model_ok(&fixture, author, kind, "%s", body);
    fixture.time_ms += 10;
}

static void make_people(void)
{
    static const char *const more[] = {"'classes': ['g']", "'weight': 2, 'roles': ['expert:x']",
                                       "'classes': ['g', 'h'], 'name': 'Cid'", "'classes': ['h']",
                                       "'weight': 5"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const char *id = fuzz_authors[i + 1];
        (void)model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s', %s}", id,
                       model_key(id), more[i]);
    }
    (void)model_ok(&fixture, "chair", "member.admit",
                   "{'id': 'second', 'key': '%s', 'roles': "
                   "['chair']}",
                   model_key("second"));
    ok("chair", "member.update", "{'id': 'dan', 'status': 'suspended'}");
}

static void make_policies(void)
{
    static const char *const bodies[] = {
        "{'id': 'yesno', 'policy': {'method': 'yesno', 'pass': [1, 2, '>']}}",
        "{'id': 'score', 'policy': {'method': 'score', 'min': 1, 'max': 10, "
        "'pass': [60, 100, '>=']}}",
        "{'id': 'veto', 'policy': {'method': 'yesno', 'base': 'cast', 'pass': [1, 2, '>'], 'veto': "
        "{'class': 'g', 'trigger': 'explicit', 'justification': 4, 'share_of': 'answered', "
        "'reject': [2, 3], 'revise': [1, 3]}}}",
        "{'id': 'experts', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], 'experts': "
        "{'domain': 'x', 'approvals': 1, 'objections': 0}, 'revote': 'final', 'early_close': "
        "{'min_open_ms': 5}}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        ok("chair", "policy.put", bodies[i]);
    }
}

static void make_polls(void)
{
    ok("ann", "proposal.submit", "{'id': 'prop', 'title': 'A proposal', 'body': 'text'}");
    ok("chair", "poll.open",
       "{'id': 'done', 'title': 'Done', 'open_for_ms': 1000, 'questions': "
       "[{'id': 'q1', 'title': 'T', 'policy': 'yesno'}]}");
    ok("eve", "ballot.cast", "{'poll': 'done', 'answers': [{'q': 'q1', 'a': 'yes'}]}");
    fixture.time_ms += 2000;
    (void)model_close_due(&fixture);
    ok("chair", "poll.open",
       "{'id': 'p', 'title': 'P', 'open_for_ms': 100000, 'questions': "
       "[{'id': 'q1', 'title': 'T', 'policy': 'yesno'}]}");
    ok("chair", "poll.open",
       "{'id': 's', 'title': 'S', 'open_for_ms': 100000, 'questions': "
       "[{'id': 'q1', 'title': 'T', 'policy': 'score'}, {'id': 'q2', 'title': 'T', 'policy': "
       "'score'}]}");
    ok("chair", "poll.open",
       "{'id': 'v', 'title': 'V', 'open_for_ms': 50000, 'questions': "
       "[{'id': 'q1', 'title': 'T', 'policy': 'veto'}]}");
    ok("chair", "poll.open",
       "{'id': 'e', 'title': 'E', 'open_for_ms': 50000, 'classes': ['g'], "
       "'questions': [{'id': 'q1', 'title': 'T', 'policy': 'experts'}]}");
    ok("chair", "poll.open",
       "{'id': 'old', 'title': 'Old', 'open_for_ms': 1000, 'imported': "
       "{'source': 'minutes/1', 'sha256': "
       "'hex:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'}, 'questions': "
       "[{'id': 'q1', 'title': 'T', 'policy': 'yesno'}]}");
    ok("cid", "ballot.cast", "{'poll': 'p', 'answers': [{'q': 'q1', 'a': 'no', 'why': 'no'}]}");
    ok("cid", "ballot.cast", "{'poll': 's', 'answers': [{'q': 'q1', 'a': 10}]}");
}

struct model_fixture *fuzz_state(void)
{
    if (!made) {
        made = true;
        scratch_make(directory);
        ASSERT(atexit(clean_up) == 0);
        model_open(&fixture, directory);
        make_people();
        make_policies();
        make_polls();
    }
    return &fixture;
}

/* --- JSON to MessagePack: the tests' "hex:" stands for bytes --- */

static void pack(struct buffer *buffer, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text != NULL && strncmp(text, "hex:", 4) == 0) {
        uint8_t bytes[256];
        size_t size = strlen(text + 4) / 2;
        ASSERT(size <= sizeof bytes && convert_hex_parse(text + 4, bytes, size));
        codec_write_bytes(buffer, slice_of(bytes, size));
    } else if (json_is_object(value)) {
        const char *key;
        json_t *item;
        codec_write_map(buffer, (uint32_t)json_object_size(value));
        json_object_foreach((json_t *)value, key, item)
        {
            codec_write_text(buffer, key);
            pack(buffer, item);
        }
    } else if (json_is_array(value)) {
        size_t i;
        json_t *item;
        codec_write_array(buffer, (uint32_t)json_array_size(value));
        json_array_foreach(value, i, item)
        {
            pack(buffer, item);
        }
    } else {
        const char *what;
        ASSERT(convert_to_msgpack(buffer, value, &what));
    }
}

void fuzz_pack(struct buffer *buffer, const char *json)
{
    json_t *value = model_json("%s", json);
    pack(buffer, value);
    json_decref(value);
    ASSERT(buffer->status == CONCLAVE_OK);
}

static enum conclave_code read_command(void *context, uint64_t index, uint32_t position,
                                       struct buffer *command)
{
    (void)context;
    if (index == 0 || index >= fixture.log_count) {
        return CONCLAVE_NOT_FOUND;
    }
    struct batch batch;
    enum conclave_code code = batch_decode(&batch, buffer_slice(&fixture.log[index]));
    ASSERT(code == CONCLAVE_OK);
    code = CONCLAVE_NOT_FOUND;
    if (position < batch.command_count) {
        struct slice bytes;
        code = codec_get_bytes(&batch.commands[position], &bytes);
        buffer_append(command, bytes.data, bytes.size);
    }
    batch_close(&batch);
    return code;
}

const struct model_log fuzz_log = {.read_command = read_command};
