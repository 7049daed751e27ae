// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A snapshot of watermarks is
//
//	+-------------+------------------------+-----------------+------------+
//	| version (1) | newest window end      | n boots, varint | n x boot   |
//	|             | (zigzag varint)        |                 |            |
//	+-------------+------------------------+-----------------+------------+
//
// in the order of sensor and boot, a boot being: length and text of the sensor, 8 bytes of boot
// little endian, through, window end, touched, number of spans, and each span as the size of the
// hole before it, its length less one, and its window end. Numbers are varints, times zigzag.
const snapshotVersion = 1

const maxSensor = 1024 // bytes of a sensor's name

var errDamaged = errors.New("restore watermarks: the snapshot is damaged")

// AppendSnapshot appends the state to dst, the same bytes for the same state.
func (w *Watermarks) AppendSnapshot(dst []byte) []byte {
	keys := make([]bootKey, 0, len(w.boots))
	for key := range w.boots {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareBoots)
	dst = binary.AppendVarint(append(dst, snapshotVersion), w.newest)
	dst = binary.AppendUvarint(dst, uint64(len(keys)))
	for _, key := range keys {
		m := w.boots[key]
		dst = append(binary.AppendUvarint(dst, uint64(len(key.sensor))), key.sensor...)
		dst = binary.LittleEndian.AppendUint64(dst, key.boot)
		dst = binary.AppendUvarint(dst, m.through)
		dst = binary.AppendVarint(binary.AppendVarint(dst, m.windowEnd), m.touched)
		dst = binary.AppendUvarint(dst, uint64(len(m.spans)))
		at := m.through
		for _, s := range m.spans {
			dst = binary.AppendUvarint(dst, s.first-at-1)
			dst = binary.AppendUvarint(dst, s.last-s.first)
			dst = binary.AppendVarint(dst, s.end)
			at = s.last
		}
	}
	return dst
}

// Restore replaces the state by a snapshot. No bytes are the state of a new set. After an error the
// set is as it was.
func (w *Watermarks) Restore(snapshot []byte) error {
	restored := NewWatermarks()
	if len(snapshot) > 0 {
		if snapshot[0] != snapshotVersion {
			return fmt.Errorf("restore watermarks: version %d, this program reads version %d: use the program that wrote it or a newer one", snapshot[0], snapshotVersion)
		}
		r := reader{rest: snapshot[1:]}
		restored.newest = r.int()
		for n := r.uint(); n > 0 && !r.failed; n-- {
			key, m := r.boot()
			if restored.boots[key] != nil {
				r.failed = true
			}
			restored.boots[key] = m
		}
		if r.failed || len(r.rest) > 0 {
			return errDamaged
		}
	}
	*w = *restored
	return nil
}

// reader takes a snapshot apart. After the first fault it gives zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) boot() (bootKey, *mark) {
	var key bootKey
	key.sensor = string(r.bytes(r.bound(maxSensor)))
	if b := r.bytes(8); b != nil {
		key.boot = binary.LittleEndian.Uint64(b)
	}
	m := &mark{through: r.uint(), windowEnd: r.int(), touched: r.int()}
	at := m.through
	for n := r.bound(maxSpans); n > 0 && !r.failed; n-- {
		hole, length, end := r.uint(), r.uint(), r.int()
		first := at + hole + 1
		last := first + length
		if hole == 0 || first <= at || last < first || last == ^uint64(0) {
			r.failed = true
			break
		}
		m.spans = append(m.spans, span{first, last, end})
		at = last
	}
	return key, m
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) bound(most uint64) uint64 {
	n := r.uint()
	if n > most {
		r.failed = true
		return 0
	}
	return n
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.rest)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}
