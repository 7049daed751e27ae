// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"math/bits"
	"net/netip"
	"time"
)

const (
	none        = -1 // no datagram
	maxDatagram = 65535
	maxSpans    = 16 // holes one datagram may have at a time, less one
	minClass    = 11 // buffers have 2^minClass to 2^maxClass bytes
	maxClass    = 16
)

// fragment is what an IP header says about one fragment.
type fragment struct {
	id     uint32
	offset int
	proto  byte // IPv4: protocol; IPv6: header after the fragment header
	more   bool
	v6     bool
}

// fragmentKey names a datagram, RFC 791 section 3.2 and RFC 8200 section 4.5. VLAN and tunnel are
// added since addresses may be used again there.
type fragmentKey struct {
	src, dst     netip.Addr
	id           uint32
	vlan, tunnel uint32
	proto        byte
}

type span struct{ start, end int }

// datagram is an IP datagram whose fragments are coming in.
type datagram struct {
	key        fragmentKey
	time       int64  // of the first fragment
	buf        []byte // all bytes up to the highest end; what no span covers is undefined
	total      int    // length of the datagram, none while the last fragment is missing
	cut        int    // bytes before this are captured wherever they are covered
	proto      byte   // of the fragment with offset 0
	held       uint64 // fragments taken
	spans      [maxSpans]span
	n          int // spans in use: in order, never touching
	prev, next int // by age
}

// fragments holds the unfinished datagrams, bounded in number, bytes and time.
type fragments struct {
	maxBytes, maxDatagrams int
	timeout                int64
	slab                   []datagram
	free                   []int // slots of slab not in use
	index                  map[fragmentKey]int
	oldest, newest         int
	held                   uint64 // fragments in all datagrams
	bytes                  int    // capacity of all buffers, in use or spare
	spare                  [maxClass + 1][][]byte
	done                   [][]byte // given out by the last Decode
}

func (s *fragments) configure(cfg DecoderConfig) {
	s.maxBytes, s.maxDatagrams, s.timeout = cfg.FragmentBytes, cfg.FragmentDatagrams, int64(cfg.FragmentTimeout)
	if s.maxBytes <= 0 {
		s.maxBytes = 4 << 20
	}
	s.maxBytes = max(s.maxBytes, 1<<maxClass)
	if s.maxDatagrams <= 0 {
		s.maxDatagrams = 256
	}
	if s.timeout <= 0 {
		s.timeout = int64(30 * time.Second)
	}
	s.oldest, s.newest = none, none
}

// reassemble takes the fragment that w stands at. With OK the datagram is whole and w stands at
// its first byte, f.proto being the protocol that the first fragment names; where the capture cut
// a fragment, only the bytes before the cut are in w.data.
func (d *Decoder) reassemble(w *walk, f *fragment) Reason {
	s := &d.frags
	end := f.offset + w.wire
	if w.wire == 0 || end > maxDatagram || f.more && w.wire&7 != 0 {
		return Malformed
	}
	now := w.f.Time
	for s.oldest != none && now-s.slab[s.oldest].time > s.timeout {
		d.expire(s.oldest)
	}
	src, dst := w.ends()
	key := fragmentKey{src: src, dst: dst, id: f.id, vlan: w.vlan, tunnel: w.tunnel}
	if !f.v6 { // IPv6 takes the protocol of the first fragment, RFC 8200
		key.proto = f.proto
	}
	i, ok := s.index[key]
	if !ok {
		i = d.begin(key, now)
	}
	g := &s.slab[i]
	if r := d.keep(i, w.data, f, end); r != OK {
		return r
	}
	if g.n != 1 || g.spans[0].start != 0 || g.spans[0].end != g.total {
		g.held++
		s.held++
		return Fragment
	}
	d.counters.FragmentsJoined += g.held
	f.proto = g.proto
	w.data, w.wire = g.buf[:min(g.cut, g.total)], g.total
	s.done = append(s.done, g.buf)
	g.buf = nil
	s.remove(i)
	return OK
}

