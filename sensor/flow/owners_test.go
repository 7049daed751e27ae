// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// world makes the segments of many connections in order of time: with and without their beginning, with losses that
// are acknowledged, pauses, all kinds of ends, and tuples that are used again.
func world(rnd *rand.Rand, tuples int) []*packet.Segment {
	var all []*packet.Segment
	for i := range tuples {
		k := newTalk(rnd.Uint32(), rnd.Uint32())
		k.from, k.to = [2]netip.AddrPort{peer(i), server}, [2]netip.AddrPort{server, peer(i)}
		k.now += rnd.Int64N(3000 * ms)
		for n := range 1 + rnd.IntN(3) {
			segs := life(rnd, k)
			if n == 0 && rnd.IntN(4) == 0 { // begun before the capture
				segs = segs[rnd.IntN(len(segs)):]
			}
			all = append(all, segs...)
			k.now += rnd.Int64N(30_000 * ms)
			k.isn[0], k.isn[1] = k.isn[0]+200_000+rnd.Uint32N(1e6), k.isn[1]+rnd.Uint32()
		}
	}
	slices.SortStableFunc(all, func(a, b *packet.Segment) int { return cmp.Compare(a.Time, b.Time) })
	for i := 1; i < len(all); i++ {
		all[i].Time = max(all[i].Time, all[i-1].Time)
	}
	return all
}

func life(rnd *rand.Rand, k *talk) (segs []*packet.Segment) {
	var at [2]int64
	if segs = k.handshake(); rnd.IntN(8) == 0 {
		segs = segs[:1+rnd.IntN(2)]
		return segs
	}
	for range rnd.IntN(12) {
		i := rnd.IntN(2)
		n := int64(2 + rnd.IntN(3000))
		if rnd.IntN(6) == 0 {
			at[i] += n // the capture lost it
		} else {
			segs = append(segs, k.seg(i, packet.ACK|packet.PSH, at[i], at[1-i], string(pattern(int(n), byte(i)))))
			at[i] += n
		}
		segs = append(segs, k.seg(1-i, packet.ACK, at[1-i], at[i], ""))
		if rnd.IntN(3) == 0 {
			k.now += []int64{40, 900, 3000, 12_000, 40_000}[rnd.IntN(5)] * ms
		}
	}
	switch rnd.IntN(4) {
	case 0:
		segs = append(segs, k.seg(0, packet.ACK|packet.FIN, at[0], at[1], ""),
			k.seg(1, packet.ACK|packet.FIN, at[1], at[0]+1, ""), k.seg(0, packet.ACK, at[0]+1, at[1]+1, ""))
	case 1:
		segs = append(segs, k.seg(rnd.IntN(2), packet.ACK|packet.RST, 0, 0, ""))
		last := segs[len(segs)-1]
		i := 0
		if last.Src == k.from[1] {
			i = 1
		}
		last.Seq, last.Ack = k.isn[i]+1+uint32(at[i]), k.isn[1-i]+1+uint32(at[1-i])
	}
	return segs
}

