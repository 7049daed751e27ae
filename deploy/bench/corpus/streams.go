// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
)

// prior are the classes of a capture in which the client knew that the server speaks HTTP/2.
func prior(more ...string) []string { return append([]string{"h2c-prior-knowledge"}, more...) }

// http2Scenes are HTTP/2 in clear text, as RFC 9113 and RFC 7541 have it. The frames are written by
// golang.org/x/net/http2, so that writer and reader do not share their errors.
func http2Scenes() []scene {
	return []scene{
		{"h2-prior-knowledge", prior(), h2Plain},
		{"h2-many-streams", prior("h2-multiplexed"), h2Many},
		{"h2-padding", prior(), h2Padding},
		{"h2-continuation", prior(), h2Continuation},
		{"h2-reset", prior("truncated-body"), h2Reset},
		{"h2-refused", prior("no-response"), h2Refused},
		{"h2-goaway", prior("no-response"), h2GoAway},
		{"h2-push", prior("h2-push"), h2Push},
		{"h2-websocket", prior("websocket"), h2WebSocket},
		{"h2-connect", prior("connect"), h2Connect},
		{"h2-trailers", prior("h2-trailers"), h2Trailers},
		{"h2-large-body", prior("large-body"), h2Large},
		{"h2-no-bodies", prior("head", "204-304"), h2NoBodies},
		{"h2-interim-responses", prior("100-continue"), h2Interim},
		{"h2-table-sizes", prior(), h2TableSizes},
		{"h2-server-first", prior(), h2ServerFirst},
		{"h2-behind-a-proxy-line", prior(), h2ProxyLine},
		{"h2-odd-frames", prior(), h2OddFrames},
	}
}

func h2Plain(p *tape) {
	c := speak(p.talk().open())
	c.get2("/one", 100)
	c.get2("/two", 0)
	id := c.ask("POST", "/three", 5000, "content-type: text/plain")
	c.flush(client)
	c.answer(id, 201, 3)
	c.flush(server)
	c.did("POST", "/three", 201, 5000, 3)
	for i := range 20 {
		c.get2(fmt.Sprintf("/again/%d", i), 10*i)
	}
	c.close(client)
}

// Streams end in another order than they began, and their frames are mixed.
func h2Many(p *tape) {
	c := speak(p.talk().open())
	const n = 300
	for i := range n {
		c.ask("GET", fmt.Sprintf("/many/%d", i), 0, "authorization: Bearer tok_test_"+strconv.Itoa(i%3))
		c.did("GET", fmt.Sprintf("/many/%d", i), 200, 0, 30+i)
	}
	c.flush(client)
	for i := n - 1; i >= 0; i-- {
		c.headers(server, uint32(2*i+1), false, ":status: 200", "x-number: "+strconv.Itoa(i))
		c.data(server, uint32(2*i+1), 20, false)
	}
	for i := range n {
		k := (i * 7) % n
		c.data(server, uint32(2*k+1), 10+k, true)
	}
	c.flush(server)
	c.close(client)
}

func h2Padding(p *tape) {
	c := speak(p.talk().open())
	f := c.side[client]
	c.wrote(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, PadLength: 33, Priority: http2.PriorityParam{StreamDep: 0, Weight: 15},
		BlockFragment: f.pack([]string{":method: PUT", ":scheme: http", ":authority: shop.example", ":path: /padded"})}))
	c.wrote(f.WriteDataPadded(1, false, []byte(fill(70)), make([]byte, 255)))
	c.wrote(f.WriteDataPadded(1, true, []byte(fill(30)), nil))
	c.flush(client)
	c.headers(server, 1, false, ":status: 200")
	for n := range 20 {
		c.wrote(c.side[server].WriteDataPadded(1, n == 19, []byte(fill(n)), make([]byte, 10*n)))
	}
	c.flush(server)
	c.did("PUT", "/padded", 200, 100, 190)
	c.last = 1
	c.get2("/after", 10)
	c.close(client)
}

func h2Continuation(p *tape) {
	c := speak(p.talk().open())
	long := []string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: /long"}
	for i := range 60 {
		long = append(long, fmt.Sprintf("x-long-%d: %s", i, noisy(i)))
	}
	c.pieces(client, 1, true, long)
	c.flush(client)
	c.pieces(server, 1, false, []string{":status: 200", "x-long: " + noisy(3)})
	c.data(server, 1, 444, true)
	c.flush(server)
	c.did("GET", "/long", 200, 0, 444)
	c.last = 1
	c.get2("/after", 10)
	c.close(client)
}

