// SPDX-License-Identifier: Apache-2.0

package packet

import "encoding/binary"

// EtherTypes (IEEE 802 numbers at IANA) that lead to IP.
const (
	etherIPv4     = 0x0800
	etherBridged  = 0x6558 // Ethernet inside GRE or Geneve
	etherVLAN     = 0x8100
	etherIPv6     = 0x86dd
	etherMPLS     = 0x8847
	etherMPLSUp   = 0x8848 // upstream-assigned label
	etherPPPoE    = 0x8864
	etherPPP      = 0x880b
	etherCMD      = 0x8909 // Cisco metadata (security group tag)
	etherTTag     = 0x8988 // Cisco timestamp, left in what a fabric mirrors on its way out
	etherRTag     = 0xf1c1 // IEEE 802.1CB
	etherService  = 0x88a8 // IEEE 802.1ad
	etherERSPAN   = 0x88be // types I and II
	etherERSPAN3  = 0x22eb
	etherVNTag    = 0x8926
	etherETag     = 0x893f // IEEE 802.1BR
	etherQinQ     = 0x9100 // QinQ before it was a standard
	etherQinQ2    = 0x9200
	etherMinimum  = 0x0600 // below, the field is an IEEE 802.3 length
	maxTags       = 8      // tags one Ethernet header may have
	maxMPLSLabels = 16
)

// link dispatches on what the frame begins with.
func (d *Decoder) link(w *walk, link LinkType) Reason {
	switch link {
	case LinkEthernet:
		return d.ethernet(w)
	case LinkRaw, LinkRawBSD, LinkRawOpenBSD, LinkIPv4, LinkIPv6:
		return d.raw(w)
	case LinkNull, LinkLoop:
		return d.null(w)
	case LinkSLL:
		return d.sll(w)
	case LinkSLL2:
		return d.sll2(w)
	case LinkPPP, LinkPPPHDLC:
		return d.ppp(w)
	case LinkCHDLC:
		return d.chdlc(w)
	case LinkNFLOG:
		return d.nflog(w)
	}
	return UnknownLink
}

func (d *Decoder) ethernet(w *walk) Reason {
	if len(w.data) < 14 {
		return w.short(14)
	}
	kind := be16(w.data[12:])
	w.skip(14)
	return d.network(w, kind)
}

// network follows an EtherType through tags to IP.
func (d *Decoder) network(w *walk, kind uint16) Reason {
	for range maxTags {
		var n int // length of a tag, its following EtherType included
		switch kind {
		case etherIPv4:
			return d.ipv4(w)
		case etherIPv6:
			return d.ipv6(w)
		case etherVLAN, etherService, etherQinQ, etherQinQ2:
			n = 4
		case etherVNTag, etherRTag:
			n = 6
		case etherCMD, etherETag, etherTTag:
			n = 8
		default:
			return d.other(w, kind)
		}
		if len(w.data) < n {
			return w.short(n)
		}
		if n == 4 {
			w.tag(be16(w.data))
		}
		kind = be16(w.data[n-2:])
		w.skip(n)
	}
	return TooDeep
}

// other follows the EtherTypes that are neither IP nor a tag.
func (d *Decoder) other(w *walk, kind uint16) Reason {
	switch {
	case kind == etherMPLS || kind == etherMPLSUp:
		return d.mpls(w)
	case kind == etherPPPoE:
		return d.pppoe(w)
	case kind < etherMinimum:
		w.limit(int(kind))
		return d.llc(w)
	}
	return NotIP
}

// llc reads IEEE 802.2: SNAP (RFC 1042), or IP's own service access point.
func (d *Decoder) llc(w *walk) Reason {
	if len(w.data) < 3 {
		return w.short(3)
	}
	switch {
	case w.data[0] == 0x06 && w.data[1] == 0x06 && w.data[2] == 0x03:
		w.skip(3)
		return d.ipv4(w)
	case w.data[0] != 0xaa || w.data[1] != 0xaa || w.data[2] != 0x03:
		return NotIP
	case len(w.data) < 8:
		return w.short(8)
	}
	kind := be16(w.data[6:])
	if kind < etherMinimum || w.data[3] != 0 || w.data[4] != 0 || w.data[5]&^0xf8 != 0 {
		return NotIP // an organisation's own protocol
	}
	w.skip(8)
	return d.network(w, kind)
}

// raw reads IP without a link header: the version is in the first four bits.
func (d *Decoder) raw(w *walk) Reason {
	if len(w.data) == 0 {
		return w.short(1)
	}
	switch w.data[0] >> 4 {
	case 4:
		return d.ipv4(w)
	case 6:
		return d.ipv6(w)
	}
	return Malformed
}

// null reads the address family of BSD loopback, in whichever byte order it was written, and
// lets the IP version decide where the systems disagree about the number of AF_INET6.
func (d *Decoder) null(w *walk) Reason {
	if len(w.data) < 4 {
		return w.short(4)
	}
	family := binary.LittleEndian.Uint32(w.data)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(w.data)
	}
	w.skip(4)
	switch family {
	case 2:
		return d.ipv4(w)
	case 10, 23, 24, 26, 28, 30: // Linux, Windows, NetBSD and OpenBSD, Solaris, FreeBSD, Darwin
		return d.ipv6(w)
	}
	return NotIP
}

