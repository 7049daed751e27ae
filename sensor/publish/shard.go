// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"sync"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// body is what becomes one batch: its list fields, encoded.
type body struct {
	partition int
	raw       []byte
	msg       []byte // the message, while in flight

	exchanges, rollups, merged uint64
	links                      int
	start, end                 uint64 // event time
	opened                     int64  // clock
	sequence                   uint64 // 0 until it is sent for the first time; then the body never changes
	order                      uint64 // in which bodies were cut, over all partitions
}

// size is what the body counts for.
func (b *body) size() int64 { return int64(len(b.raw) + len(b.msg)) }

func (b *body) reset(partition int) {
	*b = body{partition: partition, raw: b.raw[:0], msg: b.msg[:0]}
}

// cover widens the batch's window.
func (b *body) cover(start, end uint64) {
	if b.end == 0 || start < b.start {
		b.start = start
	}
	b.end = max(b.end, end)
}

// shard holds what waits for one partition.
type shard struct {
	p         *Publisher
	partition int

	mu      sync.Mutex
	convert converter
	open    *body
	ready   []*body // from first on
	first   int
	rolled  rollups
	inRoll  uint64 // exchanges in rolled

	sequence uint64 // belongs to the loop
}

func (s *shard) init(p *Publisher, partition int) {
	s.p, s.partition = p, partition
	s.rolled.byKey = map[string]*weirv1.Rollup{}
}

// current gives the body that grows.
func (s *shard) current() *body {
	if s.open == nil {
		s.open = s.p.send.free.get(s.partition)
		s.open.opened = s.p.now()
	}
	return s.open
}

func (s *shard) append(x *weirv1.Exchange) {
	b := s.current()
	before := len(b.raw)
	b.raw = wire.AppendExchange(b.raw, x)
	b.exchanges++
	b.cover(x.PartStartTimeUnixNano, x.PartEndTimeUnixNano)
	s.grown(b, before)
}

func (s *shard) appendLink(l *weirv1.PrincipalLink) {
	b := s.current()
	before := len(b.raw)
	b.raw = wire.AppendLink(b.raw, l)
	b.links++
	b.cover(l.TimeUnixNano, l.TimeUnixNano)
	s.grown(b, before)
}

// mark cuts a batch that only says that event time has passed end.
func (s *shard) mark(end uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.current()
	before := len(b.raw)
	b.raw = wire.AppendMark(b.raw)
	b.cover(end, end)
	s.grown(b, before)
	s.cut()
}

// grown counts what a body took and cuts it where it is full.
func (s *shard) grown(b *body, before int) {
	s.p.open.Add(int64(len(b.raw) - before))
	if int(b.exchanges) >= s.p.cfg.MaxExchanges || len(b.raw) >= s.p.cfg.MaxBytes {
		s.cut()
	}
}

// cut ends the body that grows.
func (s *shard) cut() {
	b := s.open
	if b == nil {
		return
	}
	s.open = nil
	s.push(b)
	s.p.open.Add(-b.size())
	s.p.nudge()
}

func (s *shard) push(b *body) {
	s.p.queued.Add(b.size())
	b.order = s.p.order.Add(1)
	if s.first > 0 && s.first*2 > len(s.ready) {
		n := copy(s.ready, s.ready[s.first:])
		clear(s.ready[n:])
		s.ready, s.first = s.ready[:n], 0
	}
	s.ready = append(s.ready, b)
}

// pop gives the oldest body that is ready, nil where there is none.
func (s *shard) pop() *body {
	if s.first == len(s.ready) {
		return nil
	}
	b := s.ready[s.first]
	s.ready[s.first] = nil
	s.first++
	if s.first == len(s.ready) {
		s.ready, s.first = s.ready[:0], 0
	}
	return b
}

// seal ends the body that grows, from outside.
func (s *shard) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
}

