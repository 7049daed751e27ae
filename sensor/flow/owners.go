// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Owners gives each flow of a host to one connection of one Tracker, however many interfaces, VLANs and
// tunnels show it. Trackers of several goroutines share it, Config.Me tells them apart.
//
// The first one that sees a flow has it. Others pass its segments over (Dropped.OtherOwner) and ask again each
// second in which they see bytes of it. They take it when its owner ended it, and when its owner's clock has gone
// on for 5 s without showing what they saw, as when a link fails over to another interface: what they tell
// begins in the middle then, and nothing of it was told before. An owner that reads later than the others loses nothing
// for it, unless its clock stands still for a minute.
//
// That a flow is the same one the sequence numbers tell: the initial ones where handshakes were seen, else those of the
// moment, near to each other. VLAN and tunnel ids are left out, for one flow shows with and without them, and two customers
// may have the same addresses. A flow whose addresses are changed on the way is told on either side of the change, with equal
// exchange ids. Where each direction shows on an interface of its own (a tap), each is told from there; a
// Tracker that sees both directions takes the flow from one that has seen only one for 3 s.
//
// Memory is taken when Owners is made, 48 B for a flow; pages that were never used cost nothing.
type Owners struct {
	seed      maphash.Seed
	shards    [ownerShards]ownerShard
	lastID    atomic.Uint32
	forgotten atomic.Uint64

	mu      sync.Mutex
	serial  uint32
	members atomic.Pointer[[]*member]
}

// Time in here is counted in ticks of 2^30 ns, a little more than a second.
const (
	tickBits     = lruGrain
	ownerShards  = 64
	ownerWays    = 16            // places of a set
	ownerSilent  = 5             // ticks an owner may have gone on without showing what another saw
	ownerStuck   = 60            // ticks until an owner whose clock stands still is given up
	ownerOneSide = 3             // ticks after which an owner that saw one end only is believed to
	ownerLinger  = 16            // ticks a flow that ended in order is remembered, for those who read later
	ownerWindow  = int(64 << 20) // how near the numbers of one flow are
	defaultOwned = 1 << 18       // flows
)

type ownerShard struct {
	mu   sync.Mutex
	sets [][ownerWays]owned
	_    [32]byte // the next one has another cache line
}

// owned is a flow with an owner.
type owned struct {
	hash uint64 // of its ends; 0: the place is free
	flowFacts
	id     uint32 // of this claim
	serial uint32 // of the owner
	slot   uint16 // of the owner
	state  uint8
	since  uint32 // tick of the claim
	at     uint32 // tick in which the owner saw it last
}

// state of an owned flow.
const (
	ownedOver uint8 = 1 << iota // the owner's connection is over
	ownedDone                   // ... by FIN or RST
	ownedHalf                   // the other direction is another's
)

// flowFacts is what a Tracker knows of a flow. Arrays are indexed by end, 0 the lower one of the key.
type flowFacts struct {
	isn   [2]uint32
	seq   [2]uint32 // the latest
	known uint8     // ends whose isn is known, as bits
	ends  uint8     // ends that a packet was seen of, as bits
}

// member is a Tracker among the Owners' users.
type member struct {
	me     uint32
	slot   uint16
	serial atomic.Uint32 // of the Tracker that is it now
	clock  atomic.Uint32 // its tick
	_      [48]byte      // written by one goroutine each
}

// NewOwners makes Owners for about max flows that live or ended lately; 0 means 262,144, 25 MB. Of more, those seen
// longest ago are forgotten (Forgotten) and may be told by another Tracker.
func NewOwners(max int) *Owners {
	if max <= 0 {
		max = defaultOwned
	}
	o := &Owners{seed: maphash.MakeSeed()}
	sets := 1
	for sets*ownerWays*ownerShards < 2*max {
		sets *= 2
	}
	for i := range o.shards {
		o.shards[i].sets = make([][ownerWays]owned, sets)
	}
	o.members.Store(&[]*member{})
	return o
}

// Forgotten counts flows whose owner was alive when their place was needed for another.
func (o *Owners) Forgotten() uint64 { return o.forgotten.Load() }

// join makes a new Tracker a user. What an earlier one of the same name owned is free.
func (o *Owners) join(me uint32) (*member, uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.serial++
	old := *o.members.Load()
	for _, m := range old {
		if m.me == me {
			m.serial.Store(o.serial)
			return m, o.serial
		}
	}
	if len(old) == 1<<16 {
		panic("BUG: more Trackers than a host has interfaces")
	}
	m := &member{me: me, slot: uint16(len(old))}
	m.serial.Store(o.serial)
	all := append(old[:len(old):len(old)], m)
	o.members.Store(&all)
	return m, o.serial
}

// set gives the places of a flow, locked by the shard.
func (o *Owners) set(k *key) (*ownerShard, *[ownerWays]owned, uint64) {
	h := maphash.Comparable(o.seed, struct {
		lo, hi [2]uint64
		ports  uint32
		is4    bool
	}{k.lo, k.hi, k.ports, k.vlan&isIPv4 != 0})
	s := &o.shards[h%ownerShards]
	return s, &s.sets[h/ownerShards%uint64(len(s.sets))], h | 1
}

