import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, P1, P2 } from './support/client.js';

const withoutRefs = (messages) => messages.map(({ ref, ...rest }) => rest);

test('join is resolved by ok, and asks only once', async () => {
  const client = await new Client().open();
  const first = client.gateway.join(P1);
  const second = client.gateway.join(P1.toUpperCase());
  assert.equal(client.gateway.isJoined(P1), false);
  assert.equal((await client.answerAll()).length, 1);
  await Promise.all([first, second]);
  assert.equal(client.gateway.isJoined(P1), true);
  await client.gateway.join(P1);
  assert.deepEqual(client.socket.take(), []);
});

test('a join before there is a connection waits for one', async () => {
  const client = new Client();
  const joined = client.gateway.join(P1);
  await client.open();
  await joined;
});

test('a listener to \'open\' may join and leave: each project is asked for once, and none that was left', async () => {
  const client = new Client({ projects: [P1] });
  client.gateway.on('state', ({ state }) => {
    if (state !== 'open') return;
    void client.gateway.join(P2);
    void client.gateway.leave(P1);
  });
  await client.open({ answers: false });
  const sent = await client.answerAll();
  assert.deepEqual(sent.slice(1).map(({ type, project_id }) => [type, project_id]), [
    ['join_project', P2], ['leave_project', P1]]);
  assert.deepEqual([client.gateway.projects, client.gateway.isJoined(P2)], [[P2], true]);
});

test('a join that is refused is rejected, told, and not tried again', async () => {
  const client = await new Client().open();
  const joined = client.gateway.join(P1);
  const [{ ref }] = client.socket.take();
  client.socket.receive({ type: 'error', ref, code: 'forbidden', message: 'not a member', temporary: false });
  await assert.rejects(joined, { code: 'forbidden', project_id: P1 });
  assert.deepEqual([client.codes(), client.gateway.projects], [['forbidden'], []]);
  assert.equal(client.gateway.state, 'open', 'other projects go on');
});

test('a temporary refusal is told, and tried again after a while', async () => {
  const client = await new Client().open();
  const joined = client.gateway.join(P1);
  const [{ ref }] = client.socket.take();
  client.socket.receive({ type: 'error', ref, code: 'unavailable', message: 'later', temporary: true });
  await client.world.pass(249);
  assert.deepEqual(client.socket.take(), []);
  await client.world.pass(1);
  await client.answerAll();
  await joined;
  assert.deepEqual(client.codes(), ['unavailable']);
});

/** Refuses every join that was sent, for now. Returns how many. */
function refuseAll(client) {
  const joins = client.socket.take().filter(({ type }) => type === 'join_project');
  for (const { ref } of joins) {
    client.socket.receive({ type: 'error', ref, code: 'unavailable', message: 'later', temporary: true });
  }
  return joins.length;
}

test('the waits of a project are short again once it is joined', async () => {
  const client = await new Client({ projects: [P1] }).open({ answers: false });
  for (let outage = 0; outage < 3; outage++) {
    for (const waitMs of [250, 500, 1000]) {
      assert.equal(refuseAll(client), 1);
      await client.world.pass(waitMs - 1);
      assert.deepEqual(client.socket.take(), []);
      await client.world.pass(1);
    }
    await client.answerAll();
    assert.equal(client.gateway.isJoined(P1), true);
    await client.end(1006);
    await client.world.pass(client.lastState.retryInMs);
    await client.open({ answers: false });
  }
});

test('each project counts its own failures, and the connection none of them', async () => {
  const client = await new Client({ projects: [P1, P2] }).open({ answers: false });
  for (let failures = 0; failures < 4; failures++) {
    assert.equal(refuseAll(client), 2);
    await client.world.pass(250 * 2 ** failures);
  }
  await client.end(1006);
  assert.equal(client.lastState.retryInMs, 250);
});

