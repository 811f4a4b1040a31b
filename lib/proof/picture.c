/* The loop on one sheet: who said what to whom, through whom, when it arrived, and in which state
 * that left the loop. Everything a reader needs is in the file itself, and it is drawn to be
 * printed: shapes and words say it, colour only helps.
 *
 * Rows are in the order of the log and one height each; time is not to scale, so the times stand
 * beside them. It draws what was read and judges nothing. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/proof/evidence.h"

enum {
    WIDTH = 980,
    MARGIN = 24,
    LANES_TOP = 118,
    ROWS_TOP = 136,
    STATEMENT_ROW = 52,
    RECEIPT_ROW = 28,
    FOOT = 64,
    STATE_X = 812,
    STATE_WIDTH = 144,
    STATE_GAP = 4,
    NAME_CHARS = 30,
    TITLE_CHARS = 70,
    LINE_MAX = 2048,
    PICTURE_BYTES_MAX = 64 * 1024 * 1024,
};
/* Where the lanes stand. */
static const int lane_x[LOOP_ROLE_COUNT] = {[LOOP_SOURCE] = 232, [LOOP_TARGET] = 712};
enum { BROKER_X = 472 };

static const char look[] =
    "<style>text{font-family:'Helvetica Neue',Arial,sans-serif;font-size:13px;fill:#1d2733}"
    ".title{font-size:18px;font-weight:bold}.lane{font-weight:bold;text-anchor:middle}"
    ".under{font-size:11px;fill:#5b6875;text-anchor:middle}.small{font-size:11px;fill:#5b6875}"
    ".what{text-anchor:middle;paint-order:stroke;stroke:#ffffff;stroke-width:5px}"
    ".off{fill:#8b96a1}"
    ".line{stroke:#c4ccd4;stroke-width:1.5}.say{stroke:#14507d;stroke-width:1.8;fill:none}"
    ".got{stroke:#5b6875;stroke-width:1;stroke-dasharray:4 3;fill:none}"
    ".past{stroke:#aab3bc;stroke-width:1.4;fill:none}"
    ".state{text-anchor:middle;font-weight:bold}</style>\n"
    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";

/* The heads of the three kinds of arrow. */
static const struct {
    const char *kind, *colour;
} arrows[] = {{"say", "#14507d"}, {"got", "#5b6875"}, {"past", "#aab3bc"}};

/* Open states are warm or blue, answered ones green or red, ended ones grey. */
static const char *const state_fill[LOOP_STATE_COUNT] = {
    [LOOP_NONE] = "#ffffff",
    [LOOP_REQUESTED] = "#fdf3d3",
    [LOOP_INFO_REQUESTED] = "#fbe5cf",
    [LOOP_ACCEPTED] = "#dcebf8",
    [LOOP_IN_PROGRESS] = "#cfe2f5",
    [LOOP_ON_HOLD] = "#ece4f4",
    [LOOP_CANCEL_REQUESTED] = "#fbe5cf",
    [LOOP_DECLINED] = "#f8dcda",
    [LOOP_COMPLETED] = "#dcf0dd",
    [LOOP_NOT_COMPLETED] = "#f8dcda",
    [LOOP_WITHDRAWN] = "#f1e6dc",
    [LOOP_CLOSED] = "#e3e8ec",
    [LOOP_VOID] = "#eeeeee",
};

/* ---- putting ---- */

static void put(struct buffer *svg, const char *format, ...) PRINTF_LIKE(2, 3);

static void
put(struct buffer *svg, const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(line)) {
        svg->failed = ERR_INTERNAL; /* no line is that long: texts go by put_text */
    } else {
        buffer_put(svg, line, (size_t)len);
    }
}

static const char *
entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static bool
is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

/* Escaped, without control characters, cut after `chars` characters. The text is UTF-8. */
static void
put_text(struct buffer *svg, const char *text, size_t chars)
{
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const char *entity = entity_of(*c);
        if (!is_continuation(*c) && ++n > chars) {
            buffer_put(svg, "\u2026", strlen("\u2026"));
            return;
        }
        if (entity != NULL) {
            buffer_put(svg, entity, strlen(entity));
        } else {
            buffer_put_u8(svg, (uint8_t)*c < 0x20 ? '?' : (uint8_t)*c);
        }
    }
}

/* ---- rows ---- */

