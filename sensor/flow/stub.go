// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"github.com/weir-project/weir/sensor/packet"
)

// newStub makes a stub and makes room for it: the oldest of the more numerous kind goes, so that neither a
// SYN flood nor a rush of short connections drives the other kind out. Its table entry is the caller's.
func (t *Tracker) newStub(l *stubList, h uint32, k *key) *stub {
	if t.half.n+t.closed.n >= t.cfg.MaxHalfOpen {
		if t.half.n > t.closed.n || t.closed.n == 0 {
			t.n.HalfOpenEvicted++
			t.dropStub(t.stubs.at(t.half.head))
		} else {
			t.n.LingerEvicted++
			t.dropStub(t.stubs.at(t.closed.head))
		}
	}
	st := t.stubs.get()
	st.key, st.hash, st.at = *k, h, t.now
	l.push(&t.stubs, st)
	return st
}

// dropStub forgets a stub.
func (t *Tracker) dropStub(st *stub) {
	t.table.remove(st.hash, st.ref)
	t.aliased(&st.alias, &st.key, func(h uint32) { t.table.remove(h, st.ref) })
	t.freeStub(st)
}

// freeStub takes a stub out of its list; its table entry is gone or another's already.
func (t *Tracker) freeStub(st *stub) {
	l := &t.half
	if st.state&stubClosed != 0 {
		l = &t.closed
	}
	l.remove(&t.stubs, st)
	t.stubs.put(st)
}

// unknown reads a segment of no connection we know.
func (t *Tracker) unknown(h uint32, k *key, srcLow bool, s *packet.Segment) {
	switch {
	case t.join(h, k, srcLow, s):
	case s.Flags&packet.RST != 0:
		t.n.StraySegments++
		t.n.Dropped.AfterClose += uint64(wireLen(s))
	case s.Flags&packet.SYN != 0:
		st := t.newStub(&t.half, h, k)
		t.table.insert(h, st.ref)
		t.n.HalfOpenSeen++
		t.begun(k, st.ref)
		st.begin(srcLow, s)
		if s.PayloadLen > 0 { // RFC 7413: data in the SYN
			t.promote(st, srcLow, s)
		}
	case s.PayloadLen <= 0:
		t.n.StraySegments++
		if s.Flags&(packet.ACK|packet.FIN) == packet.ACK {
			// It tells where both sides are, which matters when the first bytes come out of order.
			st := t.newStub(&t.half, h, k)
			t.table.insert(h, st.ref)
			st.state, st.first = stubMid|stubGuess0|stubGuess1, uint8(endOf(srcLow))
			st.seq[st.first], st.seq[1-st.first] = s.Seq-1, s.Ack-1
			st.seen = 1 << st.first
			t.begun(k, st.ref)
		}
	case s.Flags&packet.ACK == 0:
		t.n.Dropped.NoAck += uint64(wireLen(s))
	case s.PayloadLen == 1 && s.Flags&packet.PSH == 0: // a keep-alive probe with its byte of garbage
		t.n.Dropped.BeforeStart++
	default:
		claim, ok := t.mine(h, k, nil, srcLow, s)
		if !ok {
			return
		}
		c := t.newConn(h, k, nil, s, srcLow, claim)
		t.begun(k, c.ref)
		t.connSegment(c, c.sideOf(srcLow), s)
	}
}

func endOf(low bool) int {
	if low {
		return 0
	}
	return 1
}

// begin notes the first segment of a handshake.
func (st *stub) begin(srcLow bool, s *packet.Segment) {
	i := endOf(srcLow)
	st.first, st.client = uint8(i), uint8(i)
	st.seq[i] = s.Seq
	st.state = stubSYN0 << i
	if s.Flags&packet.ACK != 0 {
		st.client = uint8(1 - i)
		st.seq[1-i] = s.Ack - 1
		st.state |= stubGuess0 << (1 - i)
	}
}

// stubSegment reads a segment of a handshake or of a closed connection.
func (t *Tracker) stubSegment(st *stub, srcLow bool, s *packet.Segment) {
	if st.state&stubClosed != 0 {
		t.closedSegment(st, srcLow, s)
		return
	}
	i := endOf(srcLow)
	mine, theirs := st.state&(stubSYN0<<i) != 0, st.state&(stubSYN0<<(1-i)) != 0
	if st.state&stubMid != 0 && (s.PayloadLen <= 0 || s.Flags&(packet.SYN|packet.RST) != 0) {
		t.midSegment(st, i, s)
		return
	}
	switch {
	case s.Flags&packet.RST != 0:
		t.n.Dropped.AfterClose += uint64(wireLen(s))
		answers := s.Flags&packet.ACK != 0 && theirs && s.Ack == st.seq[1-i]+1
		own := mine && (s.Seq == st.seq[i]+1 || s.Seq == st.seq[i])
		if answers || own {
			t.n.HalfOpenReset++
			t.dropStub(st)
		} else {
			t.n.IgnoredResets++
		}
		return
	case s.Flags&packet.SYN != 0:
		t.stubSYN(st, i, s)
		if s.PayloadLen > 0 {
			t.promote(st, srcLow, s)
		}
		return
	}
	farSeq := st.state&((stubSYN0|stubGuess0)<<i) != 0 && !near(s.Seq, st.seq[i]+1, t.cfg.Window)
	farAck := st.state&((stubSYN0|stubGuess0)<<(1-i)) != 0 && !near(s.Ack, st.seq[1-i]+1, t.cfg.Window)
	switch {
	case s.Flags&packet.ACK == 0:
		t.n.Dropped.NoAck += uint64(wireLen(s))
	case farSeq && farAck: // not this handshake: it went nowhere, and its place is taken
		h, k := t.own(st, s)
		t.dropStub(st)
		t.unknown(h, &k, srcLow, s)
	case farSeq || farAck: // what is left of an earlier connection, such as its challenge ACK
		t.n.StraySegments++
		t.n.Dropped.Outside += uint64(wireLen(s))
	default:
		t.promote(st, srcLow, s)
	}
}

