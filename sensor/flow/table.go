// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/binary"
	"math/bits"

	"github.com/weir-project/weir/sensor/packet"
)

// key names a flow, the same for both directions: its lower end first.
type key struct {
	lo, hi [2]uint64 // addresses as 16 bytes, big endian
	ports  uint32    // lo's port << 16 | hi's port
	vlan   uint32
	tunnel uint32
}

// isIPv4 keeps an IPv4 address and the IPv6 address that maps it apart; VLAN ids need 24 bits.
const isIPv4 = 1 << 31

// keyOf makes the key of a segment and says whether its source is the lower end. It fails where
// both ends are the same.
func (t *Tracker) keyOf(s *packet.Segment) (k key, srcLow, ok bool) {
	src, dst := s.Src.Addr().As16(), s.Dst.Addr().As16()
	s0, s1 := binary.BigEndian.Uint64(src[:8]), binary.BigEndian.Uint64(src[8:])
	d0, d1 := binary.BigEndian.Uint64(dst[:8]), binary.BigEndian.Uint64(dst[8:])
	sp, dp := uint32(s.Src.Port()), uint32(s.Dst.Port())
	switch {
	case s0 != d0:
		srcLow = s0 < d0
	case s1 != d1:
		srcLow = s1 < d1
	case sp != dp:
		srcLow = sp < dp
	default:
		return k, false, false
	}
	if srcLow {
		k.lo, k.hi, k.ports = [2]uint64{s0, s1}, [2]uint64{d0, d1}, sp<<16|dp
	} else {
		k.lo, k.hi, k.ports = [2]uint64{d0, d1}, [2]uint64{s0, s1}, dp<<16|sp
	}
	if !t.cfg.IgnoreVLAN {
		k.vlan = s.VLAN &^ isIPv4
	}
	if !t.cfg.IgnoreTunnel {
		k.tunnel = s.Tunnel
	}
	if s.Src.Addr().Is4() {
		k.vlan |= isIPv4
	}
	return k, srcLow, true
}

// hash mixes a key under a secret seed, so that nobody can aim at one slot (the multiply-and-fold
// of wyhash).
func (k *key) hash(seed uint64) uint32 {
	h := fold(k.lo[0]^seed, k.lo[1]^0xa0761d6478bd642f)
	h = fold(k.hi[0]^h, k.hi[1]^0xe7037ed1a0b428db)
	h = fold(h^uint64(k.ports)<<32^uint64(k.vlan), uint64(k.tunnel)^seed^0x8ebc6af09c88c6e3)
	return uint32(h ^ h>>32)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// A ref names a connection or a stub in its slab: (index+1) << 1, the lowest bit says which. 0 is none.
const stubBit = 1

// slot is one place of the table. The key itself lies with what ref names, which is read next anyway.
type slot struct{ hash, ref uint32 }

// table finds refs by key: open addressing, linear probing, deletion by shifting back, so that churn
// neither leaves tombstones nor allocates.
type table struct {
	slots []slot
	n     int
}

func (tb *table) init() { tb.slots = make([]slot, 1024) }

// lookup gives the ref of a key, 0 if none.
func (t *Tracker) lookup(h uint32, k *key) uint32 {
	mask := uint32(len(t.table.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.table.slots[i&mask]
		if s.ref == 0 {
			return 0
		}
		if s.hash == h {
			found := t.keyAt(s.ref)
			if *found == *k {
				return s.ref
			}
			if a := t.aliasAt(s.ref); a.on && a.key(found) == *k {
				return s.ref
			}
		}
	}
}

func (t *Tracker) keyAt(ref uint32) *key {
	if ref&stubBit != 0 {
		return &t.stubs.at(ref).key
	}
	return &t.conns.at(ref).key
}

// insert adds a ref whose key is not in the table.
func (tb *table) insert(h, ref uint32) {
	if tb.n*4 >= len(tb.slots)*3 {
		old := tb.slots
		tb.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.ref != 0 {
				tb.put(s)
			}
		}
	}
	tb.put(slot{h, ref})
	tb.n++
}

func (tb *table) put(s slot) {
	mask := uint32(len(tb.slots) - 1)
	i := s.hash & mask
	for tb.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	tb.slots[i] = s
}

// find gives the place of a ref that is in the table, under the hash of one of its keys.
func (tb *table) find(h, ref uint32) uint32 {
	mask := uint32(len(tb.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch tb.slots[i] {
		case slot{h, ref}:
			return i
		case slot{}:
			panic("BUG: flow table lost an entry")
		}
	}
}

// replace puts another ref in a ref's place.
func (tb *table) replace(h, old, ref uint32) { tb.slots[tb.find(h, old)].ref = ref }

// remove takes a ref out and moves what was probed past it back.
func (tb *table) remove(h, ref uint32) {
	mask := uint32(len(tb.slots) - 1)
	hole := tb.find(h, ref)
	for i := (hole + 1) & mask; tb.slots[i].ref != 0; i = (i + 1) & mask {
		if home := tb.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			tb.slots[hole] = tb.slots[i]
			hole = i
		}
	}
	tb.slots[hole] = slot{}
	tb.n--
}
