import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, token } from './support/client.js';

/** Loses so many connections. Returns the waits that followed. */
async function waits(client, count, code = 1006) {
  const found = [];
  while (found.length < count) {
    client.socket.end(code);
    found.push(client.lastState.retryInMs);
    await client.world.pass(client.lastState.retryInMs);
  }
  return found;
}

test('waits double from 0.5 to 20 seconds, and are a random part of that', async () => {
  for (const dice of [0, 0.25, 0.999]) {
    const client = new Client();
    client.world.dice = dice;
    await client.world.pass(0);
    const expected = [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000].map((most) => most * dice);
    assert.deepEqual(await waits(client, 8), expected);
  }
});

test('nothing happens before the wait is over', async () => {
  const client = await new Client().open();
  await client.end(1006);
  await client.world.pass(249);
  assert.equal(client.world.sockets.length, 1);
  await client.world.pass(1);
  assert.equal(client.world.sockets.length, 2);
});

test('only a stable connection makes the waits short again', async () => {
  const client = await new Client().open();
  await waits(client, 3);
  await client.open();
  await client.world.pass(9_999);
  await client.end(1006);
  assert.equal(client.lastState.retryInMs, 2000, 'the fourth of half of 0.5, 1, 2, 4 seconds');
  await client.world.pass(2000);
  await client.open();
  await client.world.pass(10_000);
  await client.end(1006);
  assert.equal(client.lastState.retryInMs, 250);
});

test('a page that was frozen until its init was too late tries again with jitter', async () => {
  const client = new Client();
  await client.world.pass(0);
  client.world.sleep(3_600_000);
  client.socket.open();
  await client.end(4002, 'no init in time');
  assert.deepEqual([client.lastState.state, client.lastState.retryInMs, client.codes()], ['waiting', 250, []]);
  await client.world.pass(250);
  await client.open();
  assert.equal(client.gateway.state, 'open');
});

test('a handshake that is refused is tried again with jitter', async () => {
  const client = new Client();
  await client.world.pass(0);
  await client.end(1006);
  assert.deepEqual([client.lastState.state, client.lastState.retryInMs], ['waiting', 250]);
});

for (const code of [1000, 1002, 1003, 1007, 1009, 4003]) {
  test(`${code} ends it for good, and the application is told`, async () => {
    const client = await new Client({ projects: [P1] }).open();
    await client.end(code, 'why');
    assert.equal(client.gateway.state, 'closed');
    assert.deepEqual(client.errors.map((error) => [error.code, error.closeCode]), [['stopped', code]]);
    assert.equal(client.lastState.error, client.errors[0]);
    assert.deepEqual([client.world.timers.size, client.world.listenerCount], [0, 0]);
  });
}

for (const code of [1011, 1006, 4201, 4202]) {
  test(`${code} reconnects with jitter`, async () => {
    const client = await new Client().open();
    await client.end(code);
    assert.deepEqual([client.lastState.retryInMs, client.lastState.closeCode], [250, code]);
  });
}

test('1012 reconnects at a random time within its window', async () => {
  for (const [dice, expected] of [[0, 0], [0.5, 4000], [0.9, 7200]]) {
    const client = await new Client().open();
    client.world.dice = dice;
    client.socket.end(1012, '{"window_ms":8000}');
    assert.equal(client.lastState.retryInMs, expected);
  }
});

test('1012 without a window takes the one that ready told', async () => {
  const client = await new Client().open({ ready: { reconnect_window_ms: 12_000 } });
  await client.end(1012);
  assert.equal(client.lastState.retryInMs, 6000);
});

test('4101 gets a new token and reconnects', async () => {
  const client = await new Client().open();
  await client.end(4101, 'expired');
  await client.world.pass(250);
  await client.dial();
  assert.deepEqual(client.socket.take(), [{ type: 'init', token: token(2) }]);
});

test('a limit is waited for, and then some, so that those behind one address do not come in step', async () => {
  for (const code of [4301, 4302, 4303]) {
    const client = await new Client().open();
    await client.end(code, '{"retry_after_ms":7000}');
    assert.equal(client.lastState.retryInMs, 7250);
  }
});

test('no wake-up shortens what the gateway asked for', async () => {
  for (const [code, reason, waitMs] of [
    [1012, '{"window_ms":60000}', 30_000], [4303, '{"retry_after_ms":30000}', 30_250]]) {
    const client = await new Client().open();
    await client.end(code, reason);
    client.world.setVisible(false);
    client.world.setVisible(true);
    client.world.setOnline(false);
    client.world.setOnline(true);
    client.world.window.dispatch('pageshow');
    await client.world.pass(waitMs - 1);
    assert.equal(client.world.sockets.length, 1, `${code}`);
    await client.world.pass(1);
    assert.equal(client.world.sockets.length, 2, `${code}`);
  }
});

test('questions that were open are answered by the end of the connection', async () => {
  const client = await new Client().open();
  const asked = client.gateway.request({ type: 'typing' });
  await Promise.all([
    assert.rejects(asked, (error) => error.code === 'disconnected' && error.temporary), client.end(1006)]);
  await assert.rejects(client.gateway.request({ type: 'typing' }), { code: 'disconnected' });
});
