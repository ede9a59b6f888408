import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, P2 } from './support/client.js';
import { settle } from './support/world.js';

function assertNothingIsLeft({ world }) {
  assert.deepEqual([world.timers.size, world.listenerCount], [0, 0]);
}

const PHASES = {
  'before the first attempt': async () => new Client({ projects: [P1] }),
  'while getToken runs': async () => {
    const client = new Client({ getToken: () => new Promise(() => {}) });
    await client.world.pass(0);
    return client;
  },
  'in the handshake': async () => {
    const client = new Client();
    await client.world.pass(0);
    return client;
  },
  'before ready': async () => {
    const client = new Client();
    await client.dial();
    return client;
  },
  'while joining': () => new Client({ projects: [P1] }).open({ answers: false }),
  'when open': () => new Client({ projects: [P1] }).open(),
  'while waiting': async () => {
    const client = await new Client().open();
    await client.end(1006);
    return client;
  },
  'when paused': async () => {
    const client = await new Client().open();
    client.world.navigator.onLine = false;
    await client.end(1006);
    return client;
  },
  'while hidden': async () => {
    const client = await new Client().open();
    client.world.setVisible(false);
    return client;
  },
};

for (const [phase, reach] of Object.entries(PHASES)) {
  test(`closing ${phase} is final and leaves nothing behind`, async () => {
    const client = await reach();
    const { world } = client;
    client.gateway.close();
    assert.equal(client.lastState.state, 'closed');
    assertNothingIsLeft(client);
    const count = [world.sockets.length, client.states.length];
    world.setVisible(true);
    world.setOnline(true);
    client.socket?.open();
    client.socket?.receive({ type: 'ready' });
    client.socket?.end(1006);
    client.gateway.close();
    await world.pass(3_600_000);
    assert.deepEqual([world.sockets.length, client.states.length], count);
    assert.equal(client.gateway.state, 'closed');
    assertNothingIsLeft(client);
  });
}

test('the socket is closed with 1000', async () => {
  const client = await new Client().open();
  client.gateway.close();
  assert.equal(client.socket.closedWith.code, 1000);
});

test('whoever waits is told; whoever asks later, too', async () => {
  const client = await new Client().open();
  const waiting = [client.gateway.join(P1), client.gateway.request({ type: 'x' })];
  client.gateway.close();
  for (const promise of [...waiting, client.gateway.join(P1), client.gateway.request({ type: 'x' })]) {
    await assert.rejects(promise, (error) => ['closed', 'disconnected'].includes(error.code));
  }
  assertNothingIsLeft(client);
});

for (const [when, answers] of [['joined', true], ['being joined', false]]) {
  test(`who joins again as closing ends a project is refused (${when})`, async () => {
    const client = await new Client({ projects: [P1, P2] }).open({ answers });
    const joins = [];
    client.gateway.on('project', ({ project_id }) => joins.push(client.gateway.join(project_id)));
    client.gateway.close();
    assert.equal(client.states.filter(({ state }) => state === 'closed').length, 1);
    assert.deepEqual([client.gateway.projects, client.gateway.state], [[], 'closed']);
    assert.ok(joins.length > 0);
    for (const join of joins) await assert.rejects(join, { code: 'closed' });
    assertNothingIsLeft(client);
  });
}

test('a listener may close it when a join is refused for now', async () => {
  const client = await new Client({ projects: [P1] }).open({ answers: false });
  client.gateway.on('error', () => client.gateway.close());
  const { ref } = client.socket.take().at(-1);
  client.socket.receive({ type: 'error', ref, code: 'unavailable', message: 'later', temporary: true });
  await settle();
  assertNothingIsLeft(client);
});

for (const name of ['state', 'project', 'event', 'error']) {
  test(`a listener to '${name}' may close it at any time`, async () => {
    const client = new Client({ projects: [P1] });
    const { gateway } = client;
    let calls = 0;
    for (let limit = 1; limit <= 3; limit++) {
      const other = new Client({ projects: [P1] });
      other.gateway.on(name, () => ++calls % limit === 0 && other.gateway.close());
      await other.world.pass(0);
      other.socket?.open();
      if (other.socket) {
        other.ready();
        await other.answerAll();
        other.change();
        other.socket.receive('nonsense');
        await other.end(1006);
      }
      other.gateway.close();
      await settle();
      assertNothingIsLeft(other);
    }
    gateway.close();
    assertNothingIsLeft(client);
  });
}
