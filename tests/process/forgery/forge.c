/* Forges a node's stored log, as its operator could: changes, drops or moves a ballot in one entry
 * and writes the rest of the log again, with all checksums right. Whoever then removes the node's
 * state, its checkpoint and what it kept gets a node that has never heard otherwise: every hash
 * that nobody signed follows from the log.
 *
 *   forge LOG_DIRECTORY INDEX POSITION replace OLD NEW   a text in the command, once, OLD by NEW
 *   forge LOG_DIRECTORY INDEX POSITION drop
 *
 * Texts have at most 31 bytes. Exit status: 0 done, 1 with what went wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <conclave/limits.h>

#include "codec/envelope.h"
#include "codec/reader.h"
#include "log/log_journal.h"

#define ENTRIES_MAX   4096u
#define TEXT_MAX      31u
#define FIXSTR_PREFIX 0xa0u /* MessagePack: a string of at most 31 bytes */

static struct log_entry entries[ENTRIES_MAX];
static size_t entry_count;

static void fail(const char *what, enum conclave_code code)
{
    fprintf(stderr, "forge: %s: %s\n", what, conclave_code_text(code));
    exit(1);
}

static void check(const char *what, enum conclave_code code)
{
    if (code != CONCLAVE_OK) {
        fail(what, code);
    }
}

static struct slice copy(struct slice bytes)
{
    uint8_t *data = malloc(bytes.size + 1);
    if (data == NULL) {
        fail("copying", CONCLAVE_NO_MEMORY);
    }
    memcpy(data, bytes.data, bytes.size);
    return slice_of(data, bytes.size);
}

static enum conclave_code keep(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)context;
    (void)index;
    if (entry_count == ENTRIES_MAX) {
        return CONCLAVE_LIMIT_REACHED;
    }
    entries[entry_count] = *entry;
    entries[entry_count++].data = entry->data.size > 0 ? copy(entry->data) : slice_of(NULL, 0);
    return CONCLAVE_OK;
}

/* The envelope with the string OLD, which must be there once, as NEW. */
static void replace(struct buffer *forged, struct slice envelope, const char *old, const char *new)
{
    uint8_t wanted[TEXT_MAX + 1], instead[TEXT_MAX + 1];
    size_t old_size = strlen(old), new_size = strlen(new);
    if (old_size > TEXT_MAX || new_size > TEXT_MAX) {
        fail("a text that is too long", CONCLAVE_USAGE);
    }
    wanted[0] = (uint8_t)(FIXSTR_PREFIX | old_size);
    instead[0] = (uint8_t)(FIXSTR_PREFIX | new_size);
    memcpy(wanted + 1, old, old_size);
    memcpy(instead + 1, new, new_size);
    const uint8_t *at = memmem(envelope.data, envelope.size, wanted, old_size + 1);
    if (at == NULL) {
        fail("the command does not have the text", CONCLAVE_NOT_FOUND);
    }
    size_t before = (size_t)(at - envelope.data);
    size_t after = before + old_size + 1;
    buffer_append(forged, envelope.data, before);
    buffer_append(forged, instead, new_size + 1);
    buffer_append(forged, envelope.data + after, envelope.size - after);
}

static void forge_command(struct buffer *command, struct slice original, const char *old,
                          const char *new)
{
    struct envelope envelope;
    struct codec_error error;
    struct buffer bytes;
    check("the command", envelope_decode(&envelope, original, &error));
    buffer_init(&bytes, LIMIT_FRAME_BYTES);
    replace(&bytes, envelope.bytes, old, new);
    envelope_write_command(command, buffer_slice(&bytes), envelope.signature);
    check("writing", command->status);
    buffer_close(&bytes);
    envelope_close(&envelope);
}

static void forge_entry(struct log_entry *entry, uint32_t position, const char *const words[3])
{
    static struct slice closes[LIMIT_OPEN_POLLS], commands[LIMIT_BATCH_COMMANDS];
    struct batch batch;
    struct buffer forged, written;
    uint32_t count = 0;
    check("the entry", batch_decode(&batch, entry->data));
    if (position >= batch.command_count) {
        fail("the entry has fewer commands", CONCLAVE_NOT_FOUND);
    }
    buffer_init(&forged, LIMIT_FRAME_BYTES);
    buffer_init(&written, 2 * LIMIT_BATCH_BYTES);
    for (uint32_t i = 0; i < batch.close_count; i++) {
        check("the entry", codec_get_string(&batch.closes[i], &closes[i]));
    }
    for (uint32_t i = 0; i < batch.command_count; i++) {
        check("the entry", codec_get_bytes(&batch.commands[i], &commands[count]));
        if (i != position) {
            count++;
        } else if (strcmp(words[0], "replace") == 0) {
            forge_command(&forged, commands[count], words[1], words[2]);
            commands[count++] = buffer_slice(&forged);
        }
    }
    batch_write(&written, batch.time_ms, closes, batch.close_count, commands, count);
    check("writing", written.status);
    entry->data = copy(buffer_slice(&written));
    buffer_close(&forged);
    buffer_close(&written);
    batch_close(&batch);
}

int main(int argc, char **argv)
{
    bool drops = argc == 5 && strcmp(argv[4], "drop") == 0;
    if (!drops && !(argc == 7 && strcmp(argv[4], "replace") == 0)) {
        fprintf(stderr, "usage: forge LOG_DIRECTORY INDEX POSITION drop | replace OLD NEW\n");
        return 1;
    }
    const char *const words[3] = {argv[4], drops ? NULL : argv[5], drops ? NULL : argv[6]};
    uint64_t index = strtoull(argv[2], NULL, 10);
    struct log *log;
    check("the log", log_journal_open(argv[1], NULL, &log));
    check("reading", log_read(log, index, log_last_index(log), keep, NULL));
    forge_entry(&entries[0], (uint32_t)strtoul(argv[3], NULL, 10), words);
    check("writing", log_append(log, index, entries, entry_count));
    log_close(log);
    for (size_t i = 0; i < entry_count; i++) {
        free((void *)(uintptr_t)entries[i].data.data);
    }
    return 0;
}
