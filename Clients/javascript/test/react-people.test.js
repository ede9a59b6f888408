import assert from 'node:assert/strict';
import { test } from 'node:test';

import { directMessages } from '../src/direct.js';
import {
  collectInbox, createUseInbox, createUsePresence, createUseTyping, holdPresence,
} from '../src/react-people.js';
import { Client, P1, P2 } from './support/client.js';
import { FakeReact } from './support/react.js';

const ADA = '0a000000-0000-4000-8000-000000000000';
const BEN = '0b000000-0000-4000-8000-000000000000';
const CAT = '0c000000-0000-4000-8000-000000000000';
const active = (user_id) => ({ user_id, state: 'active' });
const NOBODY = { users: [], count: 0, truncated: false, partial: false, isCurrent: false };

const told = (client, ...types) => client.socket.take().filter(({ type }) => types.includes(type));
const settled = ({ world }) => world.pass(1_100);

/** A component that shows what a hook gives, in a client that has joined. */
async function show(create, ...parameters) {
  const client = await new Client().open();
  const react = new FakeReact();
  const use = create(react);
  react.draw(() => use(client.gateway, ...parameters));
  await client.answerAll();
  await client.world.pass(0);
  return { client, react, use };
}

const state = (seq, users, more) => ({
  type: 'presence_state', project_id: P1, seq, count: users.length, users, truncated: false, partial: false, ...more });
const diff = (seq, count, { joined = [], left = [], changed = [] }) => ({
  type: 'presence_diff', project_id: P1, seq, count, joined, left, changed });

// Presence

test('usePresence joins, asks, shows who is there, and ends both', async () => {
  const { client, react } = await show(createUsePresence, P1.toUpperCase());
  assert.deepEqual(react.result, NOBODY);
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'users' }]);
  client.socket.receive(state(41, [active(ADA)]));
  assert.deepEqual(react.result, { ...NOBODY, users: [active(ADA)], count: 1, isCurrent: true });
  client.socket.receive(diff(42, 2, { joined: [active(BEN), active(CAT)], left: [ADA] }));
  client.socket.receive(diff(43, 2, { changed: [{ user_id: BEN, state: 'away' }] }));
  assert.deepEqual(react.result.users, [{ user_id: BEN, state: 'away' }, active(CAT)]);
  assert.equal(react.result.count, 2);
  react.unmount();
  await settled(client);
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'off' }]);
  await settled(client);
  assert.deepEqual(client.gateway.projects, []);
});

test('what is missing is asked for again, and nothing is shown until it has come', async () => {
  const { client, react } = await show(createUsePresence, P1);
  client.socket.take();
  client.socket.receive(diff(7, 1, { joined: [active(BEN)] }));
  assert.deepEqual(react.result, NOBODY, 'a change of nobody knows what');
  client.socket.receive(state(7, [active(ADA)]));
  client.socket.receive(diff(9, 2, { joined: [active(BEN)] }));
  client.socket.receive(diff(10, 3, { joined: [active(CAT)] }));
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'users' }], 'once');
  assert.deepEqual(react.result.users, [active(ADA)]);
  client.socket.receive(state(10, [active(ADA), active(BEN), active(CAT)]));
  client.socket.receive(diff(11, 2, { left: [ADA] }));
  assert.deepEqual(react.result.users, [active(BEN), active(CAT)]);
});

test('usePresence draws again only when something changed', async () => {
  const { client, react } = await show(createUsePresence, P1);
  client.socket.receive(state(1, [active(ADA)]));
  const { draws } = react;
  client.change();
  client.socket.receive({ ...state(1, [active(BEN)]), project_id: P2 });
  client.socket.receive({ type: 'typing', project_id: P1, topic: 't', user_ids: [ADA], ttl_ms: 7_000 });
  assert.equal(react.draws, draws);
  const { result } = react;
  react.draw();
  assert.equal(react.result, result);
});

test('many are counted and not named', async () => {
  const { client, react } = await show(createUsePresence, P1, { mode: 'count' });
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'count' }]);
  client.socket.receive(state(1, [], { count: 300, truncated: true, partial: true }));
  assert.deepEqual(react.result, { users: [], count: 300, truncated: true, partial: true, isCurrent: true });
});

