// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
)

// epoch is when captures begin: 2026-01-05 10:00:00 UTC, in seconds.
const epoch = 1_767_607_200

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func pcapLittle(t *tape) []byte     { return pcap(t, binary.LittleEndian, 0xa1b2c3d4) }
func pcapBig(t *tape) []byte        { return pcap(t, binary.BigEndian, 0xa1b2c3d4) }
func pcapLittleNano(t *tape) []byte { return pcap(t, binary.LittleEndian, 0xa1b23c4d) }
func pcapBigNano(t *tape) []byte    { return pcap(t, binary.BigEndian, 0xa1b23c4d) }

// kept is what the snap length lets of a frame.
func (t *tape) kept(f *frame) []byte {
	if t.snap > 0 && len(f.data) > t.snap {
		return f.data[:t.snap]
	}
	return f.data
}

// pcap writes the format of draft-ietf-opsawg-pcap.
func pcap(t *tape, o order, magic uint32) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	snap := 262144
	if t.snap > 0 {
		snap = t.snap
	}
	b = o.AppendUint32(b, uint32(snap))
	b = o.AppendUint32(b, t.link)
	for i := range t.frames {
		f := &t.frames[i]
		fraction := uint32(f.at % 1e9)
		if magic == 0xa1b2c3d4 {
			fraction /= 1000
		}
		b = o.AppendUint32(b, uint32(epoch+f.at/1e9))
		b = o.AppendUint32(b, fraction)
		b = o.AppendUint32(b, uint32(len(t.kept(f))))
		b = o.AppendUint32(b, uint32(len(f.data)))
		b = append(b, t.kept(f)...)
	}
	return b
}

// The blocks of pcapng, draft-ietf-opsawg-pcapng section 4.
const (
	blockInterface  = 1
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = 0x0a0d0d0a
	blockCustom     = 0x40000bad
)

// ngInterface is an interface of a pcapng file; ticks is 10^-n seconds, 0 for the default of 10^-6.
type ngInterface struct {
	link  uint16
	ticks byte
}

// pcapng gives a writer of one section with the given interfaces; extra puts blocks of other kinds
// among the packets.
func pcapng(o order, extra bool, interfaces ...ngInterface) func(*tape) []byte {
	return func(t *tape) []byte {
		var b []byte
		b = append(b, block(o, blockSection, sectionHead(o))...)
		for _, i := range interfaces {
			b = append(b, block(o, blockInterface, interfaceHead(o, i, t.snap))...)
		}
		for n := range t.frames {
			f := &t.frames[n]
			if extra && n%3 == 1 {
				b = append(b, block(o, blockCustom, []byte("GET /no/packet HTTP/1.1\r\n\r\n\x00"))...)
				b = append(b, block(o, blockNames, make([]byte, 4))...)
				b = append(b, block(o, blockStatistics, make([]byte, 12))...)
			}
			b = append(b, block(o, blockPacket, packetHead(o, f, interfaces[f.iface], t.kept(f)))...)
		}
		return b
	}
}

func sectionHead(o order) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0)
	return o.AppendUint64(b, ^uint64(0))
}

func interfaceHead(o order, i ngInterface, snap int) []byte {
	b := o.AppendUint16(nil, i.link)
	b = o.AppendUint16(b, 0)
	b = o.AppendUint32(b, uint32(snap))
	if i.ticks > 0 {
		b = o.AppendUint16(b, 9) // if_tsresol
		b = o.AppendUint16(b, 1)
		b = append(b, i.ticks, 0, 0, 0)
		b = append(b, 0, 0, 0, 0) // opt_endofopt
	}
	return b
}

func packetHead(o order, f *frame, i ngInterface, kept []byte) []byte {
	at := uint64(epoch)*1e9 + uint64(f.at)
	ticks := i.ticks
	if ticks == 0 {
		ticks = 6
	}
	for ; ticks < 9; ticks++ {
		at /= 10
	}
	b := o.AppendUint32(nil, uint32(f.iface))
	b = o.AppendUint32(b, uint32(at>>32))
	b = o.AppendUint32(b, uint32(at))
	b = o.AppendUint32(b, uint32(len(kept)))
	b = o.AppendUint32(b, uint32(len(f.data)))
	return append(b, kept...)
}

// simple writes pcapng Simple Packet Blocks: they have no time and no interface.
func simple(t *tape) []byte {
	o := binary.LittleEndian
	b := block(o, blockSection, sectionHead(o))
	b = append(b, block(o, blockInterface, interfaceHead(o, ngInterface{link: uint16(t.link)}, t.snap))...)
	for i := range t.frames {
		f := &t.frames[i]
		b = append(b, block(o, blockSimple, append(o.AppendUint32(nil, uint32(len(f.data))), t.kept(f)...))...)
	}
	return b
}

// block pads a body to 32 bits and puts its length around it.
func block(o order, kind uint32, body []byte) []byte {
	n := (len(body) + 3) &^ 3
	b := o.AppendUint32(nil, kind)
	b = o.AppendUint32(b, uint32(12+n))
	b = append(b, body...)
	b = append(b, make([]byte, n-len(body))...)
	return o.AppendUint32(b, uint32(12+n))
}
