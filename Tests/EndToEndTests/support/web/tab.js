// A tab that shows the tasks of a project by a query, kept fresh by the gateway. What a test asks for is in
// `window.tab`.
import { connect } from '/devhive/index.js';
import { bindQueryClient } from '/devhive/react-query.js';
import { FakeQueryClient } from '/support/query-client.js';

const parameters = new URLSearchParams(location.search);
const project = parameters.get('project');
const page = parameters.get('page');

const states = [];
const errors = [];
const gateway = connect({
  url: `ws://${location.host}/api/v1/messages/ws`,
  getToken: async () => (await fetch('/api/token')).text(),
  hiddenPauseMs: Number(parameters.get('hiddenPauseMs') ?? 300_000),
});
gateway.on('state', (change) => states.push(change));
gateway.on('error', ({ code }) => errors.push(code));

const queryClient = new FakeQueryClient();
bindQueryClient(gateway, queryClient);

async function show() {
  const tasks = await (await fetch(`/api/tasks?project=${project}&page=${page}`)).json();
  document.querySelector('#tasks').replaceChildren(...tasks.map(({ title }) => new Option(title)));
  return tasks;
}

const tasks = queryClient.add(['tasks', project]);
queryClient.getQueryCache().subscribe(({ query, action }) => {
  if (action?.type !== 'fetch') return;
  show().then((data) => query.succeed(data), () => query.fail());
});

// Joined before the first fetch, so that each later fetch has a reason that a test can name.
await gateway.join(project);
await show();

window.tab = {
  gateway, states, errors, tasks,
  titles: () => [...document.querySelectorAll('#tasks > *')].map(({ textContent }) => textContent),
  add: (title) => fetch(`/api/tasks?project=${project}`, {
    method: 'POST', body: title, headers: { 'X-Origin': gateway.connectionId } }),
};
