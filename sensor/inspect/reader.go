// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"bytes"

	"github.com/weir-project/weir/proto/keyhash"
)

// maxLevels is how deep arrays in arrays are looked at, as long as each outer one has one element.
const maxLevels = 4

// maxEnvelopes is how deep outside arrays a single object is looked for.
const maxEnvelopes = 8

// role says what an object's keys are looked at for.
type role uint8

const (
	roleEnvelope role = iota + 1 // outside arrays: names of arrays, and an id of its own
	roleRecord                   // an element of an array: its id
	roleWrap                     // "node" and its like in an element: an id if the element has none
	roleOID                      // {"$oid": ...} as an id
	roleExplore                  // in the only element of an array: names of arrays
)

// frame is an open container that is looked at.
type frame struct {
	array   bool
	virtual bool // the sequence of values of NDJSON
	role    role
	deep    bool // containers in it are looked at
	around  bool // of an envelope: an array stands in it
	level   int8 // of the array itself; of an object: the level that an array in it has
	rank    uint8
	nName   uint8
	c       *collector // an array's own; a record's: that of its array
	hash    uint64
	fields  uint64
	name    [40]byte // the key it stands under, cut
}

// reader finds the records of one JSON text while it passes: no tree, no allocation.
//
// Records are the elements of one array: the root, or the largest outside all others; an array
// with a single element is an envelope if an array in it holds more than half of its bytes. Without
// such an array, a single object with an id is one record.
type reader struct {
	objects *keyhash.ObjectsKey
	depth   int
	class   []byte // of the path

	state state
	total uint64
	base  uint64 // total when the current piece began
	bad   bool
	esc   bool // the last piece ended behind a backslash
	skip  int

	frames [maxDepth]frame
	n      int

	buf     [maxText]byte
	nbuf    int
	over    bool
	capture bool
	idRoom  [maxText]byte

	// Of the last key.
	rank  uint8
	child role
	name  [40]byte
	nName uint8

	pool   [2 * maxLevels]collector
	free   [2 * maxLevels]*collector
	nFree  int
	best   [maxLevels + 1]*collector
	single single
	arrays bool // an array stands outside all others
	empty  bool // it has no elements and is the list that the path names
}

// single is the object that a body is, if it is one.
type single struct {
	rank   uint8
	depth  int
	hash   uint64
	fields uint64
	around bool   // the array stands in this object
	root   uint64 // names of the root object
	object bool   // the root is an object with members
}

// pathObject is the object of the last id in the path.
type pathObject struct {
	hash   uint64
	itself bool // a single object in the body is that object, whatever id it has
	owner  bool // a single object without an id is a part of that object
}

// found is what a body was found to hold.
type found struct {
	records  uint64
	unhashed uint32
	fields   uint64
	set      *objectSet // of the reader; nil without objects
}

func (r *reader) reset(class []byte, ndjson bool) {
	r.class = class
	r.state, r.total, r.base = atValue, 0, 0
	r.bad, r.esc, r.over, r.capture = false, false, false, false
	r.skip, r.n, r.nbuf, r.rank, r.child, r.nName = 0, 0, 0, 0, 0, 0
	r.single, r.arrays, r.empty = single{}, false, false
	r.best = [maxLevels + 1]*collector{}
	for i := range r.pool {
		r.free[i] = &r.pool[i]
	}
	r.nFree = len(r.pool)
	if ndjson {
		r.frames[0] = frame{array: true, virtual: true, c: r.collect(0, r.class)}
		r.frames[0].c.root = true
		r.n = 1
	}
}

// forget clears what was read.
func (r *reader) forget() {
	clear(r.buf[:])
	clear(r.idRoom[:])
	r.class = nil
}

func (r *reader) isVirtual() bool { return r.n == 1 && r.frames[0].virtual }

// ended says whether the text is complete.
func (r *reader) ended() bool {
	switch r.state {
	case atEnd:
		return true
	case inNumber, inWord:
		return r.n == 0 || r.isVirtual()
	case atAfter, atValue, atFirst:
		return r.isVirtual()
	}
	return false
}

// open begins a container: looked at, or skipped as a whole.
func (r *reader) open(array bool, at uint64) {
	r.element()
	var parent *frame
	if r.n > 0 {
		parent = &r.frames[r.n-1]
	}
	if r.n == r.depth || !r.descend(parent, array, at) {
		r.state, r.skip = inSkip, 1
		return
	}
	r.n++
	r.state = atKeyFirst
	if array {
		r.state = atFirst
	}
}

