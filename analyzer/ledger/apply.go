// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const assuranceUnknown = uint8(weirv1.Assurance_ASSURANCE_UNKNOWN)

// maxAhead is how far an event may lie beyond its batch's window; what lies further counts at the
// window's end.
const maxAhead = hourNanos

// Apply merges a batch into the open minutes. Batches may come in any order but each once; b is not
// kept. What is older than the closed minutes reaches totals and the day it belongs to at once.
func (p *Partition) Apply(b *weirv1.Batch) {
	end := int64(b.WindowEndUnixNano)
	p.newest = max(p.newest, end)
	for _, x := range b.Exchanges {
		p.applyExchange(x, end)
	}
	for _, x := range b.Rollups {
		p.applyRollup(x, end)
	}
	for _, l := range b.Links {
		p.applyLink(l)
	}
}

// place gives the minute an event belongs to and its event time, which is never 0.
func (p *Partition) place(t, end int64) (*minute, int64) {
	if t <= 0 || end > 0 && t > end+maxAhead {
		p.count.badTime++
		t = max(end-1, 1)
	}
	if p.start == 0 || t < p.start {
		p.start = t
	}
	start := floorTo(t, minuteNanos)
	if start < p.closed {
		p.count.late++
		p.late.reset(start)
		return p.late, t
	}
	if p.pending >= p.cfg.MaxOpenExchanges {
		p.count.openFull++
		p.late.reset(start)
		return p.late, t
	}
	p.pending++
	return p.open(start), t
}

// open gives an open minute.
func (p *Partition) open(start int64) *minute {
	i := len(p.minutes)
	for i > 0 && p.minutes[i-1].start >= start {
		i--
	}
	if i < len(p.minutes) && p.minutes[i].start == start {
		return p.minutes[i]
	}
	var m *minute
	if n := len(p.spare); n > 0 {
		m, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		m = newMinute(p.stores)
	}
	m.start = start
	p.minutes = slices.Insert(p.minutes, i, m)
	return m
}

// put ends an Apply of one item: it waits in its minute, or counts at once.
func (p *Partition) put(m *minute, id ID, it *item, assurance, kind uint8, label string) {
	q := m.push(id, it)
	m.describe(q, assurance, kind, label)
	if m == p.late {
		p.applyLate(m)
		return
	}
	if q.touched != p.arrivals.epoch {
		q.touched = p.arrivals.epoch
		p.arrivals.touch(id)
	}
}

func (p *Partition) applyExchange(x *weirv1.Exchange, end int64) {
	if len(x.PrincipalId) != 16 || len(x.ExchangeId) != 16 {
		p.count.badID++
		return
	}
	m, t := p.place(int64(x.PartEndTimeUnixNano), end)
	it := item{
		exchange: [16]byte(x.ExchangeId), time: t, part: x.PartNumber, requests: x.RequestCount,
		records: x.RecordCount, sensitive: x.SensitiveObjects,
		response: x.HttpResponseBodySize, sent: x.HttpRequestBodySize,
		bodyAt: x.ResponseBodyOffset, sentAt: x.RequestBodyOffset,
		requested: max(x.RequestedObjects, uint32(len(x.RequestedObjectHashes))), sequential: x.SequentialObjects,
		status: uint16(x.HttpResponseStatusCode), port: uint16(x.ClientPort), rank: uint8(x.ObservationRank), extra: none,
	}
	it.point = p.pointOf(x.ObservationPoint)
	it.client = clientOf(x.ForwardedFor, x.ClientAddress)
	it.route = m.routeOf(p.routeOf(x.HttpRequestMethod, x.ServerName, x.ServerAddress, x.ServerPort, x.UrlTemplate, x.Operation))
	it.software = m.textOf(x.ClientSoftware)
	it.requestID = m.keepText(x.RequestId[:min(len(x.RequestId), maxRequestID)])
	it.hashes, it.sensitiveHashes = m.keep(x.ObjectHashes), m.keep(x.SensitiveObjectHashes)
	it.objects = objectsOf(x)
	it.sensitive = max(it.sensitive, it.sensitiveHashes.n)
	if len(x.TokenId) == 16 {
		it.token = max(binary.LittleEndian.Uint32(x.TokenId), 1)
	}
	for _, c := range x.SensitiveResponse {
		it.sensitiveValues += c.Count
	}
	if x.RecordCountKind == weirv1.RecordCountKind_RECORD_COUNT_KIND_ESTIMATED {
		it.guessed = it.records
	}
	it.classify()
	it.marks |= marksOf(x.PartLast, isLast) | marksOf(x.Excluded == "", isScored) | marksOf(x.SensitiveInspected, inspected)
	p.put(m, ID(x.PrincipalId), &it, uint8(x.PrincipalAssurance), uint8(x.CredentialKind), x.PrincipalLabel)
}

