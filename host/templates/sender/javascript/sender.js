// A telemetry sender for swamp. `wit/sender.wit` says what is asked of it.

import { postJson } from './http.js';
@0.1 import { PATH, body, outcome } from './mapping.js';
@0.2 import { PATH, body, outcomes } from './mapping.js';
@0.2+otlp import { fields } from 'swamp:telemetry/batch@0.2.0';

/**
@0.1  * Named after the interface. What is thrown is the contract's `send-error`.
@0.2  * Named after the interface. What is thrown is the contract's `failure`.
 *
 * @type {import('../types/sender.d.ts').Sender}
 */
export const sender = {
@0.1   async sendBatch(destination, entries, distinctId) {
@0.1     if (entries.length === 0) return;
@0.2   async sendBatch(destination, entries) {
@0.2     if (entries.length === 0) return [];
    const url = destination.endpoint.replace(/\/+$/, '') + PATH;
@0.1     const response = await postJson(url, destination.userAgent, body(entries, distinctId));
@0.2+ingest     const text = body(entries, destination.distinctId);
@0.2+otlp     const text = body(entries, destination.distinctId, fields);
@0.2     const response = await postJson(url, destination.userAgent, text);
    if (response.status === 429 || response.status === 503) {
      const seconds = response.headers.get('retry-after')?.trim() ?? '';
@0.1       /** @type {import('../types/sender.d.ts').SendError} */
@0.2       /** @type {import('../types/sender.d.ts').Failure} */
      const error = { tag: 'throttled', val: /^\d{1,9}$/.test(seconds) ? Number(seconds) : undefined };
      throw error;
    }
@0.1     await outcome(response);
@0.2     return await outcomes(entries, response);
@0.2   },
@0.2 };
@0.2 
@0.2 /** @type {import('../types/sender.d.ts').Description} */
@0.2 export const description = {
@0.2   describe() {
@0.2     return {
@0.2       name: '{{name}}',
@0.2       version: '0.1.0',
@0.2       description: 'A telemetry sender for swamp',
@0.2       // Those of `telemetrySenderOptions` that this sender takes; `swamp sender use` refuses others.
@0.2       options: [],
@0.2     };
  },
};
