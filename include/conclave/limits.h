/* Every limit of Conclave, in one place.
 *
 * Each limit has a typed refusal (see codes.h): nothing grows without bound, and overload is
 * answered, never met with silence. Units are in the names. Changing a value that the state machine
 * checks (the second group) changes what the log means: it needs a new state machine version.
 */
#ifndef CONCLAVE_LIMITS_H
#define CONCLAVE_LIMITS_H

/* Transport and admission: a node may change these without its peers. */
#define LIMIT_FRAME_BYTES (1024u * 1024u) /* one message on any connection */
#define LIMIT_ANSWER_BYTES \
    (4u * 1024u * 1024u) /* one answer to a client: one log entry may pass a frame */
#define LIMIT_PEER_FRAME_BYTES    (8u * 1024u * 1024u) /* one message between nodes */
#define LIMIT_NESTING             16u                  /* depth of a MessagePack value */
#define LIMIT_CONNECTIONS         4096u                /* client connections of a node */
#define LIMIT_HALF_OPEN           256u                 /* TLS handshakes under way at a listener */
#define LIMIT_HANDSHAKE_MS        5000u  /* a TLS handshake of somebody who connects */
#define LIMIT_HANDSHAKES_A_SECOND 500u   /* that begin at a listener; twice as many at once */
#define LIMIT_SILENT              1024u  /* client connections that have not asked anything yet */
#define LIMIT_SILENT_MS           10000u /* and how long they may stay so */
#define LIMIT_MESSAGE_MS          30000u /* from the first byte of a message to its last */
#define LIMIT_IDLE_MS             (600u * 1000u) /* client connections on which nothing happens */
#define LIMIT_IDLE_LEAST_MS       10000u /* when all are taken: the longest idle one makes room */
#define LIMIT_CONNECTION_RATE     1000u  /* requests a second on one connection when pressed */
#define LIMIT_MEMBER_RATE         200u   /* commands a second of one member, by default */
#define LIMIT_STALLED_MS          30000u /* a client takes what was sent to it within this time */
#define LIMIT_UNREAD_BYTES \
    (1024u * 1024u) /* unsent bytes of a client before no more is taken from it */
#define LIMIT_OUTPUT_BYTES \
    (512u * 1024u * 1024u) /* unsent bytes of all clients before the slowest are cut off */
#define LIMIT_INPUT_BYTES \
    (256u * 1024u * 1024u)                /* of long messages that are not whole, of all clients */
#define LIMIT_CONNECTION_QUEUE       256u /* requests under way on one connection */
#define LIMIT_CONNECTION_QUEUE_BYTES (16u * 1024u * 1024u) /* and their bytes */
#define LIMIT_QUERY_BYTES            4096u                 /* one request to read */
#define LIMIT_CONNECTION_OUTPUT_BYTES \
    (8u * 1024u * 1024u)                     /* unsent bytes before a reader is cut off */
#define LIMIT_COMMANDS_IN_FLIGHT       8192u /* commands of a node not yet decided */
#define LIMIT_COMMANDS_IN_FLIGHT_BYTES (64u * 1024u * 1024u) /* and their bytes */
#define LIMIT_READS_IN_FLIGHT          8192u          /* reads of a node waiting for their index */
#define LIMIT_WATCHERS                 256u           /* watching connections of a node */
#define LIMIT_PAGE_ITEMS               1000u          /* items in one answer to a list query */
#define LIMIT_PAGE_BYTES               (512u * 1024u) /* bytes in one answer to a list query */
#define LIMIT_ENDPOINTS                16u            /* addresses that one client object knows */
#define LIMIT_REQUEST_TIMEOUT_MS       (60u * 1000u)  /* a node keeps a request waiting */

/* Disks. What is kept of the log's file for terms, votes and a start when the disk is full, and of
 * the state's to finish what is under way then; what is taken at once when one of them grows; and
 * the reading for damage: its rate, a chunk, and the rest between two rounds. */
#define LIMIT_DISK_RESERVE_BYTES   (12u * 1024u * 1024u)
#define LIMIT_STATE_ROOM_BYTES     (16u * 1024u * 1024u)
#define LIMIT_DISK_AHEAD_BYTES     (4u * 1024u * 1024u)
#define LIMIT_SCRUB_BYTES_A_SECOND (1024u * 1024u)
#define LIMIT_SCRUB_CHUNK_BYTES    (256u * 1024u)
#define LIMIT_SCRUB_REST_MS        (600u * 1000u)

/* Consensus. */
#define LIMIT_NODES               7u                    /* servers in a cluster's configuration */
#define LIMIT_NODE_IDS            64u                   /* nodes that there ever were */
#define LIMIT_BATCH_COMMANDS      1024u                 /* commands in one log entry */
#define LIMIT_BATCH_BYTES         (512u * 1024u)        /* of one log entry: fits one answer */
#define LIMIT_UNCOMMITTED_ENTRIES 256u                  /* M8: entries past the commit index */
#define LIMIT_APPEND_BYTES        (4u * 1024u * 1024u)  /* entries carried by one AppendEntries */
#define LIMIT_CACHE_BYTES         (16u * 1024u * 1024u) /* recent log entries kept in memory */
#define LIMIT_ADDRESS_BYTES       64u                   /* "127.0.0.1:7101" */

/* The state machine: part of what the log means. */
#define LIMIT_ID_BYTES            64u /* ids of members, proposals, polls, policies */
#define LIMIT_TITLE_BYTES         256u
#define LIMIT_NAME_BYTES          128u
#define LIMIT_COMMAND_BYTES       (96u * 1024u) /* a signed envelope of any kind */
#define LIMIT_BALLOT_BYTES        (64u * 1024u) /* a signed envelope that casts a ballot */
#define LIMIT_RATIONALE_BYTES     8192u         /* one rationale or veto justification */
#define LIMIT_PROPOSAL_BODY_BYTES (64u * 1024u)
#define LIMIT_MEMBERS             1000000u
#define LIMIT_WEIGHT              1000000000u /* 10^9: sums stay below 2^63 */
#define LIMIT_CLASSES             16u         /* classes of one member */
#define LIMIT_ROLES               16u         /* roles of one member */
#define LIMIT_LABEL_BYTES         48u         /* a class or role name */
#define LIMIT_MEMBER_KEYS         64u         /* keys that one member has, one after the other */
#define LIMIT_QUESTIONS           64u         /* questions of one poll */
#define LIMIT_SECTIONS            16u         /* template sections of a rationale rule */
#define LIMIT_SCORE               1000u       /* the largest score */
#define LIMIT_FRACTION            1000000u    /* numerator and denominator of a policy's fraction */
#define LIMIT_REVISIONS           1000u       /* revisions of one proposal */
#define LIMIT_OPEN_POLLS          1024u
#define LIMIT_POLL_DURATION_MS    (366ull * 24u * 3600u * 1000u)
/* How far ahead of log time not_after may be. */
#define LIMIT_NOT_AFTER_AHEAD_MS (24ull * 3600u * 1000u)
/* Entries of the reply table that one batch drops. */
#define LIMIT_REPLIES_EXPIRED_PER_BATCH 4096u

#endif
