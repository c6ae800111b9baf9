/* What a witness remembers, in a directory of its own:
 *
 *   genesis        the cluster's genesis command: whose checkpoints it takes, for ever
 *   witness.key    its key (unless another file is named); the id in it is its name on notes
 *   checkpoint     the last checkpoint that it found consistent, with its own cosignature
 *   cosigned/N     the same, a file for each, N the size in 20 digits
 *   evidence/...   two checkpoints that contradict each other, and what the cluster said to that
 *   LOCK           one witness a directory: a key must not sign two histories
 *
 * `checkpoint` is on the disk before a cosignature leaves for `cosigned`, so that a witness that
 * was killed never signs against what it signed before.
 */
#ifndef CONCLAVE_WITNESS_STATE_H
#define CONCLAVE_WITNESS_STATE_H

#include "record_ask.h"

struct witness_state {
    char directory[CLI_PATH_BYTES];
    int lock; /* descriptor; -1: none */
    struct auth_key key;
    struct note_key name; /* its key as notes have it */
    struct checkpoint_nodes nodes;
    bool has_last;
    struct record_checkpoint last;
};

/* Opens or makes the directory, its key and what it knows. Takes the cluster from the nodes the
 * first time, and from the directory ever after. Nonzero: the exit status. witness_state_close
 * always. */
int witness_state_open(struct cli *cli, const char *directory, struct witness_state *state)
    MUST_USE;
void witness_state_close(struct witness_state *state);

/* Cosigns and remembers. `path` gets the file in cosigned/. Nonzero: the exit status. */
int witness_state_cosign(struct cli *cli, struct witness_state *state,
                         const struct record_checkpoint *checkpoint, char path[CLI_PATH_BYTES])
    MUST_USE;

/* Appends the note with a cosignature of `key` for `time_s` added. */
void witness_write_cosigned(struct buffer *buffer, struct slice note, const struct note_key *name,
                            const struct auth_key *key, uint64_t time_s);

/* Keeps both checkpoints, the sentence, and the proof that the cluster gave (NULL: none). `path`
 * gets the file. Nonzero: the exit status. */
int witness_state_keep_evidence(struct cli *cli, const struct witness_state *state,
                                const struct record_checkpoint *now,
                                const struct record_proof *proof, const char *sentence,
                                char path[CLI_PATH_BYTES]) MUST_USE;

/* What is wrong between the last checkpoint and another, if anything is. */
enum witness_verdict {
    WITNESS_NEWER, /* consistent, and has more */
    WITNESS_SAME,
    WITNESS_OLDER, /* consistent, and has less: a node that lags */
    WITNESS_FORK
};

/* Of two checkpoints, and the consistency proof from the smaller to the larger one (not looked at
 * when their sizes are equal; NULL: the cluster has none). FORK writes the sentence, with both
 * sizes and roots. Pure. */
#define WITNESS_SENTENCE_BYTES 512u
enum witness_verdict witness_compare(const struct checkpoint *last, const struct checkpoint *now,
                                     const struct merkle_proof *proof,
                                     char sentence[WITNESS_SENTENCE_BYTES]);

#endif
