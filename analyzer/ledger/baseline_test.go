// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weir-project/weir/analyzer/ledger"
)

// history is every closed day of a principal since birth: the formulas of the detection notes (5.2)
// written down once more, over floats and without a ring.
type history struct{ days, fresh []float64 }

func (h *history) back(v []float64, k int) float64 { // k = 0 is yesterday
	if k >= len(v) || k >= 42 {
		return 0
	}
	return v[len(v)-1-k]
}

func (h *history) sum(v []float64, from, n int) float64 {
	t := 0.0
	for k := from; k < from+n; k++ {
		t += h.back(v, k)
	}
	return t
}

func medianMAD(x []float64) (float64, float64) {
	slices.Sort(x)
	m := x[len(x)/2]
	y := make([]float64, len(x))
	for i := range x {
		y[i] = math.Abs(x[i] - m)
	}
	slices.Sort(y)
	return m, 1.4826 * y[len(y)/2]
}

// week gives the largest lagged 7-day sums and their scale.
func (h *history) week(n, active int) (records, fresh, scale float64) {
	lag := 13
	if n < 28 {
		lag = 6
	}
	var logs []float64
	for k := lag; k+7 <= n; k++ {
		a := h.sum(h.days, k, 7)
		records, fresh = max(records, a), max(fresh, h.sum(h.fresh, k, 7))
		if a > 0 {
			logs = append(logs, math.Log1p(a))
		}
	}
	scale = 1
	if len(logs) >= 5 {
		med, mad := medianMAD(logs)
		scale = max(mad, (math.Log1p(records)-med)/2) + 0.05
		if active < n/2 {
			scale += 0.5
		}
	}
	return records, fresh, scale
}

func (h *history) scale(n int) (sc, largest float64, active int) {
	var logs []float64
	for k := range n {
		if x := h.back(h.days, k); x > 0 {
			logs = append(logs, math.Log1p(x))
			largest = max(largest, x)
		}
	}
	sc, active = 1, len(logs)
	if active >= 4 {
		med, mad := medianMAD(logs)
		sc = max(mad, (math.Log1p(largest)-med)/2)*(1+3/float64(active)) + 0.10
		if float64(active) < 0.5*float64(n) {
			sc += 0.5
		}
	}
	return sc, largest, active
}

// TestBaselines compares a partition's views with the formulas on random lives: steady, bursty,
// re-reading, with gaps.
func TestBaselines(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		p := ledger.New(0, ledger.Config{})
		h := &history{}
		next, freshMax := int64(0), 0.0
		p.OnRoll(func(id ledger.ID, v *ledger.View, d int64, records, fresh, records7, fresh7 float64) {
			for ; next > 0 && next < d; next++ {
				h.days, h.fresh = append(h.days, 0), append(h.fresh, 0)
			}
			h.days, h.fresh = append(h.days, records), append(h.fresh, fresh)
			next = d + 1
			if want := h.sum(h.days, 0, 7); math.Abs(records7-want) > 0.012*want {
				t.Fatalf("seed %d day %d: week of %v, want %v", seed, d, records7, want)
			}
		})
		object := uint64(0)
		for d := range int64(110) {
			if seed%3 == 1 && r.IntN(3) > 0 {
				continue
			}
			n := uint64(20 + r.IntN(100))
			if seed%4 == 2 && r.IntN(10) == 0 {
				n *= 30
			}
			from := object
			if seed%2 == 0 && r.IntN(4) > 0 {
				from = 0 // re-reads
			} else {
				object += n
			}
			apply(p, exchange(uint64(d)+1, 1, start+d*day+9*hour, from, n))
			p.Advance(start+d*day+10*hour, nil)
			v, _ := p.Lookup(principal(1))
			for ; next > 0 && next < (start+d*day)/day; next++ {
				h.days, h.fresh = append(h.days, 0), append(h.fresh, 0)
			}
			freshMax = compareBaselines(t, seed, d, h, v, freshMax)
		}
	}
}

func compareBaselines(t *testing.T, seed uint64, d int64, h *history, v *ledger.View, freshMax float64) float64 {
	t.Helper()
	n := min(len(h.days), 42)
	sc, largest, active := h.scale(n)
	week, freshWeek, sc7 := h.week(n, active)
	fm := 0.0
	for k := range n {
		fm = max(fm, h.back(h.fresh, k))
	}
	freshMax = max(0.99*freshMax, fm)
	floor, f28 := 0.0, 0.0
	if all := h.sum(h.days, 0, n); all > 0 && h.sum(h.fresh, 0, n) < 0.35*all {
		old := 0.0
		for i := range max(len(h.fresh)-42, 0) {
			old = (old + h.fresh[i]) * 0.99
		}
		floor = 0.5 * (old + h.sum(h.fresh, 7, n-7))
	}
	if n >= 41 {
		f28 = h.sum(h.fresh, 28, n-28) * 28 / float64(n-28)
	}
	// A sketch gives fractions, which the ring rounds to whole objects: half a one a day; a step of the ring
	// is 0.011 in the logarithm.
	for _, c := range []struct {
		name             string
		got, want, round float64
	}{
		{"ring days", float64(v.RingDays), float64(n), 0}, {"active days", float64(v.ActiveDays), float64(active), 0},
		{"scale", v.Scale, sc, 0.06}, {"largest day", v.DayMax, largest, 0}, {"largest week", v.WeekMax, week, 0}, {"week's scale", v.WeekScale, sc7, 0.06},
		{"largest fresh week", v.FreshWeekMax, freshWeek, 7}, {"largest fresh day", v.FreshDayMax, freshMax, 1},
		{"fresh floor", v.FreshFloor, floor, 60}, {"28 days", v.Fresh28Base, f28, 28}, {"six days", v.Records6, h.sum(h.days, 0, 6), 0},
		{"six fresh days", v.Fresh6, h.sum(h.fresh, 0, 6), 6}, {"27 fresh days", v.Fresh27, h.sum(h.fresh, 0, 27), 27},
	} {
		if math.Abs(c.got-c.want) > 0.012*max(math.Abs(c.want), 1)+0.5*c.round {
			t.Fatalf("seed %d day %d: %s is %v, want %v", seed, d, c.name, c.got, c.want)
		}
	}
	return freshMax
}
