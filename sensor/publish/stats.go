// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"sync/atomic"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// counts are the Publisher's own counters.
type counts struct {
	handed, sent, merged, widened                           atomic.Uint64
	noID, closed, unsent, unsentMerged, queueFull, tooLarge atomic.Uint64
	lostRequests, lostBytes, lostRecords, linksDropped      atomic.Uint64
	batches, rollups, bytes, failures, stalls, heartbeats   atomic.Uint64
}

// full counts an exchange that found room nowhere.
func (c *counts) full(x *weirv1.Exchange) {
	c.queueFull.Add(1)
	c.lostRequests.Add(uint64(x.RequestCount))
	c.lostBytes.Add(x.HttpResponseBodySize)
	c.lostRecords.Add(x.RecordCount)
}

// Stats are numbers since New. At rest Exchanges = Sent + Merged + all Dropped.
type Stats struct {
	Exchanges uint64 // handed in; parts of a long exchange count each
	Sent      uint64 // acknowledged with their detail
	Merged    uint64 // merged into rollups
	Rollups   uint64 // acknowledged
	Widened   uint64 // how often the windows of rollups became longer

	DroppedQueueFull uint64 // not even a rollup had room; what they held follows
	LostRequests     uint64
	LostBytes        uint64 // of response bodies
	LostRecords      uint64
	DroppedNoID      uint64 // without exchange or principal id
	DroppedClosed    uint64 // handed in after Close
	DroppedUnsent    uint64 // not acknowledged when Close gave up
	UnsentMerged     uint64 // likewise, of Merged
	DroppedTooLarge  uint64 // in a batch that no message can hold
	LinksDropped     uint64

	Batches    uint64 // acknowledged
	Bytes      uint64 // of acknowledged messages
	Failures   uint64 // sendings that were not acknowledged and came again
	Stalls     uint64 // times the client library had too many outstanding
	Heartbeats uint64

	QueueBytes  int64 // all that waits
	MergedBytes int64 // of which rollups
}

// Stats gives the numbers.
func (p *Publisher) Stats() Stats {
	c := &p.counts
	merged := p.merged.Load()
	return Stats{
		Exchanges: c.handed.Load(), Sent: c.sent.Load(), Merged: c.merged.Load(), Rollups: c.rollups.Load(), Widened: c.widened.Load(),
		DroppedQueueFull: c.queueFull.Load(), LostRequests: c.lostRequests.Load(), LostBytes: c.lostBytes.Load(), LostRecords: c.lostRecords.Load(),
		DroppedNoID: c.noID.Load(), DroppedClosed: c.closed.Load(), DroppedUnsent: c.unsent.Load(), UnsentMerged: c.unsentMerged.Load(), DroppedTooLarge: c.tooLarge.Load(),
		LinksDropped: c.linksDropped.Load(),
		Batches:      c.batches.Load(), Bytes: c.bytes.Load(), Failures: c.failures.Load(), Stalls: c.stalls.Load(), Heartbeats: c.heartbeats.Load(),
		QueueBytes: p.open.Load() + p.queued.Load() + merged, MergedBytes: merged,
	}
}

// unsent counts what waits. The loop's own part is exact only when the loop has ended.
func (p *Publisher) unsent() *UnsentError {
	u := &UnsentError{}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if s.open != nil {
			u.add(s.open)
		}
		for _, b := range s.ready[s.first:] {
			u.add(b)
		}
		u.Rollups += uint64(len(s.rolled.byKey))
		u.Merged += s.inRoll
		s.mu.Unlock()
	}
	p.send.mu.Lock()
	defer p.send.mu.Unlock()
	for b := range p.send.flight {
		u.add(b)
	}
	for _, b := range p.send.retry {
		u.add(b)
	}
	return u
}

func (e *UnsentError) add(b *body) {
	e.Exchanges += b.exchanges
	e.Rollups += b.rollups
	e.Merged += b.merged
}

// ownCounters appends what a batch and a heartbeat say of the Publisher itself.
func (p *Publisher) ownCounters(dst []*weirv1.Counter) []*weirv1.Counter {
	c := &p.counts
	for _, n := range []struct {
		name, reason string
		value        *atomic.Uint64
	}{
		{"exchanges", "", &c.handed}, {"exchanges_merged", "", &c.merged},
		{"exchanges_dropped", "queue_full", &c.queueFull}, {"exchanges_dropped", "no_id", &c.noID},
		{"exchanges_dropped", "unsent", &c.unsent}, {"exchanges_dropped", "too_large", &c.tooLarge},
		{"rollups_widened", "", &c.widened}, {"links_dropped", "", &c.linksDropped},
		{"batches_retried", "", &c.failures},
	} {
		if v := n.value.Load(); v != 0 {
			dst = append(dst, &weirv1.Counter{Name: n.name, Reason: n.reason, Value: v})
		}
	}
	return dst
}
