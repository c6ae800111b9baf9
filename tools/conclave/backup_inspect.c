/* conclave backup inspect: counts, read from the lines of a backup, of which nothing is checked but
 * the checksum. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup.h"
#include "backup/backup_file.h"
#include "convert.h"
#include "format.h"

/* What a kind of command came to. */
#define ACCEPTED "accepted"
#define REFUSED  "refused"

struct inspect {
    struct cli *cli;
    const char *path;
    uint64_t size_bytes, line;
    json_t *head;
    json_t *kinds;    /* kind -> {accepted, refused}, numbers */
    json_t *requests; /* of commands that were seen: copies count once */
    json_t *voters;   /* "poll/member" that has a ballot */
    json_t *polls;    /* poll -> true: closed */
    uint64_t entries, commands, copies, refused;
    uint64_t ballots, revotes, vetoes, imported;
    uint64_t members, revoked, decisions;
    uint64_t signed_leaves; /* that a checkpoint covers */
    uint64_t leaves;
    bool ended;
};

static void add_one(json_t *object, const char *key)
{
    (void)json_object_set_new(object, key,
                              json_integer(json_integer_value(json_object_get(object, key)) + 1));
}

static void count_kind(struct inspect *inspect, const char *kind, bool accepted)
{
    json_t *counts = json_object_get(inspect->kinds, kind);
    if (counts == NULL) {
        counts = json_pack("{s:i, s:i}", ACCEPTED, 0, REFUSED, 0);
        (void)json_object_set_new(inspect->kinds, kind, counts);
    }
    add_one(counts, accepted ? ACCEPTED : REFUSED);
}

/* Has the set this text already? It has it then. */
static bool seen(json_t *set, const char *text)
{
    if (json_object_get(set, text) != NULL) {
        return true;
    }
    (void)json_object_set_new(set, text, json_true());
    return false;
}

static void count_ballot(struct inspect *inspect, const json_t *command)
{
    const json_t *body = json_object_get(command, "body");
    const json_t *answers = json_object_get(body, "answers");
    char voter[2 * LIMIT_ID_BYTES + 2];
    snprintf(voter, sizeof voter, "%.*s/%.*s", (int)LIMIT_ID_BYTES, convert_text(body, "poll"),
             (int)LIMIT_ID_BYTES, convert_text(command, "author"));
    inspect->ballots++;
    inspect->revotes += seen(inspect->voters, voter);
    inspect->imported += json_object_get(body, "imported") != NULL;
    for (size_t i = 0; i < json_array_size(answers); i++) {
        inspect->vetoes += convert_bool(json_array_get(answers, i), "veto");
    }
}

static void count_command(struct inspect *inspect, const json_t *command)
{
    const char *kind = convert_text(command, "kind");
    bool accepted = strcmp(convert_text(command, "code"), "ok") == 0;
    const char *request = convert_text(command, "request");
    const char *id = convert_text(json_object_get(command, "body"), "id");
    inspect->commands++;
    if (accepted && seen(inspect->requests, request)) {
        inspect->copies++;
        return;
    }
    count_kind(inspect, kind[0] == '\0' ? "(not readable)" : kind, accepted);
    inspect->refused += !accepted;
    if (!accepted) {
        return;
    }
    if (strcmp(kind, "ballot.cast") == 0) {
        count_ballot(inspect, command);
    } else if (strcmp(kind, "poll.open") == 0) {
        (void)json_object_set_new(inspect->polls, id, json_false());
    } else if (strcmp(kind, "poll.close") == 0 || strcmp(kind, "poll.cancel") == 0) {
        (void)json_object_set_new(inspect->polls, id, json_true());
    } else if (strcmp(kind, "member.admit") == 0 || strcmp(kind, "genesis") == 0) {
        inspect->members++;
    } else if (strcmp(kind, "member.revoke") == 0) {
        inspect->revoked++;
    }
}

static void count_entry(struct inspect *inspect, const json_t *entry)
{
    size_t i;
    const json_t *item;
    const json_t *closes = json_object_get(entry, "closes");
    inspect->entries++;
    inspect->leaves += json_array_size(closes) > 0;
    json_array_foreach(closes, i, item)
    {
        const char *poll = json_string_value(item);
        (void)json_object_set_new(inspect->polls, poll == NULL ? "" : poll, json_true());
    }
    json_array_foreach(json_object_get(entry, "commands"), i, item)
    {
        inspect->leaves++;
        count_command(inspect, item);
    }
}

