// SPDX-License-Identifier: Apache-2.0

package packet

// IP protocol numbers (IANA) that lead to TCP.
const (
	protoHopByHop = 0
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoDestOpts = 60
	protoEtherIP  = 97
	protoMobility = 135
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
)

// maxExtensions bounds the IPv6 extension headers of one packet.
const maxExtensions = 16

// ipv4 reads an IPv4 header (RFC 791 section 3.1).
func (d *Decoder) ipv4(w *walk) Reason {
	b := w.data
	if len(b) < 20 {
		return w.short(20)
	}
	header := int(b[0]&0x0f) << 2
	total := int(be16(b[2:]))
	if b[0]>>4 != 4 || header < 20 || total < header && total != 0 {
		return Malformed
	}
	d.bound(w, total)
	if len(w.data) < header {
		return w.short(header)
	}
	w.addrs = b[12:20]
	w.skip(header)
	if part := be16(b[6:]); part&0x3fff != 0 {
		f := fragment{id: uint32(be16(b[4:])), proto: b[9], offset: int(part&0x1fff) << 3, more: part&0x2000 != 0}
		if r := d.reassemble(w, &f); r != OK {
			return r
		}
	}
	if b[9] == protoTCP {
		return d.tcp(w)
	}
	return d.transport(w, b[9])
}

// bound ends the packet where its header says. Decode documents what is believed and why.
func (d *Decoder) bound(w *walk, total int) {
	switch {
	case total == 0:
		d.counters.LengthZero++
	case total <= w.wire:
		w.limit(total)
	case w.mirror:
		d.counters.MirrorCut++
		w.wire = total
	default:
		d.counters.LengthOverrun++
	}
}

// ipv6 reads an IPv6 header (RFC 8200 section 3). A payload length of zero stands for a jumbogram
// (RFC 2675) or for a kernel that left it unset; the frame's length serves for both.
func (d *Decoder) ipv6(w *walk) Reason {
	b := w.data
	if len(b) < 40 {
		return w.short(40)
	}
	if b[0]>>4 != 6 {
		return Malformed
	}
	length := int(be16(b[4:]))
	if length != 0 {
		length += 40
	}
	d.bound(w, length)
	w.addrs, w.final = b[8:40], nil
	next := b[6]
	w.skip(40)
	if next == protoTCP {
		return d.tcp(w)
	}
	return d.extensions(w, next)
}

// extensions passes over IPv6 extension headers (RFC 8200 section 4), joining fragments.
func (d *Decoder) extensions(w *walk, next byte) Reason {
	for range maxExtensions {
		b := w.data
		switch next {
		case protoHopByHop, protoRouting, protoFragment, protoAH, protoDestOpts, protoMobility, protoHIP, protoShim6:
		default:
			return d.transport(w, next)
		}
		if len(b) < 8 {
			return w.short(8)
		}
		size := (int(b[1]) + 1) << 3
		switch next {
		case protoFragment:
			size = 8
		case protoAH:
			size = (int(b[1]) + 2) << 2
		}
		if len(b) < size {
			return w.short(size)
		}
		if next == protoRouting {
			w.route(b[:size])
		}
		w.skip(size)
		follows := b[0]
		if next == protoFragment {
			part := be16(b[2:])
			f := fragment{id: be32(b[4:]), proto: b[0], offset: int(part &^ 7), more: part&1 != 0, v6: true}
			if f.offset != 0 || f.more { // else it is whole: an atomic fragment, RFC 6946
				if r := d.reassemble(w, &f); r != OK {
					return r
				}
				follows = f.proto
			}
		}
		next = follows
	}
	return TooDeep
}

// route sets the final destination of a packet that still has way points before it: TCP's
// addresses, and those of the replies, are the final ones (RFC 8200 section 8.1).
func (w *walk) route(b []byte) {
	kind, left := b[2], int(b[3])
	if left == 0 || len(b) < 24 {
		return
	}
	switch kind {
	case 0, 2: // source route (obsolete, RFC 5095); home address of a mobile node, RFC 6275: the last one
		w.final = b[8+(len(b)-8)/16*16-16:]
	case 4: // segment routing, RFC 8754: the list runs backwards
		w.final = b[8:24]
	}
}

// looksIP tells whether b begins an IP packet that its lengths do not contradict. Tunnels told by
// a port or a guess are only followed if it holds.
func looksIP(b []byte, wire int) bool {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		header, total := int(b[0]&0x0f)<<2, int(be16(b[2:]))
		return header >= 20 && (total == 0 || total >= header && total <= wire)
	case len(b) >= 40 && b[0]>>4 == 6:
		return int(be16(b[4:]))+40 <= wire
	}
	return false
}

// looksEthernet tells whether b begins an Ethernet frame that can lead to IP.
func looksEthernet(b []byte, wire int) bool {
	if len(b) < 14 || wire < 14 {
		return false
	}
	switch be16(b[12:]) {
	case etherIPv4, etherIPv6:
		return len(b) > 14 && (b[14]>>4 == 4 || b[14]>>4 == 6)
	case etherVLAN, etherService, etherQinQ, etherQinQ2, etherPPPoE, etherMPLS, etherVNTag, etherRTag, etherCMD, etherETag,
		etherTTag:
		return true
	}
	return false
}
