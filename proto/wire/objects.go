// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"math/bits"
	"slices"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Precision of the sketches weir makes: 2,048 registers, a standard error of 2.3 %. It takes the
// room of the 256 hashes it replaces.
const (
	sketchPrecision = 11
	minPrecision    = 4
	maxPrecision    = 16
)

// AddObjects puts object hashes into a set and counts them as seen. The set stays exact up to 256
// distinct hashes and is a HyperLogLog beyond; order does not matter.
func AddObjects(s *weirv1.ObjectSet, hashes []uint64) {
	s.Seen += uint64(len(hashes))
	for _, h := range hashes {
		insert(s, h)
	}
}

// MergeObjects adds all of src to dst. It is commutative and associative as long as precisions are
// equal; a finer sketch is folded to the coarser precision.
func MergeObjects(dst, src *weirv1.ObjectSet) {
	if src == nil {
		return
	}
	dst.Seen += src.Seen
	if len(src.Hyperloglog) > 0 {
		toSketch(dst, int(src.Hyperloglog[0]))
		mergeRegisters(dst, src.Hyperloglog)
	}
	for _, h := range src.Hashes {
		insert(dst, h)
	}
}

// CoarsenObjects makes a set take at most 2^precision bytes, by making a sketch of it where it takes
// more. It may be nil.
func CoarsenObjects(s *weirv1.ObjectSet, precision int) {
	switch {
	case s == nil:
	case len(s.Hyperloglog) > 0:
		if int(s.Hyperloglog[0]) > precision {
			s.Hyperloglog = fold(s.Hyperloglog, byte(precision))
		}
	case len(s.Hashes)*8 > 1<<precision:
		toSketch(s, precision)
	}
}

// CountObjects gives the number of distinct objects in a set: exact up to 256, else estimated.
func CountObjects(s *weirv1.ObjectSet) uint64 {
	if s == nil {
		return 0
	}
	if len(s.Hyperloglog) < 2 {
		return uint64(len(s.Hashes))
	}
	return estimate(s.Hyperloglog[1:])
}

func insert(s *weirv1.ObjectSet, h uint64) {
	if len(s.Hyperloglog) > 0 {
		addToSketch(s.Hyperloglog, h)
		return
	}
	at, found := slices.BinarySearch(s.Hashes, h)
	if found {
		return
	}
	if len(s.Hashes) >= maxSetHashes {
		toSketch(s, sketchPrecision)
		addToSketch(s.Hyperloglog, h)
		return
	}
	s.Hashes = slices.Insert(s.Hashes, at, h)
}

// toSketch gives up the exact hashes.
func toSketch(s *weirv1.ObjectSet, precision int) {
	if len(s.Hyperloglog) > 0 {
		return
	}
	s.Hyperloglog = make([]byte, 1+1<<precision)
	s.Hyperloglog[0] = byte(precision)
	for _, h := range s.Hashes {
		addToSketch(s.Hyperloglog, h)
	}
	s.Hashes = nil
}

// addToSketch: the first p bits choose the register, which keeps the largest position of the first
// one bit in the rest (Flajolet et al. 2007).
func addToSketch(sketch []byte, h uint64) {
	p := uint(sketch[0])
	register := 1 + h>>(64-p)
	rank := byte(bits.LeadingZeros64(h<<p|1<<(p-1)) + 1)
	sketch[register] = max(sketch[register], rank)
}

func mergeRegisters(dst *weirv1.ObjectSet, src []byte) {
	p, q := dst.Hyperloglog[0], src[0]
	switch {
	case p > q:
		dst.Hyperloglog = fold(dst.Hyperloglog, q)
	case q > p:
		src = fold(src, p)
	}
	for i, r := range src[1:] {
		dst.Hyperloglog[1+i] = max(dst.Hyperloglog[1+i], r)
	}
}

// fold makes the sketch that the coarser precision would have made of the same hashes.
func fold(sketch []byte, precision byte) []byte {
	shift := uint(sketch[0] - precision)
	out := make([]byte, 1+1<<precision)
	out[0] = precision
	for i, r := range sketch[1:] {
		if r == 0 {
			continue
		}
		low := uint64(i) & (1<<shift - 1)
		rank := byte(shift) + r
		if low != 0 {
			rank = byte(shift-uint(bits.Len64(low))) + 1
		}
		at := 1 + i>>shift
		out[at] = max(out[at], rank)
	}
	return out
}

// estimate is the improved raw estimator of Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (2017), algorithm 6: no bias tables and no switch between ranges.
func estimate(registers []byte) uint64 {
	m := float64(len(registers))
	q := 64 - bits.Len(uint(len(registers))) + 1
	var counts [66]int
	for _, r := range registers {
		counts[min(int(r), q+1)]++
	}
	z := m * tau(1-float64(counts[q+1])/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + float64(counts[k]))
	}
	z += m * sigma(float64(counts[0])/m)
	return uint64(m*m/(2*math.Ln2*z) + 0.5)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}

func validRegisters(sketch []byte) bool {
	p := int(sketch[0])
	if p < minPrecision || p > maxPrecision || len(sketch) != 1+1<<p {
		return false
	}
	for _, r := range sketch[1:] {
		if int(r) > 65-p {
			return false
		}
	}
	return true
}
