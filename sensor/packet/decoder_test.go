// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-project/weir/sensor/packet"
)

var compareAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func (k stack) want() packet.Segment {
	s := packet.Segment{
		Time: 5, Seq: 0xfffffff0, Ack: 77, Flags: packet.PSH | packet.ACK, Window: 502, Iface: 3,
		Payload: hello, PayloadLen: len(hello), VLAN: k.vlan, Tunnel: k.tunnel,
		Src: netip.AddrPortFrom(v4a, 43210), Dst: netip.AddrPortFrom(v4b, 80),
	}
	if k.v6 {
		s.Src, s.Dst = netip.AddrPortFrom(v6a, 43210), netip.AddrPortFrom(v6b, 80)
	}
	return s
}

func (k stack) frame(captured int) *packet.Frame {
	return &packet.Frame{Time: 5, Data: k.data[:captured:captured], Length: len(k.data), Link: k.link, Iface: 3}
}

func TestDecode(t *testing.T) {
	for _, k := range stacks() {
		t.Run(k.name, func(t *testing.T) {
			d := packet.NewDecoder(packet.DecoderConfig{})
			var got packet.Segment
			if r := d.Decode(k.frame(len(k.data)), &got); r != packet.OK {
				t.Fatalf("reason %v", r)
			}
			if diff := cmp.Diff(k.want(), got, compareAddr); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A capture that cuts the frame anywhere gives the same segment with less payload, or says that
// it was cut. Its length never changes.
func TestDecodeCutAnywhere(t *testing.T) {
	for _, k := range stacks() {
		t.Run(k.name, func(t *testing.T) {
			d := packet.NewDecoder(packet.DecoderConfig{})
			at := bytes.Index(k.data, hello)
			for n := range len(k.data) {
				var got packet.Segment
				r := d.Decode(k.frame(n), &got)
				if n < at-trail {
					if r != packet.Truncated && !(k.guess && r == packet.NotTCP) {
						t.Fatalf("cut at %d: reason %v", n, r)
					}
					continue
				}
				want := k.want()
				want.Payload = hello[:max(0, min(n-at, len(hello)))]
				if diff := cmp.Diff(want, got, compareAddr); r != packet.OK || diff != "" {
					t.Fatalf("cut at %d: reason %v %s", n, r, diff)
				}
			}
		})
	}
}

// A frame that was shorter on the wire than its headers say has the bytes of the wire, except in
// a mirror, which cuts what it copies.
func TestLengthOverrun(t *testing.T) {
	seg := tcpSegment(0, hello)
	inner := eth(0x0800, ip4(6, seg))
	cut := func(frame []byte) []byte { return frame[:len(frame)-10] }
	for _, c := range []struct {
		name    string
		data    []byte
		want    int
		overrun uint64
		mirror  uint64
	}{
		{"ethernet", cut(inner), len(hello) - 10, 1, 0},
		{"ethernet6", cut(eth(0x86dd, ip6(6, seg))), len(hello) - 10, 1, 0},
		{"vxlan", eth(0x0800, ip4(17, udp(1, 4789, cat([]byte{8, 0, 0, 0, 0, 0, 1, 0}, cut(inner))))), len(hello), 0, 1},
		{"erspan", eth(0x0800, ip4(47, gre(0, 0x88be, cut(inner)))), len(hello), 0, 1},
	} {
		d := packet.NewDecoder(packet.DecoderConfig{})
		var s packet.Segment
		r := d.Decode(&packet.Frame{Data: c.data, Length: len(c.data), Link: tEth}, &s)
		n := d.Counters()
		if r != packet.OK || s.PayloadLen != c.want || len(s.Payload) != len(hello)-10 || n.LengthOverrun != c.overrun || n.MirrorCut != c.mirror {
			t.Errorf("%s: %v length %d of %d, payload %d, counters %+v", c.name, r, s.PayloadLen, c.want, len(s.Payload), n)
		}
	}
}

// TSO and BIG TCP leave the IP length at zero; frames may then be longer than 64 KB.
func TestLengthZero(t *testing.T) {
	body := make([]byte, 150_000)
	four, six := ip4(6, tcpSegment(12, body)), ip6(6, tcpSegment(12, body))
	clear(four[2:4])
	clear(six[4:6])
	for _, data := range [][]byte{eth(0x0800, four), eth(0x86dd, six)} {
		d := packet.NewDecoder(packet.DecoderConfig{})
		var s packet.Segment
		r := d.Decode(&packet.Frame{Data: data[:200], Length: len(data), Link: tEth}, &s)
		if r != packet.OK || s.PayloadLen != len(body) || d.Counters().LengthZero != 1 {
			t.Errorf("%v, length %d, counters %+v", r, s.PayloadLen, d.Counters())
		}
	}
}

func TestReasons(t *testing.T) {
	seg := tcpSegment(0, hello)
	patch := func(b []byte, at int, v ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], v)
		return b
	}
	e4 := eth(0x0800, ip4(6, seg))
	tags := ip4(6, seg)
	for range 9 {
		tags = tag(1, 0x8100, tags)
	}
	vx := func(inner []byte) []byte { return eth(0x0800, ip4(17, udp(1, 4789, inner))) }
	good := cat([]byte{8, 0, 0, 0, 0, 0, 1, 0}, e4)
	for _, c := range []struct {
		name string
		link packet.LinkType
		data []byte
		want packet.Reason
	}{
		{"empty", tEth, nil, packet.Malformed},
		{"arp", tEth, eth(0x0806, make([]byte, 28)), packet.NotIP},
		{"stp", tEth, eth(38, cat([]byte{0x42, 0x42, 3}, make([]byte, 40))), packet.NotIP},
		{"udp", tEth, eth(0x0800, ip4(17, udp(53, 53, make([]byte, 30)))), packet.NotTCP},
		{"icmp", tEth, eth(0x0800, ip4(1, make([]byte, 30))), packet.NotTCP},
		{"esp", tEth, eth(0x86dd, ip6(50, make([]byte, 30))), packet.NotTCP},
		{"version 5", tEth, patch(e4, 14, 0x55), packet.Malformed},
		{"ip header 16", tEth, patch(e4, 14, 0x44), packet.Malformed},
		{"total length 10", tEth, patch(e4, 16, 0, 10), packet.Malformed},
		{"tcp header 16", tEth, patch(e4, 46, 0x40), packet.Malformed},
		{"tcp header too long", tEth, eth(0x0800, ip4(6, patch(tcpSegment(0, nil), 12, 0xf0))), packet.Malformed},
		{"tcp cut by ip", tEth, eth(0x0800, ip4(6, seg[:12])), packet.Malformed},
		{"unknown link", 147, e4, packet.UnknownLink},
		{"raw version 0", packet.LinkRaw, make([]byte, 40), packet.Malformed},
		{"five deep", tEth, eth(0x0800, ip4(4, ip4(4, ip4(4, ip4(4, ip4(4, ip4(6, seg))))))), packet.TooDeep},
		{"nine tags", tEth, eth(0x8100, tags), packet.TooDeep},
		{"vxlan reserved bits", tEth, vx(patch(good, 0, 9)), packet.OK},
		{"vxlan reserved bits, inner cut", tEth, vx(patch(good, 0, 9)[:len(good)-3]), packet.NotTCP},
		{"vxlan no vni", tEth, vx(patch(good, 0, 0)), packet.NotTCP},
		{"vxlan bad inner ip", tEth, vx(patch(good, 8+14, 0x41)), packet.NotTCP},
		{"vxlan bad inner tcp", tEth, vx(patch(good, 8+46, 0)), packet.NotTCP},
		{"dns on the teredo port", tEth, eth(0x0800, ip4(17, udp(3544, 3544, cat([]byte{0, 1, 1, 0}, make([]byte, 60))))), packet.NotTCP},
		{"gtp echo", tEth, eth(0x0800, ip4(17, udp(2152, 2152, cat([]byte{0x32, 1}, make([]byte, 20))))), packet.NotTCP},
		{"gre routes without end", tEth, eth(0x0800, ip4(47, gre(0x4000, 0x0800, bytes.Repeat([]byte{0, 1, 0, 4}, 20)))), packet.Malformed},
		{"gre version 2", tEth, eth(0x0800, ip4(47, gre(2, 0x0800, make([]byte, 40)))), packet.NotTCP},
		{"gpe oam", tEth, eth(0x0800, ip4(17, udp(1, 4790, cat([]byte{0x0d, 0, 0, 3, 0, 0, 1, 0}, e4)))), packet.NotTCP},
		{"gpe mpls", tEth, eth(0x0800, ip4(17, udp(1, 4790, cat([]byte{0x0c, 0, 0, 5, 0, 0, 1, 0}, e4)))), packet.NotTCP},
		{"no known extension header", tEth, eth(0x86dd, ip6(253, cat([]byte{6, 0, 0, 0, 0, 0, 0, 0}, seg))), packet.NotTCP},
		{"no next header", tEth, eth(0x86dd, ip6(59, seg)), packet.NotTCP},
	} {
		d := packet.NewDecoder(packet.DecoderConfig{})
		s := packet.Segment{Seq: 1}
		if r := d.Decode(&packet.Frame{Data: c.data, Length: len(c.data), Link: c.link}, &s); r != c.want || (r != packet.OK && s.Seq != 1) {
			t.Errorf("%s: got %v, want %v", c.name, r, c.want)
		}
		if n := d.Counters(); n.ByReason[c.want] != 1 {
			t.Errorf("%s: counters %+v", c.name, n)
		}
	}
	names := map[string]bool{}
	for r := range (packet.Counters{}).ByReason {
		name := packet.Reason(r).String()
		if name == "" || name == "invalid" || names[name] {
			t.Errorf("reason %d has the name %q", r, name)
		}
		names[name] = true
	}
	if packet.Reason(200).String() != "invalid" || packet.OK.Filtered() || !packet.NotIP.Filtered() || packet.Truncated.Filtered() {
		t.Error("reasons do not say what they are")
	}
}

// Ring metadata and inline tags give the same VLAN.
func TestVLANFromMetadata(t *testing.T) {
	d := packet.NewDecoder(packet.DecoderConfig{})
	p4 := ip4(6, tcpSegment(0, hello))
	inline := &packet.Frame{Data: eth(0x88a8, tag(7, 0x8100, tag(9, 0x0800, p4))), Link: tEth}
	meta := &packet.Frame{Data: eth(0x8100, tag(9, 0x0800, p4)), Link: tEth, VLAN: 7, VLANTag: true, Outgoing: true}
	var a, b packet.Segment
	if r := d.Decode(inline, &a); r != packet.OK {
		t.Fatal(r)
	}
	if r := d.Decode(meta, &b); r != packet.OK || a.VLAN != b.VLAN || a.VLAN != 7|9<<12 || !b.Outgoing {
		t.Errorf("%v: inline %#x, metadata %#x", r, a.VLAN, b.VLAN)
	}
}

// Whatever is changed in a frame, the decoder neither panics nor hands out what is not there.
func TestDecodeDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := packet.NewDecoder(packet.DecoderConfig{FragmentBytes: 1 << 17, FragmentDatagrams: 5})
	all := stacks()
	var frames uint64
	for range 200_000 {
		k := all[rng.IntN(len(all))]
		data := slices.Clone(k.data)
		for range 1 + rng.IntN(4) {
			data[rng.IntN(min(len(data), 120))] = byte(rng.Uint32())
		}
		f := &packet.Frame{Time: rng.Int64N(1e12), Data: data[:rng.IntN(len(data)+1)], Length: len(data), Link: k.link}
		checkFrame(t, d, f)
		frames++
	}
	checkCounters(t, d, frames)
}

func checkFrame(t *testing.T, d *packet.Decoder, f *packet.Frame) {
	t.Helper()
	var s packet.Segment
	switch r := d.Decode(f, &s); {
	case r.String() == "invalid":
		t.Fatalf("reason %d", r)
	case r != packet.OK && s.PayloadLen+len(s.Payload) != 0:
		t.Fatalf("%v with a segment", r)
	case len(s.Payload) > s.PayloadLen:
		t.Fatalf("payload %d bytes of %d", len(s.Payload), s.PayloadLen)
	case r == packet.OK && (!s.Src.IsValid() || !s.Dst.IsValid()):
		t.Fatalf("no addresses")
	}
}

func checkCounters(t *testing.T, d *packet.Decoder, frames uint64) {
	t.Helper()
	n := d.Counters()
	var sum uint64
	for _, v := range n.ByReason {
		sum += v
	}
	if sum != frames {
		t.Errorf("seen %d frames, counted %d: %+v", frames, sum, n)
	}
	if f := n.ByReason[packet.Fragment]; f != n.FragmentsJoined+n.FragmentsExpired+n.FragmentsHeld {
		t.Errorf("%d fragments taken: %+v", f, n)
	}
}

func TestDecodeAllocates(t *testing.T) {
	d := packet.NewDecoder(packet.DecoderConfig{})
	var s packet.Segment
	all := stacks()
	frames := make([]*packet.Frame, len(all))
	for i, k := range all {
		frames[i] = k.frame(len(k.data))
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			d.Decode(f, &s)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, k := range stacks() {
		f.Add(uint32(k.link), k.data, uint16(len(k.data)), int64(0))
	}
	seg := tcpSegment(0, hello)
	f.Add(uint32(1), eth(0x0800, ip4frag(1, 6, seg, 0, 24)), uint16(0), int64(1))
	f.Add(uint32(1), eth(0x86dd, ip6frag(1, 6, seg, 24, len(seg))), uint16(0), int64(1))
	d := packet.NewDecoder(packet.DecoderConfig{FragmentBytes: 1 << 17, FragmentDatagrams: 5})
	f.Fuzz(func(t *testing.T, link uint32, data []byte, length uint16, at int64) {
		checkFrame(t, d, &packet.Frame{Time: at, Data: data, Length: int(length), Link: packet.LinkType(link)})
	})
}
