// SPDX-License-Identifier: Apache-2.0

package flow

import "github.com/weir-project/weir/sensor/stream"

// hand gives a run that is next in order to the sink: what was captured as data, the rest as a gap.
func (t *Tracker) hand(c *conn, side stream.Side, r *run) {
	if !c.lane(side.Other()).shown && !t.unseen(c, side.Other(), r) {
		return
	}
	if n := int64(len(r.data)); n > 0 {
		t.n.DeliveredBytes += uint64(n)
		t.show(c, side, r, r.data, 0)
	}
	if rest := r.n - int64(len(r.data)); rest > 0 {
		if c.flags&ignored != 0 {
			t.n.Dropped.Ignored += uint64(rest)
			return
		}
		t.n.UncapturedBytes += uint64(rest)
		t.show(c, side, r, nil, rest)
	}
}

// unseen hands on what a side that the capture does not show had sent when the other side sent r. To wait would
// serve nothing: not even the side's SYN or first ACK has come. It says whether the sink wants r.
func (t *Tracker) unseen(c *conn, side stream.Side, r *run) bool {
	l := c.lane(side)
	if r.flags&blockHasAck == 0 || l.state&(laneSynced|laneFIN) != laneSynced || c.flags&ignored != 0 {
		return true
	}
	to := min(l.offset(r.ack, int64(t.cfg.Window)), l.acked)
	if to <= l.off {
		return true
	}
	t.n.Dropped.Quarantined += uint64(r.n) // should the sink panic
	t.lost(c, side, to, r.time, &t.n.Gaps.Acked)
	t.n.Dropped.Quarantined -= uint64(r.n)
	l.ackAt = 0
	if c.flags&ignored != 0 {
		t.n.Dropped.Ignored += uint64(r.n)
		return false
	}
	return true
}

// lost gives the bytes up to an offset to the sink as a gap.
func (t *Tracker) lost(c *conn, side stream.Side, to int64, time int64, why *uint64) {
	if c.flags&ignored != 0 {
		return
	}
	l := c.lane(side)
	n := to - l.off
	if n <= 0 {
		panic("BUG: a gap that leads nowhere")
	}
	*why++
	t.n.LostBytes += uint64(n)
	t.show(c, side, &run{off: l.off, n: n, time: time}, nil, n)
}

// show calls the sink. Everything is in its final state before, so that a panic in there leaves a
// tracker that can go on.
func (t *Tracker) show(c *conn, side stream.Side, r *run, data []byte, gap int64) {
	l := c.lane(side)
	t.chunk = stream.Chunk{
		Conn: &c.out, Side: side, Offset: l.off, Seq: l.seq(l.off),
		Ack: r.ack, HasAck: r.flags&blockHasAck != 0, Inconsistent: r.flags&blockInconsistent != 0,
		Time: r.time, Data: data, Gap: gap,
	}
	l.off += int64(len(data)) + gap
	if l.off > l.top {
		l.top = l.off
	}
	first := c.flags&told == 0
	c.flags |= told
	t.calling = c
	v := t.sink.Chunk(&t.chunk)
	t.calling = nil
	if t.doomed == c {
		return
	}
	if v.Act != stream.GoOn || v.Client != stream.Unknown {
		t.obey(c, l, v)
	}
	if first {
		t.tellFinish(c, side.Other(), r.time)
	}
}

// obey does what the sink asked for.
func (t *Tracker) obey(c *conn, l *lane, v stream.Verdict) {
	// A SYN tells better than the bytes, the bytes better than a port.
	if v.Client != stream.Unknown && c.flags&bySYN == 0 {
		c.out.Client = v.Client
		c.flags |= byHTTP
	}
	switch v.Act {
	case stream.Skip:
		if v.N > 0 {
			l.skip = max(l.skip, l.off+v.N)
		}
	case stream.Ignore:
		t.ignore(c)
	}
}

// ignore stops handing on and gives back what the connection holds.
func (t *Tracker) ignore(c *conn) {
	c.flags |= ignored
	for i := range c.lanes {
		t.forget(&c.lanes[i], &t.n.Dropped.Ignored)
	}
}

