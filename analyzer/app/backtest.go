// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/partition"
	"github.com/weir-project/weir/analyzer/population"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
)

// trial judges a recorded past in event time: all partitions in one goroutine, closed minutes only,
// so that the same input always ends in the same alerts.
type trial struct {
	cfg        *config.Config
	parts      [wire.Partitions]*partition.Partition
	population *population.Local
	waiting    [wire.Partitions]*weirv1.Batch
	began      began
	newest     int64
	first      int64
	closed     int64
	judgedTo   int64

	out    *bufio.Writer
	line   []byte
	meta   alert.Meta
	failed error

	exchanges, rollups, links, alerts uint64
}

// batchExchanges is how many exchanges a partition collects before they go to its ledger.
const batchExchanges = 512

func backtest(ctx context.Context, cfg *config.Config, words []string, env *Env) error {
	t, err := newTrial(cfg, env)
	if err != nil {
		return err
	}
	started := time.Now()
	for _, name := range words {
		if err := t.file(ctx, name, env.Stdin); err != nil {
			return errors.Join(err, t.out.Flush())
		}
	}
	t.finish()
	if err := errors.Join(t.failed, t.out.Flush()); err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	t.report(env.Stderr, time.Since(started))
	if cfg.SaveState != "" {
		return t.save(cfg.SaveState)
	}
	return nil
}

func newTrial(cfg *config.Config, env *Env) (*trial, error) {
	t := &trial{cfg: cfg, out: bufio.NewWriterSize(env.Stdout, 1<<16), meta: alert.Meta{Cluster: cfg.Cluster, Version: env.Version}}
	var from *weirv1.PopulationState
	for p := range t.parts {
		t.parts[p] = newPartition(cfg, p)
	}
	var votes [wire.Partitions][]byte
	if cfg.LoadState != "" {
		states, err := checkpoint.LoadFile(cfg.LoadState)
		if err != nil {
			return nil, err
		}
		for i := range states {
			if err := restorePartition(t.parts[states[i].Partition], &states[i]); err != nil {
				return nil, fmt.Errorf("load %s: partition %d: %w", cfg.LoadState, states[i].Partition, err)
			}
			if err := restorePopulation(&from, &states[i]); err != nil {
				return nil, fmt.Errorf("load %s: %w", cfg.LoadState, err)
			}
			votes[states[i].Partition] = states[i].Extra[sectionVotes]
			t.closed = max(t.closed, t.parts[states[i].Partition].Closed())
		}
		t.newest = t.closed
	}
	t.population = population.NewLocal(wire.Partitions, cfg.Budget, from, t.isOpen)
	for p := range t.parts {
		t.parts[p].Vote(t.population.Summariser(p))
		if len(votes[p]) > 0 {
			if err := t.parts[p].Votes().Restore(votes[p]); err != nil {
				return nil, fmt.Errorf("load %s: votes of partition %d: %w", cfg.LoadState, p, err)
			}
		}
	}
	return t, nil
}

func (t *trial) isOpen(id [16]byte) bool { return t.parts[keyhash.Partition(id)].Book.IsOpen(id) }

// file reads one input: JSON Lines, or length-delimited batches, told apart by the first byte.
func (t *trial) file(ctx context.Context, name string, stdin io.Reader) error {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open input: %w", err)
		}
		defer f.Close()
		from = f
	}
	reader := bufio.NewReaderSize(from, 1<<20)
	first, err := reader.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil // no traffic is no fault
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if first[0] == '{' || first[0] == '\n' || first[0] == ' ' {
		return t.lines(ctx, name, reader)
	}
	return t.batches(ctx, name, reader)
}

