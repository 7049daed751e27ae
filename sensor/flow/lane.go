// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"

	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// lane is what one side sends. Positions are 64-bit offsets; offset 0 is the byte after the SYN, or
// the first one known of.
type lane struct {
	off   int64  // next byte to hand on
	top   int64  // end of the farthest byte seen
	acked int64  // what the other side has acknowledged; may be beyond top
	skip  int64  // the sink does not need the bytes before this offset
	fin   int64  // offset of the FIN, if laneFIN
	first *block // held, in order
	ackAt int64  // when the first hole was acknowledged, 0 if it was not
	base  uint32 // sequence number of offset 0
	state uint8
	shown bool // a segment of this side was seen
	alone bool // not shown: its last byte was acknowledged by itself, as a FIN is

	last   *block
	ackTo  int64  // up to where, at ackAt
	holeAt int64  // when the first hole was seen
	held   int64  // cost of the blocks
	n      int32  // how many they are
	far    uint32 // sequence number that was too far ahead to be believed, if laneFar
	newISN uint32 // of a SYN that waits for proof, if laneNewISN
	ackSeq uint32 // sequence number of the other side's segment that acknowledged at ackAt
}

// state of a lane.
const (
	laneSynced   uint8 = 1 << iota // base is known
	laneGuess                      // ... but not from a SYN or from bytes: it may move
	laneSYN                        // ... from a SYN
	laneFIN                        // fin is known
	laneFinished                   // everything before the FIN was handed on
	laneFinTold                    // and the sink knows it
	laneFar
	laneNewISN
)

// offset gives the offset of a sequence number: of all that are equal modulo 2^32 the one nearest to
// the farthest position known. A lane that is skipped over may be far ahead of that.
func (l *lane) offset(seq uint32, window int64) int64 {
	hi := max(l.top, l.acked)
	o := hi + int64(int32(seq-l.base-uint32(hi)))
	if l.skip > hi && (o > hi+window || o < l.off-window) {
		if far := l.skip + int64(int32(seq-l.base-uint32(l.skip))); far > hi && far-l.skip <= window && l.skip-far <= window {
			return far
		}
	}
	return o
}

// seq gives the sequence number of an offset.
func (l *lane) seq(off int64) uint32 { return l.base + uint32(off) }

// sync sets the sequence number of offset 0.
func (l *lane) sync(base uint32, state uint8) {
	l.base = base
	l.state = l.state&^laneGuess | laneSynced | state
}

// rebase moves offset 0 of a guess to a sequence number that is by bytes before it.
func (l *lane) rebase(base uint32, by int64) {
	l.base = base
	l.acked = max(l.acked+by, 0)
	l.top = max(l.top+by, 0)
}

// hole says where the first hole ends that the lane waits for; ok is false if it waits for none.
func (l *lane) hole() (end int64, ok bool) {
	switch {
	case l.first != nil:
		return l.first.off, true
	case l.state&laneFIN != 0:
		return l.fin, l.fin > l.off
	}
	// An acknowledged single byte with nothing behind it may well be a FIN that was not captured. Of a side that is
	// never seen that goes for the last byte of any ACK.
	if end = l.acked; !l.shown {
		end--
	}
	return end, l.acked > l.off+1
}

// passed says that a side has acknowledged what its peer p sent after p had received the bytes that are
// missing: they were sent before that, on the same way, and the capture lost them.
func (l *lane) passed(p *lane) bool {
	return p.state&laneSynced != 0 && int32(p.seq(p.acked)-l.ackSeq) > 0
}

// believe says whether something far outside the window is to be taken for real: it is if it goes
// on where another one was, and nothing usual came between. to is the sequence number where the next one may be.
func (l *lane) believe(seq, to uint32, window int64) bool {
	d := int64(int32(seq - l.far))
	ok := l.state&laneFar != 0 && d >= 0 && d <= window
	l.far = to
	l.state |= laneFar
	return ok
}

// run is a piece of a segment: n bytes from offset off, of which data was captured.
type run struct {
	off, n int64
	data   []byte
	time   int64
	ack    uint32
	flags  uint8 // as a block's
}

// cut takes n bytes off the front.
func (r *run) cut(n int64) {
	r.off += n
	r.n -= n
	r.data = r.data[min(n, int64(len(r.data))):]
}

// head gives the first n bytes.
func (r *run) head(n int64) run {
	h := *r
	h.n = n
	h.data = r.data[:min(n, int64(len(r.data)))]
	return h
}

// payload takes the bytes of a segment.
func (t *Tracker) payload(c *conn, side stream.Side, s *packet.Segment, seq uint32) {
	l := c.lane(side)
	r := run{n: wireLen(s), data: s.Payload, time: s.Time, ack: s.Ack}
	if int64(len(r.data)) > r.n {
		r.data = r.data[:r.n]
	}
	if s.Flags&packet.ACK != 0 {
		r.flags = blockHasAck
	}
	t.locate(l, seq, &r)
	if l.off == r.off && l.first == nil && l.state&laneFIN == 0 { // the common way: in order, whole
		t.hand(c, side, &r)
		return
	}
	if r.off < l.off && !t.trimOld(l, &r) {
		return
	}
	if l.state&laneFIN != 0 && r.off+r.n > l.fin {
		t.n.Dropped.AfterClose += uint64(r.off + r.n - max(l.fin, r.off))
		if r.off >= l.fin {
			return
		}
		r = r.head(l.fin - r.off)
	}
	l.top = max(l.top, r.off+r.n)
	for l.skip > l.off && r.off > l.off && c.flags&ignored == 0 { // the sink asked not to wait for these
		to := min(l.skip, r.off)
		if l.first != nil {
			to = min(to, l.first.off)
		}
		t.lost(c, side, to, r.time, &t.n.Gaps.Skipped)
		t.drain(c, side)
	}
	t.weave(c, side, &r)
}

