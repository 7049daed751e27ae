// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/stream"
)

// ackSlack bounds how far an ACK number may lie from what was seen and still mean something: beyond
// it, somebody made it up.
const ackSlack = 1 << 24

// seq gives the raw sequence number of an offset in the stream of h.
func (h *half) seq(offset int64) uint32 { return h.base + uint32(offset) }

// at translates a raw ACK number to a position in the stream of h.
func (h *half) at(ack uint32, has bool) (int64, bool) {
	if !has || !h.based {
		return 0, false
	}
	off := h.end + int64(int32(ack-h.base-uint32(h.end)))
	return off, off > h.begin-ackSlack && off < h.end+ackSlack
}

// answers finds the request that a response answers and takes it off the queue; nil where none
// is sure. The response began at its offset in the stream of the server's half.
//
// A response cannot begin before its server had received the request's head: the ACK number says
// what it had received. Nor can it lie before what the client had acknowledged when it sent the
// request. Within these bounds responses come in the order of the requests (RFC 9112 section 9.3.2),
// as long as all of them were seen. After a loss order means nothing: see answersAfterLoss.
func (k *conn) answers(m *http1.Message, server *half) (t *call, contradicts bool) {
	client := &k.half[server.side.Other()]
	ack, known := client.at(m.Mark.Ack, m.Mark.HasAck)
	if t = k.interim; t != nil {
		return k.claim(m), false
	}
	if k.untrusted {
		if t = k.answersAfterLoss(m, client, server, ack, known); t == nil {
			t = k.reveal(m, server, ack, known)
		}
		return t, false
	}
	if k.owed > 0 {
		if !m.Interim() {
			k.owed--
		}
		return nil, false
	}
	if k.head == len(k.queue) {
		return k.reveal(m, server, ack, known), false
	}
	k.lose(k.oldest(m, server, ack, known))
	t = k.queue[k.head]
	if asked, ok := server.at(t.ack, t.hasAck); known && ack < t.headEnd || ok && m.Offset < asked {
		return nil, true
	}
	return k.claim(m), false
}

// claim gives the first of the queue to a response; a 1xx leaves it there, for another will come.
func (k *conn) claim(m *http1.Message) *call {
	if m.Interim() {
		return k.queue[k.head]
	}
	k.interim = nil
	return k.take(k.head)
}

// minRequest is the length of the shortest request, "GET / HTTP/1.0\n\n": less than that beyond a
// request, such as the empty line that some clients send after a body, is not another one.
const minRequest = 16

// answersAfterLoss pairs by sequence and ACK numbers alone. A client that does not pipeline asks when
// it has read the response before: then the response begins exactly where the client had read to
// when it asked, and its server has received nothing beyond the request. One that pipelines gives
// itself away by requests that acknowledge the same; unless the one before was lost. Then what the
// server acknowledged with its last byte before the response tells: not a byte before the request
// was new to it.
func (k *conn) answersAfterLoss(m *http1.Message, client, server *half, ack int64, known bool) *call {
	if !known || k.pipelined {
		return nil
	}
	for i := len(k.queue) - 1; i >= k.head; i-- {
		t := k.queue[i]
		asked, ok := server.at(t.ack, t.hasAck)
		if !ok || asked != m.Offset || ack < t.headEnd || t.requestOver && !t.cut && ack >= t.end+minRequest || t.blind && !k.next(t, m, client) {
			continue
		}
		k.lose(i)
		t = k.claim(m)
		if k.head == len(k.queue) {
			k.untrusted, client.lost, k.owed = false, false, 0
		}
		return t
	}
	return nil
}

// behind says whether, on a connection joined in its middle, the client sent other bytes before its first request with
// the same ACK number: it pipelined, and the first answer may be that of a request that was not seen.
func (h *half) behind(m *http1.Message) bool {
	return h.k.c.Mid && h.parser.Messages() <= 1 && m.Offset > h.begin && m.Mark.HasAck &&
		(m.Mark.Offset < m.Offset || m.Mark.HasPrev && m.Mark.Prev == m.Mark.Ack)
}

// next says whether the server had received all before the request, and nothing of it, with the last
// byte before the response.
func (k *conn) next(t *call, m *http1.Message, client *half) bool {
	if m.Mark.Offset != m.Offset {
		return false // the byte before came in the same segment
	}
	prev, known := client.at(m.Mark.Prev, m.Mark.HasPrev)
	return known && prev == t.start
}

// lose gives up the requests before the i-th: their responses were lost.
func (k *conn) lose(i int) {
	for n := i - k.head; n > 0; n-- { // an empty queue begins anew
		t := k.take(k.head)
		if t.requestOver {
			k.s.end(t)
		} else {
			t.unqueued = true // the end of its request ends it
		}
	}
}

// Drift implements http1.Handler: what follows in a response whose framing or head is lost is still the
// answer to its request as long as the server has received nothing beyond that. Only of a client
// that pipelines, or one whose requests were lost, is that not known.
func (h *half) Drift(*http1.Parser) bool {
	k := h.k
	if h.side != k.client && h.unseen() {
		return k.awaits()
	}
	waiting := len(k.queue) - k.head
	if h.side == k.client || k.untrusted || k.pipelined || k.owed > 0 {
		return false
	}
	if t := k.reply; t != nil {
		return waiting == 0 && t.requestOver && !t.orphan && !t.cut
	}
	if waiting != 1 || k.early != nil {
		return false
	}
	t := k.queue[k.head]
	if !t.requestOver || t.cut || t.isHead || t.isConnect {
		return false
	}
	k.reply, k.interim = k.take(k.head), nil
	k.s.look(t)
	return true
}

// begins says whether b begins with the text, or is a begin of it.
func begins(b []byte, text string) bool {
	n := min(len(b), len(text))
	return string(b[:n]) == text[:n]
}

// complains says whether b begins with the status line of an answer that may come unasked.
func complains(b []byte) bool {
	const at = len("HTTP/1.1 ")
	return len(b) >= at+3 && (string(b[at:at+3]) == "408" || string(b[at:at+3]) == "400")
}

// putBack makes a request that was taken the first of the queue again.
func (k *conn) putBack(t *call) {
	if k.head == 0 {
		k.queue = append(k.queue, nil)
		copy(k.queue[1:], k.queue)
	} else {
		k.head--
	}
	k.queue[k.head] = t
}

// steer tells a parser that is adrift whether the chunk that comes can belong to another message.
func (h *half) steer(c *stream.Chunk) {
	t := h.k.reply
	ack, known := h.k.half[h.side.Other()].at(c.Ack, c.HasAck)
	if t != nil && known && ack < t.end+minRequest {
		if !t.answered && t.total.responseBody == 0 && begins(c.Data, "HTTP/1.") && !complains(c.Data) {
			h.k.reply = nil // a 1xx was lost, and here is the answer
			h.k.putBack(t)
			h.parser.Retract()
			return
		}
		h.parser.Charge()
		return
	}
	h.parser.Land()
}

// Lost implements http1.Handler.
func (h *half) Lost(*http1.Parser) {
	k := h.k
	k.untrusted, k.interim = true, nil
	h.lost = true
	k.release()
}
