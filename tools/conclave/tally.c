/* conclave tally: how a poll stands, with its arithmetic. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "count.h"
#include "session.h"

static int run_tally(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "poll", args_word(&cli->args, 0));
    body_text(&params, "question", args_word(&cli->args, 1));
    int status;
    json_t *answer = session_query(cli, "tally", &params, &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "tally", answer);
        return 0;
    }
    const struct output *output = &cli->output;
    const char *state = convert_text(answer, "state");
    output_print(output, OUTPUT_PLAIN, "poll ");
    output_safe(output, OUTPUT_BOLD, convert_text(answer, "poll"));
    output_print(output, OUTPUT_PLAIN, ", ");
    output_safe(output, strcmp(state, "open") == 0 ? OUTPUT_ACCENT : OUTPUT_PLAIN, state);
    output_print(output, OUTPUT_DIM, " (log %" PRIu64 ")\n", convert_u64(answer, "index"));
    size_t i;
    const json_t *question;
    json_array_foreach(json_object_get(answer, "questions"), i, question)
    {
        output_print(output, OUTPUT_PLAIN, "\n");
        count_print(output, question, strcmp(state, "open") != 0);
    }
    json_decref(answer);
    return 0;
}

static const struct command tally_commands[] = {
    {.summary = "Show how a poll stands, or stood when it closed, with the arithmetic",
     .usage = "POLL [QUESTION]",
     .examples = "conclave tally minutes-0004\nconclave tally minutes-0004 P-001 --json\n"
                 "conclave tally minutes-0004 --stale\n",
     .words_min = 1,
     .words_max = 2,
     .run = run_tally},
};

const struct command_group cli_group_tally = {"tally", "Show how a poll stands", tally_commands, 1};
