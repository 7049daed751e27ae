// SPDX-License-Identifier: Apache-2.0

package packet

// UDP ports (IANA; 8472 is the Linux kernel's own choice) of the tunnels weir looks into.
const (
	portGTPU        = 2152
	portTeredo      = 3544
	portVXLAN       = 4789
	portVXLANGPE    = 4790
	portGeneve      = 6081
	portVXLANKernel = 8472
)

// enter counts one encapsulation and forgets the outer VLANs: they belong to the network that
// carries the tunnel, and the two directions need not share them.
func (d *Decoder) enter(w *walk) Reason {
	if w.depth == d.depth {
		return TooDeep
	}
	w.depth++
	w.vlan, w.tags = 0, 0
	return OK
}

// transport follows what an IP header carries.
func (d *Decoder) transport(w *walk, proto byte) Reason {
	switch proto {
	case protoTCP:
		return d.tcp(w)
	case protoUDP:
		return d.udp(w)
	case protoIPv4, protoIPv6, protoGRE, protoEtherIP, protoMPLS:
	default:
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	switch proto {
	case protoIPv4:
		return d.ipv4(w)
	case protoIPv6:
		return d.ipv6(w)
	case protoMPLS:
		return d.mpls(w)
	case protoEtherIP: // RFC 3378: version 3 and twelve zero bits
		if len(w.data) < 2 {
			return w.short(2)
		}
		if be16(w.data) != 0x3000 {
			return NotTCP
		}
		w.skip(2)
		return d.ethernet(w)
	}
	return d.gre(w)
}

// GRE header bits, RFC 2784, 2890, for source routes RFC 1701 and, for version 1, RFC 2637.
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080
	greVersion  = 0x0007
)

// gre reads GRE and, by its protocol, IP, Ethernet, MPLS, ERSPAN or PPTP's PPP in it.
func (d *Decoder) gre(w *walk) Reason {
	if len(w.data) < 4 {
		return w.short(4)
	}
	bits, kind := be16(w.data), be16(w.data[2:])
	version := bits & greVersion
	if version > 1 || version == 1 && (kind != etherPPP || bits&greRouting != 0) {
		return NotTCP
	}
	n := 4
	if bits&(greChecksum|greRouting) != 0 {
		n += 4
	}
	key := n
	if bits&greKey != 0 {
		n += 4
	}
	if bits&greSequence != 0 {
		n += 4
	}
	if version == 1 && bits&greAck != 0 {
		n += 4
	}
	if bits&greRouting != 0 {
		n = routed(w.data, n)
	}
	if len(w.data) < n {
		return w.short(n)
	}
	if bits&greKey != 0 && version == 0 { // version 1 keeps a call id there, one per direction
		w.tunnel = greID(be32(w.data[key:]), kind)
	}
	w.skip(n)
	switch kind {
	case etherPPP:
		return d.ppp(w)
	case etherBridged:
		w.mirror = true
		return d.ethernet(w)
	case etherERSPAN, etherERSPAN3:
		return d.erspan(w, kind, bits&greSequence != 0)
	}
	if kind < etherMinimum {
		return NotTCP
	}
	return d.network(w, kind)
}

// routed gives where the source routes of a GRE header end that begin at n: each has a family, an offset and a length, the
// last one is empty (RFC 1701).
func routed(b []byte, n int) int {
	for len(b) >= n+4 {
		length := int(b[n+3])
		if n += 4 + length; length == 0 {
			return n
		}
	}
	return n + 4
}

// greID gives the tunnel's id in a GRE key. NVGRE (RFC 7637) keeps a hash of the flow in the low 8
// bits, which would set the two directions of a connection apart; its ids start at 0x1000.
func greID(key uint32, kind uint16) uint32 {
	if kind == etherBridged && key >= 0x1000<<8 {
		return key >> 8
	}
	return key
}

// erspan reads a mirrored frame: type I has no header of its own and no GRE sequence number, type
// II has 8 bytes, type III 12 and maybe 8 more (draft-foschiano-erspan-03 section 4).
func (d *Decoder) erspan(w *walk, kind uint16, sequence bool) Reason {
	w.mirror = true
	if kind == etherERSPAN && !sequence {
		return d.ethernet(w)
	}
	n, version := 8, byte(1)
	if kind == etherERSPAN3 {
		n, version = 12, 2
	}
	if len(w.data) < n {
		return w.short(n)
	}
	b := w.data
	if b[0]>>4 != version {
		return NotTCP
	}
	w.tunnel = uint32(be16(b[2:]) & 0x03ff)
	if version == 2 && b[11]&1 != 0 {
		n += 8
	}
	if len(b) < n {
		return w.short(n)
	}
	w.skip(n)
	if version == 2 && b[10]>>2&0x1f == 2 { // frame type: IP, not Ethernet
		return d.raw(w)
	}
	return d.ethernet(w)
}

