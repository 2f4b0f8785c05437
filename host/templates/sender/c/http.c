#include "http.h"

#include <stdlib.h>

/* How much the host sends, and how much of an answer's body is read, in bytes. */
#define REQUEST_BYTES (8 * 1024 * 1024)
#define BODY_BYTES (64 * 1024)

/* How long an answer's body is waited for, in nanoseconds: less than the batch has, so that the status is told. */
#define BODY_WAIT 2000000000

typedef wasi_io_poll_own_pollable_t pollable_t;
typedef wasi_http_types_own_outgoing_request_t request_t;
typedef wasi_http_types_own_outgoing_body_t outgoing_body_t;
typedef wasi_http_types_own_future_incoming_response_t pending_t;
typedef wasi_http_types_error_code_t error_code_t;

static sender_string_t borrowed(const char *text, size_t length) {
    return (sender_string_t){(uint8_t *)text, length};
}

static sender_string_t words(const char *text) {
    return borrowed(text, strlen(text));
}

/* Why nothing was answered. Frees `code`. */
static bool failed(error_code_t *code, {{failure}}_t *error) {
    uint8_t tag = code->tag;
    wasi_http_types_error_code_free(code);
    switch (tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED:
        return other(error, "the host denied the request");
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID:
        return invalid_configuration(error, "the endpoint must be a valid URL");
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT:
        return unreachable(error, "the endpoint's name was not resolved");
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED:
        return unreachable(error, "the endpoint refused the connection");
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED:
        return unreachable(error, "the endpoint's TLS failed");
    default:
        return unreachable(error, "the endpoint did not answer");
    }
}

static bool new_request(const struct text *url, const sender_string_t *user_agent, size_t length, request_t *request,
                        {{failure}}_t *error) {
    static const char INVALID[] = "the endpoint must be an http or https URL";
    wasi_http_types_scheme_t scheme;
    size_t at;
    if (url->length > 8 && memcmp(url->bytes, "https://", 8) == 0) {
        scheme.tag = WASI_HTTP_TYPES_SCHEME_HTTPS;
        at = 8;
    } else if (url->length > 7 && memcmp(url->bytes, "http://", 7) == 0) {
        scheme.tag = WASI_HTTP_TYPES_SCHEME_HTTP;
        at = 7;
    } else {
        return invalid_configuration(error, INVALID);
    }
    const char *slash = memchr(url->bytes + at, '/', url->length - at);
    if (slash == NULL) return invalid_configuration(error, INVALID);
    sender_string_t path = borrowed(slash, url->length - (size_t)(slash - url->bytes));
    sender_string_t authority = borrowed(url->bytes + at, url->length - at - path.len);

    struct text digits = {0};
    text_add_number(&digits, length);
    sender_string_t json = words("application/json");
    wasi_http_types_tuple2_field_name_field_value_t headers[] = {
        {words("content-type"), {json.ptr, json.len}},
        {words("content-length"), {(uint8_t *)digits.bytes, digits.length}},
        {words("user-agent"), {user_agent->ptr, user_agent->len}},
    };
    wasi_http_types_list_tuple2_field_name_field_value_t list = {headers, sizeof headers / sizeof *headers};
    wasi_http_types_own_fields_t fields;
    wasi_http_types_header_error_t refused;
    bool is_taken = wasi_http_types_static_fields_from_list(&list, &fields, &refused);
    text_free(&digits);
    if (!is_taken) return other(error, "the host does not take the request's headers");

    *request = wasi_http_types_constructor_outgoing_request(fields);
    wasi_http_types_borrow_outgoing_request_t it = wasi_http_types_borrow_outgoing_request(*request);
    wasi_http_types_method_t post = {.tag = WASI_HTTP_TYPES_METHOD_POST};
    if (wasi_http_types_method_outgoing_request_set_method(it, &post) &&
        wasi_http_types_method_outgoing_request_set_scheme(it, &scheme) &&
        wasi_http_types_method_outgoing_request_set_authority(it, &authority) &&
        wasi_http_types_method_outgoing_request_set_path_with_query(it, &path)) {
        return true;
    }
    wasi_http_types_outgoing_request_drop_own(*request);
    return invalid_configuration(error, INVALID);
}

