// SPDX-License-Identifier: Apache-2.0

package legs_test

import (
	"encoding/binary"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/legs"
)

// nowhere is a sink that counts.
type nowhere struct{ n int }

func (s *nowhere) Exchange(*exchange.Exchange) { s.n++ }

// settled is a Joiner that knows a server and its clients for long.
func settled(t testing.TB, next exchange.Sink, x *exchange.Exchange) *legs.Joiner {
	t.Helper()
	j := legs.New(legs.Config{}, next)
	j.Exchange(x)
	x.Start, x.PartStart, x.PartEnd = x.Start+10_000*ms, x.PartStart+10_000*ms, x.PartEnd+10_000*ms
	j.Flush()
	return j
}

func TestNothingIsAllocated(t *testing.T) {
	out := &nowhere{}
	x := parse(t, "A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r trace=7")
	j := settled(t, out, x)
	if n := testing.AllocsPerRun(1000, func() { j.Exchange(x) }); n != 0 || j.Counters().Held != 1 {
		t.Errorf("%v allocations for what cannot be a leg; %+v", n, j.Counters())
	}
	pair := newPair(t)
	for range 20_000 {
		pair.next(j)
	}
	if n := testing.AllocsPerRun(5000, func() { pair.next(j) }); n != 0 {
		t.Errorf("%v allocations for two legs", n)
	}
	if n := j.Counters(); n.Joined < 10_000 || n.Told != [3]uint64{2: 1} {
		t.Errorf("%+v", n)
	}
}

// pair makes legs of one exchange after the other, a millisecond apart.
type pair struct {
	inner, outer *exchange.Exchange
	n            uint64
}

func newPair(t testing.TB) *pair {
	return &pair{inner: parse(t, "B GET /x 10.0.0.2>10.0.0.3 20002..20008 bytes=100 id=12345678"), outer: parse(t, "A GET /x 192.0.2.1>10.0.0.2 20001..20009 bytes=30 id=12345678")}
}

func (p *pair) next(j *legs.Joiner) {
	p.n++
	for _, x := range []*exchange.Exchange{p.inner, p.outer} {
		binary.BigEndian.PutUint64(x.RequestID, p.n)
		binary.BigEndian.PutUint64(x.ID[8:], p.n)
		x.Start, x.PartStart, x.PartEnd = x.Start+ms, x.PartStart+ms, x.PartEnd+ms
		j.Exchange(x)
	}
}

func BenchmarkPass(b *testing.B) {
	for name, line := range map[string]string{
		"no id": "A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30",
		"id":    "A GET /x 192.0.2.1>10.0.0.1 1..9 bytes=30 id=r trace=7",
	} {
		b.Run(name, func(b *testing.B) {
			x := parse(b, line)
			j := settled(b, &nowhere{}, x)
			b.ReportAllocs()
			for b.Loop() {
				j.Exchange(x)
			}
		})
	}
}

// BenchmarkJoin is what two legs cost that are joined.
func BenchmarkJoin(b *testing.B) {
	j := legs.New(legs.Config{}, &nowhere{})
	p := newPair(b)
	b.ReportAllocs()
	for b.Loop() {
		p.next(j)
	}
}