// locate finds the offset of a run. The first bytes of a side settle where its stream begins.
func (t *Tracker) locate(l *lane, seq uint32, r *run) {
	if l.state&laneSynced == 0 {
		l.sync(seq, 0)
	}
	r.off = l.offset(seq, int64(t.cfg.Window))
	if l.state&laneGuess != 0 {
		if r.off == -1 && r.n == 1 {
			return // a keep-alive probe (RFC 9293 3.8.4): its byte is garbage
		}
		if r.off < 0 && l.off == 0 {
			l.rebase(seq, -r.off)
			r.off = 0
		}
		l.state &^= laneGuess
	}
}

// trimOld takes off what lies before the next byte to hand on; false says nothing is left.
func (t *Tracker) trimOld(l *lane, r *run) bool {
	old := min(l.off-r.off, r.n)
	if before := min(-r.off, r.n); before > 0 && l.state&laneSYN == 0 && r.n > 1 {
		t.n.Dropped.BeforeStart += uint64(before)
		t.n.DuplicateBytes += uint64(old - before)
	} else {
		t.n.DuplicateBytes += uint64(old)
	}
	r.cut(old)
	return r.n > 0
}

// weave puts a run between what is held: the first bytes seen win, the others are compared.
func (t *Tracker) weave(c *conn, side stream.Side, r *run) {
	l := c.lane(side)
	for r.n > 0 && c.flags&ignored == 0 {
		if r.off < l.off && !t.trimOld(l, r) { // a hole was given up meanwhile
			break
		}
		var prev *block
		b := l.first
		if l.last != nil && r.off >= l.last.end() {
			prev, b = l.last, nil
		}
		for b != nil && b.end() <= r.off {
			prev, b = b, b.next
		}
		n := r.n
		switch {
		case b == nil:
		case b.off <= r.off:
			n = min(b.end()-r.off, r.n)
			t.compare(b, r, n)
			t.n.DuplicateBytes += uint64(n)
			r.cut(n)
			continue
		default:
			n = min(r.n, b.off-r.off)
		}
		if r.off == l.off {
			h := r.head(n)
			r.cut(n)
			t.hand(c, side, &h)
		} else if n = t.hold(c, side, r, n, prev); n > 0 {
			r.cut(n)
		} else {
			t.makeRoom(c, side, r)
		}
	}
	if r.n > 0 { // ignored on the way
		t.n.Dropped.Ignored += uint64(r.n)
	}
	t.drain(c, side)
}

// compare marks a held block whose bytes a run of the same place contradicts.
func (t *Tracker) compare(b *block, r *run, n int64) {
	n = min(n, int64(len(r.data)))
	if b.buf == nil || n == 0 {
		return
	}
	if held := b.buf[r.off-b.off:]; !bytes.Equal(held[:n], r.data[:n]) {
		t.n.Inconsistent++
		b.flags |= blockInconsistent
	}
}

// hold copies at most n bytes of a run into a block behind prev. It gives how many it took, 0 when a
// bound was hit.
func (t *Tracker) hold(c *conn, side stream.Side, r *run, n int64, prev *block) int64 {
	l := c.lane(side)
	data := r.data
	if len(data) > 0 {
		n = min(n, int64(len(data)), maxBlock)
	}
	price := cost(n, len(data) > 0)
	if int(l.n) >= t.cfg.FlowSegments || int(c.lanes[0].held+c.lanes[1].held)+price > t.cfg.FlowBytes {
		return 0
	}
	b := t.pool.get(n, len(data) > 0)
	if b == nil {
		return 0
	}
	copy(b.buf, data)
	b.off, b.time, b.ack, b.flags = r.off, r.time, r.ack, r.flags
	if prev == nil {
		b.next, l.first = l.first, b
	} else {
		b.next, prev.next = prev.next, b
	}
	if b.next == nil {
		l.last = b
	}
	if l.n == 0 {
		l.holeAt = t.now
	}
	l.n++
	l.held += int64(price)
	t.n.BufferedBytes += uint64(n)
	t.n.ReorderedBlocks++
	return n
}

// makeRoom gives up a hole, so that r fits or becomes the next in order: of the connection that waits
// longest when the tracker as a whole is full, of this one when it holds its share.
func (t *Tracker) makeRoom(c *conn, side stream.Side, r *run) {
	l := c.lane(side)
	own := int(l.n) >= t.cfg.FlowSegments ||
		int(c.lanes[0].held+c.lanes[1].held)+cost(min(max(1, int64(len(r.data))), maxBlock), true) > t.cfg.FlowBytes
	why := &t.n.Gaps.FlowBudget
	if !own {
		why = &t.n.Gaps.TotalBudget
		for v := t.holed.head; v != nil; v = v.holeNext {
			if v != c && (v.lanes[0].first != nil || v.lanes[1].first != nil) {
				t.release(v, why)
				t.settle(v)
				t.reap()
				return
			}
		}
	}
	if l.first == nil || l.first.off > r.off {
		t.lost(c, side, r.off, r.time, why)
		return
	}
	if l.first.off > l.off {
		t.lost(c, side, l.first.off, l.first.time, why)
	}
	t.drain(c, side)
}
