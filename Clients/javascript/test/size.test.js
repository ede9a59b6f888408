import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// Bytes, with some room above what they are: one system's zlib and esbuild make a little more of it than another's
// (5,113 bytes here were 5,123 elsewhere).
const CLIENT_BYTES_MAX = 4608;
const ALL_BYTES_MAX = 6912;
// Presence, typing and inboxes with their hooks, for who has the client already.
const PEOPLE_BYTES_MAX = 1664;

const source = (name) => fileURLToPath(new URL(`../src/${name}.js`, import.meta.url));

/** What esbuild makes of an entry point, compressed as any server does it. */
function bundle(entry) {
  const built = spawnSync(
    'esbuild', ['--bundle', '--minify', '--format=esm', '--target=es2022'], { input: entry });
  assert.equal(built.status, 0, String(built.stderr ?? built.error));
  return { text: String(built.stdout), bytes: gzipSync(built.stdout, { level: 9 }).length };
}

/** The whole of these modules together. */
const bundleOf = (...names) =>
  bundle(names.map((name) => `export * from ${JSON.stringify(source(name))};`).join('\n'));

const hasEsbuild = spawnSync('esbuild', ['--version']).status === 0;
const options = { skip: !hasEsbuild && 'esbuild is missing' };

test('minified and compressed, the client is under 4.5 KB, and with the bindings under 6.75 KB', options, (t) => {
  const client = bundleOf('index').bytes;
  const all = bundleOf('index', 'react-query', 'react').bytes;
  t.diagnostic(`the client: ${client} bytes; with the bindings: ${all} bytes`);
  assert.ok(client < CLIENT_BYTES_MAX, `the client: ${client} bytes`);
  assert.ok(client < all && all < ALL_BYTES_MAX, `with the bindings: ${all} bytes`);
});

test('who imports a part carries nothing of the others', options, () => {
  const marks = {
    index: 'join_project', 'react-query': 'refetchQueries', react: 'useEffect', direct: 'receipt',
    presence: 'presence_diff', typing: 'ttl_ms', inbox: 'messages:Object',
  };
  const people = (name) => bundle(`export { ${name} } from ${JSON.stringify(source('react-people'))}`).text;
  const part = {
    index: bundle(`export { connect } from ${JSON.stringify(source('index'))}`).text,
    'react-query': bundle(`export { bindQueryClient } from ${JSON.stringify(source('react-query'))}`).text,
    react: bundle(`export { createUseProject } from ${JSON.stringify(source('react'))}`).text,
    direct: bundle(`export { directMessages } from ${JSON.stringify(source('direct'))}`).text,
    presence: people('createUsePresence'),
    typing: people('createUseTyping'),
    inbox: people('createUseInbox, collectInbox'),
    none: bundle(`import ${JSON.stringify(source('index'))}; import ${JSON.stringify(source('react'))}; import ${JSON.stringify(source('react-people'))}`).text,
  };
  for (const [name, text] of Object.entries(part)) {
    for (const [other, mark] of Object.entries(marks)) {
      assert.equal(text.includes(mark), name === other, `${mark} in ${name}`);
    }
  }
});

test('the hooks for people are under 1.7 KB more, and none for whoever has only what there was', options, (t) => {
  const before = bundleOf('index', 'react-query', 'react').bytes;
  const more = bundleOf('index', 'react-query', 'react', 'direct', 'react-people').bytes - bundleOf('index', 'react-query', 'react', 'direct').bytes;
  t.diagnostic(`the hooks for people: ${more} bytes`);
  assert.ok(more > 0 && more < PEOPLE_BYTES_MAX, `${more} bytes`);
  const entry = ['index', 'react-query', 'react']
    .map((name) => `export * from ${JSON.stringify(source(name))};`).join('\n');
  const beside = bundle(`${entry}\nimport ${JSON.stringify(source('react-people'))};`).bytes;
  assert.equal(beside, before);
});