// descend fills the next frame for a container under parent, or says that it is of no interest.
func (r *reader) descend(parent *frame, array bool, at uint64) bool {
	f := &r.frames[r.n]
	switch {
	case parent == nil && array:
		*f = frame{array: true, c: r.collect(at, r.class)}
		f.c.root = true
	case parent == nil:
		*f = frame{role: roleEnvelope, deep: true}
	case parent.array && array:
		if parent.c.started != 1 || int(parent.level)+1 >= maxLevels {
			return false
		}
		*f = frame{array: true, level: parent.level + 1, c: r.collect(at, parent.c.class)}
	case parent.array:
		*f = frame{role: roleRecord, level: parent.level + 1, c: parent.c, deep: parent.c.started == 1}
	case array:
		if !parent.deep || int(parent.level) >= maxLevels {
			return false
		}
		*f = frame{array: true, level: parent.level, c: r.collect(at, r.arrayClass(parent))}
		f.c.list = bytes.EqualFold(f.c.class, r.class)
	case parent.role == roleEnvelope:
		if r.n >= maxEnvelopes {
			return false
		}
		*f = frame{role: roleEnvelope, deep: true, nName: r.nName, name: r.name}
	case parent.role == roleRecord && r.child != 0:
		*f = frame{role: r.child, level: parent.level, c: parent.c, deep: parent.deep, rank: r.rank}
	case parent.deep:
		*f = frame{role: roleExplore, level: parent.level, deep: true, nName: r.nName, name: r.name}
	default:
		return false
	}
	return true
}

// element notes that a value begins, if it is an element of an array.
func (r *reader) element() {
	if r.n == 0 {
		return
	}
	if f := &r.frames[r.n-1]; f.array {
		f.c.started++
		f.c.rank = 0
		if f.c.started == 2 {
			r.drop(int(f.level) + 1) // more than an envelope
		}
	}
}

// scalar begins a string, number or word.
func (r *reader) scalar() {
	r.element()
	r.nbuf, r.over = 0, false
	r.capture = r.n > 0 && (r.frames[r.n-1].array || r.rank != 0)
}

// scalarDone ends a string or number. The text is nil unless it was captured.
func (r *reader) scalarDone(text []byte, isString bool) {
	if r.n == 0 {
		r.state = atEnd
		return
	}
	f := &r.frames[r.n-1]
	switch {
	case f.array:
		r.scalarElement(f.c, text, isString)
	case r.rank != 0 && len(text) > 0 && !r.over:
		r.setID(f, text, isString)
	}
	r.rank = 0
	r.state = atAfter
}

// scalarElement counts an element that is its own id. In arrays below the root, numbers with
// fractions are measurements and no records.
func (r *reader) scalarElement(c *collector, text []byte, isString bool) {
	if !isString && !isInteger(text) && !c.root {
		return
	}
	c.count++
	if len(text) == 0 || r.over {
		c.unhashed++
		return
	}
	c.add(r.hash(c.class, text, isString))
}

func (r *reader) wordDone() {
	r.state, r.rank = atAfter, 0
	if r.n == 0 {
		r.state = atEnd
		return
	}
	if f := &r.frames[r.n-1]; f.array && f.c.root {
		f.c.count++
		f.c.unhashed++
	}
}

// setID takes the value of a key as the id of its object.
func (r *reader) setID(f *frame, text []byte, isString bool) {
	if f.role == roleEnvelope {
		f.rank, f.hash = r.rank, r.hash(r.objectClass(f), text, isString)
		return
	}
	f.c.rank, f.c.hash = r.rank, r.hash(f.c.class, text, isString)
}

func (r *reader) hash(class, text []byte, isString bool) uint64 {
	if isString {
		text = decodeID(text, r.idRoom[:])
	}
	return r.objects.Object(class, text)
}

// keyDone looks at a key.
func (r *reader) keyDone(k []byte) {
	r.over = false
	f := &r.frames[r.n-1]
	r.rank, r.child = 0, 0
	switch f.role {
	case roleRecord:
		if rank := idRank(k, f.c.class); rank != 0 && (f.c.rank == 0 || rank < f.c.rank) {
			r.rank = rank
		}
		r.child = wrapRole(k)
		if f.deep {
			f.c.fields += nameHash(k)
		}
	case roleWrap:
		if rank := idRank(k, f.c.class); rank != 0 && (f.c.rank == 0 || rank+wrapPenalty < f.c.rank) {
			r.rank = rank + wrapPenalty
		}
	case roleOID:
		if string(k) == "$oid" && (f.c.rank == 0 || f.rank < f.c.rank) {
			r.rank = f.rank
		}
	case roleEnvelope:
		if rank := idRank(k, r.objectClass(f)); rank != 0 && rank <= weakestSingle && (f.rank == 0 || rank < f.rank) {
			r.rank = rank
		}
		f.fields += nameHash(k)
	}
	if f.deep {
		r.nName = uint8(copy(r.name[:], k))
	}
}

// close ends the innermost container that is looked at; end is the offset behind it.
func (r *reader) close(end uint64) {
	r.n--
	f := &r.frames[r.n]
	switch {
	case f.array:
		r.closeArray(f, end)
	case f.role == roleEnvelope:
		r.closeEnvelope(f)
	}
	r.containerDone()
}

// containerDone ends a container as a value of the one around it.
func (r *reader) containerDone() {
	r.rank, r.child = 0, 0
	if r.n == 0 {
		r.state = atEnd
		return
	}
	r.state = atAfter
	f := &r.frames[r.n-1]
	if !f.array {
		return
	}
	c := f.c
	c.count++
	c.objects = true
	if c.rank == 0 {
		c.unhashed++
		return
	}
	c.add(c.hash)
}
