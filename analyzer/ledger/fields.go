// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"slices"
)

// The fields of every value in a chunk, in the order of FORMAT.md.

func (t *Totals) fields(c *codec) {
	for _, v := range []*uint64{&t.Requests, &t.Records, &t.ResponseBytes, &t.RequestBytes, &t.EstimatedRecords, &t.FreshObjects, &t.SensitiveObjects, &t.Refused} {
		c.u64(v)
	}
	c.flag(&t.SensitiveInspected)
}

func (s *series) fields(c *codec) {
	c.f64(&s.today)
	c.f64(&s.todayFresh)
	for i := range s.day {
		c.u16(&s.day[i])
		c.u16(&s.fresh[i])
	}
	for _, v := range []*float32{&s.max1, &s.scale, &s.max7, &s.scale7, &s.freshMax, &s.fresh7, &s.freshFloor, &s.fresh28, &s.sum6, &s.freshSum6, &s.freshSum27, &s.forgotten} {
		c.f32(v)
	}
	active := uint16(s.active)
	c.u16(&active)
	if active > DayRing {
		c.fail(errors.New("more active days than days"))
	}
	s.active = int16(active)
}

func (k *sketches) fields(c *codec, o *objectSet) {
	h := *o
	c.u8(&h.form)
	c.i32(&h.turns)
	if h.form > formDense {
		c.fail(errors.New("an unknown form of object set"))
		return
	}
	if !c.writing {
		*o = k.reserve(h.form)
		o.turns = h.turns
	}
	if h.form == formDense {
		k.dense.at(o.at).fields(c)
		return
	}
	c.u8(&h.n)
	c.u8(&h.prev)
	list := k.list(o)
	if int(h.n) > len(list) || h.prev > h.n {
		c.fail(errors.New("an object list is too long"))
		return
	}
	o.n, o.prev = h.n, h.prev
	for i := range list[:o.n] {
		c.fixed64(&list[i])
	}
}

func (d *dense) fields(c *codec) {
	for _, registers := range []*[sketchRegisters]uint8{&d.now, &d.before} {
		c.bytes(registers[:])
		if slices.Max(registers[:]) > maxRank {
			c.fail(errors.New("a register is too large"))
			*registers = [sketchRegisters]uint8{}
		}
	}
	c.f64(&d.countNow)
	c.f64(&d.countAll)
	if !c.writing {
		d.sums()
	}
}

// lastDay bounds days since 1970: what int64 nanoseconds can say.
const lastDay = 106752

func (p *Partition) rowFields(c *codec, r *row) {
	c.i64(&r.born)
	c.i64(&r.seen)
	c.i64(&r.minute)
	r.total.fields(c)
	c.f64(&r.totalFresh)
	r.all.fields(c)
	for _, v := range []*int32{&r.hour, &r.day, &r.birth, &r.binAt} {
		c.i32(v)
	}
	c.f64(&r.hourRecords)
	c.f64(&r.enum)
	for _, v := range []*float32{&r.hourMaxDay, &r.hourCalm, &r.hourLate, &r.hourMax, &r.enumMax, &r.off, &r.offMax, &r.hourWeight, &r.profileSum, &r.binRecords} {
		c.f32(v)
	}
	c.bytes(r.profile[:])
	for i := range r.tokens {
		c.u32(&r.tokens[i])
	}
	for _, v := range []*uint8{&r.tokenNext, &r.kind, &r.assurance, &r.marks} {
		c.u8(v)
	}
	p.savedText(c, &r.label)
	p.savedText(c, &r.software)
	c.u32(&r.dominant)
	c.f64(&r.lead)
	c.bytes(r.address[:])
	c.u64(&r.addressLead)
	c.i64(&r.addressSince)
	p.sketches.fields(c, &r.objects)
	if r.dominant >= openSerial || r.birth > r.day || r.birth < -lastDay || r.day > lastDay || r.hour/24 > lastDay || r.hour/24 < -lastDay || r.tokenNext > 3 {
		c.fail(errors.New("a row contradicts itself"))
	}
	p.ownFields(c, r)
}

// ownFields are what a row has only sometimes, each after a flag.
func (p *Partition) ownFields(c *codec, r *row) {
	if optional(c, &r.sensitive, &p.sensitives) {
		t := p.sensitives.at(r.sensitive)
		t.fields(c)
		p.sketches.fields(c, &t.objects)
	}
	if optional(c, &r.run, &p.runs) {
		q := p.runs.at(r.run)
		c.f64(&q.level)
		c.i64(&q.minute)
		c.i64(&q.start)
		c.i64(&q.last)
		for _, v := range []*uint64{&q.requests, &q.records, &q.response, &q.sensitive} {
			c.u64(v)
		}
		c.f64(&q.fresh)
	}
	if optional(c, &r.evidence, &p.evidences) {
		p.evidences.at(r.evidence).fields(c)
	}
}

// optional says whether a value follows, with a place for it.
func optional[T any](c *codec, at *uint32, s *slab[T]) bool {
	there := *at != 0
	c.flag(&there)
	if !c.writing {
		*at = 0
		if there {
			*at = s.take()
		}
	}
	return there
}

func (p *Partition) savedText(c *codec, v *uint32) {
	c.u32(v)
	if int(*v) >= len(p.textNames) {
		c.fail(errors.New("an unknown text"))
		*v = 0
	}
}

