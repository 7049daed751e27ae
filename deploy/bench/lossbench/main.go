// SPDX-License-Identifier: Apache-2.0

// Command lossbench says what becomes of the sensor's account when the capture loses packets: how much is still
// told, how much to nobody's charge, and whether a byte goes to a wrong principal.
//
// It assumes that the corpus knows what its hosts sent. It refuses to count as told what was not seen: bytes that
// only a length or an ACK number stands for are the gap's.
//
// Of the bytes that hosts sent, attributed are those seen of exchanges with a principal, heads and bodies; gap those
// not seen, wherever they were; unattributed the rest: seen, of exchanges charged to nobody, or framing and control
// frames, or between messages. The three make 1, or bytes were told twice or forgotten.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/weir-project/weir/deploy/bench/corpus"
)

// limits are what must hold.
const (
	maxError  = 0.005 // of the sum
	minRecall = 0.97  // at losses of up to 1 %
)

func main() {
	n := flag.Int("n", 800, "exchanges of a capture")
	seeds := flag.Int("seeds", 8, "captures of each kind")
	flag.Parse()
	if !bench(os.Stdout, *n, *seeds) {
		os.Exit(1)
	}
}

// bench prints the table and says whether all holds.
func bench(w io.Writer, n, seeds int) bool {
	keys := testKeys()
	good := true
	fmt.Fprintf(w, "%-11s %6s %5s  %7s %7s  %10s %12s %7s %9s  %6s %11s\n",
		"kind", "loss %", "burst", "recall", "named", "attributed", "unattributed", "gap", "sum - 1 %", "wrong", "bytes over")
	for _, kind := range corpus.Kinds {
		for _, burst := range []int{1, 8} {
			for _, rate := range []float64{0.0001, 0.001, 0.01, 0.05} {
				var all figures
				worst := 0.0
				var over uint64
				for seed := range uint64(seeds) {
					l := corpus.Busy(kind, n, seed)
					owners, err := principals(&l, keys)
					if err != nil {
						fmt.Fprintln(w, err)
						return false
					}
					f := judge(&l, owners, read(&l, keys, loss{rate, burst, seed}.picker()))
					all.recall += f.recall / float64(seeds)
					all.named += f.named / float64(seeds)
					all.attributed += f.attributed / float64(seeds)
					all.unattributed += f.unattributed / float64(seeds)
					all.gap += f.gap / float64(seeds)
					all.wrongOwner += f.wrongOwner
					over += f.wrongBytes
					if e := f.sum() - 1; math.Abs(e) > math.Abs(worst) {
						worst = e
					}
				}
				ok := math.Abs(worst) <= maxError && all.wrongOwner == 0 && (rate > 0.01 || all.recall >= minRecall)
				mark := ""
				if !ok {
					mark, good = "  FAIL", false
				}
				fmt.Fprintf(w, "%-11s %6.2f %5d  %7.4f %7.4f  %10.4f %12.4f %7.4f %9.3f  %6d %11d%s\n", kind, 100*rate, burst,
					all.recall, all.named, all.attributed, all.unattributed, all.gap, 100*worst, all.wrongOwner, over, mark)
			}
		}
	}
	return good
}
