/* conclave backup save.
 *
 * The happy path is: a node that follows is chosen -> it says up to which index it shows the
 * record, and its digest there (cluster.get) -> checkpoint, entries up to that index, decisions ->
 * a checkpoint that covers all of it, with the proof -> end -> checksum -> synced, renamed. The
 * failure modes are: no node answers, the nodes lose their quorum on the way, the disk is full: the
 * unfinished file is removed, and one that had the name before stays. No checkpoint in time: the
 * backup is made, and says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "backup/backup_file.h"
#include "base/clock.h"
#include "base/memory.h"
#include "client/connection.h"
#include "cluster_view.h"
#include "convert.h"
#include "export_lines.h"
#include "format.h"
#include "record_ask.h"

#define CHECKPOINT_LOOK_MS 50

struct save {
    struct cli *cli;
    const char *path;
    char part[CLI_PATH_BYTES];
    char node[24]; /* that it is read from; "": not known */
    bool from_leader;
    struct export export;
    uint64_t time_ms; /* log time at its end */
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    bool covered; /* by a checkpoint */
    uint64_t started_ms;
    uint64_t size_bytes;
};

/* --- Which node --- */

/* Followers first, the newest of them foremost; then who leads; then the others. */
static unsigned rank(const struct cluster_view *view, size_t place)
{
    const struct cluster_node *node = &view->nodes[place];
    if (!node->up || node->why[0] != '\0') {
        return 2;
    }
    return place == view->leader ? 1 : 0;
}

static bool comes_before(const struct cluster_view *view, size_t a, size_t b)
{
    unsigned rank_a = rank(view, a);
    unsigned rank_b = rank(view, b);
    return rank_a != rank_b ? rank_a < rank_b
                            : rank_a == 0 && convert_u64(view->nodes[a].status, "applied") >
                                                 convert_u64(view->nodes[b].status, "applied");
}

/* Connects to the nodes in that order: where one fails on the way, the next goes on. */
static int connect_in_order(struct save *save, const struct cluster_view *view)
{
    const char *endpoints[LIMIT_ENDPOINTS];
    size_t order[LIMIT_ENDPOINTS];
    for (size_t i = 0; i < view->node_count; i++) {
        size_t at = i;
        while (at > 0 && comes_before(view, i, order[at - 1])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    for (size_t i = 0; i < view->node_count; i++) {
        endpoints[i] = view->nodes[order[i]].address;
    }
    if (rank(view, order[0]) > 1) {
        return 0; /* none can be reached by its own address: as the user named them */
    }
    snprintf(save->node, sizeof save->node, "%s", view->nodes[order[0]].node);
    save->from_leader = order[0] == view->leader;
    conclave_close(save->cli->client);
    save->cli->client = NULL;
    return session_open(save->cli, endpoints, view->node_count, save->cli->timeout_ms,
                        &save->cli->client);
}

static int choose_node(struct save *save)
{
    struct cluster_view view = {.leader = SIZE_MAX,
                                .deadline_ms = client_now_ms() + save->cli->timeout_ms};
    int status = cluster_view_find(save->cli, &view);
    if (status == 0 && view.named) {
        status = cluster_view_ask(save->cli, &view, true);
        status = status == 0 ? connect_in_order(save, &view) : status;
    }
    cluster_view_close(&view);
    return status;
}

/* --- Lines --- */

/* The first line: what the node shows, and of which cluster. Everything else follows from it. */
static int write_head(struct save *save)
{
    int status;
    json_t *cluster = session_query(save->cli, "cluster.get", NULL, &status);
    if (cluster == NULL) {
        return status;
    }
    const char *id = convert_text(cluster, "cluster");
    save->export.from = 1;
    save->export.to = convert_u64(cluster, "index");
    save->time_ms = convert_u64(cluster, "time");
    if (!convert_hex_parse(id, save->cluster_id, sizeof save->cluster_id) || save->export.to == 0) {
        json_decref(cluster);
        return cli_error(save->cli, CONCLAVE_INTERNAL, "", "the node's answer is not understood");
    }
    const struct output line = {.file = save->export.file, .error = stderr};
    output_json_line(&line, "backup",
                     json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:s, s:s}", "cluster", id,
                               "name", convert_text(cluster, "name"), "from", "1", "to",
                               json_sprintf("%" PRIu64, save->export.to), "time",
                               json_sprintf("%" PRIu64, save->time_ms), "digest",
                               convert_text(cluster, "digest"), "taken",
                               json_sprintf("%" PRIu64, clock_wall_ms(&clock_system)), "node",
                               save->node, "from_state",
                               save->node[0] == '\0' ? ""
                               : save->from_leader   ? "leader"
                                                     : "follower",
                               "version", CONCLAVE_VERSION));
    json_decref(cluster);
    return 0;
}

