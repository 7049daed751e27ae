// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

const ms = int64(1e6)

var (
	client = netip.MustParseAddrPort("10.0.0.9:40000")
	server = netip.MustParseAddrPort("10.0.0.1:80")
)

// recorder is a sink that keeps everything and checks the promises of package stream.
type recorder struct {
	t       testing.TB
	conns   map[uint64]*record
	order   []*record
	verdict func(*stream.Chunk) stream.Verdict
	slim    bool // keep no bytes and no lines
}

// record is what came of one connection.
type record struct {
	id       uint64
	conn     stream.Conn
	next     [3]int64
	finished [3]bool
	lines    []string
	bytes    [3][]byte // gaps as zero bytes, unless they are large
	gaps     [3]int64
	holes    [3][][2]int64
	closed   bool
	end      stream.End
}

func newRecorder(t testing.TB) *recorder { return &recorder{t: t, conns: map[uint64]*record{}} }

func (r *recorder) Chunk(c *stream.Chunk) stream.Verdict {
	rec := r.conns[c.Conn.ID]
	if rec == nil {
		if c.Conn.State != nil {
			r.t.Fatalf("new connection %d has old state", c.Conn.ID)
		}
		rec = &record{id: c.Conn.ID}
		c.Conn.State = rec
		r.conns[c.Conn.ID] = rec
		r.order = append(r.order, rec)
	}
	if c.Conn.State != rec {
		r.t.Fatalf("connection %d lost its state", c.Conn.ID)
	}
	rec.conn = *c.Conn
	rec.conn.State = nil
	switch {
	case rec.closed:
		r.t.Fatalf("chunk after Close")
	case rec.finished[c.Side]:
		r.t.Fatalf("chunk after Finish of side %d", c.Side)
	case c.Offset != rec.next[c.Side]:
		r.t.Fatalf("side %d: offset %d, want %d", c.Side, c.Offset, rec.next[c.Side])
	case (c.Gap > 0) == (len(c.Data) > 0) || c.Gap < 0:
		r.t.Fatalf("chunk with %d bytes and gap %d", len(c.Data), c.Gap)
	}
	name := r.name(rec, c.Side)
	if r.slim {
	} else if c.Gap > 0 {
		rec.gap(c)
		rec.lines = append(rec.lines, fmt.Sprintf("%s %d gap %d", name, c.Offset, c.Gap))
	} else {
		rec.bytes[c.Side] = append(rec.bytes[c.Side], c.Data...)
		line := fmt.Sprintf("%s %d %q", name, c.Offset, c.Data)
		if c.Inconsistent {
			line += " inconsistent"
		}
		rec.lines = append(rec.lines, line)
	}
	rec.next[c.Side] += int64(len(c.Data)) + c.Gap
	if r.verdict != nil {
		return r.verdict(c)
	}
	return stream.Verdict{}
}

// gap notes a gap, joined with the one before.
func (rec *record) gap(c *stream.Chunk) {
	rec.gaps[c.Side] += c.Gap
	if c.Gap < 1<<20 {
		rec.bytes[c.Side] = append(rec.bytes[c.Side], make([]byte, c.Gap)...)
	}
	h := rec.holes[c.Side]
	if n := len(h); n > 0 && h[n-1][1] == c.Offset {
		h[n-1][1] += c.Gap
		return
	}
	rec.holes[c.Side] = append(h, [2]int64{c.Offset, c.Offset + c.Gap})
}

// name gives C or S where the direction is known, else A or B.
func (r *recorder) name(rec *record, s stream.Side) string {
	switch {
	case rec.conn.Client == stream.Unknown:
		return [...]string{"?", "A", "B"}[s]
	case rec.conn.Client == s:
		return "C"
	}
	return "S"
}

var endNames = [...]string{"none", "fin", "rst", "idle", "evicted", "reuse", "capture"}

func (r *recorder) Finish(c *stream.Conn, side stream.Side, _ int64, end stream.End) {
	rec := r.conns[c.ID]
	if rec == nil || rec.closed || rec.finished[side] {
		r.t.Fatalf("Finish of side %d of a connection that had no chunk, is closed or finished", side)
	}
	rec.finished[side] = true
	rec.lines = append(rec.lines, fmt.Sprintf("%s finish %s", r.name(rec, side), endNames[end]))
}

