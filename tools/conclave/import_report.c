/* The report of an import: what the cluster counted against what was published by hand. */
#include <inttypes.h>
#include <string.h>

#include "convert.h"
#include "import.h"

/* "approved", "rejected" or "vetoed": the decision in the words of results.json. */
static const char *decision_of(const char *outcome)
{
    if (strcmp(outcome, "passed") == 0) {
        return "approved";
    }
    if (strcmp(outcome, "rejected_by_veto") == 0 || strcmp(outcome, "to_revision") == 0) {
        return "vetoed";
    }
    return "rejected";
}

/* The published figure as text; NULL when there is none. */
static json_t *published_score(const json_t *published)
{
    const json_t *score = json_object_get(published, "score");
    if (json_is_integer(score)) {
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(score));
    }
    return json_is_real(score) ? json_sprintf("%g", json_real_value(score)) : NULL;
}

/* One question of the tally with what was published beside it. */
static json_t *examine(const struct import *import, const json_t *tally)
{
    const char *id = convert_text(tally, "question");
    const json_t *verdict = json_object_get(tally, "verdict");
    const char *outcome = convert_text(verdict, "outcome");
    const char *status;
    const json_t *published = minutes_published(&import->minutes, id, &status);
    json_t *score = published_score(published);
    const char *counted = import->minutes.method == MINUTES_SCORE
                              ? convert_item_text(json_object_get(verdict, "support"), 0)
                              : convert_item_text(json_object_get(tally, "yes"), 0);
    bool differs = score != NULL && strcmp(json_string_value(score), counted) != 0;
    bool flips = status[0] != '\0' && strcmp(status, decision_of(outcome)) != 0;
    json_t *entry = json_pack(
        "{s:s, s:O?, s:O?, s:s, s:s, s:O?, s:O?, s:s, s:s, s:b, s:b}", "question", id, "title",
        json_object_get(tally, "title"), "support", json_object_get(verdict, "support"), "yes",
        convert_item_text(json_object_get(tally, "yes"), 0), "no",
        convert_item_text(json_object_get(tally, "no"), 0), "veto",
        json_object_get(verdict, "veto"), "answers", json_object_get(tally, "answers"), "outcome",
        outcome, "text", convert_text(verdict, "text"), "differs", differs, "flips", flips);
    (void)json_object_set_new(entry, "published",
                              published == NULL
                                  ? json_null()
                                  : json_pack("{s:O?, s:s}", "score", score, "status", status));
    json_decref(score);
    return entry;
}

static json_t *examine_all(const struct import *import, const json_t *tallies)
{
    json_t *questions = json_array();
    size_t i;
    const json_t *tally;
    json_array_foreach(tallies, i, tally)
    {
        (void)json_array_append_new(questions, examine(import, tally));
    }
    return questions;
}

static json_t *number_text(uint64_t number)
{
    return json_sprintf("%" PRIu64, number);
}

/* What was taken for granted where the minutes are silent. */
static json_t *rule_taken(const struct import *import)
{
    json_t *general = json_array();
    for (size_t i = 0; i < import->minutes.ballot_count; i++) {
        const char *model = import->minutes.ballots[i].model;
        if (import_is_general(import, model)) {
            (void)json_array_append_new(general, json_string(model));
        }
    }
    json_t *passes = json_object();
    size_t i;
    const json_t *proposal;
    json_array_foreach(import->minutes.proposals, i, proposal)
    {
        uint32_t percent = import_percent(import, proposal);
        (void)json_object_set_new(passes, json_string_value(json_object_get(proposal, "id")),
                                  percent == IMPORT_NO_THRESHOLD
                                      ? json_string("> 1/2")
                                      : json_sprintf(">= %u/100", (unsigned)percent));
    }
    bool score = import->minutes.method == MINUTES_SCORE;
    json_t *taken = json_pack("{s:s, s:o, s:b, s:{s:o}}", "method", score ? "score 1..10" : "yesno",
                              "pass", passes, "veto", score && import->minutes.vetoes, "classes",
                              "general", general);
    return taken;
}

static json_t *build(struct import *import, const json_t *tallies)
{
    json_t *created = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "members", number_text(import->members_made), "policies",
        number_text(import->policies_made), "proposals", number_text(import->proposals_made),
        "polls", number_text(import->polls_made), "ballots", number_text(import->ballots_made));
    return json_pack("{s:s, s:s, s:o, s:o, s:O, s:o, s:O, s:o, s:O}", "minute", import->minutes.id,
                     "poll", import->poll, "created", created, "took", rule_taken(import), "chain",
                     import->minutes.chain, "questions", examine_all(import, tallies),
                     "not_on_poll", import->not_on_poll, "published_elsewhere",
                     minutes_published_elsewhere(&import->minutes), "problems",
                     import->minutes.problems);
}

/* --- For people --- */

