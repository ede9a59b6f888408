import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, token } from './support/client.js';

test('a socket that is silent for two intervals is dead, which is told, and it reconnects', async () => {
  const client = await new Client().open();
  client.world.dice = 0;
  await client.world.pass(107_999);
  assert.equal(client.gateway.state, 'open');
  await client.world.pass(1);
  assert.deepEqual([client.codes(), client.gateway.counters.deadSockets], [['dead_socket'], 1]);
  assert.equal(client.world.sockets.length, 2);
  assert.equal(client.world.sockets[0].closedWith.code, 1000);
});

test('the gateway\'s pings keep it alive, and nothing is sent', async () => {
  const client = await new Client().open();
  client.socket.take();
  for (let minute = 0; minute < 30; minute++) {
    await client.world.pass(54_000);
    client.socket.receive({ type: 'ping' });
  }
  assert.deepEqual([client.gateway.state, client.socket.take()], ['open', []]);
});

test('a gateway whose pings a script cannot see is asked', async () => {
  const client = await new Client().open();
  client.socket.take();
  for (let round = 0; round < 30; round++) {
    await client.world.pass(67_500);
    assert.deepEqual(client.socket.take(), [{ type: 'ping' }]);
    client.socket.receive({ type: 'pong' });
  }
  assert.equal(client.gateway.state, 'open');
});

test('a machine that slept asks before it gives the socket up', async () => {
  const client = await new Client().open({ ready: { expires_at: null } });
  client.socket.take();
  client.world.sleep(3_600_000);
  await client.world.pass(0);
  assert.deepEqual([client.gateway.state, client.socket.take()], ['open', [{ type: 'ping' }]]);
  client.socket.receive({ type: 'pong' });
  await client.world.pass(10_000);
  assert.equal(client.gateway.state, 'open');
  client.world.sleep(3_600_000);
  await client.world.pass(5_000);
  assert.deepEqual(client.codes(), ['dead_socket']);
});

test('a clock that was set back is no reason to wait forever', async () => {
  const client = await new Client().open();
  client.world.time -= 3_600_000;
  await client.world.pass(3_600_000 + 200_000);
  assert.ok(client.gateway.counters.deadSockets > 0);
});

for (const [what, wake] of [
  ['online', (world) => world.setOnline(true)],
  ['visibilitychange', (world) => world.setVisible(true)],
  ['pageshow', (world) => world.window.dispatch('pageshow')]]) {
  test(`${what} tries an open socket, which is dead after five seconds of silence`, async () => {
    const client = await new Client().open();
    client.socket.take();
    wake(client.world);
    assert.deepEqual(client.socket.take(), [{ type: 'ping' }]);
    // Waking up again and again doesn't put it off.
    await client.world.pass(3_000);
    wake(client.world);
    await client.world.pass(2_000);
    assert.deepEqual(client.codes(), ['dead_socket']);
  });

  test(`${what} ends a long wait`, async () => {
    const client = await new Client().open();
    client.world.dice = 0.99;
    for (let failures = 0; failures < 6; failures++) {
      client.socket.end(1006);
      if (failures < 5) await client.world.pass(client.lastState.retryInMs);
    }
    assert.ok(client.lastState.retryInMs > 15_000);
    const count = client.world.sockets.length;
    wake(client.world);
    await client.world.pass(500);
    assert.equal(client.world.sockets.length, count + 1);
  });
}

test('a network that comes back wakes many, so each waits a random part of half a second', async () => {
  const client = new Client();
  client.world.setOnline(false);
  await client.world.pass(0);
  client.world.setOnline(true);
  assert.equal(client.lastState.retryInMs, 250);
});

test('offline it waits without trying', async () => {
  const client = await new Client().open();
  client.world.navigator.onLine = false;
  await client.end(1006);
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'offline']);
  await client.world.pass(3_600_000);
  assert.deepEqual([client.world.sockets.length, client.world.timers.size], [1, 0]);
  client.world.setOnline(true);
  await client.world.pass(500);
  assert.equal(client.world.sockets.length, 2);
});

function assertItRests(client, sockets) {
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'offline']);
  assert.equal(client.world.timers.size, 0);
  assert.equal(client.world.sockets.length, sockets);
  for (const { closedWith, listeners } of client.world.sockets) {
    assert.ok(closedWith || listeners.every(({ type }) => type === 'error'));
  }
}

test('going offline while it waits or connects, it rests at once', async () => {
  const waiting = await new Client().open();
  await waiting.end(1006);
  waiting.world.setOnline(false);
  assertItRests(waiting, 1);
  const connecting = new Client();
  await connecting.dial();
  connecting.world.setOnline(false);
  assertItRests(connecting, 1);
  connecting.world.setOnline(true);
  await connecting.world.pass(250);
  await connecting.open();
  assert.equal(connecting.gateway.state, 'open');
});

test('going offline while it is open, it rests after five seconds of silence', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.world.setOnline(false);
  assert.deepEqual(client.socket.take(), [{ type: 'ping' }]);
  await client.world.pass(4_999);
  assert.equal(client.gateway.state, 'open');
  await client.world.pass(1);
  assertItRests(client, 1);
});

