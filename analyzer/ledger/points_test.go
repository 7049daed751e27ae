// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// transfer is one exchange as it was on the wire.
type transfer struct {
	id, principal byte
	from, to      time.Duration
	sent, got     uint64
	records       uint64
}

// seenFrom gives the parts in which a point tells of an exchange. Points cut parts as they like; every part has
// increments and its offset.
func (x *transfer) seenFrom(rng *rand.Rand, start int64, point string, rank weirv1.ObservationRank) (parts []*weirv1.Exchange) {
	n := 1 + rng.IntN(4)
	var up, down, records uint64
	for i := range n {
		share := func(all, gone uint64) uint64 {
			if i == n-1 {
				return all - gone
			}
			return rng.Uint64N(all - gone + 1)
		}
		sent, got, rec := share(x.sent, up), share(x.got, down), share(x.records, records)
		end := x.from + (x.to-x.from)*time.Duration(i+1)/time.Duration(n)
		begin := x.from + (x.to-x.from)*time.Duration(i)/time.Duration(n)
		p := &weirv1.Exchange{ExchangeId: make([]byte, 16), PrincipalId: make([]byte, 16), PartNumber: uint32(i), PartLast: i == n-1,
			PartStartTimeUnixNano: uint64(start + int64(begin)), PartEndTimeUnixNano: uint64(start + int64(end)),
			StartTimeUnixNano: uint64(start + int64(x.from)), HttpResponseStatusCode: 200, HttpRequestBodySize: sent, RequestBodyOffset: up,
			HttpResponseBodySize: got, ResponseBodyOffset: down, RecordCount: rec, RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT,
			ObservationPoint: point, ObservationRank: rank, PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN}
		p.ExchangeId[0], p.ExchangeId[1], p.PrincipalId[0] = x.id, x.principal, 1+x.principal
		if i == 0 {
			p.RequestCount = 1
		}
		up, down, records = up+sent, down+got, records+rec
		parts = append(parts, p)
	}
	return parts
}

// TestPointsCountOnce has up to four points of several ranks see the same exchanges, each cutting them its own way,
// in any order within the lateness bound and some of it twice: the totals are those of one point, and no sum shown on the
// way is higher.
func TestPointsCountOnce(t *testing.T) {
	start := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC).UnixNano()
	ranks := []weirv1.ObservationRank{weirv1.ObservationRank_OBSERVATION_RANK_CLIENT, weirv1.ObservationRank_OBSERVATION_RANK_MIRROR,
		weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET, weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET}
	names := []string{"c/eth0", "m/span", "s1/eth0", "s2/eth0"}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		var want ledger.Totals
		var all []*weirv1.Exchange
		points := 1 + rng.IntN(len(names))
		for i := range 40 {
			from := time.Duration(rng.Int64N(int64(30 * time.Second)))
			x := transfer{id: byte(i), principal: byte(i % 3), from: from, to: from + time.Duration(rng.Int64N(int64(20*time.Second))),
				sent: rng.Uint64N(5000), got: rng.Uint64N(1 << 20), records: rng.Uint64N(300)}
			want.Requests++
			want.Records += x.records
			want.RequestBytes += x.sent
			want.ResponseBytes += x.got
			for k := range points {
				all = append(all, x.seenFrom(rng, start, names[k], ranks[k])...)
			}
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		p := ledger.New(3, ledger.Config{})
		end := uint64(start + int64(time.Minute))
		for len(all) > 0 {
			n := min(len(all), 1+rng.IntN(30))
			p.Apply(&weirv1.Batch{WindowStartUnixNano: uint64(start), WindowEndUnixNano: end, Exchanges: all[:n]})
			all = all[n:]
			if open := p.Open(); open.Requests > want.Requests {
				t.Fatalf("seed %d: %d requests are shown, there were %d", seed, open.Requests, want.Requests)
			}
		}
		p.Advance(start+int64(time.Hour), nil)
		got := p.Totals()
		if got.Requests != want.Requests || got.Records != want.Records || got.ResponseBytes != want.ResponseBytes || got.RequestBytes != want.RequestBytes {
			t.Fatalf("seed %d, %d points: got %d requests, %d records, %d + %d bytes, want %d, %d, %d + %d", seed, points, got.Requests, got.Records,
				got.RequestBytes, got.ResponseBytes, want.Requests, want.Records, want.RequestBytes, want.ResponseBytes)
		}
	}
}

// TestASensorComesAndGoes lets the chosen point fall silent inside an exchange: another one goes on with it, and bytes
// that both showed count once.
func TestASensorComesAndGoes(t *testing.T) {
	start := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC).UnixNano()
	x := transfer{id: 1, from: 0, to: 5 * time.Minute, sent: 10, got: 30 << 20, records: 0}
	part := func(point string, n uint32, from, to uint64, at time.Duration, last bool) *weirv1.Exchange {
		p := x.seenFrom(rand.New(rand.NewPCG(1, 1)), start, point, weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET)[0]
		p.PartNumber, p.PartLast, p.RequestCount = n, last, 0
		if n == 0 {
			p.RequestCount = 1
		}
		p.HttpRequestBodySize, p.RequestBodyOffset, p.RecordCount = 0, 0, 0
		p.ResponseBodyOffset, p.HttpResponseBodySize = from, to-from
		p.PartStartTimeUnixNano, p.PartEndTimeUnixNano = uint64(start+int64(at)), uint64(start+int64(at))
		return p
	}
	p := ledger.New(3, ledger.Config{})
	apply := func(at time.Duration, xs ...*weirv1.Exchange) {
		p.Apply(&weirv1.Batch{WindowStartUnixNano: uint64(start), WindowEndUnixNano: uint64(start + int64(at)), Exchanges: xs})
		p.Advance(start+int64(at)-int64(2*time.Minute), nil)
	}
	const mb = 1 << 20
	apply(10*time.Second, part("a/eth0", 0, 0, 10*mb, 10*time.Second, false), part("b/eth0", 0, 0, 12*mb, 10*time.Second, false))
	apply(3*time.Minute, part("b/eth0", 1, 12*mb, 20*mb, 3*time.Minute, false)) // a is gone
	apply(5*time.Minute, part("b/eth0", 2, 20*mb, 30*mb, 5*time.Minute, true))
	p.Advance(start+int64(time.Hour), nil)
	if got := p.Totals(); got.Requests != 1 || got.ResponseBytes > 30*mb || got.ResponseBytes < 28*mb {
		t.Errorf("%d requests, %d MB", got.Requests, got.ResponseBytes/mb)
	}
}
