// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/weir-project/weir/sensor/exchange"

// Of a capture that has one side only, the ACK numbers of the side that is seen still tell how many bytes the
// other one sent: flow hands them on as gaps. A client that does not pipeline asks again when it has read the
// answer, so what it acknowledged between two requests is the answer to the first one, head and body alike.
// Between two responses it is the other way round.

// unseen says whether the capture has shown nothing of the side.
func (h *half) unseen() bool { return h.shown == 0 }

// awaits says whether what is missing of an unseen server is the answer to the one request that waits, and
// takes that off the queue.
func (k *conn) awaits() bool {
	if k.pipelined || k.owed > 0 || k.reply != nil || k.early != nil || len(k.queue)-k.head != 1 {
		return false
	}
	t := k.queue[k.head]
	if t.isConnect || t.blind || t.cut || !t.requestOver || k.half[k.client].end >= t.end+minRequest || t.hasAck && k.half[k.client.Other()].tardy(t) {
		return false
	}
	k.reply, k.interim = k.take(k.head), nil
	return true
}

// tardy says whether what is missing was sent before a request: the client had read beyond it.
func (h *half) tardy(t *call) bool {
	asked, ok := h.at(t.ack, t.hasAck)
	return ok && h.end <= asked
}

// answered ends the answer of an unseen server before the next request, which begins at an offset, or before the end. If
// bytes of the client lie between, there may have been another request in them, and nobody can say whose answer it is.
func (k *conn) answered(next int64) {
	h := &k.half[k.client.Other()]
	if !h.unseen() || !h.parser.Adrift() {
		return
	}
	if t := k.reply; t != nil && t.requestOver && !t.cut && next < t.end+minRequest {
		h.parser.Charge()
	}
	h.parser.Land()
}

// uploaded gives a response nobody was seen to ask for the bytes of an unseen client since the one before.
func (k *conn) uploaded(t *call) {
	h := &k.half[k.client]
	if !h.based || !h.unseen() || h.end <= k.claimed {
		return
	}
	n := uint64(h.end - max(k.claimed, h.begin))
	k.claimed = h.end
	k.found += n
	t.total.requestBody += n
	t.requestBodyGap += n
	t.total.gap += n
	t.spoilt = true
	t.x.Anomalies.Add(exchange.GapInBody)
}
