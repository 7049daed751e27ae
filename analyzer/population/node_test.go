// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func startServer(t *testing.T) *server.Server {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go ns.Start()
	if !ns.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	_, js := dial(t, ns)
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{}); err != nil {
		t.Fatal(err)
	}
	return ns
}

func dial(t *testing.T, ns *server.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// member is a process of its own: a node with a connection.
type member struct {
	*population.Node
	nc    *nats.Conn
	owner chan bool
	stop  context.CancelFunc
	done  chan struct{}
}

func join(t *testing.T, ns *server.Server, name string) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{owner: make(chan bool, 16), stop: cancel, done: make(chan struct{})}
	var js jetstream.JetStream
	m.nc, js = dial(t, ns)
	m.Node = population.NewNode(population.NodeConfig{
		Name: name, LeaseAge: 400 * time.Millisecond, ImportGrace: time.Second,
		OnOwner: func(is bool) { m.owner <- is },
	})
	go func() {
		defer close(m.done)
		if err := m.Run(ctx, js); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-m.done })
	return m
}

func (m *member) becomesOwner(t *testing.T) {
	t.Helper()
	select {
	case is := <-m.owner:
		if !is {
			t.Fatal("ceased to be the owner")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("does not become the owner")
	}
}

// newest reads the version that stands in the bucket.
func newest(t *testing.T, ns *server.Server) *weirv1.PopulationState {
	t.Helper()
	_, js := dial(t, ns)
	kv, err := js.KeyValue(patience(t), wire.BucketPopulation)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(patience(t), "state")
	if err != nil {
		t.Fatal(err)
	}
	m := &weirv1.PopulationState{}
	if err := m.UnmarshalVT(entry.Value()); err != nil {
		t.Fatal(err)
	}
	return m
}

// The owner dies in the middle of a day: the standby makes what the dead one would have made.
func TestOwnerDies(t *testing.T) {
	ns := startServer(t)
	all := summaries(rand.New(rand.NewPCG(3, 4)), 3, 4)
	alone := population.NewState(1, nil)
	day := func(d int, to ...*member) *weirv1.PopulationState {
		for _, m := range all {
			if int(m.EventHour)/24-firstDay == d {
				alone.Fold(m)
				to[int(m.Partition)%len(to)].Offer(proto.CloneOf(m))
			}
		}
		return alone.Close(int64(firstDay+d)*24 + 23)
	}
	at := func(d int) int64 { return int64(firstDay+d+1)*24 + 1 }

	a := join(t, ns, "a")
	a.becomesOwner(t)
	b := join(t, ns, "b")
	want := day(0, a, b)
	for _, m := range []*member{a, b} {
		if err := m.WaitFor(patience(t), at(0)); err != nil {
			t.Fatal(err)
		}
	}
	ignore := protocmp.IgnoreFields(&weirv1.PopulationState{}, "owner", "fence")
	got := newest(t, ns)
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" || got.Owner != "a" {
		t.Fatal(got.Owner, diff)
	}
	if f := b.At(at(0) - 1); f.Version != 0 {
		t.Errorf("version %d an hour before it is in force", f.Version)
	}
	if f := b.At(at(0)); f.Version != 1 || f != b.Current() || f.Peers.LargestDay != want.LargestDayRecords {
		t.Errorf("version in force: %+v", f)
	}

	half := len(all) / 3 / 4 // offers half of the second day, then dies without a word
	for _, m := range all[24 : 24+half/2] {
		a.Offer(proto.CloneOf(m))
	}
	a.nc.Close()
	b.becomesOwner(t)
	for d := 1; d < 4; d++ {
		want = day(d, b)
		if err := b.WaitFor(patience(t), at(d)); err != nil {
			t.Fatal(err)
		}
	}
	got = newest(t, ns)
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" || got.Owner != "b" || got.Version != 4 {
		t.Fatal(got.Owner, diff)
	}
	if c := b.Counters(); c.Takeovers != 1 || c.Versions != 3 {
		t.Errorf("%+v", c)
	}
}

