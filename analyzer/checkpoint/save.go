// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	manifestVersion = 1
	// maxChunks bounds how many chunks a load reads.
	maxChunks = 128
	// minBase is below which a new base is not worth counting changes.
	minBase = 16 << 10
)

// Save makes the state durable and then calls the Acks. The order of writes is: one chunk, the
// manifest, then the removal of chunks that the manifest no longer names; a crash between any two
// leaves the old state or the new one. After an error no Ack was called. After ErrFenced the
// partition must be loaded again; after any other error Save may be called again with newer bytes
// and all the Acks that were not called: whether the failed one reached the disk is found out then.
func (s *Store) Save(ctx context.Context, partition int, save Save) error {
	sl := s.slot(partition)
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if !sl.loaded {
		return fmt.Errorf("save partition %d: %w: it was not loaded since", partition, ErrFenced)
	}
	err := s.save(ctx, sl, partition, save)
	switch {
	case errors.Is(err, ErrFenced):
		sl.loaded = false
		s.fenced.Add(1)
	case err != nil:
		s.failed.Add(1)
	}
	if err != nil {
		return fmt.Errorf("save partition %d: %w", partition, err)
	}
	s.saves.Add(1)
	for _, ack := range save.Acks {
		if ack() != nil {
			s.acksFailed.Add(1)
		}
	}
	return nil
}

func (s *Store) save(ctx context.Context, sl *slot, partition int, save Save) error {
	if err := s.resolve(ctx, sl, partition); err != nil {
		return err
	}
	old := sl.manifest.Chunks
	base := sl.needBase || len(old) == 0 || len(old) >= maxChunks ||
		sl.changeSize > max(old[0].Size, minBase)
	st := State{Incidents: save.Incidents, Outbox: save.Outbox, Watermarks: save.Watermarks, Extra: save.Extra}
	sl.needBase = true // until the manifest names what the ledger is about to give away
	if base {
		st.Ledger = [][]byte{save.Ledger.AppendSnapshot(nil)}
		s.bases.Add(1)
	} else {
		st.Ledger = [][]byte{save.Ledger.AppendChanges(nil)}
	}
	ref, err := s.putChunk(ctx, sl, partition, encodeChunk(&st))
	if err != nil {
		return err
	}
	next := s.nextManifest(sl, partition)
	if !base {
		next.Chunks = append(next.Chunks, old...)
	}
	next.Chunks = append(next.Chunks, ref)
	if err := s.putManifest(ctx, sl, partition, next); err != nil {
		return err
	}
	if base {
		for _, c := range old {
			s.remove(ctx, c.Name)
		}
	}
	return s.fault("removed")
}

func (s *Store) nextManifest(sl *slot, partition int) *weirv1.Manifest {
	m := &weirv1.Manifest{
		SchemaVersion: manifestVersion, Partition: uint32(partition),
		Generation: sl.manifest.Generation + 1, Writer: s.cfg.Writer,
	}
	if s.cfg.Now != nil {
		m.WrittenUnixNano = uint64(s.cfg.Now().UnixNano())
	}
	return m
}

// chunkName is unique to every attempt of every writer, so that nobody ever touches a chunk that a
// manifest names or may come to name: the write of a manifest can arrive after it was given up.
func (s *Store) chunkName(partition int, generation uint64) string {
	return fmt.Sprintf("%s.%016x.%s-%d", key(partition), generation, s.writer, s.attempts.Add(1))
}

func (s *Store) putChunk(ctx context.Context, sl *slot, partition int, chunk []byte) (*weirv1.ChunkRef, error) {
	if err := s.fault("chunk"); err != nil {
		return nil, err
	}
	name := s.chunkName(partition, sl.manifest.Generation+1)
	if _, err := s.objects.PutBytes(ctx, name, chunk); err != nil {
		return nil, fmt.Errorf("write chunk %s (is the bucket %s full?): %w", name, s.cfg.Objects, err)
	}
	s.bytes.Add(uint64(len(chunk)))
	sum := sha256.Sum256(chunk)
	return &weirv1.ChunkRef{Name: name, Size: uint64(len(chunk)), Sha256: sum[:]}, nil
}

func (s *Store) putManifest(ctx context.Context, sl *slot, partition int, next *weirv1.Manifest) error {
	if err := s.fault("manifest"); err != nil {
		return err
	}
	data, err := next.MarshalVT()
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	var revision uint64
	if sl.revision == 0 {
		revision, err = s.values.Create(ctx, key(partition), data)
	} else {
		revision, err = s.values.Update(ctx, key(partition), data, sl.revision)
	}
	if isFence(err) {
		return fmt.Errorf("%w: manifest %s is no longer at revision %d", ErrFenced, key(partition), sl.revision)
	}
	if err != nil {
		sl.unsure = next
		return fmt.Errorf("write manifest %s: %w", key(partition), err)
	}
	if err := s.fault("named"); err != nil {
		sl.unsure = next
		return err
	}
	sl.adopt(next, revision)
	return nil
}

func (sl *slot) adopt(m *weirv1.Manifest, revision uint64) {
	sl.manifest, sl.revision = m, revision
	sl.needBase, sl.unsure = false, nil
	sl.changeSize = 0
	for i, c := range m.Chunks {
		if i > 0 {
			sl.changeSize += c.Size
		}
	}
}

// resolve finds out whether a manifest whose write was not answered is there.
func (s *Store) resolve(ctx context.Context, sl *slot, partition int) error {
	if sl.unsure == nil {
		return nil
	}
	m, revision, err := s.manifest(ctx, partition)
	if err != nil {
		return err
	}
	mine := sl.unsure.Chunks[len(sl.unsure.Chunks)-1].Name
	switch {
	case revision == sl.revision:
		// Not written, and the next write claims the same revision: at most one of the two comes true.
		sl.unsure = nil
		return nil
	case len(m.Chunks) > 0 && m.Chunks[len(m.Chunks)-1].Name == mine:
		dropped := sl.manifest.Chunks
		if len(m.Chunks) > 1 {
			dropped = nil
		}
		sl.adopt(m, revision)
		for _, c := range dropped {
			s.remove(ctx, c.Name)
		}
		return nil
	}
	return fmt.Errorf("%w: manifest %s went from revision %d to %d", ErrFenced, key(partition), sl.revision, revision)
}

// The server's error codes for "wrong last sequence", without and with the sequence in the text.
const (
	wrongLastSequence      = 10071
	wrongLastSequenceConst = 10164
)

func isFence(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode == wrongLastSequence || api.ErrorCode == wrongLastSequenceConst
	}
	return errors.Is(err, jetstream.ErrKeyExists)
}