test('a socket that outlives the loss of the network is kept', async () => {
  const client = await new Client().open();
  client.world.setOnline(false);
  client.world.setOnline(true);
  client.socket.receive({ type: 'pong' });
  await client.world.pass(10_000);
  assert.deepEqual([client.gateway.state, client.world.sockets.length], ['open', 1]);
});

test('offline and in the background there is no timer either; online it has its five minutes', async () => {
  const client = new Client();
  client.world.setVisible(false);
  await client.open();
  client.world.navigator.onLine = false;
  await client.end(1006);
  assertItRests(client, 1);
  client.world.setVisible(true);
  client.world.setVisible(false);
  assertItRests(client, 1);
  client.world.setOnline(true);
  await client.world.pass(250);
  await client.open({ ready: { ping_interval_ms: 1e9 } });
  await client.world.pass(299_000);
  assert.equal(client.gateway.state, 'open');
  await client.world.pass(1_000);
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'hidden']);
});

test('hidden for long it disconnects, and comes back with what was missed when it is looked at', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: '9' });
  client.world.setVisible(false);
  for (let rest = 299_999; rest > 0; rest -= 50_000) {
    await client.world.pass(Math.min(rest, 50_000));
    client.socket.receive({ type: 'ping' });
  }
  assert.equal(client.gateway.state, 'open');
  await client.world.pass(1);
  assert.deepEqual([client.lastState.state, client.lastState.reason], ['paused', 'hidden']);
  assert.equal(client.socket.closedWith.code, 1000);
  await client.world.pass(3_600_000);
  assert.deepEqual([client.world.sockets.length, client.world.timers.size], [1, 0]);
  client.world.setVisible(true);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, '9');
});

test('hidden only for a while it stays connected', async () => {
  const client = await new Client().open();
  client.world.setVisible(false);
  await client.world.pass(50_000);
  client.world.setVisible(true);
  client.socket.receive({ type: 'pong' });
  await client.world.pass(50_000);
  assert.deepEqual([client.gateway.state, client.world.sockets.length], ['open', 1]);
});

test('with `hiddenPauseMs: Infinity` it never pauses', async () => {
  const client = new Client({ hiddenPauseMs: Infinity });
  client.world.setVisible(false);
  await client.open({ ready: { ping_interval_ms: 1e12, expires_at: null } });
  // Longer than setTimeout can wait.
  await client.world.pass(2 ** 32);
  assert.equal(client.gateway.state, 'open');
});

test('a page that was opened in the background pauses too', async () => {
  const client = new Client({ hiddenPauseMs: 1_000 });
  client.world.setVisible(false);
  client.world.window.dispatch('pageshow');
  await client.open();
  await client.world.pass(1_000);
  assert.equal(client.gateway.state, 'paused');
});

test('a page in the browser\'s cache has no socket; out of it, it has one at once', async () => {
  const client = await new Client().open();
  client.world.window.dispatch('pagehide');
  assert.deepEqual([client.gateway.state, client.socket.closedWith.code], ['paused', 1000]);
  client.world.window.dispatch('pageshow');
  await client.world.pass(0);
  assert.equal(client.gateway.state, 'connecting');
});

test('the token is renewed before it expires, at a random point', async () => {
  for (const [dice, expected] of [[0, 2_520_000], [0.5, 2_880_000], [0.999, 3_239_280]]) {
    const client = await new Client({ requestTimeoutMs: 1e9 }).open();
    client.gateway.close();
    const other = new Client();
    other.world.dice = dice;
    await other.open({ ready: { ping_interval_ms: 1e9 } });
    other.socket.take();
    await other.world.pass(expected - 1);
    assert.equal(other.tokens, 1);
    await other.world.pass(1);
    const [{ ref, ...init }] = other.socket.take();
    assert.deepEqual(init, { type: 'init', token: token(2) });
    other.ready();
    other.socket.receive({ type: 'ok', ref });
    await other.world.pass(expected);
    assert.equal(other.tokens, 3, 'and again');
    assert.equal(other.gateway.counters.connections, 1);
  }
});

test('a renewal that fails is told, and tried again before the end', async () => {
  let calls = 0;
  const client = await new Client({
    getToken: async () => {
      if (++calls === 2) throw new Error('not now');
      return token(calls);
    },
  }).open({ ready: { ping_interval_ms: 1e9 } });
  client.socket.take();
  await client.world.pass(2_880_000);
  assert.deepEqual(client.codes(), ['token_unavailable']);
  await client.world.pass(576_000);
  assert.deepEqual(client.socket.take().map((message) => message.token), [token(3)]);
  assert.equal(client.gateway.state, 'open');
});

test('a clock that is wrong by hours does not ask for tokens all the time', async () => {
  const client = await new Client().open({ ready: { expires_at: '2000-01-01T00:00:00Z', ping_interval_ms: 1e9 } });
  await client.world.pass(3_600_000);
  assert.equal(client.tokens, 1);
});

test('signed out at a renewal, it ends', async () => {
  let calls = 0;
  const client = await new Client({ getToken: () => (++calls === 1 ? token(1) : null) })
    .open({ ready: { ping_interval_ms: 1e9 } });
  await client.world.pass(2_880_000);
  assert.deepEqual([client.gateway.state, client.codes()], ['closed', ['no_token']]);
});
