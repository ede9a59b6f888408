import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const hasTypeScript = spawnSync('tsc', ['--version']).status === 0;

test('the types are right, and an application can use them', { skip: !hasTypeScript && 'tsc is missing' }, () => {
  const checked = spawnSync('tsc', [
    '--noEmit', '--strict', '--target', 'es2022', '--module', 'es2022', '--moduleResolution', 'node',
    file('support/application.ts')], { encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stdout);
});

for (const module of ['index', 'direct', 'react-query', 'react', 'react-people']) {
  test(`${module}: what is declared is what is there`, async () => {
    const declared = readFileSync(file(`../src/${module}.d.ts`), 'utf8')
      .matchAll(/^export (?:function|class|const) (\w+)/gm);
    const exported = Object.keys(await import(`../src/${module}.js`));
    assert.deepEqual([...declared].map(([, name]) => name).sort(), exported.sort());
  });
}
