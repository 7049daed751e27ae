// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"strings"
)

// silence is how long a chosen point may be silent before another may go on with an exchange.
const silence = int64(30e9)

// seen is what the ledger remembers of an exchange so that it counts once: the observation point
// that was chosen, how far it got, and until when that is remembered. It is decided when a minute
// closes: best rank, then smallest point, of those that showed the exchange in its first minute.
type seen struct {
	last      int64 // end of the newest counted part
	expire    int64
	minute    int64  // start of the minute the candidates are of
	upTo      uint64 // response body bytes counted up to this offset
	before    uint64 // upTo when the minute began to close
	point     uint32
	next      uint32 // the part expected next
	nextWas   uint32 // next when the minute began to close
	candidate uint32
	rank      uint8 // of the candidate
	decided   bool
	done      bool // its last part was counted
	stays     bool // the chosen point showed a part in this minute
	challenge bool // there is a candidate
	took      bool // another point took over in this minute
}

// better: a higher rank, then the smaller name.
func (p *Partition) better(rank uint8, point uint32, rank2 uint8, point2 uint32) bool {
	if rank != rank2 {
		return rank > rank2
	}
	return strings.Compare(p.pointNames[point], p.pointNames[point2]) < 0
}

// choose decides for every exchange with a part in m which point counts, drops the others' parts and
// remembers how far the chosen one got.
func (p *Partition) choose(m *minute) {
	p.chosen = p.chosen[:0]
	for i := range m.items.n {
		it := m.items.at(i)
		if it.marks&(isRollup|isDropped) != 0 {
			continue
		}
		at, e, fresh := p.exchanges.put(it.exchange)
		it.entry = at
		if !fresh && e.minute != m.start && e.expire <= m.start {
			*e = seen{}
		}
		if e.minute != m.start || fresh {
			e.minute, e.stays, e.challenge, e.took = m.start, false, false, false
			p.chosen = append(p.chosen, at)
		}
		switch {
		case e.decided && e.point == it.point:
			e.stays = true
		case e.decided && it.time <= e.last+silence:
		case !e.challenge || p.better(it.rank, it.point, e.rank, e.candidate):
			e.challenge, e.rank, e.candidate = true, it.rank, it.point
		}
	}
	for _, at := range p.chosen {
		p.settle(p.exchanges.at(at))
	}
	for i := range m.items.n {
		it := m.items.at(i)
		if it.marks&(isRollup|isDropped) != 0 {
			continue
		}
		if e := p.exchanges.at(it.entry); e.counts(it) {
			e.mark(it, p.cfg.Lateness)
		} else {
			it.marks |= isDropped
		}
	}
	for _, at := range p.chosen {
		p.expireAt(at, p.exchanges.at(at).expire)
	}
}

// settle makes the best candidate the chosen point where there is none, or where it fell silent.
func (p *Partition) settle(e *seen) {
	if e.challenge && !e.stays {
		e.took = e.decided
		if e.took {
			e.next = 0 // the new point numbers its parts itself
		}
		e.point, e.decided = e.candidate, true
	}
	e.before, e.nextWas = e.upTo, e.next
}

// counts says whether an item is the one to count, and clips what another point already counted.
func (e *seen) counts(it *item) bool {
	if e.point != it.point || it.part < e.nextWas {
		return false
	}
	return !e.took || it.clip(e.before)
}

// clip takes off the bytes of the response below an offset, and records and objects in proportion.
// The exchange itself was counted by the point before.
func (it *item) clip(below uint64) bool {
	end := it.bodyAt + it.body
	if end <= below {
		return false
	}
	it.requests, it.accepted, it.refused, it.denied = 0, 0, 0, 0
	if it.bodyAt >= below {
		return true
	}
	cut := below - it.bodyAt
	share := float64(end-below) / float64(it.body)
	it.response -= min(cut, it.response)
	it.bodyAt, it.body = below, end-below
	it.records = uint64(float64(it.records) * share)
	it.guessed = min(it.guessed, it.records)
	it.objects = uint32(float64(it.objects) * share)
	it.sensitive = uint32(float64(it.sensitive) * share)
	it.sensitiveValues = uint64(float64(it.sensitiveValues) * share)
	return true
}

