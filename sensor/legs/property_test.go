// SPDX-License-Identifier: Apache-2.0

package legs_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

// event is one part of an exchange that comes at a time.
type event struct {
	at int64
	x  exchange.Exchange
}

// account is what was told of one exchange id.
type account struct {
	bytes          uint64
	parts          uint32
	requests       uint32
	marked, ended  bool
	owner          exchange.ID
	torn, outOfRow bool
}

// ledger adds up what is told, by exchange id.
type ledger struct {
	mu  sync.Mutex
	all map[exchange.ID]*account
}

func (l *ledger) Exchange(x *exchange.Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.all[x.ID]
	if a == nil {
		a = &account{owner: x.PrincipalID}
		l.all[x.ID] = a
	}
	a.outOfRow = a.outOfRow || a.ended || x.Part != a.parts || a.owner != x.PrincipalID
	a.torn = a.torn || x.ResponseBodyOffset != a.bytes
	a.bytes += x.ResponseBodySize
	a.requests += x.RequestCount
	a.parts++
	a.ended = x.Last
	a.marked = a.marked || x.Anomalies.Has(exchange.Forwarded)
}

func id(n int, leg byte) (v exchange.ID) {
	binary.BigEndian.PutUint32(v[:], uint32(n+1)) // never zero
	v[15] = leg
	return v
}

// conversation is a proxied exchange with any number of inner legs.
type conversation struct {
	n      int
	inners int
	fits   bool
	sizes  []uint64 // of the outer leg, then of the inner ones
	local  bool
}

// say gives the events of one leg: parts in order, each as late as the rings allow.
func (c *conversation) say(rng *rand.Rand, leg int, start, end int64, parts int) (out []event) {
	x := exchange.Exchange{ID: id(c.n, byte(leg)), PrincipalID: id(c.n, byte(100+leg)), Assurance: exchange.AssuranceToken, Start: start, PartStart: start,
		RequestCount: 1, Method: []byte("GET"), Path: []byte("/x"), Status: 200, RequestID: binary.BigEndian.AppendUint32(nil, uint32(c.n)), GRPCStatus: -1}
	host := netip.AddrFrom4([4]byte{10, 0, byte(c.n % 5), 1})
	if c.local {
		host = netip.MustParseAddr("127.0.0.1")
	}
	x.Client, x.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(c.n)}), 999), netip.AddrPortFrom(host, 80)
	if leg > 0 {
		x.Client, x.Server = netip.AddrPortFrom(host, 4000), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(leg), 1}), 80)
		if c.local {
			x.Server = netip.AddrPortFrom(host, 8080)
		}
		if !c.fits {
			x.Path = []byte("/other")
		}
	}
	size, at := c.sizes[leg], start
	for i := range parts {
		x.Part, x.Last = uint32(i), i == parts-1
		x.ResponseBodySize = uint64(rng.Int64N(int64(size) + 1))
		at += (end - at) / int64(parts-i)
		if x.Last {
			x.ResponseBodySize, at = size, end
		}
		x.PartEnd = at
		e := event{at: at + rng.Int64N(900*ms), x: x}
		if i > 0 {
			e.at = max(e.at, out[i-1].at)
			e.x.RequestCount = 0
		}
		out = append(out, e)
		size -= x.ResponseBodySize
		x.ResponseBodyOffset += x.ResponseBodySize
	}
	return out
}

