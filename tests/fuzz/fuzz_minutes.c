/* tools/conclave/minutes*.c: a directory of minutes kept by hand. Nothing is repaired: what was
 * taken has usable ids, once each; what was not is a problem with a sentence.
 *
 * fuzz: -max_len=900 -entropic=0
 */
#include "tools/conclave/minutes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/envelope.h"
#include "fuzz/harness.h"

#define FILES 5u

static const char *const names[FILES] = {"proposals.json", "votes/a.json", "votes/b.json",
                                         "voting_chain.json", "results.json"};
static struct fuzz_file files[FILES];
static char path[sizeof "/dev/shm/conclave-fuzz-XXXXXX"];

static void name_of(char full[128], const char *name)
{
    int size = snprintf(full, 128, "%s/%s", path, name);
    ASSERT(size > 0 && size < 128);
}

static void clean_up(void)
{
    char full[128];
    for (unsigned i = 0; i < FILES; i++) {
        name_of(full, names[i]);
        (void)unlink(full);
    }
    name_of(full, "votes");
    (void)rmdir(full);
    (void)rmdir(path);
}

/* A directory in memory if there is such a file system: names are looked up nine times a run. */
void fuzz_open(void)
{
    char full[128];
    ASSERT(auth_init() == CONCLAVE_OK);
    bool memory = access("/dev/shm", W_OK | X_OK) == 0;
    (void)snprintf(path, sizeof path, "%s/conclave-fuzz-XXXXXX", memory ? "/dev/shm" : "/tmp");
    ASSERT(mkdtemp(path) != NULL);
    name_of(full, "votes");
    ASSERT(mkdir(full, 0700) == 0);
    for (unsigned i = 0; i < FILES; i++) {
        name_of(full, names[i]);
        files[i].descriptor = open(full, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ASSERT(files[i].descriptor >= 0);
        fuzz_file_begin(&files[i]);
    }
    ASSERT(atexit(clean_up) == 0);
}

static void look_at(const struct minutes *minutes)
{
    size_t i;
    const json_t *item;
    json_array_foreach(minutes->proposals, i, item)
    {
        uint32_t percent;
        const char *status;
        const char *id = json_string_value(json_object_get(item, "id"));
        ASSERT(id != NULL && envelope_id_valid(slice_of_text(id)));
        ASSERT(minutes_proposal(minutes, id) == item);
        (void)minutes_threshold(minutes, item, &percent);
        (void)minutes_published(minutes, id, &status);
        ASSERT(status != NULL);
    }
    for (size_t j = 0; j < minutes->ballot_count; j++) {
        ASSERT(envelope_id_valid(slice_of_text(minutes->ballots[j].model)));
        ASSERT(json_is_array(minutes->ballots[j].answers));
        ASSERT(j == 0 || strcmp(minutes->ballots[0].model, minutes->ballots[j].model) != 0);
    }
    json_array_foreach(minutes->problems, i, item)
    {
        ASSERT(json_string_length(json_object_get(item, "text")) > 0);
    }
    json_decref(minutes_published_elsewhere(minutes));
}

/* input: the files, cut by zero bytes */
void fuzz_run(struct slice input)
{
    for (unsigned i = 0; i < FILES; i++) {
        const uint8_t *end = input.size == 0 ? NULL : memchr(input.data, 0, input.size);
        size_t size = end == NULL ? input.size : (size_t)(end - input.data);
        fuzz_file_write(&files[i], fuzz_take_bytes(&input, size));
        (void)fuzz_take(&input);
    }
    struct minutes minutes;
    enum conclave_code code = minutes_open(&minutes, path);
    ASSERT(code == CONCLAVE_OK || code == CONCLAVE_BAD_REQUEST);
    ASSERT(code == CONCLAVE_OK || json_array_size(minutes.problems) > 0);
    look_at(&minutes);
    minutes_close(&minutes);
}

void fuzz_seeds(void)
{
    static const char scores[] =
        "[{\"id\":\"p1\",\"title\":\"T\",\"category\":\"c\"}]\0"
        "{\"model\":\"a\",\"timestamp\":\"t\",\"weights\":[{\"proposal_id\":\"p1\",\"weight\":7,"
        "\"comment\":\"x\",\"veto\":true}]}\0"
        "{\"model\":\"b\",\"weights\":[]}\0"
        "[{\"index\":0,\"timestamp\":\"t\",\"previous_hash\":null,\"type\":\"vote\",\"model\":"
        "\"a\","
        "\"vote_file\":\"a.json\",\"vote_file_hash\":\"00\",\"hash\":\"00\"}]\0"
        "{\"approved\":[{\"id\":\"p1\",\"score\":70}]}";
    static const char answers[] =
        "{\"proposals\":[{\"id\":\"p1\",\"threshold\":\"60%\"}]}\0"
        "{\"model_id\":\"a\",\"proposals\":[{\"proposal_id\":\"p1\",\"vote\":\"SUPPORT\"}]}\0"
        "{\"model_id\":\"b\",\"proposals\":[{\"proposal_id\":\"p1\",\"vote\":\"REJECT\"}]}\0"
        "{\"chain\":[]}\0{\"results\":[{\"proposal_id\":\"p1\",\"status\":\"approved\"}]}";
    fuzz_seed("scores", slice_of(scores, sizeof scores - 1));
    fuzz_seed("answers", slice_of(answers, sizeof answers - 1));
}
