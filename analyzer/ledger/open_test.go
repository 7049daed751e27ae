// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"
	"time"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// What came is Totals and Open together, before and after minutes close and across a restart.
func TestTotalsAndOpenAreWhatCame(t *testing.T) {
	p := ledger.New(3, ledger.Config{})
	start := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC).UnixNano()
	var requests, bytes uint64
	check := func(when string) {
		t.Helper()
		total, open := p.Totals(), p.Open()
		if total.Requests+open.Requests != requests || total.ResponseBytes+open.ResponseBytes != bytes {
			t.Errorf("%s: %d + %d requests, %d + %d bytes, want %d and %d", when, total.Requests, open.Requests, total.ResponseBytes, open.ResponseBytes, requests, bytes)
		}
	}
	for i := range 600 {
		at := uint64(start + int64(i)*int64(time.Second))
		x := &weirv1.Exchange{ExchangeId: make([]byte, 16), PrincipalId: make([]byte, 16), PartLast: true, RequestCount: 1,
			PartStartTimeUnixNano: at, PartEndTimeUnixNano: at, StartTimeUnixNano: at, HttpResponseStatusCode: 200,
			HttpResponseBodySize: uint64(i), ObservationPoint: "a/eth0", ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_MIRROR,
			PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN}
		x.ExchangeId[0], x.ExchangeId[1], x.PrincipalId[0] = byte(i), byte(i>>8), byte(i%7)
		p.Apply(&weirv1.Batch{WindowStartUnixNano: at, WindowEndUnixNano: at, Exchanges: []*weirv1.Exchange{x}})
		requests, bytes = requests+1, bytes+uint64(i)
		if i%50 == 0 {
			check("while it comes")
			p.Advance(int64(at)-int64(2*time.Minute), nil)
			check("after minutes closed")
		}
	}
	restored := ledger.New(3, ledger.Config{})
	if err := restored.Restore(p.AppendSnapshot(nil)); err != nil {
		t.Fatal(err)
	}
	p = restored
	check("after a restart")
	p.Advance(start+int64(time.Hour), nil)
	check("at the end")
	if p.Open() != (ledger.Totals{}) {
		t.Errorf("still open: %+v", p.Open())
	}
}

// A look at what is going on changes neither what closes nor what Arrivals shows.
func TestNowIsALookOnly(t *testing.T) {
	day := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	a, b := &life{p: ledger.New(1, ledger.Config{})}, &life{p: ledger.New(1, ledger.Config{})}
	for i := range 10 {
		at := day.Add(time.Duration(i) * 40 * time.Second)
		a.read(at, 30)
		b.read(at, 30)
		shown := 0.0
		b.p.Now(func(v *ledger.View) { shown = v.DayRecords })
		if shown != float64(30*(i+1)) {
			t.Errorf("look %d shows %v records", i, shown)
		}
		var fromA, fromB float64
		a.p.Arrivals(func(v *ledger.View) { fromA = v.DayRecords })
		b.p.Arrivals(func(v *ledger.View) { fromB = v.DayRecords })
		if fromA != fromB || fromA == 0 {
			t.Errorf("arrivals %d: %v and %v", i, fromA, fromB)
		}
		if i == 6 {
			a.p.Advance(day.Add(2*time.Minute).UnixNano(), nil)
			b.p.Advance(day.Add(2*time.Minute).UnixNano(), nil)
		}
	}
	if string(a.p.AppendSnapshot(nil)) != string(b.p.AppendSnapshot(nil)) {
		t.Error("a look changed the state")
	}
}