// packetOutgoing is how both cooked captures name a packet that this host sent.
const packetOutgoing = 4

// sll reads Linux cooked capture: packet type, device type, address length and address, protocol.
func (d *Decoder) sll(w *walk) Reason {
	if len(w.data) < 16 {
		return w.short(16)
	}
	w.outgoing = be16(w.data) == packetOutgoing
	kind := be16(w.data[14:])
	w.skip(16)
	return d.cooked(w, kind)
}

// sll2 reads Linux cooked capture v2: protocol first, then interface index and packet type.
func (d *Decoder) sll2(w *walk) Reason {
	if len(w.data) < 20 {
		return w.short(20)
	}
	kind := be16(w.data)
	w.outgoing = w.data[10] == packetOutgoing
	w.skip(20)
	return d.cooked(w, kind)
}

// cooked follows the protocol of a cooked capture: an EtherType, or 4 for IEEE 802.2.
func (d *Decoder) cooked(w *walk, kind uint16) Reason {
	switch {
	case kind == 4:
		return d.llc(w)
	case kind < etherMinimum:
		return NotIP
	}
	return d.network(w, kind)
}

// ppp reads a PPP header (RFC 1661, 1662): address and control may be there, the protocol may be
// one byte. On serial lines Cisco HDLC is told by its first byte.
func (d *Decoder) ppp(w *walk) Reason {
	b := w.data
	if len(b) < 4 {
		return w.short(4)
	}
	if (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0 {
		return d.chdlc(w)
	}
	if b[0] == 0xff && b[1] == 0x03 {
		w.skip(2)
		b = w.data
	}
	protocol := uint16(b[0])
	n := 1
	if b[0]&1 == 0 {
		protocol, n = be16(b), 2
	}
	w.skip(n)
	switch protocol {
	case 0x0021:
		return d.ipv4(w)
	case 0x0057:
		return d.ipv6(w)
	case 0x0281:
		return d.mpls(w)
	}
	return NotIP
}

func (d *Decoder) chdlc(w *walk) Reason {
	if len(w.data) < 4 {
		return w.short(4)
	}
	kind := be16(w.data[2:])
	w.skip(4)
	return d.cooked(w, kind)
}

// pppoe reads a PPPoE session header (RFC 2516 section 4).
func (d *Decoder) pppoe(w *walk) Reason {
	if len(w.data) < 6 {
		return w.short(6)
	}
	if w.data[0] != 0x11 || w.data[1] != 0 {
		return NotIP
	}
	length := int(be16(w.data[4:]))
	w.skip(6)
	w.limit(length)
	return d.ppp(w)
}

// mpls passes over the label stack (RFC 3032) and guesses what is below, as routers do: IP by its
// version, else Ethernet with or without a control word (RFC 4448) if it holds water.
func (d *Decoder) mpls(w *walk) Reason {
	for bottom, labels := false, 0; !bottom; labels++ {
		if labels == maxMPLSLabels {
			return TooDeep
		}
		if len(w.data) < 4 {
			return w.short(4)
		}
		bottom = w.data[2]&1 != 0
		w.skip(4)
	}
	switch {
	case looksIP(w.data, w.wire):
		return d.raw(w)
	case len(w.data) < 19 && w.wire >= 19:
		return Truncated // too little to tell
	case len(w.data) >= 4 && w.data[0]>>4 == 0 && looksEthernet(w.data[4:], w.wire-4):
		w.skip(4)
	case looksEthernet(w.data, w.wire):
	case len(w.data) > 0 && w.data[0]>>4 != 4 && w.data[0]>>4 != 6:
		return NotIP
	default:
		return d.raw(w)
	}
	if r := d.enter(w); r != OK {
		return r
	}
	return d.ethernet(w)
}

// nflog reads netfilter log messages: a header of 4 bytes, then attributes of length and type in
// the writer's byte order. Attribute 9 is the packet.
func (d *Decoder) nflog(w *walk) Reason {
	if len(w.data) < 4 {
		return w.short(4)
	}
	w.skip(4)
	for len(w.data) >= 4 {
		length, kind := binary.LittleEndian.Uint16(w.data), binary.LittleEndian.Uint16(w.data[2:])
		if kind&0x7fff > 0xff { // no such attribute: the writer was big-endian
			length, kind = be16(w.data), be16(w.data[2:])
		}
		if length < 4 {
			return Malformed
		}
		if kind&0x7fff == 9 {
			w.limit(int(length))
			w.skip(4)
			return d.raw(w)
		}
		step := (int(length) + 3) &^ 3
		if step > len(w.data) {
			return w.short(step + 1)
		}
		w.skip(step)
	}
	if w.wire > len(w.data) {
		return Truncated
	}
	return NotIP
}
