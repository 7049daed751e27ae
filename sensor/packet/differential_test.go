// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weir-project/weir/sensor/packet"
)

// reference decodes an Ethernet frame with gopacket and gives what it found, nil if it was no
// plain TCP: no tunnel, no fragment, no layer that failed.
func reference(data []byte) *packet.Segment {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: false})
	var s packet.Segment
	var src, dst netip.Addr
	var networks int
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			if l.Version != 4 { // gopacket does not look
				return nil
			}
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			networks++
		case *layers.IPv6:
			if l.Version != 6 {
				return nil
			}
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			networks++
		case *layers.TCP:
			// gopacket takes a header that ends behind the packet for one that was cut
			if networks != 1 || l.DataOffset < 5 || int(l.DataOffset)*4 > len(l.Contents)+len(l.Payload) {
				return nil
			}
			s.Src = netip.AddrPortFrom(src, uint16(l.SrcPort))
			s.Dst = netip.AddrPortFrom(dst, uint16(l.DstPort))
			s.Seq, s.Ack, s.Window = l.Seq, l.Ack, l.Window
			s.Payload = l.Payload
			return &s
		// Extension headers are no reference: gopacket reads them, and TCP, on behind the packet's end.
		case *layers.Ethernet, *layers.Dot1Q:
		default:
			return nil
		}
	}
	return nil
}

func differ(t *testing.T, d *packet.Decoder, data []byte) (both bool) {
	t.Helper()
	want := reference(data)
	if want == nil {
		return false
	}
	n := d.Counters()
	var got packet.Segment
	r := d.Decode(&packet.Frame{Data: data, Length: len(data), Link: tEth}, &got)
	if r != packet.OK || got.Src != want.Src || got.Dst != want.Dst || got.Seq != want.Seq || got.Ack != want.Ack || got.Window != want.Window {
		t.Fatalf("%v\n%+v, gopacket\n%+v\n%x", r, got, want, data)
	}
	// gopacket takes a length of zero for an empty IPv6 packet
	zero := d.Counters().LengthZero != n.LengthZero
	if !zero && (!bytes.Equal(got.Payload, want.Payload) || got.PayloadLen != len(want.Payload)) {
		t.Fatalf("payload %d bytes, gopacket %d\n%x", got.PayloadLen, len(want.Payload), data)
	}
	return true
}

// serialize makes a random frame with gopacket's own writers.
func serialize(t *testing.T, rng *rand.Rand) []byte {
	t.Helper()
	var stack []gopacket.SerializableLayer
	kind := layers.EthernetTypeIPv4
	six := rng.IntN(2) == 0
	if six {
		kind = layers.EthernetTypeIPv6
	}
	tags := rng.IntN(3)
	first := kind
	if tags > 0 {
		first = layers.EthernetTypeDot1Q
	}
	stack = append(stack, &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: first})
	for i := range tags {
		next := kind
		if i+1 < tags {
			next = layers.EthernetTypeDot1Q
		}
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: uint16(rng.IntN(4096)), Type: next})
	}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(rng.Uint32()), DstPort: layers.TCPPort(rng.Uint32()), Seq: rng.Uint32(), Ack: rng.Uint32(), ACK: true, Window: 9}
	for range rng.IntN(4) {
		tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)})
	}
	if six {
		stack = append(stack, &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolTCP, SrcIP: v6a.AsSlice(), DstIP: v6b.AsSlice()})
	} else {
		stack = append(stack, &layers.IPv4{Version: 4, Protocol: layers.IPProtocolTCP, SrcIP: v4a.AsSlice(), DstIP: v4b.AsSlice()})
	}
	stack = append(stack, tcp, gopacket.Payload(payloadOf(rng.IntN(100))))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

// Where gopacket finds plain TCP, so do we, and it is the same; also in damaged frames.
func TestAgainstGopacket(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	d := packet.NewDecoder(packet.DecoderConfig{})
	both := 0
	for range 20_000 {
		data := serialize(t, rng)
		if !differ(t, d, data) {
			t.Fatalf("gopacket cannot read what it wrote: %x", data)
		}
		for range rng.IntN(3) {
			data[rng.IntN(len(data))] = byte(rng.Uint32())
		}
		if differ(t, d, data) {
			both++
		}
	}
	t.Logf("%d damaged frames were still TCP to both", both)
}

func FuzzAgainstGopacket(f *testing.F) {
	for _, k := range stacks() {
		if k.link == tEth {
			f.Add(k.data)
		}
	}
	d := packet.NewDecoder(packet.DecoderConfig{})
	f.Fuzz(func(t *testing.T, data []byte) { differ(t, d, data) })
}
