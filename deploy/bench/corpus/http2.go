// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/deploy/bench/score"
)

// http2Scenes are HTTP/2 in clear text, as RFC 9113 and RFC 7541 have it. The frames are written by
// golang.org/x/net/http2, so that writer and reader do not share their errors.
func http2Scenes() []scene {
	h2 := func(more ...string) []string { return append([]string{"h2c-prior-knowledge"}, more...) }
	return []scene{
		{"h2-prior-knowledge", h2(), h2Plain},
		{"h2-many-streams", h2("h2-multiplexed"), h2Many},
		{"h2-padding", h2(), h2Padding},
		{"h2-continuation", h2(), h2Continuation},
		{"h2-reset", h2("truncated-body"), h2Reset},
		{"h2-refused", h2("no-response"), h2Refused},
		{"h2-goaway", h2("no-response"), h2GoAway},
		{"h2-push", h2("h2-push"), h2Push},
		{"h2-websocket", h2("websocket"), h2WebSocket},
		{"h2-connect", h2("connect"), h2Connect},
		{"h2-trailers", h2("h2-trailers"), h2Trailers},
		{"h2-large-body", h2("large-body"), h2Large},
		{"h2-no-bodies", h2("head", "204-304"), h2NoBodies},
		{"h2-interim-responses", h2("100-continue"), h2Interim},
		{"h2-table-sizes", h2(), h2TableSizes},
		{"h2-server-first", h2(), h2ServerFirst},
		{"h2-behind-a-proxy-line", h2(), h2ProxyLine},
		{"h2-odd-frames", h2(), h2OddFrames},
		{"h2-small-segments", h2(), h2Segments(7)},
		{"h2-frames-share-segments", h2(), h2Segments(9000)},
		{"h2-out-of-order", h2("out-of-order"), h2OutOfOrder},
		{"h2-retransmit", h2("retransmit"), h2Again},
		{"h2-doubled", h2("retransmit"), h2Doubled},
		{"h2c-upgrade", []string{"h2c-upgrade"}, h2Upgrade},
		{"h2c-upgrade-refused", []string{"h2c-upgrade"}, h2UpgradeRefused},
		{"grpc-unary", h2("grpc", "h2-trailers"), grpcUnary},
		{"grpc-streams", h2("grpc", "h2-trailers"), grpcStreams},
		{"grpc-fails-at-once", h2("grpc"), grpcFails},
		{"h2-joined", h2("h2-midstream", "missing-syn"), h2Joined},
		{"h2-joined-in-a-body", h2("h2-midstream", "missing-syn"), h2JoinedInBody},
		{"h2-loss-in-body", h2("tcp-gap"), h2LossInBody},
		{"h2-loss-of-frames", h2("tcp-gap", "gap-resync"), h2LossOfFrames},
		{"h2-loss-of-request", h2("tcp-gap", "orphan-response"), h2LossOfRequest},
	}
}

// h2 is an HTTP/2 connection. Frames are written for a host and sent by flush.
type h2 struct {
	*talk
	side [2]*frames
	last uint32 // stream
}

type frames struct {
	*http2.Framer
	buf, block bytes.Buffer
	hpack      *hpack.Encoder
}

// speak begins HTTP/2 on a connection; the preface and settings are written, not sent.
func speak(t *talk) *h2 {
	c := &h2{talk: t}
	for h := range c.side {
		f := &frames{}
		f.Framer = http2.NewFramer(&f.buf, nil)
		f.AllowIllegalWrites = true
		f.hpack = hpack.NewEncoder(&f.block)
		c.side[h] = f
	}
	c.side[client].buf.WriteString(http2.ClientPreface)
	c.wrote(c.side[client].WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 24}))
	c.wrote(c.side[server].WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000}))
	return c
}

func (c *h2) wrote(err error) {
	if err != nil {
		panic("BUG: corpus: a frame: " + err.Error())
	}
}

// flush sends what was written.
func (c *h2) flush(from host) {
	text := c.side[from].buf.String()
	c.side[from].buf.Reset()
	c.say(from, text)
}

// unseen is flush of what the capture loses.
func (c *h2) unseen(from host) {
	text := c.side[from].buf.String()
	c.side[from].buf.Reset()
	c.lose(from, text)
}

