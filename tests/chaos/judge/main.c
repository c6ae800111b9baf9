/* chaos-judge: the second checker of the chaos test. It shares nothing with the cluster or with the
 * first checker, and knows neither the log nor its indexes: only what clients did and saw, when,
 * and the tallies that each node had at the end.
 *
 *   - The ballot of a member in a poll is a register: its operations must be linearizable.
 *   - A member's ballots in a poll are numbered: no number comes twice, none was never cast.
 *   - A tally lies between the least and the most that the ballots allow which may have been in
 *     force while it was read; at the end, on every node, and the same on all.
 *
 * Exit status: 0 no counterexample, 1 there is one, 2 the files cannot be read. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "history.h"
#include "linear.h"

static size_t problems;

static bool same_register(const struct history_operation *a, const struct history_operation *b)
{
    return strcmp(a->poll, b->poll) == 0 && strcmp(a->member, b->member) == 0;
}

/* --- one register --- */

static void check_linear(const struct history_operation *operations, size_t count)
{
    enum linear_verdict verdict = linear_check(operations, count);
    if (verdict == LINEAR_YES) {
        return;
    }
    problems++;
    printf("the ballots of %s in %s %s:\n", operations->member, operations->poll,
           verdict == LINEAR_NO ? "have no order that explains them"
                                : "are too many to be checked");
    for (size_t i = 0; i < count && i < 40; i++) {
        const struct history_operation *one = &operations[i];
        printf("  %" PRId64 " to %" PRId64 " us: %s %s%s\n", one->invoked,
               one->pending ? -1 : one->returned, one->write ? "cast" : "read",
               one->value == NULL ? "nothing" : one->value,
               one->pending ? " (outcome unknown)" : "");
    }
}

/* The writer does one thing after the other: what it was told rises, by at least one for each that
 * was acknowledged, by at most one for each that it tried. */
static void check_numbers(const struct history_operation *operations, size_t count)
{
    int64_t last = 0, tried = 0;
    for (size_t i = 0; i < count; i++) {
        const struct history_operation *one = &operations[i];
        tried += one->write ? 1 : 0;
        if (!one->write || one->pending) {
            continue;
        }
        if (one->number <= last || one->number > tried) {
            problems++;
            printf("%s in %s: ballot %s was numbered %" PRId64 " after %" PRId64 ", of %" PRId64
                   " that were tried\n",
                   one->member, one->poll, one->value, one->number, last, tried);
        }
        last = one->number;
    }
}

/* --- tallies --- */

struct bounds {
    int64_t low, high;
};

struct tally_bounds {
    struct bounds heads[HISTORY_ANSWERS], weight[HISTORY_ANSWERS], ballots;
};

/* What a member's ballot may have been at some time of the interval: a bit for each answer, and one
 * for none. */
static unsigned possible_answers(const struct history_operation *operations, size_t count,
                                 int64_t begin, int64_t end)
{
    unsigned before = 1u << HISTORY_ANSWERS, during = 0;
    for (size_t i = 0; i < count && operations[i].invoked <= end; i++) {
        const struct history_operation *one = &operations[i];
        if (!one->write) {
            continue;
        }
        if (!one->pending && one->returned < begin) {
            before = 1u << one->answer;
        } else {
            during |= 1u << one->answer;
        }
    }
    return before | during;
}

/* A pending write that precedes an acknowledged one may still come later: it counts as possible
 * above, whenever it was invoked. */
static void add_member(struct tally_bounds *bounds, unsigned possible, int64_t weight)
{
    bool certain = (possible & (possible - 1)) == 0;
    bool none = (possible >> HISTORY_ANSWERS & 1) != 0;
    for (int answer = 0; answer < HISTORY_ANSWERS; answer++) {
        bool may = (possible >> answer & 1) != 0;
        bounds->heads[answer].low += may && certain ? 1 : 0;
        bounds->heads[answer].high += may ? 1 : 0;
        bounds->weight[answer].low += may && certain ? weight : 0;
        bounds->weight[answer].high += may ? weight : 0;
    }
    bounds->ballots.low += none ? 0 : 1;
    bounds->ballots.high += certain && none ? 0 : 1;
}

