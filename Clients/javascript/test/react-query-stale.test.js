// What must never leave a query stale, and what must not be fetched twice: with the stand-in for TanStack Query,
// and with the real one if TANSTACK_QUERY is the path of a module with all of @tanstack/query-core.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test as declare } from 'node:test';
import { pathToFileURL } from 'node:url';

import { bindQueryClient } from '../src/react-query.js';
import { Client, P1, P2 } from './support/client.js';
import { FakeQueryClient } from './support/query-client.js';
import { RealQueryClient } from './support/real-query-client.js';
import { settle } from './support/world.js';

const FRAME_MS = 16;
const path = process.env.TANSTACK_QUERY;
const core = path && await import(pathToFileURL(resolve(path)).href);
const skip = !core && 'TANSTACK QUERY IS MISSING: set TANSTACK_QUERY to a bundle of @tanstack/query-core';

const kinds = [
  ['stand-in', () => new FakeQueryClient(), {}],
  ['TanStack Query', () => new RealQueryClient(core), { skip }],
];

/** For both. */
function test(name, body) {
  for (const [kind, makeQueries, options] of kinds) {
    declare(`${name} (${kind})`, options, () =>
      body((...bindingOptions) => bound(makeQueries(), ...bindingOptions)));
  }
}

/** For what only the real one does. */
function testReal(name, body) {
  declare(`${name} (TanStack Query)`, { skip }, () =>
    body((...options) => bound(new RealQueryClient(core), ...options)));
}

async function bound(queries, bindingOptions = {}, projects = [P1, P2]) {
  const client = await new Client({ projects }).open({ ready: { ping_interval_ms: 1e9, expires_at: null } });
  client.queries = queries;
  client.unbind = bindQueryClient(
    client.gateway, queries, { environment: client.world.environment(), ...bindingOptions });
  client.frame = () => client.world.pass(FRAME_MS);
  return client;
}

/** However much time passes: no fetch is owed, and none is under way. */
async function assertItRests(client, query, fetches) {
  await client.world.pass(3_000);
  assert.deepEqual([query.state.fetchStatus, query.state.isInvalidated, query.fetches], ['idle', false, fetches]);
}

// Events and optimistic updates

test('an event during a fetch, then an optimistic update: what is fetched last began after the event', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  query.setData('optimistic');
  await settle();
  assert.equal(query.state.isInvalidated, true, 'to be seen by whoever looks at it next');
  query.succeed('maybe old');
  await client.frame();
  assert.equal(query.fetches, 2);
  query.succeed('new');
  await assertItRests(client, query, 2);
  assert.equal(query.state.data, 'new');
});

test('an optimistic update while a page waits for its spread: it is fetched all the same', async (start) => {
  const client = await start();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4000 });
  await client.frame();
  query.setData('optimistic');
  await settle();
  assert.equal(query.state.isInvalidated, true);
  await client.world.pass(4_000);
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

test('an optimistic update on a hidden page: it is fetched when the page is shown', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.world.setVisible(false);
  client.change();
  await client.frame();
  query.setData('optimistic');
  await client.world.pass(60_000);
  assert.equal(query.fetches, 0);
  client.world.setVisible(true);
  await settle();
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

test('an optimistic update of what nobody looks at: it is fetched when somebody does', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1], { observers: 0 });
  client.change();
  await client.frame();
  query.setData('optimistic');
  await client.frame();
  assert.equal(query.fetches, 0);
  query.observe();
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

test('an optimistic update in the frame of the event', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.change();
  query.setData('optimistic');
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

test('cancelQueries and an optimistic update with an event under way: fetched after a while', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  await query.cancel();
  query.setData('optimistic');
  await client.frame();
  assert.equal(query.fetches, 1, 'not at once: the application is about to change it');
  await client.world.pass(2_000);
  assert.equal(query.fetches, 2);
  query.succeed();
  await assertItRests(client, query, 2);
});

test('a fetch that began between the event and the end of its frame pays for it', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.change();
  void query.fetch();
  await settle();
  query.succeed();
  await client.frame();
  await assertItRests(client, query, 1);
});

test('a fetch that took the place of another one pays for what came before it', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.change();
  await client.frame();
  void query.fetch({ cancelRefetch: true });
  await settle();
  query.succeed();
  await assertItRests(client, query, 2);
});

test('a refetch that fails is owed still, and tried again less and less often', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.change();
  await client.frame();
  assert.equal(query.fetches, 1);
  for (const [tried, waitMs] of [[2, 1_500], [3, 2_000], [4, 3_000]]) {
    query.fail();
    await client.world.pass(waitMs - 1);
    assert.equal(query.fetches, tried - 1);
    await client.world.pass(1);
    assert.equal(query.fetches, tried);
  }
  for (let tried = 0; tried < 20; tried++) {
    query.fail();
    await client.world.pass(301_000);
  }
  assert.ok(query.fetches <= 24);
  query.succeed();
  await assertItRests(client, query, query.fetches);
});

