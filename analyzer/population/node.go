// SPDX-License-Identifier: Apache-2.0

package population

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

const (
	stateKey = "state" // the newest PopulationState; its revision is the fence
	leaseKey = "lease"

	queueLength  = partitions * hoursPerDay // summaries that wait for NATS
	keptVersions = 4
	retryEvery   = time.Second
)

// NodeConfig says how one analyzer process takes part in the population.
type NodeConfig struct {
	// Name tells this process from others; it stands in the lease and in versions.
	Name string
	// Budget is the wanted number of false alerts per 10,000 principals a week; 0: 1.
	Budget float64
	// LeaseAge is how long a standby waits for a sign of life before it takes over; default 5 s.
	LeaseAge time.Duration
	// LiveGrace is how long the owner waits, after the first partition is through a day, for the
	// others: live traffic has an hour until the version is in force. Default 30 minutes. ImportGrace
	// is how long it waits, in an import, after the last of the others came nearer, since partitions
	// wait for it. Default 2 s. What comes later counts in the next day.
	LiveGrace, ImportGrace time.Duration
	// OnError is told of the world's faults; OnOwner when this process becomes or ceases to be the
	// owner. They must not block.
	OnError func(error)
	OnOwner func(bool)
}

// NodeCounters count since the start.
type NodeCounters struct {
	Published uint64 // summaries
	QueueFull uint64 // summaries that were not taken
	Takeovers uint64 // times this process became the owner
	Lost      uint64 // times it lost that to another
	Versions  uint64 // versions it wrote
}

// Node takes part in the population of a fleet: it publishes summaries, follows the versions in
// force, and stands by as the owner who makes them. All methods may be called at any time from any
// goroutine; they work on with the last version while NATS or the owner is away.
type Node struct {
	cfg     NodeConfig
	queue   chan *weirv1.PopulationSummary
	current atomic.Pointer[InForce]

	mu       sync.Mutex
	versions []*InForce // the newest last
	changed  chan struct{}
	first    int64 // the first event hour that was offered; 0: none

	published, full, takeovers, lost, written atomic.Uint64
}

// NewNode makes a Node with the shipped thresholds and no peers.
func NewNode(cfg NodeConfig) *Node {
	if cfg.LeaseAge <= 0 {
		cfg.LeaseAge = 5 * time.Second
	}
	if cfg.LiveGrace <= 0 {
		cfg.LiveGrace = 30 * time.Minute
	}
	if cfg.ImportGrace <= 0 {
		cfg.ImportGrace = 2 * time.Second
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	if cfg.OnOwner == nil {
		cfg.OnOwner = func(bool) {}
	}
	n := &Node{cfg: cfg, queue: make(chan *weirv1.PopulationSummary, queueLength), changed: make(chan struct{})}
	base := NewInForce(nil, cfg.Budget)
	n.versions = []*InForce{base}
	n.current.Store(base)
	return n
}

// Run takes part until ctx is done. The stream and the bucket are natsconn.Bootstrap's; Run waits
// for them. It always returns nil: what goes wrong on the way is told to OnError and tried again.
func (n *Node) Run(ctx context.Context, js jetstream.JetStream) error {
	kv := n.bucket(ctx, js)
	if kv == nil {
		return nil
	}
	var all sync.WaitGroup
	all.Go(func() { n.publish(ctx, js) })
	all.Go(func() { n.follow(ctx, kv) })
	all.Go(func() { n.lead(ctx, js, kv) })
	all.Wait()
	return nil
}

// bucket waits for the bucket, nil once ctx is done.
func (n *Node) bucket(ctx context.Context, js jetstream.JetStream) jetstream.KeyValue {
	for {
		kv, err := js.KeyValue(ctx, wire.BucketPopulation)
		if err == nil {
			return kv
		}
		if ctx.Err() == nil {
			n.cfg.OnError(fmt.Errorf("open bucket %s (made by natsconn.Bootstrap): %w", wire.BucketPopulation, err))
		}
		if !pause(ctx, retryEvery) {
			return nil
		}
	}
}

// pause waits and says whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Offer hands over a summary for publishing and takes it. It never blocks: with NATS away for so
// long that the queue is full the summary is dropped and counted.
func (n *Node) Offer(m *weirv1.PopulationSummary) bool {
	n.mu.Lock()
	if hour := int64(m.EventHour); n.first == 0 || hour < n.first {
		n.first = hour
	}
	n.mu.Unlock()
	select {
	case n.queue <- m:
		return true
	default:
		n.full.Add(1)
		return false
	}
}

func (n *Node) publish(ctx context.Context, js jetstream.JetStream) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-n.queue:
			m.SentUnixNano = uint64(time.Now().UnixNano())
			for n.send(ctx, js, m) != nil {
				if !pause(ctx, retryEvery) {
					return
				}
			}
			n.published.Add(1)
		}
	}
}

