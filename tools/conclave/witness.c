/* conclave witness: somebody outside who remembers.
 *
 * The happy path is: newest final checkpoint -> it goes on from the last one -> cosigned, kept. The
 * failure modes are: nobody reachable, no quorum, no final checkpoint (tried again, or said with
 * --once); a node that lags (an older checkpoint that is consistent: nothing to do); and two
 * checkpoints that contradict each other: then both are kept as evidence, and the witness stops.
 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "witness_state.h"

#define INTERVAL_MS     10000u
#define INTERVAL_MS_MIN 100u

struct witnessing {
    struct cli *cli;
    struct witness_state state;
    struct record_checkpoint now;
    bool once;
    uint64_t interval_ms, until_ms; /* monotonic */
    uint64_t left;                  /* checkpoints to cosign before it ends */
    bool lost;                      /* the cluster could not be asked, and that was said */
};

static uint64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* Does another try help? */
static bool passes(enum conclave_code code)
{
    return conclave_code_exit_status(code) == conclave_code_exit_status(CONCLAVE_UNREACHABLE);
}

static int say_cosigned(struct witnessing *witnessing, const char *path)
{
    const struct output *output = &witnessing->cli->output;
    const struct checkpoint *checkpoint = &witnessing->now.verdict.checkpoint;
    char signers[RECORD_SIGNERS_BYTES];
    char *root = convert_hex(slice_of(checkpoint->root.bytes, MERKLE_HASH_BYTES));
    record_signers(&witnessing->now.verdict, signers);
    if (output->json) {
        output_json_line(output, "witnessed",
                         json_pack("{s:s, s:o, s:s, s:s, s:s}", "witness",
                                   witnessing->state.name.name, "size",
                                   json_sprintf("%" PRIu64, checkpoint->size), "root",
                                   root == NULL ? "" : root, "nodes", signers, "file", path));
    } else if (!output->quiet) {
        output_print(output, OUTPUT_GOOD, "cosigned");
        output_print(output, OUTPUT_PLAIN, "  %" PRIu64 " leaves, root %s, signed by nodes %s\n",
                     checkpoint->size, root == NULL ? "" : root, signers);
    }
    (void)fflush(output->file);
    memory_free(root);
    return 0;
}

static int stop_at_fork(struct witnessing *witnessing, const struct record_proof *proof,
                        const char *sentence)
{
    char path[CLI_PATH_BYTES];
    int status = witness_state_keep_evidence(witnessing->cli, &witnessing->state, &witnessing->now,
                                             proof, sentence, path);
    if (status != 0) {
        return status;
    }
    return cli_error(witnessing->cli, CONCLAVE_NOT_PROVEN,
                     "both are signed by nodes of the cluster: show the file to everybody",
                     "%s; the evidence is in %s", sentence, path);
}

/* Nothing to compare with the first time. */
static int take_now(struct witnessing *witnessing)
{
    char path[CLI_PATH_BYTES];
    int status = witness_state_cosign(witnessing->cli, &witnessing->state, &witnessing->now, path);
    if (status == 0) {
        witnessing->left--;
        status = say_cosigned(witnessing, path);
    }
    return status;
}

/* Nonzero: the exit status, said. */
static int compare(struct witnessing *witnessing, enum conclave_code *code)
{
    const struct checkpoint *last = &witnessing->state.last.verdict.checkpoint;
    const struct checkpoint *now = &witnessing->now.verdict.checkpoint;
    struct record_proof proof = {.proof = {.count = 0}};
    bool newer = now->size > last->size;
    char sentence[WITNESS_SENTENCE_BYTES];
    *code = CONCLAVE_OK;
    if (now->size != last->size && now->size > 0) {
        *code = record_prove(witnessing->cli, UINT64_MAX, newer ? last->size : now->size,
                             newer ? now->size : last->size, &proof);
    }
    bool none = *code == CONCLAVE_NOT_FOUND;
    if (*code != CONCLAVE_OK && !none) {
        return 0;
    }
    *code = CONCLAVE_OK;
    switch (witness_compare(last, now, none ? NULL : &proof.proof, sentence)) {
    case WITNESS_NEWER:
        return take_now(witnessing);
    case WITNESS_SAME:
    case WITNESS_OLDER:
        return 0;
    case WITNESS_FORK:
        break;
    }
    return stop_at_fork(witnessing, none ? NULL : &proof, sentence);
}

