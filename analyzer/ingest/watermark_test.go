// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/analyzer/ingest"
)

const dayNano = 24 * 3600 * 1_000_000_000

// Whatever the order, the repeats and the restarts, each batch is applied once.
func TestEachBatchOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w := ingest.NewWatermarks()
		applied := map[[2]uint64]int{}
		var queue [][2]uint64
		for boot := range uint64(3) {
			for seq := range uint64(100) {
				for range 1 + rng.IntN(3) {
					queue = append(queue, [2]uint64{boot, seq + 1})
				}
			}
		}
		rng.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		for i, q := range queue {
			want := ingest.Apply
			if applied[q] > 0 {
				want = ingest.Duplicate
			}
			if got := w.Admit("s", q[0], q[1], int64(i)); got != want {
				t.Fatalf("boot %d seq %d: %d, want %d", q[0], q[1], got, want)
			}
			applied[q]++
			if rng.IntN(20) == 0 {
				snap := w.AppendSnapshot(nil)
				w = ingest.NewWatermarks()
				if err := w.Restore(snap); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(w.AppendSnapshot(nil), snap) {
					t.Fatal("not the same again")
				}
			}
		}
		if w.Missing() != 0 {
			t.Fatalf("%d missing", w.Missing())
		}
		if n := len(w.AppendSnapshot(nil)); n > 120 {
			t.Fatalf("%d bytes for three boots without holes", n)
		}
	}
}

func TestWithoutRoomForHolesItRefuses(t *testing.T) {
	w := ingest.NewWatermarks()
	now := int64(100 * dayNano)
	for i := range uint64(1024) {
		if got := w.Admit("s", 1, 2+2*i, now); got != ingest.Apply {
			t.Fatalf("hole %d: %d", i, got)
		}
	}
	if w.Missing() != 1024 {
		t.Errorf("%d missing, want 1024", w.Missing())
	}
	if got := w.Admit("s", 1, 9000, now); got != ingest.Refuse {
		t.Errorf("beyond the bound: %d", got)
	}
	if got := w.Admit("s", 1, 2050-1, now); got != ingest.Apply { // widens the last island
		t.Errorf("a neighbour: %d", got)
	}
	if got := w.Admit("s", 1, 1, now); got != ingest.Apply { // fills the first hole
		t.Errorf("a filler: %d", got)
	}
	if got := w.Admit("s", 1, 9000, now); got != ingest.Apply {
		t.Errorf("after a hole was filled: %d", got)
	}
	if got := w.Admit("s", 1, 9500, now); got != ingest.Refuse {
		t.Errorf("full again: %d", got)
	}
	// A week later the oldest hole is given up: what could fill it is refused as a duplicate.
	w.Admit("other", 1, 1, now+8*dayNano)
	if got := w.Admit("s", 1, 9500, now+8*dayNano); got != ingest.Apply {
		t.Errorf("after a week: %d", got)
	}
	if c := w.Counts(); c.HolesGivenUp != 1 || c.RefusedHoles != 2 {
		t.Errorf("counts %+v", c)
	}
	if got := w.Admit("s", 1, 3, now); got != ingest.Duplicate {
		t.Errorf("a batch that was given up: %d", got)
	}
}

func TestWithoutRoomForBootsItRefuses(t *testing.T) {
	w := ingest.NewWatermarks()
	for b := range uint64(16_384) {
		w.Admit("s", b, 1, dayNano)
	}
	if got := w.Admit("s", 99_999, 1, 2*dayNano); got != ingest.Refuse {
		t.Errorf("beyond the bound: %d", got)
	}
	w.Admit("s", 7, 2, 40*dayNano)
	if got := w.Admit("s", 99_999, 1, 40*dayNano); got != ingest.Apply {
		t.Errorf("after four silent weeks: %d", got)
	}
	if got := w.Admit("s", 7, 2, 40*dayNano); got != ingest.Duplicate {
		t.Errorf("the boot that spoke was forgotten: %d", got)
	}
	if c := w.Counts(); c.BootsForgotten != 1 || c.RefusedBoots != 1 {
		t.Errorf("counts %+v", c)
	}
	if w.WindowEnd() != 40*dayNano || w.Admit("s", 1, 0, 0) != ingest.Refuse {
		t.Error("window end, or sequence 0")
	}
}

func TestWatermarksAllocateNothing(t *testing.T) {
	w := ingest.NewWatermarks()
	w.Admit("sensor", 1, 1, 1)
	seq := uint64(1)
	if n := testing.AllocsPerRun(1000, func() {
		seq++
		w.Admit("sensor", 1, seq, int64(seq))
		w.Admit("sensor", 1, seq, int64(seq))
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func FuzzRestore(f *testing.F) {
	w := ingest.NewWatermarks()
	f.Add(w.AppendSnapshot(nil))
	for _, seq := range []uint64{1, 2, 5, 9, 10, 11, 4} {
		w.Admit("a", 1, seq, int64(seq))
		w.Admit("b", seq, seq, int64(seq))
	}
	f.Add(w.AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		w := ingest.NewWatermarks()
		if w.Restore(snapshot) != nil {
			return
		}
		again := w.AppendSnapshot(nil)
		v := ingest.NewWatermarks()
		if err := v.Restore(again); err != nil || !bytes.Equal(v.AppendSnapshot(nil), again) {
			t.Fatalf("not the same again: %v", err)
		}
		for seq := range uint64(40) {
			first := w.Admit("a", 1, seq, 5)
			if second := w.Admit("a", 1, seq, 5); first == ingest.Apply && second != ingest.Duplicate {
				t.Fatalf("sequence %d: %d then %d", seq, first, second)
			}
		}
		w.Missing()
	})
}