// forget gives back the blocks of a lane and counts their bytes.
func (t *Tracker) forget(l *lane, as *uint64) {
	for b := l.first; b != nil; {
		next := b.next
		*as += uint64(b.n)
		t.n.BufferedBytes -= uint64(b.n)
		t.pool.put(b)
		b = next
	}
	l.first, l.last, l.n, l.held = nil, nil, 0, 0
}

// drain hands on the held blocks that have become next in order.
func (t *Tracker) drain(c *conn, side stream.Side) {
	l := c.lane(side)
	if l.first == nil {
		return
	}
	// A byte is complete when the last one before it has come: blocks that waited take that time.
	time := t.chunkTime(c, side)
	for b := l.first; b != nil && b.off == l.off && c.flags&ignored == 0; b = l.first {
		l.first = b.next
		if l.first == nil {
			l.last = nil
		}
		l.n--
		l.held -= int64(b.cost())
		t.n.BufferedBytes -= uint64(b.n)
		time = max(time, b.time)
		t.flying = b
		t.hand(c, side, &run{off: b.off, n: b.n, data: b.buf, time: time, ack: b.ack, flags: b.flags})
		t.land()
	}
	if l.first != nil {
		l.holeAt = l.first.time
	}
}

// chunkTime is the time of the chunk just shown, if it was of this side.
func (t *Tracker) chunkTime(c *conn, side stream.Side) int64 {
	if t.chunk.Conn == &c.out && t.chunk.Side == side {
		return t.chunk.Time
	}
	return 0
}

// land gives the block back that the sink was looking at.
func (t *Tracker) land() {
	if t.flying != nil {
		t.pool.put(t.flying)
		t.flying = nil
	}
}

// holes makes gaps of the holes that waited long enough.
func (t *Tracker) holes(c *conn, side stream.Side) {
	l, p := c.lane(side), c.lane(side.Other())
	for c.flags&ignored == 0 {
		to, ok := l.hole()
		if !ok {
			l.ackAt = 0
			return
		}
		if !l.shown && p.first != nil {
			return // what was sent before it waits
		}
		switch {
		case l.acked > l.off:
			if l.ackAt == 0 || l.ackTo <= l.off {
				l.ackAt, l.ackTo, l.ackSeq = t.now, l.acked, p.seq(p.top)
			}
			if t.now-l.ackAt < t.cfg.AckSlack && !l.passed(p) {
				return
			}
			to = min(to, l.ackTo)
			t.lost(c, side, to, t.seenAt(l), &t.n.Gaps.Acked)
		case t.now-l.holeAt >= t.cfg.GapTimeout:
			t.lost(c, side, to, t.seenAt(l), &t.n.Gaps.Timeout)
		default:
			return
		}
		t.drain(c, side) // what was acknowledged later has a slack of its own
	}
}

// seenAt is the time of what showed the first hole.
func (t *Tracker) seenAt(l *lane) int64 {
	switch {
	case l.first != nil:
		return l.first.time
	case l.ackAt != 0:
		return l.ackAt
	}
	return l.holeAt
}

// release hands on all that a connection holds, with gaps for the holes.
func (t *Tracker) release(c *conn, why *uint64) {
	for side := stream.A; side <= stream.B; side++ {
		l := c.lane(side)
		for l.first != nil && c.flags&ignored == 0 {
			if l.first.off > l.off {
				t.lost(c, side, l.first.off, l.first.time, why)
			}
			t.drain(c, side)
		}
	}
}

// tellFinish says that a side is done, once, and only of connections the sink knows.
func (t *Tracker) tellFinish(c *conn, side stream.Side, time int64) {
	l := c.lane(side)
	if l.state&(laneFinished|laneFinTold) != laneFinished || c.flags&(told|ignored) != told {
		return
	}
	l.state |= laneFinTold
	t.calling = c
	t.sink.Finish(&c.out, side, time, stream.EndFIN)
	t.calling = nil
}