// What was delivered counts, what was declared does not.
func h2Reset(p *tape) {
	c := speak(p.talk().open())
	id := c.ask("GET", "/stopped", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200", "content-length: 100000")
	c.data(server, id, 3000, false)
	c.flush(server)
	c.wrote(c.side[client].WriteRSTStream(id, http2.ErrCodeCancel))
	c.flush(client)
	c.data(server, id, 700, false) // was on its way
	c.flush(server)
	c.did("GET", "/stopped", 200, 0, 3700)
	c.get2("/after", 10)
	id = c.ask("GET", "/broken", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 500, false)
	c.wrote(c.side[server].WriteRSTStream(id, http2.ErrCodeInternal))
	c.flush(server)
	c.did("GET", "/broken", 200, 0, 500)
	c.get2("/after/2", 10)
	c.close(client)
}

func h2Refused(p *tape) {
	c := speak(p.talk().open())
	id := c.ask("GET", "/refused", 0)
	c.flush(client)
	c.wrote(c.side[server].WriteRSTStream(id, http2.ErrCodeRefusedStream))
	c.flush(server)
	c.did("GET", "/refused", 0, 0, 0)
	c.get2("/after", 10)
	c.close(client)
}

func h2GoAway(p *tape) {
	c := speak(p.talk().open())
	first := c.ask("GET", "/served", 0)
	c.ask("GET", "/too-late", 0)
	c.flush(client)
	c.wrote(c.side[server].WriteGoAway(first, http2.ErrCodeNo, []byte("bye")))
	c.answer(first, 200, 60)
	c.flush(server)
	c.did("GET", "/served", 200, 0, 60)
	c.did("GET", "/too-late", 0, 0, 0)
	c.close(server)
}

func h2Push(p *tape) {
	c := speak(p.talk().open())
	id := c.ask("GET", "/page", 0)
	c.flush(client)
	f := c.side[server]
	c.wrote(f.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true,
		BlockFragment: f.pack([]string{":method: GET", ":scheme: http", ":authority: shop.example", ":path: /pushed"})}))
	c.answer(id, 200, 90)
	c.answer(2, 200, 4000)
	c.flush(server)
	c.did("GET", "/page", 200, 0, 90)
	c.did("GET", "/pushed", 200, 0, 4000)
	c.get2("/after", 10)
	c.close(client)
}

// RFC 8441: what goes through counts for whoever opened it.
func h2WebSocket(p *tape) {
	c := speak(p.talk().open())
	c.headers(client, 1, false, ":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: shop.example", ":path: /chat")
	c.flush(client)
	c.headers(server, 1, false, ":status: 200")
	c.flush(server)
	for i := range 5 {
		c.data(client, 1, 10, false)
		c.flush(client)
		c.data(server, 1, 100*i+1, false)
		c.flush(server)
	}
	c.data(client, 1, 0, true)
	c.flush(client)
	c.data(server, 1, 0, true)
	c.flush(server)
	c.did("CONNECT", "/chat", 200, 50, 1005)
	c.last = 1
	c.get2("/after", 10)
	c.close(client)
}

func h2Connect(p *tape) {
	c := speak(p.talk().open())
	c.headers(client, 1, false, ":method: CONNECT", ":authority: shop.example")
	c.flush(client)
	c.headers(server, 1, false, ":status: 200")
	c.flush(server)
	c.data(client, 1, 300, true)
	c.flush(client)
	c.data(server, 1, 900, true)
	c.flush(server)
	unsure(c.did("CONNECT", "shop.example", 200, 300, 900), "target")
	c.close(client)
}

func h2Trailers(p *tape) {
	c := speak(p.talk().open())
	c.headers(client, 1, false, ":method: POST", ":scheme: http", ":authority: shop.example", ":path: /trailers", "trailer: x-sum")
	c.data(client, 1, 200, false)
	c.headers(client, 1, true, "x-sum: 1")
	c.flush(client)
	c.headers(server, 1, false, ":status: 200", "trailer: x-sum")
	c.data(server, 1, 300, false)
	c.headers(server, 1, true, "x-sum: 2")
	c.flush(server)
	c.did("POST", "/trailers", 200, 200, 300)
	c.last = 1
	c.get2("/after", 10)
	c.close(client)
}

