// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"net/netip"
)

// under is a talk whose datagrams are put into frames by wrap.
func under(link uint32, to string, wrap func(from netip.AddrPort, datagram []byte) []byte) func(*tape) {
	return func(p *tape) {
		p.link = link
		t := p.talkTo(to)
		t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
			return [][]byte{wrap(from, p.datagram(from.Addr(), to.Addr(), protoTCP, seg))}
		}
		t.open()
		if p.streams {
			c := speak(t)
			c.get2("/under", 0)
			c.get2("/under/2", 2000)
			c.close(client)
			return
		}
		t.get("/under", 0) // short frames may be padded
		t.get("/under/2", 2000)
		t.say(client, upload("POST", "/under/3", fill(3)))
		t.say(server, download(201, fill(1)))
		t.did("POST", "/under/3", 201, 3, 1)
		t.close(client)
	}
}

// inStreams plays a scene whose hosts speak HTTP/2.
func inStreams(all []scene) []scene {
	out := make([]scene, len(all))
	for i, s := range all {
		out[i] = scene{"h2-" + s.name, prior(s.classes...), func(p *tape) {
			p.streams = true
			s.play(p)
		}}
	}
	return out
}

const (
	v4 = "192.0.2.10:80"
	v6 = "[2001:db8::80]:80"
)

// linkScenes are about what is below and in IP.
func linkScenes() []scene {
	bare := func(_ netip.AddrPort, d []byte) []byte { return d }
	return []scene{
		{"vlan", []string{"vlan"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			return etherFrame(from, typeVLAN, tag(0x6000|42, etherType(d), d))
		})},
		{"qinq", []string{"qinq"}, under(linkEthernet, v6, func(from netip.AddrPort, d []byte) []byte {
			return etherFrame(from, typeQinQ, tag(7, typeVLAN, tag(42, etherType(d), d)))
		})},
		{"vlan-in-vlan", []string{"qinq"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			return etherFrame(from, typeVLAN, tag(7, typeVLAN, tag(42, etherType(d), d)))
		})},
		{"same-addresses-in-two-vlans", []string{"vlan"}, twoVLANs},
		{"llc-snap", []string{"llc-snap"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			snap := cat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(etherType(d)), d)
			return etherFrame(from, len(snap), snap)
		})},
		{"linux-sll", []string{"linux-sll"}, under(linkSLL, v4, func(from netip.AddrPort, d []byte) []byte {
			return cat(u16(0), u16(1), u16(6), macs(from)[6:], u16(0), u16(etherType(d)), d)
		})},
		{"linux-sll2", []string{"linux-sll2"}, under(linkSLL2, v6, func(from netip.AddrPort, d []byte) []byte {
			return cat(u16(etherType(d)), u16(0), u32(3), u16(1), []byte{0, 6}, macs(from)[6:], u16(0), d)
		})},
		{"loopback-null", []string{"loopback-null"}, under(linkNull, v4, func(_ netip.AddrPort, d []byte) []byte {
			return cat(binary.LittleEndian.AppendUint32(nil, 2), d)
		})},
		{"loopback-null-bigendian", []string{"loopback-null", "ipv6"}, under(linkNull, v6, func(_ netip.AddrPort, d []byte) []byte {
			return cat(u32(30), d) // AF_INET6 of Darwin
		})},
		{"loopback-loop", []string{"loopback-null", "ipv6"}, under(linkLoop, v6, func(_ netip.AddrPort, d []byte) []byte {
			return cat(u32(24), d) // AF_INET6 of OpenBSD
		})},
		{"raw", []string{"raw-ip"}, under(linkRaw, v4, bare)},
		{"raw-6", []string{"raw-ip", "ipv6"}, under(linkRaw, v6, bare)},
		{"raw-bsd", []string{"raw-ip"}, under(linkRawBSD, v4, bare)},
		{"raw-ipv4", []string{"raw-ip"}, under(linkIPv4, v4, bare)},
		{"raw-ipv6", []string{"raw-ip", "ipv6"}, under(linkIPv6, v6, bare)},
		{"ipv6", []string{"ipv6"}, under(linkEthernet, v6, ethernet)},
		{"ipv6-extension-headers", []string{"ipv6-exthdr"}, extensions},
		{"ipv4-options", []string{"ipv4-options"}, options},
		{"ip-fragments", []string{"ip-fragments"}, fragments(v4)},
		{"ip-fragments-6", []string{"ip-fragments", "ipv6-exthdr"}, fragments(v6)},
		{"frame-check-sequence", []string{"plain"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			return cat(ethernet(from, d), []byte("GET ")) // what is beyond the datagram is not TCP's
		})},
	}
}

