// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/weir-project/weir/analyzer/alert"
	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/config"
	"github.com/weir-project/weir/analyzer/incident"
	"github.com/weir-project/weir/analyzer/ingest"
	"github.com/weir-project/weir/analyzer/ledger"
	"github.com/weir-project/weir/analyzer/partition"
	"github.com/weir-project/weir/analyzer/population"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	// drainAtOnce is how many batches are applied before what they touched is judged.
	drainAtOnce = 32
	// unsaved is how many batches may wait for a checkpoint before one is made at once.
	unsaved = 96
	// versionWait is how long an import waits for the population version of an event hour.
	versionWait = 10 * time.Second
)

// shard owns one partition: it applies deliveries, judges, makes the state durable, acknowledges
// and publishes, in that order. Only its own goroutine touches what it owns.
type shard struct {
	number int
	cfg    *config.Config
	js     jetstream.JetStream
	store  *checkpoint.Store
	source *ingest.Source
	pop    *population.Node
	meta   alert.Meta
	began  *began
	log    zerolog.Logger
	seed   *checkpoint.State // from --load-state, for a partition that has no checkpoint

	part     *partition.Partition
	marks    *ingest.Watermarks
	outbox   *alert.Outbox
	epoch    string
	leaving  context.Context // ends when the process is on its way out
	loaded   bool            // what is here is what a checkpoint held, and what came since
	owned    bool            // under epoch
	acks     []func() error
	dirty    bool
	imported bool // the newest batch was an import
	lastData time.Time
	failing  bool
	unlogged []incident.Change // not durable yet
	unseeded bool              // a checkpoint of its own was there, so seed was not taken

	now   figures // the owner's own
	ask   chan func()
	mu    sync.Mutex
	shown figures // a copy for other goroutines
}

// world is what all shards share.
type world struct {
	js     jetstream.JetStream
	store  *checkpoint.Store
	source *ingest.Source
	pop    *population.Node
	meta   alert.Meta
	began  began
}

// began is when the deployment began to learn: the first exchange of any partition. A principal that
// is the first of its partition is new in an old deployment, and is judged.
type began struct{ at atomic.Int64 }

// share tells a ledger what all know, and all what it knows.
func (b *began) share(l *ledger.Partition) {
	for own, known := l.Start(), b.at.Load(); own != 0 && (known == 0 || own < known); known = b.at.Load() {
		if b.at.CompareAndSwap(known, own) {
			break
		}
	}
	l.SetDeploymentStart(b.at.Load())
}

func newShard(cfg *config.Config, number int, w *world, log zerolog.Logger) *shard {
	s := &shard{number: number, cfg: cfg, js: w.js, store: w.store, source: w.source, pop: w.pop, meta: w.meta, began: &w.began, log: log, ask: make(chan func()), leaving: context.Background()}
	s.now.alerts = map[[2]string]uint64{}
	return s
}

// load takes the state that the last checkpoint left. After an error the shard holds nothing that
// may be judged or saved, until a load succeeds.
func (s *shard) load(ctx context.Context) error {
	s.loaded, s.owned = false, false
	state, err := s.store.Load(ctx, s.number)
	if err != nil {
		return fmt.Errorf("load the checkpoint of partition %d: %w", s.number, err)
	}
	if state.Generation == 0 && s.seed != nil {
		state = *s.seed
	}
	s.unseeded = state.Generation != 0 && s.seed != nil
	part, marks, outbox := newPartition(s.cfg, s.number), ingest.NewWatermarks(), alert.NewOutbox(0)
	if err := restorePartition(part, &state); err != nil {
		return fmt.Errorf("partition %d: %w", s.number, err)
	}
	if err := marks.Restore(state.Watermarks); err != nil {
		return fmt.Errorf("partition %d: %w", s.number, err)
	}
	if err := outbox.Restore(state.Outbox); err != nil {
		return fmt.Errorf("partition %d: %w", s.number, err)
	}
	s.part, s.marks, s.outbox = part, marks, outbox
	s.began.share(part.Ledger)
	s.acks, s.dirty, s.loaded = nil, false, true
	s.unlogged = nil
	s.lastData = time.Now()
	s.show()
	return nil
}

