import { Backoff } from './backoff.js';
import { textFault } from './direct-text.js';
import { Emitter } from './emitter.js';
import { GatewayError } from './errors.js';

/** Messages that are remembered, so that each is told once: more than an inbox holds. */
const SEEN_MAX = 2_000;
/** Ids in one acknowledgment, as the gateway takes them. */
const ACKS_MAX = 100;
const FIRST_WAIT_MS = 500;
/** What is no answer to the message: it is sent again, under the same id. */
const AGAIN = ['disconnected', 'timeout', 'unavailable', 'too_fast'];

/**
 * Direct messages over a client's connection: sent until they are committed, told once, acknowledged by themselves. The
 * types are in direct.d.ts.
 *
 * @param {import('./index.d.ts').Gateway & { environment: any }} gateway
 */
export function directMessages(gateway, { newId = () => globalThis.crypto.randomUUID() } = {}) {
  const { environment } = gateway;
  const emitter = new Emitter();
  const seen = new Set();
  /** What isn't committed yet, by id. */
  const waiting = new Map();
  const timers = new Map();
  let acks = [];

  const later = (key, backoff, action) => {
    environment.clearTimeout(timers.get(key));
    timers.set(key, environment.setTimeout(() => {
      timers.delete(key);
      action();
    }, backoff.next()));
  };
  const newBackoff = () => new Backoff(environment.random, FIRST_WAIT_MS);

  function post(id) {
    const wish = waiting.get(id);
    if (!wish || wish.isAsked || gateway.state !== 'open') return;
    wish.isAsked = true;
    gateway.request(wish.message).then(
      () => settle(id, 'resolve', id),
      (error) => {
        wish.isAsked = false;
        if (!AGAIN.includes(error.code)) settle(id, 'reject', error);
        // The next connection sends it by itself.
        else if (waiting.has(id) && error.code !== 'disconnected') later(id, wish.backoff, () => post(id));
      });
  }

  function settle(id, how, value) {
    const wish = waiting.get(id);
    waiting.delete(id);
    wish?.[how](value);
  }

  const inboxBackoff = newBackoff();
  function readInbox() {
    if (gateway.state !== 'open') return;
    gateway.request({ type: 'inbox' }).then(
      () => inboxBackoff.reset(),
      (error) => {
        if (error.code === 'disconnected') return;
        if (error.temporary) later('inbox', inboxBackoff, readInbox);
        else emitter.emit('error', error);
      });
  }

  function receive(message) {
    const key = `${message.from} ${message.id}`;
    const isNew = !seen.has(key);
    seen.add(key);
    if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value);
    if (isNew) emitter.emit('direct', message);
    if (message.to === gateway.userId) acknowledge(message.id);
  }

  /** All that comes together is acknowledged together. One that is lost is made up for when the message comes again. */
  function acknowledge(id) {
    if (acks.push(id) > 1) return;
    queueMicrotask(() => {
      const ids = acks;
      acks = [];
      for (let start = 0; start < ids.length; start += ACKS_MAX) {
        gateway.send({ type: 'ack', ids: ids.slice(start, start + ACKS_MAX) });
      }
    });
  }

  function opened() {
    readInbox();
    for (const id of waiting.keys()) post(id);
  }

  const ends = [
    gateway.on('message', (message) => {
      if (message.type === 'direct') receive(message);
      else if (message.type === 'acked') emitter.emit('acked', message.ids);
      else if (message.type === 'receipt') emitter.emit('receipt', { ids: message.ids, by: message.by });
    }),
    gateway.on('state', ({ state }) => state === 'open' && opened()),
  ];
  opened();

  return {
    send(to, data, { id = newId(), receipt = false, ttl } = {}) {
      let text;
      let fault;
      try {
        text = JSON.stringify({ type: 'direct', id, to, data, receipt, ...(ttl && { ttl_s: ttl }) });
        fault = textFault(text);
      } catch (cause) {
        fault = new GatewayError('bad_message', `data is not JSON: ${cause.message ?? cause}`, { cause });
      }
      const known = waiting.get(id);
      if (!fault && known) {
        if (known.text === text) return known.sent;
        fault = new GatewayError('id_in_use', 'another message with this id is being sent');
      }
      if (fault) return Promise.reject(fault);
      // As it is now, whatever the application does with the object meanwhile.
      const wish = { text, message: JSON.parse(text), backoff: newBackoff(), isAsked: false };
      wish.sent = new Promise((resolve, reject) => Object.assign(wish, { resolve, reject }));
      waiting.set(id, wish);
      post(id);
      return wish.sent;
    },
    on: (name, listener) => emitter.on(name, listener),
    /** What isn't committed is given up; it may be committed all the same. */
    close(error) {
      for (const end of ends) end();
      for (const timer of timers.values()) environment.clearTimeout(timer);
      for (const id of [...waiting.keys()]) settle(id, 'reject', error ?? new Error('closed'));
      emitter.clear();
    },
  };
}
