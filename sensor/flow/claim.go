// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

func tickOf(now int64) uint32 { return uint32(now >> tickBits) }

// tell lets the other Trackers of the host know how far this one has read.
func (t *Tracker) tell() {
	if tick := tickOf(t.now); t.member != nil && tick != t.ticked {
		t.ticked = tick
		t.member.clock.Store(tick)
	}
}

func (t *Tracker) demand() demand {
	return demand{m: t.member, serial: t.serial, tick: tickOf(t.now)}
}

// mine asks for the flow of a segment that is to begin a connection; st is its stub if it has one. If the flow is
// another's, a stub stands for it from now on and the segment is passed over.
func (t *Tracker) mine(h uint32, k *key, st *stub, srcLow bool, s *packet.Segment) (id uint32, ok bool) {
	if t.member == nil {
		return 0, true
	}
	d := t.demand()
	i := endOf(srcLow)
	d.seq[i], d.seq[1-i], d.ends = s.Seq, s.Ack, 1<<i
	if st != nil {
		d.isn, d.known = st.seq, st.state&(stubSYN0|stubSYN1)
		d.ends |= d.known | 1<<st.first
	}
	if id, ok = t.cfg.Owners.claim(k, &d); ok {
		return id, true
	}
	t.n.Yielded++
	t.n.Dropped.OtherOwner += uint64(wireLen(s))
	if st != nil {
		t.dropStub(st)
	}
	y := t.newStub(&t.closed, h, k)
	y.state, y.seq = stubClosed|stubYielded, [2]uint32{d.denied, d.waits}
	t.table.insert(h, y.ref)
	return 0, false
}

// yieldedSegment reads a segment of a flow that was another's when it was asked for last. With bytes, once a tick,
// it is asked for again: false means that it is to be taken now.
func (t *Tracker) yieldedSegment(st *stub, srcLow bool, s *packet.Segment) bool {
	i := endOf(srcLow)
	st.seen |= 1 << i
	if d := t.demand(); tickOf(st.at) != d.tick && s.PayloadLen > 0 {
		d.seq[i], d.seq[1-i], d.ends = s.Seq, s.Ack, st.seen
		d.denied, d.waits = st.seq[0], st.seq[1]
		if id, ok := t.cfg.Owners.claim(&st.key, &d); ok {
			t.cfg.Owners.release(&st.key, id, &d, false) // whoever takes the segment claims it for itself
			return false
		}
		st.seq, st.at, st.seen = [2]uint32{d.denied, d.waits}, t.now, 0
		t.closed.remove(&t.stubs, st)
		t.closed.push(&t.stubs, st)
	}
	t.n.Dropped.OtherOwner += uint64(wireLen(s))
	return true
}

// stands gives what there is to say of a connection to the Owners.
func (t *Tracker) stands(c *conn) demand {
	d := t.demand()
	for i := range 2 {
		side := c.sideOf(i == 0)
		l := c.lane(side)
		d.seq[i] = l.seq(max(l.off, l.acked))
		if l.state&laneSYN != 0 {
			d.isn[i], d.known = l.base-1, d.known|1<<i
		}
		if l.shown {
			d.ends |= 1 << i
		}
	}
	return d
}

// holds says that a connection is alive, of which a side has just sent something; false if its flow is another's by
// now.
func (t *Tracker) holds(c *conn, side stream.Side) bool {
	d := t.stands(c)
	id, ok := t.cfg.Owners.hold(&c.key, c.claim, &d, 1<<c.end0(side))
	c.claim = id
	return ok
}

// yields ends a connection whose flow is another's, with the segment that it would have read.
func (t *Tracker) yields(c *conn, s *packet.Segment) {
	t.n.Yielded++
	t.n.Dropped.OtherOwner += uint64(wireLen(s))
	t.end(c, stream.EndIdle)
}

// lets gives the flow of a connection up that ends.
func (t *Tracker) lets(c *conn, why stream.End) {
	if t.member != nil {
		d := t.stands(c)
		t.cfg.Owners.release(&c.key, c.claim, &d, why == stream.EndFIN || why == stream.EndRST || why == stream.EndReuse || why == stream.EndNone)
	}
}
