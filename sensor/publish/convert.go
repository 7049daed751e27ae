// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"math"
	"net/netip"
	"unsafe"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// Bounds of lists as wire checks them; what is beyond is cut, and the exchange says so by name.
const (
	maxList   = 64
	maxTokens = 16
	listCut   = "list_cut"   // among an exchange's anomalies
	numberCut = "number_cut" // a size or count that cannot be
)

// converter turns an exchange into its wire form without allocating: the result refers to the
// exchange and to the converter, and is valid until the next call.
type converter struct {
	x       weirv1.Exchange
	text    []byte // texts that had to be made fit to travel
	client  [16]byte
	server  [16]byte
	forward [16]byte
	cut     bool
	absurd  bool
}

// convert fills c.x.
func (c *converter) convert(x *exchange.Exchange) *weirv1.Exchange {
	w := &c.x
	c.text, c.cut, c.absurd = c.text[:0], false, false
	c.who(w, x)
	c.where(w, x)
	c.what(w, x)
	c.content(w, x)
	w.Anomalies = x.Anomalies.AppendNames(w.Anomalies[:0])
	if c.cut {
		w.Anomalies = append(w.Anomalies, listCut)
	}
	if c.absurd {
		w.Anomalies = append(w.Anomalies, numberCut)
	}
	return w
}

func (c *converter) who(w *weirv1.Exchange, x *exchange.Exchange) {
	w.ExchangeId = x.ID[:]
	w.PartNumber, w.PartLast = x.Part, x.Last
	w.PartStartTimeUnixNano, w.PartEndTimeUnixNano = nanos(x.PartStart), nanos(max(x.PartStart, x.PartEnd))
	w.RequestCount = min(x.RequestCount, 1)
	w.StartTimeUnixNano, w.DurationNano = nanos(x.Start), nanos(min(x.Duration, wire.MaxDuration))
	w.PrincipalId = x.PrincipalID[:]
	w.PrincipalSource = c.string(x.PrincipalSource, wire.MaxText)
	w.PrincipalAssurance = weirv1.Assurance(x.Assurance)
	w.TokenId = id(&x.TokenID)
	w.OtherTokenIds = w.OtherTokenIds[:0]
	for i := range x.OtherTokenIDs {
		if i == maxTokens {
			c.cut = true
			break
		}
		w.OtherTokenIds = append(w.OtherTokenIds, x.OtherTokenIDs[i][:])
	}
	w.CredentialKind = weirv1.CredentialKind(x.CredentialKind)
	w.CredentialName = c.bytes(x.CredentialName, wire.MaxText)
}

func (c *converter) where(w *weirv1.Exchange, x *exchange.Exchange) {
	w.ClientAddress, w.ClientPort = address(&c.client, x.Client.Addr()), uint32(x.Client.Port())
	w.ServerAddress, w.ServerPort = address(&c.server, x.Server.Addr()), uint32(x.Server.Port())
	w.ForwardedFor = address(&c.forward, x.ForwardedFor)
	w.ClientSoftware = c.string(x.ClientSoftware, wire.MaxText)
	w.ObservationPoint = c.string(x.Point, wire.MaxPath)
	w.ObservationRank = weirv1.ObservationRank(x.Rank)
	w.Tls = x.TLS
	w.NetworkProtocolName = c.string(x.Protocol, wire.MaxText)
	w.NetworkProtocolVersion = c.string(x.Version, wire.MaxText)
	w.ServerName = c.bytes(x.ServerName, wire.MaxText)
	w.CaptureFile = c.string(x.File, wire.MaxPath)
}