static void wait_for(pollable_t one, pollable_t another) {
    wasi_io_poll_borrow_pollable_t both[] = {wasi_io_poll_borrow_pollable(one), wasi_io_poll_borrow_pollable(another)};
    wasi_io_poll_list_borrow_pollable_t list = {both, 2};
    sender_list_u32_t ready;
    wasi_io_poll_poll(&list, &ready);
    sender_list_u32_free(&ready);
}

static bool is_ready(pollable_t pollable) {
    return wasi_io_poll_method_pollable_ready(wasi_io_poll_borrow_pollable(pollable));
}

/* False if the body was cut short because the answer is there already, or the connection is gone. */
static bool write_body(outgoing_body_t outgoing, const struct text *body, pending_t pending) {
    wasi_io_streams_own_output_stream_t stream;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(outgoing), &stream)) return false;
    wasi_io_streams_borrow_output_stream_t it = wasi_io_streams_borrow_output_stream(stream);
    pollable_t writable = wasi_io_streams_method_output_stream_subscribe(it);
    pollable_t answered = wasi_http_types_method_future_incoming_response_subscribe(
        wasi_http_types_borrow_future_incoming_response(pending));
    wasi_io_streams_stream_error_t gone;
    size_t written = 0;
    while (written < body->length) {
        uint64_t room;
        if (!wasi_io_streams_method_output_stream_check_write(it, &room, &gone)) {
            wasi_io_streams_stream_error_free(&gone);
            break;
        }
        if (room == 0) {
            wait_for(writable, answered);
            if (is_ready(answered)) break;
            continue;
        }
        size_t left = body->length - written;
        sender_list_u8_t part = {(uint8_t *)body->bytes + written, room < left ? (size_t)room : left};
        if (!wasi_io_streams_method_output_stream_write(it, &part, &gone)) {
            wasi_io_streams_stream_error_free(&gone);
            break;
        }
        written += part.len;
    }
    wasi_io_poll_pollable_drop_own(answered);
    wasi_io_poll_pollable_drop_own(writable);
    wasi_io_streams_output_stream_drop_own(stream);
    return written == body->length;
}

/* Waits for the answer, and drops `pending`. */
static bool take_answer(pending_t pending, struct answer *answer, {{failure}}_t *error) {
    wasi_http_types_borrow_future_incoming_response_t it = wasi_http_types_borrow_future_incoming_response(pending);
    pollable_t answered = wasi_http_types_method_future_incoming_response_subscribe(it);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(answered));
    wasi_io_poll_pollable_drop_own(answered);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t result;
    bool is_there = wasi_http_types_method_future_incoming_response_get(it, &result) && !result.is_err;
    wasi_http_types_future_incoming_response_drop_own(pending);
    if (!is_there) return other(error, "the host gave no answer");
    if (result.val.ok.is_err) return failed(&result.val.ok.val.err, error);
    answer->response = result.val.ok.val.ok;
    answer->status = wasi_http_types_method_incoming_response_status(
        wasi_http_types_borrow_incoming_response(answer->response));
    return true;
}

bool post_json(const struct text *url, const sender_string_t *user_agent, const struct text *body,
               struct answer *answer, {{failure}}_t *error) {
    if (body->length > REQUEST_BYTES) {
        /* The host sends smaller batches then. */
        struct text why = {0};
        text_add_words(&why, "the batch is larger than 8 MiB");
        rejected(error, 413, &why);
        text_free(&why);
        return false;
    }
    request_t request;
    if (!new_request(url, user_agent, body->length, &request, error)) return false;
    outgoing_body_t outgoing;
    if (!wasi_http_types_method_outgoing_request_body(wasi_http_types_borrow_outgoing_request(request), &outgoing)) {
        wasi_http_types_outgoing_request_drop_own(request);
        return other(error, "the host did not take the request's body");
    }
    pending_t pending;
    error_code_t code;
    if (!wasi_http_outgoing_handler_handle(request, NULL, &pending, &code)) {
        wasi_http_types_outgoing_body_drop_own(outgoing);
        return failed(&code, error);
    }
    if (!write_body(outgoing, body, pending)) {
        /* It stays open until the answer is there: dropping it would end the request. */
        bool is_answered = take_answer(pending, answer, error);
        wasi_http_types_outgoing_body_drop_own(outgoing);
        return is_answered;
    }
    if (!wasi_http_types_static_outgoing_body_finish(outgoing, NULL, &code)) {
        wasi_http_types_future_incoming_response_drop_own(pending);
        return failed(&code, error);
    }
    return take_answer(pending, answer, error);
}

