import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bindQueryClient } from '../src/react-query.js';
import { Client, P1, P2 } from './support/client.js';
import { FakeQueryClient } from './support/query-client.js';

const FRAME_MS = 16;

/** A client that is in P1 and P2, bound, with the resync of its joining behind it. */
async function bound(options = {}, projects = [P1, P2]) {
  const client = await new Client({ projects }).open();
  client.queries = new FakeQueryClient();
  client.unbind = bindQueryClient(
    client.gateway, client.queries, { environment: client.world.environment(), ...options });
  client.frame = () => client.world.pass(FRAME_MS);
  return client;
}

test('a change invalidates the list of its project and its row, and nothing else', async () => {
  const client = await bound();
  const list = client.queries.add(['tasks', P1]);
  const filtered = client.queries.add(['tasks', P1, { status: 'open' }]);
  const row = client.queries.add(['tasks', 'row']);
  const others = [['tasks', P2], ['sprints', P1], ['tasks', 'other row'], ['settings']]
    .map((key) => client.queries.add(key));
  client.change();
  await client.frame();
  assert.deepEqual([list, filtered, row].map(({ fetches }) => fetches), [1, 1, 1]);
  assert.deepEqual(others.map(({ state }) => state.isInvalidated), [false, false, false, false]);
});

test('a fetch that is under way is never cancelled', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.world.pass(60_000);
  assert.equal(query.fetches, 1);
  assert.ok(client.queries.refetches.every(({ options }) => options.cancelRefetch === false));
});

test('what nobody looks at is marked, and fetched when somebody does', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1], { observers: 0 });
  client.change();
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [0, true]);
});

test('events of one frame are one fetch of each query', async () => {
  const client = await bound();
  const queries = [['tasks', P1], ['tasks', 'row 0'], ['tasks', 'row 1']].map((key) => client.queries.add(key));
  for (let row = 0; row < 20; row++) client.change({ data: { id: `row ${row % 2}`, timestamp: 't' } });
  await client.world.pass(FRAME_MS - 1);
  assert.deepEqual(queries.map(({ fetches }) => fetches), [0, 0, 0]);
  await client.world.pass(1);
  for (const query of queries) query.succeed();
  await client.world.pass(1_000);
  assert.deepEqual(queries.map(({ fetches }) => fetches), [1, 1, 1]);
});

test('the mapping can be replaced', async () => {
  const client = await bound({
    targets: ({ resource, data }) => [['v2', resource, data.id], { queryKey: ['board'], exact: true }],
  });
  const queries = [['v2', 'tasks', 'row', 'x'], ['board'], ['board', 'x'], ['tasks', 'row']]
    .map((key) => client.queries.add(key));
  client.change();
  await client.frame();
  assert.deepEqual(queries.map(({ fetches }) => fetches), [1, 1, 0, 0]);
});

test('own changes are skipped', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  client.change({ origin: client.gateway.connectionId });
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [0, false]);
  client.change({ origin: 'another tab' });
  await client.frame();
  assert.equal(query.fetches, 1);
});

for (const action of ['UPDATE', 'TRUNCATE', 'RESYNC']) {
  test(`${action} of any row concerns all rows, but no list of another project`, async () => {
    const client = await bound();
    const [list, row, other, stranger, sprints] =
      [['tasks', P1], ['tasks', 'row'], ['tasks', P2], ['tasks', 'unknown'], ['sprints', P1]]
        .map((key) => client.queries.add(key));
    client.change({ action, data: { id: '*', timestamp: 't' } });
    await client.frame();
    assert.deepEqual(
      [list, row, other, stranger, sprints].map(({ fetches }) => fetches), [1, 1, 0, 1, 0]);
  });
}

test('resyncs of two projects in one frame are both heard', async () => {
  const client = await bound();
  const lists = [P1, P2].map((project) => client.queries.add(['tasks', project]));
  for (const project_id of [P1, P2]) client.change({ action: 'RESYNC', project_id, data: { id: '*', timestamp: 't' } });
  await client.frame();
  assert.deepEqual(lists.map(({ fetches }) => fetches), [1, 1]);
});

test('joining is a resync of every resource: what was fetched before may be old', async () => {
  const client = await bound({}, []);
  const queries = ['projects', 'sprints', 'tasks', 'project_members'].map((name) => client.queries.add([name, P1]));
  const settings = client.queries.add(['settings']);
  client.gateway.join(P1);
  await client.answerAll();
  await client.frame();
  assert.deepEqual(queries.map(({ fetches }) => fetches), [1, 1, 1, 1]);
  assert.equal(settings.fetches, 0);
});

test('a fetch that an event overtakes is followed by another: it may have read the row before', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed('maybe old');
  await client.frame();
  assert.equal(query.fetches, 2);
  query.succeed('new');
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [2, false]);
});