test('a hundred projects that are refused at once do not ask faster than a client may', async () => {
  const client = await new Client({ projects: Array.from({ length: 100 }, (_, n) => `project ${n}`) })
    .open({ answers: false });
  // Of a seed, so that all runs are the same.
  let seed = 1;
  Object.defineProperty(client.world, 'dice', { get: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647 });
  // 200 at once, and 50 a second.
  let left = 200;
  for (let ms = 0; ms < 30_000; ms += 10) {
    left = Math.min(200, left + 0.5) - refuseAll(client);
    assert.ok(left >= 0, `after ${ms} ms`);
    client.socket.receive({ type: 'ping' });
    await client.world.pass(10);
  }
});

test('a join that is not confirmed in time is rejected, but still tried', async () => {
  const client = await new Client().open();
  const joined = client.gateway.join(P1, { timeoutMs: 3000 });
  await Promise.all([assert.rejects(joined, { code: 'timeout', temporary: true }), client.world.pass(3000)]);
  await client.answerAll();
  assert.equal(client.gateway.isJoined(P1), true);
});

test('leave tells the gateway; events under way go nowhere', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.events.length = 0;
  const left = client.gateway.leave(P1);
  client.change();
  assert.deepEqual(withoutRefs(await client.answerAll()), [{ type: 'leave_project', project_id: P1 }]);
  await left;
  assert.deepEqual([client.events, client.gateway.projects], [[], []]);
  await client.gateway.leave(P1);
  assert.deepEqual(client.socket.take(), []);
});

test('who leaves while the join is under way has left', async () => {
  const client = await new Client().open();
  const joined = client.gateway.join(P1);
  const left = client.gateway.leave(P1);
  await Promise.all([assert.rejects(joined, { code: 'left' }), left, client.answerAll()]);
  assert.deepEqual([client.gateway.isJoined(P1), client.gateway.projects], [false, []]);
});

test('leaving as the connection ends is no error', async () => {
  const client = await new Client({ projects: [P1] }).open();
  await Promise.all([client.gateway.leave(P1), client.end(1006)]);
  await client.gateway.leave(P1);
});

for (const code of ['membership_revoked', 'project_deleted']) test(`after ${code} it does not join again`, async () => {
  const client = await new Client({ projects: [P1, P2] }).open();
  const changes = [];
  client.gateway.on('project', (change) => changes.push(change));
  client.socket.receive({
    type: 'error', code, project_id: P1, message: 'removed', temporary: false });
  assert.deepEqual(client.errors.map((error) => [error.code, error.project_id]), [[code, P1]]);
  assert.deepEqual(changes, [{ project_id: P1, joined: false }]);
  client.events.length = 0;
  client.change();
  assert.deepEqual(client.events, []);
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  assert.deepEqual(client.socket.take().map(({ project_id }) => project_id), [undefined, P2]);
});

test('the resync of a joining comes before the news of it: what that makes somebody fetch begins after it', async () => {
  const client = await new Client().open();
  const heard = [];
  client.gateway.on('event', ({ action }) => heard.push([action, client.gateway.isJoined(P1)]));
  client.gateway.on('project', ({ joined }) => heard.push(joined));
  void client.gateway.join(P1);
  await client.answerAll();
  assert.deepEqual(heard, [['RESYNC', true], true]);
});

test('a silent join tells of a refusal by its promise alone', async () => {
  const client = await new Client().open();
  const joined = client.gateway.join(P1, { silent: true });
  const { ref } = client.socket.take().at(-1);
  client.socket.receive({ type: 'error', ref, code: 'forbidden', message: 'not a member', temporary: false });
  await assert.rejects(joined, { code: 'forbidden' });
  assert.deepEqual(client.codes(), []);
});

test('a pong answers the ping that asked for it', async () => {
  const client = await new Client().open();
  const asked = client.gateway.request({ type: 'ping' });
  const { ref } = client.socket.take().at(-1);
  client.socket.receive({ type: 'pong', ref });
  assert.deepEqual(await asked, { type: 'pong', ref });
});

test('whoever joins without a cursor may have missed something, and gets a resync', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const isResync = ({ resource, action, project_id, data, reason }) =>
    [resource, action, project_id, data.id, reason].join() === `*,RESYNC,${P1},*,joined`;
  assert.deepEqual(client.events.map(isResync), [true]);
  await client.end(1006);
  await client.world.pass(250);
  await client.open();
  assert.deepEqual(client.events.map(isResync), [true, true]);
});

