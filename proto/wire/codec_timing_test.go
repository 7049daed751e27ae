// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// traffic is a batch of n exchanges as a busy API makes them: ids and hashes do not compress, the
// rest repeats.
func traffic(n int) *weirv1.Batch {
	m := newMaker(1)
	b := &weirv1.Batch{SchemaVersion: 1, SensorId: "node-1", Cluster: "prod", Sequence: 1, Partition: 3}
	who := make([][]byte, 20)
	for i := range who {
		who[i] = m.home(3)
	}
	for i := range n {
		p := who[m.r.IntN(len(who))]
		start := 1_700_000_000_000_000_000 + uint64(i)*m.r.Uint64N(1e7)
		x := &weirv1.Exchange{
			ExchangeId: m.id(), PartLast: true, PartStartTimeUnixNano: start, PartEndTimeUnixNano: start + 5e6, RequestCount: 1,
			StartTimeUnixNano: start, DurationNano: m.r.Uint64N(1e8), PrincipalId: p, PrincipalSource: "authorization",
			PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN, TokenId: p, CredentialKind: weirv1.CredentialKind_CREDENTIAL_KIND_BEARER,
			CredentialName: "authorization", ClientAddress: m.id()[:4], ClientPort: 40000 + uint32(m.r.IntN(9999)),
			ServerAddress: []byte{10, 0, 0, 1}, ServerPort: 8080, ClientSoftware: "okhttp", ObservationPoint: "node-1/eth0",
			ObservationRank: weirv1.ObservationRank_OBSERVATION_RANK_SERVER_PACKET, NetworkProtocolName: "http", NetworkProtocolVersion: "1.1",
			ServerName: "shop.example", HttpRequestMethod: "GET", UrlPath: "/customers/{id}", UrlTemplate: fmt.Sprintf("/customers%d/{id}", m.r.IntN(5)),
			HttpResponseStatusCode: 200, HttpRequestHeaderSize: 400 + m.r.Uint64N(90), HttpResponseHeaderSize: 250,
			HttpResponseBodySize: m.r.Uint64N(9000), ResponseContentType: "application/json", RecordCount: 1,
			RecordCountKind: weirv1.RecordCountKind_RECORD_COUNT_KIND_EXACT, ObjectHashes: []uint64{m.r.Uint64()}, ObjectsSeen: 1,
			ObjectListComplete: true, RequestedObjects: 1, ResponseFieldNamesHash: 77, DetailLevel: 1, Coverage: 1,
		}
		b.Exchanges = append(b.Exchanges, x)
	}
	return b
}

func BenchmarkAppendBatch(b *testing.B) {
	for _, n := range []int{8, 64, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := traffic(n)
			var msg []byte
			b.SetBytes(int64(batch.SizeVT()))
			b.ReportAllocs()
			for b.Loop() {
				msg, _ = wire.AppendBatch(msg[:0], batch)
			}
			perExchange(b, n)
			b.ReportMetric(float64(len(msg))/float64(n), "B/exchange")
		})
	}
}

func BenchmarkDecodeBatch(b *testing.B) {
	for _, n := range []int{8, 64, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			msg, err := wire.AppendBatch(nil, traffic(n))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var out weirv1.Batch
			for b.Loop() {
				if err := wire.DecodeBatch(msg, &out); err != nil {
					b.Fatal(err)
				}
			}
			perExchange(b, n)
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	batch := traffic(512)
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.Validate(batch); err != nil {
			b.Fatal(err)
		}
	}
	perExchange(b, 512)
}

// BenchmarkCompressors is what the choice of s2 rests on; see FORMAT.md.
func BenchmarkCompressors(b *testing.B) {
	for _, n := range []int{8, 64, 512} {
		raw, err := traffic(n).MarshalVT()
		if err != nil {
			b.Fatal(err)
		}
		fast, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		for name, c := range map[string]struct {
			encode func(dst, src []byte) []byte
			decode func(dst, src []byte) ([]byte, error)
		}{
			"s2":           {func(dst, src []byte) []byte { return s2.Encode(dst[:cap(dst)], src) }, func(dst, src []byte) ([]byte, error) { return s2.Decode(dst[:cap(dst)], src) }},
			"s2-better":    {func(dst, src []byte) []byte { return s2.EncodeBetter(dst[:cap(dst)], src) }, func(dst, src []byte) ([]byte, error) { return s2.Decode(dst[:cap(dst)], src) }},
			"zstd-fastest": {func(dst, src []byte) []byte { return fast.EncodeAll(src, dst[:0]) }, func(dst, src []byte) ([]byte, error) { return reader.DecodeAll(src, dst[:0]) }},
		} {
			dst, back := make([]byte, 0, s2.MaxEncodedLen(len(raw))), make([]byte, 0, 2*len(raw))
			b.Run(fmt.Sprintf("%s/encode/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					dst = c.encode(dst, raw)
				}
				perExchange(b, n)
				b.ReportMetric(float64(len(dst))/float64(n), "B/exchange")
			})
			b.Run(fmt.Sprintf("%s/decode/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					if back, err = c.decode(back, dst); err != nil {
						b.Fatal(err)
					}
				}
				perExchange(b, n)
			})
		}
		fast.Close()
		reader.Close()
	}
}

func perExchange(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/exchange")
}

func BenchmarkAppendExchangeJSON(b *testing.B) {
	x := traffic(1).Exchanges[0]
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = wire.AppendExchangeJSON(dst[:0], x)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkParseLine(b *testing.B) {
	line := wire.AppendLineJSON(nil, &wire.Line{Exchange: traffic(1).Exchanges[0]})
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var l wire.Line
	for b.Loop() {
		if err := wire.ParseLine(line, &l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAddObjects(b *testing.B) {
	m := newMaker(1)
	s := &weirv1.ObjectSet{}
	one := make([]uint64, 1)
	b.ReportAllocs()
	for b.Loop() {
		one[0] = m.r.Uint64()
		wire.AddObjects(s, one)
	}
}
