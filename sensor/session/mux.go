// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/stream"
)

// mux is one HTTP/2 connection: every stream is a call.
//
// Streams pair requests with responses by themselves, so no order and no ACK number is asked. A loss can hide
// whole streams, and takes the header tables with it: then a stream is told of with what is known, and charged
// to nobody where its credential is not.
type mux struct {
	s      *Session
	c      *stream.Conn
	way    [3]way // indexed by stream.Side
	client stream.Side
	outer  *conn // of an Upgrade: the HTTP/1 connection whose tunnel this is

	calls   map[uint32]*call // by stream
	last    *call            // looked up last
	shelf   map[uint32]stub  // streams that made room for others
	opened  uint32           // the highest stream of the client that was seen
	pushed  uint32           // and of the server
	ended   [32]uint32       // streams that ended last
	nEnded  uint
	resets  [32]uint32 // streams that the client gave up last
	nResets uint
	served  uint32 // the highest stream that a GOAWAY said is served
	waiting int    // calls that are over but for their request, which may be found yet
	stray   uint64 // body bytes of streams that nobody opened, or beyond the bound
	joining bool   // nothing but a segment speaks for HTTP/2
	aimless bool   // a loss, or a begin in the middle: streams may be open that were not seen to begin
}

// way is one side and its parser's Handler.
type way struct {
	k      *mux
	side   stream.Side
	parser http2.Parser
	based  bool
	base   uint32 // sequence number of offset 0
	begin  int64  // offset of the first chunk
	end    int64  // after the last one
	shown  int64
	lostAt int64 // time of the last loss that may have taken frames; 0: none
	odd    bool  // the chunk being read had an inconsistent retransmission
	over   bool
}

// newMux takes a connection on as HTTP/2.
func (s *Session) newMux(c *stream.Conn, client stream.Side) *mux {
	var k *mux
	if n := len(s.freeMuxes); n > 0 {
		k = s.freeMuxes[n-1]
		s.freeMuxes = s.freeMuxes[:n-1]
	} else {
		k = &mux{calls: map[uint32]*call{}}
	}
	k.s, k.c, k.client, k.outer, k.last = s, c, client, nil, nil
	k.opened, k.pushed, k.stray, k.aimless = 0, 0, 0, false
	k.resets, k.nResets = [32]uint32{}, 0
	k.ended, k.nEnded, k.served, k.waiting = [32]uint32{}, 0, 1<<31, 0
	for i := stream.A; i <= stream.B; i++ {
		w := &k.way[i]
		w.k, w.side = k, i
		w.based, w.lostAt, w.odd, w.over, w.shown = false, 0, false, false, 0
		w.begin, w.end = 0, 0
	}
	s.n.HTTP2++
	return k
}

// start makes a side ready whose next byte stands at an offset.
func (w *way) start(how http2.Begin, offset int64, seq uint32) {
	if how == http2.Joined {
		w.k.aimless = true
		w.lostAt = max(w.k.s.now, 1)
	}
	w.based, w.base, w.begin, w.end = true, seq-uint32(offset), offset, offset
	w.parser.Reset(w, how, offset, w.k.s.frameLimits())
}

// frameLimits are the bounds of a parser of frames.
func (s *Session) frameLimits() http2.Limits {
	// As many fields as of HTTP/1: a client must not hide its credential behind cheap ones.
	return http2.Limits{BlockBytes: s.cfg.MaxHeader, Fields: 1 << 14, FieldBytes: 1 << 20, Seek: &s.seek, Blocks: &s.blocks}
}

// maxSeekers bounds the parsers that keep many bytes while they look for frames: 18 MiB in all. maxJoining bounds the
// connections that are taken for HTTP/2 by a segment alone, and have shown no more.
const (
	maxSeekers = 256
	maxBlocks  = 512 // header blocks of more than 4 KiB that are collected at one time: 32 MiB
	maxJoining = 1024
)

// feed hands a chunk to its side's parser.
func (k *mux) feed(c *stream.Chunk) {
	k.way[c.Side].feed(c.Data, c.Gap, http2.Mark{Time: c.Time, Offset: c.Offset, Ack: c.Ack, HasAck: c.HasAck}, c.Seq, c.Inconsistent)
}

// feed takes bytes or a gap that begin at m.Offset.
func (w *way) feed(b []byte, gap int64, m http2.Mark, seq uint32, odd bool) {
	if !w.based {
		how := http2.AtFrame
		switch {
		case w.k.aimless:
			how = http2.Joined
		case w.side == w.k.client:
			how = http2.AtPreface
		}
		w.start(how, m.Offset, seq)
	}
	w.odd = odd
	w.end += int64(len(b)) + gap
	w.shown += int64(len(b))
	if gap > 0 {
		w.parser.Gap(gap)
	} else {
		w.parser.Data(b, m)
	}
	w.odd = false
	if w.side == w.k.client && w.k.waiting > 0 && !w.parser.Seeking() {
		w.k.endWaiting()
	}
}

// judge says whether a connection that was taken for HTTP/2 is worth going on with.
func (k *mux) judge() Reason {
	a, b := &k.way[stream.A], &k.way[stream.B]
	if k.joining && a.parser.Frames()+b.parser.Frames() > 0 {
		k.joined()
	}
	if k.client == stream.Unknown && a.parser.Frames()+b.parser.Frames() == 0 && a.shown+b.shown > patienceMid {
		return NotHTTP
	}
	return heed
}

