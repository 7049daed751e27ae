// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
)

const (
	topAddresses = 4
	maxExemplars = 5
	maxRequestID = 64
	// evidenceFrom is how many records a run has before addresses and exemplars are kept for it.
	evidenceFrom = 50
)

// evidence is what lets people find the caller of a run: its top addresses (SpaceSaving, Metwally et
// al. 2005) and the exchanges with the most records.
type evidence struct {
	addresses [topAddresses]addressCount
	exemplars [maxExemplars]exemplar
	n         uint8 // exemplars
}

type addressCount struct {
	client  [16]byte
	records uint64
	first   int64 // 0: free
}

type exemplar struct {
	time      int64
	records   uint64
	exchange  [16]byte
	client    [16]byte
	requestID [maxRequestID]byte
	endpoint  uint32 // serial
	port      uint16
	status    uint16
	n         uint8 // bytes of requestID
}

// before is the order of exemplars: most records, then earliest, then by id.
func (x *exemplar) before(y *exemplar) bool {
	return cmp.Or(cmp.Compare(y.records, x.records), cmp.Compare(x.time, y.time),
		bytes.Compare(x.exchange[:], y.exchange[:]), bytes.Compare(x.requestID[:], y.requestID[:])) < 0
}

// addAddress counts an address; when all places are taken the smallest gives way and its count is
// inherited, so that counts are never too low.
func (e *evidence) addAddress(client [16]byte, records uint64, t int64) {
	least := 0
	for i := range e.addresses {
		a := &e.addresses[i]
		if a.first == 0 || a.client == client {
			if a.first == 0 {
				a.client, a.first = client, t
			}
			a.records += records
			a.first = min(a.first, t)
			return
		}
		if a.records < e.addresses[least].records {
			least = i
		}
	}
	a := &e.addresses[least]
	a.client, a.first = client, t
	a.records += records
}

// addExemplar keeps the first maxExemplars in their order. Parts of one exchange are one exemplar.
func (e *evidence) addExemplar(x *exemplar) {
	for i := range e.exemplars[:e.n] {
		if y := &e.exemplars[i]; y.exchange == x.exchange && y.exchange != ([16]byte{}) {
			y.records += x.records
			x.records, x.time, x.requestID, x.n = y.records, y.time, y.requestID, y.n
			copy(e.exemplars[i:], e.exemplars[i+1:e.n])
			e.n--
			break
		}
	}
	i := int(e.n)
	for i > 0 && x.before(&e.exemplars[i-1]) {
		i--
	}
	if i >= maxExemplars {
		return
	}
	copy(e.exemplars[i+1:], e.exemplars[i:maxExemplars-1])
	e.exemplars[i] = *x
	e.n = min(e.n+1, maxExemplars)
}

// addItem takes an item as evidence. serialOf gives the serials of the minute's routes.
func (e *evidence) addItem(m *minute, it *item, serial uint32, serialOf func(uint32) uint32) {
	if it.client != ([16]byte{}) {
		e.addAddress(it.client, it.records, it.time)
	}
	if it.marks&isRollup == 0 {
		x := exemplar{time: it.time, records: it.records, exchange: it.exchange, client: it.client, endpoint: serial, port: it.port, status: it.status}
		x.n = uint8(copy(x.requestID[:], m.textAt(it.requestID)))
		e.addExemplar(&x)
		return
	}
	if it.extra == none {
		return
	}
	extra := &m.extras[it.extra]
	for i := range extra.exemplars {
		x := extra.exemplars[i]
		x.endpoint = serialOf(extra.routes[i])
		e.addExemplar(&x)
	}
}

// vote follows the client address with the majority of the records.
func (r *row) vote(it *item) {
	if it.client == ([16]byte{}) {
		return
	}
	w := max(it.records, 1)
	switch {
	case r.address == it.client:
		r.addressLead += w
	case r.addressLead > w:
		r.addressLead -= w
	default:
		r.address, r.addressLead, r.addressSince = it.client, w-r.addressLead, it.time
	}
}

// quote puts a row's evidence into a view.
func (p *Partition) quote(v *View, r *row) {
	v.Addresses, v.Exemplars = v.Addresses[:0], v.Exemplars[:0]
	var e *evidence
	if r.evidence != 0 {
		e = p.evidences.at(r.evidence)
	}
	if e == nil || r.run == 0 {
		if r.address != ([16]byte{}) {
			v.Addresses = append(v.Addresses, AddressShare{netip.AddrFrom16(r.address).Unmap(), r.addressLead, r.addressSince})
		}
	} else {
		for _, a := range e.addresses {
			if a.first != 0 {
				v.Addresses = append(v.Addresses, AddressShare{netip.AddrFrom16(a.client).Unmap(), a.records, a.first})
			}
		}
		slices.SortFunc(v.Addresses, func(a, b AddressShare) int {
			return cmp.Or(cmp.Compare(b.Records, a.Records), a.Address.Compare(b.Address))
		})
	}
	if e == nil {
		return
	}
	for i := range e.exemplars[:e.n] {
		x := &e.exemplars[i]
		to, _ := p.routeOfSerial(x.endpoint)
		v.Exemplars = append(v.Exemplars, Exemplar{
			Time: x.time, Client: netip.AddrPortFrom(netip.AddrFrom16(x.client).Unmap(), x.port), RequestID: string(x.requestID[:x.n]),
			ServerName: to.server, Method: to.method, Template: to.path, Status: x.status, ExchangeID: x.exchange,
		})
	}
}
