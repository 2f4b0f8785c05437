import assert from 'node:assert';
import test from 'node:test';

import { body, isPage, notTaken } from '../src/mapping.js';

test('an entry is a record that leaves out what the entry lacks', () => {
@0.1   const entry = {
@0.1     id: 'a',
@0.1     data: '{}',
@0.2   const fields = {
    command: 'sender',
    subcommand: 'use',
    args: ['<REDACTED>'],
    status: 'user-error',
    exitCode: 1,
    startedAt: 1732460400123n,
  };
@0.1   const [logs] = JSON.parse(body([entry], 'repo')).resourceLogs;
@0.2   const [logs] = JSON.parse(body([{ id: 'a', data: '{}' }], 'repo', () => fields)).resourceLogs;
  assert.strictEqual(logs.resource.attributes[1].value.stringValue, 'repo');
  assert.deepStrictEqual(logs.scopeLogs[0].logRecords, [
    {
      timeUnixNano: '1732460400123000000',
      severityNumber: 13,
      severityText: 'WARN',
      body: { stringValue: 'swamp sender use <REDACTED>' },
      attributes: [
        { key: 'swamp.entry.id', value: { stringValue: 'a' } },
        { key: 'swamp.command', value: { stringValue: 'sender' } },
        { key: 'swamp.subcommand', value: { stringValue: 'use' } },
        { key: 'swamp.args', value: { arrayValue: { values: [{ stringValue: '<REDACTED>' }] } } },
        { key: 'swamp.status', value: { stringValue: 'user_error' } },
        { key: 'process.exit.code', value: { intValue: '1' } },
      ],
    },
  ]);
});

test('records that were not taken are told with the reason', () => {
  const answer = (partialSuccess) => JSON.stringify({ partialSuccess });
  assert.strictEqual(notTaken(''), undefined);
  assert.strictEqual(notTaken('{}'), undefined);
  assert.strictEqual(notTaken(answer({ rejectedLogRecords: '0', errorMessage: 'a hint' })), undefined);
  assert.strictEqual(notTaken(answer({ rejectedLogRecords: '2', errorMessage: 'too old' })), 'too old');
  assert.strictEqual(notTaken(answer({ rejectedLogRecords: 2 })), '2 records were not taken');
  const other = JSON.stringify({ partial_success: { rejected_log_records: '2', error_message: 'too old' } });
  assert.strictEqual(notTaken(other), 'too old');
});

test('a web page is no answer of a collector', () => {
  for (const page of ['<!DOCTYPE html>', '\ufeff\r\n <html>']) assert.ok(isPage(page), page);
  for (const answer of ['', '{}', 'ok']) assert.ok(!isPage(answer), answer);
});
