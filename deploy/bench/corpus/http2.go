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

func (c *h2) upgrade(target string) {
	c.say(client, request("GET", target, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAQAoAAA"))
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
