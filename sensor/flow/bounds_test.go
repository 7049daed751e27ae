// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	t.Run("in order", func(t *testing.T) {
		tr := flow.New(flow.Config{}, &count{})
		k := talks(tr, 1, peer, server)[0]
		s := &packet.Segment{Payload: payload, PayloadLen: len(payload), Flags: packet.ACK, Src: k.from[1], Dst: k.to[1], Seq: k.isn[1] + 1}
		zeroAllocs(t, 1000, func() { tr.Segment(s); s.Seq += 1448; s.Time += ms })
	})
	t.Run("out of order", func(t *testing.T) {
		tr := flow.New(flow.Config{}, &count{})
		step := outOfOrder(tr)
		for range 100 {
			step()
		}
		zeroAllocs(t, 1000, step)
	})
	t.Run("churn", func(t *testing.T) {
		tr := flow.New(flow.Config{Linger: int64(1e9)}, &count{})
		step := churn(tr, 2000)
		for range 30_000 {
			step()
		}
		zeroAllocs(t, 10_000, step)
	})
}

func zeroAllocs(t *testing.T, runs int, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(runs, f); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}

func TestMillionHalfOpen(t *testing.T) {
	before := heap()
	sink := &count{}
	tr := flow.New(flow.Config{MaxHalfOpen: 1 << 20}, sink)
	s := &packet.Segment{Dst: server, Flags: packet.SYN}
	const flood = 1 << 20
	for i := range flood {
		s.Time, s.Src, s.Seq = 1e18+int64(i)*1000, peer(i), uint32(i)*3
		tr.Segment(s)
	}
	per := float64(heap()-before) / flood
	t.Logf("%.0f bytes per half-open connection", per)
	if per >= 200 {
		t.Errorf("%.0f bytes per half-open connection, want < 200", per)
	}
	if n := tr.Counters(); n.HalfOpen != flood || n.HalfOpenEvicted != 0 || n.Opened != 0 {
		t.Errorf("%+v", n)
	}
	// A real connection in the middle of the flood is served, and the flood goes on without growing.
	k := newTalk(1, 2)
	k.now = s.Time
	feed(tr, k.handshake()...)
	feed(tr, k.seg(0, packet.ACK, 0, 0, "hello"))
	size := heap()
	for i := range flood {
		s.Time, s.Src, s.Seq = s.Time+1, peer6(i), uint32(i)
		tr.Segment(s)
	}
	if grown := heap() - size; grown > 1<<20 {
		t.Errorf("grown by %d bytes", grown)
	}
	feed(tr, k.seg(1, packet.ACK, 0, 5, "world"))
	if sink.bytes != 10 {
		t.Errorf("%d bytes of the real connection, want 10", sink.bytes)
	}
	if n := tr.Counters(); n.HalfOpenEvicted < flood-1 { // one place was free again
		t.Errorf("evicted %d", n.HalfOpenEvicted)
	}
	runtime.KeepAlive(tr)
}

func TestOldestIdleIsEvicted(t *testing.T) {
	rec := newRecorder(t)
	tr := flow.New(flow.Config{MaxConns: 3}, rec)
	ks := talks(tr, 3, peer, server)
	for i, k := range ks {
		k.now = 1e18 + int64(i)*3000*ms
		feed(tr, k.seg(0, packet.ACK, 0, 0, "a"))
	}
	ks[0].now = 1e18 + 20_000*ms
	feed(tr, ks[0].seg(0, packet.ACK, 1, 0, "b")) // 0 was busy last, 1 idle longest
	k := newTalk(1, 2)
	k.now = 1e18 + 21_000*ms
	feed(tr, k.handshake()...)
	for i, want := range []bool{false, true, false} {
		if got := rec.order[i].closed; got != want || want && rec.order[i].end != stream.EndEvicted {
			t.Errorf("connection %d: closed %v, want %v", i, got, want)
		}
	}
	// A connection that only shook hands goes before those with bytes.
	k2 := newTalk(8, 9)
	k2.from[0], k2.to[1] = peer(77), peer(77)
	k2.now = 1e18 + 22_000*ms
	feed(tr, k2.handshake()...)
	if rec.order[0].closed || rec.order[2].closed {
		t.Error("a connection with bytes was given up for a handshake")
	}
	if n := tr.Counters(); n.Closed[stream.EndEvicted] != 2 || n.Silent != 1 || n.Live != 3 {
		t.Errorf("%+v", n)
	}
}

