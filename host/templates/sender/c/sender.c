/* A telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is asked of it. */

#include "contract.h"
#include "http.h"
#include "mapping.h"

static bool deliver(exports_swamp_telemetry_sender_destination_t *destination, entries_t *entries,
                    sender_string_t *distinct_id, send_error_t *error) {
    if (entries->len == 0) return true;
    size_t length = destination->endpoint.len;
    while (length > 0 && destination->endpoint.ptr[length - 1] == '/') length--;
    struct text url = {0}, body = {0};
    text_add(&url, destination->endpoint.ptr, length);
    text_add_words(&url, PATH);
    add_body(&body, entries, distinct_id);

    struct answer answer;
    bool is_delivered = post_json(&url, &destination->user_agent, &body, &answer, error);
    text_free(&body);
    text_free(&url);
    if (!is_delivered) return false;
    if (answer.status == 429 || answer.status == 503) {
        is_delivered = throttled(error, answer_retry_after(&answer));
    } else {
        is_delivered = is_taken(&answer, error);
    }
    answer_drop(&answer);
    return is_delivered;
}

/* Declared by the bindings, which call it. What it is handed is its own to free. */
bool exports_swamp_telemetry_sender_send_batch(exports_swamp_telemetry_sender_destination_t *destination,
                                               entries_t *entries, sender_string_t *distinct_id, send_error_t *error) {
    bool is_delivered = deliver(destination, entries, distinct_id, error);
    exports_swamp_telemetry_sender_destination_free(destination);
    exports_swamp_telemetry_sender_list_telemetry_entry_free(entries);
    sender_string_free(distinct_id);
    return is_delivered;
}

/* The bindings ask for it, so that the object file with the world is linked. `swamp sender wrap --wit` brings the world
   instead. */
void __component_type_object_force_link_sender(void) {}
