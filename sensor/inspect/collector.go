// SPDX-License-Identifier: Apache-2.0

package inspect

// collector gathers the records of one array.
type collector struct {
	objectSet
	root     bool
	list     bool // it stands under a name that says "the list you asked for"
	objects  bool // elements are containers
	started  uint64
	count    uint64 // elements that ended
	unhashed uint32
	start    uint64
	bytes    uint64
	fields   uint64 // names of the first element
	rank     uint8  // of the id of the current element; 0: none yet
	hash     uint64
	class    []byte
	room     [maxClass]byte
}

// collect takes a collector for an array that begins.
func (r *reader) collect(start uint64, class []byte) *collector {
	if r.nFree == 0 {
		panic("BUG: more open arrays than levels")
	}
	r.nFree--
	c := r.free[r.nFree]
	room := c.room
	*c = collector{start: start, room: room}
	c.class = append(c.room[:0], class[:min(len(class), maxClass)]...)
	return c
}

func (r *reader) drop(level int) {
	if c := r.best[level]; c != nil {
		r.best[level] = nil
		r.giveBack(c)
	}
}

func (r *reader) giveBack(c *collector) {
	r.free[r.nFree] = c
	r.nFree++
}

// closeEnvelope takes the object as the single one of the body, if it has an id and none further
// out has: the root closes last.
func (r *reader) closeEnvelope(f *frame) {
	if r.n == 0 {
		r.single.root, r.single.object = f.fields, f.fields != 0
	}
	if f.rank != 0 && (r.single.rank == 0 || r.n < r.single.depth) {
		r.single.rank, r.single.depth = f.rank, r.n
		r.single.hash, r.single.fields, r.single.around = f.hash, f.fields, f.around
	}
}

// closeArray keeps the array if it is the largest of its level.
func (r *reader) closeArray(f *frame, end uint64) {
	c, level := f.c, int(f.level)
	if level == 0 {
		r.arrays = true
		for i := range r.frames[:r.n] {
			r.frames[i].around = true
		}
		r.empty = r.empty || c.started == 0 && c.list
	}
	c.bytes = end - c.start
	if inner := r.best[level+1]; inner != nil && c.started == 1 && inner.objects && inner.bytes*2 > c.bytes {
		if c.n > 0 {
			inner.add(c.hashes[0]) // the element is an object of its own
		}
		inner.bytes, inner.root = c.bytes, c.root
		r.best[level+1] = nil
		r.giveBack(c)
		c = inner
	}
	r.drop(level + 1)
	if best := r.best[level]; c.count == 0 || best != nil && best.bytes >= c.bytes {
		r.giveBack(c)
		return
	}
	r.drop(level)
	r.best[level] = c
}

// finish makes the result. Containers that are still open count as far as they were read. It says
// whether the text broke the grammar.
func (r *reader) finish(path pathObject, out *found) (broken bool) {
	if r.isVirtual() && !r.bad { // a scalar line at the very end
		switch {
		case r.state == inNumber:
			r.scalarDone(r.text(nil), false)
		case r.state == inWord:
			r.wordDone()
		}
	}
	for r.n > 0 {
		r.n--
		switch f := &r.frames[r.n]; {
		case f.array:
			r.closeArray(f, r.total)
		case f.role == roleEnvelope:
			r.closeEnvelope(f)
		}
	}
	s := &r.single
	if s.object && (path.itself && (s.rank != 0 || !r.empty) || path.owner && s.rank == 0 && !r.arrays) {
		s.hash, s.rank, s.around = path.hash, rankID, r.arrays
		if s.fields == 0 {
			s.fields = s.root
		}
	}
	if c := r.best[0]; c != nil && c.dominates(s.rank != 0 && s.around, r.total) {
		out.records, out.unhashed, out.fields = c.count, c.unhashed, c.fields
		if s.rank != 0 && s.around {
			c.add(s.hash)
		}
		out.set = &c.objectSet
	} else if s.rank != 0 {
		c := r.collect(0, nil)
		c.add(s.hash)
		out.records, out.fields, out.set = 1, s.fields, &c.objectSet
	}
	return r.bad
}

// dominates says whether the body is a list of this array's elements. Beside an object with an id
// it must hold more than half of the body, and scalars there belong to the object.
func (c *collector) dominates(hasSingle bool, total uint64) bool {
	switch {
	case c.root:
		return true
	case c.objects:
		return !hasSingle || c.bytes*2 > total
	}
	return !hasSingle && c.bytes*2 > total
}
