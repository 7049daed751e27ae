// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/stream"
)

// Head implements http1.Handler.
func (h *half) Head(_ *http1.Parser, m *http1.Message) http1.Context {
	if m.Role == http1.Request {
		h.request(m)
		return http1.Context{}
	}
	return h.response(m)
}

// request begins an exchange.
func (h *half) request(m *http1.Message) {
	k := h.k
	if k.know(h.side); h.side != k.client { // both sides ask: what the server says so is nothing
		return
	}
	k.answered(m.Offset)
	k.s.n.Requests++
	if t := k.adopted(m, h); t != nil {
		k.upload = t
		k.scouted(t, m)
		return
	}
	t := k.s.newCall(k, k.client)
	k.s.describeRequest(t, m, h.seq(m.Offset), 0)
	t.blind = h.lost || h.behind(m)
	if m.Minor < 0 {
		k.half[h.side.Other()].parser.Bare()
	}
	k.upload = t
	k.push(t)
	k.scouted(t, m)
}

// response finds the exchange that a response completes, or begins an orphan.
func (h *half) response(m *http1.Message) http1.Context {
	k := h.k
	if k.know(h.side.Other()); h.side == k.client {
		return http1.Context{}
	}
	t, contradicts := k.answers(m, h)
	if t == nil {
		if m.Interim() {
			return http1.Context{}
		}
		t = k.s.newCall(k, k.client)
		k.s.describeOrphan(t, m, h.seq(m.Offset), 0)
		if contradicts {
			t.x.Anomalies.Add(exchange.ContradictsAck)
		} else {
			k.hold(t, m, h)
		}
	}
	k.reply = t
	c := http1.Context{Head: t.isHead, Connect: t.isConnect}
	t.last = m.Mark.Time
	t.x.Anomalies |= m.Anomalies
	t.total.responseHead += uint64(m.Size)
	if m.Interim() {
		k.interim = t
		return c
	}
	if m.Status == 101 && (t.h2c || t.orphan) && offers(field(m, "upgrade")) {
		k.upgrade(t, m)
		return c
	}
	k.s.n.Responses++
	if k.hidden != nil && !t.orphan {
		k.hidden.passed(t.start)
	}
	k.s.describeResponse(t, m)
	k.switchProtocol(t, m.Status, h.side)
	return c
}

// switchProtocol turns the client's side into a tunnel where the server agreed to it, and back
// where it refused.
func (k *conn) switchProtocol(t *call, status int, server stream.Side) {
	client := &k.half[server.Other()]
	switch {
	case status == 101 && !t.orphan:
		t.x.Anomalies.Add(exchange.Upgraded)
		t.requestOver = false
		k.upload = t
		client.parser.Tunnel()
	case t.isConnect && status/100 == 2:
		t.x.Anomalies.Add(exchange.Tunnel)
		if t.requestOver { // a gap or a bound ended it early
			t.requestOver = false
			k.upload = t
			client.parser.Tunnel()
		}
	case t.isConnect && k.upload == t:
		client.parser.Resume()
	case status == 101:
		t.x.Anomalies.Add(exchange.Upgraded)
		client.parser.Tunnel()
	}
}

// of gives the call that a side's bytes belong to; nil where its opener is not known.
func (h *half) of() *call {
	if h.side == h.k.client {
		return h.k.upload
	}
	return h.k.reply
}

// Body implements http1.Handler.
func (h *half) Body(p *http1.Parser, b []byte) {
	if h.k.nest != nil {
		h.tunnel(p, b, 0)
		return
	}
	t := h.of()
	if t == nil {
		return
	}
	if h.side == h.k.client {
		t.total.requestBody += uint64(len(b))
		if s := h.k.hidden; s != nil && s.host == t {
			s.body(p, b, h.mark)
		}
	} else {
		t.total.responseBody += uint64(len(b))
		if t.look != nil {
			t.look.Data(b)
		}
	}
	h.k.s.moved(t, h.odd)
}

// Gap implements http1.Handler.
func (h *half) Gap(p *http1.Parser, n int64) {
	if h.k.nest != nil {
		h.tunnel(p, nil, n)
		return
	}
	t := h.of()
	if t == nil {
		return
	}
	t.spoilt = true
	t.total.gap += uint64(n)
	if h.side == h.k.client {
		t.total.requestBody += uint64(n)
		t.requestBodyGap += uint64(n)
		if s := h.k.hidden; s != nil && s.host == t {
			s.gap(n)
		}
	} else {
		t.total.responseBody += uint64(n)
		t.responseGap += uint64(n)
		if t.look != nil {
			t.look.Gap(uint64(n))
		}
	}
	h.k.s.moved(t, h.odd)
}

// moved notes that bytes of a call moved, and tells a part if they are many or it runs long. odd says that a
// retransmission of them had other content.
func (s *Session) moved(t *call, odd bool) {
	t.last = s.now
	if odd {
		t.x.Anomalies.Add(exchange.InconsistentRetransmit)
	}
	if fresh := t.fresh(); fresh >= s.cfg.PartBytes || s.now-t.told >= s.cfg.PartTime && fresh > 0 {
		s.tell(t, false)
	}
}

// End implements http1.Handler.
func (h *half) End(_ *http1.Parser, e http1.Tail) {
	k := h.k
	t := h.of()
	if t == nil {
		return
	}
	t.last = k.s.now
	t.x.Anomalies |= e.Anomalies
	if h.odd {
		t.x.Anomalies.Add(exchange.InconsistentRetransmit)
	}
	t.spoilt = t.spoilt || !e.Complete
	if h.side == k.client {
		t.requestOver, t.end = true, e.Offset
		if k.hidden != nil {
			k.hidden.over(t, e)
		}
		k.upload = nil
		if t.unqueued {
			k.s.end(t)
			return
		}
	} else {
		k.reply = nil
		if k.interim == t {
			return // the real response is still to come
		}
		t.responseOver = true
		if t == k.early {
			return
		}
	}
	if t.requestOver && t.responseOver {
		k.s.end(t)
	}
}
