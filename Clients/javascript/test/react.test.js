import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createUseProject, holdProject } from '../src/react.js';
import { Client, P1, P2 } from './support/client.js';
import { FakeReact } from './support/react.js';

const settled = ({ world }) => world.pass(1_100);

test('useProject joins, tells how it stands, and leaves', async () => {
  const client = await new Client().open();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  assert.deepEqual(react.draw(() => useProject(client.gateway, P1)), { state: 'open', isJoined: false, error: undefined });
  await client.answerAll();
  assert.deepEqual(react.result, { state: 'open', isJoined: true, error: undefined });
  await client.end(1006);
  assert.deepEqual(react.result, { state: 'waiting', isJoined: false, error: undefined });
  react.unmount();
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
});

test('useProject follows its argument, and draws again only when something changed', async () => {
  const client = await new Client().open();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  react.draw(() => useProject(client.gateway, P1));
  await client.answerAll();
  const { draws } = react;
  client.change();
  assert.equal(react.draws, draws);
  react.draw(() => useProject(client.gateway, P2));
  await client.answerAll();
  await settled(client);
  assert.deepEqual([client.gateway.projects, react.result.isJoined], [[P2], true]);
  react.draw(() => useProject(client.gateway, undefined));
  assert.equal(react.result.isJoined, false);
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
  react.unmount();
});

test('several may hold a project; it is left when the last has let go, and not between two', async () => {
  const client = await new Client().open();
  const first = holdProject(client.gateway, P1);
  const second = holdProject(client.gateway, P1.toUpperCase());
  assert.equal((await client.answerAll()).length, 1);
  first();
  first();
  await settled(client);
  assert.deepEqual(client.gateway.projects, [P1]);
  second();
  const third = holdProject(client.gateway, P1);
  await settled(client);
  assert.deepEqual([client.gateway.projects, client.socket.take()], [[P1], []]);
  third();
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
});

test('what the application asked for itself outlives all who held it', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const releases = [holdProject(client.gateway, P1), holdProject(client.gateway, P1)];
  for (const release of releases) release();
  await settled(client);
  assert.deepEqual([client.gateway.projects, client.socket.take()], [[P1], []]);
  holdProject(client.gateway, P1)();
  await settled(client);
  assert.deepEqual(client.gateway.projects, [P1]);
});

test('what the application left, and a view asked for again, is left with the view', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const first = holdProject(client.gateway, P1);
  await Promise.all([client.gateway.leave(P1), client.answerAll()]);
  const second = holdProject(client.gateway, P1);
  first();
  second();
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
});

test('it is left a second after the last release, whenever there was one before', async () => {
  const client = await new Client().open();
  holdProject(client.gateway, P1)();
  await client.world.pass(900);
  holdProject(client.gateway, P1)();
  await client.world.pass(600);
  assert.deepEqual(client.gateway.projects, [P1]);
  await client.world.pass(500);
  assert.deepEqual(client.gateway.projects, []);
});

test('holding a project of a closed client does no harm', async () => {
  const client = await new Client().open();
  client.gateway.close();
  holdProject(client.gateway, P1)();
  await settled(client);
});

// Refusals

/** The gateway refuses the join that was sent last. */
async function refuse(client, code = 'forbidden') {
  const { ref } = client.socket.take().at(-1);
  client.socket.receive({ type: 'error', ref, code, message: 'not a member', temporary: false });
  await client.world.pass(0);
}

test('useProject says why it is refused, and joins when the membership is there', async () => {
  const client = await new Client().open();
  client.socket.take();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  react.draw(() => useProject(client.gateway, P1));
  await refuse(client);
  assert.deepEqual([react.result.error.code, react.result.isJoined], ['forbidden', false]);
  for (const waitMs of [10_000, 15_000, 25_000]) {
    await client.world.pass(waitMs - 1);
    assert.deepEqual(client.socket.take(), []);
    await client.world.pass(1);
    assert.equal(client.socket.sent.length, 1);
    client.socket.receive({ type: 'ping' });
    if (waitMs < 25_000) await refuse(client);
  }
  await client.answerAll();
  assert.deepEqual(react.result, { state: 'open', isJoined: true, error: undefined });
  assert.deepEqual(client.codes(), ['forbidden'], 'those who listen to errors are told once');
  react.unmount();
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
});

test('who is removed and then a member again hears the project again', async () => {
  const client = await new Client().open();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  react.draw(() => useProject(client.gateway, P1));
  await client.answerAll();
  client.socket.receive({
    type: 'error', code: 'membership_revoked', project_id: P1, message: 'removed', temporary: false });
  await client.world.pass(0);
  assert.deepEqual([react.result.error.code, react.result.isJoined], ['membership_revoked', false]);
  await client.world.pass(10_000);
  await client.answerAll();
  assert.deepEqual(react.result, { state: 'open', isJoined: true, error: undefined });
});

test('a new connection is a reason to ask at once, also when the membership ended while it was away', async () => {
  const client = await new Client().open();
  const errors = [];
  holdProject(client.gateway, P1, (error) => errors.push(error?.code));
  await client.answerAll();
  for (let round = 0; round < 2; round++) {
    await client.end(1006);
    await client.world.pass(client.lastState.retryInMs);
    await client.open({ answers: false });
    assert.equal(client.socket.sent.filter(({ type }) => type === 'join_project').length, 1);
    if (round) await client.answerAll();
    else await refuse(client);
  }
  assert.deepEqual([errors, client.gateway.isJoined(P1)], [['forbidden', undefined], true]);
});

test('nobody asks for a project that nobody holds any more', async () => {
  const client = await new Client().open();
  client.socket.take();
  const release = holdProject(client.gateway, P1);
  await refuse(client);
  release();
  await settled(client);
  await client.world.pass(50_000);
  assert.deepEqual(client.socket.take(), []);
});

test('what the application itself leaves is not joined again', async () => {
  const client = await new Client().open();
  holdProject(client.gateway, P1);
  await client.answerAll();
  await Promise.all([client.gateway.leave(P1), client.answerAll()]);
  await client.world.pass(50_000);
  assert.deepEqual([client.gateway.projects, client.socket.take()], [[], []]);
});

test('a client that was closed is an error of the hook, until it is connected again', async () => {
  const client = await new Client().open();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  react.draw(() => useProject(client.gateway, P1));
  await client.answerAll();
  await client.end(4003);
  assert.deepEqual([react.result.state, react.result.error.code], ['closed', 'stopped']);
  assert.equal(client.world.timers.size, 0);
  client.gateway.connect();
  assert.equal(react.result.error, undefined);
  await client.open();
  assert.deepEqual(react.result, { state: 'open', isJoined: true, error: undefined });
});

test('a refusal of one project is none of the next', async () => {
  const client = await new Client().open();
  client.socket.take();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  react.draw(() => useProject(client.gateway, P1));
  await refuse(client);
  assert.equal(react.draw(() => useProject(client.gateway, P2)).error, undefined);
});

test('where there is no WebSocket the hook says so, and nothing is left', async () => {
  const client = new Client({}, { WebSocket: undefined });
  const errors = [];
  const release = holdProject(client.gateway, P1, (error) => errors.push(error?.code));
  await client.world.pass(0);
  release();
  await settled(client);
  assert.deepEqual([errors, client.world.timers.size], [['no_websocket'], 0]);
});
