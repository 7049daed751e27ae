// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/weir-project/weir/sensor/exchange"

// state is where in its side a Parser stands.
type state uint8

const (
	inPreface state = iota + 1
	atHeader        // in a frame header, the bytes before it in p.scratch
	inPayload       // of p.frame
	seeking         // looking for frames
)

// use says what becomes of a payload.
type use uint8

const (
	toHandler use = iota + 1 // DATA
	toBlock                  // a piece of the open block
	toScratch                // SETTINGS, RST_STREAM, GOAWAY: read field by field
	toNobody
)

// Parser reads one side. Its zero value is not ready: Reset first. It is used again for another
// connection by Reset and then allocates nothing.
//
// A side that was read without loss from its beginning stands at a frame, whatever stands there: frames
// that break RFC 9113 are counted (BadFrames) and skipped by their length, also beyond what the reader
// allows, whose SETTINGS may not have been seen. Once frames had to be sought, a frame that would end a real
// connection means that they were sought wrongly, or lost again: they are sought anew.
type Parser struct {
	handler Handler
	counts  Counts
	limits  Limits
	table   table
	offset  int64 // of the next byte to read
	mark    Mark  // of the bytes being read
	frames  uint64
	bad     uint64
	seek    *seeker // while seeking

	buf    []byte // the field block fragments of the open block, as far as they came in pieces
	fields []Field
	block  Block // the open one

	frame    frame
	left     int    // payload still to come
	pad      int    // padding at its end
	begin    int64  // of the frame
	maxFrame int32  // what the other side announced, or 0
	high     uint32 // the highest stream known
	pushed   uint32 // the highest stream known that the server opened
	flood    uint32 // the stream whose block went beyond all bounds and was handed on
	pieces   int32  // frames of the open block
	own      uint32 // the highest stream that a block of this side, a client's, began
	unended  int32  // how many of those have not ended

	state     state
	use       use
	need      uint8 // bytes at the payload's begin that say where what it carries stands
	got       uint8 // bytes in scratch, or of the preface
	scratch   [frameHeader]byte
	torn      bool // what scratch holds has holes
	large     bool // the block in buf is large, and counts in Limits.Blocks
	open      bool // a block began and has not ended
	nameless  bool // the open block is a promise of a stream that is not known
	unsure    bool // frames were sought once
	verified  bool // frames were read: this is HTTP/2
	replaying bool // what is read was found to be frames
	fresh     bool // the table knows something, or may
	whole     bool // a client's side all of whose blocks were read
	doubted   bool // frames were lost that held no block, if the next block says so
}

// Reset makes the Parser ready for a new side whose next byte stands at offset.
func (p *Parser) Reset(h Handler, how Begin, offset int64, l Limits) {
	if p.seek != nil {
		clear(p.seek.buf)
	}
	p.noSeek()
	p.release()
	clear(p.fields[:cap(p.fields)])
	*p = Parser{handler: h, limits: l.withDefaults(), table: p.table, offset: offset, buf: p.buf, fields: p.fields[:0],
		state: atHeader, verified: true, fresh: true}
	p.table.reset(p.limits, how != Joined)
	switch how {
	case AtPreface:
		p.state, p.whole = inPreface, true
	case AfterPreface:
		p.whole = true
	case AtFrame:
	case Joined:
		p.verified = false
		p.startSeek()
	default:
		panic("BUG: http2: no Begin")
	}
}

// Counts says where the bytes went so far.
func (p *Parser) Counts() Counts { return p.counts }

// Offset is the position of the next byte; in a Handler's call of the byte after what is told.
func (p *Parser) Offset() int64 {
	if p.seek != nil {
		return p.seek.end()
	}
	return p.offset
}

// Seeking says that the Parser looks for frames and what it is fed belongs to none that it knows.
func (p *Parser) Seeking() bool { return p.state == seeking }

// Frames is how many frames were read since Reset.
func (p *Parser) Frames() uint64 { return p.frames }

// BadFrames is how many of the frames broke RFC 9113, or stood where they must not.
func (p *Parser) BadFrames() uint64 { return p.bad }

// AllowTable tells the SETTINGS_HEADER_TABLE_SIZE that the other side announced.
func (p *Parser) AllowTable(size uint32) { p.table.allow(size) }

// AllowFrame tells the SETTINGS_MAX_FRAME_SIZE that the other side announced. The largest told counts: frames
// sent under it may come after a smaller one.
func (p *Parser) AllowFrame(size uint32) {
	p.maxFrame = max(p.maxFrame, defaultFrame, int32(min(size, 1<<24-1)))
}

// Opened tells of a stream that the other side uses: frames of streams far beyond any that is known are
// not believed while frames are sought.
func (p *Parser) Opened(stream uint32) {
	p.high = max(p.high, stream)
	if stream%2 == 0 {
		p.pushed = max(p.pushed, stream)
	}
}

// Data takes the next bytes, which stay the caller's.
func (p *Parser) Data(b []byte, m Mark) {
	for len(b) > 0 {
		p.mark = m
		b = b[p.step(b):]
	}
}

