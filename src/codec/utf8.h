/* Is it UTF-8? RFC 3629, section 4: no overlong forms, no surrogates, nothing past U+10FFFF. Or
 * ASCII. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include <stdbool.h>

#include "base/slice.h"

bool codec_utf8_valid(struct slice text);

/* Valid UTF-8 that was cut anywhere, without the part of a character at its end. */
struct slice codec_utf8_whole(struct slice text);

/* Is every byte below 0x80? Asked before libsodium decodes base64: its tables take other bytes for
 * digits, so that one value would have many texts. */
bool codec_ascii_valid(struct slice text);

#endif
