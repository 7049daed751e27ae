// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/stream"
)

// find gives the call of a stream, nil if there is none.
func (k *mux) find(id uint32) *call {
	if t := k.last; t != nil && t.stream == id {
		return t
	}
	t := k.calls[id]
	if t != nil {
		k.last = t
	}
	return t
}

// open makes the call of a stream. Beyond the bounds older streams of the same connection make room, so that nobody can
// take another one's.
func (k *mux) open(id uint32) *call {
	if n := len(k.calls); n >= k.s.cfg.MaxStreams || k.s.calls >= k.s.cfg.MaxCalls && n > fewStreams {
		k.makeRoom()
	}
	t := k.s.newCall(k, k.client)
	t.stream = id
	t.x.Version = "2"
	t.x.Start, t.x.PartStart, t.last = k.s.now, k.s.now, k.s.now
	k.calls[id] = t
	k.last = t
	for i := stream.A; i <= stream.B; i++ {
		if k.way[i].based {
			k.way[i].parser.Opened(id)
		}
	}
	return t
}

// fewStreams are open on any connection without asking.
const fewStreams = 16

// makeRoom takes the oldest quarter of a connection's streams back to stubs.
func (k *mux) makeRoom() {
	list := k.inOrder()
	for _, t := range list[:(len(list)+3)/4] {
		k.shelve(t)
	}
}

// late says that a stream that has no call is one that was seen to begin and end.
func (k *mux) late(id uint32) bool {
	if !k.aimless {
		return id&1 == 1 && id <= k.opened || id&1 == 0 && id <= k.pushed
	}
	return slices.Contains(k.ended[:min(k.nEnded, uint(len(k.ended)))], id)
}

// headless makes the call of a stream whose request was not seen; nil if there can be none.
func (k *mux) headless(w *way, id uint32) *call {
	if t := k.unshelve(id); t != nil {
		return t
	}
	if k.late(id) {
		k.s.n.MisdirectedFrames++
		return nil
	}
	t := k.open(id)
	t.spoilt = true
	k.s.exchangeID(t, w.base+uint32(w.parser.Offset()), id, nil)
	k.s.disown(t)
	return t
}

// Block implements http2.Handler.
func (w *way) Block(_ *http2.Parser, b *http2.Block) {
	k := w.k
	switch b.Kind {
	case http2.Request:
		if b.Promised == 0 {
			k.know(w.side)
		} else {
			k.know(w.side.Other())
		}
	case http2.Response:
		k.know(w.side.Other())
	}
	switch {
	case b.Promised != 0:
		w.promise(b)
	case k.client == stream.Unknown:
		if t := w.neutral(b.Stream); t != nil {
			t.neutral[w.side].responseHead += uint64(b.Size)
			t.x.Anomalies |= b.Anomalies
		}
	case w.side == k.client:
		w.request(b)
	default:
		w.response(b)
	}
}

// neutral gives the call of a stream while it is not known which side is the client.
func (w *way) neutral(id uint32) *call {
	t := w.k.find(id)
	if t == nil {
		t = w.k.headless(w, id)
	}
	return t
}

// request takes a block of the client: it begins a stream, or ends its body with trailers.
func (w *way) request(b *http2.Block) {
	k := w.k
	t := k.find(b.Stream)
	if t == nil {
		t = k.unshelve(b.Stream)
	}
	if t != nil {
		if !t.described && b.Kind != http2.Trailer {
			k.opened = max(k.opened, b.Stream)
			k.adopt(t, b, w)
			return
		}
		t.total.requestHead += uint64(b.Size)
		t.x.Anomalies |= b.Anomalies
		t.last = k.s.now
		return
	}
	if k.late(b.Stream) {
		k.s.n.MisdirectedFrames++
		return
	}
	k.opened = max(k.opened, b.Stream)
	t = k.open(b.Stream)
	k.s.n.Requests++
	if b.Kind == http2.Trailer { // of a request that was lost
		k.s.exchangeID(t, w.base+uint32(b.Offset), b.Stream, nil)
		k.s.disown(t)
		t.total.requestHead, t.spoilt = uint64(b.Size), true
		t.x.Anomalies |= b.Anomalies
		return
	}
	k.s.describeStream(t, b, w.base+uint32(b.Offset), b.Stream)
}