static int write_entries(struct save *save)
{
    bool more = true;
    int status = 0;
    while (status == 0 && more) {
        status = export_entries(save->cli, &save->export, &more);
        export_show_progress(save->cli, &save->export);
    }
    export_end_progress(save->cli);
    if (status == 0 && save->export.from <= save->export.to) {
        status = cli_error(save->cli, CONCLAVE_NOT_FOUND, "try it again",
                           "the node that answers now has the log up to %" PRIu64
                           " only, and %" PRIu64 " are wanted",
                           save->export.from - 1, save->export.to);
    }
    return status;
}

static void write_proof(struct save *save, const struct record_checkpoint *checkpoint,
                        const struct record_proof *proof)
{
    json_t *hashes = json_array();
    for (unsigned i = 0; i < proof->proof.count; i++) {
        char *hex = convert_hex(slice_of(proof->proof.hashes[i].bytes, MERKLE_HASH_BYTES));
        (void)json_array_append_new(hashes, json_string(hex == NULL ? "" : hex));
        memory_free(hex);
    }
    const struct output line = {.file = save->export.file, .error = stderr};
    output_json_line(
        &line, "proof",
        json_pack("{s:o, s:o, s:s%, s:o}", "from", json_sprintf("%" PRIu64, save->export.leaves),
                  "to", json_sprintf("%" PRIu64, checkpoint->verdict.checkpoint.size), "note",
                  (const char *)checkpoint->note.data, checkpoint->note.size, "hashes", hashes));
}

/* A final checkpoint that covers all leaves, and the proof that it goes on from them. The nodes
 * make one a second at most: it is waited for. None in time is no failure. */
static int cover(struct save *save)
{
    struct checkpoint_nodes nodes;
    struct record_checkpoint checkpoint;
    struct record_proof proof;
    struct codec_error error = {.text = ""};
    uint64_t give_up_ms = clock_monotonic_ms(&clock_system) + save->cli->timeout_ms;
    int status = record_nodes(save->cli, save->cluster_id, &nodes, NULL);
    if (status != 0) {
        return status;
    }
    record_checkpoint_init(&checkpoint);
    enum conclave_code code;
    for (;;) {
        code = record_newest(save->cli, &nodes, &checkpoint, &error);
        bool covers = code == CONCLAVE_OK &&
                      checkpoint.verdict.checkpoint.size >= save->export.leaves;
        if (covers || (code != CONCLAVE_OK && code != CONCLAVE_NOT_FINAL) ||
            clock_monotonic_ms(&clock_system) >= give_up_ms) {
            code = code == CONCLAVE_OK && !covers ? CONCLAVE_NOT_FINAL : code;
            break;
        }
        (void)poll(NULL, 0, CHECKPOINT_LOOK_MS);
    }
    if (code == CONCLAVE_OK) {
        code = record_prove(save->cli, UINT64_MAX, save->export.leaves,
                            checkpoint.verdict.checkpoint.size, &proof);
        codec_error_set(&error, "the proof: %s", conclave_code_text(code));
    }
    if (code == CONCLAVE_OK) {
        save->covered = true;
        write_proof(save, &checkpoint, &proof);
    } else if (code != CONCLAVE_NOT_FINAL) {
        status = cli_error(save->cli, code, NULL, "no checkpoint could be had: %s", error.text);
    }
    record_checkpoint_close(&checkpoint);
    return status;
}

static int write_all(struct save *save)
{
    int status = write_head(save);
    if (status == 0) {
        status = export_checkpoint(save->cli, &save->export);
    }
    if (status == 0) {
        status = write_entries(save);
    }
    if (status == 0) {
        status = export_decisions(save->cli, &save->export, 1);
    }
    if (status == 0) {
        status = cover(save);
    }
    if (status != 0) {
        return status;
    }
    export_end(&save->export);
    enum conclave_code code = ferror(save->export.file) ? CONCLAVE_IO
                                                        : backup_file_seal(save->export.file);
    return code == CONCLAVE_OK ? 0
                               : cli_error(save->cli, code, "", "%s cannot be written: %s",
                                           save->part, strerror(errno));
}

/* --- The file --- */

