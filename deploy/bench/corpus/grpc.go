// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
)

// grpcScenes are gRPC, and HTTP/2 that begins as HTTP/1.
func grpcScenes() []scene {
	return []scene{
		{"h2c-upgrade", []string{"h2c-upgrade"}, h2Upgrade},
		{"h2c-upgrade-refused", []string{"h2c-upgrade"}, h2UpgradeRefused},
		{"h2c-upgrade-in-one-segment", []string{"h2c-upgrade"}, h2UpgradeAtOnce},
		{"h2c-upgrade-of-an-upload", []string{"h2c-upgrade", "large-request"}, h2UpgradeUpload},
		{"h2c-upgrade-later", []string{"h2c-upgrade", "keepalive-multi"}, h2UpgradeLater},
		{"grpc-unary", prior("grpc", "h2-trailers"), grpcUnary},
		{"grpc-streams", prior("grpc", "h2-trailers"), grpcStreams},
		{"grpc-fails-at-once", prior("grpc"), grpcFails},
		{"grpc-both-ways", prior("grpc", "h2-trailers", "h2-multiplexed"), grpcBothWays},
		{"grpc-message-in-pieces", prior("grpc", "h2-trailers"), grpcPieces},
		{"grpc-deadline", prior("grpc", "truncated-body"), grpcDeadline},
	}
}

func h2Upgrade(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/upgraded")
	c.say(server, switching)
	c.answer(1, 200, 3000)
	c.flush(server)
	c.did("GET", "/upgraded", 200, 0, 3000)
	c.last = 1
	c.get2("/second", 20)
	c.get2("/third", 30)
	c.close(client)
}

func h2UpgradeRefused(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/refused")
	c.say(server, download(200, fill(70)))
	c.did("GET", "/refused", 200, 0, 70)
	c.get("/after", 10)
	c.close(client)
}

func grpcUnary(p *tape) {
	c := speak(p.talk().open())
	for i := range 10 {
		id, sent := c.call("Get", 4+i)
		c.flush(client)
		got := c.reply(id, 0, 100*i)
		c.flush(server)
		c.did("POST", "/shop.Customers/Get", 200, sent, got)
	}
	c.close(client)
}

func grpcStreams(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("List", 10)
	c.flush(client)
	got := c.reply(id, 0, 0, 10, 20000, 5, 300)
	c.flush(server)
	c.did("POST", "/shop.Customers/List", 200, sent, got)
	id, sent = c.call("Put", 10, 500, 20, 17000)
	c.flush(client)
	got = c.reply(id, 0, 3)
	c.flush(server)
	c.did("POST", "/shop.Customers/Put", 200, sent, got)
	c.close(client)
}

func grpcFails(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("Get", 7)
	c.flush(client)
	c.headers(server, id, true, ":status: 200", "content-type: application/grpc", "grpc-status: 5", "grpc-message: not here")
	c.flush(server)
	c.did("POST", "/shop.Customers/Get", 200, sent, 0)
	c.close(client)
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

// The server's first frames may come with the 101, RFC 7540 section 3.2.
func h2UpgradeAtOnce(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/upgraded")
	c.answer(1, 200, 300)
	frames := c.side[server].buf.String()
	c.side[server].buf.Reset()
	c.say(server, switching+frames)
	c.did("GET", "/upgraded", 200, 0, 300)
	c.last = 1
	for i := range 4 {
		c.get2("/next", 20*i)
	}
	c.close(client)
}

// The body of the request that offers to change is HTTP/1's; its answer is a stream's.
func h2UpgradeUpload(p *tape) {
	c := speak(p.talk().open())
	c.say(client, upload("POST", "/upgraded", fill(4000), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAQAoAAA"))
	c.say(server, switching)
	c.answer(1, 201, 70)
	c.flush(server)
	c.did("POST", "/upgraded", 201, 4000, 70)
	c.last = 1
	c.get2("/next", 20)
	c.close(client)
}

func h2UpgradeLater(p *tape) {
	c := speak(p.talk().open())
	c.get("/plain", 500)
	c.get("/plain/2", 60)
	c.upgrade("/upgraded")
	c.say(server, switching)
	c.answer(1, 404, 9)
	c.flush(server)
	c.did("GET", "/upgraded", 404, 0, 9)
	c.last = 1
	c.get2("/next", 20)
	c.get2("/next/2", 30)
	c.close(client)
}

// Two calls at once, in both of which messages go both ways by turns.
func grpcBothWays(p *tape) {
	c := speak(p.talk().open())
	var ids [2]uint32
	var sent, got [2]int
	for i := range ids {
		ids[i], sent[i] = c.call("Chat", 10)
		c.dangling(ids[i])
		c.flush(client)
		c.headers(server, ids[i], false, ":status: 200", "content-type: application/grpc")
		c.flush(server)
	}
	for n := range 12 {
		i := n % 2
		b := message(100 * n)
		c.wrote(c.side[client].WriteData(ids[i], n >= 10, b))
		c.flush(client)
		sent[i] += len(b)
		b = message(300 * n)
		c.wrote(c.side[server].WriteData(ids[i], false, b))
		c.flush(server)
		got[i] += len(b)
	}
	for i, id := range ids {
		c.headers(server, id, true, "grpc-status: 0")
		c.flush(server)
		c.did("POST", "/shop.Customers/Chat", 200, sent[i], got[i])
	}
	c.close(client)
}

// dangling takes the end off the last frame that was written for the client: more will come.
func (c *h2) dangling(stream uint32) {
	b := c.side[client].buf.Bytes()
	last := 0
	for at := len(b) - c.size(b); at < len(b); at += 9 + int(b[at])<<16 + int(b[at+1])<<8 + int(b[at+2]) {
		last = at
	}
	if binary.BigEndian.Uint32(b[last+5:]) != stream {
		panic("BUG: corpus: the last frame is of another stream")
	}
	b[last+4] &^= byte(http2.FlagDataEndStream)
}

// size is how much of what is written is frames: the preface is none.
func (c *h2) size(b []byte) int {
	if bytes.HasPrefix(b, []byte(http2.ClientPreface)) {
		return len(b) - len(http2.ClientPreface)
	}
	return len(b)
}

// A message is cut where frames end, not where it does, and frames hold several.
func grpcPieces(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("List", 10)
	c.flush(client)
	c.headers(server, id, false, ":status: 200", "content-type: application/grpc")
	var all []byte
	for n := range 40 {
		all = append(all, message(37*n)...)
	}
	for at := 0; at < len(all); at += 1111 {
		c.wrote(c.side[server].WriteData(id, false, all[at:min(at+1111, len(all))]))
	}
	c.headers(server, id, true, "grpc-status: 0")
	c.flush(server)
	c.did("POST", "/shop.Customers/List", 200, sent, len(all))
	c.close(client)
}

func grpcDeadline(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("List", 10)
	c.flush(client)
	c.headers(server, id, false, ":status: 200", "content-type: application/grpc")
	b := message(5000)
	c.wrote(c.side[server].WriteData(id, false, b[:2000]))
	c.flush(server)
	c.wrote(c.side[client].WriteRSTStream(id, http2.ErrCodeCancel))
	c.flush(client)
	c.did("POST", "/shop.Customers/List", 200, sent, 2000)
	id, sent = c.call("Get", 3)
	c.flush(client)
	got := c.reply(id, 0, 40)
	c.flush(server)
	c.did("POST", "/shop.Customers/Get", 200, sent, got)
	c.close(client)
}
