// SPDX-License-Identifier: Apache-2.0

// Package ingest takes batches from the stream, checks them, and says of each whether it was
// applied before.
//
// It assumes a work-queue stream and a checkpoint that acknowledges. It refuses to keep totals, to
// judge, and to acknowledge by itself what is not durable.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
)

// Config says how batches are taken. The zero value gives the defaults.
type Config struct {
	Stream        string        // default WEIR_EXCHANGES
	Groups        int           // durable consumers, each with an equal share of the partitions; default 8, a divisor of 64
	MaxAckPending int           // batches of a group that are handed out and not acknowledged; default 1024
	AckWait       time.Duration // default 30 s
	PinnedTTL     time.Duration // a hung owner loses its group after this; default 10 s
	MaxHold       time.Duration // how long a batch may wait for its checkpoint before it may be redelivered; default 5 min
	Depth         int           // batches waiting per partition; default 8
}

func (cfg *Config) defaults() error {
	if cfg.Stream == "" {
		cfg.Stream = wire.StreamExchanges
	}
	positive(&cfg.Groups, 8)
	positive(&cfg.MaxAckPending, 1024)
	positive(&cfg.AckWait, 30*time.Second)
	positive(&cfg.PinnedTTL, 10*time.Second)
	positive(&cfg.MaxHold, 5*time.Minute)
	positive(&cfg.Depth, 8)
	if wire.Partitions%cfg.Groups != 0 {
		return fmt.Errorf("take batches: %d groups do not divide %d partitions", cfg.Groups, wire.Partitions)
	}
	return nil
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// priorityGroup is the one group of pullers of each consumer: the server lets one of them in.
const priorityGroup = "analyzer"

// pinHeader is where the server says under which pin it sends.
const pinHeader = "Nats-Pin-Id"

// Source takes batches from the stream into one bounded queue per partition.
type Source struct {
	cfg    Config
	js     jetstream.JetStream
	queues [wire.Partitions]chan *Delivery
	pinned bool
	held   held
	counts counts
}

// Open makes or updates the durable consumers. On a server that cannot pin a consumer to one client
// (before 2.11) replicas share batches, and only the checkpoint's fence keeps owners apart: Pinned
// says which it is.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Source, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, js: js, pinned: true}
	for p := range s.queues {
		s.queues[p] = make(chan *Delivery, cfg.Depth)
	}
	for g := range cfg.Groups {
		c, err := s.consumer(ctx, g)
		if err != nil {
			return nil, err
		}
		s.pinned = s.pinned && c.CachedInfo().Config.PriorityPolicy == jetstream.PriorityPolicyPinned
	}
	return s, nil
}

// Pinned says whether the server gives each group to one client at a time.
func (s *Source) Pinned() bool { return s.pinned }

// Partition gives the queue of one partition. It is closed when Run returns.
func (s *Source) Partition(p int) <-chan *Delivery { return s.queues[p] }

func (s *Source) consumer(ctx context.Context, group int) (jetstream.Consumer, error) {
	share := wire.Partitions / s.cfg.Groups
	filters := make([]string, share)
	for i := range filters {
		filters[i] = wire.ExchangesFilter(group*share + i)
	}
	name := fmt.Sprintf("weir_exchanges_%02d", group)
	cfg := jetstream.ConsumerConfig{
		Durable: name, Description: "batches for analyzers",
		FilterSubjects: filters, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.cfg.AckWait,
		MaxAckPending: s.cfg.MaxAckPending, MaxDeliver: -1,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{priorityGroup}, PinnedTTL: s.cfg.PinnedTTL,
	}
	c, err := s.js.CreateOrUpdateConsumer(ctx, s.cfg.Stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("make consumer %s on %s (was the stream made by `weir-analyzer nats bootstrap`?): %w", name, s.cfg.Stream, err)
	}
	return c, nil
}

// Run takes batches until ctx ends; then it gives back what nobody took and returns nil. While a
// partition's queue is full its group waits and nothing is dropped. Faults of the connection are
// counted and tried again.
func (s *Source) Run(ctx context.Context) error {
	var groups sync.WaitGroup
	for g := range s.cfg.Groups {
		groups.Go(func() { s.runGroup(ctx, g) })
	}
	groups.Go(func() { s.keep(ctx) })
	groups.Wait()
	for _, q := range s.queues {
		s.giveBack(q)
		close(q)
	}
	return nil
}

