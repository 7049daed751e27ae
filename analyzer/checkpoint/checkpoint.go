// SPDX-License-Identifier: Apache-2.0

// Package checkpoint makes a partition's ledger, incidents, alert outbox and watermarks durable
// together, and only then acknowledges the batches in them.
//
// It assumes one writer per partition and notices when there are two. It refuses to acknowledge
// before the state is durable, and to know what the bytes mean.
package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// ErrFenced is returned when another writer has saved the partition since this one loaded it. What
// is in memory is then worthless: drop it, load again, and apply what is redelivered.
var ErrFenced = errors.New("another writer owns the partition")

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
	Writer    string           // names this process in manifests, for people
	Now       func() time.Time // for the manifest's written time only; nil: it stays 0
}

// Counts are what a Store did since it was opened.
type Counts struct {
	Saves, Bases  uint64 // all saves, and those that wrote the whole ledger
	Bytes         uint64 // of chunks written
	Fenced        uint64 // saves refused because another writer owns the partition
	Failed        uint64 // saves that failed otherwise
	AcksFailed    uint64 // acknowledgements that could not be sent: the batches come again
	RemovesFailed uint64 // old chunks that could not be removed: Collect will
}

// Store keeps states in JetStream: chunks in an object bucket, then one manifest whose revision is
// the fence. Different partitions may be used at the same time.
type Store struct {
	cfg     Config
	objects jetstream.ObjectStore
	stream  jetstream.Stream // behind objects
	values  jetstream.KeyValue
	writer  string // unique: chunk names of two writers never meet
	slots   [wire.Partitions]slot
	fault   func(point string) error // tests stop the world here

	attempts                                                       atomic.Uint64
	saves, bases, bytes, fenced, failed, acksFailed, removesFailed atomic.Uint64
}

// slot is what the Store knows of one partition.
type slot struct {
	mu         sync.Mutex
	loaded     bool
	revision   uint64 // of the manifest
	manifest   *weirv1.Manifest
	changeSize uint64           // bytes of the chunks after the base
	needBase   bool             // the ledger was asked for changes that are not in the manifest
	unsure     *weirv1.Manifest // may have been written
}

// Open opens the buckets.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Store, error) {
	if cfg.Objects == "" {
		cfg.Objects = wire.BucketState
	}
	if cfg.Manifests == "" {
		cfg.Manifests = wire.BucketStateManifests
	}
	objects, err := js.ObjectStore(ctx, cfg.Objects)
	if err != nil {
		return nil, fmt.Errorf("open object bucket %s (is it made by `weir-analyzer nats bootstrap`?): %w", cfg.Objects, err)
	}
	stream, err := js.Stream(ctx, "OBJ_"+cfg.Objects)
	if err != nil {
		return nil, fmt.Errorf("open the stream of object bucket %s: %w", cfg.Objects, err)
	}
	values, err := js.KeyValue(ctx, cfg.Manifests)
	if err != nil {
		return nil, fmt.Errorf("open key-value bucket %s (is it made by `weir-analyzer nats bootstrap`?): %w", cfg.Manifests, err)
	}
	var unique [8]byte
	rand.Read(unique[:])
	return &Store{
		cfg: cfg, objects: objects, stream: stream, values: values,
		writer: hex.EncodeToString(unique[:]), fault: func(string) error { return nil },
	}, nil
}

// Counts gives what the Store did so far.
func (s *Store) Counts() Counts {
	return Counts{
		Saves: s.saves.Load(), Bases: s.bases.Load(), Bytes: s.bytes.Load(), Fenced: s.fenced.Load(),
		Failed: s.failed.Load(), AcksFailed: s.acksFailed.Load(), RemovesFailed: s.removesFailed.Load(),
	}
}

func key(partition int) string { return fmt.Sprintf("p%02d", partition) }

func (s *Store) slot(partition int) *slot {
	if partition < 0 || partition >= len(s.slots) {
		panic(fmt.Sprintf("BUG: partition %d", partition))
	}
	return &s.slots[partition]
}