// run owns the partition until in is closed, then saves a last time. leaving ends when that is about
// to happen: nothing is waited for then.
func (s *shard) run(ctx, leaving context.Context, in <-chan *ingest.Delivery) {
	s.leaving = leaving
	tick := time.NewTicker(s.cfg.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case d, open := <-in:
			if !open {
				s.stop()
				return
			}
			s.drain(ctx, d, in)
		case question := <-s.ask:
			question()
		case <-tick.C:
			s.settle(ctx)
		}
	}
}

// drain applies a delivery and those that wait behind it, then judges.
func (s *shard) drain(ctx context.Context, d *ingest.Delivery, in <-chan *ingest.Delivery) {
	for n := 0; ; n++ {
		s.take(ctx, d)
		if n >= drainAtOnce {
			break
		}
		var open bool
		select {
		case d, open = <-in:
		default:
		}
		if !open {
			break
		}
	}
	s.judge(ctx)
	if len(s.acks) >= unsaved {
		s.settle(ctx)
	}
}

// take applies one delivery, once.
func (s *shard) take(ctx context.Context, d *ingest.Delivery) {
	if !s.loaded || !s.owned || d.Epoch != s.epoch {
		if err := s.takeOver(ctx); err != nil {
			s.fail(err, "take over")
			_ = d.Nak(time.Second)
			return
		}
	}
	s.epoch, s.owned = d.Epoch, true
	b := d.Batch
	switch s.marks.Admit(b.SensorId, b.BootId, b.Sequence, int64(b.WindowEndUnixNano)) {
	case ingest.Refuse:
		s.now.refused++
		_ = d.Nak(time.Second)
		return
	case ingest.Duplicate:
		s.now.repeated++
	case ingest.Apply:
		s.part.Apply(b)
		s.began.share(s.part.Ledger)
		s.now.batches++
		s.imported = b.Source == weirv1.BatchSource_BATCH_SOURCE_IMPORT
		s.lastData = time.Now()
	}
	s.dirty = true
	s.acks = append(s.acks, d.Ack)
}

// takeOver begins a new ownership. When another owner was in between, what it saved is what counts,
// and what was not saved here comes again.
func (s *shard) takeOver(ctx context.Context) error {
	if s.loaded {
		mine, err := s.store.Current(ctx, s.number)
		if err != nil {
			return fmt.Errorf("look for another owner's checkpoint: %w", err)
		}
		if mine {
			return nil
		}
	}
	return s.load(ctx)
}

// judge looks at what arrived, then closes the minutes that newer data has passed.
func (s *shard) judge(ctx context.Context) {
	if !s.loaded {
		return
	}
	if !s.imported {
		s.part.Arrivals(s.pop.Current(), s.emit)
	}
	s.close(ctx, s.part.Closable())
}

func (s *shard) close(ctx context.Context, through int64) {
	for s.part.Closed() != 0 && s.part.Closed() < through {
		ended, over := s.part.Step(through, s.pop.At(s.part.Closed()/hour), s.emit)
		s.dirty = true
		if !over {
			continue
		}
		s.offer(s.part.Votes().Close(ended), ended)
		if s.imported && !s.await(ctx, ended+1) {
			return
		}
	}
}

// offer hands an hour's summary to the population. An hour in which nobody voted says nothing, but for
// the last one of a day: that the day is over here.
func (s *shard) offer(m *weirv1.PopulationSummary, ended int64) {
	if m.Principals > 0 || len(m.Tails) > 0 || ended%24 == 23 {
		s.pop.Offer(m)
	}
}

// await lets an import wait for the version in force in an event hour, so that the past is judged
// as it would have been, whatever the speed at which it comes. It reports false when the process is
// on its way out: what is not closed yet is closed after the restart.
func (s *shard) await(ctx context.Context, hour int64) bool {
	ctx, cancel := context.WithTimeout(ctx, versionWait)
	defer cancel()
	defer context.AfterFunc(s.leaving, cancel)()
	err := s.pop.WaitFor(ctx, hour)
	if err != nil && s.leaving.Err() != nil {
		return false
	}
	if err != nil {
		s.now.waits++
	}
	return true
}

