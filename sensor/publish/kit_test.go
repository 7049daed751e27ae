// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

// TestMain is also the NATS server that tests kill: see serverProcess.
func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		serveNATS(dir, os.Getenv(serverPort))
	}
	goleak.VerifyTestMain(m)
}

func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func short(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

const start = int64(1_700_000_000_000_000_000)

// sample makes exchanges that look like traffic; everything in them follows from r.
type sample struct {
	r          *rand.Rand
	principals int
	endpoints  int
	n          uint64
	time       int64
	x          exchange.Exchange
}

func newSample(seed uint64, principals, endpoints int) *sample {
	return &sample{r: rand.New(rand.NewPCG(seed, 7)), principals: principals, endpoints: endpoints, time: start}
}

func number(class byte, n uint64) (id exchange.ID) {
	id[0] = class
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

// mix spreads a number as a keyed hash does (the finalizer of splitmix64).
func mix(v uint64) uint64 {
	v = (v + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

func (s *sample) next() *exchange.Exchange {
	s.n++
	s.time += s.r.Int64N(2e9)
	who := uint64(s.r.IntN(s.principals))
	status := []uint16{0, 101, 200, 200, 200, 200, 304, 401, 404, 500}[s.r.IntN(10)]
	s.x = exchange.Exchange{
		ID: number('x', s.n), Last: true, PartStart: s.time, PartEnd: s.time + 5e6, RequestCount: 1, Start: s.time, Duration: 5e6,
		PrincipalID: number('p', who), PrincipalSource: "authorization", Assurance: exchange.AssuranceToken,
		TokenID: number('t', who), CredentialKind: exchange.CredentialBearer, CredentialName: []byte("authorization"),
		Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(who >> 8), byte(who)}), 40000),
		Server: netip.MustParseAddrPort("198.51.100.7:443"), ClientSoftware: "curl", Point: "s1/eth0", Rank: exchange.RankServerPacket,
		Protocol: "http", Version: "1.1", ServerName: []byte("shop.example"), Method: []byte("GET"),
		Path: []byte("/customers/{id}"), Template: fmt.Appendf(nil, "/customers%d/{id}", s.r.IntN(s.endpoints)),
		Status: status, RequestHeaderSize: 180, ResponseHeaderSize: 220, RequestBodySize: uint64(s.r.IntN(100)),
		ResponseBodySize: uint64(s.r.IntN(20000)), ContentType: []byte("application/json"), UninspectedSize: uint64(s.r.IntN(3)),
		Records: uint64(s.r.IntN(20)), RecordsKind: exchange.CountExact, ObjectListComplete: true,
		Detail: exchange.DetailFull, Coverage: exchange.Complete, GapBytes: uint64(s.r.IntN(2)),
		SequentialObjects: uint32(s.r.IntN(2)), RequestedSeen: 1, ObjectsEstimated: uint32(s.r.IntN(2)), ObjectsUnhashed: uint32(s.r.IntN(2)),
	}
	for range s.r.IntN(4) {
		s.x.Objects = append(s.x.Objects, mix(s.r.Uint64N(3000)))
	}
	slices.Sort(s.x.Objects)
	s.x.Objects = slices.Compact(s.x.Objects)
	s.x.ObjectsSeen = uint32(len(s.x.Objects))
	if s.r.IntN(10) == 0 {
		s.x.Anomalies.Add(exchange.GapInBody)
	}
	if s.r.IntN(20) == 0 {
		s.x.RecordsKind = exchange.CountEstimated
	}
	return &s.x
}

// totals are what must not be lost, of all principals together and of each.
type totals struct {
	Requests, None, OK, Denied, Class4, Class5                    uint64
	RequestHeader, RequestBody, ResponseHeader, ResponseBody, Gap uint64
	Uninspected, Records, Estimated                               uint64
	Seen, ObjectsEstimated, Unhashed, Sequential, Requested       uint64
	Exchanges                                                     uint64
}

type ledger struct {
	all         totals
	byPrincipal map[string]uint64 // records and response bytes, mixed
}

func newLedger() *ledger { return &ledger{byPrincipal: map[string]uint64{}} }

func (l *ledger) exchange(x *weirv1.Exchange) {
	a, n := &l.all, uint64(x.RequestCount)
	a.Requests += n
	a.Exchanges += n
	switch x.HttpResponseStatusCode / 100 {
	case 0:
		a.None += n
	case 2:
		a.OK += n
	case 4:
		a.Class4 += n
	case 5:
		a.Class5 += n
	}
	if x.HttpResponseStatusCode == 401 {
		a.Denied += n
	}
	a.RequestHeader += x.HttpRequestHeaderSize
	a.RequestBody += x.HttpRequestBodySize
	a.ResponseHeader += x.HttpResponseHeaderSize
	a.ResponseBody += x.HttpResponseBodySize
	a.Gap += x.GapBytes
	a.Uninspected += x.UninspectedSize
	a.Records += x.RecordCount
	if x.RecordCountKind == weirv1.RecordCountKind_RECORD_COUNT_KIND_ESTIMATED {
		a.Estimated += x.RecordCount
	}
	a.Seen += uint64(x.ObjectsSeen)
	a.ObjectsEstimated += uint64(x.ObjectsEstimated)
	a.Unhashed += uint64(x.ObjectsUnhashed)
	a.Sequential += uint64(x.SequentialObjects)
	a.Requested += uint64(x.RequestedObjects)
	l.byPrincipal[string(x.PrincipalId)] += x.RecordCount<<32 + x.HttpResponseBodySize
}

func (l *ledger) rollup(r *weirv1.Rollup) {
	a := &l.all
	a.Requests += r.RequestsNone + r.Requests_1Xx + r.Requests_2Xx + r.Requests_3Xx + r.Requests_4Xx + r.Requests_5Xx
	a.Exchanges += r.Exchanges
	a.None += r.RequestsNone
	a.OK += r.Requests_2Xx
	a.Class4 += r.Requests_4Xx
	a.Class5 += r.Requests_5Xx
	a.Denied += r.RequestsDenied
	a.RequestHeader += r.HttpRequestHeaderSize
	a.RequestBody += r.HttpRequestBodySize
	a.ResponseHeader += r.HttpResponseHeaderSize
	a.ResponseBody += r.HttpResponseBodySize
	a.Gap += r.GapBytes
	a.Uninspected += r.UninspectedSize
	a.Records += r.RecordCount
	a.Estimated += r.RecordCountEstimated
	if r.Objects != nil {
		a.Seen += r.Objects.Seen
	}
	a.ObjectsEstimated += r.ObjectsEstimated
	a.Unhashed += r.ObjectsUnhashed
	a.Sequential += r.SequentialObjects
	a.Requested += r.RequestedObjects
	l.byPrincipal[string(r.PrincipalId)] += r.RecordCount<<32 + r.HttpResponseBodySize
}

func (l *ledger) batch(b *weirv1.Batch) {
	for _, x := range b.Exchanges {
		l.exchange(x)
	}
	for _, r := range b.Rollups {
		l.rollup(r)
	}
}

// handIn gives n exchanges to a publisher and to a ledger.
func (l *ledger) handIn(sink exchange.Sink, s *sample, n int) {
	for range n {
		x := s.next()
		l.exchange(&weirv1.Exchange{
			RequestCount: 1, HttpResponseStatusCode: uint32(x.Status), HttpRequestHeaderSize: x.RequestHeaderSize, HttpRequestBodySize: x.RequestBodySize,
			HttpResponseHeaderSize: x.ResponseHeaderSize, HttpResponseBodySize: x.ResponseBodySize, GapBytes: x.GapBytes, UninspectedSize: x.UninspectedSize,
			RecordCount: x.Records, RecordCountKind: weirv1.RecordCountKind(x.RecordsKind), ObjectsSeen: x.ObjectsSeen, ObjectsEstimated: x.ObjectsEstimated,
			ObjectsUnhashed: x.ObjectsUnhashed, SequentialObjects: x.SequentialObjects, RequestedObjects: x.RequestedSeen, PrincipalId: x.PrincipalID[:],
		})
		sink.Exchange(x)
	}
}

var errDown = errors.New("down")

// memory is a transport in memory that fails on demand and keeps what arrived, once per id.
type memory struct {
	t    testing.TB
	mu   sync.Mutex
	down bool
	lose func() int // 0: fine, 1: refused, 2: stored but the acknowledgement is lost
	got  map[string]*weirv1.Batch
	ids  []string
	told [][]byte
	hold bool // never acknowledge
}

func newMemory(t testing.TB) *memory { return &memory{t: t, got: map[string]*weirv1.Batch{}} }

func (m *memory) Publish(subject, id string, data []byte, done func(error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errDown
	}
	if m.hold {
		return nil
	}
	fate := 0
	if m.lose != nil {
		fate = m.lose()
	}
	if fate == 1 {
		go done(errDown)
		return nil
	}
	b := &weirv1.Batch{}
	if err := wire.DecodeBatch(data, b); err != nil {
		m.t.Errorf("%s: %v", id, err)
	}
	if want := wire.ExchangesSubject(int(b.Partition), b.Cluster, b.SensorId); subject != want || id != wire.BatchID(b) {
		m.t.Errorf("batch %s of subject %s came as %s on %s", wire.BatchID(b), want, id, subject)
	}
	if had := m.got[id]; had != nil && len(had.Exchanges)+len(had.Rollups) != len(b.Exchanges)+len(b.Rollups) {
		m.t.Errorf("%s: one id, two contents", id)
	}
	m.got[id] = b
	m.ids = append(m.ids, id)
	if fate == 2 {
		go done(errDown)
		return nil
	}
	go done(nil)
	return nil
}

func (m *memory) Tell(_ string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, append([]byte(nil), data...))
	return nil
}

func (m *memory) set(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *memory) ledger() *ledger {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := newLedger()
	for _, b := range m.got {
		l.batch(b)
	}
	return l
}

func config() publish.Config {
	return publish.Config{Cluster: "Prod.EU", SensorID: "node-1.example", BootID: 0xabc, CredentialsKeyID: 1, ObjectsKeyID: 2,
		ExchangesKeyID: 3, RetryMin: time.Millisecond, RetryMax: 4 * time.Millisecond}
}
