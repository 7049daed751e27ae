// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/inspect"
	"github.com/weir-project/weir/sensor/stream"
)

// call is one exchange in the making. Its text lies in its own buffer, for its whole life.
type call struct {
	x    exchange.Exchange // what was told last, or will be
	on   link
	look *inspect.Look
	id   identity.Identity
	buf  []byte
	ids  [][]byte // of the request-target, raw: for the Look only
	// classes has the class of each id.
	classes [][]byte
	names   [][]byte
	class   []byte
	others  []exchange.ID

	// Where the request lies in the client's stream, and what it acknowledged of the server's.
	start, headEnd, end int64
	ack                 uint32
	hasAck              bool
	cut                 bool // a gap cut its head: where it ends is not known
	blind               bool // requests before it may have been lost

	suspect bool // sent together with a request whose framing is in doubt

	// Of an HTTP/2 stream.
	stream uint32
	// Of each side, while it is not known which one is the client's.
	neutral   [3]sizes
	sideOver  [3]bool
	h2c       bool   // it offers to go on with HTTP/2
	table     uint32 // and the header table size it allows then; 0: the default
	grpc      bool
	unknown   bool   // some of its header fields are not known
	reset     bool   // given up by RST_STREAM: what is still on its way counts
	described bool   // its request was seen
	declared  uint64 // of an HTTP/2 response, Content-Length + 1; 0: none
	waiting   bool   // over, unless its request is found yet

	isHead, isConnect, bare     bool
	orphan, answered            bool
	requestOver, responseOver   bool
	spoilt                      bool // some of it was not seen, or ended early
	unqueued                    bool // beyond the bound of pending requests
	dropped                     int  // requests after it that were not queued
	total, gone                 sizes
	requestBodyGap, responseGap uint64
	last                        int64 // time of its last byte
	told                        int64 // when a part was told last, or it began

	prev, next *call // in Session.running
	listed     bool
}

// sizes are the counts of which parts carry increments.
type sizes struct {
	requestHead, requestBody, responseHead, responseBody, gap uint64
}

// put copies text into the call's own buffer.
func (t *call) put(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	n := len(t.buf)
	t.buf = append(t.buf, b...)
	return t.buf[n:len(t.buf):len(t.buf)]
}

// keptText is how much buffer a call keeps for its next use.
const keptText = 16 << 10

// link is what a call asks of its connection.
type link interface {
	// of gives the connection.
	of() *stream.Conn
	// shown says how many bytes of the two sides were seen.
	shown() (client, server int64)
	// telling comes before a call is told of.
	telling(t *call)
}

// renew makes a call ready for another exchange.
func (t *call) renew(k link) {
	if cap(t.buf) > keptText {
		t.buf = nil
	}
	*t = call{on: k, buf: t.buf[:0], ids: t.ids[:0], classes: t.classes[:0], names: t.names[:0], others: t.others[:0]}
}

// own copies the slices of an identity that belong to the Resolver.
func (t *call) own(id *identity.Identity) {
	t.others = append(t.others[:0], id.OtherTokenIDs...)
	t.id = *id
	t.id.OtherTokenIDs = t.others
	t.id.Name = t.put(id.Name)
	x := &t.x
	x.PrincipalID, x.PrincipalSource, x.Assurance = t.id.PrincipalID, t.id.Source, t.id.Assurance
	x.TokenID, x.OtherTokenIDs = t.id.TokenID, t.id.OtherTokenIDs
	x.CredentialKind, x.CredentialName = t.id.Kind, t.id.Name
	x.ForwardedFor, x.ClientSoftware = t.id.ForwardedFor, t.id.ClientSoftware
	x.Anomalies |= t.id.Anomalies
}

// fresh says how many body bytes no part has told of.
func (t *call) fresh() int64 {
	return int64(t.total.requestBody - t.gone.requestBody + t.total.responseBody - t.gone.responseBody)
}

// worthPart says whether a part would tell anything: bytes that moved since the last one.
func (t *call) worthPart() bool {
	return t.fresh() > 0 || t.answered && t.total != t.gone
}

// callList is a list of calls in the order they were told of.
type callList struct{ first, last *call }

func (l *callList) add(t *call) {
	t.prev, t.next, t.listed = l.last, nil, true
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
}

func (l *callList) remove(t *call) {
	if !t.listed {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	t.prev, t.next, t.listed = nil, nil, false
}

// removeAll takes all calls of a connection out and says how many they were.
func (l *callList) removeAll(k link) (n int) {
	for t := l.first; t != nil; {
		next := t.next
		if t.on == k {
			l.remove(t)
			n++
		}
		t = next
	}
	return n
}
