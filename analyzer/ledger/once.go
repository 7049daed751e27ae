// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// silence is how long a chosen point may be silent before another may go on with an exchange.
const silence = int64(30e9)

// seen is what the ledger remembers of an exchange so that it counts once. Two rules, as the law says them:
//
//   - One observation point is chosen when the exchange's first minute closes: best rank, then the smallest name, of
//     those that showed it in that minute. What its parts say of records and objects counts. Another point is chosen
//     once this one was silent for 30 s, or once rollups of an endpoint were judged for the other: then the records of
//     its part count in proportion to the bytes behind those that the first one showed.
//   - Bytes count by offset interval, whoever shows them: first what the chosen point shows, then what others show
//     beyond it or in its gaps. The request itself counts once likewise.
type seen struct {
	last       int64  // end of the newest counted part of the chosen point
	down, up   reach  // of the response body, of the request body
	own        uint64 // how far the chosen point showed the response body
	have       uint64 // bit i: part next-1-i of the chosen point was counted
	point      uint32 // the chosen one
	next       uint32 // the part expected next of it
	head       uint32 // while a minute closes: its newest item plus one
	decided    bool   // a point is chosen
	done, told bool   // its last part, the request was counted
}

// better: a higher rank, then the smaller name.
func (p *Partition) better(a, b *item) bool {
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	return a.point != b.point && strings.Compare(p.pointNames[a.point], p.pointNames[b.point]) < 0
}

// choose decides for every exchange with a part in m which point and which bytes count, and drops what does not.
func (p *Partition) choose(m *minute) {
	p.chosen = p.chosen[:0]
	for i := range m.items.n {
		it := m.items.at(i)
		if it.marks&(isRollup|isDropped) != 0 {
			continue
		}
		at, e, fresh := p.exchanges.put(it.exchange)
		if e.head == 0 {
			if !fresh && e.expire(p.cfg.Lateness) <= m.start {
				*e = seen{}
			}
			p.chosen = append(p.chosen, at)
		}
		it.older, e.head = e.head, uint32(i)+1
	}
	for _, at := range p.chosen {
		e := p.exchanges.at(at)
		if i := e.head - 1; m.items.at(i).older == 0 {
			p.chooseOne(e, m.items.at(i))
		} else {
			p.chooseOf(m, e)
		}
		e.head = 0
		p.expireAt(at, e.expire(p.cfg.Lateness))
	}
}

// chooseOne is choose for an exchange with one item in a minute, as nearly all have.
func (p *Partition) chooseOne(e *seen, it *item) {
	own := !e.decided || e.point == it.point
	took := !own && e.yields(it)
	if took || !e.decided {
		e.elect(it)
	}
	down, up := e.down.take(it.bodyAt, it.response, &p.count.gapBytes), e.up.take(it.sentAt, it.sent, &p.count.gapBytes)
	if (own || took) && e.lacks(it.part) {
		e.count(it, took, down, up)
	} else {
		e.add(it, down, up)
	}
}

// chooseOf is choose for one with several: of several points, or parts. Those of the chosen point count first, in
// their order, then the others by what they add.
func (p *Partition) chooseOf(m *minute, e *seen) {
	p.group = p.group[:0]
	stays, best := false, none
	for i := e.head; i != 0; i = m.items.at(i - 1).older {
		it := m.items.at(i - 1)
		p.group = append(p.group, i-1)
		switch {
		case e.decided && e.point == it.point:
			stays = true
		case e.decided && !e.yields(it):
		case best == none || p.better(it, m.items.at(best)):
			best = i - 1
		}
	}
	took := e.decided && !stays && best != none
	if took || !e.decided {
		e.elect(m.items.at(best))
	}
	slices.SortFunc(p.group, func(a, b uint32) int { return p.inGroup(m, e.point, m.items.at(a), m.items.at(b)) })
	p.down.begin(e.down)
	p.up.begin(e.up)
	for _, i := range p.group {
		it := m.items.at(i)
		down, up := p.down.take(it.bodyAt, it.response), p.up.take(it.sentAt, it.sent)
		if e.point == it.point && e.lacks(it.part) {
			e.count(it, took, down, up)
		} else {
			e.add(it, down, up)
		}
	}
	e.down, e.up = p.down.end(&p.count.gapBytes), p.up.end(&p.count.gapBytes)
}

