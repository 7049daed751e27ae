// SPDX-License-Identifier: Apache-2.0

package http1

import "github.com/weir-project/weir/sensor/exchange"

// state is where in its side a Parser stands.
type state uint8

const (
	atStart    state = iota + 1 // a message may begin
	inFirst                     // in a first line, the bytes before it in p.buf
	inHead                      // after a good first line
	inLength                    // in a body of p.left more bytes
	inSize                      // in a chunk-size line
	inChunk                     // in a chunk of p.left more bytes
	inChunkEnd                  // in the line end after a chunk
	inTrailer                   // in the trailer section
	inClose                     // in a body that ends with the side
	inTunnel                    // in opaque bytes
	adrift                      // in a body whose framing is lost; p.left are gap bytes not charged to it yet
	seeking                     // looking for a line a message begins with; the partial line in p.buf
	probing                     // in a body that ends with the side, looking whether a status line stands here
)

// keptBuffer is how much memory a Parser keeps for its next connection.
const keptBuffer = 8 << 10

// Parser reads one side. Its zero value is not ready: Reset first. It is used again for another
// connection by Reset and then allocates nothing.
type Parser struct {
	handler Handler
	limits  Limits
	role    Role
	state   state
	counts  Counts
	offset  int64 // of the next byte
	mark    Mark  // of the bytes being read

	begin     int64 // of the message or line being read
	beginMark Mark
	buf       []byte // its bytes from earlier chunks, as many as the bound lets
	marks     [maxMarks]placed
	nMarks    int // of the last chunks that gave bytes to a partial line
	folded    []byte
	start     startLine
	headLen   int64 // bytes of the head so far, kept or not
	eol       uint8 // in a head or trailer: 0 at a line's begin, 1 after CR there, 2 in a line

	left     int64 // of a body or chunk
	size     int64 // of the chunk whose size line is being read
	sizeLen  int
	sizeExt  bool
	messages int
	msg      Message
	tail     exchange.AnomalySet // of the body being read
	next     exchange.AnomalySet // for the next message found
	rejected bool                // the first bytes are no message
	http2    bool
	torn     bool // the line being sought in may lack its begin
	bare     bool // a body without a status line may come
	broken   bool // the framing was refused: UntilClose has no orderly end
	large    bool // what is kept of a head is large, and counts in Limits.Large
	scout    bool // reads heads only, in what another Parser takes for a body
}

// placed is a Mark and the offset it holds from.
type placed struct {
	offset int64
	mark   Mark
}

// maxMarks bounds how many are remembered: of a message found in the middle of a partial line, one
// of the last chunks had the first byte.
const maxMarks = 8

// Reset makes the Parser ready for a new side. With mid the side was joined in its middle and the
// first message is sought.
func (p *Parser) Reset(h Handler, role Role, mid bool, l Limits) {
	p.buf = p.buf[:0]
	p.settleLarge()
	*p = Parser{handler: h, limits: l.withDefaults(), role: role, state: atStart,
		buf: p.buf[:0], folded: p.folded[:0], msg: Message{Fields: p.msg.Fields[:0]}}
	if cap(p.buf) > keptBuffer {
		p.buf = nil
	}
	if mid {
		p.state, p.torn = seeking, true
	}
}

// Role says what the side sends, as far as told or found.
func (p *Parser) Role() Role { return p.role }

// SetRole tells what the side sends, once the other side gave it away.
func (p *Parser) SetRole(r Role) { p.role = r }

// Counts says where the bytes went so far. Bytes of a first line or head not yet whole are not in it.
func (p *Parser) Counts() Counts { return p.counts }

// Messages is the number of heads seen.
func (p *Parser) Messages() int { return p.messages }

// Rejected says that the side began with bytes that are no message and none was found since.
func (p *Parser) Rejected() bool { return p.rejected && p.messages == 0 }

// HTTP2 says that the side began with the HTTP/2 connection preface.
func (p *Parser) HTTP2() bool { return p.http2 }

// Seeking says that the Parser looks for the begin of a message and what it is fed belongs to none.
func (p *Parser) Seeking() bool { return p.state == seeking }

// Bare says that the request was HTTP/0.9: if no status line comes, the whole side is the body.
func (p *Parser) Bare() { p.bare = true }

// Data takes the next bytes, which stay the caller's.
func (p *Parser) Data(b []byte, m Mark) {
	p.mark = m
	for len(b) > 0 {
		b = b[p.step(b):]
	}
	p.settleLarge()
}

// step reads some of b and says how much. Every step either consumes bytes or changes the state
// toward one that does.
func (p *Parser) step(b []byte) int {
	switch p.state {
	case atStart:
		return p.stepStart(b)
	case inFirst:
		return p.stepFirst(b)
	case inHead:
		return p.stepHead(b)
	case inSize, inChunkEnd, inTrailer:
		return p.stepFraming(b)
	case inLength, inChunk:
		n := int(min(int64(len(b)), p.left))
		p.body(b[:n])
		p.left -= int64(n)
		if p.left == 0 {
			p.counted()
		}
		return n
	case inClose, inTunnel, adrift:
		p.body(b)
		return len(b)
	case seeking:
		return p.stepSeek(b)
	case probing:
		return p.stepProbe(b)
	}
	panic("BUG: http1: a Parser without Reset")
}

// counted ends what p.left counted.
func (p *Parser) counted() {
	if p.state == inChunk {
		p.state, p.eol = inChunkEnd, 0
		return
	}
	p.end(true)
}

func (p *Parser) take(n int, to *int64) int {
	p.offset += int64(n)
	*to += int64(n)
	return n
}

