/* The table of who may do what is the one that is printed in docs/PROTOCOL.md. What it means in
 * practice is tested in test_api_roles.c and test_model_roles.c,
 * with expectations written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/roles.h"

#define BEGIN_MARK "<!-- roles: printed -->\n"
#define END_MARK   "<!-- roles: end -->\n"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void the_documentation_has_the_table(void **state)
{
    (void)state;
    char *text = read_file(CONCLAVE_SOURCE_DIR "/docs/PROTOCOL.md");
    char *begin = strstr(text, BEGIN_MARK);
    assert_non_null(begin);
    begin += strlen(BEGIN_MARK);
    char *end = strstr(begin, END_MARK);
    assert_non_null(end);
    *end = '\0';
    struct buffer printed;
    buffer_init(&printed, 1u << 20);
    role_rules_print(&printed);
    buffer_append(&printed, "", 1);
    assert_int_equal(printed.status, CONCLAVE_OK);
    if (strcmp((const char *)printed.data, begin) != 0) {
        print_error("docs/PROTOCOL.md, \"Who may do what\", should be:\n%s", printed.data);
    }
    assert_string_equal((const char *)printed.data, begin);
    buffer_close(&printed);
    free(text);
}

static void names_come_once(void **state)
{
    (void)state;
    size_t count;
    const struct role_rule *rules = role_rules(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(role_rule_find(rules[i].subject, slice_of_text(rules[i].name)), &rules[i]);
        /* who may where reads are for members may where they are public */
        assert_int_equal(rules[i].allowed & ~rules[i].allowed_public, 0);
        /* what is revoked may no more than nobody */
        assert_int_equal(role_allows(&rules[i], ROLE_SET(ROLE_REVOKED), false),
                         role_allows(&rules[i], ROLE_SET(ROLE_NOBODY), false));
    }
    assert_null(role_rule_find(ROLE_METHOD, slice_of_text("member.admit")));
    assert_null(role_rule_find(ROLE_COMMAND, slice_of_text("tally")));
    assert_null(role_rule_find(ROLE_COMMAND, slice_of_text("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documentation_has_the_table),
        cmocka_unit_test(names_come_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