static void take_line(struct inspect *inspect, json_t *line)
{
    const char *schema = convert_text(line, "schema");
    if (inspect->line == 1) {
        inspect->head = json_incref(line);
    } else if (strcmp(schema, "conclave.entry.v1") == 0) {
        count_entry(inspect, line);
    } else if (strcmp(schema, "conclave.checkpoint.v1") == 0) {
        inspect->signed_leaves = convert_u64(line, "size");
    } else if (strcmp(schema, "conclave.proof.v1") == 0) {
        inspect->signed_leaves = convert_u64(line, "from");
    } else if (strcmp(schema, "conclave.decision.v1") == 0) {
        inspect->decisions++;
    } else if (strcmp(schema, "conclave.end.v1") == 0) {
        inspect->ended = true;
    }
}

/* As far as lines can be read: of a damaged file, what is before the damage. */
static int read_lines(struct inspect *inspect, FILE *file)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    while (!inspect->ended && (size = getline(&text, &capacity, file)) >= 0) {
        json_t *line = json_loadb(text, (size_t)size, 0, NULL);
        inspect->line++;
        if (line == NULL) {
            break;
        }
        take_line(inspect, line);
        json_decref(line);
    }
    int error = ferror(file) ? errno : 0;
    free(text);
    return error == 0 ? 0
                      : cli_error(inspect->cli, CONCLAVE_IO, "", "%s cannot be read: %s",
                                  inspect->path, strerror(error));
}

/* --- Printing --- */

static uint64_t polls_closed(const struct inspect *inspect)
{
    uint64_t closed = 0;
    const char *poll;
    json_t *value;
    json_object_foreach(inspect->polls, poll, value)
    {
        closed += json_is_true(value);
    }
    return closed;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The kinds in the order of their names; at most `max`. */
static size_t list_kinds(const struct inspect *inspect, const char **names, size_t max)
{
    size_t count = 0;
    const char *kind;
    json_t *value;
    json_object_foreach(inspect->kinds, kind, value)
    {
        if (count < max) {
            names[count++] = kind;
        }
    }
    qsort(names, count, sizeof names[0], by_name);
    return count;
}

static json_t *number(uint64_t value)
{
    return json_sprintf("%" PRIu64, value);
}

#define KINDS_SHOWN 64u

static void print_json(const struct inspect *inspect, bool intact)
{
    const char *names[KINDS_SHOWN];
    size_t count = list_kinds(inspect, names, KINDS_SHOWN);
    json_t *kinds = json_object();
    for (size_t i = 0; i < count; i++) {
        const json_t *counts = json_object_get(inspect->kinds, names[i]);
        (void)json_object_set_new(
            kinds, names[i],
            json_pack("{s:o, s:o}", ACCEPTED,
                      number((uint64_t)json_integer_value(json_object_get(counts, ACCEPTED))),
                      REFUSED,
                      number((uint64_t)json_integer_value(json_object_get(counts, REFUSED)))));
    }
    uint64_t closed = polls_closed(inspect);
    json_t *object =
        json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                  "s:o, s:o, s:o}",
                  "file", inspect->path, "size", number(inspect->size_bytes), "intact", intact,
                  "head", inspect->head == NULL ? json_null() : json_incref(inspect->head),
                  "entries", number(inspect->entries), "decided", number(inspect->commands),
                  "refused", number(inspect->refused), "copies", number(inspect->copies), "leaves",
                  number(inspect->leaves), "covered", number(inspect->signed_leaves), "ballots",
                  number(inspect->ballots), "revotes", number(inspect->revotes), "vetoes",
                  number(inspect->vetoes), "imported", number(inspect->imported), "members",
                  number(inspect->members), "revoked", number(inspect->revoked), "polls",
                  json_pack("{s:o, s:o}", "open", number(json_object_size(inspect->polls) - closed),
                            "closed", number(closed)),
                  "commands", kinds);
    (void)json_object_set_new(object, "decisions", number(inspect->decisions));
    output_json(&inspect->cli->output, "inspected", object);
}

static void print_field(const struct inspect *inspect, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void print_field(const struct inspect *inspect, const char *name, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_field(&inspect->cli->output, name, text);
}

static void print_kinds(const struct inspect *inspect)
{
    const char *names[KINDS_SHOWN];
    size_t count = list_kinds(inspect, names, KINDS_SHOWN);
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "COMMANDS", OUTPUT_LEFT);
    output_table_column(&table, "ACCEPTED", OUTPUT_RIGHT);
    output_table_column(&table, "REFUSED", OUTPUT_RIGHT);
    for (size_t i = 0; i < count; i++) {
        const json_t *counts = json_object_get(inspect->kinds, names[i]);
        output_table_cell(&table, names[i]);
        output_table_number(&table,
                            (uint64_t)json_integer_value(json_object_get(counts, ACCEPTED)));
        output_table_number(&table, (uint64_t)json_integer_value(json_object_get(counts, REFUSED)));
    }
    output_table_finish(&table, &inspect->cli->output, "no commands");
}