static bool
is_receipt(const struct evidence_step *step)
{
    return step->event == EVENT_DELIVERED;
}

static int
row_height(const struct evidence_step *step)
{
    return is_receipt(step) ? RECEIPT_ROW : STATEMENT_ROW;
}

static int
rows_height(const struct evidence_reading *reading)
{
    int height = 0;
    for (size_t i = 0; i < reading->n_steps; i++) {
        height += row_height(&reading->steps[i]);
    }
    return height;
}

static void
draw_time(struct buffer *svg, const struct evidence_step *step, int y)
{
    char at[EVIDENCE_TIME_TEXT];
    evidence_words_time(step->log_time_ms, at);
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"small\">%s</text>", MARGIN, y, at);
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"small\">%" PRIu64 "</text>\n", MARGIN + 112, y,
        step->index);
}

/* From one lane to the other by way of the broker: a dot where the log took it. */
static void
draw_arrow(struct buffer *svg, const struct evidence_step *step, int y, const char *kind)
{
    int from = lane_x[step->role];
    int to = lane_x[step->role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE];
    int step_x = to > from ? 4 : -4;
    put(svg, "<path class=\"%s\" d=\"M%d %dL%d %d\" marker-end=\"url(#%s)\"/>", kind, from, y,
        BROKER_X - step_x, y, kind);
    put(svg, "<path class=\"%s\" d=\"M%d %dL%d %d\" marker-end=\"url(#%s)\"/>\n", kind,
        BROKER_X + step_x, y, to, y, kind);
}

static void
draw_statement(struct buffer *svg, const struct evidence_step *step, int y)
{
    char due[EVIDENCE_TIME_TEXT];
    const char *words = evidence_words_due(step->event);
    bool off = step->superseded;
    int line_y = y + 32;
    draw_time(svg, step, line_y + 4);
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"what%s\">%s%s", BROKER_X, y + 20, off ? " off" : "",
        evidence_words_event(step->event), step->automatic ? " (by a rule, not a person)" : "");
    if (words != NULL && step->due_ms != 0) {
        evidence_words_date(step->due_ms, due);
        put(svg, ", %s %s", words, due);
    }
    put(svg, "%s</text>", off ? " \u2013 superseded, changed nothing" : "");
    draw_arrow(svg, step, line_y, off ? "past" : "say");
    put(svg, "<circle cx=\"%d\" cy=\"%d\" r=\"3.5\" fill=\"%s\"/>\n", BROKER_X, line_y,
        off ? "#aab3bc" : "#14507d");
}

static void
draw_receipt(struct buffer *svg, const struct evidence_reading *reading,
             const struct evidence_step *step, int y)
{
    const struct evidence_step *of = &reading->steps[step->confirms];
    int line_y = y + 18;
    draw_time(svg, step, line_y + 4);
    draw_arrow(svg, step, line_y, "got");
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"small what\">received entry %" PRIu64 "</text>\n",
        (BROKER_X + lane_x[step->role]) / 2, line_y - 4, of->index);
}

static void
draw_rows(struct buffer *svg, const struct evidence_reading *reading)
{
    int y = ROWS_TOP;
    for (size_t i = 0; i < reading->n_steps; i++) {
        const struct evidence_step *step = &reading->steps[i];
        if (is_receipt(step)) {
            draw_receipt(svg, reading, step, y);
        } else {
            draw_statement(svg, step, y);
        }
        y += row_height(step);
    }
}

/* One band for as long as the loop stays in a state. */
static void
draw_states(struct buffer *svg, const struct evidence_reading *reading)
{
    int y = ROWS_TOP;
    for (size_t i = 0; i < reading->n_steps;) {
        enum loop_state state = reading->steps[i].state_after;
        int height = 0;
        for (; i < reading->n_steps && reading->steps[i].state_after == state; i++) {
            height += row_height(&reading->steps[i]);
        }
        put(svg,
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" fill=\"%s\" "
            "stroke=\"#aab3bc\"/>",
            STATE_X, y + STATE_GAP / 2, STATE_WIDTH, height - STATE_GAP, state_fill[state]);
        put(svg, "<text x=\"%d\" y=\"%d\" class=\"state\">%s</text>\n", STATE_X + STATE_WIDTH / 2,
            y + height / 2 + 5, evidence_words_state(state));
        y += height;
    }
}

