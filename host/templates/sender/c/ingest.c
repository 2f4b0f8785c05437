/* What the endpoint understands: `POST {endpoint}/ingest`, answered by 202. */

#include "mapping.h"

const char PATH[] = "/ingest";

/* An entry's data goes in verbatim, so that fields which this sender does not know arrive too. */
static void add_event(struct text *body, const entry_t *entry, const sender_string_t *distinct_id) {
    text_add_words(body, "{\"event\":\"cli_invocation\",\"distinct_id\":");
    text_add_json(body, distinct_id->ptr, distinct_id->len);
    text_add_words(body, ",\"insert_id\":");
    text_add_json(body, entry->id.ptr, entry->id.len);
    text_add_words(body, ",\"properties\":");
    text_add(body, entry->data.ptr, entry->data.len);
    text_add_words(body, "}");
}

/* One event as it is, several as `{"events":[…]}`. */
void add_body(struct text *body, const entries_t *entries, const sender_string_t *distinct_id) {
    if (entries->len == 1) {
        add_event(body, entries->ptr, distinct_id);
        return;
    }
    text_add_words(body, "{\"events\":[");
    for (size_t i = 0; i < entries->len; i++) {
        text_add_comma(body);
        add_event(body, &entries->ptr[i], distinct_id);
    }
    text_add_words(body, "]}");
}

@0.1 bool is_taken(const struct answer *answer, send_error_t *error) {
@0.2 bool is_taken(const struct answer *answer, outcomes_t *outcomes, failure_t *error) {
@0.2     (void)outcomes;
    return answer->status == 202 || answer_rejects(answer, error);
}
