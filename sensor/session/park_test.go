// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// TestRestingDoesNotMatter lets every conversation rest for 6 s, over and over: what is told stays the same.
func TestRestingDoesNotMatter(t *testing.T) {
	for _, s := range scripts(t) {
		s.cfg.PartTime = 1 << 60
		want := s.run(t, nil)
		s.rest = 6_000_000_000
		if got := s.run(t, nil); got != want {
			t.Errorf("%s:\ngot\n%swant\n%s", s.file, got, want)
		}
	}
}

// TestIdleConnectionsAreSmall keeps many connections open that had one exchange each.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const n = 20_000
	s := session.New(session.Config{}, testKeys(t), &sink{})
	conns := make([]stream.Conn, n)
	now := int64(1_700_000_000_000_000_000)
	request, response := []byte("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		c := &conns[i]
		c.ID = uint64(i + 1)
		c.Addr = [3]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:8080")}
		s.Chunk(&stream.Chunk{Conn: c, Side: stream.A, Seq: 1, Ack: 1, HasAck: true, Time: now, Data: request})
		s.Chunk(&stream.Chunk{Conn: c, Side: stream.B, Seq: 1, Ack: 1 + uint32(len(request)), HasAck: true, Time: now, Data: response})
		now += 1_000_000
		s.Advance(now)
	}
	s.Advance(now + 10_000_000_000)
	if got := s.Counters().Parked; got != n {
		t.Fatalf("%d of %d are parked", got, n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// What is kept for reuse is bounded, and no idle connection's.
	const reserve = 5100 * 4096
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc) - reserve) / n; per > 256 {
		t.Errorf("an idle connection takes %d B", per)
	}
	runtime.KeepAlive(conns)
}
