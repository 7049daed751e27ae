// SPDX-License-Identifier: Apache-2.0

package http2

// Parser reads one side. Its zero value is not ready: Reset first. It is used again for another
// connection by Reset and then allocates nothing.
type Parser struct {
	handler Handler
	limits  Limits
	counts  Counts
	table   table
	offset  int64 // of the next byte
}

// Reset makes the Parser ready for a new side whose next byte stands at offset.
func (p *Parser) Reset(h Handler, how Begin, offset int64, l Limits) {}

// Data takes the next bytes, which stay the caller's.
func (p *Parser) Data(b []byte, m Mark) {}

// Gap takes n bytes that were not seen.
func (p *Parser) Gap(n int64) {}

// Close says that the side is over.
func (p *Parser) Close() {}

// Counts says where the bytes went so far.
func (p *Parser) Counts() Counts { return p.counts }

// Offset is the position of the next byte.
func (p *Parser) Offset() int64 { return p.offset }

// Seeking says that the Parser looks for frames and what it is fed belongs to none that it knows.
func (p *Parser) Seeking() bool { return false }

// Frames is how many frames were read since Reset.
func (p *Parser) Frames() uint64 { return 0 }

// AllowTable tells the SETTINGS_HEADER_TABLE_SIZE that the other side announced.
func (p *Parser) AllowTable(size uint32) {}

// AllowFrame tells the SETTINGS_MAX_FRAME_SIZE that the other side announced.
func (p *Parser) AllowFrame(size uint32) {}

// Opened tells of a stream that the other side uses: frames of streams far beyond any that is known are
// not believed while frames are sought.
func (p *Parser) Opened(stream uint32) {}
