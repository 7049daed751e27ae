// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"slices"
)

// gap is an interval of a body, from and to as offsets.
type gap struct{ from, to uint64 }

// reach is what is counted of one direction of an exchange: all bytes below upTo, but for a hole that no part showed so
// far. Of several holes the largest is remembered; the others stay uncounted, which is
// counted.
type reach struct {
	upTo uint64
	hole gap
}

// take counts what of an interval was not counted yet, and adds to lost what of the holes is forgotten.
func (r *reach) take(from, n uint64, lost *uint64) (taken uint64) {
	if n == 0 {
		return 0
	}
	end := endOf(from, n)
	if r.hole.to > from && r.hole.from < end {
		was := r.hole
		a, b := max(from, was.from), min(end, was.to)
		taken = b - a
		r.hole = gap{was.from, a}
		r.leave(gap{b, was.to}, lost)
	}
	if end <= r.upTo {
		return taken
	}
	if from > r.upTo {
		r.leave(gap{r.upTo, from}, lost)
	}
	taken += end - max(from, r.upTo)
	r.upTo = end
	return taken
}

// leave remembers a hole if it is the largest.
func (r *reach) leave(g gap, lost *uint64) {
	if g.to-g.from > r.hole.to-r.hole.from {
		g, r.hole = r.hole, g
	}
	*lost += g.to - g.from
	if r.hole.to == r.hole.from {
		r.hole = gap{}
	}
}

func endOf(from, n uint64) uint64 {
	if n > math.MaxUint64-from {
		return math.MaxUint64
	}
	return from + n
}

// gaps are what is not counted of a direction while an exchange's items of a minute are gone through, in any order:
// intervals, the last one without an end.
type gaps []gap

func (g *gaps) begin(r reach) {
	*g = (*g)[:0]
	if r.hole.to > r.hole.from {
		*g = append(*g, r.hole)
	}
	*g = append(*g, gap{r.upTo, math.MaxUint64})
}

// take counts what of an interval lies in gaps.
func (g *gaps) take(from, n uint64) (taken uint64) {
	end := endOf(from, n)
	for i := 0; i < len(*g); i++ {
		a := (*g)[i]
		if end <= a.from || n == 0 {
			break
		}
		if from >= a.to {
			continue
		}
		cut := gap{max(from, a.from), min(end, a.to)}
		taken += cut.to - cut.from
		switch {
		case cut == a:
			*g = slices.Delete(*g, i, i+1)
			i--
		case cut.from == a.from:
			(*g)[i].from = cut.to
		case cut.to == a.to:
			(*g)[i].to = cut.from
		default:
			(*g)[i].to = cut.from
			*g = slices.Insert(*g, i+1, gap{cut.to, a.to})
		}
	}
	return taken
}

// end gives what is counted then.
func (g *gaps) end(lost *uint64) reach {
	r := reach{upTo: math.MaxUint64}
	for _, a := range *g {
		if a.to == math.MaxUint64 {
			r.upTo = a.from
		} else {
			r.leave(a, lost)
		}
	}
	return r
}
