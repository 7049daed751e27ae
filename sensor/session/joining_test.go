// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// TestWhatLooksLikeFramesIsBounded opens many connections whose segments begin like frames and go on like none.
func TestWhatLooksLikeFramesIsBounded(t *testing.T) {
	const n = 20_000
	s := session.New(session.Config{}, testKeys(t), &sink{})
	frame := append([]byte{0, 0x3f, 0xff, 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{0, 0, 1, 0, 0, 0, 0, 0, 3, 'x'}, 140)...)
	conns := make([]stream.Conn, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		c := &conns[i]
		c.ID, c.Mid = uint64(i+1), true
		c.Addr = [3]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:8080")}
		for k := range 3 {
			s.Chunk(&stream.Chunk{Conn: c, Side: stream.B, Offset: int64(k * len(frame)), Seq: uint32(k * len(frame)), Time: int64(i) * 1e6, Data: frame})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; per > 6<<10 {
		t.Errorf("such a connection takes %d B", per)
	}
	for i := range conns {
		s.Close(&conns[i], 1e12, stream.EndFIN)
	}
	checkBytes(t, s.Counters())
	runtime.KeepAlive(conns)
}
