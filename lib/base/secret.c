/* Where secrets live: guarded pages that are locked, wiped and kept out of dumps. Decides nothing
 * about keys; it does not know one secret from another. */
#include "lib/base/secret.h"

#include <assert.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <sodium.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SECRET_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SECRET_SANITIZED 1
#endif

/* RLIMIT_CORE alone is not enough: the kernel ignores it when dumps are piped to a collector. Not
 * being dumpable also keeps other processes of the same user from attaching. The leak checker of a
 * sanitized build attaches to its own process, so such builds stay dumpable. */
static bool
forbid_dumps(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return false;
    }
#ifdef SECRET_SANITIZED
    return true;
#else
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
#endif
}

/* sodium_malloc hides a failed lock, so it is tried once, openly, at the start. */
static bool
can_lock(void)
{
    static unsigned char probe[64];
    if (sodium_mlock(probe, sizeof(probe)) != 0) {
        return false;
    }
    (void)sodium_munlock(probe, sizeof(probe)); /* it holds nothing; staying locked is no harm */
    return true;
}

enum err
secret_start(bool *locked_out)
{
    if (sodium_init() < 0 || !forbid_dumps()) {
        return ERR_INTERNAL;
    }
    *locked_out = can_lock();
    return ERR_OK;
}

void *
secret_alloc(size_t len)
{
    /* The memory ends at a page's end, so its alignment is that of `len`: right for any struct. */
    void *secret = sodium_malloc(len);
    if (secret != NULL) {
        memset(secret, 0, len);
    }
    return secret;
}

void
secret_free(void *secret)
{
    sodium_free(secret);
}

void
secret_freep(void *pointer_to_secret)
{
    /* Copied bytewise: the variable may be a pointer of any type, which a void ** must not alias.
     */
    void *secret = NULL;
    memcpy(&secret, pointer_to_secret, sizeof(secret));
    secret_free(secret);
    memset(pointer_to_secret, 0, sizeof(secret));
}

void
secret_wipe(void *memory, size_t len)
{
    if (len > 0) {
        sodium_memzero(memory, len);
    }
}

bool
secret_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}

void
secret_random(void *out, size_t len)
{
    if (len > 0) {
        randombytes_buf(out, len);
    }
}

uint32_t
secret_random_below(uint32_t bound)
{
    assert(bound > 0);
    return randombytes_uniform(bound);
}
