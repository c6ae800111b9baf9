/* Policies in words. */
#include "rule.h"

#include <stdarg.h>
#include <string.h>

#include "convert.h"
#include "format.h"

static void add(char text[RULE_TEXT_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[RULE_TEXT_BYTES], const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, RULE_TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

const char *rule_measure(const json_t *policy)
{
    if (strcmp(convert_text(policy, "method"), "score") == 0) {
        return "sum / (max x weight of those who scored)";
    }
    const char *base = convert_text(policy, "base");
    return strcmp(base, "cast") == 0       ? "yes / (yes + no + abstain)"
           : strcmp(base, "eligible") == 0 ? "yes / everyone on the roll"
                                           : "yes / (yes + no)";
}

static void add_pass(char text[RULE_TEXT_BYTES], const json_t *policy)
{
    const json_t *pass = json_object_get(policy, "pass");
    if (strcmp(convert_text(policy, "method"), "score") == 0) {
        add(text, "score %s..%s, ", convert_text(policy, "min"), convert_text(policy, "max"));
    }
    add(text, "%s %s %s/%s", rule_measure(policy), convert_item_text(pass, 2),
        convert_item_text(pass, 0), convert_item_text(pass, 1));
}

static void add_quorum(char text[RULE_TEXT_BYTES], const json_t *quorum)
{
    add(text, "%s/%s of %s", convert_item_text(quorum, 0), convert_item_text(quorum, 1),
        convert_item_text(quorum, 2));
}

static void add_veto(char text[RULE_TEXT_BYTES], const json_t *veto)
{
    const json_t *trigger = json_object_get(veto, "trigger");
    const json_t *reject = json_object_get(veto, "reject");
    const json_t *revise = json_object_get(veto, "revise");
    add(text, "class %s, ", convert_text(veto, "class"));
    if (json_is_array(trigger)) {
        add(text, "by a score <= %s, ", convert_item_text(trigger, 1));
    } else {
        add(text, "explicit, ");
    }
    if (convert_u64(veto, "justification") > 0) {
        add(text, "justified in %s bytes or more, ", convert_text(veto, "justification"));
    }
    add(text, "of %s: %s/%s rejects, %s/%s sends to revision",
        strcmp(convert_text(veto, "share_of"), "roll") == 0 ? "all of the class on the roll"
                                                            : "those of the class who answered",
        convert_item_text(reject, 0), convert_item_text(reject, 1), convert_item_text(revise, 0),
        convert_item_text(revise, 1));
}

static void add_experts(char text[RULE_TEXT_BYTES], const json_t *experts)
{
    add(text, "%s: at least %s approvals, at most %s objections", convert_text(experts, "domain"),
        convert_text(experts, "approvals"), convert_text(experts, "objections"));
}

void rule_summary(const json_t *policy, char text[RULE_TEXT_BYTES])
{
    ASSERT(text != NULL);
    text[0] = '\0';
    add_pass(text, policy);
    if (!convert_is_null(policy, "quorum")) {
        add(text, ", quorum ");
        add_quorum(text, json_object_get(policy, "quorum"));
    }
    if (!convert_is_null(policy, "veto")) {
        add(text, ", veto by class %s", convert_text(json_object_get(policy, "veto"), "class"));
    }
    if (!convert_is_null(policy, "experts")) {
        add(text, ", experts in %s", convert_text(json_object_get(policy, "experts"), "domain"));
    }
    const char *mode = convert_text(json_object_get(policy, "rationale"), "mode");
    if (strcmp(mode, "required") == 0) {
        add(text, ", rationale required");
    }
    if (strcmp(convert_text(policy, "revote"), "final") == 0) {
        add(text, ", final");
    }
}

static void print_rationale(const struct output *output, const json_t *rationale)
{
    char text[RULE_TEXT_BYTES] = "";
    add(text, "%s", convert_text(rationale, "mode"));
    if (!convert_is_null(rationale, "max") && strcmp(text, "none") != 0) {
        add(text, ", %s to %s bytes", convert_text(rationale, "min"),
            convert_text(rationale, "max"));
    }
    const json_t *sections = json_object_get(rationale, "sections");
    for (size_t i = 0; i < json_array_size(sections); i++) {
        add(text, "%s \"%s\"", i == 0 ? ", with the sections" : ",",
            convert_item_text(sections, i));
    }
    output_field(output, "rationale", text);
}

void rule_print(const struct output *output, const json_t *policy)
{
    ASSERT(output != NULL);
    char text[RULE_TEXT_BYTES] = "";
    output_field(output, "method", convert_text(policy, "method"));
    add_pass(text, policy);
    output_field(output, "passes if", text);
    if (!convert_is_null(policy, "quorum")) {
        text[0] = '\0';
        add_quorum(text, json_object_get(policy, "quorum"));
        output_field(output, "quorum", text);
    }
    if (!convert_is_null(policy, "veto")) {
        text[0] = '\0';
        add_veto(text, json_object_get(policy, "veto"));
        output_field(output, "veto", text);
    }
    if (!convert_is_null(policy, "experts")) {
        text[0] = '\0';
        add_experts(text, json_object_get(policy, "experts"));
        output_field(output, "experts", text);
    }
    if (!convert_is_null(policy, "rationale")) {
        print_rationale(output, json_object_get(policy, "rationale"));
    }
    output_field(output, "revote", convert_text(policy, "revote"));
    if (!convert_is_null(policy, "early_close")) {
        char duration[FORMAT_DURATION_BYTES];
        format_duration(convert_u64(json_object_get(policy, "early_close"), "min_open_ms"),
                        duration);
        text[0] = '\0';
        add(text, "when settled, after %s at the earliest", duration);
        output_field(output, "early close", text);
    }
}