// giveBack empties a queue that nobody fills any more.
func (s *Source) giveBack(q chan *Delivery) {
	for {
		select {
		case d := <-q:
			_ = d.Nak(0)
			s.counts.add("given_back", "queued", 1)
		default:
			return
		}
	}
}

// GiveBack gives back what is held of a partition, so that it comes again at once: for an owner
// that was fenced and has loaded the state of another.
func (s *Source) GiveBack(partition int) {
	s.giveBackHeld("asked", func(t *ticket) bool { return t.partition == partition })
}

// giveBackHeld also takes what still waits in a queue: that comes twice, and is applied once.
func (s *Source) giveBackHeld(reason string, which func(*ticket) bool) {
	for _, t := range s.held.take(which) {
		_ = t.msg.Nak()
		s.counts.add("given_back", reason, 1)
	}
}

// retry is how long a group waits after a fault before it tries again.
const retry = 250 * time.Millisecond

func (s *Source) runGroup(ctx context.Context, group int) {
	for ctx.Err() == nil {
		err := s.pull(ctx, group)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.counts.add("pulls_failed", reasonOf(err), 1)
		}
		pause := time.NewTimer(retry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, jetstream.ErrConnectionClosed):
		return "connection_closed"
	case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound):
		return "consumer_deleted"
	case errors.Is(err, jetstream.ErrNoHeartbeat):
		return "no_heartbeat"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "other"
}

// prefetch bounds the bytes that a group takes ahead of its queues.
const prefetch = 8 << 20

// pull takes batches of one group until ctx ends or the world is at fault.
func (s *Source) pull(ctx context.Context, group int) error {
	c, err := s.consumer(ctx, group)
	if err != nil {
		return err
	}
	opts := []jetstream.PullMessagesOpt{
		jetstream.PullMaxMessagesWithBytesLimit(min(128, s.cfg.MaxAckPending), prefetch),
		jetstream.PullExpiry(5 * time.Second), jetstream.PullHeartbeat(time.Second),
		jetstream.WithMessagesErrOnMissingHeartbeat(false),
	}
	if c.CachedInfo().Config.PriorityPolicy == jetstream.PriorityPolicyPinned {
		opts = append(opts, jetstream.PullPriorityGroup(priorityGroup))
	}
	messages, err := c.Messages(opts...)
	if err != nil {
		return fmt.Errorf("pull batches of group %d: %w", group, err)
	}
	// After Drain, Next hands out what was prefetched, so that it can be given back at once instead
	// of after AckWait.
	stop := context.AfterFunc(ctx, messages.Drain)
	defer stop()
	defer messages.Stop()
	pin, share := "", wire.Partitions/s.cfg.Groups
	for {
		msg, err := messages.Next()
		if err != nil {
			if errors.Is(err, jetstream.ErrMsgIteratorClosed) && ctx.Err() != nil {
				s.unpin(c, pin)
				return nil
			}
			return fmt.Errorf("pull batches of group %d: %w", group, err)
		}
		if now := msg.Headers().Get(pinHeader); now != pin {
			pin = now
			s.giveBackHeld("ownership", func(t *ticket) bool { return t.partition/share == group && t.epoch != pin })
		}
		s.take(ctx, msg)
	}
}

// unpin leaves the group to the next client at once, which otherwise waits for PinnedTTL. The
// server has no "unpin if it is me": the moment between question and order can cost another owner
// its pin, and nothing else.
func (s *Source) unpin(c jetstream.Consumer, pin string) {
	if pin == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil || len(info.PriorityGroups) == 0 || info.PriorityGroups[0].PinnedClientID != pin {
		return
	}
	stream, err := s.js.Stream(ctx, s.cfg.Stream)
	if err == nil {
		err = stream.UnpinConsumer(ctx, info.Name, priorityGroup)
	}
	if err != nil {
		s.counts.add("unpin_failed", "", 1)
	}
}
