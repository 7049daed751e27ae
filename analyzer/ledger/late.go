// SPDX-License-Identifier: Apache-2.0

package ledger

// applyLate counts the one item of m at once: in totals, tallies and the day it belongs to. The
// closed minutes are not opened again.
func (p *Partition) applyLate(m *minute) {
	q, it := m.parts.at(0), m.items.at(0)
	if it.marks&isRollup == 0 && !p.claim(it) {
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
func (p *Partition) claim(it *item) bool {
	at, e, _ := p.exchanges.put(it.exchange)
	if !e.decided {
		e.elect(it)
	}
	down, up := e.down.take(it.bodyAt, it.response, &p.count.gapBytes), e.up.take(it.sentAt, it.sent, &p.count.gapBytes)
	if e.point == it.point && e.lacks(it.part) {
		e.count(it, false, down, up)
	} else {
		e.add(it, down, up)
	}
	p.expireAt(at, e.expire(p.cfg.Lateness))
	return it.marks&isDropped == 0
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
