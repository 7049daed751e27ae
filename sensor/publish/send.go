// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// ErrStalled is what a Transport returns when it has too many messages outstanding: a pause, not a
// failure.
var ErrStalled = errors.New("too many messages outstanding")

const (
	late        = 10 * time.Second // a batch this old is one from the spool
	maxCounters = 1024             // in one batch
)

// result is the fate of one sending.
type result struct {
	body *body
	err  error
}

// sender belongs to the loop; flight and retry are read by others under mu.
type sender struct {
	free     freeList
	subjects [wire.Partitions]string
	head     weirv1.Batch
	window   int // batches that may be in flight now

	mu     sync.Mutex
	flight map[*body]struct{}
	retry  []*body

	flying int64 // bytes of messages in flight

	pause     time.Duration // the next pause after a failure
	lastAck   int64         // clock
	notBefore int64         // clock: nothing is sent before
	beat      int64         // clock: the next heartbeat
	spare     []result
}

func (s *sender) init(p *Publisher) {
	for i := range s.subjects {
		s.subjects[i] = wire.ExchangesSubject(i, p.cfg.Cluster, p.cfg.SensorID)
	}
	s.flight = map[*body]struct{}{}
	s.pause, s.window = p.cfg.RetryMin, p.cfg.MaxInFlight
	s.beat = p.started
}

// loop sends until Close.
func (p *Publisher) loop() {
	defer close(p.done)
	tick := min(p.cfg.FlushEvery/4, 50*time.Millisecond)
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		now := p.now()
		p.step(now)
		wait := tick
		if pause := p.send.notBefore - now; pause > 0 {
			wait = min(wait, time.Duration(pause))
		}
		timer.Reset(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		case <-p.stop:
			p.settle(p.now())
			return
		}
	}
}

// step does what is due.
func (p *Publisher) step(now int64) {
	p.settle(now)
	everything := p.flush.Swap(false)
	p.sealDue(now, everything)
	p.heartbeat(now)
	if now < p.send.notBefore {
		return
	}
	if p.resend(now) {
		p.sendReady(now, everything)
	}
}

// sealDue cuts bodies that waited long enough. An import's wait for its event time.
func (p *Publisher) sealDue(now int64, everything bool) {
	if p.cfg.Import && !everything {
		return
	}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if s.open != nil && (everything || now-s.open.opened >= int64(p.cfg.FlushEvery)) {
			s.cut()
		}
		s.mu.Unlock()
	}
}

// settle takes what the transport said of earlier sendings.
func (p *Publisher) settle(now int64) {
	p.resultsMu.Lock()
	results := p.results
	p.results = p.send.spare[:0]
	p.resultsMu.Unlock()
	for i, r := range results {
		p.settleOne(r, now)
		results[i] = result{}
	}
	p.send.spare = results
	if len(results) > 0 {
		p.tellWaiters()
	}
}

func (p *Publisher) settleOne(r result, now int64) {
	b := r.body
	p.landed(b)
	if r.err != nil {
		p.failed(b, r.err, now)
		return
	}
	p.send.lastAck = now
	p.counts.sent.Add(b.exchanges)
	p.counts.rollups.Add(b.rollups)
	p.counts.batches.Add(1)
	p.counts.bytes.Add(uint64(len(b.msg)))
	p.send.pause, p.send.window = p.cfg.RetryMin, min(2*p.send.window, p.cfg.MaxInFlight)
	p.queued.Add(-b.size())
	p.send.free.put(b)
}

// failed keeps a body for another sending under the same id: the first may have arrived.
func (p *Publisher) failed(b *body, err error, now int64) {
	if errors.Is(err, ErrStalled) {
		p.counts.stalls.Add(1)
	} else {
		p.counts.failures.Add(1)
	}
	p.queued.Add(-int64(len(b.msg)))
	b.msg = b.msg[:0]
	p.send.mu.Lock()
	p.send.retry = append(p.send.retry, b)
	p.send.mu.Unlock()
	p.send.window = 1
	if now < p.send.notBefore {
		return // one pause for all that failed together
	}
	// Sensors that lost the same server must not come back in step.
	p.send.notBefore = now + int64(p.send.pause/2) + rand.Int64N(int64(p.send.pause/2)+1)
	p.send.pause = min(2*p.send.pause, p.cfg.RetryMax)
}

// resend sends again what failed. It reports false where it found no room or failed again.
func (p *Publisher) resend(now int64) bool {
	for len(p.send.retry) > 0 {
		if !p.room() {
			return false
		}
		p.send.mu.Lock()
		b := p.send.retry[0]
		p.send.retry = append(p.send.retry[:0], p.send.retry[1:]...)
		p.send.mu.Unlock()
		if !p.sendOne(b, now) {
			return false
		}
	}
	return true
}

// room says whether another batch may be in flight. After a failure one is tried, and each
// acknowledgement allows twice as many: a full stream is not flooded, nor a server that came back.
func (p *Publisher) room() bool {
	return len(p.send.flight) < p.send.window && p.send.flying < p.cfg.QueueBytes/8
}

// sendReady sends in the order in which batches were cut, so that partitions keep step in event time.
func (p *Publisher) sendReady(now int64, everything bool) {
	p.releaseDue(now, everything)
	for p.room() {
		b := p.takeOldest()
		if b == nil || !p.sendOne(b, now) {
			return
		}
	}
}

// releaseDue turns rollups into batches where nothing waits before them, or they waited long enough.
func (p *Publisher) releaseDue(now int64, everything bool) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if s.first == len(s.ready) || everything || p.rollupsWaited(s, now) {
			s.release()
		}
		s.mu.Unlock()
	}
}

