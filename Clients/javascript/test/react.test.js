import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createUseProject, holdProject } from '../src/react.js';
import { Client, P1, P2 } from './support/client.js';

/** Just enough of React: one component, its hooks in order, effects after it was drawn. */
class FakeReact {
  #hooks = [];
  #next = 0;
  #effects = [];
  draws = 0;

  constructor(component) {
    this.component = component;
    this.useCallback = (callback, dependencies) => this.#memo(() => callback, dependencies).value;
    this.useEffect = (effect, dependencies) => {
      const hook = this.#memo(() => undefined, dependencies);
      if (hook.isNew) this.#effects.push({ hook, effect });
    };
    this.useSyncExternalStore = (subscribe, get) => {
      const hook = this.#memo(() => undefined, [subscribe]);
      if (hook.isNew) this.#effects.push({ hook, effect: () => subscribe(() => hook.seen !== hook.get() && this.draw()) });
      hook.get = get;
      hook.seen = get();
      return hook.seen;
    };
  }

  #memo(make, dependencies) {
    const position = this.#next++;
    const old = this.#hooks[position];
    const isSame = old && dependencies.every((value, index) => Object.is(value, old.dependencies[index]));
    if (isSame) return Object.assign(old, { isNew: false });
    old?.cleanup?.();
    return this.#hooks[position] = { value: make(), dependencies, isNew: true };
  }

  draw(component = this.component) {
    this.component = component;
    this.draws++;
    this.#next = 0;
    this.result = component();
    for (const { hook, effect } of this.#effects.splice(0)) hook.cleanup = effect();
    return this.result;
  }

  unmount() {
    for (const hook of this.#hooks) hook.cleanup?.();
  }
}

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const settled = () => pass(1_100);

test('useProject joins, tells how it stands, and leaves', async () => {
  const client = await new Client().open();
  const react = new FakeReact();
  const useProject = createUseProject(react);
  assert.deepEqual(react.draw(() => useProject(client.gateway, P1)), { state: 'open', isJoined: false });
  await client.answerAll();
  assert.deepEqual(react.result, { state: 'open', isJoined: true });
  await client.end(1006);
  assert.deepEqual(react.result, { state: 'waiting', isJoined: false });
  react.unmount();
  await settled();
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
  await settled();
  assert.deepEqual([client.gateway.projects, react.result.isJoined], [[P2], true]);
  react.draw(() => useProject(client.gateway, undefined));
  assert.equal(react.result.isJoined, false);
  await settled();
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
  await settled();
  assert.deepEqual(client.gateway.projects, [P1]);
  second();
  const third = holdProject(client.gateway, P1);
  await settled();
  assert.deepEqual([client.gateway.projects, client.socket.take()], [[P1], []]);
  third();
  await settled();
  assert.deepEqual(client.gateway.projects, []);
});

test('what the application asked for itself outlives all who held it', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const releases = [holdProject(client.gateway, P1), holdProject(client.gateway, P1)];
  for (const release of releases) release();
  await settled();
  assert.deepEqual([client.gateway.projects, client.socket.take()], [[P1], []]);
  holdProject(client.gateway, P1)();
  await settled();
  assert.deepEqual(client.gateway.projects, [P1]);
});

test('what the application left, and a view asked for again, is left with the view', async () => {
  const client = await new Client({ projects: [P1] }).open();
  const first = holdProject(client.gateway, P1);
  await Promise.all([client.gateway.leave(P1), client.answerAll()]);
  const second = holdProject(client.gateway, P1);
  first();
  second();
  await settled();
  assert.deepEqual(client.gateway.projects, []);
});

test('it is left a second after the last release, whenever there was one before', async () => {
  const client = await new Client().open();
  holdProject(client.gateway, P1)();
  await pass(900);
  holdProject(client.gateway, P1)();
  await pass(600);
  assert.deepEqual(client.gateway.projects, [P1]);
  await pass(500);
  assert.deepEqual(client.gateway.projects, []);
});

test('holding a project of a closed client does no harm', async () => {
  const client = await new Client().open();
  client.gateway.close();
  holdProject(client.gateway, P1)();
  await settled();
});
