// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"math/rand/v2"
	"slices"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// maker makes valid messages; everything in them follows from r.
type maker struct{ r *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 3))} }

func (m maker) some(n int) bool { return m.r.IntN(n) == 0 }

func (m maker) id() []byte {
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(m.r.Uint32())
	}
	return id
}

// home gives an id of a partition.
func (m maker) home(partition int) []byte {
	for {
		if id := m.id(); partition >= wire.Partitions || wire.PartitionOf(id) == partition {
			return id
		}
	}
}

var pieces = []string{"", "a", "GET", "shop.example", "/customers/{id}", "quote\"", "back\\slash", "é", "日本", "\u2028", "\u202e", "😀", "a:b,c", "[]{}"}

func (m maker) text() string {
	s := ""
	for range m.r.IntN(4) {
		s += pieces[m.r.IntN(len(pieces))]
	}
	return s
}

func (m maker) texts() (list []string) {
	for range m.r.IntN(3) {
		list = append(list, m.text())
	}
	return list
}

func (m maker) address() []byte {
	switch m.r.IntN(4) {
	case 0:
		return nil
	case 1:
		return m.id()
	case 2: // an IPv4 address as IPv6
		return append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}, m.id()[:4]...)
	}
	return m.id()[:4]
}

func (m maker) number() uint64 {
	if m.some(3) {
		return 0
	}
	return m.r.Uint64N(1 << m.r.IntN(40))
}

func (m maker) time() uint64 { return 1_700_000_000_000_000_000 + m.r.Uint64N(1e15) }

func (m maker) hashes() (list []uint64) {
	for range m.r.IntN(4) {
		list = append(list, m.r.Uint64())
	}
	slices.Sort(list)
	return list
}

func (m maker) classes() (list []*weirv1.SensitiveCount) {
	for range m.r.IntN(3) {
		c := &weirv1.SensitiveCount{Class: weirv1.SensitiveClass(m.r.IntN(15)), Count: m.number()}
		if c.Class == weirv1.SensitiveClass_SENSITIVE_CLASS_CUSTOM {
			c.Custom = m.text()
		}
		list = append(list, c)
	}
	return list
}

func (m maker) exchange(partition int) *weirv1.Exchange {
	start := m.time()
	x := &weirv1.Exchange{
		ExchangeId: m.id(), PartNumber: uint32(m.number()), PartLast: m.some(2), PartStartTimeUnixNano: start,
		PartEndTimeUnixNano: start + m.number(), RequestCount: uint32(m.r.IntN(2)), StartTimeUnixNano: start, DurationNano: m.number(),
		PrincipalId: m.home(partition), PrincipalSource: m.text(), PrincipalAssurance: weirv1.Assurance(m.r.IntN(7)),
		CredentialKind: weirv1.CredentialKind(m.r.IntN(11)), CredentialName: m.text(), PrincipalLabel: m.text(),
		ClientAddress: m.address(), ClientPort: uint32(m.r.IntN(65536)), ServerAddress: m.address(), ServerPort: uint32(m.r.IntN(65536)),
		ForwardedFor: m.address(), ClientSoftware: m.text(), ClientWorkload: m.text(), ServerWorkload: m.text(), ObservationPoint: m.text(),
		ObservationRank: weirv1.ObservationRank(m.r.IntN(6)), Tls: m.some(2), NetworkProtocolName: m.text(), NetworkProtocolVersion: m.text(),
		ServerName: m.text(), HttpRequestMethod: m.text(), UrlPath: m.text(), UrlTemplate: m.text(), QueryNames: m.texts(), Operation: m.text(),
		RequestId: m.text(), TraceIdHash: m.r.Uint64(), HttpResponseStatusCode: uint32(m.r.IntN(600)), RpcGrpcStatusCode: int32(m.r.IntN(18)) - 1,
		HttpRequestHeaderSize: m.number(), HttpRequestBodySize: m.number(), RequestBodyOffset: m.number(), HttpResponseHeaderSize: m.number(),
		HttpResponseBodySize: m.number(), ResponseBodyOffset: m.number(), ResponseContentType: m.text(), ResponseContentEncoding: m.text(),
		UninspectedSize: m.number(), Excluded: m.text(), RecordCount: m.number(), RecordCountKind: weirv1.RecordCountKind(m.r.IntN(4)),
		ObjectHashes: m.hashes(), ObjectsSeen: uint32(m.number()), ObjectsEstimated: uint32(m.number()), ObjectsUnhashed: uint32(m.number()),
		ObjectListComplete: m.some(2), SensitiveObjectHashes: m.hashes(), SensitiveObjects: uint32(m.number()),
		RequestedObjectHashes: m.hashes(), RequestedObjects: uint32(m.number()), SequentialObjects: uint32(m.number()),
		SensitiveResponse: m.classes(), SensitiveRequest: m.classes(), ResponseFieldNamesHash: m.r.Uint64(),
		DetailLevel: weirv1.DetailLevel(m.r.IntN(6)), Coverage: weirv1.Coverage(m.r.IntN(5)), GapBytes: m.number(), Anomalies: m.texts(),
		SensitiveInspected: m.some(2), CaptureFile: m.text(),
	}
	if m.some(2) {
		x.TokenId = m.id()
		x.OtherTokenIds = [][]byte{m.id(), m.id()}
	}
	return x
}

