/* The terminal. Decides what may reach a person's screen: text that came from a partner is shown,
 * but cannot move the cursor, change direction or pretend to be another line. */
#include "lib/edge/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/base/file.h"

enum {
    KEY_INTERRUPT = 0x03,
    KEY_END = 0x04,
    KEY_BACKSPACE = 0x08,
    KEY_KILL_LINE = 0x15,
    KEY_DELETE = 0x7f,
};

static const char ellipsis[] = "\xe2\x80\xa6"; /* … one column */

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a terminal: nothing is lost */
    }
}

bool
terminal_wants_colour(int fd)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && (no_colour == NULL || no_colour[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

size_t
terminal_width(int fd)
{
    struct winsize size;
    if (isatty(fd) != 1) {
        return 0;
    }
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* --- text ------------------------------------------------------------------------------------ */

static const struct {
    uint32_t first, last;
} unwanted[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},           /* controls */
    {0x061c, 0x061c}, {0x200e, 0x200f},       /* direction marks */
    {0x2028, 0x202e}, {0x2066, 0x2069},       /* separators, overrides, isolates */
    {0xd800, 0xdfff}, {0x110000, UINT32_MAX}, /* no characters, though some C libraries take them */
};

/* Length of the character at `text` (1 for a byte that starts none) and its code point, or '?'. */
static size_t
next_character(const char *text, uint32_t *code_out)
{
    wchar_t wide = 0;
    mbstate_t state = {0};
    size_t len = mbrtowc(&wide, text, MB_LEN_MAX, &state);
    if (len == (size_t)-1 || len == (size_t)-2 || len == 0) {
        *code_out = '?';
        return 1;
    }
    *code_out = (uint32_t)wide;
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
        if (*code_out >= unwanted[i].first && *code_out <= unwanted[i].last) {
            *code_out = *code_out == '\n' || *code_out == '\t' ? ' ' : '?';
        }
    }
    return len;
}

static size_t
character_columns(uint32_t code)
{
    int columns = wcwidth((wchar_t)code);
    return columns < 0 ? 1 : (size_t)columns;
}

/* Our text is UTF-8 whatever the user's locale is; the program's own locale stays as it was. */
static locale_t
enter_utf8(locale_t *made_out)
{
    *made_out = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return *made_out == (locale_t)0 ? (locale_t)0 : uselocale(*made_out);
}

static void
leave_utf8(locale_t made, locale_t before)
{
    if (made != (locale_t)0) {
        (void)uselocale(before); /* it was in use a moment ago */
        freelocale(made);
    }
}

static size_t
measure(const char *text)
{
    size_t columns = 0;
    while (*text != '\0') {
        uint32_t code = 0;
        text += next_character(text, &code);
        columns += character_columns(code);
    }
    return columns;
}

static size_t
put(struct buffer *out, const char *text, size_t columns)
{
    bool cut = columns > 0 && measure(text) > columns;
    size_t room = cut ? columns - 1 : SIZE_MAX;
    size_t used = 0;
    while (*text != '\0') {
        uint32_t code = 0;
        size_t len = next_character(text, &code);
        size_t wide = character_columns(code);
        if (wide > room - used) {
            break;
        }
        used += wide;
        if (code < 0x80) {
            buffer_put_u8(out, (uint8_t)code);
        } else {
            buffer_put(out, text, len);
        }
        text += len;
    }
    if (cut) {
        buffer_put(out, ellipsis, sizeof(ellipsis) - 1);
        used += 1;
    }
    return used;
}

size_t
terminal_columns(const char *text)
{
    locale_t made;
    locale_t before = enter_utf8(&made);
    size_t columns = measure(text);
    leave_utf8(made, before);
    return columns;
}

size_t
terminal_put(struct buffer *out, const char *text, size_t columns)
{
    locale_t made;
    locale_t before = enter_utf8(&made);
    size_t used = put(out, text, columns);
    leave_utf8(made, before);
    return used;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static int
write_json(const char *text, size_t len, void *context)
{
    return fwrite(text, 1, len, context) == len ? 0 : -1;
}

/* DEL, which jansson takes for plain ASCII, stands in a string if anywhere. */
static int
write_json_tame(const char *text, size_t len, void *context)
{
    static const char escaped[] = "\\u007F";
    for (size_t i = 0; i < len; i++) {
        bool is_delete = text[i] == KEY_DELETE;
        size_t n = is_delete ? sizeof(escaped) - 1 : 1;
        if (fwrite(is_delete ? escaped : text + i, 1, n, context) != n) {
            return -1;
        }
    }
    return 0;
}

bool
terminal_put_json(FILE *out, const json_t *value)
{
    bool is_terminal = isatty(fileno(out)) == 1;
    return json_dump_callback(value, is_terminal ? write_json_tame : write_json, out,
                              JSON_COMPACT | (is_terminal ? JSON_ENSURE_ASCII : 0)) == 0;
}

/* --- progress -------------------------------------------------------------------------------- */

void
terminal_progress(const char *format, ...)
{
    if (isatty(STDERR_FILENO) != 1) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("\r\033[K", stderr); /* progress is an extra: what cannot be shown is left out */
    (void)vfprintf(stderr, format, arguments);
    (void)fflush(stderr);
    va_end(arguments);
}

void
terminal_progress_done(void)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fputs("\r\033[K", stderr); /* as above */
        (void)fflush(stderr);
    }
}