static void print_text(const struct inspect *inspect, bool intact)
{
    const json_t *head = inspect->head;
    const char *node = convert_text(head, "node");
    uint64_t closed = polls_closed(inspect);
    char time[FORMAT_TIME_BYTES];
    char taken[FORMAT_TIME_BYTES];
    format_time(convert_u64(head, "time"), time);
    format_time(convert_u64(head, "taken"), taken);
    print_field(inspect, "file", "%s, %" PRIu64 " bytes", inspect->path, inspect->size_bytes);
    print_field(inspect, "checksum", "%s", intact ? "good" : "DAMAGED");
    print_field(inspect, "cluster", "%s (%s)", convert_text(head, "name"),
                convert_text(head, "cluster"));
    print_field(inspect, "up to", "log %s, at %s", convert_text(head, "to"), time);
    print_field(inspect, "taken", "%s, from node %s%s%s%s", taken, node[0] == '\0' ? "?" : node,
                node[0] == '\0' ? "" : " (", convert_text(head, "from_state"),
                node[0] == '\0' ? "" : ")");
    print_field(inspect, "digest", "%s", convert_text(head, "digest"));
    print_field(inspect, "record", "%" PRIu64 " leaves, %" PRIu64 " covered by a checkpoint",
                inspect->leaves,
                inspect->signed_leaves < inspect->leaves ? inspect->signed_leaves
                                                         : inspect->leaves);
    print_field(inspect, "commands",
                "%" PRIu64 " in %" PRIu64 " entries, %" PRIu64 " refused, %" PRIu64 " sent again",
                inspect->commands, inspect->entries, inspect->refused, inspect->copies);
    print_field(inspect, "ballots",
                "%" PRIu64 ", of them %" PRIu64 " revotes, %" PRIu64 " imported; %" PRIu64
                " explicit vetoes",
                inspect->ballots, inspect->revotes, inspect->imported, inspect->vetoes);
    print_field(inspect, "members", "%" PRIu64 " admitted, %" PRIu64 " revoked", inspect->members,
                inspect->revoked);
    print_field(inspect, "polls", "%" PRIu64 " open, %" PRIu64 " closed, %" PRIu64 " decisions",
                (uint64_t)json_object_size(inspect->polls) - closed, closed, inspect->decisions);
    output_print(&inspect->cli->output, OUTPUT_PLAIN, "\n");
    print_kinds(inspect);
}

/* The file's form was looked at: the counts are of what can be read of it. */
static int inspect_file(struct inspect *inspect)
{
    struct stat information;
    FILE *file = fopen(inspect->path, "rbe");
    if (file == NULL) {
        return cli_error(inspect->cli, CONCLAVE_IO, "", "%s cannot be read: %s", inspect->path,
                         strerror(errno));
    }
    if (fstat(fileno(file), &information) == 0) {
        inspect->size_bytes = (uint64_t)information.st_size;
    }
    int status = read_lines(inspect, file);
    (void)fclose(file);
    return status;
}

int backup_run_inspect(struct cli *cli)
{
    struct inspect inspect = {.cli = cli,
                              .path = args_word(&cli->args, 0),
                              .kinds = json_object(),
                              .requests = json_object(),
                              .voters = json_object(),
                              .polls = json_object()};
    struct codec_error error = {.text = ""};
    enum conclave_code code = backup_file_check(inspect.path, NULL, &error);
    bool intact = code == CONCLAVE_OK;
    int status = intact || code == CONCLAVE_NOT_PROVEN ? 0 : backup_check(cli, inspect.path);
    if (status == 0) {
        status = inspect_file(&inspect);
    }
    if (status == 0 && (!cli->output.quiet || cli->output.json)) {
        if (cli->output.json) {
            print_json(&inspect, intact);
        } else {
            print_text(&inspect, intact);
        }
    }
    if (status == 0 && !intact) {
        status = backup_check(cli, inspect.path);
    }
    json_decref(inspect.head);
    json_decref(inspect.kinds);
    json_decref(inspect.requests);
    json_decref(inspect.voters);
    json_decref(inspect.polls);
    return status;
}