func (r *recorder) Close(c *stream.Conn, _ int64, end stream.End) {
	rec := r.conns[c.ID]
	if rec == nil || rec.closed {
		r.t.Fatalf("Close of a connection that had no chunk or is closed")
	}
	rec.closed, rec.end = true, end
	rec.lines = append(rec.lines, "close "+endNames[end])
}

// allClosed fails unless each connection had its Close.
func (r *recorder) allClosed() {
	r.t.Helper()
	for _, rec := range r.order {
		if !rec.closed {
			r.t.Errorf("connection %d was never closed", rec.id)
		}
	}
}

// conserve fails unless every payload byte is accounted for.
func conserve(t testing.TB, tr *flow.Tracker) {
	t.Helper()
	n := tr.Counters()
	if sum := n.DeliveredBytes + n.UncapturedBytes + n.DuplicateBytes + n.Dropped.Sum() + n.BufferedBytes; sum != n.PayloadBytes {
		t.Fatalf("%d payload bytes seen, %d accounted for: %+v", n.PayloadBytes, sum, n)
	}
}

// talk makes segments of one conversation.
type talk struct {
	isn      [2]uint32
	from, to [2]netip.AddrPort
	now      int64
}

func newTalk(cISN, sISN uint32) *talk {
	return &talk{isn: [2]uint32{cISN, sISN}, from: [2]netip.AddrPort{client, server}, to: [2]netip.AddrPort{server, client}, now: 1e18}
}

// seg makes a segment of side i (0 the client) at an offset of its stream that acknowledges an offset of
// the other's. Offset 0 is the byte after the SYN.
func (k *talk) seg(i int, flags packet.Flags, off, ack int64, data string) *packet.Segment {
	k.now += ms / 10
	s := &packet.Segment{Time: k.now, Src: k.from[i], Dst: k.to[i], Seq: k.isn[i] + 1 + uint32(off), Flags: flags,
		Payload: []byte(data), PayloadLen: len(data)}
	if flags&packet.ACK != 0 {
		s.Ack = k.isn[1-i] + 1 + uint32(ack)
	}
	return s
}

func (k *talk) handshake() []*packet.Segment {
	return []*packet.Segment{
		k.seg(0, packet.SYN, -1, 0, ""),
		k.seg(1, packet.SYN|packet.ACK, -1, 0, ""),
		k.seg(0, packet.ACK, 0, 0, ""),
	}
}

func feed(tr *flow.Tracker, segs ...*packet.Segment) {
	for _, s := range segs {
		tr.Segment(s)
	}
}

func pattern(n int, salt byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i>>8*13)%250 + 1 ^ salt&1
		if b[i] == 0 {
			b[i] = 255
		}
	}
	return b
}

// Around the wrap of the sequence space: every loss, swap and repetition of one-byte segments.
func TestSequenceWrap(t *testing.T) {
	want := pattern(24, 0)
	for lead := -12; lead <= 12; lead++ {
		isn := uint32(lead - 12)
		for at := 0; at < len(want); at++ {
			for _, what := range []string{"lose", "swap", "repeat", "lose late"} {
				wrapCase(t, isn, at, what, want)
			}
		}
	}
}

func wrapCase(t *testing.T, isn uint32, at int, what string, want []byte) {
	t.Helper()
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(isn, isn+5)
	feed(tr, k.handshake()...)
	var segs []*packet.Segment
	for i := range want {
		segs = append(segs, k.seg(0, packet.ACK, int64(i), 0, string(want[i:i+1])))
	}
	lost := false
	switch what {
	case "lose":
		segs = append(segs[:at:at], segs[at+1:]...)
		lost = true
	case "lose late": // the retransmission comes last
		segs = append(append(segs[:at:at], segs[at+1:]...), segs[at])
	case "swap":
		if at+1 < len(segs) {
			segs[at], segs[at+1] = segs[at+1], segs[at]
		}
	case "repeat":
		segs = append(segs[:at+1:at+1], segs[at:]...)
	}
	feed(tr, segs...)
	feed(tr, k.seg(1, packet.ACK, 0, int64(len(want)), ""))
	tr.Flush(k.now)
	conserve(t, tr)
	got := rec.order[0]
	exp := bytes.Clone(want)
	if lost {
		exp[at] = 0
	}
	if lost && at == len(want)-1 { // one acknowledged byte at the very end may be a FIN
		exp = exp[:at]
	}
	if !bytes.Equal(got.bytes[stream.A], exp) {
		t.Fatalf("isn %#x, %s at %d: got %v want %v", isn, what, at, got.bytes[stream.A], exp)
	}
}