// adopt gives a call its request, which was found after its response: frames that are sought are read late.
func (k *mux) adopt(t *call, b *http2.Block, w *way) {
	if t.x.Part > 0 { // told of without: it stays so
		t.total.requestHead += uint64(b.Size)
		return
	}
	k.s.n.Requests++
	x, heads := &t.x, t.total.requestHead
	x.Anomalies &^= 1<<exchange.OrphanResponse | 1<<exchange.IDPartial
	start, last, spoilt, was := x.Start, t.last, t.spoilt, t.orphan
	t.orphan, t.requestOver = false, b.EndStream
	k.s.describeStream(t, b, w.base+uint32(b.Offset), b.Stream)
	t.total.requestHead += heads
	x.Start = min(x.Start, start)
	x.PartStart = x.Start
	t.last, t.spoilt = max(t.last, last), spoilt && !was
	k.s.refuse(t)
	if t.look != nil { // it did not know what was asked for
		t.look.Release()
		t.look = nil
		if k.s.look(t); t.look != nil {
			t.look.Gap(t.total.responseBody)
		}
	}
}

// promise takes a request that the server makes up for the client: what it pushes is charged to whoever asked
// for the stream it came with.
func (w *way) promise(b *http2.Block) {
	k := w.k
	if k.client == stream.Unknown || k.find(b.Promised) != nil || k.late(b.Promised) {
		return
	}
	parent := k.find(b.Stream)
	k.pushed = max(k.pushed, b.Promised)
	t := k.open(b.Promised)
	k.s.n.Requests++
	k.s.describeStream(t, b, w.base+uint32(b.Offset), b.Promised)
	t.x.Anomalies.Add(exchange.Pushed)
	t.requestOver = true
	if parent != nil {
		t.own(&parent.id)
	} else {
		k.s.disown(t)
	}
}

// response takes a block of the server: 1xx, the response, or trailers.
func (w *way) response(b *http2.Block) {
	k := w.k
	t := k.find(b.Stream)
	if t == nil {
		if t = k.headless(w, b.Stream); t == nil {
			return
		}
		t.orphan, t.requestOver = true, true
		t.x.Anomalies.Add(exchange.OrphanResponse)
	}
	t.total.responseHead += uint64(b.Size)
	t.x.Anomalies |= b.Anomalies
	t.last = k.s.now
	if t.answered && b.Kind != http2.Response || b.Kind == http2.Trailer {
		k.s.describeTrailers(t, b)
		return
	}
	if status := statusOf(b); status >= 100 && status < 200 && !b.EndStream {
		return
	}
	if !t.answered {
		k.s.n.Responses++
		k.s.describeAnswer(t, b)
	}
}

// Data implements http2.Handler.
func (w *way) Data(_ *http2.Parser, id uint32, b []byte) {
	if t := w.take(id, uint64(len(b)), 0); t != nil {
		if w.side != w.k.client && t.look != nil {
			t.look.Data(b)
		}
		w.k.s.moved(t, w.odd)
	}
}

// Gap implements http2.Handler.
func (w *way) Gap(_ *http2.Parser, id uint32, n int64) {
	if t := w.take(id, uint64(n), uint64(n)); t != nil {
		t.spoilt = true
		t.x.Anomalies.Add(exchange.GapInBody)
		if w.side != w.k.client && t.look != nil {
			t.look.Gap(uint64(n))
		}
		w.k.s.moved(t, w.odd)
	}
}

// take counts body bytes, of which gap were not seen. It gives nil where they belong to no call, or it is not
// known yet to which of its sides.
func (w *way) take(id uint32, n, gap uint64) *call {
	k := w.k
	t := k.find(id)
	if t == nil {
		if t = k.headless(w, id); t == nil {
			k.stray += n
			return nil
		}
	}
	switch {
	case k.client == stream.Unknown:
		s := &t.neutral[w.side]
		s.responseBody += n
		s.gap += gap
		t.last = k.s.now
		return nil
	case w.side == k.client:
		t.total.requestBody += n
		t.requestBodyGap += gap
	default:
		t.total.responseBody += n
		t.responseGap += gap
	}
	t.total.gap += gap
	return t
}

