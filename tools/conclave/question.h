/* Questions of a poll as they are given on the command line. */
#ifndef CONCLAVE_QUESTION_H
#define CONCLAVE_QUESTION_H

#include <jansson.h>

#include "cli.h"

/* From "ID[,policy=ID][,proposal=ID][,supersedes=POLL/QUESTION][,title=TEXT]" (the title takes all
 * that follows): a question as poll.open has it, a new reference; NULL with `problem` (static text)
 * set. `policy` is used where none is named. */
json_t *question_parse(const char *text, const char *policy, const char **problem);

/* From the id of a proposal: the question has the same id. */
json_t *question_of_proposal(const char *proposal, const char *policy);

#endif
