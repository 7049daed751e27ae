// SPDX-License-Identifier: Apache-2.0

// Package publish sends exchanges to NATS in batches, and writes them to files and pipes.
//
// It assumes that what it is handed holds no secret. It refuses to block its caller (unless told
// to) and to lose anything without counting it: when nothing can be sent and its queue is full it
// merges exchanges into rollups and those into longer windows, so that totals stay true.
package publish

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/exchange"
)

// Transport sends messages. NATS makes the real one.
type Transport interface {
	// Publish sends a message and does not wait for its acknowledgement. done is called exactly
	// once, by any goroutine, unless Publish returns an error; data and the caller's use of it rest
	// until then.
	Publish(subject, id string, data []byte, done func(error)) error
	// Tell sends a message that nobody acknowledges.
	Tell(subject string, data []byte) error
}

// Publisher is an exchange.Sink that any number of goroutines may use at once.
type Publisher struct {
	cfg       Config
	transport Transport
	now       func() int64
	shards    [wire.Partitions]shard

	open   atomic.Int64 // bytes of bodies that still grow
	queued atomic.Int64 // bytes of bodies that are ready or in flight
	merged atomic.Int64 // bytes of rollups
	level  atomic.Int32 // how much rollups gave up: index into widths, maxLevel at most
	order  atomic.Uint64
	closed atomic.Bool
	flush  atomic.Bool // seal everything
	counts counts

	counters atomic.Pointer[func() []*weirv1.Counter]
	event    uint64 // the event window in which an import stands
	marked   uint64 // the day, from 1, that every partition knows an import to stand in
	started  int64

	wake chan struct{} // capacity 1: something to do for the loop
	stop chan struct{}
	done chan struct{} // closed when the loop has ended

	waitMu sync.Mutex
	waiter chan struct{} // closed at the next progress

	resultsMu sync.Mutex
	results   []result

	send sender // belongs to the loop
}

