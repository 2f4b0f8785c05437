#include "contract.h"

/* What goes into an error is the host's to free: a copy. */
static sender_string_t copied(const char *text, size_t length) {
    sender_string_t copy;
    sender_string_dup_n(&copy, text, length);
    return copy;
}

bool rejected({{failure}}_t *error, uint16_t status, const struct text *body) {
@0.1     error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_REJECTED;
@0.2     error->tag = SWAMP_TELEMETRY_TYPES_FAILURE_REJECTED;
    error->val.rejected.status = status;
    error->val.rejected.body = copied(body->bytes, body->length);
    return false;
}

bool throttled({{failure}}_t *error, sender_option_u32_t seconds) {
@0.1     error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_THROTTLED;
@0.2     error->tag = SWAMP_TELEMETRY_TYPES_FAILURE_THROTTLED;
    error->val.throttled = seconds;
    return false;
}

bool unreachable({{failure}}_t *error, const char *why) {
@0.1     error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_UNREACHABLE;
@0.2     error->tag = SWAMP_TELEMETRY_TYPES_FAILURE_UNREACHABLE;
    error->val.unreachable = copied(why, strlen(why));
    return false;
}

bool invalid_configuration({{failure}}_t *error, const char *why) {
@0.1     error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_INVALID_CONFIGURATION;
@0.2     error->tag = SWAMP_TELEMETRY_TYPES_FAILURE_INVALID_CONFIGURATION;
    error->val.invalid_configuration = copied(why, strlen(why));
    return false;
}

bool other({{failure}}_t *error, const char *why) {
@0.1     error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_OTHER;
@0.2     error->tag = SWAMP_TELEMETRY_TYPES_FAILURE_OTHER;
    error->val.other = copied(why, strlen(why));
    return false;
}