// pack compresses fields, "name: value" each; a name may begin with a colon.
func (f *frames) pack(fields []string) []byte {
	f.block.Reset()
	for _, s := range fields {
		i := strings.Index(s[1:], ": ") + 1
		f.hpack.WriteField(hpack.HeaderField{Name: s[:i], Value: s[i+2:]})
	}
	return f.block.Bytes()
}

// headers writes a block in one frame.
func (c *h2) headers(from host, stream uint32, end bool, fields ...string) {
	f := c.side[from]
	c.wrote(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.pack(fields), EndHeaders: true, EndStream: end}))
}

// ask writes a request on the next stream; without a body it is over.
func (c *h2) ask(method, target string, body int, fields ...string) uint32 {
	c.next2()
	all := append([]string{":method: " + method, ":scheme: http", ":authority: shop.example", ":path: " + target, "user-agent: corpus/2"}, fields...)
	c.headers(client, c.last, body == 0, all...)
	if body > 0 {
		c.data(client, c.last, body, true)
	}
	return c.last
}

// next2 counts streams on: those of a client are odd.
func (c *h2) next2() {
	if c.last += 2; c.last == 2 {
		c.last = 1
	}
}

// data writes n bytes of a body in frames of 16 KiB.
func (c *h2) data(from host, stream uint32, n int, end bool) {
	for text := fill(n); ; {
		k := min(len(text), 16384)
		c.wrote(c.side[from].WriteData(stream, end && k == len(text), []byte(text[:k])))
		if text = text[k:]; text == "" {
			return
		}
	}
}

// answer writes a response with a body of n bytes.
func (c *h2) answer(stream uint32, status, n int, fields ...string) {
	c.headers(server, stream, n == 0, append([]string{":status: " + strconv.Itoa(status), "server: corpus/2"}, fields...)...)
	if n > 0 {
		c.data(server, stream, n, true)
	}
}

// get2 is a plain exchange.
func (c *h2) get2(target string, n int) *score.Truth {
	id := c.ask("GET", target, 0)
	c.flush(client)
	c.answer(id, 200, n, "content-type: text/plain")
	c.flush(server)
	return c.did("GET", target, 200, 0, n)
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

func noisy(i int) string { return strings.Repeat(fmt.Sprintf("%x-", (i+1)*2654435761), 9) }

// pieces writes a block in frames of 97 bytes.
func (c *h2) pieces(from host, stream uint32, end bool, fields []string) {
	f := c.side[from]
	b := f.pack(fields)
	n := min(97, len(b))
	c.wrote(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b[:n], EndHeaders: n == len(b), EndStream: end}))
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(97, len(b))
		c.wrote(f.WriteContinuation(stream, n == len(b), b[:n]))
	}
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

func h2Segments(mss int) func(*tape) {
	return func(p *tape) {
		t := p.talk()
		t.mss, t.quiet = mss, true
		c := speak(t.open())
		for i := range 6 {
			c.ask("POST", fmt.Sprintf("/cut/%d", i), 50*i+1)
			c.did("POST", fmt.Sprintf("/cut/%d", i), 200, 50*i+1, 100*i)
		}
		c.flush(client)
		for i := range 6 {
			c.answer(uint32(2*i+1), 200, 100*i)
		}
		c.flush(server)
		c.close(client)
	}
}

func h2OutOfOrder(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 60, true
	c := speak(t.open())
	c.get2("/first", 10)
	from := len(t.frames)
	c.ask("GET", "/a/rather/long/target/for/a/request/that/is/cut", 0, "x-a: "+noisy(1))
	c.flush(client)
	n := len(t.frames) - from
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	t.reorder(from, order...)
	c.answer(3, 200, 40)
	c.flush(server)
	c.did("GET", "/a/rather/long/target/for/a/request/that/is/cut", 200, 0, 40)
	c.get2("/after", 5)
	c.close(client)
}

func h2Again(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		id := c.ask("GET", fmt.Sprintf("/again/%d", i), 0)
		r := c.side[client].buf.String()
		c.flush(client)
		c.again(client, 0, r)
		c.answer(id, 200, 2000)
		d := c.side[server].buf.String()
		c.flush(server)
		c.again(server, 0, d[1400:])
		c.did("GET", fmt.Sprintf("/again/%d", i), 200, 0, 2000)
	}
	c.close(client)
}

