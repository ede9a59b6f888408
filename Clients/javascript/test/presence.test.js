import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, P2 } from './support/client.js';

const told = (messages) => messages.filter(({ type }) => type === 'presence' || type === 'typing');

test('presence is asked for when the project is joined, and again on each connection', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.gateway.presence(P1.toUpperCase(), { mode: 'users', state: 'away' });
  const wish = { type: 'presence', project_id: P1, mode: 'users', state: 'away' };
  assert.deepEqual(client.socket.take(), [wish]);
  await client.end(1006);
  await client.world.pass(1_000);
  await client.open();
  assert.deepEqual(told(client.socket.take()), [wish]);
});

test('presence of a project that is being joined waits for that', async () => {
  const client = await new Client().open();
  void client.gateway.join(P1);
  client.gateway.presence(P1, { invisible: true });
  client.gateway.presence(P2, {});
  assert.deepEqual(told(await client.answerAll()), []);
  assert.deepEqual(client.socket.take(), [{ type: 'presence', project_id: P1, invisible: true }]);
});

test('what the gateway tells of others is a message', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const state = { type: 'presence_state', project_id: P1, seq: 1, count: 0, users: [] };
  client.socket.receive(state);
  assert.deepEqual(client.messages, [state]);
});

test('typing says where, and when it is over', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.gateway.typing(P1, 'task:1');
  client.gateway.typing(P1, 'task:1', true);
  const [begun, over] = client.socket.take();
  assert.deepEqual({ ...begun, stop: undefined }, { type: 'typing', project_id: P1, topic: 'task:1', stop: undefined });
  assert.deepEqual(over, { type: 'typing', project_id: P1, topic: 'task:1', stop: true });
});
