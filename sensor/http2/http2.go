// SPDX-License-Identifier: Apache-2.0

// Package http2 reads one side of an HTTP/2 connection: its frames, and the header blocks in them.
//
// It assumes that bytes come in order, each either shown (Data) or only counted (Gap). It refuses to
// guess: a field that refers to a table slot it never saw is unknown, and after a loss only bytes that
// follow each other as frames do are believed to be frames.
//
// Framing follows RFC 9113, header compression RFC 7541. Wrong traffic is an exchange.Anomaly, never an
// error. Bytes of a body come from frame lengths: a DATA frame of which nothing was seen but its header
// is exact.
package http2

import "github.com/weir-project/weir/sensor/exchange"

// Preface is what a client's side begins with, RFC 9113 section 3.4.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Begin says how a side begins.
type Begin uint8

// The begins.
const (
	AtPreface    Begin = iota + 1 // with the connection preface: a client's
	AtFrame                       // with a frame: a server's
	AfterPreface                  // a client's, behind the preface
	Joined                        // in its middle: frames are sought, and the table is unknown
)

// Mark is what the caller knows of the segment that carried some bytes; a Parser only remembers it.
type Mark struct {
	Time   int64  // Unix nanoseconds
	Offset int64  // of the segment's first byte in the side's stream
	Ack    uint32 // raw ACK number
	HasAck bool
}

// Field is one header field. Names are as sent: lower case, unless the sender is wrong. An unknown name or
// value is nil; an empty one is empty and not nil.
type Field struct {
	Name, Value []byte
}

// Kind says what a block is, by its pseudo-header fields (RFC 9113 section 8.3).
type Kind uint8

// The kinds. Of a block that has unknown fields and no known pseudo-header field nothing can be said.
const (
	Undetermined Kind = iota + 1
	Request           // :method, :scheme, :authority, :path or :protocol
	Response          // :status
	Trailer           // all fields known, none of them a pseudo-header field
)

// Block is one header block. It and all it refers to belong to the Parser and are valid only during the
// Handler's call.
type Block struct {
	Stream    uint32
	Promised  uint32 // of a PUSH_PROMISE: the stream that will carry the response; else 0
	Kind      Kind
	Offset    int64  // of the first frame's first byte in the side's stream
	End       int64  // of the first byte after the last frame
	Size      int64  // of all its frames, with their headers and padding
	Mark      Mark   // of the segment with the first byte
	Raw       []byte // the field block fragments joined, as sent; nil if not wholly seen or beyond the bound
	Fields    []Field
	EndStream bool
	// Unknown says that some fields are not known: a table slot never seen, bytes that were lost, or a
	// bound. Fields may be missing then, and of those there are name or value may be nil.
	Unknown   bool
	Cut       bool // bytes of the block were lost, or a bound was hit: fields are missing
	Anomalies exchange.AnomalySet
}

// Handler takes what a Parser finds, in order.
type Handler interface {
	// Block takes a header block.
	Block(p *Parser, b *Block)
	// Data takes bytes of a stream's body: the payload of a DATA frame without its padding. They are
	// valid during the call.
	Data(p *Parser, stream uint32, b []byte)
	// Gap says that n bytes of a stream's body were not seen.
	Gap(p *Parser, stream uint32, n int64)
	// End says that the side sends no more on a stream: after the Block or the DATA with END_STREAM.
	End(p *Parser, stream uint32)
	// Reset says that the side gave a stream up (RST_STREAM).
	Reset(p *Parser, stream uint32, code uint32)
	// GoAway says that the side takes no streams beyond last.
	GoAway(p *Parser, last uint32, code uint32)
	// Setting says what the side announced: it binds the other one.
	Setting(p *Parser, id uint16, value uint32)
	// Lost says that frames may be missing: whole streams may have begun or ended unseen.
	Lost(p *Parser)
}

// Settings that matter to a reader, RFC 9113 section 6.5.2.
const (
	SettingHeaderTableSize = 0x1
	SettingMaxFrameSize    = 0x5
)

// Limits bound what a Parser keeps and does. Zero values mean the defaults.
type Limits struct {
	BlockBytes  int     // of one header block as sent; 64 KiB
	BlockFrames int     // frames of one header block; 128
	FieldBytes  int     // of one header block as decoded; 256 KiB
	Fields      int     // of one header block that are handed on; 256
	Seek        *Budget // of all Parsers that look for frames; nil: each has its own bound alone
	Blocks      *Budget // of all Parsers that collect a header block in pieces; likewise
	TableBytes  int     // of the dynamic table, sizes as in RFC 7541 section 4.1; 64 KiB. Slots beyond are unknown
}

func (l Limits) withDefaults() Limits {
	size := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	size(&l.BlockBytes, 64<<10)
	size(&l.BlockFrames, 128)
	size(&l.FieldBytes, 256<<10)
	size(&l.Fields, 256)
	size(&l.TableBytes, 64<<10)
	return l
}

// Budget bounds what several Parsers of one goroutine keep of bytes that are not complete: of those that keep much, up to
// 70 KiB each, at most Max do; others keep 4 KiB.
type Budget struct {
	Max   int
	large int
}

// Counts says where the bytes of a side went. Their sum is what was fed, gaps included, but for the bytes
// of a frame header or block not yet whole.
type Counts struct {
	Head    int64 // frames of header blocks: HEADERS, PUSH_PROMISE, CONTINUATION
	Body    int64 // payload of DATA without padding, gaps in it included
	Framing int64 // headers and padding of DATA
	Control int64 // the preface and all other frames
	Junk    int64 // seen, and no frame that could be told
	Lost    int64 // gaps outside of DATA payload
}

// Sum adds all of them up.
func (c Counts) Sum() int64 { return c.Head + c.Body + c.Framing + c.Control + c.Junk + c.Lost }