func TestOwnerLeaves(t *testing.T) {
	ns := startServer(t)
	a := join(t, ns, "a")
	a.becomesOwner(t)
	b := join(t, ns, "b")
	a.stop()
	<-a.done
	b.becomesOwner(t)
}

// A process that was the owner once, and does not know that it is no more, cannot write.
func TestStaleOwnerIsFencedOut(t *testing.T) {
	ns := startServer(t)
	_, js := dial(t, ns)
	ctx := patience(t)
	kv, err := js.KeyValue(ctx, wire.BucketPopulation)
	if err != nil {
		t.Fatal(err)
	}
	node := func(name string) *population.Node {
		return population.NewNode(population.NodeConfig{Name: name, LeaseAge: 200 * time.Millisecond})
	}
	old, err := population.TakeOver(ctx, node("old"), kv)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Write(ctx, &weirv1.PopulationState{Version: 1, EventHour: 25}); err != nil {
		t.Fatal(err)
	}
	young, err := population.TakeOver(ctx, node("young"), kv)
	if err != nil {
		t.Fatal(err)
	}
	if young.Fence() <= old.Fence() {
		t.Errorf("fence %d after %d", young.Fence(), old.Fence())
	}
	if err := old.Write(ctx, &weirv1.PopulationState{Version: 2, EventHour: 49, LargestDayRecords: 1}); !errors.Is(err, population.ErrFenced) {
		t.Errorf("the old owner wrote: %v", err)
	}
	if err := old.Renew(ctx); !errors.Is(err, population.ErrFenced) {
		t.Errorf("the old owner renewed its lease: %v", err)
	}
	if err := young.Write(ctx, &weirv1.PopulationState{Version: 2, EventHour: 49, LargestDayRecords: 2}); err != nil {
		t.Error(err)
	}
	if m := newest(t, ns); m.Owner != "young" || m.LargestDayRecords != 2 || m.Fence != young.Fence() {
		t.Errorf("%v", m)
	}
}

func TestOwnerBearsNonsense(t *testing.T) {
	ns := startServer(t)
	_, js := dial(t, ns)
	for _, data := range [][]byte{nil, {0xff}, []byte("\x10\x07\x18\x01")} { // empty, no message, partition 7 under subject 3
		if _, err := js.Publish(patience(t), wire.PopulationSubject(3), data); err != nil {
			t.Fatal(err)
		}
	}
	a := join(t, ns, "a")
	for _, m := range summaries(rand.New(rand.NewPCG(3, 4)), 2, 1) {
		a.Offer(m)
	}
	if err := a.WaitFor(patience(t), (firstDay+1)*24+1); err != nil {
		t.Fatal(err)
	}
}

func TestWaitFor(t *testing.T) {
	n := population.NewNode(population.NodeConfig{})
	if err := n.WaitFor(context.Background(), firstDay*24); err != nil {
		t.Error("nothing was offered, nothing is due:", err)
	}
	n.Offer(&weirv1.PopulationSummary{EventHour: firstDay*24 + 9})
	if err := n.WaitFor(context.Background(), (firstDay+1)*24); err != nil {
		t.Error("the day's version is in force an hour after its end:", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.WaitFor(ctx, (firstDay+1)*24+1); !errors.Is(err, context.Canceled) {
		t.Error("no error although the version is not there:", err)
	}
	if n.Current().Version != 0 || n.At(1<<40).Thresholds.Value != finding.Shipped.Value {
		t.Error("not the shipped thresholds before the first version")
	}
}

func TestOfferNeverBlocks(t *testing.T) {
	n := population.NewNode(population.NodeConfig{})
	taken := 0
	for h := range 5_000 {
		if n.Offer(&weirv1.PopulationSummary{EventHour: uint64(h + 1)}) {
			taken++
		}
	}
	if c := n.Counters(); taken+int(c.QueueFull) != 5_000 || taken == 5_000 {
		t.Errorf("%d taken, %+v", taken, c)
	}
}
