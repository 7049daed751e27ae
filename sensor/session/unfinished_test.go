// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/net/http2"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// TestUnfinishedHeadsAreBounded has many connections send 57 KB of a head and not its end.
func TestUnfinishedHeadsAreBounded(t *testing.T) {
	var frames bytes.Buffer
	frames.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&frames, nil)
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: bytes.Repeat([]byte{0x82}, 16_000)}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.WriteContinuation(1, false, bytes.Repeat([]byte{0x82}, 14_000)); err != nil {
			t.Fatal(err)
		}
	}
	for name, head := range map[string][]byte{
		"http1": append([]byte("GET /a HTTP/1.1\r\nX: "), bytes.Repeat([]byte{'x'}, 57_000)...),
		"http2": frames.Bytes(),
	} {
		const n = 4000
		s := session.New(session.Config{}, testKeys(t), &sink{})
		conns := make([]stream.Conn, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range conns {
			c := &conns[i]
			c.ID = uint64(i + 1)
			c.Addr = [3]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:8080")}
			for at := 0; at < len(head); at += 1400 {
				s.Chunk(&stream.Chunk{Conn: c, Side: stream.A, Offset: int64(at), Seq: uint32(at), Time: int64(i) * 1e6, Data: head[at:min(len(head), at+1400)]})
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		const large = 512 * 80 << 10
		if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > large+n*(12<<10) {
			t.Errorf("%s: %d connections take %d MB", name, n, got>>20)
		}
		for i := range conns {
			s.Close(&conns[i], 1e12, stream.EndFIN)
		}
		checkBytes(t, s.Counters())
		runtime.KeepAlive(conns)
	}
}