test('a refetch that fails unseen is owed when somebody looks again', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.change();
  await client.frame();
  query.unobserve();
  query.fail();
  await client.world.pass(600_000);
  assert.equal(query.fetches, 1);
  query.observe();
  await client.frame();
  assert.equal(query.fetches, 2);
  query.succeed();
  await assertItRests(client, query, 2);
});

// The tab's own changes

test('a fetch under way when the own change is heard may bring back what was before it', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  query.setData('own change');
  client.change({ origin: client.gateway.connectionId });
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed('from before it');
  await client.frame();
  assert.equal(query.fetches, 2);
  query.succeed('own change');
  await assertItRests(client, query, 2);
});

test('an own change that is heard while nothing is fetched makes nobody fetch', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  await settle();
  query.succeed();
  await settle();
  client.change({ origin: client.gateway.connectionId });
  await client.frame();
  void query.fetch();
  await settle();
  query.succeed();
  await assertItRests(client, query, 2);
});

// One fetch where one is enough

test('33 rows and then any row: each query is fetched once', async (start) => {
  const client = await start();
  const list = client.queries.add(['tasks', P1]);
  const row = client.queries.add(['tasks', 'row 3']);
  for (let number = 0; number < 32; number++) client.change({ data: { id: `row ${number}`, timestamp: 't' } });
  client.change({ data: { id: '*', timestamp: 't' } });
  await client.frame();
  list.succeed();
  row.succeed();
  await assertItRests(client, list, 1);
  await assertItRests(client, row, 1);
});

test('targets that overlap: each query is fetched once', async (start) => {
  const client = await start({ targets: () => [['tasks'], ['tasks', P1], { predicate: () => true }] });
  const query = client.queries.add(['tasks', P1]);
  client.change();
  await client.frame();
  query.succeed();
  await assertItRests(client, query, 1);
});

test('rows of one project by a predicate of the mapping are told apart', async (start) => {
  const client = await start({ targets: ({ data }) => [{ predicate: ({ queryKey }) => queryKey[0] === data.id }] });
  const [a, b] = ['a', 'b'].map((id) => client.queries.add([id]));
  for (const id of ['a', 'b']) client.change({ data: { id, timestamp: 't' } });
  await client.frame();
  assert.deepEqual([a.fetches, b.fetches], [1, 1]);
});

for (const isLate of [false, true]) {
  test(`with enabled: isJoined there is one fetch${isLate ? ', also when the project event makes it begin at once' : ''}`,
    async (start) => {
      const client = await start({}, []);
      const query = client.queries.add(['tasks', P1], { observers: 0, data: undefined });
      // As useProject does it: by the news of the joining, in its call or right after it.
      client.gateway.on('project', ({ joined }) => {
        if (joined && isLate) query.observe();
        else if (joined) queueMicrotask(() => query.observe());
      });
      void client.gateway.join(P1);
      await client.answerAll();
      assert.equal(query.fetches, 1);
      await client.frame();
      query.succeed();
      await assertItRests(client, query, 1);
    });
}

// Infinite queries

for (const [when, isFetching] of [['', false], [' that takes the place of the refetch', true]]) {
  testReal(`one page more${when} does not pay for the others`, async (start) => {
    const client = await start();
    const query = client.queries.add(['tasks', P1], {
      isInfinite: true, data: { pages: ['page 0'], pageParams: [0] } });
    client.world.document.isFocused = false;
    client.change({ spread_ms: isFetching ? 0 : 4_000 });
    await client.frame();
    void query.fetchNextPage();
    await settle();
    query.succeed('page 1');
    await settle();
    assert.deepEqual([query.state.data.pages, query.state.isInvalidated], [['page 0', 'page 1'], true]);
    await client.world.pass(4_000);
    const before = query.fetches;
    query.succeed('new page 0');
    await settle();
    query.succeed('new page 1');
    await assertItRests(client, query, before + 1);
    assert.deepEqual(query.state.data.pages, ['new page 0', 'new page 1']);
  });
}

declare('one page more does not pay for the others (stand-in)', async () => {
  const client = await bound(new FakeQueryClient());
  const query = client.queries.add(['tasks', P1]);
  client.change();
  await client.frame();
  void query.fetchNextPage();
  query.succeed('with a page more');
  assert.equal(query.state.isInvalidated, true);
  await client.frame();
  assert.equal(query.fetches, 3);
  query.succeed();
  await assertItRests(client, query, 3);
});

// Data from elsewhere

