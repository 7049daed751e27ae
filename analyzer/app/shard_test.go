// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func testStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server is not ready")
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(t.Context(), js, natsconn.BootstrapConfig{MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	return js
}

// replica makes a shard of partition 0 as one more analyzer would.
func replica(t *testing.T, js jetstream.JetStream) *shard {
	t.Helper()
	cfg, _, err := config.Parse("run", nil, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.Open(t.Context(), js, checkpoint.Config{})
	if err != nil {
		t.Fatal(err)
	}
	source, err := ingest.Open(t.Context(), js, ingest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := newShard(&cfg, 0, &world{js: js, store: store, source: source, pop: population.NewNode(population.NodeConfig{})}, zerolog.Nop())
	if err := s.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// delivery is a batch of one exchange, under an ownership.
func delivery(epoch string, seq uint64, acked *int) *ingest.Delivery {
	now := uint64(time.Now().UnixNano())
	x := &weirv1.Exchange{
		ExchangeId: make([]byte, 16), PrincipalId: make([]byte, 16), PrincipalAssurance: weirv1.Assurance_ASSURANCE_TOKEN,
		PartEndTimeUnixNano: now, PartLast: true, RequestCount: 1, HttpResponseStatusCode: 200, HttpRequestMethod: "GET",
		ServerName: "shop.example", UrlTemplate: "/customers", RecordCount: 1,
	}
	x.ExchangeId[0] = byte(seq)
	return &ingest.Delivery{
		Epoch: epoch, Batch: &weirv1.Batch{SensorId: "s", BootId: 1, Sequence: seq, WindowStartUnixNano: now - 1, WindowEndUnixNano: now, Exchanges: []*weirv1.Exchange{x}},
		Ack: func() error { *acked++; return nil }, Nak: func(time.Duration) error { return nil },
	}
}

func (s *shard) requests() uint64 {
	return s.part.Ledger.Totals().Requests + s.part.Ledger.Open().Requests
}

// A standby has loaded long before it owns. Its first batch comes on top of what the owner saved
// meanwhile, and nothing of it is lost or counted twice.
func TestAStandbyBeginsWithWhatTheOwnerSaved(t *testing.T) {
	js := testStream(t)
	owner, standby := replica(t, js), replica(t, js)
	acked := 0
	for seq := range uint64(3) {
		owner.take(t.Context(), delivery("a", seq+1, &acked))
	}
	owner.settle(t.Context())
	if acked != 3 {
		t.Fatalf("%d batches acknowledged after a checkpoint, want 3", acked)
	}
	standby.take(t.Context(), delivery("b", 4, &acked))
	if got := standby.requests(); got != 4 {
		t.Errorf("the new owner stands at %d requests, want 4", got)
	}
	standby.settle(t.Context())
	if acked != 4 {
		t.Errorf("%d batches acknowledged, want 4", acked)
	}
}

// A standby whose state has become old does not close its minutes when nothing comes: the owner does.
func TestAStandbyDoesNotJudgeAnOldState(t *testing.T) {
	js := testStream(t)
	owner, acked := replica(t, js), 0
	owner.take(t.Context(), delivery("a", 1, &acked))
	owner.settle(t.Context())
	standby := replica(t, js)
	owner.take(t.Context(), delivery("a", 2, &acked))
	owner.settle(t.Context())
	var log bytes.Buffer
	standby.log, standby.lastData = zerolog.New(&log), time.Now().Add(-2*standby.cfg.Lateness)
	standby.settle(t.Context())
	if standby.now.saves != 0 || standby.now.failures != 0 || log.Len() > 0 {
		t.Errorf("a standby saved %d times, failed %d times, and said %q", standby.now.saves, standby.now.failures, log.String())
	}
	if got := standby.requests(); got != 2 {
		t.Errorf("a standby that noticed stands at %d requests, want 2", got)
	}
	owner.take(t.Context(), delivery("a", 3, &acked))
	owner.settle(t.Context())
	if acked != 3 {
		t.Errorf("the owner was disturbed: %d batches acknowledged, want 3", acked)
	}
}

// A checkpoint that this program cannot read, as a newer one may have written, is not overwritten by
// the little that came since.
func TestAStateThatCannotBeReadIsNotOverwritten(t *testing.T) {
	js := testStream(t)
	s, acked := replica(t, js), 0
	s.take(t.Context(), delivery("a", 1, &acked))
	s.settle(t.Context())
	newer, err := checkpoint.Open(t.Context(), js, checkpoint.Config{Writer: "newer"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newer.Load(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := newer.Save(t.Context(), 0, checkpoint.Save{Ledger: s.part.Ledger, Watermarks: []byte{99}}); err != nil {
		t.Fatal(err)
	}
	revision := func() uint64 {
		kv, err := js.KeyValue(context.Background(), wire.BucketStateManifests)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := kv.Get(context.Background(), "p00")
		if err != nil {
			t.Fatal(err)
		}
		return entry.Revision()
	}
	before := revision()
	for seq := range uint64(3) {
		s.take(t.Context(), delivery("b", seq+2, &acked))
		s.judge(t.Context())
		s.settle(t.Context())
	}
	if acked != 1 || revision() != before {
		t.Errorf("%d batches acknowledged (want 1), manifest at revision %d (want %d)", acked, revision(), before)
	}
	if s.shown.failures == 0 {
		t.Error("a shard that cannot work shows no failure")
	}
}

// An import whose population owner is away waits at every event hour; a process on its way out does
// not, and closes the rest when it is back.
func TestAnImportDoesNotHoldUpTheEnd(t *testing.T) {
	s, acked := replica(t, testStream(t)), 0
	var leave context.CancelFunc
	s.leaving, leave = context.WithCancel(t.Context())
	leave()
	for seq, ago := range []time.Duration{72 * time.Hour, time.Hour} {
		d := delivery("a", uint64(seq+1), &acked)
		d.Batch.Source = weirv1.BatchSource_BATCH_SOURCE_IMPORT
		d.Batch.WindowEndUnixNano -= uint64(ago)
		d.Batch.WindowStartUnixNano -= uint64(ago)
		d.Batch.Exchanges[0].PartEndTimeUnixNano -= uint64(ago)
		s.take(t.Context(), d)
	}
	s.judge(t.Context())
	if s.part.Closed() >= s.part.Closable() {
		t.Error("an import went on without waiting")
	}
	s.settle(t.Context())
	if acked != 2 {
		t.Errorf("%d batches acknowledged, want 2", acked)
	}
}

// A counter never goes down, or its readers take it for a restart: not when the end of a minute shows
// that two points had seen the same exchange.
func TestCountersNeverGoDown(t *testing.T) {
	s, acked := replica(t, testStream(t)), 0
	for seq, point := range []string{"s/eth0", "s/eth1"} {
		d := delivery("a", uint64(seq+1), &acked)
		d.Batch.Exchanges[0].ExchangeId[0], d.Batch.Exchanges[0].ObservationPoint = 7, point
		s.take(t.Context(), d)
	}
	view := &shards{all: []*shard{s}}
	s.show()
	before := view.counted().Requests
	s.close(t.Context(), s.part.Ledger.Newest()/minute*minute+minute)
	s.show()
	if got := view.Summary().Requests; got != 1 {
		t.Fatalf("%d requests counted, want 1", got)
	}
	if after := view.counted().Requests; after < before {
		t.Errorf("weir_analyzer_requests_total went from %d to %d", before, after)
	}
}

// What a bound cost is seen, and so are batches that are known to be missing.
func TestBoundsAreShown(t *testing.T) {
	s, acked := replica(t, testStream(t)), 0
	s.take(t.Context(), delivery("a", 3, &acked))
	s.show()
	if s.shown.missing != 2 {
		t.Errorf("%d batches missing before the third, want 2", s.shown.missing)
	}
	for range 5000 {
		s.outbox.Add(alert.Message{ID: "x.1"})
	}
	s.show()
	for _, c := range s.shown.bounds {
		if c.Name == "alerts" && c.Reason == "outbox_full" && c.Value == 5000-4096 {
			return
		}
	}
	t.Errorf("no alerts dropped for a full outbox in %v", s.shown.bounds)
}
