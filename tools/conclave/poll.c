/* conclave poll: putting questions to the members. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "convert.h"
#include "count.h"
#include "format.h"
#include "question.h"
#include "session.h"

static enum output_style style_of_state(const char *state)
{
    return strcmp(state, "open") == 0        ? OUTPUT_ACCENT
           : strcmp(state, "cancelled") == 0 ? OUTPUT_DIM
                                             : OUTPUT_PLAIN;
}

/* One --question or --proposal; NULL with the status set. */
static json_t *take_question(struct cli *cli, const struct args_value *given, const char *policy,
                             int *status)
{
    const char *problem = "it is not UTF-8";
    json_t *question = strcmp(given->option->name, "question") == 0
                           ? question_parse(given->value, policy, &problem)
                           : question_of_proposal(given->value, policy);
    if (question == NULL) {
        *status = cli_usage(cli, "--%s %s: %s", given->option->name, given->value, problem);
    }
    return question;
}

/* --question and --proposal in the order in which they are given. NULL with the status set. */
static json_t *take_questions(struct cli *cli, int *status)
{
    const char *policy = args_text(&cli->args, "policy");
    policy = policy == NULL ? "simple-majority" : policy;
    json_t *questions = json_array();
    *status = 0;
    for (size_t i = 0; *status == 0 && i < cli->args.value_count; i++) {
        const struct args_value *given = &cli->args.values[i];
        if (strcmp(given->option->name, "question") == 0 ||
            strcmp(given->option->name, "proposal") == 0) {
            json_t *question = take_question(cli, given, policy, status);
            if (question != NULL) {
                (void)json_array_append_new(questions, question);
            }
        }
    }
    if (*status == 0 && json_array_size(questions) == 0) {
        *status = cli_usage(cli, "a poll needs questions: give --question, --proposal or --file");
    }
    if (*status != 0) {
        json_decref(questions);
        return NULL;
    }
    return questions;
}

static json_t *take_classes(struct cli *cli)
{
    size_t count = args_count(&cli->args, "class");
    json_t *classes = count == 0 ? NULL : json_array();
    for (size_t i = 0; i < count; i++) {
        for (const char *text = args_nth(&cli->args, "class", i); *text != '\0';) {
            size_t size = strcspn(text, ",");
            if (size > 0) {
                (void)json_array_append_new(classes, json_stringn(text, size));
            }
            text += size + (text[size] == ',');
        }
    }
    return classes;
}

/* --for and --until become fields of the poll. */
static int take_closing(struct cli *cli, json_t *poll)
{
    const char *open_for = args_text(&cli->args, "for");
    const char *until = args_text(&cli->args, "until");
    uint64_t ms;
    if (open_for != NULL && until != NULL) {
        return cli_usage(cli, "--for and --until exclude each other");
    }
    if (open_for != NULL) {
        if (!format_parse_duration(open_for, &ms)) {
            return cli_usage(cli, "--for %s: not a duration such as 90s, 1h30m or 2d", open_for);
        }
        (void)json_object_set_new(poll, "open_for_ms", json_integer((json_int_t)ms));
        (void)json_object_del(poll, "closes_at");
    } else if (until != NULL) {
        if (!format_parse_time(until, &ms)) {
            return cli_usage(cli, "--until %s: not a time such as 2026-08-01T12:00:00Z", until);
        }
        (void)json_object_set_new(poll, "closes_at", json_integer((json_int_t)ms));
        (void)json_object_del(poll, "open_for_ms");
    } else if (json_object_get(poll, "closes_at") == NULL &&
               json_object_get(poll, "open_for_ms") == NULL) {
        return cli_usage(cli, "when does it close? Give --for DURATION or --until TIME");
    }
    return 0;
}

static const char *const text_keys[] = {"id",       "title",    "questions", "classes",
                                        "imported", "proposal", NULL};

