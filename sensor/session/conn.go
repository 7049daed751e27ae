// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/stream"
)

// conn is one connection.
type conn struct {
	s      *Session
	c      *stream.Conn
	half   [3]half // indexed by stream.Side
	client stream.Side

	queue   []*call // requests that wait for their response, oldest first, from head on
	head    int
	upload  *call // whose request is being read
	reply   *call // whose response is being read
	interim *call // that had a 1xx and waits for the real one
	early   *call // a response that came before its request was handed on

	closing  bool    // Close has come
	back     bool    // it was taken for HTTP/2 by a segment, and was not
	nest     *mux    // after an Upgrade: the HTTP/2 connection in the tunnel
	hidden   *hidden // nil until a request had a body
	doubt    bool    // a request's framing can be read in several ways
	doubtAck uint32  // of the last such request

	at           int64 // when it was heard of last, to about a second
	older, newer *conn // in Session.quiet

	untrusted bool   // a gap may have swallowed messages: order alone pairs nothing
	pipelined bool   // requests were sent without waiting
	claimed   int64  // of an unseen client: up to where its bytes were given to exchanges
	found     uint64 // how many they were
	owed      int    // responses to requests that were not queued
}

// half is one side of a connection and its parser's Handler.
type half struct {
	k        *conn
	side     stream.Side
	parser   http1.Parser
	based    bool
	base     uint32  // sequence number of offset 0
	begin    int64   // offset of the first chunk
	end      int64   // offset after the last one
	shown    int64   // bytes that were shown
	first    [9]byte // of the bytes shown
	held     int     // of them not given to the parser yet: they may begin an HTTP/2 server's side
	heldMark http2.Mark
	matched  int // how many bytes of the HTTP/2 preface were shown last
	over     bool
	lost     bool       // a gap may have swallowed messages of it, since all was last accounted for
	prev     uint32     // ACK number of the chunk before, if there is one and it was no gap
	paced    bool       // prev is one
	mark     http1.Mark // of the chunk being read
	odd      bool       // the chunk being read had an inconsistent retransmission
}

// reset makes a conn ready for another connection.
func (k *conn) reset(s *Session, c *stream.Conn) {
	queue := k.queue[:0]
	for i := stream.A; i <= stream.B; i++ {
		h := &k.half[i]
		*h = half{k: k, side: i, parser: h.parser}
		h.parser.Reset(h, http1.Either, c.Mid, s.limits())
	}
	k.s, k.c, k.client, k.queue, k.head = s, c, stream.Unknown, queue, 0
	k.upload, k.reply, k.interim, k.early = nil, nil, nil, nil
	k.untrusted, k.pipelined, k.owed, k.doubt = c.Mid, false, 0, false
	k.claimed, k.found = 0, 0
	k.nest, k.closing, k.back = nil, false, false
	if k.hidden != nil {
		k.hidden.reset(k)
	}
}

// feed hands a chunk to its side's parser. If it shows that the connection is HTTP/2, it gives the mux that has
// read it.
func (k *conn) feed(c *stream.Chunk, size int64) *mux {
	h := &k.half[c.Side]
	if !h.based {
		h.based, h.base, h.begin, h.end = true, c.Seq-uint32(c.Offset), c.Offset, c.Offset
		if c.Offset > 0 {
			h.parser.At(c.Offset, 0)
		}
		h.heldMark = http2.Mark{Time: c.Time, Offset: c.Offset, Ack: c.Ack, HasAck: c.HasAck}
	}
	m, held := k.sniff(c)
	if m != nil {
		return m
	}
	h.end += size
	if held {
		return nil
	}
	h.letGo()
	h.odd = c.Inconsistent
	if c.Gap > 0 {
		h.paced = false
		h.parser.Gap(c.Gap)
		return nil
	}
	if h.shown < int64(len(h.first)) {
		copy(h.first[h.shown:], c.Data)
	}
	h.shown += size
	if h.parser.Adrift() {
		h.steer(c)
	}
	if h.parser.UntilClose() && h.side != k.client && k.head < len(k.queue) {
		h.probe(c)
	}
	h.mark = http1.Mark{Time: c.Time, Offset: c.Offset, Ack: c.Ack, HasAck: c.HasAck, Prev: h.prev, HasPrev: h.paced}
	h.parser.Data(c.Data, h.mark)
	h.odd = false
	h.prev, h.paced = c.Ack, c.HasAck
	return nil
}

// letGo gives the parser what was held back.
func (h *half) letGo() {
	if h.held == 0 {
		return
	}
	n := h.held
	h.held = 0
	h.shown += int64(n)
	m := h.heldMark
	h.mark = http1.Mark{Time: m.Time, Offset: m.Offset, Ack: m.Ack, HasAck: m.HasAck}
	h.parser.Data(h.first[:n], h.mark)
	h.prev, h.paced = m.Ack, m.HasAck
}

// How long a connection may speak without a message before it is given up: protocols that lead to
// HTTP (SOCKS, PROXY) are short, and a connection joined in a long body needs time.
const (
	patienceRejected = 4 << 10
	patienceSilent   = 64 << 10
	patienceMid      = 256 << 10
	patienceSpoken   = 1 << 10
	patienceAll      = 64 << 20
)