test('what is hydrated counts as old: it is fetched once', async (start) => {
  const client = await start();
  const query = client.queries.hydrate(['tasks', P1], 'from the server');
  await client.frame();
  assert.deepEqual([query.fetches, query.state.isInvalidated], [0, true]);
  query.observe();
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

test('what a persister brings late, over a query that is looked at, counts as old', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  client.queries.hydrate(['tasks', P1], 'of last week', Date.now() + 1);
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed('new');
  await assertItRests(client, query, 1);
});

test('a fetch that is under way when they enter pays for them', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  void query.fetch();
  client.queries.hydrate(['tasks', P1], 'of last week', Date.now() + 1);
  await client.frame();
  query.succeed('new');
  await assertItRests(client, query, 1);
});

test('what concerns no project of ours is left alone', async (start) => {
  const client = await start();
  const queries = [['settings'], ['boards', P1]].map((key) => client.queries.hydrate(key, 'from the server'));
  for (const query of queries) query.observe();
  await client.frame();
  for (const query of queries) await assertItRests(client, query, 0);
});

test('what enters before the project is joined is fetched once, when it is', async (start) => {
  const client = await start({}, []);
  const joined = client.gateway.join(P1);
  const query = client.queries.hydrate(['tasks', P1], 'from the server');
  query.observe();
  await client.world.pass(1_000);
  assert.equal(query.fetches, 0);
  await client.answerAll();
  await joined;
  await client.frame();
  query.succeed();
  await assertItRests(client, query, 1);
});

test('what enters while the connection is away is fetched when it has been resumed', async (start) => {
  const client = await start({}, [P1]);
  client.change({ cursor: '7' });
  await client.end(1006);
  const query = client.queries.hydrate(['tasks', P1], 'of last week');
  query.observe();
  await client.world.pass(250);
  await client.open();
  await client.frame();
  assert.equal(client.events.at(-1).cursor, '7', 'there was no resync');
  query.succeed();
  await assertItRests(client, query, 1);
});

test('what is there before the binding counts as old', async (start) => {
  const client = await start();
  client.unbind();
  const query = client.queries.add(['tasks', P1]);
  bindQueryClient(client.gateway, client.queries, { environment: client.world.environment() });
  await client.frame();
  query.succeed();
  await assertItRests(client, query, 1);
});

testReal('initialData count as old', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1], { observers: 0, data: undefined });
  client.queries.remove(query);
  query.observe({ initialData: 'from somewhere' });
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed();
  await assertItRests(client, query, 1);
});

testReal('the promise of a server that made the page counts as old', async (start) => {
  const client = await start();
  const queryKey = ['tasks', P1];
  let resolvePromise;
  core.hydrate(client.queries.client, { queries: [{
    queryKey, queryHash: JSON.stringify(queryKey), dehydratedAt: Date.now(),
    promise: new Promise((resolve) => {
      resolvePromise = resolve;
    }),
    state: { status: 'pending', fetchStatus: 'fetching', dataUpdatedAt: 0, isInvalidated: false, data: undefined } }] });
  const query = client.queries.add(queryKey, { observers: 1, data: undefined });
  client.change();
  await client.frame();
  resolvePromise('from the server');
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed('new');
  await assertItRests(client, query, 1);
});

testReal('what a query\'s own persister brings counts as old', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1], { observers: 0, data: undefined });
  client.queries.remove(query);
  let isFirst = true;
  // As TanStack's createPersister: stored data as the result of the fetch, and then the time of their first fetch.
  const persister = (queryFn, context, { setState }) => {
    if (!isFirst) return queryFn(context);
    isFirst = false;
    core.notifyManager.schedule(() => query.query.setState({ dataUpdatedAt: Date.now() - 600_000, errorUpdatedAt: 0 }));
    return Promise.resolve('of last week');
  };
  query.observe({ persister });
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(query.state.data, 'of last week');
  await client.frame();
  assert.equal(query.fetches, 1);
  query.succeed('new');
  await assertItRests(client, query, 1);
});

// Keys

test('ids in upper case match, in lists, rows and where any row may have changed', async (start) => {
  const client = await start();
  const row = '0000000a-0000-0000-0000-00000000000b';
  const queries = [P1, row].map((id) => client.queries.add(['tasks', id.toUpperCase()]));
  const other = client.queries.add(['tasks', P2.toUpperCase()]);
  client.change({ data: { id: row, timestamp: 't' } });
  await client.frame();
  assert.deepEqual(queries.map(({ fetches }) => fetches), [1, 1]);
  for (const query of queries) query.succeed();
  await settle();
  client.change({ action: 'RESYNC', data: { id: '*', timestamp: 't' } });
  await client.frame();
  assert.deepEqual(queries.map(({ fetches }) => fetches), [2, 2]);
  assert.equal(other.fetches, 0);
});

