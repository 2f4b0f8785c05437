/* What the endpoint understands: `mapping.c` is what you change. */

#ifndef MAPPING_H
#define MAPPING_H

#include "contract.h"
#include "http.h"

/* What follows the endpoint's own path. */
extern const char PATH[];

/* Adds the request's body. */
void add_body(struct text *body, const entries_t *entries, const sender_string_t *distinct_id);

/* True if the endpoint has taken the batch; false, with `error` set, if not. 429 and 503 do not get here. */
bool is_taken(const struct answer *answer, send_error_t *error);

#endif
