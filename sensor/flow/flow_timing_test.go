// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"

	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/stream"
)

// count is the cheapest sink.
type count struct{ chunks, bytes, gaps, closes int64 }

func (c *count) Chunk(ch *stream.Chunk) stream.Verdict {
	c.chunks++
	c.bytes += int64(len(ch.Data))
	c.gaps += ch.Gap
	return stream.Verdict{}
}
func (c *count) Finish(*stream.Conn, stream.Side, int64, stream.End) {}
func (c *count) Close(*stream.Conn, int64, stream.End)               { c.closes++ }

// peer gives the i-th client address.
func peer(i int) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i)/50000)
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(10000+i%50000))
}

func peer6(i int) netip.AddrPort {
	a := [16]byte{0: 0xfd, 15: 1}
	binary.BigEndian.PutUint32(a[8:], uint32(i))
	return netip.AddrPortFrom(netip.AddrFrom16(a), 443)
}

// talks makes n conversations that have shaken hands.
func talks(tr *flow.Tracker, n int, at func(int) netip.AddrPort, srv netip.AddrPort) []*talk {
	ks := make([]*talk, n)
	for i := range ks {
		k := newTalk(uint32(i)*7919, uint32(i)*104729)
		k.from, k.to = [2]netip.AddrPort{at(i), srv}, [2]netip.AddrPort{srv, at(i)}
		ks[i] = k
		feed(tr, k.handshake()...)
	}
	return ks
}

var payload = make([]byte, 1448)

func BenchmarkInOrder(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		at   func(int) netip.AddrPort
		srv  netip.AddrPort
	}{
		{"ipv4-100", 100, peer, server},
		{"ipv4-1000", 1000, peer, server},
		{"ipv4-100000", 100_000, peer, server},
		{"ipv6-1000", 1000, peer6, netip.MustParseAddrPort("[2001:db8::1]:80")},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := flow.New(flow.Config{}, &count{})
			ks := talks(tr, c.n, c.at, c.srv)
			offs := make([]int64, c.n)
			s := &packet.Segment{Payload: payload, PayloadLen: len(payload), Flags: packet.ACK}
			now := int64(1e18)
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				j := i % c.n
				k := ks[j]
				now += 1000
				s.Time, s.Src, s.Dst = now, k.from[1], k.to[1]
				s.Seq, s.Ack = k.isn[1]+1+uint32(offs[j]), k.isn[0]+1
				offs[j] += int64(len(payload))
				tr.Segment(s)
			}
		})
	}
}

// One hole in ten: nine segments are held until the tenth comes.
func BenchmarkOutOfOrder(b *testing.B) {
	tr := flow.New(flow.Config{}, &count{})
	step := outOfOrder(tr)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		step()
	}
}

func outOfOrder(tr *flow.Tracker) func() {
	k := talks(tr, 1, peer, server)[0]
	s := &packet.Segment{Payload: payload, PayloadLen: len(payload), Flags: packet.ACK, Src: k.from[1], Dst: k.to[1]}
	i, now := 0, int64(1e18)
	return func() {
		now += 1000
		place := i/10*10 + (i+1)%10 // 1 2 ... 9 0
		i++
		s.Time, s.Seq, s.Ack = now, k.isn[1]+1+uint32(place*len(payload)), k.isn[0]+1
		tr.Segment(s)
	}
}

// Whole connections: handshake, request, response, both FINs, from ports that come again.
func BenchmarkChurn(b *testing.B) {
	sink := &count{}
	tr := flow.New(flow.Config{}, sink)
	step := churn(tr, 20_000)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10, "ns/segment")
}

func churn(tr *flow.Tracker, peers int) func() {
	now, i := int64(1e18), uint32(0)
	s := &packet.Segment{}
	send := func(src, dst netip.AddrPort, flags packet.Flags, seq, ack uint32, n int) {
		now += 20_000
		*s = packet.Segment{Time: now, Src: src, Dst: dst, Flags: flags, Seq: seq, Ack: ack, Payload: payload[:n], PayloadLen: n}
		tr.Segment(s)
	}
	return func() {
		c, x, y := peer(int(i)%peers), i*1_000_003, i*7_000_003
		i++
		send(c, server, packet.SYN, x, 0, 0)
		send(server, c, packet.SYN|packet.ACK, y, x+1, 0)
		send(c, server, packet.ACK, x+1, y+1, 0)
		send(c, server, packet.ACK|packet.PSH, x+1, y+1, 300)
		send(server, c, packet.ACK, y+1, x+301, 0)
		send(server, c, packet.ACK|packet.PSH, y+1, x+301, 1448)
		send(c, server, packet.ACK, x+301, y+1449, 0)
		send(c, server, packet.ACK|packet.FIN, x+301, y+1449, 0)
		send(server, c, packet.ACK|packet.FIN, y+1449, x+302, 0)
		send(c, server, packet.ACK, x+302, y+1450, 0)
	}
}

func BenchmarkHalfOpen(b *testing.B) {
	tr := flow.New(flow.Config{}, &count{})
	s := &packet.Segment{Dst: server, Flags: packet.SYN}
	b.ReportAllocs()
	for i := range b.N {
		s.Time, s.Src, s.Seq = 1e18+int64(i), peer(i), uint32(i)
		tr.Segment(s)
	}
}

// heap is what lives on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
