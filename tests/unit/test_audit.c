/* The auditor over a small log, whole and then altered in one place after another.
 *
 * The log is made of signed commands, and what was decided and published is typed by hand: chair
 * admits ada, bob and cyd; poll "lunch" is put to them; ada votes yes, then no; bob yes, cyd
 * abstains; a stranger and a late voter are refused; the leader closes the poll. Of four on the
 * roll three answered: 1 yes, 1 no, 1 abstention; a tie is not passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "codec/envelope.h"
#include "support/actors.h"

#define CREATED_MS  UINT64_C(1000000)
#define HOUR_MS     UINT64_C(3600000)
#define ENTRIES_MAX 16u
#define ITEMS_MAX   4u

struct item {
    struct buffer command;
    enum conclave_code code;
};

struct entry {
    bool batch;
    uint64_t time_ms;
    const char *closes; /* one poll, or NULL */
    struct item items[ITEMS_MAX];
    uint32_t count;
};

struct fixture {
    struct actor chair, ada, bob, cyd, stranger;
    uint8_t cluster_id[16];
    struct entry entries[ENTRIES_MAX + 1]; /* by index */
    struct audit_expected expected;        /* by a receipt, if it has a name */
    uint64_t last_index;
    struct audit_published published;
};

static struct fixture fixture;

/* The next command of the last entry. */
static struct buffer *next_command(enum conclave_code code)
{
    struct entry *entry = &fixture.entries[fixture.last_index];
    assert_true(entry->count < ITEMS_MAX);
    struct item *item = &entry->items[entry->count++];
    buffer_init(&item->command, LIMIT_COMMAND_BYTES + 1024);
    item->code = code;
    return &item->command;
}

static void next_entry(uint64_t time_ms)
{
    fixture.last_index++;
    fixture.entries[fixture.last_index] = (struct entry){.batch = true, .time_ms = time_ms};
}

static void make_log(void)
{
    memset(&fixture, 0, sizeof fixture);
    struct fixture *f = &fixture;
    actor_init(&f->chair, "chair");
    actor_init(&f->ada, "ada");
    actor_init(&f->bob, "bob");
    actor_init(&f->cyd, "cyd");
    actor_init(&f->stranger, "stranger");
    f->last_index = 1; /* the configuration */
    next_entry(CREATED_MS);
    actor_genesis(&f->chair, next_command(CONCLAVE_OK), 3, CREATED_MS);
    struct buffer *genesis = &f->entries[2].items[0].command;
    struct envelope envelope;
    struct codec_error error;
    assert_int_equal(envelope_decode(&envelope, buffer_slice(genesis), &error), CONCLAVE_OK);
    auth_cluster_id(envelope.bytes, f->cluster_id);
    envelope_close(&envelope);
    uint64_t until = CREATED_MS + HOUR_MS;
    next_entry(CREATED_MS + 10);
    actor_admit(&f->chair, next_command(CONCLAVE_OK), f->cluster_id, until, &f->ada);
    actor_admit(&f->chair, next_command(CONCLAVE_OK), f->cluster_id, until, &f->bob);
    actor_admit(&f->chair, next_command(CONCLAVE_OK), f->cluster_id, until, &f->cyd);
    next_entry(CREATED_MS + 20);
    actor_open(&f->chair, next_command(CONCLAVE_OK), f->cluster_id, until, "lunch",
               "simple-majority", 1000);
    next_entry(CREATED_MS + 30);
    actor_vote(&f->ada, next_command(CONCLAVE_OK), f->cluster_id, until, "lunch", "yes");
    actor_vote(&f->bob, next_command(CONCLAVE_OK), f->cluster_id, until, "lunch", "yes");
    actor_vote(&f->stranger, next_command(CONCLAVE_UNKNOWN_AUTHOR), f->cluster_id, until, "lunch",
               "yes");
    next_entry(CREATED_MS + 40);
    actor_vote(&f->ada, next_command(CONCLAVE_OK), f->cluster_id, until, "lunch", "no");
    actor_vote(&f->cyd, next_command(CONCLAVE_OK), f->cluster_id, until, "lunch", "abstain");
    /* A copy of ada's first ballot, sent again: it has had its effect. */
    struct buffer *copy = next_command(CONCLAVE_OK);
    buffer_append(copy, f->entries[5].items[0].command.data, f->entries[5].items[0].command.size);
    next_entry(CREATED_MS + 1021);
    f->entries[f->last_index].closes = "lunch";
    actor_vote(&f->cyd, next_command(CONCLAVE_POLL_CLOSED), f->cluster_id, until, "lunch", "yes");
    f->published = (struct audit_published){.poll = slice_of_text("lunch"),
                                            .question = slice_of_text("q"),
                                            .outcome = slice_of_text("failed"),
                                            .index = 7,
                                            .figures = {.ballots = 3,
                                                        .answers = 3,
                                                        .yes = {1, 1},
                                                        .no = {1, 1},
                                                        .abstain = {1, 1},
                                                        .roll_heads = 4,
                                                        .roll_weight = 4,
                                                        .support = {1, 2},
                                                        .quorum = {3, 4}}};
}

