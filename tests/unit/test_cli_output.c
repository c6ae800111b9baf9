/* What the command line prints: tables, bars, counts, JSON, completions, the ballot at the
 * terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/conclave/cli.h"
#include "tools/conclave/count.h"
#include "tools/conclave/output.h"
#include "tools/conclave/rule.h"
#include "tools/conclave/text.h"
#include "tools/conclave/vote_ask.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An output into memory. */
struct captured {
    struct output output;
    char *text;
    size_t size;
};

static void capture(struct captured *captured, size_t width)
{
    *captured = (struct captured){.output = {.utf8 = true, .width = width}};
    captured->output.file = open_memstream(&captured->text, &captured->size);
    captured->output.error = captured->output.file;
    assert_non_null(captured->output.file);
}

static const char *captured_text(struct captured *captured)
{
    assert_int_equal(fflush(captured->output.file), 0);
    return captured->text;
}

static void release(struct captured *captured)
{
    (void)fclose(captured->output.file);
    free(captured->text);
}

static void print_table(struct captured *captured)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "N", OUTPUT_RIGHT);
    output_table_cell(&table, "a");
    output_table_cell(&table, "例え例え例え例え");
    output_table_number(&table, 5);
    output_table_cell(&table, "bcd");
    output_table_cell(&table, "\033[2J short");
    output_table_number(&table, 1234);
    output_table_finish(&table, &captured->output, "nothing");
}

static void tables_fit_the_width(void **state)
{
    (void)state;
    struct captured captured;
    capture(&captured, 0);
    print_table(&captured);
    assert_string_equal(captured_text(&captured), "ID   TITLE                N\n"
                                                  "a    例え例え例え例え     5\n"
                                                  "bcd  \\x1b[2J short     1234\n");
    release(&captured);
    capture(&captured, 20); /* nine columns are left for the title: four wide characters and … */
    print_table(&captured);
    assert_string_equal(captured_text(&captured), "ID   TITLE         N\n"
                                                  "a    例え例え…     5\n"
                                                  "bcd  \\x1b[2J …  1234\n");
    release(&captured);
}

static void empty_tables_say_so(void **state)
{
    (void)state;
    struct captured captured;
    struct output_table table;
    capture(&captured, 80);
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_finish(&table, &captured.output, "no polls");
    assert_string_equal(captured_text(&captured), "no polls\n");
    release(&captured);
}

static void bars_show_shares(void **state)
{
    (void)state;
    static const struct {
        uint64_t have, of;
        const char *bar;
    } cases[] = {{0, 10, "░░░░░░░░░░ "}, {10, 10, "██████████ "},
                 {5, 10, "█████░░░░░ "}, {1, 1000, "█░░░░░░░░░ "},
                 {0, 0, "░░░░░░░░░░ "},  {UINT64_MAX, UINT64_MAX, "██████████ "},
                 {20, 10, "██████████ "}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct captured captured;
        capture(&captured, 80);
        output_bar(&captured.output, cases[i].have, cases[i].of, 10, OUTPUT_GOOD);
        assert_string_equal(captured_text(&captured), cases[i].bar);
        release(&captured);
    }
}

static void colour_ends_where_it_began(void **state)
{
    (void)state;
    struct captured captured;
    capture(&captured, 80);
    captured.output.color = true;
    output_safe(&captured.output, OUTPUT_BAD, "a\033[0m");
    assert_string_equal(captured_text(&captured), "\033[31ma\\x1b[0m\033[0m");
    release(&captured);
}

static void json_has_its_schema_first(void **state)
{
    (void)state;
    struct captured captured;
    capture(&captured, 80);
    output_json_line(&captured.output, "poll", json_pack("{s:s}", "title", "\xc2\x9b"));
    assert_string_equal(captured_text(&captured),
                        "{\"schema\":\"conclave.poll.v1\",\"title\":\"\xc2\x9b\"}\n");
    release(&captured);
    capture(&captured, 80);
    captured.output.terminal = true; /* C1 characters must not reach it */
    output_json_line(&captured.output, "poll", json_pack("{s:s}", "title", "\xc2\x9b"));
    assert_string_equal(captured_text(&captured),
                        "{\"schema\":\"conclave.poll.v1\",\"title\":\"\\u009B\"}\n");
    release(&captured);
}

