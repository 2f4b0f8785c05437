// What the endpoint understands: log records of OpenTelemetry as OTLP/HTTP JSON, `POST {endpoint}/v1/logs`, answered by
// 200. Fields of `data` that are not in the contract are not sent.

import { text } from './http.js';

export const PATH = '/v1/logs';

const SEVERITY = { success: [9, 'INFO'], 'user-error': [13, 'WARN'], error: [17, 'ERROR'] };

export function body(entries, distinctId) {
  const attributes = list({ 'service.name': string('swamp'), 'swamp.repo.id': string(distinctId) });
  const scopeLogs = [{ scope: { name: 'swamp' }, logRecords: entries.map(record) }];
  return JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs }] });
}

// `undefined` is left out.
function record(entry) {
  const [severityNumber, severityText] = SEVERITY[entry.status] ?? [];
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

export async function outcome(response) {
  if (response.status !== 200) {
    const reason = await text(response).catch(() => '');
    throw { tag: 'rejected', val: { status: response.status, body: reason } };
  }
  const why = notTaken(await text(response));
  // A refusal of what was sent: the host finds the records at fault by sending smaller batches.
  if (why !== undefined) throw { tag: 'rejected', val: { status: 400, body: why } };
}

// Why records were not taken, if the answer to a success says so.
export function notTaken(answer) {
  let partial;
  try {
    partial = JSON.parse(answer)?.partialSuccess;
  } catch {
    return undefined;
  }
  const count = Number(partial?.rejectedLogRecords);
  return count > 0 ? partial.errorMessage || `${count} records were not taken` : undefined;
}
