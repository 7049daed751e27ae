// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/sensor/exchange"
)

func newTable(known bool) *table {
	t := &table{}
	t.reset(Limits{}.withDefaults(), known)
	return t
}

// text writes fields one a line; "?" stands for what is unknown.
func text(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		name, value := string(f.Name), string(f.Value)
		if f.Name == nil {
			name = "?"
		}
		if f.Value == nil {
			value = "?"
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	return b.String()
}

// TestRFC7541 decodes the examples of RFC 7541 appendix C, one table for each row of blocks.
func TestRFC7541(t *testing.T) {
	request := [3]string{":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"}
	request[1] = request[0] + "cache-control: no-cache\n"
	request[2] = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n"
	response := [3]string{
		":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
		":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
		":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\n" +
			"set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
	}
	for _, c := range []struct {
		name   string
		max    uint64
		blocks []string
		want   []string
	}{
		{"C.2.1", 4096, []string{"400a637573746f6d2d6b65790d637573746f6d2d686561646572"}, []string{"custom-key: custom-header\n"}},
		{"C.2.2", 4096, []string{"040c2f73616d706c652f70617468"}, []string{":path: /sample/path\n"}},
		{"C.2.3", 4096, []string{"100870617373776f726406736563726574"}, []string{"password: secret\n"}},
		{"C.2.4", 4096, []string{"82"}, []string{":method: GET\n"}},
		{"C.3", 4096, []string{"828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
			"828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"}, request[:]},
		{"C.4", 4096, []string{"828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf",
			"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"}, request[:]},
		{"C.5", 256, []string{"4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
			"4803333037c1c0bf",
			"88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"}, response[:]},
		{"C.6", 256, []string{"488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
			"4883640effc1c0bf",
			"88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"}, response[:]},
	} {
		d := newTable(true)
		d.max = c.max
		for i, block := range c.blocks {
			b, err := hex.DecodeString(block)
			if err != nil {
				t.Fatal(err)
			}
			fields, unknown, cut, a := d.decode(b, nil)
			if got := text(fields); got != c.want[i] || unknown || cut || a != 0 {
				t.Errorf("%s block %d: got\n%s(%v %v %v) want\n%s", c.name, i, got, unknown, cut, a, c.want[i])
			}
		}
	}
}

func TestBadBlocks(t *testing.T) {
	for name, block := range map[string]string{
		"index 0":                    "80",
		"index beyond the table":     "be",
		"integer without end":        "ff80808080",
		"integer too long":           "ffffffffffffff7f",
		"integer beyond 32 bits":     "3fe1ffffff0f",
		"size update without end":    "3f",
		"string beyond the block":    "00056162",
		"no value":                   "0001",
		"Huffman: padding of zeros":  "00818000",
		"Huffman: a byte of padding": "0082 1fff 00",
		"Huffman: EOS":               "0084ffffffff00",
		"size update after a field":  "823f00",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(block, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		d := newTable(true)
		if _, _, cut, a := d.decode(b, nil); !cut || !a.Has(exchange.BadHeaderBlock) {
			t.Errorf("%s: cut %v, anomalies %b", name, cut, a)
		}
		if d.whole {
			t.Errorf("%s: the table is still believed", name)
		}
	}
}

// blocks is random blocks of one encoder, with what they say.
func blocks(rng *rand.Rand, n int) (wire [][]byte, want []string) {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	e.SetMaxDynamicTableSizeLimit(8192)
	names := []string{":path", ":status", "authorization", "cookie", "x-a", "x-b", "etag", ""}
	for range n {
		buf.Reset()
		if rng.IntN(8) == 0 {
			e.SetMaxDynamicTableSize(uint32(rng.IntN(8192)))
			if rng.IntN(3) == 0 {
				e.SetMaxDynamicTableSize(uint32(rng.IntN(8192)))
			}
		}
		var s strings.Builder
		for range rng.IntN(8) {
			f := hpack.HeaderField{Name: names[rng.IntN(len(names))], Value: strings.Repeat(string(rune('!'+rng.IntN(90))), rng.IntN(60)*rng.IntN(3)),
				Sensitive: rng.IntN(10) == 0}
			if rng.IntN(3) > 0 {
				f.Value = fmt.Sprint("v", rng.IntN(6))
			}
			if rng.IntN(20) == 0 {
				f.Value = strings.Repeat("long", 1200) // empties the table
			}
			e.WriteField(f)
			fmt.Fprintf(&s, "%s: %s\n", f.Name, f.Value)
		}
		wire = append(wire, bytes.Clone(buf.Bytes()))
		want = append(want, s.String())
	}
	return wire, want
}

// TestOtherEncoder decodes what another implementation encodes.
func TestOtherEncoder(t *testing.T) {
	for seed := range uint64(300) {
		wire, want := blocks(rand.New(rand.NewPCG(seed, 0)), 40)
		d := newTable(true)
		for i, b := range wire {
			fields, unknown, cut, a := d.decode(b, nil)
			if got := text(fields); got != want[i] || unknown || cut || a != 0 {
				t.Fatalf("seed %d block %d: got\n%swant\n%s", seed, i, got, want[i])
			}
		}
	}
}

// rightOrUnknown checks that what is told of a block is right or unknown.
func rightOrUnknown(t *testing.T, seed uint64, i int, fields []Field, want string) (unknown int) {
	t.Helper()
	lines := strings.SplitAfter(want, "\n")
	if len(fields) != len(lines)-1 {
		t.Fatalf("seed %d block %d: %d fields of %d", seed, i, len(fields), len(lines)-1)
	}
	for k, f := range fields {
		name, value, _ := strings.Cut(strings.TrimSuffix(lines[k], "\n"), ": ")
		if f.Name != nil && string(f.Name) != name || f.Value != nil && string(f.Value) != value {
			t.Fatalf("seed %d block %d field %d: told %q=%q of %q", seed, i, k, f.Name, f.Value, lines[k])
		}
		if f.Name == nil || f.Value == nil {
			unknown++
		}
	}
	return unknown
}

// TestJoined begins in the middle; TestLost misses blocks: no field is ever wrong.
func TestJoined(t *testing.T) {
	total, unknown := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		wire, want := blocks(rng, 40)
		d := newTable(false)
		for i := rng.IntN(30); i < len(wire); i++ {
			fields, _, cut, a := d.decode(wire[i], nil)
			if cut || a != 0 {
				t.Fatalf("seed %d block %d: cut %v, %b", seed, i, cut, a)
			}
			total += len(fields)
			unknown += rightOrUnknown(t, seed, i, fields, want[i])
		}
	}
	if unknown == 0 || unknown > total/2 {
		t.Errorf("%d of %d fields are unknown", unknown, total)
	}
}

func TestLost(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		wire, want := blocks(rng, 60)
		d := newTable(true)
		for i := range wire {
			if rng.IntN(12) == 0 {
				d.lose()
				continue
			}
			fields, _, cut, a := d.decode(wire[i], nil)
			if cut || a != 0 {
				t.Fatalf("seed %d block %d: cut %v, %b", seed, i, cut, a)
			}
			rightOrUnknown(t, seed, i, fields, want[i])
		}
	}
}

