// SPDX-License-Identifier: Apache-2.0

package http1

import "bytes"

// stepSeek looks for a first line, line by line: whole in b it is read in place, else kept. Of a
// line longer than the window only its end counts, so that the answer does not depend on the cuts.
func (p *Parser) stepSeek(b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if len(p.buf) == 0 && i >= 0 {
		at := findStart(lastBytes(b[:i+1], p.window()), p.role, p.torn || i >= p.window())
		p.torn = false
		if at < 0 {
			return p.take(i+1, &p.counts.Junk)
		}
		at += max(0, i+1-p.window())
		p.take(at, &p.counts.Junk)
		p.begin, p.beginMark, p.state, p.headLen = p.offset, p.mark, inFirst, 0
		return at
	}
	n := len(b)
	if i >= 0 {
		n = i + 1
	}
	if len(p.buf) == 0 {
		p.begin, p.beginMark, p.headLen, p.nMarks = p.offset, p.mark, 0, 0
	}
	p.note()
	p.offset += int64(n)
	p.headLen += int64(n)
	p.buf = append(p.buf, lastBytes(b[:n], p.window())...)
	if i >= 0 || len(p.buf) >= 2*p.window() || p.headLen > int64(len(p.buf)) {
		p.windowed() // not with every chunk: a long line would be moved again and again
	}
	if i >= 0 {
		p.seekLine()
	}
	return n
}

// window is how much of a line is looked at: less than a head's bound, so that it fits the buffer.
func (p *Parser) window() int { return p.limits.HeaderBytes / 2 }

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// windowed keeps the last bytes of a partial line and counts the others as junk.
func (p *Parser) windowed() {
	if drop := len(p.buf) - p.window(); drop > 0 {
		p.dropFront(drop)
	}
	if over := p.headLen - int64(len(p.buf)); over > 0 { // never kept: of an in-place run
		p.torn = true
		p.counts.Junk += over
		p.headLen -= over
		p.begin += over
	}
}

func (p *Parser) dropFront(n int) {
	p.torn = p.torn || n > 0
	p.buf = p.buf[:copy(p.buf, p.buf[n:])]
	p.headLen -= int64(n)
	p.counts.Junk += int64(n)
	p.begin += int64(n)
}

// seekLine looks at the whole line in p.buf.
func (p *Parser) seekLine() {
	at := findStart(p.buf, p.role, p.torn)
	if at < 0 {
		p.torn = false
		p.junk()
		return
	}
	p.dropFront(at)
	p.torn = false
	if at > 0 {
		p.remark()
	}
	p.start = parseStart(p.buf, p.role)
	p.state, p.eol = inHead, 0
}

// note remembers the mark of the chunk that now adds to the partial line, if it acknowledges more.
func (p *Parser) note() {
	if n := p.nMarks; n > 0 && p.marks[n-1].mark.Ack == p.mark.Ack && p.marks[n-1].mark.HasAck == p.mark.HasAck {
		return
	}
	if p.nMarks == maxMarks {
		p.nMarks = copy(p.marks[:], p.marks[1:])
	}
	p.marks[p.nMarks] = placed{p.offset, p.mark}
	p.nMarks++
}

// remark finds the mark of the chunk that had the byte at p.begin.
func (p *Parser) remark() {
	for i := p.nMarks - 1; i >= 0; i-- {
		if p.marks[i].offset <= p.begin {
			p.beginMark = p.marks[i].mark
			return
		}
	}
}
