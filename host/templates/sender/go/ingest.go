package export_swamp_telemetry_sender

import (
	"encoding/json"
	"strings"

	sender "wit_component/swamp_telemetry_sender"
)

// What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.
const path = "/ingest"

// body is one event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
// sender does not know arrive too.
func body(entries []sender.TelemetryEntry, distinctID string) string {
	var events strings.Builder
	for i, entry := range entries {
		if i > 0 {
			events.WriteByte(',')
		}
		events.WriteString(`{"event":"cli_invocation","distinct_id":`)
		events.Write(quoted(distinctID))
		events.WriteString(`,"insert_id":`)
		events.Write(quoted(entry.Id))
		events.WriteString(`,"properties":`)
		events.WriteString(entry.Data)
		events.WriteByte('}')
	}
	if len(entries) == 1 {
		return events.String()
	}
	return `{"events":[` + events.String() + `]}`
}

func quoted(text string) []byte {
	// A text cannot fail.
	bytes, _ := json.Marshal(text)
	return bytes
}

func outcome(answer *answer) *sender.SendError {
	if answer.status == 202 {
		return nil
	}
	return answer.rejection()
}
