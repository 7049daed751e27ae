// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/stream"
)

// A request may lie about its body: an unknown coding, a length that is none, two framings that
// disagree, a length that the server never waits for. Then what we read as its body may hold requests
// that the server reads. Its answers tell: a final response beyond those that the requests we know of
// ask for answers one that we took for body. So a scout reads every body of a request for heads by the
// book, and such heads are hidden requests: they become exchanges when a response proves them, else
// they never were.
//
// A request that was framed well and came whole hides none.

// hidden is the scout of a connection and what it found.
type hidden struct {
	k      *conn
	scout  http1.Parser
	ready  bool    // the scout was made ready for this connection
	host   *call   // whose body is being read
	doubt  bool    // of it: its framing can be read in several ways
	joined bool    // host's body is being scouted
	blind  bool    // bytes of it were not seen: hidden requests may have been lost
	torn   bool    // since the last one of calls
	calls  []*call // not among the running ones, oldest first
	sound  []bool  // of each: its host was framed well
}

// doubtful are what a request's framing may be wrong or ambiguous by.
const doubtful exchange.AnomalySet = 1<<exchange.DuplicateContentLength | 1<<exchange.TransferEncodingAndLength |
	1<<exchange.BadContentLength | 1<<exchange.BadTransferEncoding | 1<<exchange.BadChunkSize

// scouted begins to scout the body of a request, if it has one.
func (k *conn) scouted(t *call, m *http1.Message) {
	t.suspect = k.doubt && t.hasAck && t.ack == k.doubtAck
	if m.Anomalies&doubtful != 0 {
		k.doubt, k.doubtAck = t.hasAck, t.ack
	}
	if h := k.hidden; h != nil {
		h.host, h.joined = nil, false
	}
	if m.Cut || t.isConnect || m.Framing != http1.Length && m.Framing != http1.Chunked && m.Framing != http1.UntilClose {
		return
	}
	if k.hidden == nil {
		k.hidden = &hidden{}
	}
	h := k.hidden
	h.k, h.host, h.blind, h.torn, h.doubt = k, t, false, false, m.Anomalies&doubtful != 0
}

// reset makes it ready for another connection.
func (h *hidden) reset(k *conn) {
	h.k, h.ready, h.host, h.joined = k, false, nil, false
	h.drop(len(h.calls))
}

// drop gives the first n hidden requests up: they were body.
func (h *hidden) drop(n int) {
	for _, t := range h.calls[:n] {
		h.k.s.free(t)
	}
	rest := copy(h.calls, h.calls[n:])
	copy(h.sound, h.sound[n:])
	clear(h.calls[rest:])
	h.calls, h.sound = h.calls[:rest], h.sound[:rest]
}

// body scouts bytes of a body that p has just read.
func (h *hidden) body(p *http1.Parser, b []byte, m http1.Mark) {
	start := p.Offset() - int64(len(b))
	switch {
	case !h.ready:
		h.scout.Scout(h, h.k.s.limits(), start)
		h.ready = true
	case !h.joined:
		h.scout.ScoutFrom(start)
	default:
		h.scout.Skipped(start)
	}
	h.joined = true
	h.scout.Data(b, m)
}

// gap passes over bytes of a body that were not seen.
func (h *hidden) gap(n int64) {
	h.blind, h.torn = true, true
	if h.joined {
		h.scout.Gap(n)
	}
}

// over says that a body ended. One that was framed well and came whole hid nothing.
func (h *hidden) over(t *call, e http1.Tail) {
	if h.host != t {
		return
	}
	h.host, h.joined = nil, false
	if h.doubt || !e.Complete || e.Anomalies&doubtful != 0 {
		return
	}
	n := len(h.calls)
	for n > 0 && h.calls[n-1].start >= t.headEnd {
		n--
	}
	for _, c := range h.calls[n:] {
		h.k.s.free(c)
	}
	clear(h.calls[n:])
	h.calls, h.sound = h.calls[:n], h.sound[:n]
}

// Head implements http1.Handler.
func (h *hidden) Head(_ *http1.Parser, m *http1.Message) http1.Context {
	k := h.k
	if m.Role != http1.Request || m.Raw == nil || m.Minor < 0 || string(m.Method) == "CONNECT" || h.host == nil {
		return http1.Context{}
	}
	if len(h.calls) >= k.s.cfg.MaxPending {
		h.host.x.Anomalies.Add(exchange.TooManyPending)
		return http1.Context{}
	}
	if h.host.answered {
		if t := k.adopted(m, &k.half[k.client]); t != nil {
			h.early(t, m)
			return http1.Context{}
		}
	}
	t := k.s.newCall(k, k.client)
	k.s.running.remove(t)
	client := &k.half[k.client]
	k.s.describeRequest(t, m, client.seq(m.Offset), 0)
	t.requestOver, t.end, t.blind = true, m.HeadEnd, client.lost || h.blind
	h.calls, h.sound, h.torn = append(h.calls, t), append(h.sound, !h.doubt), false
	return http1.Context{}
}

// early finishes a hidden request whose response came before it.
func (h *hidden) early(t *call, m *http1.Message) {
	h.k.s.n.Requests++
	t.requestOver, t.end = true, m.HeadEnd
	u := h.host
	u.total.requestBody -= min(uint64(m.Size), u.total.requestBody-u.gone.requestBody)
	if t.responseOver {
		h.k.s.end(t)
	}
}

