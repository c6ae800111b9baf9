/* The meta pages of an LMDB 0.9 data file: see the header.
 *
 * Two pages take turns: the transaction with number n writes page n mod 2 and leaves the other as n
 * - 1 left it.
 */
#include "log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_BYTES     152u
#define META_MAGIC     0xbeefc0deu
#define META_VERSION   1u
#define PAGE_BYTES_MIN 512u
#define PAGE_BYTES_MAX 65536u
#define PAGE_FLAG_META 0x08u

/* Pages at the end of a file that were never written, at most: LMDB gives their numbers out again.
 */
#define UNWRITTEN_PAGES 4096u

/* What of a meta page is looked at; the offsets are those of a 64-bit machine. */
struct meta {
    uint64_t page_number; /* at 0 */
    uint16_t flags;       /* at 10 */
    uint32_t magic;       /* at 16 */
    uint32_t version;     /* at 20 */
    uint32_t page_bytes;  /* at 40 */
    uint64_t free_root;   /* at 80: of the tree of free pages */
    uint64_t main_root;   /* at 128: of everything else */
    uint64_t last_page;   /* at 136 */
    uint64_t transaction; /* at 144 */
};

static struct meta load_meta(const uint8_t bytes[META_BYTES])
{
    struct meta meta;
    memcpy(&meta.page_number, bytes, sizeof meta.page_number);
    memcpy(&meta.flags, bytes + 10, sizeof meta.flags);
    memcpy(&meta.magic, bytes + 16, sizeof meta.magic);
    memcpy(&meta.version, bytes + 20, sizeof meta.version);
    memcpy(&meta.page_bytes, bytes + 40, sizeof meta.page_bytes);
    memcpy(&meta.free_root, bytes + 80, sizeof meta.free_root);
    memcpy(&meta.main_root, bytes + 128, sizeof meta.main_root);
    memcpy(&meta.last_page, bytes + 136, sizeof meta.last_page);
    memcpy(&meta.transaction, bytes + 144, sizeof meta.transaction);
    return meta;
}

/* The first two pages are never a tree's; the greatest number stands for an empty tree. */
static bool root_is_sound(uint64_t root, uint64_t last_page)
{
    return root == UINT64_MAX || (root > 1 && root <= last_page);
}

static bool meta_is_sound(const struct meta *meta, uint64_t number)
{
    return meta->page_number == number && (meta->flags & PAGE_FLAG_META) != 0 &&
           meta->magic == META_MAGIC && meta->version == META_VERSION &&
           meta->page_bytes >= PAGE_BYTES_MIN && meta->page_bytes <= PAGE_BYTES_MAX &&
           (meta->page_bytes & (meta->page_bytes - 1)) == 0;
}

/* Of the page that LMDB will go by: the other one's roots may be of a write that failed and was
 * taken back. */
static bool roots_are_sound(const struct meta *meta)
{
    return root_is_sound(meta->free_root, meta->last_page) &&
           root_is_sound(meta->main_root, meta->last_page);
}

static bool metas_agree(const struct meta metas[2], uint64_t file_bytes)
{
    unsigned newer = metas[1].transaction > metas[0].transaction;
    const struct meta *after = &metas[newer];
    const struct meta *before = &metas[1 - newer];
    if (after->page_bytes != before->page_bytes || !roots_are_sound(after) ||
        after->last_page > file_bytes / after->page_bytes + UNWRITTEN_PAGES) {
        return false;
    }
    if (after->transaction == 0) {
        return true; /* as the file was made */
    }
    return after->transaction - before->transaction == 1 && after->transaction % 2 == newer &&
           after->last_page >= before->last_page;
}

static enum conclave_code check_pages(int file)
{
    struct stat status;
    uint8_t bytes[META_BYTES];
    struct meta metas[2];
    if (fstat(file, &status) != 0) {
        return CONCLAVE_IO;
    }
    if (status.st_size == 0) {
        return CONCLAVE_OK;
    }
    off_t offset = 0;
    for (unsigned i = 0; i < 2; i++) {
        ssize_t got = pread(file, bytes, sizeof bytes, offset);
        if (got != (ssize_t)sizeof bytes) {
            return got < 0 ? CONCLAVE_IO : CONCLAVE_CORRUPT;
        }
        metas[i] = load_meta(bytes);
        if (!meta_is_sound(&metas[i], i)) {
            return CONCLAVE_CORRUPT;
        }
        offset = (off_t)metas[i].page_bytes;
    }
    return metas_agree(metas, (uint64_t)status.st_size) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code log_file_check(int folder)
{
    int file = openat(folder, LOG_FILE_NAME, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? CONCLAVE_OK : CONCLAVE_IO;
    }
    enum conclave_code rv = check_pages(file);
    return close(file) != 0 && rv == CONCLAVE_OK ? CONCLAVE_IO : rv;
}
