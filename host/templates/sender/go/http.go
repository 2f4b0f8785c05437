package export_swamp_telemetry_sender

import (
	"strconv"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"

@0.1 	sender "wit_component/swamp_telemetry_sender"
@0.2 	types "wit_component/swamp_telemetry_types"
	clock "wit_component/wasi_clocks_monotonic_clock"
	handler "wit_component/wasi_http_outgoing_handler"
	http "wit_component/wasi_http_types"
	poll "wit_component/wasi_io_poll"
	streams "wit_component/wasi_io_streams"
)

const (
	// How much the host sends, and how much of an answer's body is read, in bytes.
	requestBytes = 8 * 1024 * 1024
	bodyBytes    = 64 * 1024
	// How long an answer's body is waited for, in nanoseconds: less than the batch has, so that the status is told.
	bodyWait = 2_000_000_000
)

type answer struct {
	status   uint16
	response *http.IncomingResponse
}

// postJSON is one POST. The host ends it at the batch's deadline. Every resource is dropped here, in an order that the
// host takes: the collector would not know one.
func postJSON(url, userAgent, body string) (*answer, *{{types}}.{{Failure}}) {
	if len(body) > requestBytes {
		// The host sends smaller batches then.
		return nil, rejected(413, "the batch is larger than 8 MiB")
	}
	request, err := newRequest(url, userAgent, len(body))
	if err != nil {
		return nil, err
	}
	taken := request.Body()
	if taken.Tag() == witTypes.ResultErr {
		request.Drop()
		return nil, other("the host did not take the request's body")
	}
	outgoing := taken.Ok()
	defer outgoing.Drop()
	handled := handler.Handle(request, witTypes.None[*http.RequestOptions]())
	if handled.Tag() == witTypes.ResultErr {
		return nil, failed(handled.Err())
	}
	pending := handled.Ok()
	defer pending.Drop()
	// A body that was cut short stays open until the answer is there: dropping it would end the request.
	if write(outgoing, []byte(body), pending) {
		finished := http.OutgoingBodyFinish(outgoing, witTypes.None[*http.Fields]())
		if finished.Tag() == witTypes.ResultErr {
			return nil, failed(finished.Err())
		}
	}
	answered := pending.Subscribe()
	answered.Block()
	answered.Drop()
	got := pending.Get()
	if got.Tag() == witTypes.OptionNone || got.Some().Tag() == witTypes.ResultErr {
		return nil, other("the host gave no answer")
	}
	result := got.Some().Ok()
	if result.Tag() == witTypes.ResultErr {
		return nil, failed(result.Err())
	}
	response := result.Ok()
	return &answer{response.Status(), response}, nil
}

func newRequest(url, userAgent string, length int) (*http.OutgoingRequest, *{{types}}.{{Failure}}) {
	invalid := failure({{types}}.Make{{Failure}}InvalidConfiguration("the endpoint must be an http or https URL"))
	name, rest, _ := strings.Cut(url, "://")
	authority, path, found := strings.Cut(rest, "/")
	scheme := http.MakeSchemeHttp()
	if name == "https" {
		scheme = http.MakeSchemeHttps()
	}
	if !found || name != "http" && name != "https" {
		return nil, invalid
	}
	fields := http.FieldsFromList([]witTypes.Tuple2[string, []uint8]{
		{F0: "content-type", F1: []uint8("application/json")},
		{F0: "content-length", F1: []uint8(strconv.Itoa(length))},
		{F0: "user-agent", F1: []uint8(userAgent)},
	})
	if fields.Tag() == witTypes.ResultErr {
		return nil, other("the host does not take the request's headers")
	}
	request := http.MakeOutgoingRequest(fields.Ok())
	for _, result := range []witTypes.Result[witTypes.Unit, witTypes.Unit]{
		request.SetMethod(http.MakeMethodPost()),
		request.SetScheme(witTypes.Some(scheme)),
		request.SetAuthority(witTypes.Some(authority)),
		request.SetPathWithQuery(witTypes.Some("/" + path)),
	} {
		if result.Tag() == witTypes.ResultErr {
			request.Drop()
			return nil, invalid
		}
	}
	return request, nil
}

