// SPDX-License-Identifier: Apache-2.0

package ledger

import "slices"

// arrivals is what Arrivals remembers between calls. None of it is state: it starts again whenever
// a minute closes.
type arrivals struct {
	touched   []ID
	epoch     uint32
	called    bool // since the last minute closed
	exchanges map[[16]byte]shown
	objects   map[uint64]struct{} // fresh objects of open minutes, mixed with their principal
	routes    []route             // endpoints no closed minute has, while a view is made
	view      viewRoom
}

// shown is the point that showed an exchange first, and which of its first 64 parts.
type shown struct {
	parts uint64
	point uint32
}

func newArrivals() arrivals {
	return arrivals{epoch: 1, exchanges: map[[16]byte]shown{}, objects: map[uint64]struct{}{}}
}

func (a *arrivals) touch(id ID) { a.touched = append(a.touched, id) }

func (a *arrivals) restart() {
	a.epoch++
	clear(a.exchanges)
	clear(a.objects)
	if !a.called { // nobody looks: an import
		a.touched = a.touched[:0]
	}
	a.called = false
}

// Arrivals shows the principals that Apply touched since the last call, with open minutes counted
// in, in the order of ids. It changes nothing that Advance builds on. Of several points that show an
// exchange the first counts until its minute closes, and fresh objects are estimated on the memory
// as the last closed minute left it. The View is the Partition's own until visit returns.
func (p *Partition) Arrivals(visit func(*View)) {
	a := &p.arrivals
	a.called = true
	slices.SortFunc(a.touched, compareIDs)
	last := ID{}
	for i, id := range a.touched {
		if i > 0 && id == last {
			continue
		}
		last = id
		p.arrive(id, visit)
	}
	a.touched = a.touched[:0]
}

// Now shows every principal with open minutes, these counted in, in the order of ids. Like Arrivals it
// changes nothing that Advance builds on; what Arrivals has yet to show it still shows. The View is
// the Partition's own until visit returns.
func (p *Partition) Now(visit func(*View)) {
	var ids []ID
	for _, m := range p.minutes {
		for i := range m.parts.n {
			ids = append(ids, m.parts.at(i).id)
		}
	}
	slices.SortFunc(ids, compareIDs)
	for _, id := range slices.Compact(ids) {
		waiting := p.waiting(id)
		p.arrive(id, visit)
		for _, q := range waiting {
			q.touched = p.arrivals.epoch
		}
	}
}

// waiting gives the parts of a principal that Arrivals is yet to show.
func (p *Partition) waiting(id ID) []*part {
	var out []*part
	for _, m := range p.minutes {
		if q, ok := m.partOf(id); ok && q.touched == p.arrivals.epoch {
			out = append(out, q)
		}
	}
	return out
}

// arrive steps a copy of a principal through its open minutes.
func (p *Partition) arrive(id ID, visit func(*View)) {
	var r row
	known := false
	if at, ok := p.rows.index[id]; ok {
		r, known = *p.rows.at(at), true
		p.borrow(&r)
	}
	p.arrivals.routes = p.arrivals.routes[:0]
	for _, m := range p.minutes {
		q, ok := m.partOf(id)
		if !ok {
			continue
		}
		q.touched = 0
		p.walk(m, q, &r)
		if !known && q.born == 0 {
			continue
		}
		if !known {
			r, known = newRow(max(q.born, m.start)), true
		}
		p.stepArrival(m, q, &r)
	}
	if known && r.assurance != assuranceUnknown && r.minute != 0 {
		p.arrivalEvidence(id, &r)
		v := p.show(&p.arrivals.view, id, &r, r.minute+minuteNanos, true)
		visit(v)
	}
	p.runs.give(r.run)
	p.evidences.give(r.evidence)
	p.sensitives.give(r.sensitive)
}

// borrow gives a copy of a row its own copies of what is in slabs and may change.
func (p *Partition) borrow(r *row) {
	if r.run != 0 {
		was := *p.runs.at(r.run)
		r.run = p.runs.take()
		*p.runs.at(r.run) = was
	}
	if r.evidence != 0 {
		was := *p.evidences.at(r.evidence)
		r.evidence = p.evidences.take()
		*p.evidences.at(r.evidence) = was
	}
	if r.sensitive != 0 {
		was := *p.sensitives.at(r.sensitive)
		r.sensitive = p.sensitives.take()
		*p.sensitives.at(r.sensitive) = was
	}
}

// stepArrival counts one open minute into a copy.
func (p *Partition) stepArrival(m *minute, q *part, r *row) {
	r.assurance, r.kind = max(r.assurance, q.assurance), max(r.kind, q.kind)
	r.total.merge(&q.total)
	if q.sums.last == 0 {
		return
	}
	r.seen = max(r.seen, q.sums.last)
	if r.dominant == 0 {
		r.dominant = p.openSerialOf(m.routes[q.route])
	}
	s := q.sums
	s.spread(r)
	p.step(q.id, r, m.start, &s, false)
}

