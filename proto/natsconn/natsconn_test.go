// SPDX-License-Identifier: Apache-2.0

package natsconn_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// run starts a server on a port (0: any) with one restricted user and one that may do all.
func run(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
		Users: []*server.User{
			{Username: "all", Password: "secret"},
			{Username: "few", Password: "secret", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{"weir.v1.sensors.>"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_few.>"}},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go ns.Start()
	if !ns.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	return ns
}

func connect(t *testing.T, cfg natsconn.Config) *natsconn.Conn {
	t.Helper()
	c, err := natsconn.Connect(patience(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnectRefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]natsconn.Config{
		"no server":        {},
		"two credentials":  {URL: "nats://127.0.0.1:1", User: "u", TokenFile: "t"},
		"half a key pair":  {URL: "nats://127.0.0.1:1", TLSCert: "c"},
		"no creds file":    {URL: "nats://127.0.0.1:1", CredsFile: "/nonexistent/creds"},
		"no password file": {URL: "nats://127.0.0.1:1", User: "u", PasswordFile: "/nonexistent/password"},
		"damaged file":     {CredsFile: write(t, `{"url": 5}`)},
		"bad seed":         {URL: "nats://127.0.0.1:1", NKeyFile: write(t, "no seed")},
	} {
		c, err := natsconn.Connect(patience(t), cfg)
		if err == nil {
			c.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

func TestConnectWaitsForAServerThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := connect(t, natsconn.Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", port), User: "all", PasswordFile: write(t, "secret\n")})
	if status, _ := c.Status(); status != "reconnecting" {
		t.Errorf("status %q", status)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.WaitConnected(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for nobody: %v", err)
	}
	// Its buffer is off: what cannot be sent is an error at once.
	if err := c.NATS().Publish("x", nil); err == nil {
		t.Error("published to nobody")
	}
	ns := run(t, t.TempDir(), port)
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	ns.Shutdown()
	ns.WaitForShutdown()
	run(t, t.TempDir(), port)
	if err := c.NATS().FlushWithContext(patience(t)); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		t.Logf("flush: %v", err)
	}
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	if n := c.Counters(); n.Connects < 1 || n.Disconnects > n.Connects {
		t.Errorf("counters %+v", n)
	}
}

func TestConnectionFileSpeaksForItself(t *testing.T) {
	ns := run(t, t.TempDir(), 0)
	path := write(t, fmt.Sprintf(`{"url": %q, "user": "few", "password": "secret", "inbox_prefix": "_INBOX_few"}`, ns.ClientURL()))
	faults := make(chan error, 8)
	c := connect(t, natsconn.Config{CredsFile: path, OnError: func(err error) { faults <- err }})
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.NATS().Publish("weir.v1.exchanges.00.a.b", nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-faults:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("told %v", err)
		}
	case <-patience(t).Done():
		t.Fatal("a permission violation was not told")
	}
	if n := c.Counters().PermissionViolations; n != 1 {
		t.Errorf("%d permission violations counted", n)
	}
	if text := fmt.Sprintf("%v %+v", natsconn.File{URL: "nats://u:secret@h", Password: "secret"}, natsconn.File{Password: "secret"}); strings.Contains(text, "secret") {
		t.Errorf("prints %s", text)
	}
}

func TestWrongPasswordIsCountedAndTriedAgain(t *testing.T) {
	ns := run(t, t.TempDir(), 0)
	password := write(t, "wrong")
	faults := make(chan error, 64)
	c := connect(t, natsconn.Config{URL: ns.ClientURL(), User: "all", PasswordFile: password, OnError: func(err error) {
		select {
		case faults <- err:
		default:
		}
	}})
	select {
	case <-faults:
	case <-patience(t).Done():
		t.Fatal("a refused password was not told")
	}
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	if c.Counters().AuthErrors == 0 {
		t.Error("no authorization error counted")
	}
}

func TestBootstrapMakesWhatTheDesignSays(t *testing.T) {
	ns := run(t, t.TempDir(), 0)
	c := connect(t, natsconn.Config{URL: ns.ClientURL(), User: "all", PasswordFile: write(t, "secret"), InProcess: ns})
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{MaxBytes: 1}); err == nil {
		t.Error("made streams of one byte")
	}
	cfg := natsconn.BootstrapConfig{MaxBytes: 256 << 20}
	for _, size := range []int64{0, 50 << 20} { // the second time it updates
		cfg.ExchangesBytes = size
		if err := natsconn.Bootstrap(patience(t), js, cfg); err != nil {
			t.Fatal(err)
		}
	}
	s, err := js.Stream(patience(t), wire.StreamExchanges)
	if err != nil {
		t.Fatal(err)
	}
	got := s.CachedInfo().Config
	if got.Retention != jetstream.WorkQueuePolicy || got.Discard != jetstream.DiscardNew || got.MaxBytes != 50<<20 ||
		got.MaxAge != 0 || got.Duplicates != 2*time.Minute || got.MaxMsgSize != wire.MaxMessage ||
		got.Metadata["partitions"] != fmt.Sprint(wire.Partitions) {
		t.Errorf("WEIR_EXCHANGES is %+v", got)
	}
	for _, name := range []string{wire.StreamLedger, wire.StreamPopulation, wire.StreamSensors, wire.StreamAlerts} {
		s, err := js.Stream(patience(t), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if s.CachedInfo().Config.MaxBytes <= 0 {
			t.Errorf("%s has no size limit", name)
		}
	}
	for _, name := range []string{wire.BucketStateManifests, wire.BucketConfig, wire.BucketPopulation} {
		if _, err := js.KeyValue(patience(t), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{wire.BucketState, wire.BucketHistory} {
		if _, err := js.ObjectStore(patience(t), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBootstrapRefusesAnotherPartitioning(t *testing.T) {
	ns := run(t, t.TempDir(), 0)
	c := connect(t, natsconn.Config{URL: ns.ClientURL(), User: "all", PasswordFile: write(t, "secret")})
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(patience(t), jetstream.StreamConfig{Name: wire.StreamExchanges,
		Subjects: []string{"weir.v1.exchanges.>"}, Metadata: map[string]string{"partitions": "32"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{MaxBytes: 256 << 20}); err == nil {
		t.Error("took a stream of 32 partitions")
	}
}

func TestIsLoopback(t *testing.T) {
	for url, want := range map[string]bool{
		"":                                    false,
		"nats://192.0.2.1:4222":               false,
		"nats://127.0.0.1:4222,nats://h:1":    false,
		"tls://nats.example:4222":             false,
		"nats://localhost.example":            false,
		"nats://u:p@127.0.0.1":                true,
		"127.0.0.1:4222":                      true,
		"nats://localhost:4222":               true,
		"nats://[::1]:4222, nats://127.9.9.9": true,
	} {
		if got := natsconn.IsLoopback(url); got != want {
			t.Errorf("IsLoopback(%q) = %v", url, got)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"nats://u:p@h:1":                 "nats://h:1",
		"nats://u:p@x@h:1,tls://token@i": "nats://h:1,tls://i",
		"u:p@h":                          "h",
		"h:1":                            "h:1",
	} {
		if got := natsconn.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q", in, got)
		}
	}
}
