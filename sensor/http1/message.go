// SPDX-License-Identifier: Apache-2.0

// Package http1 reads one side of an HTTP/1 connection: heads, and how long bodies are.
//
// It assumes that bytes come in order, each either shown (Data) or only counted (Gap); what the
// other side said it is told by its Handler. It refuses to guess across a gap, and to hold a body.
//
// Framing follows RFC 9112 section 6.3. Wrong traffic is an exchange.Anomaly on the message, never
// an error; where a message is ambiguous the reading that most servers choose is taken.
package http1

import "github.com/weir-project/weir/sensor/exchange"

// Role says what a side sends.
type Role uint8

// The roles. Either is a side of which nothing is known yet: the first message decides.
const (
	Either Role = iota + 1
	Request
	Response
)

// Framing says what ends a body.
type Framing uint8

// The framings.
const (
	NoBody     Framing = iota + 1
	Length             // Content-Length
	Chunked            // Transfer-Encoding: chunked
	UntilClose         // the end of the side, RFC 9112 section 6.3 rule 8; also framing that servers refuse
	TunnelBody         // opaque bytes until the end, RFC 9110 sections 7.8 and 9.3.6
)

// Mark is what the caller knows of the segment that carried some bytes; a Parser only remembers it.
type Mark struct {
	Time    int64  // Unix nanoseconds
	Offset  int64  // of the segment's first byte in the side's stream
	Ack     uint32 // raw ACK number
	HasAck  bool
	Prev    uint32 // raw ACK number that came with the byte before Offset
	HasPrev bool
}

// Field is one header field. Name keeps its case; Value is trimmed and, if it was folded, joined.
type Field struct{ Name, Value []byte }

// Message is one head. It and all it refers to belong to the Parser and are valid only during the
// Handler's call.
type Message struct {
	Role      Role
	Offset    int64  // of the first byte of the start line in the side's stream
	HeadEnd   int64  // of the first byte after the head
	Size      int64  // bytes of the head that were seen
	Mark      Mark   // of the segment with the first byte
	Raw       []byte // the head as sent, start line to empty line; nil if it was not wholly seen and kept
	Method    []byte
	Target    []byte
	Status    int // 0: a bare body without a status line, as HTTP/0.9 servers send
	Minor     int // of version 1.x; -1: no version, HTTP/0.9
	Fields    []Field
	Truncated bool    // a gap or a bound cut the head
	Cut       bool    // a gap cut the head: where the message ends is not known
	Length    int64   // declared Content-Length, -1 if none or not usable
	Framing   Framing // of a request; a response's is settled by the Handler's answer
	Anomalies exchange.AnomalySet
}

// Interim says whether a response is a 1xx that another response to the same request follows.
func (m *Message) Interim() bool {
	return m.Role == Response && m.Status >= 100 && m.Status < 200 && m.Status != 101
}

// Context is what a response's framing needs to know of its request.
type Context struct {
	Head    bool // the method was HEAD: no body, whatever the fields say
	Connect bool // the method was CONNECT: a 2xx begins a tunnel
}

// Tail is what is known at the end of a message.
type Tail struct {
	Offset    int64 // of the first byte after the message
	Complete  bool  // the framing's own end was reached
	Anomalies exchange.AnomalySet
}

// Handler takes what a Parser finds, in order: Head, any number of Body and Gap, End, and so on.
type Handler interface {
	// Head takes a head. For a response the answer settles its framing; for a request it is ignored.
	Head(p *Parser, m *Message) Context
	// Body takes bytes of a body as sent: de-chunked, still encoded. They are valid during the call.
	Body(p *Parser, b []byte)
	// Gap says that n bytes of a body were not seen.
	Gap(p *Parser, n int64)
	// End says that the message is over.
	End(p *Parser, t Tail)
	// Drift says that a gap took the framing of a body: chunk-size lines, or of a response the head.
	// True asks to take what comes as body all the same until Land says that another message may
	// begin; the caller then knows while none can, and says Charge or Land before every Data.
	Drift(p *Parser) bool
	// Lost says that a gap may have swallowed whole messages: order alone pairs nothing any more.
	Lost(p *Parser)
}

// Budget bounds what several Parsers of one goroutine keep of heads that are not complete: at most Max of them keep more
// than 4 KiB. It is not for use by more than one goroutine.
type Budget struct {
	Max   int
	large int
}

// smallHead is what a Parser keeps of a head without asking.
const smallHead = 4 << 10

// Limits bound what a Parser keeps. Zero values mean the defaults.
type Limits struct {
	HeaderBytes int     // of one head: the rest is counted, not read; 64 KiB
	Large       *Budget // of all Parsers; nil: each has its own bound alone
	Headers     int     // fields of one head that are handed on; as many as fit the default of HeaderBytes
	ChunkLine   int     // bytes of a chunk-size line with its extensions; 16 KiB
}

func (l Limits) withDefaults() Limits {
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = 64 << 10
	}
	if l.Headers <= 0 {
		l.Headers = 64 << 10 / len("a:\r\n") // fewer would let a client hide a credential behind them
	}
	if l.ChunkLine <= 0 {
		l.ChunkLine = 16 << 10
	}
	return l
}

// Counts says where the bytes of a side went. Their sum is what was fed, gaps included.
type Counts struct {
	Head    int64 // heads, as sent
	Body    int64 // bodies, gaps in them included
	Framing int64 // chunk-size lines, line ends between chunks, trailers
	Tunnel  int64 // bodies of tunnels
	Junk    int64 // no message: before the first, between two, after a loss
	Lost    int64 // gaps outside bodies
}

// Sum adds all of them up.
func (c Counts) Sum() int64 { return c.Head + c.Body + c.Framing + c.Tunnel + c.Junk + c.Lost }