/* Proposal 031 of the hive's minutes 0003: scores that sum to 57 of 100, where 60 were needed. */
static const char *const tally_031 =
    "{\"question\":\"031\",\"title\":\"Title\",\"proposal\":\"P-031\",\"proposal_revision\":\"2\","
    "\"policy\":\"hive-60\",\"policy_version\":\"1\",\"method\":\"score\",\"rule\":{\"method\":"
    "\"score\",\"min\":\"1\",\"max\":\"10\",\"pass\":[\"60\",\"100\",\">=\"],\"veto\":{\"class\":"
    "\"general\",\"trigger\":[\"score\",\"2\"],\"share_of\":\"roll\",\"reject\":[\"80\",\"100\"],"
    "\"revise\":[\"50\",\"100\"]}},\"ballots\":\"10\",\"answers\":\"10\",\"yes\":[\"0\",\"0\"],"
    "\"no\":[\"0\",\"0\"],\"abstain\":[\"0\",\"0\"],\"scored\":[\"10\",\"10\"],\"score_sum\":"
    "\"57\","
    "\"left_out\":\"0\",\"roll\":{\"heads\":\"10\",\"weight\":\"10\",\"veto_class\":\"8\","
    "\"experts\":"
    "\"0\"},\"verdict\":{\"outcome\":\"failed\",\"text\":\"57/100 >= 60/100: "
    "no\",\"support\":[\"57\","
    "\"100\"],\"passes\":false,\"quorum\":[\"10\",\"10\"],\"quorum_met\":true,\"veto\":[\"1\","
    "\"8\"],"
    "\"veto_rejects\":false,\"veto_revises\":false,\"approvals\":\"0\",\"objections\":\"0\","
    "\"experts_met\":true},\"supersedes\":null}";

static void counts_show_their_arithmetic(void **state)
{
    (void)state;
    struct captured captured;
    json_t *tally = json_loads(tally_031, 0, NULL);
    capture(&captured, 80);
    count_print(&captured.output, tally, true);
    const char *text = captured_text(&captured);
    assert_non_null(strstr(text, "031  Title\n"));
    assert_non_null(strstr(text, "57 of 100\n"));
    assert_non_null(strstr(text, "10 of 10 ballots answer this; 0 left it out; 10 on the roll\n"));
    assert_non_null(strstr(text, "1/8 >= 80/100 rejects: no; 1/8 >= 50/100 to revision: no"));
    assert_non_null(strstr(text, "57/100 >= 60/100: no"));
    assert_non_null(strstr(text, "outcome     failed (57/100 >= 60/100: no)\n"));
    assert_non_null(strstr(text, "P-031, revision 2"));
    release(&captured);
    json_decref(tally);
}

static void rules_are_said_in_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        const char *text;
    } cases[] = {
        {"{\"method\":\"yesno\",\"base\":\"decisive\",\"pass\":[\"1\",\"2\",\">\"],\"quorum\":["
         "\"1\","
         "\"2\",\"heads\"]}",
         "yes / (yes + no) > 1/2, quorum 1/2 of heads"},
        {"{\"method\":\"yesno\",\"base\":\"eligible\",\"pass\":[\"2\",\"3\",\">=\"],\"rationale\":{"
         "\"mode\":\"required\"},\"revote\":\"final\"}",
         "yes / everyone on the roll >= 2/3, rationale required, final"},
        {"{\"method\":\"score\",\"min\":\"1\",\"max\":\"10\",\"pass\":[\"60\",\"100\",\">=\"],"
         "\"experts\":{\"domain\":\"technical\"}}",
         "score 1..10, sum / (max x weight of those who scored) >= 60/100, experts in technical"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[RULE_TEXT_BYTES];
        json_t *policy = json_loads(cases[i].policy, 0, NULL);
        rule_summary(policy, text);
        assert_string_equal(text, cases[i].text);
        json_decref(policy);
    }
}

