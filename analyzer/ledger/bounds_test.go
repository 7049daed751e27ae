// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"fmt"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func count(p *ledger.Partition, name, reason string) uint64 {
	for _, c := range p.Counters() {
		if c.Name == name && c.Reason == reason {
			return c.Value
		}
	}
	return 1 << 63
}

// TestLongestIdleGoFirst: rows are bounded, totals are not touched by it.
func TestLongestIdleGoFirst(t *testing.T) {
	p := ledger.New(0, ledger.Config{MaxPrincipals: 100})
	for i := range uint64(150) {
		apply(p, exchange(i, i, start+int64(i)*minute, 0, 3))
		if i%10 == 0 { // one that keeps coming back
			apply(p, exchange(1_000_000+i, 500, start+int64(i)*minute+1, 0, 1))
		}
	}
	p.Advance(start+day, nil)
	if p.Len() > 100 || p.Len() < 90 {
		t.Errorf("%d rows, want about 100", p.Len())
	}
	if _, ok := p.Lookup(principal(500)); !ok {
		t.Error("the busy one is gone")
	}
	if _, ok := p.Lookup(principal(0)); ok {
		t.Error("the idle one stays")
	}
	if got := count(p, "evicted", "principals"); got != 151-uint64(p.Len()) {
		t.Errorf("%d evictions counted, want %d", got, 151-p.Len())
	}
	if got := p.Totals(); got.Requests != 165 || got.Records != 465 {
		t.Errorf("totals are %+v", got)
	}
}

// TestMintedTokensCostNothing: principals that are never accepted get no row and are bounded.
func TestMintedTokensCostNothing(t *testing.T) {
	p := ledger.New(0, ledger.Config{MaxPending: 64})
	for i := range uint64(1000) {
		x := exchange(i, i, start+int64(i)*second, 0, 1)
		x.HttpResponseStatusCode = 401
		apply(p, x)
	}
	p.Advance(start+day, nil)
	if p.Len() != 0 {
		t.Errorf("%d rows for tokens never accepted", p.Len())
	}
	if got := count(p, "evicted", "pending_principals"); got < 930 || got > 1000 {
		t.Errorf("%d evictions counted", got)
	}
	if got := p.Totals(); got.Requests != 1000 || got.Refused != 1000 || got.Records != 0 {
		t.Errorf("totals are %+v", got)
	}
}

// TestEndlessPathsAndNetworks: tallies are bounded by the longest idle, and add up while they fit.
func TestEndlessPathsAndNetworks(t *testing.T) {
	p := ledger.New(0, ledger.Config{MaxEndpoints: 32, MaxNetworks: 32})
	for i := range uint64(200) {
		x := exchange(i, 1, start+int64(i)*minute, i, 1)
		x.UrlTemplate, x.ClientAddress = fmt.Sprint("/p", i), []byte{10, 0, byte(i), 1}
		apply(p, x)
	}
	p.Advance(start+day, nil)
	endpoints, networks := 0, 0
	p.Endpoints(func(e *ledger.EndpointTotals) {
		endpoints++
		if e.Requests != 1 || e.Records != 1 || e.Principals < 0.9 || e.Principals > 1.1 {
			t.Errorf("%+v", *e)
		}
	})
	p.Networks(func(n *ledger.NetworkTotals) { networks++ })
	if endpoints > 32 || networks > 32 || endpoints+int(count(p, "evicted", "endpoints")) != 200 || networks+int(count(p, "evicted", "networks")) != 200 {
		t.Errorf("%d endpoints and %d networks after 200", endpoints, networks)
	}
}

// TestFullMinutesStillCount: what does not fit into open minutes reaches totals and the day.
func TestFullMinutesStillCount(t *testing.T) {
	p := ledger.New(0, ledger.Config{MaxOpenExchanges: 50})
	for i := range uint64(120) {
		p.Apply(batch(exchange(i, 1, start+int64(i)*second/10, i*10, 2)))
	}
	p.Advance(start+day, nil)
	v, _ := p.Lookup(principal(1))
	if p.Totals().Records != 240 || v.Total.Records != 240 || v.DayRecords != 240 {
		t.Errorf("records are %d, %d, today %v", p.Totals().Records, v.Total.Records, v.DayRecords)
	}
	if got := count(p, "late", "open_minutes_full"); got != 70 {
		t.Errorf("%d counted, want 70", got)
	}
}

func TestMalformedIsCounted(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	short := exchange(1, 1, start, 0, 1)
	short.PrincipalId = []byte{1}
	timeless := exchange(2, 1, start, 0, 1)
	timeless.PartEndTimeUnixNano = 0
	future := exchange(3, 1, start+30*day, 0, 1)
	p.Apply(&weirv1.Batch{WindowEndUnixNano: uint64(start), Exchanges: []*weirv1.Exchange{short, timeless, future, {}}, Rollups: []*weirv1.Rollup{{}}, Links: []*weirv1.PrincipalLink{{}}})
	p.Advance(start+day, nil)
	if count(p, "malformed", "id") != 4 || count(p, "malformed", "time") != 2 || p.Totals().Requests != 2 {
		t.Errorf("%v, %+v", p.Counters(), p.Totals())
	}
}

