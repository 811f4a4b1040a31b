/* Runs a fuzz target without a fuzzer: over the files and directories given, and over inputs
 * generated from them (cut, flipped, spliced, by a fixed seed) and from nothing (all strings of up
 * to two bytes). Every run is the same, so it is an ordinary test; the search for new inputs is
 * libFuzzer's.
 *
 *   fuzz_x [--rounds=N] [--no-shortest] FILE-OR-DIRECTORY... */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/file.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20, ROUNDS_DEFAULT = 500, SPLICE_MAX = 32, CHANGES_MAX = 4 };

static unsigned long n_runs, n_seeds;
static unsigned long rounds = ROUNDS_DEFAULT;

/* A copy of exactly the input's length, so that a read past its end is seen. */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

/* xorshift64*: the same on every machine. */
static uint64_t
draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

static void
change(uint8_t *data, size_t size, uint64_t *seed)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x08, 0x12};
    size_t at = (size_t)(draw(seed) % size);
    size_t from = (size_t)(draw(seed) % size);
    size_t len = (size_t)(draw(seed) % SPLICE_MAX);
    switch (draw(seed) % 4) {
    case 0:
        data[at] ^= (uint8_t)(1u << draw(seed) % 8);
        break;
    case 1:
        data[at] = edges[draw(seed) % sizeof(edges)];
        break;
    case 2:
        data[at] = (uint8_t)(data[at] + (draw(seed) % 2 ? 1 : -1));
        break;
    default:
        len = len < size - at ? len : size - at;
        len = len < size - from ? len : size - from;
        memmove(data + at, data + from, len);
        break;
    }
}

static void
run_changed(const uint8_t *seed_data, size_t size)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) + size;
    uint8_t *data = malloc(size);
    if (data == NULL) {
        abort();
    }
    for (unsigned long i = 0; i < rounds; i++) {
        memcpy(data, seed_data, size);
        uint64_t changes = 1 + draw(&seed) % CHANGES_MAX;
        for (uint64_t k = 0; k < changes; k++) {
            change(data, size, &seed);
        }
        run(data, i % 8 == 0 ? (size_t)(draw(&seed) % (size + 1)) : size);
    }
    free(data);
}

static void
run_file(const char *path)
{
    CLEANUP(buffer_done) struct buffer content = BUFFER_INIT(INPUT_MAX);
    if (file_read(path, &content) != ERR_OK) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    n_seeds++;
    run(content.data, content.len);
    size_t step = 1 + content.len / 512;
    for (size_t len = 0; len < content.len; len += step) {
        run(content.data, len);
    }
    if (content.len > 0) {
        run_changed(content.data, content.len);
    }
}

static void
run_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            char inner[FILE_PATH_MAX];
            if (entries[i]->d_name[0] != '.' &&
                file_path(inner, path, entries[i]->d_name) == ERR_OK) {
                run_path(inner);
            }
            free(entries[i]);
        }
        free(entries);
        return;
    }
    run_file(path);
}

static void
run_shortest(void)
{
    uint8_t data[2];
    run(data, 0);
    for (unsigned i = 0; i < 1u << 16; i++) {
        data[0] = (uint8_t)(i >> 8);
        data[1] = (uint8_t)i;
        run(data, i % 256 == 0 ? 1 : 2);
    }
}

int
main(int argc, char **argv)
{
    static const char rounds_option[] = "--rounds=";
    bool with_shortest = true;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], rounds_option, sizeof(rounds_option) - 1) == 0) {
            rounds = strtoul(argv[i] + sizeof(rounds_option) - 1, NULL, 10);
        } else if (strcmp(argv[i], "--no-shortest") == 0) {
            with_shortest = false; /* each takes long, and says nothing */
        } else {
            run_path(argv[i]);
        }
    }
    if (with_shortest) {
        run_shortest();
    }
    printf("%lu seeds, %lu inputs\n", n_seeds, n_runs);
    return n_seeds > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
