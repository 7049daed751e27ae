// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func setOf(hashes ...uint64) *weirv1.ObjectSet {
	s := &weirv1.ObjectSet{}
	wire.AddObjects(s, hashes)
	return s
}

func TestObjectSetCounts(t *testing.T) {
	m := newMaker(1)
	for _, n := range []int{0, 1, 255, 256, 257, 1000, 20000, 300000} {
		s := &weirv1.ObjectSet{}
		for range n {
			h := m.r.Uint64()
			wire.AddObjects(s, []uint64{h, h})
		}
		got, worst := float64(wire.CountObjects(s)), 0.0
		if n > 256 {
			worst = 0.08 * float64(n) // 3.5 standard errors
		}
		if math.Abs(got-float64(n)) > worst || s.Seen != uint64(2*n) {
			t.Errorf("%d objects counted as %v, seen %d", n, got, s.Seen)
		}
		if exact := len(s.Hyperloglog) == 0; exact != (n <= 256) {
			t.Errorf("%d objects: exact %v", n, exact)
		}
		wire.CoarsenObjects(s, 7)
		if got := float64(wire.CountObjects(s)); n > 256 && math.Abs(got-float64(n)) > 0.35*float64(n) {
			t.Errorf("%d objects counted coarsely as %v", n, got)
		}
	}
	if wire.CountObjects(nil) != 0 {
		t.Error("nil holds something")
	}
	wire.CoarsenObjects(nil, 7)
}

// Whatever order and grouping sets are merged in, the result is the set of all hashes.
func TestObjectSetMergesInAnyOrder(t *testing.T) {
	m := newMaker(2)
	for range 200 {
		hashes := make([]uint64, m.r.IntN(900))
		for i := range hashes {
			hashes[i] = m.r.Uint64() >> 1 << (m.r.IntN(2))
		}
		want := setOf(hashes...)
		parts := []*weirv1.ObjectSet{}
		for rest := hashes; ; {
			n := m.r.IntN(len(rest) + 1)
			parts = append(parts, setOf(rest[:n]...))
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
		for range 3 {
			m.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			got := &weirv1.ObjectSet{}
			for _, p := range parts {
				wire.MergeObjects(got, p)
			}
			if !proto.Equal(want, got) {
				t.Fatal(cmp.Diff(want, got, protocmp.Transform()))
			}
		}
	}
}

// A coarser sketch of hashes is what folding a finer one gives.
func TestObjectSetFolds(t *testing.T) {
	m := newMaker(3)
	hashes := make([]uint64, 5000)
	for i := range hashes {
		hashes[i] = m.r.Uint64() >> (m.r.IntN(3) * 9) // some with long runs of zeros
	}
	for precision := 4; precision < 11; precision++ {
		base := setOf()
		base.Hyperloglog = append([]byte{byte(precision)}, make([]byte, 1<<precision)...)
		wire.AddObjects(base, hashes)
		fine := setOf(hashes...)
		wire.CoarsenObjects(fine, precision)
		if !slices.Equal(base.Hyperloglog, fine.Hyperloglog) {
			t.Errorf("precision %d: folded differs", precision)
		}
		merged := setOf(hashes[:2500]...)
		coarse := setOf()
		coarse.Hyperloglog = append([]byte{byte(precision)}, make([]byte, 1<<precision)...)
		wire.AddObjects(coarse, hashes[2500:])
		wire.MergeObjects(merged, coarse)
		if !slices.Equal(base.Hyperloglog, merged.Hyperloglog) {
			t.Errorf("precision %d: merged with a finer one it differs", precision)
		}
	}
}
