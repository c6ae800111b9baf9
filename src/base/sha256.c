/* By OpenSSL, which knows the processor; libsodium's code is portable and takes several times as
 * long. Where OpenSSL has no memory or no SHA-256, libsodium does it: a hash cannot fail. Each
 * thread keeps its context, since making one takes as long as hashing. */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>

#include "base/assert.h"

_Static_assert(SHA256_BYTES == crypto_hash_sha256_BYTES, "one SHA-256");

static pthread_once_t started = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm;         /* for as long as the process lives; NULL: there is none */
static pthread_key_t thread_ends; /* frees the context of a thread that ends */
static _Thread_local EVP_MD_CTX *own_context;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void start(void)
{
    if (pthread_key_create(&thread_ends, free_context) == 0) {
        algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
}

/* The thread's context, or NULL. */
static EVP_MD_CTX *context_of_thread(void)
{
    if (own_context != NULL) {
        return own_context;
    }
    if (pthread_once(&started, start) != 0 || algorithm == NULL) {
        return NULL;
    }
    EVP_MD_CTX *made = EVP_MD_CTX_new();
    if (made != NULL && pthread_setspecific(thread_ends, made) != 0) {
        EVP_MD_CTX_free(made);
        made = NULL;
    }
    own_context = made;
    return made;
}

static bool by_openssl(const struct slice *parts, size_t count, uint8_t digest[SHA256_BYTES])
{
    unsigned size = 0;
    EVP_MD_CTX *context = context_of_thread();
    bool done = context != NULL && EVP_DigestInit_ex2(context, algorithm, NULL) == 1;
    for (size_t i = 0; i < count && done; i++) {
        done = parts[i].size == 0 || EVP_DigestUpdate(context, parts[i].data, parts[i].size) == 1;
    }
    return done && EVP_DigestFinal_ex(context, digest, &size) == 1 && size == SHA256_BYTES;
}

static void by_libsodium(const struct slice *parts, size_t count, uint8_t digest[SHA256_BYTES])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++) {
        crypto_hash_sha256_update(&state, parts[i].data, parts[i].size);
    }
    crypto_hash_sha256_final(&state, digest);
}

void sha256_parts(const struct slice *parts, size_t count, uint8_t digest[SHA256_BYTES])
{
    ASSERT(parts != NULL && digest != NULL);
    if (!by_openssl(parts, count, digest)) {
        by_libsodium(parts, count, digest);
    }
}

void sha256(struct slice message, uint8_t digest[SHA256_BYTES])
{
    sha256_parts(&message, 1, digest);
}