/* The poll as poll.open has it: a new reference, or NULL with the status set. */
static json_t *take_poll(struct cli *cli, int *status)
{
    const char *file = args_text(&cli->args, "file");
    const char *title = args_text(&cli->args, "title");
    json_t *poll = file == NULL ? json_object() : session_read_json(cli, file, status);
    if (poll == NULL) {
        return NULL;
    }
    *status = 0;
    convert_restore_integers(poll, text_keys);
    (void)json_object_set_new(poll, "id", json_string(args_word(&cli->args, 0)));
    if (title != NULL) {
        (void)json_object_set_new(poll, "title", json_string(title));
    }
    if (file == NULL || args_given(&cli->args, "question") || args_given(&cli->args, "proposal")) {
        json_t *questions = take_questions(cli, status);
        if (questions != NULL) {
            (void)json_object_set_new(poll, "questions", questions);
        }
    }
    json_t *classes = take_classes(cli);
    if (classes != NULL) {
        (void)json_object_set_new(poll, "classes", classes);
    }
    if (*status == 0) {
        *status = take_closing(cli, poll);
    }
    if (*status == 0 && json_object_get(poll, "title") == NULL) {
        *status = cli_usage(cli, "--title is needed");
    }
    if (*status != 0) {
        json_decref(poll);
        return NULL;
    }
    return poll;
}

static int run_open(struct cli *cli)
{
    int status = 0;
    json_t *poll = take_poll(cli, &status);
    if (poll == NULL) {
        return status;
    }
    struct body body;
    body_init(&body);
    const char *key;
    json_t *value;
    json_object_foreach(poll, key, value)
    {
        body_json(&body, key, value);
    }
    json_t *reply;
    status = session_submit(cli, "poll.open", &body, &reply);
    json_decref(poll);
    if (status != 0) {
        return status;
    }
    const json_t *result = json_object_get(reply, "result");
    char closes[FORMAT_TIME_BYTES];
    format_time(convert_u64(result, "closes_at"), closes);
    return session_done(cli, reply, "opened %s: %s on the roll (weight %s), closes %s",
                        args_word(&cli->args, 0), convert_text(result, "roll"),
                        convert_text(result, "weight"), closes);
}

static int run_close(struct cli *cli)
{
    struct body body;
    body_init(&body);
    body_text(&body, "id", args_word(&cli->args, 0));
    json_t *reply;
    int status = session_submit(cli, "poll.close", &body, &reply);
    if (status != 0) {
        return status;
    }
    const struct output *output = &cli->output;
    if (!output->json && !output->quiet) {
        size_t i;
        const json_t *decision;
        json_array_foreach(json_object_get(json_object_get(reply, "result"), "decisions"), i,
                           decision)
        {
            const char *outcome = convert_item_text(decision, 1);
            output_print(output, OUTPUT_PLAIN, "  ");
            output_safe(output, OUTPUT_BOLD, convert_item_text(decision, 0));
            output_print(output, OUTPUT_PLAIN, "  ");
            output_safe(output, count_outcome_style(outcome), outcome);
            output_print(output, OUTPUT_PLAIN, "\n");
        }
    }
    return session_done(cli, reply, "closed %s", args_word(&cli->args, 0));
}

static int run_cancel(struct cli *cli)
{
    const char *reason = args_text(&cli->args, "reason");
    if (reason == NULL) {
        return cli_usage(cli, "--reason is needed: it goes into the record");
    }
    struct body body;
    body_init(&body);
    body_text(&body, "id", args_word(&cli->args, 0));
    body_text(&body, "reason", reason);
    json_t *reply;
    int status = session_submit(cli, "poll.cancel", &body, &reply);
    return status != 0 ? status
                       : session_done(cli, reply, "cancelled %s", args_word(&cli->args, 0));
}

static int run_list(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "state", args_text(&cli->args, "state"));
    int status;
    json_t *answer = session_list(cli, "poll.list", &params, "id", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "polls", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "STATE", OUTPUT_LEFT);
    output_table_column(&table, "BALLOTS", OUTPUT_RIGHT);
    output_table_column(&table, "ROLL", OUTPUT_RIGHT);
    output_table_column(&table, "CLOSES", OUTPUT_LEFT);
    size_t i;
    const json_t *item;
    char closes[FORMAT_TIME_BYTES];
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        const char *state = convert_text(item, "state");
        bool closed = !convert_is_null(item, "closed_at");
        format_time(convert_u64(item, closed ? "closed_at" : "closes_at"), closes);
        output_table_cell(&table, convert_text(item, "id"));
        output_table_cell(&table, convert_text(item, "title"));
        output_table_styled(&table, style_of_state(state), state);
        output_table_cell(&table, convert_text(item, "ballots"));
        output_table_cell(&table, convert_text(json_object_get(item, "roll"), "heads"));
        output_table_cell(&table, closes);
    }
    output_table_finish(&table, &cli->output, "no polls");
    json_decref(answer);
    return 0;
}

