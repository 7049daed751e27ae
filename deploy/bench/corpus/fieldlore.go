// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// fieldScenes are what long-lived and rude hosts do in HTTP/1.
func fieldScenes() []scene {
	return []scene{
		{"server-sent-events", []string{"chunked-response", "sse"}, events(true)},
		{"server-sent-events-until-close", []string{"close-delimited", "sse"}, events(false)},
		{"long-poll", []string{"keepalive-multi"}, longPoll},
		{"websocket-with-first-frames", []string{"websocket"}, websocketAtOnce},
		{"websocket-long", []string{"websocket"}, websocketLong},
		{"upgrade-to-raw-stream", []string{"upgrade-other"}, upgradeRaw},
		{"chunked-request-extensions-trailers", []string{"chunked-request"}, chunkedRequestDecorated},
		{"chunks-of-a-megabyte", []string{"chunked-response", "large-body"}, bigChunks},
		{"pipelining-while-answered", []string{"pipelining"}, pipeliningMeanwhile},
		{"http10-keep-alive-without-length", []string{"http10", "close-delimited"}, http10NoLength},
		{"http10-answers-http11", []string{"http10"}, http10Answers},
		{"reset-after-the-response", []string{"keepalive-multi"}, resetAfter},
		{"smuggling-refused", []string{"malformed-evasive"}, smugglingRefused},
		{"tokens-by-turns", []string{"keepalive-multi", "pipelining"}, tokensByTurns},
		{"unknown-interim-responses", []string{"1xx"}, unknownInterim},
		{"connect-then-http", []string{"connect"}, connectThenHTTP},
		{"several-codings-refused", []string{"chunked-request", "malformed-evasive"}, codingRefused},
		{"answer-without-fields", []string{"close-delimited"}, answerBare},
	}
}

// events are a stream that says little for minutes.
func events(inChunks bool) func(*tape) {
	return func(p *tape) {
		t := p.talk().open()
		t.say(client, request("GET", "/events", "Accept: text/event-stream"))
		fields := []string{"Content-Type: text/event-stream", "Cache-Control: no-cache"}
		if inChunks {
			fields = append(fields, "Transfer-Encoding: chunked")
		}
		t.say(server, response(200, fields...))
		total := 0
		for n := range 90 {
			t.pause = 2 * time.Second
			event := fmt.Sprintf("id: %d\ndata: {\"price\":%d}\n\n", n, n*n)
			total += len(event)
			if inChunks {
				event = fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
			}
			t.say(server, event)
		}
		t.did("GET", "/events", 200, 0, total)
		if inChunks {
			t.say(server, "0\r\n\r\n")
			t.get("/after", 10)
		}
		t.close(server)
	}
}

func longPoll(p *tape) {
	t := p.talk().open()
	for i := range 4 {
		target := fmt.Sprintf("/poll/%d", i)
		t.say(client, request("GET", target))
		t.pause = 55 * time.Second
		t.say(server, download(200, fill(40*i)))
		t.did("GET", target, 200, 0, 40*i)
	}
	t.close(client)
}

var toWebSocket = []string{"Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dG9rX3Rlc3Rfc29ja2V0IQ=="}

// The server may speak at once, in the segment of its 101.
func websocketAtOnce(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/socket", toWebSocket...))
	t.say(server, response(101, "Connection: Upgrade", "Upgrade: websocket")+"\x81\x05hello")
	t.say(client, "\x88\x80\x01\x02\x03\x04")
	t.say(server, "\x88\x00")
	t.close(client)
	t.did("GET", "/socket", 101, 6, 9).Upgrade = "websocket"
}

// Frames of every length field of RFC 6455 section 5.2, of which some hold what looks like HTTP.
func websocketLong(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/socket", toWebSocket...))
	t.say(server, response(101, "Connection: Upgrade", "Upgrade: websocket"))
	up, down := 0, 0
	for i, n := range []int{1, 125, 126, 5000, 65535, 65536, 200_000} {
		body := fill(n)
		if i == 3 {
			body = request("GET", "/never") + download(200, fill(4700))
		}
		up, down = up+len(frameOf(body, true)), down+len(frameOf(body, false))
		t.say(client, frameOf(body, true))
		t.say(server, frameOf(body, false))
	}
	t.close(server)
	t.did("GET", "/socket", 101, up, down).Upgrade = "websocket"
}

// frameOf is a WebSocket frame of text, masked with zeros where a client sends it.
func frameOf(body string, masked bool) string {
	bit, mask := byte(0), ""
	if masked {
		bit, mask = 0x80, "\x00\x00\x00\x00"
	}
	n := len(body)
	switch {
	case n < 126:
		return string([]byte{0x81, bit | byte(n)}) + mask + body
	case n < 1<<16:
		return string(binary.BigEndian.AppendUint16([]byte{0x81, bit | 126}, uint16(n))) + mask + body
	}
	return string(binary.BigEndian.AppendUint64([]byte{0x81, bit | 127}, uint64(n))) + mask + body
}

