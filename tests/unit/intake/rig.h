/* For the tests of intake: files in, result out, on one day with three members; fixtures that can
 * be changed in one place at a time. */
#ifndef REFLOOP_TESTS_UNIT_INTAKE_RIG_H
#define REFLOOP_TESTS_UNIT_INTAKE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/intake/intake.h"

enum { RIG_FILES = 70 };
#define RIG_NOW_MS INT64_C(1795348800000) /* 2026-11-22T12:00:00Z */

struct rig {
    struct intake_defaults defaults;
    struct bytes texts[RIG_FILES];
    char *owned[RIG_FILES];
    size_t n;
    enum err err;
    struct content_fault fault;
    struct intake_result result;
};

void rig_done(struct rig *rig);
void rig_add(struct rig *rig, const char *text);
void rig_add_bytes(struct rig *rig, const void *data, size_t len);
void rig_add_json(struct rig *rig, const json_t *json);
void rig_add_fixture(struct rig *rig, const char *name);
/* Reads what was added; may be called again after more was added. */
void rig_read(struct rig *rig);
/* Reads, and there is one ready referral. */
struct intake_referral *rig_ready(struct rig *rig);
/* Reads, and there is one referral, refused at `field`. */
void rig_refused(struct rig *rig, const char *field);
/* Reads, and the files as a whole are refused with these words. */
void rig_rejected(struct rig *rig, const char *words);
bool rig_has_notice(const struct rig *rig, const char *words);
bool rig_is_member(void *context, const char *org);

/* tests/fixtures/NAME, or a file of the directory that holds the published examples. */
json_t *rig_load(const char *name);
char *rig_load_text(const char *path, size_t *len_out);
/* "a.b.0.c"; NULL when there is none. */
json_t *rig_at(json_t *json, const char *path);
/* Sets (JSON text) or deletes (NULL) what is at the path. Lists may be extended by one. */
void rig_set(json_t *json, const char *path, const char *value);
/* The resource of a type in a Bundle. */
json_t *rig_resource(json_t *bundle, const char *type, const char *id);

#endif
