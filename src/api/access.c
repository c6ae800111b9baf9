/* See access.h. */
#include "api/access.h"

#include "api/answer.h"
#include "api/session.h"
#include "base/logger.h"

#define ACCESS_REMEMBERED_MS 1000u

static bool is_fresh(const struct api *api, uint64_t generation, uint64_t checked_ms)
{
    uint64_t now_ms = clock_monotonic_ms(api->clock);
    return generation == api->access_generation && now_ms - checked_ms < ACCESS_REMEMBERED_MS;
}

bool access_reads_public(struct api *api, enum conclave_code *code)
{
    ASSERT(api != NULL && code != NULL);
    *code = CONCLAVE_OK;
    if (!is_fresh(api, api->reads_generation, api->reads_checked_ms)) {
        *code = api->operations->reads_public(api->replica, &api->reads_public);
        if (*code == CONCLAVE_NOT_FOUND) { /* before genesis there is nothing to read */
            *code = CONCLAVE_OK;
            api->reads_public = true;
        }
        if (*code != CONCLAVE_OK) {
            return false;
        }
        api->reads_generation = api->access_generation;
        api->reads_checked_ms = clock_monotonic_ms(api->clock);
    }
    return api->reads_public;
}

static void remember(struct api *api, struct api_connection *connection, role_set roles)
{
    connection->roles = roles;
    connection->roles_generation = api->access_generation;
    connection->roles_checked_ms = clock_monotonic_ms(api->clock);
}

void access_grant(struct api *api, struct api_connection *connection, struct slice member,
                  const struct model_author *author)
{
    ASSERT(api != NULL && connection != NULL && author != NULL);
    ASSERT(member.size > 0 && member.size <= sizeof connection->member);
    memcpy(connection->member, member.data, member.size);
    connection->member_size = member.size;
    memcpy(connection->member_key, author->public_key, sizeof connection->member_key);
    remember(api, connection, author->roles);
}

/* What the session holds now. A member who may not have a session any more loses it here. */
static enum conclave_code roles_of(struct api *api, struct api_connection *connection,
                                   role_set *roles)
{
    *roles = ROLE_SET(ROLE_NOBODY);
    if (connection->member_size == 0) {
        return CONCLAVE_OK;
    }
    if (!is_fresh(api, connection->roles_generation, connection->roles_checked_ms)) {
        struct model_author author;
        enum conclave_code rv = api->operations->author(
            api->replica, slice_of(connection->member, connection->member_size), &author);
        if (rv != CONCLAVE_OK && rv != CONCLAVE_UNKNOWN_AUTHOR) {
            return rv;
        }
        bool same_key = rv == CONCLAVE_OK && memcmp(author.public_key, connection->member_key,
                                                    sizeof connection->member_key) == 0;
        if (!same_key || (author.roles & ROLES_OF_SESSIONS) == 0) {
            LOG_DEBUG("a member's session ended", FIELD_U64("connection", connection->id));
            connection->member_size = 0;
            return CONCLAVE_OK;
        }
        remember(api, connection, author.roles);
    }
    *roles = connection->roles;
    return CONCLAVE_OK;
}

static enum conclave_code decide(struct api *api, struct api_connection *connection,
                                 const struct api_method *method, bool *allowed)
{
    const struct role_rule *rule = role_rule_find(ROLE_METHOD, slice_of_text(method->name));
    *allowed = false;
    if (rule == NULL) {
        return CONCLAVE_OK;
    }
    if (role_allows(rule, ROLE_SET(ROLE_NOBODY), false)) {
        *allowed = true;
        return CONCLAVE_OK;
    }
    role_set roles = ROLE_SET(ROLE_NOBODY);
    enum conclave_code rv;
    bool reads_public = access_reads_public(api, &rv);
    if (rv == CONCLAVE_OK) {
        rv = roles_of(api, connection, &roles);
    }
    *allowed = rv == CONCLAVE_OK && role_allows(rule, roles, reads_public);
    return rv;
}

bool access_check(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL && request->method != NULL);
    bool allowed;
    enum conclave_code rv = decide(request->api, request->connection, request->method, &allowed);
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, "");
    } else if (!allowed) {
        struct answer_error error;
        answer_error_set(&error, CONCLAVE_PROOF_NEEDED,
                         "%s is for members in this cluster: prove that you are one with `prove` "
                         "on this connection (docs/PROTOCOL.md, \"Sessions\")",
                         request->method->name);
        answer_refuse(request, &error);
    }
    return allowed;
}

void access_event(struct api *api, struct slice event)
{
    static const struct {
        const char *type;
        size_t size;
    } harmless[] = {
#define TYPE(text) {"\xa4type" text, sizeof("\xa4type" text) - 1}
        TYPE("\xa9"
             "ballot.in"),
        TYPE("\xab"
             "poll.opened"),
        TYPE("\xab"
             "poll.closed"),
        TYPE("\xae"
             "policy.changed"),
        TYPE("\xb0"
             "proposal.changed"),
        TYPE("\xae"
             "leader.changed"),
#undef TYPE
    };
    ASSERT(api != NULL && event.size > 0);
    /* Events begin with their type. What is not known to change nothing may change something. */
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (event.size > harmless[i].size &&
            memcmp(event.data + 1, harmless[i].type, harmless[i].size) == 0) {
            return;
        }
    }
    api->access_generation++;
}

void access_check_watchers(struct api *api)
{
    ASSERT(api != NULL);
    if (api->watchers_generation == api->access_generation) {
        return;
    }
    api->watchers_generation = api->access_generation;
    static const struct api_method watch = {.name = "watch"};
    struct api_connection *watcher = api->watchers;
    while (watcher != NULL) {
        struct api_connection *next = watcher->watch_next;
        bool allowed;
        /* Without an answer they go: they come back and are told what is wrong. */
        if (decide(api, watcher, &watch, &allowed) != CONCLAVE_OK || !allowed) {
            session_end(api, watcher);
        }
        watcher = next;
    }
}
