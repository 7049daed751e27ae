// SPDX-License-Identifier: Apache-2.0

package incident_test

import (
	"testing"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/incident"
)

func openBook(n int) *incident.Book {
	b := incident.New(incident.Config{})
	for i := range n {
		v := thief(byte(i), t0, t0+5*minute, 4000)
		v.ID[1] = byte(i >> 8)
		b.Observe(v, found(v, finding.Hour, finding.FreshObjects, 4000))
	}
	return b
}

// Every view of a closed minute passes Refresh, and while an incident is open its findings pass
// Observe: neither allocates.
func TestRefreshAllocatesNothing(t *testing.T) {
	b := openBook(1)
	v := thief(0, t0, t0+5*minute, 4500)
	v.ID[1] = 0
	quiet := thief(99, t0, t0+5*minute, 10)
	f := found(v, finding.Hour, finding.FreshObjects, 4500)
	if n := testing.AllocsPerRun(100, func() {
		b.Refresh(quiet)
		b.Refresh(v)
		b.Observe(v, f)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRefresh(b *testing.B) {
	b.ReportAllocs()
	book := openBook(256)
	v := thief(7, t0, t0+5*minute, 4500)
	v.ID[1] = 0
	for b.Loop() {
		book.Refresh(v)
	}
}

func BenchmarkSentence(b *testing.B) {
	b.ReportAllocs()
	inc := openBook(1).Open()[0]
	for b.Loop() {
		_ = incident.Sentence(&inc)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	b.ReportAllocs()
	book := openBook(256)
	var snap []byte
	for b.Loop() {
		snap = book.AppendSnapshot(snap[:0])
	}
	b.SetBytes(int64(len(snap)))
}
