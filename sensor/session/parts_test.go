// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// totals is what all parts of one exchange add up to.
type totals struct {
	requests                                        uint32
	requestHead, requestBody, responseHead, answers uint64
	gap, uninspected, records                       uint64
	status                                          uint16
	coverage                                        exchange.Coverage
	anomalies                                       exchange.AnomalySet
	principal                                       exchange.ID
	end                                             int64
}

// addUp merges parts and checks that they follow each other without a hole.
func addUp(t *testing.T, all []told) map[exchange.ID]totals {
	t.Helper()
	sums := map[exchange.ID]totals{}
	type at struct {
		part      uint32
		last      bool
		req, resp uint64
		end       int64
	}
	seen := map[exchange.ID]at{}
	for _, x := range all {
		p := seen[x.ID]
		if p.last || x.Part != p.part || x.RequestBodyOffset != p.req || x.ResponseBodyOffset != p.resp ||
			p.part > 0 && x.PartStart != p.end || x.PartEnd < x.PartStart {
			t.Fatalf("part %d does not follow %+v: %s", x.Part, p, x.text)
		}
		if (x.RequestCount == 1) != (x.Part == 0) {
			t.Fatalf("part %d counts %d requests", x.Part, x.RequestCount)
		}
		seen[x.ID] = at{x.Part + 1, x.Last, p.req + x.RequestBodySize, p.resp + x.ResponseBodySize, x.PartEnd}
		s := sums[x.ID]
		s.requests += x.RequestCount
		s.requestHead += x.RequestHeaderSize
		s.requestBody += x.RequestBodySize
		s.responseHead += x.ResponseHeaderSize
		s.answers += x.ResponseBodySize
		s.gap += x.GapBytes
		s.uninspected += x.UninspectedSize
		s.records += x.Records
		s.status, s.coverage, s.anomalies, s.principal = x.Status, x.Coverage, x.Anomalies, x.PrincipalID
		s.end = x.Start + x.Duration
		sums[x.ID] = s
	}
	for id, p := range seen {
		if !p.last {
			t.Fatalf("%x has no last part", id)
		}
	}
	return sums
}

// The sum over parts is the whole, however small the parts are.
func TestPartsAddUp(t *testing.T) {
	for seed := range uint64(60) {
		play := func(cfg session.Config) (map[exchange.ID]totals, int) {
			rng := rand.New(rand.NewPCG(seed, 1))
			out := &sink{}
			s := session.New(cfg, testKeys(t), out)
			w := newWire(s, false)
			w.cut = func(n int) int { return 1 + rng.IntN(700) }
			for i := range 6 {
				up, down := rng.IntN(4000), rng.IntN(20000)
				w.send(stream.A, fmt.Appendf(nil, "POST /r/%d HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok_test_%d\r\nContent-Length: %d\r\n\r\n", i, i%2, up))
				w.send(stream.A, bytes.Repeat([]byte{'u'}, up))
				w.send(stream.B, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", down))
				for down > 0 {
					n := min(down, 1+rng.IntN(3000))
					if rng.IntN(5) == 0 {
						w.lose(stream.B, int64(n))
					} else {
						w.send(stream.B, bytes.Repeat([]byte{'d'}, n))
					}
					down -= n
					w.time += int64(rng.IntN(3_000_000_000))
					s.Advance(w.time)
				}
			}
			w.close()
			checkBytes(t, s.Counters())
			return addUp(t, out.all), len(out.all)
		}
		inspect := seed%2 == 0
		want, few := play(session.Config{PartBytes: 1 << 50, PartTime: 1 << 60, Inspect: inspect})
		got, many := play(session.Config{PartBytes: 1000, PartTime: 1_000_000_000, Inspect: inspect})
		if many <= few {
			t.Fatalf("seed %d: no parts", seed)
		}
		for id, g := range got {
			if g != want[id] {
				t.Errorf("seed %d: parts %+v\nwhole %+v", seed, g, want[id])
			}
		}
	}
}

// Other connections go on when we fail in one, and the fault is kept for the log.
func TestBugIsContained(t *testing.T) {
	s := session.New(session.Config{}, testKeys(t), faulty{})
	w := newWire(s, false)
	w.send(stream.A, []byte("GET /1 HTTP/1.1\r\n\r\n"))
	w.send(stream.B, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	if stack, n := s.Bug(); n != 1 || !bytes.Contains(stack, []byte("faulty")) {
		t.Errorf("%d bugs, stack %.80s", n, stack)
	}
	if !w.ignore {
		t.Error("the connection is still heard")
	}
	w.close()
	s.Advance(1 << 62)
	other := newWire(s, false)
	other.send(stream.A, []byte("GET /2 HTTP/1.1\r\n\r\n"))
	other.close()
	if _, n := s.Bug(); n != 2 {
		t.Errorf("%d bugs", n)
	}
	checkBytes(t, s.Counters())
}

type faulty struct{}

func (faulty) Exchange(*exchange.Exchange) { panic("BUG: made by the test") }
