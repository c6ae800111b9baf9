/* How the journal's file looks. Pure functions; all numbers little-endian.
 *
 * The file is a row of blocks of 4,096 bytes. The first says what the file is. The others hold
 * frames: one frame is what one append wrote, it fills whole blocks, and frames have consecutive
 * sequence numbers. A frame is cut into sectors of 512 bytes, the unit that a disk writes as a
 * whole:
 *
 *   0 sequence of the frame (8)   8 payload (496)
 *   504 XXH3-64 of bytes 0 to 503, seeded with the file's id plus the sector's number in the file
 *
 * So each sector says by itself whether it is of this frame, of an earlier one, or damaged; and a
 * frame that a crash cut short (some sectors are of earlier frames or were never written) is told
 * from one that rotted. The payloads of a frame's sectors, put together, are
 *
 *   0 version (1)   1 three zero bytes   4 number of entries (4)   8 size of all this (8)
 *   16 index of the first entry (8)      24 the entries as records (log_record.h), one by one
 *
 * and zeros to the end of the last block.
 */
#ifndef LOG_LOG_FRAME_H
#define LOG_LOG_FRAME_H

#include "log/log_record.h"

#define LOG_FRAME_BLOCK_BYTES   4096u
#define LOG_FRAME_SECTOR_BYTES  512u
#define LOG_FRAME_PAYLOAD_BYTES 496u /* in a sector */
#define LOG_FRAME_HEAD_BYTES    24u

/* The first block of a file. */
struct log_frame_file {
    uint64_t id;    /* random */
    uint64_t bytes; /* of the whole file */
};
void log_frame_write_file(uint8_t block[LOG_FRAME_BLOCK_BYTES], const struct log_frame_file *file);
enum conclave_code log_frame_read_file(const uint8_t block[LOG_FRAME_BLOCK_BYTES],
                                       struct log_frame_file *file) MUST_USE;

/* Bytes in the file of a frame whose records have so many bytes together. */
uint64_t log_frame_bytes(uint64_t record_bytes);

/* Builds a frame that will stand at `offset`; `frame` has log_frame_bytes of room. The records are
 * given in order, all of them, between begin and end. */
struct log_frame_writer {
    uint8_t *frame;
    uint64_t used; /* bytes of payload so far */
};
void log_frame_begin(struct log_frame_writer *writer, uint8_t *frame, uint64_t first_index,
                     uint32_t entry_count, uint64_t record_bytes);
void log_frame_add(struct log_frame_writer *writer, struct slice record);
void log_frame_end(struct log_frame_writer *writer, uint64_t id, uint64_t sequence,
                   uint64_t offset);

/* What stands at `offset` of a file (`bytes` is the whole of it) where the frame `sequence` is the
 * next to be expected. */
enum log_frame_state {
    LOG_FRAME_NONE,  /* what was there before, or nothing */
    LOG_FRAME_TORN,  /* begun, and cut short by a crash */
    LOG_FRAME_WHOLE, /* `*frame_bytes` long */
    LOG_FRAME_DAMAGED
};
enum log_frame_state log_frame_look(struct slice bytes, uint64_t id, uint64_t offset,
                                    uint64_t sequence, uint64_t *frame_bytes);

/* Whether any sound sector of the file belongs to a frame after `sequence`. */
bool log_frame_any_after(struct slice bytes, uint64_t id, uint64_t sequence);

/* Reads a whole frame: its payload is copied into `payload` (at least its frame_bytes of room);
 * the records follow each other in `records`. CORRUPT. */
struct log_frame {
    uint64_t first_index;
    uint32_t entry_count;
    struct slice records;
};
enum conclave_code log_frame_read(struct slice frame_bytes, uint8_t *payload,
                                  struct log_frame *frame) MUST_USE;

/* Cuts the next record off the front of `records`. CORRUPT. */
enum conclave_code log_frame_next(struct slice *records, struct slice *record) MUST_USE;

#endif