func rollup(point string, rank weirv1.ObservationRank, requests, records uint64) *weirv1.Rollup {
	return &weirv1.Rollup{
		PrincipalId: hash16(1, 1), ServerName: "shop.example", HttpRequestMethod: "GET", UrlTemplate: "/customers/{id}",
		ObservationPoint: point, ObservationRank: rank, WindowStartUnixNano: uint64(start), WindowEndUnixNano: uint64(start + minute),
		Requests_2Xx: requests, RecordCount: records, Objects: &weirv1.ObjectSet{Hashes: objects(0, min(records, 64))},
	}
}

// TestRollupsAreJudgedByTotals: per principal, endpoint and minute one point counts, exchanges of
// the others included.
func TestRollupsAreJudgedByTotals(t *testing.T) {
	x := exchange(1, 1, start+10*second, 0, 7)
	x.ObservationPoint, x.ObservationRank = "b", 4
	y := exchange(2, 1, start+11*second, 0, 5)
	y.ObservationPoint, y.ObservationRank = "a", 4
	elsewhere := exchange(3, 1, start+12*second, 0, 1)
	elsewhere.UrlTemplate, elsewhere.ObservationPoint = "/orders/{id}", "a"
	for _, c := range []struct {
		name     string
		rollups  []*weirv1.Rollup
		disjoint bool
		records  uint64
		requests uint64
	}{
		{"largest total", []*weirv1.Rollup{rollup("a", 4, 10, 20), rollup("b", 4, 12, 15)}, false, 15 + 7 + 1, 14},
		{"best rank", []*weirv1.Rollup{rollup("a", 5, 2, 2), rollup("b", 4, 12, 15)}, false, 2 + 5 + 1, 4},
		{"one point's add up", []*weirv1.Rollup{rollup("a", 4, 10, 20), rollup("a", 4, 11, 30)}, false, 50 + 5 + 1, 23},
		{"disjoint", []*weirv1.Rollup{rollup("a", 4, 10, 20), rollup("b", 4, 12, 15)}, true, 35 + 7 + 5 + 1, 25},
	} {
		p := ledger.New(0, ledger.Config{DisjointPoints: c.disjoint})
		p.Apply(batch(x, y, elsewhere))
		p.Apply(&weirv1.Batch{WindowEndUnixNano: uint64(start + minute), Rollups: c.rollups})
		var open ledger.Totals
		p.Arrivals(func(v *ledger.View) { open = v.Total })
		p.Advance(start+hour, nil)
		if got := p.Totals(); got.Records != c.records || got.Requests != c.requests {
			t.Errorf("%s: %d records in %d requests, want %d in %d", c.name, got.Records, got.Requests, c.records, c.requests)
		}
		if open.Records != c.records {
			t.Errorf("%s: %d records on arrival, want %d", c.name, open.Records, c.records)
		}
	}
}

// TestRollupSketchIsNotLost: a rollup that only has a sketch of its objects counts them as fresh for
// a principal without a past.
func TestRollupSketchIsNotLost(t *testing.T) {
	r := rollup("a", 4, 3000, 3000)
	r.Objects = &weirv1.ObjectSet{Hyperloglog: append([]byte{4}, 9, 8, 9, 10, 8, 9, 8, 11, 9, 8, 9, 10, 8, 9, 8, 11)}
	p := ledger.New(0, ledger.Config{})
	p.Apply(&weirv1.Batch{WindowEndUnixNano: uint64(start + minute), Rollups: []*weirv1.Rollup{r}})
	p.Advance(start+hour, nil)
	if v, _ := p.Lookup(principal(1)); v.DayFresh < 1000 {
		t.Errorf("%v fresh objects", v.DayFresh)
	}
}

func TestLinks(t *testing.T) {
	p := ledger.New(0, ledger.Config{})
	link := func(to, t uint64, undo bool) *weirv1.Batch {
		return &weirv1.Batch{Links: []*weirv1.PrincipalLink{{OlderId: hash16(1, 1), PrincipalId: hash16(1, to), TimeUnixNano: t, Undo: undo}}}
	}
	p.Apply(link(3, 20, false))
	p.Apply(link(2, 10, false))
	if got, ok := p.Alias(principal(1)); !ok || got != principal(3) {
		t.Errorf("alias is %x %v, want the newest link's", got, ok)
	}
	p.Apply(link(3, 30, true))
	if _, ok := p.Alias(principal(1)); ok {
		t.Error("an undone link stands")
	}
}
