/* src/auth/join.h: a ticket that is read, and written again, is read as the same. A wrong one is
 * wrong in a line that there is.
 *
 * fuzz: -max_len=1024
 */
#include "auth/join.h"

#include "fuzz/harness.h"

static struct buffer written;

void fuzz_open(void)
{
    buffer_init(&written, JOIN_TICKET_BYTES);
}

void fuzz_run(struct slice input)
{
    struct join_ticket ticket, again;
    unsigned line = 0;
    enum conclave_code code = join_ticket_parse(input, &ticket, &line);
    if (code != CONCLAVE_OK) {
        ASSERT(code == CONCLAVE_BAD_REQUEST && line <= input.size + 1);
        return;
    }
    ASSERT(ticket.node_id != 0 && ticket.node_count >= 1 && ticket.node_count <= LIMIT_NODES);
    buffer_clear(&written);
    join_ticket_write(&written, &ticket);
    ASSERT(written.status == CONCLAVE_OK);
    code = join_ticket_parse(buffer_slice(&written), &again, &line);
    ASSERT(code == CONCLAVE_OK && memcmp(&ticket, &again, sizeof ticket) == 0);
}

void fuzz_seeds(void)
{
    fuzz_seed_text("ticket", "conclave-join-v1 000102030405060708090a0b0c0d0e0f 4 "
                             "YSB0b2tlbiBvZiB0aGlydHktdHdvIGNoYXJhY3RlcnM\n"
                             "self 127.0.0.1:7104 127.0.0.1:7204\nnode 1 127.0.0.1:7101\n"
                             "node 3 [::1]:7103\n");
    fuzz_seed_text("no-token", "# told\nconclave-join-v1 000102030405060708090a0b0c0d0e0f 4 -\n"
                               "self a:1 b:1\n\nnode 18 c:1");
}
