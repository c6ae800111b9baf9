/* Reading histories: see the header. What is read stays in memory until the process ends. */
#include "history.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const answer_names[HISTORY_ANSWERS] = {"yes", "no", "abstain"};

static void *grown(void *items, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) {
        return items; /* room is doubled at each power of two */
    }
    void *more = realloc(items, (count == 0 ? 1 : 2 * count) * size);
    if (more == NULL) {
        (void)fprintf(stderr, "chaos-judge: out of memory\n");
        exit(2);
    }
    return more;
}

static char *copy(const char *text)
{
    char *made = strdup(text);
    if (made == NULL) {
        (void)fprintf(stderr, "chaos-judge: out of memory\n");
        exit(2);
    }
    return made;
}

static bool answer_of(const char *name, enum history_answer *answer)
{
    for (int i = 0; i < HISTORY_ANSWERS; i++) {
        if (strcmp(name, answer_names[i]) == 0) {
            *answer = (enum history_answer)i;
            return true;
        }
    }
    return false;
}

static struct history_operation *add_operation(struct history *history)
{
    history->operations =
        grown(history->operations, history->operation_count, sizeof *history->operations);
    struct history_operation *operation = &history->operations[history->operation_count++];
    *operation = (struct history_operation){0};
    return operation;
}

static bool read_cast(struct history *history, json_t *line)
{
    const char *client, *poll, *outcome, *answer, *why;
    json_int_t invoked, returned, number = 0;
    if (json_unpack(line, "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s?I}", "client", &client, "poll",
                    &poll, "outcome", &outcome, "answer", &answer, "why", &why, "invoked", &invoked,
                    "returned", &returned, "ballot", &number) != 0) {
        return false;
    }
    bool known = strcmp(outcome, "ok") == 0;
    if (!known && strcmp(outcome, "unknown") != 0) {
        return true; /* refused: it has no effect */
    }
    struct history_operation *operation = add_operation(history);
    operation->poll = copy(poll);
    operation->member = copy(client);
    operation->write = true;
    operation->pending = !known;
    operation->invoked = invoked;
    operation->returned = known ? returned : INT64_MAX;
    operation->value = copy(why);
    operation->number = known ? number : 0;
    return answer_of(answer, &operation->answer);
}

static bool read_ballot(struct history *history, json_t *line)
{
    const char *poll, *member, *outcome, *answer, *why;
    json_int_t invoked, returned, number;
    json_t *value = json_object_get(line, "value");
    if (json_unpack(line, "{s:s, s:s, s:s, s:I, s:I}", "poll", &poll, "member", &member, "outcome",
                    &outcome, "invoked", &invoked, "returned", &returned) != 0) {
        return false;
    }
    if (strcmp(outcome, "ok") != 0) {
        return true;
    }
    struct history_operation *operation = add_operation(history);
    operation->poll = copy(poll);
    operation->member = copy(member);
    operation->invoked = invoked;
    operation->returned = returned;
    if (json_is_null(value)) {
        return true;
    }
    if (json_unpack(value, "{s:s, s:s, s:I}", "answer", &answer, "why", &why, "ballot", &number) !=
        0) {
        return false;
    }
    operation->value = copy(why);
    operation->number = number;
    return answer_of(answer, &operation->answer);
}

static bool add_tally(struct history *history, json_t *value, const char *poll, const char *where,
                      int64_t invoked, int64_t returned)
{
    json_int_t heads[HISTORY_ANSWERS], weight[HISTORY_ANSWERS], ballots;
    if (json_unpack(value, "{s:I, s:[I,I], s:[I,I], s:[I,I]}", "ballots", &ballots, "yes",
                    &heads[HISTORY_YES], &weight[HISTORY_YES], "no", &heads[HISTORY_NO],
                    &weight[HISTORY_NO], "abstain", &heads[HISTORY_ABSTAIN],
                    &weight[HISTORY_ABSTAIN]) != 0) {
        return false;
    }
    history->tallies = grown(history->tallies, history->tally_count, sizeof *history->tallies);
    struct history_tally *tally = &history->tallies[history->tally_count++];
    *tally = (struct history_tally){.poll = copy(poll),
                                    .where = copy(where),
                                    .invoked = invoked,
                                    .returned = returned,
                                    .ballots = ballots};
    for (int i = 0; i < HISTORY_ANSWERS; i++) {
        tally->heads[i] = heads[i];
        tally->weight[i] = weight[i];
    }
    return true;
}