static void free_log(void)
{
    /* Commands that an alteration has dropped, too. */
    for (size_t i = 0; i < sizeof fixture.entries / sizeof fixture.entries[0]; i++) {
        for (size_t j = 0; j < ITEMS_MAX; j++) {
            buffer_close(&fixture.entries[i].items[j].command);
        }
    }
}

static enum conclave_code audit_one(struct audit *audit, uint64_t index, uint64_t called)
{
    const struct entry *entry = &fixture.entries[index];
    struct audit_command commands[ITEMS_MAX];
    for (uint32_t i = 0; i < entry->count; i++) {
        commands[i].bytes = buffer_slice(&entry->items[i].command);
        commands[i].code = entry->items[i].code;
    }
    struct slice closes = slice_of_text(entry->closes == NULL ? "" : entry->closes);
    struct audit_entry given = {.index = called,
                                .batch = entry->batch,
                                .time_ms = entry->time_ms,
                                .closes = &closes,
                                .close_count = entry->closes != NULL,
                                .commands = commands,
                                .command_count = entry->count};
    return audit_entry(audit, &given);
}

/* The audit of the log as it is. The fault is "" when there is none. */
static void run(const uint8_t *cluster_id, bool publish, struct audit_fault *fault,
                struct audit_summary *summary)
{
    struct audit *audit;
    assert_int_equal(audit_open(cluster_id, &audit), CONCLAVE_OK);
    enum conclave_code code = CONCLAVE_OK;
    if (fixture.expected.name[0] != '\0') {
        code = audit_expect_proven(audit, &fixture.expected);
    }
    for (uint64_t i = 1; i <= fixture.last_index && code == CONCLAVE_OK; i++) {
        code = audit_one(audit, i, i);
    }
    if (code == CONCLAVE_OK && publish) {
        code = audit_decision(audit, &fixture.published);
    }
    if (code == CONCLAVE_OK) {
        code = audit_finish(audit);
    }
    *fault = *audit_fault(audit);
    assert_int_equal(code, fault->found ? CONCLAVE_NOT_PROVEN : CONCLAVE_OK);
    audit_summary(audit, summary);
    audit_close(audit);
}

static void test_whole(void **state)
{
    (void)state;
    struct audit_fault fault;
    struct audit_summary summary;
    make_log();
    run(fixture.cluster_id, true, &fault, &summary);
    print_message("%s\n", fault.text);
    assert_false(fault.found);
    assert_int_equal(summary.entries, 7);
    assert_int_equal(summary.commands, 12);
    assert_int_equal(summary.refused, 2);
    assert_int_equal(summary.signatures, 11); /* all but the stranger's, who has no key here */
    assert_int_equal(summary.ballots, 4);
    assert_int_equal(summary.polls, 1);
    assert_int_equal(summary.decisions, 1);
    assert_int_equal(summary.leaves, 13); /* twelve commands and the closing */
    free_log();
}

