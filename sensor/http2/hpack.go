// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/weir-project/weir/sensor/exchange"

// table is the dynamic table of one direction and its decoder, RFC 7541 section 2.3.2.
//
// It may have missed entries: those made before it looked on, or in blocks that were lost. The newest entry has the
// lowest index, so what came since is always found rightly, however many there are behind it; an index beyond
// that is unknown and never a guess. Nor can it name a wrong entry where sizes are not known: entries only ever go at
// the old end, so an entry has the same index in every table that still holds it, and no encoder refers to one that
// its reader has evicted.
type table struct {
	limits  Limits
	entries []entry // oldest first, from head on
	head    int
	bytes   []byte // of the entries in order; what evicted ones had stays before until it is moved over
	size    uint64 // as RFC 7541 section 4.1 says; of unknown names and values nothing
	max     uint64
	whole   bool // every entry that an index may refer to was seen
	capped  bool // the peer's may be larger than ours
	scratch []byte
}

// entry is one slot: its name and value stand at at.
type entry struct {
	at          uint32
	name, value int32 // lengths; -1: unknown
}

const (
	defaultTable = 4096 // SETTINGS_HEADER_TABLE_SIZE, RFC 9113 section 6.5.2
	entryCost    = 32
	keptScratch  = 4 << 10
)

