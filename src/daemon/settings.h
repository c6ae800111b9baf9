/* The settings of conclaved: one table, and values as text with where they came from.
 *
 * A value is checked when it is set, whoever overrides it later, so that a mistake in a file does
 * not wait for the day when the flag in front of it goes away.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

#define SETTINGS_VALUE_BYTES 512u
#define SETTINGS_WHERE_BYTES 512u
#define SETTINGS_ERROR_BYTES 2048u

enum setting {
    SETTING_NODE_ID,
    SETTING_DATA_DIR,
    SETTING_NODE_KEY,
    SETTING_LISTEN_PEER,
    SETTING_LISTEN_CLIENT,
    SETTING_WORKERS,
    SETTING_TLS_CA,
    SETTING_TLS_CERTIFICATE,
    SETTING_TLS_KEY,
    SETTING_TLS_CLIENTS,
    SETTING_CONNECTION_RATE,
    SETTING_MEMBER_RATE,
    SETTING_IDLE_S,
    SETTING_HEARTBEAT_MS,
    SETTING_ELECTION_MS,
    SETTING_LOG_LEVEL,
    SETTING_LOG_FORMAT,
    SETTING_LOG_FILE,
    SETTING_HTTP_ADDRESS,
    SETTING_COUNT
};

enum setting_type {
    SETTING_NUMBER,  /* min to max */
    SETTING_CHOICE,  /* one of `choices` */
    SETTING_ADDRESS, /* IP:PORT, or empty */
    SETTING_PATH     /* any text; must not be empty if `required` */
};

struct setting_info {
    const char *section, *key; /* in the file */
    const char *environment;
    const char *flag; /* without the dashes */
    enum setting_type type;
    bool required;              /* no default: somebody must set it */
    uint64_t min, max;          /* NUMBER */
    const char *const *choices; /* CHOICE: ends with NULL */
    const char *value_name;     /* in --help */
    const char *standard;       /* the default, as text */
    const char *help;
};

extern const struct setting_info settings_table[SETTING_COUNT];

/* One line for people, without "conclaved: ". */
struct settings_error {
    char text[SETTINGS_ERROR_BYTES];
};
void settings_error_set(struct settings_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct setting_value {
    bool set;
    char text[SETTINGS_VALUE_BYTES];
    char where[SETTINGS_WHERE_BYTES]; /* "node.ini:3", "--node-id", "CONCLAVE_NODE_ID", "default" */
};

struct settings {
    struct setting_value values[SETTING_COUNT];
};

/* Checks a value; the first source to set one wins (sources are read in order of strength). CONFIG
 * with `error` set. */
enum conclave_code settings_set(struct settings *settings, enum setting setting, const char *text,
                                const char *where, struct settings_error *error) MUST_USE;

/* Fills in defaults; CONFIG when a required one is missing. */
enum conclave_code settings_finish(struct settings *settings, struct settings_error *error)
    MUST_USE;

uint64_t settings_number(const struct settings *settings, enum setting setting);
/* The place of the value in `choices`. */
unsigned settings_choice(const struct settings *settings, enum setting setting);
const char *settings_text(const struct settings *settings, enum setting setting);
const char *settings_where(const struct settings *settings, enum setting setting);

#endif