// same says whether two Trackers see one flow.
func (f *flowFacts) same(g *flowFacts) bool {
	if both := f.known & g.known; both != 0 {
		return (both&1 == 0 || f.isn[0] == g.isn[0]) && (both&2 == 0 || f.isn[1] == g.isn[1])
	}
	return near(f.seq[0], g.seq[0], ownerWindow) && near(f.seq[1], g.seq[1], ownerWindow) && !f.follows(g) && !g.follows(f)
}

// follows says whether a flow began behind all that another one has sent: hosts begin the next connection of a tuple
// there (RFC 6528).
func (f *flowFacts) follows(g *flowFacts) bool {
	for i := range 2 {
		if d := int32(f.isn[i] - g.seq[i]); f.known>>i&1 != 0 && d >= 0 && int(d) <= ownerWindow {
			return true
		}
	}
	return false
}

// oneSided says whether an owner has seen one end only, for long enough that it shows nothing else.
func (e *owned) oneSided() bool {
	return e.ends != 3 && int32(e.at-e.since) >= ownerOneSide
}

// apart says whether a flow's directions are shown to e's owner and to another Tracker, one to each.
func (e *owned) apart(f *flowFacts) bool {
	return e.ends != 0 && f.ends != 0 && e.ends&f.ends == 0 &&
		(e.oneSided() || e.known != 0 && f.known != 0 && e.known&f.known == 0)
}

// demand is what a Tracker asks for.
type demand struct {
	m      *member
	serial uint32
	tick   uint32
	flowFacts
	denied uint32 // claim that stood against the last demand for this flow, 0 if none did
	waits  uint32 // tick of the first bytes that claim's owner did not show, 0 if there are none
}

// claim asks for a flow. It gives the id of the claim, ok if it is the asker's; else d.denied and d.waits are
// what to ask with next time.
func (o *Owners) claim(k *key, d *demand) (id uint32, ok bool) {
	s, set, h := o.set(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	var place *owned
	state := uint8(0)
	for i := range set {
		e := &set[i]
		switch {
		case e.hash != h || e.id != d.denied && !e.same(&d.flowFacts):
		case e.state&ownedOver == 0 && e.apart(&d.flowFacts) && o.alive(e):
			state = ownedHalf
		case o.stands(e, d):
			d.denied = e.id
			return e.id, false
		default:
			if place != nil {
				place.hash = 0
			}
			place = e
		}
	}
	if place == nil {
		place = o.room(set)
	}
	*place = owned{hash: h, flowFacts: d.flowFacts, id: o.newID(), serial: d.serial, slot: d.m.slot, state: state,
		since: d.tick, at: d.tick}
	return place.id, true
}

func (o *Owners) newID() uint32 {
	for {
		if id := o.lastID.Add(1); id != 0 {
			return id
		}
	}
}

// alive says whether the Tracker that owns a flow still exists.
func (o *Owners) alive(e *owned) bool { return o.owner(e).serial.Load() == e.serial }

func (o *Owners) owner(e *owned) *member { return (*o.members.Load())[e.slot] }

// stands says whether a claim stands against a demand for the same flow.
func (o *Owners) stands(e *owned, d *demand) bool {
	ahead := int32(d.tick - e.at) // of what the owner has shown
	switch {
	case !o.alive(e):
		return false
	case e.state&ownedDone != 0:
		return ahead <= ownerLinger
	case e.state&ownedOver != 0:
		return e.serial != d.serial && ahead <= 0
	case d.ends == 3 && e.oneSided():
		return false
	case ahead <= 0:
		d.waits = 0
		return true
	case d.waits == 0 || int32(e.at-d.waits) >= 0:
		d.waits = d.tick
		return true
	}
	return int32(o.owner(e).clock.Load()-d.waits) <= ownerSilent && int32(d.tick-d.waits) <= ownerStuck
}

// room gives the place of the flow that is missed least.
func (o *Owners) room(set *[ownerWays]owned) *owned {
	best := &set[0]
	for i := range set {
		e := &set[i]
		switch {
		case e.hash == 0:
			return e
		case e.state&ownedOver != best.state&ownedOver:
			if e.state&ownedOver != 0 {
				best = e
			}
		case int32(e.at-best.at) < 0:
			best = e
		}
	}
	if best.state&ownedOver == 0 && o.alive(best) {
		o.forgotten.Add(1)
	}
	return best
}

// hold says that the owner saw the flow of a claim in this tick, and a packet of one end (as a bit) just now. It
// gives the claim's new id if it had to be made again, and false if the flow is another's by now.
func (o *Owners) hold(k *key, id uint32, d *demand, end uint8) (uint32, bool) {
	s, set, h := o.set(k)
	s.mu.Lock()
	for i := range set {
		e := &set[i]
		if e.hash != h || e.id != id || e.serial != d.serial {
			continue
		}
		e.ends |= d.ends
		e.seq, e.at = d.seq, d.tick
		if e.state&ownedHalf != 0 && e.ends == 3 { // no half any more: there can be one owner only
			e.hash, end = 0, 3
			break
		}
		s.mu.Unlock()
		return id, true
	}
	s.mu.Unlock()
	d.ends = end
	return o.claim(k, d)
}

// release ends a claim; done says that the flow ended in order.
func (o *Owners) release(k *key, id uint32, d *demand, done bool) {
	s, set, h := o.set(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range set {
		if e := &set[i]; e.hash == h && e.id == id && e.serial == d.serial {
			e.state |= ownedOver
			if done {
				e.state |= ownedDone
			}
			e.seq, e.at = d.seq, d.tick
			return
		}
	}
}
