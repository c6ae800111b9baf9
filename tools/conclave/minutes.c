/* Reading minutes kept by hand. */
#include "minutes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "convert.h"
#include "minutes_internal.h"

void minutes_problem(struct minutes *minutes, const char *file, const json_error_t *error,
                     const char *format, ...)
{
    ASSERT(minutes != NULL && file != NULL && format != NULL);
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *problem = json_pack("{s:s, s:s}", "file", file, "text", text);
    if (problem == NULL) { /* the text has bytes that are no UTF-8 */
        problem = json_pack("{s:s, s:s}", "file", "?", "text", "a name that is no UTF-8");
    }
    if (error != NULL) {
        (void)json_object_set_new(problem, "line", json_integer(error->line));
        (void)json_object_set_new(problem, "column", json_integer(error->column));
        (void)json_object_set_new(problem, "position", json_integer(error->position));
    }
    (void)json_array_append_new(minutes->problems, problem);
}

static bool read_all(int descriptor, struct buffer *contents)
{
    for (;;) {
        uint8_t *at = buffer_reserve(contents, 16384);
        if (at == NULL) {
            return false;
        }
        ssize_t got = read(descriptor, at, 16384);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0;
        }
        contents->size += (size_t)got;
    }
}

bool minutes_read_file(const struct minutes *minutes, const char *file, struct buffer *contents,
                       bool *missing)
{
    char path[MINUTES_PATH_BYTES + 512];
    *missing = false;
    int length = snprintf(path, sizeof path, "%s/%s", minutes->directory, file);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no waiting for a pipe */
    if (descriptor < 0) {
        *missing = errno == ENOENT;
        return false;
    }
    struct stat about;
    if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(descriptor);
        errno = EINVAL;
        return false;
    }
    bool good = read_all(descriptor, contents);
    if (!good && contents->status == CONCLAVE_TOO_LARGE) {
        errno = EFBIG;
    }
    int saved = errno;
    close(descriptor);
    errno = saved;
    return good;
}

/* Adds a file to the hash over all of them. */
static void add_to_manifest(struct buffer *manifest, const char *file, const uint8_t sha256[32])
{
    char *hex = convert_hex(slice_of(sha256, AUTH_SHA256_BYTES));
    if (hex == NULL) {
        manifest->status = CONCLAVE_NO_MEMORY;
        return;
    }
    buffer_append(manifest, hex, strlen(hex));
    buffer_append(manifest, "  ", 2);
    buffer_append(manifest, file, strlen(file));
    buffer_append(manifest, "\n", 1);
    memory_free(hex);
}

/* One JSON file: NULL with a problem said when it cannot be used. A missing one that is `optional`
 * is no problem. */
static json_t *load_json(struct minutes *minutes, const char *file, bool optional,
                         struct buffer *manifest, struct buffer *contents)
{
    bool missing;
    if (!minutes_read_file(minutes, file, contents, &missing)) {
        if (!missing || !optional) {
            minutes_problem(minutes, file, NULL, "cannot be read: %s", strerror(errno));
        }
        return NULL;
    }
    uint8_t sha256[AUTH_SHA256_BYTES];
    auth_sha256(buffer_slice(contents), sha256);
    add_to_manifest(manifest, file, sha256);
    json_error_t error;
    json_t *root = json_loadb((const char *)contents->data, contents->size, 0, &error);
    if (root == NULL) {
        minutes_problem(minutes, file, &error, "%s", error.text);
    }
    return root;
}

static json_t *load_plain(struct minutes *minutes, const char *file, bool optional,
                          struct buffer *manifest)
{
    struct buffer contents;
    buffer_init(&contents, MINUTES_FILE_BYTES);
    json_t *root = load_json(minutes, file, optional, manifest, &contents);
    buffer_close(&contents);
    return root;
}

