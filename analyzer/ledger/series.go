// SPDX-License-Identifier: Apache-2.0

package ledger

import "math"

// A daily total is a whole number up to exactDay, and from there a power of dayStep times it: 1.1 %
// steps, at most 0.55 % off.
const (
	exactDay = 90
	dayStep  = 1.011
)

func quantise(x float64) uint16 {
	switch {
	case !(x > 0):
		return 0
	case x <= exactDay:
		return uint16(math.Ceil(x - 0.5))
	}
	return uint16(min(exactDay+math.Round(math.Log(x/exactDay)/math.Log(dayStep)), math.MaxUint16))
}

func quantity(c uint16) float64 {
	if c <= exactDay {
		return float64(c)
	}
	return exactDay * math.Exp(float64(c-exactDay)*math.Log(dayStep))
}

// series is the daily history of one count and of the fresh objects in it, with the baselines that
// are derived from it once per principal-day (detection notes, 5.2). The slot of a day is its number
// modulo DayRing; days before birth are zero.
type series struct {
	today, todayFresh float64
	day, fresh        [DayRing]uint16

	max1, scale           float32 // largest closed day, spike scale of the days
	max7, scale7          float32 // largest lagged 7-day sum, its spike scale
	freshMax, fresh7      float32 // slowly decayed largest fresh day, largest lagged 7-day sum
	freshFloor, fresh28   float32
	sum6, freshSum6       float32
	freshSum27, forgotten float32 // forgotten: fresh objects of days that left the ring, decayed
	active                int16
}

func slotOf(day int32) int32 { return ((day % DayRing) + DayRing) % DayRing }

// add counts late data in the closed day it belongs to. The baselines follow at the next close.
func (s *series) add(day int32, n, fresh float64) {
	i := slotOf(day)
	s.day[i] = quantise(quantity(s.day[i]) + n)
	s.fresh[i] = quantise(quantity(s.fresh[i]) + fresh)
}

// stretch is a part of a day.
type stretch struct{ records, fresh float64 }

// close ends day and every day without data before next, then derives the baselines for next; young
// is the part of day that maxima do not learn yet. tmp has room for DayRing numbers.
func (s *series) close(day, next, born int32, young stretch, tmp []float64) {
	d := day
	for ; d < next && d <= day+DayRing; d++ {
		i := slotOf(d)
		if d-born >= DayRing {
			s.forgotten = (s.forgotten + float32(quantity(s.fresh[i]))) * 0.99
		}
		s.day[i], s.fresh[i] = 0, 0
		if d == day {
			s.day[i], s.fresh[i] = quantise(s.today), quantise(s.todayFresh)
		}
	}
	s.forgotten *= float32(math.Pow(0.99, float64(next-d)))
	s.today, s.todayFresh = 0, 0
	s.derive(next, min(int(next-born), DayRing), young, tmp)
}

// derive computes the baselines for a day from the n closed days before it. Of yesterday, maxima and
// scale do not see what is young.
func (s *series) derive(day int32, n int, young stretch, tmp []float64) {
	var days, fresh [DayRing]float64 // by how many days back, 0 is yesterday
	var sum, freshSum, max1, fm1 float64
	tmp = tmp[:0]
	for k := range n {
		i := slotOf(day - 1 - int32(k))
		days[k], fresh[k] = quantity(s.day[i]), quantity(s.fresh[i])
		sum += days[k]
		freshSum += fresh[k]
		calm, calmFresh := days[k], fresh[k]
		if k == 0 {
			calm, calmFresh = max(0, calm-young.records), max(0, calmFresh-young.fresh)
		}
		max1, fm1 = max(max1, calm), max(fm1, calmFresh)
		if calm > 0 {
			tmp = append(tmp, math.Log1p(calm))
		}
	}
	s.active = int16(len(tmp))
	s.max1 = float32(max1)
	s.scale = float32(dayScale(tmp, max1, n))
	s.freshMax = float32(max(0.99*float64(s.freshMax), fm1))
	s.sum6, s.freshSum6 = float32(span(&days, 0, 6)), float32(span(&fresh, 0, 6))
	s.freshSum27 = float32(span(&fresh, 0, 27))
	s.weeks(&days, &fresh, n, tmp)
	s.freshFloor, s.fresh28 = 0, 0
	if sum > 0 && freshSum < 0.35*sum {
		s.freshFloor = 0.5 * (s.forgotten + float32(span(&fresh, 7, n-7)))
	}
	if n >= 41 {
		s.fresh28 = float32(span(&fresh, 28, n-28) * 28 / float64(n-28))
	}
}

// weeks derives the 7-day baselines. They end at least 14 days ago (7 while history is short), so
// that a slow thief does not teach them.
func (s *series) weeks(days, fresh *[DayRing]float64, n int, tmp []float64) {
	lag := 13
	if n < 28 {
		lag = 6
	}
	tmp = tmp[:0]
	var max7, fm7 float64
	for k := lag; k+7 <= n; k++ {
		a := span(days, k, 7)
		max7, fm7 = max(max7, a), max(fm7, span(fresh, k, 7))
		if a > 0 {
			tmp = append(tmp, math.Log1p(a))
		}
	}
	s.max7, s.fresh7, s.scale7 = float32(max7), float32(fm7), 1
	if len(tmp) < 5 {
		return
	}
	median, mad := robust(tmp)
	s.scale7 = float32(max(mad, (math.Log1p(max7)-median)/2) + 0.05)
	if int(s.active) < n/2 {
		s.scale7 += 0.5
	}
}

// dayScale is how spiky the logarithms of the active days are.
func dayScale(logs []float64, max1 float64, n int) float64 {
	if len(logs) < 4 {
		return 1
	}
	active := float64(len(logs))
	median, mad := robust(logs)
	sc := max(mad, (math.Log1p(max1)-median)/2)
	sc = sc*(1+3/active) + 0.10
	if active < 0.5*float64(n) {
		sc += 0.5
	}
	return sc
}

func span(v *[DayRing]float64, from, length int) float64 {
	t := 0.0
	for k := from; k < from+length && k < DayRing; k++ {
		t += v[k]
	}
	return t
}

// robust gives the median and 1.4826 times the median absolute deviation; it reorders x.
func robust(x []float64) (median, mad float64) {
	sortFloats(x)
	median = x[len(x)/2]
	for i := range x {
		x[i] = math.Abs(x[i] - median)
	}
	sortFloats(x)
	return median, 1.4826 * x[len(x)/2]
}

// sortFloats is an insertion sort: at most DayRing numbers, mostly in order.
func sortFloats(x []float64) {
	for i := 1; i < len(x); i++ {
		for j := i; j > 0 && x[j] < x[j-1]; j-- {
			x[j], x[j-1] = x[j-1], x[j]
		}
	}
}

// A profile code is one hour's weight in steps of 1/0.96, so that the daily decay of 0.96 is exactly
// one step down and an hour fades instead of sticking to its rounding.
const (
	profileUnit  = 0.5
	profileDecay = 0.96
)

func profileCode(x float64) uint8 {
	if x < profileUnit {
		return 0
	}
	return uint8(min(1+math.Round(math.Log(x/profileUnit)/-math.Log(profileDecay)), math.MaxUint8))
}

func profileWeight(c uint8) float64 {
	if c == 0 {
		return 0
	}
	return profileUnit * math.Exp(float64(c-1)*-math.Log(profileDecay))
}
