// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-project/weir/sensor/packet"
)

// The builders write one header each, with right lengths, in front of what it carries.

func cat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func u16(v int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func eth(kind int, inner []byte) []byte {
	return cat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(kind), inner)
}

func tag(id, kind int, inner []byte) []byte { return cat(u16(id), u16(kind), inner) }

var (
	v4a, v4b = netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.7")
	v6a, v6b = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::2")
)

func ip4(proto byte, inner []byte) []byte { return ip4opt(proto, nil, inner) }

func ip4opt(proto byte, options, inner []byte) []byte {
	h := []byte{0x45 + byte(len(options)/4), 0}
	h = cat(h, u16(20+len(options)+len(inner)), []byte{0, 9, 0, 0, 64, proto, 0, 0}, v4a.AsSlice(), v4b.AsSlice(), options)
	return cat(h, inner)
}

// ip4frag is part [from, to) of a datagram.
func ip4frag(id int, proto byte, whole []byte, from, to int) []byte {
	p := ip4(proto, whole[from:to])
	copy(p[4:], u16(id))
	bits := from / 8
	if to < len(whole) {
		bits |= 0x2000
	}
	copy(p[6:], u16(bits))
	return p
}

func ip6(next byte, inner []byte) []byte {
	return cat([]byte{0x60, 0, 0, 0}, u16(len(inner)), []byte{next, 64}, v6a.AsSlice(), v6b.AsSlice(), inner)
}

func ip6frag(id uint32, next byte, whole []byte, from, to int) []byte {
	bits := from
	if to < len(whole) {
		bits |= 1
	}
	return ip6(44, cat([]byte{next, 0}, u16(bits), u32(id), whole[from:to]))
}

func udp(src, dst int, inner []byte) []byte {
	return cat(u16(src), u16(dst), u16(8+len(inner)), []byte{0, 0}, inner)
}

func gre(bits, kind int, rest ...[]byte) []byte { return cat(u16(bits), u16(kind), cat(rest...)) }

func tcpSegment(options int, payload []byte) []byte {
	h := cat(u16(43210), u16(80), u32(0xfffffff0), u32(77), []byte{byte(20+options) << 2, 0x18}, u16(502), []byte{0, 0, 0, 0})
	return cat(h, make([]byte, options), payload)
}

// stack is a frame whose TCP segment is known.
type stack struct {
	name   string
	link   packet.LinkType
	data   []byte
	v6     bool
	vlan   uint32
	tunnel uint32
	guess  bool // inside UDP: cut headers are not told from another protocol
}

const (
	tEth  = packet.LinkEthernet
	trail = 12 // TCP options of the segment in stacks
)

var hello = []byte("GET /customers/17 HTTP/1.1\r\nHost: shop.example\r\n\r\n")

