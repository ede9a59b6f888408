// Clients of Clients/javascript, driven by lines of JSON on standard input, told as lines of JSON on
// standard output. Argument: an object with `count`, `tokens` (one for each call of getToken, the last one
// for all that follow) and the options of `connect`.
import { createRequire } from 'node:module';
import readline from 'node:readline';

import { directMessages } from '../../../Clients/javascript/src/direct.js';
import { connect } from '../../../Clients/javascript/src/index.js';
import { holdPresence } from '../../../Clients/javascript/src/presence.js';
import { holdTyping, typistsOf } from '../../../Clients/javascript/src/typing.js';

// Debian's package stands in NODE_PATH, which only `require` looks at.
const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('ws');

const { count, tokens, ...options } = JSON.parse(process.argv[2]);
const tell = (client, what) => process.stdout.write(`${JSON.stringify({ client, at: Date.now(), ...what })}\n`);

const clients = Array.from({ length: count }, (_, number) => {
  let calls = 0;
  const gateway = connect({
    ...options, WebSocket, getToken: () => tokens[Math.min(calls++, tokens.length - 1)],
  });
  gateway.on('state', ({ error, ...change }) => tell(number, {
    state: change.state, change, error: error?.code, connection: gateway.connectionId, calls }));
  gateway.on('event', (event) => tell(number, { event, isOwn: gateway.isOwn(event) }));
  gateway.on('error', (error) => tell(number, { error: error.code, closeCode: error.closeCode }));
  gateway.on('project', ({ project_id, joined }) => tell(number, { project: project_id, joined }));
  return gateway;
});

/** Made by the first call that wants them. */
const directs = [];
const directOf = (client) => (directs[client] ??= directMessages(clients[client]));

/** What the hooks for React do, without it. */
const peopleOf = (client) => ({
  presence(project, wish) {
    clients[client].release = holdPresence(clients[client], project, wish, (presence) => tell(client, { presence }));
  },
  release: () => clients[client].release(),
  typing(project, topic) {
    holdTyping(clients[client], project, topic, () => tell(client, {
      typists: typistsOf(clients[client], project, topic).snapshot.user_ids }));
  },
  type: (project, topic) => typistsOf(clients[client], project, topic).type(),
});

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { client = 0, call, parameters = [] } = JSON.parse(line);
  try {
    const [name, part] = call.split('.').reverse();
    const target = part === 'direct' ? directOf(client) : part === 'people' ? peopleOf(client) : clients[client];
    tell(client, { result: (await target[name](...parameters)) ?? null });
  } catch (error) {
    tell(client, { error: error.code ?? String(error) });
  }
}).on('close', () => {
  for (const direct of directs) direct?.close();
  for (const gateway of clients) gateway.close();
  // Without a timer or a socket left, the process ends by itself.
});
