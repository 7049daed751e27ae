// SPDX-License-Identifier: Apache-2.0

// Package checkpoint makes a partition's ledger, incidents, alert outbox and watermarks durable
// together, and only then acknowledges the batches in them.
//
// It assumes one writer per partition and notices when there are two. It refuses to acknowledge
// before the state is durable, and to know what the bytes mean.
package checkpoint

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrFenced is returned when another writer has saved the partition since this one loaded it. What
// is in memory is then worthless: drop it, load again, and apply what is redelivered.
var ErrFenced = errors.New("another writer owns the partition")

// State is one partition as bytes. A state that was never saved has no Ledger chunks.
type State struct {
	Partition  int
	Generation uint64   // number of saves
	Ledger     [][]byte // a base, then changes, in the order in which the ledger takes them
	Incidents  []byte
	Outbox     []byte
	Watermarks []byte
	Extra      map[string][]byte // named sections of later rooms
}

// Ledger is what a checkpoint needs of a partition's ledger.
type Ledger interface {
	AppendSnapshot(dst []byte) []byte // everything
	AppendChanges(dst []byte) []byte  // what changed since the last AppendSnapshot or AppendChanges
}

// Save is one checkpoint to be made.
type Save struct {
	Ledger     Ledger // asked once: for its changes, or for everything when a new base is due
	Incidents  []byte
	Outbox     []byte
	Watermarks []byte
	Extra      map[string][]byte
	Acks       []func() error // called in order once the state is durable
}

// Config says where states lie. The zero value gives the defaults.
type Config struct {
	Objects   string           // object bucket; default weir_state
	Manifests string           // key-value bucket; default weir_state_manifest
	Writer    string           // names this process in manifests
	Now       func() time.Time // for the manifest's written time only; nil: it stays 0
}

// Store keeps states in JetStream: chunks in an object bucket, then one manifest whose revision is
// the fence. Different partitions may be used at the same time, one partition by one caller.
type Store struct{}

// Open opens the buckets.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Store, error) {
	panic("BUG: not built")
}

// Load reads a partition's state and makes this Store the one that may save it next.
func (s *Store) Load(ctx context.Context, partition int) (State, error) { panic("BUG: not built") }

// Save makes the state durable and then calls the Acks. After an error the state may or may not be
// durable, no Ack was called, and the partition must be loaded again if the error is ErrFenced;
// otherwise Save may be called again.
func (s *Store) Save(ctx context.Context, partition int, save Save) error { panic("BUG: not built") }

// Collect removes what crashed writers left and no manifest names, older than before. It returns
// how many objects it removed.
func (s *Store) Collect(ctx context.Context, before time.Time) (int, error) { panic("BUG: not built") }

// SaveFile writes states to a file, all or nothing: into a temporary file beside it, then renamed.
func SaveFile(path string, states []State) error { panic("BUG: not built") }

// LoadFile reads a file that SaveFile wrote, and refuses one that is damaged.
func LoadFile(path string) ([]State, error) { panic("BUG: not built") }
