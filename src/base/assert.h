/* Assertions that stay on in release builds.
 *
 * For arguments, invariants and what cannot be. Never for bytes from outside: those get an error.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define MUST_USE __attribute__((warn_unused_result))

/* Prints where and what to standard error and aborts. */
_Noreturn void assert_failed(const char *file, int line, const char *function, const char *what);

#define ASSERT(condition)                                            \
    do {                                                             \
        if (__builtin_expect(!(condition), 0)) {                     \
            assert_failed(__FILE__, __LINE__, __func__, #condition); \
        }                                                            \
    } while (0)

#define UNREACHABLE(what) assert_failed(__FILE__, __LINE__, __func__, "unreachable: " what)

#endif
