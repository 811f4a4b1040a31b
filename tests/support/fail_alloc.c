/* Counts allocations and refuses the one that was asked for. It decides nothing about who
 * allocates: the linker sends it every call of the program's own objects (--wrap). */
#include "tests/support/fail_alloc.h"

#include <errno.h>
#include <stddef.h>

static struct {
    unsigned long left; /* allocations until one fails; 0: none will */
    bool for_good;
    bool has_failed;
} plan;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);

void
fail_alloc_at(unsigned long n)
{
    plan.left = n;
    plan.for_good = false;
    plan.has_failed = false;
}

void
fail_alloc_from(unsigned long n)
{
    fail_alloc_at(n);
    plan.for_good = true;
}

bool
fail_alloc_off(void)
{
    bool has_failed = plan.has_failed;
    plan.left = 0;
    plan.has_failed = false;
    return has_failed;
}

static bool
fails(void)
{
    if (plan.left == 0 || --plan.left > 0) {
        return false;
    }
    plan.left = plan.for_good ? 1 : 0;
    plan.has_failed = true;
    errno = ENOMEM;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(old, n, size);
}

char *
__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}