func h2Doubled(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		c.get2(fmt.Sprintf("/twice/%d", i), 1000*i)
	}
	c.close(client)
	var all []frame
	for _, f := range p.frames {
		all = append(all, f, f)
	}
	p.frames = all
}

func (c *h2) upgrade(target string) {
	c.say(client, request("GET", target, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAQAoAAA"))
}

func h2Upgrade(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/upgraded")
	c.say(server, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
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

// message is a gRPC message of n bytes with its prefix.
func message(n int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(n)), fill(n)...)
}

func (c *h2) call(method string, messages ...int) (stream uint32, size int) {
	c.next2()
	c.headers(client, c.last, false, ":method: POST", ":scheme: http", ":authority: shop.example", ":path: /shop.Customers/"+method,
		"te: trailers", "content-type: application/grpc", "authorization: Bearer tok_test_grpc")
	for i, n := range messages {
		b := message(n)
		size += len(b)
		c.wrote(c.side[client].WriteData(c.last, i == len(messages)-1, b))
	}
	return c.last, size
}

func (c *h2) reply(stream uint32, status int, messages ...int) (size int) {
	c.headers(server, stream, false, ":status: 200", "content-type: application/grpc")
	for _, n := range messages {
		b := message(n)
		size += len(b)
		c.wrote(c.side[server].WriteData(stream, false, b))
	}
	c.headers(server, stream, true, "grpc-status: "+strconv.Itoa(status), "grpc-message: ")
	return size
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

// The capture begins when both tables are full: of a request only what is not in them is known, until it is
// sent anew.
func h2Joined(p *tape) {
	t := p.talk()
	c := speak(t)
	c.get2("/before", 10)
	c.get2("/before", 20)
	t.frames, t.truth = nil, nil
	unsure(c.get2("/before", 30), "host", "target")
	for i := range 6 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 100*i), "host")
	}
}

// Of a body that was under way the rest counts.
func h2JoinedInBody(p *tape) {
	t := p.talk()
	c := speak(t)
	id := c.ask("GET", "/before", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 5000, false)
	c.flush(server)
	t.frames, t.truth = nil, nil
	c.data(server, id, 2000, false)
	c.data(server, id, 3000, true)
	c.flush(server)
	x := t.did("", "", 0, 0, 5000)
	x.Host, x.Strict, x.Check = "", false, []string{"resp_body_len"}
	for i := range 6 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 100*i), "host")
	}
}

func h2LossInBody(p *tape) {
	t := p.talk().open()
	c := speak(t)
	id := c.ask("GET", "/gap", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 16000, true)
	text := c.side[server].buf.String()
	c.side[server].buf.Reset()
	c.say(server, text[:5000])
	c.lose(server, text[5000:12000])
	c.say(server, text[12000:])
	c.did("GET", "/gap", 200, 0, 16000)
	c.get2("/after", 10)
	c.close(client)
}

// What was in the frames that were lost nobody can say; those after them are found.
func h2LossOfFrames(p *tape) {
	c := speak(p.talk().open())
	c.get2("/before", 100)
	id := c.ask("GET", "/gap", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200", "x-a: b")
	c.data(server, id, 200, false)
	c.flush(server)
	c.data(server, id, 300, false)
	c.data(server, id, 400, false)
	c.unseen(server)
	for range 4 {
		c.data(server, id, 500, false)
		c.flush(server)
	}
	c.data(server, id, 500, true)
	c.flush(server)
	unsure(c.did("GET", "/gap", 200, 0, 3400), "resp_body_len")
	for i := range 5 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 1000), "status")
	}
	c.close(client)
}

func h2LossOfRequest(p *tape) {
	c := speak(p.talk().open())
	c.get2("/before", 100)
	id := c.ask("GET", "/not/seen", 0)
	c.unseen(client)
	c.answer(id, 200, 700)
	c.flush(server)
	c.orphan(200, 700)
	for i := range 5 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 10*i), "host")
	}
	c.close(client)
}
