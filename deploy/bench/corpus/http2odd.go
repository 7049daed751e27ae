// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2OddScenes are what is allowed in HTTP/2 and seldom seen, and what attackers do.
func http2OddScenes() []scene {
	return []scene{
		{"h2-rapid-reset", prior("no-response", "malformed-evasive"), h2RapidReset},
		{"h2-streams-skipped", prior(), h2Skipped},
		{"h2-host-field", prior("hosts"), h2HostField},
		{"h2-cookie-crumbs", prior(), h2Crumbs},
		{"h2-never-indexed", prior(), h2NeverIndexed},
		{"h2-no-table", prior(), h2NoTable},
		{"h2-large-frames", prior("large-body"), h2LargeFrames},
		{"h2-push-refused", prior("h2-push", "truncated-body"), h2PushRefused},
		{"h2-early-response", prior("early-response"), h2EarlyResponse},
		{"h2-half-open-streams", prior("no-response", "truncated-body"), h2HalfOpen},
		{"h2-settings-in-the-middle", prior(), h2Settings},
		{"h2-length-that-lies", prior("malformed-evasive"), h2Lies},
		{"h2-empty-frames", prior("malformed-evasive"), h2Empty},
		{"h2-continuation-between-streams", prior("large-head"), h2BigHeads},
		{"h2-behind-a-binary-proxy-header", prior("non-http-on-http-port"), h2Proxied2},
		{"h2-reset-by-tcp", prior("truncated-body"), h2TCPReset},
	}
}

// CVE-2023-44487: streams that are opened and given up at once.
func h2RapidReset(p *tape) {
	c := speak(p.talk().open())
	for i := range 200 {
		target := fmt.Sprintf("/rapid/%d", i)
		id := c.ask("GET", target, 0)
		c.wrote(c.side[client].WriteRSTStream(id, http2.ErrCodeCancel))
		c.did("GET", target, 0, 0, 0)
	}
	c.flush(client)
	c.get2("/after", 40)
	c.close(client)
}

func h2Skipped(p *tape) {
	c := speak(p.talk().open())
	for i, id := range []uint32{5, 6_001, 6_003, 1<<31 - 3, 1<<31 - 1} {
		c.last = id - 2
		c.get2(fmt.Sprintf("/skipped/%d", i), 30*i)
	}
	c.close(client)
}

// RFC 9113 section 8.3.1: what makes HTTP/2 of HTTP/1 may leave :authority out and keep Host.
func h2HostField(p *tape) {
	c := speak(p.talk().open())
	for i := range 3 {
		c.next2()
		target := fmt.Sprintf("/host/%d", i)
		c.headers(client, c.last, true, ":method: GET", ":scheme: http", ":path: "+target, "host: shop.example")
		c.flush(client)
		c.answer(c.last, 200, 10*i)
		c.flush(server)
		c.did("GET", target, 200, 0, 10*i)
	}
	c.close(client)
}

func h2Crumbs(p *tape) {
	c := speak(p.talk().open())
	for i := range 6 {
		var fields []string
		for n := range 10 {
			fields = append(fields, fmt.Sprintf("cookie: c%d=%d", n, n*i%3))
		}
		target := fmt.Sprintf("/crumbs/%d", i)
		id := c.ask("GET", target, 0, fields...)
		c.flush(client)
		c.answer(id, 200, 5, "set-cookie: a=1", "set-cookie: b=2")
		c.flush(server)
		c.did("GET", target, 200, 0, 5)
	}
	c.close(client)
}

// RFC 7541 section 6.2.3, and fields without indexing.
func h2NeverIndexed(p *tape) {
	c := speak(p.talk().open())
	for i := range 5 {
		c.next2()
		f := c.side[client]
		target := fmt.Sprintf("/never/%d", i)
		block := append([]byte(nil), f.pack([]string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: " + target})...)
		f.block.Reset()
		c.wrote(f.hpack.WriteField(hpack.HeaderField{Name: "authorization", Value: "Bearer tok_test_never_" + strconv.Itoa(i%2), Sensitive: true}))
		block = append(block, f.block.Bytes()...)
		c.wrote(f.WriteHeaders(http2.HeadersFrameParam{StreamID: c.last, BlockFragment: block, EndHeaders: true, EndStream: true}))
		c.flush(client)
		c.answer(c.last, 200, 7*i)
		c.flush(server)
		c.did("GET", target, 200, 0, 7*i)
	}
	c.close(client)
}

// Both sides allow no table at all: the first block of each says so.
func h2NoTable(p *tape) {
	c := speak(p.talk().open())
	for h := range c.side {
		c.wrote(c.side[h].WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}))
		c.side[h].hpack.SetMaxDynamicTableSizeLimit(0)
	}
	for i := range 6 {
		c.get2(fmt.Sprintf("/no/table/%d", i%2), 11*i)
	}
	c.close(client)
}

func h2LargeFrames(p *tape) {
	c := speak(p.talk().open())
	c.wrote(c.side[client].WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}))
	id := c.ask("GET", "/large", 0)
	c.flush(client)
	c.wrote(c.side[server].WriteSettingsAck())
	c.headers(server, id, false, ":status: 200")
	for i := range 3 {
		c.wrote(c.side[server].WriteData(id, i == 2, []byte(fill(300_000+i))))
	}
	c.flush(server)
	c.did("GET", "/large", 200, 0, 900_003)
	c.get2("/after", 10)
	c.close(client)
}

