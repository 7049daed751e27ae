// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/stream"
)

// A connection is read as HTTP/1 until it shows that it is HTTP/2: the client by its preface, a server that
// speaks first by the SETTINGS frame that must come first (RFC 9113 section 3.4), one joined in its middle by
// a segment that begins with a frame.

// scentBytes is how deep in a side a preface is looked for: what may stand before it, such as the line of a
// load balancer, is short.
const scentBytes = 512

// sniff looks whether a chunk shows that its connection is HTTP/2. If so it gives the mux that has read it. It
// keeps a chunk for itself (held) while that may be the begin of a first SETTINGS frame.
func (k *conn) sniff(c *stream.Chunk) (m *mux, held bool) {
	h := &k.half[c.Side]
	if k.client != stream.Unknown || k.nest != nil {
		return nil, false
	}
	if c.Gap > 0 {
		h.matched = 0
		return nil, false
	}
	switch n, is := h.settings(c.Data); {
	case is && c.Conn.Client != c.Side:
		m = k.turn(c.Side.Other(), c.Side, http2.AtFrame, h.begin)
		m.way[c.Side].feed(h.first[:h.held], 0, h.heldMark, h.seq(h.begin), false)
		h.end, h.held = h.begin, 0 // they count there
		m.feed(c)
		return m, false
	case n > 0:
		h.held += copy(h.first[h.held:], c.Data)
		return nil, true
	}
	if h.shown < scentBytes && c.Conn.Client != c.Side.Other() {
		if i := h.preface(c.Data); i >= 0 {
			rest := *c
			rest.Data, rest.Offset, rest.Seq = c.Data[i:], c.Offset+int64(i), c.Seq+uint32(i)
			h.end += int64(i)
			h.parser.Data(c.Data[:i], http1.Mark{Time: c.Time, Offset: c.Offset})
			m = k.turn(c.Side, c.Side, http2.AfterPreface, rest.Offset)
			if len(rest.Data) > 0 {
				m.feed(&rest)
			}
			return m, false
		}
	}
	if (k.c.Mid || h.parser.Rejected() || h.parser.Seeking()) && !k.back && k.s.joining < maxJoining && http2.Likely(c.Data) {
		m = k.turn(stream.Unknown, c.Side, http2.Joined, c.Offset)
		m.joining = true
		k.s.joining++
		m.feed(c)
		return m, false
	}
	return nil, false
}

// speaks1 says whether a segment begins as one of HTTP/1 does: with a status line or a request line.
func speaks1(b []byte) bool {
	if bytes.HasPrefix(b, []byte("HTTP/1.")) {
		return true
	}
	method, _, found := bytes.Cut(b[:min(len(b), 8)], []byte(" "))
	switch string(method) {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS":
		return found
	}
	return false
}

// goBack reads a connection that was taken for HTTP/2 by a segment as HTTP/1 again: of frames none followed.
func (s *Session) goBack(m *mux) {
	c := m.c
	s.dropMux(m)
	c.State = nil
	k := s.open(c)
	s.n.Connections--
	k.back, k.untrusted = true, true
	for i := stream.A; i <= stream.B; i++ {
		k.half[i].parser.Reset(&k.half[i], http1.Either, true, s.limits())
	}
}

// settings follows the header of a first SETTINGS frame: n > 0 says that b goes on with it without reaching
// its end.
func (h *half) settings(b []byte) (n int, is bool) {
	at := int(h.end - h.begin)
	if at != h.held || h.k.c.Mid && at == 0 {
		return 0, false
	}
	for i, c := range b {
		switch at + i {
		case 2:
			if c%6 != 0 || c > 120 {
				return 0, false
			}
		case 3:
			if c != 4 {
				return 0, false
			}
		case 8:
			return 0, c == 0
		default:
			if c != 0 {
				return 0, false
			}
		}
	}
	return len(b), false
}

// led says whether a side begins with what a load balancer puts before a connection (the PROXY protocol, in text or
// binary), as far as b shows.
func (h *half) led(b []byte) bool {
	if h.shown < int64(len(h.first)) {
		copy(h.first[h.shown:], b)
	}
	n := min(int64(len(h.first)), h.shown+int64(len(b)))
	return begins(h.first[:n], "PROXY ") || begins(h.first[:n], "\r\n\r\n\x00\r\nQU")
}

