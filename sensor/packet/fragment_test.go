// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/packet"
)

// part is one fragment of a datagram and how it is delivered.
type part struct{ from, to int }

func frame4(b []byte, at int64) *packet.Frame {
	return &packet.Frame{Time: at, Data: eth(0x0800, b), Length: 14 + len(b), Link: tEth}
}

func payloadOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)*7
	}
	return b
}

// In whatever order and however cut, fragments give the datagram once, with the last one to come.
func TestFragmentsAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	body := payloadOf(3000)
	whole := tcpSegment(12, body)
	d := packet.NewDecoder(packet.DecoderConfig{})
	var frames uint64
	for round := range 500 {
		var parts []part
		for at := 0; at < len(whole); {
			end := min(at+8*(1+rng.IntN(60)), len(whole))
			parts = append(parts, part{at, end})
			at = end
		}
		if len(parts) < 2 {
			continue
		}
		if len(parts) > 12 || round%2 == 0 {
			// nearly in order: no more holes than the bound allows
			for i := range len(parts) - 1 {
				if rng.IntN(2) == 0 {
					parts[i], parts[i+1] = parts[i+1], parts[i]
				}
			}
		} else {
			rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		}
		for i, p := range parts {
			data := eth(0x0800, ip4frag(round, 6, whole, p.from, p.to))
			if round%3 == 0 {
				data = eth(0x86dd, ip6frag(uint32(round), 6, whole, p.from, p.to))
			}
			var s packet.Segment
			r := d.Decode(&packet.Frame{Data: data, Length: len(data), Link: tEth}, &s)
			frames++
			if i < len(parts)-1 {
				if r != packet.Fragment {
					t.Fatalf("round %d fragment %d: %v", round, i, r)
				}
				continue
			}
			if r != packet.OK || s.PayloadLen != len(body) || !bytes.Equal(s.Payload, body) {
				t.Fatalf("round %d: %v, %d bytes", round, r, s.PayloadLen)
			}
		}
	}
	checkCounters(t, d, frames)
	if n := d.Counters(); n.FragmentsHeld != 0 || n.FragmentsExpired != 0 || n.FragmentOverlaps != 0 {
		t.Errorf("%+v", n)
	}
}

// The first bytes win, whatever comes later; every overlap is counted.
func TestFragmentOverlap(t *testing.T) {
	whole := tcpSegment(0, payloadOf(100))
	other := bytes.Repeat([]byte{'X'}, len(whole))
	d := packet.NewDecoder(packet.DecoderConfig{})
	var s packet.Segment
	for i, c := range []struct {
		from, to int
		data     []byte
		want     packet.Reason
	}{
		{0, 40, whole, packet.Fragment},
		{0, 40, other, packet.FragmentLost},              // the same place again
		{64, len(whole), whole, packet.Fragment},         // the end
		{64, len(whole) - 8, other, packet.FragmentLost}, // contradicts nothing, adds nothing
		{32, 56, cat(whole[:40], whole[40:56], other[56:]), packet.Fragment},
		{48, 72, cat(other[:56], whole[56:64], other[64:]), packet.OK},
	} {
		if r := d.Decode(frame4(ip4frag(1, 6, c.data, c.from, c.to), 0), &s); r != c.want {
			t.Fatalf("fragment %d: %v, want %v", i, r, c.want)
		}
	}
	if !bytes.Equal(s.Payload, payloadOf(100)) {
		t.Errorf("payload %x", s.Payload)
	}
	if n := d.Counters(); n.FragmentOverlaps != 4 {
		t.Errorf("%+v", n)
	}
	checkCounters(t, d, 6)
}

func TestFragmentContradictions(t *testing.T) {
	whole := tcpSegment(0, payloadOf(100))
	d := packet.NewDecoder(packet.DecoderConfig{})
	var s packet.Segment
	step := func(name string, p []byte, want packet.Reason) {
		t.Helper()
		if r := d.Decode(frame4(p, 0), &s); r != want {
			t.Errorf("%s: %v, want %v", name, r, want)
		}
	}
	step("first", ip4frag(1, 6, whole, 0, 64), packet.Fragment)
	step("last", ip4frag(1, 6, whole, 80, len(whole)), packet.Fragment)
	step("beyond the end", ip4frag(1, 6, payloadOf(200), 160, 184), packet.FragmentLost)
	step("another end", ip4frag(1, 6, whole[:104], 64, 104), packet.FragmentLost)
	step("seven bytes", ip4frag(1, 6, whole, 64, 71), packet.Malformed)
	step("none", ip4frag(1, 6, whole, 64, 64), packet.Malformed)
	step("beyond 65535", ip4frag(1, 6, payloadOf(70000), 65528, 65544), packet.Malformed)
	step("the missing one", ip4frag(1, 6, whole, 64, 80), packet.OK)
	checkCounters(t, d, 8)
}