static void print_poll(const struct output *output, const json_t *poll)
{
    char time[FORMAT_TIME_BYTES];
    char text[160];
    const json_t *roll = json_object_get(poll, "roll");
    const char *state = convert_text(poll, "state");
    output_field(output, "poll", convert_text(poll, "id"));
    output_field(output, "title", convert_text(poll, "title"));
    output_print(output, OUTPUT_DIM, "%-14s", "state");
    output_safe(output, style_of_state(state), state);
    output_print(output, OUTPUT_PLAIN, "\n");
    format_time(convert_u64(poll, "opened_at"), time);
    snprintf(text, sizeof text, "%s by %s (log %s)", time, convert_text(poll, "author"),
             convert_text(poll, "index"));
    output_field(output, "opened", text);
    if (convert_is_null(poll, "closed_at")) {
        uint64_t closes_ms = convert_u64(poll, "closes_at");
        uint64_t now_ms = clock_wall_ms(&clock_system);
        char left[FORMAT_DURATION_BYTES];
        format_time(closes_ms, time);
        format_duration(closes_ms > now_ms ? closes_ms - now_ms : 0, left);
        snprintf(text, sizeof text, "%s (%s left)", time, left);
        output_field(output, "closes", text);
    } else {
        format_time(convert_u64(poll, "closed_at"), time);
        snprintf(text, sizeof text, "%s (%s)", time, convert_text(poll, "closed_by"));
        output_field(output, "closed", text);
    }
    snprintf(text, sizeof text, "%s of %s on the roll (weight %s)", convert_text(poll, "ballots"),
             convert_text(roll, "heads"), convert_text(roll, "weight"));
    output_field(output, "ballots", text);
    const json_t *imported = json_object_get(poll, "imported");
    output_field(output, "imported", convert_text(imported, "source"));
    output_field(output, "  sha256", convert_text(imported, "sha256"));
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", args_word(&cli->args, 0));
    int status;
    json_t *poll = session_query(cli, "poll.get", &params, &status);
    if (poll == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "poll", poll);
        return 0;
    }
    print_poll(&cli->output, poll);
    bool final = strcmp(convert_text(poll, "state"), "open") != 0;
    size_t i;
    const json_t *question;
    json_array_foreach(json_object_get(poll, "questions"), i, question)
    {
        output_print(&cli->output, OUTPUT_PLAIN, "\n");
        count_print(&cli->output, question, final);
    }
    json_decref(poll);
    return 0;
}

static int run_roll(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", args_word(&cli->args, 0));
    int status;
    json_t *answer = session_list(cli, "poll.roll", &params, "member", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "roll", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "MEMBER", OUTPUT_LEFT);
    output_table_column(&table, "WEIGHT", OUTPUT_RIGHT);
    output_table_column(&table, "VOTES", OUTPUT_LEFT);
    output_table_column(&table, "HAS VOTED", OUTPUT_LEFT);
    output_table_column(&table, "CLASSES", OUTPUT_SHRINK);
    output_table_column(&table, "EXPERT IN", OUTPUT_SHRINK);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        bool voted = convert_bool(item, "voted");
        char lists[2][LIMIT_CLASSES * (LIMIT_LABEL_BYTES + 2) + 1] = {"", ""};
        const char *const keys[2] = {"classes", "domains"};
        for (int which = 0; which < 2; which++) {
            const json_t *list = json_object_get(item, keys[which]);
            for (size_t j = 0; j < json_array_size(list) && j < LIMIT_CLASSES; j++) {
                size_t used = strlen(lists[which]);
                snprintf(lists[which] + used, sizeof lists[which] - used, "%s%s",
                         j == 0 ? "" : ", ", convert_item_text(list, j));
            }
        }
        output_table_cell(&table, convert_text(item, "member"));
        output_table_cell(&table, convert_text(item, "weight"));
        output_table_cell(&table, convert_bool(item, "elector") ? "yes" : "reviews only");
        output_table_styled(&table, voted ? OUTPUT_GOOD : OUTPUT_DIM, voted ? "yes" : "no");
        output_table_cell(&table, lists[0]);
        output_table_cell(&table, lists[1]);
    }
    output_table_finish(&table, &cli->output, "nobody is on the roll");
    json_decref(answer);
    return 0;
}