func stacks() []stack {
	seg := tcpSegment(trail, hello)
	p4, p6 := ip4(6, seg), ip6(6, seg)
	e4 := eth(0x0800, p4)
	snap := cat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(0x0800), p4)
	ext := func(next byte, size int) []byte { return cat([]byte{next, byte(size/8 - 1)}, make([]byte, size-2)) }
	ext6 := ip6(0, cat(ext(60, 8), ext(43, 8), ext(51, 16), cat([]byte{135, 2}, make([]byte, 14)), ext(6, 8), seg))
	srh := cat([]byte{6, 4, 4, 1, 1, 0, 0, 0}, v6b.AsSlice(), v6a.AsSlice())
	routed := ip6(43, cat(srh, seg))
	copy(routed[24:], netip.MustParseAddr("2001:db8:ffff::9").AsSlice())
	vni := []byte{0, 0, 0x2a, 0}
	return []stack{
		{name: "ethernet", link: tEth, data: e4},
		{name: "ethernet6", link: tEth, data: eth(0x86dd, p6), v6: true},
		{name: "padded", link: tEth, data: cat(e4, make([]byte, 18))},
		{name: "ip options", link: tEth, data: eth(0x0800, ip4opt(6, make([]byte, 12), seg))},
		{name: "vlan", link: tEth, data: eth(0x8100, tag(0x6005, 0x0800, p4)), vlan: 5},
		{name: "priority tag", link: tEth, data: eth(0x8100, tag(0x6000, 0x0800, p4))},
		{name: "qinq", link: tEth, data: eth(0x88a8, tag(7, 0x8100, tag(9, 0x86dd, p6))), v6: true, vlan: 7 | 9<<12},
		{name: "qinq 9100", link: tEth, data: eth(0x9100, tag(7, 0x8100, tag(9, 0x0800, p4))), vlan: 7 | 9<<12},
		{name: "three tags", link: tEth, data: eth(0x8100, tag(1, 0x8100, tag(2, 0x8100, tag(3, 0x0800, p4)))), vlan: 1 | 3<<12},
		{name: "vntag", link: tEth, data: eth(0x8926, cat(make([]byte, 4), u16(0x0800), p4))},
		{name: "etag", link: tEth, data: eth(0x893f, cat(make([]byte, 6), u16(0x0800), p4))},
		{name: "ttag", link: tEth, data: eth(0x8988, cat(make([]byte, 6), u16(0x0800), p4))},
		{name: "ttag in vlan", link: tEth, data: eth(0x8100, tag(5, 0x8988, cat(make([]byte, 6), u16(0x86dd), p6))), v6: true, vlan: 5},
		{name: "rtag", link: tEth, data: eth(0xf1c1, cat(make([]byte, 4), u16(0x0800), p4))},
		{name: "service tag alone", link: tEth, data: eth(0x88a8, tag(7, 0x0800, p4)), vlan: 7},
		{name: "qinq with priority tag", link: tEth, data: eth(0x88a8, tag(7, 0x8100, tag(0x6000, 0x0800, p4))), vlan: 7},
		{name: "pppoe6 in qinq", link: tEth, vlan: 7 | 9<<12, v6: true,
			data: eth(0x88a8, tag(7, 0x8100, tag(9, 0x8864, cat([]byte{0x11, 0}, u16(9), u16(2+len(p6)), u16(0x57), p6))))},
		{name: "jumbogram", link: tEth, v6: true,
			data: eth(0x86dd, cat(ip6(0, nil)[:40], []byte{6, 0, 0xc2, 4}, u32(uint32(8+len(seg))), seg))},
		{name: "cmd", link: tEth, data: eth(0x8909, cat([]byte{1, 1, 0, 1, 0, 9}, u16(0x0800), p4))},
		{name: "snap", link: tEth, data: cat(eth(len(snap), snap), make([]byte, 4))},
		{name: "llc ip", link: tEth, data: eth(3+len(p4), cat([]byte{6, 6, 3}, p4))},
		{name: "raw4", link: packet.LinkRaw, data: p4},
		{name: "raw6", link: packet.LinkRawBSD, data: p6, v6: true},
		{name: "ipv4", link: packet.LinkIPv4, data: p4},
		{name: "ipv6", link: packet.LinkIPv6, data: p6, v6: true},
		{name: "null le", link: packet.LinkNull, data: cat([]byte{2, 0, 0, 0}, p4)},
		{name: "null be", link: packet.LinkNull, data: cat([]byte{0, 0, 0, 30}, p6), v6: true},
		{name: "loop", link: packet.LinkLoop, data: cat([]byte{0, 0, 0, 24}, p6), v6: true},
		{name: "sll", link: packet.LinkSLL, data: cat(u16(0), u16(1), u16(6), make([]byte, 8), u16(0x0800), p4)},
		{name: "sll vlan", link: packet.LinkSLL, data: cat(u16(0), u16(1), u16(6), make([]byte, 8), u16(0x8100), tag(5, 0x0800, p4)), vlan: 5},
		{name: "sll2", link: packet.LinkSLL2, data: cat(u16(0x86dd), u16(0), u32(3), u16(1), []byte{0, 6}, make([]byte, 8), p6), v6: true},
		{name: "ppp", link: packet.LinkPPP, data: cat([]byte{0xff, 3}, u16(0x21), p4)},
		{name: "ppp short", link: packet.LinkPPP, data: cat([]byte{0x57}, p6), v6: true},
		{name: "chdlc", link: packet.LinkCHDLC, data: cat([]byte{0x0f, 0}, u16(0x0800), p4)},
		{name: "nflog", link: packet.LinkNFLOG, data: cat([]byte{2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0},
			binary.LittleEndian.AppendUint16(nil, uint16(4+len(p4))), []byte{9, 0}, p4)},
		{name: "pppoe", link: tEth, data: cat(eth(0x8864, cat([]byte{0x11, 0}, u16(9), u16(2+len(p4)), u16(0x21), p4)), make([]byte, 3))},
		{name: "mpls", link: tEth, data: eth(0x8847, cat(u32(100<<12), u32(200<<12|1<<8), p4))},
		{name: "mpls6", link: tEth, data: eth(0x8847, cat(u32(200<<12|1<<8), p6)), v6: true},
		{name: "mpls ethernet", link: tEth, data: eth(0x8847, cat(u32(200<<12|1<<8), e4))},
		{name: "mpls control word", link: tEth, data: eth(0x8847, cat(u32(200<<12|1<<8), u32(1), e4))},
		{name: "extensions", link: tEth, data: eth(0x86dd, ext6), v6: true},
		{name: "atomic fragment", link: tEth, data: eth(0x86dd, ip6(44, cat([]byte{6, 0, 0, 0, 0, 0, 0, 1}, seg))), v6: true},
		{name: "segment routing", link: tEth, data: eth(0x86dd, routed), v6: true},
		{name: "ipip", link: tEth, data: eth(0x0800, ip4(4, p4))},
		{name: "6in4", link: tEth, data: eth(0x0800, ip4(41, p6)), v6: true},
		{name: "4in6", link: tEth, data: eth(0x86dd, ip6(4, p4))},
		{name: "etherip", link: tEth, data: eth(0x0800, ip4(97, cat([]byte{0x30, 0}, e4)))},
		{name: "gre", link: tEth, data: eth(0x8100, tag(5, 0x0800, ip4(47, gre(0, 0x0800, p4))))},
		{name: "gre csum key seq", link: tEth, data: eth(0x0800, ip4(47, gre(0xb000, 0x86dd, u32(0), u32(42), u32(7), p6))), v6: true, tunnel: 42},
		{name: "gre all flags", link: tEth, data: eth(0x0800, ip4(47, gre(0xf000, 0x0800, u32(0), u32(42), u32(7),
			[]byte{8, 0, 0, 4, 10, 0, 0, 9}, []byte{0, 0, 0, 0}, p4))), tunnel: 42},
		{name: "gre in ipv6, mpls in it", link: tEth, data: eth(0x86dd, ip6(47, gre(0, 0x8847, u32(200<<12|1<<8), p4)))},
		{name: "gre bridged", link: tEth, data: eth(0x0800, ip4(47, gre(0x2000, 0x6558, u32(42), e4))), tunnel: 42},
		{name: "nvgre", link: tEth, data: eth(0x0800, ip4(47, gre(0x2000, 0x6558, u32(0x5000<<8|0x17), e4))), tunnel: 0x5000},
		{name: "pptp", link: tEth, data: eth(0x0800, ip4(47, gre(0x3081, 0x880b, u32(9), u32(1), u32(1), []byte{0xff, 3}, u16(0x21), p4)))},
		{name: "erspan1", link: tEth, data: eth(0x0800, ip4(47, gre(0, 0x88be, e4)))},
		{name: "erspan2", link: tEth, data: eth(0x0800, ip4(47, gre(0x1000, 0x88be, u32(1), u16(0x1000), u16(42), u32(0), e4))), tunnel: 42},
		{name: "erspan3", link: tEth, data: eth(0x0800, ip4(47, gre(0x1000, 0x22eb, u32(1), u16(0x2000), u16(42), u32(0), u32(0), e4))), tunnel: 42},
		{name: "erspan3 sub", link: tEth, data: eth(0x0800, ip4(47, gre(0x1000, 0x22eb, u32(1), u16(0x2000), u16(42), u32(0), u32(1), u32(0), u32(0), e4))), tunnel: 42},
		{name: "erspan3 ip", link: tEth, data: eth(0x0800, ip4(47, gre(0x1000, 0x22eb, u32(1), u16(0x2000), u16(42), u32(0), u32(2<<10), p4))), tunnel: 42},
		{name: "erspan2 with ttag in vlan", link: tEth, tunnel: 42, vlan: 6,
			data: eth(0x0800, ip4(47, gre(0x1000, 0x88be, u32(1), u16(0x1000), u16(42), u32(0), eth(0x8100, tag(6, 0x8988, cat(make([]byte, 6), u16(0x0800), p4))))))},
		{name: "vxlan gpe", link: tEth, guess: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 4790, cat([]byte{0x0c, 0, 0, 3}, vni, e4))))},
		{name: "vxlan gpe ip", link: tEth, guess: true, v6: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 4790, cat([]byte{0x0c, 0, 0, 2}, vni, p6))))},
		{name: "vxlan gpe service", link: tEth, guess: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 4790, cat([]byte{0x0c, 0, 0, 4}, vni, []byte{0, 2, 2, 1}, u32(1<<8), p4))))},
		{name: "vxlan", link: tEth, guess: true, tunnel: 42, vlan: 6,
			data: eth(0x8100, tag(5, 0x0800, ip4(17, udp(49152, 4789, cat([]byte{8, 0, 0, 0}, vni, eth(0x8100, tag(6, 0x0800, p4)))))))},
		{name: "vxlan linux group", link: tEth, guess: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 8472, cat([]byte{0x88, 0, 0, 3}, vni, e4))))},
		{name: "geneve", link: tEth, guess: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 6081, cat([]byte{1, 0x40, 0x65, 0x58}, vni, u32(7), e4))))},
		{name: "geneve options", link: tEth, guess: true, tunnel: 42, vlan: 6,
			data: eth(0x0800, ip4(17, udp(49152, 6081, cat([]byte{6, 0, 0x65, 0x58}, vni, make([]byte, 24), eth(0x8100, tag(6, 0x0800, p4))))))},
		{name: "geneve ip", link: tEth, guess: true, v6: true, tunnel: 42,
			data: eth(0x0800, ip4(17, udp(49152, 6081, cat([]byte{0, 0, 0x86, 0xdd}, vni, p6))))},
		{name: "gtpu", link: tEth, guess: true, data: eth(0x0800, ip4(17, udp(2152, 2152, cat([]byte{0x30, 0xff}, u16(len(p4)), u32(1), p4))))},
		{name: "gtpu ext", link: tEth, guess: true,
			data: eth(0x0800, ip4(17, udp(2152, 2152, cat([]byte{0x34, 0xff}, u16(len(p4)+8), u32(1), []byte{0, 0, 0, 0x85, 1, 0, 0, 0}, p4))))},
		{name: "gtpu sequence and two extensions", link: tEth, guess: true, v6: true,
			data: eth(0x0800, ip4(17, udp(2152, 2152, cat([]byte{0x36, 0xff}, u16(len(p6)+4+4+8), u32(1), []byte{0, 9, 0, 0x85, 1, 0, 0, 0x40, 2, 0, 0, 0, 0, 0, 0, 0}, p6))))},
		{name: "teredo", link: tEth, guess: true, v6: true, data: eth(0x0800, ip4(17, udp(3544, 50000, p6)))},
		{name: "teredo origin", link: tEth, guess: true, v6: true,
			data: eth(0x0800, ip4(17, udp(3544, 50000, cat([]byte{0, 1, 0, 0}, make([]byte, 9), make([]byte, 8), p6))))},
		{name: "four deep", link: tEth, data: eth(0x0800, ip4(4, ip4(4, ip4(4, ip4(4, p4)))))},
	}
}
