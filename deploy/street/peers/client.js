// SPDX-License-Identifier: Apache-2.0
// Node as a client: client.js 1|2 ORIGIN FILE. FILE is a JSON list of {Method, Path, Body, Chunked};
// eight are under way at once. At the end stdout has the body bytes received, in decimal.
'use strict';
const http = require('node:http');
const http2 = require('node:http2');
const fs = require('node:fs');

const [, , version, origin, file] = process.argv;
const asks = JSON.parse(fs.readFileSync(file, 'utf8'));
const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
const session = version === '2' ? http2.connect(origin) : null;
let received = 0;
let running = 0;

function next() {
  if (asks.length === 0) {
    if (running === 0) {
      if (session) session.close();
      agent.destroy();
      process.stdout.write(String(received) + '\n');
    }
    return;
  }
  running++;
  const ask = asks.shift();
  const body = Buffer.alloc(ask.Body, 'c');
  let over = false;
  const take = (stream) => {
    stream.on('data', (data) => { received += data.length; });
    stream.on('end', () => {
      if (!over) { over = true; running--; next(); }
    });
  };
  let request;
  if (session) {
    const headers = { ':method': ask.Method, ':path': ask.Path };
    if (ask.Body && !ask.Chunked) headers['content-length'] = ask.Body;
    request = session.request(headers, { endStream: ask.Body === 0 });
    take(request);
    if (ask.Body === 0) return;
  } else {
    const headers = ask.Chunked ? {} : { 'Content-Length': ask.Body };
    if (ask.Body === 0) delete headers['Content-Length'];
    request = http.request(origin + ask.Path, { method: ask.Method, agent, headers }, take);
  }
  if (ask.Chunked) {
    for (let i = 0; i < body.length; i += 7001) request.write(body.subarray(i, i + 7001));
    request.end();
  } else {
    request.end(body);
  }
}
for (let i = 0; i < 8; i++) next();
