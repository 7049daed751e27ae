// SPDX-License-Identifier: Apache-2.0

package legs

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/weir-project/weir/sensor/exchange"
)

// role is what an exchange may be, by the hosts at its ends.
type role uint8

const (
	stranger role = iota
	noLeg         // neither end was ever seen in the other role
	unsure        // an end is new here: nobody knows what else it does
	mayBe         // its client is a server of others, or its server a client of others
)

// hosts remembers which hosts serve, and which ask. A host is told by a hash: two that are taken
// for one cost a wait, no more, since legs are compared by their addresses.
//
// An entry is one word, so that no lock is needed; what two writers lose is learnt again. A line of
// eight entries is a cache line. Clients, whose number anybody can drive up, never push out a server.
//
//	| tag 30 bits | first seen, in units of 2^28 ns, 32 bits | asks 1 | serves 1 |
type hosts struct {
	lines []line
	seed  uint64
	young uint32 // units of 2^28 ns for which a host counts as new
	local atomic.Pointer[locals]
}

const (
	entries = 8
	lineNum = 1024

	serves, asks = 1, 2
	seenShift    = 2
	tagShift     = 34
	unitShift    = 28
)

type line [entries]atomic.Uint64

// locals are the hashes and the addresses of the local host, an open table of a power of two slots.
type locals struct {
	hashes []uint64
	addrs  map[netip.Addr]bool
}

// here stands for the local host.
var here = netip.IPv6LinkLocalAllNodes()

func (h *hosts) init(seed uint64, hold int64) {
	h.lines, h.seed = make([]line, lineNum), seed
	h.young = uint32(min(hold>>unitShift, 1<<30)) + 1
}

// setLocal replaces the local host's addresses.
func (h *hosts) setLocal(addrs []netip.Addr) {
	size := 8
	for size < 4*len(addrs) {
		size *= 2
	}
	l := &locals{hashes: make([]uint64, size), addrs: map[netip.Addr]bool{}}
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		l.addrs[a] = true
		k := h.hash(a)
		i := int(k>>1) & (size - 1)
		for ; l.hashes[i] != 0; i = (i + 1) & (size - 1) {
		}
		l.hashes[i] = k
	}
	h.local.Store(l)
}

// hostOf gives the address that stands for an address's host.
func (h *hosts) hostOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.IsLoopback() || h.local.Load().addrs[a] {
		return here
	}
	return a
}

// localKey is the key of the local host; hash gives no other even number.
const localKey = 2

// hash gives an odd number, and localKey for loopback: 127.0.0.0/8, also IPv4-mapped, and ::1.
func (h *hosts) hash(a netip.Addr) uint64 {
	var x, y uint64
	if a.Is4() {
		b := a.As4()
		y = 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	} else {
		b := a.As16()
		x, y = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	}
	if x == 0 && (y>>24 == 0xffff7f || y == 1) {
		return localKey
	}
	x = (x ^ h.seed) * 0x9E3779B97F4A7C15
	x = (x ^ x>>32 ^ y) * 0xD6E8FEB86659FD93
	return (x ^ x>>29) | 1
}

// key is the hash of an address's host.
func (h *hosts) key(a netip.Addr, l *locals) uint64 {
	k := h.hash(a)
	mask := len(l.hashes) - 1
	for i := int(k>>1) & mask; l.hashes[i] != 0; i = (i + 1) & mask {
		if l.hashes[i] == k {
			return localKey
		}
	}
	return k
}

// meet learns the ends of an exchange, and says what it may be.
func (h *hosts) meet(x *exchange.Exchange) role {
	now := uint32(x.PartEnd >> unitShift)
	l := h.local.Load()
	client := h.note(h.key(x.Client.Addr(), l), asks, now)
	server := h.note(h.key(x.Server.Addr(), l), serves, now)
	switch {
	case client&serves != 0 || server&asks != 0:
		return mayBe
	case h.isYoung(client, now) || h.isYoung(server, now):
		return unsure
	}
	return noLeg
}

func (h *hosts) isYoung(entry uint64, now uint32) bool {
	return now-uint32(entry>>seenShift) <= h.young
}

// note adds what a host does to its entry, and gives the entry.
func (h *hosts) note(key, does uint64, now uint32) uint64 {
	l := &h.lines[(key>>1)&(lineNum-1)]
	tag := key >> tagShift
	for i := range l {
		e := l[i].Load()
		if e == 0 || e>>tagShift != tag {
			continue
		}
		if e&does == 0 {
			e |= does
			l[i].Store(e)
		}
		return e
	}
	return h.enter(l, tag, does, now)
}

// enter puts a host that is new in the place of none, or of the oldest that only asks, or of the
// oldest.
func (h *hosts) enter(l *line, tag, does uint64, now uint32) uint64 {
	fresh := tag<<tagShift | uint64(now)<<seenShift | does
	at, atServes, age := 0, true, uint32(0)
	for i := range l {
		e := l[i].Load()
		if e == 0 {
			at, atServes = i, false
			break
		}
		server, old := e&serves != 0, now-uint32(e>>seenShift)
		if server && !atServes {
			continue
		}
		if !server && atServes || old >= age {
			at, atServes, age = i, server, old
		}
	}
	if does == asks && atServes { // all of them serve
		return fresh
	}
	l[at].Store(fresh)
	return fresh
}