// More than 2^32 bytes in one direction, with a loss at each wrap: known by arithmetic alone.
func TestTenGigabytes(t *testing.T) {
	rec := newRecorder(t)
	rec.slim = true
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(0xfffffff0, 7)
	feed(tr, k.handshake()...)
	const step = 60_000
	data := make([]byte, 100)
	var off, lost int64
	for off < 10<<30 {
		s := k.seg(1, packet.ACK, off, 0, string(data))
		s.PayloadLen = step
		if (off+step)>>32 != off>>32 {
			lost += step
		} else {
			tr.Segment(s)
		}
		off += step
		feed(tr, k.seg(0, packet.ACK, 0, off, ""))
	}
	feed(tr, k.seg(1, packet.ACK|packet.FIN, off, 0, ""))
	tr.Flush(k.now)
	conserve(t, tr)
	if got := rec.order[0].next[stream.B]; got != off {
		t.Fatalf("stream of %d bytes, want %d", got, off)
	}
	if n := tr.Counters(); n.LostBytes != uint64(lost) || lost == 0 {
		t.Fatalf("lost %d, want %d", n.LostBytes, lost)
	}
}

// A connection picked up at any segment gives what came from there on.
func TestMidStreamStart(t *testing.T) {
	for _, ports := range [][]uint16{nil, {80}} {
		k := newTalk(0xffffff00, 0xfffffe00)
		segs := k.handshake()
		var c, s int64
		for i := range 10 {
			req, resp := pattern(50+i*13, 0), pattern(300+i*31, 1)
			segs = append(segs, k.seg(0, packet.ACK|packet.PSH, c, s, string(req)))
			c += int64(len(req))
			segs = append(segs, k.seg(1, packet.ACK, s, c, string(resp[:200])), k.seg(1, packet.ACK, s+200, c, string(resp[200:])))
			s += int64(len(resp))
			segs = append(segs, k.seg(0, packet.ACK, c, s, ""))
		}
		segs = append(segs, k.seg(0, packet.ACK|packet.FIN, c, s, ""), k.seg(1, packet.ACK|packet.FIN, s, c+1, ""), k.seg(0, packet.ACK, c+1, s+1, ""))
		for from := range segs {
			rec := newRecorder(t)
			tr := flow.New(flow.Config{Listening: ports}, rec)
			feed(tr, segs[from:]...)
			tr.Flush(k.now)
			conserve(t, tr)
			rec.allClosed()
			checkMid(t, rec, segs[from:], from, ports != nil)
		}
	}
}

func checkMid(t *testing.T, rec *recorder, segs []*packet.Segment, from int, portKnown bool) {
	t.Helper()
	want := map[netip.AddrPort][]byte{}
	for _, s := range segs {
		want[s.Src] = append(want[s.Src], s.Payload...)
	}
	if len(want[client])+len(want[server]) == 0 {
		if len(rec.order) != 0 {
			t.Fatalf("from %d: a connection without bytes was told", from)
		}
		return
	}
	if len(rec.order) != 1 {
		t.Fatalf("from %d: %d connections", from, len(rec.order))
	}
	got := rec.order[0]
	for _, side := range []stream.Side{stream.A, stream.B} {
		addr := got.conn.Addr[side]
		if !bytes.Equal(got.bytes[side], want[addr]) || got.gaps[side] != 0 {
			t.Fatalf("from %d: %v sent %d bytes, got %d with %d lost", from, addr, len(want[addr]), len(got.bytes[side]), got.gaps[side])
		}
	}
	switch cl := got.conn.Client; {
	case from <= 1 || portKnown:
		if cl == stream.Unknown || got.conn.Addr[cl] != client {
			t.Fatalf("from %d: client is side %d", from, cl)
		}
	case cl != stream.Unknown:
		t.Fatalf("from %d: client guessed to be side %d", from, cl)
	}
	if mid := from > 1; got.conn.Mid != mid {
		t.Fatalf("from %d: Mid is %v", from, got.conn.Mid)
	}
}
