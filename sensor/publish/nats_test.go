// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/publish"
)

const (
	serverDir  = "WEIR_TEST_NATS_DIR"
	serverPort = "WEIR_TEST_NATS_PORT"
)

// serveNATS is the child's main: a server until it is killed.
func serveNATS(dir, port string) {
	n, err := strconv.Atoi(port)
	if err != nil {
		os.Exit(2)
	}
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: n, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir})
	if err != nil {
		os.Exit(2)
	}
	go ns.Start()
	if !ns.ReadyForConnections(20 * time.Second) {
		os.Exit(2)
	}
	select {}
}

// serverProcess is a nats-server in a process of its own.
type serverProcess struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
}

func startServer(t *testing.T) *serverProcess {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &serverProcess{t: t, dir: t.TempDir(), port: l.Addr().(*net.TCPAddr).Port}
	_ = l.Close()
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *serverProcess) start() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(self)
	s.cmd.Env = append(os.Environ(), serverDir+"="+s.dir, serverPort+"="+strconv.Itoa(s.port))
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// kill is kill -9.
func (s *serverProcess) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *serverProcess) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }

func (s *serverProcess) connect() *natsconn.Conn {
	s.t.Helper()
	c, err := natsconn.Connect(patience(s.t), natsconn.Config{URL: s.url()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// streams makes weir's streams, with so many bytes for batches.
func streams(t *testing.T, c *natsconn.Conn, bytes int64) jetstream.JetStream {
	t.Helper()
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{MaxBytes: 256 << 20, ExchangesBytes: bytes}); err != nil {
		t.Fatal(err)
	}
	return js
}

// drain takes batches from the stream, applies each id once, and acknowledges, until nothing is left
// and idle says so.
func drain(t *testing.T, js jetstream.JetStream, into *ledger, seen map[string]bool, idle func() bool) {
	t.Helper()
	consumer, err := js.CreateOrUpdateConsumer(patience(t), wire.StreamExchanges, jetstream.ConsumerConfig{
		Durable: "test", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "weir.v1.exchanges.>"})
	if err != nil {
		t.Fatal(err)
	}
	for ctx := patience(t); ctx.Err() == nil; {
		over := idle()
		batch, err := consumer.Fetch(100, jetstream.FetchMaxWait(200*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for m := range batch.Messages() {
			n++
			var b weirv1.Batch
			if err := wire.DecodeBatch(m.Data(), &b); err != nil {
				t.Fatal(err)
			}
			if id := wire.BatchID(&b); !seen[id] {
				seen[id] = true
				into.batch(&b)
			}
			if err := m.Ack(); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 && over {
			return
		}
	}
	t.Error("the stream is never empty")
}

func natsPublisher(t *testing.T, c *natsconn.Conn, change func(*publish.Config)) *publish.Publisher {
	t.Helper()
	cfg := config()
	cfg.AckTimeout, cfg.RetryMax = 2*time.Second, 100*time.Millisecond
	change(&cfg)
	transport, err := publish.NewNATS(c, cfg.MaxInFlight, cfg.AckTimeout)
	if err != nil {
		t.Fatal(err)
	}
	p := publish.New(cfg, transport, nil)
	t.Cleanup(func() { _ = p.Close(short(t)) })
	return p
}

func TestServerKilledAndStartedAgain(t *testing.T) {
	ns := startServer(t)
	streams(t, ns.connect(), 0)
	c := ns.connect()
	p := natsPublisher(t, c, func(cfg *publish.Config) { cfg.QueueBytes, cfg.FlushEvery = 1<<20, 20*time.Millisecond })
	in, s := newLedger(), newSample(1, 20, 3)
	for range 2 {
		in.handIn(p, s, 5000)
		ns.kill()
		in.handIn(p, s, 15000) // more than the queue holds in detail
		ns.start()
		in.handIn(p, s, 1000)
		if err := p.Flush(patience(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	st := p.Stats()
	if st.Merged == 0 || st.Failures == 0 || st.Sent+st.Merged != st.Exchanges {
		t.Errorf("numbers %+v", st)
	}
	reader := ns.connect()
	out := newLedger()
	drain(t, streams(t, reader, 0), out, map[string]bool{}, func() bool { return true })
	if d := cmp.Diff(in.all, out.all); d != "" {
		t.Errorf("totals (-in +out):\n%s%+v", d, st)
	}
	if d := cmp.Diff(in.byPrincipal, out.byPrincipal); d != "" {
		t.Errorf("totals of principals (-in +out):\n%s", d)
	}
}

func TestStreamFullAndEmptiedAgain(t *testing.T) {
	ns := startServer(t)
	c := ns.connect()
	js := streams(t, c, 200<<10)
	p := natsPublisher(t, c, func(cfg *publish.Config) { cfg.QueueBytes, cfg.FlushEvery = 1<<20, 20*time.Millisecond })
	in, s := newLedger(), newSample(2, 20, 3)
	in.handIn(p, s, 20000)
	for p.Stats().Failures == 0 {
		in.handIn(p, s, 100)
		if err := p.Flush(short(t)); err == nil && p.Stats().Exchanges > 200000 {
			t.Fatal("the stream is never full")
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- p.Close(patience(t)) }()
	out, seen, over := newLedger(), map[string]bool{}, false
	drain(t, js, out, seen, func() bool {
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		return over
	})
	if d := cmp.Diff(in.all, out.all); d != "" {
		t.Errorf("totals (-in +out):\n%s%+v", d, p.Stats())
	}
}

// A sensor starts before its server.
func TestServerComesLater(t *testing.T) {
	ns := startServer(t)
	ns.kill()
	c := ns.connect()
	p := natsPublisher(t, c, func(*publish.Config) {})
	in := newLedger()
	in.handIn(p, newSample(3, 20, 3), 500)
	if err := p.Flush(short(t)); err == nil {
		t.Error("sent to nobody")
	}
	ns.start()
	js := streams(t, ns.connect(), 0) // until now there is no stream either
	if err := p.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	out := newLedger()
	drain(t, js, out, map[string]bool{}, func() bool { return true })
	if d := cmp.Diff(in.all, out.all); d != "" {
		t.Errorf("totals (-in +out):\n%s%+v", d, p.Stats())
	}
}

func BenchmarkNATS(b *testing.B) {
	dir := b.TempDir()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	go ns.Start()
	defer func() { ns.Shutdown(); ns.WaitForShutdown() }()
	if !ns.ReadyForConnections(20 * time.Second) {
		b.Fatal("no server")
	}
	c, err := natsconn.Connect(context.Background(), natsconn.Config{URL: ns.ClientURL()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitConnected(patience(b)); err != nil {
		b.Fatal(err)
	}
	js, err := c.JetStream()
	if err != nil {
		b.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(b), js, natsconn.BootstrapConfig{}); err != nil {
		b.Fatal(err)
	}
	cfg := config()
	cfg.Blocking = true
	transport, err := publish.NewNATS(c, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	p := publish.New(cfg, transport, nil)
	all := fixed(4096)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x := &all[i&4095]
		x.ID = number(byte(i>>56), mix(uint64(i)))
		p.Exchange(x)
		i++
	}
	if err := p.Close(patience(b)); err != nil {
		b.Fatal(err)
	}
}
