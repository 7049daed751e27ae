// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/stream"
)

// Most connections of a server rest most of the time, kept open between two exchanges. One that has rested for
// a while is parked: its parsers are given back, and what is left fits in a few cache lines.

// parkAfter is how many nanoseconds a connection rests before it is parked.
const parkAfter = 5_000_000_000

// parked is what is kept of a connection at rest.
type parked struct {
	side      [2]parkedSide
	client    stream.Side
	untrusted bool
	doubt     bool
	doubtAck  uint32
	owed      int
}

type parkedSide struct {
	end, shown  int64
	messages    int
	base, prev  uint32
	first       [3]byte
	based, lost bool
	paced       bool
}

// connList has connections in the order they were last heard of, to about a second.
type connList struct{ first, last *conn }

func (l *connList) add(k *conn) {
	k.older, k.newer = l.last, nil
	if l.last != nil {
		l.last.newer = k
	} else {
		l.first = k
	}
	l.last = k
}

func (l *connList) remove(k *conn) {
	if k.older != nil {
		k.older.newer = k.newer
	} else {
		l.first = k.newer
	}
	if k.newer != nil {
		k.newer.older = k.older
	} else {
		l.last = k.older
	}
	k.older, k.newer = nil, nil
}

// heard notes that a connection spoke.
func (s *Session) heard(k *conn) {
	const grain = 1_000_000_000
	if s.now-k.at > grain || s.now < k.at {
		s.quiet.remove(k)
		k.at = s.now
		s.quiet.add(k)
	}
}

// parkIdle parks the connections that rest.
func (s *Session) parkIdle() {
	for k := s.quiet.first; k != nil && (s.now-k.at >= parkAfter || k.at > s.now+leap); k = s.quiet.first {
		if k.rests() {
			s.park(k)
			continue
		}
		s.quiet.remove(k)
		k.at = s.now
		s.quiet.add(k)
	}
}

// rests says whether nothing is open on a connection.
func (k *conn) rests() bool {
	if k.client == stream.Unknown || k.nest != nil || k.head < len(k.queue) || k.upload != nil || k.reply != nil ||
		k.interim != nil || k.early != nil || k.hidden != nil && len(k.hidden.calls) > 0 {
		return false
	}
	for i := stream.A; i <= stream.B; i++ {
		h := &k.half[i]
		if h.over || h.held > 0 || h.based && !h.parser.Resting() {
			return false
		}
	}
	return true
}

func (s *Session) park(k *conn) {
	p := &parked{client: k.client, untrusted: k.untrusted, doubt: k.doubt, doubtAck: k.doubtAck, owed: k.owed}
	for i := range p.side {
		h := &k.half[i+1]
		p.side[i] = parkedSide{end: h.end, shown: h.shown, messages: h.parser.Messages(), base: h.base, prev: h.prev,
			first: [3]byte(h.first[:3]), based: h.based, lost: h.lost, paced: h.paced}
	}
	c := k.c
	s.drop(k)
	c.State = p
	s.n.Parked++
}

// unpark gives a parked connection its parsers again.
func (s *Session) unpark(c *stream.Conn, p *parked) *conn {
	k := s.open(c)
	s.n.Connections-- // it is the same one
	k.know(p.client)
	k.untrusted, k.doubt, k.doubtAck, k.owed = p.untrusted, p.doubt, p.doubtAck, p.owed
	for i := range p.side {
		h, was := &k.half[i+1], &p.side[i]
		if !was.based {
			continue
		}
		role := http1.Response
		if h.side == p.client {
			role = http1.Request
		}
		h.parser.Reset(h, role, false, s.limits())
		h.parser.At(was.end, was.messages)
		h.based, h.base, h.begin, h.end, h.shown = true, was.base, was.end, was.end, was.shown
		h.prev, h.paced, h.lost = was.prev, was.paced, was.lost
		copy(h.first[:], was.first[:])
	}
	s.n.Parked--
	return k
}
