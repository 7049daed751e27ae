// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"slices"
	"strings"
)

// caller is a principal that was never accepted: counted, not scored, soon forgotten.
type caller struct {
	first, last       int64
	requests, refused uint64
}

// Advance closes every minute that ends at or before through, in time order and within a minute in
// the order of principal ids, and shows each principal scored in it as it then stands. The caller
// passes Newest less the lateness bound; the result does not depend on how often it calls. The View
// is the Partition's own until visit returns.
func (p *Partition) Advance(through int64, visit func(*View)) {
	through = floorTo(through, minuteNanos)
	if through <= p.closed {
		return
	}
	closing := 0
	for closing < len(p.minutes) && p.minutes[closing].start < through {
		m := p.minutes[closing]
		p.closed = m.start
		p.closeMinute(m, visit)
		p.pending -= int(m.items.n)
		p.retire(m)
		closing++
	}
	p.minutes = slices.Delete(p.minutes, 0, closing)
	p.closed = through
	p.forget()
	if closing > 0 {
		p.arrivals.restart()
	}
}

func (p *Partition) retire(m *minute) {
	if len(p.spare) < 8 && !m.wasteful() {
		m.reset(0)
		p.spare = append(p.spare, m)
	}
}

func (p *Partition) closeMinute(m *minute, visit func(*View)) {
	if m.rollups {
		for i := range m.parts.n {
			if m.parts.at(i).rollups {
				p.judge(m, m.parts.at(i))
			}
		}
	}
	p.choose(m)
	p.known = append(p.known[:0], make([]uint32, len(m.routes))...)
	p.order = p.order[:0]
	for i := range m.parts.n {
		p.order = append(p.order, uint32(i))
	}
	slices.SortFunc(p.order, func(a, b uint32) int { return bytes.Compare(m.parts.at(a).id[:], m.parts.at(b).id[:]) })
	for _, i := range p.order {
		p.closePart(m, m.parts.at(i), visit)
	}
}

// keep lists the items of a part that count, in the order in which they count.
func (p *Partition) keep(m *minute, q *part) []uint32 {
	p.kept = p.kept[:0]
	for i := q.head; i != none; i = m.items.at(i).next {
		if m.items.at(i).marks&isDropped == 0 {
			p.kept = append(p.kept, i)
		} else {
			p.count.duplicates++
		}
	}
	if len(p.kept) == 1 {
		return p.kept
	}
	slices.SortFunc(p.kept, func(a, b uint32) int { return p.compare(m, m.items.at(a), m.items.at(b)) })
	return p.kept
}

func (p *Partition) closePart(m *minute, q *part, visit func(*View)) {
	kept := p.keep(m, q)
	if len(kept) == 0 {
		return
	}
	r, at := p.admit(m, q, kept)
	if r == nil {
		p.countCaller(m, q, kept)
		return
	}
	p.rows.touch(at)
	var s sums
	p.turnObjects(r, dayOf(m.start))
	scored := p.fold(m, q, r, kept, &s)
	p.describe(m, q, r)
	if r.assurance == assuranceUnknown || !scored {
		return
	}
	p.step(q.id, r, m.start, &s, true)
	p.keepEvidence(m, r, kept)
	if visit != nil {
		visit(p.show(&p.view, q.id, r, m.start+minuteNanos, false))
	}
}

// admit gives the row of a principal; a new one needs an accepted exchange.
func (p *Partition) admit(m *minute, q *part, kept []uint32) (*row, uint32) {
	if at, ok := p.rows.index[q.id]; ok {
		return p.rows.at(at), at
	}
	born := int64(0)
	for _, i := range kept {
		if it := m.items.at(i); it.accepted > 0 && (born == 0 || it.time < born) {
			born = it.time
		}
	}
	if born == 0 {
		return nil, 0
	}
	if p.rows.len() >= p.cfg.MaxPrincipals {
		p.evictRows()
	}
	at, r, _ := p.rows.put(q.id)
	*r = newRow(max(born, m.start))
	if i, ok := p.unadmitted.index[q.id]; ok {
		c := p.unadmitted.at(i)
		r.total.Requests, r.total.Refused = c.requests, c.refused
		p.unadmitted.drop(i, true)
	}
	return r, at
}

