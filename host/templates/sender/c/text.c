#include "text.h"

#include <stdlib.h>

void text_add(struct text *text, const void *bytes, size_t length) {
    if (length == 0) return;
    if (text->room - text->length < length) {
        size_t room = text->room * 2 + length;
        char *larger = realloc(text->bytes, room);
        if (larger == NULL) abort();
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_add_words(struct text *text, const char *words) {
    text_add(text, words, strlen(words));
}

void text_add_number(struct text *text, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, digits + at, sizeof digits - at);
}

void text_add_json(struct text *text, const void *bytes, size_t length) {
    static const char HEX[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    text_add(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = from[i];
        if (byte == '"' || byte == '\\') {
            char escaped[] = {'\\', (char)byte};
            text_add(text, escaped, sizeof escaped);
        } else if (byte < 0x20) {
            char escaped[] = {'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]};
            text_add(text, escaped, sizeof escaped);
        } else {
            text_add(text, &byte, 1);
        }
    }
    text_add(text, "\"", 1);
}

void text_add_comma(struct text *text) {
    char last = text->length == 0 ? '[' : text->bytes[text->length - 1];
    if (last != '[' && last != '{') text_add(text, ",", 1);
}

/* How many bytes of UTF-8 the next character has; 0 if it is none. */
static size_t character(const unsigned char *at, size_t left) {
    if (at[0] < 0x80) return 1;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < length) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    /* Spelled too long, a surrogate, or beyond the last character. */
    bool is_none = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
                   (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
    return is_none ? 0 : length;
}

void text_make_utf8(struct text *text) {
    for (size_t i = 0; i < text->length;) {
        size_t length = character((unsigned char *)text->bytes + i, text->length - i);
        if (length == 0) {
            text->bytes[i] = '?';
            length = 1;
        }
        i += length;
    }
}

void text_free(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}
