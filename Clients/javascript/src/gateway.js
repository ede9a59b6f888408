import { Backoff } from './backoff.js';
import { afterClose } from './close-codes.js';
import { openConnection } from './connection.js';
import { Emitter } from './emitter.js';
import { environmentWith } from './environment.js';
import { ENDS, GatewayError, errorOf, passing } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { watchPage } from './page.js';
import { Projects } from './projects.js';
import { Refs } from './refs.js';
import { Timers } from './timers.js';
import { isToken, userOf } from './token.js';

/** Former connection ids that are remembered: a change may still be under way when its tab reconnects. */
const OWN_IDS = 8;
/** The first wait of a back-off; also what a network that comes back for a whole office is spread over. */
const FIRST_WAIT_MS = 500;
/** For each project when all are refused at once: the gateway takes 50 messages a second. */
const JOIN_MS = 20;

/** A token may be bad for a moment. So many different ones in a row aren't. */
const REFUSED_TOKENS = 3;

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
 *     paused by `disconnect()`, or closed because trying again is of no use ──`connect()`──► connecting …
 *     closed by `close()`: for good
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
  /** While connections are wanted: the page is watched. */
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
  #isFinal = false;
  /** Why it is closed, if that can be mended. */
  #error;
  /** The different tokens that were refused since one was accepted. */
  #refusedTokens = new Set();
  #userId;
  #ownIds = [];
  #reconnectWindowMs = 1_000;

  counters = { attempts: 0, connections: 0, messages: 0, events: 0, resyncs: 0, errors: 0, deadSockets: 0 };

  constructor({ environment, WebSocket, projects = [], autoConnect = true, ...options }) {
    this.#options = { ...DEFAULTS, ...options };
    this.#environment = environmentWith({ ...environment, ...(WebSocket && { WebSocket }) });
    this.#timers = new Timers(this.#environment);
    this.#refs = new Refs(this.#timers);
    this.#projects = new Projects(this.#timers);
    this.#backoff = new Backoff(this.#environment.random, FIRST_WAIT_MS);
    this.#heartbeat = new Heartbeat(this.#environment, this.#timers, {
      probe: () => this.send({ type: 'ping' }),
      dead: () => this.#socketIsDead(),
    });
    for (const id of projects) this.#projects.add(id.toLowerCase());
    if (autoConnect) this.connect();
    else this.#state = 'paused';
  }

  get state() {
    return this.#state;
  }

  /** Of this connection, for `SET LOCAL devhive.origin`; undefined while there is none. */
  get connectionId() {
    return this.#state === 'open' ? this.#ownIds[0] : undefined;
  }

  /** For the bindings: their timers are of the same world. */
  get environment() {
    return this.#environment;
  }

  /** Whose token it was that the gateway accepted last. */
  get userId() {
    return this.#userId;
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

  // Whether connections are wanted

  /** Wants connections from now on. */
  connect() {
    if (this.#page || this.#isFinal) return;
    // A page that is made on a server: nobody looks at it there.
    if (!this.#environment.WebSocket) return this.#setState('paused', { reason: 'no_websocket' });
    this.#error = undefined;
    this.#isAsleep = false;
    this.#refusedTokens.clear();
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
    const retryInMs = this.#untilAllowedMs;
    this.#timers.set('retry', retryInMs, () => this.#start());
    return this.#setState('waiting', { retryInMs });
  }

  /** Wants none until `connect()`. Listeners and projects stay. */
  disconnect() {
    if (this.#state !== 'closed') this.#halt('paused', { reason: 'disconnected' }, disconnectedError());
  }

  close() {
    if (this.#isFinal) return;
    this.#isFinal = true;
    this.#error = undefined;
    // First: who is told that a project has ended can't join it again.
    this.#state = 'closed';
    for (const id of this.projects) this.#drop(id, closedError());
    this.#halt('closed');
    this.#emitter.clear();
  }

  /** Trying again is of no use, unless the application mends what is wrong and calls `connect()`. */
  #stop(error) {
    const attempt = this.#attempt;
    this.#report(error);
    // A listener may have ended it, or begun anew.
    if (attempt !== this.#attempt) return;
    this.#error = error;
    this.#halt('closed', { error }, error);
  }

  /** Leaves nothing of ours in the world: no socket, no timer, no listener. */
  #halt(state, details, error) {
    this.#state = state;
    this.#page?.stop();
    this.#page = undefined;
    this.#disconnect(details?.reason ?? state);
    for (const project of this.#projects.values()) project.waiting.settleAll('reject', error);
    // A listener may have begun anew, or closed it.
    if (this.#state !== state) return;
    this.#timers.clearAll();
    this.#setState(state, details);
  }

  // Projects

  join(id, { timeoutMs = this.#options.requestTimeoutMs, silent = false } = {}) {
    const refusal = this.#refusal;
    if (refusal) return Promise.reject(refusal);
    const key = id.toLowerCase();
    const isNew = !this.#projects.has(key);
    const project = this.#projects.add(key);
    project.isSilent = silent;
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

  /** Takes part in who is present there, from now on and on later connections too. */
  presence(id, wish) {
    const key = id.toLowerCase();
    const project = this.#projects.get(key);
    if (!project) return;
    project.presence = wish;
    if (project.isJoined) this.#sendPresence(key, project);
  }

  #sendPresence(id, { presence }) {
    if (presence) this.send({ type: 'presence', project_id: id, ...presence });
  }

  /** Says that the user types there, or does so no more. */
  typing(id, topic, stop) {
    this.send({ type: 'typing', project_id: id.toLowerCase(), topic, stop });
  }

  #sendJoin(id, project) {
    const { cursor } = project;
    const isCurrent = () => this.#projects.get(id) === project;
    if (!isCurrent()) return;
    this.request({ type: 'join_project', project_id: id, keep: true, ...(cursor && { since: cursor }) }).then(
      (answer) => {
        if (!isCurrent()) return;
        project.joined(answer.cursor);
        this.#sendPresence(id, project);
        // First: what is fetched because of the joining begins after it, and need not be fetched again.
        if (!cursor) this.#missedSomething(id);
        if (isCurrent() && project.isJoined) this.#emitter.emit('project', { project_id: id, joined: true });
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
          if (!project.isSilent) this.#report(error);
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
    if (this.#state !== 'open') return Promise.reject(this.#refusal ?? disconnectedError());
    return this.#refs.wait(timeoutMs, (ref) => this.send({ ...message, ref }));
  }

  /** Why nothing can be asked for, now and later. */
  get #refusal() {
    if (this.#state === 'closed') return this.#error ?? closedError();
    return this.#environment.WebSocket
      ? undefined : new GatewayError('no_websocket', 'no global WebSocket: pass a constructor');
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
      case 'pong':
        return this.#refs.settle(message.ref, 'resolve', message);
      case 'error':
        return this.#refused(message);
      case 'ping':
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
    if (!token) return this.#stop(noTokenError());
    if (!isToken(token)) return this.#failed(tokenError());

    try {
      this.#connection = openConnection(this.#environment, this.#options.url, {
        open: () => this.send({ type: 'init', token }),
        message: (message) => this.#receive(message),
        close: (event) => this.#closed(event, token),
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
    this.#refusedTokens.clear();
    if (this.#state !== 'connecting') return;
    this.#userId = ready.user_id;
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
      if (!token) return this.#stop(noTokenError());
      if (!isToken(token)) throw tokenError();
      // Somebody else has signed in: this connection is the former user's.
      if (userOf(token) !== this.#userId && userOf(token)) return this.#reconnect(0);
      await this.request({ type: 'init', token });
    } catch (cause) {
      if (attempt !== this.#attempt) return;
      this.#report(cause instanceof GatewayError ? cause : tokenError(cause));
      if (attempt === this.#attempt) this.#renewLater(expiresAt);
    }
    return undefined;
  }

  // Its end, and what follows

  #closed({ code, reason }, token) {
    const { action, ms } = afterClose(code, reason);
    const text = `closed with ${code} ${reason}`;
    if (action === 'token' && this.#refusedTokens.add(token).size < REFUSED_TOKENS) {
      this.#failed(passing('token_refused', text, { closeCode: code }), code);
      return;
    }
    if (action === 'token' || action === 'stop') {
      this.#stop(new GatewayError('stopped', text, { closeCode: code }));
      return;
    }
    const delayMs = action === 'window'
      ? this.#environment.random() * (ms ?? this.#reconnectWindowMs)
      : (ms ?? 0) + this.#backoff.next();
    // What the gateway wants nothing shortens.
    if (action !== 'jitter') this.#notBefore = this.#environment.now() + delayMs;
    this.#reconnect(delayMs, code);
  }

  #failed(error, closeCode) {
    this.#report(error);
    this.#reconnect(this.#backoff.next(), closeCode);
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
    // A listener may have ended it; also below.
    if (!this.#page) return;
    const reason = this.#pause;
    this.#disconnect(reason);
    if (!this.#page) return;
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
      this.#reconnect(Math.max(this.#untilAllowedMs, this.#environment.random() * withinMs));
    }
  }

  /** Milliseconds for which the gateway asked us to stay away. */
  get #untilAllowedMs() {
    return Math.max(0, this.#notBefore - this.#environment.now());
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
}

function closedError() {
  return new GatewayError('closed', 'closed');
}

function disconnectedError() {
  return passing('disconnected', 'not connected');
}

function noTokenError() {
  return new GatewayError('no_token', 'nobody is signed in');
}

function tokenError(cause) {
  return passing(
    'token_unavailable', `getToken ${cause ? `failed: ${cause.message ?? cause}` : 'gave no JWT'}`, { cause });
}
