// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// live drives a summariser through 20 days of random life and gives its summaries; each hook may be
// preceded by a restart.
func live(t testing.TB, seed uint64, restart func(*population.Summariser) *population.Summariser) (out []*weirv1.PopulationSummary) {
	r := rand.New(rand.NewPCG(seed, 1))
	s := population.NewSummariser(5, isOpen)
	for h := int64(firstDay * 24); h < (firstDay+20)*24; h += 1 + r.Int64N(9) {
		for range r.IntN(20) {
			s = restart(s)
			v := voter(r.IntN(60))
			if r.IntN(9) == 0 {
				v.Addresses = nil
			}
			v.Now = h*hour + 60e9
			x := r.ExpFloat64() * 1000
			switch r.IntN(3) {
			case 0:
				s.Hour(v.ID, v, h, x)
			case 1:
				s.Day(v.ID, v, h/24, x, x/2, x*5, x)
			default:
				s.Scores(v, []finding.Score{{Channel: finding.Fresh, Value: x / 1000}, {Channel: finding.Guard, Value: 1}, {Channel: finding.Volume, Value: -1}})
			}
		}
		s = restart(s)
		out = append(out, s.Close(h))
	}
	return out
}

func isOpen(i finding.ID) bool { return i[7]%11 == 3 }

// A Summariser restored at any moment gives the same summaries.
func TestSnapshotAtAnyMoment(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for seed := range uint64(4) {
		want := live(t, seed, func(s *population.Summariser) *population.Summariser { return s })
		got := live(t, seed, func(s *population.Summariser) *population.Summariser {
			if r.IntN(7) > 0 {
				return s
			}
			b := s.AppendSnapshot(nil)
			next := population.NewSummariser(5, isOpen)
			if err := next.Restore(b); err != nil {
				t.Fatal(err)
			}
			if again := next.AppendSnapshot(nil); !bytes.Equal(b, again) {
				t.Fatal("a restored snapshot differs")
			}
			return next
		})
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatal(diff)
		}
	}
}

func snapshot(t testing.TB) (b []byte) {
	n := 0
	live(t, 1, func(s *population.Summariser) *population.Summariser {
		if n++; n == 400 {
			b = s.AppendSnapshot(nil)
		}
		return s
	})
	return b
}

func TestRestoreRefusesDamage(t *testing.T) {
	good := snapshot(t)
	empty := population.NewSummariser(0, nil).AppendSnapshot(nil)
	for n := range good {
		s := population.NewSummariser(0, nil)
		if s.Restore(good[:n]) == nil {
			t.Fatalf("%d of %d bytes restored", n, len(good))
		}
		if !bytes.Equal(s.AppendSnapshot(nil), empty) {
			t.Fatal("not as new after an error")
		}
	}
	if population.NewSummariser(0, nil).Restore(append(bytes.Clone(good), 0)) == nil {
		t.Error("a byte too many restored")
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(snapshot(f))
	f.Add(population.NewSummariser(0, nil).AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := population.NewSummariser(0, nil)
		if s.Restore(b) != nil {
			return
		}
		once := s.AppendSnapshot(nil)
		if err := s.Restore(once); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once, s.AppendSnapshot(nil)) {
			t.Fatal("restoring twice differs")
		}
		s.Close(firstDay * 24)
	})
}
