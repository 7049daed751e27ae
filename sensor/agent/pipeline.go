// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/weir-project/weir/proto/keyhash"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/inspect"
	"github.com/weir-project/weir/sensor/legs"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/session"
)

const (
	// advanceEvery is how often, in packet time, rooms look at what has become old.
	advanceEvery = int64(100e6)
	// showEvery is how often, in packet time, counters are copied for others to read.
	showEvery = int64(1e9)
	// maxBugs is after how many faults of ours a pipeline gives up: it would only go round in circles.
	maxBugs = 100
)

// ranks are the ranks that configuration names.
var ranks = map[string]exchange.Rank{"client": exchange.RankClient, "mirror": exchange.RankMirror, "proxy": exchange.RankProxy, "server_packet": exchange.RankServerPacket}

// pipeline is one source's way from frames to exchanges. It belongs to the goroutine of the source;
// only counters may be read by others.
type pipeline struct {
	scope   string // interface or file, for counters
	build   func() (*flow.Tracker, *session.Session)
	own     *ownTraffic
	decoder *packet.Decoder
	tracker *flow.Tracker
	session *session.Session
	joiner  *legs.Joiner // of all pipelines; nil: legs are told as they are
	segment packet.Segment
	busy    bool              // in decoder
	past    []*weirv1.Counter // of rooms that were given up

	newest  int64 // packet time
	advance int64
	show    int64
	frames  uint64
	filter  uint64 // of our own connections
	bugs    uint64
	undone  uint64 // frames in whose decoding we failed
	heard   uint64 // faults of ours that session contained, of which onBug was told
	onBug   func(stack []byte)
	looked  atomic.Int64 // wall clock at which a live source last looked up

	mu    sync.Mutex
	shown []*weirv1.Counter
}

// part says which part of the whole a pipeline is: how many share the memory bounds, and whose flow is whose.
type part struct {
	of     int
	owners *flow.Owners
	me     uint32
}

// alone is a pipeline that shares nothing.
var alone = part{of: 1}

// newPipeline makes the rooms of one source.
func newPipeline(cfg *config.Config, keys *keyhash.Keys, point, scope, file string, rank exchange.Rank, w part, sink exchange.Sink) *pipeline {
	p := &pipeline{scope: scope, decoder: packet.NewDecoder(packet.DecoderConfig{}), own: &ownTraffic{}, onBug: func([]byte) {}}
	var listening []uint16
	for _, port := range cfg.Servers {
		listening = append(listening, uint16(port))
	}
	p.build = func() (*flow.Tracker, *session.Session) {
		s := session.New(session.Config{
			Point: point, Rank: rank, File: file, Inspect: cfg.Inspect, Unredacted: cfg.Unredacted,
			Identity:  identity.Config{APIKeyHeaders: cfg.APIKeyHeaders, SessionCookies: cfg.SessionCookies, QueryKeys: cfg.QueryKeys, TrustedHops: cfg.TrustedHops},
			Inspector: inspect.Config{Prefix: int(cfg.InspectPrefix)},
		}, keys, sink)
		t := flow.New(flow.Config{MaxConns: max(16, int(cfg.MaxConnections)/w.of), TotalBytes: max(1<<20, int(cfg.FlowBytes)/w.of), Listening: listening, Owners: w.owners, Me: w.me}, s)
		return t, s
	}
	p.tracker, p.session = p.build()
	return p
}

// frame takes one frame of the source.
func (p *pipeline) frame(f *packet.Frame) {
	p.frames++
	defer p.contain()
	if f.Time > p.newest {
		p.newest = f.Time
	}
	p.busy = true
	reason := p.decoder.Decode(f, &p.segment)
	p.busy = false
	if reason == packet.OK {
		if p.own.has(&p.segment) {
			p.filter++
		} else {
			p.tracker.Segment(&p.segment)
		}
	}
	if p.newest >= p.advance || f.Time < p.advance-10*advanceEvery {
		p.idle(f.Time)
	}
}

// idle lets rooms look at what has become old by a time.
func (p *pipeline) idle(now int64) {
	defer p.contain()
	p.tracker.Advance(now)
	p.session.Advance(now)
	if p.joiner != nil {
		p.joiner.Advance(now)
	}
	p.advance = now + advanceEvery
	if now >= p.show || now < p.show-10*showEvery {
		p.show = now + showEvery
		p.showCounters()
	}
}

// end tells the rooms that the source has ended: whatever is open is told.
func (p *pipeline) end() {
	defer p.contain()
	p.decoder.Flush()
	p.tracker.Flush(p.newest)
	p.showCounters()
}

// contain keeps a fault of ours in flow or packet from ending the process: the state it may have
// spoilt is given up, counted, and the source goes on with fresh rooms. Faults of one connection
// are contained in session already.
func (p *pipeline) contain() {
	fault := recover()
	if fault == nil {
		return
	}
	p.bugs++
	if p.busy {
		p.busy = false
		p.undone++
	}
	p.onBug(debug.Stack())
	if p.bugs > maxBugs {
		panic(fault)
	}
	p.past = p.roomCounters(false)
	p.decoder = packet.NewDecoder(packet.DecoderConfig{})
	p.tracker, p.session = p.build()
	p.heard = 0
}

// hearBugs tells of a fault that session has contained by itself.
func (p *pipeline) hearBugs() {
	if stack, n := p.session.Bug(); n > p.heard {
		p.heard = n
		p.onBug(stack)
	}
}

// counters gives the counters as they were shown last. The slice is not changed afterwards.
func (p *pipeline) counters() []*weirv1.Counter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

// ownTraffic recognises the sensor's own connections by their server's end: its NATS server, and
// its own port for metrics. Nothing else can listen there, so nobody can hide behind it.
type ownTraffic struct {
	servers atomic.Pointer[map[netip.AddrPort]bool]
}

// set replaces the servers; the map is not changed afterwards.
func (o *ownTraffic) set(servers map[netip.AddrPort]bool) {
	if len(servers) == 0 {
		o.servers.Store(nil)
		return
	}
	o.servers.Store(&servers)
}

func (o *ownTraffic) has(s *packet.Segment) bool {
	servers := o.servers.Load()
	return servers != nil && ((*servers)[s.Dst] || (*servers)[s.Src])
}
