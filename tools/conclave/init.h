/* What makes the files of a new cluster: of one that begins (`init`), and of one that goes on from
 * a backup (`restore`). */
#ifndef CONCLAVE_INIT_H
#define CONCLAVE_INIT_H

#include "auth/genesis.h"
#include "base/buffer.h"
#include "cli.h"

struct init_node {
    uint64_t id;
    char peer[LIMIT_ADDRESS_BYTES + 1];
    char client[LIMIT_ADDRESS_BYTES + 1];
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES];
};

struct init {
    const char *name;
    const char *chair;
    const char *out;
    const struct genesis_former *former; /* restored from a backup; NULL: a new cluster */
    const char *backup;                  /* then: the file, for the lines that start the nodes */
    char directory[CLI_PATH_BYTES];      /* `out`, absolute */
    bool tls;
    char certs[CLI_PATH_BYTES]; /* with TLS: where the certificates are */
    struct init_node nodes[LIMIT_NODES];
    size_t node_count;
    uint64_t created_ms; /* at least */
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct buffer command; /* that founds the cluster, signed */
};

/* Each returns 0, or the exit status and has said why. */

/* A cluster's name: it stands in lines of the files. */
int init_check_name(struct cli *cli, const char *name) MUST_USE;

/* The nodes, from --node. Sets `tls` where an address needs it. */
int init_take_nodes(struct cli *cli, struct init *init) MUST_USE;

/* --out: makes the directory; one in which a cluster is already is refused. */
int init_make_directory(struct cli *cli, struct init *init) MUST_USE;

/* Makes the nodes' keys, and the command, which cli->key signs. */
int init_sign(struct cli *cli, struct init *init) MUST_USE;

/* Writes everything; the genesis file last: its presence says that the rest is there. */
int init_write(struct cli *cli, const struct init *init) MUST_USE;

/* What there is now, and how the nodes are started. `made`: the chair's key is new. */
void init_print(const struct cli *cli, const struct init *init, bool made);

#define INIT_NODE_OPTION                                                                     \
    {                                                                                        \
        .name = "node", .argument = "N=PEER,CLIENT", .repeatable = true,                     \
        .help = "A node's number, its address for other nodes and its address for clients; " \
                "again for each node"                                                        \
    }
#define INIT_TLS_OPTION                                                                   \
    {                                                                                     \
        .name = "tls", .help = "Make certificates too, and encrypt all connections (the " \
                               "default as soon as an address is not loopback's)"         \
    }
#define INIT_OUT_OPTION                                                                         \
    {                                                                                           \
        .name = "out", .argument = "DIR", .help = "Where the files go; made if it is not there" \
    }

#endif