// TestOwnBound lets the peer have a larger table than we keep.
func TestOwnBound(t *testing.T) {
	d := &table{}
	d.reset(Limits{TableBytes: 200}.withDefaults(), true)
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	for i := range 30 {
		e.WriteField(hpack.HeaderField{Name: "x", Value: fmt.Sprint(i)})
		d.decode(buf.Bytes(), nil)
		buf.Reset()
	}
	e.WriteField(hpack.HeaderField{Name: "x", Value: "29"})
	e.WriteField(hpack.HeaderField{Name: "x", Value: "3"})
	fields, unknown, cut, a := d.decode(buf.Bytes(), nil)
	if got := text(fields); got != "x: 29\n?: ?\n" || !unknown || cut || a != 0 {
		t.Errorf("%q %v %v %b", got, unknown, cut, a)
	}
}

// TestFieldsOutliveInserts has later entries of a block push out those that earlier fields lie in.
func TestFieldsOutliveInserts(t *testing.T) {
	d := newTable(true)
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	var want strings.Builder
	for range 3 {
		buf.Reset()
		want.Reset()
		for i := range 12 {
			f := hpack.HeaderField{Name: fmt.Sprint("name", i), Value: strings.Repeat(string(rune('a'+i)), 900)}
			e.WriteField(f)
			fmt.Fprintf(&want, "%s: %s\n", f.Name, f.Value)
		}
		fields, _, _, _ := d.decode(buf.Bytes(), nil)
		d.lose()
		if text(fields) != want.String() {
			t.Fatal("a field changed while its block was read")
		}
	}
}

// TestForgets wants no credential left of an earlier connection.
func TestForgets(t *testing.T) {
	d := newTable(true)
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	e.WriteField(hpack.HeaderField{Name: "authorization", Value: "Bearer tok_test_secret"})
	e.WriteField(hpack.HeaderField{Name: "x", Value: "tok_test_secret"})
	d.decode(buf.Bytes(), nil)
	d.reset(Limits{}.withDefaults(), true)
	for _, b := range [][]byte{d.bytes[:cap(d.bytes)], d.scratch[:cap(d.scratch)]} {
		if bytes.Contains(b, []byte("secret")) {
			t.Error("a credential outlives its connection")
		}
	}
}