static bool within(struct bounds bounds, int64_t value)
{
    return value >= bounds.low && value <= bounds.high;
}

static void check_tally(const struct history *history, const struct history_tally *tally,
                        size_t first, size_t after)
{
    static const char *const names[] = {"yes", "no", "abstain"};
    struct tally_bounds bounds = {0};
    int64_t heads = 0;
    for (size_t i = first, next; i < after; i = next) {
        const struct history_operation *operations = &history->operations[i];
        for (next = i; next < after && same_register(operations, &history->operations[next]);) {
            next++;
        }
        add_member(&bounds, possible_answers(operations, next - i, tally->invoked, tally->returned),
                   history_weight_of(history, operations->member));
    }
    bool sound = within(bounds.ballots, tally->ballots);
    for (int i = 0; i < HISTORY_ANSWERS; i++) {
        heads += tally->heads[i];
        sound = sound && within(bounds.heads[i], tally->heads[i]) &&
                within(bounds.weight[i], tally->weight[i]);
    }
    if (sound && heads == tally->ballots) {
        return;
    }
    problems++;
    printf("%s read a tally of %s that no ballots explain: %" PRId64 " ballots (%" PRId64
           " to %" PRId64 ")",
           tally->where, tally->poll, tally->ballots, bounds.ballots.low, bounds.ballots.high);
    for (int i = 0; i < HISTORY_ANSWERS; i++) {
        printf(", %s %" PRId64 " (%" PRId64 " to %" PRId64 "), weight %" PRId64 " (%" PRId64
               " to %" PRId64 ")",
               names[i], tally->heads[i], bounds.heads[i].low, bounds.heads[i].high,
               tally->weight[i], bounds.weight[i].low, bounds.weight[i].high);
    }
    printf("\n");
}

static bool same_figures(const struct history_tally *a, const struct history_tally *b)
{
    return a->ballots == b->ballots && memcmp(a->heads, b->heads, sizeof a->heads) == 0 &&
           memcmp(a->weight, b->weight, sizeof a->weight) == 0;
}

static void check_tallies(const struct history *history)
{
    for (size_t i = 0; i < history->tally_count; i++) {
        const struct history_tally *tally = &history->tallies[i];
        size_t first = 0, after;
        size_t low = 0, high = history->operation_count;
        while (low < high) { /* the first operation of the poll */
            first = low + (high - low) / 2;
            if (strcmp(history->operations[first].poll, tally->poll) < 0) {
                low = first + 1;
            } else {
                high = first;
            }
        }
        first = low;
        for (after = first; after < history->operation_count &&
                            strcmp(history->operations[after].poll, tally->poll) == 0;) {
            after++;
        }
        check_tally(history, tally, first, after);
    }
}

static void check_agreement(const struct history *history)
{
    for (size_t i = 0; i < history->tally_count; i++) {
        const struct history_tally *one = &history->tallies[i];
        for (size_t k = i + 1; k < history->tally_count && one->returned == INT64_MAX; k++) {
            const struct history_tally *other = &history->tallies[k];
            if (strcmp(one->poll, other->poll) == 0 && !same_figures(one, other)) {
                problems++;
                printf("%s and %s have different tallies of %s at the end\n", one->where,
                       other->where, one->poll);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct history history;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: chaos-judge HISTORY FINALS\n");
        return 2;
    }
    if (!history_read(&history, argv[1], argv[2])) {
        return 2;
    }
    size_t registers = 0;
    for (size_t i = 0, next; i < history.operation_count; i = next) {
        const struct history_operation *operations = &history.operations[i];
        for (next = i; next < history.operation_count &&
                       same_register(operations, &history.operations[next]);) {
            next++;
        }
        check_linear(operations, next - i);
        check_numbers(operations, next - i);
        registers++;
    }
    check_tallies(&history);
    check_agreement(&history);
    printf("%zu counterexamples in %zu operations on %zu ballots and %zu tallies\n", problems,
           history.operation_count, registers, history.tally_count);
    return problems == 0 ? 0 : 1;
}
