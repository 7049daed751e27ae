// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// However a conversation is cut, reordered within the bound, repeated and lost, its two byte streams
// and its gaps are the same.
func TestAnyCutOrderAndRepetition(t *testing.T) {
	for seed := range uint64(600) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		k := newTalk(rnd.Uint32(), rnd.Uint32())
		if seed%3 == 0 {
			k.isn[0] = -uint32(rnd.IntN(4000))
		}
		data := [2][]byte{pattern(1+rnd.IntN(4000), 0), pattern(1+rnd.IntN(4000), 1)}
		holes := [2][2]int64{hole(rnd, len(data[0])), hole(rnd, len(data[1]))}
		for range 3 {
			oneWay(t, seed, rnd, k, data, holes)
		}
	}
}

// hole picks a lost piece, often an empty one, that is not at the end.
func hole(rnd *rand.Rand, n int) [2]int64 {
	if n < 10 || rnd.IntN(2) == 0 {
		return [2]int64{}
	}
	from := rnd.IntN(n - 5)
	return [2]int64{int64(from), int64(from + 1 + rnd.IntN(n-from-2))}
}

func oneWay(t *testing.T, seed uint64, rnd *rand.Rand, k *talk, data [2][]byte, holes [2][2]int64) {
	t.Helper()
	var segs []*packet.Segment
	for i := range 2 {
		for range 1 + rnd.IntN(2) { // the second time with other cuts
			for off := 0; off < len(data[i]); {
				n := min(1+rnd.IntN(700), len(data[i])-off)
				segs = append(segs, pieces(k, i, off, n, data[i], holes[i])...)
				off += n
			}
		}
	}
	shuffle(rnd, segs)
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	feed(tr, k.handshake()...)
	feed(tr, segs...)
	feed(tr,
		k.seg(0, packet.ACK|packet.FIN, int64(len(data[0])), int64(len(data[1])), ""),
		k.seg(1, packet.ACK|packet.FIN, int64(len(data[1])), int64(len(data[0]))+1, ""))
	conserve(t, tr)
	tr.Advance(k.now + 1000*ms)
	conserve(t, tr)
	rec.allClosed()
	if len(rec.order) != 1 || rec.order[0].end != stream.EndFIN {
		t.Fatalf("seed %d: %d connections", seed, len(rec.order))
	}
	for i, side := range []stream.Side{stream.A, stream.B} {
		want := bytes.Clone(data[i])
		clear(want[holes[i][0]:holes[i][1]])
		got := rec.order[0]
		if !bytes.Equal(got.bytes[side], want) || got.gaps[side] != holes[i][1]-holes[i][0] || len(got.holes[side]) > 1 {
			t.Fatalf("seed %d side %d: %d bytes, want %d; gaps %v, want %v", seed, side, len(got.bytes[side]), len(want), got.holes[side], holes[i])
		}
	}
}

// pieces makes the segments of a piece, without what falls into the hole.
func pieces(k *talk, i, off, n int, data []byte, hole [2]int64) []*packet.Segment {
	var segs []*packet.Segment
	if end := min(off+n, int(hole[0])); hole[1] > hole[0] && off < end {
		segs = append(segs, k.seg(i, packet.ACK, int64(off), 0, string(data[off:end])))
	}
	if from := max(off, int(hole[1])); from < off+n {
		segs = append(segs, k.seg(i, packet.ACK, int64(from), 0, string(data[from:off+n])))
	}
	return segs
}

// shuffle moves segments by up to eight places and gives them times in their new order.
func shuffle(rnd *rand.Rand, segs []*packet.Segment) {
	for i := range segs {
		j := min(i+rnd.IntN(8), len(segs)-1)
		segs[i], segs[j] = segs[j], segs[i]
		segs[i].Time, segs[j].Time = segs[j].Time, segs[i].Time
	}
}

// Hosts do the same in one order, at many addresses: no connection disturbs another, in any kind of key.
func TestKeysApart(t *testing.T) {
	six := netip.MustParseAddrPort("[::ffff:10.0.0.9]:40000") // not the IPv4 address it maps
	six1 := netip.MustParseAddrPort("[::ffff:10.0.0.1]:80")
	variants := []func(s *packet.Segment){
		func(*packet.Segment) {},
		func(s *packet.Segment) { s.VLAN = 5 },
		func(s *packet.Segment) { s.VLAN = 5 << 12 },
		func(s *packet.Segment) { s.Tunnel = 5 },
		func(s *packet.Segment) {
			if s.Src == client {
				s.Src, s.Dst = six, six1
			} else {
				s.Src, s.Dst = six1, six
			}
		},
	}
	k := newTalk(1, 2)
	segs := append(k.handshake(), k.seg(0, packet.ACK, 0, 0, "GET /"), k.seg(1, packet.ACK, 0, 5, "200 OK"))
	for _, ignore := range []bool{false, true} {
		rec := newRecorder(t)
		tr := flow.New(flow.Config{IgnoreVLAN: ignore, IgnoreTunnel: ignore}, rec)
		for _, s := range segs {
			for _, f := range variants {
				v := *s
				f(&v)
				tr.Segment(&v)
			}
		}
		tr.Flush(k.now)
		conserve(t, tr)
		want := len(variants)
		if ignore {
			want = 2
		}
		if len(rec.order) != want {
			t.Errorf("%d connections, want %d", len(rec.order), want)
		}
		for _, r := range rec.order {
			if string(r.bytes[stream.A]) != "GET /" || string(r.bytes[stream.B]) != "200 OK" {
				t.Errorf("%q %q", r.bytes[stream.A], r.bytes[stream.B])
			}
		}
	}
}

