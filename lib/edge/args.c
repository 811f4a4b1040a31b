/* The command line. Decides strictly: an option nobody knows, a missing value or a number out of
 * range is a usage error. getopt_long does the splitting, so the usual forms all work. */
#include "lib/edge/args.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_BASE = 1000, VALUE_HELP = 2000, VALUE_VERSION = 2001, HELP_COLUMN = 26 };

static void
free_bytes(uint8_t **bytes)
{
    free(*bytes);
}

int
args_usage_error(const struct args_program *program, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s: ", program->name); /* standard error is the last resort */
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n'%s --help' says how it is used.\n", program->name);
    va_end(arguments);
    return ARGS_EXIT_USAGE;
}

static void
print_option(char letter, const char *name, const char *value, const char *help, FILE *out)
{
    char left[64];
    char short_form[5] = {'-', letter, ',', ' ', '\0'};
    int len = snprintf(left, sizeof(left), "  %s--%s%s%s", letter != '\0' ? short_form : "", name,
                       value != NULL ? " " : "", value != NULL ? value : "");
    (void)fputs(left, out); /* errors of `out` are seen when it is closed */
    for (const char *line = help; line != NULL;) {
        const char *end = strchrnul(line, '\n');
        bool beside = line == help && len < HELP_COLUMN - 1;
        if (line == help && !beside) {
            (void)fputc('\n', out);
        }
        (void)fprintf(out, "%*s%.*s\n", beside ? HELP_COLUMN - len : HELP_COLUMN, "",
                      (int)(end - line), line);
        line = *end == '\n' ? end + 1 : NULL;
    }
}

void
args_print_help(const struct args_program *program, FILE *out)
{
    (void)fprintf(out, "Usage: %s %s\n\n%s\n\nOptions:\n", program->name, program->usage,
                  program->description);
    for (size_t i = 0; i < program->n_options; i++) {
        const struct args_option *option = &program->options[i];
        if (option->help != NULL) {
            print_option(option->letter, option->name, option->value, option->help, out);
        }
    }
    print_option('h', "help", NULL, "print this", out);
    print_option('\0', "version", NULL, "print the version", out);
    if (program->epilogue != NULL) {
        (void)fprintf(out, "\n%s\n", program->epilogue);
    }
}

static bool
set_integer(const struct args_option *option, const char *text, uint8_t *field)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < option->min || number > option->max) {
        return false;
    }
    int64_t value = number;
    memcpy(field, &value, sizeof(value));
    return true;
}

static bool
set_field(const struct args_option *option, const char *text, uint8_t *target)
{
    uint8_t *field = target + option->offset;
    const bool yes = true;
    switch (option->type) {
    case ARGS_FLAG:
        memcpy(field, &yes, sizeof(yes));
        return true;
    case ARGS_TEXT:
        memcpy(field, &text, sizeof(text));
        return true;
    case ARGS_INTEGER:
        return set_integer(option, text, field);
    }
    return false;
}

struct getopt_tables {
    struct option longs[ARGS_OPTIONS_MAX + 3];
    char shorts[2 * ARGS_OPTIONS_MAX + 8];
};

/* ':' first: getopt leaves the words of a mistake to us. */
static void
fill_tables(const struct args_program *program, struct getopt_tables *tables)
{
    size_t n = 0;
    if (program->stop_at_first) {
        tables->shorts[n++] = '+';
    }
    tables->shorts[n++] = ':';
    tables->shorts[n++] = 'h';
    for (size_t i = 0; i < program->n_options && i < ARGS_OPTIONS_MAX; i++) {
        const struct args_option *option = &program->options[i];
        int has_value = option->type == ARGS_FLAG ? no_argument : required_argument;
        tables->longs[i] = (struct option){option->name, has_value, NULL, (int)(VALUE_BASE + i)};
        if (option->letter != '\0') {
            tables->shorts[n++] = option->letter;
            if (has_value == required_argument) {
                tables->shorts[n++] = ':';
            }
        }
    }
    tables->longs[program->n_options] = (struct option){"help", no_argument, NULL, VALUE_HELP};
    tables->longs[program->n_options + 1] =
        (struct option){"version", no_argument, NULL, VALUE_VERSION};
}

static const struct args_option *
option_of(const struct args_program *program, int value)
{
    if (value >= VALUE_BASE && value < VALUE_HELP) {
        return &program->options[value - VALUE_BASE];
    }
    for (size_t i = 0; i < program->n_options; i++) {
        if (value != 0 && program->options[i].letter == value) {
            return &program->options[i];
        }
    }
    return NULL;
}

static enum args_result
say_wrong(const struct args_program *program, int value, char **argv)
{
    const char *word = argv[optind - 1];
    if (value == ':') {
        (void)args_usage_error(program, "%s needs a value", word);
    } else if (optopt != 0 && optopt < VALUE_BASE) {
        (void)args_usage_error(program, "there is no option -%c", optopt);
    } else {
        (void)args_usage_error(program, "there is no option %s", word);
    }
    return ARGS_WRONG;
}

static enum args_result
apply(const struct args_program *program, int value, char **argv, uint8_t *target)
{
    if (value == VALUE_HELP || value == 'h') {
        args_print_help(program, stdout);
        return ARGS_DONE;
    }
    if (value == VALUE_VERSION) {
        (void)printf("%s %s\n", program->name, REFLOOP_VERSION); /* seen when stdout is closed */
        return ARGS_DONE;
    }
    const struct args_option *option = option_of(program, value);
    if (option == NULL) {
        return say_wrong(program, value, argv);
    }
    if (!set_field(option, optarg, target)) {
        (void)args_usage_error(program, "--%s takes a number from %lld to %lld, not '%s'",
                               option->name, (long long)option->min, (long long)option->max,
                               optarg);
        return ARGS_WRONG;
    }
    return ARGS_RUN;
}

enum args_result
args_parse(const struct args_program *program, int argc, char **argv, void *target,
           size_t target_size, int *first_word_out)
{
    struct getopt_tables tables = {0};
    fill_tables(program, &tables);
    CLEANUP(free_bytes) uint8_t *filled = malloc(target_size > 0 ? target_size : 1);
    if (filled == NULL) {
        (void)args_usage_error(program, "%s", err_text(ERR_MEMORY));
        return ARGS_WRONG;
    }
    memcpy(filled, target, target_size);
    optind = 0; /* getopt keeps its place in globals: start anew for every call */
    opterr = 0;
    int value = 0;
    while ((value = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        enum args_result result = apply(program, value, argv, filled);
        if (result != ARGS_RUN) {
            return result;
        }
    }
    memcpy(target, filled, target_size);
    *first_word_out = optind;
    return ARGS_RUN;
}
