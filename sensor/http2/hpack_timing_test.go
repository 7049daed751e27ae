// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// timed is the blocks of an API client, with how many fields they have: most of a request is in the table, but for its
// path, which is new in each; or indexed ones alone; or none.
func timed(kind string) (wire [][]byte, fields int) {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	paths := map[string]int{"mix": 1 << 20, "indexed": 16, "literal": 16}[kind]
	for i := range 256 {
		buf.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: fmt.Sprint("/v1/customers/", 1000+i%paths)}, {Name: ":authority", Value: "shop.example"},
			{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}, {Name: "accept", Value: "application/json"},
			{Name: "user-agent", Value: "client/1.0 (linux; amd64)"}, {Name: "accept-encoding", Value: "gzip"},
			{Name: "authorization", Value: "Bearer tok_test_0123456789abcdef0123456789abcdef"}} {
			f.Sensitive = kind == "literal"
			e.WriteField(f)
			fields++
		}
		wire = append(wire, bytes.Clone(buf.Bytes()))
	}
	return wire, fields
}

// decoders are ours and another one, each with a table of its own. Both give the fields of a block as a slice.
func decoders() (ours, theirs func(block []byte)) {
	d, fields := newTable(true), []Field(nil)
	var others []hpack.HeaderField
	x := hpack.NewDecoder(defaultTable, func(f hpack.HeaderField) { others = append(others, f) })
	return func(block []byte) { fields, _, _, _ = d.decode(block, fields[:0]) },
		func(block []byte) { others = others[:0]; x.Write(block); x.Close() }
}

// BenchmarkTable times both decoders by turns, so that what else a machine does falls on both, and says the median of
// how many times longer the other one takes.
func BenchmarkTable(b *testing.B) {
	for _, kind := range []string{"mix", "indexed", "literal"} {
		b.Run(kind, func(b *testing.B) {
			wire, fields := timed(kind)
			ours, theirs := decoders()
			pass := func(decode func([]byte)) time.Duration {
				begin := time.Now()
				for _, w := range wire {
					decode(w)
				}
				return time.Since(begin)
			}
			var best [2]time.Duration
			var ratios []float64
			for b.Loop() {
				mine, other := pass(ours), pass(theirs)
				ratios = append(ratios, float64(other)/float64(mine))
				if len(ratios) == 1 || mine < best[0] {
					best[0] = mine
				}
				if len(ratios) == 1 || other < best[1] {
					best[1] = other
				}
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "x-net/ours")
			b.ReportMetric(float64(best[0].Nanoseconds())/float64(fields), "ns/field")
			b.ReportMetric(float64(best[1].Nanoseconds())/float64(fields), "x-net-ns/field")
			b.ReportMetric(float64(len(bytes.Join(wire, nil)))*1e3/float64(best[0].Nanoseconds()), "best-MB/s")
		})
	}
}

func benchmarkBlock(b *testing.B, d *table, block []byte) {
	var fields []Field
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		fields, _, _, _ = d.decode(block, fields[:0])
	}
}

// BenchmarkHuffman decodes one long string.
func BenchmarkHuffman(b *testing.B) {
	code := hpack.AppendHuffmanString(nil, strings.Repeat("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.", 20))
	out := make([]byte, 0, len(code)*8/shortestCode)
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	for b.Loop() {
		appendHuffman(out, code)
	}
}

// BenchmarkHostile decodes blocks made to cost much a byte.
func BenchmarkHostile(b *testing.B) {
	value := bytes.Repeat([]byte{'v'}, 60_000)
	large := append([]byte{0x3f, 0xe1, 0xff, 0x03, 0x40, 0x7f, 0xe1, 0xd3, 0x03}, value...) // a name of 60,000 bytes
	for name, block := range map[string][]byte{
		"long names, small blocks": {0x7e, 0, 0x7e, 0, 0x7e, 0, 0x7e, 0},
		"long names":               bytes.Repeat([]byte{0x7e, 0}, 30_000),
		"empty entries":            bytes.Repeat([]byte{0x40, 0, 0}, 20_000),
		"long codes":               append([]byte{0, 0, 0xff, 0xa7, 0x1c}, hpack.AppendHuffmanString(nil, strings.Repeat("\n", 1000))...),
	} {
		b.Run(strings.ReplaceAll(name, ", ", "-"), func(b *testing.B) {
			d := newTable(true)
			d.decode(append(slices.Clone(large), 0), nil)
			benchmarkBlock(b, d, block)
		})
	}
}

// TestTableAllocatesNothing once the table is as large as it gets.
func TestTableAllocatesNothing(t *testing.T) {
	for _, kind := range []string{"mix", "indexed", "literal"} {
		wire, _ := timed(kind)
		d := newTable(true)
		var fields []Field
		if n := testing.AllocsPerRun(20, func() {
			for _, w := range wire {
				fields, _, _, _ = d.decode(w, fields[:0])
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}
