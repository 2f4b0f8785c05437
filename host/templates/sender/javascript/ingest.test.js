import assert from 'node:assert';
import test from 'node:test';

import { body } from '../src/mapping.js';

test('one entry is a bare event, with its data verbatim', () => {
  assert.strictEqual(
    body([{ id: 'a', data: '{"x":1.0}' }], 'repo'),
    '{"event":"cli_invocation","distinct_id":"repo","insert_id":"a","properties":{"x":1.0}}',
  );
});

test('several entries are a list in their order', () => {
  const { events } = JSON.parse(body([{ id: 'a', data: '{}' }, { id: 'b', data: '{}' }], 'repo'));
  assert.deepStrictEqual(events.map((event) => event.insert_id), ['a', 'b']);
});