// Fragments that the capture cut give the bytes before the first hole, and the right length.
func TestFragmentCut(t *testing.T) {
	body := payloadOf(3000)
	whole := tcpSegment(12, body)
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		d := packet.NewDecoder(packet.DecoderConfig{})
		frames := []*packet.Frame{
			frame4(ip4frag(1, 6, whole, 0, 1480), 0),
			frame4(ip4frag(1, 6, whole, 1480, len(whole)), 0),
		}
		for _, f := range frames {
			f.Data = f.Data[:14+20+100]
		}
		var s packet.Segment
		if r := d.Decode(frames[order[0]], &s); r != packet.Fragment {
			t.Fatal(r)
		}
		r := d.Decode(frames[order[1]], &s)
		if r != packet.OK || s.PayloadLen != len(body) || !bytes.Equal(s.Payload, body[:100-32]) {
			t.Errorf("%v: payload %d of %d", r, len(s.Payload), s.PayloadLen)
		}
	}
}

func TestFragmentTimeout(t *testing.T) {
	whole := tcpSegment(0, payloadOf(100))
	d := packet.NewDecoder(packet.DecoderConfig{FragmentTimeout: 1000})
	var s packet.Segment
	for i, c := range []struct {
		at   int64
		p    []byte
		want packet.Reason
	}{
		{0, ip4frag(1, 6, whole, 0, 64), packet.Fragment},
		{900, ip4frag(2, 6, whole, 0, 64), packet.Fragment},
		{1001, ip4frag(1, 6, whole, 64, len(whole)), packet.Fragment}, // its first half is gone
		{1001, ip4frag(2, 6, whole, 64, len(whole)), packet.OK},
	} {
		if r := d.Decode(frame4(c.p, c.at), &s); r != c.want {
			t.Errorf("fragment %d: %v", i, r)
		}
	}
	if n := d.Counters(); n.FragmentsExpired != 1 || n.FragmentsHeld != 1 || n.FragmentsJoined != 1 {
		t.Errorf("%+v", n)
	}
	d.Flush()
	if n := d.Counters(); n.FragmentsExpired != 2 || n.FragmentsHeld != 0 {
		t.Errorf("%+v", n)
	}
	checkCounters(t, d, 4)
}

// A flood of first fragments stays within the bounds, and each one given up is counted.
func TestFragmentBounds(t *testing.T) {
	whole := tcpSegment(0, payloadOf(60_000))
	for _, cfg := range []packet.DecoderConfig{{FragmentDatagrams: 10}, {FragmentBytes: 1 << 17}} {
		d := packet.NewDecoder(cfg)
		var s packet.Segment
		for i := range 1000 {
			if r := d.Decode(frame4(ip4frag(i, 6, whole, 0, 8000), 0), &s); r != packet.Fragment {
				t.Fatal(r)
			}
		}
		n := d.Counters()
		if n.FragmentsHeld > 16 || n.FragmentsHeld == 0 || n.FragmentsHeld+n.FragmentsExpired != 1000 {
			t.Errorf("%+v", n)
		}
		// the newest one is still complete
		if r := d.Decode(frame4(ip4frag(999, 6, whole, 8000, len(whole)), 0), &s); r != packet.OK || s.PayloadLen != 60_000 {
			t.Errorf("%v %d", r, s.PayloadLen)
		}
		checkCounters(t, d, 1001)
	}
	// more holes than one datagram may have
	d := packet.NewDecoder(packet.DecoderConfig{})
	var s packet.Segment
	var lost int
	for i := range 20 {
		if r := d.Decode(frame4(ip4frag(1, 6, whole, i*16, i*16+8), 0), &s); r == packet.FragmentLost {
			lost++
		}
	}
	if lost != 1 {
		t.Errorf("%d fragments lost", lost)
	}
	checkCounters(t, d, 20)
}

// A tunnel packet in fragments holds a datagram in fragments.
func TestFragmentsInFragments(t *testing.T) {
	body := payloadOf(2000)
	whole := tcpSegment(0, body)
	d := packet.NewDecoder(packet.DecoderConfig{})
	var s packet.Segment
	var last packet.Reason
	for _, inner := range [][]byte{ip4frag(1, 6, whole, 0, 1200), ip4frag(1, 6, whole, 1200, len(whole))} {
		outer := udp(1, 4789, cat([]byte{8, 0, 0, 0, 0, 0, 1, 0}, eth(0x0800, inner)))
		id := len(inner)
		for _, p := range []part{{0, 400}, {400, len(outer)}} {
			last = d.Decode(frame4(ip4frag(id, 17, outer, p.from, p.to), 0), &s)
		}
	}
	if last != packet.OK || !bytes.Equal(s.Payload, body) || s.Tunnel != 1 {
		t.Errorf("%v, %d bytes", last, s.PayloadLen)
	}
	checkCounters(t, d, 4)
}

func TestFragmentsAllocate(t *testing.T) {
	whole := tcpSegment(12, payloadOf(3000))
	d := packet.NewDecoder(packet.DecoderConfig{})
	frames := []*packet.Frame{
		frame4(ip4frag(1, 6, whole, 0, 1480), 0),
		frame4(ip4frag(1, 6, whole, 1480, 2960), 0),
		frame4(ip4frag(1, 6, whole, 2960, len(whole)), 0),
	}
	var s packet.Segment
	if n := testing.AllocsPerRun(1000, func() {
		for _, f := range frames {
			d.Decode(f, &s)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
