/* What the endpoint understands: `mapping.c` is what you change. */

#ifndef MAPPING_H
#define MAPPING_H

#include "contract.h"
#include "http.h"

/* What follows the endpoint's own path. */
extern const char PATH[];

/* Adds the request's body. */
void add_body(struct text *body, const entries_t *entries, const sender_string_t *distinct_id);

@0.1 /* True if the endpoint has taken the batch; false, with `error` set, if not. 429 and 503 do not get here. */
@0.1 bool is_taken(const struct answer *answer, send_error_t *error);
@0.2 /* True if the endpoint has taken the batch; false, with `error` set, if not. 429 and 503 do not get here. `outcomes` has
@0.2    one for each entry, all of them taken: where the endpoint says of each entry what became of it, set them. */
@0.2 bool is_taken(const struct answer *answer, outcomes_t *outcomes, failure_t *error);

#endif