static const struct args_option open_options[] = {
    {.name = "title", .argument = "TEXT", .help = "The poll's title"},
    {.name = "question",
     .argument = "SPEC",
     .help =
         "A question: ID[,policy=ID][,proposal=ID][,supersedes=POLL/QUESTION][,title=TEXT]; the "
         "title, which comes last, may have commas; again for more questions",
     .repeatable = true},
    {.name = "proposal",
     .argument = "ID",
     .help = "A question about this proposal, with the same id; again for more",
     .repeatable = true},
    {.name = "policy",
     .argument = "ID",
     .help = "The policy of questions that name none (default simple-majority)"},
    {.name = "for", .argument = "DURATION", .help = "Open for this long, such as 90s, 1h30m or 2d"},
    {.name = "until",
     .argument = "TIME",
     .help = "Open until then, inclusive: 2026-08-01T12:00:00Z (UTC without an offset)"},
    {.name = "class",
     .argument = "CLASS",
     .help = "Only members with one of these classes vote (default: all active members)",
     .repeatable = true},
    {.name = "file",
     .argument = "FILE",
     .help = "Read the poll from JSON, as poll.open has it in docs/PROTOCOL.md"},
    ARGS_END};

static const struct args_option cancel_options[] = {
    {.name = "reason", .argument = "TEXT", .help = "Why; it goes into the record"}, ARGS_END};

static const struct args_option list_options[] = {
    {.name = "state", .argument = "STATE", .help = "open, closed or cancelled"},
    SESSION_LIST_OPTIONS,
    ARGS_END};

static const struct args_option roll_options[] = {SESSION_LIST_OPTIONS, ARGS_END};

#define ONE_ID .usage = "ID", .words_min = 1, .words_max = 1

static const struct command poll_commands[] = {
    {.verb = "open",
     .summary = "Open a poll (chairs only)",
     .usage =
         "ID --title TEXT (--question SPEC | --proposal ID)... (--for DURATION | --until TIME)",
     .details = "The roll, the weights and the policies are frozen when the poll opens.",
     .examples =
         "conclave poll open lunch --title 'Lunch' --question pizza,title='Pizza?' --for 1h\n"
         "conclave poll open minutes-0004 --title 'Minutes 0004' --proposal P-001 \\\n"
         "  --proposal P-002 --policy super-majority-80 --until 2026-08-01T12:00:00Z\n"
         "conclave poll open minutes-0005 --file poll.json\n",
     .options = open_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_open},
    {.verb = "close",
     .summary = "Close a poll now and decide it (chairs only)",
     .examples = "conclave poll close lunch\n",
     ONE_ID,
     .run = run_close},
    {.verb = "cancel",
     .summary = "Cancel a poll; nothing is decided (chairs only)",
     .usage = "ID --reason TEXT",
     .examples = "conclave poll cancel lunch --reason 'the kitchen is closed'\n",
     .options = cancel_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_cancel},
    {.verb = "list",
     .summary = "List the polls",
     .examples = "conclave poll list\nconclave poll list --state open --json\n",
     .options = list_options,
     .run = run_list},
    {.verb = "show",
     .summary = "Show a poll, its questions and how they stand",
     .examples = "conclave poll show minutes-0004\n",
     ONE_ID,
     .run = run_show},
    {.verb = "roll",
     .summary = "Show who may vote, as frozen when the poll opened, and who has",
     .examples = "conclave poll roll minutes-0004\n",
     .options = roll_options,
     ONE_ID,
     .run = run_roll},
};

const struct command_group cli_group_poll = {"poll", "Open, close and show polls", poll_commands,
                                             COMMANDS_COUNT(poll_commands)};
