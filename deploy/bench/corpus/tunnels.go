// SPDX-License-Identifier: Apache-2.0

package corpus

import "net/netip"

// The ends of tunnels: their own conversation is not HTTP.
var (
	tunnelA = netip.MustParseAddrPort("198.51.100.1:49152")
	tunnelB = netip.MustParseAddr("198.51.100.2")
)

// through is a talk inside a tunnel whose payload over IP, of the given protocol, wrap makes of an
// inner datagram.
func through(to string, proto byte, wrap func(from netip.AddrPort, inner []byte) []byte) func(*tape) {
	return under(linkEthernet, to, func(from netip.AddrPort, d []byte) []byte {
		return ethernet(tunnelA, ip4(tunnelA.Addr(), tunnelB, uint16(len(d)), 0, proto, nil, wrap(from, d)))
	})
}

// overUDP is through with UDP to a port.
func overUDP(to string, port uint16, head []byte) func(*tape) {
	return through(to, protoUDP, func(from netip.AddrPort, d []byte) []byte {
		return udp(tunnelA, netip.AddrPortFrom(tunnelB, port), cat(head, ethernet(from, d)))
	})
}

// tunnelScenes are about what a mirror or a network puts around.
func tunnelScenes() []scene {
	return []scene{
		{"vxlan", []string{"vxlan"}, overUDP(v4, 4789, []byte{8, 0, 0, 0, 0, 0, 42, 0})},                            // RFC 7348
		{"geneve", []string{"geneve"}, overUDP(v6, 6081, cat([]byte{0, 0}, u16(typeTransEB), []byte{0, 0, 42, 0}))}, // RFC 8926
		{"gre", []string{"gre"}, through(v4, 47, func(_ netip.AddrPort, d []byte) []byte {
			return cat(u16(0x2000), u16(etherType(d)), u32(42), d) // RFC 2890: with a key
		})},
		{"ip-in-ip", []string{"ip-in-ip"}, through(v4, 4, func(_ netip.AddrPort, d []byte) []byte { return d })},
		{"6in4", []string{"ip-in-ip", "ipv6"}, through(v6, 41, func(_ netip.AddrPort, d []byte) []byte { return d })},
		{"mpls", []string{"mpls"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			return etherFrame(from, typeMPLS, cat(u32(100<<12|64), u32(200<<12|1<<8|64), d))
		})},
		{"pppoe", []string{"pppoe"}, under(linkEthernet, v4, func(from netip.AddrPort, d []byte) []byte {
			return etherFrame(from, typePPPoE, cat([]byte{0x11, 0}, u16(9), u16(2+len(d)), u16(0x21), d)) // RFC 2516
		})},
		{"erspan", []string{"erspan"}, through(v4, 47, func(from netip.AddrPort, d []byte) []byte {
			return cat(u16(0x1000), u16(0x88be), u32(7), u16(0x1000|42), u16(3), u32(0), ethernet(from, d)) // type II
		})},
	}
}