// objectsOf is how many distinct objects an exchange read: those seen, and those estimated in the
// part that was not inspected, as far as there are records for them.
func objectsOf(x *weirv1.Exchange) uint32 {
	seen := max(uint32(len(x.ObjectHashes)), x.ObjectsSeen)
	return max(seen, uint32(min(uint64(seen)+uint64(x.ObjectsEstimated), x.RecordCount)))
}

func marksOf(set bool, mark uint8) uint8 {
	if set {
		return mark
	}
	return 0
}

// classify says how the answer charges the principal. Later parts of an exchange carry its status
// but no request: a status that comes late still admits.
func (it *item) classify() {
	switch {
	case it.status == 401 || it.status == 403 || it.status == 407:
		it.denied = it.requests
		it.marks |= isDenied
	case it.status >= 400 && it.status < 500:
		it.refused = it.requests
	case it.status >= 200 && it.status < 400:
		it.accepted = max(it.requests, 1)
	}
}

func (p *Partition) applyRollup(x *weirv1.Rollup, end int64) {
	if len(x.PrincipalId) != 16 {
		p.count.badID++
		return
	}
	m, t := p.place(int64(x.WindowEndUnixNano)-1, end)
	denied := min(x.RequestsDenied, x.Requests_4Xx)
	it := item{
		time: t, records: x.RecordCount, guessed: min(x.RecordCountEstimated, x.RecordCount),
		requests: narrow(x.RequestsNone + x.Requests_1Xx + x.Requests_2Xx + x.Requests_3Xx + x.Requests_4Xx + x.Requests_5Xx),
		accepted: narrow(x.Requests_2Xx + x.Requests_3Xx), refused: narrow(x.Requests_4Xx - denied), denied: narrow(denied),
		response: x.HttpResponseBodySize, sent: x.HttpRequestBodySize,
		sequential: narrow(x.SequentialObjects), requested: narrow(max(x.SequentialObjects, x.RequestedRefusedObjects)),
		rank: uint8(x.ObservationRank), extra: none, marks: isRollup | isScored | marksOf(x.SensitiveInspected, inspected),
	}
	it.point = p.pointOf(x.ObservationPoint)
	it.route = m.routeOf(p.routeOf(x.HttpRequestMethod, x.ServerName, x.ServerAddress, x.ServerPort, x.UrlTemplate, x.Operation))
	it.requested = max(it.requested, it.requests) // a rollup does not say how many ids were asked for: one a request
	it.takeObjects(m, x)
	for _, c := range x.SensitiveResponse {
		it.sensitiveValues += c.Count
	}
	it.software = m.textOf(mostOf(x.ClientSoftware))
	if a := busiest(x.Addresses); a != nil {
		it.client = clientOf(nil, a.Address)
	}
	p.takeExtra(m, &it, x)
	p.put(m, ID(x.PrincipalId), &it, uint8(x.PrincipalAssurance), 0, "")
}

// takeObjects reads a rollup's object sets: hashes as they are, a sketch as a number of objects of
// which no hash is known.
func (it *item) takeObjects(m *minute, x *weirv1.Rollup) {
	if o := x.Objects; o != nil {
		it.hashes = m.keep(o.Hashes)
		it.objects = it.hashes.n
		if len(o.Hyperloglog) > 1 {
			it.unlisted = narrow(wire.CountObjects(o))
		}
	}
	if o := x.SensitiveObjects; o != nil {
		it.sensitiveHashes = m.keep(o.Hashes)
		it.sensitive = max(it.sensitiveHashes.n, narrow(wire.CountObjects(o)))
	}
}

