// SPDX-License-Identifier: Apache-2.0

package ingest

// Verdict says what to do with a batch.
type Verdict uint8

// The verdicts.
const (
	Apply     Verdict = iota + 1 // new: apply it once, acknowledge it after the checkpoint
	Duplicate                    // applied before: do not apply it, acknowledge it after the next checkpoint
	Refuse                       // cannot be remembered: neither apply nor acknowledge it; Nak it
)

// Watermarks remember which batches of one partition were applied. They are not safe for
// concurrent use.
type Watermarks struct{}

// NewWatermarks makes an empty set.
func NewWatermarks() *Watermarks { return &Watermarks{} }

// Admit decides on a batch, and remembers it when it says Apply. windowEnd is the end of the
// batch's window, Unix nanoseconds.
func (w *Watermarks) Admit(sensor string, boot, seq uint64, windowEnd int64) Verdict { return 0 }

// WindowEnd gives the newest window end of the partition, 0 before the first batch.
func (w *Watermarks) WindowEnd() int64 { return 0 }

// AppendSnapshot appends the state to dst, the same bytes for the same state.
func (w *Watermarks) AppendSnapshot(dst []byte) []byte { return dst }

// Restore replaces the state by a snapshot.
func (w *Watermarks) Restore(snapshot []byte) error { return nil }
