// What the endpoint understands: `POST {endpoint}/ingest`, answered by 202.

import { text } from './http.js';

export const PATH = '/ingest';

// One event as it is, several as `{"events":[…]}`. An entry's data goes in verbatim, so that fields which this
// sender does not know arrive too.
/** @type {(entries: import('../types/sender.d.ts').{{Entry}}[], distinctId: string) => string} */
export function body(entries, distinctId) {
  const events = entries.map(
    ({ id, data }) =>
      `{"event":"cli_invocation","distinct_id":${JSON.stringify(distinctId)},` +
      `"insert_id":${JSON.stringify(id)},"properties":${data}}`,
  );
  return events.length === 1 ? events[0] : `{"events":[${events.join(',')}]}`;
}

@0.1 /** @type {(response: Response) => Promise<void>} */
@0.1 export async function outcome(response) {
@0.1   if (response.status === 202) return;
@0.2 /**
@0.2  * @typedef {import('../types/sender.d.ts').Entry} Entry
@0.2  * @typedef {import('../types/sender.d.ts').Outcome} Outcome
@0.2  */
@0.2 
@0.2 // The endpoint takes a batch as a whole. For one that says of each entry what became of it, so does this.
@0.2 /** @type {(entries: Entry[], response: Response) => Promise<Outcome[]>} */
@0.2 export async function outcomes(entries, response) {
@0.2   if (response.status === 202) return entries.map(() => ({ tag: 'taken' }));
  const reason = await text(response).catch(() => '');
  throw { tag: 'rejected', val: { status: response.status, body: reason } };
}
