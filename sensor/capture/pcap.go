// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"io"

	"github.com/weir-project/weir/sensor/packet"
)

// The classic format (draft-ietf-opsawg-pcap): a header of 24 bytes, then records.
//
//	magic 4 | major 2 | minor 2 | zone 4 | figures 4 | snap length 4 | link type 4
//	seconds 4 | fraction 4 | captured 4 | length 4 | captured bytes
//
// The modified variant of old Linux kernels' tools has 8 more bytes in each record header.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34
	pcapHeader    = 24
	linkTypeMask  = 0x03ffffff // above it: whether and how long a frame check sequence is
)

func (f *File) beginPcap() error {
	b, err := f.peek(pcapHeader)
	if err != nil {
		return f.cut(err, "file header", pcapHeader)
	}
	if major, minor := f.u16(b[4:]), f.u16(b[6:]); major != 2 {
		return f.wrong("pcap version %d.%d; 2.x expected", major, minor)
	}
	f.link = packet.LinkType(f.u32(b[20:]) & linkTypeMask)
	f.lo += pcapHeader
	return nil
}

func (f *File) nextRecord(p *packet.Frame) error {
	b, err := f.peek(f.header)
	if err == io.EOF {
		return io.EOF
	}
	if err != nil {
		return f.cut(err, "record header", int64(f.header))
	}
	seconds, fraction := f.u32(b), f.u32(b[4:])
	captured, length := f.u32(b[8:]), f.u32(b[12:])
	if captured > maxFrame {
		return f.wrong("record of %d bytes: at most %d can be", captured, maxFrame)
	}
	size := f.header + int(captured)
	if b, err = f.peek(size); err != nil {
		return f.cut(err, "record", int64(size))
	}
	f.lo += size
	*p = packet.Frame{
		Time:   int64(seconds)*1e9 + int64(fraction)*f.perFrac,
		Data:   b[f.header:],
		Length: int(min(max(captured, length), maxLength)),
		Link:   f.link,
	}
	return nil
}
