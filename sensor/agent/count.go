// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
	"github.com/weir-project/weir/sensor/packet"
)

// showCounters copies the rooms' counters to where other goroutines may read them.
func (p *pipeline) showCounters() {
	p.looked.Store(time.Now().UnixNano())
	p.hearBugs()
	out := p.roomCounters(true)
	add := func(name, reason string, value uint64) {
		if value > 0 {
			out = append(out, &weirv1.Counter{Name: name, Reason: reason, Scope: p.scope, Value: value})
		}
	}
	add("frames", "", p.frames)
	add("frames_dropped", "bug", p.undone)
	add("segments_filtered", "own_traffic", p.filter)
	add("pipeline_restarts", "bug", p.bugs)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = out
}

// gauges are counters of flow that say how much there is now: they end with their room.
var gauges = map[string]bool{
	"buffered_bytes": true, "held_memory": true, "live": true, "half_open": true, "lingering": true, "waiting": true,
}

// roomCounters gives the counters of the rooms, those that were given up included: what travels is
// cumulative since the start, whatever became of the rooms since. now: gauges too.
func (p *pipeline) roomCounters(now bool) []*weirv1.Counter {
	type key struct{ name, reason string }
	at := map[key]int{}
	var out []*weirv1.Counter
	add := func(name, reason string, value uint64) {
		if value == 0 {
			return
		}
		k := key{name, reason}
		if i, ok := at[k]; ok {
			out[i].Value += value
			return
		}
		at[k] = len(out)
		out = append(out, &weirv1.Counter{Name: name, Reason: reason, Scope: p.scope, Value: value})
	}
	for _, c := range p.past {
		add(c.Name, c.Reason, c.Value)
	}
	p.decodeCounters(add)
	tracked := p.tracker.Counters()
	tracked.Each(func(name string, value uint64) {
		if now || !gauges[name] {
			add("flow_"+name, "", value)
		}
	})
	told := p.session.Counters()
	told.Each(func(name, reason string, value uint64) { add("http_"+name, reason, value) })
	return out
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
