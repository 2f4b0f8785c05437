/* One POST over `wasi:http`. The host ends it at the batch's deadline. */

#ifndef HTTP_H
#define HTTP_H

#include "contract.h"

struct answer {
    uint16_t status;
    wasi_http_types_own_incoming_response_t response;
};

/* False, with `error` set, if no answer came. Otherwise `answer` must be dropped. */
bool post_json(const struct text *url, const sender_string_t *user_agent, const struct text *body,
               struct answer *answer, {{failure}}_t *error);

/* The `retry-after` header, if it is a number of seconds. */
sender_option_u32_t answer_retry_after(const struct answer *answer);

/* Adds the body, up to its first 64 KiB; false, with `error` set, if it breaks off or does not come. */
bool answer_text(const struct answer *answer, struct text *text, {{failure}}_t *error);

/* Sets `error` to the rejection that this answer is, with its body as far as it comes. */
bool answer_rejects(const struct answer *answer, {{failure}}_t *error);

void answer_drop(struct answer *answer);

#endif
