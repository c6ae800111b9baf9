/* Printing what happened. */
#include "sim/sim_report.h"

#include <inttypes.h>

static const char *const names[] = {
#define SIM_NAME(name) #name,
    SIM_TOTALS(SIM_NAME) SIM_FAULTS(SIM_NAME) SIM_MARKS(SIM_NAME)
#undef SIM_NAME
};

#define SIM_FIRST_FAULT SIM_message_lost
#define SIM_FIRST_MARK  SIM_nodes_1

void sim_report_add(struct sim_report *sum, const struct sim_report *part)
{
    for (unsigned i = 0; i < SIM_COUNTS; i++) {
        sum->counts[i] += part->counts[i];
    }
}

const char *sim_report_name(enum sim_count count)
{
    return names[count];
}

static void text_group(const struct sim_report *report, FILE *out, const char *title,
                       unsigned first, unsigned end)
{
    fprintf(out, "%s\n", title);
    for (unsigned i = first; i < end; i++) {
        fprintf(out, "  %-26s %12" PRIu64 "%s\n", names[i], report->counts[i],
                report->counts[i] == 0 ? "  (never)" : "");
    }
}

void sim_report_text(const struct sim_report *report, FILE *out)
{
    text_group(report, out, "totals", 0, SIM_FIRST_FAULT);
    text_group(report, out, "faults fired", SIM_FIRST_FAULT, SIM_FIRST_MARK);
    text_group(report, out, "states reached", SIM_FIRST_MARK, SIM_COUNTS);
}

static void json_group(const struct sim_report *report, FILE *out, const char *title,
                       unsigned first, unsigned end)
{
    fprintf(out, "  \"%s\": {\n", title);
    for (unsigned i = first; i < end; i++) {
        fprintf(out, "    \"%s\": %" PRIu64 "%s\n", names[i], report->counts[i],
                i + 1 < end ? "," : "");
    }
    fprintf(out, "  }%s\n", end < SIM_COUNTS ? "," : "");
}

void sim_report_json(const struct sim_report *report, FILE *out)
{
    fprintf(out, "{\n");
    json_group(report, out, "totals", 0, SIM_FIRST_FAULT);
    json_group(report, out, "faults", SIM_FIRST_FAULT, SIM_FIRST_MARK);
    json_group(report, out, "marks", SIM_FIRST_MARK, SIM_COUNTS);
    fprintf(out, "}\n");
}
