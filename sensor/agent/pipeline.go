// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-project/weir/proto/keyhash"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/config"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/inspect"
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
	segment packet.Segment

	newest  int64 // packet time
	advance int64
	show    int64
	frames  uint64
	filter  uint64 // of our own connections
	bugs    uint64
	onBug   func(stack []byte)
	looked  atomic.Int64 // wall clock at which a live source last looked up

	mu    sync.Mutex
	shown []*weirv1.Counter
}

// newPipeline makes the rooms of one source. share is how many pipelines share the memory bounds.
func newPipeline(cfg *config.Config, keys *keyhash.Keys, point, scope, file string, rank exchange.Rank, share int, sink exchange.Sink) *pipeline {
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
		t := flow.New(flow.Config{MaxConns: max(16, int(cfg.MaxConnections)/share), TotalBytes: max(1<<20, int(cfg.FlowBytes)/share), Listening: listening}, s)
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
	if p.decoder.Decode(f, &p.segment) == packet.OK {
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
	p.onBug(debug.Stack())
	if p.bugs > maxBugs {
		panic(fault)
	}
	p.decoder = packet.NewDecoder(packet.DecoderConfig{})
	p.tracker, p.session = p.build()
}

// showCounters copies the rooms' counters to where other goroutines may read them.
func (p *pipeline) showCounters() {
	p.looked.Store(time.Now().UnixNano())
	var out []*weirv1.Counter
	add := func(name, reason string, value uint64) {
		if value > 0 {
			out = append(out, &weirv1.Counter{Name: name, Reason: reason, Scope: p.scope, Value: value})
		}
	}
	add("frames", "", p.frames)
	add("segments_filtered", "own_traffic", p.filter)
	add("pipeline_restarts", "bug", p.bugs)
	p.decodeCounters(add)
	tracked := p.tracker.Counters()
	tracked.Each(func(name string, value uint64) { add("flow_"+name, "", value) })
	told := p.session.Counters()
	told.Each(func(name, reason string, value uint64) { add("http_"+name, reason, value) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = out
}

func (p *pipeline) decodeCounters(add func(name, reason string, value uint64)) {
	n := p.decoder.Counters()
	for i, value := range n.ByReason {
		switch r := packet.Reason(i); {
		case r == packet.OK:
			add("segments", "", value)
		case r.Filtered():
			add("frames_filtered", r.String(), value)
		default:
			add("frames_dropped", r.String(), value)
		}
	}
	add("fragments_joined", "", n.FragmentsJoined)
	add("fragments_dropped", "expired", n.FragmentsExpired)
	add("fragment_overlaps", "", n.FragmentOverlaps)
	add("lengths_doubted", "zero", n.LengthZero)
	add("lengths_doubted", "overrun", n.LengthOverrun)
	add("lengths_doubted", "mirror_cut", n.MirrorCut)
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
