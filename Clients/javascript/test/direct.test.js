import assert from 'node:assert/strict';
import { test } from 'node:test';

import { directMessages } from '../src/direct.js';
import { Client, P1 } from './support/client.js';

const ADA = '0a000000-0000-4000-8000-000000000000';
const told = (messages, ...types) => messages.filter(({ type }) => types.includes(type));

async function open() {
  const client = await new Client().open();
  let number = 0;
  const direct = directMessages(client.gateway, { newId: () => `id-${++number}` });
  const heard = [];
  direct.on('direct', (message) => heard.push(message.id));
  return { client, direct, heard, take: (...types) => told(client.socket.take(), ...types) };
}

test('the inbox is asked for on each connection', async () => {
  const { client, take } = await open();
  assert.equal(take('inbox').length, 1);
  await client.end(1006);
  await client.world.pass(1_000);
  await client.open({ answers: false });
  assert.equal(take('inbox').length, 1);
});

test('a message is told once, and acknowledged each time', async () => {
  const { client, heard, take } = await open();
  const message = { type: 'direct', id: 'm1', from: ADA, to: client.gateway.userId, data: {}, timestamp: '' };
  client.socket.receive(message);
  client.socket.receive({ ...message, id: 'm2' });
  await client.world.pass(0);
  assert.deepEqual(take('ack'), [{ type: 'ack', ids: ['m1', 'm2'] }]);
  client.socket.receive(message);
  await client.world.pass(0);
  assert.deepEqual(take('ack'), [{ type: 'ack', ids: ['m1'] }]);
  assert.deepEqual(heard, ['m1', 'm2']);
  // The same id of somebody else is another message; and the user's own is for the other one to acknowledge.
  client.socket.receive({ ...message, from: P1 });
  client.socket.receive({ ...message, id: 'm3', from: client.gateway.userId, to: ADA });
  await client.world.pass(0);
  assert.deepEqual(take('ack').map(({ ids }) => ids), [['m1']]);
  assert.deepEqual(heard, ['m1', 'm2', 'm1', 'm3']);
});

test('what is sent is sent again under its id until it is committed', async () => {
  const { client, direct, take } = await open();
  const sent = direct.send(ADA, { text: 'tea?' }, { receipt: true, ttl: 60 });
  const [first] = take('direct');
  assert.deepEqual({ ...first, ref: 0 }, {
    type: 'direct', id: 'id-1', to: ADA, data: { text: 'tea?' }, receipt: true, ttl_s: 60, ref: 0 });
  client.socket.receive({ type: 'error', ref: first.ref, code: 'unavailable', message: '', temporary: true });
  await client.world.pass(2_000);
  const [second] = take('direct');
  assert.equal(second.id, 'id-1');
  await client.end(1006);
  await client.world.pass(1_000);
  await client.open({ answers: false });
  const [third] = take('direct');
  client.socket.receive({ type: 'ok', ref: third.ref, id: 'id-1' });
  assert.equal(await sent, 'id-1');
});

test('what is refused is rejected, a full inbox too', async () => {
  const { client, direct, take } = await open();
  for (const [code, temporary] of [['not_allowed', false], ['inbox_full', true]]) {
    const sent = direct.send(ADA, {});
    client.socket.receive({ type: 'error', ref: take('direct')[0].ref, code, message: '', temporary });
    await assert.rejects(sent, { code });
  }
});

test('an answer that says what is wrong with it rejects, and it is not sent again', async () => {
  const { client, direct, take } = await open();
  for (const code of ['bad_message', 'too_large']) {
    const sent = direct.send(ADA, {});
    const [{ id, ref }] = take('direct');
    client.socket.receive({ type: 'error', ref, code, message: '', temporary: false, id });
    await assert.rejects(sent, { code });
    await client.end(1006);
    await client.world.pass(20_000);
    await client.open({ answers: false });
    assert.deepEqual(take('direct'), []);
  }
});

const nested = (depth) => (depth ? { a: nested(depth - 1) } : {});
const cycle = {};
cycle.self = cycle;

