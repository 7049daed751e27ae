// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"io"
	"math/bits"

	"github.com/weir-project/weir/sensor/packet"
)

// The blocks of the newer format (draft-ietf-opsawg-pcapng) that weir reads; others are passed over.
//
//	type 4 | total length 4 | body, padded to 4 | total length 4
const (
	blockSection      = 0x0a0d0d0a
	blockInterface    = 1
	blockPacket       = 2 // obsolete
	blockSimplePacket = 3
	blockStatistics   = 5
	blockEnhanced     = 6

	byteOrder     = 0x1a2b3c4d
	maxBlock      = maxFrame + 1<<17 // of the blocks above
	maxInterfaces = 1 << 16

	optionEnd         = 0
	optionDropCount   = 4 // of an enhanced packet
	optionIfDrop      = 5 // of statistics
	optionOSDrop      = 7 // of statistics
	optionResolution  = 9 // of an interface
	optionTimeOffset  = 14
	maxOffsetSeconds  = 1 << 32
	nanosecondsPerSec = 1e9
)

// iface is one interface of a section.
type iface struct {
	link    packet.LinkType
	snap    uint32
	units   uint64 // of time in a second
	offset  int64  // seconds to add
	skipped uint64 // drops noted with packets
	total   uint64 // drops noted in statistics
}

// drops gives the frames lost on an interface: packets and statistics tell of the same ones.
func (i *iface) drops() uint64 { return max(i.skipped, i.total) }

// time turns a count of units since 1970 into nanoseconds. What is beyond the year 2106 stays there.
func (i *iface) time(ts uint64) int64 {
	if i.units == 1e6 && ts < maxOffsetSeconds*1e6 {
		return int64(ts)*1000 + i.offset*nanosecondsPerSec
	}
	seconds := ts / i.units
	hi, lo := bits.Mul64(ts%i.units, nanosecondsPerSec)
	nanos, _ := bits.Div64(hi, lo, i.units)
	return (int64(min(seconds, maxOffsetSeconds))+i.offset)*nanosecondsPerSec + int64(nanos)
}

// nextBlock reads blocks up to the next one that holds a packet.
func (f *File) nextBlock(p *packet.Frame) error {
	for {
		b, err := f.peek(8)
		if err == io.EOF {
			return io.EOF
		}
		if err != nil {
			return f.cut(err, "block header", 8)
		}
		kind := f.u32(b)
		if kind == blockSection {
			if err := f.checkSection(); err != nil {
				return err
			}
		}
		if b, err = f.block(kind); err != nil {
			return err
		}
		switch kind {
		case blockSection:
			for i := range f.ifaces {
				f.dropped += f.ifaces[i].drops()
			}
			f.ifaces = f.ifaces[:0]
		case blockInterface:
			err = f.interfaceBlock(b)
		case blockStatistics:
			err = f.statisticsBlock(b)
		case blockEnhanced, blockPacket:
			err = f.packetBlock(b, kind, p)
		case blockSimplePacket:
			err = f.simpleBlock(b, p)
		}
		if err != nil {
			return err
		}
		f.lo += len(b)
		if kind == blockEnhanced || kind == blockPacket || kind == blockSimplePacket {
			return nil
		}
	}
}

// checkSection reads the byte order of a section, which also its total length is written in.
func (f *File) checkSection() error {
	b, err := f.peek(16)
	if err != nil {
		return f.cut(err, "section header", 28)
	}
	for _, f.swap = range []bool{false, true} {
		if f.u32(b[8:]) == byteOrder {
			if major, minor := f.u16(b[12:]), f.u16(b[14:]); major != 1 {
				return f.wrong("pcapng version %d.%d; 1.x expected", major, minor)
			}
			return nil
		}
	}
	return f.wrong("section header with byte order % x; 1a 2b 3c 4d expected, either way round", b[8:12])
}

// block gives a whole block of a kind that is read, nil for one that it has passed over.
func (f *File) block(kind uint32) ([]byte, error) {
	head, err := f.peek(8)
	if err != nil {
		return nil, f.cut(err, "block header", 8)
	}
	total := f.u32(head[4:])
	size := (int64(total) + 3) &^ 3 // some writers leave the padding out of the total
	least := int64(12)
	switch kind {
	case blockSection:
		least = 28
	case blockInterface:
		least = 20
	case blockStatistics:
		least = 24
	case blockEnhanced, blockPacket:
		least = 32
	case blockSimplePacket:
		least = 16
	default:
		return nil, f.skipBlock(kind, size)
	}
	if size < least || size > maxBlock {
		return nil, f.wrong("block of type %d with %d bytes; %d to %d expected", kind, total, least, maxBlock)
	}
	b, err := f.peek(int(size))
	if err != nil {
		return nil, f.cut(err, "block", size)
	}
	if again := f.u32(b[size-4:]); again != total {
		return nil, f.wrong("block of %d bytes says %d at its end", total, again)
	}
	return b, nil
}

