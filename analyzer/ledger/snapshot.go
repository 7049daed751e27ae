// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// A chunk is drawn in FORMAT.md.
const (
	chunkMagic   = "WLDG"
	chunkVersion = 2 // written; 1 is read too
	chunkBase    = 1
	chunkChanges = 2
	chunkHead    = len(chunkMagic) + 2
)

// ErrCorrupt is wrapped by every error of Restore.
var ErrCorrupt = errors.New("ledger: corrupt chunk")

// AppendSnapshot appends the whole state, open minutes included, as one chunk. The same state gives
// the same bytes.
func (p *Partition) AppendSnapshot(dst []byte) []byte { return p.appendChunk(dst, chunkBase) }

// AppendChanges appends what changed since the last AppendSnapshot, AppendChanges or Restore.
func (p *Partition) AppendChanges(dst []byte) []byte { return p.appendChunk(dst, chunkChanges) }

func (p *Partition) appendChunk(dst []byte, kind byte) []byte {
	from := len(dst)
	dst = append(append(dst, chunkMagic...), chunkVersion, kind)
	c := &codec{buf: dst, writing: true, version: chunkVersion}
	p.chunk(c, kind == chunkBase)
	p.settleChanges()
	return binary.LittleEndian.AppendUint32(c.buf, crc32.Checksum(c.buf[from:], crc32.MakeTable(crc32.Castagnoli)))
}

func (p *Partition) settleChanges() {
	p.rows.settle()
	p.unadmitted.settle()
	p.exchanges.settle()
	p.endpoints.settle()
	p.networks.settle()
	p.aliases.settle()
	p.textsSaved = len(p.textNames)
	for _, m := range p.minutes {
		m.written = int(m.items.n)
	}
}

// Restore replaces the state with a base chunk and the changes made after it, in order. On an error
// the partition is empty. Chunks are not kept.
func (p *Partition) Restore(chunks ...[]byte) error {
	p.clear()
	for i, chunk := range chunks {
		if err := p.restoreChunk(chunk, i == 0); err != nil {
			p.clear()
			return fmt.Errorf("%w %d of %d: %w", ErrCorrupt, i+1, len(chunks), err)
		}
	}
	for _, m := range p.minutes {
		for i := range m.parts.n {
			m.parts.at(i).touched = p.arrivals.epoch
			p.arrivals.touch(m.parts.at(i).id)
		}
	}
	return nil
}

func (p *Partition) restoreChunk(b []byte, first bool) error {
	if len(b) < chunkHead+4 || string(b[:len(chunkMagic)]) != chunkMagic {
		return errors.New("not a ledger chunk")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return errors.New("checksum does not match")
	}
	version, kind := body[len(chunkMagic)], body[len(chunkMagic)+1]
	switch {
	case version != chunkVersion && version != 1:
		return fmt.Errorf("version %d is not known", version)
	case first != (kind == chunkBase) || kind != chunkBase && kind != chunkChanges:
		return errors.New("a base is first and changes follow it")
	}
	c := &codec{buf: body[chunkHead:], version: version}
	p.chunk(c, kind == chunkBase)
	if c.err == nil && len(c.buf) > 0 {
		c.err = fmt.Errorf("%d bytes too many", len(c.buf))
	}
	p.settleChanges()
	return c.err
}

