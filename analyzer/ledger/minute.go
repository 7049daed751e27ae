// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

const (
	minuteNanos = int64(60e9)
	hourNanos   = 60 * minuteNanos
	dayNanos    = 24 * hourNanos

	none = ^uint32(0)
)

func floorTo(t, unit int64) int64 { return t - ((t%unit)+unit)%unit }

func dayOf(t int64) int32  { return int32(floorTo(t, dayNanos) / dayNanos) }
func hourOf(t int64) int32 { return int32(floorTo(t, hourNanos) / hourNanos) }

// route is what an endpoint's name is made of. server is the server's name, else address and port.
type route struct{ method, server, path string }

func (r route) compare(o route) int {
	return cmp.Or(strings.Compare(r.method, o.method), strings.Compare(r.server, o.server), strings.Compare(r.path, o.path))
}

// name is the endpoint as people read it: "GET shop.example /customers/{id}".
func (r route) name() string {
	return strings.TrimSpace(r.method + " " + strings.TrimSpace(r.server+" "+r.path))
}

// Marks of an item.
const (
	isRollup  = 1 << iota
	isLast    // the exchange's last part
	isScored  // not excluded from scoring
	inspected // looked through for sensitive fields
	isDropped // judged to be a copy of what another point showed
	isDenied  // 401, 403 or 407
	isJudged  // of the point that was judged to count where rollups stand

	transient = isDropped | isJudged
)

// item is one exchange part or one rollup waiting in an open minute. No pointers: texts, hashes and
// lists are in the minute that holds it.
type item struct {
	exchange         [16]byte // zero in a rollup
	client           [16]byte // 4-in-6 for IPv4
	time             int64    // end of the part or of the rollup's window, Unix nanoseconds
	records, guessed uint64   // guessed: the estimated part of records
	response, sent   uint64   // body bytes
	bodyAt, sentAt   uint64   // where they begin: offsets in the response body and in the request body
	sensitiveValues  uint64
	requests         uint32
	accepted         uint32 // 2xx, 3xx
	refused, denied  uint32 // 4xx but 401, 403, 407; those
	objects          uint32 // distinct objects read, listed or not
	sensitive        uint32 // of them with personal data
	requested        uint32
	sequential       uint32
	unlisted         uint32 // rollup: objects known only as a sketch
	hashes           span32 // listed objects
	sensitiveHashes  span32
	requestID        span32
	token            uint32 // first bytes of the token_id, 0: none
	part             uint32
	point            uint32 // of the partition's points
	route            uint32 // of the minute's routes
	software         uint32 // of the minute's texts
	extra            uint32 // of the minute's extras, none where there is none
	older            uint32 // the exchange's item before this one plus one, set when the minute closes
	next             uint32 // the principal's item before this one
	port, status     uint16
	rank, marks      uint8
}

// span32 is a stretch of one of the minute's pools.
type span32 struct{ from, n uint32 }

// extra is what only rollups carry.
type extra struct {
	networks  []networkCount
	exemplars []exemplar
	routes    []uint32 // of exemplars
}

type networkCount struct {
	network network
	count   uint64
}

// part is one principal's part of an open minute.
type part struct {
	id        ID
	head      uint32 // its newest item
	label     uint32 // of the minute's texts
	assurance uint8
	kind      uint8
	rollups   bool
	touched   uint32 // the epoch of arrivals in which Arrivals is to show it, 0: it is not

	// What Arrivals has counted of it so far.
	walked uint32
	epoch  uint32
	route  uint32 // of the item with the most records
	most   uint64 // its records
	born   int64  // time of the first accepted item, 0: none
	sums   sums
	total  Totals
}

// minute is an open minute: items in the order of arrival, in pools that are used again.
type minute struct {
	start   int64
	byID    map[ID]uint32
	parts   pool[part]
	items   pool[item]
	stores  *stores
	hashes  []uint64
	text    []byte
	extras  []extra
	routes  []route
	byRoute map[route]uint32
	texts   []string // 0 is ""
	byText  map[string]uint32
	sum     Totals        // of all items, each exchange as the point showed it that came first
	point   uint32        // of the first item
	mixed   bool          // other points came too
	firsts  map[ID]uint32 // then: the point that showed an exchange first
	written int           // items that a snapshot or change has
	rollups bool          // at least one
}

// stores lend to all minutes of a partition.
type stores struct {
	parts store[part]
	items store[item]
}

func newMinute(s *stores) *minute {
	return &minute{stores: s, byID: map[ID]uint32{}, byRoute: map[route]uint32{}, byText: map[string]uint32{}, texts: []string{""}}
}

func (m *minute) reset(start int64) {
	m.start, m.written, m.rollups, m.sum, m.mixed = start, 0, false, Totals{}, false
	clear(m.firsts)
	clear(m.byID)
	clear(m.byRoute)
	clear(m.byText)
	clear(m.extras)
	clear(m.routes)
	clear(m.texts[1:])
	m.parts.empty(&m.stores.parts)
	m.items.empty(&m.stores.items)
	m.hashes, m.text = m.hashes[:0], m.text[:0]
	m.extras, m.routes, m.texts = m.extras[:0], m.routes[:0], m.texts[:1]
}

// copied says that another point showed the exchange of an item before. Which point counts is decided when the minute
// closes; until then a sum of all of them would show the traffic twice.
func (m *minute) copied(it *item) bool {
	if it.marks&isRollup != 0 {
		return false
	}
	if !m.mixed {
		if m.items.n == 0 {
			m.point = it.point
		}
		if it.point == m.point {
			return false
		}
		if m.mixed = true; m.firsts == nil {
			m.firsts = map[ID]uint32{}
		}
		for i := range m.items.n {
			if was := m.items.at(i); was.marks&isRollup == 0 {
				m.firsts[was.exchange] = was.point
			}
		}
	}
	first, found := m.firsts[it.exchange]
	if !found {
		m.firsts[it.exchange] = it.point
	}
	return found && first != it.point
}