// skipBlock passes over a block of any size.
func (f *File) skipBlock(kind uint32, size int64) error {
	if size < 12 {
		return f.wrong("block of type %#x with %d bytes; at least 12 expected", kind, size)
	}
	at := f.offset()
	err := f.discard(size)
	if err == io.EOF {
		return &FormatError{File: f.name, Offset: at, Reason: "cut in a block"}
	}
	return err
}

func (f *File) interfaceBlock(b []byte) error {
	if len(f.ifaces) == maxInterfaces {
		return f.wrong("more than %d interfaces", maxInterfaces)
	}
	add := iface{link: packet.LinkType(f.u16(b[8:])), snap: f.u32(b[12:]), units: 1e6}
	err := f.options(b[16:len(b)-4], func(code uint16, v []byte) error {
		switch {
		case code == optionResolution && len(v) >= 1:
			exponent := v[0] & 0x7f
			if add.units = 1; v[0]&0x80 != 0 && exponent < 64 {
				add.units <<= exponent
			} else if v[0]&0x80 == 0 && exponent < 20 {
				for range exponent {
					add.units *= 10
				}
			} else {
				return f.wrong("interface with a time resolution of %#x: finer than 64 bits can hold", v[0])
			}
		case code == optionTimeOffset && len(v) >= 8:
			add.offset = int64(f.u64(v))
			if add.offset > maxOffsetSeconds || add.offset < -maxOffsetSeconds {
				return f.wrong("interface with a time offset of %d seconds", add.offset)
			}
		}
		return nil
	})
	f.ifaces = append(f.ifaces, add)
	return err
}

func (f *File) statisticsBlock(b []byte) error {
	i, err := f.iface(f.u32(b[8:]))
	if err != nil {
		return err
	}
	var sum uint64
	err = f.options(b[20:len(b)-4], func(code uint16, v []byte) error {
		if (code == optionIfDrop || code == optionOSDrop) && len(v) >= 8 {
			sum += f.u64(v)
		}
		return nil
	})
	i.total = max(i.total, sum)
	return err
}

// options calls fn for each option of a block.
func (f *File) options(b []byte, fn func(code uint16, value []byte) error) error {
	for len(b) >= 4 {
		code, length := f.u16(b), int(f.u16(b[2:]))
		if code == optionEnd {
			return nil
		}
		if length > len(b)-4 {
			return f.wrong("option %d of %d bytes in the %d that its block has left", code, length, len(b)-4)
		}
		if err := fn(code, b[4:4+length]); err != nil {
			return err
		}
		b = b[min(4+(length+3)&^3, len(b)):]
	}
	return nil
}

func (f *File) iface(n uint32) (*iface, error) {
	if int64(n) >= int64(len(f.ifaces)) {
		return nil, f.wrong("block of interface %d; the section has described %d so far", n, len(f.ifaces))
	}
	return &f.ifaces[n], nil
}

// packetBlock reads an enhanced packet, or the obsolete one that kept a drop count beside a
// shorter interface number.
func (f *File) packetBlock(b []byte, kind uint32, p *packet.Frame) error {
	n, drops := f.u32(b[8:]), uint16(0)
	if kind == blockPacket {
		n, drops = uint32(f.u16(b[8:])), f.u16(b[10:])
	}
	i, err := f.iface(n)
	if err != nil {
		return err
	}
	captured, length := f.u32(b[20:]), f.u32(b[24:])
	if int64(captured) > int64(len(b)-32) {
		return f.wrong("packet of %d bytes in a block of %d", captured, len(b))
	}
	if drops != 0xffff { // else unknown
		i.skipped += uint64(drops)
	}
	end := 28 + int(captured)
	if rest := b[min((end+3)&^3, len(b)-4) : len(b)-4]; len(rest) > 0 && kind == blockEnhanced {
		if err := f.options(rest, func(code uint16, v []byte) error {
			if code == optionDropCount && len(v) >= 8 {
				i.skipped += f.u64(v)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	*p = packet.Frame{
		Time:   i.time(uint64(f.u32(b[12:]))<<32 | uint64(f.u32(b[16:]))),
		Data:   b[28:end:end],
		Length: int(min(max(captured, length), maxLength)),
		Link:   i.link,
		Iface:  int(n),
	}
	return nil
}

// simpleBlock reads a packet of the first interface without a time. How much was captured is the
// least of its length, the interface's snap length and what the block has room for.
func (f *File) simpleBlock(b []byte, p *packet.Frame) error {
	i, err := f.iface(0)
	if err != nil {
		return err
	}
	length := f.u32(b[8:])
	captured := min(int64(length), int64(len(b)-16))
	if i.snap > 0 {
		captured = min(captured, int64(i.snap))
	}
	*p = packet.Frame{Time: f.last, Data: b[12 : 12+captured : 12+captured], Length: int(min(length, maxLength)), Link: i.link}
	return nil
}