// inGroup orders the items of one exchange: the chosen point's parts, of two equal numbers the larger one first.
func (p *Partition) inGroup(m *minute, point uint32, a, b *item) int {
	if a.point != b.point && (a.point == point || b.point == point) {
		if a.point == point {
			return -1
		}
		return 1
	}
	if a.point != point {
		if c := cmp.Or(cmp.Compare(a.bodyAt, b.bodyAt), cmp.Compare(a.sentAt, b.sentAt)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(b.response, a.response), cmp.Compare(b.records, a.records), p.compare(m, a, b))
}

// expire is until when an exchange is remembered.
func (e *seen) expire(lateness int64) int64 {
	if e.done {
		return e.last + lateness
	}
	return e.last + silence + lateness
}

// yields says whether the chosen point gives way to the one of an item, if it shows nothing itself.
func (e *seen) yields(it *item) bool { return it.marks&isJudged != 0 || it.time > e.last+silence }

// elect makes an item's point the chosen one, which numbers its parts itself.
func (e *seen) elect(it *item) { e.point, e.decided, e.next, e.have = it.point, true, 0, 0 }

// lacks says whether a part of the chosen point was not counted. What lies 64 parts back was.
func (e *seen) lacks(part uint32) bool {
	return part >= e.next || e.next-part <= 64 && e.have>>(e.next-1-part)&1 == 0
}

// count lets a part of the chosen point count, with the bytes that it adds.
func (e *seen) count(it *item, took bool, down, up uint64) {
	if took {
		it.behind(e.own)
	}
	e.own = max(e.own, endOf(it.bodyAt, it.response))
	it.response, it.sent = down, up
	e.request(it)
	if part := min(it.part, math.MaxUint32-1); part >= e.next {
		e.have = e.have<<(part+1-e.next) | 1
		e.next = part + 1
	} else {
		e.have |= 1 << (e.next - 1 - part)
	}
	e.last = max(e.last, it.time)
	e.done = e.done || it.marks&isLast != 0
}

// request lets the request itself count once.
func (e *seen) request(it *item) {
	if it.requests == 0 {
		return
	}
	if e.told {
		it.requests, it.accepted, it.refused, it.denied = 0, 0, 0, 0
	}
	e.told = true
}

// add lets an item of another point, or a part shown twice, count with what it adds to the chosen point's.
func (e *seen) add(it *item, down, up uint64) {
	if it.requests == 0 {
		it.accepted = 0
	}
	e.request(it)
	if down == 0 && up == 0 && it.requests == 0 {
		it.marks |= isDropped
		return
	}
	it.response, it.sent = down, up
	it.records, it.guessed, it.objects, it.sensitive, it.sensitiveValues = 0, 0, 0, 0, 0
	it.requested, it.sequential, it.hashes.n, it.sensitiveHashes.n = 0, 0, 0, 0
}

// behind leaves of a part's records and objects the share that lies behind an offset.
func (it *item) behind(below uint64) {
	if it.bodyAt >= below || it.response == 0 {
		return
	}
	share := float64(max(endOf(it.bodyAt, it.response), below)-below) / float64(it.response)
	if share == 0 {
		it.hashes.n, it.sensitiveHashes.n = 0, 0
	}
	it.records = uint64(float64(it.records) * share)
	it.guessed = min(it.guessed, it.records)
	it.objects = uint32(float64(it.objects) * share)
	it.sensitive = uint32(float64(it.sensitive) * share)
	it.sensitiveValues = uint64(float64(it.sensitiveValues) * share)
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
			expire := s.val.expire(p.cfg.Lateness)
			if !s.live || expire >= first {
				continue
			}
			if expire > p.closed {
				p.count.exchangesForgotten++
			}
			p.exchanges.drop(at, expire > p.closed)
		}
		p.spareQueues = append(p.spareQueues, p.expiring[first][:0])
		delete(p.expiring, first)
	}
}
