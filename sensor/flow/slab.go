// SPDX-License-Identifier: Apache-2.0

package flow

import "github.com/weir-project/weir/sensor/stream"

const (
	connsPerChunk = 64
	stubsPerChunk = 1024
)

// connSlab keeps connections at fixed addresses and uses them again.
type connSlab struct {
	chunks []*[connsPerChunk]conn
	free   *conn // through conn.next
	made   uint32
}

func (s *connSlab) at(ref uint32) *conn {
	i := ref>>1 - 1
	return &s.chunks[i/connsPerChunk][i%connsPerChunk]
}

// get gives a cleared connection.
func (s *connSlab) get() *conn {
	if c := s.free; c != nil {
		s.free = c.next
		*c = conn{ref: c.ref}
		return c
	}
	if s.made%connsPerChunk == 0 {
		s.chunks = append(s.chunks, new([connsPerChunk]conn))
	}
	s.made++
	c := s.at(s.made << 1)
	c.ref = s.made << 1
	return c
}

func (s *connSlab) put(c *conn) {
	c.out.State = nil
	c.next, s.free = s.free, c
}

// connList is a list of connections, the longest idle first. A connection is in one of them.
type connList struct {
	head, tail *conn
	n          int
}

func (l *connList) push(c *conn) {
	c.list, c.prev, c.next = l, l.tail, nil
	if l.tail != nil {
		l.tail.next = c
	} else {
		l.head = c
	}
	l.tail = c
	l.n++
}

func (l *connList) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.tail = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
	l.n--
}

// holeList is the list of connections that wait for something, the longest waiting first.
type holeList struct {
	head, tail *conn
	n          int
}

func (l *holeList) push(c *conn) {
	c.flags |= waiting
	c.holePrev, c.holeNext = l.tail, nil
	if l.tail != nil {
		l.tail.holeNext = c
	} else {
		l.head = c
	}
	l.tail = c
	l.n++
}

func (l *holeList) remove(c *conn) {
	c.flags &^= waiting
	if c.holePrev != nil {
		c.holePrev.holeNext = c.holeNext
	} else {
		l.head = c.holeNext
	}
	if c.holeNext != nil {
		c.holeNext.holePrev = c.holePrev
	} else {
		l.tail = c.holePrev
	}
	c.holePrev, c.holeNext = nil, nil
	l.n--
}

// stub is what is known of a connection that has no state of its own: a handshake without its third
// segment, or a connection that is over. It holds no pointer, so that a million of them cost the
// garbage collector nothing. Arrays are indexed by end: 0 the lower one of the key, 1 the other.
type stub struct {
	key        key
	hash, ref  uint32
	prev, next uint32    // refs
	at         int64     // when it was made
	seq        [2]uint32 // handshake: initial sequence number; closed: the one after the last byte; yielded: claim and wait
	alias      alias
	state      uint8
	first      uint8 // end that sent the first segment
	client     uint8 // end that is the client
	seen       uint8 // ends that sent something, as bits; yielded: since the flow was asked for last
}

// state of a stub.
const (
	stubSYN0        uint8 = 1 << iota // end 0 sent its SYN (or SYN/ACK)
	stubSYN1                          // end 1 did
	stubGuess0                        // seq[0] is known from an ACK only
	stubGuess1                        // seq[1] is
	stubClosed                        // over
	stubQuarantined                   // over, by Drop
	stubMid                           // no handshake: only ACKs of a connection that began before us were seen
	stubYielded                       // another Tracker's
)

// stubSlab keeps stubs and uses them again.
type stubSlab struct {
	chunks []*[stubsPerChunk]stub
	free   uint32 // ref, through stub.next
	made   uint32
}

func (s *stubSlab) at(ref uint32) *stub {
	i := ref>>1 - 1
	return &s.chunks[i/stubsPerChunk][i%stubsPerChunk]
}

func (s *stubSlab) get() *stub {
	if s.free != 0 {
		st := s.at(s.free)
		s.free = st.next
		*st = stub{ref: st.ref}
		return st
	}
	if s.made%stubsPerChunk == 0 {
		s.chunks = append(s.chunks, new([stubsPerChunk]stub))
	}
	s.made++
	st := s.at(s.made << 1)
	st.ref = s.made<<1 | stubBit
	return st
}

func (s *stubSlab) put(st *stub) { st.next, s.free = s.free, st.ref }

// stubList is a list of stubs, the oldest first.
type stubList struct {
	head, tail uint32
	n          int
}

func (l *stubList) push(s *stubSlab, st *stub) {
	st.prev, st.next = l.tail, 0
	if l.tail != 0 {
		s.at(l.tail).next = st.ref
	} else {
		l.head = st.ref
	}
	l.tail = st.ref
	l.n++
}

func (l *stubList) remove(s *stubSlab, st *stub) {
	if st.prev != 0 {
		s.at(st.prev).next = st.next
	} else {
		l.head = st.next
	}
	if st.next != 0 {
		s.at(st.next).prev = st.prev
	} else {
		l.tail = st.prev
	}
	l.n--
}

// conn is a connection with state of its own. What each segment reads stands first.
type conn struct {
	key     key
	last    int64 // time of the last segment
	ref     uint32
	flags   uint16
	low     stream.Side // side of the key's lower end
	resetBy stream.Side // who sent the RST that waits

	lanes [2]lane // by Side-1

	resetAt            int64
	prev, next         *conn
	holePrev, holeNext *conn
	list               *connList
	out                stream.Conn
	hash               uint32
	claim              uint32 // of the flow, among Owners
	alias              alias
}

// flags of a conn.
const (
	told         uint16 = 1 << iota // the sink has seen a chunk and is owed a Close
	ignored                         // the sink wants nothing more
	waiting                         // in the hole list
	ending                          // being ended: nothing may end it again
	bySYN                           // the client is known from a SYN
	byHTTP                          // ... from the sink
	resetPending                    // a RST waits
	reusePending                    // a SYN for another connection waits
	young                           // no bytes beyond the handshake yet: in the list fresh
	reuseA                          // side A is the client of the connection whose SYN waits
	reuseB
)

// odd are the flags that take a segment off the common way.
const odd = ignored | resetPending | reusePending

func (c *conn) lane(s stream.Side) *lane { return &c.lanes[s-1] }

// sideOf gives the side of the lower or the higher end.
func (c *conn) sideOf(low bool) stream.Side {
	if low {
		return c.low
	}
	return c.low.Other()
}

// end0 is the index in a stub of a side's end.
func (c *conn) end0(s stream.Side) int {
	if s == c.low {
		return 0
	}
	return 1
}
