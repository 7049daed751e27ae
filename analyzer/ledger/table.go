// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"
)

const chunkBits = 8

// slab holds values without pointers in chunks, so that millions of them cost the garbage collector
// nothing and a pointer into it stays good while it grows. Index 0 stands for "none".
type slab[T any] struct {
	chunks [][]T
	next   uint32
	free   []uint32
}

func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		var zero T
		*s.at(i) = zero
		return i
	}
	if s.next == 0 {
		s.next = 1
	}
	if int(s.next>>chunkBits) >= len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, 1<<chunkBits))
	}
	s.next++
	return s.next - 1
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

func (s *slab[T]) give(i uint32) {
	if i != 0 {
		s.free = append(s.free, i)
	}
}

// slot is one entry of a table.
type slot[K, V any] struct {
	key   K
	val   V
	live  bool
	dirty bool
}

// table is a map from keys to values in a slab that knows what changed since it was last written.
type table[K comparable, V any] struct {
	index map[K]uint32
	slots slab[slot[K, V]]
	order func(a, b K) int
	track bool // changes are being written: remember what is dirty and gone
	dirty []uint32
	gone  []K
}

func newTable[K comparable, V any](order func(a, b K) int) table[K, V] {
	return table[K, V]{index: make(map[K]uint32), order: order}
}

func (t *table[K, V]) len() int { return len(t.index) }

func (t *table[K, V]) get(k K) *V {
	if i, ok := t.index[k]; ok {
		return &t.slots.at(i).val
	}
	return nil
}

// put gives the place of k, made when it is new, and marks it as changed.
func (t *table[K, V]) put(k K) (i uint32, v *V, fresh bool) {
	i, ok := t.index[k]
	if !ok {
		i = t.slots.take()
		s := t.slots.at(i)
		s.key, s.live = k, true
		t.index[k] = i
	}
	t.touch(i)
	return i, &t.slots.at(i).val, !ok
}

func (t *table[K, V]) at(i uint32) *V { return &t.slots.at(i).val }

func (t *table[K, V]) touch(i uint32) {
	if !t.track {
		return
	}
	if s := t.slots.at(i); !s.dirty {
		s.dirty = true
		t.dirty = append(t.dirty, i)
	}
}

// drop removes an entry; told says whether the next change must say so.
func (t *table[K, V]) drop(i uint32, told bool) {
	s := t.slots.at(i)
	delete(t.index, s.key)
	if told && t.track {
		t.gone = append(t.gone, s.key)
	}
	// A dirty mark stays until it is written, so that a slot taken again is not listed twice.
	var zero V
	s.live, s.val = false, zero
	if s.dirty {
		return // given back by settle
	}
	t.slots.give(i)
}

// settle forgets what changed and begins to remember.
func (t *table[K, V]) settle() {
	for _, i := range t.dirty {
		s := t.slots.at(i)
		s.dirty = false
		if !s.live {
			t.slots.give(i)
		}
	}
	clear(t.gone)
	t.dirty, t.gone, t.track = t.dirty[:0], t.gone[:0], true
}

// sorted lists entries in the order of their keys: all, or the changed ones.
func (t *table[K, V]) sorted(dst []uint32, onlyDirty bool) []uint32 {
	if onlyDirty {
		for _, i := range t.dirty {
			if t.slots.at(i).live {
				dst = append(dst, i)
			}
		}
	} else {
		for _, i := range t.index {
			dst = append(dst, i)
		}
	}
	slices.SortFunc(dst, func(a, b uint32) int { return t.order(t.slots.at(a).key, t.slots.at(b).key) })
	return dst
}

// idlest lists the n entries with the smallest last, oldest first, equal ones by key.
func (t *table[K, V]) idlest(n int, last func(*V) int64) []uint32 {
	type aged struct {
		last int64
		i    uint32
	}
	all := make([]aged, 0, len(t.index))
	for _, i := range t.index {
		all = append(all, aged{last(t.at(i)), i})
	}
	slices.SortFunc(all, func(a, b aged) int {
		return cmp.Or(cmp.Compare(a.last, b.last), t.order(t.slots.at(a.i).key, t.slots.at(b.i).key))
	})
	out := make([]uint32, 0, n)
	for _, a := range all[:min(n, len(all))] {
		out = append(out, a.i)
	}
	return out
}

const poolBits = 10

// pool is a list in chunks that are lent by a store, so that it never moves while it grows.
type pool[T any] struct {
	chunks [][]T
	n      uint32
}

// store keeps chunks that are not in use, at most as many as are.
type store[T any] struct {
	spare [][]T
	lent  int
}

func (q *pool[T]) at(i uint32) *T { return &q.chunks[i>>poolBits][i&(1<<poolBits-1)] }

// add gives the next place; what is in it is left over.
func (q *pool[T]) add(s *store[T]) (uint32, *T) {
	if int(q.n>>poolBits) >= len(q.chunks) {
		var chunk []T
		if k := len(s.spare); k > 0 {
			chunk, s.spare = s.spare[k-1], s.spare[:k-1]
		} else {
			chunk = make([]T, 1<<poolBits)
		}
		s.lent++
		q.chunks = append(q.chunks, chunk)
	}
	q.n++
	return q.n - 1, q.at(q.n - 1)
}

// empty gives all chunks but the first back.
func (q *pool[T]) empty(s *store[T]) {
	q.n = 0
	if len(q.chunks) < 2 {
		return
	}
	for i, chunk := range q.chunks[1:] {
		s.lent--
		if len(s.spare) < s.lent+16 {
			s.spare = append(s.spare, chunk)
		}
		q.chunks[i+1] = nil
	}
	q.chunks = q.chunks[:1]
}
