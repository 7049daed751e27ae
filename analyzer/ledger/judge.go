// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"strings"
)

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
		it.marks &^= isDropped | isJudged
		switch v := best[it.route]; {
		case !v.rollup:
		case all[v.best].point == it.point:
			it.marks |= isJudged
		default:
			it.marks |= isDropped
		}
	}
}
