// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		runServer(dir)
		return
	}
	// nats.go leaves this goroutine behind when an object is put on a connection that ends meanwhile.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

// world is a nats-server that can be stopped and started on the same disk.
type world struct {
	t   *testing.T
	dir string
	srv *server.Server
	nc  *nats.Conn
	js  jetstream.JetStream
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.start()
	if err := natsconn.Bootstrap(t.Context(), w.js, natsconn.BootstrapConfig{MaxBytes: 512 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: w.dir, NoSigs: true})
	if err != nil {
		w.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		w.t.Fatal("nats-server is not ready")
	}
	w.srv = srv
	w.nc, w.js = w.dial()
}

func (w *world) dial() (*nats.Conn, jetstream.JetStream) {
	w.t.Helper()
	nc, err := nats.Connect(w.srv.ClientURL())
	if err != nil {
		w.t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	return nc, js
}

func (w *world) stop() {
	w.nc.Close()
	w.srv.Shutdown()
	w.srv.WaitForShutdown()
}

func (w *world) open() *checkpoint.Store {
	w.t.Helper()
	s, err := checkpoint.Open(w.t.Context(), w.js, checkpoint.Config{Writer: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// objects counts messages in the stream behind the bucket.
func (w *world) messages() uint64 {
	w.t.Helper()
	st, err := w.js.Stream(w.t.Context(), "OBJ_"+wire.BucketState)
	if err != nil {
		w.t.Fatal(err)
	}
	return st.CachedInfo().State.Msgs
}

func load(t *testing.T, s *checkpoint.Store, p int) (*tally, checkpoint.State) {
	t.Helper()
	st, err := s.Load(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	l := newTally()
	if err := l.Restore(st.Ledger...); err != nil {
		t.Fatal(err)
	}
	return l, st
}

func TestStateComesBack(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	l, st := load(t, s, 5)
	if st.Generation != 0 || st.Ledger != nil {
		t.Fatalf("a new partition: %+v", st)
	}
	acked := 0
	for i := range 300 {
		l.add(fmt.Sprintf("p%d", i%97), uint64(i))
		save := checkpoint.Save{
			Ledger: l, Incidents: fmt.Appendf(nil, "inc%d", i), Outbox: []byte("out"), Watermarks: fmt.Appendf(nil, "w%d", i),
			Extra: map[string][]byte{"inventory": {byte(i)}},
			Acks:  []func() error{func() error { acked++; return nil }, func() error { return errors.New("gone") }},
		}
		if err := s.Save(t.Context(), 5, save); err != nil {
			t.Fatal(err)
		}
	}
	if c := s.Counts(); acked != 300 || c.Saves != 300 || c.AcksFailed != 300 || c.RemovesFailed != 0 || c.Bases < 2 || c.Bases > 30 {
		t.Errorf("acked %d, counts %+v", acked, c)
	}
	w.stop()
	w.start()
	again, st := load(t, w.open(), 5)
	if !bytes.Equal(again.AppendSnapshot(nil), l.AppendSnapshot(nil)) {
		t.Error("another ledger came back")
	}
	if string(st.Incidents) != "inc299" || string(st.Outbox) != "out" || string(st.Watermarks) != "w299" || st.Generation != 300 ||
		!bytes.Equal(st.Extra["inventory"], []byte{299 % 256}) {
		t.Errorf("%q %q %q %d", st.Incidents, st.Outbox, st.Watermarks, st.Generation)
	}
	// Chunks and names of the past are gone: one chunk and one name for each that the manifest names.
	if n := w.messages(); n > 2*128 {
		t.Errorf("%d messages in the bucket", n)
	}
}

// A crash between any two writes leaves the old state or the new one, whole.
func TestCrashBetweenWrites(t *testing.T) {
	w := newWorld(t)
	crash := errors.New("crash")
	want, generation := "", uint64(0)
	for round := range 3 { // the first save is a base, later ones are changes
		for _, point := range checkpoint.Points {
			s := w.open()
			l, st := load(t, s, 1)
			if st.Generation != generation || string(st.Incidents) != want || l.sums["x"] != generation {
				t.Fatalf("round %d before %s: generation %d, incidents %q, sum %d; want %d, %q", round, point, st.Generation, st.Incidents, l.sums["x"], generation, want)
			}
			s.StopAt(func(p string) error {
				if p == point {
					return crash
				}
				return nil
			})
			l.add("x", 1)
			err := s.Save(t.Context(), 1, checkpoint.Save{Ledger: l, Incidents: fmt.Appendf(nil, "i%d", l.sums["x"]), Acks: []func() error{func() error {
				t.Error("acknowledged in a crash")
				return nil
			}}})
			if !errors.Is(err, crash) {
				t.Fatalf("%s: %v", point, err)
			}
			if point == "named" || point == "removed" {
				generation++
				want = fmt.Sprintf("i%d", l.sums["x"])
			}
			w.stop()
			w.start()
		}
	}
	if generation != 6 {
		t.Errorf("generation %d", generation)
	}
}

func TestOrphansAreCollected(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for range 5 { // a chunk, no manifest
		s := w.open()
		l, _ := load(t, s, 1)
		s.StopAt(func(p string) error {
			if p == "manifest" {
				return errors.New("crash")
			}
			return nil
		})
		l.add("x", 1)
		if err := s.Save(ctx, 1, checkpoint.Save{Ledger: l}); err == nil {
			t.Fatal("no crash")
		}
	}
	// A chunk whose writer died before its name was written.
	if _, err := w.js.Publish(ctx, "$O."+wire.BucketState+".C.TORN", []byte("half")); err != nil {
		t.Fatal(err)
	}
	s := w.open()
	l, _ := load(t, s, 1)
	l.add("x", 41)
	if err := s.Save(ctx, 1, checkpoint.Save{Ledger: l}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Collect(ctx, time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("collected %d fresh ones, %v", n, err)
	}
	if n, err := s.Collect(ctx, time.Now().Add(time.Hour)); n != 6 || err != nil {
		t.Errorf("collected %d, %v; want 6", n, err)
	}
	if n := w.messages(); n != 2 {
		t.Errorf("%d messages left, want one chunk and its name", n)
	}
	if l, _ := load(t, w.open(), 1); l.sums["x"] != 41 {
		t.Errorf("sum %d", l.sums["x"])
	}
}

// Of two writers one is fenced, whatever the order, and nothing of it is mixed in.
func TestTwoWriters(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(), w.open()
	la, _ := load(t, a, 3)
	lb, _ := load(t, b, 3)
	save := func(s *checkpoint.Store, l *tally, name string) error {
		l.add(name, 1)
		return s.Save(t.Context(), 3, checkpoint.Save{Ledger: l, Incidents: []byte(name), Acks: []func() error{func() error { return nil }}})
	}
	if err := save(a, la, "a"); err != nil {
		t.Fatal(err)
	}
	if err := save(b, lb, "b"); !errors.Is(err, checkpoint.ErrFenced) {
		t.Fatalf("first save of the second writer: %v", err)
	}
	if err := save(b, lb, "b"); !errors.Is(err, checkpoint.ErrFenced) {
		t.Fatalf("without a load: %v", err)
	}
	if ok, err := a.Current(t.Context(), 3); !ok || err != nil {
		t.Errorf("current: %v %v", ok, err)
	}
	lb, _ = load(t, b, 3)
	if err := save(b, lb, "b"); err != nil {
		t.Fatal(err)
	}
	if ok, err := a.Current(t.Context(), 3); ok || err != nil {
		t.Errorf("not current: %v %v", ok, err)
	}
	if err := save(a, la, "a"); !errors.Is(err, checkpoint.ErrFenced) {
		t.Fatalf("the owner of before: %v", err)
	}
	l, st := load(t, w.open(), 3)
	if l.sums["a"] != 1 || l.sums["b"] != 1 || string(st.Incidents) != "b" || st.Generation != 2 {
		t.Errorf("%v %+v", l.sums, st)
	}
	if a.Counts().Fenced != 1 || b.Counts().Fenced != 1 {
		t.Error("fences are not counted")
	}
}

// A save whose answer is lost is found out by the next one: it counts once, whether it was written.
func TestAnswerLost(t *testing.T) {
	w := newWorld(t)
	for _, written := range []bool{true, false} {
		p := map[bool]int{true: 10, false: 11}[written]
		s := w.open()
		l, _ := load(t, s, p)
		for i := range 10 {
			l.add("x", 1)
			ctx, cancel := context.WithCancel(t.Context())
			if i%3 == 1 {
				s.StopAt(func(point string) error {
					if point == "manifest" && !written {
						cancel() // the manifest is not written, and the answer is an error
					}
					if point == "named" && written {
						return errors.New("the answer is lost")
					}
					return nil
				})
			}
			err := s.Save(ctx, p, checkpoint.Save{Ledger: l})
			cancel()
			if (err != nil) != (i%3 == 1) {
				t.Fatalf("%d: %v", i, err)
			}
			s.StopAt(func(string) error { return nil })
		}
		if again, _ := load(t, w.open(), p); again.sums["x"] != 10 {
			t.Errorf("written %v: sum %d", written, again.sums["x"])
		}
	}
}

func TestDamagedChunkIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	l, _ := load(t, s, 2)
	l.add("x", 1)
	if err := s.Save(t.Context(), 2, checkpoint.Save{Ledger: l}); err != nil {
		t.Fatal(err)
	}
	objects, err := w.js.ObjectStore(t.Context(), wire.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	list, err := objects.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if _, err := objects.PutBytes(t.Context(), list[0].Name, []byte("other")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open().Load(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "not what the manifest names") {
		t.Errorf("load: %v", err)
	}
	if err := objects.Delete(t.Context(), list[0].Name); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open().Load(t.Context(), 2); err == nil {
		t.Error("a chunk that is gone was not missed")
	}
}