static const char *const asked_poll =
    "{\"title\":\"Minutes\",\"questions\":["
    "{\"question\":\"a\",\"title\":\"A\",\"method\":\"yesno\",\"proposal\":null,\"rule\":{"
    "\"method\":"
    "\"yesno\",\"pass\":[\"1\",\"2\",\">\"],\"rationale\":{\"mode\":\"required\",\"min\":\"3\"}}},"
    "{\"question\":\"b\",\"title\":\"B\",\"method\":\"score\",\"proposal\":\"P\",\"rule\":{"
    "\"method\":"
    "\"score\",\"min\":\"1\",\"max\":\"10\",\"pass\":[\"6\",\"10\",\">=\"],\"rationale\":{\"mode\":"
    "\"none\"},\"experts\":{\"domain\":\"technical\"}}},"
    "{\"question\":\"c\",\"title\":\"C\",\"method\":\"yesno\",\"proposal\":null,\"rule\":{"
    "\"method\":"
    "\"yesno\",\"pass\":[\"1\",\"2\",\">\"],\"veto\":{\"class\":\"general\",\"trigger\":"
    "\"explicit\","
    "\"justification\":\"5\"},\"rationale\":{\"mode\":\"optional\",\"min\":\"0\"}}}]}";

/* Asks with these lines as the voter's. */
static enum vote_ask_result ask_voter(const char *voter_text, const char *lines, bool confirmed,
                                      struct draft *draft)
{
    struct captured captured;
    json_t *poll = json_loads(asked_poll, 0, NULL);
    json_t *voter = json_loads(voter_text, 0, NULL);
    FILE *input = fmemopen((void *)(uintptr_t)lines, strlen(lines), "r");
    assert_true(poll != NULL && voter != NULL && input != NULL);
    capture(&captured, 80);
    draft_init(draft, "m4");
    enum vote_ask_result result = vote_ask(&captured.output, input, poll, voter, confirmed, draft);
    (void)captured_text(&captured);
    release(&captured);
    (void)fclose(input);
    json_decref(poll);
    json_decref(voter);
    return result;
}

static enum vote_ask_result ask(const char *lines, bool confirmed, struct draft *draft)
{
    return ask_voter("{\"elector\":true,\"classes\":[\"general\"],\"domains\":[\"technical\"]}",
                     lines, confirmed, draft);
}

/* Who is on the roll only as an expert is asked for reviews of that domain, and nothing else. */
static void experts_are_asked_for_reviews_only(void **state)
{
    (void)state;
    struct draft draft;
    static const char *const expert =
        "{\"elector\":false,\"classes\":[\"general\"],\"domains\":[\"technical\"]}";
    assert_int_equal(ask_voter(expert, "yes\nobject\ny\n", false, &draft), VOTE_ASK_SEND);
    assert_int_equal(draft.answer_count, 1);
    assert_string_equal(draft.answers[0].question, "b");
    assert_string_equal(draft.answers[0].choice, "");
    assert_string_equal(draft.answers[0].review, "object");
    draft_close(&draft);
}

/* A yes is no veto, and only the class is asked for one. */
static void vetoes_are_asked_of_the_class(void **state)
{
    (void)state;
    static const struct {
        const char *voter;
        const char *lines;
    } cases[] = {
        {"{\"elector\":true,\"classes\":[\"other\"],\"domains\":[]}", "\n\nno\nwhy\n"},
        {"{\"elector\":true,\"classes\":[\"general\"],\"domains\":[]}", "\n\nyes\nwhy\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct draft draft;
        assert_int_equal(ask_voter(cases[i].voter, cases[i].lines, true, &draft), VOTE_ASK_SEND);
        assert_int_equal(draft.answer_count, 1);
        assert_false(draft.answers[0].veto);
        assert_string_equal(draft.answers[0].why, "why");
        draft_close(&draft);
    }
}

static void ballots_are_asked_for(void **state)
{
    (void)state;
    struct draft draft;
    /* a: a wrong answer, yes, too short a reason, a good one; b: out of range, 8, a wrong review, a
     * good one; c: no, veto, a justification; send. */
    assert_int_equal(
        ask("maybe\ny\nno\ngood\n11\n8\nok\napprove\nno\ny\nbreaks\ny\n", false, &draft),
        VOTE_ASK_SEND);
    assert_int_equal(draft.answer_count, 3);
    assert_string_equal(draft.answers[0].choice, "yes");
    assert_string_equal(draft.answers[0].why, "good");
    assert_string_equal(draft.answers[1].choice, "8");
    assert_string_equal(draft.answers[1].review, "approve");
    assert_null(draft.answers[1].why);
    assert_string_equal(draft.answers[2].choice, "no");
    assert_true(draft.answers[2].veto);
    assert_string_equal(draft.answers[2].why, "breaks");
    draft_close(&draft);
}

static void ballots_may_leave_questions_out(void **state)
{
    (void)state;
    struct draft draft;
    assert_int_equal(ask("\n\n\nabstain\nn\n\n", true, &draft), VOTE_ASK_SEND);
    assert_int_equal(draft.answer_count, 1);
    assert_string_equal(draft.answers[0].question, "c");
    assert_string_equal(draft.answers[0].choice, "abstain");
    assert_null(draft.answers[0].why);
    draft_close(&draft);
}

static void nothing_is_sent_without_a_yes(void **state)
{
    (void)state;
    static const char *const stops[] = {
        "y\ngood\n",           /* the input ends */
        "y\n",                 /* it ends at the reason */
        "\n\n\n\n",            /* nothing is answered */
        "y\ngood\n\n\n\n\n",   /* Enter at the confirmation */
        "y\ngood\n\n\n\nno\n", /* no */
        "y\ngood\n\n\n\n",     /* the input ends at the confirmation */
    };
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct draft draft;
        assert_int_equal(ask(stops[i], false, &draft), VOTE_ASK_STOP);
        draft_close(&draft);
    }
}

