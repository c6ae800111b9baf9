/* Filling in a ballot at the terminal. */
#include "vote_ask.h"

#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "format.h"
#include "rule.h"
#include "text.h"

#define ANSWER_BYTES (LIMIT_RATIONALE_BYTES + 2u)

struct asking {
    const struct output *output;
    FILE *input;
    char *line; /* ANSWER_BYTES, within this struct's owner */
};

/* One line without its end; false at the end of input. Too long a line is cut where no rationale
 * may go on, and its rest dropped. */
static bool ask(const struct asking *asking, const char *prompt)
{
    output_print(asking->output, OUTPUT_ACCENT, "%s", prompt);
    (void)fflush(asking->output->file);
    if (fgets(asking->line, ANSWER_BYTES, asking->input) == NULL) {
        return false;
    }
    size_t size = strcspn(asking->line, "\n");
    if (asking->line[size] != '\n') {
        int byte;
        while ((byte = fgetc(asking->input)) != EOF && byte != '\n') {
            /* dropped */
        }
    }
    asking->line[size] = '\0';
    while (size > 0 && (asking->line[size - 1] == ' ' || asking->line[size - 1] == '\r')) {
        asking->line[--size] = '\0';
    }
    return true;
}

static bool is_score(const json_t *question)
{
    return strcmp(convert_text(question, "method"), "score") == 0;
}

/* Makes "y" yes, and says what is wrong with anything else that is no answer. */
static bool accept_choice(const struct asking *asking, const json_t *question, char choice[24])
{
    static const char *const words[][2] = {{"y", "yes"}, {"yes", "yes"},   {"n", "no"},
                                           {"no", "no"}, {"a", "abstain"}, {"abstain", "abstain"}};
    const json_t *rule = json_object_get(question, "rule");
    uint64_t score;
    for (size_t i = is_score(question) ? 4 : 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(asking->line, words[i][0]) == 0) {
            snprintf(choice, 24, "%s", words[i][1]);
            return true;
        }
    }
    if (is_score(question) && format_parse_u64(asking->line, &score) &&
        score >= convert_u64(rule, "min") && score <= convert_u64(rule, "max")) {
        snprintf(choice, 24, "%llu", (unsigned long long)score);
        return true;
    }
    output_print(asking->output, OUTPUT_NOTICE, "    that is not one of the answers\n");
    return false;
}

/* False at the end of input. An empty choice: the question is left out. */
static bool ask_choice(const struct asking *asking, const json_t *question, char choice[24])
{
    const json_t *rule = json_object_get(question, "rule");
    char prompt[128];
    if (is_score(question)) {
        snprintf(prompt, sizeof prompt,
                 "  %s to %s, or abstain [Enter: leave it out]: ", convert_text(rule, "min"),
                 convert_text(rule, "max"));
    } else {
        snprintf(prompt, sizeof prompt, "  yes, no or abstain [Enter: leave it out]: ");
    }
    for (;;) {
        if (!ask(asking, prompt)) {
            return false;
        }
        if (asking->line[0] == '\0') {
            choice[0] = '\0';
            return true;
        }
        if (accept_choice(asking, question, choice)) {
            return true;
        }
    }
}

static bool has_label(const json_t *list, const char *label)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(convert_item_text(list, i), label) == 0) {
            return true;
        }
    }
    return false;
}

/* A veto goes with any answer but yes. */
static bool may_veto(const json_t *question, const json_t *voter, const char *choice)
{
    const json_t *veto = json_object_get(json_object_get(question, "rule"), "veto");
    return strcmp(convert_text(veto, "trigger"), "explicit") == 0 && choice[0] != '\0' &&
           strcmp(choice, "yes") != 0 &&
           has_label(json_object_get(voter, "classes"), convert_text(veto, "class"));
}

static bool may_review(const json_t *question, const json_t *voter)
{
    const json_t *experts = json_object_get(json_object_get(question, "rule"), "experts");
    return json_is_object(experts) &&
           has_label(json_object_get(voter, "domains"), convert_text(experts, "domain"));
}

/* The rationale, asked until it has the least length where one is required. False at the end. */
static bool ask_why(const struct asking *asking, const json_t *question, bool voted, bool vetoed)
{
    const json_t *rule = json_object_get(question, "rule");
    const json_t *rationale = json_object_get(rule, "rationale");
    const char *mode = convert_text(rationale, "mode");
    bool required = (strcmp(mode, "required") == 0 && voted) || vetoed;
    uint64_t least = convert_u64(rationale, "min");
    if (vetoed) {
        uint64_t justification = convert_u64(json_object_get(rule, "veto"), "justification");
        least = justification > least ? justification : least;
    } else if (strcmp(mode, "none") == 0) {
        asking->line[0] = '\0';
        return true;
    }
    char bytes[48] = "";
    char prompt[128];
    if (least > 0) {
        snprintf(bytes, sizeof bytes, " of at least %llu bytes", (unsigned long long)least);
    }
    snprintf(prompt, sizeof prompt, "  why? (one line%s)%s: ", bytes,
             required ? "" : " [Enter: none]");
    for (;;) {
        if (!ask(asking, prompt)) {
            return false;
        }
        size_t size = strlen(asking->line);
        if ((size == 0 && !required) || (size > 0 && size >= least)) {
            return true;
        }
        output_print(asking->output, OUTPUT_NOTICE, "    %s\n",
                     size == 0 ? "a rationale is needed here" : "that is too short");
    }
}

static bool ask_review(const struct asking *asking, char review[8])
{
    for (;;) {
        if (!ask(asking, "  your review as an expert: approve or object [Enter: none]: ")) {
            return false;
        }
        if (asking->line[0] == '\0' || strcmp(asking->line, "approve") == 0 ||
            strcmp(asking->line, "object") == 0) {
            snprintf(review, 8, "%.7s", asking->line);
            return true;
        }
        output_print(asking->output, OUTPUT_NOTICE, "    that is neither\n");
    }
}

