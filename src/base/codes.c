/* The table of codes.h as functions. */
#include <conclave/codes.h>

#include <string.h>

#include "base/assert.h"

static const struct {
    const char *name;
    const char *text;
    int exit_status;
} codes[CONCLAVE_CODE_COUNT] = {
#define X(name, wire, status, text) [CONCLAVE_##name] = {wire, text, status},
    CONCLAVE_CODES(X)
#undef X
};

const char *conclave_code_name(enum conclave_code code)
{
    ASSERT(code < CONCLAVE_CODE_COUNT);
    return codes[code].name;
}

const char *conclave_code_text(enum conclave_code code)
{
    ASSERT(code < CONCLAVE_CODE_COUNT);
    return codes[code].text;
}

int conclave_code_exit_status(enum conclave_code code)
{
    ASSERT(code < CONCLAVE_CODE_COUNT);
    return codes[code].exit_status;
}

enum conclave_code conclave_code_from_name(const char *name, size_t name_size)
{
    ASSERT(name != NULL || name_size == 0);
    for (int code = 0; code < CONCLAVE_CODE_COUNT; code++) {
        if (name_size > 0 && strlen(codes[code].name) == name_size &&
            memcmp(codes[code].name, name, name_size) == 0) {
            return (enum conclave_code)code;
        }
    }
    return CONCLAVE_CODE_COUNT;
}
