package export_swamp_telemetry_sender

import (
	"encoding/json"
	"testing"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	types "wit_component/swamp_telemetry_types"
)

func TestAnEntryIsARecordThatLeavesOutWhatTheEntryLacks(t *testing.T) {
@0.1 	entry := {{types}}.{{Entry}}{
@0.1 		Id:        "a",
@0.1 		Data:      "{}",
@0.2 	fields := types.EntryFields{
		Command:   witTypes.Some("sender"),
		Args:      witTypes.Some([]string{"<REDACTED>"}),
		Status:    witTypes.Some({{types}}.InvocationStatus_UserError),
		ExitCode:  witTypes.Some(int32(1)),
		StartedAt: witTypes.Some(uint64(1_732_460_400_123)),
	}
@0.1 	text, err := json.Marshal(record(entry))
@0.2 	text, err := json.Marshal(record("a", fields))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"timeUnixNano":"1732460400123000000","severityNumber":13,"severityText":"WARN",` +
		`"body":{"stringValue":"swamp sender \u003cREDACTED\u003e"},"attributes":[` +
		`{"key":"swamp.entry.id","value":{"stringValue":"a"}},` +
		`{"key":"swamp.command","value":{"stringValue":"sender"}},` +
		`{"key":"swamp.args","value":{"arrayValue":{"values":[{"stringValue":"\u003cREDACTED\u003e"}]}}},` +
		`{"key":"swamp.status","value":{"stringValue":"user_error"}},` +
		`{"key":"process.exit.code","value":{"intValue":"1"}}]}`
	if string(text) != want {
		t.Fatal(string(text))
	}
}

func TestRecordsThatWereNotTakenAreToldWithTheReason(t *testing.T) {
	for answer, want := range map[string]string{
		"":   "",
		"{}": "",
		`{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"a hint"}}`:    "",
		`{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}`:   "too old",
		`{"partial_success":{"rejected_log_records":2,"error_message":"too old"}}`: "too old",
		`{"partialSuccess":{"rejectedLogRecords":2}}`:                              "2 records were not taken",
	} {
		if got := notTaken(answer); got != want {
			t.Errorf("%s: %s", answer, got)
		}
	}
}

func TestAWebPageIsNoAnswerOfACollector(t *testing.T) {
	for answer, want := range map[string]bool{"": false, "{}": false, "\ufeff\n<!doctype html>": true} {
		if isPage(answer) != want {
			t.Error(answer)
		}
	}
}