// told is all that Trackers handed on, one line for each side of each connection, in order of the lines.
func toldBy(recs ...*recorder) []string {
	var lines []string
	for _, rec := range recs {
		for _, r := range rec.order {
			for _, s := range []stream.Side{stream.A, stream.B} {
				lines = append(lines, fmt.Sprintf("%v %d %v %v", r.conn.Addr[s], len(r.bytes[s]), r.holes[s], r.conn.Client == s))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// The same traffic on k interfaces, read in any order between them, in other VLANs and tunnels on some, is what one shows.
func TestOwnersOnceOnly(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		segs := world(rnd, 20)
		one := newRecorder(t)
		single := flow.New(flow.Config{}, one)
		feed(single, segs...)
		single.Flush(segs[len(segs)-1].Time)

		k := 2 + rnd.IntN(3)
		var recs []*recorder
		var trackers []*flow.Tracker
		owners := flow.NewOwners(0)
		for i := range k {
			recs = append(recs, newRecorder(t))
			trackers = append(trackers, flow.New(flow.Config{Owners: owners, Me: uint32(i), FirstID: uint64(i) << 32}, recs[i]))
		}
		interleave(rnd, segs, trackers)
		var n flow.Counters
		for _, tr := range trackers {
			tr.Flush(segs[len(segs)-1].Time)
			conserve(t, tr)
			c := tr.Counters()
			n.Opened += c.Opened
			n.DeliveredBytes += c.DeliveredBytes
			n.LostBytes += c.LostBytes
			n.Dropped.OtherOwner += c.Dropped.OtherOwner
		}
		c := single.Counters()
		if n.Opened != c.Opened || n.DeliveredBytes != c.DeliveredBytes || n.LostBytes != c.LostBytes {
			t.Errorf("seed %d, %d Trackers: %d connections, %d bytes, %d lost; want %d, %d, %d",
				seed, k, n.Opened, n.DeliveredBytes, n.LostBytes, c.Opened, c.DeliveredBytes, c.LostBytes)
		}
		if got, want := toldBy(recs...), toldBy(one); !slices.Equal(got, want) {
			t.Errorf("seed %d, %d Trackers: %d lines, want %d", seed, k, len(got), len(want))
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Fatalf("got  %v\nwant %v", got[min(i, len(got)-1)], want[i])
				}
			}
		}
		if n.Dropped.OtherOwner == 0 || owners.Forgotten() != 0 {
			t.Errorf("seed %d: %d bytes passed over, %d forgotten", seed, n.Dropped.OtherOwner, owners.Forgotten())
		}
	}
}

// interleave reads the same segments with every Tracker: in step, by runs, or one after the other.
func interleave(rnd *rand.Rand, segs []*packet.Segment, trackers []*flow.Tracker) {
	run := []int{1, 5, 300, len(segs)}[rnd.IntN(4)]
	next := make([]int, len(trackers))
	for left := len(trackers); left > 0; {
		i := rnd.IntN(len(trackers))
		for n := 1 + rnd.IntN(run); n > 0 && next[i] < len(segs); n-- {
			s := *segs[next[i]]
			if i%2 == 1 {
				s.VLAN, s.Tunnel = uint32(i), uint32(i)*7
			}
			trackers[i].Segment(&s)
			if next[i]++; next[i] == len(segs) {
				left--
			}
		}
	}
}

// A second copy on the same interface, with another VLAN id, is one flow too; an owner that is made anew frees its flows.
func TestOwnersOfOneTracker(t *testing.T) {
	owners := flow.NewOwners(0)
	rec := newRecorder(t)
	tr := flow.New(flow.Config{Owners: owners, Me: 3}, rec)
	k := newTalk(1, 2)
	for _, s := range append(k.handshake(), k.seg(0, packet.ACK, 0, 0, "GET /"), k.seg(1, packet.ACK, 0, 5, "200 OK")) {
		tr.Segment(s)
		twin := *s
		twin.VLAN = 20
		tr.Segment(&twin)
	}
	if n := tr.Counters(); n.Opened != 1 || n.DeliveredBytes != 11 || n.Dropped.OtherOwner != 11 || n.Yielded != 1 {
		t.Errorf("%+v", n)
	}
	conserve(t, tr)
	next := flow.New(flow.Config{Owners: owners, Me: 3}, newRecorder(t))
	next.Segment(k.seg(1, packet.ACK, 6, 5, "more"))
	if n := next.Counters(); n.DeliveredBytes != 4 {
		t.Errorf("after a fault: %+v", n)
	}
}

// Two customers with equal addresses in different VLANs are two flows, each told once.
func TestOwnersTenants(t *testing.T) {
	owners := flow.NewOwners(0)
	var trackers [2]*flow.Tracker
	for i := range trackers {
		trackers[i] = flow.New(flow.Config{Owners: owners, Me: uint32(i)}, newRecorder(t))
	}
	talks := []*talk{newTalk(1000, 2e9), newTalk(1001, 7), newTalk(3e9, 2e9)} // an end may even have equal numbers
	for step := range 8 {
		for v, k := range talks {
			s := append(k.handshake(), k.seg(0, packet.ACK, 0, 0, "GET /"), k.seg(1, packet.ACK, 0, 5, "200 OK"),
				k.seg(0, packet.ACK, 5, 6, "GET /"), k.seg(1, packet.ACK, 6, 10, "200 OK"), k.seg(0, packet.ACK, 10, 12, ""))[step]
			s.Time = 1e18 + int64(step)*400*ms
			s.VLAN = uint32(v)
			for i := range trackers {
				trackers[(step+i)%2].Segment(s)
			}
		}
	}
	a, b := trackers[0].Counters(), trackers[1].Counters()
	if a.Opened+b.Opened != 3 || a.DeliveredBytes+b.DeliveredBytes != 3*22 || a.Yielded+b.Yielded != 3 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// failover plays a download on two interfaces: the first one falls silent after 4 s.
func failover(t *testing.T, clock bool) (before, after flow.Counters, late int64) {
	owners := flow.NewOwners(0)
	one := flow.New(flow.Config{Owners: owners, Me: 1}, newRecorder(t))
	two := flow.New(flow.Config{Owners: owners, Me: 2}, newRecorder(t))
	k := newTalk(1, 2)
	for _, s := range k.handshake() {
		one.Segment(s)
		two.Segment(s)
	}
	for off := int64(0); off < 1200*100; off += 100 {
		k.now += 100 * ms
		s := k.seg(1, packet.ACK, off, 0, string(payload[:100]))
		if s.Time < 1e18+4000*ms {
			one.Segment(s)
		} else if clock {
			one.Advance(s.Time)
		}
		two.Segment(s)
		if n := two.Counters(); n.DeliveredBytes > 0 && late == 0 {
			late = s.Time - 1e18 - 4000*ms
		}
	}
	k.now += 100 * ms
	one.Segment(k.seg(1, packet.ACK, 1200*100, 0, "back again"))
	two.Segment(k.seg(1, packet.ACK, 1200*100, 0, "back again"))
	conserve(t, one)
	conserve(t, two)
	return one.Counters(), two.Counters(), late
}

func TestOwnersFailover(t *testing.T) {
	a, b, late := failover(t, true)
	if late < 5000*ms || late > 8000*ms {
		t.Errorf("taken over after %d ms", late/ms)
	}
	if a.DeliveredBytes+b.DeliveredBytes+b.Dropped.OtherOwner-a.DeliveredBytes != 1200*100+10 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if a.Live != 0 || a.Dropped.OtherOwner != 10 || b.Opened != 1 {
		t.Errorf("the first one did not yield: %+v", a)
	}
	// Whoever does not even tell the time is given up too.
	if _, b, late = failover(t, false); late < 60_000*ms || late > 68_000*ms || b.Opened != 1 {
		t.Errorf("taken over after %d ms: %+v", late/ms, b)
	}
}

// A tap shows each direction on an interface of its own: both are told. Who sees both has the flow alone.
func TestOwnersEachDirection(t *testing.T) {
	owners := flow.NewOwners(0)
	var recs [4]*recorder
	var trackers [4]*flow.Tracker
	for i := range recs {
		recs[i] = newRecorder(t)
		trackers[i] = flow.New(flow.Config{Owners: owners, Me: uint32(i)}, recs[i])
	}
	k := newTalk(1, 2)
	for _, s := range append(k.handshake(), k.seg(0, packet.ACK, 0, 0, "GET /"), k.seg(1, packet.ACK, 0, 5, "200 OK"), k.seg(0, packet.ACK, 5, 6, "")) {
		i := 0
		if s.Src == server {
			i = 1
		}
		trackers[i].Segment(s)
		trackers[i+2].Segment(s) // copies
	}
	a, b := trackers[0].Counters(), trackers[1].Counters()
	if a.DeliveredBytes != 5 || b.DeliveredBytes != 6 || a.Yielded+b.Yielded != 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if a, b = trackers[2].Counters(), trackers[3].Counters(); a.Opened != 0 || b.Opened != 0 {
		t.Errorf("copies: %+v\n%+v", a, b)
	}
	late := flow.New(flow.Config{Owners: owners, Me: 9}, newRecorder(t)) // sees both directions, when the halves have lasted
	for i := range 60 {
		k.now += 200 * ms
		for side, s := range []*packet.Segment{k.seg(0, packet.ACK, int64(5+i), int64(6+i), "c"), k.seg(1, packet.ACK, int64(6+i), int64(6+i), "s")} {
			s.Flags |= packet.PSH
			trackers[side].Segment(s)
			if i > 30 {
				late.Segment(s)
			}
		}
	}
	if n := late.Counters(); n.Opened != 1 || n.DeliveredBytes < 30 {
		t.Errorf("who sees all: %+v", n)
	}
	if a, b := trackers[0].Counters(), trackers[1].Counters(); a.Live+b.Live != 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestOwnersAreBounded(t *testing.T) {
	owners := flow.NewOwners(1)
	tr := flow.New(flow.Config{Owners: owners, Me: 1}, &count{})
	s := &packet.Segment{Dst: server, Flags: packet.ACK | packet.PSH, Payload: []byte("hello"), PayloadLen: 5}
	for i := range 100_000 {
		s.Time, s.Src, s.Seq = 1e18+int64(i)*ms/100, peer(i), uint32(i)*3
		tr.Segment(s)
	}
	if n := tr.Counters(); n.Opened != 100_000 || owners.Forgotten() < 98_000 {
		t.Errorf("%d forgotten; %+v", owners.Forgotten(), n)
	}
}

// Many goroutines at once, to be run with -race too.
func TestOwnersConcurrently(t *testing.T) {
	segs := world(rand.New(rand.NewPCG(1, 1)), 200)
	one := flow.New(flow.Config{}, &count{})
	feed(one, segs...)
	owners := flow.NewOwners(0)
	var sinks [4]count
	var all sync.WaitGroup
	for i := range sinks {
		all.Go(func() {
			tr := flow.New(flow.Config{Owners: owners, Me: uint32(i)}, &sinks[i])
			for _, s := range segs {
				s := *s
				tr.Segment(&s)
			}
		})
	}
	all.Wait()
	var sum int64
	for _, s := range sinks {
		sum += s.bytes
	}
	if want := int64(one.Counters().DeliveredBytes); sum != want {
		t.Errorf("%d bytes, want %d", sum, want)
	}
}
