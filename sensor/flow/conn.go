// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"cmp"

	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// connSegment reads a segment of a known connection.
func (t *Tracker) connSegment(c *conn, side stream.Side, s *packet.Segment) {
	old := c.last
	c.last = t.now
	if l := c.lane(side); !l.shown {
		t.shows(c, l)
	}
	if (old^t.now)>>lruGrain != 0 {
		if t.member != nil && !t.holds(c, side) {
			t.yields(c, s)
			return
		}
		t.requeue(c, c.list)
	}
	if c.flags&odd != 0 || s.Flags&(packet.SYN|packet.RST) != 0 {
		if !t.control(c, side, s) {
			return
		}
	}
	if s.Flags&(packet.ACK|packet.SYN) == 0 { // RFC 9293 3.10.7.4: "if the ACK bit is off, drop the segment"
		t.n.Dropped.NoAck += uint64(wireLen(s))
		return
	}
	seq := s.Seq
	if s.Flags&packet.SYN != 0 {
		seq++
	}
	useAck, ok := t.plausible(c, side, s, seq)
	if !ok {
		return
	}
	if useAck {
		t.acknowledge(c, side.Other(), s.Ack, seq)
	}
	switch l := c.lane(side); {
	case s.PayloadLen > 0:
		t.payload(c, side, s, seq)
		if c.flags&(young|told) == young|told && s.Flags&packet.SYN == 0 && t.doomed != c {
			c.flags &^= young
			t.requeue(c, &t.live)
		}
	case l.state&laneSynced == 0:
		l.sync(seq, laneGuess)
	}
	if s.Flags&packet.FIN != 0 {
		t.fin(c, side, seq+uint32(wireLen(s)))
	}
	t.settle(c)
}

// shows notes that a side was seen.
func (t *Tracker) shows(c *conn, l *lane) {
	l.shown = true
	if c.list == &t.shut {
		t.requeue(c, &t.live)
	}
}

// requeue puts a connection at the busy end of a list.
func (t *Tracker) requeue(c *conn, l *connList) {
	c.list.remove(c)
	l.push(c)
}

// plausible compares a segment's numbers with what is known. A number far away needs a second segment
// that goes on from it: then the capture lost much of one side, or, when both numbers are far away,
// this is another connection whose SYN was lost.
func (t *Tracker) plausible(c *conn, side stream.Side, s *packet.Segment, seq uint32) (useAck, ok bool) {
	l, p := c.lane(side), c.lane(side.Other())
	window, n := int64(t.cfg.Window), wireLen(s)
	nearSeq, nearAck := true, true
	var off, acked int64
	if l.state&laneSynced != 0 {
		off = l.offset(seq, window)
		nearSeq = off <= max(l.top, l.acked, l.skip)+window && off+n >= l.off-window
	}
	hasAck := s.Flags&packet.ACK != 0
	if hasAck && p.state&laneSynced != 0 {
		acked = p.offset(s.Ack, window)
		nearAck = acked <= max(p.top, p.acked, p.skip)+window && acked >= p.off-window
	}
	if nearSeq && nearAck {
		if n > 0 && l.state&laneFar != 0 {
			l.state &^= laneFar
		}
		return hasAck, true
	}
	switch {
	case nearSeq:
		if acked > p.off && p.believe(s.Ack, s.Ack+1, window) { // it must grow: one ACK twice proves nothing
			return true, true
		}
		t.n.IgnoredAcks++
		return false, true
	case nearAck:
		if off > l.off && l.believe(seq, seq+uint32(n), window) {
			return hasAck, true
		}
	case n > 0 && l.believe(seq, seq+uint32(n), window):
		t.end(c, stream.EndReuse)
		t.reap()
		t.again(s)
		return false, false
	}
	t.n.Dropped.Outside += uint64(n)
	return false, false
}

// again reads a segment whose connection was just ended as one of a new connection.
func (t *Tracker) again(s *packet.Segment) {
	k, srcLow, _ := t.keyOf(s)
	h := k.hash(t.seed)
	if ref := t.lookup(h, &k); ref != 0 {
		if ref&stubBit == 0 {
			panic("BUG: a connection that was ended is still in the table")
		}
		t.dropStub(t.stubs.at(ref))
	}
	t.unknown(h, &k, srcLow, s)
}

