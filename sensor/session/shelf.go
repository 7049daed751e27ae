// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/identity"
)

// stub is what is kept of a stream that made room for others: whose it is, and how far it was told. If it goes on it is
// told on as the same exchange.
type stub struct {
	id                    exchange.ID
	part                  uint32
	start, partEnd        int64
	status                uint16
	total                 sizes
	identity              identity.Identity
	isHead, described     bool
	answered, orphan      bool
	requestOver, respOver bool
	anomalies             exchange.AnomalySet
}

// maxShelved bounds the stubs of all connections: about 80 MB. Of more, what they go on to send is nobody's.
const maxShelved = 1 << 18

// shelve tells what is known of a stream and keeps a stub of it.
func (k *mux) shelve(t *call) {
	t.x.Anomalies.Add(exchange.TooManyStreams)
	t.spoilt = true
	if k.client == 0 || k.s.shelved >= maxShelved {
		k.s.n.UntrackedStreams++
		k.aimless = true
		k.end(t)
		return
	}
	k.s.tell(t, false)
	if k.shelf == nil {
		k.shelf = map[uint32]stub{}
	}
	own := t.id
	own.OtherTokenIDs, own.Name, own.ForwardedFor = nil, nil, t.id.ForwardedFor
	k.shelf[t.stream] = stub{id: t.x.ID, part: t.x.Part, start: t.x.Start, partEnd: t.x.PartEnd, status: t.x.Status, total: t.total,
		identity: own, isHead: t.isHead, described: t.described, answered: t.answered, orphan: t.orphan,
		requestOver: t.requestOver, respOver: t.responseOver, anomalies: t.x.Anomalies}
	k.s.shelved++
	if k.last == t {
		k.last = nil
	}
	if t.waiting {
		k.waiting--
	}
	delete(k.calls, t.stream)
	k.s.free(t)
}

// unshelve takes a stream up again; nil if it is not on the shelf.
func (k *mux) unshelve(id uint32) *call {
	b, is := k.shelf[id]
	if !is {
		return nil
	}
	delete(k.shelf, id)
	k.s.shelved--
	t := k.open(id)
	t.own(&b.identity)
	x := &t.x
	x.ID, x.Part, x.Start, x.PartEnd, x.Status, x.Anomalies = b.id, b.part, b.start, b.partEnd, b.status, b.anomalies
	t.total, t.gone, t.last = b.total, b.total, b.partEnd
	t.isHead, t.described, t.answered, t.orphan = b.isHead, b.described, b.answered, b.orphan
	t.requestOver, t.responseOver, t.spoilt = b.requestOver, b.respOver, true
	return t
}
