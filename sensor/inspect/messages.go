// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"encoding/binary"

	"github.com/weir-project/weir/sensor/exchange"
)

// prefixLen is the length of what stands before each message, in gRPC over HTTP/2 ("Length-Prefixed-Message
// → Compressed-Flag Message-Length Message"), gRPC-Web and Connect's streams:
//
//	+------+----------------------+---------
//	| flag | length, 32 bits, BE  | message
//	+------+----------------------+---------
const prefixLen = 5

// The flags.
const (
	flagCompressed = 0x01
	flagConnectEnd = 0x02 // Connect: the message is the end of the stream, not one of the application's
	flagTrailers   = 0x80 // gRPC-Web: the message is the trailer section
)

// messages counts messages by their prefixes. A message counts when its prefix has passed: what is lost
// of its content changes nothing. The messages themselves are not looked at.
type messages struct {
	media  media
	n      uint8 // bytes of the prefix so far
	nBits  uint8 // base64: how many of bits are not yet a byte
	prefix [prefixLen]byte
	bits   uint32
	left   uint64 // bytes of the message being passed
	count  uint64
}

// pass takes bytes and gives what is left of them when they break the format: no flag stands there.
func (m *messages) pass(p []byte) (rest []byte, ok bool) {
	for len(p) > 0 {
		if m.left > 0 {
			n := min(m.left, uint64(len(p)))
			m.left -= n
			p = p[n:]
			continue
		}
		if m.n == 0 && !m.isFlag(p[0]) {
			return p, false
		}
		n := copy(m.prefix[m.n:], p)
		p = p[n:]
		if m.n += uint8(n); m.n == prefixLen {
			m.begin()
		}
	}
	return nil, true
}

func (m *messages) isFlag(b byte) bool {
	flags := byte(flagCompressed)
	switch m.media {
	case mediaGRPCWeb, mediaGRPCText:
		flags |= flagTrailers
	case mediaConnect:
		flags |= flagConnectEnd
	}
	return b&^flags == 0
}

// begin begins the message whose prefix is whole.
func (m *messages) begin() {
	m.n, m.left = 0, uint64(binary.BigEndian.Uint32(m.prefix[1:]))
	if m.prefix[0]&(flagTrailers|flagConnectEnd) == 0 {
		m.count++
	}
}

// skip takes n bytes that were not seen and says how many of them stood within messages.
func (m *messages) skip(n uint64) uint64 {
	if m.media == mediaGRPCText {
		return 0 // padding may stand anywhere: how many bytes they were is not known
	}
	n = min(n, m.left)
	m.left -= n
	return n
}

// count passes the next bytes of the body.
func (l *Look) count(p []byte) {
	pass := l.messages.pass
	if l.media == mediaGRPCText {
		pass = l.messages.passText
	}
	if rest, ok := pass(p); !ok {
		l.anomalies.Add(exchange.BodyMalformed)
		l.loseMessages(l.body - uint64(len(rest)))
	}
}

// skip passes n bytes that were not seen: after a lost prefix nobody knows where messages begin.
func (l *Look) skip(n uint64) {
	if within := l.messages.skip(n); within < n {
		l.loseMessages(l.body - n + within)
	}
}

// loseMessages ends the counting; what comes after offset at is estimated.
func (l *Look) loseMessages(at uint64) {
	l.done, l.inspected, l.found.records = true, at, l.messages.count
}

// endMessages ends the counting with the body.
func (l *Look) endMessages() {
	m := &l.messages
	l.loseMessages(l.body)
	switch {
	case m.left > 0 || m.n > 0:
		l.anomalies.Add(exchange.BodyMalformed)
	case m.count > 0:
		l.in.samples.add(l.endpoint, l.body, m.count)
	}
}

// tellMessages tells the messages since the last time: records without ids, as nothing is read of them.
func (l *Look) tellMessages(x *exchange.Exchange) {
	x.RecordsKind = exchange.CountExact
	x.Anomalies |= l.anomalies
	fresh := l.messages.count - l.told.messages
	l.told.messages = l.messages.count
	x.Records += fresh
	x.ObjectsUnhashed += saturate(fresh)
	x.ObjectListComplete = fresh == 0
	if l.done {
		l.tellRest(x)
	}
}

// passText undoes base64 (RFC 4648 section 4) on the way; gRPC-Web may pad wherever the server flushed.
func (m *messages) passText(p []byte) (rest []byte, ok bool) {
	for i, c := range p {
		v := sextet(c)
		switch {
		case v < 64:
			m.bits, m.nBits = m.bits<<6|uint32(v), m.nBits+6
			if m.nBits < 8 {
				continue
			}
			m.nBits -= 8
			if _, ok := m.pass([]byte{byte(m.bits >> m.nBits)}); !ok {
				return p[i:], false
			}
		case c == '=':
			m.nBits = 0
		case c != '\r' && c != '\n':
			return p[i:], false
		}
	}
	return nil, true
}

// sextet gives the value of a base64 digit; 64 of what is none.
func sextet(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 64
}
