// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
)

// The two directions of a capture may be out of step: a request waits for a retransmission, or comes
// from another queue of the mirror, while its response is already here. The ACK number of the response
// tells: its server had received bytes that we have not.

// hold keeps one such response until its request comes. A second one means that order is lost.
func (k *conn) hold(t *call, m *http1.Message, server *half) {
	if k.untrusted || k.head < len(k.queue) || m.Status == 101 || m.Status == 0 {
		return
	}
	client := &k.half[server.side.Other()]
	if ack, known := client.at(m.Mark.Ack, m.Mark.HasAck); client.based && (!known || ack <= client.end) {
		return // nothing is on its way: nobody asked
	}
	if k.early != nil {
		k.release()
		k.untrusted, client.lost = true, true
		return
	}
	t.start, t.ack, t.hasAck = m.Offset, m.Mark.Ack, m.Mark.HasAck
	k.early = t
}

// release gives up waiting: nobody is known to have asked.
func (k *conn) release() {
	t := k.early
	k.early = nil
	if t != nil && t.responseOver {
		k.s.end(t)
	}
}

// adopted gives the response that is held to the request whose head has come, if ACK and sequence
// numbers allow it; nil if there is none.
func (k *conn) adopted(m *http1.Message, client *half) *call {
	t := k.early
	if t == nil {
		return nil
	}
	server := &k.half[client.side.Other()]
	ack, known := client.at(t.ack, t.hasAck)
	asked, ok := server.at(m.Mark.Ack, m.Mark.HasAck)
	if k.untrusted || !known || ack < m.HeadEnd || ok && t.start < asked || t.x.Part > 0 || string(m.Method) == "CONNECT" {
		k.release()
		k.untrusted, client.lost = true, true
		return nil
	}
	k.early = nil
	x := &t.x
	x.Anomalies &^= 1<<exchange.OrphanResponse | 1<<exchange.IDPartial
	start, last, spoilt, version := x.Start, t.last, t.spoilt, x.Version
	t.orphan, t.requestOver = false, false
	k.s.describeRequest(t, m, client.seq(m.Offset), 0)
	t.blind = client.lost
	x.Start = min(x.Start, start)
	x.PartStart, x.Version = x.Start, version
	t.last, t.spoilt = max(t.last, last), t.spoilt || spoilt
	k.s.refuse(t)
	if t.look != nil { // it did not know what was asked for
		t.look.Release()
		t.look = nil
		k.s.look(t)
		t.look.Gap(t.total.responseBody)
	}
	return t
}
