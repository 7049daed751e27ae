// SPDX-License-Identifier: Apache-2.0

// Package legs joins the two legs of a proxied exchange that one sensor saw: client to proxy, and
// proxy to backend.
//
// It assumes that a request or trace id which both legs show, together with addresses, times and
// paths that fit, tells that they are one; and packet time. It refuses to guess: where more than one
// leg would fit, or none does wholly, all are told, and those that came through a proxy are marked.
package legs

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/weir-project/weir/sensor/exchange"
)

// Config says what is one host and what is bounded.
type Config struct {
	// Local are addresses that are one host's, loopback among them without being named: a proxy is
	// asked at one of them and asks its backend from another.
	Local []netip.Addr

	Hold       int64  // nanoseconds of packet time that an exchange waits for its other leg; 0 means 2 s; see slowly
	MaxHeld    int    // exchanges and parts that wait at once; 0 means 8,192
	MaxBytes   int    // memory of what waits; 0 means 32 MiB
	MaxRunning int    // exchanges whose fate is known before their last part; 0 means 4,096
	Seed       uint64 // of the hash tables; those who read the same packets twice keep it
}

func (c Config) withDefaults() Config {
	if c.Hold <= 0 {
		c.Hold = 2_000_000_000
	}
	if c.MaxHeld <= 0 {
		c.MaxHeld = 8192
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 32 << 20
	}
	if c.MaxRunning <= 0 {
		c.MaxRunning = 4096
	}
	return c
}

const (
	// slack is how far the times of two legs may be out of step, in nanoseconds: their packets were
	// stamped at two places.
	slack = 5_000_000
	// large is the answer from which on a client may take its time while the proxy has all of it
	// already: less fits into the buffers between them. slowly is how many times longer such a leg
	// waits while nothing of its id came: by then the other one has told of a first part, after 10 s.
	large  = 64 << 10
	slowly = 6
	// goneFor is how long a leg that was told is remembered, so that a late one can be marked.
	goneFor = 60_000_000_000
	// maxCrowd bounds how many legs of one id are looked through.
	maxCrowd = 64
	// leap is how far packet time may go back before it is believed.
	leap = 60_000_000_000
)

// Joiner is an exchange.Sink in front of another. Any number of goroutines may use it: whatever
// cannot be a leg passes without a lock, the legs of all interfaces meet behind one.
type Joiner struct {
	next  exchange.Sink
	cfg   Config
	hosts hosts
	busy  atomic.Int64 // what waits, is remembered, or runs

	mu      sync.Mutex
	now     int64 // packet time, the latest of all callers
	groups  map[uint64]*leg
	running map[name]fate
	queue   list // legs that wait, the first to be settled first
	slow    list // likewise, of large answers whose clients may be slow
	gone    list // legs that were told
	free    *leg
	bytes   int // memory of all legs in queue and gone
	waiting int // legs and parts in queue
	unsure  int // of which nobody knows whether a proxy took part
	swept   int64
	chain   []*leg            // of the join under way
	copies  []*leg            // of its legs
	out     exchange.Exchange // what is told in its place
	n       Counters
}

// New makes a Joiner that hands exchanges on to next.
func New(cfg Config, next exchange.Sink) *Joiner {
	j := &Joiner{next: next, cfg: cfg.withDefaults(), groups: map[uint64]*leg{}, running: map[name]fate{}}
	j.hosts.init(cfg.Seed, j.cfg.Hold)
	j.SetLocal(cfg.Local)
	return j
}

// SetLocal replaces the addresses of the one host.
func (j *Joiner) SetLocal(local []netip.Addr) { j.hosts.setLocal(local) }

// Exchange implements exchange.Sink. What cannot be a leg is handed on at once, as it is; what may be
// one is copied and handed on once its other leg came, or no longer can.
func (j *Joiner) Exchange(x *exchange.Exchange) {
	if len(x.RequestID) == 0 && x.TraceIDHash == 0 || x.ID.IsZero() {
		j.next.Exchange(x)
		return
	}
	first := x.Part == 0
	role := stranger
	if first {
		role = j.hosts.meet(x)
	}
	if first && role == noLeg || !first && j.busy.Load() == 0 {
		j.next.Exchange(x)
		return
	}
	j.take(x, first, role)
}

// take is the way of what may be a leg.
func (j *Joiner) take(x *exchange.Exchange, first bool, role role) {
	j.mu.Lock()
	defer j.unlock()
	j.now = max(j.now, x.PartEnd)
	j.expire()
	if first {
		j.hold(x, role == unsure)
	} else {
		j.later(x)
	}
}

// Advance tells the packet time of one of the callers: what has waited long enough is told.
func (j *Joiner) Advance(now int64) {
	if j.busy.Load() == 0 {
		return
	}
	j.mu.Lock()
	defer j.unlock()
	if now < j.now-leap { // a file of files, or a clock that was set
		j.flush()
		j.now = now
	}
	j.now = max(j.now, now)
	j.expire()
}