/* --- passphrase ------------------------------------------------------------------------------ */

static enum err
take_passphrase(const char *text, size_t len, char *out, size_t size, struct complaint *complaint)
{
    if (len == 0) {
        return complain(complaint, ERR_INVALID, "the passphrase is empty");
    }
    if (len >= size || memchr(text, '\0', len) != NULL) {
        return complain(complaint, ERR_TOO_LARGE, "the passphrase may have at most %zu bytes",
                        size - 1);
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return ERR_OK;
}

static enum err
passphrase_from_file(const char *file, char *out, size_t size, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer content = BUFFER_INIT(size + 2);
    enum err err = file_read_secret(file, &content);
    if (err == ERR_PERMISSION) {
        return complain(complaint, err,
                        "%s must be a file of yours that only you can read "
                        "(chmod 600 %s)",
                        file, file);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "the passphrase cannot be read from %s: %s", file,
                        err_text(err));
    }
    size_t len = content.len;
    len -= len > 0 && content.data[len - 1] == '\n' ? 1 : 0;
    len -= len > 0 && content.data[len - 1] == '\r' ? 1 : 0;
    return take_passphrase((const char *)content.data, len, out, size, complaint);
}

/* Key by key with signals off: an interrupt must not leave the terminal without echo. False when
 * interrupted. */
static bool
read_keys(int fd, char *line, size_t max, size_t *len_out)
{
    size_t len = 0;
    for (;;) {
        char key = 0;
        ssize_t got = read(fd, &key, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 || key == KEY_INTERRUPT || (key == KEY_END && len == 0)) {
            return false;
        }
        if (key == '\n' || key == '\r' || key == KEY_END) {
            *len_out = len;
            return true;
        }
        if (key == KEY_KILL_LINE) {
            len = 0;
        } else if (key == KEY_BACKSPACE || key == KEY_DELETE) {
            len -= len > 0 ? 1 : 0;
        } else if (len < max) {
            line[len++] = key;
        }
    }
}

static enum err
passphrase_from_terminal(const char *prompt, char *out, size_t size, struct complaint *complaint)
{
    CLEANUP(close_fd) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios before;
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        return complain(complaint, ERR_IO,
                        "there is no terminal to ask for the passphrase; give it in a file");
    }
    struct termios quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    CLEANUP(buffer_wipe) struct buffer line = BUFFER_INIT(size);
    char *keys = (char *)buffer_extend(&line, size);
    if (keys == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    (void)dprintf(fd, "%s", prompt); /* without a prompt the question still works */
    size_t len = 0;
    bool done = tcsetattr(fd, TCSAFLUSH, &quiet) == 0 && read_keys(fd, keys, size, &len);
    (void)tcsetattr(fd, TCSAFLUSH, &before); /* nothing else could be tried */
    (void)dprintf(fd, "\n");
    if (!done) {
        return complain(complaint, ERR_INVALID, "interrupted");
    }
    return take_passphrase(keys, len, out, size, complaint);
}

enum err
terminal_read_passphrase(const char *prompt, const char *file, char *out, size_t size,
                         struct complaint *complaint)
{
    return file != NULL ? passphrase_from_file(file, out, size, complaint)
                        : passphrase_from_terminal(prompt, out, size, complaint);
}
