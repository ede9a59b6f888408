// What becomes of tokens that the gateway refuses, and of users who come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, token } from './support/client.js';

/** The gateway refuses the token of this attempt; the next attempt begins. */
async function refuse(client) {
  await client.dial();
  await client.end(4001, 'the token is not valid');
  await client.world.pass(client.lastState.retryInMs ?? 0);
}

test('a token that is refused is no end: another one is asked for, with back-off', async () => {
  const client = new Client({ projects: [P1] });
  await client.dial();
  await client.end(4001, 'the token is not valid');
  const { state, retryInMs, closeCode } = client.lastState;
  assert.deepEqual([state, retryInMs, closeCode], ['waiting', 250, 4001]);
  const [error] = client.errors;
  assert.deepEqual([error.code, error.temporary, error.closeCode], ['token_refused', true, 4001]);
  await client.world.pass(250);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[0].token, token(2));
  assert.equal(client.gateway.state, 'open');
});

test('when three different tokens were refused it gives up', async () => {
  const client = new Client();
  for (let refused = 0; refused < 3; refused++) {
    assert.notEqual(client.gateway.state, 'closed');
    await refuse(client);
  }
  assert.deepEqual([client.gateway.state, client.codes()], ['closed', ['token_refused', 'token_refused', 'stopped']]);
  assert.equal(client.lastState.error.closeCode, 4001);
  assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
});

test('the same token again counts as one: its key may not have been fetched yet', async () => {
  const client = new Client({ getToken: () => token(1) });
  for (let refused = 0; refused < 20; refused++) await refuse(client);
  assert.notEqual(client.gateway.state, 'closed');
  assert.equal(client.lastState.state, 'connecting');
  await client.open();
  assert.equal(client.gateway.state, 'open');
});

test('a token that is accepted clears the others', async () => {
  const client = new Client();
  for (let round = 0; round < 5; round++) {
    await refuse(client);
    await refuse(client);
    await client.open();
    await client.end(1006);
    await client.world.pass(client.lastState.retryInMs);
  }
  assert.notEqual(client.gateway.state, 'closed');
});

test('signed out between two tokens, it ends', async () => {
  const tokens = [token(1), null];
  const client = new Client({ getToken: () => tokens.shift() });
  await refuse(client);
  await client.world.pass(0);
  assert.deepEqual([client.gateway.state, client.codes()], ['closed', ['token_refused', 'no_token']]);
});

test('expired on arrival, however often, it is no end', async () => {
  const client = new Client();
  for (let expired = 0; expired < 10; expired++) {
    await client.dial();
    await client.end(4101, 'expired');
    await client.world.pass(client.lastState.retryInMs);
  }
  await client.open();
  assert.deepEqual([client.gateway.state, client.tokens], ['open', 11]);
});

test('what is no token is never sent, does not count as one, and is told', async () => {
  let calls = 0;
  const client = new Client({
    getToken: () => (++calls < 6 ? `<html>502 Bad Gateway ${calls}</html>` : token(calls)),
  });
  await client.world.pass(0);
  for (let page = 1; page < 6; page++) {
    assert.deepEqual(
      [client.world.sockets.length, client.codes().length, client.errors.at(-1).temporary], [0, page, true]);
    await client.world.pass(client.lastState.retryInMs);
  }
  await client.open();
  assert.deepEqual(new Set(client.codes()), new Set(['token_unavailable']));
  assert.equal(client.gateway.state, 'open');
});

test('an error page in place of a renewal leaves the connection as it is', async () => {
  let calls = 0;
  const client = await new Client({ getToken: () => (++calls === 2 ? '<html>' : token(calls)) })
    .open({ ready: { ping_interval_ms: 1e9 } });
  client.socket.take();
  await client.world.pass(2_880_000);
  assert.deepEqual([client.socket.take(), client.codes(), client.gateway.state], [[], ['token_unavailable'], 'open']);
  await client.world.pass(576_000);
  assert.deepEqual(client.socket.take().map((message) => message.token), [token(3)]);
});

test('another user\'s token ends the connection; it comes back as the new user, to the same projects', async () => {
  const tokens = [token(1, 'u'), token(2, 'V'), token(2, 'V')];
  const client = await new Client({ projects: [P1], getToken: () => tokens.shift() })
    .open({ ready: { ping_interval_ms: 1e9 } });
  assert.equal(client.gateway.userId, 'u');
  client.socket.take();
  await client.world.pass(2_880_000);
  assert.deepEqual(client.world.sockets[0].sent, [], 'the first user\'s connection never gets it');
  assert.equal(client.world.sockets[0].closedWith.code, 1000);
  assert.equal(client.world.sockets.length, 2);
  await client.dial();
  client.ready({ user_id: 'v' });
  const [init, join] = client.socket.take();
  assert.deepEqual([init.token, join.project_id, client.gateway.userId], [token(2, 'V'), P1, 'v']);
  assert.deepEqual([client.codes(), client.gateway.state], [[], 'open']);
});

test('a token that says nothing of its user is left to the gateway', async () => {
  let calls = 0;
  const client = await new Client({ getToken: () => (++calls === 1 ? token(1) : 'a.b.c') })
    .open({ ready: { ping_interval_ms: 1e9 } });
  client.socket.take();
  await client.world.pass(2_880_000);
  assert.deepEqual(client.socket.take().map((message) => message.token), ['a.b.c']);
});