// Stalled windows full of holes stay under the tracker's budget, and the counters explain the rest.
func TestTotalBudget(t *testing.T) {
	const limit = 4 << 20
	sink := &count{}
	tr := flow.New(flow.Config{TotalBytes: limit, FlowBytes: 1 << 20}, sink)
	ks := talks(tr, 500, peer, server)
	before := heap()
	for j := range 40 {
		for i, k := range ks {
			k.now = 1e18 + int64(j*len(ks)+i)
			feed(tr, k.seg(1, packet.ACK, int64(j*2+1)*1448, 0, string(payload)))
			if n := tr.Counters(); n.HeldMemory > limit {
				t.Fatalf("%d bytes held", n.HeldMemory)
			}
		}
	}
	if grown := heap() - before; grown > 2*limit {
		t.Errorf("heap grew by %d", grown)
	}
	conserve(t, tr)
	n := tr.Counters()
	if n.Gaps.TotalBudget == 0 || n.BufferedBytes == 0 {
		t.Errorf("%+v", n)
	}
	tr.Flush(1e18)
	conserve(t, tr)
	n = tr.Counters()
	if n.BufferedBytes != 0 || n.HeldMemory != 0 || n.DeliveredBytes != n.PayloadBytes || n.LostBytes != n.PayloadBytes {
		t.Errorf("%+v", n)
	}
}

func TestFlowBudget(t *testing.T) {
	for _, cfg := range []flow.Config{{FlowSegments: 4}, {FlowBytes: 4 * (2048 + 96)}} {
		rec := newRecorder(t)
		tr := flow.New(cfg, rec)
		k := newTalk(1, 2)
		feed(tr, k.handshake()...)
		for j := range 4 {
			feed(tr, k.seg(1, packet.ACK, int64(j+1)*1448, 0, string(payload)))
		}
		if len(rec.order) != 0 {
			t.Fatal("handed on too early")
		}
		feed(tr, k.seg(1, packet.ACK, 5*1448, 0, string(payload)))
		if n := tr.Counters(); n.Gaps.FlowBudget != 1 || n.LostBytes != 1448 || n.DeliveredBytes != 5*1448 {
			t.Errorf("%+v", n)
		}
		conserve(t, tr)
	}
}

// A sink that panics and calls Drop afterwards, or drops from inside, leaves a tracker that goes on.
func TestDrop(t *testing.T) {
	for _, inside := range []bool{true, false} {
		for nth := 1; nth <= 6; nth++ {
			dropCase(t, inside, nth)
		}
	}
}

func dropCase(t *testing.T, inside bool, nth int) {
	t.Helper()
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	k := talks(tr, 2, peer, server)
	calls := 0
	var bad *stream.Conn
	rec.verdict = func(c *stream.Chunk) stream.Verdict {
		if c.Conn.Addr[stream.A] != peer(0) {
			return stream.Verdict{}
		}
		if calls++; calls == nth {
			bad = c.Conn
			if inside {
				tr.Drop(c.Conn)
				return stream.Verdict{}
			}
			panic("sink")
		}
		return stream.Verdict{}
	}
	safe := func(s *packet.Segment) {
		defer func() {
			if recover() != nil {
				tr.Drop(bad)
			}
		}()
		tr.Segment(s)
	}
	for _, i := range []int{0, 2, 3, 5, 6, 1, 4, 7, 9, 8} {
		for _, k := range k {
			safe(k.seg(1, packet.ACK, int64(i)*4, 0, "data"))
		}
	}
	for _, k := range k {
		safe(k.seg(1, packet.ACK|packet.FIN, 40, 0, ""))
		safe(k.seg(0, packet.ACK|packet.FIN, 0, 41, ""))
	}
	conserve(t, tr)
	for _, r := range rec.order {
		if dropped := r.conn.Addr[stream.A] == peer(0); r.closed == dropped {
			t.Errorf("inside %v, call %d: dropped %v, closed %v", inside, nth, dropped, r.closed)
		}
	}
	if n := tr.Counters(); n.Live != 0 || n.Closed[0] != 1 || n.HeldMemory != 0 || n.BufferedBytes != 0 {
		t.Errorf("inside %v, call %d: %+v", inside, nth, n)
	}
	tr.Drop(bad) // long gone
}

