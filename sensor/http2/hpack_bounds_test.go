// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/sensor/exchange"
)

// encoded is one block of an encoder with fields of name and value.
func encoded(buf *bytes.Buffer, e *hpack.Encoder, fields ...string) []byte {
	buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return buf.Bytes()
}

// held is the memory of a table.
func held(d *table) int {
	return int(unsafe.Sizeof(*d)) + cap(d.bytes) + cap(d.entries)*int(unsafe.Sizeof(entry{})) + cap(d.scratch)
}

// TestBombs is blocks that say much with little. The fields before the bound are told, and what came with the others is
// in the table all the same.
func TestBombs(t *testing.T) {
	large := strings.Repeat("y", 3080)
	for _, c := range []struct {
		name   string
		limits Limits
		bomb   []byte
		told   int
	}{
		{"bytes", Limits{FieldBytes: 10_000}, bytes.Repeat([]byte{0xbe}, 60_000), 3},
		{"fields", Limits{Fields: 50}, bytes.Repeat([]byte{0x82}, 60_000), 50},
		{"Huffman", Limits{FieldBytes: 10_000}, bytes.Repeat(append([]byte{0x00, 1, 'a', 0x80 | 100}, make([]byte, 100)...), 500), 61},
		{"one string", Limits{FieldBytes: 10_000}, append([]byte{0x00, 1, 'a', 0x7f, 0xe1, 0xd3, 0x03}, bytes.Repeat([]byte{'v'}, 60_000)...), 0},
	} {
		var buf bytes.Buffer
		e := hpack.NewEncoder(&buf)
		d := &table{}
		d.reset(c.limits.withDefaults(), true)
		d.decode(encoded(&buf, e, "x", large), nil)
		fields, _, cut, a := d.decode(append(c.bomb, encoded(&buf, e, "authorization", "tok_test_1")...), nil)
		if len(fields) != c.told || !cut || a != 1<<exchange.HeaderFlood {
			t.Errorf("%s: %d fields, cut %v, %b", c.name, len(fields), cut, a)
		}
		fields, unknown, cut, a := d.decode(encoded(&buf, e, "authorization", "tok_test_1", "x", large), nil)
		if got := text(fields); got != "authorization: tok_test_1\nx: "+large+"\n" || unknown || cut || a != 0 {
			t.Errorf("%s: then %.60q, %v %v %b", c.name, got, unknown, cut, a)
		}
	}
}

// TestLongNamesAreBounded has two bytes ask for a copy of a long name, again and again.
func TestLongNamesAreBounded(t *testing.T) {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	d := newTable(true)
	long := strings.Repeat("n", 1900)
	d.decode(encoded(&buf, e, "x-api-key", "tok_test_1", long, ""), nil)
	again := append(bytes.Repeat([]byte{0x7e, 0}, 20_000), 0x7e, 1, 'v')
	fields, unknown, _, a := d.decode(again, nil)
	if len(fields) != 256 || string(fields[0].Name) != long || fields[255].Name != nil || !unknown || a != 1<<exchange.HeaderFlood {
		t.Errorf("%d fields, %v, %b", len(fields), unknown, a)
	}
	if d.copied > longNames {
		t.Errorf("%d bytes of names were copied", d.copied)
	}
	fields, unknown, cut, a := d.decode([]byte{0xbe}, nil)
	if got := text(fields); got != "?: v\n" || !unknown || cut || a != 0 {
		t.Errorf("%q %v %v %b", got, unknown, cut, a)
	}
	if d.size > defaultTable || !d.whole {
		t.Errorf("%d bytes are said to be in use, whole %v", d.size, d.whole)
	}
}

