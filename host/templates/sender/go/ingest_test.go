package export_swamp_telemetry_sender

import (
	"encoding/json"
	"testing"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	types "wit_component/swamp_telemetry_types"
)

func TestOneEntryIsABareEventWithItsDataVerbatim(t *testing.T) {
	got := body([]{{types}}.{{Entry}}{{Id: "a", Data: `{"x":1.0}`}}, "repo")
	want := `{"event":"cli_invocation","distinct_id":"repo","insert_id":"a","properties":{"x":1.0}}`
	if got != want {
		t.Fatal(got)
	}
}

func TestSeveralEntriesAreAListInTheirOrder(t *testing.T) {
	var batch struct {
		Events []struct {
			InsertID string `json:"insert_id"`
		}
	}
	text := body([]{{types}}.{{Entry}}{{Id: "a", Data: "{}"}, {Id: "b", Data: "{}"}}, "repo")
	if err := json.Unmarshal([]byte(text), &batch); err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 2 || batch.Events[0].InsertID != "a" || batch.Events[1].InsertID != "b" {
		t.Fatal(text)
	}
}
