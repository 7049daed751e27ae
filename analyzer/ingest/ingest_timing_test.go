// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"testing"

	"github.com/weir-project/weir/analyzer/ingest"
)

func BenchmarkAdmitInOrder(b *testing.B) {
	b.ReportAllocs()
	w := ingest.NewWatermarks()
	seq := uint64(0)
	for b.Loop() {
		seq++
		w.Admit("sensor-a", 1, seq, int64(seq))
	}
}

func BenchmarkAdmitAmongHoles(b *testing.B) {
	b.ReportAllocs()
	w := ingest.NewWatermarks()
	for i := range uint64(1000) {
		w.Admit("sensor-a", 1, 2+2*i, 1)
	}
	seq := uint64(0)
	for b.Loop() {
		seq = (seq + 734) % 2000
		w.Admit("sensor-a", 1, 2+seq/2*2, 1)
	}
}
