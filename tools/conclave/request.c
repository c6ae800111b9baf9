/* conclave request: what became of a command. */
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

static void print_reply(const struct output *output, const json_t *reply)
{
    char time[FORMAT_TIME_BYTES];
    char place[96];
    const char *code = convert_text(reply, "code");
    bool accepted = strcmp(code, "ok") == 0;
    format_time(convert_u64(reply, "time"), time);
    snprintf(place, sizeof place, "%s, position %s, at %s", convert_text(reply, "index"),
             convert_text(reply, "position"), time);
    output_field(output, "decided", accepted ? "accepted" : "refused");
    output_field(output, "code", code);
    output_field(output, "message", convert_text(reply, "message"));
    output_field(output, "log", place);
    const char *key;
    json_t *value;
    json_t *result = json_object_get(reply, "result");
    json_object_foreach(result, key, value)
    {
        if (json_is_string(value)) {
            output_field(output, key, json_string_value(value));
        }
    }
}

static int run_request(struct cli *cli)
{
    struct body params;
    body_init(&params);
    int status = session_take_request(cli, args_word(&cli->args, 0), &params);
    if (status != 0) {
        body_close(&params);
        return status;
    }
    json_t *answer = session_query(cli, "request", &params, &status);
    if (answer == NULL) {
        return status;
    }
    const char *state = convert_text(answer, "state");
    bool committed = strcmp(state, "committed") == 0;
    bool absent = strcmp(state, "absent") == 0;
    status = committed ? 0
                       : conclave_code_exit_status(absent ? CONCLAVE_NOT_FOUND
                                                          : CONCLAVE_UNKNOWN_OUTCOME);
    if (cli->output.json) {
        (void)json_object_set_new(answer, "request", json_string(args_word(&cli->args, 0)));
        output_json(&cli->output, "request", answer);
        return status;
    }
    const struct output *output = &cli->output;
    output_print(output, OUTPUT_DIM, "%-14s", "request");
    output_safe(output, committed ? OUTPUT_GOOD : OUTPUT_NOTICE, state);
    output_print(output, OUTPUT_PLAIN, "\n");
    if (committed) {
        print_reply(output, json_object_get(answer, "reply"));
    } else if (absent) {
        output_print(
            output, OUTPUT_PLAIN,
            "It is not in the log up to entry %s. If it is still under way it may yet come; "
            "after its time (an hour) it cannot.\n",
            convert_text(answer, "index"));
    } else {
        output_print(output, OUTPUT_PLAIN,
                     "Its time has passed, and the table of replies no longer reaches back to it: "
                     "`conclave log --from 1` has every command that was decided.\n");
    }
    json_decref(answer);
    return status;
}

static const struct command request_commands[] = {
    {.summary = "Tell what became of a command: committed, absent or unknown",
     .usage = "AUTHOR:NONCE",
     .details = "Every command prints its request id. After a time-out this tells whether it was "
                "decided, and how. Exit status: 0 committed, 3 absent (not in the log), 7 unknown "
                "(too long ago to tell).",
     .examples = "conclave request alice:0000019ac2f2b1d36a0d1f6c5a2e9b47\n",
     .words_min = 1,
     .words_max = 1,
     .run = run_request},
};

const struct command_group cli_group_request = {"request", "Tell what became of a command",
                                                request_commands, 1};
