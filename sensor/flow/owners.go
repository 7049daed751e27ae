// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"hash/maphash"
	"sync"
	"time"
)

// Owners gives each flow of a host to one Tracker, however many of the host's interfaces show it. Trackers
// of several goroutines share it.
//
// The first Tracker that sees a flow has it until its connection ends, or until it has seen nothing of it for 5 s.
// Others pass its segments over (Dropped.OtherOwner), and ask again every Linger: when a link fails over to
// another interface the flow is told from there, begun in the middle. A Tracker that sees a side which
// the owner has not seen for 3 s, as with each direction on an interface of its own, tells what it sees.
//
// VLAN and tunnel ids are left out, for one flow shows with and without them; that it is the same flow, and not
// another customer's with the same addresses, its sequence numbers tell. A flow whose addresses change on the way is
// told on both sides of the change, with equal exchange ids.
type Owners struct {
	seed   maphash.Seed
	max    int // flows of a shard
	shards [64]ownerShard
}

type ownerShard struct {
	mu    sync.Mutex
	flows map[ownerKey]owned
	_     [40]byte // a cache line of its own
}

// ownerKey is a key without its VLAN and tunnel ids.
type ownerKey struct {
	lo, hi [2]uint64
	ports  uint32
	is4    bool
}

// owned is what is known of a flow with an owner.
type owned struct {
	seq   [2]uint32 // what the ends sent last, the lower one first
	since int64
	at    int64 // when the owner saw it last, to about a second
	who   uint32
	seen  uint8 // which ends the owner saw bytes of: 1 the lower one, 2 the other
}

const (
	ownerSilent  = int64(5 * time.Second)
	ownerBlind   = int64(3 * time.Second)
	ownerWindow  = 64 << 20
	defaultOwned = 1 << 18
)

// NewOwners makes Owners for at most max flows; 0 means 262,144, about 30 MB when full. Of more, any one is
// forgotten: it may be told twice.
func NewOwners(max int) *Owners {
	if max <= 0 {
		max = defaultOwned
	}
	o := &Owners{seed: maphash.MakeSeed(), max: max/len(Owners{}.shards) + 1}
	for i := range o.shards {
		o.shards[i].flows = map[ownerKey]owned{}
	}
	return o
}

func (o *Owners) find(k *key) (*ownerShard, ownerKey) {
	w := ownerKey{lo: k.lo, hi: k.hi, ports: k.ports, is4: k.vlan&isIPv4 != 0}
	return &o.shards[maphash.Comparable(o.seed, w)%uint64(len(o.shards))], w
}

// same says whether a flow of the same ends is the same one.
func (e *owned) same(seq [2]uint32) bool {
	return near(e.seq[0], seq[0], ownerWindow) && near(e.seq[1], seq[1], ownerWindow)
}

// claim asks for a flow one of whose ends (1 or 2) has just sent bytes.
func (o *Owners) claim(k *key, me uint32, now int64, seq [2]uint32, end uint8) bool {
	s, w := o.find(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.flows[w]
	if found && e.who != me && now-e.at <= ownerSilent && now >= e.at-clockLeap && e.same(seq) {
		return e.seen&end == 0 && now-e.since >= ownerBlind
	}
	if !found && len(s.flows) >= o.max {
		for other := range s.flows {
			delete(s.flows, other)
			break
		}
	}
	s.flows[w] = owned{seq: seq, since: now, at: now, who: me, seen: end}
	return true
}

// hold says that the owner still sees a flow, and which ends' bytes; false if it is another's by now.
func (o *Owners) hold(k *key, me uint32, now int64, seq [2]uint32, seen uint8) bool {
	s, w := o.find(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.flows[w]
	if found && e.who != me {
		// Either it was silent too long, or each of the two sees what the other does not.
		return !e.same(seq) || seen&^e.seen != 0
	}
	if !found {
		e.since = now
	}
	s.flows[w] = owned{seq: seq, since: e.since, at: now, who: me, seen: e.seen | seen}
	return true
}

// release gives a flow up that is over.
func (o *Owners) release(k *key, me uint32) {
	s, w := o.find(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, found := s.flows[w]; found && e.who == me {
		delete(s.flows, w)
	}
}

// mine asks for the flow of a segment that is to begin a connection. If it is another Tracker's, a stub stands for
// it, in place of st if there is one, and the segment is passed over.
func (t *Tracker) mine(h uint32, k *key, st *stub, srcLow bool, seq, ack uint32, n int64) bool {
	if t.cfg.Owners == nil {
		return true
	}
	i := endOf(srcLow)
	var at [2]uint32
	at[i], at[1-i] = seq, ack
	if t.cfg.Owners.claim(k, t.cfg.Me, t.now, at, 1<<i) {
		return true
	}
	t.n.Yielded++
	t.n.Dropped.OtherOwner += uint64(n)
	if st != nil {
		t.dropStub(st)
	}
	y := t.newStub(&t.closed, h, k)
	y.state, y.seq = stubClosed|stubYielded, at
	t.table.insert(h, y.ref)
	return false
}

// holds tells the owners that a connection is alive; false if it is another Tracker's by now.
func (t *Tracker) holds(c *conn) bool {
	var seq [2]uint32
	var seen uint8
	for i := range 2 {
		l := c.lane(c.sideOf(i == 0))
		seq[i] = l.seq(max(l.off, l.acked))
		if l.off > 0 {
			seen |= 1 << i
		}
	}
	return t.cfg.Owners.hold(&c.key, t.cfg.Me, t.now, seq, seen)
}