func TestVerdictsOfClient(t *testing.T) {
	rec := newRecorder(t)
	rec.verdict = func(c *stream.Chunk) stream.Verdict { return stream.Verdict{Client: c.Side.Other()} }
	tr := flow.New(flow.Config{Listening: []uint16{40000}}, rec)
	k := newTalk(1, 2)
	feed(tr, k.seg(1, packet.ACK, 0, 0, "HTTP/1.1 200 OK"), k.seg(0, packet.ACK, 0, 15, ""))
	tr.Flush(k.now)
	if got := rec.order[0].conn; got.Addr[got.Client] != server { // as the chunk was shown: by port
		t.Errorf("client is %v", got.Addr[got.Client])
	}
	// A SYN knows better than the sink.
	rec = newRecorder(t)
	rec.verdict = func(c *stream.Chunk) stream.Verdict { return stream.Verdict{Client: c.Side.Other()} }
	tr = flow.New(flow.Config{}, rec)
	feed(tr, k.handshake()...)
	feed(tr, k.seg(0, packet.ACK, 0, 0, "GET"), k.seg(0, packet.ACK, 3, 0, " /"))
	if got := rec.order[0].conn; got.Addr[got.Client] != client {
		t.Errorf("client is %v", got.Addr[got.Client])
	}
}

// Neither a SYN flood nor a rush of short connections drives the other kind out.
func TestStubsShareTheirBound(t *testing.T) {
	tr := flow.New(flow.Config{MaxHalfOpen: 100}, &count{})
	step := churn(tr, 1000)
	for range 300 {
		step()
	}
	n := tr.Counters()
	if n.HalfOpenEvicted != 0 || n.Lingering != 100 || n.LingerEvicted != 200 || n.Mid != 0 {
		t.Errorf("rush: %+v", n)
	}
	s := &packet.Segment{Dst: server, Flags: packet.SYN, Time: 1e18}
	for i := range 10_000 {
		s.Src, s.Seq = peer6(i), uint32(i)
		tr.Segment(s)
	}
	if n := tr.Counters(); n.HalfOpen+n.Lingering != 100 || n.Lingering < 49 {
		t.Errorf("flood: %+v", n)
	}
}

// Raw numbers and packet times travel with each chunk; what waited for a hole takes the time of what filled it.
func TestChunkNumbersAndTimes(t *testing.T) {
	type facts struct {
		off       int64
		seq, ack  uint32
		hasAck    bool
		time, gap int64
	}
	var got []facts
	rec := newRecorder(t)
	rec.verdict = func(c *stream.Chunk) stream.Verdict {
		got = append(got, facts{c.Offset, c.Seq, c.Ack, c.HasAck, c.Time, c.Gap})
		return stream.Verdict{}
	}
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(0xfffffffd, 500)
	feed(tr, k.handshake()...)
	k.now = 0
	at := func(time int64, s *packet.Segment) *packet.Segment { s.Time = 1e18 + time; return s }
	feed(tr,
		at(10, k.seg(0, packet.ACK, 0, 0, "ab")),
		at(20, k.seg(0, packet.ACK, 4, 7, "ef")),
		at(30, k.seg(0, packet.ACK, 2, 9, "cd")),
		at(40, k.seg(0, packet.ACK, 9, 9, "j")))
	tr.Flush(1e18 + 50)
	want := []facts{
		{0, 0xfffffffe, 501, true, 1e18 + 10, 0},
		{0, 501, 0, false, 1e18 + 30, 9}, // the server's, known from ACKs: what came before it is told before it
		{2, 0, 510, true, 1e18 + 30, 0},
		{4, 2, 508, true, 1e18 + 30, 0},
		{6, 4, 0, false, 1e18 + 40, 3},
		{9, 7, 510, true, 1e18 + 40, 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
