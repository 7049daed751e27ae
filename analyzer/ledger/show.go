// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"math"
	"slices"
)

// viewRoom is a View with room for its slices, used again and again.
type viewRoom struct{ View }

// show makes a row into a view as of now.
func (p *Partition) show(room *viewRoom, id ID, r *row, now int64, arrival bool) *View {
	v := &room.View
	addresses, exemplars := v.Addresses, v.Exemplars
	*v = View{
		ID: id, Assurance: r.assurance, Kind: r.kind, Label: p.textNames[r.label], Now: now, Born: r.born,
		AgeDays: int(r.day - r.birth), LastSeen: r.seen, Arrival: arrival,
		HourRecords: r.hourRecords, DayRecords: r.all.today, DayFresh: r.all.todayFresh, DayEnum: r.enum,
		Records6: float64(r.all.sum6), Fresh6: float64(r.all.freshSum6), Fresh27: float64(r.all.freshSum27),
		ActiveDays: int(r.all.active), RingDays: min(int(r.day-r.birth), DayRing),
		HourMax: float64(r.hourMax), DayMax: float64(r.all.max1), Scale: float64(r.all.scale),
		WeekMax: float64(r.all.max7), WeekScale: float64(r.all.scale7),
		FreshDayMax: float64(r.all.freshMax), FreshWeekMax: float64(r.all.fresh7),
		FreshFloor: float64(r.all.freshFloor), Fresh28Base: float64(r.all.fresh28),
		EnumMax: float64(r.enumMax), OffHours: float64(r.off), OffHoursMax: float64(r.offMax),
		SawMonthEnd: r.marks&sawMonthEnd != 0, MonthEnd: monthEndOf(r.day), Known: p.sketches.known(&r.objects),
		Total: r.total, Software: p.textNames[r.software], Addresses: addresses, Exemplars: exemplars,
	}
	v.Total.FreshObjects = uint64(r.totalFresh + 0.5)
	if r.dominant >= openSerial {
		v.Endpoint = p.arrivals.routes[r.dominant-openSerial].name()
	} else {
		v.Endpoint = p.serials[r.dominant].name
	}
	if p.start > 0 && now > p.start {
		v.LearningDays = int((now - p.start) / dayNanos)
	}
	p.showSensitive(&v.Sensitive, r)
	if r.run != 0 {
		q := p.runs.at(r.run)
		v.Run = Run{Start: q.start, Last: q.last, Requests: q.requests, Records: q.records, FreshObjects: uint64(math.Round(q.fresh)), ResponseBytes: q.response, Sensitive: q.sensitive}
	}
	p.quote(v, r)
	return v
}

func (p *Partition) showSensitive(v *SensitiveView, r *row) {
	if r.sensitive == 0 {
		return
	}
	t := p.sensitives.at(r.sensitive)
	*v = SensitiveView{
		DayObjects: t.today, DayFresh: t.todayFresh, Objects6: float64(t.sum6), Fresh6: float64(t.freshSum6), Fresh27: float64(t.freshSum27),
		ActiveDays: int(t.active), DayMax: float64(t.max1), Scale: float64(t.scale), WeekMax: float64(t.max7), WeekScale: float64(t.scale7),
		FreshDayMax: float64(t.freshMax), FreshWeekMax: float64(t.fresh7), FreshFloor: float64(t.freshFloor), Fresh28Base: float64(t.fresh28),
		Known: p.sketches.known(&t.objects),
	}
}

// Lookup gives a principal as its last closed minute left it. The caller owns the View.
func (p *Partition) Lookup(id ID) (*View, bool) {
	at, ok := p.rows.index[id]
	if !ok {
		return nil, false
	}
	r := p.rows.at(at)
	return p.show(&viewRoom{}, id, r, r.lastMinute()+minuteNanos, false), true
}

// lastMinute is the newest closed minute that counted, or the minute of birth.
func (r *row) lastMinute() int64 {
	if r.minute == 0 {
		return floorTo(r.born, minuteNanos)
	}
	return r.minute
}

// Each shows every principal, those of unknown credentials included, in no stated order. The View is
// the Partition's own until visit returns.
func (p *Partition) Each(visit func(*View)) {
	for id, at := range p.rows.index {
		r := p.rows.at(at)
		visit(p.show(&p.view, id, r, r.lastMinute()+minuteNanos, false))
	}
}

// Top gives the n principals with the largest by, largest first, equal ones by id; the caller owns
// the views.
func (p *Partition) Top(n int, by func(*View) float64) []View {
	type ranked struct {
		id ID
		by float64
	}
	best := make([]ranked, 0, p.rows.len())
	p.Each(func(v *View) { best = append(best, ranked{v.ID, by(v)}) })
	slices.SortFunc(best, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.by, a.by), compareIDs(a.id, b.id)) })
	out := make([]View, 0, max(n, 0))
	for _, x := range best[:min(max(n, 0), len(best))] {
		v, _ := p.Lookup(x.id)
		out = append(out, *v)
	}
	return out
}