// acknowledge notes what a side's peer has received, when it sent a segment that begins at seq.
func (t *Tracker) acknowledge(c *conn, side stream.Side, ack, seq uint32) {
	p := c.lane(side)
	if p.state&laneSynced == 0 {
		p.sync(ack, laneGuess)
		return
	}
	a := p.offset(ack, int64(t.cfg.Window))
	if p.state&laneFIN != 0 {
		a = min(a, p.fin)
	}
	if a <= p.acked {
		return
	}
	p.alone = a == p.acked+1
	p.acked = a
	if a > p.off && p.ackAt == 0 {
		p.ackAt, p.ackTo, p.ackSeq = t.now, a, seq
	}
}

// fin notes the end of a side's bytes.
func (t *Tracker) fin(c *conn, side stream.Side, seq uint32) {
	l := c.lane(side)
	if c.flags&ignored != 0 {
		l.state |= laneFIN
		return
	}
	off := l.offset(seq, int64(t.cfg.Window))
	switch {
	case l.state&laneFIN != 0:
		if off != l.fin {
			t.n.IgnoredFINs++
		}
	case off < l.top:
		t.n.IgnoredFINs++
	default:
		l.fin = off
		l.state |= laneFIN
		l.acked = min(l.acked, off)
		if off > l.off && l.first == nil {
			l.holeAt = t.now
		}
	}
}

// settle does what a segment or the time made due.
func (t *Tracker) settle(c *conn) {
	if c.flags&ignored == 0 {
		for side := stream.A; side <= stream.B; side++ {
			l := c.lane(side)
			if _, ok := l.hole(); ok || l.ackAt != 0 {
				t.holes(c, side)
			}
			if l.state&(laneFIN|laneFinished) == laneFIN && l.off >= l.fin {
				l.state |= laneFinished
				t.tellFinish(c, side, t.now)
				if !c.lane(side.Other()).shown { // it will not be seen to be done
					c.flags &^= young
					t.requeue(c, &t.shut)
				}
			}
		}
	}
	if t.doomed == c {
		return
	}
	need := laneFinished
	if c.flags&ignored != 0 {
		need = laneFIN
	}
	switch {
	case c.lanes[0].state&c.lanes[1].state&need != 0:
		t.end(c, stream.EndFIN)
		return
	case c.flags&resetPending != 0 && t.now-c.resetAt >= resetWait:
		t.end(c, stream.EndRST)
		return
	}
	_, a := c.lanes[0].hole()
	_, b := c.lanes[1].hole()
	waits := (a || b) && c.flags&ignored == 0 || c.flags&resetPending != 0
	switch {
	case waits == (c.flags&waiting != 0):
	case waits:
		t.holed.push(c)
	default:
		t.holed.remove(c)
	}
}

// end ends a connection: what is held goes out, then Close.
func (t *Tracker) end(c *conn, why stream.End) {
	if c.flags&ending != 0 {
		return
	}
	c.flags |= ending
	if c.flags&resetPending != 0 {
		why = stream.EndRST
	}
	if c.flags&ignored == 0 {
		t.finishUp(c)
	}
	if t.doomed == c {
		return // reap removes it
	}
	if c.flags&told != 0 {
		t.calling = c
		t.sink.Close(&c.out, t.now, why)
		t.calling = nil
		if t.doomed == c {
			return
		}
	} else {
		t.n.Silent++
	}
	t.remove(c, why)
}

// finishUp hands on what is held, with gaps for the holes: between blocks, before a FIN, and for bytes
// that only an ACK tells of.
func (t *Tracker) finishUp(c *conn) {
	t.release(c, &t.n.Gaps.Closed)
	for side := stream.A; side <= stream.B; side++ {
		l := c.lane(side)
		if to, ok := l.hole(); ok {
			t.lost(c, side, to, t.now, &t.n.Gaps.Closed)
		}
		if !l.shown && !l.alone && l.acked == l.off+1 && c.lane(side.Other()).state&laneFIN == 0 && c.flags&ignored == 0 {
			t.lost(c, side, l.acked, t.now, &t.n.Gaps.Closed) // no FIN, as far as one can tell
		}
		if l.state&laneFIN != 0 {
			l.state |= laneFinished
			t.tellFinish(c, side, t.now)
		}
	}
}

