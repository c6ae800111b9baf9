/* How an entry, the vote and the identity are stored: a head of 32 bytes, then the data. All
 * numbers little-endian.
 *
 *   0 version (1)   1 type   2 two zero bytes   4 data size   8 term   16 XXH3-64 of the data
 *   24 XXH3-64 of bytes 0 to 23, seeded with the index
 *
 * The head's checksum covers the data's, so a record at another index, of another term or type, or
 * with other data is found; and a term can be trusted without reading the data.
 */
#ifndef LOG_LOG_RECORD_H
#define LOG_LOG_RECORD_H

#include "log/log.h"

#define LOG_RECORD_HEAD_BYTES 32u
#define LOG_RECORD_DATA_MAX   (UINT32_MAX - LOG_RECORD_HEAD_BYTES)

/* Types beside those of enum log_entry_type. Their index is 0. */
enum log_record_type {
    LOG_RECORD_VOTE = 16,
    LOG_RECORD_IDENTITY = 17,
    LOG_RECORD_COMMIT = 18,
    LOG_RECORD_MARK = 19
};

#define LOG_RECORD_VOTE_BYTES   16u
#define LOG_RECORD_COMMIT_BYTES 8u

struct log_record {
    uint8_t type;
    uint64_t term;
    struct slice data; /* within the stored bytes */
};

/* Writes the head of a record; the data follows it. */
void log_record_write_head(uint8_t head[LOG_RECORD_HEAD_BYTES], uint64_t index,
                           const struct log_record *record);

/* Reads and checks a stored record; log_record_read_head leaves the data unchecked. CORRUPT. */
enum conclave_code log_record_read(struct slice stored, uint64_t index, struct log_record *record)
    MUST_USE;
enum conclave_code log_record_read_head(struct slice stored, uint64_t index,
                                        struct log_record *record) MUST_USE;

/* The same, of an entry: CORRUPT also when the type is none of an entry's. */
enum conclave_code log_record_read_entry(struct slice stored, uint64_t index,
                                         struct log_entry *entry) MUST_USE;

/* The data of a vote's record. */
/* OK when the stored record has a sound head and `entry` is what it was made of, whether its own
 * data is damaged or not; else CORRUPT. */
enum conclave_code log_record_check_origin(struct slice stored, uint64_t index,
                                           const struct log_entry *entry) MUST_USE;

void log_record_pack_vote(uint8_t data[LOG_RECORD_VOTE_BYTES], struct log_vote vote);
struct log_vote log_record_unpack_vote(const uint8_t data[LOG_RECORD_VOTE_BYTES]);

/* The data of the record that says which commit wrote it. */
void log_record_pack_commit(uint8_t data[LOG_RECORD_COMMIT_BYTES], uint64_t commit);
uint64_t log_record_unpack_commit(const uint8_t data[LOG_RECORD_COMMIT_BYTES]);

/* How far the journal in front of a log was taken into it. */
struct log_mark {
    uint64_t journal_id;
    uint64_t sequence; /* of the first frame that was not */
    uint64_t offset;   /* where it stands, or will, in the journal's file */
    bool open;         /* there may be such frames: the log is not whole without the journal */
};
#define LOG_RECORD_MARK_BYTES 25u
void log_record_pack_mark(uint8_t data[LOG_RECORD_MARK_BYTES], const struct log_mark *mark);
struct log_mark log_record_unpack_mark(const uint8_t data[LOG_RECORD_MARK_BYTES]);

/* Whether the number is one of enum log_entry_type. */
bool log_record_is_entry_type(uint8_t type);

#endif
