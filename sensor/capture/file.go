// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"os"

	"github.com/weir-project/weir/sensor/packet"
)

const (
	bufferBytes = 1 << 20
	// maxFrame bounds the bytes one frame may have in a file. libpcap's own bound is 256 KiB; BIG
	// TCP frames reach 512 KiB. A larger number is a damaged length, not a frame.
	maxFrame = 1 << 20
	// maxLength bounds the length a frame claims to have had on the wire; it only bounds others.
	maxLength = 1 << 30
)

// File reads the frames of a capture in pcap or pcapng format, from a file or a pipe. It allocates
// nothing per frame, and is for one goroutine.
//
// Numbers that the file claims are bounded: frames at 1 MiB, interfaces of a section at 65,536.
type File struct {
	name    string
	r       io.Reader
	closer  io.Closer
	buf     []byte
	lo, hi  int   // buf[lo:hi] is read and not consumed
	base    int64 // offset in the file of buf[0]
	err     error // sticky
	swap    bool  // numbers are big-endian
	ng      bool
	header  int // pcap: bytes of a record header
	perFrac int64
	link    packet.LinkType
	ifaces  []iface // pcapng: of this section
	last    int64   // time of the last frame
	frames  uint64
	dropped uint64 // of the sections before
}

// OpenFile opens a capture file; "-" is standard input. The first bytes are read at once. Errors
// are *FormatError for what is no capture, else wrapped errors of the operating system.
func OpenFile(path string) (*File, error) {
	if path == "-" {
		return NewReader(os.Stdin, "standard input")
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	f, err := NewReader(r, path)
	if err != nil {
		_ = r.Close() // only read from: nothing to lose
		return nil, err
	}
	f.closer = r
	return f, nil
}

// NewReader reads a capture from r, which may be a pipe of unknown length; name stands for it in
// errors. It waits for the first bytes. The caller closes r.
func NewReader(r io.Reader, name string) (*File, error) {
	f := &File{name: name, r: r, buf: make([]byte, bufferBytes)}
	if err := f.begin(); err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the file if OpenFile opened it; standard input and a caller's reader stay open.
func (f *File) Close() error {
	f.err = os.ErrClosed
	if f.closer == nil {
		return nil
	}
	if err := f.closer.Close(); err != nil {
		return fmt.Errorf("close capture: %w", err)
	}
	return nil
}

// Next fills *p with the next frame, or gives io.EOF at the end, or the one error that ends
// reading: a *FormatError where the file is damaged or cut, else a wrapped error of the reader.
//
// p.Data belongs to the File and is valid until the next call of Next. Iface is the number of the
// interface within its section of a pcapng file. Frames without a time have that of the frame before.
func (f *File) Next(p *packet.Frame) error {
	if f.err != nil {
		return f.err
	}
	var err error
	if f.ng {
		err = f.nextBlock(p)
	} else {
		err = f.nextRecord(p)
	}
	if err != nil {
		f.err = err
		return err
	}
	f.frames++
	f.last = p.Time
	return nil
}

// Stats counts the frames handed on and those that the capturing program said it lost.
func (f *File) Stats() Stats {
	dropped := f.dropped
	for i := range f.ifaces {
		dropped += f.ifaces[i].drops()
	}
	return Stats{Received: f.frames + dropped, Dropped: dropped}
}

// offset is where in the file the next unread byte stands.
func (f *File) offset() int64 { return f.base + int64(f.lo) }

func (f *File) wrong(format string, args ...any) error {
	return &FormatError{File: f.name, Offset: f.offset(), Reason: fmt.Sprintf(format, args...)}
}

// cut turns the end of the file in the middle of something into a FormatError.
func (f *File) cut(err error, what string, want int64) error {
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return f.wrong("cut in a %s: %d bytes expected, %d there", what, want, f.hi-f.lo)
	}
	return err
}

// peek gives the next n bytes without consuming them. io.EOF: there are none; io.ErrUnexpectedEOF:
// there are fewer.
func (f *File) peek(n int) ([]byte, error) {
	if f.hi-f.lo < n {
		if err := f.fill(n); err != nil {
			return nil, err
		}
	}
	return f.buf[f.lo : f.lo+n : f.lo+n], nil
}

// fill reads until n bytes are there, and no more than one call of the reader beyond: a pipe is
// never waited for longer than a frame needs.
func (f *File) fill(n int) error {
	if f.lo > 0 {
		copy(f.buf, f.buf[f.lo:f.hi])
		f.base += int64(f.lo)
		f.lo, f.hi = 0, f.hi-f.lo
	}
	if n > len(f.buf) {
		buf := make([]byte, 1<<bits.Len(uint(n)))
		copy(buf, f.buf[:f.hi])
		f.buf = buf
	}
	for empty := 0; f.hi < n; {
		m, err := f.r.Read(f.buf[f.hi:])
		f.hi += m
		switch {
		case f.hi >= n:
		case err == io.EOF && f.hi == 0:
			return io.EOF
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return fmt.Errorf("read %s at byte %d: %w", f.name, f.base+int64(f.hi), err)
		case m == 0:
			if empty++; empty == 100 {
				return fmt.Errorf("read %s at byte %d: %w", f.name, f.base+int64(f.hi), io.ErrNoProgress)
			}
		default:
			empty = 0
		}
	}
	return nil
}

// discard passes over n bytes without holding them.
func (f *File) discard(n int64) error {
	for n > 0 {
		if f.lo == f.hi {
			if err := f.fill(1); err != nil {
				return err
			}
		}
		step := min(n, int64(f.hi-f.lo))
		f.lo += int(step)
		n -= step
	}
	return nil
}

func (f *File) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if f.swap {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (f *File) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if f.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (f *File) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if f.swap {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// compressed names the formats that people hand to a reader of captures by mistake.
var compressed = [...]struct{ magic, name, tool string }{
	{"\x1f\x8b", "gzip", "zcat"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstdcat"},
	{"\xfd7zX", "xz", "xzcat"},
	{"BZh", "bzip2", "bzcat"},
}

// begin tells the format by the first four bytes and reads the file header.
func (f *File) begin() error {
	b, err := f.peek(4)
	switch {
	case err == io.EOF:
		return f.wrong("not a capture: empty")
	case err == io.ErrUnexpectedEOF:
		return f.wrong("not a capture: %d bytes in all; a pcap or pcapng header expected", f.hi)
	case err != nil:
		return err
	}
	if binary.LittleEndian.Uint32(b) == blockSection {
		f.ng = true
		return f.checkSection()
	}
	for _, f.swap = range []bool{false, true} {
		switch f.u32(b) {
		case magicMicro:
			f.header, f.perFrac = 16, 1000
		case magicNano:
			f.header, f.perFrac = 16, 1
		case magicModified:
			f.header, f.perFrac = 24, 1000
		default:
			continue
		}
		return f.beginPcap()
	}
	for _, c := range compressed {
		if string(b[:len(c.magic)]) == c.magic {
			return f.wrong("not a capture: compressed with %s; decompress it first, as in: %s FILE | weir-sensor read -", c.name, c.tool)
		}
	}
	return f.wrong("not a capture: begins with % x; pcap or pcapng expected", b)
}
