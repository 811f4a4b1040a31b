/* Writes the files that test_verify.py reads, into the directory given. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"
#include "tests/unit/proof/true_log.h"

static void
must(enum err err)
{
    if (err != ERR_OK) {
        fprintf(stderr, "make_evidence: %s\n", err_name(err));
        exit(EXIT_FAILURE);
    }
}

static void
write_file(const struct true_log *log, bool show, const char *dir, const char *name)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    char path[FILE_PATH_MAX];
    true_log_evidence(log, show, &file);
    must(file_path(path, dir, name));
    must(file_create(path, buffer_view(&file), 0644));
}

int
main(int argc, char **argv)
{
    CLEANUP(true_log_freep) struct true_log *whole = true_log_new(1000, 30);
    CLEANUP(true_log_freep) struct true_log *brief = true_log_new(100, 2);
    CLEANUP(true_log_freep) struct true_log *crossed = true_log_new(100, 2);
    bool locked = false;
    if (argc != 2 || secret_start(&locked) != ERR_OK) {
        return EXIT_FAILURE;
    }
    true_log_found(whole, 2);
    true_log_whole_story(whole);
    write_file(whole, false, argv[1], "whole");
    true_log_found(brief, 0);
    true_log_short_story(brief);
    write_file(brief, true, argv[1], "shown");
    true_log_found(crossed, 1);
    (void)true_log_step(crossed, LOOP_SOURCE, EVENT_REQUEST, NULL, NULL);
    (void)true_log_step_unheard(crossed, LOOP_TARGET, EVENT_ACCEPT);
    (void)true_log_step_unheard(crossed, LOOP_SOURCE, EVENT_WITHDRAW);
    write_file(crossed, false, argv[1], "crossed");
    struct network_id network = fixture_network();
    char key[2 * SIGN_PUBLIC_BYTES + 1];
    char fingerprint[FINGERPRINT_TEXT];
    text_hex(bytes_of(network.bytes, sizeof(network.bytes)), key);
    token_fingerprint(&network, fingerprint);
    printf("%s\n%s\n", key, fingerprint);
    return EXIT_SUCCESS;
}
