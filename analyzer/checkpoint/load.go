// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Load reads a partition's state and makes this Store one that may save it next. A partition that
// was never saved gives an empty State.
func (s *Store) Load(ctx context.Context, partition int) (State, error) {
	sl := s.slot(partition)
	sl.mu.Lock()
	defer sl.mu.Unlock()
	for range 8 {
		m, revision, err := s.manifest(ctx, partition)
		if err != nil {
			return State{}, fmt.Errorf("load partition %d: %w", partition, err)
		}
		st, err := s.read(ctx, partition, m)
		if err == nil {
			sl.adopt(m, revision)
			sl.loaded = true
			return st, nil
		}
		// The owner may have written a new base and removed the old chunks while they were read.
		if _, now, again := s.manifest(ctx, partition); again != nil || now == revision {
			return State{}, fmt.Errorf("load partition %d: %w", partition, errors.Join(err, again))
		}
	}
	return State{}, fmt.Errorf("load partition %d: it is saved faster than it can be read; try again", partition)
}

// Current says whether the partition is still as this Store last loaded or saved it: then no other
// writer was in between, and the state in memory is good.
func (s *Store) Current(ctx context.Context, partition int) (bool, error) {
	sl := s.slot(partition)
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if !sl.loaded {
		return false, nil
	}
	if err := s.resolve(ctx, sl, partition); err != nil {
		if errors.Is(err, ErrFenced) {
			return false, nil
		}
		return false, fmt.Errorf("look at partition %d: %w", partition, err)
	}
	_, revision, err := s.manifest(ctx, partition)
	if err != nil {
		return false, fmt.Errorf("look at partition %d: %w", partition, err)
	}
	return revision == sl.revision, nil
}

// manifest reads the manifest of a partition; revision 0 and an empty one where there is none.
func (s *Store) manifest(ctx context.Context, partition int) (*weirv1.Manifest, uint64, error) {
	m := new(weirv1.Manifest)
	entry, err := s.values.Get(ctx, key(partition))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return m, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read manifest %s: %w", key(partition), err)
	}
	if err := m.UnmarshalVT(entry.Value()); err != nil || m.Partition != uint32(partition) || len(m.Chunks) == 0 {
		return nil, 0, fmt.Errorf("manifest %s is damaged (revision %d): an older revision in bucket %s may be good", key(partition), entry.Revision(), s.cfg.Manifests)
	}
	if m.SchemaVersion != manifestVersion {
		return nil, 0, fmt.Errorf("manifest %s has version %d, this program reads version %d: use the program that wrote it or a newer one", key(partition), m.SchemaVersion, manifestVersion)
	}
	return m, entry.Revision(), nil
}

func (s *Store) read(ctx context.Context, partition int, m *weirv1.Manifest) (State, error) {
	st := State{Partition: partition, Generation: m.Generation}
	for _, ref := range m.Chunks {
		chunk, err := s.objects.GetBytes(ctx, ref.Name)
		if err != nil {
			return State{}, fmt.Errorf("read chunk %s: %w", ref.Name, err)
		}
		if sum := sha256.Sum256(chunk); uint64(len(chunk)) != ref.Size || !bytes.Equal(sum[:], ref.Sha256) {
			return State{}, fmt.Errorf("read chunk %s: it is not what the manifest names", ref.Name)
		}
		if err := decodeChunk(&st, chunk); err != nil {
			return State{}, fmt.Errorf("read chunk %s: %w", ref.Name, err)
		}
	}
	return st, nil
}

// Collect removes chunks that crashed writers left and no manifest names, if they are older than
// before, which must leave a writer time to finish a save: an hour is plenty. It returns how many
// it removed.
func (s *Store) Collect(ctx context.Context, before time.Time) (int, error) {
	infos, err := s.objects.List(ctx, jetstream.ListObjectsShowDeleted())
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return 0, fmt.Errorf("list chunks: %w", err)
	}
	generation, named, err := s.named(ctx)
	if err != nil {
		return 0, fmt.Errorf("collect chunks: %w", err)
	}
	removed, known := 0, make(map[string]bool, len(infos))
	for _, info := range infos {
		known[info.NUID] = true
		p, g, ok := parseChunkName(info.Name)
		// A later generation than the manifest's is one being written.
		if !ok || named[info.Name] || g > generation[p] || !info.ModTime.Before(before) {
			continue
		}
		if err := s.purge(ctx, info); err != nil {
			return removed, fmt.Errorf("remove chunk %s: %w", info.Name, err)
		}
		removed++
	}
	torn, err := s.collectTorn(ctx, known, before)
	return removed + torn, err
}

// named gives the generation of every partition and the names of all chunks in use.
func (s *Store) named(ctx context.Context) (generation [wire.Partitions]uint64, names map[string]bool, err error) {
	names = make(map[string]bool)
	for p := range generation {
		m, _, err := s.manifest(ctx, p)
		if err != nil {
			return generation, nil, err
		}
		generation[p] = m.Generation
		for _, c := range m.Chunks {
			names[c.Name] = true
		}
	}
	return generation, names, nil
}

// collectTorn removes the messages of objects whose writer died before it could name them.
func (s *Store) collectTorn(ctx context.Context, known map[string]bool, before time.Time) (int, error) {
	prefix := "$O." + s.cfg.Objects + ".C."
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return 0, fmt.Errorf("list parts of chunks: %w", err)
	}
	removed := 0
	for subject := range info.State.Subjects {
		if known[strings.TrimPrefix(subject, prefix)] {
			continue
		}
		last, err := s.stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("look at a part of a chunk: %w", err)
		}
		if !last.Time.Before(before) {
			continue
		}
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return removed, fmt.Errorf("remove parts of a chunk: %w", err)
		}
		removed++
	}
	return removed, nil
}

func parseChunkName(name string) (partition int, generation uint64, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || len(parts[0]) != 3 || parts[0][0] != 'p' || len(parts[1]) != 16 {
		return 0, 0, false
	}
	partition, err := strconv.Atoi(parts[0][1:])
	if err != nil || partition < 0 || partition >= wire.Partitions {
		return 0, 0, false
	}
	generation, err = strconv.ParseUint(parts[1], 16, 64)
	return partition, generation, err == nil
}

// remove takes a chunk away that no manifest names. What stays is left to Collect.
func (s *Store) remove(ctx context.Context, name string) {
	info, err := s.objects.GetInfo(ctx, name)
	if err == nil {
		err = s.purge(ctx, info)
	}
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		s.removesFailed.Add(1)
	}
}

// purge removes an object's messages from the stream behind the bucket (ADR-20). The bucket's own
// Delete leaves a marker under the name for ever, and every chunk has a name of its own.
func (s *Store) purge(ctx context.Context, info *jetstream.ObjectInfo) error {
	name := base64.URLEncoding.EncodeToString([]byte(info.Name))
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject("$O."+s.cfg.Objects+".M."+name)); err != nil {
		return err
	}
	if info.NUID == "" {
		return nil
	}
	return s.stream.Purge(ctx, jetstream.WithPurgeSubject("$O."+s.cfg.Objects+".C."+info.NUID))
}