test('a mapping that puts the row into a key means all rows by any row', async (start) => {
  const client = await start({
    targets: ({ resource, data, project_id }) => [
      ['v2', resource, data.id, 'details'], { queryKey: ['board', { project: project_id, task: data.id }], exact: true },
      ['list', project_id]],
  });
  const keys = [
    ['v2', 'tasks', 'a', 'details'], ['v2', 'tasks', 'b'], ['board', { project: P1, task: 'a' }], ['list', P1]];
  const queries = keys.map((key) => client.queries.add(key));
  const others = [['v2', 'sprints', 'a', 'details'], ['list', P2]].map((key) => client.queries.add(key));
  client.change({ data: { id: '*', timestamp: 't' } });
  await client.frame();
  assert.deepEqual(queries.map(({ fetches }) => fetches), [1, 1, 1, 1]);
  assert.deepEqual(others.map(({ fetches }) => fetches), [0, 0]);
});

test('a query that is removed leaves nothing behind', async (start) => {
  const client = await start();
  client.world.document.isFocused = false;
  const query = client.queries.add(['tasks', P1]);
  client.change({ spread_ms: 4_000 });
  await client.frame();
  const timers = client.world.timers.size;
  client.queries.remove(query);
  assert.equal(client.world.timers.size, timers - 1);
});

test('a client that is closed with an error stays bound: it may be connected again', async (start) => {
  const client = await start();
  const query = client.queries.add(['tasks', P1]);
  await client.end(4003);
  assert.equal(client.gateway.state, 'closed');
  client.gateway.connect();
  await client.open();
  await client.frame();
  query.succeed();
  await assertItRests(client, query, 1);
});

// All of it in any order

/** Numbers from 0 up to but not including `below`, the same ones for the same seed. */
function dice(seed) {
  let state = seed;
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below;
}

function show(client, isVisible) {
  client.world.setVisible(isVisible);
  // It asked whether the socket is alive.
  client.socket.receive({ type: 'pong' });
}

/** A user, a back end, and changes of others. Its row has a version; a fetch reads the one of its beginning. */
const steps = {
  async change({ client, back }, roll) {
    back.version++;
    client.change({
      data: { id: roll(3) ? 'row' : '*', timestamp: 't' }, ...(roll(2) && { spread_ms: 4_000 }) });
  },
  frame: ({ client }, roll) => client.world.pass(roll(40)),
  wait: ({ client }, roll) => client.world.pass(roll(5_000)),
  async succeed(it) {
    if (it.query.state.fetchStatus !== 'fetching') return;
    it.lastRead = it.query.read;
    it.query.succeed(it.lastRead);
    await settle();
  },
  async fail({ query }) {
    if (query.state.fetchStatus === 'fetching') query.fail();
    await settle();
  },
  fetch: ({ query }, roll) => void query.fetch({ cancelRefetch: roll(2) > 0 })?.catch(() => {}),
  optimistic: ({ query }) => query.setData('optimistic'),
  cancel: ({ query }) => query.state.fetchStatus === 'fetching' && query.cancel(),
  focus({ client }, roll) {
    client.world.document.isFocused = roll(2) > 0;
  },
  hide: ({ client }, roll) => show(client, roll(2) > 0),
  look(it, roll) {
    if (it.isSeen === roll(2) > 0) return;
    it.isSeen = !it.isSeen;
    if (it.isSeen) it.query.observe();
    else it.query.unobserve();
  },
  hydrate: ({ client }) => void client.queries.hydrate(['tasks', P1], 'old', Date.now() + 1e6),
};

test('whatever happens in whatever order, a fetch that began after the last change follows, and then it rests', async (start) => {
  const names = Object.keys(steps);
  for (let seed = 1; seed <= Number(process.env.SEEDS ?? 200); seed++) {
    const roll = dice(seed * 7_919);
    const back = { version: 0 };
    const client = await start();
    client.queries.backEnd = () => back.version;
    const it = { client, back, query: client.queries.add(['tasks', P1]), isSeen: true, lastRead: 0 };
    const done = [];
    for (let count = 0; count < 30; count++) {
      const name = names[roll(names.length)];
      done.push(name);
      await steps[name](it, roll);
      if (roll(2)) await settle();
    }
    show(client, true);
    if (!it.isSeen) it.query.observe();
    const { query } = it;
    let answers = 0;
    for (let round = 0; round < 20; round++) {
      await client.world.pass(20_000);
      if (query.state.fetchStatus === 'fetching') answers++;
      await steps.succeed(it);
    }
    const story = `seed ${seed}: ${done.join(' ')}`;
    assert.equal(it.lastRead, back.version, story);
    // An update of the application's own may be the last word; what was hydrated may not.
    const possible = [back.version, 'first', 'optimistic'];
    assert.ok(possible.includes(query.state.data), `${query.state.data}. ${story}`);
    assert.ok(answers <= 2, `${answers} fetches. ${story}`);
    client.gateway.close();
    assert.equal(client.world.timers.size, 0);
  }
});