// twoVLANs has the same addresses, ports and sequence numbers in two networks at once.
func twoVLANs(p *tape) {
	var both [2]*talk
	for i := range both {
		t := p.between(netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort(v4))
		t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
			d := p.datagram(from.Addr(), to.Addr(), protoTCP, seg)
			return [][]byte{etherFrame(from, typeVLAN, tag(10+i, etherType(d), d))}
		}
		both[i] = t.open()
	}
	for i, n := range []int{1, 0, 1, 0} {
		both[n].get([]string{"/a", "/a", "/b", "/longer"}[i], 100*i)
	}
	both[0].close(client)
	both[1].close(server)
}

// extensions has every kind of header that RFC 8200 section 4 lets stand before TCP.
func extensions(p *tape) {
	t := p.talkTo(v6)
	option := func(next byte, n int) []byte {
		return cat([]byte{next, byte(n/8 - 1), 1, byte(n - 4)}, make([]byte, n-4))
	}
	t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
		routing := cat([]byte{44, 2, 0, 0, 0, 0, 0, 0}, make([]byte, 16)) // no segments left
		atomic := cat([]byte{60, 0, 0, 0}, u32(99))                       // a fragment that is the whole
		chain := cat(option(43, 8), routing, atomic, option(protoTCP, 24), seg)
		return [][]byte{ethernet(from, ip6(from.Addr(), to.Addr(), 0, chain))}
	}
	t.open()
	t.get("/extended", 300)
	t.get("/extended/2", 30)
	t.close(client)
}

func options(p *tape) {
	t := p.talk()
	t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
		p.ipID++
		return [][]byte{ethernet(from, ip4(from.Addr(), to.Addr(), p.ipID, 0x4000, protoTCP, []byte{0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0}, seg))}
	}
	t.open()
	t.get("/options", 300)
	t.close(client)
}

// fragments cuts what is long into pieces of 400 bytes; every other datagram has its last piece first.
func fragments(to string) func(*tape) {
	return func(p *tape) {
		t := p.talkTo(to)
		turn := 0
		t.carry = func(from, to netip.AddrPort, seg []byte) (frames [][]byte) {
			const size = 400
			if len(seg) <= size {
				return [][]byte{ethernet(from, p.datagram(from.Addr(), to.Addr(), protoTCP, seg))}
			}
			p.ipID++
			for at := 0; at < len(seg); at += size {
				piece, more := seg[at:min(len(seg), at+size)], 0
				if at+size < len(seg) {
					more = 1
				}
				d := ip6(from.Addr(), to.Addr(), 44, cat([]byte{protoTCP, 0}, u16(at|more), u32(uint32(p.ipID)), piece))
				if from.Addr().Is4() {
					d = ip4(from.Addr(), to.Addr(), p.ipID, at/8|more<<13, protoTCP, nil, piece)
				}
				frames = append(frames, ethernet(from, d))
			}
			if turn++; turn%2 == 0 {
				last := len(frames) - 1
				frames[0], frames[last] = frames[last], frames[0]
			}
			return frames
		}
		t.open()
		t.get("/pieces", 5000)
		t.say(client, upload("POST", "/pieces", fill(2500)))
		t.say(server, download(201, fill(1)))
		t.did("POST", "/pieces", 201, 2500, 1)
		t.close(client)
	}
}