// takeOldest takes the batch that was cut first, nil where none is ready.
func (p *Publisher) takeOldest() *body {
	var from *shard
	var oldest uint64
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		if s.first < len(s.ready) && (from == nil || s.ready[s.first].order < oldest) {
			from, oldest = s, s.ready[s.first].order
		}
		s.mu.Unlock()
	}
	if from == nil {
		return nil
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	return from.pop()
}

// rollupsWaited says whether rollups must be queued though exchanges are queued before them. Where the
// other side is slow but alive the queue would else never be empty.
func (p *Publisher) rollupsWaited(s *shard, now int64) bool {
	return len(s.rolled.byKey) > 0 && now-s.rolled.since >= int64(time.Minute) && now-p.send.lastAck < int64(5*time.Second)
}

// sendOne sends a body and says whether to go on.
func (p *Publisher) sendOne(b *body, now int64) bool {
	s := &p.shards[b.partition]
	if b.sequence == 0 {
		s.sequence++
		b.sequence = s.sequence
	}
	size := len(b.raw)
	p.fillHead(b, now)
	var err error
	b.raw, err = appendMessage(b.raw, &p.send.head)
	if err == nil {
		b.msg, err = wire.AppendRaw(b.msg[:0], b.raw)
	}
	b.raw = b.raw[:size]
	if err != nil { // cannot be: bodies are bounded well below a message
		p.counts.tooLarge.Add(b.exchanges + b.merged)
		p.queued.Add(-int64(size))
		p.send.free.put(b)
		return true
	}
	p.queued.Add(int64(len(b.msg)))
	p.send.mu.Lock()
	p.send.flight[b] = struct{}{}
	p.send.mu.Unlock()
	p.send.flying += int64(len(b.msg))
	err = p.transport.Publish(p.send.subjects[b.partition], wire.BatchID(&p.send.head), b.msg, func(err error) { p.settled(b, err) })
	if err != nil {
		p.landed(b)
		p.failed(b, err, now)
		return false
	}
	return true
}

// landed takes a body out of flight.
func (p *Publisher) landed(b *body) {
	p.send.mu.Lock()
	delete(p.send.flight, b)
	p.send.mu.Unlock()
	p.send.flying -= int64(len(b.msg))
}

// settled is what transports call.
func (p *Publisher) settled(b *body, err error) {
	p.resultsMu.Lock()
	p.results = append(p.results, result{body: b, err: err})
	p.resultsMu.Unlock()
	p.nudge()
}

func appendMessage(dst []byte, b *weirv1.Batch) ([]byte, error) {
	data, err := b.MarshalVT()
	return append(dst, data...), err
}

// fillHead makes all of a batch but its lists. sent and source say when this sending took place, so
// that a late batch looks late and not skewed.
func (p *Publisher) fillHead(b *body, now int64) {
	h := &p.send.head
	h.Reset()
	h.SchemaVersion = wire.SchemaVersion
	h.CredentialsKeyId, h.ObjectsKeyId, h.ExchangesKeyId = p.cfg.CredentialsKeyID, p.cfg.ObjectsKeyID, p.cfg.ExchangesKeyID
	h.Cluster, h.SensorId, h.BootId = p.cfg.Cluster, p.cfg.SensorID, p.cfg.BootID
	h.Partition, h.Sequence = uint32(b.partition), b.sequence
	h.WindowStartUnixNano, h.WindowEndUnixNano = b.start, b.end
	h.SentUnixNano = nanos(now)
	switch {
	case p.cfg.Import:
		h.Source = weirv1.BatchSource_BATCH_SOURCE_IMPORT
	case p.cfg.Source != 0:
		h.Source = p.cfg.Source
	case now-b.opened > int64(late):
		h.Source = weirv1.BatchSource_BATCH_SOURCE_SPOOL
	default:
		h.Source = weirv1.BatchSource_BATCH_SOURCE_LIVE
	}
	h.Counters = p.allCounters(h.Counters)
	if p.cfg.Gap != nil && b.sequence == 1 {
		h.Gaps = append(h.Gaps, p.cfg.Gap)
	}
}

func (p *Publisher) allCounters(dst []*weirv1.Counter) []*weirv1.Counter {
	dst = p.ownCounters(dst)
	if f := p.counters.Load(); f != nil {
		dst = append(dst, (*f)()...)
	}
	return dst[:min(len(dst), maxCounters)]
}

// heartbeat says that the sensor lives. It is best effort: the next one says the same and more.
func (p *Publisher) heartbeat(now int64) {
	if p.cfg.Heartbeat == nil || now < p.send.beat {
		return
	}
	p.send.beat = now + int64(p.cfg.HeartbeatEvery)
	stats := p.Stats()
	h := &weirv1.Heartbeat{
		SchemaVersion: wire.SchemaVersion, Cluster: p.cfg.Cluster, SensorId: p.cfg.SensorID, BootId: p.cfg.BootID,
		SentUnixNano: nanos(now), StartedUnixNano: nanos(p.started), Partitions: wire.Partitions,
		Counters: p.allCounters(nil), SpoolBytes: uint64(max(stats.QueueBytes, 0)),
		SpoolExchanges: stats.Exchanges - min(stats.Exchanges, stats.Sent+stats.DroppedNoID+stats.DroppedQueueFull),
	}
	p.cfg.Heartbeat(h)
	data, err := wire.AppendHeartbeat(nil, h)
	if err == nil && p.transport.Tell(wire.SensorsSubject(p.cfg.Cluster, p.cfg.SensorID), data) == nil {
		p.counts.heartbeats.Add(1)
	}
}
