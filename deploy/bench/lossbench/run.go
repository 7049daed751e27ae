// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/deploy/bench/score"
	"github.com/weir-project/weir/proto/keyhash"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/flow"
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
func (l loss) picker() func() bool {
	rng := rand.New(rand.NewPCG(l.seed, 77))
	left := 0
	return func() bool {
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

// told is what is kept of an exchange.
type told struct {
	target              string
	principal           exchange.ID
	known               bool // the principal
	orphan              bool
	coverage            exchange.Coverage
	sent, got           uint64 // bodies
	heads, gap          uint64
	method              string
	client              netip.AddrPort
	requests, responses int
}

// book keeps exchanges, their parts merged.
type book struct {
	all  map[exchange.ID]*told
	list []*told
}

// Exchange implements exchange.Sink.
func (b *book) Exchange(x *exchange.Exchange) {
	t := b.all[x.ID]
	if t == nil || x.Part == 0 {
		t = &told{}
		b.all[x.ID] = t
		b.list = append(b.list, t)
	}
	t.target, t.method, t.client = string(x.Target), string(x.Method), x.Client
	t.principal, t.known = x.PrincipalID, x.Assurance != exchange.AssuranceUnknown
	t.orphan = x.Anomalies.Has(exchange.OrphanResponse) || len(x.Target) == 0
	t.coverage = x.Coverage
	t.sent += x.RequestBodySize
	t.got += x.ResponseBodySize
	t.heads += x.RequestHeaderSize + x.ResponseHeaderSize
	t.gap += x.GapBytes
}

// outcome is what was told of a capture some frames of which were lost.
type outcome struct {
	told    []*told
	session session.Counters
	flow    flow.Counters
	lost    int // frames
}

func testKeys() *keyhash.Keys {
	k, err := keyhash.ParseTenantKey([]byte(strings.Repeat("ab", 32)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return k.Derive()
}

// read runs the frames that are not lost through the rooms of the sensor.
func read(l *corpus.Load, keys *keyhash.Keys, lost func() bool) outcome {
	b := &book{all: map[exchange.ID]*told{}}
	s := session.New(session.Config{Unredacted: true}, keys, b)
	t := flow.New(flow.Config{}, s)
	d := packet.NewDecoder(packet.DecoderConfig{})
	var o outcome
	var seg packet.Segment
	var now int64
	for _, f := range l.Frames {
		now = 1_767_607_200_000_000_000 + int64(f.At)
		if lost() {
			o.lost++
			continue
		}
		frame := packet.Frame{Time: now, Link: packet.LinkEthernet, Data: f.Data, Length: len(f.Data)}
		if d.Decode(&frame, &seg) == packet.OK {
			t.Segment(&seg)
		}
		t.Advance(now)
		s.Advance(now)
	}
	d.Flush()
	t.Flush(now)
	if stack, bugs := s.Bug(); bugs > 0 {
		panic(fmt.Sprintf("BUG: in session: %s", stack))
	}
	o.told, o.session, o.flow = b.list, s.Counters(), t.Counters()
	return o
}

// figures says how well a capture was told of.
type figures struct {
	recall float64 // exchanges told, orphans among them, of those there were
	named  float64 // and those with their principal
	// Shares of the bytes the hosts sent, heads and bodies and framing:
	attributed   float64 // told of with a principal, and seen
	unattributed float64 // seen, and told of without one, or not told of
	gap          float64 // not seen
	wrongOwner   int     // exchanges charged to a principal that was not theirs
	wrongBytes   uint64  // told of an exchange beyond what it had
}

// sum is 1 where no byte is lost count of or told twice.
func (f *figures) sum() float64 { return f.attributed + f.unattributed + f.gap }

// judge compares what was told with the truth.
func judge(l *corpus.Load, owners map[string]exchange.ID, o outcome) figures {
	truth := map[string]*score.Truth{}
	for i := range l.Truth {
		truth[l.Truth[i].Target] = &l.Truth[i]
	}
	var f figures
	var found, orphans, named int
	var attributed, framing, gaps uint64
	seen := map[string]bool{}
	for _, t := range o.told {
		x := truth[t.target]
		switch {
		case x == nil:
			orphans++
		case !seen[t.target]:
			seen[t.target] = true
			found++
			if t.known {
				named++
			}
		}
		if t.known {
			attributed += t.sent + t.got + t.heads - min(t.gap, t.sent+t.got)
			if x == nil || owners[tokenOf(t.target)] != t.principal {
				f.wrongOwner++
			}
		}
		gaps += min(t.gap, t.sent+t.got)
		if x != nil {
			f.wrongBytes += over(t.sent, uint64(x.RequestBody)) + over(t.got, uint64(x.ResponseBody))
		}
	}
	n := &o.session
	framing = n.Bytes - n.LostBytes
	all := float64(l.Payload)
	f.recall = float64(min(found+orphans, len(truth))) / float64(len(truth))
	f.named = float64(named) / float64(len(truth))
	f.attributed = float64(attributed) / all
	f.gap = float64(gaps+n.LostBytes) / all
	f.unattributed = float64(framing+o.flow.Dropped.Ignored-attributed-gaps) / all
	return f
}

func over(told, had uint64) uint64 { return max(told, had) - had }

// tokenOf gives the number of the token that the target names.
func tokenOf(target string) string {
	token, _, _ := strings.Cut(strings.TrimPrefix(target, "/t"), "/")
	return token
}

// principals reads the whole capture and gives the principal of each token.
func principals(l *corpus.Load, keys *keyhash.Keys) (map[string]exchange.ID, error) {
	o := read(l, keys, func() bool { return false })
	if len(o.told) != len(l.Truth) {
		return nil, fmt.Errorf("%s: without loss %d exchanges are told of %d", l.Kind, len(o.told), len(l.Truth))
	}
	owners := map[string]exchange.ID{}
	for _, t := range o.told {
		who := tokenOf(t.target)
		if p, known := owners[who]; known && p != t.principal {
			return nil, fmt.Errorf("%s: without loss token %s has two principals", l.Kind, who)
		}
		owners[who] = t.principal
	}
	return owners, nil
}
