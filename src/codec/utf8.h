/* Is it UTF-8? RFC 3629, section 4: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include <stdbool.h>

#include "base/slice.h"

bool codec_utf8_valid(struct slice text);

#endif
