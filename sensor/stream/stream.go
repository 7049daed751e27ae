// SPDX-License-Identifier: Apache-2.0

// Package stream is the vocabulary of ordered bytes: what flow and tlsprobe hand to session.
//
// It assumes nothing about the bytes. It refuses to hold them: a Chunk's Data is valid only during
// the call that receives it.
package stream

import "net/netip"

// Side names one of the two senders of a connection. The zero value means neither is known.
type Side uint8

// A is the side that sent the first segment seen, B the other one. Which of them is the client is
// a separate question, answered by Conn.Client.
const (
	Unknown Side = iota
	A
	B
)

// Other gives the opposite side; Unknown stays Unknown.
func (s Side) Other() Side {
	switch s {
	case A:
		return B
	case B:
		return A
	}
	return Unknown
}

// Conn is one connection. Its maker owns it and keeps it at the same address until Sink.Close has
// returned; then it may be used again for another connection.
type Conn struct {
	ID     uint64            // unique in this process, never used again
	Addr   [3]netip.AddrPort // indexed by Side
	Client Side              // Unknown until a SYN, a listening port or HTTP evidence told
	Start  int64             // time of the first segment, Unix nanoseconds
	VLAN   uint32
	Tunnel uint32
	Iface  int
	Mid    bool // picked up in the middle: no SYN was seen
	TLS    bool // the bytes are plaintext of a TLS connection
	State  any  // the sink's own; the maker sets it to nil for a new connection
}

// Chunk is a run of bytes of one side, in order, or a gap in them.
//
// Either Data is not empty and Gap is 0, or Gap is the number of lost bytes and Data is nil.
// Chunks of one side are contiguous: Offset is the sum of all earlier lengths and gaps.
type Chunk struct {
	Conn   *Conn
	Side   Side   // who sent the bytes
	Offset int64  // position in the side's stream; 0 is the byte after the SYN, or the first byte seen
	Seq    uint32 // raw TCP sequence number of the first byte
	Ack    uint32 // raw ACK number of the segment that carried it
	HasAck bool
	Time   int64 // when the segment that completed it was captured, Unix nanoseconds
	Data   []byte
	Gap    int64
	// Inconsistent says that a retransmission of some of these bytes had other content.
	Inconsistent bool
}

// End says how a side or connection came to its end.
type End uint8

// The ends, counted by name.
const (
	EndNone    End = iota
	EndFIN         // the side closed in order
	EndRST         // reset, by either side
	EndIdle        // nothing came for the idle bound
	EndEvicted     // given up for memory
	EndReuse       // a new connection took the same addresses and ports
	EndCapture     // the capture ended
)

// Act is what a sink asks for after it saw a chunk.
type Act uint8

// The acts.
const (
	GoOn   Act = iota // hand on what comes
	Skip              // the next N bytes of this side need not be captured: hand on gaps for them or data, as is cheap
	Ignore            // never hand on anything of this connection again; Close still comes
)

// Verdict is a sink's answer to a chunk. The zero value is "go on".
type Verdict struct {
	Act    Act
	N      int64 // for Skip: bytes, beyond the chunk just seen
	Client Side  // not Unknown: HTTP evidence of which side is the client
}

// Sink takes what a stream maker makes. Calls for one connection never overlap; connections of
// one maker come from one goroutine.
type Sink interface {
	// Chunk takes bytes or a gap.
	Chunk(c *Chunk) Verdict
	// Finish says that a side will send no more. No Chunk of that side follows.
	Finish(c *Conn, side Side, time int64, end End)
	// Close says that the connection is over. Exactly one Close ends each connection that had a Chunk.
	Close(c *Conn, time int64, end End)
}