test('with a cursor it resumes, each project with its own', async () => {
  const client = await new Client({ projects: [P1, P2] }).open();
  client.change({ cursor: '100' });
  client.change({ cursor: '107' });
  client.change({ cursor: '103', project_id: P2 });
  client.events.length = 0;
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  const joins = client.socket.take().slice(1);
  assert.deepEqual(joins.map(({ since }) => since), ['107', '103']);
  for (const { ref } of joins) client.socket.receive({ type: 'ok', ref });
  await client.world.pass(0);
  assert.deepEqual(client.events, [], 'what was missed comes from the gateway');
});

test('ok may bring the cursor', async () => {
  const client = await new Client({ projects: [P1] }).open({ answers: false });
  await client.answerAll({ cursor: '55' });
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, '55');
});

test('a replay that is cut off does not count: its events come in no order', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: '100' });
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  client.socket.take();
  client.change({ cursor: '140' });
  await client.end(1006);
  await client.world.pass(client.lastState.retryInMs);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, '100');
});

test('a replay that is complete counts', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: '100' });
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  client.change({ cursor: '140' });
  await client.answerAll();
  await client.end(1006);
  await client.world.pass(client.lastState.retryInMs);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, '140');
});

test('a resync of the gateway is an event like any other, and a cursor of no use is forgotten', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: '100' });
  const resync = (reason) => client.change({ action: 'RESYNC', data: { id: '*', timestamp: 't' }, reason });
  resync('slow_consumer');
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, '100', 'it still stands for all that came later');
  resync('cursor_expired');
  await client.end(1006);
  await client.world.pass(client.lastState.retryInMs);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, undefined);
  assert.deepEqual(client.events.slice(-2).map(({ reason }) => reason), ['slow_consumer', 'cursor_expired']);
});

test('a cursor that the gateway cannot read is told and forgotten; the resync that follows is an event', async () => {
  const client = await new Client({ projects: [P1] }).open();
  client.change({ cursor: 'nonsense' });
  await client.end(1006);
  await client.world.pass(250);
  await client.open({ answers: false });
  client.socket.receive({ type: 'error', code: 'invalid_cursor', project_id: P1, message: '', temporary: false });
  client.change({ action: 'RESYNC', data: { id: '*', timestamp: 't' }, reason: 'cursor_invalid' });
  await client.answerAll();
  assert.deepEqual([client.codes(), client.gateway.isJoined(P1)], [['invalid_cursor'], true]);
  assert.equal(client.events.at(-1).reason, 'cursor_invalid');
  await client.end(1006);
  await client.world.pass(client.lastState.retryInMs);
  await client.open({ answers: false });
  assert.equal(client.socket.take()[1].since, undefined);
});

test('a question that nobody answers is rejected in time; a late answer does no harm', async () => {
  const client = await new Client().open();
  const asked = client.gateway.request({ type: 'typing' }, { timeoutMs: 100 });
  await Promise.all([assert.rejects(asked, { code: 'timeout' }), client.world.pass(100)]);
  await client.answerAll();
  assert.deepEqual(client.codes(), []);
});

test('an answer brings its results, an error its code', async () => {
  const client = await new Client().open();
  const asked = [client.gateway.request({ type: 'a' }), client.gateway.request({ type: 'b' })];
  const [a, b] = client.socket.take();
  client.socket.receive({ type: 'error', ref: b.ref, code: 'unknown_type', message: 'b', temporary: false });
  client.socket.receive({ type: 'ok', ref: a.ref, found: 1 });
  assert.deepEqual(await asked[0], { type: 'ok', ref: a.ref, found: 1 });
  await assert.rejects(asked[1], { code: 'unknown_type', temporary: false, message: 'b' });
});

test('own changes are known by their origin, also those of a former connection', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const former = client.gateway.connectionId;
  await client.end(1006);
  await client.world.pass(250);
  await client.open();
  assert.notEqual(client.gateway.connectionId, former);
  const isOwn = (origin) => client.gateway.isOwn({ origin });
  assert.deepEqual(
    [isOwn(former), isOwn(client.gateway.connectionId), isOwn('other'), isOwn(undefined)], [true, true, false, false]);
});
