// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"math/bits"
)

const (
	listMax         = 64 // an object set is an exact list up to this many
	sketchBits      = 10
	sketchRegisters = 1 << sketchBits
	// maxRank keeps sums of 2^-rank exact in a float64, in any order.
	maxRank = 40
	// generationDays is how long a generation lasts: an object not read for 28 to 56 days is fresh again.
	generationDays = 28

	formDense = 5
)

// objectSet is the head of a principal's object memory: a list in a slab of its size class (form 1-4
// for 8, 16, 32, 64), or a dense sketch (form 5). Both keep two generations.
type objectSet struct {
	at    uint32
	turns int32 // generations turned since birth
	form  uint8
	n     uint8 // list: how many hashes
	prev  uint8 // list: how many of them, at its front, are of the generation before
}

// dense is a HyperLogLog of two generations with martingale increments (Ting 2014, "Streamed
// approximate counting of distinct elements"; Cohen's HIP): a register change adds the inverse of
// its probability to the count, so that an increase is counted while it happens. 2,080 bytes.
type dense struct {
	now, before        [sketchRegisters]uint8
	sumNow, sumAll     float64 // of 2^-register; all: of the larger of both generations
	countNow, countAll float64
}

// sketches owns the object memories of a partition.
type sketches struct {
	list8  slab[[8]uint64]
	list16 slab[[16]uint64]
	list32 slab[[32]uint64]
	list64 slab[[64]uint64]
	dense  slab[dense]
}

// mix spreads a hash over all bits (splitmix64): an exchange lists its smallest hashes, whose leading
// bits are anything but uniform.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func registerOf(h uint64) (int, uint8) {
	x := mix(h)
	rank := bits.LeadingZeros64(x<<sketchBits|1) + 1
	return int(x >> (64 - sketchBits)), uint8(min(rank, maxRank))
}

// weight is 2^-rank.
func weight(rank uint8) float64 { return math.Float64frombits(uint64(1023-int(rank)) << 52) }

func (k *sketches) list(o *objectSet) []uint64 {
	switch o.form {
	case 1:
		return k.list8.at(o.at)[:]
	case 2:
		return k.list16.at(o.at)[:]
	case 3:
		return k.list32.at(o.at)[:]
	case 4:
		return k.list64.at(o.at)[:]
	}
	return nil
}

// reserve gives an empty set of a form.
func (k *sketches) reserve(form uint8) objectSet {
	o := objectSet{form: form}
	switch form {
	case 1:
		o.at = k.list8.take()
	case 2:
		o.at = k.list16.take()
	case 3:
		o.at = k.list32.take()
	case 4:
		o.at = k.list64.take()
	case formDense:
		o.at = k.dense.take()
		d := k.dense.at(o.at)
		d.sumNow, d.sumAll = sketchRegisters, sketchRegisters
	}
	return o
}

// release gives a set's memory back; the set is empty and keeps its turns.
func (k *sketches) release(o *objectSet) {
	switch o.form {
	case 1:
		k.list8.give(o.at)
	case 2:
		k.list16.give(o.at)
	case 3:
		k.list32.give(o.at)
	case 4:
		k.list64.give(o.at)
	case formDense:
		k.dense.give(o.at)
	}
	*o = objectSet{turns: o.turns}
}

// add puts one hash in and gives how many fresh objects that stands for: 1 or 0 while the set is a
// list, the martingale increment beyond.
func (k *sketches) add(o *objectSet, h uint64) float64 {
	if o.form == formDense {
		return k.dense.at(o.at).add(h)
	}
	list := k.list(o)
	for i, x := range list[:o.n] {
		if x != h {
			continue
		}
		if i < int(o.prev) { // read again: it belongs to this generation now
			copy(list[i:], list[i+1:o.n])
			list[o.n-1] = h
			o.prev--
		}
		return 0
	}
	if int(o.n) == len(list) {
		k.grow(o)
		if o.form == formDense {
			return k.dense.at(o.at).add(h)
		}
		list = k.list(o)
	}
	list[o.n] = h
	o.n++
	return 1
}

// grow moves a full list to the next form.
func (k *sketches) grow(o *objectSet) {
	old := k.list(o)[:o.n]
	bigger := k.reserve(o.form + 1)
	bigger.turns = o.turns
	if bigger.form == formDense {
		d := k.dense.at(bigger.at)
		d.fill(old[:o.prev], old[o.prev:])
	} else {
		copy(k.list(&bigger), old)
		bigger.n, bigger.prev = o.n, o.prev
	}
	k.release(o)
	*o = bigger
}

// fill starts a sketch from exact lists, so its counts start exact.
func (d *dense) fill(before, now []uint64) {
	for _, h := range before {
		i, rank := registerOf(h)
		d.before[i] = max(d.before[i], rank)
	}
	for _, h := range now {
		i, rank := registerOf(h)
		d.now[i] = max(d.now[i], rank)
	}
	d.sums()
	d.countNow, d.countAll = float64(len(now)), float64(len(before)+len(now))
}

// sums recomputes the sums of 2^-register, which are exact.
func (d *dense) sums() {
	d.sumNow, d.sumAll = 0, 0
	for i, r := range d.now {
		d.sumNow += weight(r)
		d.sumAll += weight(max(r, d.before[i]))
	}
}

func (d *dense) add(h uint64) float64 {
	i, rank := registerOf(h)
	fresh := 0.0
	if both := max(d.now[i], d.before[i]); rank > both {
		fresh = sketchRegisters / d.sumAll
		d.sumAll += weight(rank) - weight(both)
		d.countAll += fresh
	}
	if r := d.now[i]; rank > r {
		d.countNow += sketchRegisters / d.sumNow
		d.sumNow += weight(rank) - weight(r)
		d.now[i] = rank
	}
	return fresh
}

// test gives what add would give, and changes nothing. Over many hashes its sum is unbiased too.
func (k *sketches) test(o *objectSet, h uint64) float64 {
	if o.form == formDense {
		d := k.dense.at(o.at)
		if i, rank := registerOf(h); rank > max(d.now[i], d.before[i]) {
			return sketchRegisters / d.sumAll
		}
		return 0
	}
	for _, x := range k.list(o)[:o.n] {
		if x == h {
			return 0
		}
	}
	return 1
}

// turn moves the set on to a generation; two and more at once forget everything.
func (k *sketches) turn(o *objectSet, to int32) {
	by := to - o.turns
	if by <= 0 {
		return
	}
	o.turns = to
	switch {
	case by > 1:
		k.release(o)
	case o.form == formDense:
		d := k.dense.at(o.at)
		d.before, d.now = d.now, [sketchRegisters]uint8{}
		d.sumAll, d.sumNow = d.sumNow, sketchRegisters
		d.countAll, d.countNow = d.countNow, 0
	case o.form != 0:
		list := k.list(o)
		copy(list, list[o.prev:o.n])
		o.n -= o.prev
		o.prev = o.n
		clear(list[o.n:])
	}
}

// known is how many distinct objects the set remembers.
func (k *sketches) known(o *objectSet) float64 {
	if o.form == formDense {
		return k.dense.at(o.at).countAll
	}
	return float64(o.n)
}
