// SPDX-License-Identifier: Apache-2.0

package population

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// errFenced says that another process has become the owner.
var errFenced = errors.New("another owner has taken over")

// liveWithin tells live traffic from an import: how many hours event time may lag the clock.
const liveWithin = 3

// lease is what stands under leaseKey. Who holds it writes it again and again; one that has not
// changed for LeaseAge, by the clock of who watches it, may be taken. No two clocks are compared.
type lease struct {
	Owner    string `json:"owner"`
	Fence    uint64 `json:"fence"` // grows with every owner
	Released bool   `json:"released,omitempty"`
}

// watched is the lease as a standby last saw it change.
type watched struct {
	revision uint64
	since    time.Time
}

// lead stands by, and reigns while the lease is this process's.
func (n *Node) lead(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue) {
	var seen watched
	for {
		r, err := n.takeLease(ctx, kv, &seen)
		if err == nil && r != nil {
			n.takeovers.Add(1)
			n.cfg.OnOwner(true)
			if err = r.reign(ctx, js); errors.Is(err, errFenced) {
				n.lost.Add(1)
			}
			n.cfg.OnOwner(false)
			seen = watched{}
		}
		if err != nil && ctx.Err() == nil {
			n.cfg.OnError(fmt.Errorf("own the population: %w", err))
		}
		if !pause(ctx, n.cfg.LeaseAge/4) {
			return
		}
	}
}

// takeLease takes the lease if nobody has it; nil if somebody does.
func (n *Node) takeLease(ctx context.Context, kv jetstream.KeyValue, seen *watched) (*owner, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.LeaseAge)
	defer cancel()
	l, revision, err := readLease(ctx, kv)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if seen.since.IsZero() || revision != seen.revision {
		*seen = watched{revision, now}
	}
	if revision != 0 && !l.Released && now.Sub(seen.since) < n.cfg.LeaseAge {
		return nil, nil
	}
	r := &owner{node: n, kv: kv, lease: lease{Owner: n.cfg.Name, Fence: l.Fence + 1}, leaseRevision: revision}
	err = r.renew(ctx)
	if errors.Is(err, errFenced) {
		return nil, nil // somebody else was faster
	}
	return r, err
}

func readLease(ctx context.Context, kv jetstream.KeyValue) (lease, uint64, error) {
	entry, err := kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return lease{}, 0, nil
	}
	if err != nil {
		return lease{}, 0, fmt.Errorf("read lease: %w", err)
	}
	var l lease
	if err := json.Unmarshal(entry.Value(), &l); err != nil {
		return lease{}, 0, fmt.Errorf("decode lease at revision %d (delete key %s to start anew): %w", entry.Revision(), leaseKey, err)
	}
	return l, entry.Revision(), nil
}

// owner is one term of ownership.
type owner struct {
	node          *Node
	kv            jetstream.KeyValue
	lease         lease
	leaseRevision uint64
	renewed       time.Time

	state    *State
	revision uint64                  // of stateKey; 0: none
	unsaved  *weirv1.PopulationState // a version that could not be written yet
	newest   [partitions]int64       // the newest event hour of each partition; 0: none
	closing  int64                   // the last hour of the day to be closed, once a partition is through it
	reached  time.Time               // when the first partition was
	moved    time.Time               // when another came a step nearer
}

// renew writes the lease again. A revision that is not ours means that it is not ours any more.
func (o *owner) renew(ctx context.Context) error {
	value, err := json.Marshal(o.lease)
	if err != nil {
		panic("BUG: encode lease: " + err.Error())
	}
	revision, err := o.kv.Update(ctx, leaseKey, value, o.leaseRevision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	o.leaseRevision, o.renewed = revision, time.Now()
	return nil
}

// reign folds summaries and writes versions until ctx is done or the lease is lost.
func (o *owner) reign(ctx context.Context, js jetstream.JetStream) error {
	if err := o.load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages := make(chan jetstream.Msg)
	stop, err := o.consume(ctx, js, messages)
	if err != nil {
		return err
	}
	defer func() {
		cancel() // a message may be waiting to be taken
		stop()
	}()
	tick := time.NewTicker(o.node.cfg.LeaseAge / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			o.release()
			return nil
		case m := <-messages:
			o.fold(m)
		case <-tick.C:
			if err := o.sign(ctx); err != nil {
				return err
			}
		}
		if err := o.closeDays(ctx, time.Now()); err != nil {
			return err
		}
	}
}

// load reads the newest version and writes it again under this owner's name. From then on whoever
// owned it before holds an old revision, and cannot write.
func (o *owner) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.node.cfg.LeaseAge)
	defer cancel()
	for {
		var from *weirv1.PopulationState
		entry, err := o.kv.Get(ctx, stateKey)
		switch {
		case err == nil:
			from = &weirv1.PopulationState{}
			if err := from.UnmarshalVT(entry.Value()); err != nil {
				return fmt.Errorf("decode population version at revision %d (delete key %s to start anew): %w", entry.Revision(), stateKey, err)
			}
			o.revision = entry.Revision()
		case errors.Is(err, jetstream.ErrKeyNotFound):
			o.revision = 0
		default:
			return fmt.Errorf("read population version: %w", err)
		}
		if from != nil {
			o.lease.Fence = max(o.lease.Fence, from.Fence+1)
			err := o.save(ctx, from)
			if errors.Is(err, errFenced) {
				continue // the old owner wrote in between: read what it wrote
			}
			if err != nil {
				return err
			}
		}
		o.state = NewState(o.node.cfg.Budget, from)
		for p, hour := range o.state.applied {
			o.newest[p] = int64(hour)
		}
		return nil
	}
}

