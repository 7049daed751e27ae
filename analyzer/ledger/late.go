// SPDX-License-Identifier: Apache-2.0

package ledger

// applyLate counts the one item of m at once: in totals, tallies and the day it belongs to. The
// closed minutes are not opened again.
func (p *Partition) applyLate(m *minute) {
	q, it := m.parts.at(0), m.items.at(0)
	if it.marks&isRollup == 0 && !p.claim(m, it) {
		p.count.duplicates++
		return
	}
	p.known = append(p.known[:0], make([]uint32, len(m.routes))...)
	kept := append(p.kept[:0], 0)
	r, at := p.admit(m, q, kept)
	if r == nil {
		p.countCaller(m, q, kept)
		return
	}
	p.rows.touch(at)
	var s sums
	p.fold(m, q, r, kept, &s)
	p.describe(m, q, r)
	r.totalFresh += s.fresh
	if r.assurance == assuranceUnknown {
		return
	}
	p.addLate(r, dayOf(m.start), &s)
	p.arrivals.touch(q.id)
}

// claim decides on a late part at once: the point that is chosen stays chosen.
func (p *Partition) claim(m *minute, it *item) bool {
	at, e, fresh := p.exchanges.put(it.exchange)
	it.entry = at
	if fresh || !e.decided {
		e.point, e.decided, e.minute = it.point, true, m.start
	} else if e.point != it.point || it.part < e.next {
		return false
	}
	e.mark(it, p.cfg.Lateness)
	p.expireAt(at, e.expire)
	return true
}

// addLate adds late sums to today or to a closed day of the ring.
func (p *Partition) addLate(r *row, day int32, s *sums) {
	n := float64(s.records)
	switch {
	case day >= r.day:
		r.all.today += n
		r.all.todayFresh += s.fresh
		r.enum += float64(s.walk)
	case day < r.day && day > r.day-DayRing && day >= r.birth:
		r.all.add(day, n, s.fresh)
	}
	if s.sensitive == 0 {
		return
	}
	t := p.sensitives.at(p.sensitiveOf(r))
	switch {
	case day >= r.day:
		t.today += s.sensitive
		t.todayFresh += s.sensitiveFresh
	case day < r.day && day > r.day-DayRing && day >= r.birth:
		t.add(day, s.sensitive, s.sensitiveFresh)
	}
}
