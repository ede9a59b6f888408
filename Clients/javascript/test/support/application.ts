// Checked, not run: how an application uses the types, and what they must refuse.
import { GatewayError, connect } from '../../src/index.js';
import type { Gateway, InvalidateEvent, WebSocketConstructor } from '../../src/index.js';
import { bindQueryClient, defaultTargets } from '../../src/react-query.js';
import type { QueryClientLike } from '../../src/react-query.js';
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

// @ts-expect-error: a client needs a way to get tokens.
connect({ url: 'wss://gateway.example' });
// @ts-expect-error: no such event.
gateway.on('events', () => {});
// @ts-expect-error: the state can't be set.
gateway.state = 'open';
