// SPDX-License-Identifier: Apache-2.0
// Node as a server: server.js ADDRESS HTTP1-PORT HTTP2-PORT. Each request that is over is one line of
// JSON on stdout: what Node itself took and gave. Paths are those of differential_servers_test.go.
'use strict';
const http = require('node:http');
const http2 = require('node:http2');

const piece = Buffer.alloc(65536, 'n');

// write sends n bytes in pieces of a size, and waits where the client does.
function write(res, n, size, done) {
  while (n > 0) {
    const part = piece.subarray(0, Math.min(n, size));
    n -= part.length;
    if (!res.write(part)) {
      res.once('drain', () => write(res, n, size, done));
      return;
    }
  }
  done();
}

function answer(req, res) {
  const row = { Method: req.method, Host: (req.headers[':authority'] || req.headers.host || '').split(':')[0], Path: req.url.split('?')[0], Status: 200, In: 0, Out: 0 };
  res.on('close', () => process.stdout.write(JSON.stringify(row) + '\n'));
  req.on('data', (data) => { row.In += data.length; });
  req.on('end', () => {
    const [path, size] = req.url.split('?');
    const kind = path.split('/')[1];
    let n = Number(size);
    if (kind === 'status') {
      row.Status = n;
      n = n === 204 || n === 304 ? 0 : 3;
      res.writeHead(row.Status, n ? { 'Content-Length': 3 } : {});
    } else if (kind === 'fixed' || kind === 'up') {
      res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': n });
    } else if (kind === 'trailer' && req.httpVersion === '1.1') {
      res.writeHead(200, { 'Content-Type': 'text/plain', Trailer: 'X-End' });
    } else {
      if (kind === 'hints' && req.httpVersion !== '1.0') res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      res.writeHead(200, { 'Content-Type': 'text/plain' });
    }
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    row.Out = n;
    write(res, n, kind === 'fixed' ? 65536 : 9001, () => {
      if (kind === 'trailer' && req.httpVersion !== '1.0') res.addTrailers ? res.addTrailers({ 'x-end': 'yes' }) : res.setTrailer('x-end', 'yes');
      res.end();
    });
  });
}

const [, , address, one, two] = process.argv;
http.createServer({ requestTimeout: 0, keepAliveTimeout: 60000 }, answer).listen(Number(one), address);
http2.createServer(answer).listen(Number(two), address);
