// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/weir-project/weir/sensor/exchange"

// reset makes it ready for another side. With known false entries were made before it looked on. Nothing of the
// side before is left in the memory that it keeps.
func (t *table) reset(l Limits, known bool) {
	clear(t.bytes[:cap(t.bytes)])
	clear(t.scratch[:cap(t.scratch)])
	if cap(t.bytes) > keptBytes {
		t.bytes = nil
	}
	if cap(t.entries) > keptEntries {
		t.entries = nil
	}
	*t = table{limits: l, entries: t.entries[:0], bytes: t.bytes[:0], scratch: t.scratch[:0]}
	t.lose()
	if known {
		t.whole = true
		t.capped = l.TableBytes < defaultTable
		t.max = min(t.max, defaultTable)
	}
}

// lose says that blocks may have been missed: nothing from before is known any more. How large the table may be is
// not known either.
func (t *table) lose() {
	t.entries, t.head, t.size = t.entries[:0], 0, 0 // fields of the last block still lie in bytes
	t.whole, t.capped, t.max = false, true, uint64(t.limits.TableBytes)
}

// allow tells the SETTINGS_HEADER_TABLE_SIZE of the side that reads these blocks. It is not held against an encoder
// that goes beyond: what it says of its table is so, and the setting may come late here or have been lost. A reader
// that does hold it against the encoder ends the connection, so that nothing is gained by saying more than is allowed.
func (t *table) allow(uint32) {}

// decode reads one whole block and appends its fields to dst. Names and values belong to the table or lie in block and
// are valid until its next call. unknown says that a field refers to what is not known; cut that fields are missing
// at the end. Where a bound was hit (anomaly HeaderFlood) the table is still right: a sender could else hide what it
// refers to later. After an error in the block (anomaly BadHeaderBlock) everything is lost.
func (t *table) decode(block []byte, dst []Field) (fields []Field, unknown, cut bool, a exchange.AnomalySet) {
	t.tidy()
	r := reader{b: block}
	t.updates(&r)
	most, room := len(dst)+t.limits.Fields, t.limits.FieldBytes
	for len(r.b) > 0 && !r.bad {
		if !cut {
			if dst, room = t.run(&r, dst, most, room); len(r.b) == 0 {
				break
			}
		}
		f, ok := t.field(&r, r.b[0])
		if r.bad || cut {
			continue
		}
		if room -= len(f.Name) + len(f.Value) + 1; room < 0 || len(dst) == most {
			a.Add(exchange.HeaderFlood)
			cut = true
			continue
		}
		unknown = unknown || !ok
		dst = append(dst, Field{})
		dst[len(dst)-1].Name, dst[len(dst)-1].Value = f.Name, f.Value
	}
	if r.bad {
		a.Add(exchange.BadHeaderBlock)
		t.lose()
		return dst, true, true, a
	}
	return dst, unknown, cut, a
}

// run reads indexed fields of one byte, which most are, as far as they are known and within bounds.
func (t *table) run(r *reader, dst []Field, most, room int) ([]Field, int) {
	entries, bytes, base := t.entries[t.head:], t.bytes, t.base
	i, b := 0, r.b
	for ; i < len(b) && len(dst) < most; i++ {
		c := uint(b[i]) - 0x81 // the index less 1; of other representations large
		if c < staticLen {
			f := &staticFields[c]
			if room -= len(f.Name) + len(f.Value) + 1; room < 0 {
				break
			}
			dst = append(dst, *f)
			continue
		}
		k := uint(len(entries)) + staticLen - 1 - c
		if c >= 0x7e || k >= uint(len(entries)) || entries[k].name < 0 {
			break
		}
		e := &entries[k]
		if room -= int(e.size) - entryCost + 1; room < 0 {
			break
		}
		both := bytes[e.at-base:][:e.size-entryCost]
		dst = append(dst, Field{})
		f := &dst[len(dst)-1] // in place: a copy of what was just written in parts is slow
		f.Name, f.Value = both[:e.name:e.name], both[e.name:len(both):len(both)]
	}
	r.b = b[i:]
	return dst, room
}

