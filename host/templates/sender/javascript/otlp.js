// What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
// 200 or another 2xx. Fields of `data` that are not in the contract are not sent.

import { text } from './http.js';

export const PATH = '/v1/logs';

const SEVERITY = { success: [9, 'INFO'], 'user-error': [13, 'WARN'], error: [17, 'ERROR'] };

/** @type {(entries: import('../types/sender.d.ts').TelemetryEntry[], distinctId: string) => string} */
export function body(entries, distinctId) {
  const attributes = list({ 'service.name': string('swamp'), 'swamp.repo.id': string(distinctId) });
  const scopeLogs = [{ scope: { name: 'swamp' }, logRecords: entries.map(record) }];
  return JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs }] });
}

// `undefined` is left out.
/** @param {import('../types/sender.d.ts').TelemetryEntry} entry */
function record(entry) {
  const [severityNumber, severityText] = (entry.status && SEVERITY[entry.status]) ?? [];
  const words = ['swamp', entry.command, entry.subcommand, ...(entry.args ?? [])];
  return {
    timeUnixNano: nanoseconds(entry.startedAt),
    observedTimeUnixNano: nanoseconds(entry.completedAt),
    severityNumber,
    severityText,
    body: string(words.filter((word) => word !== undefined).join(' ')),
    attributes: list({
      'swamp.entry.id': string(entry.id),
      'swamp.command': string(entry.command),
      'swamp.subcommand': string(entry.subcommand),
      'swamp.args': strings(entry.args),
      'swamp.option_keys': strings(entry.optionKeys),
      'swamp.global_options': strings(entry.globalOptions),
      'swamp.status': string(entry.status?.replace('-', '_')),
      'swamp.duration_ms': integer(entry.durationMs),
      'process.exit.code': integer(entry.exitCode),
      'error.type': string(entry.errorType),
      'exception.message': string(entry.errorMessage),
      'service.version': string(entry.swampVersion),
      'os.type': string(entry.platform),
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
/** @type {(response: Response) => Promise<void>} */
export async function outcome(response) {
  const rejected = (status, body) => ({ tag: 'rejected', val: { status, body } });
  if (response.status < 200 || response.status > 299) {
    throw rejected(response.status, await text(response).catch(() => ''));
  }
  const body = await text(response);
  if (isPage(body)) throw rejected(response.status, 'the answer is a web page');
  const why = notTaken(body);
  // A refusal of what was sent: the host finds the records at fault by sending smaller batches.
  if (why !== undefined) throw rejected(400, why);
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