func (t *Totals) merge(o *Totals) {
	t.Requests += o.Requests
	t.Records += o.Records
	t.EstimatedRecords += o.EstimatedRecords
	t.ResponseBytes += o.ResponseBytes
	t.RequestBytes += o.RequestBytes
	t.Refused += o.Refused
	t.SensitiveObjects += o.SensitiveObjects
	t.SensitiveInspected = t.SensitiveInspected || o.SensitiveInspected
}

// walk counts the items of a part that came since the last walk.
func (p *Partition) walk(m *minute, q *part, r *row) {
	if q.epoch != p.arrivals.epoch {
		q.epoch, q.walked, q.sums, q.total, q.born, q.most, q.route = p.arrivals.epoch, none, sums{}, Totals{}, 0, 0, 0
	}
	if q.walked == q.head {
		return
	}
	if q.rollups {
		p.judge(m, q)
	}
	for i := q.head; i != q.walked; i = m.items.at(i).next {
		it := *m.items.at(i)
		if it.marks&isDropped != 0 || !p.first(m, &it) {
			continue
		}
		it.hide()
		q.total.add(&it)
		if it.accepted > 0 && (q.born == 0 || it.time < q.born) {
			q.born = it.time
		}
		if it.accepted > 0 && it.token != 0 {
			r.accept(it.token)
		}
		if it.marks&isScored == 0 || it.barred() {
			continue
		}
		if q.most == 0 || it.records > q.most {
			q.most, q.route = it.records, it.route
		}
		r.sum(&it, &q.sums)
		p.testObjects(m, q, r, &it)
	}
	q.walked = q.head
}

// first says whether an item may count before its minute closes.
func (p *Partition) first(m *minute, it *item) bool {
	if it.marks&isRollup != 0 {
		return true
	}
	if e := p.exchanges.get(it.exchange); e != nil && e.decided && e.expire(p.cfg.Lateness) > m.start {
		return e.point == it.point && it.part >= e.next
	}
	x, ok := p.arrivals.exchanges[it.exchange]
	bit := uint64(0)
	if it.part < 64 {
		bit = 1 << it.part
	}
	if ok && (x.point != it.point || x.parts&bit != 0) {
		return false
	}
	p.arrivals.exchanges[it.exchange] = shown{x.parts | bit, it.point}
	return true
}

// testObjects counts the fresh objects of an item without remembering them in the row.
func (p *Partition) testObjects(m *minute, q *part, r *row, it *item) {
	salt := mix(uint64(q.id[0]) | uint64(q.id[1])<<8 | uint64(q.id[2])<<16 | uint64(q.id[3])<<24 | uint64(q.id[4])<<32)
	fresh := 0.0
	for _, h := range m.list(it.hashes) {
		fresh += p.testObject(&r.objects, h, salt)
	}
	q.sums.readList(float64(it.hashes.n), fresh, float64(it.objects), float64(it.unlisted))
	if it.sensitive == 0 {
		return
	}
	var memory objectSet
	if r.sensitive != 0 {
		memory = p.sensitives.at(r.sensitive).objects
	}
	fresh = 0
	for _, h := range m.list(it.sensitiveHashes) {
		fresh += p.testObject(&memory, h, ^salt)
	}
	q.sums.readSensitive(float64(it.sensitiveHashes.n), fresh, float64(it.sensitive))
}

func (p *Partition) testObject(o *objectSet, h, salt uint64) float64 {
	fresh := p.sketches.test(o, h)
	if fresh == 0 {
		return 0
	}
	if _, ok := p.arrivals.objects[h^salt]; ok {
		return 0
	}
	p.arrivals.objects[h^salt] = struct{}{}
	return fresh
}

// openSerialOf names an endpoint that may not be in the table yet.
func (p *Partition) openSerialOf(r route) uint32 {
	if i, ok := p.endpoints.index[r]; ok {
		return p.endpoints.at(i).serial
	}
	for i, known := range p.arrivals.routes {
		if known == r {
			return openSerial + uint32(i)
		}
	}
	p.arrivals.routes = append(p.arrivals.routes, r)
	return openSerial + uint32(len(p.arrivals.routes)-1)
}

// arrivalItems bounds the items that are looked at for evidence before their minute closes.
const arrivalItems = 256

// arrivalEvidence adds the newest items of a run to the copy's evidence.
func (p *Partition) arrivalEvidence(id ID, r *row) {
	if r.run == 0 || p.runs.at(r.run).records < evidenceFrom {
		return
	}
	if r.evidence == 0 {
		r.evidence = p.evidences.take()
	}
	e, left := p.evidences.at(r.evidence), arrivalItems
	for _, m := range slices.Backward(p.minutes) {
		q, ok := m.partOf(id)
		if !ok || m.start < p.runs.at(r.run).start {
			continue
		}
		serialOf := func(route uint32) uint32 { return p.openSerialOf(m.routes[route]) }
		for i := q.head; i != none && left > 0; i = m.items.at(i).next {
			it := *m.items.at(i)
			left--
			if it.marks&isScored == 0 || it.marks&isDropped != 0 || it.barred() {
				continue
			}
			e.addItem(m, &it, serialOf(it.route), serialOf)
		}
	}
}
