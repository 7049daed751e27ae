// SPDX-License-Identifier: Apache-2.0

package http1

import "github.com/weir-project/weir/sensor/exchange"

// beginSize stands before a chunk-size line.
func (p *Parser) beginSize() {
	p.state, p.size, p.sizeLen, p.sizeExt = inSize, 0, 0, false
}

// stepFraming reads what lies between the payloads of chunks, RFC 9112 section 7.1.
func (p *Parser) stepFraming(b []byte) int {
	switch p.state {
	case inTrailer:
		n := p.headEnd(b)
		if n < 0 {
			return p.take(len(b), &p.counts.Framing)
		}
		p.take(n, &p.counts.Framing)
		p.end(true)
		return n
	case inChunkEnd:
		switch {
		case b[0] == '\n':
			p.beginSize()
		case b[0] == '\r' && p.eol == 0:
			p.eol = 1
		default:
			return p.badChunk()
		}
		return p.take(1, &p.counts.Framing)
	}
	return p.stepSize(b)
}

// stepSize reads in a chunk-size line; an extension is skipped.
func (p *Parser) stepSize(b []byte) int {
	for i, c := range b {
		if p.sizeLen++; p.sizeLen > p.limits.ChunkLine {
			p.take(i, &p.counts.Framing)
			return i + p.badChunk()
		}
		if c == '\n' {
			p.take(i+1, &p.counts.Framing)
			p.beginChunk()
			return i + 1
		}
		if p.sizeExt {
			continue
		}
		digit := hexDigit(c)
		switch {
		case digit >= 0 && p.size <= maxLength>>4:
			p.size = p.size<<4 | int64(digit)
		case digit < 0 && p.sizeLen > 1 && (c == ';' || c == ' ' || c == '\t' || c == '\r'):
			p.sizeExt = true
		default:
			p.take(i, &p.counts.Framing)
			return i + p.badChunk()
		}
	}
	return p.take(len(b), &p.counts.Framing)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func (p *Parser) beginChunk() {
	switch {
	case p.sizeLen == 1: // an empty line is no size
		p.badChunk()
	case p.size == 0:
		p.state, p.eol = inTrailer, 0
	default:
		p.state, p.left = inChunk, p.size
	}
}

// badChunk gives the framing up: servers and clients drop the connection, so that what still comes
// is the rest of this body.
func (p *Parser) badChunk() int {
	p.tail.Add(exchange.BadChunkSize)
	p.state, p.broken = inClose, true
	return 0
}