test('a connection that the gateway ends because of another user\'s token comes back with the next one', async () => {
  const client = await new Client({ projects: [P1] }).open();
  await client.end(4001, 'another user');
  assert.deepEqual([client.lastState.state, client.codes()], ['waiting', ['token_refused']]);
  await client.world.pass(client.lastState.retryInMs);
  await client.open({ ready: { user_id: 'v' } });
  assert.deepEqual([client.gateway.userId, client.gateway.isJoined(P1)], ['v', true]);
});

// Signing out and in

test('disconnect leaves nothing but what the application listens to and wants; connect goes on', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: '7' });
  const asked = client.gateway.request({ type: 'x' });
  client.gateway.disconnect();
  await assert.rejects(asked, { code: 'disconnected' });
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'disconnected']);
  assert.equal(client.socket.closedWith.code, 1000);
  assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
  client.world.setVisible(true);
  client.world.setOnline(true);
  await client.world.pass(3_600_000);
  assert.deepEqual([client.world.sockets.length, client.gateway.projects], [1, [P1]]);
  client.gateway.disconnect();
  client.gateway.connect();
  client.gateway.connect();
  await client.open({ answers: false });
  const [init, join] = client.socket.take();
  assert.deepEqual([init.token, join.project_id, join.since], [token(2), P1, '7']);
  assert.equal(client.world.sockets.length, 2);
});

test('who waits for a join when it is disconnected is told; the project is joined all the same', async () => {
  const client = new Client();
  const joined = client.gateway.join(P1);
  await client.world.pass(0);
  client.gateway.disconnect();
  await assert.rejects(joined, { code: 'disconnected', temporary: true });
  client.gateway.connect();
  await client.open();
  assert.equal(client.gateway.isJoined(P1), true);
});

for (const [why, end] of [
  ['nobody is signed in', (client) => {
    client.isSignedOut = true;
    return client.end(1006).then(() => client.world.pass(client.lastState.retryInMs));
  }],
  ['it was sent away', (client) => client.end(4003, 'not allowed')]]) {
  test(`connect revives a client that was closed because ${why}, with its projects and listeners`, async () => {
    const client = new Client({ projects: [P1], getToken: () => (client.isSignedOut ? null : token(1)) });
    await client.open();
    await end(client);
    const { error } = client.lastState;
    assert.deepEqual([client.gateway.state, client.gateway.isJoined(P1)], ['closed', false]);
    await assert.rejects(client.gateway.join(P1), error);
    assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
    client.isSignedOut = false;
    client.gateway.connect();
    await client.open();
    assert.deepEqual([client.lastState.state, client.gateway.isJoined(P1)], ['open', true]);
  });
}

test('a listener to the end may connect again at once', async () => {
  const client = await new Client({ projects: [P1] }).open();
  let ends = 0;
  client.gateway.on('state', ({ state }) => {
    if (state === 'closed' && ++ends === 1) client.gateway.connect();
  });
  await client.end(4003);
  await client.open();
  assert.deepEqual([client.gateway.state, ends], ['open', 1]);
});

test('close is final, also of a client that was disconnected or sent away', async () => {
  for (const end of [({ gateway }) => gateway.disconnect(), (client) => client.end(4003)]) {
    const client = await new Client({ projects: [P1] }).open();
    await end(client);
    client.gateway.close();
    const { state, error } = client.lastState;
    assert.deepEqual([state, error, client.gateway.projects], ['closed', undefined, []]);
    client.gateway.connect();
    await client.world.pass(60_000);
    assert.deepEqual([client.gateway.state, client.world.sockets.length], ['closed', 1]);
    assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
  }
});

for (const how of ['close', 'connect']) {
  test(`who hears that a project has gone at a sign-out may ${how}`, async () => {
    const client = await new Client({ projects: [P1] }).open();
    client.gateway.on('project', () => client.gateway[how]());
    client.gateway.disconnect();
    assert.equal(client.gateway.state, how === 'close' ? 'closed' : 'waiting');
    assert.equal(client.lastState.state, client.gateway.state);
    client.gateway.close();
    assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
  });
}

test('no sign-in shortens what the gateway asked for', async () => {
  const client = await new Client().open();
  await client.end(4303, '{"retry_after_ms":30000}');
  client.gateway.disconnect();
  client.gateway.connect();
  await client.world.pass(30_249);
  assert.equal(client.world.sockets.length, 1);
  await client.world.pass(1);
  assert.equal(client.world.sockets.length, 2);
});

// Pages that are made on a server

test('where there is no WebSocket, connect does nothing, and a join says what to do', async () => {
  const client = new Client({ projects: [P1] }, { WebSocket: undefined });
  assert.deepEqual([client.gateway.state, client.world.timers.size, client.world.listenerCount], ['paused', 0, 0]);
  await assert.rejects(client.gateway.join(P1), { code: 'no_websocket', message: /pass a constructor/ });
  await assert.rejects(client.gateway.request({ type: 'x' }), { code: 'no_websocket' });
  client.gateway.connect();
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'no_websocket']);
  await client.gateway.leave(P1);
  client.gateway.disconnect();
  client.gateway.close();
  assert.deepEqual([client.gateway.state, client.world.timers.size, client.tokens], ['closed', 0, 0]);
});

test('with autoConnect: false there is no connection before connect', async () => {
  const client = new Client({ projects: [P1], autoConnect: false });
  await client.world.pass(60_000);
  assert.deepEqual(
    [client.gateway.state, client.tokens, client.world.timers.size, client.world.listenerCount], ['paused', 0, 0, 0]);
  client.gateway.connect();
  await client.open();
  assert.equal(client.gateway.isJoined(P1), true);
});