static size_t count_true(const json_t *questions, const char *key)
{
    size_t count = 0;
    size_t i;
    const json_t *question;
    json_array_foreach(questions, i, question)
    {
        count += json_is_true(json_object_get(question, key));
    }
    return count;
}

static void print_questions(const struct output *output, const json_t *questions)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "QUESTION", OUTPUT_LEFT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "COUNTED", OUTPUT_RIGHT);
    output_table_column(&table, "OUTCOME", OUTPUT_LEFT);
    output_table_column(&table, "PUBLISHED", OUTPUT_RIGHT);
    output_table_column(&table, "AS", OUTPUT_LEFT);
    output_table_column(&table, "", OUTPUT_LEFT);
    size_t i;
    const json_t *question;
    json_array_foreach(questions, i, question)
    {
        char counted[64];
        const json_t *support = json_object_get(question, "support");
        const json_t *published = json_object_get(question, "published");
        bool differs = json_is_true(json_object_get(question, "differs"));
        bool flips = json_is_true(json_object_get(question, "flips"));
        const char *outcome = convert_text(question, "outcome");
        snprintf(counted, sizeof counted, "%s/%s", convert_item_text(support, 0),
                 convert_item_text(support, 1));
        output_table_cell(&table, convert_text(question, "question"));
        output_table_cell(&table, convert_text(question, "title"));
        output_table_cell(&table, counted);
        output_table_styled(&table, strcmp(outcome, "passed") == 0 ? OUTPUT_GOOD : OUTPUT_PLAIN,
                            outcome);
        output_table_styled(&table, differs ? OUTPUT_NOTICE : OUTPUT_PLAIN,
                            convert_text(published, "score"));
        output_table_cell(&table, convert_text(published, "status"));
        output_table_styled(&table, flips ? OUTPUT_BAD : OUTPUT_NOTICE,
                            flips && differs ? "differs, the decision flips"
                            : flips          ? "the decision flips"
                            : differs        ? "differs"
                                             : "");
    }
    output_table_finish(&table, output, "no questions");
}

static void print_chain(const struct output *output, const json_t *chain)
{
    size_t verified = 0;
    size_t as_lf = 0;
    size_t i;
    const json_t *block;
    json_array_foreach(chain, i, block)
    {
        const char *status = convert_text(block, "status");
        verified += strcmp(status, "verified") == 0;
        as_lf += strcmp(status, "verified_after_crlf_to_lf") == 0;
    }
    output_print(
        output, OUTPUT_PLAIN,
        "\nchain: %zu blocks: %zu verified, %zu verified after CRLF->LF, %zu unverifiable\n",
        json_array_size(chain), verified, as_lf, json_array_size(chain) - verified - as_lf);
    json_array_foreach(chain, i, block)
    {
        size_t j;
        const json_t *why;
        json_array_foreach(json_object_get(block, "why"), j, why)
        {
            output_print(output, OUTPUT_NOTICE, "  block %s (", convert_text(block, "index"));
            output_safe(output, OUTPUT_NOTICE, convert_text(block, "model"));
            output_print(output, OUTPUT_NOTICE, "): ");
            output_safe(output, OUTPUT_PLAIN, json_string_value(why));
            output_print(output, OUTPUT_PLAIN, "\n");
        }
    }
}

/* Lines of "  NAME: TEXT" under a heading; nothing when there are none. */
static void print_list(const struct output *output, const char *heading, const json_t *list,
                       const char *name, const char *text, const char *more)
{
    if (json_array_size(list) == 0) {
        return;
    }
    output_print(output, OUTPUT_PLAIN, "\n%s:\n", heading);
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry)
    {
        const json_t *line = json_object_get(entry, "line");
        output_print(output, OUTPUT_PLAIN, "  ");
        output_safe(output, OUTPUT_NOTICE, convert_text(entry, name));
        if (json_is_integer(line)) {
            output_print(output, OUTPUT_NOTICE, ":%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT,
                         json_integer_value(line),
                         json_integer_value(json_object_get(entry, "column")));
        }
        output_print(output, OUTPUT_PLAIN, ": ");
        output_safe(output, OUTPUT_PLAIN, convert_text(entry, text));
        if (more != NULL) {
            output_print(output, OUTPUT_PLAIN, " ");
            output_safe(output, OUTPUT_PLAIN, convert_text(entry, more));
        }
        output_print(output, OUTPUT_PLAIN, "\n");
    }
}

#define RULE_NAMED_IDS 3u /* more questions of one threshold are only counted */

