/* A question's count, as people check it. */
#include "count.h"

#include <inttypes.h>
#include <string.h>

#include "convert.h"
#include "rule.h"

#define NAME_COLUMN 12
#define BAR_LEAST   10u
#define BAR_MOST    40u

enum output_style count_outcome_style(const char *outcome)
{
    ASSERT(outcome != NULL);
    return strcmp(outcome, "passed") == 0        ? OUTPUT_GOOD
           : strcmp(outcome, "to_revision") == 0 ? OUTPUT_NOTICE
           : strcmp(outcome, "cancelled") == 0   ? OUTPUT_DIM
                                                 : OUTPUT_BAD;
}

static void print_name(const struct output *output, const char *name)
{
    output_print(output, OUTPUT_DIM, "    %-*s", NAME_COLUMN, name);
}

/* Heads and weight are the same where everybody weighs 1: then one number says it. */
static void print_amount(const struct output *output, uint64_t heads, uint64_t weight)
{
    if (heads == weight) {
        output_print(output, OUTPUT_PLAIN, "%" PRIu64 "\n", heads);
    } else {
        output_print(output, OUTPUT_PLAIN, "%" PRIu64 " (weight %" PRIu64 ")\n", heads, weight);
    }
}

static size_t bar_columns(const struct output *output)
{
    size_t columns = output_prose_width(output) / 2;
    return columns < BAR_LEAST ? BAR_LEAST : columns > BAR_MOST ? BAR_MOST : columns;
}

static void print_bar(const struct output *output, const char *name, const json_t *tally,
                      const char *key, enum output_style style)
{
    const json_t *pair = json_object_get(tally, key);
    uint64_t heads = convert_item_u64(pair, 0);
    uint64_t weight = convert_item_u64(pair, 1);
    print_name(output, name);
    output_bar(output, weight, convert_u64(json_object_get(tally, "roll"), "weight"),
               bar_columns(output), style);
    print_amount(output, heads, weight);
}

static void print_answers(const struct output *output, const json_t *tally)
{
    if (strcmp(convert_text(tally, "method"), "score") == 0) {
        print_bar(output, "scored", tally, "scored", OUTPUT_ACCENT);
        print_bar(output, "abstain", tally, "abstain", OUTPUT_DIM);
        const json_t *support = json_object_get(json_object_get(tally, "verdict"), "support");
        print_name(output, "sum");
        output_bar(output, convert_u64(tally, "score_sum"), convert_item_u64(support, 1),
                   bar_columns(output), OUTPUT_GOOD);
        output_print(output, OUTPUT_PLAIN, "%" PRIu64 " of %" PRIu64 "\n",
                     convert_u64(tally, "score_sum"), convert_item_u64(support, 1));
    } else {
        print_bar(output, "yes", tally, "yes", OUTPUT_GOOD);
        print_bar(output, "no", tally, "no", OUTPUT_BAD);
        print_bar(output, "abstain", tally, "abstain", OUTPUT_DIM);
    }
    const json_t *roll = json_object_get(tally, "roll");
    uint64_t heads = convert_u64(roll, "heads");
    uint64_t weight = convert_u64(roll, "weight");
    print_name(output, "answers");
    output_print(output, OUTPUT_PLAIN,
                 "%" PRIu64 " of %" PRIu64 " ballots answer this; %" PRIu64 " left it out; %" PRIu64
                 " on the roll",
                 convert_u64(tally, "answers"), convert_u64(tally, "ballots"),
                 convert_u64(tally, "left_out"), heads);
    if (weight != heads) {
        output_print(output, OUTPUT_PLAIN, " (weight %" PRIu64 ")", weight);
    }
    output_print(output, OUTPUT_PLAIN, "\n");
}

static void print_verdict(const struct output *output, bool holds, bool good)
{
    output_print(output, good ? OUTPUT_GOOD : OUTPUT_BAD, "%s", holds ? "yes" : "no");
}

/* "57/100 >= 60/100: no" */
static void print_comparison(const struct output *output, const json_t *have, const char *sign,
                             const json_t *fraction, const char *of, bool holds, bool good)
{
    output_print(output, OUTPUT_PLAIN, "%" PRIu64 "/%" PRIu64 " %s %" PRIu64 "/%" PRIu64 "%s: ",
                 convert_item_u64(have, 0), convert_item_u64(have, 1), sign,
                 convert_item_u64(fraction, 0), convert_item_u64(fraction, 1), of);
    print_verdict(output, holds, good);
}

