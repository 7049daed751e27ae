// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/weir-project/weir/analyzer/broker"
	"github.com/weir-project/weir/proto/natsconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	cfg.Log = zerolog.Nop()
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)
	return b
}

func connect(t *testing.T, b *broker.Broker, user string, onError func(error)) *natsconn.Conn {
	t.Helper()
	c, err := natsconn.Connect(patience(t), natsconn.Config{CredsFile: b.ConnectionFile(user), OnError: onError})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStartRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	held := start(t, broker.Config{Dir: dir})
	for name, c := range map[string]struct {
		cfg  broker.Config
		want string
	}{
		"no directory":      {broker.Config{}, "no directory"},
		"the whole network": {broker.Config{Dir: t.TempDir(), Host: "0.0.0.0"}, "not a loopback address"},
		"a taken port":      {broker.Config{Dir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port}, "in use"},
		"a taken directory": {broker.Config{Dir: dir}, "in use by another process"},
		"a file":            {broker.Config{Dir: held.ConnectionFile("sensor")}, "broker directory"},
	} {
		b, err := broker.Start(c.cfg)
		if err == nil {
			b.Shutdown()
			t.Errorf("%s: started", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsStayWithTheOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	b := start(t, broker.Config{Dir: dir})
	var secret struct{ Password string }
	data, err := os.ReadFile(b.ConnectionFile("analyzer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &secret); err != nil || len(secret.Password) != 32 {
		t.Fatalf("connection file: %v", err)
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if info, err := d.Info(); err == nil && filepath.Dir(path) == dir && !d.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if _, err := nats.Connect(b.ClientURL()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without a password: %v", err)
	}
}

func TestUsersMayDoOnlyTheirWork(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	analyzer := connect(t, b, "analyzer", nil)
	js, err := analyzer.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{MaxBytes: 128 << 20}); err != nil {
		t.Fatal(err)
	}
	faults := make(chan error, 16)
	sensor := connect(t, b, "sensor", func(err error) { faults <- err })
	sjs, err := sensor.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ack, err := sjs.Publish(patience(t), "weir.v1.exchanges.00.prod.s1", []byte("x"), jetstream.WithMsgID("s1-0-0-1"))
		if err != nil {
			t.Fatalf("a sensor cannot publish: %v", err)
		}
		if ack.Sequence != 1 {
			t.Errorf("one message id makes two messages: %+v", ack)
		}
	}
	forbidden := func(user string, act func() error) {
		t.Helper()
		if err := act(); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		select {
		case err := <-faults:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", user, err)
			}
		case <-patience(t).Done():
			t.Errorf("%s may do what it must not", user)
		}
	}
	nc := sensor.NATS()
	subscribe := func(nc *nats.Conn, subject string) func() error {
		return func() error { _, err := nc.SubscribeSync(subject); return err }
	}
	forbidden("sensor reads", subscribe(nc, "weir.v1.exchanges.>"))
	forbidden("sensor reads answers of others", subscribe(nc, "_INBOX.>"))
	forbidden("sensor alerts", func() error { return nc.Publish("weir.v1.alerts.high.a.b", nil) })
	forbidden("sensor manages", func() error { return nc.Publish("$JS.API.STREAM.PURGE.WEIR_EXCHANGES", nil) })

	reader := connect(t, b, "reader", func(err error) { faults <- err })
	forbidden("reader publishes", func() error { return reader.NATS().Publish("weir.v1.exchanges.00.a.b", nil) })
	forbidden("reader reads all", subscribe(reader.NATS(), "weir.v1.>"))
	alerts, err := reader.NATS().SubscribeSync("weir.v1.alerts.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.NATS().Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(patience(t), "weir.v1.alerts.high.prod.volume", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := alerts.NextMsgWithContext(patience(t)); err != nil {
		t.Errorf("a reader does not see alerts: %v", err)
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	c, err := natsconn.Connect(patience(t), natsconn.Config{CredsFile: b.ConnectionFile("analyzer"), InProcess: b})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitConnected(patience(t)); err != nil {
		t.Fatal(err)
	}
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Bootstrap(patience(t), js, natsconn.BootstrapConfig{MaxBytes: 128 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(patience(t), "weir.v1.exchanges.00.prod.s1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	b.Shutdown()
	b.Shutdown()

	b = start(t, broker.Config{Dir: dir})
	after, err := os.ReadFile(filepath.Join(dir, "secrets.json"))
	if err != nil || string(before) != string(after) {
		t.Errorf("passwords changed: %v", err)
	}
	c = connect(t, b, "analyzer", nil)
	if js, err = c.JetStream(); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(patience(t), "WEIR_EXCHANGES")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d messages after a restart", n)
	}
}