// TestMemory wants a table to take what is in use, whatever was said before.
func TestMemory(t *testing.T) {
	d := newTable(true)
	if n := held(d); n > 300 {
		t.Errorf("a new table takes %d B", n)
	}
	d.decode([]byte{0x82, 0x86, 0x84, 0x88}, nil)
	if n := held(d); n > 300 {
		t.Errorf("a table of nothing takes %d B", n)
	}
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	for i := range 1000 {
		d.decode(encoded(&buf, e, "authorization", fmt.Sprint("tok_test_", i), ":path", fmt.Sprint("/items/", i), "etag", fmt.Sprint(i)), nil)
	}
	if n := held(d); n > 3*defaultTable {
		t.Errorf("a full table of %d takes %d B", defaultTable, n)
	}
	for name, bomb := range map[string][]byte{
		"inserts": bytes.Repeat([]byte{0x40, 0, 0}, 20_000),
		"values":  bytes.Repeat(append([]byte{0x40, 1, 'a', 0x7f, 0xe9, 0x06}, bytes.Repeat([]byte{'v'}, 1000)...), 60),
		"Huffman": bytes.Repeat(append([]byte{0x00, 1, 'a', 0x80 | 100}, make([]byte, 100)...), 600),
		"large":   append([]byte{0x3f, 0xe1, 0xff, 0x03}, bytes.Repeat(append([]byte{0x40, 1, 'a', 0x7f, 0xe9, 0x06}, bytes.Repeat([]byte{'v'}, 1000)...), 60)...),
	} {
		d := newTable(true)
		d.decode(encoded(&buf, hpack.NewEncoder(&buf), "x", "y"), nil)
		d.decode(bomb, nil)
		if n, most := held(d), 6*int(max(d.max, defaultTable)); n > most {
			t.Errorf("%s: %d B are held", name, n)
		}
		d.decode([]byte{0x20, 0x3f, 0xe1, 0x1f}, nil) // to 0 and 4096
		d.decode([]byte{0x82}, nil)
		if n := held(d) - cap(d.scratch); n > 2*defaultTable+400 {
			t.Errorf("%s: %d B are held of nothing", name, n)
		}
	}
}

// TestEmptyIsKnown tells empty names and values from unknown ones, from wherever they come.
func TestEmptyIsKnown(t *testing.T) {
	d := newTable(false)
	for _, block := range [][]byte{{0x40, 0, 0}, {0xbe}, {0x40, 0x80, 0x80}, {0xbe}, {0x00, 0, 0}, {0x7e, 0}, {0xbe}, {0x10, 0x80, 0x80}} {
		fields, unknown, cut, a := d.decode(block, nil)
		if len(fields) != 1 || fields[0].Name == nil || fields[0].Value == nil || unknown || cut || a != 0 {
			t.Errorf("%x: %#v %v %v %b", block, fields, unknown, cut, a)
		}
	}
	for i, f := range staticFields {
		if f.Name == nil || f.Value == nil {
			t.Errorf("static field %d: %#v", i+1, f)
		}
	}
}

// TestUnknownNames has literals refer to names that were never seen: they take a slot, and their values are known.
func TestUnknownNames(t *testing.T) {
	d := newTable(false)
	for _, c := range []struct {
		block, want string
		unknown     bool
	}{
		{"\x7f\x20\x01a", "?: a\n", true},            // index 95
		{"\x40\x01n\x01b", "n: b\n", false},          // in front of it
		{"\xbe\xbf\xc0", "n: b\n?: a\n?: ?\n", true}, // both, and one before
		{"\x7f\x00\x01c", "?: c\n", true},            // the name of the unknown one, which stays so
		{"\xbe\xbf\xc0", "?: c\nn: b\n?: a\n", true},
		{"\x0f\x30\x01d", "n: d\n", false}, // index 63
		{"\x0f\x2f\x01d", "?: d\n", true},  // index 62
	} {
		fields, unknown, cut, a := d.decode([]byte(c.block), nil)
		if got := text(fields); got != c.want || unknown != c.unknown || cut || a != 0 {
			t.Errorf("%x: %q %v %v %b, want %q %v", c.block, got, unknown, cut, a, c.want, c.unknown)
		}
	}
	if _, _, _, a := d.decode([]byte("\xff\x80\x80\x80\x80\x01"), nil); !a.Has(exchange.BadHeaderBlock) {
		t.Error("an index of 2^28 is in no table")
	}
}

// TestWholeAgain has a size update to 0 end all doubt; any other one does not.
func TestWholeAgain(t *testing.T) {
	for _, c := range []struct {
		block string
		whole bool
	}{{"\x3f\xe1\x1f", false}, {"\x21", false}, {"\x20", true}, {"\x20\x3f\xe1\x1f", true}} {
		d := newTable(false)
		d.decode([]byte{0x40, 1, 'a', 1, 'b'}, nil)
		d.decode([]byte(c.block), nil)
		if d.whole != c.whole {
			t.Errorf("%x: whole %v", c.block, d.whole)
		}
		if _, unknown, _, a := d.decode([]byte{0xc8}, nil); a.Has(exchange.BadHeaderBlock) != c.whole || !unknown {
			t.Errorf("%x: an index beyond: unknown %v, %b", c.block, unknown, a)
		}
	}
}
