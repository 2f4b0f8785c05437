// A telemetry sender for swamp. `wit/sender.wit` says what is asked of it.

import { postJson } from './http.js';
import { PATH, body, outcome } from './mapping.js';

/**
 * Named after the interface. What is thrown is the contract's `send-error`.
 *
 * @type {import('../types/sender.d.ts').Sender}
 */
export const sender = {
  async sendBatch(destination, entries, distinctId) {
    if (entries.length === 0) return;
    const url = destination.endpoint.replace(/\/+$/, '') + PATH;
    const response = await postJson(url, destination.userAgent, body(entries, distinctId));
    if (response.status === 429 || response.status === 503) {
      const seconds = response.headers.get('retry-after')?.trim() ?? '';
      /** @type {import('../types/sender.d.ts').SendError} */
      const error = { tag: 'throttled', val: /^\d{1,9}$/.test(seconds) ? Number(seconds) : undefined };
      throw error;
    }
    await outcome(response);
  },
};
