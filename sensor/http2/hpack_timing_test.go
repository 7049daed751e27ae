// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// timed is the blocks of an API client: most of a request is in the table, but for its path.
func timed(indexed bool) (wire [][]byte, fields int) {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	for i := range 64 {
		buf.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: fmt.Sprint("/v1/customers/", 1000+i%16)}, {Name: ":authority", Value: "shop.example"},
			{Name: "user-agent", Value: "client/1.0 (linux; amd64)"}, {Name: "accept", Value: "application/json"},
			{Name: "authorization", Value: "Bearer tok_test_0123456789abcdef0123456789abcdef"}, {Name: "accept-encoding", Value: "gzip"}} {
			f.Sensitive = !indexed
			e.WriteField(f)
			fields++
		}
		wire = append(wire, bytes.Clone(buf.Bytes()))
	}
	return wire, fields
}

func benchmark(b *testing.B, indexed bool, decode func([]byte)) {
	wire, fields := timed(indexed)
	n := 0
	for _, w := range wire {
		n += len(w)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		for _, w := range wire {
			decode(w)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*fields), "ns/field")
}

func BenchmarkTable(b *testing.B) {
	for name, indexed := range map[string]bool{"indexed": true, "literal": false} {
		b.Run(name+"/ours", func(b *testing.B) {
			d := newTable(true)
			var fields []Field
			benchmark(b, indexed, func(w []byte) { fields, _, _, _ = d.decode(w, fields[:0]) })
		})
		b.Run(name+"/x-net", func(b *testing.B) {
			d := hpack.NewDecoder(4096, func(hpack.HeaderField) {})
			benchmark(b, indexed, func(w []byte) { d.Write(w); d.Close() })
		})
	}
}

func TestTableAllocatesNothing(t *testing.T) {
	wire, _ := timed(true)
	d := newTable(true)
	var fields []Field
	if n := testing.AllocsPerRun(100, func() {
		for _, w := range wire {
			fields, _, _, _ = d.decode(w, fields[:0])
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
