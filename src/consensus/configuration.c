/* Raft configurations: the format is the library's (its src/configuration.c): one byte of version,
 * the count in 8 bytes, then for each server its id in 8 bytes, its address with a NUL, one byte of
 * role; zeros up to a multiple of 8 bytes. All integers are little endian. */
#include "consensus/configuration.h"

#define FORMAT_VERSION 1u

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    return value;
}

struct server_view {
    uint64_t id;
    struct slice address;
};

/* The server that begins at *offset; moves past it. */
static bool read_server(struct slice bytes, size_t *offset, struct server_view *server)
{
    if (bytes.size - *offset < 8) {
        return false;
    }
    server->id = read_u64(bytes.data + *offset);
    *offset += 8;
    const uint8_t *address = bytes.data + *offset;
    const uint8_t *end = memchr(address, 0, bytes.size - *offset);
    if (end == NULL) {
        return false;
    }
    server->address = slice_of(address, (size_t)(end - address));
    *offset += server->address.size + 1;
    if (*offset >= bytes.size) {
        return false;
    }
    uint8_t role = bytes.data[*offset];
    *offset += 1;
    return server->id != 0 && server->address.size >= 1 &&
           server->address.size <= LIMIT_ADDRESS_BYTES && role <= RAFT_SPARE;
}

bool configuration_valid(struct slice bytes)
{
    if (bytes.size < 9 || bytes.size > CONFIGURATION_BYTES_MAX || bytes.data[0] != FORMAT_VERSION) {
        return false;
    }
    uint64_t count = read_u64(bytes.data + 1);
    if (count == 0 || count > LIMIT_NODES) {
        return false;
    }
    struct server_view servers[LIMIT_NODES];
    size_t offset = 9;
    for (uint64_t i = 0; i < count; i++) {
        if (!read_server(bytes, &offset, &servers[i])) {
            return false;
        }
        for (uint64_t j = 0; j < i; j++) {
            if (servers[j].id == servers[i].id ||
                slice_equal(servers[j].address, servers[i].address)) {
                return false;
            }
        }
    }
    return true;
}

enum conclave_code configuration_decode(struct slice bytes,
                                        struct raft_configuration *configuration)
{
    ASSERT(configuration != NULL);
    if (!configuration_valid(bytes)) {
        return CONCLAVE_CORRUPT;
    }
    struct raft_buffer buffer = {.base = (void *)(uintptr_t)bytes.data, .len = bytes.size};
    int rv = raft_configuration_decode(&buffer, configuration);
    if (rv != 0) {
        return rv == RAFT_NOMEM ? CONCLAVE_NO_MEMORY : CONCLAVE_CORRUPT;
    }
    return CONCLAVE_OK;
}

const struct raft_server *configuration_find(const struct raft_configuration *configuration,
                                             uint64_t node_id)
{
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == node_id) {
            return &configuration->servers[i];
        }
    }
    return NULL;
}

unsigned configuration_voters(const struct raft_configuration *configuration)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        voters += configuration->servers[i].role == RAFT_VOTER;
    }
    return voters;
}

bool configuration_is_voter(const struct raft_configuration *configuration, uint64_t node_id)
{
    const struct raft_server *server = configuration_find(configuration, node_id);
    return server != NULL && server->role == RAFT_VOTER;
}
