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
