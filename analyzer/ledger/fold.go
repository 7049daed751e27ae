// SPDX-License-Identifier: Apache-2.0

package ledger

// fold counts the items of one principal's minute into its row's totals, objects and tallies, and
// into the minute's sums. It says whether anything is to be scored.
func (p *Partition) fold(m *minute, q *part, r *row, kept []uint32, s *sums) bool {
	for _, i := range kept {
		if it := m.items.at(i); it.accepted > 0 && it.token != 0 {
			r.accept(it.token)
		}
	}
	scored := false
	for _, i := range kept {
		it := m.items.at(i)
		it.hide()
		fresh := 0.0
		if r.assurance != assuranceUnknown && q.assurance != assuranceUnknown {
			fresh = p.readObjects(m, r, it, s)
		} else {
			p.count.unknown += uint64(it.requests)
		}
		serial := p.tally(q.id, m, it, fresh)
		r.total.add(it)
		p.totals.add(it)
		r.seen = max(r.seen, it.time)
		if it.marks&isScored == 0 {
			p.count.excluded += uint64(it.requests)
			continue
		}
		r.elect(serial, it.records)
		r.vote(it)
		if soft := m.softAt(it); soft != "" && soft != p.textNames[r.software] {
			r.software = p.textOf(soft)
		}
		r.sum(it, s)
		scored = scored || !it.barred()
	}
	s.spread(r)
	p.fresh += s.fresh
	return scored
}

// accept remembers the newest accepted tokens: a forged token with the same claims must not charge
// its owner's principal with refused look-ups.
func (r *row) accept(token uint32) {
	for _, t := range r.tokens {
		if t == token {
			return
		}
	}
	r.tokens[r.tokenNext%4] = token
	r.tokenNext = (r.tokenNext + 1) % 4
}

func (r *row) accepted(token uint32) bool {
	if token == 0 {
		return true // a rollup, or no credential: the principal itself was accepted
	}
	for _, t := range r.tokens {
		if t == token {
			return true
		}
	}
	return false
}

// elect follows the endpoint with the majority of the records (Boyer and Moore 1991).
func (r *row) elect(serial uint32, records uint64) {
	n := float64(records)
	switch {
	case r.dominant == serial:
		r.lead += n
	case r.dominant == 0 || r.lead < n:
		r.dominant, r.lead = serial, n-r.lead
	default:
		r.lead -= n
	}
}

// sum adds an item to what the minute is scored by.
func (r *row) sum(it *item, s *sums) {
	s.requests += uint64(it.requests)
	s.records += it.records
	s.response += it.response
	s.last = max(s.last, it.time)
	s.sensitiveValues += it.sensitiveValues
	s.sensitive += float64(it.sensitive)
	if r.accepted(it.token) || it.refused == 0 {
		s.walk += uint64(it.refused)
		s.requested += uint64(it.requested)
		s.sequential += uint64(it.sequential)
	}
}

// readObjects puts an item's listed objects into the row's memory and counts the fresh ones. An
// exchange lists at most 64 of its objects, chosen by hash: the rest is fresh in the same ratio.
func (p *Partition) readObjects(m *minute, r *row, it *item, s *sums) float64 {
	if it.marks&isScored == 0 {
		return 0
	}
	listed := 0.0
	for _, h := range m.list(it.hashes) {
		listed += p.sketches.add(&r.objects, h)
	}
	fresh := s.readList(float64(it.hashes.n), listed, float64(it.objects), float64(it.unlisted))
	if it.sensitive == 0 {
		return fresh
	}
	t := p.sensitives.at(p.sensitiveOf(r))
	listed = 0
	for _, h := range m.list(it.sensitiveHashes) {
		listed += p.sketches.add(&t.objects, h)
	}
	s.readSensitive(float64(it.sensitiveHashes.n), listed, float64(it.sensitive))
	return fresh
}

func (s *sums) readList(n, fresh, objects, unlisted float64) float64 {
	s.unlisted += unlisted
	if n == 0 {
		s.unlisted += objects
		return 0
	}
	s.listed += n
	s.listedFresh += fresh
	all := fresh * max(objects, n) / n
	s.fresh += all
	return all
}

func (s *sums) readSensitive(n, fresh, objects float64) {
	if n == 0 {
		s.unlistedSensitive += objects
		return
	}
	s.sensitiveFresh += fresh * max(objects, n) / n
}

// spread counts objects of which no hash is known as fresh in the ratio of the minute's listed ones;
// where the minute lists none, in the ratio of the principal's own past, once there are seven days
// of it; else all of them. A thief gains nothing by making sensors shed detail.
func (s *sums) spread(r *row) {
	if s.unlisted == 0 && s.unlistedSensitive == 0 {
		return
	}
	ratio := 1.0
	switch {
	case s.listed > 0:
		ratio = min(s.listedFresh/s.listed, 1)
	case r.day-r.birth >= 7:
		var reads, fresh float64
		for i := range r.all.day {
			reads += quantity(r.all.day[i])
			fresh += quantity(r.all.fresh[i])
		}
		if reads > 0 {
			ratio = min(fresh/reads, 1)
		}
	}
	s.fresh += s.unlisted * ratio
	s.sensitiveFresh += s.unlistedSensitive * ratio
}
