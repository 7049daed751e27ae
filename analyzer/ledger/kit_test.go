// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/weir-project/weir/analyzer/ledger"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	second = int64(1e9)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	late   = 120 * second
)

// hash16 makes an id out of a number, as uniform as a keyed hash.
func hash16(kind, n uint64) []byte {
	h := sha256.Sum256(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, kind), n))
	return h[:16:16]
}

func principal(n uint64) ledger.ID { return ledger.ID(hash16(1, n)) }

func object(n uint64) uint64 {
	h := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, n))
	return binary.LittleEndian.Uint64(h[:])
}

// objects lists the smallest 64 hashes of a range of objects, as a sensor does.
func objects(from, n uint64) []uint64 {
	out := make([]uint64, 0, n)
	for i := range n {
		out = append(out, object(from+i))
	}
	slices.Sort(out)
	return out[:min(len(out), 64)]
}

// exchange makes a plain accepted one.
func exchange(id, who uint64, t int64, firstObject, records uint64) *weirv1.Exchange {
	return &weirv1.Exchange{
		ExchangeId: hash16(3, id), PartLast: true, PartStartTimeUnixNano: uint64(t - second), PartEndTimeUnixNano: uint64(t),
		RequestCount: 1, PrincipalId: hash16(1, who), PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN,
		TokenId: hash16(4, who), CredentialKind: weirv1.CredentialKind_CREDENTIAL_KIND_BEARER,
		ClientAddress: []byte{192, 0, 2, byte(who)}, ClientPort: 40000, ServerName: "shop.example", HttpRequestMethod: "GET",
		UrlTemplate: "/customers/{id}", HttpResponseStatusCode: 200, ObservationPoint: "s1/eth0",
		ObservationRank:      weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET,
		HttpResponseBodySize: 100 * records, HttpResponseHeaderSize: 200, HttpRequestHeaderSize: 300,
		RecordCount: records, RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT,
		ObjectHashes: objects(firstObject, records), ObjectsSeen: uint32(records), ClientSoftware: "curl",
		RequestId: fmt.Sprintf("req-%d", id),
	}
}

// batch holds exchanges with a window that ends at their newest.
func batch(list ...*weirv1.Exchange) *weirv1.Batch {
	b := &weirv1.Batch{SchemaVersion: 1, Exchanges: list}
	for _, x := range list {
		b.WindowEndUnixNano = max(b.WindowEndUnixNano, x.PartEndTimeUnixNano+1)
	}
	return b
}

// apply feeds one exchange at a time and keeps the clock of minutes running.
func apply(p *ledger.Partition, list ...*weirv1.Exchange) {
	for _, x := range list {
		p.Apply(batch(x))
		p.Advance(p.Newest()-late, nil)
	}
}

// delivery is a batch and when it reaches the analyzer.
type delivery struct {
	at    int64
	batch *weirv1.Batch
}

// world makes random traffic of several principals seen at several points: parts, refusals, copies
// with other ranks, rollups, sensitive objects.
type world struct {
	*rand.Rand
	next uint64
	out  []delivery
}

func (w *world) send(b *weirv1.Batch) {
	end := int64(b.WindowEndUnixNano)
	w.out = append(w.out, delivery{end + w.Int64N(100*second), b})
}

func (w *world) one(t int64) {
	who := w.Uint64N(12)
	records := w.Uint64N(30)
	if w.IntN(20) == 0 {
		records = w.Uint64N(400)
	}
	x := exchange(w.next, who, t, who*1000+w.Uint64N(800), records)
	w.next++
	switch w.IntN(12) {
	case 0:
		x.HttpResponseStatusCode = 404
	case 1:
		x.HttpResponseStatusCode = 401
	case 2:
		x.RequestedObjects, x.SequentialObjects = 10, 9
	case 3:
		x.SensitiveObjectHashes, x.SensitiveObjects = x.ObjectHashes, uint32(records)
		x.SensitiveResponse = []*weirv1.SensitiveCount{{Class: weirv1.SensitiveClass_SENSITIVE_CLASS_EMAIL, Count: records}}
		x.SensitiveInspected = true
	case 4:
		x.UrlTemplate = fmt.Sprintf("/t%d/{id}", w.IntN(30))
	case 5:
		x.PrincipalAssurance = weirv1.Assurance_ASSURANCE_UNKNOWN
		x.PrincipalId = hash16(1, 99)
	case 6:
		x.ClientAddress, x.PrincipalLabel = []byte{198, 51, byte(w.IntN(4)), 1}, fmt.Sprint("label", who%3)
	}
	w.copies(x)
}

// copies sends an exchange, sometimes in parts, sometimes from other points too.
func (w *world) copies(x *weirv1.Exchange) {
	points := 1
	if w.IntN(3) == 0 {
		points = 1 + w.IntN(3)
	}
	for k := range points {
		y := proto.Clone(x).(*weirv1.Exchange)
		if k > 0 {
			y.ObservationPoint = fmt.Sprintf("s%d/eth0", k+1)
			y.ObservationRank = weirv1.ObservationRank(1 + w.IntN(5))
			y.PartEndTimeUnixNano += uint64(w.Int64N(second))
		}
		parts := 1
		if w.IntN(10) == 0 {
			parts = 4
		}
		for i := range parts {
			z := proto.Clone(y).(*weirv1.Exchange)
			z.PartNumber, z.PartLast = uint32(i), i == parts-1
			z.PartEndTimeUnixNano += uint64(i) * uint64(9*second)
			z.ResponseBodyOffset = uint64(i) * z.HttpResponseBodySize
			if i > 0 {
				z.RequestCount, z.HttpRequestHeaderSize = 0, 0
			}
			w.send(batch(z))
		}
	}
}

func (w *world) rollup(t int64) {
	who := w.Uint64N(12)
	from := t - t%minute
	n := w.Uint64N(50)
	for k := range 1 + w.IntN(2) {
		r := &weirv1.Rollup{
			PrincipalId: hash16(1, who), PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, ServerName: "shop.example",
			HttpRequestMethod: "GET", UrlTemplate: "/customers/{id}", ObservationPoint: fmt.Sprintf("s%d/eth0", k+1),
			ObservationRank: 4, WindowStartUnixNano: uint64(from), WindowEndUnixNano: uint64(from + minute),
			Requests_2Xx: n, Requests_4Xx: 3, RequestsDenied: 1, HttpResponseBodySize: 1000 * n, RecordCount: n + uint64(k),
			Objects:   &weirv1.ObjectSet{Hashes: objects(who*1000, n), Seen: n},
			Networks:  []*weirv1.AddressCount{{Address: []byte{192, 0, 2, 0}, Count: n}, {Address: []byte{198, 51, 100, 0}, Count: 2}},
			Exemplars: []*weirv1.Exemplar{{TimeUnixNano: uint64(t), ClientAddress: []byte{192, 0, 2, 1}, RequestId: "r", ExchangeId: hash16(3, w.next)}},
		}
		w.send(&weirv1.Batch{SchemaVersion: 1, WindowEndUnixNano: uint64(from + minute), Rollups: []*weirv1.Rollup{r}})
	}
}

// traffic is n events over a span, in the order of delivery.
func traffic(seed uint64, start, length int64, n int) []delivery {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7))}
	for range n {
		t := start + w.Int64N(length)
		if w.IntN(20) == 0 {
			w.rollup(t)
		} else {
			w.one(t)
		}
	}
	slices.SortStableFunc(w.out, func(a, b delivery) int { return int(a.at - b.at) })
	return w.out
}