/* ", >= 70/100 (037)" or ", >= 60/100 (11 questions)": one threshold and who has it. */
static void print_threshold(const struct output *output, const json_t *passes, const json_t *wanted)
{
    size_t count = 0;
    const char *id;
    json_t *pass;
    json_object_foreach((json_t *)passes, id, pass)
    {
        count += json_equal(pass, wanted) ? 1 : 0;
    }
    output_print(output, OUTPUT_DIM, ", %s (", json_string_value(wanted));
    if (count > RULE_NAMED_IDS) {
        output_print(output, OUTPUT_DIM, "%zu questions)", count);
        return;
    }
    const char *separator = "";
    json_object_foreach((json_t *)passes, id, pass)
    {
        if (json_equal(pass, wanted)) {
            output_print(output, OUTPUT_DIM, "%s%s", separator, id);
            separator = ", ";
        }
    }
    output_print(output, OUTPUT_DIM, ")");
}

/* The rule in a line or two. */
static void print_rule(const struct output *output, const json_t *took)
{
    const json_t *passes = json_object_get(took, "pass");
    json_t *printed = json_object();
    const char *id;
    json_t *pass;
    output_print(output, OUTPUT_DIM, "took: %s", convert_text(took, "method"));
    json_object_foreach((json_t *)passes, id, pass)
    {
        if (json_object_get(printed, json_string_value(pass)) == NULL) {
            (void)json_object_set_new(printed, json_string_value(pass), json_true());
            print_threshold(output, passes, pass);
        }
    }
    json_decref(printed);
    if (json_is_true(json_object_get(took, "veto"))) {
        output_print(output, OUTPUT_DIM,
                     "\n      veto by the %zu of class general: a score of at most %u; %u/100 "
                     "reject, %u/100 send to revision",
                     json_array_size(json_object_get(json_object_get(took, "classes"), "general")),
                     IMPORT_VETO_SCORE, IMPORT_VETO_REJECT, IMPORT_VETO_REVISE);
    }
    output_print(output, OUTPUT_PLAIN, "\n\n");
}

static void print_report(const struct import *import, const json_t *report)
{
    const struct output *output = &import->cli->output;
    const json_t *questions = json_object_get(report, "questions");
    output_print(output, OUTPUT_BOLD, "minute %s", import->minutes.id);
    output_print(output, OUTPUT_PLAIN,
                 ": %zu ballots on %zu questions, poll %s (%" PRIu64 " ballots cast now)\n",
                 import->minutes.ballot_count, json_array_size(questions), import->poll,
                 import->ballots_made);
    if (import->members_made > 0) {
        output_print(output, OUTPUT_NOTICE,
                     "%" PRIu64
                     " members were admitted: they are on the roll of every poll that is "
                     "opened from now on\nwithout --class; `conclave member update ID --status "
                     "retired` takes one off\n",
                     import->members_made);
    }
    print_rule(output, json_object_get(report, "took"));
    print_questions(output, questions);
    print_chain(output, json_object_get(report, "chain"));
    print_list(output, "answers to what is not on the poll", import->not_on_poll, "model",
               "question", "answer");
    print_list(output, "published for what is not on the poll",
               json_object_get(report, "published_elsewhere"), "id", "status", NULL);
    print_list(output, "problems", import->minutes.problems, "file", "text", NULL);
    size_t flips = count_true(questions, "flips");
    output_print(output, flips > 0 ? OUTPUT_BAD : OUTPUT_GOOD,
                 "\n%zu of %zu published figures differ from the count; %zu %s\n",
                 count_true(questions, "differs"), json_array_size(questions), flips,
                 flips == 1 ? "decision flips" : "decisions flip");
    size_t i;
    const json_t *question;
    json_array_foreach(questions, i, question)
    {
        if (json_is_true(json_object_get(question, "flips"))) {
            output_print(output, OUTPUT_PLAIN, "  ");
            output_safe(output, OUTPUT_BAD, convert_text(question, "question"));
            output_print(output, OUTPUT_PLAIN, ": %s by hand, %s by the ballots: ",
                         convert_text(json_object_get(question, "published"), "status"),
                         convert_text(question, "outcome"));
            output_safe(output, OUTPUT_PLAIN, convert_text(question, "text"));
            output_print(output, OUTPUT_PLAIN, "\n");
        }
    }
}

int import_report(struct import *import)
{
    ASSERT(import != NULL);
    int status;
    struct body params;
    body_init(&params);
    body_text(&params, "poll", import->poll);
    json_t *answer = import_find(import, "tally", &params, &status);
    if (answer == NULL) {
        return status != 0 ? status
                           : cli_error(import->cli, CONCLAVE_INTERNAL, NULL,
                                       "the poll %s is not there after its import", import->poll);
    }
    json_t *report = build(import, json_object_get(answer, "questions"));
    json_decref(answer);
    if (report == NULL) {
        return cli_error(import->cli, CONCLAVE_NO_MEMORY, NULL, "out of memory");
    }
    if (import->cli->output.json) {
        output_json(&import->cli->output, "import", report);
    } else {
        print_report(import, report);
        json_decref(report);
    }
    return json_array_size(import->minutes.problems) == 0 ? 0 : 1;
}
