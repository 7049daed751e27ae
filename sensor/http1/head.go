// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"github.com/weir-project/weir/sensor/exchange"
)

// stepStart stands where a message may begin. "A server SHOULD ignore at least one empty line
// received prior to the request-line" (RFC 9112 section 2.2): any number is ignored here.
func (p *Parser) stepStart(b []byte) int {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if n > 0 {
		return p.take(n, &p.counts.Junk)
	}
	p.begin, p.beginMark, p.state = p.offset, p.mark, inFirst
	p.buf, p.headLen = p.buf[:0], 0
	return 0
}

// stepFirst reads the first line, in place if b has it whole.
func (p *Parser) stepFirst(b []byte) int {
	room := p.limits.HeaderBytes - len(p.buf)
	i := bytes.IndexByte(b[:min(len(b), room)], '\n')
	if i < 0 && len(b) < room {
		seen := len(p.buf)
		p.keep(b)
		if !stillViable(p.buf, seen, p.role) {
			p.reject()
		}
		return len(b)
	}
	n := i + 1
	if i < 0 {
		n = room
	}
	line := b[:n]
	if len(p.buf) > 0 {
		p.keep(line)
		line = p.buf
	}
	if i < 0 {
		p.start = oversizeStart(line, p.role)
	} else {
		p.start = parseStart(line, p.role)
	}
	if !p.allowed() {
		if len(p.buf) == 0 {
			p.keep(b[:n])
		}
		p.reject()
		return n
	}
	p.state, p.eol = inHead, 0
	if i < 0 {
		p.eol = 2
	}
	kept := len(p.buf) > 0
	if p.start.kind == simpleLine {
		if !kept {
			p.headLen = int64(n)
			p.offset += p.headLen
		}
		p.finish(line)
		return n
	}
	if kept {
		return n
	}
	return p.headInPlace(b, n)
}

// keep appends to the partial line or head as much as the bound lets, and advances.
func (p *Parser) keep(b []byte) {
	p.offset += int64(len(b))
	p.headLen += int64(len(b))
	if room := p.room(len(b)); room < len(b) {
		b = b[:room]
	}
	p.buf = append(p.buf, b...)
}

// room is how much more of a head may be kept, of n bytes.
func (p *Parser) room(n int) int {
	l := p.limits.Large
	if l != nil && !p.large && len(p.buf)+n > smallHead {
		if l.large >= l.Max {
			return max(0, smallHead-len(p.buf))
		}
		l.large++
		p.large = true
	}
	return p.limits.HeaderBytes - len(p.buf)
}

// settleLarge gives the place of a large head back when it is over.
func (p *Parser) settleLarge() {
	if p.large && len(p.buf) == 0 {
		p.large = false
		p.limits.Large.large--
	}
}

// allowed says whether the first line just parsed may begin a message here.
func (p *Parser) allowed() bool {
	switch p.start.kind {
	case requestLine, statusLine:
		return true
	case simpleLine:
		return p.begin == 0
	case prefaceLine:
		p.http2 = p.begin == 0
	}
	return false
}

// headInPlace goes on after a first line of n bytes in b: without a copy if b has the whole head.
func (p *Parser) headInPlace(b []byte, n int) int {
	m := p.headEnd(b[n:])
	if m < 0 {
		p.keep(b)
		return len(b)
	}
	p.headLen = int64(n + m)
	p.offset += p.headLen
	p.finish(b[:n+m])
	return n + m
}

// stepHead goes on in a head whose begin is in p.buf.
func (p *Parser) stepHead(b []byte) int {
	m := p.headEnd(b)
	if m < 0 {
		p.keep(b)
		return len(b)
	}
	p.keep(b[:m])
	p.finish(p.buf)
	return m
}

// headEnd looks for the empty line and gives the position after it, or -1.
func (p *Parser) headEnd(b []byte) int {
	for i := 0; i < len(b); {
		if p.eol == 2 {
			j := bytes.IndexByte(b[i:], '\n')
			if j < 0 {
				return -1
			}
			i, p.eol = i+j+1, 0
			continue
		}
		switch {
		case b[i] == '\n':
			return i + 1
		case b[i] == '\r' && p.eol == 0:
			p.eol = 1
		default:
			p.eol = 2
		}
		i++
	}
	return -1
}

// finish takes a whole head, of which b is what was kept.
func (p *Parser) finish(b []byte) {
	p.head(b, headWhole)
}

// headEnding says why a head is over.
type headEnding uint8

const (
	headWhole  headEnding = iota
	headCut               // a gap took the rest
	headClosed            // the side ended
)