// New starts a Publisher. now gives Unix nanoseconds; nil takes the wall clock. Close ends it.
func New(cfg Config, transport Transport, now func() int64) *Publisher {
	cfg.defaults()
	if now == nil {
		now = func() int64 { return time.Now().UnixNano() }
	}
	p := &Publisher{
		cfg: cfg, transport: transport, now: now, started: now(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range p.shards {
		p.shards[i].init(p, i)
	}
	p.send.init(p)
	go p.loop()
	return p
}

// Exchange takes an exchange. It does not wait, does not allocate in steady state, and keeps nothing
// of x. A raw request-target is left out.
func (p *Publisher) Exchange(x *exchange.Exchange) {
	p.counts.handed.Add(1)
	if x.ID.IsZero() || x.PrincipalID.IsZero() {
		p.counts.noID.Add(1)
		return
	}
	if p.cfg.Import {
		p.advance(nanos(x.PartEnd))
	}
	if p.cfg.Blocking {
		p.awaitRoom()
	}
	s := &p.shards[wire.PartitionOf(x.PrincipalID[:])]
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.closed.Load() { // looked at under the lock, so that Close misses nothing
		p.counts.closed.Add(1)
		return
	}
	w := s.convert.convert(x)
	w.HttpRequestTarget = ""
	if !p.cfg.Blocking && p.open.Load()+p.queued.Load() > p.detailLimit() {
		s.merge(w)
	} else {
		s.append(w)
	}
}

// Link takes a principal link. It is small, travels in the older id's partition and is never merged.
func (p *Publisher) Link(l *weirv1.PrincipalLink) {
	s := &p.shards[wire.PartitionOf(l.OlderId)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.closed.Load() || p.open.Load()+p.queued.Load() > p.cfg.QueueBytes {
		p.counts.linksDropped.Add(1)
		return
	}
	s.appendLink(l)
}

// detailLimit is the half of the queue in which exchanges keep their detail.
func (p *Publisher) detailLimit() int64 { return p.cfg.QueueBytes / 2 }

// mergedLimit is the part in which they are rollups: three eighths, and what detail leaves of its
// half. The last eighth is for messages in flight.
func (p *Publisher) mergedLimit() int64 {
	detail := min(p.open.Load()+p.queued.Load(), p.detailLimit())
	return p.cfg.QueueBytes/8*7 - detail
}

// advance seals all batches when an import's event time enters another window.
func (p *Publisher) advance(t uint64) {
	window := t / uint64(p.cfg.EventWindow)
	if window <= p.event {
		return
	}
	p.event = window
	for i := range p.shards {
		p.shards[i].seal()
	}
	p.mark(t)
}

// Marks tell every partition that an import has passed a day, an hour after it: the analyzer makes
// its population of whole days, and a partition that has nothing to tell for days would hold the
// others up. The hour is beyond any lateness bound in use.
const (
	markEvery = uint64(24 * time.Hour)
	markAfter = uint64(time.Hour)
)

func (p *Publisher) mark(t uint64) {
	day := (max(t, markAfter)-markAfter)/markEvery + 1 // 0: nothing came yet, so nothing lies behind
	if day <= p.marked {
		return
	}
	first := p.marked == 0
	p.marked = day
	if first {
		return
	}
	for i := range p.shards {
		p.shards[i].mark((day-1)*markEvery + markAfter)
	}
}

// awaitRoom waits until what is ready or in flight fits. What still grows is not counted: when it
// is cut must not depend on how fast the other side is.
func (p *Publisher) awaitRoom() {
	for p.queued.Load() > p.detailLimit() && !p.closed.Load() {
		progress := p.progress()
		if p.queued.Load() <= p.detailLimit() || p.closed.Load() {
			return
		}
		p.nudge()
		<-progress
	}
}

// progress gives a channel that is closed when something was acknowledged or given up.
func (p *Publisher) progress() <-chan struct{} {
	p.waitMu.Lock()
	defer p.waitMu.Unlock()
	if p.waiter == nil {
		p.waiter = make(chan struct{})
	}
	return p.waiter
}

func (p *Publisher) tellWaiters() {
	p.waitMu.Lock()
	defer p.waitMu.Unlock()
	if p.waiter != nil {
		close(p.waiter)
		p.waiter = nil
	}
}

// nudge wakes the loop.
func (p *Publisher) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// SetCounters says where the sensor's cumulative counters come from: they ride in every batch and
// heartbeat. The function is called by one goroutine and its result is not kept.
func (p *Publisher) SetCounters(f func() []*weirv1.Counter) { p.counters.Store(&f) }

// waiting says whether anything is not acknowledged yet.
func (p *Publisher) waiting() bool {
	return p.open.Load()+p.queued.Load()+p.merged.Load() > 0
}

// Flush seals what is there and returns when all of it is acknowledged, or with an *UnsentError when
// ctx ends first. What is handed in meanwhile is waited for too.
func (p *Publisher) Flush(ctx context.Context) error {
	for p.waiting() {
		progress := p.progress()
		p.flush.Store(true)
		p.nudge()
		if !p.waiting() {
			return nil
		}
		select {
		case <-progress:
		case <-p.done:
			if p.waiting() {
				return p.unsent()
			}
		case <-ctx.Done():
			return p.unsent()
		}
	}
	return nil
}

// Close flushes until ctx ends, then stops. What is not acknowledged by then counts as dropped for
// the reason "unsent", though some of it may have arrived; the error is then an *UnsentError. What
// is handed in afterwards counts as dropped for the reason "closed".
func (p *Publisher) Close(ctx context.Context) error {
	if p.closed.Swap(true) {
		<-p.done
		return nil
	}
	p.tellWaiters()
	err := p.Flush(ctx)
	close(p.stop)
	<-p.done
	p.tellWaiters()
	if err == nil {
		return nil
	}
	u := p.unsent()
	p.counts.unsent.Add(u.Exchanges)
	p.counts.unsentMerged.Add(u.Merged)
	if *u == (UnsentError{}) {
		return nil
	}
	return u
}

// UnsentError says what was not acknowledged.
type UnsentError struct {
	Exchanges uint64 // with their detail
	Merged    uint64 // in rollups
	Rollups   uint64
}

// Error describes it.
func (e *UnsentError) Error() string {
	return fmt.Sprintf("publish: %d exchanges and %d rollups (of %d exchanges) are not acknowledged", e.Exchanges, e.Rollups, e.Merged)
}
