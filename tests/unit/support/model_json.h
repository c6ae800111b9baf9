/* JSON as tests write it, and MessagePack as Conclave does: texts are printf formats in which '
 * stands for ", and a string "hex:..." stands for bytes, both ways. Whatever is not as it should be
 * fails the test. */
#ifndef TESTS_UNIT_SUPPORT_MODEL_JSON_H
#define TESTS_UNIT_SUPPORT_MODEL_JSON_H

#include <jansson.h>
#include <stdarg.h>

#include "base/buffer.h"

/* JSON text (' for ") to a value; the caller owns it. */
json_t *model_json(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *model_json_of(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

void model_pack(struct buffer *buffer, json_t *value);
json_t *model_unpack(struct slice packed);

/* Asserts that a value is this JSON text (a printf format). */
void model_expect(const json_t *value, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asserts one value inside: a path of keys and positions separated by dots ("questions.0.yes"). */
void model_expect_at(const json_t *value, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const json_t *model_at(const json_t *value, const char *path);

#endif