// emit puts the alert of a change into the outbox, to be published once the state is durable.
func (s *shard) emit(c incident.Change) {
	message, err := alert.Build(c, s.meta)
	if err != nil {
		s.fail(err, "write an alert")
		return
	}
	s.outbox.Add(message)
	s.dirty = true
	s.now.alerts[[2]string{c.Incident.Detector.String(), c.Incident.Severity.String()}]++
	s.unlogged = append(s.unlogged, c)
}

// logChanges logs the changes that a checkpoint has made durable: what a crash takes back was not said.
func (s *shard) logChanges() {
	for i := range s.unlogged {
		inc := &s.unlogged[i].Incident
		s.log.Info().Str("incident", fmt.Sprintf("%x", inc.ID[:])).Str("change", s.unlogged[i].Kind.String()).
			Str("severity", inc.Severity.String()).Str("detector", inc.Detector.String()).Msg(incident.Sentence(inc))
	}
	s.unlogged = s.unlogged[:0]
}

// settle closes what has been idle, makes the state durable, acknowledges, and publishes.
func (s *shard) settle(ctx context.Context) {
	defer s.show()
	if doing, err := s.work(ctx); err != nil {
		s.fail(err, doing)
		return
	}
	s.recovered()
}

// work is settle's; it says what failed.
func (s *shard) work(ctx context.Context) (doing string, err error) {
	if !s.loaded {
		if err := s.load(ctx); err != nil {
			return "load the state", err
		}
	}
	if err := s.closeIdle(ctx); err != nil {
		return "look for another owner", err
	}
	if s.dirty {
		if err := s.save(ctx); err != nil {
			return "make the state durable", err
		}
	}
	pending := s.outbox.Pending()
	if len(pending) == 0 {
		return "", nil
	}
	sent, err := alert.Publish(ctx, s.js, pending)
	s.outbox.Done(sent)
	s.dirty = s.dirty || sent > 0
	return "publish alerts", err
}

// closeIdle closes the minutes of an input that fell silent, unless it fell silent here alone, since
// another analyzer owns the partition.
func (s *shard) closeIdle(ctx context.Context) error {
	through := s.part.Ledger.Newest()/minute*minute + minute
	if time.Since(s.lastData) < s.cfg.Lateness || s.part.Closed() == 0 || s.part.Closed() >= through {
		return nil
	}
	if err := s.takeOver(ctx); err != nil {
		return err
	}
	if time.Since(s.lastData) >= s.cfg.Lateness { // not when it was loaded just now
		s.close(ctx, through)
	}
	return nil
}

func (s *shard) save(ctx context.Context) error {
	err := s.store.Save(ctx, s.number, checkpoint.Save{
		Ledger: s.part.Ledger, Incidents: s.part.Book.AppendSnapshot(nil), Outbox: s.outbox.AppendSnapshot(nil),
		Watermarks: s.marks.AppendSnapshot(nil), Extra: sections(s.part), Acks: s.acks,
	})
	if errors.Is(err, checkpoint.ErrFenced) {
		s.log.Warn().Msg("another analyzer owns this partition now: its state is taken, unsaved batches come again")
		s.source.GiveBack(s.number)
		return s.load(ctx)
	}
	if err != nil {
		return err
	}
	s.acks, s.dirty = s.acks[:0], false
	s.logChanges()
	s.now.saves++
	return nil
}

// stop saves what is not saved yet, with a deadline of its own: the process is on its way out.
func (s *shard) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.settle(ctx)
	if s.dirty {
		s.settle(ctx) // that alerts are published must be known too
	}
}

// fail logs the first of a row of failures; the others are counted.
func (s *shard) fail(err error, doing string) {
	s.now.failures++
	if !s.failing {
		s.log.Error().Err(err).Msg("cannot " + doing + "; trying again")
	}
	s.failing = true
}

func (s *shard) recovered() {
	if s.failing {
		s.log.Info().Msg("partition works again")
	}
	s.failing = false
}

// do runs a question in the owner's goroutine and waits for it.
func (s *shard) do(ctx context.Context, question func()) error {
	done := make(chan struct{})
	select {
	case s.ask <- func() { question(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