// save writes a version with the revision this owner knows.
func (o *owner) save(ctx context.Context, m *weirv1.PopulationState) error {
	m.Owner, m.Fence = o.lease.Owner, o.lease.Fence
	value, err := m.MarshalVT()
	if err != nil {
		panic("BUG: encode population version: " + err.Error())
	}
	revision, err := o.kv.Update(ctx, stateKey, value, o.revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("write population version %d: %w", m.Version, err)
	}
	o.revision = revision
	return nil
}

// consume reads every summary that the stream still has; those folded in before are known by their
// hours.
func (o *owner) consume(ctx context.Context, js jetstream.JetStream, to chan<- jetstream.Msg) (stop func(), err error) {
	setup, cancel := context.WithTimeout(ctx, o.node.cfg.LeaseAge)
	defer cancel()
	c, err := js.OrderedConsumer(setup, wire.StreamPopulation, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", wire.StreamPopulation, err)
	}
	running, err := c.Consume(func(m jetstream.Msg) {
		select {
		case to <- m:
		case <-ctx.Done():
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		o.node.cfg.OnError(fmt.Errorf("read stream %s: %w", wire.StreamPopulation, err))
	}))
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", wire.StreamPopulation, err)
	}
	return func() {
		running.Stop()
		<-running.Closed()
	}, nil
}

// fold takes one message. What cannot be decoded is counted as malformed, as is a partition that
// speaks under another's subject.
func (o *owner) fold(msg jetstream.Msg) {
	m := &weirv1.PopulationSummary{}
	if m.UnmarshalVT(msg.Data()) != nil || m.Partition >= partitions || msg.Subject() != wire.PopulationSubject(int(m.Partition)) {
		o.state.Folded.Malformed++
		return
	}
	if o.state.Fold(m) {
		o.newest[m.Partition] = max(o.newest[m.Partition], int64(m.EventHour))
		if int64(m.EventHour) <= o.closing {
			o.moved = time.Now()
		}
	}
}

// sign renews the lease and writes what could not be written before. Faults of the network are
// told and borne while the lease can still be ours.
func (o *owner) sign(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.node.cfg.LeaseAge/4)
	defer cancel()
	err := o.renew(ctx)
	if err == nil && o.unsaved != nil {
		err = o.write(ctx, o.unsaved)
	}
	if err == nil || errors.Is(err, errFenced) {
		return err
	}
	if time.Since(o.renewed) > o.node.cfg.LeaseAge {
		return fmt.Errorf("%w, unheard for %s: %w", errFenced, o.node.cfg.LeaseAge, err)
	}
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		o.node.cfg.OnError(fmt.Errorf("own the population: %w", err))
	}
	return nil
}

func (o *owner) write(ctx context.Context, m *weirv1.PopulationState) error {
	err := o.save(ctx, m)
	if err == nil {
		o.unsaved = nil
		o.node.written.Add(1)
	}
	return err
}

// closeDays makes the version of every day that is over.
func (o *owner) closeDays(ctx context.Context, now time.Time) error {
	for o.dayOver(now) {
		m := o.state.Close(o.closing)
		if m == nil {
			panic("BUG: the day is over and there is no version")
		}
		o.unsaved, o.closing = m, 0
		deadline, cancel := context.WithTimeout(ctx, o.node.cfg.LeaseAge/4)
		err := o.write(deadline, m)
		cancel()
		if errors.Is(err, errFenced) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			o.node.cfg.OnError(err) // sign writes it again
		}
	}
	return nil
}

// dayOver says whether the day to be closed next is over in every partition that has been heard of
// in the last two days, or in one of them for long enough: live traffic goes by the clock, an import
// as long as others come nearer. The first day of a deployment waits in any case: who has not been
// heard of may just be slow to begin.
func (o *owner) dayOver(now time.Time) bool {
	last, ok := o.state.openDay()
	if !ok {
		return false
	}
	ahead, all := false, o.state.last != nil
	for _, hour := range o.newest {
		ahead = ahead || hour >= last
		all = all && (hour >= last || hour < last-2*hoursPerDay)
	}
	if !ahead {
		return false
	}
	if o.closing != last {
		o.closing, o.reached, o.moved = last, now, now
	}
	if now.Unix()/3600-last <= liveWithin {
		return all || now.Sub(o.reached) >= o.node.cfg.LiveGrace
	}
	return all || now.Sub(o.moved) >= o.node.cfg.ImportGrace
}

// release lets a standby take over at once.
func (o *owner) release() {
	ctx, cancel := context.WithTimeout(context.Background(), o.node.cfg.LeaseAge/4)
	defer cancel()
	o.lease.Released = true
	if err := o.renew(ctx); err != nil {
		o.node.cfg.OnError(fmt.Errorf("release lease: %w", err))
	}
}
