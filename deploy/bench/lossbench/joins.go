// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/sensor/exchange"
)

// joins begins every capture at each of its frames, or at every step-th one of those that have many, and says
// what was told wrongly.
func (b *bench) joins(loads []corpus.Load, step int) {
	var frames, exchanges, due, missed, known int
	var faults []string
	misses := map[string]int{}
	for i := range loads {
		j := newJoin(&loads[i], b.rig)
		at := 1
		if len(j.load.Frames) > 200 {
			at = step
		}
		for from := 0; from < len(j.load.Frames); from += at {
			frames++
			r := j.begin(from, b.rig)
			exchanges += r.told
			due += r.due
			missed += r.missed
			misses[j.load.Kind] += r.missed
			if knownJoin(j.load.Kind) {
				known += len(r.faults)
			} else {
				faults = append(faults, r.faults...)
			}
		}
	}
	mark := ""
	if len(faults) > 0 {
		mark, b.good = "  FAIL", false
	}
	fmt.Fprintf(b.out, "begun at %d packets of %d captures: %d exchanges told, %d of %d that began later missed, %d wrong, %d as known%s\n",
		frames, len(loads), exchanges, missed, due, len(faults), known, mark)
	if b.verbose {
		for _, kind := range slices.Sorted(maps.Keys(misses)) {
			if misses[kind] > 0 {
				fmt.Fprintf(b.out, "  %s: %d missed\n", kind, misses[kind])
			}
		}
	}
	for i, text := range faults {
		if i < 20 || b.verbose {
			fmt.Fprintln(b.out, " ", text)
		}
	}
}

// holes takes frames away from every capture by chance, and says what was told wrongly.
func (b *bench) holes(loads []corpus.Load, seeds int) {
	for _, rate := range []float64{0.01, 0.05, 0.2} {
		var runs, exchanges, known int
		var faults []string
		for i := range loads {
			j := newJoin(&loads[i], b.rig)
			for seed := range uint64(seeds) {
				for _, burst := range []int{1, 8} {
					runs++
					r := j.holed(loss{rate, burst, seed}, b.rig)
					exchanges += r.told
					if knownJoin(j.load.Kind) {
						known += len(r.faults)
					} else {
						faults = append(faults, r.faults...)
					}
				}
			}
		}
		mark := ""
		if len(faults) > 0 {
			mark, b.good = "  FAIL", false
		}
		fmt.Fprintf(b.out, "%g %% lost of %d captures, %d times: %d exchanges told, %d wrong, %d as known%s\n", 100*rate, len(loads), runs, exchanges, len(faults), known, mark)
		for i, text := range faults {
			if i < 20 || b.verbose {
				fmt.Fprintln(b.out, " ", text)
			}
		}
	}
}

// holed reads the capture with a loss.
func (j *join) holed(l loss, rig *rig) (r begun) {
	defer func() {
		if fault := recover(); fault != nil {
			r.faults = append(r.faults, fmt.Sprintf("%s with %+v: panic: %v", j.load.Kind, l, fault))
		}
	}()
	o := rig.read(j.load, l.picker())
	r.told = len(o.told)
	for _, t := range o.told {
		if why := j.fault(t); why != "" {
			r.faults = append(r.faults, fmt.Sprintf("%s with %+v: %s: %s", j.load.Kind, l, why, t))
		}
	}
	return r
}

// join is a capture with what may be told of it.
type join struct {
	load   *corpus.Load
	byID   map[exchange.ID]*told
	byEnds map[ends][]*told // whole capture: what was told, and what the truth adds
}

// ends are those of a connection, the client first.
type ends struct{ client, server netip.AddrPort }

func newJoin(l *corpus.Load, r *rig) *join {
	j := &join{load: l, byID: map[exchange.ID]*told{}, byEnds: map[ends][]*told{}}
	for _, t := range r.read(l, none).told {
		j.byID[t.id] = t
		j.byEnds[ends{t.client, t.server}] = append(j.byEnds[ends{t.client, t.server}], t)
	}
	for i := range l.Truth {
		x := &l.Truth[i]
		e := ends{netip.MustParseAddrPort(x.Client), netip.MustParseAddrPort(x.Server)}
		j.byEnds[e] = append(j.byEnds[e], &told{method: x.Method, target: x.Target, host: name(x.Host), status: x.Status})
	}
	return j
}

// name is a host as the sensor tells it: in lower case, without port.
func name(host string) string {
	host = strings.ToLower(host)
	if a, err := netip.ParseAddrPort(host); err == nil {
		return a.Addr().String()
	}
	if h, _, cut := strings.Cut(host, ":"); cut {
		return h
	}
	return host
}

// begun is what became of a capture that began late.
type begun struct {
	told, due, missed int // due: exchanges of the whole capture that began after it
	faults            []string
}

// begin reads the capture from a frame on.
func (j *join) begin(from int, rig *rig) (r begun) {
	defer func() {
		if fault := recover(); fault != nil {
			r.faults = append(r.faults, fmt.Sprintf("%s from frame %d: panic: %v", j.load.Kind, from, fault))
		}
	}()
	o := rig.read(j.load, func(i int) bool { return i < from })
	r.told = len(o.told)
	again := map[exchange.ID]bool{}
	for _, t := range o.told {
		again[t.id] = true
		if why := j.fault(t); why != "" {
			r.faults = append(r.faults, fmt.Sprintf("%s from frame %d: %s: %s", j.load.Kind, from, why, t))
		}
	}
	for id, t := range j.byID {
		if t.start >= int64(j.load.Frames[from].At) {
			r.due++
			if !again[id] {
				r.missed++
			}
		}
	}
	return r
}

// fault says what is wrong with an exchange; "" if nothing is.
func (j *join) fault(t *told) string {
	e := ends{t.client, t.server}
	same := j.byEnds[e]
	if len(same) == 0 {
		if len(j.byEnds[ends{t.server, t.client}]) > 0 {
			return "wrong side"
		}
		return "no exchange there"
	}
	if j.unknowable(t) {
		return ""
	}
	why := "like no exchange there"
	if f := j.byID[t.id]; f != nil {
		if why = t.beside(f); why == "" {
			return ""
		}
	}
	for _, f := range same {
		switch now := t.beside(f); {
		case now == "":
			return ""
		case f.target == t.target && t.target != "" && why == "":
			why = now
		}
	}
	return why
}

// unknowable says that nobody can know better. What looks like a message inside a body or a WebSocket frame is one
// to whoever did not see the body begin; of two requests for the same bytes the first one shown is the one that is
// believed; and a 101 nobody was seen to ask for is an answer, where the truth has only the one that came after.
func (j *join) unknowable(t *told) bool {
	return strings.HasPrefix(t.target, "/never") || strings.HasPrefix(t.target, "/shown") ||
		strings.HasPrefix(j.load.Kind, "websocket") && !t.known || t.status == 101 && t.target == ""
}

// beside says where t says other things than f, which was wholly seen.
func (t *told) beside(f *told) string {
	for _, v := range [][3]string{{"method", t.method, f.method}, {"host", t.host, f.host}, {"target", t.target, f.target}} {
		if v[1] != "" && v[1] != v[2] {
			return fmt.Sprintf("%s is %q", v[0], v[2])
		}
	}
	switch {
	case t.status != 0 && t.status != f.status:
		return fmt.Sprintf("status is %d", f.status)
	case t.known && f.known && t.principal != f.principal:
		return "wrong principal"
	case t.id == f.id && f.status != 0 && (t.sent > f.sent || t.got > f.got) && f.gap == 0:
		return fmt.Sprintf("bytes are %d and %d", f.sent, f.got)
	}
	return ""
}