// chunk walks a chunk's sections.
func (p *Partition) chunk(c *codec, whole bool) {
	number := uint32(p.number)
	c.u32(&number)
	if number != uint32(p.number) {
		c.fail(fmt.Errorf("it is of partition %d, not %d", number, p.number))
	}
	closed := p.closed
	c.i64(&closed)
	c.i64(&p.newest)
	c.i64(&p.start)
	c.u32(&p.lastSerial)
	p.totals.fields(c)
	c.f64(&p.fresh)
	for i, v := range p.count.fields() {
		if c.version > 1 || i < 15 {
			c.u64(v)
		}
	}
	p.textSection(c, whole)
	points := p.pointSection(c)
	section(c, &p.endpoints, whole, func(k *route) { k.fields(c) }, func(k route, t *tally) { t.fields(c) })
	p.indexEndpoints(c)
	section(c, &p.networks, whole, func(k *network) { c.bytes(k[:]) }, func(_ network, t *tally) { t.fields(c) })
	id := func(k *ID) { c.bytes(k[:]) }
	section(c, &p.unadmitted, whole, id, func(_ ID, t *caller) { t.fields(c) })
	section(c, &p.aliases, whole, id, func(_ ID, a *alias) { a.fields(c) })
	section(c, &p.exchanges, whole, id, func(k [16]byte, e *seen) { e.fields(c, points) })
	if !c.writing {
		for _, m := range p.minutes {
			for i := range m.parts.n {
				m.parts.at(i).touched = 0
			}
		}
	}
	p.rowSection(c, whole, id)
	p.closeTo(c, closed)
	p.minuteSection(c, whole, points)
}

// section walks a table: keys that are gone, then entries. Reading, an entry replaces what was there.
func section[K comparable, V any](c *codec, t *table[K, V], whole bool, key func(*K), val func(K, *V)) {
	var gone []K
	if !whole {
		gone = t.gone
		slices.SortFunc(gone, t.order)
		gone = slices.Compact(gone)
	}
	n := c.count(len(gone), 1)
	for i := range n {
		var k K
		if c.writing {
			k = gone[i]
		}
		key(&k)
		if at, ok := t.index[k]; ok && !c.writing {
			t.drop(at, false)
		}
	}
	var list []uint32
	if c.writing {
		list = t.sorted(nil, !whole)
	}
	n = c.count(len(list), 1)
	for i := 0; i < n && c.err == nil; i++ {
		if c.writing {
			s := t.slots.at(list[i])
			key(&s.key)
			val(s.key, &s.val)
			continue
		}
		var k K
		key(&k)
		_, v, _ := t.put(k)
		var zero V
		*v = zero
		val(k, v)
	}
}

// rowSection frees what a replaced row held before reading it again.
func (p *Partition) rowSection(c *codec, whole bool, id func(*ID)) {
	if c.writing {
		section(c, &p.rows, whole, id, func(_ ID, r *row) { p.rowFields(c, r) })
		return
	}
	for range c.count(0, 16) {
		var k ID
		id(&k)
		if at, ok := p.rows.index[k]; ok {
			p.release(p.rows.at(at))
			p.rows.drop(at, false)
		}
	}
	for n := c.count(0, 16); n > 0 && c.err == nil; n-- {
		var k ID
		id(&k)
		if at, ok := p.rows.index[k]; ok {
			p.release(p.rows.at(at))
		}
		_, r, _ := p.rows.put(k)
		*r = row{}
		p.rowFields(c, r)
	}
}

// textSection tells labels and software: all, or the ones added.
func (p *Partition) textSection(c *codec, whole bool) {
	from := 1
	if !whole {
		from = max(p.textsSaved, 1)
	}
	n := c.count(len(p.textNames)-from, 1)
	for i := range n {
		s := ""
		if c.writing {
			s = p.textNames[from+i]
		}
		c.text(&s)
		if !c.writing {
			p.textNames = append(p.textNames, s)
			p.texts[s] = uint32(len(p.textNames) - 1)
		}
	}
}

// pointCodec turns a partition's numbers of observation points, which follow arrival, into places
// in a sorted list.
type pointCodec struct{ toFile, toPartition []uint32 }

func (p *Partition) pointSection(c *codec) *pointCodec {
	names := slices.Clone(p.pointNames)
	slices.Sort(names)
	n := c.count(len(names), 1)
	pc := &pointCodec{toFile: make([]uint32, len(p.pointNames)), toPartition: make([]uint32, n)}
	for i := range n {
		s := ""
		if c.writing {
			s = names[i]
		}
		c.text(&s)
		if c.writing {
			pc.toFile[p.points[s]] = uint32(i)
		} else if len(p.pointNames) < maxPoints {
			pc.toPartition[i] = p.pointOf(s)
		}
	}
	return pc
}

