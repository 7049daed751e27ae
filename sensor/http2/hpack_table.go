// SPDX-License-Identifier: Apache-2.0

package http2

// table is the dynamic table of one direction and its decoder, RFC 7541 section 2.3.2.
//
// It may have missed entries: those made before it looked on, or in blocks that were lost. What it tells of others is
// right all the same, and what it does not know it says. The reasons:
//   - The newest entry has the lowest index, and entries only ever go at the old end. So an entry has the same index
//     in every table that still holds it, however many lie behind it; what came since the join or the loss is found
//     rightly, an index beyond is unknown.
//   - Whether the peer still holds an entry may be doubtful: what unknown names add to its size, or how large the
//     table may be, may not be known. But no encoder refers to an entry that its reader has evicted, so that one held
//     here too long is never asked for, and one given up here too early is unknown.
//   - An entry that is larger than the table empties it and is not added (section 4.4). If that is doubtful, then the
//     doubt is about this entry and older ones alone: the peer's table has none of them, or this one has none.
//   - whole, by which an index beyond the table is an error and not unknown, is only said where nothing was missed,
//     or where a size update to 0 took away all that was.
type table struct {
	limits  Limits
	entries []entry // oldest first, from head on
	bytes   []byte  // what entries say, in their order; what evicted ones said stays before until it is moved over
	scratch []byte  // Huffman code of this block, decoded
	size    uint64  // as section 4.1 says; of unknown names nothing
	max     uint64
	head    uint32
	base    uint32 // position of bytes[0]: positions go on when bytes are moved, and wrap
	copied  int32  // bytes of long names that this block had copied
	whole   bool   // every entry that an index may refer to was seen
	capped  bool   // the peer's table may be larger than ours
}

// entry is one slot: its name and value stand one after the other at a position.
type entry struct {
	at    uint32
	name  int32 // length; -1: unknown
	value int32
	size  uint32 // as section 4.1 says
}

const (
	defaultTable = 4096 // SETTINGS_HEADER_TABLE_SIZE, RFC 9113 section 6.5.2
	entryCost    = 32
	keptBytes    = 4 << 10 // kept of a side for the next one, or while little of it is in use
	keptEntries  = defaultTable / entryCost
	keptScratch  = 4 << 10
	leastBytes   = 128
	shortName    = 64
	longNames    = 16 << 10 // bytes of longer names that one block may have copied
)

// at gives the field of an index, which is not 0.
func (t *table) at(r *reader, i uint64) (f Field, ok bool) {
	if i <= staticLen {
		return staticFields[i-1], true
	}
	k := int64(len(t.entries)) + staticLen - int64(i)
	if k < int64(t.head) {
		r.bad = t.whole || i > staticLen+1<<32/entryCost // no table is that large
		return f, false
	}
	e := &t.entries[k]
	at := e.at - t.base
	if e.name < 0 {
		return Field{Value: t.bytes[at : at+uint32(e.value) : at+uint32(e.value)]}, false
	}
	to := at + uint32(e.name)
	end := to + uint32(e.value)
	return Field{Name: t.bytes[at:to:to], Value: t.bytes[to:end:end]}, true
}

// affords says whether a name of the table may be copied into a further entry. Two bytes of a block can ask for it, so
// that a long name is work without an end; beyond a bound it becomes unknown. Those that are in use are short.
func (t *table) affords(n int) bool {
	if n <= shortName {
		return true
	}
	if n > longNames-int(t.copied) {
		return false
	}
	t.copied += int32(n)
	return true
}

// add puts an entry into the table, RFC 7541 section 4.4. With named false its name is not known or not kept.
func (t *table) add(name, value []byte, named bool) {
	need := len(name) + len(value) + entryCost
	t.evict(uint64(need))
	if uint64(need) > t.max {
		t.whole = t.whole && !t.capped
		return
	}
	e := entry{name: int32(len(name)), value: int32(len(value)), size: uint32(need)}
	if !named {
		e.name, name = -1, nil
	}
	n := len(name) + len(value)
	if t.bytes == nil || len(t.bytes)+n > cap(t.bytes) {
		t.grow(n)
	}
	e.at = t.base + uint32(len(t.bytes))
	t.bytes = append(append(t.bytes, name...), value...)
	if len(t.entries) == cap(t.entries) && int(t.head) > len(t.entries)/4 {
		t.entries = t.entries[:copy(t.entries, t.entries[t.head:])]
		t.head = 0
	}
	t.entries = append(t.entries, e)
	t.size += uint64(need)
}

// evict makes room for need bytes.
func (t *table) evict(need uint64) {
	for t.size+need > t.max && int(t.head) < len(t.entries) {
		t.size -= uint64(t.entries[t.head].size)
		t.head++
		t.whole = t.whole && !t.capped
	}
}

// resize obeys a size update, RFC 7541 section 4.3. Beyond our bound entries are forgotten that the peer keeps; what
// goes for another size has gone for the peer too.
func (t *table) resize(size uint64) {
	bound := uint64(t.limits.TableBytes)
	t.max = min(size, bound)
	t.capped = size > bound
	t.evict(0)
	t.whole = t.whole || size == 0
}

// dead is how many bytes before those of the oldest entry are not in use.
func (t *table) dead() int {
	if int(t.head) == len(t.entries) {
		return len(t.bytes)
	}
	return int(t.entries[t.head].at - t.base)
}

// grow makes room for n bytes in the middle of a block. Fields of the block lie in the old bytes, so that these stay
// as they are; they are not taken over where nothing is in use. Bytes grow until a block with usual inserts fits behind
// what is in use, and not to what a block that replaces the table again and again would like.
func (t *table) grow(n int) {
	dead := t.dead()
	live := len(t.bytes) - dead
	size := max((live+n)*3/2, leastBytes)
	if dead < 2*(live+n) {
		size = max(size, cap(t.bytes)*3/2)
	}
	b := make([]byte, live, size)
	copy(b, t.bytes[dead:])
	t.bytes, t.base = b, t.base+uint32(dead)
}

// tidy moves what is in use over what is not, between two blocks: fields of the last one are not used any more. What
// one block made large does not stay so.
func (t *table) tidy() {
	t.copied = 0
	clear(t.scratch)
	t.scratch = t.scratch[:0]
	dead := t.dead()
	live := len(t.bytes) - dead
	if dead == 0 || dead < live/4 {
		return
	}
	to := t.bytes
	if cap(to) > keptBytes && live < cap(to)/8 {
		to = make([]byte, max(2*live, leastBytes))
	}
	n := copy(to, t.bytes[dead:])
	clear(t.bytes[n:])
	t.bytes, t.base = to[:n], t.base+uint32(dead)
	if n := len(t.entries) - int(t.head); cap(t.entries) > keptEntries && n < cap(t.entries)/8 {
		t.entries, t.head = append(make([]entry, 0, 2*n), t.entries[t.head:]...), 0
	}
}