static void introduce(const struct output *output, const json_t *question, size_t i, size_t count)
{
    char rule[RULE_TEXT_BYTES];
    rule_summary(json_object_get(question, "rule"), rule);
    output_print(output, OUTPUT_PLAIN, "\n");
    output_print(output, OUTPUT_DIM, "%zu of %zu  ", i + 1, count);
    output_safe(output, OUTPUT_BOLD, convert_text(question, "question"));
    output_print(output, OUTPUT_PLAIN, "  ");
    output_safe(output, OUTPUT_BOLD, convert_text(question, "title"));
    output_print(output, OUTPUT_PLAIN, "\n  ");
    if (!convert_is_null(question, "proposal")) {
        output_print(output, OUTPUT_DIM, "proposal ");
        output_safe(output, OUTPUT_DIM, convert_text(question, "proposal"));
        output_print(output, OUTPUT_DIM, "; ");
    }
    output_safe(output, OUTPUT_DIM, rule);
    output_print(output, OUTPUT_PLAIN, "\n");
}

static enum vote_ask_result ask_question(const struct asking *asking, const json_t *question,
                                         const json_t *voter, struct draft *draft)
{
    char choice[24] = "";
    char review[8] = "";
    bool veto = false;
    if (convert_bool(voter, "elector") && !ask_choice(asking, question, choice)) {
        return VOTE_ASK_STOP;
    }
    if (may_veto(question, voter, choice)) {
        if (!ask(asking, "  veto it? [y/N]: ")) {
            return VOTE_ASK_STOP;
        }
        veto = asking->line[0] == 'y' || asking->line[0] == 'Y';
    }
    if (may_review(question, voter) && !ask_review(asking, review)) {
        return VOTE_ASK_STOP;
    }
    if (choice[0] == '\0' && review[0] == '\0') {
        return VOTE_ASK_SEND; /* left out; on to the next */
    }
    struct draft_answer *answer =
        draft_answer(draft, slice_of_text(convert_text(question, "question")));
    if (answer == NULL) {
        return VOTE_ASK_FAILED;
    }
    memcpy(answer->choice, choice, sizeof choice);
    memcpy(answer->review, review, sizeof review);
    answer->veto = veto;
    if (!ask_why(asking, question, choice[0] != '\0', veto)) {
        return VOTE_ASK_STOP;
    }
    return asking->line[0] == '\0' || draft_set_why(draft, answer, asking->line) ? VOTE_ASK_SEND
                                                                                 : VOTE_ASK_FAILED;
}

static bool is_answered(const struct draft *draft, const char *question)
{
    for (size_t i = 0; i < draft->answer_count; i++) {
        if (strcmp(draft->answers[i].question, question) == 0) {
            return true;
        }
    }
    return false;
}

static void print_summary(const struct output *output, const struct draft *draft, size_t count)
{
    output_print(output, OUTPUT_BOLD, "\nYour ballot for ");
    output_safe(output, OUTPUT_BOLD, draft->poll);
    output_print(output, OUTPUT_BOLD, " (%zu of %zu questions):\n", draft->answer_count, count);
    for (size_t i = 0; i < draft->answer_count; i++) {
        const struct draft_answer *answer = &draft->answers[i];
        output_print(output, OUTPUT_PLAIN, "  %s  ", answer->question);
        output_print(output, OUTPUT_ACCENT, "%s%s%s%s%s",
                     answer->choice[0] == '\0' ? "-" : answer->choice, answer->veto ? ", veto" : "",
                     answer->review[0] == '\0' ? "" : " (", answer->review,
                     answer->review[0] == '\0' ? "" : ")");
        if (answer->why != NULL) {
            output_print(output, OUTPUT_PLAIN, "  ");
            output_safe(output, OUTPUT_DIM, answer->why);
        }
        output_print(output, OUTPUT_PLAIN, "\n");
    }
}

enum vote_ask_result vote_ask(const struct output *output, FILE *input, const json_t *poll,
                              const json_t *voter, bool confirmed, struct draft *draft)
{
    ASSERT(output != NULL && input != NULL && draft != NULL);
    char line[ANSWER_BYTES];
    const struct asking asking = {.output = output, .input = input, .line = line};
    const json_t *questions = json_object_get(poll, "questions");
    size_t count = json_array_size(questions);
    output_safe(output, OUTPUT_BOLD, convert_text(poll, "title"));
    output_print(output, OUTPUT_DIM, "\nNothing is sent before you confirm; Ctrl-C stops.\n");
    if (!convert_bool(voter, "elector")) {
        output_print(output, OUTPUT_DIM,
                     "You are on its roll as an expert: you review, and do not vote.\n");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *question = json_array_get(questions, i);
        if (is_answered(draft, convert_text(question, "question")) ||
            (!convert_bool(voter, "elector") && !may_review(question, voter))) {
            continue;
        }
        introduce(output, question, i, count);
        enum vote_ask_result result = ask_question(&asking, question, voter, draft);
        if (result != VOTE_ASK_SEND) {
            return result;
        }
    }
    if (draft->answer_count == 0) {
        output_print(output, OUTPUT_NOTICE, "\nNo question is answered.\n");
        return VOTE_ASK_STOP;
    }
    print_summary(output, draft, count);
    if (confirmed) {
        return VOTE_ASK_SEND;
    }
    if (!ask(&asking, "Send it? [y/N]: ")) {
        return VOTE_ASK_STOP;
    }
    return line[0] == 'y' || line[0] == 'Y' ? VOTE_ASK_SEND : VOTE_ASK_STOP;
}
