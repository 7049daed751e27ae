// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// DecoderConfig bounds what a Decoder may hold. A zero field means the value named beside it.
type DecoderConfig struct {
	FragmentBytes     int           // memory for IP fragments, 4 MiB; at least 64 KiB
	FragmentDatagrams int           // unfinished IP datagrams, 256
	FragmentTimeout   time.Duration // how long a datagram waits for its rest, in packet time, 30 s (RFC 791, RFC 8200: 60 s; Linux: 30 s)
	Depth             int           // encapsulations a segment may lie in, 4
}

// Decoder turns frames into segments. It is for one goroutine.
//
// It stands in for gopacket's DecodingLayerParser, which costs three times as much per packet
// (BenchmarkDecode, BenchmarkDecodeGopacket), takes padding and cut packets for something else, and
// does not see through most tunnels. The tests hold the two against each other.
type Decoder struct {
	frags    fragments
	depth    int
	counters Counters
}

// NewDecoder makes a decoder. Memory for fragments is taken when the first one comes.
func NewDecoder(cfg DecoderConfig) *Decoder {
	d := &Decoder{depth: cfg.Depth}
	if d.depth <= 0 {
		d.depth = 4
	}
	d.frags.configure(cfg)
	return d
}

// Decode reads the TCP segment out of one frame. With OK it fills *s whole; with any other reason
// *s is left as it was. Every call counts once in Counters.
//
// s.Payload points into f.Data or, for IP fragments, into the decoder's own memory; it is valid
// until f.Data is given back and until the next Decode.
//
// How many bytes a segment has: the IP header says it, but never more than the frame had on the
// wire (f.Length), since what was not sent was not received; TCP's own sequence numbers show the
// rest as a gap if it did exist. Inside a tunnel that carries mirrored Ethernet (VXLAN, Geneve,
// ERSPAN, GRE) the IP header is believed: mirrors cut what they copy, and only the header knows.
// A length of zero (TSO, BIG TCP) means all the frame has. Checksums are not looked at: offloading
// leaves them unset in copies taken on the sending host.
func (d *Decoder) Decode(f *Frame, s *Segment) Reason {
	if len(d.frags.done) > 0 {
		d.frags.recycle()
	}
	w := walk{data: f.Data, wire: f.Length, f: f, s: s}
	if w.wire < len(w.data) {
		w.wire = len(w.data)
	}
	if f.VLANTag || f.VLAN != 0 {
		w.tag(f.VLAN)
	}
	r := d.link(&w, f.Link)
	d.counters.ByReason[r]++
	return r
}

// Counters gives a copy of the counters. It must be called by the goroutine that decodes.
func (d *Decoder) Counters() Counters {
	d.counters.FragmentsHeld = d.frags.held
	return d.counters
}

// Flush gives up all unfinished datagrams, counted as FragmentsExpired: the capture ended.
func (d *Decoder) Flush() {
	for d.frags.oldest != none {
		d.expire(d.frags.oldest)
	}
}

// walk is the place in a frame that the decoder has come to.
type walk struct {
	data     []byte // captured bytes from here on
	wire     int    // bytes from here on as the lengths in front say; at least len(data)
	vlan     uint32 // outermost tag | innermost tag << 12
	tunnel   uint32
	addrs    []byte // source and destination of the innermost IP header, 8 or 32 bytes
	final    []byte // IPv6 destination after the way points of a routing header; nil if there are none
	tags     int    // VLAN tags seen since the last tunnel
	depth    int    // encapsulations entered
	mirror   bool   // inside a copy that its maker may have cut
	outgoing bool   // the link header says that this host sent it
	f        *Frame
	s        *Segment
}

// short says why n bytes are not there: the capture cut them, or the packet never had them.
func (w *walk) short(n int) Reason {
	if w.wire >= n {
		return Truncated
	}
	return Malformed
}

func (w *walk) skip(n int) {
	w.data = w.data[n:]
	w.wire -= n
}

// limit lets a length in a header end the packet earlier than the frame: the rest is padding.
func (w *walk) limit(n int) {
	if n < w.wire {
		w.wire = n
		if n < len(w.data) {
			w.data = w.data[:n]
		}
	}
}

// tag notes a VLAN id. Between the outermost and the innermost, further ones are not kept.
func (w *walk) tag(id uint16) {
	vlan := uint32(id & 0x0fff)
	if w.tags == 0 {
		w.vlan = vlan
	} else {
		w.vlan = w.vlan&0x0fff | vlan<<12
	}
	w.tags++
}

// ends gives the addresses of the innermost IP header.
func (w *walk) ends() (src, dst netip.Addr) {
	a := w.addrs
	if len(a) == 8 {
		return netip.AddrFrom4([4]byte(a[:4])), netip.AddrFrom4([4]byte(a[4:8]))
	}
	if w.final != nil {
		return netip.AddrFrom16([16]byte(a[:16])), netip.AddrFrom16([16]byte(w.final))
	}
	return netip.AddrFrom16([16]byte(a[:16])), netip.AddrFrom16([16]byte(a[16:32]))
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// tcp reads a TCP header (RFC 9293 section 3.1). Options may be cut off: nothing in them is needed.
func (d *Decoder) tcp(w *walk) Reason {
	b := w.data
	if len(b) < 20 {
		return w.short(20)
	}
	header := int(b[12]>>4) << 2
	if header < 20 || header > w.wire {
		return Malformed
	}
	s := w.s
	s.Time = w.f.Time
	src, dst := w.ends()
	s.Src = netip.AddrPortFrom(src, be16(b))
	s.Dst = netip.AddrPortFrom(dst, be16(b[2:]))
	s.Seq = be32(b[4:])
	s.Ack = be32(b[8:])
	s.Flags = Flags(b[13] & 0x3f)
	s.Window = be16(b[14:])
	s.Payload = b[min(header, len(b)):]
	s.PayloadLen = w.wire - header
	s.VLAN = w.vlan
	s.Tunnel = w.tunnel
	s.Iface = w.f.Iface
	s.Outgoing = w.f.Outgoing || w.outgoing
	return OK
}