/* --- What is proven otherwise --- */

/* The hashes are of no tree at all; places were counted by hand: leaf 0 is genesis, 1 to 3 are the
 * members, 4 the poll, 5 to 10 the ballots, 11 the closing, 12 a ballot that comes too late. */
static const struct {
    struct audit_expected expected;
    uint64_t index;
    bool has_position;
    uint32_t position;
    const char *sentence;
} expectations[] = {
    {{true, 0, {{1}}, "R"}, 2, true, 0, "leaf 0 of this log is not the one that R proves"},
    {{true, 9, {{1}}, "R"}, 6, true, 1, "leaf 9 of this log is not the one that R proves"},
    {{true, 11, {{1}}, "R"}, 7, false, 0, "leaf 11 of this log is not the one that R proves"},
    {{true, 12, {{1}}, "R"}, 7, true, 0, "leaf 12 of this log is not the one that R proves"},
    {{true, 13, {{1}}, "R"}, 7, false, 0, "ends with 13 leaves, and R is about leaf 13"},
    {{false, 1, {{1}}, "R"}, 2, true, 0, "with these 1 leaves the root is not the one that R has"},
    {{false, 5, {{1}}, "R"}, 4, true, 0, "with these 5 leaves the root is not the one that R has"},
    {{false, 13, {{1}}, "R"}, 7, true, 0, "with these 13 leaves the root is not the one"},
    {{false, 14, {{1}}, "R"}, 7, false, 0, "ends with 13 leaves, and R is of a tree of 14"},
};

static void test_proven_otherwise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        struct audit_fault fault;
        struct audit_summary summary;
        make_log();
        fixture.expected = expectations[i].expected;
        run(NULL, true, &fault, &summary);
        print_message("log %llu: %s\n", (unsigned long long)fault.index, fault.text);
        assert_true(fault.found);
        assert_int_equal(fault.index, expectations[i].index);
        assert_int_equal(fault.has_position, expectations[i].has_position);
        assert_int_equal(fault.position, expectations[i].position);
        assert_non_null(strstr(fault.text, expectations[i].sentence));
        free_log();
    }
}

/* --- What is altered --- */

static void alter_signed_byte(void)
{
    struct buffer *ballot = &fixture.entries[5].items[1].command;
    uint8_t *yes = memmem(ballot->data, ballot->size, "yes", 3);
    assert_non_null(yes);
    memcpy(yes, "not", 3);
}

static void alter_signature(void)
{
    struct buffer *ballot = &fixture.entries[5].items[1].command;
    ballot->data[ballot->size - 1] ^= 1;
}

/* ada signs what bob is said to have cast. */
static void forge_for_another(void)
{
    struct actor forger = fixture.ada;
    memcpy(forger.id, "bob", 4);
    actor_vote(&forger, &fixture.entries[5].items[1].command, fixture.cluster_id,
               CREATED_MS + HOUR_MS, "lunch", "no");
}

static void drop_command(void)
{
    fixture.entries[6].count = 1;
}

static void refuse_unjustly(void)
{
    fixture.entries[5].items[1].code = CONCLAVE_NOT_ON_ROLL;
}

static void accept_late(void)
{
    fixture.entries[7].items[0].code = CONCLAVE_OK;
}

static void drop_entry(void)
{
    for (uint32_t i = 0; i < fixture.entries[6].count; i++) {
        buffer_close(&fixture.entries[6].items[i].command);
    }
    fixture.entries[6] = fixture.entries[7];
    memset(&fixture.entries[7], 0, sizeof fixture.entries[7]);
    fixture.last_index = 6;
    fixture.published.index = 6;
}

static void close_early(void)
{
    fixture.entries[6].closes = "lunch";
}

