// Checked, not run: how an application uses the types, and what they must refuse.
import { GatewayError, connect } from '../../src/index.js';
import type { Gateway, InvalidateEvent, WebSocketConstructor } from '../../src/index.js';
import { bindQueryClient, defaultTargets } from '../../src/react-query.js';
import type { QueryClientLike } from '../../src/react-query.js';
import { directMessages } from '../../src/direct.js';
import type { DirectMessage, DirectMessages } from '../../src/direct.js';
import { collectInbox, createUseInbox, createUsePresence, createUseTyping, holdPresence } from '../../src/react-people.js';
import type { Inbox, Presence } from '../../src/react-people.js';
import { createUseProject, holdProject } from '../../src/react.js';
import type { ReactLike } from '../../src/react.js';

declare const React: ReactLike;
declare const queryClient: QueryClientLike;

// The browser's constructor is one.
const constructor: WebSocketConstructor = WebSocket;

const gateway: Gateway = connect({
  url: 'wss://gateway.example/api/v1/messages/ws',
  getToken: async () => (await fetch('/token')).text(),
  projects: ['id'],
  WebSocket: constructor,
  hiddenPauseMs: Infinity,
});

const end: () => void = gateway.on('event', (event: InvalidateEvent) => {
  const text: string = event.resource + event.data.id + (event.origin ?? '');
  console.log(text, gateway.isOwn(event));
});
gateway.on('state', ({ state, retryInMs }) => console.log(state === 'open', retryInMs?.toFixed()));
gateway.on('error', (error) => error instanceof GatewayError && console.log(error.code, error.temporary));
gateway.on('project', ({ project_id, joined }) => console.log(project_id, joined));

async function use(): Promise<void> {
  await gateway.join('id', { timeoutMs: 1, silent: true });
  const answer = await gateway.request({ type: 'typing', resource: 'tasks', id: 'x', state: 'start' });
  console.log(answer.ref, gateway.counters.events, gateway.connectionId?.length);
  await gateway.leave('id');
  gateway.disconnect();
  gateway.connect();
  console.log(gateway.userId?.length);
}

const unbind: () => void = bindQueryClient(gateway, queryClient, {
  targets: (event, client) => [...defaultTargets(event, client), ['board', event.project_id], { queryKey: ['x'], exact: true }],
  isFocused: () => document.hasFocus(),
});

const useProject = createUseProject(React);
const { state, isJoined, error } = useProject(gateway, undefined);
const release: () => void = holdProject(gateway, 'id', (refusal) => console.log(refusal?.code));
console.log(end, unbind, use, state, isJoined, error?.code, release);

const usePresence = createUsePresence(React);
const presence: Presence = usePresence(gateway, 'id', { mode: 'users', state: document.hidden ? 'away' : 'active' });
console.log(presence.users.map(({ user_id, state: is }) => user_id + is), presence.count + 1, presence.isCurrent);
console.log(usePresence(gateway, null).truncated, holdPresence(gateway, 'id', {}, ({ partial }) => partial)());

const useTyping = createUseTyping(React);
const { user_ids, more, type, stop } = useTyping(gateway, 'id', 'task:1');
console.log(user_ids.length, more && type(), stop());

const direct: DirectMessages = directMessages(gateway);
const inbox: Inbox = collectInbox(direct, { max: 10 });
const useInbox = createUseInbox(React);
const letters: readonly DirectMessage[] = useInbox(inbox).messages;
console.log(letters[0]?.data['text'], useInbox(inbox).error?.code, inbox.remove('id'));

// @ts-expect-error: a list that is shown isn't the page's to change.
presence.users.push({ user_id: 'id', state: 'active' });
// @ts-expect-error: no such mode.
usePresence(gateway, 'id', { mode: 'names' });
// @ts-expect-error: an inbox is of direct messages, not of a client.
useInbox(gateway);
// @ts-expect-error: a client needs a way to get tokens.
connect({ url: 'wss://gateway.example' });
// @ts-expect-error: no such event.
gateway.on('events', () => {});
// @ts-expect-error: the state can't be set.
gateway.state = 'open';