// End implements http2.Handler.
func (w *way) End(_ *http2.Parser, id uint32) {
	k := w.k
	t := k.find(id)
	if t == nil {
		if t = k.unshelve(id); t == nil {
			return
		}
	}
	t.last = k.s.now
	if k.client == stream.Unknown {
		t.sideOver[w.side] = true
		return
	}
	if w.side == k.client {
		t.requestOver = true
	} else {
		t.responseOver = true
		if k.way[k.client].lostAt > t.x.Start { // the end of the request may be what was lost
			t.requestOver = true
		}
	}
	if t.requestOver && t.responseOver {
		k.over(t)
	}
}

// maxWaiting bounds the calls of a connection that are over but for their request.
const maxWaiting = 64

// mayCome says whether the request of a call that is over may be found yet: frames of the client are sought, or what it
// sent is not here so far, for the two directions of a capture may be out of step.
func (k *mux) mayCome(t *call) bool {
	w := &k.way[k.client]
	return w.shown > 0 && !w.over && (w.parser.Seeking() || !k.aimless && t.stream&1 == 1 && t.stream > k.opened)
}

// over ends a call, unless its request may be found yet.
func (k *mux) over(t *call) {
	if !t.described && t.x.Part == 0 && !t.waiting && k.waiting < maxWaiting && k.mayCome(t) {
		t.waiting = true
		k.waiting++
		return
	}
	if !t.waiting || t.described {
		k.end(t)
	}
}

// Reset implements http2.Handler. What is on its way when a side gives up a stream leaves all the same, so
// the call lives on until the other side has stopped, or for a while.
func (w *way) Reset(_ *http2.Parser, id uint32, code uint32) {
	k := w.k
	t := k.find(id)
	if t == nil {
		return
	}
	t.last = k.s.now
	const noError = 0 // the server answered and wants no more of the request, RFC 9113 section 8.1
	if code != noError || !t.responseOver {
		t.x.Anomalies.Add(exchange.StreamReset)
		t.spoilt = t.spoilt || !t.whole()
	}
	if k.client == stream.Unknown || w.side == k.client && !t.responseOver {
		k.linger(t)
		return
	}
	k.end(t)
}

// linger lets a call that the client gave up live on, for what is on its way. Only the last ones do: a client may give up
// as many as it likes.
func (k *mux) linger(t *call) {
	if t.reset {
		return
	}
	t.reset = true
	at := k.nResets % uint(len(k.resets))
	if old := k.calls[k.resets[at]]; old != nil && old.reset && k.client != stream.Unknown {
		k.end(old)
	}
	k.resets[at] = t.stream
	k.nResets++
}

// GoAway implements http2.Handler: streams beyond the last one are not served.
func (w *way) GoAway(_ *http2.Parser, last uint32, _ uint32) {
	if w.side != w.k.client {
		w.k.served = last
	}
}

// Setting implements http2.Handler: it binds the other side.
func (w *way) Setting(_ *http2.Parser, id uint16, value uint32) {
	o := &w.k.way[w.side.Other()]
	if !o.based {
		return
	}
	switch id {
	case http2.SettingHeaderTableSize:
		o.parser.AllowTable(value)
	case http2.SettingMaxFrameSize:
		o.parser.AllowFrame(value)
	}
}

// Lost implements http2.Handler: of every open stream something may be missing.
func (w *way) Lost(*http2.Parser) {
	k := w.k
	w.lostAt = k.s.now
	k.aimless = true
	for _, t := range k.calls {
		if over := w.side == k.client && t.requestOver || w.side != k.client && t.responseOver; !over {
			t.spoilt = true
			t.x.Anomalies.Add(exchange.Resync)
		}
	}
}
