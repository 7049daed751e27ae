// SPDX-License-Identifier: Apache-2.0

package flow

import "github.com/weir-project/weir/sensor/packet"

// alias is what sets the directions of a flow apart where each carries its own VLAN or tunnel ids: those of the direction
// that was seen second.
type alias struct {
	vlan, tunnel uint32
	on           bool
}

// key gives the key under which the other direction shows.
func (a *alias) key(k *key) key {
	other := *k
	other.vlan, other.tunnel = a.vlan, a.tunnel
	return other
}

const (
	halfSlots = 4096    // begun flows with one direction that are found by their ends; of two in a place the later one is
	halfNear  = 1 << 20 // how near the numbers of two directions lie that are one flow, when no SYN tells it
)

func (t *Tracker) aliasAt(ref uint32) *alias {
	if ref&stubBit != 0 {
		return &t.stubs.at(ref).alias
	}
	return &t.conns.at(ref).alias
}

// halfSlot is where a flow with these ends is looked for, whatever its VLAN and tunnel ids.
func (t *Tracker) halfSlot(k *key) *uint32 {
	ends := *k
	ends.vlan, ends.tunnel = k.vlan&isIPv4, 0
	return &t.halves[ends.hash(t.seed)%halfSlots]
}

// begun notes a flow that may show its other direction under other ids. Where no frame has any it costs nothing.
func (t *Tracker) begun(k *key, ref uint32) {
	if t.tagged(k) {
		*t.halfSlot(k) = ref
	}
}

// tagged says whether there ever was a frame with an id. With the first one, what was begun without is noted.
func (t *Tracker) tagged(k *key) bool {
	if t.halves != nil || k.vlan&^isIPv4|k.tunnel == 0 {
		return t.halves != nil
	}
	t.halves = make([]uint32, halfSlots)
	for ref, n := t.half.tail, 0; ref != 0 && n < halfSlots; n++ {
		st := t.stubs.at(ref)
		*t.halfSlot(&st.key) = ref
		ref = st.prev
	}
	for _, l := range [...]*connList{&t.live, &t.fresh} {
		for c, n := l.tail, 0; c != nil && n < halfSlots; n++ {
			*t.halfSlot(&c.key) = c.ref
			c = c.prev
		}
	}
	return true
}

// join looks for the flow whose other direction a segment of an unknown key is, and reads it there. Two flows of
// equal ends are never joined by those alone: the numbers of each direction must be the answer to the other's.
func (t *Tracker) join(h uint32, k *key, srcLow bool, s *packet.Segment) bool {
	if !t.tagged(k) || s.Flags&packet.RST != 0 {
		return false
	}
	ref := *t.halfSlot(k)
	if ref == 0 {
		return false
	}
	found := t.keyAt(ref)
	a := alias{vlan: k.vlan, tunnel: k.tunnel, on: true}
	if a.key(found) != *k || t.lookup(found.hash(t.seed), found) != ref || t.aliasAt(ref).on {
		return false
	}
	if ref&stubBit != 0 {
		if st := t.stubs.at(ref); t.answersStub(st, endOf(srcLow), s) {
			st.alias = a
			t.table.insert(h, ref)
			t.n.Joined++
			t.stubSegment(st, srcLow, s)
			return true
		}
		return false
	}
	c := t.conns.at(ref)
	if !t.answers(c.lane(c.sideOf(srcLow)), c.lane(c.sideOf(!srcLow)), s) {
		return false
	}
	c.alias = a
	t.table.insert(h, ref)
	t.n.Joined++
	t.connSegment(c, c.sideOf(srcLow), s)
	return true
}

// answersStub says whether a segment of end i answers what the other end sent.
func (t *Tracker) answersStub(st *stub, i int, s *packet.Segment) bool {
	ack := s.Flags&packet.ACK != 0
	both := ack && s.Flags&packet.SYN == 0 && near(s.Seq, st.seq[i]+1, halfNear) && near(s.Ack, st.seq[1-i]+1, halfNear)
	switch syn := st.state & (stubSYN0 | stubSYN1); {
	case st.state&(stubClosed|stubMid) == stubMid:
		return both && st.seen == 2>>i
	case st.state&stubClosed != 0 || syn != stubSYN0<<(1-i):
		return false
	case st.state&(stubGuess0<<i) != 0: // a SYN/ACK, and now its SYN or what follows
		return both || s.Flags&(packet.SYN|packet.ACK) == packet.SYN && s.Seq == st.seq[i]
	default:
		return ack && s.Flags&packet.SYN != 0 && s.Ack == st.seq[1-i]+1
	}
}

// answers says whether a segment of lane l, of which none was seen so far, answers what its peer p sent.
func (t *Tracker) answers(l, p *lane, s *packet.Segment) bool {
	if l.shown || p.state&laneSynced == 0 || s.Flags&packet.ACK == 0 {
		return false
	}
	if s.Flags&packet.SYN != 0 {
		return p.state&laneSYN != 0 && s.Ack == p.base && (l.state&laneSynced == 0 || near(s.Seq+1, l.seq(l.acked), halfNear))
	}
	return l.state&laneSynced != 0 && near(s.Seq, l.seq(l.acked), halfNear) && near(s.Ack, p.seq(p.top), halfNear)
}

// own gives the key of a segment that leads to a stub.
func (t *Tracker) own(st *stub, s *packet.Segment) (uint32, key) {
	if !st.alias.on {
		return st.hash, st.key
	}
	k, _, _ := t.keyOf(s)
	return k.hash(t.seed), k
}

// aliased calls f with the hash of a flow's other key, if it has one.
func (t *Tracker) aliased(a *alias, k *key, f func(h uint32)) {
	if a.on {
		other := a.key(k)
		f(other.hash(t.seed))
	}
}