// As container engines attach to a process.
func upgradeRaw(p *tape) {
	t := p.talk().open()
	t.say(client, upload("POST", "/containers/1/attach?stream=1", "", "Connection: Upgrade", "Upgrade: tcp"))
	t.say(server, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	t.say(client, "ls\n")
	t.say(server, fill(700))
	t.say(client, "exit\n")
	t.close(server)
	t.did("POST", "/containers/1/attach?stream=1", 101, 8, 700).Upgrade = "tcp"
}

func chunkedRequestDecorated(p *tape) {
	t := p.talk().open()
	t.say(client, request("PUT", "/decorated", "Transfer-Encoding: chunked", "Trailer: X-Sum")+
		"5;a=b\r\nhello\r\n6 ; name = \"quoted;\\\" 9\"\r\n world\r\n0;last\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"+request("GET", "/right/behind"))
	t.say(server, download(201, fill(3))+download(200, fill(4)))
	t.did("PUT", "/decorated", 201, 11, 3)
	t.did("GET", "/right/behind", 200, 0, 4)
	t.close(client)
}

func bigChunks(p *tape) {
	t := p.talk()
	t.mss = 16_000
	t.open()
	t.say(client, request("GET", "/chunks"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked(fill(2_500_000), 1<<20, 1<<20))
	t.did("GET", "/chunks", 200, 0, 2_500_000)
	t.get("/after", 10)
	t.close(client)
}

// The next requests come while an answer is under way.
func pipeliningMeanwhile(p *tape) {
	t := p.talk().open()
	var queue []string
	for i := range 12 {
		target := fmt.Sprintf("/meanwhile/%d", i)
		t.say(client, request("GET", target))
		queue = append(queue, download(200, fill(2000+i)))
		t.did("GET", target, 200, 0, 2000+i)
		if i > 0 { // half of what is due
			all := strings.Join(queue, "")
			t.say(server, all[:len(all)/2])
			queue = []string{all[len(all)/2:]}
		}
	}
	t.say(server, strings.Join(queue, ""))
	t.close(client)
}

// A server that cannot say how long its body is closes, whatever was asked for.
func http10NoLength(p *tape) {
	t := p.talk().open()
	t.say(client, "GET /old HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n")
	t.say(server, "HTTP/1.0 200 OK\r\n\r\n"+fill(4000))
	t.close(server)
	t.did("GET", "/old", 200, 0, 4000)
}

func http10Answers(p *tape) {
	t := p.talk().open()
	for i := range 3 {
		target := fmt.Sprintf("/mixed/%d", i)
		t.say(client, request("GET", target))
		t.say(server, fmt.Sprintf("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%s", 10*i, fill(10*i)))
		t.did("GET", target, 200, 0, 10*i)
	}
	t.close(client)
}

func resetAfter(p *tape) {
	for i := range 4 {
		t := p.talk().open()
		t.get("/first", 100)
		t.get("/second", 2000*i)
		t.rst(host(i % 2))
	}
}

// What a server refuses it need not frame: 400, and the connection ends. How much of what followed was a body
// nobody can say.
func smugglingRefused(p *tape) {
	for i, fields := range []string{
		"Content-Length: -5\r\n", "Content-Length: 5 5\r\n", "Content-Length: 0x5\r\n", "Content-Length: 99999999999999999999\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"Transfer-Encoding: xchunked\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
		"Transfer-Encoding:\x0bchunked\r\n", "X: y\rTransfer-Encoding: chunked\r\n", "no colon at all\r\n",
	} {
		t := p.talk().open()
		target := fmt.Sprintf("/refused/%d", i)
		t.say(client, "POST "+target+" HTTP/1.1\r\nHost: shop.example\r\n"+fields+"\r\n5\r\nhello\r\n0\r\n\r\n")
		t.say(server, download(400, fill(20), "Connection: close"))
		t.close(server)
		unsure(t.did("POST", target, 400, 0, 20), "req_body_len")
	}
}

// Two tokens share connections, as behind a gateway; at times their requests travel together.
func tokensByTurns(p *tape) {
	for n := range 4 {
		t := p.talk().open()
		for i := range 6 {
			var asked, told string
			for k := range 1 + i*n%3 {
				target := fmt.Sprintf("/turn/%d/%d", i, k)
				asked += request("GET", target, fmt.Sprintf("Authorization: Bearer tok_test_%d", (i+k)%2))
				told += download(200, fill(100*i+k))
				t.did("GET", target, 200, 0, 100*i+k)
			}
			t.say(client, asked)
			t.say(server, told)
		}
		t.close(client)
	}
}

// "A client MUST be able to parse one or more 1xx responses", also those it does not know: RFC 9110 section 15.2.
func unknownInterim(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/interim"))
	t.say(server, response(104)+response(199, "X: y"))
	t.pause = 20 * time.Second
	t.say(server, response(110)+download(200, fill(30)))
	t.did("GET", "/interim", 200, 0, 30)
	t.get("/after", 10)
	t.close(client)
}

// What goes through a tunnel is the tunnel's, HTTP or not; whether it is also told of is a matter of taste.
func connectThenHTTP(p *tape) {
	t := p.talkTo("192.0.2.20:3128").open()
	t.say(client, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\r\n")
	t.say(server, "HTTP/1.1 200 Connection established\r\n\r\n")
	up, down := request("GET", "/inside"), download(200, fill(800))
	t.say(client, up)
	t.say(server, down)
	t.close(client)
	t.did("CONNECT", "far.example:80", 200, len(up), len(down)).Host = "far.example:80"
	t.did("GET", "/inside", 200, 0, 800).Strict = false
}

// A coding that the server does not know: 501, RFC 9112 section 6.1.
func codingRefused(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/coding", "Transfer-Encoding: gzip, chunked")+chunked(noise(300, 8), 100))
	t.say(server, download(501, fill(20), "Connection: close"))
	t.close(server)
	t.did("POST", "/coding", 501, 300, 20)
}

func answerBare(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/bare"))
	t.say(server, "HTTP/1.1 200 OK\r\n\r\n"+fill(1234))
	t.close(server)
	t.did("GET", "/bare", 200, 0, 1234)
}
