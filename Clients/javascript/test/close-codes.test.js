import assert from 'node:assert/strict';
import { test } from 'node:test';

import { afterClose } from '../src/close-codes.js';

test('the range of a close code decides', () => {
  const actions = { stop: [], token: [], jitter: [], window: [], wait: [] };
  const codes = [
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 3000, 4000, 4001,
    4002, 4003, 4099, 4100, 4101, 4199, 4200, 4201, 4202, 4299, 4300, 4301, 4302, 4303, 4399, 4400, 4999];
  for (const code of codes) actions[afterClose(code, '').action].push(code);
  assert.deepEqual(actions, {
    stop: [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4000, 4003, 4099],
    token: [4001],
    jitter: [
      1001, 1005, 1006, 1011, 1013, 1014, 1015, 3000, 4002, 4100, 4101, 4199, 4200, 4201, 4202, 4299, 4400, 4999],
    window: [1012],
    wait: [4300, 4301, 4302, 4303, 4399],
  });
});

test('numbers in the reason are taken, within bounds', () => {
  assert.equal(afterClose(1012, '{"window_ms":7000}').ms, 7000);
  assert.equal(afterClose(1012, '{"window_ms":0}').ms, 0);
  assert.equal(afterClose(1012, '{"window_ms":1e12}').ms, 300_000);
  assert.equal(afterClose(4301, '{"retry_after_ms":1500}').ms, 1500);
});

test('a reason without a usable number leaves it to the default', () => {
  for (const reason of [undefined, '', 'restart', 'null', '[]', '{}', '{"window_ms":-1}', '{"window_ms":"x"}']) {
    assert.equal(afterClose(1012, reason).ms, undefined, reason);
  }
  assert.equal(afterClose(4303, 'too many').ms, 30_000);
});
