/* Making the files of a directory of certificates. */
#include "certs_make.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "key.h"

static struct issue_files files_of(const char *directory, const char *name,
                                   struct certs_paths *paths)
{
    ASSERT(strlen(directory) < CERTS_DIRECTORY_BYTES);
    (void)snprintf(paths->certificate, sizeof paths->certificate, "%s/%s.pem", directory, name);
    (void)snprintf(paths->key, sizeof paths->key, "%s/%s.key", directory, name);
    return (struct issue_files){.certificate = paths->certificate, .key = paths->key};
}

struct issue_files certs_ca_files(const char *directory, struct certs_paths *paths)
{
    return files_of(directory, "ca", paths);
}

struct issue_files certs_node_files(const char *directory, uint64_t node_id,
                                    struct certs_paths *paths)
{
    char name[32];
    (void)snprintf(name, sizeof name, "node%" PRIu64, node_id);
    return files_of(directory, name, paths);
}

struct issue_files certs_client_files(const char *directory, const char *name,
                                      struct certs_paths *paths)
{
    char whole[96];
    (void)snprintf(whole, sizeof whole, "client-%.64s", name);
    return files_of(directory, whole, paths);
}

int certs_fail(struct cli *cli, enum conclave_code code, const struct tls_error *error)
{
    const char *hint = "";
    if (code == CONCLAVE_USAGE) {
        hint = "nothing is overwritten: `conclave certs renew` and `certs rotate` replace what is "
               "there";
    }
    return cli_error(cli, code == CONCLAVE_BAD_VALUE ? CONCLAVE_USAGE : code, hint, "%s",
                     error->text);
}

int certs_make_directory(struct cli *cli, const char *directory)
{
    char path[CLI_PATH_BYTES];
    if (strlen(directory) >= CERTS_DIRECTORY_BYTES) {
        return cli_usage(cli, "%s: the path is too long", directory);
    }
    (void)snprintf(path, sizeof path, "%s/", directory);
    if (!key_make_parents(path)) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be made: %s", directory, strerror(errno));
    }
    return 0;
}

int certs_make_ca(struct cli *cli, const char *directory,
                  const uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES], const char *name,
                  enum issue_algorithm algorithm, unsigned days, bool beside_the_old)
{
    struct certs_paths paths;
    struct tls_error error;
    const struct issue_files files = certs_ca_files(directory, &paths);
    struct issue_request request = {
        .kind = CERTIFICATE_CA, .name = name, .algorithm = algorithm, .days = days};
    memcpy(request.cluster_id, cluster_id, sizeof request.cluster_id);
    enum conclave_code code = issue_ca(&request, &files, beside_the_old, &error);
    return code == CONCLAVE_OK ? 0 : certs_fail(cli, code, &error);
}

int certs_make_node(struct cli *cli, const char *directory,
                    const uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES], uint64_t node_id,
                    const char *const *hosts, size_t host_count, enum issue_algorithm algorithm,
                    unsigned days)
{
    struct certs_paths ca_paths, paths;
    struct tls_error error;
    const struct issue_files ca = certs_ca_files(directory, &ca_paths);
    const struct issue_files files = certs_node_files(directory, node_id, &paths);
    struct issue_request request = {.kind = CERTIFICATE_NODE,
                                    .node_id = node_id,
                                    .host_count = host_count,
                                    .algorithm = algorithm,
                                    .days = days};
    ASSERT(host_count <= ISSUE_HOSTS_MAX);
    memcpy(request.cluster_id, cluster_id, sizeof request.cluster_id);
    for (size_t i = 0; i < host_count; i++) {
        request.hosts[i] = hosts[i];
    }
    enum conclave_code code = issue_certificate(&request, &ca, &files, &error);
    return code == CONCLAVE_OK ? 0 : certs_fail(cli, code, &error);
}