test('data that the application sets itself do not count as that fetch, nor does a failure', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  query.setData('optimistic');
  await client.frame();
  assert.equal(query.fetches, 1);
  query.fail();
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [1, true]);
  await client.world.pass(2_000);
  assert.equal(query.fetches, 2);
  query.succeed('new');
  await client.world.pass(600_000);
  assert.deepEqual([query.fetches, query.state.isInvalidated], [2, false]);
});

for (const action of ['error', 'setState']) {
  test(`an event outlives the cancelling of the fetch it overtook (by ${action})`, async () => {
    const client = await bound();
    const query = client.queries.add(['tasks', P1]);
    void query.fetch();
    client.change();
    await client.frame();
    query.observers = 0;
    query.cancel(action);
    await client.frame();
    assert.deepEqual([query.fetches, query.state.isInvalidated], [1, true], 'to be fetched when it is looked at');
    void query.fetch();
    query.succeed('new');
    await client.frame();
    assert.deepEqual([query.fetches, query.state.isInvalidated], [2, false]);
  });
}

test('a state that is set while the fetch goes on does not end it', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  client.queries.cache.notify({ type: 'updated', query, action: { type: 'setState' } });
  query.succeed('maybe old');
  await client.frame();
  assert.equal(query.fetches, 2);
});

test('a large audience is spread, unless the page is in focus', async () => {
  const client = await bound();
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4000 });
  await client.frame();
  assert.equal(query.fetches, 1, 'somebody looks at it');
  query.succeed();

  client.world.document.isFocused = false;
  client.change({ spread_ms: 4000 });
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [1, true], 'it is known to be stale at once');
  await client.world.pass(1999);
  assert.equal(query.fetches, 1);
  await client.world.pass(1);
  assert.equal(query.fetches, 2);
});

test('more events do not put a spread fetch off, and one fetch answers them all', async () => {
  const client = await bound();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  for (let round = 0; round < 20; round++) {
    client.change({ spread_ms: 2000 });
    await client.world.pass(50);
  }
  await client.frame();
  assert.equal(query.fetches, 1);
});

test('what was fetched meanwhile is not fetched again', async () => {
  const client = await bound();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4000 });
  await client.frame();
  void query.fetch();
  query.succeed();
  await client.world.pass(10_000);
  assert.equal(query.fetches, 1);
});

test('of several events in a frame the shortest spread counts', async () => {
  const client = await bound();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4000 });
  client.change();
  await client.frame();
  assert.equal(query.fetches, 1);
});

for (const refetchOnWindowFocus of [true, false]) {
  test(`hidden, nothing is fetched; shown, everything once (refetchOnWindowFocus: ${refetchOnWindowFocus})`, async () => {
    const client = await bound();
    const query = client.queries.add(['tasks', P1]);
    client.world.setVisible(false);
    client.change();
    await client.frame();
    client.change();
    await client.world.pass(60_000);
    assert.deepEqual([query.fetches, query.state.isInvalidated], [0, true]);
    assert.deepEqual(client.queries.refetches, []);
    if (refetchOnWindowFocus) client.queries.pageIsShown();
    client.world.setVisible(true);
    await client.frame();
    assert.equal(query.fetches, 1);
  });
}

test('a page that is hidden while it waits for its spread fetches when it is shown', async () => {
  const client = await bound();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4000 });
  await client.frame();
  client.world.setVisible(false);
  await client.world.pass(10_000);
  assert.equal(query.fetches, 0);
  client.world.setVisible(true);
  assert.equal(query.fetches, 1);
});

test('without a page nothing is hidden, and nobody is in focus', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const queries = new FakeQueryClient();
  bindQueryClient(client.gateway, queries, { environment: { ...client.world.environment(), document: undefined } });
  const query = queries.add(['tasks', P1]);
  client.change({ spread_ms: 1000 });
  await client.world.pass(FRAME_MS);
  assert.equal(query.fetches, 0);
  await client.world.pass(500);
  assert.equal(query.fetches, 1);
});

for (const [how, end] of [['unbinding', ({ unbind }) => unbind()], ['closing', ({ gateway }) => gateway.close()]]) {
  test(`${how} leaves nothing behind`, async () => {
    const client = await bound();
    client.queries.add(['tasks', P1]);
    client.world.document.isFocused = false;
    client.change({ spread_ms: 4000 });
    await client.frame();
    client.change();
    const before = client.queries.refetches.length;
    end(client);
    client.gateway.close();
    await client.world.pass(60_000);
    client.world.setVisible(true);
    assert.equal(client.queries.refetches.length, before);
    assert.deepEqual(
      [client.world.timers.size, client.world.listenerCount, client.queries.cache.listeners.size], [0, 0, 0]);
  });
}