// merge puts an exchange into a rollup. Where rollups have no room either, all of them give up more;
// then exchanges that wait in detail become rollups; and where nothing is left to give up, an
// exchange that fits no rollup is dropped and counted.
func (s *shard) merge(x *weirv1.Exchange) {
	s.p.merged.Add(s.rolled.giveUp(int(s.p.level.Load())))
	for s.p.merged.Load() > s.p.mergedLimit() && (s.p.widen(s) || s.p.unpack(s)) {
	}
	if s.p.merged.Load() > s.p.mergedLimit() && !s.rolled.has(x) {
		s.p.counts.full(x)
		return
	}
	s.add(x)
	s.p.counts.merged.Add(1)
}

// add files an exchange in a rollup.
func (s *shard) add(x *weirv1.Exchange) {
	if len(s.rolled.byKey) == 0 {
		s.rolled.since = s.p.now()
	}
	s.p.merged.Add(s.rolled.add(x))
	s.inRoll++
}

// unpack merges the youngest batch of exchanges that waits anywhere and was never sent. x of the
// caller is not touched. It reports false where there is none.
func (p *Publisher) unpack(held *shard) bool {
	for i := range p.shards {
		s := &p.shards[(held.partition+i)%len(p.shards)]
		if s != held && !s.mu.TryLock() {
			continue
		}
		done := s.unpackOne()
		if s != held {
			s.mu.Unlock()
		}
		if done {
			return true
		}
	}
	return false
}

func (s *shard) unpackOne() bool {
	for i := len(s.ready) - 1; i >= s.first; i-- {
		b := s.ready[i]
		if b.exchanges == 0 || b.links > 0 {
			continue
		}
		var batch weirv1.Batch
		if err := batch.UnmarshalVT(b.raw); err != nil {
			panic("BUG: a batch that cannot be read: " + err.Error())
		}
		s.ready = append(s.ready[:i], s.ready[i+1:]...)
		s.p.queued.Add(-b.size())
		s.p.merged.Add(s.rolled.giveUp(int(s.p.level.Load())))
		for _, x := range batch.Exchanges {
			s.add(x)
		}
		s.p.counts.merged.Add(b.exchanges)
		s.p.send.free.put(b)
		return true
	}
	return false
}

// widen makes the rollups of all partitions give up one thing more, if there is one. held is locked already; a
// shard that somebody else holds follows when it merges next.
func (p *Publisher) widen(held *shard) bool {
	level := p.level.Load()
	if int(level) >= maxLevel {
		return false
	}
	if p.level.CompareAndSwap(level, level+1) {
		p.counts.widened.Add(1)
	}
	for i := range p.shards {
		s := &p.shards[i]
		if s != held && !s.mu.TryLock() {
			continue
		}
		p.merged.Add(s.rolled.giveUp(int(p.level.Load())))
		if s != held {
			s.mu.Unlock()
		}
	}
	return true
}

// release turns the shard's rollups into bodies that are ready.
func (s *shard) release() {
	if len(s.rolled.byKey) == 0 {
		return
	}
	s.p.merged.Add(-s.rolled.bytes)
	var b *body
	for _, r := range s.rolled.take() {
		if b != nil && (int(b.rollups) >= s.p.cfg.MaxExchanges || len(b.raw) >= s.p.cfg.MaxBytes) {
			s.push(b)
			b = nil
		}
		if b == nil {
			b = s.p.send.free.get(s.partition)
			b.opened = s.p.now()
		}
		b.raw = wire.AppendRollup(b.raw, r)
		b.rollups++
		b.cover(r.WindowStartUnixNano, r.WindowEndUnixNano)
	}
	b.merged, s.inRoll = s.inRoll, 0 // the last one stands for all of them
	s.push(b)
	if s.p.merged.Load() == 0 {
		s.p.level.Store(0)
	}
}

// freeList keeps bodies for use again, so that steady state allocates nothing.
type freeList struct {
	mu   sync.Mutex
	list []*body
}

const maxFree = 128

func (f *freeList) get(partition int) *body {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &body{}
	if n := len(f.list); n > 0 {
		b, f.list[n-1] = f.list[n-1], nil
		f.list = f.list[:n-1]
	}
	b.reset(partition)
	return b
}

func (f *freeList) put(b *body) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) < maxFree {
		f.list = append(f.list, b)
	}
}
