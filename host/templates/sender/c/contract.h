/* Shorter names for the generated types of the contract, and its errors. */

#ifndef CONTRACT_H
#define CONTRACT_H

#include "../bindings/sender.h"
#include "text.h"

typedef exports_swamp_telemetry_sender_list_telemetry_entry_t entries_t;
typedef exports_swamp_telemetry_sender_telemetry_entry_t entry_t;
typedef exports_swamp_telemetry_sender_send_error_t send_error_t;

/* Each sets `error` and returns false, so that it can be returned. */
bool rejected(send_error_t *error, uint16_t status, const struct text *body);
bool throttled(send_error_t *error, sender_option_u32_t seconds);
bool unreachable(send_error_t *error, const char *why);
bool invalid_configuration(send_error_t *error, const char *why);
bool other(send_error_t *error, const char *why);

#endif
