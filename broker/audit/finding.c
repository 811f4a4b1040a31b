/* Decides which of several findings is the one to tell. It refuses to know what they are about. */
#include "broker/audit/finding.h"

#include <stdarg.h>
#include <stdio.h>

void
finding_init(struct finding *finding)
{
    *finding = (struct finding){.lowest = FINDING_NO_ENTRY};
    (void)pthread_mutex_init(&finding->lock, NULL); /* has no way to fail with default attributes */
}

void
finding_done(struct finding *finding)
{
    (void)pthread_mutex_destroy(&finding->lock);
}

void
finding_entry(struct finding *finding, uint64_t index, const char *format, ...)
{
    char text[COMPLAINT_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&finding->lock);
    if (index < atomic_load(&finding->lowest)) {
        complain(&finding->complaint, ERR_CORRUPT, "entry %llu: %s", (unsigned long long)index,
                 text);
        atomic_store(&finding->lowest, index);
        atomic_store(&finding->found, true);
    }
    (void)pthread_mutex_unlock(&finding->lock);
}

void
finding_other(struct finding *finding, const char *format, ...)
{
    char text[COMPLAINT_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&finding->lock);
    if (!atomic_load(&finding->found)) {
        complain(&finding->complaint, ERR_CORRUPT, "%s", text);
        atomic_store(&finding->found, true);
    }
    (void)pthread_mutex_unlock(&finding->lock);
}

void
finding_break(struct finding *finding, enum err err, const char *format, ...)
{
    char text[COMPLAINT_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&finding->lock);
    if (atomic_load(&finding->broken) == (int)ERR_OK) {
        complain(&finding->complaint, err, "%s", text);
        atomic_store(&finding->broken, (int)err);
    }
    (void)pthread_mutex_unlock(&finding->lock);
}

bool
finding_is_before(const struct finding *finding, uint64_t index)
{
    return atomic_load(&finding->lowest) <= index || atomic_load(&finding->broken) != (int)ERR_OK;
}

enum err
finding_conclude(const struct finding *finding, struct complaint *complaint)
{
    enum err broken = (enum err)atomic_load(&finding->broken);
    if (broken == ERR_OK && !atomic_load(&finding->found)) {
        return ERR_OK;
    }
    return complain(complaint, broken != ERR_OK ? broken : ERR_CORRUPT, "%s",
                    finding->complaint.text);
}
