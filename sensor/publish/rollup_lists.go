// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func cloneText(s string) string { return strings.Clone(s) }

// addWho keeps who and where from, within bounds, and some exchanges by which people can find them.
func addWho(n *weirv1.Rollup, x *weirv1.Exchange) {
	from := x.ClientAddress
	if len(x.ForwardedFor) > 0 {
		from = x.ForwardedFor
	}
	count := uint64(x.RequestCount)
	if x.ClientSoftware != "" {
		n.ClientSoftware = addName(n.ClientSoftware, x.ClientSoftware, count, maxAddresses)
	}
	if len(from) > 0 {
		n.Addresses = addAddress(n.Addresses, from, count)
		n.Networks = addAddress(n.Networks, network(from), count)
	}
	if len(x.TokenId) > 0 {
		n.TokenIds = addID(n.TokenIds, x.TokenId, count)
	}
	if len(n.Exemplars) < maxExemplars && x.RequestCount > 0 {
		n.Exemplars = append(n.Exemplars, &weirv1.Exemplar{
			TimeUnixNano: x.StartTimeUnixNano, ClientAddress: clone(from), ClientPort: x.ClientPort,
			RequestId: cloneText(x.RequestId), ServerName: cloneText(x.ServerName), HttpRequestMethod: cloneText(x.HttpRequestMethod),
			UrlTemplate: cloneText(x.UrlTemplate), HttpResponseStatusCode: x.HttpResponseStatusCode, ExchangeId: clone(x.ExchangeId),
		})
	}
}

// network gives the /24 or /48 of an address.
func network(address []byte) []byte {
	a, ok := netip.AddrFromSlice(address)
	if !ok {
		return address
	}
	size := 24
	if a.Is6() {
		size = 48
	}
	p, err := a.Prefix(size)
	if err != nil {
		return address
	}
	return p.Addr().AsSlice()
}

func addName(list []*weirv1.NameCount, name string, count uint64, limit int) []*weirv1.NameCount {
	for _, n := range list {
		if n.Name == name {
			n.Count += count
			return list
		}
	}
	if len(list) >= limit {
		return list
	}
	return append(list, &weirv1.NameCount{Name: cloneText(name), Count: count})
}

func addAddress(list []*weirv1.AddressCount, address []byte, count uint64) []*weirv1.AddressCount {
	for _, n := range list {
		if bytes.Equal(n.Address, address) {
			n.Count += count
			return list
		}
	}
	if len(list) >= maxAddresses {
		return list
	}
	return append(list, &weirv1.AddressCount{Address: clone(address), Count: count})
}

func addID(list []*weirv1.IdCount, id []byte, count uint64) []*weirv1.IdCount {
	for _, n := range list {
		if bytes.Equal(n.Id, id) {
			n.Count += count
			return list
		}
	}
	if len(list) >= maxAddresses {
		return list
	}
	return append(list, &weirv1.IdCount{Id: clone(id), Count: count})
}

// addClasses keeps every class: there are fewer than the wire's bound, unless an operator has more
// than 49 of his own; the last entry then takes the rest.
func addClasses(list, more []*weirv1.SensitiveCount) []*weirv1.SensitiveCount {
next:
	for _, m := range more {
		for _, n := range list {
			if n.Class == m.Class && n.Custom == m.Custom {
				n.Count += m.Count
				continue next
			}
		}
		if len(list) >= maxList {
			list[maxList-1].Count += m.Count
			continue
		}
		list = append(list, &weirv1.SensitiveCount{Class: m.Class, Custom: cloneText(m.Custom), Count: m.Count})
	}
	return list
}

// addRollup adds all of m to n.
func addRollup(n, m *weirv1.Rollup) {
	n.RequestsNone += m.RequestsNone
	n.Requests_1Xx += m.Requests_1Xx
	n.Requests_2Xx += m.Requests_2Xx
	n.Requests_3Xx += m.Requests_3Xx
	n.Requests_4Xx += m.Requests_4Xx
	n.Requests_5Xx += m.Requests_5Xx
	n.RequestsDenied += m.RequestsDenied
	n.HttpRequestHeaderSize += m.HttpRequestHeaderSize
	n.HttpRequestBodySize += m.HttpRequestBodySize
	n.HttpResponseHeaderSize += m.HttpResponseHeaderSize
	n.HttpResponseBodySize += m.HttpResponseBodySize
	n.UninspectedSize += m.UninspectedSize
	n.GapBytes += m.GapBytes
	n.Exchanges += m.Exchanges
	n.RecordCount += m.RecordCount
	n.RecordCountEstimated += m.RecordCountEstimated
	n.ObjectsEstimated += m.ObjectsEstimated
	n.ObjectsUnhashed += m.ObjectsUnhashed
	n.RequestedObjects += m.RequestedObjects
	n.SequentialObjects += m.SequentialObjects
	n.RequestedRefusedObjects += m.RequestedRefusedObjects
	n.WindowEndUnixNano = max(n.WindowEndUnixNano, m.WindowEndUnixNano)
	n.WorstCoverage = max(n.WorstCoverage, m.WorstCoverage)
	n.SensitiveInspected = n.SensitiveInspected && m.SensitiveInspected
	n.Objects = addSet(n.Objects, m.Objects)
	n.SensitiveObjects = addSet(n.SensitiveObjects, m.SensitiveObjects)
	addRollupLists(n, m)
}

func addSet(n, m *weirv1.ObjectSet) *weirv1.ObjectSet {
	if n == nil {
		return m
	}
	wire.MergeObjects(n, m)
	return n
}

func addRollupLists(n, m *weirv1.Rollup) {
	n.SensitiveResponse = addClasses(n.SensitiveResponse, m.SensitiveResponse)
	n.SensitiveRequest = addClasses(n.SensitiveRequest, m.SensitiveRequest)
	for _, c := range m.ClientSoftware {
		n.ClientSoftware = addName(n.ClientSoftware, c.Name, c.Count, maxAddresses)
	}
	for _, c := range m.Anomalies {
		n.Anomalies = addName(n.Anomalies, c.Name, c.Count, maxList)
	}
	for _, c := range m.Addresses {
		n.Addresses = addAddress(n.Addresses, c.Address, c.Count)
	}
	for _, c := range m.Networks {
		n.Networks = addAddress(n.Networks, c.Address, c.Count)
	}
	for _, c := range m.TokenIds {
		n.TokenIds = addID(n.TokenIds, c.Id, c.Count)
	}
	room := min(maxExemplars-len(n.Exemplars), len(m.Exemplars))
	n.Exemplars = append(n.Exemplars, m.Exemplars[:max(room, 0)]...)
}