func (c *converter) what(w *weirv1.Exchange, x *exchange.Exchange) {
	w.HttpRequestMethod = c.bytes(x.Method, wire.MaxText)
	w.UrlPath = c.bytes(x.Path, wire.MaxPath)
	w.UrlTemplate = c.bytes(x.Template, wire.MaxPath)
	w.HttpRequestTarget = c.bytes(x.Target, wire.MaxTarget)
	w.QueryNames = w.QueryNames[:0]
	for i, name := range x.QueryNames {
		if i == maxList {
			c.cut = true
			break
		}
		w.QueryNames = append(w.QueryNames, c.bytes(name, wire.MaxText))
	}
	w.Operation = c.bytes(x.Operation, wire.MaxPath)
	w.RequestId = c.bytes(x.RequestID, wire.MaxText)
	w.TraceIdHash = x.TraceIDHash
	w.HttpResponseStatusCode = uint32(min(x.Status, 999))
	w.RpcGrpcStatusCode = grpcStatus(x)
	w.HttpRequestHeaderSize, w.HttpResponseHeaderSize = c.size(x.RequestHeaderSize), c.size(x.ResponseHeaderSize)
	w.HttpRequestBodySize, w.RequestBodyOffset = c.size(x.RequestBodySize), min(x.RequestBodyOffset, math.MaxInt64)
	w.HttpResponseBodySize, w.ResponseBodyOffset = c.size(x.ResponseBodySize), min(x.ResponseBodyOffset, math.MaxInt64)
	w.ResponseContentType = c.bytes(x.ContentType, wire.MaxText)
	w.ResponseContentEncoding = c.bytes(x.ContentEncoding, wire.MaxText)
	w.UninspectedSize = c.size(x.UninspectedSize)
	w.Excluded = c.string(x.Excluded, wire.MaxText)
}

// grpcStatus gives the gRPC status as the wire schema has it: 0 is OK for what names an operation and
// says nothing for all else, so that -1 (none seen) is told of gRPC calls alone.
func grpcStatus(x *exchange.Exchange) int32 {
	if x.GRPCStatus < 0 && len(x.Operation) == 0 {
		return 0
	}
	return max(int32(x.GRPCStatus), -1)
}

func (c *converter) content(w *weirv1.Exchange, x *exchange.Exchange) {
	w.RecordCount, w.RecordCountKind = c.atMost(x.Records, wire.MaxCount), weirv1.RecordCountKind(x.RecordsKind)
	w.ObjectHashes = c.hashes(x.Objects)
	w.ObjectsSeen, w.ObjectsEstimated, w.ObjectsUnhashed = x.ObjectsSeen, x.ObjectsEstimated, x.ObjectsUnhashed
	w.ObjectListComplete = x.ObjectListComplete && len(x.Objects) <= exchange.MaxObjects
	w.RequestedObjectHashes, w.RequestedObjects = c.hashes(x.RequestedObjects), x.RequestedSeen
	w.SequentialObjects = x.SequentialObjects
	w.ResponseFieldNamesHash = x.FieldNamesHash
	w.DetailLevel, w.Coverage = weirv1.DetailLevel(x.Detail), weirv1.Coverage(x.Coverage)
	w.GapBytes = c.size(x.GapBytes)
}

func (c *converter) hashes(list []uint64) []uint64 {
	if len(list) > exchange.MaxObjects {
		c.cut = true
		return list[:exchange.MaxObjects] // sorted: the smallest
	}
	return list
}

// size bounds a size: one absurd number must not cost the batch that it is in.
func (c *converter) size(n uint64) uint64 { return c.atMost(n, wire.MaxSize) }

func (c *converter) atMost(n, limit uint64) uint64 {
	if n > limit {
		c.absurd = true
		return limit
	}
	return n
}

// bytes gives a text fit to travel: the bytes themselves where they are, else a copy.
func (c *converter) bytes(b []byte, limit int) string {
	if len(b) == 0 {
		return ""
	}
	return c.string(unsafe.String(&b[0], len(b)), limit)
}

func (c *converter) string(s string, limit int) string {
	if wire.IsText(s, limit) {
		return s
	}
	start := len(c.text)
	// Earlier texts keep the old array where this one moves.
	c.text = wire.AppendText(c.text, unsafe.Slice(unsafe.StringData(s), len(s)), limit)
	made := c.text[start:]
	if len(made) == 0 {
		return ""
	}
	return unsafe.String(&made[0], len(made))
}

func id(v *exchange.ID) []byte {
	if v.IsZero() {
		return nil
	}
	return v[:]
}

// nanos gives a time or duration; what is before 1970 is not known.
func nanos(t int64) uint64 { return uint64(max(t, 0)) }

func address(into *[16]byte, a netip.Addr) []byte {
	switch a = a.Unmap(); {
	case a.Is4():
		four := a.As4()
		copy(into[:], four[:])
		return into[:4]
	case a.Is6():
		*into = a.As16()
		return into[:]
	}
	return nil
}