static bool read_tally(struct history *history, json_t *line)
{
    const char *client, *poll, *outcome;
    json_int_t invoked, returned;
    json_t *value = json_object_get(line, "value");
    if (json_unpack(line, "{s:s, s:s, s:s, s:I, s:I}", "client", &client, "poll", &poll, "outcome",
                    &outcome, "invoked", &invoked, "returned", &returned) != 0) {
        return false;
    }
    if (strcmp(outcome, "ok") != 0 || json_is_null(value)) {
        return true;
    }
    return add_tally(history, value, poll, client, invoked, returned);
}

static bool read_admission(struct history *history, json_t *line)
{
    const char *member;
    json_int_t weight;
    if (json_unpack(line, "{s:s, s:I}", "member", &member, "weight", &weight) != 0) {
        return false;
    }
    history->weights = grown(history->weights, history->weight_count, sizeof *history->weights);
    history->weights[history->weight_count++] = (struct history_weight){copy(member), weight};
    return true;
}

static bool read_line(struct history *history, json_t *line)
{
    const char *op;
    if (json_unpack(line, "{s:s}", "op", &op) != 0) {
        return false;
    }
    if (strcmp(op, "cast") == 0) {
        return read_cast(history, line);
    }
    if (strcmp(op, "ballot") == 0) {
        return read_ballot(history, line);
    }
    if (strcmp(op, "tally") == 0) {
        return read_tally(history, line);
    }
    return strcmp(op, "admit") != 0 || read_admission(history, line);
}

static bool read_lines(struct history *history, const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t capacity = 0, number = 0;
    bool sound = true;
    if (file == NULL) {
        (void)fprintf(stderr, "chaos-judge: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (sound && getline(&text, &capacity, file) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        number++;
        sound = line != NULL && read_line(history, line);
        json_decref(line);
    }
    if (!sound) {
        (void)fprintf(stderr, "chaos-judge: %s:%zu: no line of a history: %s", path, number, text);
    }
    free(text);
    (void)fclose(file);
    return sound;
}

/* [{node, polls: {id: {tally}}}] */
static bool read_finals(struct history *history, const char *path)
{
    json_error_t error;
    json_t *finals = json_load_file(path, 0, &error);
    size_t i;
    json_t *one, *poll;
    const char *id;
    if (!json_is_array(finals)) {
        (void)fprintf(stderr, "chaos-judge: %s: %s\n", path, error.text);
        return false;
    }
    json_array_foreach(finals, i, one)
    {
        char where[32];
        (void)snprintf(where, sizeof where, "node %" JSON_INTEGER_FORMAT,
                       json_integer_value(json_object_get(one, "node")));
        json_object_foreach(json_object_get(one, "polls"), id, poll)
        {
            if (!add_tally(history, json_object_get(poll, "tally"), id, where, INT64_MAX,
                           INT64_MAX)) {
                (void)fprintf(stderr, "chaos-judge: %s: %s has no tally of %s\n", path, where, id);
                return false;
            }
        }
    }
    json_decref(finals);
    return true;
}

static int compare_operations(const void *left, const void *right)
{
    const struct history_operation *a = left, *b = right;
    int rv = strcmp(a->poll, b->poll);
    if (rv == 0) {
        rv = strcmp(a->member, b->member);
    }
    return rv != 0 ? rv : (a->invoked > b->invoked) - (a->invoked < b->invoked);
}

static int compare_weights(const void *left, const void *right)
{
    const struct history_weight *a = left, *b = right;
    return strcmp(a->member, b->member);
}

bool history_read(struct history *history, const char *history_path, const char *finals_path)
{
    *history = (struct history){0};
    if (!read_lines(history, history_path) || !read_finals(history, finals_path)) {
        return false;
    }
    if (history->operation_count > 0) {
        qsort(history->operations, history->operation_count, sizeof *history->operations,
              compare_operations);
    }
    if (history->weight_count > 0) {
        qsort(history->weights, history->weight_count, sizeof *history->weights, compare_weights);
    }
    return true;
}

int64_t history_weight_of(const struct history *history, const char *member)
{
    const struct history_weight wanted = {.member = member};
    const struct history_weight *found =
        history->weight_count == 0 ? NULL
                                   : bsearch(&wanted, history->weights, history->weight_count,
                                             sizeof *history->weights, compare_weights);
    return found == NULL ? 1 : found->weight;
}
