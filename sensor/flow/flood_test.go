// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"runtime"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// A million of anything that is no whole connection stays within the bounds given, and the counters explain where
// each one went.
func TestMillionOfEach(t *testing.T) {
	const conns, stubs = 1 << 15, 1 << 16
	for _, c := range []struct {
		name  string
		flags packet.Flags
		n     int
		flood uint64
	}{
		{"SYN", packet.SYN, 0, 1 << 20},
		{"SYN/ACK", packet.SYN | packet.ACK, 0, 1 << 20},
		{"ACK", packet.ACK, 0, 1 << 20},
		{"data", packet.ACK | packet.PSH, 100, 1 << 20},
		{"data out of order", packet.ACK, 100, 1 << 17},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			tr := flow.New(flow.Config{MaxConns: conns, MaxHalfOpen: stubs, TotalBytes: 4 << 20, Owners: flow.NewOwners(1 << 14)}, &count{})
			s := &packet.Segment{Dst: server, Flags: c.flags, Payload: payload[:c.n], PayloadLen: c.n}
			for i := range int(c.flood) {
				s.Time, s.Src, s.Seq, s.Ack = 1e18+int64(i)*10_000, peer(i), uint32(i)*7919, uint32(i)
				tr.Segment(s)
				if c.name == "data out of order" { // each with a hole of its own
					s.Seq += 5000
					tr.Segment(s)
				}
			}
			grown := heap() - before
			t.Logf("%d KiB", grown>>10)
			if limit := int64(conns*600 + stubs*130 + 8<<20); grown > limit {
				t.Errorf("%d bytes, want at most %d", grown, limit)
			}
			conserve(t, tr)
			n := tr.Counters()
			var closed uint64
			for _, v := range n.Closed {
				closed += v
			}
			if n.Live > conns || n.HalfOpen+n.Lingering > stubs || n.HeldMemory > 4<<20 {
				t.Errorf("bounds: %+v", n)
			}
			if n.Opened != n.Live+closed || n.HalfOpen+n.HalfOpenExpired+n.HalfOpenEvicted+n.HalfOpenReset+n.Opened != c.flood {
				t.Errorf("not explained: %+v", n)
			}
			runtime.KeepAlive(tr)
		})
	}
}

// What an idle connection takes, with its place in the tables.
func TestIdleConnectionMemory(t *testing.T) {
	const conns = 100_000
	before := heap()
	tr := flow.New(flow.Config{}, &count{})
	for i := range conns {
		k := newTalk(uint32(i), uint32(i)*3)
		k.from[0], k.to[1] = peer(i), peer(i)
		feed(tr, k.handshake()...)
		feed(tr, k.seg(0, packet.ACK, 0, 0, "GET"), k.seg(1, packet.ACK, 0, 3, "200"))
	}
	per := float64(heap()-before) / conns
	t.Logf("%.0f bytes per idle connection", per)
	if n := tr.Counters(); per >= 700 || n.Live != conns {
		t.Errorf("%.0f bytes each, %d live", per, n.Live)
	}
	runtime.KeepAlive(tr)
}

// A tuple used again from TIME_WAIT, with an initial sequence number just above the last one, a thousand times over.
func TestTimeWaitReuse(t *testing.T) {
	rec := newRecorder(t)
	tr := flow.New(flow.Config{}, rec)
	k := newTalk(^uint32(0)-5000, ^uint32(0)-9000)
	for i := range 1000 {
		feed(tr, k.handshake()...)
		feed(tr, k.seg(0, packet.ACK|packet.PSH, 0, 0, "GET"), k.seg(1, packet.ACK|packet.PSH, 0, 3, "200 OK"))
		if i%3 > 0 { // else the FINs are lost
			feed(tr, k.seg(0, packet.ACK|packet.FIN, 3, 6, ""), k.seg(1, packet.ACK|packet.FIN, 6, 4, ""), k.seg(0, packet.ACK, 4, 7, ""))
		}
		k.isn[0] += 5 + uint32(i)
		k.isn[1] += 100_000
		k.now += 1000 * ms
	}
	tr.Flush(k.now)
	conserve(t, tr)
	if n := tr.Counters(); n.Opened != 1000 || n.LostBytes != 0 || n.DeliveredBytes != 9000 {
		t.Errorf("%+v", n)
	}
	for _, r := range rec.order {
		if string(r.bytes[r.conn.Client]) != "GET" || r.conn.Client == stream.Unknown {
			t.Fatalf("%+v", r.lines)
		}
	}
}