/* What `conclave completion SHELL` prints is what is installed. */
static void completions_are_up_to_date(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"bash", "conclave.bash"}, {"zsh", "_conclave"}, {"fish", "conclave.fish"}};
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/tools/completions/%s", CONCLAVE_SOURCE_DIR, files[i][1]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        static char installed[200000];
        installed[fread(installed, 1, sizeof installed - 1, file)] = '\0';
        (void)fclose(file);
        struct captured captured;
        struct cli cli = {0};
        char *words[] = {(char *)(uintptr_t)files[i][0]};
        const struct args_option *const tables[] = {cli_global_options};
        capture(&captured, 0);
        cli.output = captured.output;
        assert_true(args_parse(&cli.args, words, 1, tables, 1));
        assert_int_equal(cli_find_group("completion")->commands[0].run(&cli), 0);
        assert_string_equal(captured_text(&captured), installed);
        args_close(&cli.args);
        release(&captured);
    }
}

/* Every command has what its help shows. */
static void every_command_has_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_group_count; i++) {
        const struct command_group *group = cli_groups[i];
        assert_true(group->command_count > 0);
        for (size_t j = 0; j < group->command_count; j++) {
            const struct command *command = &group->commands[j];
            assert_true(command->summary != NULL && command->examples != NULL);
            assert_non_null(command->run);
            assert_int_equal(command->verb == NULL, group->commands[0].verb == NULL);
            struct captured captured;
            char expected[128];
            capture(&captured, 80);
            cli_help_command(&captured.output, group, command);
            snprintf(expected, sizeof expected, "usage: conclave %s%s%s", group->name,
                     command->verb == NULL ? "" : " ", command->verb == NULL ? "" : command->verb);
            assert_int_equal(strncmp(captured_text(&captured), expected, strlen(expected)), 0);
            assert_non_null(strstr(captured_text(&captured), "\nexamples:\n"));
            release(&captured);
        }
    }
}

static int start(void **state)
{
    (void)state;
    (void)text_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_fit_the_width),
        cmocka_unit_test(empty_tables_say_so),
        cmocka_unit_test(bars_show_shares),
        cmocka_unit_test(colour_ends_where_it_began),
        cmocka_unit_test(json_has_its_schema_first),
        cmocka_unit_test(counts_show_their_arithmetic),
        cmocka_unit_test(rules_are_said_in_a_line),
        cmocka_unit_test(ballots_are_asked_for),
        cmocka_unit_test(experts_are_asked_for_reviews_only),
        cmocka_unit_test(vetoes_are_asked_of_the_class),
        cmocka_unit_test(ballots_may_leave_questions_out),
        cmocka_unit_test(nothing_is_sent_without_a_yes),
        cmocka_unit_test(completions_are_up_to_date),
        cmocka_unit_test(every_command_has_help),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
