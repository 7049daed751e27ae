// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"net/netip"
)

// The link types that are written, by their numbers in the LINKTYPE_ registry.
const (
	linkNull     = 0
	linkEthernet = 1
	linkRawBSD   = 12
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// Numbers of protocols, and of what a frame carries.
const (
	protoTCP    = 6
	protoUDP    = 17
	typeIPv4    = 0x0800
	typeVLAN    = 0x8100
	typeIPv6    = 0x86dd
	typeQinQ    = 0x88a8
	typeMPLS    = 0x8847
	typePPPoE   = 0x8864
	typeTransEB = 0x6558
)

func cat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func u16(v int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// sum is the Internet checksum of RFC 1071.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s>>16 > 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// pseudo is the pseudo header of RFC 9293 section 3.1 and RFC 8200 section 8.1.
func pseudo(src, dst netip.Addr, proto byte, n int) []byte {
	return cat(src.AsSlice(), dst.AsSlice(), u32(uint32(n)), []byte{0, 0, 0, proto})
}

// tcp is one segment; a SYN says what a usual host says in its options.
func tcp(src, dst netip.AddrPort, seq, ack uint32, flags byte, data string) []byte {
	options := []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1} // NOP, NOP, timestamps
	if flags&flagSYN != 0 {
		options = []byte{2, 4, 0x05, 0xb4, 1, 3, 3, 7} // MSS 1460, window scale 7
	}
	s := cat(u16(int(src.Port())), u16(int(dst.Port())), u32(seq), u32(ack), []byte{byte(20+len(options)) << 2, flags}, u16(64000), u16(0), u16(0), options, []byte(data))
	binary.BigEndian.PutUint16(s[16:], sum(cat(pseudo(src.Addr(), dst.Addr(), protoTCP, len(s)), s)))
	return s
}

func udp(src, dst netip.AddrPort, data []byte) []byte {
	return cat(u16(int(src.Port())), u16(int(dst.Port())), u16(8+len(data)), u16(0), data)
}

// datagram puts inner into IPv4 or IPv6, as the addresses are.
func (p *tape) datagram(src, dst netip.Addr, proto byte, inner []byte) []byte {
	if src.Is6() {
		return ip6(src, dst, proto, inner)
	}
	p.ipID++
	return ip4(src, dst, p.ipID, 0x4000, proto, nil, inner)
}

// ip4 writes a header with the given identification, and flags with fragment offset.
func ip4(src, dst netip.Addr, id uint16, frag int, proto byte, options, inner []byte) []byte {
	h := cat([]byte{0x45 + byte(len(options)/4), 0}, u16(20+len(options)+len(inner)), u16(int(id)), u16(frag), []byte{64, proto, 0, 0}, src.AsSlice(), dst.AsSlice(), options)
	binary.BigEndian.PutUint16(h[10:], sum(h))
	return cat(h, inner)
}

func ip6(src, dst netip.Addr, next byte, inner []byte) []byte {
	return cat([]byte{0x60, 0, 0, 0}, u16(len(inner)), []byte{next, 64}, src.AsSlice(), dst.AsSlice(), inner)
}

func etherType(datagram []byte) int {
	if datagram[0]>>4 == 6 {
		return typeIPv6
	}
	return typeIPv4
}

// macs are the addresses of a frame, from a host whose last byte is that of its IP address.
func macs(from netip.AddrPort) []byte {
	a := from.Addr().AsSlice()
	return []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, a[len(a)-1]}
}

// ethernet is a frame with a datagram, padded to the 60 bytes that Ethernet asks for.
func ethernet(from netip.AddrPort, datagram []byte) []byte {
	return etherFrame(from, etherType(datagram), datagram)
}

func etherFrame(from netip.AddrPort, kind int, payload []byte) []byte {
	f := cat(macs(from), u16(kind), payload)
	for len(f) < 60 {
		f = append(f, 0)
	}
	return f
}

// tag is what follows the type of a VLAN or QinQ frame.
func tag(id, kind int, inner []byte) []byte { return cat(u16(id), u16(kind), inner) }
