/* conclaved: one node of a Conclave cluster. docs/man/conclaved.8 is its manual. */
#include <conclave/limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/process.h"
#include "daemon/node.h"

#define DESCRIPTORS_SPARE 256u /* peers, files, those that are turned away */

/* Descriptors for all the connections that the limits allow: the soft limit of most systems is
 * less. Where the hard one is too, connections are refused sooner, and the log says so. */
static void raise_descriptors(void)
{
    const rlim_t wanted = LIMIT_CONNECTIONS + DESCRIPTORS_SPARE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        LOG_WARN("the system allows fewer descriptors than there may be connections",
                 FIELD_U64("allowed", limit.rlim_cur), FIELD_U64("wanted", wanted));
    }
}

/* libuv's pool does nothing but check signatures here: it has as many threads as there are workers.
 */
static int start(const struct config *config)
{
    char workers[16];
    const char *log_file = settings_text(&config->settings, SETTING_LOG_FILE);
    (void)snprintf(workers, sizeof workers, "%u", config->workers);
    if (setenv("UV_THREADPOOL_SIZE", workers, 1) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        auth_init() != CONCLAVE_OK || auth_process_protect() != CONCLAVE_OK) {
        (void)fputs("conclaved: the process could not be set up\n", stderr);
        return NODE_FAILED;
    }
    logger_configure(config->log_level, config->log_format, config->node_id);
    if (log_file[0] != '\0' && logger_open(log_file) != CONCLAVE_OK) {
        (void)fprintf(stderr, "conclaved: %s: \"%s\" cannot be opened\n",
                      settings_where(&config->settings, SETTING_LOG_FILE), log_file);
        return NODE_CONFIG;
    }
    raise_descriptors();
    enum node_status status = node_run(config);
    logger_close();
    return (int)status;
}

int main(int argc, char **argv)
{
    static struct config config;
    static struct settings_error error;
    enum conclave_code code = config_load(&config, argc, argv, environ, &error);
    if (code == CONCLAVE_OK && config.action == CONFIG_HELP) {
        config_help();
        return 0;
    }
    if (code == CONCLAVE_OK && config.action == CONFIG_VERSION) {
        (void)puts("conclaved " CONCLAVE_VERSION);
        return 0;
    }
    if (code == CONCLAVE_OK) {
        code = config_check(&config, &error);
    }
    if (code != CONCLAVE_OK) {
        (void)fprintf(stderr, "conclaved: %s\n", error.text);
        return NODE_CONFIG;
    }
    return config.action == CONFIG_CHECK ? 0 : start(&config);
}
