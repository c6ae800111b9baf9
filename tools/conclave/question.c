/* Questions of a poll as they are given on the command line. */
#include "question.h"

#include <string.h>

#include "codec/envelope.h"

static const char *const part_names[] = {"policy", "proposal", "supersedes", "title"};

static json_t *text_of(const char *text, size_t size)
{
    return json_stringn(text, size); /* NULL when it is not UTF-8 */
}

/* One ",name=value"; returns its length, 0 when it is wrong. */
static size_t take_part(json_t *question, const char *text, const char **problem)
{
    size_t name_size = strcspn(text, "=,");
    if (text[name_size] != '=') {
        *problem = "after the id come parts NAME=VALUE with commas between";
        return 0;
    }
    for (size_t i = 0; i < sizeof part_names / sizeof part_names[0]; i++) {
        const char *name = part_names[i];
        if (strlen(name) != name_size || memcmp(name, text, name_size) != 0) {
            continue;
        }
        const char *value = text + name_size + 1;
        size_t size = strcmp(name, "title") == 0 ? strlen(value) : strcspn(value, ",");
        json_t *json = text_of(value, size);
        if (json == NULL || json_object_set_new(question, name, json) != 0) {
            *problem = "it is not UTF-8";
            return 0;
        }
        return name_size + 1 + size;
    }
    *problem = "the parts are policy, proposal, supersedes and title";
    return 0;
}

json_t *question_parse(const char *text, const char *policy, const char **problem)
{
    ASSERT(text != NULL && policy != NULL && problem != NULL);
    size_t id_size = strcspn(text, ",");
    if (!envelope_id_valid(slice_of(text, id_size))) {
        *problem = "it must begin with the question's id";
        return NULL;
    }
    json_t *question = json_pack("{s:o, s:s}", "id", text_of(text, id_size), "policy", policy);
    text += id_size;
    while (question != NULL && *text == ',') {
        text++;
        size_t size = take_part(question, text, problem);
        if (size == 0) {
            json_decref(question);
            return NULL;
        }
        text += size;
    }
    if (question == NULL) {
        *problem = "out of memory";
    }
    return question;
}

json_t *question_of_proposal(const char *proposal, const char *policy)
{
    ASSERT(proposal != NULL && policy != NULL);
    return json_pack("{s:s, s:s, s:s}", "id", proposal, "proposal", proposal, "policy", policy);
}
