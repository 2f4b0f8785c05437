/* Shorter names for the generated types of the contract, and its errors. */

#ifndef CONTRACT_H
#define CONTRACT_H

#include "../bindings/sender.h"
#include "text.h"

@0.1 typedef exports_swamp_telemetry_sender_list_telemetry_entry_t entries_t;
@0.1 typedef exports_swamp_telemetry_sender_telemetry_entry_t entry_t;
@0.1 typedef exports_swamp_telemetry_sender_send_error_t send_error_t;
@0.2 typedef exports_swamp_telemetry_sender_list_entry_t entries_t;
@0.2 typedef exports_swamp_telemetry_sender_entry_t entry_t;
@0.2 typedef swamp_telemetry_batch_entry_fields_t fields_t;
@0.2 typedef exports_swamp_telemetry_sender_list_outcome_t outcomes_t;
@0.2 typedef exports_swamp_telemetry_sender_failure_t failure_t;

/* Each sets `error` and returns false, so that it can be returned. */
bool rejected({{failure}}_t *error, uint16_t status, const struct text *body);
bool throttled({{failure}}_t *error, sender_option_u32_t seconds);
bool unreachable({{failure}}_t *error, const char *why);
bool invalid_configuration({{failure}}_t *error, const char *why);
bool other({{failure}}_t *error, const char *why);

#endif
