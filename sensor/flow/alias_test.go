// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// Directions with VLAN or tunnel ids of their own are one connection, wherever the capture begins; one of them may
// have none.
func TestDirectionsWithTheirOwnIDs(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		v := converse(rnd)
		vlan := [2]uint32{rnd.Uint32N(3), 3 + rnd.Uint32N(3)}
		tunnel := [2]uint32{rnd.Uint32N(2), rnd.Uint32N(2)}
		from := 0
		if seed%2 == 1 {
			from = rnd.IntN(len(v.segs) - 3)
		}
		one, two := newRecorder(t), newRecorder(t)
		plain, tr := flow.New(flow.Config{}, one), flow.New(flow.Config{}, two)
		for _, s := range v.segs[from:] {
			plain.Segment(s)
			i := 0
			if s.Src == server {
				i = 1
			}
			s.VLAN, s.Tunnel = vlan[i], tunnel[i]
			tr.Segment(s)
		}
		plain.Flush(v.talk.now)
		if n := tr.Counters(); len(two.order) > 0 && n.Joined == 0 && n.Opened > plain.Counters().Opened {
			t.Fatalf("seed %d from %d of %d: not joined: %+v", seed, from, len(v.segs), n)
		}
		tr.Flush(v.talk.now)
		conserve(t, tr)
		if len(two.order) != len(one.order) {
			t.Fatalf("seed %d from %d of %d: %d connections, want %d", seed, from, len(v.segs), len(two.order), len(one.order))
		}
		for i, want := range one.order {
			got := two.order[i]
			for _, side := range []stream.Side{stream.A, stream.B} {
				if !bytes.Equal(got.bytes[side], want.bytes[side]) || got.conn.Client != want.conn.Client || got.end != want.end {
					t.Fatalf("seed %d from %d of %d: %d bytes of side %d, want %d", seed, from, len(v.segs), len(got.bytes[side]), side, len(want.bytes[side]))
				}
			}
		}
		if n := tr.Counters(); n.Live+n.HalfOpen+n.Lingering != 0 {
			t.Fatalf("left over: %+v", n)
		}
	}
}

// Customers with equal addresses are never joined, even where the capture shows one direction of each.
func TestTenantsAreNotJoined(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		tr := flow.New(flow.Config{}, newRecorder(t))
		a, b := converse(rnd), converse(rnd)
		from := rnd.IntN(4) * 2
		for i := from; i < max(len(a.segs), len(b.segs)); i++ {
			for vlan, v := range []*conversation{a, b} {
				if i < len(v.segs) && (seed%2 == 0 || v.segs[i].Src == v.talk.from[vlan]) {
					v.segs[i].VLAN = uint32(vlan + 1)
					tr.Segment(v.segs[i])
				}
			}
		}
		conserve(t, tr)
		if n := tr.Counters(); n.Joined != 0 {
			t.Fatalf("seed %d: %+v", seed, n)
		}
	}
}

// A flow that shows its directions apart is used again, refused, dropped and forgotten as any other.
func TestJoinedFlowsEnd(t *testing.T) {
	tr := flow.New(flow.Config{MaxHalfOpen: 4, MaxConns: 3}, newRecorder(t))
	rnd := rand.New(rand.NewPCG(1, 1))
	k := newTalk(1, 2)
	for round := range 2000 {
		c := peer(rnd.IntN(6))
		k.from[0], k.to[1] = c, c
		k.isn = [2]uint32{rnd.Uint32(), rnd.Uint32()}
		segs := append(k.handshake(), k.seg(0, packet.ACK, 0, 0, "GET"), k.seg(1, packet.ACK, 0, 3, "200"))
		switch rnd.IntN(4) {
		case 0:
			segs = segs[:2]
		case 1:
			segs = append(segs, k.seg(1, packet.ACK|packet.RST, 3, 3, ""))
		case 2:
			segs = append(segs, k.seg(1, packet.ACK|packet.FIN, 3, 3, ""), k.seg(0, packet.ACK|packet.FIN, 3, 4, ""), k.seg(1, packet.ACK, 0, 3, "200"))
		}
		for _, s := range segs {
			if s.Src == server {
				s.VLAN = 7
			}
			tr.Segment(s)
		}
		k.now += rnd.Int64N(2000 * ms)
		if n := tr.Counters(); n.Live > 3 || n.HalfOpen+n.Lingering > 4 {
			t.Fatalf("round %d: %+v", round, n)
		}
		conserve(t, tr)
	}
	if n := tr.Counters(); n.Joined < 1000 || n.LostBytes != 0 || n.Mid != 0 {
		t.Errorf("%+v", n)
	}
	tr.Flush(k.now)
	if n := tr.Counters(); n.Live+n.HalfOpen+n.Lingering != 0 {
		t.Errorf("%+v", n)
	}
}