// wasteful says that a used minute holds much more than it needed.
func (m *minute) wasteful() bool { return cap(m.hashes) > 1<<14 && len(m.hashes)*16 < cap(m.hashes) }

func (m *minute) textOf(s string) uint32 {
	if s == "" {
		return 0
	}
	if i, ok := m.byText[s]; ok {
		return i
	}
	s = strings.Clone(s)
	m.texts = append(m.texts, s)
	m.byText[s] = uint32(len(m.texts) - 1)
	return m.byText[s]
}

func (m *minute) routeOf(r route) uint32 {
	if i, ok := m.byRoute[r]; ok {
		return i
	}
	r = route{strings.Clone(r.method), strings.Clone(r.server), strings.Clone(r.path)}
	m.routes = append(m.routes, r)
	i := uint32(len(m.routes) - 1)
	m.byRoute[r] = i
	return i
}

func (m *minute) keep(hashes []uint64) span32 {
	s := span32{uint32(len(m.hashes)), uint32(len(hashes))}
	m.hashes = append(m.hashes, hashes...)
	return s
}

func (m *minute) keepText(s string) span32 {
	p := span32{uint32(len(m.text)), uint32(len(s))}
	m.text = append(m.text, s...)
	return p
}

func (m *minute) list(s span32) []uint64 { return m.hashes[s.from : s.from+s.n] }
func (m *minute) textAt(s span32) []byte { return m.text[s.from : s.from+s.n] }
func (m *minute) routeAt(it *item) route { return m.routes[it.route] }
func (m *minute) softAt(it *item) string { return m.texts[it.software] }
func (m *minute) partOf(id ID) (*part, bool) {
	i, ok := m.byID[id]
	if !ok {
		return nil, false
	}
	return m.parts.at(i), true
}

// push puts an item on its principal's chain.
func (m *minute) push(id ID, it *item) *part {
	i, ok := m.byID[id]
	if !ok {
		var q *part
		i, q = m.parts.add(&m.stores.parts)
		*q = part{id: id, head: none, walked: none}
		m.byID[id] = i
	}
	q := m.parts.at(i)
	it.next = q.head
	if !m.copied(it) {
		m.sum.add(it)
	}
	at, place := m.items.add(&m.stores.items)
	*place = *it
	q.head = at
	if it.marks&isRollup != 0 {
		q.rollups, m.rollups = true, true
	}
	return q
}

// describe takes what an item says of its principal. The larger value wins, so order does not matter.
func (m *minute) describe(q *part, assurance, kind uint8, label string) {
	q.assurance, q.kind = max(q.assurance, assurance), max(q.kind, kind)
	if label != "" && label > m.texts[q.label] {
		q.label = m.textOf(label)
	}
}

// compare is the order in which a principal's items of a minute are counted: by time, then by
// everything else that can change a count, so that it does not depend on arrival.
func (p *Partition) compare(m *minute, a, b *item) int {
	if c := cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.marks&isRollup, b.marks&isRollup),
		bytes.Compare(a.exchange[:], b.exchange[:]), cmp.Compare(a.part, b.part)); c != 0 {
		return c
	}
	if c := cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(p.pointNames[a.point], p.pointNames[b.point]),
		m.routeAt(a).compare(m.routeAt(b)), cmp.Compare(a.requests, b.requests), cmp.Compare(a.records, b.records),
		cmp.Compare(a.response, b.response), cmp.Compare(a.objects, b.objects)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.sent, b.sent), cmp.Compare(a.sentAt, b.sentAt), cmp.Compare(a.bodyAt, b.bodyAt),
		cmp.Compare(a.guessed, b.guessed), cmp.Compare(a.sensitiveValues, b.sensitiveValues),
		cmp.Compare(a.accepted, b.accepted), cmp.Compare(a.refused, b.refused), cmp.Compare(a.denied, b.denied),
		cmp.Compare(a.status, b.status), cmp.Compare(a.token, b.token), cmp.Compare(a.unlisted, b.unlisted),
		cmp.Compare(a.requested, b.requested), cmp.Compare(a.sequential, b.sequential), cmp.Compare(a.sensitive, b.sensitive),
		cmp.Compare(a.port, b.port), cmp.Compare(a.marks&^transient, b.marks&^transient), bytes.Compare(a.client[:], b.client[:]),
		strings.Compare(m.softAt(a), m.softAt(b)), slices.Compare(m.list(a.hashes), m.list(b.hashes)),
		slices.Compare(m.list(a.sensitiveHashes), m.list(b.sensitiveHashes)), bytes.Compare(m.textAt(a.requestID), m.textAt(b.requestID)),
		m.compareExtras(a, b))
}

func (m *minute) compareExtras(a, b *item) int {
	var x, y extra
	if a.extra != none {
		x = m.extras[a.extra]
	}
	if b.extra != none {
		y = m.extras[b.extra]
	}
	return cmp.Or(
		slices.CompareFunc(x.networks, y.networks, func(a, b networkCount) int {
			return cmp.Or(bytes.Compare(a.network[:], b.network[:]), cmp.Compare(a.count, b.count))
		}),
		slices.CompareFunc(x.exemplars, y.exemplars, func(a, b exemplar) int {
			return cmp.Or(cmp.Compare(a.time, b.time), bytes.Compare(a.exchange[:], b.exchange[:]), bytes.Compare(a.requestID[:], b.requestID[:]))
		}))
}
