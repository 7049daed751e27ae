// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startServer(t *testing.T) *server.Server {
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
	js := connect(t, srv)
	if err := natsconn.Bootstrap(t.Context(), js, natsconn.BootstrapConfig{MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	return srv
}

func connect(t *testing.T, srv *server.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func batch(partition, seq int) *weirv1.Batch {
	return &weirv1.Batch{
		SchemaVersion: wire.SchemaVersion, CredentialsKeyId: 1, ObjectsKeyId: 1, ExchangesKeyId: 1,
		Cluster: "lab", SensorId: "s1", BootId: 7, Partition: uint32(partition), Sequence: uint64(seq),
		WindowStartUnixNano: uint64(seq), WindowEndUnixNano: uint64(seq) + 1, SentUnixNano: 5,
		Source: weirv1.BatchSource_BATCH_SOURCE_LIVE,
	}
}

func publish(t *testing.T, js jetstream.JetStream, subject string, data []byte) {
	t.Helper()
	if _, err := js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}

func publishBatch(t *testing.T, js jetstream.JetStream, b *weirv1.Batch) {
	t.Helper()
	data, err := wire.AppendBatch(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, js, wire.ExchangesSubject(int(b.Partition), b.Cluster, b.SensorId), data)
}

// start runs a source; the returned function ends it and waits.
func start(t *testing.T, js jetstream.JetStream, cfg ingest.Config) (*ingest.Source, func()) {
	t.Helper()
	s, err := ingest.Open(t.Context(), js, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, stop
}

func next(t *testing.T, s *ingest.Source, p int) *ingest.Delivery {
	t.Helper()
	select {
	case d := <-s.Partition(p):
		return d
	case <-time.After(20 * time.Second):
		t.Fatalf("no batch of partition %d; counts %v", p, s.Counts())
		return nil
	}
}

func left(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	st, err := js.Stream(t.Context(), wire.StreamExchanges)
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// until waits for what a server does in its own time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestEveryBatchReachesItsPartition(t *testing.T) {
	js := connect(t, startServer(t))
	for p := range wire.Partitions {
		for seq := range 3 {
			publishBatch(t, js, batch(p, seq+1))
		}
	}
	s, _ := start(t, js, ingest.Config{})
	if !s.Pinned() {
		t.Error("not pinned")
	}
	for p := range wire.Partitions {
		for seq := range 3 {
			d := next(t, s, p)
			if d.Partition != p || d.Batch.Sequence != uint64(seq+1) || d.Epoch == "" || d.Received.IsZero() || d.Redelivered {
				t.Fatalf("partition %d: %+v", p, d)
			}
			if err := d.Ack(); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
}

func TestRefusedAreCountedAndGone(t *testing.T) {
	js := connect(t, startServer(t))
	good, err := wire.AppendBatch(nil, batch(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		subject string
		data    []byte
	}{
		{"weir.v1.exchanges.03.lab.s1", nil},
		{"weir.v1.exchanges.03.lab.s1", []byte("hello")},
		{"weir.v1.exchanges.03.lab.s1", good[:len(good)-1]},
		{"weir.v1.exchanges.04.lab.s1", good}, // another partition
		{"weir.v1.exchanges.03.lab.s2", good}, // another sensor
		{"weir.v1.exchanges.03.s1", good},
		{"weir.v1.exchanges.03.lab.s1", good},
	} {
		publish(t, js, c.subject, c.data)
	}
	s, _ := start(t, js, ingest.Config{})
	if err := next(t, s, 3).Ack(); err != nil {
		t.Fatal(err)
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
	got := map[string]uint64{}
	for _, c := range s.Counts() {
		got[c.Name] += c.Value
		if c.Name == "refused" {
			got[c.Name+"/"+c.Reason] += c.Value
		}
	}
	if got["received"] != 7 || got["delivered"] != 1 || got["refused"] != 6 || got["refused/subject"] != 3 || got["refused/format"] != 2 {
		t.Errorf("counts %v", got)
	}
}

// A full queue stops its group and loses nothing; what stands in queues at the end comes again at
// once to the next owner, under another epoch.
func TestBackpressureAndTakeover(t *testing.T) {
	srv := startServer(t)
	js := connect(t, srv)
	const n = 300
	for seq := range n {
		publishBatch(t, js, batch(5, seq+1))
	}
	first, stop := start(t, js, ingest.Config{Depth: 2, MaxAckPending: 64})
	w := ingest.NewWatermarks()
	epoch := ""
	for range 100 {
		d := next(t, first, 5)
		epoch = d.Epoch
		if w.Admit(d.Batch.SensorId, d.Batch.BootId, d.Batch.Sequence, 1) != ingest.Apply {
			t.Error("a batch came twice")
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	second, _ := start(t, connect(t, srv), ingest.Config{Depth: 2, MaxAckPending: 64})
	began := time.Now()
	for range n - 100 {
		d := next(t, second, 5)
		if d.Epoch == epoch {
			t.Error("another owner, the same epoch")
		}
		if w.Admit(d.Batch.SensorId, d.Batch.BootId, d.Batch.Sequence, 1) != ingest.Apply {
			t.Error("a batch came twice")
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("takeover and %d batches in %v", n-100, time.Since(began))
	if w.Missing() != 0 {
		t.Errorf("%d missing", w.Missing())
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
}

// A batch that waits longer than AckWait for its checkpoint does not come again; one that its
// holder has forgotten does, after MaxHold.
func TestHeldBatchesStayHeld(t *testing.T) {
	js := connect(t, startServer(t))
	publishBatch(t, js, batch(1, 1))
	s, _ := start(t, js, ingest.Config{AckWait: 600 * time.Millisecond, MaxHold: 2 * time.Second})
	first := next(t, s, 1)
	began := time.Now()
	again := next(t, s, 1)
	if waited := time.Since(began); waited < 2*time.Second || !again.Redelivered || again.Batch.Sequence != first.Batch.Sequence {
		t.Errorf("came again after %v: %+v", waited, again)
	}
	if err := again.Ack(); err != nil {
		t.Fatal(err)
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
}

// An owner that lost its memory asks for what it had not acknowledged.
func TestGiveBack(t *testing.T) {
	js := connect(t, startServer(t))
	for seq := range 3 {
		publishBatch(t, js, batch(1, seq+1))
	}
	s, _ := start(t, js, ingest.Config{})
	for range 3 {
		next(t, s, 1)
	}
	s.GiveBack(1)
	for range 3 {
		d := next(t, s, 1)
		if !d.Redelivered {
			t.Error("not one that was given back")
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
}

func TestConsumerDeletedIsMadeAgain(t *testing.T) {
	js := connect(t, startServer(t))
	s, _ := start(t, js, ingest.Config{Groups: 1})
	publishBatch(t, js, batch(1, 1))
	if err := next(t, s, 1).Ack(); err != nil {
		t.Fatal(err)
	}
	until(t, "an empty stream", func() bool { return left(t, js) == 0 })
	if err := js.DeleteConsumer(t.Context(), wire.StreamExchanges, "weir_exchanges_00"); err != nil {
		t.Fatal(err)
	}
	publishBatch(t, js, batch(1, 2))
	if d := next(t, s, 1); d.Batch.Sequence != 2 {
		t.Errorf("got sequence %d", d.Batch.Sequence)
	}
}

func TestBadConfig(t *testing.T) {
	js := connect(t, startServer(t))
	if _, err := ingest.Open(t.Context(), js, ingest.Config{Groups: 7}); err == nil {
		t.Error("7 groups were taken")
	}
	if _, err := ingest.Open(t.Context(), js, ingest.Config{Stream: "NONE"}); err == nil {
		t.Error("a stream that is not there was taken")
	}
}
