// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFreshIsUnbiased: the mean over many principals is right, and the spread is what notes on
// detection measured (4-6 % for an attack day at precision 10).
func TestFreshIsUnbiased(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ known, read int }{{0, 9000}, {0, 200}, {5000, 5000}, {20_000, 20_000}} {
		var sum, squares, tested float64
		const trials = 40
		for range trials {
			var k sketches
			var o objectSet
			for range c.known {
				k.add(&o, r.Uint64())
			}
			fresh := 0.0
			for range c.read {
				h := r.Uint64()
				tested += k.test(&o, h) / float64(c.read)
				fresh += k.add(&o, h)
			}
			sum += fresh
			squares += fresh * fresh
			if again := k.known(&o); math.Abs(again-float64(c.known+c.read)) > 0.15*float64(c.known+c.read) {
				t.Errorf("knows %v of %d", again, c.known+c.read)
			}
		}
		mean := sum / trials
		sd := math.Sqrt(max(squares/trials-mean*mean, 0))
		t.Logf("known %d read %d: mean %.0f sd %.1f %%, tested %.3f", c.known, c.read, mean, 100*sd/float64(c.read), tested/trials)
		if math.Abs(mean-float64(c.read)) > 4*sd/math.Sqrt(trials)+1 {
			t.Errorf("known %d read %d: mean %v with sd %v", c.known, c.read, mean, sd)
		}
		if sd > 0.08*float64(c.read) {
			t.Errorf("known %d read %d: sd %v", c.known, c.read, sd)
		}
	}
}

// TestReadAgainIsNotFresh in every form, and sets that were read again survive a turn.
func TestReadAgainIsNotFresh(t *testing.T) {
	for _, n := range []uint64{1, 8, 9, 64, 65, 3000} {
		var k sketches
		var o objectSet
		for turn := range int32(4) {
			k.turn(&o, turn)
			fresh := 0.0
			for i := range n {
				fresh += k.add(&o, mix(i))
			}
			if turn > 0 && fresh != 0 {
				t.Errorf("%d objects: %v fresh when read again in generation %d", n, fresh, turn)
			}
		}
		k.turn(&o, 6)
		if k.known(&o) != 0 || o.form != 0 {
			t.Errorf("%d objects: remembers %v after two idle generations", n, k.known(&o))
		}
	}
}

// TestSumsAreExact: what is recomputed after a restore equals what was kept on the way.
func TestSumsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var k sketches
	var o objectSet
	for i := range 200_000 {
		k.add(&o, r.Uint64())
		if i == 100_000 {
			k.turn(&o, 1)
		}
	}
	d := k.dense.at(o.at)
	now, all := d.sumNow, d.sumAll
	if d.sums(); d.sumNow != now || d.sumAll != all {
		t.Errorf("sums drifted: %v %v, want %v %v", now, all, d.sumNow, d.sumAll)
	}
}
