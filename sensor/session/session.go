// SPDX-License-Identifier: Apache-2.0

// Package session makes exchanges of the ordered bytes of connections.
//
// It assumes that a connection's chunks come in order, from one goroutine, with packet time. It
// refuses to know where the bytes came from, and to pair a request with a response that sequence
// and ACK numbers do not allow.
package session

import (
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/http1"
	"github.com/weir-project/weir/sensor/http2"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/inspect"
	"github.com/weir-project/weir/sensor/stream"
	"github.com/weir-project/weir/sensor/template"
)

// Config says what is told of exchanges and what is bounded.
type Config struct {
	Point string        // observation point
	Rank  exchange.Rank // of the point
	File  string        // capture file, if any

	Inspect    bool // look into response bodies for records and objects
	Unredacted bool // tell the raw request-target too; never together with publishing

	MaxHeader  int   // bytes of a head that are read; 0 means 64 KiB
	MaxPending int   // requests of an HTTP/1 connection that wait for a response; 0 means 256
	MaxStreams int   // streams of an HTTP/2 connection that are open; 0 means 1,024
	MaxCalls   int   // exchanges of the session that are open, before HTTP/2 opens no more; 0 means 131,072
	PartBytes  int64 // body bytes after which a part is told; 0 means 16 MiB
	PartTime   int64 // nanoseconds after which a part is told; 0 means 10 s

	Identity  identity.Config
	Inspector inspect.Config
	Templates int // distinct templates of a server; 0 means the default of template
}

func (c Config) withDefaults() Config {
	if c.MaxPending <= 0 {
		c.MaxPending = 256
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = 1024
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = 1 << 17
	}
	if c.PartBytes <= 0 {
		c.PartBytes = 16 << 20
	}
	if c.PartTime <= 0 {
		c.PartTime = 10_000_000_000
	}
	return c
}

// Session is a stream.Sink. It belongs to one goroutine.
type Session struct {
	cfg       Config
	keys      *keyhash.Keys
	sink      exchange.Sink
	resolver  *identity.Resolver
	templater *template.Templater
	inspector *inspect.Inspector

	n         Counters
	now       int64
	calls     int // open ones
	shelved   int // streams that made room for others
	joining   int // connections that may be HTTP/2
	seek      http2.Budget
	blocks    http2.Budget
	heads     http1.Budget
	freeConns []*conn
	freeMuxes []*mux
	freeCalls []*call
	running   callList // all calls, the one told of longest ago first
	quiet     connList // HTTP/1 connections that are not parked

	fields []identity.Field // of the request being read
	id     identity.Identity
	path   template.Result
	head   http1.Message // of an HTTP/2 block
	stack  []byte        // of the last bug

	scratch []*call
}

// Bounds on what is kept for reuse.
const (
	maxFreeConns = 4096
	maxFreeMuxes = 1024
	maxFreeCalls = 4096
)

// ignored is the State of a connection that is not looked at any more.
type ignored struct{}

// New makes a Session that hands exchanges to sink. The keys make every id.
func New(cfg Config, keys *keyhash.Keys, sink exchange.Sink) *Session {
	s := &Session{cfg: cfg.withDefaults(), keys: keys, sink: sink, seek: http2.Budget{Max: maxSeekers}, blocks: http2.Budget{Max: maxBlocks}, heads: http1.Budget{Max: maxBlocks}}
	s.resolver = identity.NewResolver(keys, cfg.Identity)
	s.templater = template.New(template.Config{Hash: keys.Objects.Object, MaxTemplates: cfg.Templates})
	if cfg.Inspect {
		s.inspector = inspect.New(keys, cfg.Inspector)
	}
	return s
}

// Chunk implements stream.Sink.
func (s *Session) Chunk(c *stream.Chunk) (v stream.Verdict) {
	size := int64(len(c.Data)) + c.Gap
	s.n.Bytes += uint64(size)
	if _, is := c.Conn.State.(ignored); is || c.Side == stream.Unknown {
		s.n.IgnoredBytes += uint64(size)
		return stream.Verdict{Act: stream.Ignore}
	}
	defer s.contain(c.Conn, &v)
	s.tick(c.Time)
	m, _ := c.Conn.State.(*mux)
	if m != nil && m.joining && speaks1(c.Data) {
		s.goBack(m)
		m = nil
	}
	if m == nil {
		k := s.connOf(c.Conn)
		if m = k.feed(c, size); m == nil {
			if why := k.judge(); why != heed {
				s.drop(k)
				return s.ignore(c.Conn, why)
			}
			if k.client != c.Conn.Client {
				v.Client = k.client
			}
			return v
		}
		s.drop(k)
		c.Conn.State = m
	} else {
		m.feed(c)
	}
	if why := m.judge(); why != heed {
		s.dropMux(m)
		return s.ignore(c.Conn, why)
	}
	if m.client != c.Conn.Client {
		v.Client = m.client
	}
	return v
}

