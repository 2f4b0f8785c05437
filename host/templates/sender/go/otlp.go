package export_swamp_telemetry_sender

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

	sender "wit_component/swamp_telemetry_sender"
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

var severities = map[sender.InvocationStatus]severity{
	sender.InvocationStatus_Success:   {9, "INFO", "success"},
	sender.InvocationStatus_UserError: {13, "WARN", "user_error"},
	sender.InvocationStatus_Error:     {17, "ERROR", "error"},
}

func body(entries []sender.TelemetryEntry, distinctID string) string {
	records := make([]logRecord, len(entries))
	for i, entry := range entries {
		records[i] = record(entry)
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

func record(entry sender.TelemetryEntry) logRecord {
	words := []string{"swamp"}
	for _, word := range []witTypes.Option[string]{entry.Command, entry.Subcommand} {
		if word.Tag() == witTypes.OptionSome {
			words = append(words, word.Some())
		}
	}
	if entry.Args.Tag() == witTypes.OptionSome {
		words = append(words, entry.Args.Some()...)
	}
	record := logRecord{
		TimeUnixNano:         nanoseconds(entry.StartedAt),
		ObservedTimeUnixNano: nanoseconds(entry.CompletedAt),
		Body:                 stringValue{strings.Join(words, " ")},
	}
	var all attributes
	all.text("swamp.entry.id", entry.Id)
	all.optionalText("swamp.command", entry.Command)
	all.optionalText("swamp.subcommand", entry.Subcommand)
	all.texts("swamp.args", entry.Args)
	all.texts("swamp.option_keys", entry.OptionKeys)
	all.texts("swamp.global_options", entry.GlobalOptions)
	if entry.Status.Tag() == witTypes.OptionSome {
		severity := severities[entry.Status.Some()]
		record.SeverityNumber, record.SeverityText = severity.number, severity.name
		all.text("swamp.status", severity.status)
	}
	if entry.DurationMs.Tag() == witTypes.OptionSome && entry.DurationMs.Some() <= math.MaxInt64 {
		all.add("swamp.duration_ms", intValue{int64(entry.DurationMs.Some())})
	}
	if entry.ExitCode.Tag() == witTypes.OptionSome {
		all.add("process.exit.code", intValue{int64(entry.ExitCode.Some())})
	}
	all.optionalText("error.type", entry.ErrorType)
	all.optionalText("exception.message", entry.ErrorMessage)
	all.optionalText("service.version", entry.SwampVersion)
	all.optionalText("os.type", entry.Platform)
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

func outcome(answer *answer) *sender.SendError {
	if answer.status < 200 || answer.status > 299 {
		return answer.rejection()
	}
	text, err := answer.text()
	if err != nil {
		return err
	}
	if isPage(text) {
		return rejected(answer.status, "the endpoint answered with a web page, and not as a collector")
	}
	if why := notTaken(text); why != "" {
		// A refusal of what was sent: the host finds the records at fault by sending smaller batches.
		return rejected(400, why)
	}
	return nil
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