// head parses what was kept of a head and hands it on.
func (p *Parser) head(b []byte, how headEnding) {
	p.counts.Head += p.headLen
	whole := how == headWhole
	m := &p.msg
	*m = Message{Role: Request, Offset: p.begin, HeadEnd: p.offset, Size: p.headLen, Mark: p.beginMark,
		Fields: m.Fields[:0],
		Minor:  p.start.minor, Status: p.start.status, Length: -1, Cut: how == headCut, Anomalies: p.next}
	p.next = 0
	p.folded = p.folded[:0]
	if len(b) > p.limits.HeaderBytes {
		b = b[:p.limits.HeaderBytes]
	}
	if whole && int64(len(b)) < p.headLen {
		m.Anomalies.Add(exchange.HeaderTooLarge)
		whole = false
	}
	if whole {
		m.Raw = b
	} else {
		m.Truncated = true
	}
	p.firstLine(b)
	f := framer{length: -1}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		if i == 0 || b[i-1] != '\r' {
			m.Anomalies.Add(exchange.BareLF)
		}
		rest := b[i+1:]
		if !whole {
			rest = wholeLines(rest)
		}
		f = p.parseFields(rest)
	} else {
		m.Anomalies.Add(exchange.PathTooLarge)
	}
	m.Framing, m.Length = f.framing(m.Role)
	if f.chunked && m.Minor == 0 {
		f.anomalies.Add(exchange.BadTransferEncoding) // "MUST treat the message as if the framing is faulty", section 6.1
	}
	m.Anomalies |= f.anomalies
	p.deliver(&f, how)
}

// wholeLines leaves out a last line that was cut: its value would be a part of the real one.
func wholeLines(b []byte) []byte { return b[:bytes.LastIndexByte(b, '\n')+1] }

// firstLine fills in what the first line said.
func (p *Parser) firstLine(b []byte) {
	m, s := &p.msg, &p.start
	if s.kind == statusLine {
		m.Role = Response
		if s.odd {
			m.Anomalies.Add(exchange.BadStatusLine)
		}
	} else {
		m.Method, m.Target = b[:s.method], b[s.targetStart:s.targetStop]
		if s.odd {
			m.Anomalies.Add(exchange.BadRequestLine)
		}
	}
	if m.Minor < 0 {
		m.Anomalies.Add(exchange.HTTP09)
	}
}

// deliver hands a head on and enters its body.
func (p *Parser) deliver(f *framer, how headEnding) {
	m := &p.msg
	p.role = m.Role
	p.messages++
	p.state, p.tail, p.left = atStart, 0, 0
	framing, length := m.Framing, m.Length
	p.broken = framing == UntilClose && (m.Role == Request || f.badLength || f.coding)
	status, interim := m.Status, m.Interim()
	if m.Role == Request && string(m.Method) == "CONNECT" && m.Minor >= 0 {
		framing, p.broken = TunnelBody, false
		m.Framing = framing
	}
	c := p.handler.Head(p, m)
	p.forget()
	if p.scout {
		p.state, p.torn = seeking, false
		p.next.Add(exchange.Resync)
		return
	}
	if how != headWhole {
		bodiless := interim || c.Head || status == 101 || status == 204 || status == 304
		if how == headCut && m.Role == Response && !bodiless && !c.Connect && p.handler.Drift(p) {
			p.state = adrift
			return
		}
		p.end(false)
		return
	}
	if m.Role == Response {
		switch {
		case status == 101, c.Connect && status/100 == 2:
			framing = TunnelBody
		case interim, c.Head, status == 204, status == 304:
			framing = NoBody
		}
	}
	p.enter(framing, length)
}

// keptFields is how many fields a Parser keeps room for: 12 KiB.
const keptFields = 256

// forget gives up the memory of a head, and what of it is too large to keep for the next one.
func (p *Parser) forget() {
	p.buf, p.headLen = p.buf[:0], 0
	if cap(p.buf) > keptBuffer {
		p.buf = nil
	}
	if cap(p.folded) > keptBuffer {
		p.folded = nil
	}
	if cap(p.msg.Fields) > keptFields {
		p.msg.Fields = nil
	}
}

// enter begins a body.
func (p *Parser) enter(f Framing, length int64) {
	switch f {
	case NoBody:
		p.end(true)
	case Length:
		p.state, p.left = inLength, length
	case Chunked:
		p.beginSize()
	case UntilClose:
		p.state = inClose
	case TunnelBody:
		p.state = inTunnel
	}
}

// reject finds that the first line, whose bytes are in p.buf, begins no message.
func (p *Parser) reject() {
	if p.bare && p.messages == 0 {
		p.bareBody()
		return
	}
	if p.messages == 0 {
		p.rejected = true
	}
	if p.messages > 0 || p.role == Response { // a request may have a proxy's line before it
		p.next.Add(exchange.UnexpectedBody)
	}
	p.state, p.torn = seeking, false
	p.marks[0], p.nMarks = placed{p.begin, p.beginMark}, 1
	p.windowed()
	if len(p.buf) > 0 && p.buf[len(p.buf)-1] == '\n' {
		p.seekLine()
	}
}

// bareBody takes the whole side as the body of an HTTP/0.9 response.
func (p *Parser) bareBody() {
	held := p.headLen
	p.offset -= held
	p.start = startLine{kind: statusLine, minor: -1}
	p.msg = Message{Role: Response, Offset: p.begin, HeadEnd: p.begin, Mark: p.beginMark, Minor: -1, Length: -1,
		Framing: UntilClose, Fields: p.msg.Fields[:0]}
	p.msg.Anomalies.Add(exchange.HTTP09)
	b := p.buf
	p.deliver(&framer{}, headWhole)
	p.body(b)
}
