import { Backoff } from './backoff.js';
import { afterClose } from './close-codes.js';
import { openConnection } from './connection.js';
import { Emitter } from './emitter.js';
import { environmentWith } from './environment.js';
import { GatewayError, errorOf, passing } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { watchPage } from './page.js';
import { Projects } from './projects.js';
import { Refs } from './refs.js';
import { Timers } from './timers.js';

/** Former connection ids that are remembered: a change may still be under way when its tab reconnects. */
const OWN_IDS = 8;
/** The first wait of a back-off; also what a network that comes back for a whole office is spread over. */
const FIRST_WAIT_MS = 500;
/** For each project when all are refused at once: the gateway takes 50 messages a second. */
const JOIN_MS = 20;

/** Errors that come by themselves and say that a subscription has ended. */
const ENDS = ['membership_revoked', 'project_deleted'];

const DEFAULTS = {
  connectTimeoutMs: 15_000,
  requestTimeoutMs: 10_000,
  stableMs: 10_000,
  hiddenPauseMs: 300_000,
};

/**
 * A connection to the gateway that is kept up until it is closed.
 *
 *     connecting ──ready──► open ──lost──► waiting ──► connecting …
 *                                      └─► paused (offline, or hidden for long) ──► connecting …
 *     closed: by `close()`, or because the gateway said that trying again is of no use
 *
 * Made by `connect`; the types are in index.d.ts.
 */
export class Gateway {
  #options;
  #environment;
  #emitter = new Emitter();
  #timers;
  #refs;
  #backoff;
  #heartbeat;
  #page;
  #projects;

  #state = 'waiting';
  /** The socket of this attempt, if it has got so far. */
  #connection;
  /** Counts attempts: an answer that belongs to a former one is recognised by it. */
  #attempt = 0;
  /** The gateway asked us not to come back before. */
  #notBefore = 0;
  /** Hidden for so long that it isn't worth a connection, or kept in the browser's cache. */
  #isAsleep = false;
  #ownIds = [];
  #reconnectWindowMs = 1_000;

  counters = { attempts: 0, connections: 0, messages: 0, events: 0, resyncs: 0, errors: 0, deadSockets: 0 };

