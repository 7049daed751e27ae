// SPDX-License-Identifier: Apache-2.0

// Command detectbench lets the analyzer's own rooms judge a benchmark world: events become exchanges,
// the ledger counts them, detect and population judge every closed minute. What is found goes to
// an alerts file for `exfilbench score`.
//
//	detectbench -dir DIR [-budget 1] [-shipped] [-alerts FILE]
//
// It assumes a folder made by `exfilbench gen`. It runs in one process, without NATS, in event time.
// Thresholds are what the population makes of the shipped ones; with -shipped they stay as shipped.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-project/weir/analyzer/detect"
	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/deploy/bench/world"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

func main() {
	dir := flag.String("dir", "out", "folder of events.csv.gz")
	alerts := flag.String("alerts", "", "where findings go; default DIR/alerts.csv")
	budget := flag.Float64("budget", 1, "false alerts per 10,000 principals a week")
	shipped := flag.Bool("shipped", false, "keep the shipped thresholds")
	flag.Parse()
	if *alerts == "" {
		*alerts = filepath.Join(*dir, "alerts.csv")
	}
	var keep *finding.Thresholds
	if *shipped {
		keep = population.Shipped(*budget)
	}
	if err := run(*dir, *alerts, *budget, keep); err != nil {
		fmt.Fprintln(os.Stderr, "detectbench:", err)
		os.Exit(1)
	}
}

const (
	hourNanos  = int64(time.Hour)
	quietNanos = 7 * 24 * hourNanos
)

// bench is one run.
type bench struct {
	partition *ledger.Partition
	local     *population.Local
	detector  detect.Detector
	tokens    map[finding.ID]string
	incidents map[finding.ID]*incident
	now       int64
	keep      *finding.Thresholds // in place of the population's; nil: none
	out       *bufio.Writer
	findings  int
	judged    int
}

// incident is open as long as there was a finding within the last seven days.
type incident struct {
	last   int64
	told   int64 // hour in which it was last written
	toldBy finding.Channel
}

func run(dir, alerts string, budget float64, keep *finding.Thresholds) error {
	events, err := world.Open(filepath.Join(dir, "events.csv.gz"))
	if err != nil {
		return err
	}
	defer events.Close()
	file, err := os.Create(alerts)
	if err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	b := &bench{
		partition: ledger.New(0, ledger.Config{}), tokens: map[finding.ID]string{}, incidents: map[finding.ID]*incident{},
		keep: keep, out: bufio.NewWriter(file),
	}
	b.local = population.NewLocal(1, budget, nil, b.open)
	b.partition.OnHour(b.local.Summariser(0).Hour)
	b.partition.OnRoll(b.local.Summariser(0).Day)
	fmt.Fprintln(b.out, "ts,token,kind")
	start := time.Now()
	n, err := b.feed(events)
	err = errors.Join(err, b.out.Flush(), file.Close())
	b.report(n, time.Since(start))
	return err
}

// feed gives the ledger an hour at a time and judges it.
func (b *bench) feed(events *world.Reader) (n int, err error) {
	var e world.Event
	var feeder = world.NewFeeder()
	batch := &weirv1.Batch{SchemaVersion: 1}
	hour := int64(-1)
	for {
		err := events.Read(&e)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if h := e.Time / 3600; hour >= 0 && (h != hour || err != nil) {
			b.close(hour, batch)
			batch = &weirv1.Batch{SchemaVersion: 1}
		}
		if err != nil {
			return n, nil
		}
		hour = e.Time / 3600
		b.tokens[world.PrincipalOf(e.Token)] = e.Token
		feeder.Feed(&e, batch)
		n++
	}
}

// close applies an hour's batch, judges its minutes, and lets the population see the hour.
func (b *bench) close(hour int64, batch *weirv1.Batch) {
	end := (hour + 1) * hourNanos
	batch.WindowStartUnixNano, batch.WindowEndUnixNano = uint64(end-hourNanos), uint64(end)
	b.partition.Apply(batch)
	b.partition.Advance(end, b.judge)
	b.local.Hour(hour)
}

func (b *bench) judge(v *ledger.View) {
	b.judged++
	b.now = v.Now
	scores := b.detector.Scores(v, b.local.Current().Peers, b.thresholds())
	if len(scores) > 0 && scores[0].Ratio >= 1 {
		b.tell(v, scores[0].Channel)
	}
	b.local.Summariser(0).Scores(v, scores)
}

func (b *bench) thresholds() *finding.Thresholds {
	if b.keep != nil {
		return b.keep
	}
	return b.local.Current().Thresholds
}

// tell writes a finding, once an hour and channel.
func (b *bench) tell(v *ledger.View, c finding.Channel) {
	b.findings++
	i := b.incidents[v.ID]
	if i == nil {
		i = &incident{}
		b.incidents[v.ID] = i
	}
	i.last = v.Now
	if hour := v.Now / hourNanos; i.told != hour || i.toldBy != c {
		i.told, i.toldBy = hour, c
		fmt.Fprintf(b.out, "%d,%s,%s\n", v.Now/int64(time.Second), b.tokens[v.ID], c)
	}
}

func (b *bench) open(id finding.ID) bool {
	i := b.incidents[id]
	return i != nil && b.now-i.last < quietNanos
}

func (b *bench) report(events int, took time.Duration) {
	fmt.Printf("%d events, %d principal-minutes judged, %d findings on %d principals, %.0f s\n",
		events, b.judged, b.findings, len(b.incidents), took.Seconds())
	f := b.local.Current()
	fmt.Printf("population version %d, %.0f clean principal-weeks, largest day %.0f\nthresholds:", f.Version, b.local.State().GetCleanPrincipalWeeks(), f.Peers.LargestDay)
	for c := finding.Volume; c < finding.NumChannels; c++ {
		fmt.Printf(" %v %.3f", c, b.thresholds().Value[c])
	}
	fmt.Println()
	for _, c := range b.partition.Counters() {
		if c.Value > 0 {
			fmt.Printf("ledger %s %s %d\n", c.Name, c.Reason, c.Value)
		}
	}
}