// step reads some of b and says how much. Every step consumes bytes or changes the state toward one
// that does.
func (p *Parser) step(b []byte) int {
	switch p.state {
	case inPreface:
		return p.stepPreface(b)
	case atHeader:
		return p.stepHeader(b)
	case inPayload:
		return p.stepPayload(b)
	case seeking:
		return p.stepSeek(b)
	}
	panic("BUG: http2: a Parser without Reset")
}

func (p *Parser) stepPreface(b []byte) int {
	n := 0
	for n < len(b) && int(p.got) < len(Preface) {
		if b[n] != Preface[p.got] {
			p.counts.Junk += p.counts.Control + int64(n)
			p.counts.Control = 0
			p.offset += int64(n)
			p.lost()
			return n
		}
		n++
		p.got++
	}
	p.offset += int64(n)
	p.counts.Control += int64(n)
	if int(p.got) == len(Preface) {
		p.state, p.got = atHeader, 0
	}
	return n
}

func (p *Parser) stepHeader(b []byte) int {
	if p.got == 0 {
		p.begin = p.offset
		if !p.open {
			p.block.Mark = p.mark
		}
		if len(b) >= frameHeader {
			p.offset += frameHeader
			p.header(parseFrame(b), b)
			return frameHeader
		}
	}
	n := copy(p.scratch[p.got:], b)
	p.offset += int64(n)
	if p.got += uint8(n); p.got == frameHeader {
		p.got = 0
		p.header(parseFrame(p.scratch[:]), p.scratch[:])
	}
	return n
}

// header takes a frame header, which stands in raw.
func (p *Parser) header(f frame, raw []byte) {
	flaw := f.flaw()
	switch {
	case p.open && !(f.kind == typeContinuation && f.stream == p.block.Stream):
		flaw = broken // RFC 9113 section 6.2: nothing may stand between the frames of a block
	case !p.open && f.kind == typeContinuation && f.stream != p.flood:
		flaw = broken
	}
	if p.unsure && !p.replaying && (flaw == broken || p.tooLong(f)) {
		p.bad++
		p.unread(raw)
		return
	}
	p.frames++
	if p.maxFrame > 0 && f.length > int(p.maxFrame) {
		p.bad++
	}
	if f.kind != typeContinuation {
		p.flood = 0
	}
	if flaw != sound {
		p.bad++
		p.cutBlock(exchange.BadFrame)
		if f.flaw() == sound && f.kind != typeContinuation {
			flaw = sound // only its place was wrong
		}
	}
	if flaw == sound && f.kind != typePriority { // priority is for streams that may come
		p.Opened(f.stream)
	}
	p.frame, p.left, p.pad, p.need = f, f.length, 0, 0
	*p.count() += frameHeader
	p.state = inPayload
	p.enter(flaw)
	if p.left == 0 && p.state == inPayload {
		p.frameEnd()
	}
}

// enter says what becomes of the payload.
func (p *Parser) enter(flaw flaw) {
	f := p.frame
	p.use = toNobody
	switch {
	case f.ofBlock():
		if flaw != sound || f.stream == p.flood {
			p.loseTable() // what stands in it is not read
			return
		}
		p.use, p.need = toBlock, uint8(f.prefix())
		p.enterBlock()
	case flaw != sound:
	case f.kind == typeData:
		p.use, p.need = toHandler, uint8(f.prefix())
	case f.kind == typeReset, f.kind == typeSettings, f.kind == typeGoAway:
		p.use, p.torn = toScratch, false
	}
}

// count is where bytes of the frame go that are not body.
func (p *Parser) count() *int64 {
	switch {
	case p.frame.kind == typeData:
		return &p.counts.Framing
	case p.frame.ofBlock():
		return &p.counts.Head
	}
	return &p.counts.Control
}

func (p *Parser) stepPayload(b []byte) int {
	b = b[:min(len(b), p.left)]
	n := len(b)
	switch p.use {
	case toHandler:
		n = p.stepData(b)
	case toBlock:
		n = p.stepBlock(b)
	case toScratch:
		p.small(b)
		p.take(n)
	default:
		p.take(n)
	}
	if p.left == 0 && p.state == inPayload {
		p.frameEnd()
	}
	return n
}

// take counts n bytes of the payload that are not body.
func (p *Parser) take(n int) {
	p.offset += int64(n)
	p.left -= n
	*p.count() += int64(n)
}

// frameEnd ends the frame whose payload was read.
func (p *Parser) frameEnd() {
	p.state, p.got = atHeader, 0
	f := p.frame
	switch p.use {
	case toHandler:
		if f.has(flagEndStream) {
			p.unended = max(0, p.unended-1)
			p.handler.End(p, f.stream)
		}
	case toBlock:
		p.pieceEnd()
	case toScratch:
		p.smallEnd()
	}
}

// Close says that the side is over.
func (p *Parser) Close() {
	if p.state == seeking {
		p.closeSeek()
	}
	if p.state == atHeader {
		p.counts.Junk += int64(p.got)
	}
	p.cutBlock(exchange.PrematureClose)
	p.release()
	p.state, p.got, p.left = atHeader, 0, 0
}
