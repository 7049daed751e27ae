// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/flow"
	"github.com/weir-project/weir/sensor/identity"
	"github.com/weir-project/weir/sensor/packet"
	"github.com/weir-project/weir/sensor/session"
)

// loss takes frames away: at a rate, one by one or in bursts of a mean length.
type loss struct {
	rate  float64
	burst int // mean; 1: one by one
	seed  uint64
}

// picker gives a function that says of each frame in turn whether it is lost.
func (l loss) picker() func(int) bool {
	rng := rand.New(rand.NewPCG(l.seed, 77))
	left := 0
	return func(int) bool {
		if left == 0 && l.rate > 0 && rng.Float64() < l.rate/float64(l.burst) {
			left = 1 + rng.IntN(2*l.burst-1)
		}
		if left > 0 {
			left--
			return true
		}
		return false
	}
}

// none loses nothing.
func none(int) bool { return false }

// told is what is kept of an exchange: all its parts together.
type told struct {
	id                   exchange.ID
	client, server       netip.AddrPort
	method, target, host string
	status               int
	start                int64 // since the capture began
	principal            exchange.ID
	known                bool // the principal
	sent, got            uint64
	headUp, headDown     uint64
	gap                  uint64 // of bodies
	operation            string // of gRPC
	grpc                 int    // status
	anomalies            exchange.AnomalySet
}

// seen is how many of its bytes were seen.
func (t *told) seen() uint64 { return t.headUp + t.headDown + t.sent + t.got - t.gap }

func (t *told) String() string {
	owner := "nobody"
	if t.known {
		owner = fmt.Sprintf("%x", t.principal[:4])
	}
	return fmt.Sprintf("%s > %s: %q %q %q %d, up %d+%d, down %d+%d, gap %d, %s, %s", t.client, t.server, t.method, t.host, t.target, t.status,
		t.headUp, t.sent, t.headDown, t.got, t.gap, owner, strings.Join(t.anomalies.AppendNames(nil), " "))
}

// book keeps exchanges.
type book struct {
	base int64
	open map[exchange.ID]*told
	list []*told
}

// Exchange implements exchange.Sink.
func (b *book) Exchange(x *exchange.Exchange) {
	t := b.open[x.ID]
	if t == nil || x.Part == 0 {
		t = &told{start: x.Start - b.base}
		b.open[x.ID] = t
		b.list = append(b.list, t)
	}
	t.id, t.client, t.server = x.ID, x.Client, x.Server
	t.method, t.target, t.host, t.status = string(x.Method), string(x.Target), string(x.ServerName), int(x.Status)
	t.principal, t.known = x.PrincipalID, x.Assurance != exchange.AssuranceUnknown
	t.sent += x.RequestBodySize
	t.got += x.ResponseBodySize
	t.headUp += x.RequestHeaderSize
	t.headDown += x.ResponseHeaderSize
	t.gap += x.GapBytes
	t.anomalies, t.operation, t.grpc = x.Anomalies, string(x.Operation), int(x.GRPCStatus)
}

// outcome is what was told of a capture, and what the rooms counted.
type outcome struct {
	told   []*told
	unread uint64 // bytes that were seen and are in no exchange
	lost   uint64 // bytes of gaps that are in no exchange
}

func testKeys() *keyhash.Keys {
	k, err := keyhash.ParseTenantKey([]byte(strings.Repeat("ab", 32)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return k.Derive()
}

// epoch is when captures begin.
const epoch = 1_767_607_200_000_000_000

// rig is the rooms of the sensor, which read one capture after the other: each has hours of its own, and all
// connections are over before the next one begins.
type rig struct {
	keys    *keyhash.Keys
	book    *book
	session *session.Session
	flow    *flow.Tracker
	base    int64
}

func newRig() *rig {
	r := &rig{keys: testKeys(), book: &book{}, base: epoch}
	r.session = session.New(session.Config{Unredacted: true, Identity: identity.Config{MaxCached: 1024}}, r.keys, r.book)
	r.flow = flow.New(flow.Config{}, r.session)
	return r
}

// read runs the frames that are not lost through the rooms. It panics where a room does.
func (r *rig) read(l *corpus.Load, lost func(frame int) bool) (o outcome) {
	r.book.open, r.book.list, r.book.base = map[exchange.ID]*told{}, nil, r.base
	unread, away := r.counts()
	d := packet.NewDecoder(packet.DecoderConfig{})
	var seg packet.Segment
	now := r.base
	for i := range l.Frames {
		f := &l.Frames[i]
		now = r.base + int64(f.At)
		if lost(i) {
			continue
		}
		frame := packet.Frame{Time: now, Link: packet.LinkType(l.Link), Data: f.Data, Length: f.Length}
		if d.Decode(&frame, &seg) == packet.OK {
			r.flow.Segment(&seg)
		}
		r.flow.Advance(now)
		r.session.Advance(now)
	}
	d.Flush()
	r.flow.Flush(now)
	if stack, bugs := r.session.Bug(); bugs > 0 {
		panic(fmt.Sprintf("BUG: in session: %s", stack))
	}
	o.told = r.book.list
	o.unread, o.lost = r.counts()
	o.unread, o.lost = o.unread-unread, o.lost-away
	r.base += int64(24 * time.Hour)
	r.flow.Advance(r.base)
	r.session.Advance(r.base)
	return o
}

// counts sums up what is in no exchange.
func (r *rig) counts() (unread, lost uint64) {
	n, f := r.session.Counters(), r.flow.Counters()
	return n.FramingBytes + n.ControlBytes + n.StrayBytes + n.JunkBytes + n.UndecidedBytes + n.IgnoredBytes + f.Dropped.Sum(), n.LostBytes
}