static void print_gates(const struct output *output, const json_t *tally)
{
    const json_t *rule = json_object_get(tally, "rule");
    const json_t *verdict = json_object_get(tally, "verdict");
    const json_t *pass = json_object_get(rule, "pass");
    const char *sign = strcmp(convert_item_text(pass, 2), ">") == 0 ? ">" : ">=";
    bool passes = convert_bool(verdict, "passes");
    if (!convert_is_null(rule, "quorum")) {
        const json_t *quorum = json_object_get(rule, "quorum");
        bool met = convert_bool(verdict, "quorum_met");
        print_name(output, "quorum");
        print_comparison(output, json_object_get(verdict, "quorum"), ">=", quorum,
                         strcmp(convert_item_text(quorum, 2), "weight") == 0 ? " of weight"
                                                                             : " of heads",
                         met, met);
        output_print(output, OUTPUT_PLAIN, "\n");
    }
    if (!convert_is_null(rule, "veto")) {
        const json_t *veto = json_object_get(rule, "veto");
        const json_t *have = json_object_get(verdict, "veto");
        bool rejects = convert_bool(verdict, "veto_rejects");
        bool revises = convert_bool(verdict, "veto_revises");
        print_name(output, "veto");
        print_comparison(output, have, ">=", json_object_get(veto, "reject"), " rejects", rejects,
                         !rejects);
        output_print(output, OUTPUT_PLAIN, "; ");
        print_comparison(output, have, ">=", json_object_get(veto, "revise"), " to revision",
                         rejects || revises, !(rejects || revises));
        output_print(output, OUTPUT_DIM, "  of class ");
        output_safe(output, OUTPUT_DIM, convert_text(veto, "class"));
        output_print(output, OUTPUT_PLAIN, "\n");
    }
    print_name(output, "support");
    print_comparison(output, json_object_get(verdict, "support"), sign, pass, "", passes, passes);
    output_print(output, OUTPUT_DIM, "  %s\n", rule_measure(rule));
    if (!convert_is_null(rule, "experts")) {
        const json_t *experts = json_object_get(rule, "experts");
        bool met = convert_bool(verdict, "experts_met");
        print_name(output, "experts");
        output_print(output, OUTPUT_PLAIN,
                     "approvals %" PRIu64 " >= %" PRIu64 ", objections %" PRIu64 " <= %" PRIu64
                     ": ",
                     convert_u64(verdict, "approvals"), convert_u64(experts, "approvals"),
                     convert_u64(verdict, "objections"), convert_u64(experts, "objections"));
        print_verdict(output, met, met);
        output_print(output, OUTPUT_DIM, "  experts in ");
        output_safe(output, OUTPUT_DIM, convert_text(experts, "domain"));
        output_print(output, OUTPUT_PLAIN, "\n");
    }
}

void count_print(const struct output *output, const json_t *tally, bool final)
{
    ASSERT(output != NULL);
    const json_t *verdict = json_object_get(tally, "verdict");
    const char *outcome = convert_text(verdict, "outcome");
    char rule[RULE_TEXT_BYTES];
    rule_summary(json_object_get(tally, "rule"), rule);
    output_safe(output, OUTPUT_BOLD, convert_text(tally, "question"));
    output_print(output, OUTPUT_PLAIN, "  ");
    output_safe(output, OUTPUT_PLAIN, convert_text(tally, "title"));
    output_print(output, OUTPUT_PLAIN, "\n");
    if (!convert_is_null(tally, "proposal")) {
        print_name(output, "proposal");
        output_safe(output, OUTPUT_PLAIN, convert_text(tally, "proposal"));
        output_print(output, OUTPUT_PLAIN, ", revision %" PRIu64 "\n",
                     convert_u64(tally, "proposal_revision"));
    }
    print_name(output, "rule");
    output_safe(output, OUTPUT_PLAIN, convert_text(tally, "policy"));
    output_print(output, OUTPUT_PLAIN, " version %" PRIu64 ": ",
                 convert_u64(tally, "policy_version"));
    output_safe(output, OUTPUT_PLAIN, rule);
    output_print(output, OUTPUT_PLAIN, "\n");
    print_answers(output, tally);
    print_gates(output, tally);
    print_name(output, final ? "outcome" : "as of now");
    output_safe(output, count_outcome_style(outcome), outcome);
    const char *text = convert_text(verdict, "text");
    if (text[0] != '\0') {
        output_print(output, OUTPUT_PLAIN, " (");
        output_safe(output, OUTPUT_PLAIN, text);
        output_print(output, OUTPUT_PLAIN, ")");
    }
    output_print(output, OUTPUT_PLAIN, "\n");
    if (!convert_is_null(tally, "supersedes")) {
        print_name(output, "supersedes");
        output_safe(output, OUTPUT_PLAIN, convert_text(tally, "supersedes"));
        output_print(output, OUTPUT_PLAIN, "\n");
    }
}
