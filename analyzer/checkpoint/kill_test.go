// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// serverDir makes the test binary a nats-server on that directory.
const serverDir = "WEIR_TEST_SERVER_DIR"

// runServer runs until its standard input ends.
func runServer(dir string) {
	port, _ := strconv.Atoi(os.Getenv("WEIR_TEST_SERVER_PORT"))
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a nats-server in a process of its own, to be killed.
type process struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
}

func (p *process) start() {
	p.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverDir+"="+p.dir, fmt.Sprintf("WEIR_TEST_SERVER_PORT=%d", p.port))
	if _, err := cmd.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = cmd
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		p.t.Fatalf("nats-server says %q, %v", line, err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) dial() (*nats.Conn, jetstream.JetStream) {
	p.t.Helper()
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", p.port), nats.MaxReconnects(0),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // it is killed: of course there are errors
	if err != nil {
		p.t.Fatal(err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		p.t.Fatal(err)
	}
	return nc, js
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

const (
	killBatches   = 400
	killPartition = 9
)

// worker is an analyzer with the smallest ledger: it adds each batch's sequence to its sensor's sum.
type worker struct {
	t     *testing.T
	js    jetstream.JetStream
	store *checkpoint.Store
	sum   *tally
	marks *ingest.Watermarks
	acks  []func() error
}

func (w *worker) load(ctx context.Context) error {
	st, err := w.store.Load(ctx, killPartition)
	if err != nil {
		return err
	}
	w.sum, w.marks = newTally(), ingest.NewWatermarks()
	w.acks = nil
	return errors.Join(w.sum.Restore(st.Ledger...), w.marks.Restore(st.Watermarks))
}

func (w *worker) take(d *ingest.Delivery) {
	switch w.marks.Admit(d.Batch.SensorId, d.Batch.BootId, d.Batch.Sequence, int64(d.Batch.WindowEndUnixNano)) {
	case ingest.Apply:
		w.sum.add(d.Batch.SensorId, d.Batch.Sequence)
	case ingest.Refuse:
		w.t.Error("refused")
	}
	w.acks = append(w.acks, d.Ack)
}

func (w *worker) save(ctx context.Context) error {
	err := w.store.Save(ctx, killPartition, checkpoint.Save{Ledger: w.sum, Watermarks: w.marks.AppendSnapshot(nil), Acks: w.acks})
	if err == nil {
		w.acks = nil
	}
	return err
}

// run works until the stream is empty (true) or the world ends (false).
func (w *worker) run(rng *rand.Rand, fault func(point string) error) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	w.store.StopAt(fault)
	source, err := ingest.Open(ctx, w.js, ingest.Config{AckWait: 300 * time.Millisecond, MaxAckPending: 100, PinnedTTL: time.Second})
	if err != nil {
		return false
	}
	if w.load(ctx) != nil {
		return false
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = source.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for i := 0; ; i++ {
		idle := time.NewTimer(200 * time.Millisecond)
		select {
		case d := <-source.Partition(killPartition):
			idle.Stop()
			if d == nil {
				return false
			}
			if rng.IntN(4) == 0 { // give it back: it comes later, behind others
				_ = d.Nak(0)
				continue
			}
			w.take(d)
			if len(w.acks) < 1+rng.IntN(30) {
				continue
			}
		case <-idle.C:
			if len(w.acks) == 0 {
				if n, ok := w.left(ctx); ok && n == 0 {
					return true
				} else if !ok {
					return false
				}
			}
		}
		if w.save(ctx) != nil {
			return false
		}
	}
}

func (w *worker) left(ctx context.Context) (uint64, bool) {
	st, err := w.js.Stream(ctx, wire.StreamExchanges)
	if err != nil {
		return 0, false
	}
	return st.CachedInfo().State.Msgs, true
}

// The analyzer dies between two writes, or the server is killed with -9 there, dozens of times;
// every batch is published three times, out of order, and given back at random. The sums, to the
// byte, are those of a clean run.
func TestKilledAtEveryWrite(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	p := &process{t: t, dir: t.TempDir(), port: freePort(t)}
	p.start()
	defer func() { p.kill() }()
	nc, js := p.dial()
	if err := natsconn.Bootstrap(t.Context(), js, natsconn.BootstrapConfig{MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	want := newTally()
	for seq := range uint64(killBatches) {
		for _, sensor := range []string{"s1", "s2"} {
			want.add(sensor, seq+1)
		}
	}
	publishThrice(t, js, rng)
	nc.Close()
	var kills, deaths int
	for round := 0; ; round++ {
		if round > 200 {
			t.Fatal("it never ends")
		}
		nc, js := p.dial()
		store, err := checkpoint.Open(t.Context(), js, checkpoint.Config{})
		if err != nil {
			t.Fatal(err)
		}
		w := &worker{t: t, js: js, store: store}
		point, after := checkpoint.Points[round%len(checkpoint.Points)], rng.IntN(3)
		end := errors.New("the process dies")
		finished := w.run(rng, func(at string) error {
			if round >= 24 || at != point {
				return nil
			}
			if after--; after >= 0 {
				return nil
			}
			if round%3 == 0 {
				p.kill()
				kills++
			} else {
				deaths++
			}
			return end
		})
		nc.Close()
		if p.cmd.ProcessState != nil {
			p.start()
		}
		if finished {
			if got := w.sum.AppendSnapshot(nil); !bytes.Equal(got, want.AppendSnapshot(nil)) {
				t.Errorf("sums %v, want %v", w.sum.sums, want.sums)
			}
			if w.marks.Missing() != 0 {
				t.Errorf("%d batches missing", w.marks.Missing())
			}
			again := &worker{t: t, store: store}
			nc, js := p.dial()
			if again.store, err = checkpoint.Open(t.Context(), js, checkpoint.Config{}); err != nil {
				t.Fatal(err)
			}
			if err := again.load(t.Context()); err != nil || !bytes.Equal(again.sum.AppendSnapshot(nil), want.AppendSnapshot(nil)) {
				t.Errorf("after a restart: %v, %v", again.sum.sums, err)
			}
			nc.Close()
			break
		}
	}
	t.Logf("%d kills of the server, %d deaths of the analyzer", kills, deaths)
	if kills == 0 || deaths == 0 {
		t.Error("nothing was killed")
	}
}

func publishThrice(t *testing.T, js jetstream.JetStream, rng *rand.Rand) {
	t.Helper()
	var all []*weirv1.Batch
	for range 3 {
		for seq := range uint64(killBatches) {
			for _, sensor := range []string{"s1", "s2"} {
				all = append(all, &weirv1.Batch{
					SchemaVersion: wire.SchemaVersion, CredentialsKeyId: 1, ObjectsKeyId: 1, ExchangesKeyId: 1,
					Cluster: "lab", SensorId: sensor, BootId: 1, Partition: killPartition, Sequence: seq + 1,
					WindowStartUnixNano: seq, WindowEndUnixNano: seq + 1, SentUnixNano: 1,
					Source: weirv1.BatchSource_BATCH_SOURCE_LIVE,
				})
			}
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, b := range all {
		data, err := wire.AppendBatch(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync(wire.ExchangesSubject(killPartition, b.Cluster, b.SensorId), data); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(20 * time.Second):
		t.Fatal("publishing hangs")
	}
}