// remove takes a connection out of everything. EndNone is Drop.
func (t *Tracker) remove(c *conn, why stream.End) {
	for i := range c.lanes {
		t.forget(&c.lanes[i], &t.n.Dropped.Quarantined)
	}
	if c.flags&waiting != 0 {
		t.holed.remove(c)
	}
	c.list.remove(c)
	t.lets(c, why)
	switch why {
	case stream.EndFIN, stream.EndRST, stream.EndNone:
		st := t.newStub(&t.closed, c.hash, &c.key)
		st.state = stubClosed
		if why == stream.EndNone {
			st.state |= stubQuarantined
		}
		for side := stream.A; side <= stream.B; side++ {
			st.seq[c.end0(side)] = c.lane(side).seq(c.lane(side).off)
		}
		st.alias = c.alias
		t.table.replace(c.hash, c.ref, st.ref)
		t.aliased(&c.alias, &c.key, func(h uint32) { t.table.replace(h, c.ref, st.ref) })
	default:
		t.table.remove(c.hash, c.ref)
		t.aliased(&c.alias, &c.key, func(h uint32) { t.table.remove(h, c.ref) })
	}
	t.n.Closed[why&7]++
	t.conns.put(c)
}

// newConn makes the state of a connection whose first segment's ends are given. Its table entry
// replaces the stub's, if there is one. claim is what Owners gave for it.
func (t *Tracker) newConn(h uint32, k *key, st *stub, s *packet.Segment, srcLow bool, claim uint32) *conn {
	if t.live.n+t.fresh.n+t.shut.n >= t.cfg.MaxConns {
		t.end(cmp.Or(t.shut.head, t.fresh.head, t.live.head), stream.EndEvicted)
		t.reap()
	}
	c := t.conns.get()
	c.key, c.hash, c.last, c.flags, c.claim = *k, h, t.now, young, claim
	firstLow := srcLow
	if st != nil {
		firstLow = st.first == 0
	}
	c.low = stream.B
	if firstLow {
		c.low = stream.A
	}
	c.out.ID = t.nextID
	t.nextID++
	c.out.Addr[c.sideOf(srcLow)], c.out.Addr[c.sideOf(!srcLow)] = s.Src, s.Dst
	c.out.Start, c.out.VLAN, c.out.Tunnel, c.out.Iface = s.Time, s.VLAN, s.Tunnel, s.Iface
	t.n.Opened++
	if st != nil {
		t.table.replace(h, st.ref, c.ref)
		if c.alias = st.alias; !c.alias.on {
			t.begun(k, c.ref)
		}
		t.aliased(&c.alias, k, func(h uint32) { t.table.replace(h, st.ref, c.ref) })
	} else {
		c.out.Mid = true
		t.n.Mid++
		t.table.insert(h, c.ref)
	}
	t.guessClient(c)
	t.fresh.push(c)
	return c
}

// guessClient takes the side whose port is no server's, if just one is.
func (t *Tracker) guessClient(c *conn) {
	a, b := c.out.Addr[stream.A].Port(), c.out.Addr[stream.B].Port()
	as := t.listening[a>>6]>>(a&63)&1 != 0
	bs := t.listening[b>>6]>>(b&63)&1 != 0
	switch {
	case as && !bs:
		c.out.Client = stream.B
	case bs && !as:
		c.out.Client = stream.A
	}
}

// search finds the connection that shows itself to the sink as out.
func (t *Tracker) search(out *stream.Conn) *conn {
	for _, l := range [...]*connList{&t.live, &t.fresh, &t.shut} {
		for c := l.head; c != nil; c = c.next {
			if &c.out == out {
				return c
			}
		}
	}
	return nil
}
