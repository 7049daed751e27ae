// SPDX-License-Identifier: Apache-2.0

// Package alert says a change of an incident to the world: an OCSF Detection Finding in a
// CloudEvents message, published until it is acknowledged.
//
// It assumes incidents as incident tells them, and that text in them came from traffic. It refuses
// to change an incident, and to send a credential: a principal is its keyed id.
package alert

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/analyzer/incident"
)

// Meta is what an alert says about the weir that made it.
type Meta struct {
	Cluster string // as in subjects
	Version string // of the analyzer
}

// Message is one alert, ready to be published.
type Message struct {
	Subject string // weir.v1.alerts.<severity>.<cluster>.<detector>, as at the incident's opening
	ID      string // incident id in hex, a dot, the revision: CloudEvents id and Nats-Msg-Id
	Data    []byte // CloudEvents 1.0 structured JSON, below MaxData
}

// MaxData bounds the bytes of one message.
const MaxData = 64 << 10

// Build makes the alert of a change.
func Build(c incident.Change, m Meta) (Message, error) { panic("BUG: not built") }

// AppendJSON appends the message as one JSON line, as `backtest` prints it.
func AppendJSON(dst []byte, m *Message) []byte { panic("BUG: not built") }

// Publish sends messages in order and waits for each acknowledgement. It returns how many the
// stream has; an error is the world's and names the first that it has not. The stream drops what it
// already has by id.
func Publish(ctx context.Context, js jetstream.JetStream, ms []Message) (int, error) {
	panic("BUG: not built")
}

// Outbox holds the messages that the stream may not have yet. It is a part of the checkpoint: a
// message is added with the change that made it and removed after its acknowledgement, so that each
// is published at least once.
type Outbox struct{}

// NewOutbox makes an empty Outbox that holds at most limit messages (0: 4096).
func NewOutbox(limit int) *Outbox { return &Outbox{} }

// Add puts a message at the end.
func (o *Outbox) Add(m Message) {}

// Pending gives the messages in order. The slice is valid until the next call on the Outbox.
func (o *Outbox) Pending() []Message { return nil }

// Done removes the first n messages.
func (o *Outbox) Done(n int) {}

// Dropped says how many messages were given up because the Outbox was full.
func (o *Outbox) Dropped() uint64 { return 0 }

// AppendSnapshot appends the Outbox's state to dst.
func (o *Outbox) AppendSnapshot(dst []byte) []byte { return dst }

// Restore replaces the state by a snapshot.
func (o *Outbox) Restore(snapshot []byte) error { return nil }

// Alert is a message as its readers see it.
type Alert struct {
	ID         string // incident id and revision
	IncidentID string
	Revision   int
	Activity   string // "Create", "Update", "Close"
	Severity   string // "low" ... "critical", now
	Cluster    string
	Detector   string
	Principal  string // hex
	Time       time.Time
	Title      string
	Sentence   string
	Raw        []byte // the whole message
}

// TailOptions says which alerts to read.
type TailOptions struct {
	Subject string    // filter; default weir.v1.alerts.>
	Plain   bool      // a plain subscription: only what comes from now on, no stream needed
	All     bool      // from the first alert the stream has; else from Since, else new ones
	Since   time.Time // from this time on
	Follow  bool      // go on after what is there
}

// Tail reads alerts and hands each to fn until ctx ends, fn returns an error, or, without Follow,
// the stream's end is reached.
func Tail(ctx context.Context, nc *nats.Conn, opts TailOptions, fn func(*Alert) error) error {
	panic("BUG: not built")
}

// Parse reads a message that Build made.
func Parse(data []byte) (Alert, error) { panic("BUG: not built") }
