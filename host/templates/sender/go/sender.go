// Package export_swamp_telemetry_sender is a telemetry sender for swamp. `wit/deps/telemetry/sender.wit` says what is
// asked of it. The bindings name the package.
package export_swamp_telemetry_sender

import (
	"runtime"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

	sender "wit_component/swamp_telemetry_sender"
)

// SendBatch is what the component exports.
func SendBatch(
	destination sender.Destination,
	entries []sender.TelemetryEntry,
	distinctID string,
) witTypes.Result[witTypes.Unit, sender.SendError] {
	// The collector is off during a call, and another batch may come.
	defer runtime.GC()
	if err := deliver(destination, entries, distinctID); err != nil {
		return witTypes.Err[witTypes.Unit](*err)
	}
	return witTypes.Ok[witTypes.Unit, sender.SendError](witTypes.Unit{})
}

func deliver(destination sender.Destination, entries []sender.TelemetryEntry, distinctID string) *sender.SendError {
	if len(entries) == 0 {
		return nil
	}
	url := strings.TrimRight(destination.Endpoint, "/") + path
	answer, err := postJSON(url, destination.UserAgent, body(entries, distinctID))
	if err != nil {
		return err
	}
	defer answer.drop()
	if answer.status == 429 || answer.status == 503 {
		return failure(sender.MakeSendErrorThrottled(answer.retryAfter()))
	}
	return outcome(answer)
}

func failure(err sender.SendError) *sender.SendError {
	return &err
}

func rejected(status uint16, reason string) *sender.SendError {
	return failure(sender.MakeSendErrorRejected(sender.Rejection{Status: status, Body: reason}))
}

func unreachable(why string) *sender.SendError {
	return failure(sender.MakeSendErrorUnreachable(why))
}

func other(why string) *sender.SendError {
	return failure(sender.MakeSendErrorOther(why))
}