func h2PushRefused(p *tape) {
	c := speak(p.talk().open())
	id := c.ask("GET", "/page", 0)
	c.flush(client)
	f := c.side[server]
	for i, target := range []string{"/pushed/a", "/pushed/b"} {
		c.wrote(f.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: uint32(2 + 2*i), EndHeaders: true,
			BlockFragment: f.pack([]string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: " + target})}))
	}
	c.headers(server, 2, false, ":status: 200")
	c.data(server, 2, 2500, false)
	c.flush(server)
	c.wrote(c.side[client].WriteRSTStream(2, http2.ErrCodeCancel))
	c.wrote(c.side[client].WriteRSTStream(4, http2.ErrCodeRefusedStream))
	c.flush(client)
	c.answer(id, 200, 60)
	c.flush(server)
	c.did("GET", "/page", 200, 0, 60)
	c.did("GET", "/pushed/a", 200, 0, 2500)
	c.did("GET", "/pushed/b", 0, 0, 0)
	c.get2("/after", 10)
	c.close(client)
}

// The server answers before it has the upload, and wants no more of it: RFC 9113 section 8.1.
func h2EarlyResponse(p *tape) {
	c := speak(p.talk().open())
	c.headers(client, 1, false, ":method: PUT", ":scheme: http", ":authority: shop.example", ":path: /too-large")
	c.data(client, 1, 5000, false)
	c.flush(client)
	c.answer(1, 413, 33)
	c.wrote(c.side[server].WriteRSTStream(1, http2.ErrCodeNo))
	c.flush(server)
	c.did("PUT", "/too-large", 413, 5000, 33)
	c.last = 1
	c.get2("/after", 10)
	c.close(client)
}

// The connection ends while streams are open.
func h2HalfOpen(p *tape) {
	c := speak(p.talk().open())
	a, b := c.ask("GET", "/open/a", 0), c.ask("GET", "/open/b", 0)
	c.headers(client, 5, false, ":method: POST", ":scheme: http", ":authority: shop.example", ":path: /open/c")
	c.data(client, 5, 700, false)
	c.flush(client)
	c.headers(server, a, false, ":status: 200")
	c.data(server, a, 900, false)
	c.headers(server, b, false, ":status: 200")
	c.flush(server)
	c.did("GET", "/open/a", 200, 0, 900)
	c.did("GET", "/open/b", 200, 0, 0)
	c.did("POST", "/open/c", 0, 700, 0)
	c.close(server)
}

func h2Settings(p *tape) {
	c := speak(p.talk().open())
	for i := range 5 {
		c.get2(fmt.Sprintf("/settings/%d", i), 70)
		size := uint32(1000 * (5 - i))
		c.wrote(c.side[server].WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}, http2.Setting{ID: 0xff, Val: 1}))
		c.flush(server)
		c.wrote(c.side[client].WriteSettingsAck())
		c.side[client].hpack.SetMaxDynamicTableSizeLimit(size)
	}
	c.close(client)
}

// Frames say where a body ends, Content-Length does not.
func h2Lies(p *tape) {
	c := speak(p.talk().open())
	for i, length := range []string{"5", "99999999999", "-1", "x", "10, 10"} {
		target := fmt.Sprintf("/lies/%d", i)
		id := c.ask("POST", target, 40, "content-length: "+length)
		c.flush(client)
		c.answer(id, 200, 50, "content-length: "+length)
		c.flush(server)
		c.did("POST", target, 200, 40, 50)
	}
	c.close(client)
}

// A flood of frames that say nothing.
func h2Empty(p *tape) {
	c := speak(p.talk().open())
	id := c.ask("GET", "/empty", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	for range 3000 {
		c.wrote(c.side[server].WriteData(id, false, nil))
	}
	c.data(server, id, 10, true)
	c.flush(server)
	c.did("GET", "/empty", 200, 0, 10)
	c.get2("/after", 10)
	c.close(client)
}

// Long heads of streams whose bodies are under way.
func h2BigHeads(p *tape) {
	c := speak(p.talk().open())
	first := c.ask("GET", "/heads", 0)
	c.flush(client)
	c.headers(server, first, false, ":status: 200")
	for i := range 8 {
		c.next2()
		target := fmt.Sprintf("/heads/%d", i)
		fields := []string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: " + target}
		for n := range 20 {
			fields = append(fields, fmt.Sprintf("x-%d-%d: %s", i, n, noisy(n)))
		}
		c.pieces(client, c.last, true, fields)
		c.flush(client)
		c.data(server, first, 300, false)
		c.pieces(server, c.last, false, append([]string{":status: 200"}, fields[4:]...))
		c.data(server, c.last, 100*i, true)
		c.flush(server)
		c.did("GET", target, 200, 0, 100*i)
	}
	c.data(server, first, 1, true)
	c.flush(server)
	c.did("GET", "/heads", 200, 0, 2401)
	c.close(client)
}

func h2Proxied2(p *tape) {
	c := speak(p.talk().open())
	text := c.side[client].buf.String()
	c.side[client].buf.Reset()
	c.side[client].buf.WriteString("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x0a\xc7\x38\x00\x50" + text)
	c.get2("/one", 100)
	c.get2("/two", 200)
	c.close(client)
}

func h2TCPReset(p *tape) {
	c := speak(p.talk().open())
	c.get2("/before", 100)
	id := c.ask("GET", "/cut", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 20_000, true)
	text := c.side[server].buf.String()
	c.side[server].buf.Reset()
	head := 9 + int(text[2]) // of the response
	c.say(server, text[:head+9+12_000])
	c.rst(client)
	c.did("GET", "/cut", 200, 0, 12_000)
}