// evictRows makes room by forgetting the principals that were idle longest.
func (p *Partition) evictRows() {
	for _, i := range p.rows.idlest(p.cfg.MaxPrincipals/64+1, func(r *row) int64 { return r.seen }) {
		p.release(p.rows.at(i))
		p.rows.drop(i, true)
		p.count.principalsEvicted++
	}
}

// countCaller counts what a principal without a row did: in totals and tallies, and in a small
// record that a row takes over.
func (p *Partition) countCaller(m *minute, q *part, kept []uint32) {
	if p.unadmitted.get(q.id) == nil && p.unadmitted.len() >= p.cfg.MaxPending {
		for _, i := range p.unadmitted.idlest(p.cfg.MaxPending/16+1, func(c *caller) int64 { return c.last }) {
			p.unadmitted.drop(i, true)
			p.count.pendingEvicted++
		}
	}
	_, c, fresh := p.unadmitted.put(q.id)
	if fresh {
		c.first = m.start
	}
	for _, i := range kept {
		it := m.items.at(i)
		it.hide()
		p.tally(q.id, m, it, 0)
		p.totals.add(it)
		c.last = max(c.last, it.time)
		c.requests += uint64(it.requests)
		c.refused += uint64(it.refused) + uint64(it.denied)
	}
}

// hide takes off what a refused exchange may not charge: 401, 403 and 407 charge token and network
// with the request alone.
func (it *item) hide() {
	if it.barred() {
		it.records, it.guessed, it.objects, it.sensitive, it.sensitiveValues, it.unlisted = 0, 0, 0, 0, 0, 0
		it.requested, it.sequential = 0, 0
		it.hashes.n, it.sensitiveHashes.n = 0, 0
	}
}

func (it *item) barred() bool {
	return it.marks&isDenied != 0 || it.denied > 0 && it.accepted == 0 && it.denied >= it.requests
}

func (t *Totals) add(it *item) {
	t.Requests += uint64(it.requests)
	t.Records += it.records
	t.EstimatedRecords += it.guessed
	t.ResponseBytes += it.response
	t.RequestBytes += it.sent
	t.Refused += uint64(it.refused) + uint64(it.denied)
	t.SensitiveObjects += uint64(it.sensitive)
	t.SensitiveInspected = t.SensitiveInspected || it.marks&inspected != 0
}

// describe lets a row take the names an open minute has for it.
func (p *Partition) describe(m *minute, q *part, r *row) {
	r.assurance, r.kind = max(r.assurance, q.assurance), max(r.kind, q.kind)
	if q.label != 0 {
		if label := p.textOf(m.texts[q.label]); label != 0 {
			r.label = label
		}
	}
}

// textOf keeps a label or a software name for good, in the order of closed minutes.
func (p *Partition) textOf(s string) uint32 {
	if s == "" {
		return 0
	}
	if i, ok := p.texts[s]; ok {
		return i
	}
	if len(p.textNames) > p.cfg.MaxTexts {
		p.count.textsRefused++
		return 0
	}
	s = strings.Clone(s)
	p.textNames = append(p.textNames, s)
	p.texts[s] = uint32(len(p.textNames) - 1)
	return p.texts[s]
}

// keepEvidence follows a run that is worth it.
func (p *Partition) keepEvidence(m *minute, r *row, kept []uint32) {
	if r.run == 0 {
		return
	}
	q := p.runs.at(r.run)
	if q.records < evidenceFrom && r.evidence == 0 {
		return
	}
	if r.evidence == 0 {
		r.evidence = p.evidences.take()
	} else if q.start == m.start {
		*p.evidences.at(r.evidence) = evidence{} // of a run before this one
	}
	e := p.evidences.at(r.evidence)
	for _, i := range kept {
		it := m.items.at(i)
		if it.marks&isScored == 0 || it.records == 0 && it.accepted == 0 {
			continue
		}
		_, serial := p.endpointOf(m, it.route)
		e.addItem(m, it, serial, func(route uint32) uint32 {
			_, serial := p.endpointOf(m, route)
			return serial
		})
	}
}