func (n *Node) send(ctx context.Context, js jetstream.JetStream, m *weirv1.PopulationSummary) error {
	data, err := m.MarshalVT()
	if err != nil {
		panic("BUG: encode summary: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.LeaseAge)
	defer cancel()
	// Two incarnations of a partition may offer the same hour: the message id spares the stream the
	// second, the owner's watermarks refuse it in any case.
	id := "population-" + strconv.Itoa(int(m.Partition)) + "-" + strconv.FormatUint(m.EventHour, 10) + "-" + strconv.FormatUint(m.Revision, 10)
	msg := &nats.Msg{Subject: wire.PopulationSubject(int(m.Partition)), Data: data}
	if _, err = js.PublishMsg(ctx, msg, jetstream.WithMsgID(id)); err != nil && !errors.Is(err, context.Canceled) {
		n.cfg.OnError(fmt.Errorf("publish population summary: %w", err))
	}
	return err
}

// follow takes every version that the owner writes.
func (n *Node) follow(ctx context.Context, kv jetstream.KeyValue) {
	for {
		w, err := kv.Watch(ctx, stateKey, jetstream.IncludeHistory())
		if err == nil {
			n.receive(ctx, w)
			err = w.Stop()
		}
		if err != nil && ctx.Err() == nil {
			n.cfg.OnError(fmt.Errorf("watch population versions: %w", err))
		}
		if !pause(ctx, retryEvery) {
			return
		}
	}
}

func (n *Node) receive(ctx context.Context, w jetstream.KeyWatcher) {
	for {
		select {
		case <-ctx.Done():
			return
		case entry, ok := <-w.Updates():
			if !ok {
				return
			}
			if entry == nil || entry.Operation() != jetstream.KeyValuePut {
				continue
			}
			m := &weirv1.PopulationState{}
			if err := m.UnmarshalVT(entry.Value()); err != nil {
				n.cfg.OnError(fmt.Errorf("decode population version at revision %d: %w", entry.Revision(), err))
				continue
			}
			n.take(m)
		}
	}
}

// take brings a version in; one that is not newer in event time changes nothing.
func (n *Node) take(m *weirv1.PopulationState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if int64(m.EventHour) <= n.versions[len(n.versions)-1].EventHour {
		return
	}
	f := NewInForce(m, n.cfg.Budget)
	n.versions = append(n.versions, f)
	if over := len(n.versions) - keptVersions; over > 0 {
		n.versions = append([]*InForce(nil), n.versions[over:]...)
	}
	n.current.Store(f)
	close(n.changed)
	n.changed = make(chan struct{})
}

// Current gives the newest version. It never waits and is never nil.
func (n *Node) Current() *InForce { return n.current.Load() }

// At gives the newest version that is in force in an event hour, the oldest one kept if all are later.
func (n *Node) At(hour int64) *InForce {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.versions) - 1; i > 0; i-- {
		if n.versions[i].EventHour <= hour {
			return n.versions[i]
		}
	}
	return n.versions[0]
}

// WaitFor waits until the version due in an event hour is here, or ctx is done. Imports call it at
// each event hour; nothing is due until a day is over of which this process offered an hour.
func (n *Node) WaitFor(ctx context.Context, hour int64) error {
	day := (hour - 1) / hoursPerDay * hoursPerDay // the first hour the version need not know of
	for {
		n.mu.Lock()
		here := n.first == 0 || n.first >= day || n.versions[len(n.versions)-1].EventHour > day
		changed := n.changed
		n.mu.Unlock()
		if here {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the population version of event hour %d: %w", hour, ctx.Err())
		case <-changed:
		}
	}
}

// Counters gives the counters.
func (n *Node) Counters() NodeCounters {
	return NodeCounters{
		Published: n.published.Load(), QueueFull: n.full.Load(), Takeovers: n.takeovers.Load(),
		Lost: n.lost.Load(), Versions: n.written.Load(),
	}
}
