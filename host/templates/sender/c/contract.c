#include "contract.h"

/* What goes into an error is the host's to free: a copy. */
static sender_string_t copied(const char *text, size_t length) {
    sender_string_t copy;
    sender_string_dup_n(&copy, text, length);
    return copy;
}

bool rejected(send_error_t *error, uint16_t status, const struct text *body) {
    error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_REJECTED;
    error->val.rejected.status = status;
    error->val.rejected.body = copied(body->bytes, body->length);
    return false;
}

bool throttled(send_error_t *error, sender_option_u32_t seconds) {
    error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_THROTTLED;
    error->val.throttled = seconds;
    return false;
}

bool unreachable(send_error_t *error, const char *why) {
    error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_UNREACHABLE;
    error->val.unreachable = copied(why, strlen(why));
    return false;
}

bool invalid_configuration(send_error_t *error, const char *why) {
    error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_INVALID_CONFIGURATION;
    error->val.invalid_configuration = copied(why, strlen(why));
    return false;
}

bool other(send_error_t *error, const char *why) {
    error->tag = EXPORTS_SWAMP_TELEMETRY_SENDER_SEND_ERROR_OTHER;
    error->val.other = copied(why, strlen(why));
    return false;
}