func h2Large(p *tape) {
	c := speak(p.talk().open())
	c.get2("/large", 700_000)
	id := c.ask("PUT", "/large", 500_000)
	c.flush(client)
	c.answer(id, 204, 0)
	c.flush(server)
	c.did("PUT", "/large", 204, 500_000, 0)
	c.close(client)
}

func h2NoBodies(p *tape) {
	c := speak(p.talk().open())
	for _, x := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}, {"OPTIONS", 200}, {"DELETE", 404}} {
		id := c.ask(x.method, "/none", 0)
		c.flush(client)
		c.answer(id, x.status, 0, "content-length: 5000")
		c.flush(server)
		c.did(x.method, "/none", x.status, 0, 0)
	}
	c.get2("/after", 10)
	c.close(client)
}

func h2Interim(p *tape) {
	c := speak(p.talk().open())
	c.headers(client, 1, false, ":method: POST", ":scheme: http", ":authority: shop.example", ":path: /slowly", "expect: 100-continue")
	c.flush(client)
	c.headers(server, 1, false, ":status: 100")
	c.headers(server, 1, false, ":status: 103", "link: </a.css>")
	c.flush(server)
	c.data(client, 1, 900, true)
	c.flush(client)
	c.answer(1, 200, 12)
	c.flush(server)
	c.did("POST", "/slowly", 200, 900, 12)
	c.close(client)
}

// The table shrinks, is emptied, and grows again beyond what it was.
func h2TableSizes(p *tape) {
	c := speak(p.talk().open())
	c.wrote(c.side[server].WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 16384}))
	c.flush(server)
	f := c.side[client]
	f.hpack.SetMaxDynamicTableSizeLimit(16384)
	for i, size := range []uint32{4096, 100, 0, 4096, 16384, 300, 16384} {
		f.hpack.SetMaxDynamicTableSize(size)
		for n := range 12 {
			target := fmt.Sprintf("/size/%d/%d", i, n%4)
			id := c.ask("GET", target, 0, "x-a: "+noisy(n%5), "x-b: "+noisy(n%3))
			c.flush(client)
			c.answer(id, 200, n, "x-c: "+noisy(n%2))
			c.flush(server)
			c.did("GET", target, 200, 0, n)
		}
	}
	c.close(client)
}

func h2ServerFirst(p *tape) {
	c := speak(p.talk().open())
	c.flush(server)
	c.get2("/one", 100)
	c.get2("/two", 200)
	c.close(client)
}

func h2ProxyLine(p *tape) {
	t := p.talk().open()
	c := speak(t)
	text := c.side[client].buf.String()
	c.side[client].buf.Reset()
	c.side[client].buf.WriteString("PROXY TCP4 198.51.100.7 192.0.2.10 4000 80\r\n" + text)
	c.get2("/one", 100)
	c.get2("/two", 200)
	c.close(client)
}

// Frames that carry no message, of known and unknown kinds, between those that do.
func h2OddFrames(p *tape) {
	c := speak(p.talk().open())
	odd := func(h host) {
		f := c.side[h]
		c.wrote(f.WritePing(false, [8]byte{1, 2}))
		c.wrote(f.WriteWindowUpdate(0, 1000))
		c.wrote(f.WriteRawFrame(0xee, 0xff, 0, []byte(fill(100))))
		c.wrote(f.WriteRawFrame(0x10, 0, 0, append(binary.BigEndian.AppendUint32(nil, 1), "u=1"...)))
		c.wrote(f.WriteSettingsAck())
	}
	for i := range 4 {
		odd(client)
		id := c.ask("GET", fmt.Sprintf("/odd/%d", i), 0)
		c.wrote(c.side[client].WritePriority(id, http2.PriorityParam{Weight: 3}))
		odd(client)
		c.flush(client)
		odd(server)
		c.headers(server, id, false, ":status: 200")
		odd(server)
		c.data(server, id, 50, false)
		odd(server)
		c.data(server, id, 0, true)
		c.flush(server)
		c.did("GET", fmt.Sprintf("/odd/%d", i), 200, 0, 50)
	}
	c.close(client)
}