// takeExtra keeps what only a rollup carries: networks, and exemplars of a few exchanges.
func (p *Partition) takeExtra(m *minute, it *item, x *weirv1.Rollup) {
	if len(x.Networks) == 0 && len(x.Addresses) == 0 && len(x.Exemplars) == 0 {
		return
	}
	var e extra
	list := x.Networks
	if len(list) == 0 {
		list = x.Addresses
	}
	for _, a := range list {
		e.networks = append(e.networks, networkCount{networkOf(clientOf(nil, a.Address)), a.Count})
	}
	for _, s := range x.Exemplars[:min(len(x.Exemplars), maxExemplars)] {
		y := exemplar{time: int64(s.TimeUnixNano), client: clientOf(nil, s.ClientAddress), port: uint16(s.ClientPort), status: uint16(s.HttpResponseStatusCode)}
		copy(y.exchange[:], s.ExchangeId)
		y.n = uint8(copy(y.requestID[:], s.RequestId))
		e.exemplars = append(e.exemplars, y)
		e.routes = append(e.routes, m.routeOf(route{s.HttpRequestMethod, s.ServerName, s.UrlTemplate}))
	}
	it.extra = uint32(len(m.extras))
	m.extras = append(m.extras, e)
}

func narrow(x uint64) uint32 { return uint32(min(x, 1<<32-1)) }

func mostOf(names []*weirv1.NameCount) string {
	best := &weirv1.NameCount{}
	for _, n := range names {
		if n.Count > best.Count || n.Count == best.Count && n.Name < best.Name {
			best = n
		}
	}
	return best.Name
}

func busiest(list []*weirv1.AddressCount) (best *weirv1.AddressCount) {
	for _, a := range list {
		if best == nil || a.Count > best.Count || a.Count == best.Count && string(a.Address) < string(best.Address) {
			best = a
		}
	}
	return best
}

// clientOf is the client after trusted hops as 16 bytes, IPv4 in IPv6; zero where it is not known.
func clientOf(forwarded, client []byte) [16]byte {
	if len(forwarded) != 4 && len(forwarded) != 16 {
		forwarded = client
	}
	if a, ok := netip.AddrFromSlice(forwarded); ok {
		return a.As16()
	}
	return [16]byte{}
}

// routeOf names an endpoint: a GraphQL or gRPC operation stands for the path.
func (p *Partition) routeOf(method, server string, address []byte, port uint32, template, operation string) route {
	if operation != "" {
		template = operation
	}
	if server == "" {
		server = p.addressText(address, port)
	}
	return route{method, server, template}
}

func (p *Partition) addressText(address []byte, port uint32) string {
	a, ok := netip.AddrFromSlice(address)
	if !ok {
		return ""
	}
	at := netip.AddrPortFrom(a.Unmap(), uint16(port))
	s, ok := p.addresses[at]
	if !ok {
		if len(p.addresses) > 4096 {
			clear(p.addresses)
		}
		s = at.String()
		p.addresses[at] = s
	}
	return s
}

// maxPoints bounds the table of observation points; beyond it they are taken for one.
const maxPoints = 1 << 16

func (p *Partition) pointOf(name string) uint32 {
	if i, ok := p.points[name]; ok {
		return i
	}
	if len(p.pointNames) >= maxPoints {
		p.count.textsRefused++
		return 0
	}
	name = strings.Clone(name)
	p.pointNames = append(p.pointNames, name)
	p.points[name] = uint32(len(p.pointNames) - 1)
	return p.points[name]
}

// alias is what a principal link said last.
type alias struct {
	principal ID
	time      int64
	undone    bool
}

// applyLink records a link. It does not move totals: the older principal's row stays its own.
func (p *Partition) applyLink(l *weirv1.PrincipalLink) {
	if len(l.OlderId) != 16 || len(l.PrincipalId) != 16 {
		p.count.badID++
		return
	}
	a := alias{ID(l.PrincipalId), int64(l.TimeUnixNano), l.Undo}
	p.count.links++
	if p.aliases.get(ID(l.OlderId)) == nil && p.aliases.len() >= p.cfg.MaxPrincipals {
		p.count.linksRefused++
		return
	}
	_, was, fresh := p.aliases.put(ID(l.OlderId))
	if fresh || a.after(was) {
		*was = a
	}
}

// after orders what links say, so that the order of arrival does not matter.
func (a *alias) after(b *alias) bool {
	if a.time != b.time {
		return a.time > b.time
	}
	if a.undone != b.undone {
		return a.undone
	}
	return string(a.principal[:]) < string(b.principal[:])
}
