// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"github.com/weir-project/weir/sensor/exchange"
)

const (
	keptBuffer = 2 << 10 // bytes kept for the next block that comes in pieces
	keptFields = 32      // fields kept for the next block
)

// hardStop is how many times BlockFrames a block may have until it is handed on without its end.
const hardStop = 16

// enterBlock takes the header of a frame with a piece of a block.
func (p *Parser) enterBlock() {
	f := p.frame
	if f.kind != typeContinuation {
		p.block = Block{Stream: f.stream, Offset: p.begin, Mark: p.block.Mark,
			EndStream: f.kind == typeHeaders && f.has(flagEndStream)}
		p.open, p.nameless, p.pieces = true, false, 0
	}
	p.block.Size += int64(frameHeader + f.length)
	p.block.End = p.begin + int64(frameHeader+f.length)
	if p.pieces++; int(p.pieces) > p.limits.BlockFrames {
		p.flooded()
	}
}

func (p *Parser) flooded() {
	p.block.Cut = true
	p.block.Anomalies.Add(exchange.HeaderFlood)
}

// stepBlock reads a piece of a header block frame. A block of one frame that stands wholly in b is read in
// place; else its fragments are collected.
func (p *Parser) stepBlock(b []byte) int {
	f := p.frame
	if p.need > 0 {
		n := copy(p.scratch[f.prefix()-int(p.need):f.prefix()], b)
		p.take(n)
		if p.need -= uint8(n); p.need == 0 {
			p.prefix(p.scratch[:f.prefix()])
		}
		return n
	}
	if len(b) == p.left && p.left == f.length-f.prefix() && p.pieces == 1 && f.has(flagEndHeaders) && !p.block.Cut {
		p.take(len(b))
		p.state, p.got = atHeader, 0
		p.hand(b[:len(b)-p.pad])
		return len(b)
	}
	if n := min(len(b), p.left-p.pad); n > 0 {
		p.take(n)
		p.collect(b[:n])
		return n
	}
	p.take(len(b))
	return len(b)
}

// prefix takes what stands before the fragment: pad length, priority, promised stream.
func (p *Parser) prefix(b []byte) {
	f := p.frame
	if f.has(flagPadded) {
		p.pad = int(b[0])
		if p.pad > p.left { // RFC 9113 section 6.2: a connection error
			p.pad = p.left
			p.block.Cut = true
			p.block.Anomalies.Add(exchange.BadFrame)
			p.badPadding()
		}
		b = b[1:]
	}
	if f.kind == typePushPromise {
		p.block.Promised = binary.BigEndian.Uint32(b) & (1<<31 - 1)
		p.Opened(p.block.Promised)
	}
}

// collect keeps a fragment, as far as the bound lets and no hole is before it.
func (p *Parser) collect(b []byte) {
	if p.block.Cut {
		return
	}
	if len(p.buf)+len(b) > smallSought && !p.mayCollect() {
		p.flooded()
		return
	}
	if room := p.limits.BlockBytes - len(p.buf); len(b) > room {
		b = b[:room]
		p.flooded()
	}
	p.buf = append(p.buf, b...)
}

// mayCollect asks for room to collect a large block.
func (p *Parser) mayCollect() bool {
	l := p.limits.Blocks
	if l == nil || p.large {
		return true
	}
	if l.large >= l.Max {
		return false
	}
	l.large++
	p.large = true
	return true
}

// gapBlock notes that n bytes of a header block frame were not seen. Padding may be missing.
func (p *Parser) gapBlock(n int) {
	if p.need == 0 && p.left <= p.pad {
		return
	}
	if p.need > 0 {
		p.nameless = p.nameless || p.frame.kind == typePushPromise
		p.need, p.pad = 0, 0
	}
	p.block.Cut = true
	p.block.Anomalies.Add(exchange.GapInHeader)
}

// pieceEnd ends a frame of the open block.
func (p *Parser) pieceEnd() {
	switch {
	case p.frame.has(flagEndHeaders):
		p.hand(p.buf)
	case int(p.pieces) >= hardStop*p.limits.BlockFrames:
		stream := p.block.Stream
		p.hand(p.buf)
		p.flood = stream
	}
}

// cutBlock hands the open block, if any, on without its end.
func (p *Parser) cutBlock(why exchange.Anomaly) {
	if !p.open {
		return
	}
	p.block.Cut = true
	p.block.Anomalies.Add(why)
	p.hand(p.buf)
}

// hand decodes the open block from its fragments and hands it on. Of a cut one raw is the begin: the
// fields in it are right, but what the rest did to the table is not known.
func (p *Parser) hand(raw []byte) {
	b := &p.block
	p.open = false
	if len(raw) > p.limits.BlockBytes {
		raw = raw[:p.limits.BlockBytes]
		p.flooded()
	}
	whole := !b.Cut
	if p.doubted {
		p.resolve(b, raw)
	}
	p.begun(b)
	fields, unknown, cut, a := p.table.decode(raw, p.fields[:0])
	p.fresh = true
	if !whole { // its last field may be cut, which is no fault of the sender
		a &^= 1 << exchange.BadHeaderBlock
	}
	b.Anomalies |= a
	b.Unknown = unknown || cut || !whole || a.Has(exchange.BadHeaderBlock)
	b.Cut = b.Cut || cut
	if whole {
		b.Raw = raw
	}
	b.Fields = fields
	b.Kind = kindOf(fields, !b.Cut && !a.Has(exchange.BadHeaderBlock))
	if !p.nameless {
		p.handler.Block(p, b)
		if b.EndStream {
			p.handler.End(p, b.Stream)
		}
	}
	if !whole {
		p.loseTable()
	}
	b.Raw, b.Fields = nil, nil
	clear(fields)
	if p.fields = fields[:0]; cap(fields) > keptFields {
		p.fields = nil
	}
	p.release()
}

// release clears the fragments, which may hold a credential.
func (p *Parser) release() {
	if p.large {
		p.large = false
		p.limits.Blocks.large--
	}
	clear(p.buf)
	if p.buf = p.buf[:0]; cap(p.buf) > keptBuffer {
		p.buf = nil
	}
}

// kindOf says what a block with these fields is; all says that no field is missing.
func kindOf(fields []Field, all bool) Kind {
	for i := range fields {
		name := fields[i].Name
		if len(name) == 0 || name[0] != ':' {
			all = all && name != nil
			continue
		}
		switch string(name) {
		case ":status":
			return Response
		case ":method", ":scheme", ":authority", ":path", ":protocol":
			return Request
		}
	}
	if all {
		return Trailer
	}
	return Undetermined
}