func (k *mux) joined() {
	if k.joining {
		k.joining = false
		k.s.joining--
	}
}

// finish ends a side: it opens no stream and sends no byte any more.
func (k *mux) finish(side stream.Side) {
	w := &k.way[side]
	if w.over {
		return
	}
	w.over = true
	if w.based {
		w.parser.Close()
	}
}

// settle tells all calls that are still open when the connection is over, in the order of their streams.
func (k *mux) settle() {
	if k.client == stream.Unknown {
		k.guess()
	}
	for _, t := range k.inOrder() {
		if t.answered && !t.whole() && !t.isConnect {
			t.spoilt = true
			t.x.Anomalies.Add(exchange.PrematureClose)
		}
		k.end(t)
	}
	for _, id := range slices.Sorted(maps.Keys(k.shelf)) {
		k.end(k.unshelve(id))
	}
}

// inOrder gives the open calls in the order of their streams. It is valid until the next call.
func (k *mux) inOrder() []*call {
	list := k.s.scratch[:0]
	for _, t := range k.calls {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *call) int { return cmp.Compare(a.stream, b.stream) })
	k.s.scratch = list
	return list
}

// end tells the last part of a call.
func (k *mux) end(t *call) {
	if k.last == t {
		k.last = nil
	}
	delete(k.calls, t.stream)
	k.ended[k.nEnded%uint(len(k.ended))] = t.stream
	k.nEnded++
	if t.waiting {
		k.waiting--
	}
	if !t.answered && t.stream > k.served && t.stream&1 == 1 {
		t.x.Anomalies.Add(exchange.Refused)
	}
	k.s.end(t)
}

// endWaiting ends the calls that waited for their request to be found: frames of the client are read again.
func (k *mux) endWaiting() {
	for _, t := range k.inOrder() {
		if t.waiting && !k.mayCome(t) {
			k.end(t)
		}
	}
}

// forget gives all calls back without telling of them.
func (k *mux) forget() {
	for _, t := range k.calls {
		k.s.free(t)
	}
	clear(k.calls)
	k.s.shelved -= len(k.shelf)
	clear(k.shelf)
	k.last = nil
}

// of implements link.
func (k *mux) of() *stream.Conn { return k.c }

// shown implements link.
func (k *mux) shown() (client, server int64) {
	return k.way[k.client].shown, k.way[k.client.Other()].shown
}

// telling implements link.
func (k *mux) telling(*call) {}

// know settles which side is the client. What was counted for the sides goes where it belongs.
func (k *mux) know(client stream.Side) {
	if k.client != stream.Unknown || client == stream.Unknown {
		return
	}
	k.client = client
	for _, t := range k.inOrder() {
		k.settleSides(t)
		if t.requestOver && t.responseOver {
			k.end(t)
		}
	}
}

// settleSides gives a call the bytes that were counted before it was known whose they are.
func (k *mux) settleSides(t *call) {
	t.x.Client, t.x.Server = k.c.Addr[k.client], k.c.Addr[k.client.Other()]
	up, down := &t.neutral[k.client], &t.neutral[k.client.Other()]
	t.total.requestHead += up.responseHead
	t.total.requestBody += up.responseBody
	t.total.responseHead += down.responseHead
	t.total.responseBody += down.responseBody
	t.total.gap += up.gap + down.gap
	t.requestBodyGap += up.gap
	t.responseGap += down.gap
	t.requestOver = t.sideOver[k.client]
	t.responseOver = t.sideOver[k.client.Other()]
	t.neutral, t.sideOver = [3]sizes{}, [3]bool{}
	k.s.disown(t)
}

// guess takes a side for the client when the connection ends and no block told: well-known ports are servers'.
// It is said of every exchange.
func (k *mux) guess() {
	client := k.c.Client
	if client == stream.Unknown {
		client = stream.A
		if k.c.Addr[stream.A].Port() < k.c.Addr[stream.B].Port() {
			client = stream.B
		}
		for _, t := range k.calls {
			t.x.Anomalies.Add(exchange.UnknownSide)
		}
	}
	k.know(client)
}

// dropMux gives a connection's memory back, and counts where its bytes went.
func (s *Session) dropMux(k *mux) {
	k.forget()
	k.joined()
	for i := stream.A; i <= stream.B; i++ {
		w := &k.way[i]
		if !w.based {
			continue
		}
		c := w.parser.Counts()
		s.n.addFrames(c)
		s.n.UndecidedBytes += uint64(w.end-w.begin) - uint64(c.Sum())
		if k.outer != nil { // counted as a tunnel there
			s.n.TunnelBytes -= uint64(w.end - w.begin)
		}
		w.parser.Reset(w, http2.AtFrame, 0, s.frameLimits()) // forgets what it read
	}
	s.n.BodyBytes -= k.stray
	s.n.StrayBytes += k.stray
	k.c, k.outer = nil, nil
	if len(s.freeMuxes) < maxFreeMuxes {
		s.freeMuxes = append(s.freeMuxes, k)
	}
}
