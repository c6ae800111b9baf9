/* src/backup: what is taken for a backup, and its entries.
 *
 * A file as it is must not pass for a backup unless its last line is the checksum of what is before
 * it, by libsodium's one-shot hash. Lines that were sealed by us are read: what comes out of an
 * entry is within the limits, and an entry that is written again by the words of docs/RECORD.md and
 * read again is the same.
 *
 * fuzz: -max_len=2000
 */
#include <conclave/limits.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "backup/backup_read.h"
#include "fuzz/harness.h"

#define HEAD       "{\"schema\":\"conclave.backup.v1\"}\n"
#define BASE64_URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

static struct fuzz_file file;
static struct fuzz_file again;

void fuzz_open(void)
{
    ASSERT(sodium_init() >= 0);
    fuzz_file_open(&file);
    fuzz_file_open(&again);
}

/* --- Any file --- */

static void run_any(struct slice bytes)
{
    uint8_t claimed[BACKUP_SHA256_BYTES];
    uint8_t digest[crypto_hash_sha256_BYTES];
    struct codec_error error = {.text = ""};
    fuzz_file_write(&file, bytes);
    enum conclave_code code = backup_file_check(file.path, claimed, &error);
    if (code != CONCLAVE_OK) {
        ASSERT(error.text[0] != '\0');
        return;
    }
    size_t before = bytes.size - 1;
    while (before > 0 && bytes.data[before - 1] != '\n') {
        before--;
    }
    crypto_hash_sha256(digest, bytes.data, before);
    ASSERT(memcmp(digest, claimed, sizeof digest) == 0);
}

/* --- Entries --- */

struct reading {
    struct buffer text; /* the entries, written again */
    unsigned entries;
};

static void put(struct buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct buffer *text, const char *format, ...)
{
    char piece[96];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && (size_t)size < sizeof piece);
    buffer_append(text, piece, (size_t)size);
}

static void put_text(struct buffer *text, const char *piece)
{
    buffer_append(text, piece, strlen(piece));
}

static void put_closes(struct buffer *text, const struct backup_entry *entry)
{
    put_text(text, "\"closes\":[");
    for (uint32_t i = 0; i < entry->close_count; i++) {
        put_text(text, i == 0 ? "\"" : ",\"");
        for (size_t j = 0; j < entry->closes[i].size; j++) {
            put(text, "\\u%04x", entry->closes[i].data[j]); /* bytes as they are, if ASCII */
        }
        put_text(text, "\"");
    }
    put_text(text, "],");
}

static enum conclave_code write_again(void *context, const struct backup_entry *entry,
                                      struct codec_error *error)
{
    static const char *const types[] = {"batch", "barrier", "configuration"};
    struct reading *reading = context;
    struct buffer *text = &reading->text;
    (void)error;
    ASSERT(entry->close_count <= LIMIT_OPEN_POLLS && entry->command_count <= LIMIT_BATCH_COMMANDS);
    reading->entries++;
    put_text(text, "{\"schema\":\"conclave.entry.v1\",\"type\":\"");
    put_text(text, types[entry->type]);
    put(text, "\",\"index\":\"%" PRIu64 "\",", entry->index);
    put(text, "\"term\":\"%" PRIu64 "\",", entry->term);
    put(text, "\"time\":\"%" PRIu64 "\",", entry->time_ms);
    put_closes(text, entry);
    put_text(text, "\"commands\":[");
    for (uint32_t i = 0; i < entry->command_count; i++) {
        struct slice bytes = entry->commands[i];
        size_t size = sodium_base64_ENCODED_LEN(bytes.size, BASE64_URL);
        char *base64 = malloc(size);
        ASSERT(base64 != NULL);
        sodium_bin2base64(base64, size, bytes.data, bytes.size, BASE64_URL);
        put_text(text, i == 0 ? "{\"command\":\"" : ",{\"command\":\"");
        put_text(text, base64);
        put_text(text, "\"}");
        free(base64);
    }
    put_text(text, "]}\n");
    return CONCLAVE_OK;
}

