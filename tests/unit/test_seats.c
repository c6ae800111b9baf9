/* The way from a configuration to the wanted one, step by step; what is expected was thought out by
 * hand for each case. A configuration is written "1v 2v 3s": id, and v for voter or s for standby;
 * what is wanted the same, with x for removed, "4v>2" for a replacement of 2, and ! before a node
 * that genesis named and no command was about, f after one that is forced, and ^103 after one that
 * a command in the entry 103 asked to lead. Whoever leads does so since the entry 100. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/seats.h"

#define LEADS_SINCE 100u

static struct node_list list;
static struct raft_configuration configuration;
static uint64_t lagging; /* this standby has not caught up */
static uint64_t down;    /* and this node is not heard of */

static bool has_log(void *context, uint64_t node_id)
{
    (void)context;
    return node_id != lagging;
}

static bool is_up(void *context, uint64_t node_id)
{
    (void)context;
    return node_id != down;
}

static const struct seats_view view = {NULL, LEADS_SINCE, has_log, is_up};

static void want(const char *text)
{
    memset(&list, 0, sizeof list);
    while (*text != '\0') {
        struct node_record *node = &list.nodes[list.count++];
        node->commanded = *text != '!';
        text += *text == '!';
        char *end;
        node->id = strtoull(text, &end, 10);
        node->role = *end == 'v' ? NODE_VOTER : *end == 's' ? NODE_STANDBY : NODE_REMOVED;
        text = end + 1;
        if (*text == '>') {
            node->replaces = strtoull(text + 1, &end, 10);
            text = end;
        }
        if (*text == '^') {
            node->lead_index = strtoull(text + 1, &end, 10);
            text = end;
        }
        node->forced = *text == 'f';
        text += *text == 'f';
        static const char addresses[] = "a1a2a3a4a5a6a7";
        node->peer = slice_of(addresses + 2 * (node->id - 1), 2);
        text += strspn(text, " ");
    }
}

static void have(const char *text)
{
    raft_configuration_init(&configuration);
    while (*text != '\0') {
        char address[8];
        char *end;
        uint64_t id = strtoull(text, &end, 10);
        snprintf(address, sizeof address, "a%u", (unsigned)id);
        assert_int_equal(raft_configuration_add(&configuration, id, address,
                                                *end == 'v' ? RAFT_VOTER : RAFT_STANDBY),
                         0);
        text = end + 1 + strspn(end + 1, " ");
    }
}

static const struct {
    const char *wanted;
    const char *had;
    uint64_t self, lags, down;
    const char *step; /* "" none; "+4s": node 4 becomes standby; "-2": removed; "t": hand over,
                         "t3": to 3 */
} cases[] = {
    /* all is well, or nobody asked */
    {"!1v !2v !3v", "1v 2v 3v", 1, 0, 0, ""},
    {"!1v !2v !3v", "1v 2v 3s", 1, 0, 0, ""},
    /* a new node: standby first, a vote when it has the log */
    {"!1v !2v !3v 4v", "1v 2v 3v", 1, 0, 0, "+4s"},
    {"!1v !2v !3v 4v", "1v 2v 3v 4s", 1, 4, 0, ""},
    {"!1v !2v !3v 4v", "1v 2v 3v 4s", 1, 0, 0, "+4v"},
    {"!1v !2v !3v 4s", "1v 2v 3v 4s", 1, 0, 0, ""},
    /* down a step, or out; the leader hands over first */
    {"!1v !2v 3s", "1v 2v 3v", 1, 0, 0, "+3s"},
    {"!1v !2v 3s", "1v 2v 3v", 3, 0, 0, "t"},
    {"!1v !2v 3x", "1v 2v 3v", 1, 0, 0, "-3"},
    {"!1v !2v 3x", "1v 2v 3v", 3, 0, 0, "t"},
    {"!1v !2v 3x", "1v 2v", 1, 0, 0, ""},
    /* who comes goes before who leaves */
    {"!1v 2x !3v 4v", "1v 2v 3v", 1, 0, 0, "+4s"},
    {"!1v 2x !3v 4v", "1v 2v 3v 4s", 1, 4, 0, "-2"},
    /* a replaced node stays until its replacement votes */
    {"!1v 2x !3v 4v>2", "1v 2v 3v 4s", 1, 4, 0, ""},
    {"!1v 2x !3v 4v>2", "1v 2v 3v 4s", 1, 0, 0, "+4v"},
    {"!1v 2x !3v 4v>2", "1v 2v 3v 4v", 1, 0, 0, "-2"},
    {"!1v 2x !3v 4x>2", "1v 2v 3v 4s", 1, 4, 0, "-2"},
    /* those that stay must be a majority: of 1 and 2 both are needed, of 1, 2, 3, 4 three */
    {"!1v !2v 3x", "1v 2v 3v", 1, 0, 3, "-3"},
    {"!1v !2v 3x", "1v 2v 3v", 1, 0, 2, ""},
    {"!1v !2v 3xf", "1v 2v 3v", 1, 0, 2, "-3"},
    {"!1v !2v 3s", "1v 2v 3v", 1, 0, 2, ""},
    {"!1v !2v !3v !4v 5x", "1v 2v 3v 4v 5v", 1, 0, 4, "-5"},
    {"!1v !2v 3x", "1v 2v 3s", 1, 0, 2, "-3"}, /* it has no vote to lose */
    /* a wish for who leads: once, of this leader, the newest; not for who cannot */
    {"!1v !2v 3v^103", "1v 2v 3v", 1, 0, 0, "t3"},
    {"!1v 2v^104 3v^103", "1v 2v 3v", 1, 0, 0, "t2"},
    {"!1v !2v 3v^99", "1v 2v 3v", 1, 0, 0, ""},
    {"!1v !2v 3v^103", "1v 2v 3v", 3, 0, 0, ""},
    {"!1v 2v^103 3v^104", "1v 2v 3v", 3, 0, 0, ""},
    {"!1v !2v 3v^103", "1v 2v 3v", 1, 0, 3, ""},
    {"!1v !2v 3s^103", "1v 2v 3s", 1, 0, 0, ""},
    {"!1v 2x 3v^103", "1v 2v 3v", 1, 0, 0, "-2"},
};

static void test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seats_step step;
        char text[16] = "";
        want(cases[i].wanted);
        have(cases[i].had);
        lagging = cases[i].lags;
        down = cases[i].down;
        seats_plan(&list, &configuration, cases[i].self, &view, &step);
        if (step.action == SEATS_TRANSFER) {
            snprintf(text, sizeof text, step.node_id == 0 ? "t" : "t%u", (unsigned)step.node_id);
        } else if (step.action == SEATS_CHANGE) {
            snprintf(text, sizeof text, "%s%u%s", step.role == SEATS_REMOVE ? "-" : "+",
                     (unsigned)step.node_id,
                     step.role == RAFT_VOTER     ? "v"
                     : step.role == RAFT_STANDBY ? "s"
                                                 : "");
            char address[8];
            snprintf(address, sizeof address, "a%u", (unsigned)step.node_id);
            assert_string_equal(step.address, address);
        }
        print_message("%s -> %s\n", cases[i].had, cases[i].wanted);
        assert_string_equal(text, cases[i].step);
        raft_configuration_close(&configuration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
