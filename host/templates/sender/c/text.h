/* Text that grows, and what JSON needs of it. It aborts when memory is out: the host then keeps the batch. */

#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zeroed, it is empty. `bytes` has no NUL at its end. */
struct text {
    char *bytes;
    size_t length;
    size_t room;
};

void text_add(struct text *text, const void *bytes, size_t length);
void text_add_words(struct text *text, const char *words);
void text_add_number(struct text *text, uint64_t number);

/* As a JSON string. `bytes` must be UTF-8, as everything is that the host hands over. */
void text_add_json(struct text *text, const void *bytes, size_t length);

/* A comma, unless an object or a list was just begun. */
void text_add_comma(struct text *text);

/* Puts `?` for what is not UTF-8: the host takes no other text. */
void text_make_utf8(struct text *text);

void text_free(struct text *text);

#endif