// reset makes it ready for another side. With known false entries were made before it looked on.
func (t *table) reset(l Limits, known bool) {
	t.lose()
	clear(t.bytes[:cap(t.bytes)])
	clear(t.scratch[:cap(t.scratch)])
	if cap(t.bytes) > defaultTable {
		t.bytes = nil
	}
	*t = table{limits: l, entries: t.entries[:0], bytes: t.bytes[:0], scratch: t.scratch[:0], max: uint64(l.TableBytes)}
	if t.whole = known; known {
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
// that goes beyond: what it says of its table is so, and the setting may come late here.
func (t *table) allow(uint32) {}

// decode reads one whole block and appends its fields to dst. Names and values belong to the table and
// are valid until its next call. unknown says that a field refers to what is not known; cut that a bound was
// hit and fields are missing. After an error in the block (anomaly BadHeaderBlock) everything is lost.
func (t *table) decode(block []byte, dst []Field) (fields []Field, unknown, cut bool, a exchange.AnomalySet) {
	t.tidy()
	r := reader{b: block}
	given, produced := 0, 0
	for begin := true; len(r.b) > 0 && !r.bad; {
		c := r.b[0]
		if c>>5 == 1 { // section 6.3
			size := r.integer(5)
			if r.bad = r.bad || !begin; !r.bad {
				t.resize(size)
			}
			continue
		}
		begin = false
		var f Field
		var ok bool
		if c > 0x80 && c < 0xff { // the most common one: indexed, in one byte
			r.b = r.b[1:]
			f, ok = t.at(&r, uint64(c&0x7f))
		} else {
			f, ok = t.field(&r, c)
		}
		if r.bad {
			break
		}
		unknown = unknown || !ok
		if produced += len(f.Name) + len(f.Value) + 1; produced > t.limits.FieldBytes {
			a.Add(exchange.HeaderFlood)
			t.lose()
			return dst, true, true, a
		}
		if given == t.limits.Fields {
			a.Add(exchange.HeaderFlood)
			cut = true
			continue
		}
		given++
		dst = append(dst, f)
	}
	if r.bad {
		a.Add(exchange.BadHeaderBlock)
		t.lose()
		return dst, true, true, a
	}
	return dst, unknown, cut, a
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
		name, ok := t.name(r, 6)
		return t.insert(r, name, ok)
	}
	name, ok := t.name(r, 4) // without indexing, and never indexed: sections 6.2.2 and 6.2.3
	f.Name = name
	f.Value, _ = t.text(r)
	return f, ok
}

// at gives the field of an index.
func (t *table) at(r *reader, i uint64) (f Field, ok bool) {
	if i <= uint64(len(staticTable)) {
		return staticFields[i-1], true
	}
	i -= uint64(len(staticTable)) + 1
	if n := uint64(len(t.entries) - t.head); i >= n {
		r.bad = t.whole || i > 1<<27
		return Field{}, false
	}
	e := &t.entries[uint64(len(t.entries)-1)-i]
	at := e.at
	if e.name >= 0 {
		f.Name = known(t.bytes[at : at+uint32(e.name) : at+uint32(e.name)])
		at += uint32(e.name)
	}
	if e.value >= 0 {
		f.Value = known(t.bytes[at : at+uint32(e.value) : at+uint32(e.value)])
	}
	return f, e.name >= 0 && e.value >= 0
}

// name reads the name of a literal; false says that it is unknown.
func (t *table) name(r *reader, prefix int) ([]byte, bool) {
	i := r.integer(prefix)
	if i == 0 {
		name, _ := t.text(r)
		return name, true
	}
	f, _ := t.at(r, i)
	return f.Name, f.Name != nil
}

// text reads a string, decoded into scratch where it is Huffman code. It is never nil.
func (t *table) text(r *reader) ([]byte, bool) {
	raw, coded := r.text()
	if !coded || r.bad {
		return known(raw[:len(raw):len(raw)]), !r.bad
	}
	n := len(t.scratch)
	var ok bool
	if t.scratch, ok = appendHuffman(t.scratch, raw); !ok {
		r.bad = true
	}
	return known(t.scratch[n:len(t.scratch):len(t.scratch)]), ok
}

// known makes sure that what is known and empty is not nil.
func known(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// insert reads the value of a literal and puts it into the table with its name.
func (t *table) insert(r *reader, name []byte, named bool) (f Field, ok bool) {
	value, _ := t.text(r)
	if r.bad {
		return f, false
	}
	f = Field{Name: name, Value: value}
	need := uint64(len(name)+len(value)) + entryCost
	t.evict(need)
	if need > t.max {
		t.whole = t.whole && !t.capped
		return f, named
	}
	e := entry{at: uint32(len(t.bytes)), name: int32(len(name)), value: int32(len(value))}
	if !named {
		e.name = -1
	}
	t.bytes = append(append(t.bytes, name...), value...)
	t.entries = append(t.entries, e)
	t.size += need
	return f, named
}

// evict makes room for need bytes, RFC 7541 section 4.4.
func (t *table) evict(need uint64) {
	for t.size+need > t.max && t.head < len(t.entries) {
		e := &t.entries[t.head]
		t.size -= uint64(max(e.name, 0)+max(e.value, 0)) + entryCost
		t.head++
		t.whole = t.whole && !t.capped
	}
}

// resize obeys a size update, RFC 7541 section 4.3. Beyond our bound entries are forgotten that the peer keeps.
func (t *table) resize(size uint64) {
	t.max = min(size, uint64(t.limits.TableBytes))
	t.capped = t.capped && size > 0 // what is evicted by this is gone for the peer too
	t.evict(0)
	t.whole = t.whole || size == 0
	t.capped = size > uint64(t.limits.TableBytes)
}

// tidy moves what is in use over what is not, between two blocks: fields of the last one are not used any more.
func (t *table) tidy() {
	clear(t.scratch)
	if t.scratch = t.scratch[:0]; cap(t.scratch) > keptScratch {
		t.scratch = nil
	}
	from := len(t.bytes)
	if t.head < len(t.entries) {
		from = int(t.entries[t.head].at)
	}
	if from == 0 {
		return
	}
	if from < len(t.bytes)/2 && t.head < len(t.entries)/2 {
		return
	}
	n := copy(t.bytes, t.bytes[from:])
	clear(t.bytes[n:])
	t.bytes = t.bytes[:n]
	t.entries = t.entries[:copy(t.entries, t.entries[t.head:])]
	t.head = 0
	for i := range t.entries {
		t.entries[i].at -= uint32(from)
	}
}

// staticFields is the static table as fields. They are not to be changed.
var staticFields = func() (f [len(staticTable)]Field) {
	for i, e := range staticTable {
		f[i] = Field{Name: []byte(e.name), Value: []byte(e.value)}
	}
	return f
}()

// reader reads the primitives of RFC 7541 section 5. After bad it gives nothing.
type reader struct {
	b   []byte
	bad bool
}

// integer reads an integer with a prefix of n bits, section 5.1.
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
		if c < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

// text reads a string, section 5.2; coded says that it is Huffman code.
func (r *reader) text() (raw []byte, coded bool) {
	if len(r.b) == 0 {
		r.bad = true
		return r.b, false
	}
	coded = r.b[0] >= 0x80
	n := r.integer(7)
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return r.b[:0], false
	}
	raw = r.b[:n:n]
	r.b = r.b[n:]
	return raw, coded
}
