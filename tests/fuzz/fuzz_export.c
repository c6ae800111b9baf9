/* tools/conclave/verify_export.c and src/audit: a whole export, as lines of JSON, is verified or
 * refused with one sentence.
 *
 * The input is lines; entries are MessagePack in it and become JSON here, so that what is deep in
 * them is mutated too.
 *
 * fuzz: -max_len=900 -entropic=0
 */
#include "tools/conclave/verify_export.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "fuzz/mutate.h"
#include "fuzz/state.h"
#include "support/actors.h"
#include "tools/conclave/convert.h"

static struct fuzz_file file;
static struct cli cli;
static char *said;
static size_t said_size;

void fuzz_open(void)
{
    ASSERT(auth_init() == CONCLAVE_OK);
    fuzz_file_open(&file);
    cli.output.file = fopen("/dev/null", "we");
    cli.output.error = open_memstream(&said, &said_size);
    ASSERT(cli.output.file != NULL && cli.output.error != NULL);
    cli.output.quiet = true;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    if (size > 0 && data[0] % 2 != 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    return mutate_behind(1, data, size, size_max, seed, fuzz_words);
}

/* One line for each value of the stream. */
static void write_lines(struct slice stream)
{
    struct buffer text;
    buffer_init(&text, 1u << 22);
    while (stream.size > 0) {
        struct codec_scan scan = {0};
        if (codec_scan(&scan, stream) != CODEC_SCAN_COMPLETE) {
            break;
        }
        json_t *value = convert_packed_to_json(fuzz_take_bytes(&stream, scan.offset));
        if (value == NULL) { /* whole, and yet no value: nested too deep, or of no type there is */
            break;
        }
        char *line = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        ASSERT(line != NULL);
        buffer_append(&text, line, strlen(line));
        buffer_append(&text, "\n", 1);
        free(line);
        json_decref(value);
    }
    ASSERT(text.status == CONCLAVE_OK);
    fuzz_file_write(&file, buffer_slice(&text));
    buffer_close(&text);
}

/* input: odd: the file; even: its lines packed */
void fuzz_run(struct slice input)
{
    if (fuzz_take(&input) % 2 != 0) {
        fuzz_file_write(&file, input);
    } else {
        write_lines(input);
    }
    const struct verify_wish wish = {.path = file.path};
    rewind(cli.output.error);
    int status = verify_export(&cli, &wish);
    ASSERT(fflush(cli.output.error) == 0);
    ASSERT(status == 0 || said_size > 0);
}

void fuzz_seeds(void)
{
    struct actor chair;
    struct buffer command, seed;
    actor_init(&chair, "chair");
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    actor_genesis(&chair, &command, 1, 1767225600000);
    fuzz_pack(&seed, "{'schema': 'conclave.export.v1', 'from': '1'}");
    fuzz_pack(&seed, "{'schema': 'conclave.entry.v1', 'index': '1', 'type': 'configuration', "
                     "'time': '0', 'closes': [], 'commands': []}");
    static const char entry[] = "\x86\xa6schema\xb1"
                                "conclave.entry.v1\xa5index\xa1"
                                "2\xa4type\xa5"
                                "batch\xa4time\xad"
                                "1767225600000\xa6"
                                "closes\x90\xa8"
                                "commands\x91\x82\xa4"
                                "code\xa2ok\xa7"
                                "command";
    buffer_append(&seed, entry, sizeof entry - 1);
    codec_write_bytes(&seed, buffer_slice(&command));
    fuzz_pack(&seed, "{'schema': 'conclave.end.v1', 'entries': '2'}");
    fuzz_seed_buffer("genesis", "0", &seed);
    fuzz_seed_text("file", "1{\"schema\":\"conclave.export.v1\",\"from\":\"1\"}\n"
                           "{\"schema\":\"conclave.end.v1\",\"entries\":\"0\"}\n");
    buffer_close(&seed);
    buffer_close(&command);
}
