// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/proto/natsconn"
)

// BenchmarkSave saves a partition of 16,000 rows of which 100 change between two saves.
func BenchmarkSave(b *testing.B) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: b.TempDir(), NoSigs: true})
	if err != nil {
		b.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		b.Fatal("nats-server is not ready")
	}
	defer func() { srv.Shutdown(); srv.WaitForShutdown() }()
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if err := natsconn.Bootstrap(b.Context(), js, natsconn.BootstrapConfig{}); err != nil {
		b.Fatal(err)
	}
	s, err := checkpoint.Open(b.Context(), js, checkpoint.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Load(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	l := newTally()
	for i := range 16_000 {
		l.add(fmt.Sprintf("row-%d-%s", i, "padded to some two hundred bytes, which a principal's row may well have while it is quiet"), 1)
	}
	names := make([]string, 0, len(l.sums))
	for name := range l.sums {
		names = append(names, name)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range 100 {
			n++
			l.add(names[n%len(names)], 1)
		}
		if err := s.Save(b.Context(), 0, checkpoint.Save{Ledger: l}); err != nil {
			b.Fatal(err)
		}
	}
	c := s.Counts()
	b.ReportMetric(float64(c.Bytes)/float64(c.Saves), "written-B/op")
	b.ReportMetric(float64(c.Bases), "bases")
}