// write is false if the body was cut short because the answer is there already, or the connection is gone.
func write(outgoing *http.OutgoingBody, body []byte, pending *http.FutureIncomingResponse) bool {
	taken := outgoing.Write()
	if taken.Tag() == witTypes.ResultErr {
		return false
	}
	stream := taken.Ok()
	defer stream.Drop()
	writable := stream.Subscribe()
	defer writable.Drop()
	answered := pending.Subscribe()
	defer answered.Drop()
	for len(body) > 0 {
		checked := stream.CheckWrite()
		if checked.Tag() == witTypes.ResultErr {
			dropError(checked.Err())
			return false
		}
		if checked.Ok() == 0 {
			poll.Poll([]*poll.Pollable{writable, answered})
			if answered.Ready() {
				return false
			}
			continue
		}
		part := body[:min(uint64(len(body)), checked.Ok())]
		if written := stream.Write(part); written.Tag() == witTypes.ResultErr {
			dropError(written.Err())
			return false
		}
		body = body[len(part):]
	}
	return true
}

func dropError(err streams.StreamError) {
	if err.Tag() == streams.StreamError_LastOperationFailed {
		err.LastOperationFailed().Drop()
	}
}

// retryAfter is the `retry-after` header, if it is a number of seconds.
func (answer *answer) retryAfter() witTypes.Option[uint32] {
	headers := answer.response.Headers()
	defer headers.Drop()
	values := headers.Get("retry-after")
	if len(values) == 0 {
		return witTypes.None[uint32]()
	}
	seconds, err := strconv.ParseUint(strings.TrimSpace(string(values[0])), 10, 32)
	if err != nil {
		return witTypes.None[uint32]()
	}
	return witTypes.Some(uint32(seconds))
}

// text is the body, up to its first 64 KiB; an error if it breaks off or does not come.
func (answer *answer) text() (string, *{{types}}.{{Failure}}) {
	cutShort := unreachable("the answer was cut short")
	consumed := answer.response.Consume()
	if consumed.Tag() == witTypes.ResultErr {
		return "", cutShort
	}
	body := consumed.Ok()
	defer body.Drop()
	taken := body.Stream()
	if taken.Tag() == witTypes.ResultErr {
		return "", cutShort
	}
	stream := taken.Ok()
	defer stream.Drop()
	readable := stream.Subscribe()
	defer readable.Drop()
	timeout := clock.SubscribeDuration(bodyWait)
	defer timeout.Drop()
	var read []byte
	for len(read) < bodyBytes {
		poll.Poll([]*poll.Pollable{readable, timeout})
		if !readable.Ready() {
			return "", cutShort
		}
		part := stream.Read(uint64(bodyBytes - len(read)))
		if part.Tag() == witTypes.ResultErr {
			end := part.Err()
			dropError(end)
			if end.Tag() != streams.StreamError_Closed {
				return "", cutShort
			}
			break
		}
		read = append(read, part.Ok()...)
	}
	return strings.ToValidUTF8(string(read), "\ufffd"), nil
}

// rejection is what the answer is, with its body as far as it comes.
func (answer *answer) rejection() *{{types}}.{{Failure}} {
	reason, err := answer.text()
	if err != nil {
		reason = ""
	}
	return rejected(answer.status, reason)
}

func (answer *answer) drop() {
	answer.response.Drop()
}

// failed is why nothing was answered.
func failed(code http.ErrorCode) *{{types}}.{{Failure}} {
	switch code.Tag() {
	case http.ErrorCode_HttpRequestDenied, http.ErrorCode_DestinationIpProhibited:
		return other("the host denied the request")
	case http.ErrorCode_HttpRequestUriInvalid:
		return failure({{types}}.Make{{Failure}}InvalidConfiguration("the endpoint must be a valid URL"))
	case http.ErrorCode_DnsError, http.ErrorCode_DnsTimeout:
		return unreachable("the endpoint's name was not resolved")
	case http.ErrorCode_ConnectionRefused:
		return unreachable("the endpoint refused the connection")
	case http.ErrorCode_TlsProtocolError, http.ErrorCode_TlsCertificateError, http.ErrorCode_TlsAlertReceived:
		return unreachable("the endpoint's TLS failed")
	default:
		return unreachable("the endpoint did not answer")
	}
}
