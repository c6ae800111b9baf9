/* Random governance, counted a second time from the commands alone.
 *
 * A seeded run admits, changes, opens, votes (rightly and wrongly, again, twice, late, by
 * strangers), closes and cancels; one of the two stores is LMDB. Then the recount goes over what
 * was sent, with rules of its own, written from docs/SEMANTICS.md and sharing no code with the
 * model or the tally: which ballots count, every figure, every outcome must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/scratch.h"
#include "unit/support/model_fixture.h"
#include "unit/support/model_recount.h"

static struct model_fixture fixture;
static uint64_t lot_state;

/* splitmix64 */
static uint64_t lot(uint64_t below)
{
    lot_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = lot_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* --- What was sent --- */

static struct recount_sent sent[8192];
static size_t sent_count;
static size_t batch_start;
static size_t
    strangers_again; /* copies from nobody known: no table keeps them, each is refused anew */

static void apply_sent(void)
{
    model_apply_batch(&fixture, NULL);
    for (size_t i = batch_start; i < sent_count; i++) {
        json_t *reply = json_array_get(fixture.replies, i - batch_start);
        snprintf(sent[i].code, sizeof sent[i].code, "%s",
                 json_string_value(json_object_get(reply, "code")));
        assert_int_equal(json_integer_value(json_object_get(reply, "time")), sent[i].time_ms);
    }
    batch_start = sent_count;
}

__attribute__((format(printf, 3, 4))) static void dispatch(const char *author, const char *kind,
                                                           const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(sent_count < sizeof sent / sizeof sent[0]);
    struct recount_sent *one = &sent[sent_count++];
    one->time_ms = fixture.time_ms;
    snprintf(one->author, sizeof one->author, "%s", author);
    snprintf(one->kind, sizeof one->kind, "%s", kind);
    one->body = model_json("%s", text);
    buffer_init(&one->bytes, 1u << 20);
    model_command(&fixture, &one->bytes, author, NULL, 0, kind, one->body);
    model_add_bytes(&fixture, buffer_slice(&one->bytes));
    if (lot(12) == 0) { /* a copy: of no effect, and not counted again */
        apply_sent();
        model_add_bytes(&fixture, buffer_slice(&one->bytes));
        model_apply_batch(&fixture, NULL);
        model_expect_at(fixture.replies, "0.code", "'%s'", one->code);
        strangers_again += strcmp(one->code, "unknown_author") == 0 ? 1 : 0;
    } else if (lot(4) != 0) {
        apply_sent();
        fixture.time_ms += lot(30);
    }
}

/* --- The run --- */

static void send_update(void)
{
    static const char *const changes[] = {
        "'weight': 7",           "'weight': 1", "'classes': ['c0']",     "'classes': ['c1', 'c0']",
        "'roles': ['expert:d']", "'roles': []", "'status': 'suspended'", "'status': 'active'",
        "'status': 'active'"};
    dispatch("chair", "member.update", "{'id': 'm%d', %s}", (int)lot(RECOUNT_MEMBERS),
             changes[lot(sizeof changes / sizeof changes[0])]);
}

/* What the polls of the run ask: rules by question, so that most ballots fit. */
static int asked[RECOUNT_POLLS][RECOUNT_QUESTIONS];
static int asked_count[RECOUNT_POLLS];

static void send_open(int poll)
{
    char questions[512] = "";
    size_t size = 0;
    asked_count[poll] = 1 + (int)lot(RECOUNT_QUESTIONS);
    for (int i = 0; i < asked_count[poll]; i++) {
        asked[poll][i] = (int)lot(RECOUNT_RULES);
        size += (size_t)snprintf(questions + size, sizeof questions - size,
                                 "%s{'id': 'q%d', 'title': 'T', 'policy': 'r%d'}",
                                 i == 0 ? "" : ",", i, asked[poll][i]);
    }
    const char *classes = lot(3) == 0 ? ", 'classes': ['c0']" : "";
    dispatch("chair", "poll.open",
             "{'id': 'p%d', 'title': 'P', 'open_for_ms': %d, 'questions': [%s]%s}", poll,
             300 + (int)lot(1500), questions, classes);
}

/* One answer in words; most fit the question's rule, some do not. */
static size_t write_answer(char *text, size_t room, int rule, int question)
{
    static const char *const words[] = {"'yes'", "'no'", "'abstain'", "1", "3", "5", "2", "0"};
    bool score = strstr(recount_rules[rule], "'score', 'min'") != NULL;
    bool any = lot(40) == 0;
    size_t word = any ? lot(8) : score ? 2 + lot(any ? 6 : 3) : lot(3);
    size_t size = (size_t)snprintf(text, room, "{'q': 'q%d'", question);
    if (lot(30) != 0) {
        size += (size_t)snprintf(text + size, room - size, ", 'a': %s", words[word]);
    }
    if (lot(strstr(recount_rules[rule], "'experts'") != NULL ? 4 : 100) == 0) {
        size += (size_t)snprintf(text + size, room - size, ", 'review': '%s'",
                                 lot(3) != 0 ? "approve" : "object");
    }
    if (lot(strstr(recount_rules[rule], "'explicit'") != NULL ? 4 : 100) == 0) {
        size += (size_t)snprintf(text + size, room - size, ", 'veto': true");
    }
    if (lot(2) == 0) {
        size += (size_t)snprintf(text + size, room - size, ", 'why': '%s'",
                                 lot(3) != 0 ? "four" : "abc");
    }
    return size + (size_t)snprintf(text + size, room - size, "}");
}

static void send_ballot(int opened)
{
    char text[1024] = "";
    size_t size = 0;
    int poll = opened - 1 - (int)lot(opened < 2 ? (uint64_t)opened : 2);
    int count = lot(50) == 0 ? RECOUNT_QUESTIONS : asked_count[poll];
    for (int i = 0; i < count; i++) {
        if (lot(4) != 0) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%s", size == 0 ? "" : ",");
            size += write_answer(text + size, sizeof text - size, asked[poll][i], i);
        }
    }
    char author[16];
    snprintf(author, sizeof author, "m%d",
             lot(60) == 0 ? RECOUNT_MEMBERS /* nobody */ : (int)lot(RECOUNT_MEMBERS));
    dispatch(author, "ballot.cast", "{'poll': 'p%d', 'answers': [%s]}", poll, text);
}

