// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// control reads what begins and ends connections, and all of ignored ones. It says whether the
// segment is to be read on as part of c.
func (t *Tracker) control(c *conn, side stream.Side, s *packet.Segment) bool {
	if s.Flags&packet.RST != 0 {
		t.n.Dropped.AfterClose += uint64(wireLen(s)) // RFC 9293 3.5.3 allows a text in it
		t.reset(c, side, s)
		return false
	}
	if c.flags&resetPending != 0 && c.resetBy == side && s.Flags&packet.SYN == 0 {
		c.flags &^= resetPending // who resets a connection does not go on with it
		t.n.IgnoredResets++
	}
	if s.Flags&packet.SYN != 0 {
		return t.syn(c, side, s)
	}
	if c.flags&ignored != 0 {
		t.ignoredSegment(c, side, s)
		return false
	}
	if c.flags&reusePending != 0 {
		if t.proves(c, side, s) {
			t.reuse(c, s)
			return false
		}
	}
	return true
}

// ignoredSegment follows an ignored connection by its flags alone: the capture may be told to show
// nothing else of it.
func (t *Tracker) ignoredSegment(c *conn, side stream.Side, s *packet.Segment) {
	t.n.Dropped.Ignored += uint64(wireLen(s))
	if s.Flags&packet.FIN != 0 {
		t.fin(c, side, 0)
	}
	t.settle(c)
}

// reset reads a RST. RFC 5961 3.2: a receiver believes it only at exactly the next sequence number.
// We may have missed segments, so one that is merely near counts too. And a forged one may be exact: a
// thief whose RST dies before it reaches the server must not blind us. So a RST ends a connection only
// after a while in which its sender did not go on.
func (t *Tracker) reset(c *conn, side stream.Side, s *packet.Segment) {
	l, p := c.lane(side), c.lane(side.Other())
	window := int64(t.cfg.Window)
	switch {
	case c.flags&ignored != 0:
		t.end(c, stream.EndRST)
		return
	case l.state&laneSynced == 0:
		if s.Flags&packet.ACK == 0 || p.state&laneSynced == 0 {
			t.end(c, stream.EndRST)
			return
		}
		if a := p.offset(s.Ack, window); a > p.top+window || a < p.off-window {
			t.n.IgnoredResets++
			return
		}
		t.end(c, stream.EndRST)
		return
	}
	off := l.offset(s.Seq, window)
	fin := l.state&laneFIN != 0 && off == l.fin+1
	switch {
	case fin, p.state&laneFIN != 0 && (off == l.off || off == l.top || off == l.acked):
		t.end(c, stream.EndRST)
		return
	case off == l.off, off == l.top, off == l.acked, l.skip > l.off:
	case off > max(l.top, l.acked)+window || off < l.off-window:
		t.n.IgnoredResets++
		return
	default:
		t.n.DoubtfulResets++
	}
	if c.flags&resetPending == 0 {
		c.flags |= resetPending
		c.resetBy, c.resetAt = side, t.now
		t.settle(c)
	}
}

// syn reads a SYN or SYN/ACK on a tuple that has a connection.
func (t *Tracker) syn(c *conn, side stream.Side, s *packet.Segment) bool {
	l, base := c.lane(side), s.Seq+1
	over := (c.lanes[0].state|c.lanes[1].state)&laneFIN != 0 || c.flags&(ignored|resetPending) != 0
	switch {
	case l.state&laneSynced != 0 && l.base == base: // again, or late
	case l.state&laneSynced == 0 && !over:
		l.sync(base, 0)
	case l.state&laneGuess != 0 && l.off == 0 && !over && t.late(l, c.lane(side.Other()), base):
		l.rebase(base, int64(int32(l.base-base)))
		l.sync(base, 0)
	case over || s.Flags&packet.ACK == 0 && s.PayloadLen > 0:
		t.end(c, stream.EndReuse)
		t.reap()
		t.again(s)
		return false
	default:
		return t.rival(c, side, s)
	}
	l.state = l.state&^laneGuess | laneSYN
	c.out.Mid = false
	if c.flags&bySYN == 0 {
		c.flags |= bySYN
		c.out.Client = side
		if s.Flags&packet.ACK != 0 {
			c.out.Client = side.Other()
		}
	}
	if c.flags&ignored != 0 {
		t.n.Dropped.Ignored += uint64(wireLen(s))
		return false
	}
	return true
}