/* The lines behind a head, with their checksum; and what they are read as. */
static enum conclave_code read_sealed(struct fuzz_file *place, struct slice lines,
                                      struct reading *reading)
{
    char line[BACKUP_CHECKSUM_LINE_BYTES];
    uint8_t digest[crypto_hash_sha256_BYTES];
    struct codec_error error = {.text = ""};
    struct buffer whole;
    struct backup_hash hash;
    buffer_init(&whole, SIZE_MAX);
    put_text(&whole, HEAD);
    buffer_append(&whole, lines.data, lines.size);
    if (lines.size > 0 && lines.data[lines.size - 1] != '\n') {
        put_text(&whole, "\n");
    }
    backup_hash_begin(&hash);
    backup_hash_add(&hash, whole.data, whole.size);
    backup_hash_line(&hash, line);
    crypto_hash_sha256(digest, whole.data, whole.size);
    put_text(&whole, line);
    ASSERT(whole.status == CONCLAVE_OK);
    fuzz_file_write(place, buffer_slice(&whole));
    ASSERT(backup_file_check(place->path, NULL, &error) == CONCLAVE_OK);
    buffer_init(&reading->text, SIZE_MAX);
    reading->entries = 0;
    enum conclave_code code = backup_read(place->path, digest, write_again, reading, &error);
    ASSERT(code == CONCLAVE_OK || error.text[0] != '\0');
    digest[0] ^= 1;
    ASSERT(backup_read(place->path, digest, write_again, reading, &error) == CONCLAVE_NOT_PROVEN);
    buffer_close(&whole);
    return code;
}

static bool is_ascii(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] >= 0x80 || bytes.data[i] == '\\') {
            return false;
        }
    }
    return true;
}

static void run_lines(struct slice lines)
{
    struct reading first;
    struct reading second;
    enum conclave_code code = read_sealed(&file, lines, &first);
    if (code == CONCLAVE_OK && is_ascii(lines)) {
        ASSERT(read_sealed(&again, buffer_slice(&first.text), &second) == CONCLAVE_OK);
        ASSERT(first.entries == second.entries);
        ASSERT(slice_equal(buffer_slice(&first.text), buffer_slice(&second.text)));
        buffer_close(&second.text);
    }
    buffer_close(&first.text);
}

/* input: odd: a file; even: lines of one */
void fuzz_run(struct slice input)
{
    if (fuzz_take(&input) % 2 != 0) {
        run_any(input);
    } else {
        run_lines(input);
    }
}

void fuzz_seeds(void)
{
    fuzz_seed_text("entry",
                   "0{\"schema\":\"conclave.entry.v1\",\"index\":\"2\",\"term\":\"1\",\"type\":"
                   "\"batch\",\"time\":\"1795533632606\",\"closes\":[\"lunch\"],\"commands\":"
                   "[{\"command\":\"ksQBAcQBAg\",\"code\":\"ok\"},{\"command\":\"\"}]}\n");
    fuzz_seed_text("others",
                   "0{\"schema\":\"conclave.entry.v1\",\"index\":\"1\",\"term\":\"1\",\"type\":"
                   "\"configuration\",\"time\":\"0\",\"closes\":[],\"commands\":[]}\n"
                   "{\"schema\":\"conclave.decision.v1\"}\n{\"schema\":\"conclave.end.v1\"}\n");
    /* The checksum is of coreutils' sha256sum. */
    fuzz_seed_text(
        "whole",
        "1{\"schema\":\"conclave.backup.v1\"}\n{\"schema\":\"conclave.sha256.v1\",\"bytes\":"
        "\"32\",\"sha256\":\"0d9b632fab54c07bfa763fc363f62e6c5624c31f2491dec796ea3b3109b8e864\"}"
        "\n");
}