func (p *Parser) bodyCount() *int64 {
	if p.state == inTunnel {
		return &p.counts.Tunnel
	}
	return &p.counts.Body
}

func (p *Parser) body(b []byte) {
	if len(b) > 0 {
		p.take(len(b), p.bodyCount())
		p.handler.Body(p, b)
	}
}

func (p *Parser) bodyGap(n int64) {
	p.offset += n
	*p.bodyCount() += n
	p.tail.Add(exchange.GapInBody)
	p.handler.Gap(p, n)
}

// end closes the message being read.
func (p *Parser) end(complete bool) {
	t := Tail{Offset: p.offset, Complete: complete, Anomalies: p.tail}
	p.state, p.tail, p.broken = atStart, 0, false
	p.handler.End(p, t)
}

// Gap takes n bytes that were not seen.
func (p *Parser) Gap(n int64) {
	if n <= 0 {
		return
	}
	p.unprobe()
	switch p.state {
	case inClose, inTunnel:
		p.bodyGap(n)
		return
	case adrift:
		p.left += n
		return
	case inLength, inChunk:
		k := min(n, p.left)
		p.bodyGap(k)
		p.left -= k
		if p.left == 0 {
			p.counted()
		}
		if n -= k; n == 0 {
			return
		}
	}
	p.lose(n)
}

// lose takes a gap outside the payload of a body: where the next message begins is not known.
func (p *Parser) lose(n int64) {
	switch p.state {
	case atStart, inFirst:
		if p.role == Response && p.handler.Drift(p) {
			p.junk()
			p.tail.Add(exchange.GapInHeader)
			p.state, p.left = adrift, n
			return
		}
		p.junk()
	case seeking:
		p.junk()
		if p.role == Response && p.handler.Drift(p) {
			p.tail.Add(exchange.GapInHeader)
			p.state, p.left = adrift, n
			return
		}
	case inHead:
		p.next.Add(exchange.GapInHeader)
		if p.cutHead(n); p.state == adrift {
			return
		}
		n = 0
	case inSize, inChunkEnd, inTrailer:
		p.tail.Add(exchange.GapInBody)
		if p.state != inTrailer && p.handler.Drift(p) {
			p.state, p.left = adrift, n
			return
		}
		p.offset += n
		p.counts.Lost += n
		n = 0
		p.end(false)
	}
	p.offset += n
	p.counts.Lost += n
	p.seek(exchange.Resync)
	p.handler.Lost(p)
}

// Adrift says that the Parser waits for Charge or Land.
func (p *Parser) Adrift() bool { return p.state == adrift }

// Charge says that no other message began in the gaps since the framing was lost: they are body.
func (p *Parser) Charge() {
	if n := p.left; p.state == adrift && n > 0 {
		p.left = 0
		p.bodyGap(n)
	}
}

// Retract says that what was lost was no body, and that a message begins with the next byte.
func (p *Parser) Retract() {
	if p.state == adrift {
		p.offset += p.left
		p.counts.Lost += p.left
		p.state, p.tail, p.left = atStart, 0, 0
	}
}

// Land says that another message may have begun: the body is over, and the next message is sought.
func (p *Parser) Land() {
	if p.state != adrift {
		return
	}
	n := p.left
	p.offset += n
	p.counts.Lost += n
	p.end(false)
	p.seek(exchange.Resync)
	p.handler.Lost(p)
}

// cutHead hands on a head that lost its rest, n bytes of it at least.
func (p *Parser) cutHead(n int64) {
	p.offset += n
	p.counts.Lost += n
	p.head(p.buf, headCut)
}

// seek looks for the next message; why is said of it.
func (p *Parser) seek(why exchange.Anomaly) {
	p.next.Add(why)
	p.state, p.buf, p.torn = seeking, p.buf[:0], true
}

// junk gives up the partial line in p.buf.
func (p *Parser) junk() {
	p.counts.Junk += p.headLen
	p.buf, p.headLen = p.buf[:0], 0
}

// Tunnel says that the other side agreed to another protocol: whatever comes is opaque. Bytes that
// were read as the begin of a message go into it.
func (p *Parser) Tunnel() {
	p.unprobe()
	if p.state == seeking {
		p.windowed()
	}
	held := p.buf
	switch p.state {
	case inTunnel:
		return
	case atStart, inFirst, inHead, seeking:
		p.counts.Junk += p.headLen - int64(len(held))
		p.buf, p.headLen = p.buf[:0], 0
	default:
		p.end(false)
		held = nil
	}
	p.state = inTunnel
	if len(held) > 0 {
		p.counts.Tunnel += int64(len(held))
		p.handler.Body(p, held)
	}
}

// Resume says that a CONNECT was refused: requests go on.
func (p *Parser) Resume() {
	if p.state == inTunnel {
		p.end(true)
	}
}

// Close says that the side is over; orderly after a FIN.
func (p *Parser) Close(orderly bool) {
	p.unprobe()
	switch p.state {
	case inFirst, seeking:
		if p.bare && p.messages == 0 && p.state == inFirst {
			p.bareBody()
			p.end(orderly)
		}
		p.junk()
	case inHead:
		p.next.Add(exchange.PrematureClose)
		p.head(p.buf, headClosed)
	case inTunnel:
		p.end(true)
	case adrift:
		p.offset += p.left
		p.counts.Lost += p.left
		p.end(false)
	case inClose:
		whole := orderly && !p.broken
		if !whole {
			p.tail.Add(exchange.PrematureClose)
		}
		p.end(whole)
	case inLength, inSize, inChunk, inChunkEnd, inTrailer:
		p.tail.Add(exchange.PrematureClose)
		p.end(false)
	}
	p.state = atStart
}
