import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, P2, URL, token } from './support/client.js';
import { settle } from './support/world.js';

test('the token goes in the first message, never in the URL', async () => {
  const client = new Client();
  await client.dial();
  assert.equal(client.socket.url, URL);
  assert.deepEqual(client.socket.take(), [{ type: 'init', token: token(1) }]);
});

test('it is open when the gateway is ready, and joins its projects then, all of them kept', async () => {
  const client = new Client({ projects: [P1, P2.toUpperCase()] });
  await client.dial();
  client.socket.take();
  assert.equal(client.gateway.state, 'connecting');
  assert.equal(client.gateway.connectionId, undefined);
  client.ready();
  assert.equal(client.gateway.state, 'open');
  assert.equal(client.gateway.connectionId, 'connection 1');
  const joins = client.socket.take();
  assert.deepEqual(joins.map(({ ref, ...rest }) => rest), [
    { type: 'join_project', project_id: P1, keep: true }, { type: 'join_project', project_id: P2, keep: true }]);
  assert.equal(new Set(joins.map(({ ref }) => ref)).size, 2);
});

test('states are told in order', async () => {
  const client = await new Client().open();
  await client.end(1006);
  client.gateway.close();
  assert.deepEqual(client.states.map(({ state }) => state), ['connecting', 'open', 'waiting', 'closed']);
});

test('there is no attempt before the application had time to listen', () => {
  const client = new Client();
  assert.equal(client.world.sockets.length, 0);
  assert.equal(client.gateway.state, 'waiting');
});

test('a getToken that fails is told, and tried again', async () => {
  let calls = 0;
  const client = new Client({
    getToken: () => {
      if (++calls === 1) throw new Error('offline');
      return token(1);
    },
  });
  await client.world.pass(0);
  assert.deepEqual(client.codes(), ['token_unavailable']);
  assert.equal(client.errors[0].temporary, true);
  assert.deepEqual([client.lastState.state, client.lastState.retryInMs], ['waiting', 250]);
  await client.world.pass(250);
  assert.equal(client.world.sockets.length, 1);
});

test('without a token there is nobody to connect: it ends', async () => {
  const client = new Client({ getToken: () => null });
  await client.world.pass(0);
  assert.equal(client.gateway.state, 'closed');
  assert.equal(client.lastState.error.code, 'no_token');
  assert.equal(client.world.sockets.length, 0);
});

test('getToken is called for each connection', async () => {
  const client = await new Client().open();
  await client.end(1006);
  await client.world.pass(500);
  await client.open();
  assert.deepEqual(client.tokens, 2);
});

test('an attempt that takes too long is given up, wherever it is', async (t) => {
  await t.test('in getToken; its late answer is ignored', async () => {
    let answer;
    const client = new Client({ getToken: () => new Promise((resolve) => {
      answer = resolve;
    }) });
    await client.world.pass(15_000);
    assert.deepEqual(client.codes(), ['connect_timeout']);
    answer('late');
    await settle();
    assert.equal(client.world.sockets.length, 0);
  });
  await t.test('in the handshake', async () => {
    const client = new Client();
    await client.world.pass(15_000);
    assert.deepEqual(client.codes(), ['connect_timeout']);
    assert.equal(client.world.sockets[0].closedWith.code, 1000);
  });
  await t.test('before ready', async () => {
    const client = new Client();
    await client.dial();
    await client.world.pass(15_000);
    assert.deepEqual(client.codes(), ['connect_timeout']);
  });
});

test('a URL that is no URL ends it, and says so', async () => {
  const client = new Client({
    environment: undefined,
    WebSocket: class {
      constructor() {
        throw new SyntaxError('bad URL');
      }
    },
  });
  await new Promise((resolve) => client.gateway.on('state', ({ state }) => state === 'closed' && resolve()));
  assert.deepEqual(client.codes(), ['bad_url']);
});

test('what is not JSON is told, and does no harm', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.socket.receive('{"type":');
  assert.deepEqual(client.codes(), ['bad_message']);
  assert.equal(client.gateway.state, 'open');
});

test('messages of other types are passed on', async () => {
  const client = await new Client().open();
  client.socket.receive({ type: 'presence', project_id: P1, user_id: 'u', event: 'join' });
  assert.deepEqual(client.messages.map(({ type }) => type), ['presence']);
});

test('a listener that fails stops neither the others nor the connection, and is heard of', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const thrown = [];
  const handlers = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error.message));
  client.gateway.on('event', () => {
    throw new Error('the application');
  });
  const seen = [];
  client.gateway.on('event', (event) => seen.push(event.data.id));
  client.change();
  await settle();
  process.removeAllListeners('uncaughtException');
  for (const handler of handlers) process.on('uncaughtException', handler);
  assert.deepEqual([thrown, seen, client.gateway.state], [['the application'], ['row'], 'open']);
});

test('a listener that was ended hears no more, and the same function may listen twice', async () => {
  const client = await new Client({ projects: [P1] }).open();
  let calls = 0;
  const count = () => calls++;
  const end = client.gateway.on('event', count);
  client.gateway.on('event', count);
  client.change();
  end();
  client.change();
  assert.equal(calls, 3);
});

test('counters count', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change();
  client.change({ action: 'RESYNC' });
  await client.end(1006);
  await client.world.pass(500);
  await client.open();
  assert.deepEqual(client.gateway.counters, {
    attempts: 2, connections: 2, messages: 6, events: 4, resyncs: 3, errors: 0, deadSockets: 0 });
});