for (const [what, data, code] of [
  ['NUL', { t: 'a\0' }, 'bad_message'],
  ['NUL in a key', { 'a\0': { b: 1 } }, 'bad_message'],
  ['the first half of a pair', { t: ['\ud83d'] }, 'bad_message'],
  ['the second half of a pair', { t: '\ude00!' }, 'bad_message'],
  ['half of a pair in a key', { '\ud83d': 1 }, 'bad_message'],
  ['an integer beyond 64 bits', { n: 2 ** 63 }, 'bad_message'],
  ['the least integer, as it is written', { n: -(2 ** 63) }, 'bad_message'],
  ['an integer just below those with an exponent', { n: [999999999999999900000] }, 'bad_message'],
  ['a cycle', cycle, 'bad_message'],
  ['a big integer', { n: 1n }, 'bad_message'],
  ['an array', [1], 'bad_message'],
  ['a text', 'hello', 'bad_message'],
  ['nothing', undefined, 'bad_message'],
  ['null', null, 'bad_message'],
  ['what becomes a text', new Date(0), 'bad_message'],
  ['too many bytes', { t: 'é'.repeat(2_045) }, 'too_large'],
  ['far too many bytes', { t: 'x'.repeat(1_000_000) }, 'too_large'],
  ['too many values', { t: Array(1_100).fill(1) }, 'too_large'],
  ['too deep', nested(700), 'too_large'],
  ['far too deep', nested(3_000), 'too_large'],
]) {
  test(`what the gateway would not take is not sent: ${what}`, async () => {
    const { client, direct, take } = await open();
    await assert.rejects(direct.send(ADA, data), { name: 'GatewayError', code, temporary: false });
    await client.world.pass(20_000);
    assert.deepEqual(take('direct'), []);
    assert.equal(client.gateway.state, 'open');
  });
}

test('nor is a message that is too long by something else', async () => {
  const { direct, take } = await open();
  await assert.rejects(direct.send('x'.repeat(9_000), {}), { code: 'too_large' });
  await assert.rejects(direct.send(undefined, {}), { code: 'bad_message' });
  await assert.rejects(direct.send(ADA, {}, { id: 'x'.repeat(9_000) }), { code: 'too_large' });
  assert.deepEqual(take('direct'), []);
});

test('what is near the bounds is sent as it is', async () => {
  const { direct, take } = await open();
  for (const data of [
    { t: '\u{1f600} \\ud83d \\u0000 \u0001 \ufffe "' }, { n: [2 ** 63 - 1024, -(2 ** 53), 1e21, 1.7e308, 5e-324, -0] },
    { t: 'x'.repeat(4_088) }, { t: Array(1_000).fill(1) }, nested(600), { ['__proto__']: 1, 2: 2, 1: 1 },
  ]) {
    direct.send(ADA, data).catch(() => {});
    assert.equal(JSON.stringify(take('direct')[0].data), JSON.stringify(data));
  }
});

test('what is sent is what was given, whatever becomes of the object', async () => {
  const { client, direct, take } = await open();
  const data = { n: 1 };
  direct.send(ADA, data).catch(() => {});
  data.n = '\0';
  const [{ ref }] = take('direct');
  client.socket.receive({ type: 'error', ref, code: 'unavailable', message: '', temporary: true });
  await client.world.pass(2_000);
  assert.deepEqual(take('direct')[0].data, { n: 1 });
});

test('an id that is under way is the same message, or refused', async () => {
  const { client, direct, take } = await open();
  const sent = direct.send(ADA, { n: 1 }, { id: 'mine' });
  const again = direct.send(ADA, { n: 1 }, { id: 'mine' });
  await assert.rejects(direct.send(P1, { n: 1 }, { id: 'mine' }), { code: 'id_in_use' });
  await assert.rejects(direct.send(ADA, { n: 2 }, { id: 'mine' }), { code: 'id_in_use' });
  const asked = take('direct');
  assert.equal(asked.length, 1);
  client.socket.receive({ type: 'ok', ref: asked[0].ref, id: 'mine' });
  assert.deepEqual(await Promise.all([sent, again]), ['mine', 'mine']);
});

test('receipts and acknowledgments of other devices are told', async () => {
  const { client, direct } = await open();
  const told = [];
  direct.on('acked', (ids) => told.push(ids));
  direct.on('receipt', (receipt) => told.push(receipt));
  client.socket.receive({ type: 'acked', ids: ['m1'] });
  client.socket.receive({ type: 'receipt', ids: ['m2'], by: ADA });
  assert.deepEqual(told, [['m1'], { ids: ['m2'], by: ADA }]);
});

test('after close nothing is left, and what waits is given up', async () => {
  const { client, direct, heard, take } = await open();
  const sent = direct.send(ADA, {});
  direct.close();
  await assert.rejects(sent);
  client.socket.receive({ type: 'direct', id: 'm1', from: ADA, to: client.gateway.userId, data: {}, timestamp: '' });
  await client.world.pass(5_000);
  assert.deepEqual([heard, take('ack')], [[], []]);
});