func (pc *pointCodec) field(c *codec, v *uint32) {
	if c.writing {
		c.uvarint(uint64(pc.toFile[*v]))
		return
	}
	x := c.uvarint(0)
	if x >= uint64(len(pc.toPartition)) {
		c.fail(errors.New("an unknown observation point"))
		return
	}
	*v = pc.toPartition[x]
}

func (p *Partition) indexEndpoints(c *codec) {
	if c.writing {
		return
	}
	clear(p.serials)
	for r, at := range p.endpoints.index {
		serial := p.endpoints.at(at).serial
		if _, twice := p.serials[serial]; twice || serial == 0 || serial > p.lastSerial {
			c.fail(errors.New("an endpoint's number is wrong"))
		}
		p.serials[serial] = endpointRef{at, r.name()}
	}
}

// closeTo drops, when reading changes, the minutes that were closed since and the exchanges that
// expired.
func (p *Partition) closeTo(c *codec, closed int64) {
	if c.writing {
		return
	}
	if closed < p.closed || closed%minuteNanos != 0 {
		c.fail(errors.New("closed minutes opened again"))
		return
	}
	n := 0
	for n < len(p.minutes) && p.minutes[n].start < closed {
		p.pending -= int(p.minutes[n].items.n)
		n++
	}
	p.minutes = slices.Delete(p.minutes, 0, n)
	p.closed = closed
	for _, q := range p.expiring {
		p.spareQueues = append(p.spareQueues, q[:0])
	}
	clear(p.expiring)
	for _, at := range p.exchanges.index {
		p.expireAt(at, p.exchanges.at(at).expire(p.cfg.Lateness))
	}
	p.forget()
}

// minuteSection walks open minutes: all items, or those that came since. A minute is a list of
// principals in the order of ids, each with its items in the order in which they count.
func (p *Partition) minuteSection(c *codec, whole bool, points *pointCodec) {
	n := c.count(len(p.minutes), 1)
	for k := 0; k < n && c.err == nil; k++ {
		start := int64(0)
		if c.writing {
			start = p.minutes[k].start
		}
		c.i64(&start)
		if start%minuteNanos != 0 || start < p.closed {
			c.fail(errors.New("an open minute is closed"))
			return
		}
		m := p.open(start)
		if c.writing {
			p.writeMinute(c, m, whole, points)
		} else {
			p.readMinute(c, m, points)
		}
	}
}

func (p *Partition) writeMinute(c *codec, m *minute, whole bool, points *pointCodec) {
	from := uint32(m.written)
	if whole {
		from = 0
	}
	order := make([]uint32, 0, int(m.parts.n))
	for i := range m.parts.n {
		if m.parts.at(i).head >= from {
			order = append(order, uint32(i))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareIDs(m.parts.at(a).id, m.parts.at(b).id) })
	c.count(len(order), 16)
	var items []uint32
	for _, i := range order {
		q := m.parts.at(i)
		items = items[:0]
		for at := q.head; at != none && at >= from; at = m.items.at(at).next {
			items = append(items, at)
		}
		slices.SortFunc(items, func(a, b uint32) int { return p.compare(m, m.items.at(a), m.items.at(b)) })
		c.bytes(q.id[:])
		c.u8(&q.assurance)
		c.u8(&q.kind)
		c.text(&m.texts[q.label])
		c.count(len(items), 64)
		for _, at := range items {
			p.itemFields(c, m, m.items.at(at), points)
		}
	}
}

func (p *Partition) readMinute(c *codec, m *minute, points *pointCodec) {
	for n := c.count(0, 16); n > 0 && c.err == nil; n-- {
		var id ID
		var assurance, kind uint8
		label := ""
		c.bytes(id[:])
		c.u8(&assurance)
		c.u8(&kind)
		c.text(&label)
		for k := c.count(0, 64); k > 0 && c.err == nil; k-- {
			var it item
			it.extra = none
			p.itemFields(c, m, &it, points)
			if c.err != nil {
				return
			}
			if floorTo(it.time, minuteNanos) != m.start {
				c.fail(errors.New("an item is not of its minute"))
				return
			}
			p.pending++
			m.describe(m.push(id, &it), assurance, kind, strings.Clone(label))
		}
	}
}
