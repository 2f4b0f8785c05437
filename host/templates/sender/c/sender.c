/* A telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is asked of it. */

#include "contract.h"
#include "http.h"
#include "mapping.h"

@0.2 #include <stdlib.h>
@0.2 
static bool deliver(exports_swamp_telemetry_sender_destination_t *destination, entries_t *entries,
@0.1                     sender_string_t *distinct_id, send_error_t *error) {
@0.2                     outcomes_t *outcomes, failure_t *error) {
@0.2     *outcomes = (outcomes_t){0};
    if (entries->len == 0) return true;
    size_t length = destination->endpoint.len;
    while (length > 0 && destination->endpoint.ptr[length - 1] == '/') length--;
    struct text url = {0}, body = {0};
    text_add(&url, destination->endpoint.ptr, length);
    text_add_words(&url, PATH);
@0.1     add_body(&body, entries, distinct_id);
@0.2     add_body(&body, entries, &destination->distinct_id);

    struct answer answer;
    bool is_delivered = post_json(&url, &destination->user_agent, &body, &answer, error);
    text_free(&body);
    text_free(&url);
    if (!is_delivered) return false;
    if (answer.status == 429 || answer.status == 503) {
        is_delivered = throttled(error, answer_retry_after(&answer));
    } else {
@0.1         is_delivered = is_taken(&answer, error);
@0.2         /* Zeroed, they are all taken. */
@0.2         outcomes->ptr = calloc(entries->len, sizeof *outcomes->ptr);
@0.2         if (outcomes->ptr == NULL) abort();
@0.2         outcomes->len = entries->len;
@0.2         is_delivered = is_taken(&answer, outcomes, error);
@0.2         if (!is_delivered) exports_swamp_telemetry_sender_list_outcome_free(outcomes);
    }
    answer_drop(&answer);
    return is_delivered;
}

/* Declared by the bindings, which call it. What it is handed is its own to free. */
bool exports_swamp_telemetry_sender_send_batch(exports_swamp_telemetry_sender_destination_t *destination,
@0.1                                                entries_t *entries, sender_string_t *distinct_id, send_error_t *error) {
@0.1     bool is_delivered = deliver(destination, entries, distinct_id, error);
@0.2                                                entries_t *entries, outcomes_t *outcomes, failure_t *error) {
@0.2     bool is_delivered = deliver(destination, entries, outcomes, error);
    exports_swamp_telemetry_sender_destination_free(destination);
@0.1     exports_swamp_telemetry_sender_list_telemetry_entry_free(entries);
@0.1     sender_string_free(distinct_id);
@0.2     exports_swamp_telemetry_sender_list_entry_free(entries);
    return is_delivered;
@0.2 }
@0.2 
@0.2 /* Declared by the bindings too. What it says is the host's to free. */
@0.2 void exports_swamp_telemetry_description_describe(exports_swamp_telemetry_description_sender_description_t *said) {
@0.2     /* Without a homepage, a licence, and options: `swamp sender use` refuses those that are not told here. */
@0.2     *said = (exports_swamp_telemetry_description_sender_description_t){0};
@0.2     sender_string_dup(&said->name, "{{name}}");
@0.2     sender_string_dup(&said->version, "0.1.0");
@0.2     sender_string_dup(&said->description, "A telemetry sender for swamp");
}

/* The bindings ask for it, so that the object file with the world is linked. `swamp sender wrap --wit` brings the world
   instead. */
void __component_type_object_force_link_sender(void) {}