sender_option_u32_t answer_retry_after(const struct answer *answer) {
    sender_option_u32_t seconds = {false, 0};
    wasi_http_types_own_fields_t headers = wasi_http_types_method_incoming_response_headers(
        wasi_http_types_borrow_incoming_response(answer->response));
    sender_string_t name = words("retry-after");
    wasi_http_types_list_field_value_t values;
    wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &name, &values);
    if (values.len > 0) {
        const uint8_t *at = values.ptr[0].ptr, *end = at + values.ptr[0].len;
        while (at < end && (*at == ' ' || *at == '\t')) at++;
        while (at < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
        /* Nine digits fit, and are more years than it matters. */
        seconds.is_some = at < end && end - at <= 9;
        for (; at < end && seconds.is_some; at++) {
            seconds.is_some = *at >= '0' && *at <= '9';
            seconds.val = seconds.val * 10 + (uint32_t)(*at - '0');
        }
    }
    wasi_http_types_list_field_value_free(&values);
    wasi_http_types_fields_drop_own(headers);
    return seconds;
}

bool answer_text(const struct answer *answer, struct text *text, {{failure}}_t *error) {
    static const char CUT_SHORT[] = "the answer was cut short";
    wasi_http_types_own_incoming_body_t body;
    wasi_io_streams_own_input_stream_t stream;
    if (!wasi_http_types_method_incoming_response_consume(wasi_http_types_borrow_incoming_response(answer->response),
                                                          &body)) {
        return unreachable(error, CUT_SHORT);
    }
    if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) {
        wasi_http_types_incoming_body_drop_own(body);
        return unreachable(error, CUT_SHORT);
    }
    wasi_io_streams_borrow_input_stream_t it = wasi_io_streams_borrow_input_stream(stream);
    pollable_t readable = wasi_io_streams_method_input_stream_subscribe(it);
    pollable_t timeout = wasi_clocks_monotonic_clock_subscribe_duration(BODY_WAIT);
    bool is_whole = true;
    while (is_whole && text->length < BODY_BYTES) {
        wait_for(readable, timeout);
        is_whole = is_ready(readable);
        if (!is_whole) break;
        sender_list_u8_t part;
        wasi_io_streams_stream_error_t end;
        if (wasi_io_streams_method_input_stream_read(it, BODY_BYTES - text->length, &part, &end)) {
            text_add(text, part.ptr, part.len);
            sender_list_u8_free(&part);
        } else {
            is_whole = end.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
            wasi_io_streams_stream_error_free(&end);
            break;
        }
    }
    wasi_io_poll_pollable_drop_own(timeout);
    wasi_io_poll_pollable_drop_own(readable);
    wasi_io_streams_input_stream_drop_own(stream);
    wasi_http_types_incoming_body_drop_own(body);
    text_make_utf8(text);
    return is_whole || unreachable(error, CUT_SHORT);
}

bool answer_rejects(const struct answer *answer, {{failure}}_t *error) {
    struct text reason = {0};
    {{failure}}_t cut_short;
    if (!answer_text(answer, &reason, &cut_short)) exports_swamp_telemetry_sender_{{failure}}_free(&cut_short);
    rejected(error, answer->status, &reason);
    text_free(&reason);
    return false;
}

void answer_drop(struct answer *answer) {
    wasi_http_types_incoming_response_drop_own(answer->response);
}