// begin makes room for one more datagram.
func (d *Decoder) begin(key fragmentKey, now int64) int {
	s := &d.frags
	if s.slab == nil {
		s.slab = make([]datagram, s.maxDatagrams)
		s.index = make(map[fragmentKey]int, s.maxDatagrams)
		s.free = make([]int, s.maxDatagrams)
		for i := range s.free {
			s.free[i] = i
		}
	}
	if len(s.free) == 0 {
		d.expire(s.oldest)
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.slab[i] = datagram{key: key, time: now, total: none, cut: maxDatagram, prev: s.newest, next: none}
	if s.newest != none {
		s.slab[s.newest].next = i
	} else {
		s.oldest = i
	}
	s.newest = i
	s.index[key] = i
	return i
}

// keep puts the bytes of a fragment in their place; where two claim the same place, the first wins.
func (d *Decoder) keep(i int, data []byte, f *fragment, end int) Reason {
	g := &d.frags.slab[i]
	top := 0
	if g.n > 0 {
		top = g.spans[g.n-1].end
	}
	if g.total != none && end > g.total || !f.more && (top > end || g.total != none && g.total != end) {
		d.counters.FragmentOverlaps++ // contradicts the end that an earlier fragment gave
		return FragmentLost
	}
	merged, fresh, overlap, ok := g.merge(span{f.offset, end})
	if overlap {
		d.counters.FragmentOverlaps++
	}
	if !fresh {
		return FragmentLost
	}
	if !ok || !d.grow(i, end) {
		d.expire(i)
		return FragmentLost
	}
	if f.offset == 0 && (g.n == 0 || g.spans[0].start != 0) {
		g.proto = f.proto
	}
	pos := f.offset
	for _, have := range g.spans[:g.n] {
		if have.end <= pos || have.start >= end {
			continue
		}
		g.copy(span{pos, have.start}, data, f.offset)
		pos = have.end
	}
	g.copy(span{pos, end}, data, f.offset)
	g.n = copy(g.spans[:], merged[:])
	for g.n > 0 && merged[g.n-1].end == 0 {
		g.n--
	}
	if !f.more {
		g.total = end
	}
	return OK
}

// merge adds a span to those there: the new list, unused places zero; whether the span has fresh
// bytes; whether it overlaps; and whether the list had room.
func (g *datagram) merge(add span) (list [maxSpans]span, fresh, overlap, ok bool) {
	n, placed := 0, false
	put := func(s span) {
		if n < maxSpans {
			list[n] = s
		}
		n++
	}
	fresh = true
	for _, have := range g.spans[:g.n] {
		if have.start <= add.start && add.end <= have.end {
			fresh = false
		}
		switch {
		case have.end < add.start:
			put(have)
		case have.start > add.end:
			if !placed {
				put(add)
				placed = true
			}
			put(have)
		default:
			overlap = overlap || have.end > add.start && have.start < add.end
			add = span{min(add.start, have.start), max(add.end, have.end)}
		}
	}
	if !placed {
		put(add)
	}
	return list, fresh, overlap, n <= maxSpans
}

// copy fills one hole from a fragment's captured bytes, which begin at offset.
func (g *datagram) copy(hole span, data []byte, offset int) {
	if hole.start >= hole.end {
		return
	}
	captured := offset + len(data)
	if captured < hole.end {
		g.cut = min(g.cut, max(captured, hole.start))
	}
	if captured > hole.start {
		copy(g.buf[hole.start:hole.end], data[hole.start-offset:])
	}
}

// grow makes the buffer of a datagram hold end bytes. It gives up older datagrams for it.
func (d *Decoder) grow(i, end int) bool {
	s := &d.frags
	g := &s.slab[i]
	if end <= len(g.buf) {
		return true
	}
	if end > cap(g.buf) {
		class := max(bits.Len(uint(end-1)), minClass)
		buf := s.take(class)
		for buf == nil {
			victim := s.oldest
			if victim == i {
				victim = s.slab[i].next
			}
			if victim == none {
				return false
			}
			d.expire(victim)
			buf = s.take(class)
		}
		buf = buf[:copy(buf[:cap(buf)], g.buf)]
		s.give(g.buf)
		g.buf = buf
	}
	g.buf = g.buf[:end]
	return true
}

// take gives a buffer of 2^class bytes, nil if the budget is used up.
func (s *fragments) take(class int) []byte {
	if n := len(s.spare[class]); n > 0 {
		buf := s.spare[class][n-1]
		s.spare[class] = s.spare[class][:n-1]
		return buf
	}
	size := 1 << class
	for c := minClass; c <= maxClass && s.bytes+size > s.maxBytes; c++ {
		for n := len(s.spare[c]); n > 0 && s.bytes+size > s.maxBytes; n-- {
			s.spare[c][n-1] = nil
			s.spare[c] = s.spare[c][:n-1]
			s.bytes -= 1 << c
		}
	}
	if s.bytes+size > s.maxBytes {
		return nil
	}
	s.bytes += size
	return make([]byte, 0, size)
}

// give takes a buffer back.
func (s *fragments) give(buf []byte) {
	if cap(buf) == 0 {
		return
	}
	class := bits.Len(uint(cap(buf) - 1))
	s.spare[class] = append(s.spare[class], buf[:0])
}

// recycle takes back what the last Decode gave out.
func (s *fragments) recycle() {
	for i, buf := range s.done {
		s.give(buf)
		s.done[i] = nil
	}
	s.done = s.done[:0]
}

// expire gives up an unfinished datagram.
func (d *Decoder) expire(i int) {
	d.counters.FragmentsExpired += d.frags.slab[i].held
	d.frags.remove(i)
}

// remove forgets a datagram and takes its buffer back.
func (s *fragments) remove(i int) {
	g := &s.slab[i]
	s.held -= g.held
	s.give(g.buf)
	delete(s.index, g.key)
	if g.prev != none {
		s.slab[g.prev].next = g.next
	} else {
		s.oldest = g.next
	}
	if g.next != none {
		s.slab[g.next].prev = g.prev
	} else {
		s.newest = g.prev
	}
	*g = datagram{}
	s.free = append(s.free, i)
}
