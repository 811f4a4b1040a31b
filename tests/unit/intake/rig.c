#include "tests/unit/intake/rig.h"

#include "lib/base/file.h"

void
rig_done(struct rig *rig)
{
    for (size_t i = 0; i < rig->n; i++)
        free(rig->owned[i]);
    intake_done(&rig->result);
}

void
rig_add_bytes(struct rig *rig, const void *data, size_t len)
{
    assert_true(rig->n < RIG_FILES);
    char *copy = malloc(len + 1); /* exact, so that a read past the end is seen */
    assert_non_null(copy);
    memcpy(copy, data, len);
    copy[len] = '\0';
    rig->owned[rig->n] = copy;
    rig->texts[rig->n++] = bytes_of(copy, len);
}

void
rig_add(struct rig *rig, const char *text)
{
    rig_add_bytes(rig, text, strlen(text));
}

void
rig_add_json(struct rig *rig, const json_t *json)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY);

    assert_non_null(text);
    rig_add(rig, text);
    free(text);
}

char *
rig_load_text(const char *path, size_t *len_out)
{
    struct buffer text = BUFFER_INIT(INTAKE_FILE_BYTES);

    if (file_read(path, &text) != ERR_OK)
        fail_msg("cannot read %s", path);
    buffer_put_u8(&text, '\0');
    *len_out = text.len - 1;
    return (char *)text.data;
}

static void
fixture_path(const char *name, char out[FILE_PATH_MAX])
{
    const char *dir = getenv("REFLOOP_FIXTURES");

    (void)snprintf(out, FILE_PATH_MAX, "%s/%s", dir != NULL ? dir : "tests/fixtures", name);
}

void
rig_add_fixture(struct rig *rig, const char *name)
{
    char path[FILE_PATH_MAX];
    size_t len;

    fixture_path(name, path);
    char *text = rig_load_text(path, &len);
    rig_add_bytes(rig, text, len);
    free(text);
}

json_t *
rig_load(const char *name)
{
    char path[FILE_PATH_MAX];

    fixture_path(name, path);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

bool
rig_is_member(void *context, const char *org)
{
    static const char *const members[] = {"elm-pantry", "oak-clinic", "north-shelter"};

    (void)context;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(members[i], org) == 0)
            return true;
    }
    return false;
}

void
rig_read(struct rig *rig)
{
    struct intake_file files[RIG_FILES];

    for (size_t i = 0; i < rig->n; i++)
        files[i] = (struct intake_file){.name = "input", .text = rig->texts[i]};
    intake_done(&rig->result);
    memset(&rig->fault, 0, sizeof(rig->fault));
    rig->err = intake_read(files, rig->n, &rig->defaults, rig_is_member, NULL, RIG_NOW_MS,
                           &rig->result, &rig->fault);
}

struct intake_referral *
rig_ready(struct rig *rig)
{
    rig_read(rig);
    if (rig->err != ERR_OK)
        fail_msg("rejected: %s: %s", rig->fault.field, rig->fault.text);
    assert_int_equal(rig->result.n, 1);
    struct intake_referral *referral = &rig->result.referrals[0];
    if (!referral->ready)
        fail_msg("refused: %s: %s", referral->fault.field, referral->fault.text);
    return referral;
}

void
rig_refused(struct rig *rig, const char *field)
{
    rig_read(rig);
    if (rig->err != ERR_OK)
        fail_msg("rejected: %s: %s, not refused at %s", rig->fault.field, rig->fault.text, field);
    assert_int_equal(rig->result.n, 1);
    const struct intake_referral *referral = &rig->result.referrals[0];
    if (referral->ready || strcmp(referral->fault.field, field) != 0)
        print_error("%s: %s\n", referral->ready ? "ready" : referral->fault.field,
                    referral->fault.text);
    assert_false(referral->ready);
    assert_string_equal(referral->fault.field, field);
    assert_true(referral->fault.text[0] != '\0');
    assert_null(referral->facts);
    assert_null(referral->body);
}

void
rig_rejected(struct rig *rig, const char *words)
{
    rig_read(rig);
    assert_int_equal(rig->err, ERR_INVALID);
    if (strstr(rig->fault.text, words) == NULL)
        print_error("%s: %s\n", rig->fault.field, rig->fault.text);
    assert_non_null(strstr(rig->fault.text, words));
}

bool
rig_has_notice(const struct rig *rig, const char *words)
{
    for (size_t i = 0; i < json_array_size(rig->result.notices); i++) {
        if (strstr(json_string_value(json_array_get(rig->result.notices, i)), words) != NULL)
            return true;
    }
    return false;
}

/* Takes the next member name off the path. */
static const char *
next_name(const char *path, char name[64])
{
    size_t len = strcspn(path, ".");

    assert_true(len < 64);
    memcpy(name, path, len);
    name[len] = '\0';
    return path[len] == '.' ? path + len + 1 : NULL;
}

static json_t *
child(json_t *json, const char *name)
{
    return json_is_array(json) ? json_array_get(json, (size_t)atol(name))
                               : json_object_get(json, name);
}

json_t *
rig_at(json_t *json, const char *path)
{
    char name[64];

    while (path != NULL && json != NULL) {
        path = next_name(path, name);
        json = child(json, name);
    }
    return json;
}

void
rig_set(json_t *json, const char *path, const char *value)
{
    char name[64];
    const char *rest = next_name(path, name);

    while (rest != NULL) {
        json = child(json, name);
        assert_non_null(json);
        rest = next_name(rest, name);
    }
    json_t *made = value != NULL ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    assert_true(value == NULL || made != NULL);
    if (json_is_array(json)) {
        size_t i = (size_t)atol(name);
        if (made == NULL)
            json_array_remove(json, i);
        else if (i == json_array_size(json))
            json_array_append_new(json, made);
        else
            json_array_set_new(json, i, made);
    } else if (made == NULL) {
        json_object_del(json, name);
    } else {
        json_object_set_new(json, name, made);
    }
}

json_t *
rig_resource(json_t *bundle, const char *type, const char *id)
{
    json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(bundle, "entry"), i, entry)
    {
        json_t *resource = json_object_get(entry, "resource");
        if (strcmp(content_text(resource, "resourceType"), type) == 0 &&
            (id == NULL || strcmp(content_text(resource, "id"), id) == 0))
            return resource;
    }
    return NULL;
}
