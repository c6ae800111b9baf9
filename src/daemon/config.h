/* The configuration of a node: flags, then environment, then an INI file, in that order of
 * strength.
 *
 * Everything wrong is one line that says where, what, and what was probably meant. `--check-config`
 * and the start of a node come through the same two functions here, so a node refuses exactly what
 * the check refuses.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/logger.h"
#include "daemon/settings.h"

enum config_action {
    CONFIG_RUN,
    CONFIG_CHECK,
    CONFIG_HELP,
    CONFIG_VERSION
};

struct config {
    enum config_action action;
    const char *file;      /* --config or CONCLAVE_CONFIG, or NULL; the caller's text */
    const char *bootstrap; /* --bootstrap, or NULL */
    const char *join;      /* --join, or NULL; not both */
    const char *restore;   /* --restore, or NULL; only with --bootstrap */
    struct settings settings;
    uint64_t node_id;
    unsigned connection_rate, member_rate; /* a second; 0: no limit */
    uint64_t idle_ms;                      /* 0: no limit */
    unsigned workers, heartbeat_ms, election_ms;
    bool tls; /* certificates are given */
    bool client_certificates_required;
    enum logger_level log_level;
    enum logger_format log_format;
};

/* Reads and checks everything that can be checked without touching the disk but the file itself.
 * CONFIG with `error` set. `environment` is like environ. When the action is HELP or VERSION
 * nothing else is read. */
enum conclave_code config_load(struct config *config, int argc, char **argv,
                               char *const *environment, struct settings_error *error) MUST_USE;

/* Checks what the disk has to say: the data directory (there, or can be made), the log file's
 * directory, the certificates, the genesis file and that this node is in it, the ticket. CONFIG
 * with `error` set. */
enum conclave_code config_check(const struct config *config, struct settings_error *error) MUST_USE;

/* What --help prints. */
void config_help(void);

#endif