static void run(uint64_t seed)
{
    lot_state = seed;
    for (int i = 0; i < RECOUNT_RULES; i++) {
        dispatch("chair", "policy.put", "{'id': 'r%d', 'policy': %s}", i, recount_rules[i]);
    }
    for (int i = 0; i < RECOUNT_MEMBERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        dispatch("chair", "member.admit",
                 "{'id': '%s', 'key': '%s', 'weight': %d, 'classes': [%s], 'roles': [%s]}", id,
                 model_key(id), 1 + (int)lot(5), lot(2) == 0 ? "'c0'" : "'c1'",
                 lot(3) == 0 ? "'expert:d'" : "");
    }
    for (int poll = 0; poll < RECOUNT_POLLS; poll++) {
        send_open(poll);
        for (uint64_t i = 10 + lot(50); i > 0; i--) {
            if (lot(15) == 0) {
                send_update();
            } else {
                send_ballot(poll + 1);
            }
        }
        if (lot(4) == 0) {
            dispatch("chair", "poll.close", "{'id': 'p%d'}", poll);
        } else if (lot(8) == 0) {
            dispatch("chair", "poll.cancel", "{'id': 'p%d', 'reason': 'lot'}", poll);
        }
    }
    apply_sent();
    fixture.time_ms += 2000;
    model_close_due(&fixture);
}

static void run_and_recount(uint64_t seed)
{
    char directory[SCRATCH_PATH_BYTES];
    scratch_make(directory);
    sent_count = 0;
    batch_start = 0;
    strangers_again = 0;
    model_open(&fixture, directory);
    run(seed);
    recount(&fixture, sent, sent_count, strangers_again);
    char *memory = model_dump(fixture.stores[0], NULL);
    char *lmdb = model_dump(fixture.stores[1], NULL);
    assert_string_equal(memory, lmdb);
    free(memory);
    free(lmdb);
    for (size_t i = 0; i < sent_count; i++) {
        json_decref(sent[i].body);
        buffer_close(&sent[i].bytes);
    }
    model_close(&fixture);
    scratch_remove(directory);
}

static void random_governance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run_and_recount(seed);
    }
}

/* The log applied again from the start makes the same state, digest and replies. */
static void replay(void **state)
{
    (void)state;
    sent_count = 0;
    batch_start = 0;
    strangers_again = 0;
    model_open(&fixture, NULL);
    run(99);
    static struct model_fixture again;
    model_open_empty(&again, NULL);
    for (size_t i = 1; i < fixture.log_count; i++) {
        struct batch batch;
        assert_int_equal(batch_decode(&batch, buffer_slice(&fixture.log[i])), CONCLAVE_OK);
        json_t *closes = json_array();
        for (uint32_t j = 0; j < batch.close_count; j++) {
            json_array_append_new(
                closes, json_stringn(batch.closes[j].via.str.ptr, batch.closes[j].via.str.size));
        }
        for (uint32_t j = 0; j < batch.command_count; j++) {
            model_add_bytes(
                &again, slice_of(batch.commands[j].via.bin.ptr, batch.commands[j].via.bin.size));
        }
        again.time_ms = batch.time_ms;
        char *text = json_dumps(closes, 0);
        model_apply_batch(&again, text);
        free(text);
        json_decref(closes);
        batch_close(&batch);
    }
    assert_memory_equal(again.digests[0], fixture.digests[0], KV_DIGEST_BYTES);
    assert_true(slice_equal(buffer_slice(&again.raw), buffer_slice(&fixture.raw)));
    model_close(&again);
    for (size_t i = 0; i < sent_count; i++) {
        json_decref(sent[i].body);
        buffer_close(&sent[i].bytes);
    }
    model_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_governance),
        cmocka_unit_test(replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
