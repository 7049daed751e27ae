// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
)

// cut runs a body in random pieces.
func cut(in *inspect.Inspector, b inspect.Begin, body []byte, rnd *rand.Rand) *exchange.Exchange {
	l := in.Begin(b)
	defer l.Release()
	for rest := body; len(rest) > 0; {
		n := 1 + rnd.IntN(min(len(rest), 40))
		l.Data(rest[:n])
		rest = rest[n:]
	}
	var x exchange.Exchange
	l.Report(&x, true)
	x.Objects = slices.Clone(x.Objects)
	x.RequestedObjects = nil
	return &x
}

// value writes a random JSON value.
func value(b *strings.Builder, rnd *rand.Rand, depth int) {
	space := func() { b.WriteString([]string{"", "", " ", "\n\t"}[rnd.IntN(4)]) }
	space()
	defer space()
	kind := rnd.IntN(9)
	if depth == 0 {
		kind = rnd.IntN(5)
	}
	switch kind {
	case 0:
		fmt.Fprintf(b, "%d", rnd.IntN(1000))
	case 1:
		b.WriteString([]string{"true", "false", "null", "-1.5e+3", "0.25"}[rnd.IntN(5)])
	case 2, 3, 4:
		text, _ := json.Marshal([]string{"", "a", "x\"y\\", "}]{[", "ü😀", strings.Repeat("long", rnd.IntN(90))}[rnd.IntN(6)])
		b.Write(text)
	case 5, 6:
		b.WriteByte('[')
		for i := range rnd.IntN(5) {
			if i > 0 {
				b.WriteByte(',')
			}
			value(b, rnd, depth-1)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i := range rnd.IntN(5) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", []string{"id", "data", "items", "customers", "node", "_id", "name", "customer_id"}[rnd.IntN(8)])
			value(b, rnd, depth-1)
		}
		b.WriteByte('}')
	}
}

// The result does not depend on how the bytes arrive.
func TestCutsMakeNoDifference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	// Two Inspectors see the same bodies, one of them in pieces: what they learn is the same too.
	inWhole, inPieces := inspect.New(keys(), inspect.Config{Prefix: 700}), inspect.New(keys(), inspect.Config{Prefix: 700})
	for i := range 3000 {
		var text strings.Builder
		value(&text, rnd, 5)
		body := []byte(text.String())
		if i%5 == 0 && len(body) > 0 { // broken ones too
			body[rnd.IntN(len(body))] = "{}[]\",:x\\"[rnd.IntN(9)]
		}
		b := begin([]string{"GET /customers", "GET /customers/{17}", "GET /customers/{17}/orders"}[i%3], []string{"application/json", "text/plain", "application/x-ndjson"}[i/3%3])
		whole, pieces := *look(inWhole, b, string(body), 1<<20), *cut(inPieces, b, body, rnd)
		if told(&whole) != told(&pieces) || whole.FieldNamesHash != pieces.FieldNamesHash || !slices.Equal(whole.Objects, pieces.Objects) {
			t.Fatalf("%s\nwhole  %s\npieces %s", body, told(&whole), told(&pieces))
		}
	}
}

// A list of objects counts as encoding/json counts it.
func TestCountsAsEncodingJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		var text strings.Builder
		text.WriteByte('[')
		for i := range 2 + rnd.IntN(6) {
			if i > 0 {
				text.WriteByte(',')
			}
			value(&text, rnd, 4)
		}
		text.WriteByte(']')
		var want []any
		if err := json.Unmarshal([]byte(text.String()), &want); err != nil {
			t.Fatal(err)
		}
		x := look(inspect.New(keys(), inspect.Config{}), begin("GET /customers", "application/json"), text.String(), 11)
		if x.Records != uint64(len(want)) || x.Anomalies != 0 {
			t.Fatalf("%s: %s, want %d", text.String(), told(x), len(want))
		}
	}
}

func FuzzData(f *testing.F) {
	for _, s := range []string{``, `[{"id":1},{"id":"\u00e9"}]`, `{"data":[{"node":{"id":1}}]}`, `{"a":{"b":[[1],[2]]}}`, `[`, `{"id":`, "{\"id\":1}\n{}", `[{"_id":{"$oid":"x"}}]`, `"\`, "\x1f\x8b\x08", "\xef\xbb\xbf[]"} {
		for kind := range byte(4) {
			f.Add([]byte(s), kind, uint64(7))
		}
	}
	f.Add(gzipped(`[{"id":1}]`), byte(7), uint64(1))
	inWhole, inPieces := inspect.New(keys(), inspect.Config{Prefix: 512}), inspect.New(keys(), inspect.Config{Prefix: 512})
	f.Fuzz(func(t *testing.T, body []byte, kind byte, seed uint64) {
		b := begin([]string{"GET /customers", "GET /customers/{17}"}[kind&1], []string{"application/json", "", "application/x-ndjson", "text/html"}[kind>>1&3])
		b.ContentEncoding = []byte([]string{"", "gzip", "deflate", "zstd"}[kind>>3&3])
		x := look(inWhole, b, string(body), 1<<20)
		y := cut(inPieces, b, body, rand.New(rand.NewPCG(seed, 0)))
		if told(x) != told(y) || x.FieldNamesHash != y.FieldNamesHash || !slices.Equal(x.Objects, y.Objects) {
			t.Fatalf("whole %s, pieces %s", told(x), told(y))
		}
		if x.UninspectedSize > uint64(len(body)) || len(x.Objects) > exchange.MaxObjects || !slices.IsSorted(x.Objects) {
			t.Fatalf("%s of %d bytes", told(x), len(body))
		}
		if x.RecordsKind == exchange.CountExact && x.Records > uint64(len(body)) {
			t.Fatalf("%s of %d bytes", told(x), len(body))
		}
	})
}
