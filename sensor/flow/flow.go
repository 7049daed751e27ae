// SPDX-License-Identifier: Apache-2.0

// Package flow turns TCP segments into ordered bytes and numbered gaps, one stream per side.
//
// It assumes that segments come lost, twice, late, cut, forged and from the middle of connections,
// and that the only clock is the one in the packets. It refuses to guess bytes, to hold more than
// its budget, to open devices, and to know what the bytes mean.
package flow

import (
	"hash/maphash"

	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// Tracker follows every TCP connection of one capture worker (RFC 9293) and hands what each side
// sent to a sink. One goroutine uses it at a time; nothing in it is shared with another Tracker.
type Tracker struct {
	cfg       Config
	sink      stream.Sink
	listening [1024]uint64 // bit set of server ports
	n         Counters

	now      int64 // packet time
	nextScan int64 // when holes and idle connections are looked at next
	seed     uint64
	nextID   uint64

	member *member // among the Owners, nil without
	serial uint32
	ticked uint32 // tick the others know of

	table  table
	halves []uint32 // refs of flows that were begun lately, by their ends alone; nil until a frame has a VLAN or tunnel id
	conns  connSlab
	stubs  stubSlab
	fresh  connList // no bytes beyond the handshake yet: given up first
	live   connList
	shut   connList // one side is done, and of the other one nothing is seen
	holed  holeList // connections that wait for something
	half   stubList // handshakes
	closed stubList // what is over, kept for late retransmits
	pool   blockPool

	chunk   stream.Chunk // the one that is shown to the sink
	calling *conn        // whose sink call is running, or was when it panicked
	flying  *block       // buffered bytes the sink is looking at
	doomed  *conn        // dropped from inside its own sink call
}

// New makes a tracker. Zero fields of cfg get their defaults. The sink is called from inside
// Segment, Advance and Flush.
func New(cfg Config, sink stream.Sink) *Tracker {
	cfg.setDefaults()
	t := &Tracker{cfg: cfg, sink: sink, seed: maphash.Bytes(maphash.MakeSeed(), nil) | 1, nextID: cfg.FirstID}
	t.table.init()
	t.pool.limit = cfg.TotalBytes
	t.SetListening(cfg.Listening)
	if cfg.Owners != nil {
		t.member, t.serial = cfg.Owners.join(cfg.Me)
	}
	return t
}

// SetListening replaces the set of server ports. Connections that exist keep what they know.
func (t *Tracker) SetListening(ports []uint16) {
	t.listening = [1024]uint64{}
	for _, p := range ports {
		t.listening[p>>6] |= 1 << (p & 63)
	}
}

// Segment takes one segment. Its Payload is read during the call only.
func (t *Tracker) Segment(s *packet.Segment) {
	t.begin(s.Time)
	t.n.Segments++
	t.n.PayloadBytes += uint64(wireLen(s))
	k, srcLow, ok := t.keyOf(s)
	if !ok {
		t.n.Dropped.SameEnds += uint64(wireLen(s))
		return
	}
	h := k.hash(t.seed)
	switch ref := t.lookup(h, &k); {
	case ref == 0:
		t.unknown(h, &k, srcLow, s)
	case ref&stubBit != 0:
		t.stubSegment(t.stubs.at(ref), srcLow, s)
	default:
		c := t.conns.at(ref)
		t.connSegment(c, c.sideOf(srcLow), s)
	}
	t.reap()
}

// Advance tells the time, Unix nanoseconds, when no packet does: holes that waited long enough
// become gaps, idle connections end.
func (t *Tracker) Advance(now int64) {
	t.begin(now)
	t.scan()
	t.reap()
}

// Flush ends every connection with stream.EndCapture, buffered bytes first, gaps between them, and
// forgets all that was known of handshakes and late retransmits.
func (t *Tracker) Flush(now int64) {
	t.begin(now)
	for _, l := range []*connList{&t.live, &t.fresh, &t.shut} {
		for l.head != nil {
			t.end(l.head, stream.EndCapture)
			t.reap()
		}
	}
	for _, l := range []*stubList{&t.half, &t.closed} {
		for l.head != 0 {
			t.dropStub(t.stubs.at(l.head))
		}
	}
}

// Drop forgets a connection at once: no call for it follows, not even Close, and its segments are
// counted and passed over for the linger time. It is for a sink that panicked over c, and may be called
// from inside a sink call for c or after one was cut short by the panic. A c that is not one of the
// tracker's live connections is ignored.
func (t *Tracker) Drop(c *stream.Conn) {
	found := t.calling
	if found == nil || &found.out != c {
		if found = t.search(c); found == nil {
			return
		}
		t.remove(found, stream.EndNone)
		return
	}
	t.ignore(found)
	t.doomed = found // the frames below may still hold it
}

// Counters gives what happened so far.
func (t *Tracker) Counters() Counters {
	n := t.n
	n.HeldMemory = uint64(t.pool.used)
	n.Live = uint64(t.live.n + t.fresh.n + t.shut.n)
	n.HalfOpen = uint64(t.half.n)
	n.Lingering = uint64(t.closed.n)
	n.Waiting = uint64(t.holed.n)
	return n
}

// begin sets the clock and cleans up after a sink call that never returned.
func (t *Tracker) begin(now int64) {
	if t.calling != nil || t.flying != nil {
		if t.calling != nil && t.calling.flags&ending != 0 && t.doomed == nil {
			t.doomed = t.calling // nothing else would end it again
		}
		t.calling = nil
		t.land()
		t.reap()
	}
	// Interfaces and files interleave a little out of order: time stands still then. A leap far back
	// is another file or a mended clock: follow it, or nothing would ever expire again.
	if now > t.now || now < t.now-clockLeap {
		if now < t.now {
			t.nextScan = now
		}
		t.now = now
	}
	if t.now >= t.nextScan {
		t.scan()
	}
}

// reap removes a connection that its sink dropped while its frames were still on the stack.
func (t *Tracker) reap() {
	if t.doomed != nil {
		c := t.doomed
		t.doomed, t.calling = nil, nil
		t.remove(c, stream.EndNone)
	}
}

// scan looks at everything that time changes.
func (t *Tracker) scan() {
	t.nextScan = t.now + scanEvery
	t.tell()
	for c := t.holed.head; c != nil; {
		next := c.holeNext
		t.settle(c)
		t.reap()
		c = next
	}
	t.expireConns(&t.fresh, t.cfg.Idle, stream.EndIdle)
	t.expireConns(&t.live, t.cfg.Idle, stream.EndIdle)
	t.expireConns(&t.shut, t.cfg.Linger, stream.EndFIN)
	t.expireStubs(&t.half, t.cfg.HalfOpenTimeout)
	t.expireStubs(&t.closed, t.cfg.Linger)
}

// expireConns ends the connections of a list that were idle for too long.
func (t *Tracker) expireConns(l *connList, bound int64, why stream.End) {
	for c := l.head; c != nil; c = l.head {
		switch {
		case c.last > t.now+clockLeap: // its time was nonsense
			c.last = t.now
			t.requeue(c, l)
			continue
		case c.last+bound > t.now:
			return
		}
		t.end(c, why)
		t.reap()
	}
}

// expireStubs forgets the handshakes or ends older than bound.
func (t *Tracker) expireStubs(l *stubList, bound int64) {
	for l.head != 0 {
		st := t.stubs.at(l.head)
		if age := t.now - st.at; age < bound && age > -clockLeap {
			return
		}
		if l == &t.half {
			t.n.HalfOpenExpired++
		}
		t.dropStub(st)
	}
}

// wireLen is how many payload bytes the segment had on the wire.
func wireLen(s *packet.Segment) int64 {
	return int64(max(s.PayloadLen, 0))
}
