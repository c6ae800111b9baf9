/* conclave vote: casting a ballot. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ballot_draft.h"
#include "base/clock.h"
#include "commands.h"
#include "convert.h"
#include "receipts.h"
#include "session.h"
#include "vote_ask.h"

static int take_file(struct cli *cli, struct draft *draft)
{
    const char *path = args_text(&cli->args, "file");
    if (path == NULL) {
        return 0;
    }
    int status;
    json_t *ballot = session_read_json(cli, path, &status);
    if (ballot == NULL) {
        return status;
    }
    bool taken = draft_take_json(draft, ballot);
    json_decref(ballot);
    return taken ? 0 : cli_usage(cli, "%s: %s", path, draft->problem);
}

static int take_words(struct cli *cli, struct draft *draft)
{
    bool taken = true;
    for (size_t i = 1; taken && args_word(&cli->args, i) != NULL; i++) {
        taken = draft_take_answer(draft, args_word(&cli->args, i));
    }
    for (size_t i = 0; taken && i < args_count(&cli->args, "why"); i++) {
        taken = draft_take_why(draft, args_nth(&cli->args, "why", i));
    }
    for (size_t i = 0; taken && i < args_count(&cli->args, "veto"); i++) {
        taken = draft_take_veto(draft, args_nth(&cli->args, "veto", i));
    }
    for (size_t i = 0; taken && i < args_count(&cli->args, "review"); i++) {
        taken = draft_take_review(draft, args_nth(&cli->args, "review", i));
    }
    return taken ? 0 : cli_usage(cli, "%s", draft->problem);
}

static json_t *query_by_id(struct cli *cli, const char *method, const char *id, int *status)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", id);
    return session_query(cli, method, &params, status);
}

/* How the roll of the poll has the author: a new reference; NULL with the exit status. */
static json_t *find_voter(struct cli *cli, const char *poll, int *status)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", poll);
    json_t *roll = session_list(cli, "poll.roll", &params, "member", status);
    json_t *voter = NULL;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(roll, "items"), i, item)
    {
        if (strcmp(convert_text(item, "member"), cli->author) == 0) {
            voter = json_incref(item);
        }
    }
    json_decref(roll);
    if (voter == NULL && *status == 0) {
        *status = cli_error(cli, CONCLAVE_NOT_ON_ROLL, NULL, "%s is not on the roll of the poll %s",
                            cli->author, poll);
    }
    return voter;
}

/* Asks at the terminal. 0: the draft is to be sent; -1: nothing is to be sent; else exit status. */
static int ask(struct cli *cli, struct draft *draft)
{
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 || cli->output.json) {
        return cli_usage(cli, "no answers are given: write QUESTION=ANSWER, give --file, or run it "
                              "on a terminal to be asked");
    }
    int status = session_load_key(cli);
    if (status != 0) {
        return status;
    }
    json_t *poll = query_by_id(cli, "poll.get", draft->poll, &status);
    if (poll == NULL) {
        return status;
    }
    if (strcmp(convert_text(poll, "state"), "open") != 0) {
        status = cli_error(cli, CONCLAVE_POLL_CLOSED, NULL, "the poll %s is %s", draft->poll,
                           convert_text(poll, "state"));
        json_decref(poll);
        return status;
    }
    json_t *voter = find_voter(cli, draft->poll, &status);
    if (voter == NULL) {
        json_decref(poll);
        return status;
    }
    enum vote_ask_result result =
        vote_ask(&cli->output, stdin, poll, voter, args_given(&cli->args, "yes"), draft);
    json_decref(poll);
    json_decref(voter);
    if (result == VOTE_ASK_FAILED) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, "", "%s", draft->problem);
    }
    if (result == VOTE_ASK_STOP) {
        output_print(&cli->output, OUTPUT_PLAIN, "\nNothing was sent.\n");
        return -1;
    }
    return 0;
}

/* "2 questions answered, 1 reviewed" */
static void count_answers(const struct draft *draft, char text[96])
{
    size_t answered = 0;
    size_t reviewed = 0;
    for (size_t i = 0; i < draft->answer_count; i++) {
        answered += draft->answers[i].choice[0] != '\0';
        reviewed += draft->answers[i].review[0] != '\0';
    }
    if (reviewed == 0) {
        snprintf(text, 96, "%zu question%s answered", answered, answered == 1 ? "" : "s");
    } else if (answered == 0) {
        snprintf(text, 96, "%zu question%s reviewed", reviewed, reviewed == 1 ? "" : "s");
    } else {
        snprintf(text, 96, "%zu question%s answered, %zu reviewed", answered,
                 answered == 1 ? "" : "s", reviewed);
    }
}

/* Whether the outcome of what was just sent is not known. */
static bool outcome_unknown(const struct cli *cli)
{
    return cli->client != NULL &&
           conclave_last_failure(cli->client)->code == CONCLAVE_UNKNOWN_OUTCOME;
}

static void add_receipt(json_t *reply, const struct receipts_result *kept)
{
    bool known = kept->state == RECEIPTS_KEPT || kept->state == RECEIPTS_PENDING;
    (void)json_object_set_new(reply, "receipt", known ? json_string(kept->path) : json_null());
    (void)json_object_set_new(reply, "receipt_pending",
                              json_boolean(kept->state == RECEIPTS_PENDING));
}

