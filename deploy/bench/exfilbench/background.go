// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"sort"
)

// background appends a token's legitimate day.
func (w *world) background(t *token, day int, out []event) []event {
	r := newRng(w.seed, uint64(t.id)+100, uint64(day)+7)
	level := t.level(day)
	set := t.workingSet
	if t.stepDay >= 0 && day >= t.stepDay {
		level *= t.step
		set *= t.step
		if day == t.stepDay {
			t.covered /= t.step
		}
	}
	if t.growth > 0 {
		set *= math.Pow(1+t.growth, float64(day-t.birth)/7)
	}
	t.covered *= 1 - t.churn
	if r.unit() > t.activeShare || level < 0.5 {
		return out
	}
	if t.class == bursty {
		level = math.Min(r.pareto(t.volume*0.3, 1.3), t.volume*60)
	} else {
		level *= math.Exp(t.sigma * r.normal())
	}
	d := &dayOf{world: w, token: t, day: day, r: r, set: set, retry: 1, bytesFactor: 1, out: out}
	if t.retryDay == day {
		d.retry = 2 + 2*r.unit()
	}
	for i, deployed := range deployDays {
		if day >= deployed {
			d.bytesFactor *= w.deploys[t.main][i]
		}
	}
	d.spread(level)
	return d.out
}

// level is a token's expected volume on a day, before chance.
func (t *token) level(day int) float64 {
	weekday := (day + 4) % 7 // 0 is Monday, day 0 a Friday
	level := t.volume
	if weekday >= 5 {
		level *= t.weekend
	}
	if weekday == 6 {
		level *= t.sunday
	}
	d, last := monthDay(day)
	if t.monthEnd > 1 && (d >= last-1 || d == 1) {
		level *= t.monthEnd
	}
	// Thanksgiving is day 27, Christmas 57 to 59, New Year 65.
	if (day == 27 || (day >= 57 && day <= 59) || day == 65) && t.class != batch {
		level *= 0.5
	}
	if day == 31 && (t.class == user || t.class == service) {
		level *= 1.8 // Cyber Monday
	}
	if t.growth > 0 {
		level *= math.Pow(1+t.growth, float64(day-t.birth)/7)
	}
	return level
}

// dayOf is one token's day while it is generated.
type dayOf struct {
	world       *world
	token       *token
	day         int
	r           *rng
	set         float64 // working set
	retry       float64
	bytesFactor float64
	out         []event
}

// emit makes one event at a second of the day.
func (d *dayOf) emit(second int, records float64) {
	t, r := d.token, d.r
	records = math.Floor(records + r.unit())
	if records < 1 {
		return
	}
	t.dayRecords += records
	var fresh float64
	if t.freshShare > 0 {
		fresh = records * t.freshShare * (0.9 + 0.2*r.unit())
	} else {
		fresh = d.set * (1 - t.covered) * (1 - math.Exp(-records/d.set))
		t.covered = math.Min(1, t.covered+fresh/d.set)
	}
	fresh = math.Floor(fresh*math.Exp(0.03*r.normal()) + r.unit())
	ids := math.Min(records, math.Max(1, d.set*(1-math.Exp(-records/d.set))))
	records *= d.retry
	endpoint := t.main
	if r.unit() < 0.25 {
		endpoint = t.side
	}
	requests := math.Max(1, math.Round(records/t.recordsPerReq))
	successor := 0.02
	if t.class == batch || t.class == bursty {
		successor = 0.6
	}
	d.out = append(d.out, event{
		time: int64(epoch + d.day*daySeconds + second), token: t.id, address: t.address, endpoint: endpoint,
		requests: float32(requests), refused: float32(math.Floor(requests*0.02 + r.unit()*0.5)),
		bytes: records * t.bytesPer * d.bytesFactor * (0.9 + 0.2*r.unit()), records: float32(records),
		ids: float32(ids), fresh: float32(fresh), successor: float32(successor), sensitive: float32(records * 2),
	})
}

// second gives the UTC second of the day of a local hour.
func (d *dayOf) second(localHour float64) int {
	s := (int(localHour*3600) - d.token.zone*3600) % daySeconds
	if s < 0 {
		s += daySeconds
	}
	return s
}

// spread lays a day's records over its hours, as the class does.
func (d *dayOf) spread(level float64) {
	switch t := d.token; t.class {
	case user:
		d.visits(level)
	case agent:
		d.shift(level)
	case partner:
		d.allDay(level, 24)
	case service:
		d.allDay(level, 48)
	case batch:
		start := t.jobHour*3600 + d.r.intn(1800)
		for j := range t.jobBins {
			d.emit(start+j*binSeconds, level/float64(t.jobBins))
		}
	case bursty:
		start := 3600*(6+d.r.intn(14)) + d.r.intn(3600)
		n := 1 + d.r.intn(6)
		for j := range n {
			d.emit(start+j*binSeconds, level/float64(n))
		}
	}
}

// visits: one to three, of one to three events each.
func (d *dayOf) visits(level float64) {
	var seconds []int
	for range 1 + d.r.intn(3) {
		h := 14 + 4*d.r.normal()
		if h < 0 || h >= 24 {
			h = 24 * d.r.unit()
		}
		for j := range 1 + d.r.intn(3) {
			seconds = append(seconds, (d.second(h)+j*binSeconds)%daySeconds)
		}
	}
	sort.Ints(seconds)
	for _, s := range seconds {
		d.emit(s, level/float64(len(seconds))*(0.5+d.r.unit()))
	}
}

// shift: 18 events within nine and a half working hours.
func (d *dayOf) shift(level float64) {
	begin := 8.0
	if d.day/7 == d.token.shiftWeek {
		begin = 18
	}
	var seconds []int
	for range 18 {
		seconds = append(seconds, d.second(math.Mod(begin+9.5*d.r.unit(), 24)))
	}
	sort.Ints(seconds)
	for _, s := range seconds {
		d.emit(s, level/18*(0.4+1.2*d.r.unit()))
	}
}

// allDay: n events, more of them by day.
func (d *dayOf) allDay(level float64, n int) {
	total := 0.0
	for i := range n {
		total += diurnal(d.token.localHour(float64(i) * 24 / float64(n)))
	}
	for i := range n {
		h := d.token.localHour(float64(i) * 24 / float64(n))
		second := i*daySeconds/n + d.r.intn(300)
		d.emit(second, level*diurnal(h)/total*(0.6+0.8*d.r.unit()))
	}
}