/* The directory is of one cluster, and so must the nodes be. */
static int check_cluster(struct witnessing *witnessing, enum conclave_code *code)
{
    uint8_t told[AUTH_CLUSTER_ID_BYTES];
    struct cli *cli = witnessing->cli;
    *code = conclave_cluster_id(cli->client, told);
    if (*code != CONCLAVE_OK ||
        memcmp(told, witnessing->state.nodes.cluster_id, sizeof told) == 0) {
        return 0;
    }
    char *has = convert_hex(slice_of(told, sizeof told));
    int status = cli_error(cli, CONCLAVE_WRONG_CLUSTER, "give each cluster a directory of its own",
                           "these nodes are of the cluster %s, and %s is of a witness of another",
                           has == NULL ? "" : has, witnessing->state.directory);
    memory_free(has);
    return status;
}

/* One look. Nonzero: the exit status, said; `code` says what passed by. */
static int look(struct witnessing *witnessing, enum conclave_code *code, struct codec_error *error)
{
    struct cli *cli = witnessing->cli;
    int status = check_cluster(witnessing, code);
    if (status == 0 && *code == CONCLAVE_OK) {
        *code = record_newest(cli, &witnessing->state.nodes, &witnessing->now, error);
        if (*code == CONCLAVE_OK) {
            status = witnessing->state.has_last ? compare(witnessing, code) : take_now(witnessing);
        } else if (*code == CONCLAVE_NOT_PROVEN) {
            return cli_error(cli, *code, "", "%s", error->text);
        } else if (*code == CONCLAVE_NOT_FINAL) {
            return 0; /* said with its own words */
        }
    }
    if (status == 0 && *code != CONCLAVE_OK) {
        const struct conclave_failure *failure = conclave_last_failure(cli->client);
        codec_error_set(error, "%s",
                        failure->code == *code ? failure->message : conclave_code_text(*code));
    }
    return status;
}

/* What passes by is said once, until it is over. */
static void say_lost(struct witnessing *witnessing, enum conclave_code code, const char *why)
{
    const struct output *output = &witnessing->cli->output;
    if (code == CONCLAVE_OK && witnessing->lost && !output->quiet) {
        fprintf(output->error, "conclave: the cluster answers again\n");
    } else if (code != CONCLAVE_OK && !witnessing->lost && !output->quiet) {
        fprintf(output->error, "conclave: %s; trying again\n", why);
    }
    witnessing->lost = code != CONCLAVE_OK;
}

static int follow(struct witnessing *witnessing)
{
    for (;;) {
        enum conclave_code code = CONCLAVE_OK;
        struct codec_error error = {.text = ""};
        int status = look(witnessing, &code, &error);
        if (status != 0) {
            return status;
        }
        if (code != CONCLAVE_OK && (witnessing->once || !passes(code))) {
            return cli_error(witnessing->cli, code, NULL, "%s", error.text);
        }
        say_lost(witnessing, code, error.text);
        uint64_t at_ms = now_ms();
        if (witnessing->once || witnessing->left == 0 || at_ms >= witnessing->until_ms ||
            ferror(witnessing->cli->output.file)) {
            return 0;
        }
        uint64_t rest_ms = witnessing->until_ms - at_ms;
        (void)poll(NULL, 0,
                   (int)(rest_ms < witnessing->interval_ms ? rest_ms : witnessing->interval_ms));
    }
}

static int take_duration(struct cli *cli, const char *option, uint64_t least, uint64_t *ms)
{
    const char *text = args_text(&cli->args, option);
    if (text != NULL && (!format_parse_duration(text, ms) || *ms < least || *ms > INT32_MAX)) {
        return cli_usage(cli, "--%s %s: not a duration such as 500ms, 10s or 2m", option, text);
    }
    return 0;
}