// preface follows the connection preface and gives the position after it, -1 if b does not reach that. It is the first
// thing a side says, or what a load balancer puts before it is: elsewhere, as in a field or a body, it means nothing.
func (h *half) preface(b []byte) int {
	if !h.led(b) && (h.shown != int64(h.matched) || !bytes.HasPrefix(b, []byte(http2.Preface[h.matched:])[:min(len(b), len(http2.Preface)-h.matched)])) {
		h.matched = 0
		return -1
	}
	for i := 0; i < len(b); i++ {
		if h.matched == 0 {
			j := bytes.IndexByte(b[i:], http2.Preface[0])
			if j < 0 {
				return -1
			}
			i += j
		}
		const again = len("PRI * HTTP") // its last byte may be another first one
		switch c := b[i]; {
		case c == http2.Preface[h.matched]:
			h.matched++
		case h.matched == again && c == http2.Preface[1]:
			h.matched = 2
		case c == http2.Preface[0]:
			h.matched = 1
		default:
			h.matched = 0
		}
		if h.matched == len(http2.Preface) {
			h.matched = 0
			return i + 1
		}
	}
	return -1
}

// turn makes a mux of a connection, one side of which begins so at an offset. What the other side has sent
// already is not read again; but for the begin of what both begin with.
func (k *conn) turn(client, side stream.Side, how http2.Begin, offset int64) *mux {
	m := k.s.newMux(k.c, client)
	h, o := &k.half[side], &k.half[side.Other()]
	m.way[side].start(how, offset, h.seq(offset))
	if how == http2.Joined {
		m.client = k.c.Client
	}
	if !o.based {
		return m
	}
	w := &m.way[side.Other()]
	switch {
	case how != http2.Joined && client == side && o.held > 0:
		w.start(http2.AtFrame, o.begin, o.seq(o.begin))
		w.feed(o.first[:o.held], 0, o.heldMark, o.seq(o.begin), false)
		o.end, o.held = o.begin, 0
	case how != http2.Joined && client != side && o.matched > 0:
		n := int64(o.matched)
		w.start(http2.AtPreface, o.end-n, o.seq(o.end-n))
		o.end -= n
		w.feed([]byte(http2.Preface[:n]), 0, http2.Mark{Time: k.s.now}, o.seq(o.end), false)
	default:
		w.start(http2.Joined, o.end, o.seq(o.end))
	}
	return m
}

// upgrade goes on with HTTP/2 in the tunnel that a 101 opened: the request is the first stream's (RFC 7540
// section 3.2).
func (k *conn) upgrade(t *call, m *http1.Message) {
	n := k.s.newMux(k.c, k.client)
	n.outer, k.nest = k, n
	t.on, t.stream, t.requestOver, t.described = n, 1, true, true
	t.x.Version = "2"
	t.x.Anomalies.Add(exchange.Upgraded)
	n.calls[1], n.opened = t, 1
	k.reply, k.interim = nil, nil
	if k.upload == t {
		k.upload = nil
	}
	client := &k.half[k.client]
	server := &n.way[k.client.Other()]
	server.start(http2.AtFrame, m.HeadEnd, k.half[k.client.Other()].seq(m.HeadEnd))
	if t.table > 0 {
		server.parser.AllowTable(t.table)
	}
	server.parser.Opened(1)
	client.parser.Tunnel()
}

// tunnel hands what a parser read of a tunnel on to the HTTP/2 connection in it.
func (h *half) tunnel(p *http1.Parser, b []byte, gap int64) {
	start := p.Offset() - int64(len(b)) - gap
	m := http2.Mark{Time: h.mark.Time, Offset: start, Ack: h.mark.Ack, HasAck: h.mark.HasAck}
	h.k.nest.way[h.side].feed(b, gap, m, h.seq(start), h.odd)
}

// tableOf gives the SETTINGS_HEADER_TABLE_SIZE of an HTTP2-Settings field (RFC 7540 section 3.2.1), 0 if there
// is none.
func tableOf(v []byte) (size uint32) {
	var buf [120]byte
	if len(v) > base64.RawURLEncoding.EncodedLen(len(buf)) {
		return 0
	}
	n, err := base64.RawURLEncoding.Decode(buf[:], v)
	if err != nil {
		return 0
	}
	for b := buf[:n]; len(b) >= 6; b = b[6:] {
		if binary.BigEndian.Uint16(b) == http2.SettingHeaderTableSize {
			size = binary.BigEndian.Uint32(b[2:])
		}
	}
	return size
}

// offers says whether a list of protocols has h2c in it.
func offers(v []byte) bool {
	for len(v) > 0 {
		item := v
		if i := bytes.IndexByte(v, ','); i >= 0 {
			item, v = v[:i], v[i+1:]
		} else {
			v = nil
		}
		if is(bytes.Trim(item, " \t"), "h2c") {
			return true
		}
	}
	return false
}
