package export_swamp_telemetry_sender

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	batch "wit_component/swamp_telemetry_batch"
@0.2 	types "wit_component/swamp_telemetry_types"
)

// What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
// 2xx. Fields of `data` that are not in the contract are not sent.
const path = "/v1/logs"

type attribute struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

type stringValue struct {
	StringValue string `json:"stringValue"`
}

// 64-bit numbers are texts in OTLP's JSON.
type intValue struct {
	IntValue int64 `json:"intValue,string"`
}

type arrayValue struct {
	ArrayValue struct {
		Values []stringValue `json:"values"`
	} `json:"arrayValue"`
}

type logRecord struct {
	TimeUnixNano         uint64      `json:"timeUnixNano,string,omitempty"`
	ObservedTimeUnixNano uint64      `json:"observedTimeUnixNano,string,omitempty"`
	SeverityNumber       int         `json:"severityNumber,omitempty"`
	SeverityText         string      `json:"severityText,omitempty"`
	Body                 stringValue `json:"body"`
	Attributes           []attribute `json:"attributes"`
}

type severity struct {
	number       int
	name, status string
}

var severities = map[{{types}}.InvocationStatus]severity{
	{{types}}.InvocationStatus_Success:   {9, "INFO", "success"},
	{{types}}.InvocationStatus_UserError: {13, "WARN", "user_error"},
	{{types}}.InvocationStatus_Error:     {17, "ERROR", "error"},
}

