/* The table of settings, and the check of one value. */
#include "daemon/settings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rate.h"
#include "daemon/suggest.h"
#include "net/address.h"

/* In the order of enum logger_level and enum logger_format. */
static const char *const levels[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const formats[] = {"logfmt", "json", NULL};
static const char *const client_certificates[] = {"optional", "required", NULL};

const struct setting_info settings_table[SETTING_COUNT] = {
    [SETTING_NODE_ID] = {"node", "id", "CONCLAVE_NODE_ID", "node-id", SETTING_NUMBER,
                         .required = true, .min = 1, .max = INT64_MAX, .value_name = "N",
                         .help = "this node's number in the genesis file (required)"},
    [SETTING_DATA_DIR] = {"node", "data_dir", "CONCLAVE_DATA_DIR", "data-dir", SETTING_PATH,
                          .standard = "/var/lib/conclave", .value_name = "DIR",
                          .help = "where the log and the state are kept"},
    [SETTING_NODE_KEY] = {"node", "node_key", "CONCLAVE_NODE_KEY", "node-key", SETTING_PATH,
                          .standard = "", .value_name = "FILE",
                          .help = "the key that signs checkpoints, mode 0600 (default: the data "
                                  "directory's name and .key)"},
    [SETTING_LISTEN_PEER] = {"node", "listen_peer", "CONCLAVE_LISTEN_PEER", "listen-peer",
                             SETTING_ADDRESS, .standard = "", .value_name = "IP:PORT",
                             .help =
                                 "listen here for other nodes, not on the genesis file's address"},
    [SETTING_LISTEN_CLIENT] = {"node", "listen_client", "CONCLAVE_LISTEN_CLIENT", "listen-client",
                               SETTING_ADDRESS, .standard = "", .value_name = "IP:PORT",
                               .help =
                                   "listen here for clients, not on the genesis file's address"},
    [SETTING_WORKERS] = {"node", "workers", "CONCLAVE_WORKERS", "workers", SETTING_NUMBER, .min = 1,
                         .max = 64, .standard = "2", .value_name = "N",
                         .help = "threads that check signatures"},
    [SETTING_TLS_CA] = {"tls", "ca", "CONCLAVE_TLS_CA", "tls-ca", SETTING_PATH, .standard = "",
                        .value_name = "FILE",
                        .help = "certificates of the cluster's CA; with the next two, connections "
                                "are encrypted; SIGHUP reads them again"},
    [SETTING_TLS_CERTIFICATE] = {"tls", "certificate", "CONCLAVE_TLS_CERTIFICATE",
                                 "tls-certificate", SETTING_PATH, .standard = "",
                                 .value_name = "FILE", .help = "this node's certificate"},
    [SETTING_TLS_KEY] = {"tls", "key", "CONCLAVE_TLS_KEY", "tls-key", SETTING_PATH, .standard = "",
                         .value_name = "FILE", .help = "its key, readable by its owner only"},
    [SETTING_TLS_CLIENTS] = {"tls", "client_certificates", "CONCLAVE_TLS_CLIENT_CERTIFICATES",
                             "tls-client-certificates", SETTING_CHOICE,
                             .choices = client_certificates, .standard = "optional",
                             .value_name = "WHICH",
                             .help = "optional or required: may clients come without one"},
    [SETTING_CONNECTION_RATE] =
        {"limits", "connection_requests", "CONCLAVE_CONNECTION_REQUESTS", "connection-requests",
         SETTING_NUMBER, .max = RATE_MOST, .standard = "1000", .value_name = "N",
         .help = "requests a second of one connection while the node is pressed; "
                 "0: no limit; a signed command that is in order is free"},
    [SETTING_MEMBER_RATE] = {"limits", "member_commands", "CONCLAVE_MEMBER_COMMANDS",
                             "member-commands", SETTING_NUMBER, .max = RATE_MOST, .standard = "200",
                             .value_name = "N",
                             .help = "commands a second of one member who is no chair; 0: no "
                                     "limit"},
    [SETTING_IDLE_S] = {"limits", "idle_s", "CONCLAVE_IDLE_S", "idle-s", SETTING_NUMBER,
                        .max = 86400, .standard = "600", .value_name = "SECONDS",
                        .help = "a client's connection that asks nothing for so long is closed; "
                                "0: never"},
    [SETTING_HEARTBEAT_MS] = {"raft", "heartbeat_ms", "CONCLAVE_HEARTBEAT_MS", "heartbeat-ms",
                              SETTING_NUMBER, .min = 5, .max = 60000, .standard = "50",
                              .value_name = "MS", .help = "time between a leader's signs of life"},
    [SETTING_ELECTION_MS] = {"raft", "election_ms", "CONCLAVE_ELECTION_MS", "election-ms",
                             SETTING_NUMBER, .min = 15, .max = 600000, .standard = "300",
                             .value_name = "MS",
                             .help =
                                 "silence of the leader before an election, at least 3 heartbeats"},
    [SETTING_LOG_LEVEL] = {"log", "level", "CONCLAVE_LOG_LEVEL", "log-level", SETTING_CHOICE,
                           .choices = levels, .standard = "info", .value_name = "LEVEL",
                           .help = "debug, info, warn, error or off"},
    [SETTING_LOG_FORMAT] = {"log", "format", "CONCLAVE_LOG_FORMAT", "log-format", SETTING_CHOICE,
                            .choices = formats, .standard = "logfmt", .value_name = "FORMAT",
                            .help = "logfmt or json"},
    [SETTING_LOG_FILE] = {"log", "file", "CONCLAVE_LOG_FILE", "log-file", SETTING_PATH,
                          .standard = "", .value_name = "FILE",
                          .help = "log to this file, not to standard error; SIGHUP reopens it"},
    [SETTING_HTTP_ADDRESS] = {"http", "address", "CONCLAVE_HTTP_ADDRESS", "http-address",
                              SETTING_ADDRESS, .standard = "", .value_name = "IP:PORT",
                              .help = "serve /metrics, /livez and /readyz here, unencrypted; "
                                      "nothing is served unless it is set"},
};

void settings_error_set(struct settings_error *error, const char *format, ...)
{
    ASSERT(error != NULL && format != NULL);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

static bool parse_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;
    if (text[0] == '\0') {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
            *number = UINT64_MAX; /* out of every range */
            value = UINT64_MAX;
            return strspn(at, "0123456789") == strlen(at);
        }
    }
    *number = value;
    return true;
}