static void publish_another_outcome(void)
{
    fixture.published.outcome = slice_of_text("passed");
}

static void publish_another_figure(void)
{
    fixture.published.figures.yes[1] = 2;
}

static void publish_another_place(void)
{
    fixture.published.index = 6;
}

static void publish_what_was_not_asked(void)
{
    fixture.published.question = slice_of_text("dinner");
}

static void replay_in_another_cluster(void)
{
    uint8_t other[16] = {1};
    actor_vote(&fixture.bob, &fixture.entries[5].items[1].command, other, CREATED_MS + HOUR_MS,
               "lunch", "yes");
}

static const struct {
    const char *name;
    void (*alter)(void);
    uint64_t index;
    const char *sentence; /* part of what must be said */
} alterations[] = {
    {"a byte of a ballot", alter_signed_byte, 5, "by the rules it is \"bad_answer\""},
    {"a signature", alter_signature, 5, "is not by the key of its author \"bob\""},
    {"a ballot by another's hand", forge_for_another, 5, "is not by the key of its author \"bob\""},
    {"a ballot dropped", drop_command, 7, "published with ballots = 3; its ballots say 2"},
    {"a ballot refused", refuse_unjustly, 5, "says \"not_on_roll\" of this command; by the rules"},
    {"a late ballot accepted", accept_late, 7, "by the rules it is \"poll_closed\""},
    {"an entry dropped", drop_entry, 6, "published with ballots = 3; its ballots say 2"},
    {"another outcome", publish_another_outcome, 7, "its ballots say \"failed\""},
    {"another figure", publish_another_figure, 7, "with yes.1 = 2; its ballots say 1"},
    {"another place", publish_another_place, 6, "the log has it in 7"},
    {"another question", publish_what_was_not_asked, 7, "the log decides no such question"},
    {"another cluster's ballot", replay_in_another_cluster, 5, "it is \"wrong_cluster\""},
};

static void test_alterations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof alterations / sizeof alterations[0]; i++) {
        struct audit_fault fault;
        struct audit_summary summary;
        make_log();
        alterations[i].alter();
        run(NULL, true, &fault, &summary);
        print_message("%s: log %llu: %s\n", alterations[i].name, (unsigned long long)fault.index,
                      fault.text);
        assert_true(fault.found);
        assert_int_equal(fault.index, alterations[i].index);
        assert_non_null(strstr(fault.text, alterations[i].sentence));
        free_log();
    }
}

/* A leader that closes a poll before its time closes nothing, here as on the nodes. */
static void test_close_before_its_time(void **state)
{
    (void)state;
    struct audit_fault fault;
    struct audit_summary summary;
    make_log();
    close_early();
    run(NULL, true, &fault, &summary);
    assert_false(fault.found);
    free_log();
}

static void test_gaps_and_strangers(void **state)
{
    (void)state;
    struct audit_fault fault;
    struct audit_summary summary;
    const uint8_t other[16] = {7};
    make_log();
    run(other, true, &fault, &summary);
    assert_non_null(strstr(fault.text, "the log of another cluster"));
    run(NULL, false, &fault, &summary);
    assert_non_null(strstr(fault.text, "decides 1 questions; 0 decisions were published"));
    struct audit *audit;
    assert_int_equal(audit_open(NULL, &audit), CONCLAVE_OK);
    assert_int_equal(audit_one(audit, 1, 1), CONCLAVE_OK);
    assert_int_equal(audit_one(audit, 3, 3), CONCLAVE_NOT_PROVEN);
    assert_string_equal(audit_fault(audit)->text, "entry 2 is missing: the next one is 3");
    audit_close(audit);
    free_log();
}

int main(void)
{
    assert_int_equal(auth_init(), CONCLAVE_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_proven_otherwise),
        cmocka_unit_test(test_alterations),
        cmocka_unit_test(test_close_before_its_time),
        cmocka_unit_test(test_gaps_and_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