test('while there is no connection those are shown who were there, and then those who are', async () => {
  const { client, react } = await show(createUsePresence, P1);
  client.socket.receive(state(1, [active(ADA)]));
  await client.end(1006);
  assert.deepEqual(react.result, { ...NOBODY, users: [active(ADA)], count: 1 });
  await client.world.pass(client.lastState.retryInMs);
  await client.open();
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'users' }], 'once');
  // Of the former connection's number nothing follows.
  client.socket.receive(diff(2, 2, { joined: [active(BEN)] }));
  assert.deepEqual(react.result.users, [active(ADA)]);
  client.socket.receive(state(9, [active(BEN)]));
  assert.deepEqual(react.result, { ...NOBODY, users: [active(BEN)], count: 1, isCurrent: true });
});

test('who is removed sees nobody, and asks again as a member', async () => {
  const { client, react } = await show(createUsePresence, P1);
  client.socket.receive(state(1, [active(ADA)]));
  client.socket.take();
  client.socket.receive({
    type: 'error', code: 'membership_revoked', project_id: P1, message: 'removed', temporary: false });
  await client.world.pass(0);
  assert.deepEqual(react.result, NOBODY);
  await client.world.pass(15_000);
  await client.answerAll();
  await client.world.pass(0);
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'users' }]);
});

test('usePresence follows its arguments, and does not leave in between', async () => {
  const { client, react, use } = await show(createUsePresence, P1, { state: 'active' });
  client.socket.take();
  react.draw(() => use(client.gateway, P1, { state: 'away' }));
  await settled(client);
  assert.deepEqual(told(client, 'presence'), [{ type: 'presence', project_id: P1, mode: 'users', state: 'away' }]);
  react.draw(() => use(client.gateway, P1, { state: 'away' }));
  await settled(client);
  assert.deepEqual(told(client, 'presence'), []);
  react.draw(() => use(client.gateway, undefined));
  assert.deepEqual(react.result, NOBODY);
  await settled(client);
  assert.deepEqual(told(client, 'presence').map(({ mode }) => mode), ['off']);
});

test('several are one: the most that is wanted, the most active state, invisible before all', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const asked = async () => {
    await client.world.pass(0);
    return told(client, 'presence').map(({ mode, state: is, invisible }) => [mode, is, invisible]);
  };
  const first = holdPresence(client.gateway, P1, { mode: 'count', state: 'away' });
  assert.deepEqual(await asked(), [['count', 'away', undefined]]);
  const second = holdPresence(client.gateway, P1, { state: 'active' });
  const third = holdPresence(client.gateway, P1, { invisible: true });
  assert.deepEqual(await asked(), [['users', 'active', true]], 'at no time without it');
  third();
  second();
  assert.deepEqual(await asked(), [['count', 'away', undefined]]);
  first();
  first();
  await settled(client);
  assert.deepEqual(await asked(), [['off', undefined, undefined]]);
  assert.deepEqual(client.gateway.projects, [P1], 'it was the application\'s');
});

test('without React, who holds it is told of each change', async () => {
  const client = await new Client().open();
  const counts = [];
  const release = holdPresence(client.gateway, P1, undefined, ({ count }) => counts.push(count));
  await client.answerAll();
  client.socket.receive(state(1, [active(ADA)]));
  client.socket.receive(diff(2, 2, { joined: [active(BEN)] }));
  release();
  client.socket.receive(diff(3, 3, { joined: [active(CAT)] }));
  assert.deepEqual(counts, [1, 2]);
  await settled(client);
});

test('a client that is closed shows nobody', async () => {
  const { client, react } = await show(createUsePresence, P1);
  client.socket.receive(state(1, [active(ADA)]));
  client.gateway.close();
  assert.deepEqual(react.result, NOBODY);
  react.unmount();
  await settled(client);
  await settled(client);
  assert.equal(client.world.timers.size, 0);
});

// Typing

const typing = (user_ids, more) => ({ type: 'typing', project_id: P1, topic: 'task:1', user_ids, ttl_ms: 7_000, ...more });

/** A component with a text box in a project that is joined. */
async function showTyping() {
  const client = await new Client({ projects: [P1] }).open();
  const react = new FakeReact();
  const useTyping = createUseTyping(react);
  react.draw(() => useTyping(client.gateway, P1, 'task:1'));
  client.socket.take();
  return { client, react, useTyping };
}

