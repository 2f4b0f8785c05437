/* What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
   2xx. Fields of `data` that are not in the contract are not sent. */

#include "mapping.h"

const char PATH[] = "/v1/logs";

static void add_text(struct text *body, const sender_string_t *text) {
    text_add_words(body, "{\"stringValue\":");
    text_add_json(body, text->ptr, text->len);
    text_add_words(body, "}");
}

/* Up to the attribute's value; `}` is to follow that. */
static void add_key(struct text *body, const char *key) {
    text_add_comma(body);
    text_add_words(body, "{\"key\":\"");
    text_add_words(body, key);
    text_add_words(body, "\",\"value\":");
}

static void add_words_attribute(struct text *body, const char *key, const char *words) {
    sender_string_t text = {(uint8_t *)words, strlen(words)};
    add_key(body, key);
    add_text(body, &text);
    text_add_words(body, "}");
}

/* Those that have a value. */
static void add_text_attribute(struct text *body, const char *key, const sender_option_string_t *text) {
    if (!text->is_some) return;
    add_key(body, key);
    add_text(body, &text->val);
    text_add_words(body, "}");
}

static void add_texts_attribute(struct text *body, const char *key, const sender_option_list_string_t *texts) {
    if (!texts->is_some) return;
    add_key(body, key);
    text_add_words(body, "{\"arrayValue\":{\"values\":[");
    for (size_t i = 0; i < texts->val.len; i++) {
        text_add_comma(body);
        add_text(body, &texts->val.ptr[i]);
    }
    text_add_words(body, "]}}}");
}

/* 64-bit numbers are texts in OTLP's JSON. */
static void add_number_attribute(struct text *body, const char *key, bool is_negative, uint64_t number) {
    add_key(body, key);
    text_add_words(body, is_negative ? "{\"intValue\":\"-" : "{\"intValue\":\"");
    text_add_number(body, number);
    text_add_words(body, "\"}}");
}

/* What does not fit 64 bits is left out. */
static void add_nanoseconds(struct text *body, const char *key, const sender_option_u64_t *millis) {
    if (!millis->is_some || millis->val > UINT64_MAX / 1000000) return;
    text_add_comma(body);
    text_add_words(body, key);
    text_add_number(body, millis->val * 1000000);
    text_add_words(body, "\"");
}

static void add_words(struct text *line, const sender_option_string_t *word) {
    if (!word->is_some) return;
    text_add_words(line, " ");
    text_add(line, word->val.ptr, word->val.len);
}

