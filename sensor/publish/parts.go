// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"container/list"
	"slices"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// pending holds exchanges whose last part has not come, in the order of their first parts.
type pending struct {
	limit, bytes int64
	byID         map[exchange.ID]*list.Element
	order        list.List // of *weirv1.Exchange
	cut          uint64    // written before their last part
}

func (p *pending) init(limit int64) {
	p.limit = limit
	p.byID = map[exchange.ID]*list.Element{}
}

func (p *pending) empty() bool { return p.order.Len() == 0 }

// full says whether the oldest must go. One exchange may always wait.
func (p *pending) full() bool { return p.bytes > p.limit && p.order.Len() > 1 }

// add merges a part, and gives the whole exchange when it was the last. The result is the caller's.
func (p *pending) add(x *weirv1.Exchange) *weirv1.Exchange {
	id := exchange.ID(x.ExchangeId)
	e := p.byID[id]
	if e == nil {
		whole := copyOf(x)
		if x.PartLast {
			return whole // what came before it was written already
		}
		p.byID[id] = p.order.PushBack(whole)
		p.bytes += weigh(whole)
		return nil
	}
	whole := e.Value.(*weirv1.Exchange)
	p.bytes -= weigh(whole)
	mergePart(whole, x)
	if x.PartLast {
		p.order.Remove(e)
		delete(p.byID, id)
		return whole
	}
	p.bytes += weigh(whole)
	return nil
}

// copyOf gives an exchange that owns its memory.
func copyOf(x *weirv1.Exchange) *weirv1.Exchange {
	data, err := x.MarshalVT()
	n := &weirv1.Exchange{}
	if err != nil || n.UnmarshalVT(data) != nil {
		panic("BUG: an exchange that cannot be copied")
	}
	return n
}

// oldest takes out the exchange that waited longest.
func (p *pending) oldest() *weirv1.Exchange {
	x := p.order.Remove(p.order.Front()).(*weirv1.Exchange)
	p.bytes -= weigh(x)
	delete(p.byID, exchange.ID(x.ExchangeId))
	p.cut++
	return x
}

// weigh estimates the memory of an exchange.
func weigh(x *weirv1.Exchange) int64 { return 1024 + int64(x.SizeVT()) }

// mergePart adds a part's increments to the parts before it.
func mergePart(n, x *weirv1.Exchange) {
	n.PartLast = x.PartLast
	n.PartEndTimeUnixNano = max(n.PartEndTimeUnixNano, x.PartEndTimeUnixNano)
	n.DurationNano = max(n.DurationNano, x.DurationNano)
	n.RequestCount = min(n.RequestCount+x.RequestCount, 1)
	n.HttpRequestHeaderSize += x.HttpRequestHeaderSize
	n.HttpRequestBodySize += x.HttpRequestBodySize
	n.HttpResponseHeaderSize += x.HttpResponseHeaderSize
	n.HttpResponseBodySize += x.HttpResponseBodySize
	n.UninspectedSize += x.UninspectedSize
	n.GapBytes += x.GapBytes
	n.Coverage, n.DetailLevel = max(n.Coverage, x.Coverage), max(n.DetailLevel, x.DetailLevel)
	for _, a := range x.Anomalies {
		if !slices.Contains(n.Anomalies, a) && len(n.Anomalies) < maxList {
			n.Anomalies = append(n.Anomalies, cloneText(a))
		}
	}
	mergeContent(n, x)
	mergeResponse(n, x)
}

func mergeContent(n, x *weirv1.Exchange) {
	n.RecordCount += x.RecordCount
	n.RecordCountKind = max(n.RecordCountKind, x.RecordCountKind) // none < exact < estimated
	n.ObjectListComplete = n.ObjectListComplete && x.ObjectListComplete &&
		len(n.ObjectHashes)+len(x.ObjectHashes) <= exchange.MaxObjects
	n.ObjectHashes = smallest(n.ObjectHashes, x.ObjectHashes)
	n.ObjectsSeen += x.ObjectsSeen
	n.ObjectsEstimated += x.ObjectsEstimated
	n.ObjectsUnhashed += x.ObjectsUnhashed
	n.SensitiveObjectHashes = smallest(n.SensitiveObjectHashes, x.SensitiveObjectHashes)
	n.SensitiveObjects += x.SensitiveObjects
	n.RequestedObjectHashes = smallest(n.RequestedObjectHashes, x.RequestedObjectHashes)
	n.RequestedObjects += x.RequestedObjects
	n.SequentialObjects += x.SequentialObjects
	n.SensitiveResponse = addClasses(n.SensitiveResponse, x.SensitiveResponse)
	n.SensitiveRequest = addClasses(n.SensitiveRequest, x.SensitiveRequest)
	n.SensitiveInspected = n.SensitiveInspected && x.SensitiveInspected
}

// mergeResponse takes what the first parts could not know yet.
func mergeResponse(n, x *weirv1.Exchange) {
	if x.HttpResponseStatusCode >= 200 || n.HttpResponseStatusCode == 0 {
		n.HttpResponseStatusCode = x.HttpResponseStatusCode
	}
	if x.RpcGrpcStatusCode != 0 || x.Operation != "" { // 0 is OK, and comes with the trailers
		n.RpcGrpcStatusCode = x.RpcGrpcStatusCode
	}
	if n.ResponseFieldNamesHash == 0 {
		n.ResponseFieldNamesHash = x.ResponseFieldNamesHash
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&n.ResponseContentType, x.ResponseContentType}, {&n.ResponseContentEncoding, x.ResponseContentEncoding},
		{&n.Excluded, x.Excluded}, {&n.Operation, x.Operation}, {&n.RequestId, x.RequestId},
	} {
		if *f.to == "" {
			*f.to = cloneText(f.from)
		}
	}
	if bytes.Equal(n.PrincipalId, x.PrincipalId) || len(x.PrincipalId) == 0 {
		return
	}
	if x.PrincipalAssurance > n.PrincipalAssurance { // identified only by a later part
		n.PrincipalId, n.PrincipalAssurance = clone(x.PrincipalId), x.PrincipalAssurance
	}
}

// smallest gives the smallest hashes of both, sorted and distinct.
func smallest(n, x []uint64) []uint64 {
	n = append(n, x...)
	slices.Sort(n)
	n = slices.Compact(n)
	return n[:min(len(n), exchange.MaxObjects)]
}