/* A renamed file is there for good when its directory is synced. */
static bool sync_directory(const char *path)
{
    char copy[CLI_PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    return fd >= 0 && close(fd) == 0 && synced;
}

/* Is it ours alone? Another save may hold it, or may just have given it its name: then it is no
 * unfinished file any more. */
static bool take_part(const char *path, int fd)
{
    struct stat ours;
    struct stat there;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int open_part(struct save *save)
{
    int size = snprintf(save->part, sizeof save->part, "%s.partial", save->path);
    if (size < 0 || (size_t)size >= sizeof save->part) {
        return cli_usage(save->cli, "the path is too long");
    }
    if (access(save->path, F_OK) == 0 && !args_given(&save->cli->args, "force")) {
        return cli_error(save->cli, CONCLAVE_USAGE,
                         "choose another name, or put this one in its place with --force",
                         "there is a file %s already", save->path);
    }
    /* What a save that died has left is written over; one that runs is left alone. */
    int fd = open(save->part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && !take_part(save->part, fd)) {
        (void)close(fd);
        return cli_error(save->cli, CONCLAVE_BUSY, "wait for it, or choose another name",
                         "another process is writing %s", save->part);
    }
    save->export.file = fd < 0 || ftruncate(fd, 0) != 0 ? NULL : fdopen(fd, "w+b");
    if (save->export.file == NULL) {
        int error = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return cli_error(save->cli, CONCLAVE_IO, "", "%s cannot be made: %s", save->part,
                         strerror(error));
    }
    return 0;
}

static int print_saved(const struct save *save)
{
    const struct output *output = &save->cli->output;
    const struct export *export = &save->export;
    uint64_t took_ms = clock_monotonic_ms(&clock_system) - save->started_ms;
    if (output->json) {
        output_json(output, "saved",
                    json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:o, s:o}", "file", save->path,
                              "index", json_sprintf("%" PRIu64, export->to), "commands",
                              json_sprintf("%" PRIu64, export->commands), "size",
                              json_sprintf("%" PRIu64, save->size_bytes), "node", save->node,
                              "follower", save->node[0] != '\0' && !save->from_leader, "covered",
                              save->covered, "time", json_sprintf("%" PRIu64, save->time_ms),
                              "took_ms", json_sprintf("%" PRIu64, took_ms)));
        return 0;
    }
    if (save->from_leader) {
        fprintf(output->error,
                "conclave: no other node answers: it was read from node %s, which "
                "leads\n",
                save->node);
    }
    if (!save->covered) {
        fprintf(output->error, "conclave: no checkpoint came in time that covers the last of it: "
                               "its end has no signature of the nodes\n");
    }
    if (!output->quiet) {
        char time[FORMAT_TIME_BYTES];
        format_time(save->time_ms, time);
        output_print(output, OUTPUT_PLAIN,
                     "saved  %s: the record up to log %" PRIu64 " (%s), %" PRIu64
                     " commands, %" PRIu64 " bytes, from node %s in %" PRIu64 ".%" PRIu64 " s\n",
                     save->path, export->to, time, export->commands, save->size_bytes,
                     save->node[0] == '\0' ? "?" : save->node, took_ms / 1000, took_ms / 100 % 10);
    }
    return 0;
}

int backup_run_save(struct cli *cli)
{
    struct save *save = memory_allocate_zeroed(1, sizeof *save);
    if (save == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory");
    }
    save->cli = cli;
    save->path = args_word(&cli->args, 0);
    save->started_ms = clock_monotonic_ms(&clock_system);
    int status = open_part(save);
    if (status == 0) {
        struct stat information;
        status = choose_node(save);
        status = status == 0 ? write_all(save) : status;
        if (fstat(fileno(save->export.file), &information) == 0) {
            save->size_bytes = (uint64_t)information.st_size;
        }
        /* It is synced. It has its name, or is gone, before another save can take it. */
        bool named = status == 0 && rename(save->part, save->path) == 0;
        if (status == 0 && (!named || !sync_directory(save->path))) {
            status = cli_error(cli, CONCLAVE_IO, "", "%s cannot be written: %s", save->path,
                               strerror(errno));
        }
        if (!named) {
            (void)unlink(save->part);
        }
        (void)fclose(save->export.file);
    }
    if (status == 0) {
        status = print_saved(save);
    }
    memory_free(save);
    return status;
}

const struct args_option backup_save_options[] = {
    {.name = "force", .help = "Even if FILE is there already: take its place"}, ARGS_END};
