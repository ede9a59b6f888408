// One WebSocket connection, driven by lines of JSON on standard input, told as lines of JSON on
// standard output. Arguments: the URL, and an object with headers.
'use strict';

const readline = require('readline');
const WebSocket = require('ws');

const [url, headers] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

const socket = new WebSocket(url, { headers: JSON.parse(headers), perMessageDeflate: false });
socket.on('open', () => tell({ event: 'open' }));
socket.on('message', (data, isBinary) => tell({ event: 'message', text: data.toString(), isBinary }));
socket.on('ping', () => tell({ event: 'ping' }));
socket.on('unexpected-response', (request, response) => {
  tell({ event: 'refused', status: response.statusCode });
  process.exit(0);
});
socket.on('error', (error) => tell({ event: 'error', message: error.message }));
socket.on('close', (code, reason) => {
  tell({ event: 'close', code, reason: reason.toString() });
  process.exitCode = 0;
  process.stdin.destroy();
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if ('text' in command) socket.send(command.text);
  else if ('binary' in command) socket.send(Buffer.from(command.binary, 'hex'));
  else socket.close(command.close, command.reason);
});
