// What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.

import { text } from './http.js';

export const PATH = '/ingest';

// One event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
// sender does not know arrive too.
/** @type {(entries: import('../types/sender.d.ts').TelemetryEntry[], distinctId: string) => string} */
export function body(entries, distinctId) {
  const events = entries.map(
    ({ id, data }) =>
      `{"event":"cli_invocation","distinct_id":${JSON.stringify(distinctId)},` +
      `"insert_id":${JSON.stringify(id)},"properties":${data}}`,
  );
  return events.length === 1 ? events[0] : `{"events":[${events.join(',')}]}`;
}

/** @type {(response: Response) => Promise<void>} */
export async function outcome(response) {
  if (response.status === 202) return;
  const reason = await text(response).catch(() => '');
  throw { tag: 'rejected', val: { status: response.status, body: reason } };
}