// updates reads the size updates, RFC 7541 section 6.3. They stand at the beginning of a block and nowhere else
// (section 4.2).
func (t *table) updates(r *reader) {
	for len(r.b) > 0 && r.b[0]>>5 == 1 {
		size := r.integer(5)
		if r.bad {
			return
		}
		t.resize(size)
	}
}

// field reads one representation that begins with c; false says that something of it is unknown.
func (t *table) field(r *reader, c byte) (f Field, ok bool) {
	switch {
	case c>>7 == 1: // indexed, section 6.1
		i := r.integer(7)
		if i == 0 {
			r.bad = true
			return f, false
		}
		return t.at(r, i)
	case c>>6 == 1: // literal with incremental indexing, section 6.2.1
		return t.insert(r)
	case c>>5 == 1: // a size update, too late
		r.bad = true
		return f, false
	}
	f.Name, ok = t.name(r, r.integer(4)) // without indexing, and never indexed: sections 6.2.2 and 6.2.3
	f.Value = t.text(r)
	return f, ok
}

// insert reads a literal and puts it into the table.
func (t *table) insert(r *reader) (f Field, ok bool) {
	i := r.integer(6)
	name, ok := t.name(r, i)
	value := t.text(r)
	if r.bad {
		return f, false
	}
	kept := ok && (i <= staticLen || t.affords(len(name)))
	t.add(name, value, kept)
	return Field{Name: name, Value: value}, ok
}

// name gives the name of a literal, which an index of 0 says to come next; false says that it is unknown.
func (t *table) name(r *reader, i uint64) ([]byte, bool) {
	if i == 0 {
		return t.text(r), true
	}
	f, _ := t.at(r, i)
	return f.Name, f.Name != nil
}

// text reads a string, decoded where it is Huffman code. It is never nil, unless r is bad.
func (t *table) text(r *reader) []byte {
	raw, coded := r.text()
	if r.bad || !coded {
		return raw
	}
	most := len(raw) * 8 / shortestCode
	b, ok := appendHuffman(t.spare(most), raw)
	r.bad = !ok
	if most <= keptScratch {
		t.scratch = t.scratch[:len(t.scratch)+len(b)]
	}
	return b[:len(b):len(b)]
}

// spare gives an empty slice with room for n bytes: what is left of scratch, or memory that fields of this block
// alone hold, so that a connection keeps no more than keptScratch.
func (t *table) spare(n int) []byte {
	if n > keptScratch {
		return make([]byte, 0, n)
	}
	if t.scratch == nil || cap(t.scratch)-len(t.scratch) < n {
		t.scratch = make([]byte, 0, min(max(2*cap(t.scratch), n, 128), keptScratch))
	}
	return t.scratch[len(t.scratch):]
}

// reader reads the primitives of RFC 7541 section 5. After bad what it gives means nothing.
type reader struct {
	b   []byte
	bad bool
}

// integer reads an integer with a prefix of n bits, section 5.1. One beyond 32 bits is wrong, and so is one of more
// than five further bytes, which may be zeros: "integer encodings that exceed implementation limits".
func (r *reader) integer(n int) uint64 {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	mask := byte(1<<n - 1)
	v := uint64(r.b[0] & mask)
	r.b = r.b[1:]
	if v < uint64(mask) {
		return v
	}
	for shift := 0; shift <= 28 && len(r.b) > 0; shift += 7 {
		c := r.b[0]
		r.b = r.b[1:]
		v += uint64(c&0x7f) << shift
		if c < 0x80 && v < 1<<32 {
			return v
		}
		if c < 0x80 {
			break
		}
	}
	r.bad = true
	return 0
}

// text reads a string, section 5.2; coded says that it is Huffman code.
func (r *reader) text() (raw []byte, coded bool) {
	if len(r.b) == 0 {
		r.bad = true
		return nil, false
	}
	coded = r.b[0] >= 0x80
	n := r.integer(7)
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil, false
	}
	raw = r.b[:n:n]
	r.b = r.b[n:]
	return raw, coded
}
