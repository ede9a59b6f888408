import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// 5 KB by the zlib of Node 20 and esbuild 0.17; others make up to a fiftieth more of the same modules.
const BYTES_MAX = 5 * 1024 * 1.02;
const source = (name) => fileURLToPath(new URL(`../src/${name}.js`, import.meta.url));

/** Bytes of what esbuild makes of these modules together, compressed as any server does it. */
function bytesOf(...names) {
  const entry = names.map((name) => `export * from ${JSON.stringify(source(name))};`).join('\n');
  const built = spawnSync(
    'esbuild', ['--bundle', '--minify', '--format=esm', '--target=es2022'], { input: entry });
  assert.equal(built.status, 0, String(built.stderr ?? built.error));
  return gzipSync(built.stdout, { level: 9 }).length;
}

const hasEsbuild = spawnSync('esbuild', ['--version']).status === 0;

test('all of it, minified and compressed, is about 5 KB', { skip: !hasEsbuild && 'esbuild is missing' }, (t) => {
  const client = bytesOf('index');
  const all = bytesOf('index', 'react-query', 'react');
  t.diagnostic(`the client: ${client} bytes; with the bindings: ${all} bytes`);
  assert.ok(client < all && all < BYTES_MAX, `${all} bytes`);
});