// Body implements http1.Handler: a scout reads none.
func (h *hidden) Body(*http1.Parser, []byte) {}

// Gap implements http1.Handler: the body's own parser counts it.
func (h *hidden) Gap(*http1.Parser, int64) {}

// End implements http1.Handler.
func (h *hidden) End(*http1.Parser, http1.Tail) {}

// Drift implements http1.Handler.
func (h *hidden) Drift(*http1.Parser) bool { return false }

// Lost implements http1.Handler: whose body it is was not lost.
func (h *hidden) Lost(*http1.Parser) {}

// passed gives up hidden requests before the request at start, which was answered: answers come in order.
func (h *hidden) passed(start int64) {
	n := 0
	for n < len(h.calls) && h.calls[n].start < start {
		n++
	}
	h.drop(n)
}

// reveal finds the hidden request that a response proves, where no request that we know of waits for
// it. A client that does not pipeline asked when it had read to where the response begins; of one that
// does order tells, unless a loss may have taken the request that was answered: see answersAfterLoss.
func (k *conn) reveal(m *http1.Message, server *half, ack int64, known bool) *call {
	h, client := k.hidden, &k.half[k.client]
	if h == nil || m.Interim() {
		return nil
	}
	found := -1
	for i, t := range h.calls {
		if known && ack < t.headEnd || h.sound[i] && complaint(m.Status) {
			continue
		}
		asked, ok := server.at(t.ack, t.hasAck)
		exact := known && ok && asked == m.Offset
		if k.untrusted || t.blind {
			alone := i == 0 || !h.calls[i-1].hasAck || h.calls[i-1].ack != t.ack
			exact = exact && alone && !k.pipelined && ack < t.end+minRequest && (!t.blind || k.next(t, m, client))
		} else if found < 0 && (!ok || asked <= m.Offset) && (!known || ack <= client.end) {
			found = i
		}
		if exact {
			found = i
			break
		}
	}
	if found < 0 {
		return nil
	}
	h.drop(found)
	t := h.calls[0]
	h.calls[0] = nil // not to be freed
	h.drop1()
	k.admit(t)
	if k.untrusted {
		k.loseBefore(t.start)
	}
	if u := k.upload; u != nil && u.start < t.start && h.host == u {
		k.follow(u, t)
	}
	return t
}

// loseBefore gives up the requests before start: their responses were lost.
func (k *conn) loseBefore(start int64) {
	i := k.head
	for i < len(k.queue) && k.queue[i].start < start {
		i++
	}
	k.lose(i)
	if k.head == len(k.queue) {
		k.untrusted, k.half[k.client].lost, k.owed = false, false, 0
	}
}

// drop1 takes the first hidden request off the list.
func (h *hidden) drop1() {
	n := copy(h.calls, h.calls[1:])
	copy(h.sound, h.sound[1:])
	h.calls[n] = nil
	h.calls, h.sound = h.calls[:n], h.sound[:n]
}

// complaint says whether a status may come unasked, about a body that does not come or go on.
func complaint(status int) bool { return status == 400 || status == 408 }

// admit makes an exchange of a hidden request.
func (k *conn) admit(t *call) {
	k.s.n.Requests++
	t.told = k.s.now
	k.s.running.add(t)
}

// follow ends the body of u before the hidden request t, and goes on where the scout stands.
func (k *conn) follow(u, t *call) {
	h := k.hidden
	p := &k.half[k.client].parser
	over := uint64(p.Offset() - t.start)
	u.total.requestBody -= min(over, u.total.requestBody-u.gone.requestBody)
	heads := int64(t.total.requestHead)
	lost := h.torn
	for len(h.calls) > 0 {
		next := h.calls[0]
		lost = lost || next.blind
		h.drop1()
		heads += int64(next.total.requestHead)
		k.admit(next)
		k.push(next)
		if next.unqueued {
			k.s.end(next)
		}
	}
	if lost {
		k.untrusted, k.half[k.client].lost = true, true
	}
	h.host, h.joined = nil, false
	p.Follow(&h.scout, t.start, heads)
}

// oldest finds the first of the queue that may be the one a response answers: after a request whose
// framing is in doubt, what was sent together with it may be its body. Such a one is passed over for a
// request that the client sent when it had read to exactly where the response begins.
func (k *conn) oldest(m *http1.Message, server *half, ack int64, known bool) int {
	if !k.doubt || !known {
		return k.head
	}
	for i := k.head; i < len(k.queue); i++ {
		t := k.queue[i]
		asked, ok := server.at(t.ack, t.hasAck)
		if !ok || ack < t.headEnd {
			break
		}
		if asked == m.Offset {
			return i
		}
		if !t.suspect {
			break
		}
	}
	return k.head
}

// probe looks whether the server's chunk begins another response inside one that only the end of the
// side would end: the client had read to exactly there when it asked again, and the server received that.
func (h *half) probe(c *stream.Chunk) {
	k := h.k
	ack, known := k.half[k.client].at(c.Ack, c.HasAck)
	for _, t := range k.queue[k.head:] {
		if asked, ok := h.at(t.ack, t.hasAck); known && ok && asked == c.Offset && ack >= t.headEnd {
			h.parser.Probe()
			return
		}
	}
}