func (m maker) names() (list []*weirv1.NameCount) {
	for range m.r.IntN(3) {
		list = append(list, &weirv1.NameCount{Name: m.text(), Count: m.number()})
	}
	return list
}

func (m maker) addresses() (list []*weirv1.AddressCount) {
	for range m.r.IntN(3) {
		list = append(list, &weirv1.AddressCount{Address: m.id(), Count: m.number()})
	}
	return list
}

func (m maker) set() *weirv1.ObjectSet {
	if m.some(3) {
		return nil
	}
	s := &weirv1.ObjectSet{}
	for range m.r.IntN(400) {
		wire.AddObjects(s, []uint64{m.r.Uint64()})
	}
	return s
}

func (m maker) rollup(partition int) *weirv1.Rollup {
	start := m.time()
	r := &weirv1.Rollup{
		PrincipalId: m.home(partition), PrincipalAssurance: weirv1.Assurance(m.r.IntN(7)), ServerName: m.text(), HttpRequestMethod: m.text(),
		UrlTemplate: m.text(), Operation: m.text(), ServerAddress: m.address(), ServerPort: uint32(m.r.IntN(65536)), ObservationPoint: m.text(),
		ObservationRank: weirv1.ObservationRank(m.r.IntN(6)), WindowStartUnixNano: start, WindowEndUnixNano: start + 60e9,
		RequestsNone: m.number(), Requests_1Xx: m.number(), Requests_2Xx: m.number(), Requests_3Xx: m.number(), Requests_4Xx: 5, Requests_5Xx: m.number(),
		RequestsDenied: 3, HttpRequestHeaderSize: m.number(), HttpRequestBodySize: m.number(), HttpResponseHeaderSize: m.number(),
		HttpResponseBodySize: m.number(), UninspectedSize: m.number(), RecordCount: 9, RecordCountEstimated: 4, Objects: m.set(), SensitiveObjects: m.set(),
		SequentialObjects: m.number(), RequestedRefusedObjects: m.number(), SensitiveResponse: m.classes(), SensitiveRequest: m.classes(),
		ClientSoftware: m.names(), Addresses: m.addresses(), Networks: m.addresses(), DetailLevel: weirv1.DetailLevel(m.r.IntN(6)),
		WorstCoverage: weirv1.Coverage(m.r.IntN(5)), GapBytes: m.number(), Exchanges: m.number(), SensitiveInspected: m.some(2), Anomalies: m.names(),
		ObjectsEstimated: m.number(), ObjectsUnhashed: m.number(), RequestedObjects: m.number(),
	}
	for range m.r.IntN(3) {
		r.TokenIds = append(r.TokenIds, &weirv1.IdCount{Id: m.id(), Count: m.number()})
		r.Exemplars = append(r.Exemplars, &weirv1.Exemplar{TimeUnixNano: m.time(), ClientAddress: m.address(), ClientPort: 5, RequestId: m.text(),
			ServerName: m.text(), HttpRequestMethod: m.text(), UrlTemplate: m.text(), HttpResponseStatusCode: 200, ExchangeId: m.id()})
	}
	return r
}

func (m maker) link(partition int) *weirv1.PrincipalLink {
	return &weirv1.PrincipalLink{OlderId: m.home(partition), PrincipalId: m.id(), PrincipalAssurance: weirv1.Assurance(m.r.IntN(7)),
		Evidence: weirv1.LinkEvidence(m.r.IntN(7)), TimeUnixNano: m.time(), Undo: m.some(2)}
}

func (m maker) counters() (list []*weirv1.Counter) {
	for range m.r.IntN(3) {
		list = append(list, &weirv1.Counter{Name: m.text(), Reason: m.text(), Scope: m.text(), Value: m.r.Uint64()})
	}
	return list
}

func (m maker) batch(partition, exchanges int) *weirv1.Batch {
	start := m.time()
	b := &weirv1.Batch{
		SchemaVersion: wire.SchemaVersion, CredentialsKeyId: 1, ObjectsKeyId: 2, ExchangesKeyId: 3, Cluster: "prod", SensorId: "node-1.example",
		BootId: m.r.Uint64(), Partition: uint32(partition), Sequence: 1 + m.number(), WindowStartUnixNano: start, WindowEndUnixNano: start + 1e9,
		SentUnixNano: start + 2e9, Source: weirv1.BatchSource(m.r.IntN(4)), Counters: m.counters(),
		Gaps: []*weirv1.Gap{{StartUnixNano: 1, EndUnixNano: 2, Reason: "restart"}},
	}
	for range exchanges {
		b.Exchanges = append(b.Exchanges, m.exchange(partition))
	}
	for range m.r.IntN(3) {
		b.Rollups = append(b.Rollups, m.rollup(partition))
		b.Links = append(b.Links, m.link(partition))
	}
	return b
}
