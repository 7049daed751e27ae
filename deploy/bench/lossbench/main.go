// SPDX-License-Identifier: Apache-2.0

// Command lossbench says what becomes of the sensor's account when the capture loses packets, or begins late: how
// much is still told, how much to nobody's charge, and whether a byte goes to a wrong principal.
//
//	go run ./deploy/bench/lossbench [-n 800] [-seeds 8] [-joins=false] [-v]
//
// It assumes that the corpus knows what its hosts sent. It refuses to count as told what was not seen: bytes that
// only a length or an ACK number stands for are the gap's. It exits 1 if a check failed.
//
// Of the TCP payload that the hosts sent,
//
//	attributed   = heads and bodies of the exchanges told of with a principal, but for what of them is gap
//	unattributed = the same of exchanges charged to nobody
//	             + what session counts as framing, control frames, stray, junk, undecided and ignored
//	             + what flow dropped
//	gap          = gap bytes of all exchanges + what session counts as lost outside bodies
//	beyond       = what no packet that is left bears witness to: ends of directions that were lost whole
//
// and the four make 1, to half a percent: else bytes were told twice, or forgotten. No exchange may be charged to
// another principal than without loss, nor with more bytes than its messages had on the wire.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/sensor/exchange"
)

// limits are what must hold.
const (
	maxError  = 0.005 // of the sum
	minRecall = 0.97  // at losses of up to 1 %
)

func main() {
	n := flag.Int("n", 800, "exchanges of a capture")
	seeds := flag.Int("seeds", 8, "captures of each kind")
	joins := flag.Bool("joins", true, "also begin every capture of the corpus at each of its packets, and lose some of them")
	verbose := flag.Bool("v", false, "print what went wrong")
	flag.Parse()
	b := &bench{out: os.Stdout, rig: newRig(), verbose: *verbose, good: true}
	if err := b.losses(corpus.Kinds, *n, *seeds); err != nil {
		fmt.Fprintln(os.Stderr, "lossbench:", err)
		os.Exit(2)
	}
	if err := b.owners(true); err != nil {
		fmt.Fprintln(os.Stderr, "lossbench:", err)
		os.Exit(2)
	}
	if *joins {
		all := corpus.All()
		b.joins(all, 1)
		b.holes(all, 12)
	}
	if !b.good {
		os.Exit(1)
	}
}

// bench prints figures and remembers whether all holds.
type bench struct {
	out     io.Writer
	rig     *rig
	verbose bool
	good    bool
}

// losses prints a table of every kind, rate and way of losing.
func (b *bench) losses(kinds []string, n, seeds int) error {
	fmt.Fprintf(b.out, "%-11s %6s %5s  %7s %7s  %10s %12s %7s %7s %9s  %6s %11s %8s\n",
		"kind", "loss %", "burst", "recall", "named", "attributed", "unattributed", "gap", "beyond", "sum - 1 %", "wrong", "bytes over", "unseen")
	for _, kind := range kinds {
		loads := make([]corpus.Load, seeds)
		owners := make([]map[string]exchange.ID, seeds)
		for seed := range loads {
			loads[seed] = corpus.Busy(kind, n, uint64(seed))
			var err error
			if owners[seed], err = principals(&loads[seed], b.rig); err != nil {
				return err
			}
		}
		for _, burst := range []int{1, 8} {
			for _, rate := range []float64{0.0001, 0.001, 0.01, 0.05} {
				b.row(kind, loads, owners, rate, burst)
			}
		}
	}
	return nil
}

// row is one line: the mean over the seeds, and the worst sum.
func (b *bench) row(kind string, loads []corpus.Load, owners []map[string]exchange.ID, rate float64, burst int) {
	var all figures
	worst, n := 0.0, float64(len(loads))
	for seed := range loads {
		l := loss{rate, burst, uint64(seed)}
		f := judge(&loads[seed], owners[seed], b.rig.read(&loads[seed], l.picker()))
		f.beyond = beyond(&loads[seed], l.picker())
		all.recall += f.recall / n
		all.named += f.named / n
		all.attributed += f.attributed / n
		all.unattributed += f.unattributed / n
		all.gap += f.gap / n
		all.beyond += f.beyond / n
		all.wrongOwner += f.wrongOwner
		all.wrongBytes += f.wrongBytes
		all.unseenBytes += f.unseenBytes
		if e := f.sum() - 1; math.Abs(e) > math.Abs(worst) {
			worst = e
		}
		for _, text := range f.examples {
			if b.verbose {
				fmt.Fprintf(b.out, "  seed %d: %s\n", seed, text)
			}
		}
	}
	mark := ""
	if math.Abs(worst) > maxError || all.wrongOwner > 0 || all.wrongBytes > 0 || rate <= 0.01 && all.recall < minRecall {
		mark, b.good = "  FAIL", false
	}
	fmt.Fprintf(b.out, "%-11s %6.2f %5d  %7.4f %7.4f  %10.4f %12.4f %7.4f %7.4f %9.3f  %6d %11d %8d%s\n", kind, 100*rate, burst,
		all.recall, all.named, all.attributed, all.unattributed, all.gap, all.beyond, 100*worst, all.wrongOwner, all.wrongBytes, all.unseenBytes, mark)
}