func converse(rng *rand.Rand, n int) (all []*conversation, events []event) {
	for i := range n {
		c := &conversation{n: i, inners: 1, fits: rng.IntN(4) > 0, local: rng.IntN(3) == 0}
		if rng.IntN(5) == 0 {
			c.inners = rng.IntN(4)
		}
		start := base + rng.Int64N(20_000)*ms
		long := 10*ms + rng.Int64N(500*ms)
		parts := 1
		if rng.IntN(3) == 0 {
			parts = 1 + rng.IntN(6)
			long *= int64(parts)
		}
		for leg := range c.inners + 1 {
			c.sizes = append(c.sizes, 1+uint64(leg)*40_000+rng.Uint64N(40_000)) // no two are equal, and some are large
			inset := int64(leg) * ms
			of := parts
			if leg > 0 && parts > 1 {
				of = max(1, parts+rng.IntN(3)-1)
			}
			events = append(events, c.say(rng, leg, start+inset, start+long-inset, of)...)
		}
		all = append(all, c)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return all, events
}

// check holds what was told of a conversation against the truth: one leg where they are joined, all
// of them, whole, where not.
func (c *conversation) check(t *testing.T, seed uint64, tight bool, l *ledger) (joined bool) {
	t.Helper()
	missing := map[uint64]bool{}
	for leg := range c.inners + 1 {
		a := l.all[id(c.n, byte(leg))]
		if a == nil {
			joined = true
			missing[c.sizes[leg]] = true
			continue
		}
		if a.torn || a.outOfRow || !a.ended || a.requests != 1 || a.owner != id(c.n, byte(100+leg)) {
			t.Fatalf("seed %d: leg %d of %+v: %+v", seed, leg, *c, *a)
		}
	}
	outer := l.all[id(c.n, 0)]
	switch {
	case outer == nil:
		t.Fatalf("seed %d: %+v: the outer leg is lost", seed, *c)
	case joined && !tight && (c.inners != 1 || !c.fits || outer.bytes != c.sizes[1] || outer.marked):
		t.Fatalf("seed %d: %+v is joined: %+v", seed, *c, *outer)
	}
	carried := 0
	for leg, size := range c.sizes {
		if a := l.all[id(c.n, byte(leg))]; a != nil && a.bytes != size {
			carried++
			if !missing[a.bytes] {
				t.Fatalf("seed %d: leg %d of %+v: %+v", seed, leg, *c, *a)
			}
		}
	}
	if joined && carried == 0 && !missing[outer.bytes] {
		t.Fatalf("seed %d: %+v: a leg is lost", seed, *c)
	}
	return joined
}

// warm shows a Joiner that every host both serves and asks. A host that was never seen to ask is
// not waited for.
func warm(j *legs.Joiner) {
	for n := range 10 {
		c := &conversation{n: 1_000_000 + n, sizes: []uint64{1, 1}, local: n >= 5}
		for leg := range 2 {
			j.Exchange(&c.say(rand.New(rand.NewPCG(0, 0)), leg, base, base+ms, 1)[0].x)
		}
	}
	j.Flush()
}

// In every order of arrival no byte is lost and none is told twice, whatever has to be given up.
func TestNoByteLostNoneTwice(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		cfg := legs.Config{}
		tight := seed%3 == 0
		if tight {
			cfg.MaxHeld, cfg.MaxRunning = 2+rng.IntN(40), 1+rng.IntN(6)
		}
		all, events := converse(rng, 100)
		l := &ledger{all: map[exchange.ID]*account{}}
		j := legs.New(cfg, l)
		warm(j)
		for i := range events {
			if rng.IntN(3) == 0 {
				j.Advance(events[i].at)
			}
			j.Exchange(&events[i].x)
			if n := j.Counters(); tight && int(n.Waiting) > cfg.MaxHeld {
				t.Fatalf("seed %d: %d wait", seed, n.Waiting)
			}
		}
		j.Flush()
		joined, could := 0, 0
		for _, c := range all {
			is := c.check(t, seed, tight, l)
			if c.inners == 1 && c.fits {
				could++
			}
			if is {
				joined++
			} else if a := l.all[id(c.n, 1)]; !tight && c.inners > 0 && !a.marked {
				t.Fatalf("seed %d: %+v is not marked", seed, *c)
			}
		}
		if !tight && joined != could {
			t.Fatalf("seed %d: %d joined of %d", seed, joined, could)
		}
		balanced(t, j.Counters(), len(events)+20)
	}
}

// balanced checks that what came is what was told and what was dropped.
func balanced(t *testing.T, n legs.Counters, came int) {
	t.Helper()
	sum := map[string]uint64{}
	n.Each(func(name, _ string, value uint64) { sum[name] += value })
	if n.Waiting != 0 || sum["held"] > sum["told"]+sum["filtered"] || sum["told"]+sum["filtered"]+sum["passed"] > uint64(came) {
		t.Fatalf("%d came: %+v", came, n)
	}
}

// Interfaces meet: each has a goroutine, and the legs come from different ones.
func TestLegsOfSeveralInterfaces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	all, events := converse(rng, 400)
	l := &ledger{all: map[exchange.ID]*account{}}
	j := legs.New(legs.Config{Hold: 1 << 60}, l) // the goroutines are not in step
	warm(j)
	var wg sync.WaitGroup
	for leg := range 4 {
		wg.Go(func() {
			for i := range events {
				if int(events[i].x.ID[15]) == leg {
					j.Exchange(&events[i].x)
				}
				if i%50 == 0 {
					j.Advance(events[i].at)
					j.Counters()
				}
			}
		})
	}
	wg.Wait()
	j.Flush()
	for _, c := range all {
		c.check(t, 0, false, l)
	}
}