// late says whether the SYN before base can be the one of a side that is known from ACKs only: it lies before
// them, and where the SYN/ACK that answered was seen, just before them (RFC 7413 allows data in it).
func (t *Tracker) late(l, p *lane, base uint32) bool {
	d := int64(int32(l.base - base))
	return d >= 0 && (d <= 1<<16 || p.state&laneSYN == 0 && d <= int64(t.cfg.Window))
}

func near(a, b uint32, window int) bool {
	d := int64(int32(a - b))
	return d <= int64(window) && d >= -int64(window)
}

// rival remembers a SYN for another connection of the same tuple. The living one answers a forged
// SYN with a challenge ACK (RFC 5961 4.2) and goes on, wherever its number lies; and a Linux host
// that reuses a tuple picks a number just above the old ones. So it takes a second segment to tell.
func (t *Tracker) rival(c *conn, side stream.Side, s *packet.Segment) bool {
	l, p := c.lane(side), c.lane(side.Other())
	t.n.Dropped.Unproved += uint64(wireLen(s))
	t.n.IgnoredSYNs++
	l.newISN = s.Seq
	l.state |= laneNewISN
	c.flags = c.flags&^(reuseA|reuseB) | reusePending
	cl := side
	if s.Flags&packet.ACK != 0 {
		cl = side.Other()
	}
	c.flags |= reuseA << (cl - stream.A)
	if s.Flags&packet.ACK != 0 && p.state&laneNewISN != 0 && s.Ack == p.newISN+1 {
		t.reuse(c, nil)
	}
	return false
}

// proves says whether a segment belongs to the connection that a waiting SYN began.
func (t *Tracker) proves(c *conn, side stream.Side, s *packet.Segment) bool {
	l, p := c.lane(side), c.lane(side.Other())
	if l.state&laneSynced != 0 && s.Seq == l.seq(l.off) { // the old one goes on
		if s.PayloadLen > 0 {
			c.flags &^= reusePending
			l.state &^= laneNewISN
			p.state &^= laneNewISN
		}
		return false
	}
	if s.Flags&packet.ACK == 0 {
		return false
	}
	return l.state&laneNewISN != 0 && s.Seq == l.newISN+1 || p.state&laneNewISN != 0 && s.Ack == p.newISN+1
}

// reuse ends a connection and begins the one whose SYNs wait on it, with a segment of it if s is not nil.
func (t *Tracker) reuse(c *conn, s *packet.Segment) {
	k, h, at, other := c.key, c.hash, t.now, c.alias
	cl := stream.A
	if c.flags&reuseB != 0 {
		cl = stream.B
	}
	next := stub{client: uint8(c.end0(cl))}
	firstSeen := false
	for side := stream.A; side <= stream.B; side++ {
		l := c.lane(side)
		if l.state&laneNewISN == 0 {
			continue
		}
		i := c.end0(side)
		next.seq[i] = l.newISN
		next.state |= stubSYN0 << i
		if !firstSeen || side == cl {
			next.first = uint8(i)
		}
		firstSeen = true
		t.n.IgnoredSYNs--
	}
	t.end(c, stream.EndReuse)
	t.reap()
	if t.lookup(h, &k) != 0 {
		if s != nil { // the sink dropped it on the way
			t.n.Dropped.Quarantined += uint64(wireLen(s))
		}
		return
	}
	st := t.newStub(&t.half, h, &k)
	t.table.insert(h, st.ref)
	t.n.HalfOpenSeen++
	t.begun(&k, st.ref)
	if a := other.key(&k); other.on && t.lookup(a.hash(t.seed), &a) == 0 {
		st.alias = other
		t.table.insert(a.hash(t.seed), st.ref)
	}
	st.seq, st.state, st.first, st.client, st.at = next.seq, next.state, next.first, next.client, at
	if s != nil {
		_, srcLow, _ := t.keyOf(s)
		t.stubSegment(st, srcLow, s)
	}
}
