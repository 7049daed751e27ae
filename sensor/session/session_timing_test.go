// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

type counting struct{ n int }

func (c *counting) Exchange(*exchange.Exchange) { c.n++ }

const timingRequest = "GET /customers/48213/orders?page=2 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test/1.0\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer tok_test_0123456789abcdef\r\n" +
	"X-Request-Id: 7d9f\r\nConnection: keep-alive\r\n\r\n"

func timingResponse() string {
	body := `{"data":[` + strings.Repeat(`{"id":48213,"name":"somebody","total":12.5},`, 6) + `{"id":1}]}`
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: test\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s", len(body), body)
}

// steady plays one exchange on a connection, over and over.
func steady(s *session.Session) func() { return steadyOf(s, timingRequest) }

func steadyOf(s *session.Session, request string) func() {
	w := newWire(s, false)
	q, r := []byte(request), []byte(timingResponse())
	return func() {
		w.time += 1000
		w.send(stream.A, q)
		w.send(stream.B, r)
	}
}

func TestNoAllocation(t *testing.T) {
	for _, inspect := range []bool{false, true} {
		c := &counting{}
		s := session.New(session.Config{Inspect: inspect}, testKeys(t), c)
		f := steady(s)
		for range 100 {
			f()
		}
		if n := testing.AllocsPerRun(500, f); n != 0 {
			t.Errorf("inspect %v: %v allocations an exchange", inspect, n)
		}
		w := newWire(s, false)
		q, r := []byte(timingRequest), []byte(timingResponse())
		short := func() {
			*w.conn = stream.Conn{ID: w.conn.ID + 1, Addr: w.conn.Addr}
			w.sent, w.told, w.ignore = [3]int64{}, [3]int64{}, false
			w.send(stream.A, q[:40])
			w.send(stream.A, q[40:])
			w.send(stream.B, r)
			w.close()
		}
		for range 100 {
			short()
		}
		if n := testing.AllocsPerRun(500, short); n != 0 {
			t.Errorf("inspect %v: %v allocations a connection", inspect, n)
		}
		lying := steadyOf(s, strings.Replace(timingRequest, "\r\n\r\n", "\r\nContent-Length: -1\r\n\r\n", 1))
		for range 100 {
			lying()
		}
		if n := testing.AllocsPerRun(500, lying); n != 0 {
			t.Errorf("inspect %v: %v allocations a hidden request", inspect, n)
		}
		if c.n < 1500 {
			t.Errorf("%d exchanges", c.n)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, inspect := range []bool{false, true} {
		b.Run(fmt.Sprintf("inspect=%v", inspect), func(b *testing.B) {
			s := session.New(session.Config{Inspect: inspect}, testKeys(b), &counting{})
			f := steady(s)
			b.SetBytes(int64(len(timingRequest) + len(timingResponse())))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// An upload is scouted for hidden requests: what that costs, by the length of its lines.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 20
	for name, line := range map[string]string{"one line": strings.Repeat("x", size), "lines": strings.Repeat(strings.Repeat("x", 79)+"\n", size/80+1)[:size]} {
		b.Run(name, func(b *testing.B) {
			s := session.New(session.Config{}, testKeys(b), &counting{})
			w := newWire(s, false)
			q := fmt.Appendf(nil, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
			body, r := []byte(line), []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				w.time += 1000
				w.send(stream.A, q)
				for p := body; len(p) > 0; p = p[min(1448, len(p)):] {
					w.send(stream.A, p[:min(1448, len(p))])
				}
				w.send(stream.B, r)
			}
		})
	}
}