func TestSameEnds(t *testing.T) {
	tr := flow.New(flow.Config{}, newRecorder(t))
	tr.Segment(&packet.Segment{Src: client, Dst: client, Flags: packet.ACK, Payload: []byte("abc"), PayloadLen: 3})
	conserve(t, tr)
	if n := tr.Counters(); n.Dropped.SameEnds != 3 {
		t.Errorf("%+v", n)
	}
}

// A clock that leaps into the future and comes back ends what it must and nothing afterwards.
func TestClockLeap(t *testing.T) {
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(1, 2)
	feed(tr, k.handshake()...)
	feed(tr, k.seg(0, packet.ACK, 0, 0, "a"))
	tr.Segment(&packet.Segment{Time: 5e18, Src: peer(5), Dst: server, Flags: packet.ACK, Payload: []byte("x!"), PayloadLen: 2})
	k = newTalk(1000, 2000)
	for i := range 100 {
		k.now = 1e18 + int64(i)*10_000*ms
		if i == 0 {
			feed(tr, k.handshake()...)
		}
		feed(tr, k.seg(0, packet.ACK, int64(i), 0, "b"))
	}
	if n := tr.Counters(); n.Closed[stream.EndIdle] != 2 || n.Live != 1 {
		t.Errorf("%+v", n)
	}
	conserve(t, tr)
}

// FuzzTracker feeds segments made of bytes: no panic, every byte accounted for, every promise of the
// stream contract kept, all closed at the end.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0, 0, 1, 18, 0, 0, 0, 0, 0, 16, 0, 0, 10, 0})
	f.Add([]byte{0, 16, 0, 0, 20, 0, 0, 16, 0, 30, 5, 0, 1, 16, 0, 0, 9, 40, 0, 17, 0, 50, 3, 0, 1, 4, 0, 9, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		rec := newRecorder(t)
		var tr *flow.Tracker
		calls := 0
		rec.verdict = func(c *stream.Chunk) stream.Verdict {
			calls++
			switch {
			case calls%31 == 0:
				return stream.Verdict{Act: stream.Ignore, Client: c.Side}
			case calls%17 == 0:
				return stream.Verdict{Act: stream.Skip, N: int64(calls) << 8}
			}
			return stream.Verdict{}
		}
		tr = flow.New(flow.Config{MaxConns: 2, MaxHalfOpen: 3, FlowSegments: 4, TotalBytes: 4096, Window: 1 << 14}, rec)
		k := newTalk(^uint32(100), 3)
		for ; len(in) >= 6; in = in[6:] {
			fuzzSegment(tr, k, [6]byte(in))
			conserve(t, tr)
			if n := tr.Counters(); n.Live > 2 || n.HalfOpen+n.Lingering > 3 || n.HeldMemory > 4096 {
				t.Fatalf("bounds: %+v", n)
			}
		}
		tr.Flush(k.now)
		conserve(t, tr)
		rec.allClosed()
		if n := tr.Counters(); n.BufferedBytes != 0 || n.HeldMemory != 0 || n.Live+n.HalfOpen+n.Lingering+n.Waiting != 0 {
			t.Fatalf("left over: %+v", n)
		}
	})
}

func fuzzSegment(tr *flow.Tracker, k *talk, b [6]byte) {
	i := int(b[0] & 1)
	who := peer(int(b[0]>>1) % 3)
	k.from, k.to = [2]netip.AddrPort{who, server}, [2]netip.AddrPort{server, who}
	off := int64(int8(b[2]))<<8 + int64(b[3])
	s := k.seg(i, packet.Flags(b[1]&63), off, int64(b[5])*3, string(pattern(int(b[4]), b[0]>>4&1)))
	s.PayloadLen += int(b[1]>>6) * 50
	if b[0]&0x80 != 0 {
		k.now += int64(b[5]) << 24
	}
	if b[0]&0x40 != 0 {
		s.Seq += uint32(b[5]) << 24
	}
	tr.Segment(s)
}
