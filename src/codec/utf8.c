/* The grammar of RFC 3629, section 4, as a table by first byte. */
#include "codec/utf8.h"

/* What may follow a first byte: how many bytes, and the bounds of the first of them (the others
 * are 80..BF). */
struct utf8_rule {
    uint8_t first_min;
    uint8_t first_max;
    uint8_t tail_bytes;
    uint8_t second_min;
    uint8_t second_max;
};

static const struct utf8_rule utf8_rules[] = {
    {0x00, 0x7f, 0, 0x00, 0x00}, {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct utf8_rule *find_rule(uint8_t first)
{
    for (size_t i = 0; i < sizeof utf8_rules / sizeof utf8_rules[0]; i++) {
        if (first >= utf8_rules[i].first_min && first <= utf8_rules[i].first_max) {
            return &utf8_rules[i];
        }
    }
    return NULL;
}

bool codec_utf8_valid(struct slice text)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t i = 0;
    while (i < text.size) {
        uint64_t word;
        if (text.size - i >= sizeof word) { /* most text is ASCII: eight bytes at a time */
            memcpy(&word, text.data + i, sizeof word);
            if ((word & high_bits) == 0) {
                i += sizeof word;
                continue;
            }
        }
        const struct utf8_rule *rule = find_rule(text.data[i]);
        if (rule == NULL || rule->tail_bytes > text.size - i - 1) {
            return false;
        }
        for (size_t tail = 1; tail <= rule->tail_bytes; tail++) {
            uint8_t byte = text.data[i + tail];
            uint8_t min = tail == 1 ? rule->second_min : 0x80;
            uint8_t max = tail == 1 ? rule->second_max : 0xbf;
            if (byte < min || byte > max) {
                return false;
            }
        }
        i += 1u + rule->tail_bytes;
    }
    return true;
}

bool codec_ascii_valid(struct slice text)
{
    uint8_t bits = 0;
    for (size_t i = 0; i < text.size; i++) {
        bits |= text.data[i];
    }
    return bits < 0x80;
}

struct slice codec_utf8_whole(struct slice text)
{
    size_t start = text.size;
    while (start > 0 && text.size - start < 3 && (text.data[start - 1] & 0xc0u) == 0x80u) {
        start--;
    }
    if (start == 0 || text.data[start - 1] < 0xc0u) {
        return text;
    }
    uint8_t lead = text.data[start - 1];
    size_t wanted = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : 2;
    return slice_of(text.data, text.size - (start - 1) < wanted ? start - 1 : text.size);
}
