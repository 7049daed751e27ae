// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/weir-project/weir/deploy/street/tape"
	"github.com/weir-project/weir/sensor/packet"
)

// loop is a keep-alive connection that goes on for ever: one exchange, said again and again with
// sequence and ACK numbers moved on.
type loop struct {
	p       *pipeline
	frames  []packet.Frame // of one exchange
	sides   []int
	grows   [2]uint32 // bytes each side sends in one round
	seqs    [][2]uint32
	now     int64
	round   uint32
	payload int
}

// newLoop opens the connection and prepares one exchange of it, with an answer of records records.
func newLoop(t testing.TB, p *pipeline, records int) *loop {
	tp := tape.New(start)
	k := tp.Dial(client, server)
	feed(p, tp.Frames)
	opened := len(tp.Frames)
	ask, answer := request("/customers", "tok_test_loop", ""), response(200, list(records))
	k.Client(ask)
	k.Server(answer)
	l := &loop{p: p, now: tp.Now().UnixNano(), payload: len(ask) + len(answer)}
	l.grows = [2]uint32{uint32(len(ask)), uint32(len(answer))}
	for i, f := range tp.Frames[opened:] {
		side := 1
		if i == 0 { // the request is one segment
			side = 0
		}
		l.frames = append(l.frames, packet.Frame{Data: f.Data, Length: len(f.Data), Link: packet.LinkEthernet})
		l.sides = append(l.sides, side)
		l.seqs = append(l.seqs, [2]uint32{binary.BigEndian.Uint32(f.Data[38:]), binary.BigEndian.Uint32(f.Data[42:])})
	}
	return l
}

// say says the exchange once more.
func (l *loop) say() {
	for i := range l.frames {
		f, side := &l.frames[i], l.sides[i]
		binary.BigEndian.PutUint32(f.Data[38:], l.seqs[i][0]+l.round*l.grows[side])
		binary.BigEndian.PutUint32(f.Data[42:], l.seqs[i][1]+l.round*l.grows[1-side])
		l.now += 50_000
		f.Time = l.now
		l.p.frame(f)
	}
	l.round++
}

// TestSteadyStateAllocatesNothing says 100 exchanges of a long connection through decode, flow,
// session, http1 and identity: no packet may cost an allocation. Counters are shown to other
// goroutines once a second of packet time, which allocates, and is kept out by the time that passes.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, inspect := range []string{"off", "on"} {
		t.Run("inspect "+inspect, func(t *testing.T) {
			sink := &nowhere{}
			p := newTestPipeline(t, sink, "--inspect", inspect)
			l := newLoop(t, p, 60)
			for range 2000 {
				l.say()
			}
			p.show = l.now + 5*showEvery
			told := sink.exchanges
			runs := 50
			each := testing.AllocsPerRun(runs, func() {
				for range 100 {
					l.say()
				}
			})
			if each != 0 && !raceEnabled { // the race detector allocates by itself
				t.Errorf("%.2f allocations per 100 exchanges of %d packets", each, len(l.frames))
			}
			if n := sink.exchanges - told; n < uint64(100*runs) {
				t.Errorf("%d exchanges told of %d", n, 100*(runs+1))
			}
		})
	}
}

// BenchmarkPipeline is the whole way of a packet but for capture and publishing. An operation is
// one exchange.
func BenchmarkPipeline(b *testing.B) {
	for _, c := range []struct {
		name    string
		inspect string
		records int
	}{{"small/inspect=off", "off", 1}, {"small/inspect=on", "on", 1}, {"list/inspect=off", "off", 200}, {"list/inspect=on", "on", 200}} {
		b.Run(c.name, func(b *testing.B) {
			p := newTestPipeline(b, &nowhere{}, "--inspect", c.inspect)
			l := newLoop(b, p, c.records)
			for range 100 {
				l.say()
			}
			runtime.GC()
			b.ReportAllocs()
			b.SetBytes(int64(l.payload))
			b.ResetTimer()
			for b.Loop() {
				l.say()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.frames)), "ns/packet")
		})
	}
}
