// SPDX-License-Identifier: Apache-2.0

// Package ingest takes batches from the stream, checks them, and says of each whether it was
// applied before.
//
// It assumes a work-queue stream and a checkpoint that acknowledges. It refuses to keep totals, to
// judge, and to acknowledge by itself what is not durable.
package ingest

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Config says how batches are taken. The zero value gives the defaults.
type Config struct {
	Stream        string        // default WEIR_EXCHANGES
	Groups        int           // durable consumers, each with an equal share of the partitions; default 8
	MaxAckPending int           // batches of a group that are handed out and not acknowledged; default 1024
	AckWait       time.Duration // default 30 s
	PinnedTTL     time.Duration // a hung owner loses its group after this; default 10 s
	MaxHold       time.Duration // how long a batch may wait for its checkpoint before it may be redelivered; default 5 min
	Depth         int           // batches waiting per partition; default 64
}

// Delivery is one batch of one partition. Whoever takes it calls Ack after the checkpoint that
// holds it is durable, also when Watermarks say Duplicate: an earlier delivery of the same message
// may be applied and not durable yet. Or it calls Nak.
type Delivery struct {
	Partition   int
	Batch       *weirv1.Batch // owned by the receiver
	Received    time.Time     // when the stream stored it
	Redelivered bool
	// Epoch names the ownership under which it came. When it differs from the last Delivery's of the
	// same partition, another owner may have been in between: load the checkpoint again first.
	Epoch string
}

// Ack acknowledges the batch. It does not wait for the server: an acknowledgement that is lost
// brings the batch again, as a duplicate.
func (d *Delivery) Ack() error { panic("BUG: not built") }

// Nak gives the batch back, to come again after delay.
func (d *Delivery) Nak(delay time.Duration) error { panic("BUG: not built") }

// Source takes batches from the stream into one bounded queue per partition.
type Source struct{}

// Open makes or updates the durable consumers.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Source, error) {
	panic("BUG: not built")
}

// Partition gives the queue of one partition. It is closed when Run returns.
func (s *Source) Partition(p int) <-chan *Delivery { panic("BUG: not built") }

// Run takes batches until ctx ends; then it gives back what nobody took and returns nil. While a
// partition's queue is full its group waits: nothing is dropped.
func (s *Source) Run(ctx context.Context) error { panic("BUG: not built") }