func body(entries []{{types}}.{{Entry}}, distinctID string) string {
	records := make([]logRecord, len(entries))
	for i, entry := range entries {
@0.1 		records[i] = record(entry)
@0.2 		records[i] = record(entry.Id, batch.Fields(uint32(i)))
	}
	var resource attributes
	resource.text("service.name", "swamp")
	resource.text("swamp.repo.id", distinctID)
	scopeLogs := map[string]any{"scope": map[string]string{"name": "swamp"}, "logRecords": records}
	resourceLogs := map[string]any{
		"resource":  map[string]any{"attributes": resource},
		"scopeLogs": []any{scopeLogs},
	}
	text, err := json.Marshal(map[string]any{"resourceLogs": []any{resourceLogs}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

@0.1 func record(entry {{types}}.{{Entry}}) logRecord {
@0.2 func record(id string, fields types.EntryFields) logRecord {
	words := []string{"swamp"}
	for _, word := range []witTypes.Option[string]{{{fields}}.Command, {{fields}}.Subcommand} {
		if word.Tag() == witTypes.OptionSome {
			words = append(words, word.Some())
		}
	}
	if {{fields}}.Args.Tag() == witTypes.OptionSome {
		words = append(words, {{fields}}.Args.Some()...)
	}
	record := logRecord{
		TimeUnixNano:         nanoseconds({{fields}}.StartedAt),
		ObservedTimeUnixNano: nanoseconds({{fields}}.CompletedAt),
		Body:                 stringValue{strings.Join(words, " ")},
	}
	var all attributes
@0.1 	all.text("swamp.entry.id", entry.Id)
@0.2 	all.text("swamp.entry.id", id)
	all.optionalText("swamp.command", {{fields}}.Command)
	all.optionalText("swamp.subcommand", {{fields}}.Subcommand)
	all.texts("swamp.args", {{fields}}.Args)
	all.texts("swamp.option_keys", {{fields}}.OptionKeys)
	all.texts("swamp.global_options", {{fields}}.GlobalOptions)
	if {{fields}}.Status.Tag() == witTypes.OptionSome {
		severity := severities[{{fields}}.Status.Some()]
		record.SeverityNumber, record.SeverityText = severity.number, severity.name
		all.text("swamp.status", severity.status)
	}
	if {{fields}}.DurationMs.Tag() == witTypes.OptionSome && {{fields}}.DurationMs.Some() <= math.MaxInt64 {
		all.add("swamp.duration_ms", intValue{int64({{fields}}.DurationMs.Some())})
	}
	if {{fields}}.ExitCode.Tag() == witTypes.OptionSome {
		all.add("process.exit.code", intValue{int64({{fields}}.ExitCode.Some())})
	}
	all.optionalText("error.type", {{fields}}.ErrorType)
	all.optionalText("exception.message", {{fields}}.ErrorMessage)
	all.optionalText("service.version", {{fields}}.SwampVersion)
	all.optionalText("os.type", {{fields}}.Platform)
	record.Attributes = all
	return record
}

// Those that have a value.
type attributes []attribute

func (all *attributes) add(key string, value any) {
	*all = append(*all, attribute{key, value})
}

func (all *attributes) text(key, text string) {
	all.add(key, stringValue{text})
}

func (all *attributes) optionalText(key string, text witTypes.Option[string]) {
	if text.Tag() == witTypes.OptionSome {
		all.text(key, text.Some())
	}
}

func (all *attributes) texts(key string, texts witTypes.Option[[]string]) {
	if texts.Tag() == witTypes.OptionNone {
		return
	}
	var list arrayValue
	list.ArrayValue.Values = make([]stringValue, len(texts.Some()))
	for i, text := range texts.Some() {
		list.ArrayValue.Values[i] = stringValue{text}
	}
	all.add(key, list)
}

// nanoseconds is 0, and thereby left out, if there are none or they do not fit.
func nanoseconds(millis witTypes.Option[uint64]) uint64 {
	if millis.Tag() == witTypes.OptionNone || millis.Some() > math.MaxUint64/1_000_000 {
		return 0
	}
	return millis.Some() * 1_000_000
}

@0.1 func outcome(answer *answer) *{{types}}.{{Failure}} {
@0.2 // outcomes tells of each entry. The body tells how many records were not taken, and not which: so the whole batch is
@0.2 // refused, and the host sends it in smaller parts. What was taken comes again then, with the same `swamp.entry.id`.
@0.2 func outcomes(entries []types.Entry, answer *answer) ([]types.Outcome, *types.Failure) {
	if answer.status < 200 || answer.status > 299 {
@0.1 		return answer.rejection()
@0.2 		return nil, answer.rejection()
	}
	text, err := answer.text()
	if err != nil {
@0.1 		return err
@0.2 		return nil, err
	}
	if isPage(text) {
@0.1 		return rejected(answer.status, "the endpoint answered with a web page, and not as a collector")
@0.2 		return nil, rejected(answer.status, "the endpoint answered with a web page, and not as a collector")
	}
	if why := notTaken(text); why != "" {
		// A refusal of what was sent: the host finds the records at fault by sending smaller batches.
@0.1 		return rejected(400, why)
@0.2 		return nil, rejected(400, why)
	}
@0.1 	return nil
@0.2 	return allTaken(entries), nil
}

// isPage tells HTML, as a sign-in answers with, and no collector.
func isPage(answer string) bool {
	return strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(answer, "\ufeff")), "<")
}

// notTaken is why records were not taken, if the answer to a success says so. Protobuf's JSON has both spellings of each
// name.
func notTaken(answer string) string {
	var all, partial map[string]json.RawMessage
	if json.Unmarshal([]byte(answer), &all) != nil {
		return ""
	}
	if json.Unmarshal(either(all, "partialSuccess", "partial_success"), &partial) != nil {
		return ""
	}
	rejected := bytes.Trim(either(partial, "rejectedLogRecords", "rejected_log_records"), `"`)
	count, err := strconv.ParseInt(string(rejected), 10, 64)
	if err != nil || count <= 0 {
		return ""
	}
	var why string
	if json.Unmarshal(either(partial, "errorMessage", "error_message"), &why) != nil || why == "" {
		return fmt.Sprintf("%d records were not taken", count)
	}
	return why
}

func either(values map[string]json.RawMessage, name, otherName string) json.RawMessage {
	if value, found := values[name]; found {
		return value
	}
	return values[otherName]
}