/* "300ms" was meant as 300. */
static enum conclave_code refuse_number(const struct setting_info *info, const char *text,
                                        const char *where, struct settings_error *error)
{
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits < 19 && text[digits] != '\0') {
        settings_error_set(error,
                           "%s: %s must be a whole number, not \"%s\" (did you mean \"%.*s\"?)",
                           where, info->key, text, (int)digits, text);
    } else {
        settings_error_set(
            error, "%s: %s must be a whole number from %" PRIu64 " to %" PRIu64 ", not \"%s\"",
            where, info->key, info->min, info->max, text);
    }
    return CONCLAVE_CONFIG;
}

static enum conclave_code check_number(const struct setting_info *info, const char *text,
                                       const char *where, struct settings_error *error)
{
    uint64_t number;
    if (!parse_number(text, &number)) {
        return refuse_number(info, text, where, error);
    }
    if (number < info->min || number > info->max) {
        settings_error_set(error, "%s: %s must be from %" PRIu64 " to %" PRIu64 ", not %s", where,
                           info->key, info->min, info->max, text);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_choice(const struct setting_info *info, const char *text,
                                       const char *where, struct settings_error *error)
{
    struct suggest best = {.word = ""};
    for (size_t i = 0; info->choices[i] != NULL; i++) {
        if (strcmp(info->choices[i], text) == 0) {
            return CONCLAVE_OK;
        }
        suggest_offer(&best, text, info->choices[i]);
    }
    if (best.word[0] != '\0') {
        settings_error_set(error, "%s: %s cannot be \"%s\" (did you mean \"%s\"?)", where,
                           info->key, text, best.word);
    } else {
        settings_error_set(error, "%s: %s cannot be \"%s\": it is %s", where, info->key, text,
                           info->help);
    }
    return CONCLAVE_CONFIG;
}

static enum conclave_code check_address(const char *text, const char *where,
                                        struct settings_error *error)
{
    union net_address address;
    struct codec_error why;
    if (text[0] == '\0') {
        return CONCLAVE_OK;
    }
    enum conclave_code code = net_address_parse(text, false, &address, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: %s", where, why.text);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_value(const struct setting_info *info, const char *text,
                                      const char *where, struct settings_error *error)
{
    switch (info->type) {
    case SETTING_NUMBER:
        return check_number(info, text, where, error);
    case SETTING_CHOICE:
        return check_choice(info, text, where, error);
    case SETTING_ADDRESS:
        return check_address(text, where, error);
    case SETTING_PATH:
        if (text[0] == '\0' && info->standard[0] != '\0') {
            settings_error_set(error, "%s: %s is empty", where, info->key);
            return CONCLAVE_CONFIG;
        }
        return CONCLAVE_OK;
    default:
        UNREACHABLE("a setting of no type");
    }
}

enum conclave_code settings_set(struct settings *settings, enum setting setting, const char *text,
                                const char *where, struct settings_error *error)
{
    ASSERT(settings != NULL && setting < SETTING_COUNT && text != NULL && where != NULL);
    const struct setting_info *info = &settings_table[setting];
    struct setting_value *value = &settings->values[setting];
    if (strlen(text) >= sizeof value->text) {
        settings_error_set(error, "%s: %s is longer than %u bytes", where, info->key,
                           SETTINGS_VALUE_BYTES - 1);
        return CONCLAVE_CONFIG;
    }
    enum conclave_code code = check_value(info, text, where, error);
    if (code != CONCLAVE_OK || value->set) {
        return code;
    }
    value->set = true;
    memcpy(value->text, text, strlen(text) + 1);
    (void)snprintf(value->where, sizeof value->where, "%s", where);
    return CONCLAVE_OK;
}

enum conclave_code settings_finish(struct settings *settings, struct settings_error *error)
{
    ASSERT(settings != NULL);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &settings_table[i];
        if (settings->values[i].set) {
            continue;
        }
        if (info->required) {
            settings_error_set(error,
                               "no %s is set: give --%s %s, %s, or %s in section [%s] of the "
                               "configuration file",
                               info->flag, info->flag, info->value_name, info->environment,
                               info->key, info->section);
            return CONCLAVE_CONFIG;
        }
        enum conclave_code code =
            settings_set(settings, (enum setting)i, info->standard, "default", error);
        ASSERT(code == CONCLAVE_OK);
    }
    return CONCLAVE_OK;
}

uint64_t settings_number(const struct settings *settings, enum setting setting)
{
    ASSERT(settings_table[setting].type == SETTING_NUMBER && settings->values[setting].set);
    uint64_t number;
    bool ok = parse_number(settings->values[setting].text, &number);
    ASSERT(ok);
    return number;
}

unsigned settings_choice(const struct settings *settings, enum setting setting)
{
    const struct setting_info *info = &settings_table[setting];
    ASSERT(info->type == SETTING_CHOICE && settings->values[setting].set);
    for (unsigned i = 0; info->choices[i] != NULL; i++) {
        if (strcmp(info->choices[i], settings->values[setting].text) == 0) {
            return i;
        }
    }
    UNREACHABLE("a choice that was checked");
}

const char *settings_text(const struct settings *settings, enum setting setting)
{
    ASSERT(setting < SETTING_COUNT && settings->values[setting].set);
    return settings->values[setting].text;
}

const char *settings_where(const struct settings *settings, enum setting setting)
{
    ASSERT(setting < SETTING_COUNT && settings->values[setting].set);
    return settings->values[setting].where;
}