static void say_receipt(struct cli *cli, const struct receipts_result *kept)
{
    const struct output *output = &cli->output;
    bool quiet = output->quiet || output->json;
    if (kept->state == RECEIPTS_REFUSED) {
        fprintf(output->error, "conclave: no receipt: %s\n", kept->why);
    } else if (kept->state == RECEIPTS_NONE && kept->why[0] != '\0') {
        fprintf(output->error, "conclave: no receipt is kept: %s\n", kept->why);
    } else if (kept->state == RECEIPTS_KEPT && !quiet) {
        output_print(output, OUTPUT_DIM, "receipt  ");
        output_safe(output, OUTPUT_DIM, kept->path);
        output_print(output, OUTPUT_DIM, "\n");
    } else if (kept->state == RECEIPTS_PENDING && !quiet) {
        output_print(output, OUTPUT_DIM,
                     "receipt  not there yet: `conclave receipt --pending` gets it\n");
    }
}

/* The ballot is in: says so first, since its receipt may take a moment. */
static int finish(struct cli *cli, json_t *reply, const char *poll, const char *counts)
{
    struct receipts_result kept = {.state = RECEIPTS_NONE};
    bool wanted = !args_given(&cli->args, "no-receipt");
    const json_t *result = json_object_get(reply, "result");
    uint64_t nth = convert_u64(result, "ballot");
    if (cli->output.json && wanted) {
        receipts_keep(cli, poll, reply, &kept);
        add_receipt(reply, &kept);
    }
    json_t *again = json_incref(reply);
    int status = session_done(cli, reply, "ballot in: %s%s", counts,
                              nth > 1 ? ", in place of your earlier ballot" : "");
    if (!cli->output.json && wanted) {
        (void)fflush(cli->output.file);
        receipts_keep(cli, poll, again, &kept);
    }
    json_decref(again);
    say_receipt(cli, &kept);
    return status;
}

static int run_vote(struct cli *cli)
{
    struct draft draft;
    draft_init(&draft, args_word(&cli->args, 0));
    int status = take_file(cli, &draft);
    if (status == 0) {
        status = take_words(cli, &draft);
    }
    if (status == 0 && draft.answer_count == 0) {
        status = ask(cli, &draft);
    }
    if (status != 0) {
        draft_close(&draft);
        return status < 0 ? conclave_code_exit_status(CONCLAVE_IO) : status;
    }
    struct body body;
    body_init(&body);
    char counts[96];
    count_answers(&draft, counts);
    draft_write(&draft, clock_wall_ms(&clock_system), &body);
    json_t *reply;
    status = session_submit(cli, "ballot.cast", &body, &reply);
    const char *poll = draft.poll;
    draft_close(&draft);
    if (status != 0 && outcome_unknown(cli) && !args_given(&cli->args, "no-receipt")) {
        struct receipts_result kept;
        receipts_keep(cli, poll, NULL, &kept);
    }
    return status != 0 ? status : finish(cli, reply, poll, counts);
}

static const struct args_option vote_options[] = {
    {.name = "why",
     .argument = "QUESTION=TEXT",
     .help = "The rationale of an answer, or the justification of a veto",
     .repeatable = true},
    {.name = "veto",
     .argument = "QUESTION",
     .help = "Veto it (members of the policy's veto class)",
     .repeatable = true},
    {.name = "review",
     .argument = "QUESTION=approve|object",
     .help = "Your review as an expert",
     .repeatable = true},
    {.name = "file",
     .argument = "FILE",
     .help = "Read the ballot from JSON: {\"answers\": [{\"q\": ID, \"a\": \"yes\" or 7, \"why\": "
             "TEXT, \"veto\": true, \"review\": \"approve\"}]} (- for standard input)"},
    {.name = "no-receipt",
     .help = "Keep no receipt of this ballot (CONCLAVE_RECEIPTS=off: of none)"},
    {.name = "yes", .letter = 'y', .help = "Do not ask for confirmation"},
    ARGS_END};

static const struct command vote_commands[] = {
    {.summary = "Cast a ballot",
     .usage = "POLL [QUESTION=ANSWER...] [--why QUESTION=TEXT]... [--file FILE]",
     .details = "An answer is yes, no, abstain or a score. Without answers it asks question by "
                "question on the terminal, shows the ballot and asks before it is sent. A question "
                "that is not named is left out. Voting again replaces the whole ballot, where the "
                "policies allow it. A receipt is kept, which proves what was decided and when "
                "(`conclave receipt`, `conclave verify`).",
     .examples =
         "conclave vote lunch pizza=yes\n"
         "conclave vote minutes-0004 P-001=8 P-002=abstain --why 'P-001=It is simple.'\n"
         "conclave vote minutes-0004 P-001=no --veto P-001 --why 'P-001=It breaks import.'\n"
         "conclave vote minutes-0004 --file ballot.json\n"
         "conclave vote minutes-0004\n",
     .options = vote_options,
     .words_min = 1,
     .words_max = CLI_WORDS_ANY,
     .run = run_vote},
};

const struct command_group cli_group_vote = {"vote", "Cast a ballot", vote_commands, 1};