// connOf gives an HTTP/1 connection, which may be new or parked.
func (s *Session) connOf(c *stream.Conn) *conn {
	switch k := c.State.(type) {
	case *conn:
		s.heard(k)
		return k
	case *parked:
		return s.unpark(c, k)
	}
	return s.open(c)
}

// ignore gives a connection up.
func (s *Session) ignore(c *stream.Conn, why Reason) stream.Verdict {
	s.n.Ignored[why]++
	c.State = ignored{}
	return stream.Verdict{Act: stream.Ignore}
}

// Finish implements stream.Sink.
func (s *Session) Finish(c *stream.Conn, side stream.Side, time int64, end stream.End) {
	if c.State == nil || side == stream.Unknown {
		return
	}
	defer s.contain(c, nil)
	s.tick(time)
	switch k := c.State.(type) {
	case *parked:
		s.unpark(c, k).finish(side, time, end)
	case *conn:
		k.finish(side, time, end)
	case *mux:
		k.finish(side)
	}
}

// Close implements stream.Sink.
func (s *Session) Close(c *stream.Conn, time int64, end stream.End) {
	if c.State == nil {
		return
	}
	defer s.contain(c, nil)
	s.tick(time)
	switch k := c.State.(type) {
	case *conn:
		k.closing = true
		k.finish(max(k.client, stream.A), time, end)
		k.finish(max(k.client, stream.A).Other(), time, end)
		k.settle()
		s.drop(k)
		c.State = nil
	case *parked:
		s.n.Parked--
		c.State = nil
	case *mux:
		k.finish(stream.A)
		k.finish(stream.B)
		k.settle()
		s.dropMux(k)
		c.State = nil
	}
}

// Advance tells the packet time, so that long exchanges are told of in parts while they run.
func (s *Session) Advance(now int64) {
	s.tick(now)
	for t := s.running.first; t != nil && s.now-t.told >= s.cfg.PartTime; t = s.running.first {
		s.advance(t)
	}
	s.parkIdle()
}

func (s *Session) advance(t *call) {
	defer s.contain(t.on.of(), nil)
	if k, is := t.on.(*mux); is && (t.reset || t.waiting) && s.now-t.last >= s.cfg.PartTime {
		k.end(t) // nothing is on its way any more
		return
	}
	if k, is := t.on.(*conn); is && t == k.early && t.responseOver { // it waited for its request
		s.end(t)
		return
	}
	if t.worthPart() {
		s.tell(t, false)
		return
	}
	s.running.remove(t)
	t.told = s.now
	s.running.add(t)
}

// leap is how far packet time may go back before it is believed: a file of files, or a clock that was
// set.
const leap = 60_000_000_000

func (s *Session) tick(time int64) {
	if time >= s.now {
		s.now = time
		return
	}
	if s.now-time > leap {
		s.now = time
		for t := s.running.first; t != nil; t = t.next {
			t.told = min(t.told, time)
		}
	}
}

// open takes a new connection on.
func (s *Session) open(c *stream.Conn) *conn {
	var k *conn
	if n := len(s.freeConns); n > 0 {
		k = s.freeConns[n-1]
		s.freeConns = s.freeConns[:n-1]
	} else {
		k = &conn{}
	}
	k.reset(s, c)
	k.at = s.now
	s.quiet.add(k)
	c.State = k
	s.n.Connections++
	return k
}

// drop gives a connection's memory back, and counts where its bytes went.
func (s *Session) drop(k *conn) {
	for i := stream.A; i <= stream.B; i++ {
		h := &k.half[i]
		s.n.add(h.parser.Counts())
		left := h.end - h.begin - h.parser.Counts().Sum()
		if left < 0 { // read again as HTTP/2
			s.n.JunkBytes -= uint64(-left)
		}
		s.n.UndecidedBytes += uint64(max(left, 0))
	}
	s.n.LostBytes -= k.found // they were charged after all
	s.n.BodyBytes += k.found
	k.forget()
	s.quiet.remove(k)
	k.c = nil
	if len(s.freeConns) < maxFreeConns {
		s.freeConns = append(s.freeConns, k)
	}
}

// limits are the parsers' bounds.
func (s *Session) limits() http1.Limits {
	return http1.Limits{HeaderBytes: s.cfg.MaxHeader, Large: &s.heads}
}