// midSegment reads on before the first bytes of a connection that began before us. The latest numbers
// count: a keep-alive probe is one behind. Where only one side shows, its ACKs tell of bytes too.
func (t *Tracker) midSegment(st *stub, i int, s *packet.Segment) {
	switch {
	case s.Flags&packet.SYN != 0:
		h, k := t.own(st, s)
		t.dropStub(st)
		t.unknown(h, &k, i == 0, s)
	case s.Flags&packet.RST != 0:
		t.n.Dropped.AfterClose += uint64(wireLen(s))
		t.dropStub(st)
	case s.Flags&packet.ACK != 0:
		grown := int64(int32(s.Ack - 1 - st.seq[1-i]))
		st.seen |= 1 << i
		if grown > 1 && grown <= int64(t.cfg.Window) && st.seen == 1<<i && t.now-st.at >= t.cfg.AckSlack {
			t.promote(st, i == 0, s) // bytes of a side that the capture does not show
			return
		}
		t.n.StraySegments++
		if d := int32(s.Seq - 1 - st.seq[i]); d > 0 {
			st.seq[i] = s.Seq - 1
		}
		if d := int32(s.Ack - 1 - st.seq[1-i]); d > 0 {
			st.seq[1-i] = s.Ack - 1
		}
	}
}

// stubSYN reads another SYN or SYN/ACK of a handshake.
func (t *Tracker) stubSYN(st *stub, i int, s *packet.Segment) {
	mine, theirs := st.state&(stubSYN0<<i) != 0, st.state&(stubSYN0<<(1-i)) != 0
	if s.Flags&packet.ACK == 0 && mine && st.seq[i] != s.Seq { // a new attempt
		st.begin(i == 0, s)
		return
	}
	st.seq[i] = s.Seq
	st.state = st.state&^(stubGuess0<<i) | stubSYN0<<i
	if s.Flags&packet.ACK == 0 {
		if !theirs {
			st.client = uint8(i)
		}
		return
	}
	if !mine || !theirs {
		st.client = uint8(1 - i)
	}
	// It answers the SYN we know, perhaps with data in it, or one that we missed.
	if d := s.Ack - 1 - st.seq[1-i]; !theirs || d > 1<<16 {
		st.seq[1-i] = s.Ack - 1
		st.state = st.state&^(stubSYN0<<(1-i)) | stubGuess0<<(1-i)
	}
}

// promote gives a handshake state of its own and reads on.
func (t *Tracker) promote(st *stub, srcLow bool, s *packet.Segment) {
	k := st.key
	claim, ok := t.mine(st.hash, &k, st, srcLow, s)
	if !ok {
		return
	}
	c := t.newConn(st.hash, &k, st, s, srcLow, claim)
	c.out.Start = st.at
	if st.state&stubMid != 0 {
		c.out.Mid = true
		t.n.Mid++
	} else {
		c.out.Client = c.sideOf(st.client == 0)
		c.flags |= bySYN
	}
	for i := range 2 {
		l := c.lane(c.sideOf(i == 0))
		switch {
		case st.state&(stubSYN0<<i) != 0:
			l.sync(st.seq[i]+1, laneSYN)
		case st.state&(stubGuess0<<i) != 0:
			l.sync(st.seq[i]+1, laneGuess)
		}
	}
	t.freeStub(st)
	t.connSegment(c, c.sideOf(srcLow), s)
}

// closedSegment reads a segment of a connection that is over: a late retransmit, what was in flight
// when it was reset, or the first segment of the next connection.
func (t *Tracker) closedSegment(st *stub, srcLow bool, s *packet.Segment) {
	n := uint64(wireLen(s))
	end := st.seq[endOf(srcLow)]
	switch {
	case s.Flags&packet.RST != 0:
		t.n.Dropped.AfterClose += n
		return
	case s.Flags&packet.SYN != 0:
	case st.state&stubYielded != 0:
		if t.yieldedSegment(st, srcLow, s) {
			return
		}
	case n == 0:
		return
	case st.state&stubQuarantined != 0:
		t.n.Dropped.Quarantined += n
		return
	default:
		if d := int64(int32(s.Seq - end)); d >= -int64(t.cfg.Window) && d <= lateWindow {
			old := min(uint64(max(-d, 0)), n)
			t.n.DuplicateBytes += old
			t.n.Dropped.AfterClose += n - old
			return
		}
	}
	h, k := t.own(st, s)
	t.dropStub(st)
	t.unknown(h, &k, srcLow, s)
}