test('useTyping shows who types, and that it is over, also when that is lost', async () => {
  const { client, react } = await showTyping();
  assert.deepEqual([react.result.user_ids, react.result.more], [[], false]);
  client.socket.receive(typing([ADA], { more: true }));
  assert.deepEqual([react.result.user_ids, react.result.more], [[ADA], true]);
  client.socket.receive(typing([BEN]));
  client.socket.receive({ ...typing([CAT]), topic: 'task:2' });
  client.socket.receive({ ...typing([CAT]), project_id: P2 });
  assert.deepEqual([react.result.user_ids, react.result.more], [[BEN], false]);
  client.socket.receive(typing([]));
  assert.deepEqual(react.result.user_ids, []);
  client.socket.receive(typing([ADA]));
  await client.world.pass(5_000);
  client.socket.receive(typing([ADA, BEN]));
  await client.world.pass(6_999);
  assert.deepEqual(react.result.user_ids, [ADA, BEN]);
  await client.world.pass(1);
  assert.deepEqual(react.result.user_ids, []);
  client.socket.receive(typing([ADA]));
  await client.end(1006);
  assert.deepEqual(react.result.user_ids, []);
});

test('useTyping says so at most every 3 seconds, and the end at once', async () => {
  const { client, react } = await showTyping();
  const { type, stop } = react.result;
  stop();
  for (let key = 0; key < 10; key++) {
    type();
    await client.world.pass(600);
  }
  assert.deepEqual(told(client, 'typing').map(({ stop: isOver }) => isOver), [undefined, undefined]);
  stop();
  stop();
  type();
  assert.deepEqual(told(client, 'typing').map(({ stop: isOver }) => isOver), [true, undefined]);
  react.draw();
  assert.deepEqual([react.result.type, react.result.stop], [type, stop]);
  react.unmount();
  assert.deepEqual(told(client, 'typing'), [{ type: 'typing', project_id: P1, topic: 'task:1', stop: true }]);
  type();
  await settled(client);
  type();
  assert.deepEqual(told(client, 'typing'), []);
});

test('nobody types where the project is not joined, nor without a topic', async () => {
  const { client, react, useTyping } = await showTyping();
  react.draw(() => useTyping(client.gateway, P2, 'task:1'));
  react.result.type();
  react.draw(() => useTyping(client.gateway, P1, null));
  react.result.type();
  react.result.stop();
  assert.deepEqual([told(client, 'typing'), react.result.user_ids], [[], []]);
  react.draw(() => useTyping(client.gateway, P1, 'task:1'));
  react.result.type();
  await client.end(1006);
  react.result.type();
  await client.world.pass(client.lastState.retryInMs);
  await client.open();
  client.socket.take();
  react.result.type();
  assert.equal(told(client, 'typing').length, 1, 'on a new connection at once');
  react.unmount();
});

// Direct messages

const letter = (client, id) => ({ type: 'direct', id, from: ADA, to: client.gateway.userId, data: { id }, timestamp: '' });

test('useInbox shows what came, also before there was a view of it', async () => {
  const client = await new Client().open();
  const direct = directMessages(client.gateway);
  const inbox = collectInbox(direct, { max: 3 });
  client.socket.receive(letter(client, 'm1'));
  const react = new FakeReact();
  const useInbox = createUseInbox(react);
  const ids = () => react.result.messages.map(({ id }) => id);
  react.draw(() => useInbox(inbox));
  assert.deepEqual([ids(), react.result.error], [['m1'], undefined]);
  for (const id of ['m2', 'm2', 'm3', 'm4']) client.socket.receive(letter(client, id));
  assert.deepEqual(ids(), ['m2', 'm3', 'm4']);
  inbox.remove('m3');
  assert.deepEqual(ids(), ['m2', 'm4']);
  const { draws, result } = react;
  client.change();
  client.socket.receive({ type: 'acked', ids: ['m2'] });
  assert.deepEqual([react.draws, react.result === result], [draws, true]);
  react.unmount();
  client.socket.receive(letter(client, 'm5'));
  assert.equal(react.draws, draws);
  assert.deepEqual(inbox.get().messages.map(({ id }) => id), ['m2', 'm4', 'm5']);
  inbox.close();
  client.socket.receive(letter(client, 'm6'));
  assert.equal(inbox.get().messages.length, 3);
  direct.close();
});

test('useInbox says why there are none', async () => {
  const client = await new Client().open({ answers: false });
  const direct = directMessages(client.gateway);
  const inbox = collectInbox(direct);
  const react = new FakeReact();
  const useInbox = createUseInbox(react);
  react.draw(() => useInbox(inbox));
  const [{ ref }] = told(client, 'inbox');
  client.socket.receive({ type: 'error', ref, code: 'direct_off', message: 'none here', temporary: false });
  await client.world.pass(0);
  assert.equal(react.result.error.code, 'direct_off');
});