static int take_options(struct witnessing *witnessing)
{
    struct cli *cli = witnessing->cli;
    uint64_t for_ms = UINT64_MAX;
    witnessing->once = args_given(&cli->args, "once");
    witnessing->interval_ms = INTERVAL_MS;
    int status = take_duration(cli, "interval", INTERVAL_MS_MIN, &witnessing->interval_ms);
    if (status == 0) {
        status = take_duration(cli, "for", 1, &for_ms);
    }
    if (status == 0) {
        status = session_number(cli, "count", 1, UINT64_MAX, UINT64_MAX, &witnessing->left);
    }
    witnessing->until_ms = for_ms == UINT64_MAX ? UINT64_MAX : now_ms() + for_ms;
    return status;
}

/* Who this is, for those who want to verify its cosignatures. */
static void say_who(const struct witnessing *witnessing)
{
    const struct output *output = &witnessing->cli->output;
    struct buffer text;
    buffer_init(&text, 1024);
    note_key_write(&text, &witnessing->state.name);
    if (!output->json && !output->quiet && text.status == CONCLAVE_OK) {
        output_print(output, OUTPUT_DIM, "witness   %.*s\n", (int)text.size,
                     (const char *)text.data);
        (void)fflush(output->file);
    }
    buffer_close(&text);
}

static int run_witness(struct cli *cli)
{
    struct witnessing *witnessing = memory_allocate_zeroed(1, sizeof *witnessing);
    if (witnessing == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory");
    }
    witnessing->cli = cli;
    cli->stale = false; /* a node that lags proves nothing */
    record_checkpoint_init(&witnessing->now);
    int status = take_options(witnessing);
    if (status == 0) {
        status = session_connect(cli);
    }
    if (status == 0) {
        status = witness_state_open(cli, args_word(&cli->args, 0), &witnessing->state);
        if (status == 0) {
            say_who(witnessing);
            status = follow(witnessing);
        }
        witness_state_close(&witnessing->state);
    }
    record_checkpoint_close(&witnessing->now);
    memory_free(witnessing);
    return status;
}

static const struct args_option witness_options[] = {
    {.name = "once", .help = "Look once, and end"},
    {.name = "interval",
     .argument = "DURATION",
     .help = "How often to look (default 10s, at least 100ms)"},
    {.name = "for", .argument = "DURATION", .help = "Stop after this time"},
    {.name = "count", .argument = "N", .help = "Stop after N checkpoints were cosigned"},
    {.name = "name",
     .argument = "NAME",
     .help = "Its name on notes, when its key is made (default: witness- and 8 digits of the key)"},
    {.name = "witness-key",
     .argument = "FILE",
     .help = "Another key file than DIR/witness.key, such as one with a passphrase"},
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster it must be, 32 hex digits (CONCLAVE_CLUSTER; default: the nodes')"},
    ARGS_END};

static const struct command witness_commands[] = {
    {.summary = "Follow a cluster's checkpoints, and cosign what is consistent",
     .usage = "DIR [--once] [--interval DURATION] [--for DURATION] [--count N] [--name NAME]",
     .details =
         "Remembers in DIR the last final checkpoint it saw, asks the cluster for the newest, and "
         "for proof that the one is the beginning of the other. What is consistent it cosigns "
         "with a key of its own, made at the first start, and keeps in DIR/cosigned. At a fork it "
         "stops, says both sizes and roots, and keeps both checkpoints in DIR/evidence: they are "
         "signed, so anybody can see who lied. It trusts the cluster that it meets the first "
         "time, or that --cluster names. Exit status: 0 all was consistent, 1 a fork, 5 (with "
         "--once) the cluster could not be asked or has no final checkpoint.",
     .examples = "conclave witness ./watching --once\n"
                 "conclave witness ./watching --name witness.example.org "
                 "--cluster 59a7b4e3562e6d723599209c00ddf91e\n",
     .options = witness_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_witness},
};

const struct command_group cli_group_witness = {
    "witness", "Follow a cluster's checkpoints and cosign them", witness_commands, 1};
