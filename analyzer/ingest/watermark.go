// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"cmp"
	"slices"
)

// Verdict says what to do with a batch.
type Verdict uint8

// The verdicts.
const (
	Apply     Verdict = iota + 1 // new: apply it once, acknowledge it after the checkpoint
	Duplicate                    // applied before: do not apply it, acknowledge it after the next checkpoint
	Refuse                       // cannot be remembered: neither apply nor acknowledge it; Nak it
)

// Bounds of a partition's watermarks.
const (
	maxBoots = 16_384 // boots of sensors and imports remembered
	maxSpans = 1024   // islands of applied batches beyond the first hole of one boot

	dayNano = 24 * 3600 * 1_000_000_000
	// holeAge is for how long a missing batch is waited for when room runs out: longer than
	// streams and spools keep anything.
	holeAge = 7 * dayNano
	// bootAge is for how long a silent boot is remembered when room runs out.
	bootAge = 28 * dayNano
)

// WatermarkCounts are the batches of one partition by verdict, and what the bounds cost.
type WatermarkCounts struct {
	Applied, Duplicates uint64
	RefusedBoots        uint64 // batches refused because maxBoots boots are remembered
	RefusedHoles        uint64 // batches refused because maxSpans holes are open
	HolesGivenUp        uint64 // missing batches that are no longer waited for
	BootsForgotten      uint64 // silent boots forgotten for room
}

type bootKey struct {
	sensor string
	boot   uint64
}

// span is an island of applied sequences, both ends included.
type span struct {
	first, last uint64
	end         int64 // window end of the batch that made it
}

// mark is what is known of one boot: everything through, and the spans beyond, in order, each with
// a hole before it.
type mark struct {
	through   uint64
	spans     []span
	windowEnd int64 // newest
	touched   int64 // the partition's newest window end when its last batch was applied
}

// Watermarks remember which batches of one partition were applied, by (sensor, boot, sequence). A
// run of batches costs the same as one, so memory grows with holes and not with time. They never
// forget a batch that can still come: without room they refuse. They are not safe for concurrent
// use.
type Watermarks struct {
	boots  map[bootKey]*mark
	newest int64
	counts WatermarkCounts
}

// NewWatermarks makes an empty set.
func NewWatermarks() *Watermarks { return &Watermarks{boots: make(map[bootKey]*mark)} }

// Admit decides on a batch, and remembers it when it says Apply. windowEnd is the end of the
// batch's window, Unix nanoseconds. Sequences count from 1.
func (w *Watermarks) Admit(sensor string, boot, seq uint64, windowEnd int64) Verdict {
	if seq == 0 {
		return Refuse
	}
	key := bootKey{sensor, boot}
	m := w.boots[key]
	if m == nil {
		if len(w.boots) >= maxBoots && !w.forget() {
			w.counts.RefusedBoots++
			return Refuse
		}
		m = &mark{}
		w.boots[key] = m
	}
	verdict := w.admit(m, seq, windowEnd)
	switch verdict {
	case Apply:
		w.counts.Applied++
		w.newest = max(w.newest, windowEnd)
		m.windowEnd = max(m.windowEnd, windowEnd)
		m.touched = w.newest
	case Duplicate:
		w.counts.Duplicates++
	}
	return verdict
}

func (w *Watermarks) admit(m *mark, seq uint64, windowEnd int64) Verdict {
	if seq <= m.through {
		return Duplicate
	}
	if seq == m.through+1 {
		m.through = seq
		m.absorb()
		return Apply
	}
	i, inside := slices.BinarySearchFunc(m.spans, seq, func(s span, seq uint64) int {
		switch {
		case s.last < seq:
			return -1
		case s.first > seq:
			return 1
		}
		return 0
	})
	if inside {
		return Duplicate
	}
	before := i > 0 && m.spans[i-1].last+1 == seq
	after := i < len(m.spans) && m.spans[i].first == seq+1
	switch {
	case before && after:
		m.spans[i-1].last = m.spans[i].last
		m.spans = slices.Delete(m.spans, i, i+1)
	case before:
		m.spans[i-1].last = seq
	case after:
		m.spans[i].first = seq
	default:
		return w.island(m, i, seq, windowEnd)
	}
	return Apply
}

func (w *Watermarks) island(m *mark, i int, seq uint64, windowEnd int64) Verdict {
	if len(m.spans) >= maxSpans {
		if i == 0 || w.newest-m.spans[0].end < holeAge {
			w.counts.RefusedHoles++
			return Refuse
		}
		w.counts.HolesGivenUp += m.spans[0].first - m.through - 1
		m.through = m.spans[0].first - 1
		m.absorb()
		i--
	}
	m.spans = slices.Insert(m.spans, i, span{seq, seq, windowEnd})
	return Apply
}

func (m *mark) absorb() {
	if len(m.spans) > 0 && m.spans[0].first == m.through+1 {
		m.through = m.spans[0].last
		m.spans = slices.Delete(m.spans, 0, 1)
	}
}

// forget drops the boot that has been silent longest, if that is long enough.
func (w *Watermarks) forget() bool {
	var oldest bootKey
	var m *mark
	for key, c := range w.boots {
		if m == nil || c.touched < m.touched || (c.touched == m.touched && compareBoots(key, oldest) < 0) {
			oldest, m = key, c
		}
	}
	if m == nil || w.newest-m.touched < bootAge {
		return false
	}
	delete(w.boots, oldest)
	w.counts.BootsForgotten++
	return true
}

func compareBoots(a, b bootKey) int {
	return cmp.Or(cmp.Compare(a.sensor, b.sensor), cmp.Compare(a.boot, b.boot))
}

// WindowEnd gives the newest window end of the partition, 0 before the first batch.
func (w *Watermarks) WindowEnd() int64 { return w.newest }

// Missing gives how many batches have not come though later ones of the same boot have.
func (w *Watermarks) Missing() uint64 {
	var n uint64
	for _, m := range w.boots {
		at := m.through
		for _, s := range m.spans {
			n += s.first - at - 1
			at = s.last
		}
	}
	return n
}

// Counts gives what happened since the set was made or restored.
func (w *Watermarks) Counts() WatermarkCounts { return w.counts }