// udp looks for a tunnel in a datagram. A port is a hint and no more: unless tunnel header and
// inner headers all hold water, it is a UDP packet like any other.
func (d *Decoder) udp(w *walk) Reason {
	if len(w.data) < 16 {
		return NotTCP
	}
	src, dst := be16(w.data), be16(w.data[2:])
	length := int(be16(w.data[4:]))
	if length >= 8 {
		w.limit(length)
	}
	if len(w.data) < 16 {
		return NotTCP
	}
	w.skip(8)
	r := NotTCP
	switch {
	case dst == portVXLAN || dst == portVXLANKernel:
		r = d.vxlan(w)
	case dst == portVXLANGPE:
		r = d.gpe(w)
	case dst == portGeneve:
		r = d.geneve(w)
	case dst == portGTPU || src == portGTPU:
		r = d.gtpu(w)
	case dst == portTeredo || src == portTeredo:
		r = d.teredo(w)
	}
	if r == NotIP || r == Malformed {
		return NotTCP
	}
	return r
}

// vxlan reads VXLAN (RFC 7348 section 5). Its reserved fields are to be ignored, and extensions use
// them; but where they are not zero the inner packet must not even be cut.
func (d *Decoder) vxlan(w *walk) Reason {
	b := w.data
	const flagVNI = 0x08
	if b[0]&flagVNI == 0 || !looksEthernet(b[8:], w.wire-8) {
		return NotTCP
	}
	if reserved := b[0]&^flagVNI | b[1] | b[2] | b[3] | b[7]; reserved != 0 &&
		!(len(b) > 22 && (be16(b[20:]) == etherVLAN || looksIP(b[22:], w.wire-22))) {
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	w.mirror = true
	w.tunnel = be32(b[4:]) >> 8
	w.skip(8)
	return d.ethernet(w)
}

// gpe reads VXLAN with the generic protocol extension (draft-ietf-nvo3-vxlan-gpe section 3), and a service header
// in it (RFC 8300 section 2).
func (d *Decoder) gpe(w *walk) Reason {
	b := w.data
	const flagVNI, flagProtocol, flagOAM, version, ip4, ip6, ethernet, service = 0x08, 0x04, 0x01, 0x30, 1, 2, 3, 4
	if b[0]&(flagVNI|flagOAM|version) != flagVNI || b[1]|b[2]|b[7] != 0 {
		return NotTCP
	}
	n, next := 8, byte(ethernet)
	if b[0]&flagProtocol != 0 {
		next = b[3]
	}
	if next == service && len(b) >= 12 {
		n += int(b[9]&0x3f) << 2
		next = b[11]
	}
	switch {
	case n > len(b):
		return NotTCP
	case next == ethernet && looksEthernet(b[n:], w.wire-n):
	case (next == ip4 || next == ip6) && len(b) > n && (b[n]>>4 == 4 || b[n]>>4 == 6):
	default:
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	w.mirror = true
	w.tunnel = be32(b[4:]) >> 8
	w.skip(n)
	if next == ethernet {
		return d.ethernet(w)
	}
	return d.raw(w)
}

// geneve reads Geneve (RFC 8926 section 3.4); control packets (O) carry no traffic.
func (d *Decoder) geneve(w *walk) Reason {
	b := w.data
	n := 8 + int(b[0]&0x3f)<<2
	if b[0]>>6 != 0 || b[1]&^0x40 != 0 || b[7] != 0 || len(b) < n {
		return NotTCP
	}
	kind := be16(b[2:])
	tunnel := be32(b[4:]) >> 8
	switch {
	case kind == etherBridged && looksEthernet(b[n:], w.wire-n):
	case (kind == etherIPv4 || kind == etherIPv6) && len(b) > n && (b[n]>>4 == 4 || b[n]>>4 == 6):
	default:
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	w.mirror = true
	w.tunnel = tunnel
	w.skip(n)
	if kind == etherBridged {
		return d.ethernet(w)
	}
	return d.raw(w)
}

// gtpu reads a GTP-U user packet (3GPP TS 29.281 section 5). Its tunnel id is not taken: each
// direction has one of its own, and the flow would fall in two.
func (d *Decoder) gtpu(w *walk) Reason {
	b := w.data
	const flagsVersion1, typeUser = 0x30, 0xff
	if b[0]&0xf8 != flagsVersion1 || b[1] != typeUser || int(be16(b[2:]))+8 > w.wire {
		return NotTCP
	}
	n := 8
	if b[0]&0x07 != 0 {
		n = 12
		if len(b) < n {
			return NotTCP
		}
		next := b[11]
		if b[0]&0x04 == 0 {
			next = 0
		}
		for next != 0 { // each one has at least 4 bytes, so that this ends
			if len(b) <= n || b[n] == 0 || len(b) < n+int(b[n])<<2 {
				return NotTCP
			}
			n += int(b[n]) << 2
			next = b[n-1]
		}
	}
	w.limit(int(be16(b[2:])) + 8)
	if len(w.data) < n || !looksIP(w.data[n:], w.wire-n) {
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	w.skip(n)
	return d.raw(w)
}

// teredo reads IPv6 in UDP with its optional indications (RFC 4380 section 5.1.1).
func (d *Decoder) teredo(w *walk) Reason {
	if b := w.data; b[0] == 0 && b[1] == 1 { // authentication
		n := 13 + int(b[2]) + int(b[3])
		if len(b) < n {
			return NotTCP
		}
		w.skip(n)
	}
	if b := w.data; len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin
		w.skip(8)
	}
	b := w.data
	if len(b) < 40 || b[0]>>4 != 6 || !looksIP(b, w.wire) {
		return NotTCP
	}
	if r := d.enter(w); r != OK {
		return r
	}
	return d.ipv6(w)
}