// judge says whether a connection is worth going on with.
func (k *conn) judge() Reason {
	if k.client != stream.Unknown {
		return heed
	}
	a, b := &k.half[stream.A], &k.half[stream.B]
	total := a.shown + b.shown
	rejected := a.parser.Rejected() && b.parser.Rejected()
	switch {
	case rejected && (a.tls() || b.tls() || total > patienceRejected),
		(a.parser.Rejected() || b.parser.Rejected()) && total > patienceSilent,
		a.shown > patienceSpoken && b.shown > patienceSpoken && total > patienceMid && a.parser.Seeking() && b.parser.Seeking(),
		k.c.Mid && a.tls() && b.tls(),
		total > patienceAll:
		return NotHTTP
	}
	return heed
}

// tls says whether the side began like a TLS record.
func (h *half) tls() bool {
	return h.first[0] >= 0x14 && h.first[0] <= 0x17 && h.first[1] == 3 && h.first[2] <= 4
}

// know settles which side is the client, by a message that one of them sent.
func (k *conn) know(client stream.Side) {
	if k.client == stream.Unknown {
		k.client = client
		k.half[client].parser.SetRole(http1.Request)
		k.half[client.Other()].parser.SetRole(http1.Response)
	}
}

// finish ends a side.
func (k *conn) finish(side stream.Side, time int64, end stream.End) {
	h := &k.half[side]
	if h.over {
		return
	}
	if k.client != stream.Unknown && side != k.client && h.unseen() && h.parser.Adrift() && !k.half[k.client].over && !k.closing {
		return // what the client sent beyond its request may yet be told of: it ends with the connection
	}
	h.over = true
	h.letGo()
	if h.side != k.client && k.client != stream.Unknown {
		k.answered(k.half[k.client].end)
	}
	h.parser.Close(end == stream.EndFIN)
	if k.nest != nil {
		k.nest.finish(side)
	}
}

// settle tells all calls that are still open when the connection is over.
func (k *conn) settle() {
	k.release()
	if k.nest != nil {
		k.nest.settle()
	}
	if t := k.reply; t != nil {
		k.s.end(t)
	}
	if t := k.upload; t != nil && t != k.reply && !k.queued(t) {
		k.s.end(t)
	}
	k.upload, k.reply, k.interim = nil, nil, nil
	for k.head < len(k.queue) {
		k.s.end(k.take(k.head))
	}
}

func (k *conn) queued(t *call) bool {
	for _, q := range k.queue[k.head:] {
		if q == t {
			return true
		}
	}
	return false
}

// forget takes all calls out of the running ones without telling them: the connection is dropped.
func (k *conn) forget() {
	for _, t := range k.queue[k.head:] {
		k.s.free(t)
	}
	if k.nest != nil {
		k.s.dropMux(k.nest)
		k.nest = nil
	}
	if t := k.early; t != nil && t != k.reply {
		k.s.free(t)
	}
	if t := k.reply; t != nil {
		k.s.free(t)
	}
	if t := k.upload; t != nil && t != k.reply && !k.queued(t) {
		k.s.free(t)
	}
	if k.hidden != nil {
		k.hidden.reset(k)
	}
	clear(k.queue)
	k.queue, k.head = k.queue[:0], 0
	k.upload, k.reply, k.interim, k.early = nil, nil, nil, nil
}

// push queues a request, unless too many wait already.
func (k *conn) push(t *call) {
	n := len(k.queue) - k.head
	if n >= k.s.cfg.MaxPending {
		t.unqueued = true
		t.x.Anomalies.Add(exchange.TooManyPending)
		k.queue[len(k.queue)-1].dropped++
		return
	}
	if n > 0 && t.hasAck {
		if prev := k.queue[len(k.queue)-1]; prev.hasAck && prev.ack == t.ack {
			k.pipelined = true
		}
	}
	if k.head > 0 && len(k.queue) == cap(k.queue) {
		m := copy(k.queue, k.queue[k.head:])
		clear(k.queue[m:])
		k.queue, k.head = k.queue[:m], 0
	}
	k.queue = append(k.queue, t)
}

// take removes the i-th entry of the queue.
func (k *conn) take(i int) *call {
	t := k.queue[i]
	if i == k.head {
		k.queue[i] = nil
		k.head++
	} else {
		copy(k.queue[i:], k.queue[i+1:])
		k.queue[len(k.queue)-1] = nil
		k.queue = k.queue[:len(k.queue)-1]
	}
	if k.head == len(k.queue) {
		k.queue, k.head, k.pipelined = k.queue[:0], 0, false
	}
	k.owed += t.dropped
	t.dropped = 0
	return t
}

// of implements link.
func (k *conn) of() *stream.Conn { return k.c }

// shown implements link.
func (k *conn) shown() (client, server int64) {
	return k.half[k.client].shown, k.half[k.client.Other()].shown
}

// telling implements link: a response that is told of as an orphan stays one.
func (k *conn) telling(t *call) {
	if t.orphan {
		k.uploaded(t)
	}
	if k.early == t {
		k.early = nil
		k.untrusted, k.half[k.client].lost = true, true
	}
}
