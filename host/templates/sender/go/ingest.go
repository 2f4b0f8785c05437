package export_swamp_telemetry_sender

import (
	"encoding/json"
	"strings"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	types "wit_component/swamp_telemetry_types"
)

// What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.
const path = "/ingest"

// body is one event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
// sender does not know arrive too.
func body(entries []{{types}}.{{Entry}}, distinctID string) string {
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

@0.1 func outcome(answer *answer) *{{types}}.{{Failure}} {
@0.1 	if answer.status == 202 {
@0.1 		return nil
@0.2 // outcomes tells of each entry. The endpoint takes a batch as a whole. For one that says of each entry what became of it,
@0.2 // so does this.
@0.2 func outcomes(entries []types.Entry, answer *answer) ([]types.Outcome, *types.Failure) {
@0.2 	if answer.status != 202 {
@0.2 		return nil, answer.rejection()
	}
@0.1 	return answer.rejection()
@0.2 	return allTaken(entries), nil
}
