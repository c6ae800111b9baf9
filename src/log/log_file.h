/* A look at an LMDB data file before LMDB opens it. */
#ifndef LOG_LOG_FILE_H
#define LOG_LOG_FILE_H

#include <conclave/codes.h>

#include "base/assert.h"

#define LOG_FILE_NAME "data.mdb"

/* Checks the two meta pages of the data file in an open directory against each other and the file's
 * size: LMDB takes them as they are, so a damaged one is a crash or, without a word, the state
 * before the last commit. OK also when there is no file or an empty one; CORRUPT; IO. What the
 * pages have is in LMDB 0.9's mdb.c, struct MDB_meta. */
enum conclave_code log_file_check(int folder) MUST_USE;

#endif
