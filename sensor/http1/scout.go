// SPDX-License-Identifier: Apache-2.0

package http1

import "github.com/weir-project/weir/sensor/exchange"

// Scout makes the Parser a scout: it is fed what another Parser takes for the body of a request, from
// offset on, and hands on every head by the book that it finds there. The bytes are not its own: they
// are in the other's Counts, and a head's body is not skipped. After Scout it goes on from any offset.
func (p *Parser) Scout(h Handler, l Limits, offset int64) {
	p.Reset(h, Request, false, l)
	p.scout = true
	p.ScoutFrom(offset)
}

// ScoutFrom gives up a partial line and looks on from offset, where a message may begin.
func (p *Parser) ScoutFrom(offset int64) {
	p.buf, p.headLen, p.next, p.torn = p.buf[:0], 0, 0, false
	p.state, p.offset = seeking, offset
	p.next.Add(exchange.Resync)
}

// Skipped tells a scout that its next byte stands at offset: the other Parser read framing between.
func (p *Parser) Skipped(offset int64) { p.offset = offset }

// Offset is the position of the next byte.
func (p *Parser) Offset() int64 { return p.offset }

// Follow says that the body being read ended at offset, and that its scout is right: the Parser goes
// on where the scout stands. Of what it counted as body, heads bytes were heads.
func (p *Parser) Follow(scout *Parser, offset, heads int64) {
	tail := Tail{Offset: offset, Anomalies: p.tail}
	p.tail, p.broken = 0, false
	p.counts.Head += p.uncount(heads)
	p.headLen = p.uncount(scout.headLen)
	p.state, p.begin, p.beginMark, p.start, p.eol = scout.state, scout.begin, scout.beginMark, scout.start, scout.eol
	p.marks, p.nMarks, p.torn, p.next = scout.marks, scout.nMarks, scout.torn, scout.next
	p.buf, scout.buf = scout.buf, p.buf
	p.large, scout.large = scout.large, p.large
	scout.ScoutFrom(p.offset)
	p.handler.End(p, tail)
}

// uncount takes n bytes back that were counted as a body and its framing.
func (p *Parser) uncount(n int64) int64 {
	k := min(n, p.counts.Body)
	p.counts.Body -= k
	m := min(n-k, p.counts.Framing)
	p.counts.Framing -= m
	return k + m
}

// UntilClose says that the Parser is in a body that only the end of the side ends.
func (p *Parser) UntilClose() bool { return p.state == inClose }

// statusForm is what a status line by the book begins with; 0 stands for a digit.
const statusForm = "HTTP/1.0 000"

// Probe says that another message may begin with the next byte, in a body that only the end of the
// side ends: a status line there begins one, anything else is body as before.
func (p *Parser) Probe() {
	if p.state == inClose {
		p.state = probing
		p.buf, p.headLen, p.begin = p.buf[:0], 0, p.offset
	}
}

func (p *Parser) stepProbe(b []byte) int {
	if len(p.buf) == 0 {
		p.beginMark = p.mark
	}
	for i, c := range b {
		want := statusForm[len(p.buf)]
		if want == '0' && !isDigit(c) || want != '0' && c != want {
			p.unprobe()
			return i
		}
		p.keep(b[i : i+1])
		if len(p.buf) == len(statusForm) {
			p.found()
			return i + 1
		}
	}
	return len(b)
}

// found ends the body before the status line whose begin is in p.buf.
func (p *Parser) found() {
	t := Tail{Offset: p.begin, Anomalies: p.tail}
	p.tail, p.broken = 0, false
	p.next.Add(exchange.Resync)
	p.handler.End(p, t)
	p.state = inFirst
}

// unprobe gives what was held back to the body.
func (p *Parser) unprobe() {
	if p.state != probing {
		return
	}
	held := p.buf
	p.state, p.offset = inClose, p.offset-p.headLen
	p.buf, p.headLen = p.buf[:0], 0
	p.body(held)
}
