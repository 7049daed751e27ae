// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-project/weir/sensor/inspect"
)

// Bodies that are JSON to a client but not to the letter of RFC 8259: what is in them is counted,
// or said to be unread and estimated from their size.
func TestOddBodies(t *testing.T) {
	f := func(body, want, objects string) {
		t.Helper()
		for _, piece := range []int{1, 2, 5, 1 << 20} {
			x := look(inspect.New(keys(), inspect.Config{}), begin("GET /customers", "application/json"), body, piece)
			if got := told(x); got != want {
				t.Errorf("%.60q in pieces of %d: %s, want %s", body, piece, got, want)
				return
			}
			if !slices.Equal(x.Objects, hashes(objects)) {
				t.Errorf("%.60q in pieces of %d: %d objects, not those of %s", body, piece, len(x.Objects), objects)
				return
			}
		}
	}
	two := `[{"id":1},{"id":2}]`
	f(")]}',\n"+two, "estimated 0 seen 0 unread 25 cut malformed", "")
	f("while(1);"+two, "estimated 0 seen 0 unread 28 cut malformed", "")
	f("callback("+two+");", "estimated 0 seen 0 unread 30 cut malformed", "")
	f(`{"id":1}{"id":2}`, "estimated 2 seen 1 estimated 1 unread 8 cut malformed", "customers:1")
	f(`[{"id":1}][{"id":2}]`, "estimated 2 seen 1 estimated 1 unread 10 cut malformed", "customers:1")
	f("\x1e{\"id\":1}\n\x1e{\"id\":2}\n", "estimated 0 seen 0 unread 20 cut malformed", "")
	f(`[{"id":1,"id":2}]`, "exact 1 seen 1", "customers:1")
	f(`[{"\u0069d":1}]`, "exact 1 seen 0 unhashed 1 cut", "")
	f(`[{"id":1.0},{"id":1e0},{"id":-1}]`, "exact 3 seen 3", "customers:1.0 customers:1e0 customers:-1")
	f(`[{"id":NaN},{"id":2}]`, "estimated 0 seen 0 unread 14 cut malformed", "")
	f(`[{'id':1}]`, "estimated 0 seen 0 unread 8 cut malformed", "")
	f(`[{"id":1},/* c */{"id":2}]`, "estimated 3 seen 1 estimated 2 unread 16 cut malformed", "customers:1")
	f("[{\"id\":1}\x00,{\"id\":2}]", "estimated 2 seen 1 estimated 1 unread 11 cut malformed", "customers:1")
	f("[\r\n{\"id\":1}\r\n,\r\n{\"id\":2}\r\n]\r\n", "exact 2 seen 2", "customers:1 customers:2")
	f(`[{"id":" 1 "},{"id":"1"}]`, "exact 2 seen 1", "customers:1")
	f(`[{"id":"0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5"},{"id":"0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5"}]`, "exact 2 seen 1", "customers:0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5")
}

// Whatever form a body of many records takes, it is not taken for none.
func TestOddBodiesAreNeverNothing(t *testing.T) {
	records := "[" + many(200, func(i int) string {
		return fmt.Sprintf(`{"id":%d,"name":"somebody with a name","mail":"a%d@mail.example"}`, i, i)
	}) + "]"
	wide := utf16.Encode([]rune(records))
	var le, be []byte
	for _, u := range append([]uint16{0xFEFF}, wide...) {
		le, be = append(le, byte(u), byte(u>>8)), append(be, byte(u>>8), byte(u))
	}
	for name, body := range map[string]string{
		"UTF-16 LE": string(le), "UTF-16 BE": string(be), "XSSI": ")]}'\n" + records, "while": "while(1);" + records, "JSONP": "cb(" + records + ")",
		"comment": "/*-secure-\n" + records + "*/", "single quotes": strings.ReplaceAll(records, `"`, "'"), "NUL first": "\x00" + records,
		"cut begin": records[10:], "JSON5": strings.ReplaceAll(records, `"id"`, "id"), "NaN": strings.Replace(records, ":0", ":NaN", 1), "base64": strings.Repeat("W3siaWQiOjF9XQ", 1000),
	} {
		x := look(inspect.New(keys(), inspect.Config{}), begin("GET /customers", "application/json"), body, 700)
		if x.Records < uint64(len(body))/2000 {
			t.Errorf("%s: %d bytes are %s", name, len(body), told(x))
		}
	}
}

// RFC 1952 and RFC 8878 let a body go on in another member or frame: what is in it counts too.
func TestMembersAndFrames(t *testing.T) {
	zip := func(s string, name bool) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if name {
			w.Name, w.Comment, w.Extra = "a.json", "c", []byte("xxxx")
		}
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	frame := func(s string) string { return string(enc.EncodeAll([]byte(s), nil)) }
	const skip = "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	for _, c := range []struct{ name, coding, body, want string }{
		{"one member", "gzip", zip(`[{"id":1},{"id":2}]`, false), "exact 2 seen 2"},
		{"names in the header", "gzip", zip(`[{"id":1},{"id":2}]`, true), "exact 2 seen 2"},
		{"upper case", "GZIP", zip(`[{"id":1},{"id":2}]`, false), "exact 2 seen 2"},
		{"an old name", "x-gzip", zip(`[{"id":1},{"id":2}]`, false), "exact 2 seen 2"},
		{"two members", "gzip", zip(`[{"id":1},`, false) + zip(`{"id":2}]`, false), "exact 2 seen 2"},
		{"an empty member first", "gzip", zip(``, false) + zip(`[{"id":1},{"id":2}]`, false), "exact 2 seen 2"},
		{"one frame", "zstd", frame(`[{"id":1},{"id":2}]`), "exact 2 seen 2"},
		{"two frames", "zstd", frame(`[{"id":1},`) + frame(`{"id":2}]`), "exact 2 seen 2"},
		{"a frame to skip", "zstd", skip + frame(`[{"id":1},{"id":2}]`), "exact 2 seen 2"},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			b := begin("GET /customers", "application/json")
			b.ContentEncoding = []byte(c.coding)
			if got := told(look(inspect.New(keys(), inspect.Config{}), b, c.body, piece)); got != c.want {
				t.Errorf("%s in pieces of %d: %s, want %s", c.name, piece, got, c.want)
			}
		}
	}
}
