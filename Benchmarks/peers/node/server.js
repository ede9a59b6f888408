// The gateway's job in Node, with the libraries that most would take: ws and pg.
'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');
const { createServer } = require('node:http');
const { Client } = require('pg');
const { WebSocket, WebSocketServer } = require('ws');

const pingMilliseconds = 54_000;
const messageBytesMax = 512;
const queuedBytesMax = 1024 * 1024;

const { DATABASE_URL, JWT_SECRET, PORT } = process.env;
const rooms = new Map(); // project id -> Set of WebSockets

// The user id of a valid HS256 token, else null.
function userOf(token) {
  const [header, claims, signature] = token.split('.');
  if (!signature) return null;
  try {
    if (JSON.parse(Buffer.from(header, 'base64url')).alg !== 'HS256') return null;
    const expected = createHmac('sha256', JWT_SECRET).update(`${header}.${claims}`).digest();
    const actual = Buffer.from(signature, 'base64url');
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return null;
    const { exp, sub } = JSON.parse(Buffer.from(claims, 'base64url'));
    return exp > Date.now() / 1000 ? sub : null;
  } catch {
    return null;
  }
}

function leave(socket) {
  const room = rooms.get(socket.projectId);
  if (room?.delete(socket) && room.size === 0) rooms.delete(socket.projectId);
  socket.projectId = null;
}

function join(socket, projectId) {
  leave(socket);
  if (!projectId) return;
  socket.projectId = projectId;
  const room = rooms.get(projectId);
  if (room) room.add(socket);
  else rooms.set(projectId, new Set([socket]));
}

function receive(socket, text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return;
  }
  if (message?.type === 'join_project') join(socket, message.project_id);
  if (message?.type === 'leave_project') leave(socket);
}

function broadcast(payload) {
  const { resource, id, action, project_id, timestamp, cursor, origin } = JSON.parse(payload);
  const room = rooms.get(project_id);
  if (!room) return;
  const type = 'cache_invalidate';
  const data = { id, timestamp };
  const message = Buffer.from(
    JSON.stringify({ type, resource, action, project_id, data, cursor, origin }));
  for (const socket of room) {
    if (socket.readyState !== WebSocket.OPEN) continue;
    if (socket.bufferedAmount > queuedBytesMax) socket.terminate();
    else socket.send(message, { binary: false });
  }
}

const sockets = new WebSocketServer({ noServer: true, maxPayload: messageBytesMax });

sockets.on('connection', (socket, projectId) => {
  socket.isAlive = true;
  socket.on('pong', () => { socket.isAlive = true; });
  socket.on('message', (text) => receive(socket, text));
  socket.on('close', () => leave(socket));
  socket.on('error', () => {}); // `close` follows
  join(socket, projectId);
});

setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, pingMilliseconds);

const server = createServer((request, response) => response.writeHead(404).end());

server.on('upgrade', (request, stream, head) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  let refusal = null;
  if (pathname !== '/api/v1/messages/ws') refusal = '404 Not Found';
  else if (userOf(searchParams.get('token') ?? '') === null) refusal = '401 Unauthorized';
  if (refusal) {
    stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, stream, head, (socket) => {
    sockets.emit('connection', socket, searchParams.get('projectId'));
  });
});

async function main() {
  const database = new Client({ connectionString: DATABASE_URL });
  database.on('notification', ({ payload }) => {
    try {
      broadcast(payload);
    } catch (error) {
      console.error('a notification was skipped:', error.message);
    }
  });
  database.on('error', (error) => { throw error; });
  await database.connect();
  await database.query('LISTEN cache_invalidate');
  server.listen({ port: Number(PORT), host: '127.0.0.1', backlog: 4096 });
}

main();