/* ---- around them ---- */

static void
draw_lane(struct buffer *svg, int x, const char *name, const char *under, int bottom)
{
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"lane\">", x, LANES_TOP - 22);
    put_text(svg, name, NAME_CHARS);
    put(svg, "</text><text x=\"%d\" y=\"%d\" class=\"under\">%s</text>", x, LANES_TOP - 7, under);
    put(svg, "<path class=\"line\" d=\"M%d %dL%d %d\"/>\n", x, LANES_TOP, x, bottom);
}

static void
draw_head(struct buffer *svg, int height)
{
    put(svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
        "height=\"%d\" role=\"img\">\n",
        WIDTH, height, WIDTH, height);
    buffer_put(svg, look, strlen(look));
    put(svg, "<defs>\n");
    for (size_t i = 0; i < ARRAY_LEN(arrows); i++) {
        put(svg,
            "<marker id=\"%s\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" "
            "markerHeight=\"9\" orient=\"auto\" markerUnits=\"userSpaceOnUse\">"
            "<path d=\"M0 0L8 4L0 8z\" fill=\"%s\"/></marker>\n",
            arrows[i].kind, arrows[i].colour);
    }
    put(svg, "</defs>\n");
}

static void
draw_title(struct buffer *svg, const struct evidence_reading *reading)
{
    char loop[LOOP_ID_TEXT];
    ident_format(&reading->loop, loop);
    put(svg, "<title>Referral %s</title>\n<text x=\"%d\" y=\"36\" class=\"title\">Referral %.8s",
        loop, MARGIN, loop);
    put(svg, " \u2013 %s</text>\n<text x=\"%d\" y=\"58\">", evidence_words_state(reading->state),
        MARGIN);
    put_text(svg, reading->network_name, TITLE_CHARS);
    put(svg, "</text>\n<text x=\"%d\" y=\"%d\" class=\"small\">logged</text>", MARGIN,
        LANES_TOP - 7);
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"small\">entry</text>", MARGIN + 112, LANES_TOP - 7);
    put(svg, "<text x=\"%d\" y=\"%d\" class=\"under\">the referral is</text>\n",
        STATE_X + STATE_WIDTH / 2, LANES_TOP - 7);
}

static void
draw_foot(struct buffer *svg, const struct evidence_reading *reading, int bottom)
{
    char zone[EVIDENCE_TIME_TEXT];
    char as_of[EVIDENCE_TIME_TEXT];
    char loop[LOOP_ID_TEXT];
    evidence_words_zone(reading->steps[0].log_time_ms, reading->as_of_ms, zone);
    evidence_words_time(reading->as_of_ms, as_of);
    ident_format(&reading->loop, loop);
    put(svg,
        "<text x=\"%d\" y=\"%d\" class=\"small\">Solid: a signed statement, at the time the "
        "broker logged it. Dashed: the reader's signed word that it is on its disk. Times in "
        "%s, not to scale.</text>\n",
        MARGIN, bottom + 28, zone);
    put(svg,
        "<text x=\"%d\" y=\"%d\" class=\"small\">Loop %s, as of %s (a log of %" PRIu64
        " entries). A picture proves nothing: check the file of evidence with "
        "refloop-verify.</text>\n</svg>\n",
        MARGIN, bottom + 46, loop, as_of, reading->size);
}

enum err
picture_draw(const struct evidence_reading *reading, struct buffer *svg_out)
{
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(PICTURE_BYTES_MAX);
    int bottom = ROWS_TOP + rows_height(reading) + 8;
    draw_head(&svg, bottom + FOOT);
    draw_title(&svg, reading);
    draw_lane(&svg, lane_x[LOOP_SOURCE], reading->name[LOOP_SOURCE], "asks", bottom);
    draw_lane(&svg, BROKER_X, "Broker", "logs, cannot read it", bottom);
    draw_lane(&svg, lane_x[LOOP_TARGET], reading->name[LOOP_TARGET], "answers", bottom);
    draw_rows(&svg, reading);
    draw_states(&svg, reading);
    draw_foot(&svg, reading, bottom);
    enum err err = buffer_err(&svg);
    if (err == ERR_OK) {
        buffer_put(svg_out, svg.data, svg.len);
        err = buffer_err(svg_out);
    }
    return err;
}