static void take_proposals(struct minutes *minutes, const json_t *root)
{
    const json_t *list = json_is_object(root) ? json_object_get(root, "proposals") : root;
    if (!json_is_array(list)) {
        minutes_problem(minutes, "proposals.json", NULL, "there is no array of proposals in it");
        return;
    }
    size_t i;
    json_t *proposal;
    json_array_foreach(list, i, proposal)
    {
        const char *id = json_string_value(json_object_get(proposal, "id"));
        if (id == NULL || !envelope_id_valid(slice_of_text(id)) || strlen(id) > MINUTES_ID_BYTES) {
            minutes_problem(minutes, "proposals.json", NULL, "proposal %zu has no usable id",
                            i + 1);
        } else if (minutes_proposal(minutes, id) != NULL) {
            minutes_problem(minutes, "proposals.json", NULL, "the id %s comes twice", id);
        } else if (json_array_size(minutes->proposals) == LIMIT_QUESTIONS) {
            minutes_problem(minutes, "proposals.json", NULL,
                            "a poll has at most %u questions: %s and what follows is left out",
                            LIMIT_QUESTIONS, id);
            return;
        } else {
            (void)json_array_append(minutes->proposals, proposal);
        }
    }
}

const json_t *minutes_proposal(const struct minutes *minutes, const char *id)
{
    size_t i;
    const json_t *proposal;
    json_array_foreach(minutes->proposals, i, proposal)
    {
        if (strcmp(json_string_value(json_object_get(proposal, "id")), id) == 0) {
            return proposal;
        }
    }
    return NULL;
}

