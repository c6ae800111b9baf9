/* Words of a command line. */
#include "args.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "nearest.h"

#define NAMES_MAX 128u

/* Option names may be cut off by `=`: size is what counts. */
static const struct args_option *find_long(const struct args_option *const *tables,
                                           size_t table_count, const char *name, size_t size)
{
    for (size_t i = 0; i < table_count; i++) {
        for (const struct args_option *option = tables[i]; option != NULL && option->name != NULL;
             option++) {
            if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

static const struct args_option *find_letter(const struct args_option *const *tables,
                                             size_t table_count, char letter)
{
    for (size_t i = 0; i < table_count; i++) {
        for (const struct args_option *option = tables[i]; option != NULL && option->name != NULL;
             option++) {
            if (option->letter != 0 && option->letter == letter) {
                return option;
            }
        }
    }
    return NULL;
}

/* One option as it stands in the words. */
struct spelled {
    const struct args_option *option; /* NULL: unknown */
    const char *attached;             /* after `=`, or after a letter; NULL: nothing */
    size_t name_size;
};

static struct spelled spell(const char *word, const struct args_option *const *tables,
                            size_t table_count)
{
    ASSERT(word[0] == '-' && word[1] != '\0');
    struct spelled spelled = {0};
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        spelled.name_size = equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2);
        spelled.option = find_long(tables, table_count, word + 2, spelled.name_size);
        spelled.attached = equals == NULL ? NULL : equals + 1;
        return spelled;
    }
    spelled.name_size = 1;
    spelled.option = find_letter(tables, table_count, word[1]);
    spelled.attached = word[2] == '\0' ? NULL : word + 2;
    return spelled;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

size_t args_find_word(char *const *words, size_t count, size_t i,
                      const struct args_option *const *tables, size_t table_count)
{
    ASSERT(words != NULL || count == 0);
    bool ended = false;
    size_t seen = 0;
    for (size_t at = 0; at < count; at++) {
        if (!ended && strcmp(words[at], "--") == 0) {
            ended = true;
            continue;
        }
        if (!ended && is_option(words[at])) {
            struct spelled spelled = spell(words[at], tables, table_count);
            if (spelled.option != NULL && spelled.option->argument != NULL &&
                spelled.attached == NULL) {
                at++;
            }
            continue;
        }
        if (seen == i) {
            return at;
        }
        seen++;
    }
    return SIZE_MAX;
}

static void explain_unknown(struct args *args, const char *word,
                            const struct args_option *const *tables, size_t table_count)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < table_count; i++) {
        for (const struct args_option *option = tables[i];
             option != NULL && option->name != NULL && count < NAMES_MAX; option++) {
            names[count++] = option->name;
        }
    }
    snprintf(args->problem, sizeof args->problem, "there is no option %.100s", word);
    if (word[1] == '-') {
        char name[65];
        size_t size = strcspn(word + 2, "=");
        snprintf(name, sizeof name, "%.*s", (int)(size < 64 ? size : 64), word + 2);
        const char *near = nearest_word(name, names, count);
        if (near != NULL) {
            snprintf(args->hint, sizeof args->hint, "did you mean --%s?", near);
        }
    }
}

static bool take_option(struct args *args, char *const *words, size_t count, size_t *at,
                        const struct args_option *const *tables, size_t table_count)
{
    const char *word = words[*at];
    struct spelled spelled = spell(word, tables, table_count);
    if (spelled.option == NULL) {
        explain_unknown(args, word, tables, table_count);
        return false;
    }
    const char *name = spelled.option->name;
    const char *value = spelled.attached;
    if (spelled.option->argument == NULL && value != NULL) {
        snprintf(args->problem, sizeof args->problem, "the option --%s takes no argument", name);
        return false;
    }
    if (spelled.option->argument != NULL && value == NULL) {
        if (*at + 1 == count) {
            snprintf(args->problem, sizeof args->problem, "the option --%s needs %s after it", name,
                     spelled.option->argument);
            return false;
        }
        *at += 1;
        value = words[*at];
    }
    if (!spelled.option->repeatable && spelled.option->argument != NULL && args_given(args, name)) {
        snprintf(args->problem, sizeof args->problem, "the option --%s is given twice", name);
        return false;
    }
    args->values[args->value_count++] = (struct args_value){spelled.option, value};
    return true;
}

bool args_parse(struct args *args, char *const *words, size_t count,
                const struct args_option *const *tables, size_t table_count)
{
    ASSERT(args != NULL && (words != NULL || count == 0));
    ASSERT(tables != NULL);
    *args = (struct args){0};
    args->words = memory_allocate_zeroed(count + 1, sizeof *args->words);
    args->values = memory_allocate_zeroed(count + 1, sizeof *args->values);
    if (args->words == NULL || args->values == NULL) {
        snprintf(args->problem, sizeof args->problem, "out of memory");
        return false;
    }
    bool ended = false;
    for (size_t at = 0; at < count; at++) {
        if (!ended && strcmp(words[at], "--") == 0) {
            ended = true;
        } else if (!ended && is_option(words[at])) {
            if (!take_option(args, words, count, &at, tables, table_count)) {
                return false;
            }
        } else {
            args->words[args->word_count++] = words[at];
        }
    }
    return true;
}

void args_close(struct args *args)
{
    ASSERT(args != NULL);
    memory_free(args->words);
    memory_free(args->values);
    *args = (struct args){0};
}

const char *args_nth(const struct args *args, const char *name, size_t i)
{
    ASSERT(args != NULL && name != NULL);
    for (size_t at = 0; at < args->value_count; at++) {
        if (strcmp(args->values[at].option->name, name) == 0) {
            if (i == 0) {
                return args->values[at].value;
            }
            i--;
        }
    }
    return NULL;
}

size_t args_count(const struct args *args, const char *name)
{
    ASSERT(args != NULL && name != NULL);
    size_t count = 0;
    for (size_t at = 0; at < args->value_count; at++) {
        count += strcmp(args->values[at].option->name, name) == 0;
    }
    return count;
}

const char *args_text(const struct args *args, const char *name)
{
    return args_nth(args, name, 0);
}

bool args_given(const struct args *args, const char *name)
{
    return args_count(args, name) > 0;
}

const char *args_word(const struct args *args, size_t i)
{
    ASSERT(args != NULL);
    return i < args->word_count ? args->words[i] : NULL;
}
