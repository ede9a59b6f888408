// A client in a fake world, with a record of what it said.
import { connect } from '../../src/index.js';
import { World } from './world.js';

export const P1 = '00000000-0000-0000-0000-0000000000a1';
export const P2 = '00000000-0000-0000-0000-0000000000a2';
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The token of this number. */
export const token = (number, sub = 'u') => [part({ alg: 'none' }), part({ sub, number }), part('ok')].join('.');

export const URL = 'wss://gateway.example/api/v1/messages/ws';

export class Client {
  world = new World();
  tokens = 0;
  states = [];
  errors = [];
  events = [];
  messages = [];

  constructor(options = {}, environment = {}) {
    this.gateway = connect({
      url: URL,
      getToken: async () => token(++this.tokens),
      environment: { ...this.world.environment(), ...environment },
      ...options,
    });
    this.gateway.on('state', (change) => this.states.push(change));
    this.gateway.on('error', (error) => this.errors.push(error));
    this.gateway.on('event', (event) => this.events.push(event));
    this.gateway.on('message', (message) => this.messages.push(message));
  }

  get socket() {
    return this.world.socket;
  }

  get lastState() {
    return this.states.at(-1);
  }

  /** Up to the open socket. */
  async dial() {
    await this.world.pass(0);
    this.socket.open();
    await this.world.pass(0);
  }

  /** Up to `open`. Joins are sent, and answered when `cursor` is given or undefined, not when it is false. */
  async open({ ready = {}, answers = true } = {}) {
    await this.dial();
    this.ready(ready);
    await this.world.pass(0);
    if (answers) await this.answerAll();
    return this;
  }

  ready(changes = {}) {
    this.socket.receive({
      type: 'ready', connection_id: `connection ${this.world.sockets.length}`, user_id: 'u', project_id: null,
      expires_at: new Date(this.world.time + 3_600_000).toISOString(), cursor: null, ping_interval_ms: 54_000,
      reconnect_window_ms: 5_000, ...changes,
    });
  }

  /** Answers everything that has a `ref` with ok. Returns what it was. */
  async answerAll(results = {}) {
    const taken = this.socket.take();
    for (const { ref } of taken) if (ref !== undefined) this.socket.receive({ type: 'ok', ref, ...results });
    await this.world.pass(0);
    return taken;
  }

  change(changes = {}) {
    this.socket.receive({
      type: 'cache_invalidate', resource: 'tasks', action: 'UPDATE', project_id: P1,
      data: { id: 'row', timestamp: '2026-01-02T03:04:05Z' }, ...changes,
    });
  }

  async end(code, reason) {
    this.socket.end(code, reason);
    await this.world.pass(0);
  }

  codes() {
    return this.errors.map(({ code }) => code);
  }
}
