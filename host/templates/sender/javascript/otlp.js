// What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
// 200 or another 2xx. Fields of `data` that are not in the contract are not sent.

import { text } from './http.js';

export const PATH = '/v1/logs';

const SEVERITY = { success: [9, 'INFO'], 'user-error': [13, 'WARN'], error: [17, 'ERROR'] };

@0.1 /** @type {(entries: import('../types/sender.d.ts').TelemetryEntry[], distinctId: string) => string} */
@0.1 export function body(entries, distinctId) {
@0.2 /**
@0.2  * @typedef {import('../types/sender.d.ts').Entry} Entry
@0.2  * @typedef {import('../types/sender.d.ts').EntryFields} EntryFields
@0.2  * @typedef {import('../types/sender.d.ts').Outcome} Outcome
@0.2  */
@0.2 
@0.2 /** @type {(entries: Entry[], distinctId: string, fields: (index: number) => EntryFields) => string} */
@0.2 export function body(entries, distinctId, fields) {
@0.2   const logRecords = entries.map(({ id }, index) => record(id, fields(index)));
  const attributes = list({ 'service.name': string('swamp'), 'swamp.repo.id': string(distinctId) });
@0.1   const scopeLogs = [{ scope: { name: 'swamp' }, logRecords: entries.map(record) }];
@0.2   const scopeLogs = [{ scope: { name: 'swamp' }, logRecords }];
  return JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs }] });
}

// `undefined` is left out.
@0.1 /** @param {import('../types/sender.d.ts').TelemetryEntry} entry */
@0.1 function record(entry) {
@0.2 /** @param {string} id @param {EntryFields} fields */
@0.2 function record(id, fields) {
  const [severityNumber, severityText] = ({{fields}}.status && SEVERITY[{{fields}}.status]) ?? [];
  const words = ['swamp', {{fields}}.command, {{fields}}.subcommand, ...({{fields}}.args ?? [])];
  return {
    timeUnixNano: nanoseconds({{fields}}.startedAt),
    observedTimeUnixNano: nanoseconds({{fields}}.completedAt),
    severityNumber,
    severityText,
    body: string(words.filter((word) => word !== undefined).join(' ')),
    attributes: list({
@0.1       'swamp.entry.id': string(entry.id),
@0.2       'swamp.entry.id': string(id),
      'swamp.command': string({{fields}}.command),
      'swamp.subcommand': string({{fields}}.subcommand),
      'swamp.args': strings({{fields}}.args),
      'swamp.option_keys': strings({{fields}}.optionKeys),
      'swamp.global_options': strings({{fields}}.globalOptions),
      'swamp.status': string({{fields}}.status?.replace('-', '_')),
      'swamp.duration_ms': integer({{fields}}.durationMs),
      'process.exit.code': integer({{fields}}.exitCode),
      'error.type': string({{fields}}.errorType),
      'exception.message': string({{fields}}.errorMessage),
      'service.version': string({{fields}}.swampVersion),
      'os.type': string({{fields}}.platform),
    }),
  };
}

const list = (attributes) =>
  Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]));

const string = (value) => (value === undefined ? undefined : { stringValue: value });

const strings = (values) => (values === undefined ? undefined : { arrayValue: { values: values.map(string) } });

// 64-bit numbers are texts in OTLP's JSON. What does not fit one is left out.
const integer = (value) =>
  value === undefined || value >= 2n ** 63n ? undefined : { intValue: String(value) };

const nanoseconds = (millis) =>
  millis === undefined || millis * 1000000n >= 2n ** 64n ? undefined : String(millis * 1000000n);

// Any 2xx is a success, but for records that its body says were not taken, and but for a web page: a sign-in answers
// with one.
@0.1 /** @type {(response: Response) => Promise<void>} */
@0.1 export async function outcome(response) {
@0.2 //
@0.2 // The body tells how many records were not taken, and not which: so the whole batch is refused, and the host sends it in
@0.2 // smaller parts. What was taken comes again then, with the same `swamp.entry.id`.
@0.2 /** @type {(entries: Entry[], response: Response) => Promise<Outcome[]>} */
@0.2 export async function outcomes(entries, response) {
  const rejected = (status, body) => ({ tag: 'rejected', val: { status, body } });
  if (response.status < 200 || response.status > 299) {
    throw rejected(response.status, await text(response).catch(() => ''));
  }
  const body = await text(response);
  if (isPage(body)) throw rejected(response.status, 'the answer is a web page');
  const why = notTaken(body);
  // A refusal of what was sent: the host finds the records at fault by sending smaller batches.
  if (why !== undefined) throw rejected(400, why);
@0.2   return entries.map(() => ({ tag: 'taken' }));
}

export const isPage = (body) => body.trimStart().startsWith('<');

// Why records were not taken, if the answer to a success says so. Protobuf's JSON has two spellings of each name.
export function notTaken(answer) {
  let partial;
  try {
    const told = JSON.parse(answer);
    partial = told?.partialSuccess ?? told?.partial_success;
  } catch {
    return undefined;
  }
  const count = Number(partial?.rejectedLogRecords ?? partial?.rejected_log_records);
  if (!(count > 0)) return undefined;
  return partial.errorMessage || partial.error_message || `${count} records were not taken`;
}