  constructor({ environment, WebSocket, projects = [], ...options }) {
    this.#options = { ...DEFAULTS, ...options };
    this.#environment = environmentWith({ ...environment, ...(WebSocket && { WebSocket }) });
    if (!this.#environment.WebSocket) {
      throw new GatewayError('no_websocket', 'no global WebSocket: pass a constructor');
    }
    this.#timers = new Timers(this.#environment);
    this.#refs = new Refs(this.#timers);
    this.#projects = new Projects(this.#timers);
    this.#backoff = new Backoff(this.#environment.random, FIRST_WAIT_MS);
    this.#heartbeat = new Heartbeat(this.#environment, this.#timers, {
      probe: () => this.send({ type: 'ping' }),
      dead: () => this.#socketIsDead(),
    });
    for (const id of projects) this.#projects.add(id.toLowerCase());
    this.#page = watchPage(this.#environment, {
      online: () => this.#wake(FIRST_WAIT_MS),
      // A socket may outlive a network that is away for a moment. An attempt is of no use.
      offline: () => (this.#state === 'connecting' ? this.#reconnect(0) : this.#wake(0)),
      hidden: () => this.#fallAsleepLater(),
      visible: () => this.#wakeUp(),
      pagehide: () => this.#fallAsleep(),
      pageshow: () => this.#wakeUp(),
    });
    // Not at once: the application has yet to say what it listens to.
    this.#timers.set('retry', 0, () => this.#start());
  }

  get state() {
    return this.#state;
  }

  /** Of this connection, for `SET LOCAL devhive.origin`; undefined while there is none. */
  get connectionId() {
    return this.#state === 'open' ? this.#ownIds[0] : undefined;
  }

  get projects() {
    return [...this.#projects.keys()];
  }

  isJoined(id) {
    return this.#projects.get(id.toLowerCase())?.isJoined === true;
  }

  /** Whether the change was made under a connection id of this client's. */
  isOwn(event) {
    return this.#ownIds.includes(event.origin);
  }

  on(name, listener) {
    return this.#emitter.on(name, listener);
  }

  // Projects

  join(id, { timeoutMs = this.#options.requestTimeoutMs } = {}) {
    if (this.#state === 'closed') return Promise.reject(closedError());
    const key = id.toLowerCase();
    const isNew = !this.#projects.has(key);
    const project = this.#projects.add(key);
    if (project.isJoined) return Promise.resolve();
    const joined = project.waiting.wait(timeoutMs);
    if (isNew && this.#state === 'open') this.#sendJoin(key, project);
    return joined;
  }

  async leave(id) {
    const key = id.toLowerCase();
    const project = this.#projects.get(key);
    if (!project) return;
    this.#drop(key, new GatewayError('left', 'left'));
    if (this.#state !== 'open') return;
    try {
      await this.request({ type: 'leave_project', project_id: key });
    } catch (error) {
      // Either way it is left.
      if (error.code !== 'disconnected' && error.code !== 'not_subscribed') throw error;
    }
  }

  #sendJoin(id, project) {
    const { cursor } = project;
    const isCurrent = () => this.#projects.get(id) === project;
    if (!isCurrent()) return;
    this.request({ type: 'join_project', project_id: id, keep: true, ...(cursor && { since: cursor }) }).then(
      (answer) => {
        if (!isCurrent()) return;
        project.joined(answer.cursor);
        this.#emitter.emit('project', { project_id: id, joined: true });
        if (!cursor) this.#missedSomething(id);
      },
      (error) => {
        // The next connection joins again by itself.
        if (!isCurrent() || error.code === 'disconnected') return;
        if (error.temporary) {
          project.backoff ??= new Backoff(
            this.#environment.random, Math.max(FIRST_WAIT_MS, JOIN_MS * this.#projects.size));
          this.#timers.set(`join ${id}`, project.backoff.next(), () => this.#sendJoin(id, project));
          // Last: a listener may close us, and then no timer is left.
          this.#report(error);
        } else {
          error.project_id = id;
          this.#report(error);
          this.#drop(id, error);
        }
      });
  }

  #drop(id, error) {
    const project = this.#projects.get(id);
    if (!project) return;
    this.#projects.delete(id);
    this.#timers.clear(`join ${id}`);
    project.waiting.settleAll('reject', error);
    this.#emitter.emit('project', { project_id: id, joined: false });
  }

  /** Whatever happened before the gateway confirmed the project wasn't heard. */
  #missedSomething(id) {
    this.#tell({
      type: 'cache_invalidate', resource: '*', action: 'RESYNC', project_id: id,
      data: { id: '*', timestamp: new Date(this.#environment.now()).toISOString() }, reason: 'joined',
    });
  }

  // Messages

  send(message) {
    this.#connection?.send(message);
  }

  request(message, { timeoutMs = this.#options.requestTimeoutMs } = {}) {
    if (this.#state !== 'open') {
      return Promise.reject(this.#state === 'closed' ? closedError() : disconnectedError());
    }
    return this.#refs.wait(timeoutMs, (ref) => this.send({ ...message, ref }));
  }

  #receive(message) {
    this.counters.messages++;
    this.#heartbeat.heard();
    switch (message.type) {
      case 'ready':
        return this.#ready(message);
      case 'cache_invalidate':
        return this.#hear(message);
      case 'ok':
        return this.#refs.settle(message.ref, 'resolve', message);
      case 'error':
        return this.#refused(message);
      case 'ping':
      case 'pong':
        return undefined;
      default:
        return this.#emitter.emit('message', message);
    }
  }

  #hear(event) {
    const project = this.#projects.get(event.project_id);
    if (!project) return;
    project.heard(event);
    this.#tell(event);
  }

  #tell(event) {
    this.counters.events++;
    if (event.action === 'RESYNC') this.counters.resyncs++;
    this.#emitter.emit('event', event);
  }

  #refused(message) {
    const error = errorOf(message);
    if (message.ref !== undefined) return this.#refs.settle(message.ref, 'reject', error);
    this.#report(error);
    if (ENDS.includes(error.code)) this.#drop(error.project_id, error);
    return undefined;
  }

  #report(error) {
    this.counters.errors++;
    this.#emitter.emit('error', error);
  }

  // One connection

  async #start() {
    if (this.#pause) return this.#reconnect(0);
    this.#fallAsleepLater();
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt;
    this.counters.attempts++;
    this.#timers.set('connect', this.#options.connectTimeoutMs, () => this.#failed(
      passing('connect_timeout', 'not connected in time')));
    this.#setState('connecting');

    let token;
    try {
      // A listener may have closed us.
      token = isCurrent() && await this.#options.getToken();
    } catch (cause) {
      if (isCurrent()) this.#failed(tokenError(cause));
      return undefined;
    }
    if (!isCurrent()) return undefined;
    if (!token) return this.#stop(new GatewayError('no_token', 'nobody is signed in'));

    try {
      this.#connection = openConnection(this.#environment, this.#options.url, {
        open: () => this.send({ type: 'init', token }),
        message: (message) => this.#receive(message),
        close: (event) => this.#closed(event),
        error: (error) => this.#report(error),
      });
    } catch (cause) {
      // A wrong URL, or one that the page's policy forbids.
      this.#stop(new GatewayError('bad_url', cause.message, { cause }));
    }
    return undefined;
  }

  /** The gateway knows who we are; also after a renewal. */
  #ready(ready) {
    this.#renewLater(ready.expires_at);
    if (this.#state !== 'connecting') return;
    this.counters.connections++;
    this.#timers.clear('connect');
    this.#timers.set('stable', this.#options.stableMs, () => this.#backoff.reset());
    this.#ownIds = [ready.connection_id, ...this.#ownIds].slice(0, OWN_IDS);
    this.#reconnectWindowMs = ready.reconnect_window_ms ?? this.#reconnectWindowMs;
    this.#heartbeat.start(ready.ping_interval_ms);
    // What a listener joins now is asked for there.
    const projects = [...this.#projects];
    this.#setState('open');
    for (const [id, project] of projects) this.#sendJoin(id, project);
  }

  /** At a random point between 70 and 90 % of the time that is left, since many tokens may end at once. */
  #renewLater(expiresAt) {
    const leftMs = Date.parse(expiresAt) - this.#environment.now();
    // A clock that is so wrong can't tell. Then the gateway closes with 4101, and a new token is got.
    if (!(leftMs > 0)) return;
    const waitMs = leftMs * (0.7 + 0.2 * this.#environment.random());
    this.#timers.set('renew', Math.max(1_000, waitMs), () => this.#renew(expiresAt));
  }

  async #renew(expiresAt) {
    const attempt = this.#attempt;
    try {
      const token = await this.#options.getToken();
      if (attempt !== this.#attempt) return;
      if (token) return void (await this.request({ type: 'init', token }));
      this.#stop(new GatewayError('no_token', 'nobody is signed in'));
    } catch (cause) {
      if (attempt !== this.#attempt) return;
      this.#report(cause instanceof GatewayError ? cause : tokenError(cause));
      this.#renewLater(expiresAt);
    }
  }

  // Its end, and what follows

  #closed({ code, reason }) {
    const { action, ms } = afterClose(code, reason);
    if (action === 'stop') {
      this.#stop(new GatewayError('stopped', `closed with ${code} ${reason}`, { closeCode: code }));
      return;
    }
    const delayMs = action === 'window'
      ? this.#environment.random() * (ms ?? this.#reconnectWindowMs)
      : (ms ?? 0) + this.#backoff.next();
    // What the gateway wants nothing shortens.
    if (action !== 'jitter') this.#notBefore = this.#environment.now() + delayMs;
    this.#reconnect(delayMs, code);
  }

  #failed(error) {
    this.#report(error);
    this.#reconnect(this.#backoff.next());
  }

  #socketIsDead() {
    this.counters.deadSockets++;
    this.#failed(passing('dead_socket', 'no answer'));
  }

  /** Ends this attempt, whatever it has come to. */
  #disconnect(reason) {
    this.#attempt++;
    this.#timers.clear('connect', 'stable', 'renew', 'retry');
    this.#heartbeat.stop();
    this.#connection?.abandon(reason);
    this.#connection = undefined;
    const joined = this.projects.filter((id) => this.isJoined(id));
    this.#projects.disconnected();
    this.#timers.clear(...this.projects.map((id) => `join ${id}`));
    // Nobody can ask any more before those who asked are told.
    if (this.#state === 'open') this.#state = 'waiting';
    this.#refs.settleAll('reject', disconnectedError());
    for (const id of joined) this.#emitter.emit('project', { project_id: id, joined: false });
  }

  /** Ends this attempt, and starts again after so long. */
  #reconnect(delayMs, closeCode) {
    const reason = this.#pause;
    this.#disconnect(reason);
    // A listener may have closed us.
    if (this.#state === 'closed') return;
    if (reason) {
      this.#timers.clear('sleep');
      this.#setState('paused', { reason, closeCode });
      return;
    }
    this.#timers.set('retry', delayMs, () => this.#start());
    this.#setState('waiting', { retryInMs: delayMs, closeCode });
  }

  get #pause() {
    if (this.#page.isOffline()) return 'offline';
    return this.#isAsleep ? 'hidden' : undefined;
  }

  /** The page or the network has changed: looks after the connection now, or soon. */
  #wake(withinMs) {
    if (this.#state === 'open') {
      this.#heartbeat.probe();
    } else if (this.#state !== 'connecting') {
      const { now, random } = this.#environment;
      this.#reconnect(Math.max(this.#notBefore - now(), random() * withinMs));
    }
  }

  #wakeUp() {
    this.#timers.clear('sleep');
    this.#isAsleep = false;
    // A page that was opened in the background is shown too, to nobody.
    this.#fallAsleepLater();
    // A person looks at it, and at no two pages at once.
    this.#wake(0);
  }

  /** Unless it is seen, or asleep, or about to be. */
  #fallAsleepLater() {
    if (!this.#page.isHidden() || this.#state === 'paused' || this.#timers.has('sleep')) return;
    this.#timers.set('sleep', this.#options.hiddenPauseMs, () => this.#fallAsleep());
  }

  #fallAsleep() {
    this.#isAsleep = true;
    this.#reconnect(0);
  }

  #setState(state, details) {
    this.#state = state;
    this.#emitter.emit('state', { state, ...details });
  }

  #stop(error) {
    this.#report(error);
    this.#end(error);
  }

  close() {
    if (this.#state !== 'closed') this.#end();
  }

  #end(error) {
    // First: who is told that a project has ended can't join it again.
    this.#state = 'closed';
    this.#disconnect('closed');
    this.#page.stop();
    for (const id of this.projects) this.#drop(id, error ?? closedError());
    this.#timers.clearAll();
    this.#setState('closed', { error });
    this.#emitter.clear();
  }
}

function closedError() {
  return new GatewayError('closed', 'closed');
}

function disconnectedError() {
  return passing('disconnected', 'not connected');
}

function tokenError(cause) {
  return passing('token_unavailable', `getToken failed: ${cause?.message ?? cause}`, { cause });
}