// Flush tells all that waits: nothing more comes.
func (j *Joiner) Flush() {
	j.mu.Lock()
	defer j.unlock()
	j.flush()
	for name := range j.running {
		j.end(name)
	}
}

func (j *Joiner) flush() {
	for j.queue.first != nil {
		j.settle(j.queue.first, flushed)
	}
	for j.slow.first != nil {
		j.settle(j.slow.first, flushed)
	}
	for j.gone.first != nil {
		j.forget(j.gone.first)
	}
}

func (j *Joiner) unlock() {
	j.busy.Store(int64(j.queue.n + j.slow.n + j.gone.n + len(j.running)))
	j.mu.Unlock()
}

// expire settles the legs that have waited long enough, and forgets those that were told long ago.
func (j *Joiner) expire() {
	for _, l := range [...]*list{&j.queue, &j.slow} {
		for e := l.first; e != nil && e.due <= j.now; e = l.first {
			j.settle(e, expired)
		}
	}
	for e := j.gone.first; e != nil && e.due <= j.now; e = j.gone.first {
		j.forget(e)
	}
}

// hold lets the first part of an exchange wait.
func (j *Joiner) hold(x *exchange.Exchange, unsure bool) {
	switch _, known := j.running[nameOf(x)]; {
	case known: // a second copy of what is still running
		j.pass(x, &j.n.Twice)
		return
	case unsure && j.unsure >= j.cfg.MaxHeld/4:
		j.pass(x, &j.n.Strangers)
		return
	case !x.Last && len(j.running) >= j.cfg.MaxRunning && !j.sweep():
		j.pass(x, &j.n.Runners)
		return
	}
	e := j.keep(x)
	if !j.enter(e) {
		j.release(e)
		j.pass(x, &j.n.Crowded)
		return
	}
	if e.unsure = unsure; unsure {
		j.unsure++
	}
	j.enqueue(e)
	j.waiting++
	j.n.Held++
	if !x.Last {
		j.running[nameOf(x)] = fate{kind: waits, leg: e, seen: j.now}
	}
}

// enqueue lets a leg wait. Where another of its id waits for a slow client, it has come now.
func (j *Joiner) enqueue(e *leg) {
	e.slow = e.x.ResponseBodySize >= large && j.slow.n < j.cfg.MaxHeld/2
	j.each(e, func(m *leg) {
		e.slow = false
		if m.slow {
			m.slow = false
			j.slow.remove(m)
			m.due = j.now + j.cfg.Hold
			j.queue.add(m)
		}
	})
	if e.slow {
		e.due = j.now + slowly*j.cfg.Hold
		j.slow.add(e)
		return
	}
	e.due = j.now + j.cfg.Hold
	j.queue.add(e)
}

// pass hands on what is not held though it may be a leg.
func (j *Joiner) pass(x *exchange.Exchange, why *uint64) {
	*why++
	j.next.Exchange(x)
}

// keep copies an exchange, and makes room for it first.
func (j *Joiner) keep(x *exchange.Exchange) *leg {
	for j.waiting >= j.cfg.MaxHeld || j.bytes >= j.cfg.MaxBytes {
		if j.gone.first != nil && j.waiting < j.cfg.MaxHeld {
			j.forget(j.gone.first)
		} else if j.queue.first != nil {
			j.settle(j.queue.first, evicted)
		} else if j.slow.first != nil {
			j.settle(j.slow.first, evicted)
		} else {
			break
		}
	}
	e := j.spare()
	e.copyOf(x)
	e.client, e.server = j.hosts.hostOf(x.Client.Addr()), j.hosts.hostOf(x.Server.Addr())
	j.weigh(e)
	return e
}

// spare gives a leg that holds nothing.
func (j *Joiner) spare() *leg {
	e := j.free
	if e == nil {
		return &leg{}
	}
	j.free, e.next = e.next, nil
	return e
}

// weigh counts a leg's memory.
func (j *Joiner) weigh(e *leg) {
	e.size = e.memory()
	j.bytes += e.size
}

// release gives a leg's memory back, and that of its parts.
func (j *Joiner) release(e *leg) {
	for e != nil {
		parts := e.parts
		j.bytes -= e.size
		e.reset()
		e.next = j.free
		j.free = e
		e = parts
	}
}

// forget drops a leg that was told.
func (j *Joiner) forget(e *leg) {
	j.gone.remove(e)
	j.leave(e)
	j.release(e)
}

// remember keeps a leg that was told, so that its other leg is marked if it comes late.
func (j *Joiner) remember(e *leg) {
	last := e.latest()
	e.x.Last, e.x.PartEnd, e.x.Status, e.x.Coverage = last.Last, last.PartEnd, last.Status, last.Coverage
	e.told, e.due = true, j.now+goneFor
	j.release(e.parts)
	e.parts, e.tail = nil, nil
	for j.gone.n >= max(1, j.cfg.MaxHeld/4) {
		j.forget(j.gone.first)
	}
	j.gone.add(e)
}