func (e *evidence) fields(c *codec) {
	for i := range e.addresses {
		a := &e.addresses[i]
		c.bytes(a.client[:])
		c.u64(&a.records)
		c.i64(&a.first)
	}
	c.u8(&e.n)
	if e.n > maxExemplars {
		c.fail(errors.New("too many exemplars"))
		e.n = 0
	}
	for i := range e.exemplars[:e.n] {
		x := &e.exemplars[i]
		x.fields(c)
		c.u32(&x.endpoint)
		if x.endpoint >= openSerial {
			c.fail(errors.New("an unknown endpoint"))
		}
	}
}

func (x *exemplar) fields(c *codec) {
	c.i64(&x.time)
	c.u64(&x.records)
	c.bytes(x.exchange[:])
	c.bytes(x.client[:])
	c.u8(&x.n)
	if x.n > maxRequestID {
		c.fail(errors.New("a request id is too long"))
		x.n = 0
	}
	c.bytes(x.requestID[:x.n])
	c.u16(&x.port)
	c.u16(&x.status)
}

func (t *caller) fields(c *codec) {
	c.i64(&t.first)
	c.i64(&t.last)
	c.u64(&t.requests)
	c.u64(&t.refused)
}

func (a *alias) fields(c *codec) {
	c.bytes(a.principal[:])
	c.i64(&a.time)
	c.flag(&a.undone)
}

func (t *tally) fields(c *codec) {
	c.i64(&t.first)
	c.i64(&t.last)
	for _, v := range []*uint64{&t.requests, &t.records, &t.response, &t.refused} {
		c.u64(v)
	}
	c.f64(&t.fresh)
	c.u32(&t.serial)
	c.bytes(t.registers[:])
	if slices.Max(t.registers[:]) > 64 || t.serial >= openSerial {
		c.fail(errors.New("a register is too large"))
		t.registers = [256]uint8{}
	}
}

// fields of a remembered exchange; what is used only while a minute closes is not written.
func (e *seen) fields(c *codec, points *pointCodec) {
	c.i64(&e.last)
	if c.version == 1 {
		e.first(c, points)
		return
	}
	for _, r := range []*reach{&e.down, &e.up} {
		for _, v := range []*uint64{&r.upTo, &r.hole.from, &r.hole.to} {
			c.u64(v)
		}
		if r.hole.from > r.hole.to || r.hole.to > r.upTo {
			c.fail(errors.New("a hole is not inside of what is counted"))
		}
	}
	c.u64(&e.own)
	c.u64(&e.have)
	points.field(c, &e.point)
	c.u32(&e.next)
	c.flag(&e.done)
	c.flag(&e.told)
	e.decided = true
}

// first reads what version 1 remembered: no hole, nothing of the request body.
func (e *seen) first(c *codec, points *pointCodec) {
	var expire, minute int64
	c.i64(&expire)
	c.i64(&minute)
	c.u64(&e.down.upTo)
	points.field(c, &e.point)
	c.u32(&e.next)
	c.flag(&e.done)
	e.own, e.have, e.told, e.decided = e.down.upTo, ^uint64(0), true, true
}

func (r *route) fields(c *codec) {
	c.text(&r.method)
	c.text(&r.server)
	c.text(&r.path)
}

func (p *Partition) itemFields(c *codec, m *minute, it *item, points *pointCodec) {
	c.bytes(it.exchange[:])
	c.bytes(it.client[:])
	c.i64(&it.time)
	for _, v := range []*uint64{&it.records, &it.guessed, &it.response, &it.sent, &it.bodyAt, &it.sentAt, &it.sensitiveValues} {
		c.u64(v)
	}
	if c.version == 1 {
		it.sentAt = 0 // there stood the response's size again
	}
	for _, v := range []*uint32{&it.requests, &it.accepted, &it.refused, &it.denied, &it.objects, &it.sensitive, &it.requested, &it.sequential, &it.unlisted, &it.token, &it.part} {
		c.u32(v)
	}
	m.hashFields(c, &it.hashes)
	m.hashFields(c, &it.sensitiveHashes)
	id := string(m.textAt(it.requestID))
	c.text(&id)
	points.field(c, &it.point)
	to, soft := route{}, ""
	if c.writing {
		to, soft = m.routeAt(it), m.softAt(it)
	}
	to.fields(c)
	c.text(&soft)
	c.u16(&it.port)
	c.u16(&it.status)
	c.u8(&it.rank)
	marks := it.marks &^ transient
	c.u8(&marks)
	if !c.writing {
		it.marks, it.requestID, it.route, it.software = marks&^transient, m.keepText(id), m.routeOf(to), m.textOf(soft)
	}
	m.extraFields(c, it)
}

func (m *minute) hashFields(c *codec, s *span32) {
	n := c.count(int(s.n), 8)
	if !c.writing {
		*s = m.keep(make([]uint64, n))
	}
	list := m.list(*s)
	for i := range list {
		c.fixed64(&list[i])
	}
}

func (m *minute) extraFields(c *codec, it *item) {
	there := it.extra != none
	c.flag(&there)
	if !there {
		it.extra = none
		return
	}
	var e extra
	if c.writing {
		e = m.extras[it.extra]
	}
	n := c.count(len(e.networks), 8)
	k := c.count(len(e.exemplars), 40)
	if !c.writing {
		e = extra{make([]networkCount, n), make([]exemplar, k), make([]uint32, k)}
	}
	for i := range e.networks {
		c.bytes(e.networks[i].network[:])
		c.u64(&e.networks[i].count)
	}
	for i := range e.exemplars {
		e.exemplars[i].fields(c)
		var to route
		if c.writing {
			to = m.routes[e.routes[i]]
		}
		if to.fields(c); !c.writing {
			e.routes[i] = m.routeOf(to)
		}
	}
	if !c.writing {
		it.extra = uint32(len(m.extras))
		m.extras = append(m.extras, e)
	}
}