// mark remembers a counted part.
func (e *seen) mark(it *item, lateness int64) {
	e.next = max(e.next, it.part+1)
	e.upTo = max(e.upTo, it.bodyAt+it.body)
	e.last = max(e.last, it.time)
	e.done = e.done || it.marks&isLast != 0
	e.expire = e.last + lateness
	if !e.done {
		e.expire += silence
	}
}

// expireAt puts an exchange in the queue of the minute in which it is forgotten. It may stand in an
// earlier queue too, where it is then passed over.
func (p *Partition) expireAt(at uint32, expire int64) {
	minute := floorTo(expire, minuteNanos) + minuteNanos
	q, ok := p.expiring[minute]
	if !ok {
		if n := len(p.spareQueues); n > 0 {
			q, p.spareQueues = p.spareQueues[n-1], p.spareQueues[:n-1]
		}
	}
	p.expiring[minute] = append(q, at)
}

// forget drops the exchanges that expired by now, then the ones that expire next while there are
// more than the bound.
func (p *Partition) forget() {
	for len(p.expiring) > 0 {
		first := int64(0)
		for minute := range p.expiring {
			if first == 0 || minute < first {
				first = minute
			}
		}
		over := p.exchanges.len() > p.cfg.MaxOpenExchanges
		if first > p.closed && !over {
			return
		}
		for _, at := range p.expiring[first] {
			s := p.exchanges.slots.at(at)
			if !s.live || s.val.expire >= first {
				continue
			}
			if s.val.expire > p.closed {
				p.count.exchangesForgotten++
			}
			p.exchanges.drop(at, s.val.expire > p.closed)
		}
		p.spareQueues = append(p.spareQueues, p.expiring[first][:0])
		delete(p.expiring, first)
	}
}

// judged is what one point showed of one endpoint in a principal's minute.
type judged struct {
	route, point               uint32
	rank                       uint8
	rollup                     bool
	requests, records, respond uint64
}

func (p *Partition) stronger(a, b *judged) bool {
	if c := cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.requests, b.requests),
		cmp.Compare(a.records, b.records), cmp.Compare(a.respond, b.respond)); c != 0 {
		return c > 0
	}
	return strings.Compare(p.pointNames[a.point], p.pointNames[b.point]) < 0
}

// judge drops, for every endpoint of a principal's minute with a rollup, all points but one: once
// exchanges are merged only totals can be compared. Best rank wins, then the largest total.
func (p *Partition) judge(m *minute, q *part) {
	if p.cfg.DisjointPoints {
		return
	}
	type place struct{ route, point uint32 }
	groups := map[place]int{}
	var all []judged
	for i := q.head; i != none; i = m.items.at(i).next {
		it := m.items.at(i)
		at := place{it.route, it.point}
		k, ok := groups[at]
		if !ok {
			k = len(all)
			groups[at] = k
			all = append(all, judged{route: it.route, point: it.point})
		}
		g := &all[k]
		g.rank = max(g.rank, it.rank)
		g.rollup = g.rollup || it.marks&isRollup != 0
		g.requests += uint64(it.requests)
		g.records += it.records
		g.respond += it.response
	}
	type verdict struct {
		best   int
		rollup bool
	}
	best := map[uint32]verdict{}
	for k := range all {
		v, ok := best[all[k].route]
		if !ok || p.stronger(&all[k], &all[v.best]) {
			v.best = k
		}
		v.rollup = v.rollup || all[k].rollup
		best[all[k].route] = v
	}
	for i := q.head; i != none; i = m.items.at(i).next {
		it := m.items.at(i)
		it.marks &^= isDropped
		if v := best[it.route]; v.rollup && all[v.best].point != it.point {
			it.marks |= isDropped
		}
	}
}