static void close_ballot(struct minutes_ballot *ballot)
{
    memory_free(ballot->file);
    memory_free(ballot->model);
    buffer_close(&ballot->bytes);
    json_decref(ballot->root);
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_allocate(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

/* The fields that every ballot file has. False with a problem said when it is no ballot. */
static bool take_ballot(struct minutes *minutes, struct minutes_ballot *ballot)
{
    const char *model = json_string_value(json_object_get(ballot->root, "model"));
    if (model == NULL) {
        model = json_string_value(json_object_get(ballot->root, "model_id"));
    }
    if (model == NULL || !envelope_id_valid(slice_of_text(model))) {
        minutes_problem(minutes, ballot->file, NULL, "no usable \"model\" in it");
        return false;
    }
    for (size_t i = 0; i < minutes->ballot_count; i++) {
        if (strcmp(minutes->ballots[i].model, model) == 0) {
            minutes_problem(minutes, ballot->file, NULL, "%s has a ballot already, in %s", model,
                            minutes->ballots[i].file);
            return false;
        }
    }
    json_t *scores = json_object_get(ballot->root, "weights");
    ballot->answers = json_is_array(scores) ? scores : json_object_get(ballot->root, "proposals");
    if (!json_is_array(ballot->answers)) {
        minutes_problem(minutes, ballot->file, NULL, "neither \"weights\" nor \"proposals\" in it");
        return false;
    }
    enum minutes_method method = json_is_array(scores) ? MINUTES_SCORE : MINUTES_YESNO;
    if (minutes->ballot_count > 0 && method != minutes->method) {
        minutes_problem(minutes, ballot->file, NULL, "another kind of ballot than the first");
        return false;
    }
    minutes->method = method;
    const char *timestamp = json_string_value(json_object_get(ballot->root, "timestamp"));
    ballot->timestamp = timestamp == NULL ? "" : timestamp;
    size_t i;
    const json_t *answer;
    json_array_foreach(ballot->answers, i, answer)
    {
        minutes->vetoes = minutes->vetoes || json_object_get(answer, "veto") != NULL;
    }
    ballot->model = copy_text(model);
    return ballot->model != NULL;
}

static enum conclave_code load_ballot(struct minutes *minutes, const char *name,
                                      struct buffer *manifest)
{
    struct minutes_ballot ballot = {0};
    buffer_init(&ballot.bytes, MINUTES_FILE_BYTES);
    size_t size = strlen(name) + sizeof "votes/";
    ballot.file = memory_allocate(size);
    if (ballot.file == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    snprintf(ballot.file, size, "votes/%s", name);
    ballot.root = load_json(minutes, ballot.file, false, manifest, &ballot.bytes);
    if (ballot.root == NULL || !take_ballot(minutes, &ballot)) {
        close_ballot(&ballot);
        return CONCLAVE_OK;
    }
    auth_sha256(buffer_slice(&ballot.bytes), ballot.sha256);
    minutes->ballots[minutes->ballot_count++] = ballot;
    return CONCLAVE_OK;
}

static int is_ballot_file(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && end != NULL && strcmp(end, ".json") == 0;
}

static enum conclave_code load_ballots(struct minutes *minutes, struct buffer *manifest)
{
    char path[MINUTES_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/votes", minutes->directory);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_ballot_file, alphasort);
    if (count < 0) {
        minutes_problem(minutes, "votes", NULL, "cannot be read: %s", strerror(errno));
        return CONCLAVE_OK;
    }
    enum conclave_code code = CONCLAVE_OK;
    if (count > 0) {
        minutes->ballots = memory_allocate_zeroed((size_t)count, sizeof *minutes->ballots);
        code = minutes->ballots == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
    }
    for (int i = 0; i < count; i++) {
        if (code == CONCLAVE_OK && i < (int)MINUTES_BALLOTS) {
            code = load_ballot(minutes, entries[i]->d_name, manifest);
        }
        free(entries[i]);
    }
    free(entries);
    if (count > (int)MINUTES_BALLOTS) {
        minutes_problem(minutes, "votes", NULL, "only the first %u ballots are taken",
                        MINUTES_BALLOTS);
    }
    return code;
}

/* The id is the directory's name. */
static bool take_directory(struct minutes *minutes, const char *directory)
{
    char resolved[MINUTES_PATH_BYTES + 1];
    if (strlen(directory) >= MINUTES_PATH_BYTES || realpath(directory, resolved) == NULL) {
        return false;
    }
    struct stat about;
    if (stat(resolved, &about) != 0 || !S_ISDIR(about.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    snprintf(minutes->directory, sizeof minutes->directory, "%.*s", (int)MINUTES_PATH_BYTES - 1,
             resolved);
    const char *name = strrchr(minutes->directory, '/');
    if (strlen(name + 1) > MINUTES_ID_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(minutes->id, sizeof minutes->id, "%s", name + 1);
    return true;
}

enum conclave_code minutes_open(struct minutes *minutes, const char *directory)
{
    ASSERT(minutes != NULL && directory != NULL);
    *minutes = (struct minutes){0};
    if (!take_directory(minutes, directory)) {
        return CONCLAVE_NOT_FOUND;
    }
    minutes->proposals = json_array();
    minutes->chain = json_array();
    minutes->problems = json_array();
    if (minutes->proposals == NULL || minutes->chain == NULL || minutes->problems == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct buffer manifest;
    buffer_init(&manifest, MINUTES_FILE_BYTES * 4);
    json_t *root = load_plain(minutes, "proposals.json", false, &manifest);
    if (root != NULL) {
        take_proposals(minutes, root);
        json_decref(root);
    }
    enum conclave_code code = load_ballots(minutes, &manifest);
    if (code == CONCLAVE_OK) {
        minutes->chain_root = load_plain(minutes, "voting_chain.json", true, &manifest);
        minutes->results = load_plain(minutes, "results.json", true, &manifest);
        minutes_examine_chain(minutes);
        auth_sha256(buffer_slice(&manifest), minutes->sha256);
        code = manifest.status;
    }
    buffer_close(&manifest);
    if (code != CONCLAVE_OK) {
        return code;
    }
    bool usable = envelope_id_valid(slice_of_text(minutes->id)) &&
                  json_array_size(minutes->proposals) > 0 && minutes->ballot_count > 0;
    return usable ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

void minutes_close(struct minutes *minutes)
{
    ASSERT(minutes != NULL);
    for (size_t i = 0; i < minutes->ballot_count; i++) {
        close_ballot(&minutes->ballots[i]);
    }
    memory_free(minutes->ballots);
    json_decref(minutes->proposals);
    json_decref(minutes->chain);
    json_decref(minutes->chain_root);
    json_decref(minutes->results);
    json_decref(minutes->problems);
    *minutes = (struct minutes){0};
}
