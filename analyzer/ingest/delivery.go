// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Delivery is one batch of one partition. Whoever takes it calls Ack after the checkpoint that
// holds it is durable, also when Watermarks say Duplicate: an earlier delivery of the same message
// may be applied and not durable yet. Or it calls Nak. Both may be kept without keeping the Batch.
type Delivery struct {
	Partition   int
	Batch       *weirv1.Batch // owned by the receiver; its times are the stream's, whatever the sensor's clock said
	Received    time.Time     // when the stream stored it
	Redelivered bool
	// Epoch names the ownership under which it came. When it differs from the last Delivery's of the
	// same partition, another owner may have been in between: the state in memory is good only if
	// the checkpoint is still the one it was loaded from or saved as. What was delivered under
	// another Epoch and is not acknowledged has been given back and comes again.
	Epoch string

	// Ack acknowledges the batch. It does not wait for the server: an acknowledgement that is lost
	// brings the batch again, as a duplicate.
	Ack func() error
	// Nak gives the batch back, to come again after a delay.
	Nak func(delay time.Duration) error
}

// ticket is what stands for a delivery towards the server.
type ticket struct {
	msg       jetstream.Msg
	partition int
	epoch     string
	since     time.Time
	held      *held
}

func (t *ticket) ack() error {
	t.held.drop(t)
	if err := t.msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge a batch of partition %d: %w", t.partition, err)
	}
	return nil
}

func (t *ticket) nak(delay time.Duration) error {
	t.held.drop(t)
	if err := t.msg.NakWithDelay(delay); err != nil {
		return fmt.Errorf("give back a batch of partition %d: %w", t.partition, err)
	}
	return nil
}

// take checks one message and puts it into its partition's queue. What cannot be read is counted
// and removed from the stream: it would come for ever.
func (s *Source) take(ctx context.Context, msg jetstream.Msg) {
	s.counts.add("received", "", 1)
	if ctx.Err() != nil {
		_ = msg.Nak()
		s.counts.add("given_back", "pulled", 1)
		return
	}
	batch := new(weirv1.Batch)
	err := wire.DecodeBatch(msg.Data(), batch)
	reason := wire.Reason(err)
	if err == nil {
		reason = s.unfit(msg, batch)
	}
	if reason != "" {
		s.counts.add("refused", reason, 1)
		_ = msg.TermWithReason(reason)
		return
	}
	t := &ticket{msg: msg, partition: int(batch.Partition), epoch: msg.Headers().Get(pinHeader), since: time.Now(), held: &s.held}
	d := &Delivery{Partition: t.partition, Batch: batch, Epoch: t.epoch, Ack: t.ack, Nak: t.nak}
	if meta, err := msg.Metadata(); err == nil {
		d.Received, d.Redelivered = meta.Timestamp, meta.NumDelivered > 1
	}
	if how := correct(batch, d.Received); how != "" {
		s.counts.add("clock_corrected", how, 1)
	}
	if d.Redelivered {
		s.counts.add("redelivered", "", 1)
	}
	s.held.add(t)
	select {
	case s.queues[d.Partition] <- d:
		s.counts.add("delivered", "", 1)
	case <-ctx.Done():
		_ = d.Nak(0)
		s.counts.add("given_back", "pulled", 1)
	}
}

// importSensor is the sensor_id of imports: what comes under it is judged by its own times.
const importSensor = "import"

// importAhead is how far an import may reach beyond its arrival: clocks of captures differ, but the
// future cannot be judged, and what claims to come from it would close every minute before it.
const importAhead = 15 * time.Minute

// unfit says why a batch that could be read is refused; "" for none.
func (s *Source) unfit(msg jetstream.Msg, b *weirv1.Batch) string {
	if !fits(msg.Subject(), b) {
		return "subject"
	}
	if b.Source != weirv1.BatchSource_BATCH_SOURCE_IMPORT {
		return ""
	}
	if b.SensorId != importSensor {
		return "import_sensor"
	}
	if meta, err := msg.Metadata(); err == nil && b.WindowEndUnixNano > uint64(meta.Timestamp.Add(importAhead).UnixNano()) {
		return "import_future"
	}
	return ""
}

// fits says whether a batch came on the subject of its partition and sensor. Permissions are given
// by subject, so a sensor that names another in its batches is refused: it could spend the other's
// sequence numbers.
func fits(subject string, b *weirv1.Batch) bool {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 6 || b.Sequence == 0 || b.Partition >= wire.Partitions {
		return false
	}
	p, err := strconv.Atoi(tokens[3])
	return err == nil && p == int(b.Partition) && tokens[5] == wire.Name(b.SensorId)
}

// held are the deliveries that are neither acknowledged nor given back.
type held struct {
	mu  sync.Mutex
	set map[*ticket]struct{}
}

func (h *held) add(t *ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil {
		h.set = make(map[*ticket]struct{})
	}
	h.set[t] = struct{}{}
}

func (h *held) drop(t *ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.set, t)
}

// list gives the deliveries to keep alive, and lets go of those held since before oldest.
func (h *held) list(oldest time.Time) (alive []*ticket, expired int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for t := range h.set {
		if t.since.Before(oldest) {
			delete(h.set, t)
			expired++
		} else {
			alive = append(alive, t)
		}
	}
	return alive, expired
}

// take removes and gives the tickets that which names.
func (h *held) take(which func(*ticket) bool) []*ticket {
	h.mu.Lock()
	defer h.mu.Unlock()
	var taken []*ticket
	for t := range h.set {
		if which(t) {
			taken = append(taken, t)
			delete(h.set, t)
		}
	}
	return taken
}

// keep tells the server that held batches are in progress, so that a slow checkpoint brings no
// redelivery. After MaxHold it gives up: who holds a batch for so long is hung.
func (s *Source) keep(ctx context.Context) {
	tick := time.NewTicker(s.cfg.AckWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			alive, expired := s.held.list(now.Add(-s.cfg.MaxHold))
			s.counts.add("held_too_long", "", uint64(expired))
			for _, t := range alive {
				if err := t.msg.InProgress(); err != nil {
					s.counts.add("in_progress_failed", "", 1)
				}
			}
		}
	}
}

// Count is one counter of a Source.
type Count struct {
	Name   string // received, delivered, given_back, refused, redelivered, held_too_long, in_progress_failed, pulls_failed, unpin_failed, clock_corrected
	Reason string // why, for refused and pulls_failed; how, for clock_corrected; from where, for given_back: pulled, queued, ownership or asked
	Value  uint64
}

type counts struct {
	mu sync.Mutex
	by map[[2]string]uint64
}

func (c *counts) add(name, reason string, n uint64) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[[2]string]uint64)
	}
	c.by[[2]string{name, reason}] += n
}

// Counts gives the counters in the order of name and reason. Between two batches
//
//	received = delivered + refused + given_back(pulled)
//
// and the other given_back are out of those delivered: queued stood in a queue when Run ended,
// ownership were held when the server pinned the group anew, asked went through GiveBack.
func (s *Source) Counts() []Count {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	list := make([]Count, 0, len(s.counts.by))
	for k, n := range s.counts.by {
		list = append(list, Count{k[0], k[1], n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return strings.Compare(a.Name+"\x00"+a.Reason, b.Name+"\x00"+b.Reason)
	})
	return list
}