@0.1 static void add_record(struct text *body, const entry_t *entry) {
@0.2 static void add_record(struct text *body, const sender_string_t *entry_id, const fields_t *fields) {
    static const char *const SEVERITY[] = {
        "\"severityNumber\":9,\"severityText\":\"INFO\"",
        "\"severityNumber\":17,\"severityText\":\"ERROR\"",
        "\"severityNumber\":13,\"severityText\":\"WARN\"",
    };
    static const char *const STATUS[] = {"success", "error", "user_error"};
    struct text line = {0};
    text_add_words(&line, "swamp");
    add_words(&line, &{{fields}}->command);
    add_words(&line, &{{fields}}->subcommand);
    for (size_t i = 0; {{fields}}->args.is_some && i < {{fields}}->args.val.len; i++) {
        text_add_words(&line, " ");
        text_add(&line, {{fields}}->args.val.ptr[i].ptr, {{fields}}->args.val.ptr[i].len);
    }

    text_add_words(body, "{");
    add_nanoseconds(body, "\"timeUnixNano\":\"", &{{fields}}->started_at);
    add_nanoseconds(body, "\"observedTimeUnixNano\":\"", &{{fields}}->completed_at);
    if ({{fields}}->status.is_some) {
        text_add_comma(body);
        text_add_words(body, SEVERITY[{{fields}}->status.val]);
    }
    text_add_comma(body);
    text_add_words(body, "\"body\":{\"stringValue\":");
    text_add_json(body, line.bytes, line.length);
    text_add_words(body, "},\"attributes\":[");
    text_free(&line);
@0.1     sender_option_string_t id = {true, entry->id};
@0.2     sender_option_string_t id = {true, *entry_id};
    add_text_attribute(body, "swamp.entry.id", &id);
    add_text_attribute(body, "swamp.command", &{{fields}}->command);
    add_text_attribute(body, "swamp.subcommand", &{{fields}}->subcommand);
    add_texts_attribute(body, "swamp.args", &{{fields}}->args);
    add_texts_attribute(body, "swamp.option_keys", &{{fields}}->option_keys);
    add_texts_attribute(body, "swamp.global_options", &{{fields}}->global_options);
    if ({{fields}}->status.is_some) add_words_attribute(body, "swamp.status", STATUS[{{fields}}->status.val]);
    if ({{fields}}->duration_ms.is_some && {{fields}}->duration_ms.val <= INT64_MAX) {
        add_number_attribute(body, "swamp.duration_ms", false, {{fields}}->duration_ms.val);
    }
    if ({{fields}}->exit_code.is_some) {
        int64_t code = {{fields}}->exit_code.val;
        add_number_attribute(body, "process.exit.code", code < 0, (uint64_t)(code < 0 ? -code : code));
    }
    add_text_attribute(body, "error.type", &{{fields}}->error_type);
    add_text_attribute(body, "exception.message", &{{fields}}->error_message);
    add_text_attribute(body, "service.version", &{{fields}}->swamp_version);
    add_text_attribute(body, "os.type", &{{fields}}->platform);
    text_add_words(body, "]}");
}

void add_body(struct text *body, const entries_t *entries, const sender_string_t *distinct_id) {
    sender_option_string_t id = {true, *distinct_id};
    text_add_words(body, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
    add_words_attribute(body, "service.name", "swamp");
    add_text_attribute(body, "swamp.repo.id", &id);
    text_add_words(body, "]},\"scopeLogs\":[{\"scope\":{\"name\":\"swamp\"},\"logRecords\":[");
    for (size_t i = 0; i < entries->len; i++) {
        text_add_comma(body);
@0.1         add_record(body, &entries->ptr[i]);
@0.2         fields_t fields;
@0.2         swamp_telemetry_batch_fields((uint32_t)i, &fields);
@0.2         add_record(body, &entries->ptr[i].id, &fields);
@0.2         swamp_telemetry_batch_entry_fields_free(&fields);
    }
    text_add_words(body, "]}]}]}");
}

/* A part of a JSON text. */
struct part {
    const char *at;
    const char *end;
};

static void skip_space(struct part *json) {
    while (json->at < json->end && memchr(" \t\r\n", *json->at, 4) != NULL) json->at++;
}

/* Takes one value off the front; false if there is none. */
static bool take_value(struct part *json, struct part *value) {
    size_t depth = 0;
    bool is_in_text = false;
    skip_space(json);
    value->at = json->at;
    for (; json->at < json->end; json->at++) {
        char byte = *json->at;
        if (is_in_text) {
            if (byte == '\\') json->at++;
            else if (byte == '"') is_in_text = false;
        } else if (byte == '"') {
            is_in_text = true;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if (depth == 0 && memchr(",:}] \t\r\n", byte, 8) != NULL) {
            break;
        } else if (byte == '}' || byte == ']') {
            depth--;
        }
    }
    if (json->at > json->end) json->at = json->end;
    value->end = json->at;
    return depth == 0 && !is_in_text && value->at < value->end;
}

static bool take_byte(struct part *json, char byte) {
    skip_space(json);
    if (json->at == json->end || *json->at != byte) return false;
    json->at++;
    return true;
}

/* The member of an object under either name: Protobuf's JSON has both. */
static bool find_member(struct part object, const char *name, const char *other_name, struct part *value) {
    struct part key;
    if (!take_byte(&object, '{')) return false;
    while (take_value(&object, &key) && take_byte(&object, ':') && take_value(&object, value)) {
        size_t length = (size_t)(key.end - key.at);
        if ((length == strlen(name) && memcmp(key.at, name, length) == 0) ||
            (length == strlen(other_name) && memcmp(key.at, other_name, length) == 0)) {
            return true;
        }
        if (!take_byte(&object, ',')) return false;
    }
    return false;
}

/* Whether the answer to a success says that records were not taken; adds the reason, with escapes as they came. */
static bool is_partial(const struct text *answer, struct text *why) {
    struct part json = {answer->bytes, answer->bytes + answer->length}, partial, count, message;
    if (!find_member(json, "\"partialSuccess\"", "\"partial_success\"", &partial) ||
        !find_member(partial, "\"rejectedLogRecords\"", "\"rejected_log_records\"", &count)) {
        return false;
    }
    if (*count.at == '"') {
        count.at++;
        count.end--;
    }
    bool is_none = true;
    for (const char *at = count.at; at < count.end; at++) {
        if (*at < '0' || *at > '9') return false;
        if (*at != '0') is_none = false;
    }
    if (is_none) return false;
    if (find_member(partial, "\"errorMessage\"", "\"error_message\"", &message) && *message.at == '"' &&
        message.end - message.at > 2) {
        text_add(why, message.at + 1, (size_t)(message.end - message.at - 2));
    } else {
        text_add(why, count.at, (size_t)(count.end - count.at));
        text_add_words(why, " records were not taken");
    }
    return true;
}

/* HTML, as a sign-in answers with, and no collector. */
static bool is_page(const struct text *answer) {
    struct part body = {answer->bytes, answer->bytes + answer->length};
    if (answer->length >= 3 && memcmp(body.at, "\xef\xbb\xbf", 3) == 0) body.at += 3;
    return take_byte(&body, '<');
}

@0.1 bool is_taken(const struct answer *answer, send_error_t *error) {
@0.2 /* The body tells how many records were not taken, and not which: so the whole batch is refused, and the host sends it in
@0.2    smaller parts. What was taken comes again then, with the same `swamp.entry.id`. */
@0.2 bool is_taken(const struct answer *answer, outcomes_t *outcomes, failure_t *error) {
@0.2     (void)outcomes;
    if (answer->status < 200 || answer->status > 299) return answer_rejects(answer, error);
    struct text body = {0}, why = {0};
    bool taken = answer_text(answer, &body, error);
    if (taken && is_page(&body)) {
        text_add_words(&why, "the endpoint answered with a web page, and not as a collector");
        taken = rejected(error, answer->status, &why);
    } else if (taken && is_partial(&body, &why)) {
        /* A refusal of what was sent: the host finds the records at fault by sending smaller batches. */
        taken = rejected(error, 400, &why);
    }
    text_free(&why);
    text_free(&body);
    return taken;
}
