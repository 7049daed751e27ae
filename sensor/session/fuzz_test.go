// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// FuzzSession plays what a capture may hand on: each byte of the plan sends, loses or delays some of
// a side's bytes, or lets time pass. No fault of ours, every byte accounted, parts that follow.
func FuzzSession(f *testing.F) {
	f.Add([]byte("GET /a?b=c HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok_test_1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n"),
		[]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\n"),
		[]byte{0x0f, 0x1f, 0x2f, 0x3f, 0x8f, 0x9f, 0x4f, 0x1f, 0xff}, false)
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nxyz"), []byte("HTTP/1.1 200 OK\r\n\r\nabc"), []byte{0x0f, 0x0f, 0x1f, 0x1f}, true)
	f.Add([]byte("GET /c HTTP/1.1\r\nUpgrade: x\r\n\r\n\x81"), []byte("HTTP/1.1 101 S\r\n\r\n\x81"), []byte{0x4f, 0x4f, 0x1f, 0x5f, 0x1f}, false)
	f.Add([]byte("POST /a HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nContent-Length: 999\r\n\r\n"),
		[]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"), []byte{0x0f, 0x0f, 0x1f, 0x0f, 0x0f, 0x1f, 0x1f, 0x0f, 0x1f}, false)
	for seed := range uint64(3) {
		var sides [3][]byte
		for _, st := range multiplexed(f, rand.New(rand.NewPCG(seed, 4)), 3) {
			sides[st.side] = append(sides[st.side], st.data...)
		}
		f.Add(sides[stream.A], sides[stream.B], bytes.Repeat([]byte{0x0f, 0x1f, 0x1c, 0x0b}, 40), seed == 2)
	}
	f.Fuzz(func(t *testing.T, client, server, plan []byte, mid bool) {
		if len(plan) > 200 || len(client)+len(server) > 1<<14 {
			t.Skip("larger than a fuzz input need be")
		}
		out := &sink{}
		s := session.New(session.Config{Inspect: true, Unredacted: true, MaxHeader: 512, MaxPending: 3, MaxStreams: 4, PartBytes: 200, PartTime: 1e9}, testKeys(t), out)
		w := newWire(s, mid)
		src := [3][]byte{nil, client, server}
		for _, op := range plan {
			side := stream.Side(1 + op>>4&1)
			n := 1 + int(op&15)*8
			if len(src[side]) == 0 {
				src[side] = [3][]byte{nil, client, server}[side]
			}
			b := src[side][:min(n, len(src[side]))]
			src[side] = src[side][len(b):]
			switch {
			case len(b) == 0:
			case op>>5 == 1:
				if len(w.late) == 0 {
					w.lose(side, int64(n))
				}
			case op>>5 == 2 && w.sent[side] == w.told[side]:
				w.delay(side, b)
			case op>>5 == 7:
				w.time += 400_000_000
				s.Advance(w.time)
			default:
				if !w.ignore {
					w.catchUp()
				}
				w.send(side, b)
			}
		}
		w.late = nil
		w.close()
		if stack, n := s.Bug(); n > 0 {
			t.Fatalf("%s", stack)
		}
		checkBytes(t, s.Counters())
		parts := 0
		for _, x := range out.all {
			if x.Last {
				parts++
			}
		}
		if c := s.Counters(); uint64(parts) != c.Exchanges {
			t.Fatalf("%d exchanges told, %d ended", c.Exchanges, parts)
		}
	})
}
