// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weir-project/weir/sensor/packet"
)

func benchFrames() []stack {
	var out []stack
	for _, k := range stacks() {
		switch k.name {
		case "ethernet", "ethernet6", "qinq", "vxlan":
			out = append(out, k)
		}
	}
	return out
}

func BenchmarkDecode(b *testing.B) {
	for _, k := range benchFrames() {
		b.Run(k.name, func(b *testing.B) {
			d := packet.NewDecoder(packet.DecoderConfig{})
			f := k.frame(len(k.data))
			var s packet.Segment
			b.ReportAllocs()
			b.SetBytes(int64(len(k.data)))
			for b.Loop() {
				if d.Decode(f, &s) != packet.OK {
					b.Fatal("no segment")
				}
			}
		})
	}
}

// BenchmarkDecodeGopacket is what DESIGN 6 asks to beat before a decoder of our own is kept.
func BenchmarkDecodeGopacket(b *testing.B) {
	for _, k := range benchFrames() {
		b.Run(k.name, func(b *testing.B) {
			var (
				eth layers.Ethernet
				tag layers.Dot1Q
				ip4 layers.IPv4
				ip6 layers.IPv6
				udp layers.UDP
				vx  layers.VXLAN
				tcp layers.TCP
				pay gopacket.Payload
			)
			p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &tag, &ip4, &ip6, &udp, &vx, &tcp, &pay)
			decoded := make([]gopacket.LayerType, 0, 16)
			b.ReportAllocs()
			b.SetBytes(int64(len(k.data)))
			for b.Loop() {
				if err := p.DecodeLayers(k.data, &decoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFragments(b *testing.B) {
	whole := tcpSegment(12, payloadOf(2900))
	d := packet.NewDecoder(packet.DecoderConfig{})
	first, second := frame4(ip4frag(1, 6, whole, 0, 1480), 0), frame4(ip4frag(1, 6, whole, 1480, len(whole)), 0)
	var s packet.Segment
	b.ReportAllocs()
	b.SetBytes(int64(first.Length + second.Length))
	for b.Loop() {
		d.Decode(first, &s)
		if d.Decode(second, &s) != packet.OK {
			b.Fatal("no segment")
		}
	}
}
