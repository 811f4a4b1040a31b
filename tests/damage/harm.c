/* Decides what a sick disk gives back: one bit wrong, or one page that is zeroed, of another time,
 * or another page's. It refuses to know what is in the pages. */
#include "tests/damage/harm.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/fault_disk.h"

/* The two pages that say where everything is. One that is lost or old is no damage but the last
 * commit taken back: what that means is in docs/operation.md. */
enum { HEADS = 2 };

const char *const harm_names[HARM_KINDS] = {"none", "bit", "zeroed page", "old page",
                                            "swapped pages"};

static bool
differs(const struct buffer *image, struct bytes other, size_t page)
{
    return (page + 1) * HARM_PAGE <= other.len &&
           memcmp(image->data + page * HARM_PAGE, other.data + page * HARM_PAGE, HARM_PAGE) != 0;
}

/* A page for which the harm changes something; the number of pages when there is none. */
static size_t
pick(const struct buffer *image, struct bytes other, uint64_t *random)
{
    size_t n = image->len / HARM_PAGE;
    size_t first = fault_random(random) % n;
    for (size_t i = 0; i < n; i++) {
        size_t page = (first + i) % n;
        if (page >= HEADS && differs(image, other, page)) {
            return page;
        }
    }
    return n;
}

static bool
flip(struct buffer *image, uint64_t *random, char text_out[HARM_TEXT])
{
    size_t bit = fault_random(random) % (image->len * 8);
    image->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    (void)snprintf(text_out, HARM_TEXT, "page %zu, byte %zu, bit %zu", bit / 8 / HARM_PAGE,
                   bit / 8 % HARM_PAGE, bit % 8);
    return true;
}

static bool
swap(struct buffer *image, uint64_t *random, char text_out[HARM_TEXT])
{
    uint8_t kept[HARM_PAGE];
    size_t n = image->len / HARM_PAGE;
    size_t a = fault_random(random) % n;
    size_t b = fault_random(random) % n;
    uint8_t *at_a = image->data + a * HARM_PAGE;
    uint8_t *at_b = image->data + b * HARM_PAGE;
    memcpy(kept, at_a, HARM_PAGE);
    if (memcmp(at_a, at_b, HARM_PAGE) == 0) {
        return false;
    }
    memcpy(at_a, at_b, HARM_PAGE);
    memcpy(at_b, kept, HARM_PAGE);
    (void)snprintf(text_out, HARM_TEXT, "pages %zu and %zu", a, b);
    return true;
}

static bool
replace(struct buffer *image, struct bytes by, uint64_t *random, char text_out[HARM_TEXT])
{
    size_t page = pick(image, by, random);
    if (page >= image->len / HARM_PAGE) {
        return false;
    }
    memcpy(image->data + page * HARM_PAGE, by.data + page * HARM_PAGE, HARM_PAGE);
    (void)snprintf(text_out, HARM_TEXT, "page %zu", page);
    return true;
}

bool
harm_do(enum harm_kind kind, uint64_t *random, struct bytes old, struct buffer *image,
        char text_out[HARM_TEXT])
{
    static const uint8_t zeros[16 << 20];
    text_out[0] = '\0';
    switch (kind) {
    case HARM_BIT:
        return flip(image, random, text_out);
    case HARM_ZERO:
        return replace(image, bytes_of(zeros, sizeof(zeros)), random, text_out);
    case HARM_OLD:
        return replace(image, old, random, text_out);
    case HARM_SWAP:
        return swap(image, random, text_out);
    case HARM_NONE:
    case HARM_KINDS:
        break;
    }
    return true;
}
