// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
)

// tally is the smallest thing a checkpoint can carry: sums by name, with changes.
type tally struct {
	sums  map[string]uint64
	dirty map[string]bool
}

func newTally() *tally { return &tally{sums: map[string]uint64{}, dirty: map[string]bool{}} }

func (l *tally) add(name string, n uint64) {
	l.sums[name] += n
	l.dirty[name] = true
}

func (l *tally) AppendSnapshot(dst []byte) []byte {
	clear(l.dirty)
	return l.appendNames(append(dst, 'b'), slices.Sorted(maps.Keys(l.sums)))
}

func (l *tally) AppendChanges(dst []byte) []byte {
	names := slices.Sorted(maps.Keys(l.dirty))
	clear(l.dirty)
	return l.appendNames(append(dst, 'c'), names)
}

func (l *tally) appendNames(dst []byte, names []string) []byte {
	for _, name := range names {
		dst = append(append(dst, name...), 0)
		dst = binary.LittleEndian.AppendUint64(dst, l.sums[name])
	}
	return dst
}

func (l *tally) Restore(chunks ...[]byte) error {
	*l = *newTally()
	for i, c := range chunks {
		if len(c) == 0 || (i == 0) != (c[0] == 'b') {
			return errors.New("a base, then changes")
		}
		for c = c[1:]; len(c) > 0; {
			name, rest, ok := strings.Cut(string(c), "\x00")
			if !ok || len(rest) < 8 {
				return errors.New("damaged")
			}
			l.sums[name] = binary.LittleEndian.Uint64([]byte(rest))
			c = []byte(rest[8:])
		}
	}
	return nil
}