func (t *trial) lines(ctx context.Context, name string, from *bufio.Reader) error {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(make([]byte, 1<<16), 1<<22)
	for n := 1; scanner.Scan(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		text := scanner.Bytes()
		if len(text) == 0 {
			continue
		}
		var line wire.Line
		if err := wire.ParseLine(text, &line); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		t.take(&line)
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (t *trial) batches(ctx context.Context, name string, from *bufio.Reader) error {
	for n := 1; ; n++ {
		batch := &weirv1.Batch{}
		err := wire.ReadDelimited(from, batch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: batch %d: %w", name, n, err)
		}
		for _, x := range batch.Exchanges {
			t.take(&wire.Line{Exchange: x})
		}
		for _, r := range batch.Rollups {
			t.take(&wire.Line{Rollup: r})
		}
		for _, l := range batch.Links {
			t.take(&wire.Line{Link: l})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// take puts one item into its partition's next batch and moves event time on.
func (t *trial) take(line *wire.Line) {
	var id []byte
	var at int64
	switch {
	case line.Exchange != nil:
		id, at = line.Exchange.PrincipalId, int64(line.Exchange.PartEndTimeUnixNano)
		t.exchanges++
	case line.Rollup != nil:
		id, at = line.Rollup.PrincipalId, int64(line.Rollup.WindowEndUnixNano)
		t.rollups++
	case line.Link != nil:
		id, at = line.Link.OlderId, int64(line.Link.TimeUnixNano)
		t.links++
	default:
		return // counters of a capture: nothing to judge
	}
	if len(id) != 16 {
		return
	}
	t.advance(at)
	p := keyhash.Partition(keyhash.ID(id))
	batch := t.waiting[p]
	if batch == nil {
		batch = &weirv1.Batch{Partition: uint32(p), Source: weirv1.BatchSource_BATCH_SOURCE_IMPORT, WindowStartUnixNano: uint64(at), WindowEndUnixNano: uint64(at)}
		t.waiting[p] = batch
	}
	batch.WindowStartUnixNano = min(batch.WindowStartUnixNano, uint64(at))
	batch.WindowEndUnixNano = max(batch.WindowEndUnixNano, uint64(at))
	switch {
	case line.Exchange != nil:
		batch.Exchanges = append(batch.Exchanges, line.Exchange)
	case line.Rollup != nil:
		batch.Rollups = append(batch.Rollups, line.Rollup)
	default:
		batch.Links = append(batch.Links, line.Link)
	}
	if len(batch.Exchanges) >= batchExchanges {
		t.flush(p)
	}
}

func (t *trial) flush(p int) {
	if t.waiting[p] != nil {
		t.parts[p].Apply(t.waiting[p])
		t.waiting[p] = nil
	}
}

// advance moves event time to at and closes the minutes that it has passed by the lateness bound.
func (t *trial) advance(at int64) {
	if t.first == 0 {
		t.first = at
	}
	if at <= t.newest {
		return
	}
	t.newest = at
	through := (at - t.cfg.Lateness.Nanoseconds()) / minute * minute
	if t.closed == 0 {
		t.closed = (through - hour) / hour * hour
	}
	// A minute's worth of event time at once, or more: closing costs a look at every partition.
	if through-t.judgedTo >= minute {
		t.close(through)
	}
}

// close closes minutes up to through in every partition, hour by hour, so that all of them are
// judged by the same version of the population.
func (t *trial) close(through int64) {
	t.judgedTo = through
	for p := range t.waiting {
		t.flush(p)
	}
	t.shareStart()
	for t.closed < through {
		t.skip(through)
		end := min(through, t.closed/hour*hour+hour)
		for _, part := range t.parts {
			for part.Closed() != 0 && part.Closed() < end {
				part.Step(end, t.population.Current(), t.emit)
			}
		}
		t.closed = end
		if end%hour == 0 {
			t.population.Hour(end/hour - 1)
		}
	}
}

// shareStart tells every partition when the deployment began to learn.
func (t *trial) shareStart() {
	for _, part := range t.parts {
		t.began.share(part.Ledger)
	}
	for _, part := range t.parts {
		t.began.share(part.Ledger)
	}
}

// skip passes over stretches of more than a week without data, as partitions do.
func (t *trial) skip(through int64) {
	next := through
	for _, part := range t.parts {
		if oldest := part.Ledger.Oldest(); oldest != 0 {
			next = min(next, oldest)
		}
	}
	if next-t.closed > 7*24*hour {
		t.closed = next/hour*hour - 24*hour
	}
}

// finish closes everything that came.
func (t *trial) finish() {
	if t.newest > 0 {
		t.close(t.newest/minute*minute + minute)
	}
}

func (t *trial) emit(change incident.Change) {
	t.alerts++
	if t.failed != nil {
		return
	}
	if t.cfg.Format == "text" {
		_, t.failed = fmt.Fprintf(t.out, "%s %s %s: %s\n", time.Unix(0, change.Time).UTC().Format(time.RFC3339), change.Incident.Severity, change.Kind, incident.Sentence(&change.Incident))
		return
	}
	message, err := alert.Build(change, t.meta)
	if err != nil {
		t.failed = err
		return
	}
	t.line = alert.AppendJSON(t.line[:0], &message)
	_, t.failed = t.out.Write(t.line)
}

func (t *trial) report(to io.Writer, took time.Duration) {
	principals, late := 0, uint64(0)
	for _, part := range t.parts {
		principals += part.Ledger.Len()
		for _, c := range part.Ledger.Counters() {
			if c.Name == "late" {
				late += c.Value
			}
		}
	}
	span := time.Duration(0)
	if t.first > 0 {
		span = time.Duration(t.newest - t.first).Round(time.Second)
	}
	fmt.Fprintf(to, "judged %d exchanges and %d rollups of %d principals over %s in %s: %d alerts, %d items too late for their minute\n",
		t.exchanges, t.rollups, principals, span, took.Round(time.Millisecond), t.alerts, late)
}

func (t *trial) save(name string) error {
	states := make([]checkpoint.State, wire.Partitions)
	for p := range t.parts {
		states[p] = savePartition(p, t.parts[p])
	}
	if err := savePopulation(&states[0], t.population.State()); err != nil {
		return err
	}
	if err := checkpoint.SaveFile(name, states); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}
