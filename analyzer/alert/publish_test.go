// SPDX-License-Identifier: Apache-2.0

package alert_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/proto/natsconn"
	"github.com/weir-project/weir/proto/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T) (*nats.Conn, jetstream.JetStream) {
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
	if err := natsconn.Bootstrap(t.Context(), js, natsconn.BootstrapConfig{MaxBytes: 128 << 20}); err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func revisions(t *testing.T, from, to int) []alert.Message {
	t.Helper()
	var ms []alert.Message
	for r := from; r <= to; r++ {
		c := change(incident.Grew)
		c.Incident.Revision = uint32(r)
		m, err := alert.Build(c, meta)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// A crash after publishing and before the checkpoint publishes again; the stream holds each once.
func TestPublishedTwiceIsThereOnce(t *testing.T) {
	nc, js := connect(t)
	ctx := t.Context()
	o := alert.NewOutbox(0)
	for _, m := range revisions(t, 1, 5) {
		o.Add(m)
	}
	checkpoint := o.AppendSnapshot(nil)
	for range 2 {
		if err := o.Restore(checkpoint); err != nil {
			t.Fatal(err)
		}
		n, err := alert.Publish(ctx, js, o.Pending())
		if n != 5 || err != nil {
			t.Fatal(n, err)
		}
		o.Done(n)
	}
	if len(o.Pending()) != 0 {
		t.Error("not empty")
	}
	var ids []string
	if err := alert.Tail(ctx, nc, alert.TailOptions{All: true}, func(a *alert.Alert) error {
		ids = append(ids, a.ID[len(a.ID)-2:])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ids, " "); got != ".1 .2 .3 .4 .5" {
		t.Errorf("the stream holds %s", got)
	}
	stream, err := js.Stream(ctx, wire.StreamAlerts)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := stream.GetMsg(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if raw.Header.Get("ce-id") != raw.Header.Get("Nats-Msg-Id") || raw.Header.Get("ce-type") != alert.Type {
		t.Errorf("headers %v", raw.Header)
	}
}

func TestTail(t *testing.T) {
	nc, js := connect(t)
	none := func(*alert.Alert) error { t.Error("an alert"); return nil }
	if err := alert.Tail(t.Context(), nc, alert.TailOptions{All: true}, none); err != nil {
		t.Fatal(err)
	}
	if _, err := alert.Publish(t.Context(), js, revisions(t, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := alert.Tail(t.Context(), nc, alert.TailOptions{}, none); err != nil {
		t.Fatal(err)
	}
	if err := alert.Tail(t.Context(), nc, alert.TailOptions{All: true, Subject: "weir.v1.alerts.critical.>"}, none); err != nil {
		t.Fatal(err)
	}
	// Past alerts, then new ones; what is no alert is told and passed over.
	enough := errors.New("enough")
	n, bad := 0, 0
	err := alert.Tail(t.Context(), nc, alert.TailOptions{Since: time.Now().Add(-time.Hour), Follow: true, Bad: func(string, error) { bad++ }}, func(*alert.Alert) error {
		n++
		switch n {
		case 3:
			if _, err := js.Publish(t.Context(), "weir.v1.alerts.low.lab.other", []byte("junk")); err != nil {
				t.Error(err)
			}
			if _, err := alert.Publish(t.Context(), js, revisions(t, 4, 4)); err != nil {
				t.Error(err)
			}
		case 4:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || bad != 1 {
		t.Errorf("%v, %d bad", err, bad)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := alert.Tail(ctx, nc, alert.TailOptions{Follow: true, Plain: true}, none); err != nil {
		t.Errorf("an ended context: %v", err)
	}
}

func TestTailPlain(t *testing.T) {
	nc, js := connect(t)
	enough := errors.New("enough")
	got := make(chan error, 1)
	listening := nc.NumSubscriptions()
	go func() {
		got <- alert.Tail(t.Context(), nc, alert.TailOptions{Plain: true}, func(a *alert.Alert) error {
			if a.Revision != 7 {
				return fmt.Errorf("revision %d", a.Revision)
			}
			return enough
		})
	}()
	for nc.NumSubscriptions() == listening {
		time.Sleep(time.Millisecond)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := alert.Publish(t.Context(), js, revisions(t, 7, 7)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestPublishSaysWhatTheStreamHasNot(t *testing.T) {
	_, js := connect(t)
	ms := revisions(t, 1, 3)
	ms[1].Subject = "nobody.listens"
	n, err := alert.Publish(t.Context(), js, ms)
	if n != 1 || err == nil || !strings.Contains(err.Error(), ms[1].ID) {
		t.Errorf("%d, %v", n, err)
	}
}
