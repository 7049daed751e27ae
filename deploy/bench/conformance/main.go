// SPDX-License-Identifier: Apache-2.0

// Command conformance scores what weir-sensor reads from captures against what is true of them: the
// project's own corpus, made on the spot, and the captures of ../shared/cases/http where they are.
//
//	go run ./deploy/bench/conformance [-v] [-sensor bin/weir-sensor] [-cases DIR] [-keep DIR]
//
// It assumes a sensor that make build made. It exits 1 if a check failed, 2 if it could not run.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/deploy/bench/score"
)

// need is what a set of captures must reach. The shared set holds traffic whose truth is debatable: see errata.
type need struct {
	recall, exact, meanExact float64
	extra                    int
	clean                    bool // every capture is read without an error
}

var (
	needOwn    = need{recall: 1, exact: 1, meanExact: 1, extra: 0, clean: true}
	needShared = need{recall: 0.99, meanExact: 0.985, extra: 3}
)

func main() {
	sensor := flag.String("sensor", "bin/weir-sensor", "the sensor to score")
	cases := flag.String("cases", "../shared/cases/http", "other captures with truth, if present")
	keep := flag.String("keep", "", "write the corpus here and leave it")
	verbose := flag.Bool("v", false, "print every miss, and every class")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "conformance: takes no arguments; see -help")
		os.Exit(2)
	}
	c := &checks{out: os.Stdout, verbose: *verbose}
	if err := run(c, *sensor, *cases, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if !c.close() {
		os.Exit(1)
	}
}

// run scores both sets.
func run(c *checks, sensor, cases, keep string) error {
	if _, err := os.Stat(sensor); err != nil {
		return fmt.Errorf("no sensor: %w (make build makes it)", err)
	}
	dir, err := os.MkdirTemp("", "weir-conformance-")
	if err != nil {
		return fmt.Errorf("make a place for the corpus: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &reader{sensor: sensor, key: filepath.Join(dir, "tenant.key")}
	if err := os.WriteFile(r.key, []byte(strings.Repeat("5eed", 16)+"\n"), 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	own := filepath.Join(dir, "corpus")
	if keep != "" {
		own = keep
	}
	truth, captures, err := corpus.Write(own)
	if err != nil {
		return err
	}
	if err := c.set("own", r, filepath.Join(own, "pcaps"), truth, captures, score.Options{Orphans: true}, needOwn, nil); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(cases, "truth.jsonl")); err != nil {
		fmt.Fprintf(c.out, "\nNOT SCORED: real captures with truth are not at %s (%v)\n", cases, err)
		return nil
	}
	if truth, err = score.ReadTruth(filepath.Join(cases, "truth.jsonl")); err != nil {
		return err
	}
	if captures, err = score.ReadCaptures(filepath.Join(cases, "captures.jsonl")); err != nil {
		return err
	}
	return c.set("shared", r, filepath.Join(cases, "pcaps"), truth, captures, score.Options{}, needShared, c.withErrata)
}

// checks counts what passed.
type checks struct {
	out            io.Writer
	verbose        bool
	passed, failed int
}

// set scores one set of captures that stand in dir.
func (c *checks) set(name string, r *reader, dir string, truth []score.Truth, captures []score.Capture, opt score.Options, n need,
	also func([]score.Truth, []score.Capture, []score.Observed)) error {
	observed, faults, err := r.readAll(dir, captures)
	if err != nil {
		return err
	}
	res := score.Score(truth, captures, observed, opt)
	fmt.Fprintf(c.out, "\n%s: %d captures, %d exchanges expected, %d told\n", name, res.Captures, res.Expected, len(observed))
	for _, f := range faults {
		fmt.Fprintf(c.out, "  FAULT %s: %s\n", f.capture, f.text)
	}
	c.atMost(name+" captures that the sensor failed on", failures(faults, n.clean), 0)
	c.atLeast(name+" recall", res.Recall(), n.recall)
	if n.exact > 0 {
		c.atLeast(name+" every field right", res.ExactRate(), n.exact)
	}
	c.atLeast(name+" every field right, mean over captures", res.MeanExact, n.meanExact)
	c.atMost(name+" extra exchanges", res.Extra, n.extra)
	c.atLeast(name+" exchanges expected", float64(res.Expected), 1)
	c.table(&res)
	if c.verbose {
		c.misses(&res)
	}
	c.silent(captures, observed)
	if also != nil {
		also(truth, captures, observed)
	}
	return nil
}

// silent checks that nothing is told of captures that hold no HTTP, but for what the errata say they hold.
func (c *checks) silent(captures []score.Capture, observed []score.Observed) {
	quiet := map[string]bool{}
	for i := range captures {
		quiet[captures[i].Name] = captures[i].Quiet
	}
	for _, e := range errata {
		if e.field == "extra" {
			quiet[e.capture] = false
		}
	}
	n := 0
	for i := range observed {
		if quiet[path.Base(observed[i].Capture)] {
			n++
		}
	}
	c.atMost("exchanges told of captures without HTTP", n, 0)
}

// failures counts the captures on which the sensor did worse than to report a damaged file; of a set that
// has none, every fault.
func failures(faults []fault, clean bool) (n int) {
	for _, f := range faults {
		if clean || f.crash {
			n++
		}
	}
	return n
}
