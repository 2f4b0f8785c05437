// Package export_swamp_telemetry_sender is a telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is
// asked of it. The bindings name the package.
package export_swamp_telemetry_sender

import (
	"runtime"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	types "wit_component/swamp_telemetry_types"
)

// SendBatch is what the component exports.
func SendBatch(
	destination {{types}}.Destination,
@0.1 	entries []{{types}}.{{Entry}},
@0.1 	distinctID string,
@0.1 ) witTypes.Result[witTypes.Unit, {{types}}.{{Failure}}] {
@0.2 	entries []types.Entry,
@0.2 ) witTypes.Result[[]types.Outcome, types.Failure] {
	// The collector is off during a call, and another batch may come.
	defer runtime.GC()
@0.1 	if err := deliver(destination, entries, distinctID); err != nil {
@0.1 		return witTypes.Err[witTypes.Unit](*err)
@0.2 	outcomes, err := deliver(destination, entries)
@0.2 	if err != nil {
@0.2 		return witTypes.Err[[]types.Outcome](*err)
	}
@0.1 	return witTypes.Ok[witTypes.Unit, {{types}}.{{Failure}}](witTypes.Unit{})
@0.2 	return witTypes.Ok[[]types.Outcome, types.Failure](outcomes)
}

@0.1 func deliver(destination {{types}}.Destination, entries []{{types}}.{{Entry}}, distinctID string) *{{types}}.{{Failure}} {
@0.2 func deliver(destination types.Destination, entries []types.Entry) ([]types.Outcome, *types.Failure) {
	if len(entries) == 0 {
@0.1 		return nil
@0.2 		return nil, nil
	}
	url := strings.TrimRight(destination.Endpoint, "/") + path
@0.1 	answer, err := postJSON(url, destination.UserAgent, body(entries, distinctID))
@0.2 	answer, err := postJSON(url, destination.UserAgent, body(entries, destination.DistinctId))
	if err != nil {
@0.1 		return err
@0.2 		return nil, err
	}
	defer answer.drop()
	if answer.status == 429 || answer.status == 503 {
@0.1 		return failure({{types}}.Make{{Failure}}Throttled(answer.retryAfter()))
@0.2 		return nil, failure(types.MakeFailureThrottled(answer.retryAfter()))
	}
@0.1 	return outcome(answer)
@0.2 	return outcomes(entries, answer)
@0.2 }
@0.2 
@0.2 func allTaken(entries []types.Entry) []types.Outcome {
@0.2 	outcomes := make([]types.Outcome, len(entries))
@0.2 	for i := range outcomes {
@0.2 		outcomes[i] = types.MakeOutcomeTaken()
@0.2 	}
@0.2 	return outcomes
}

func failure(err {{types}}.{{Failure}}) *{{types}}.{{Failure}} {
	return &err
}

func rejected(status uint16, reason string) *{{types}}.{{Failure}} {
	return failure({{types}}.Make{{Failure}}Rejected({{types}}.Rejection{Status: status, Body: reason}))
}

func unreachable(why string) *{{types}}.{{Failure}} {
	return failure({{types}}.Make{{Failure}}Unreachable(why))
}

func other(why string) *{{types}}.{{Failure}} {
	return failure({{types}}.Make{{Failure}}Other(why))
}
