/* Words of a command line: options, which may stand anywhere, and what is left.
 *
 * `--name value`, `--name=value`, `-n value`, `-nvalue`; `--` ends the options; a lone `-` is a
 * word.
 */
#ifndef CONCLAVE_ARGS_H
#define CONCLAVE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct args_option {
    const char *name;     /* without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* "FILE" in the help; NULL: a flag */
    const char *help;
    bool repeatable;
};

/* Tables of options end with one whose name is NULL. */
#define ARGS_END     \
    {                \
        .name = NULL \
    }

struct args_value {
    const struct args_option *option;
    const char *value; /* NULL for a flag */
};

struct args {
    const char **words;
    size_t word_count;
    struct args_value *values;
    size_t value_count;
    char problem[512]; /* what is wrong, for people */
    char hint[256];    /* what was probably meant; may be empty */
};

/* Parses `count` words by several tables of options (`table_count` of them). False with `problem`
 * set for an unknown option, a missing or an unwanted argument, one given twice that is not
 * repeatable, or when there is no memory. The words and tables must outlive `args`; args_close
 * frees, always. */
bool args_parse(struct args *args, char *const *words, size_t count,
                const struct args_option *const *tables, size_t table_count) MUST_USE;
void args_close(struct args *args);

/* The value of an option, or NULL when it was not given. */
const char *args_text(const struct args *args, const char *name);
bool args_given(const struct args *args, const char *name);

/* How often a repeatable option was given, and its i-th value. */
size_t args_count(const struct args *args, const char *name);
const char *args_nth(const struct args *args, const char *name, size_t i);

/* The i-th word that is no option, or NULL. */
const char *args_word(const struct args *args, size_t i);

/* Where the i-th word that is no option stands among `words` before any table but `global` is
 * known: options of `global` and of `others` are skipped with their arguments. SIZE_MAX when there
 * are not that many. */
size_t args_find_word(char *const *words, size_t count, size_t i,
                      const struct args_option *const *tables, size_t table_count);

#endif
