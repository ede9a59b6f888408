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
