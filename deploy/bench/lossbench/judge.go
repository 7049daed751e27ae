// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/deploy/bench/score"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/packet"
)

// figures says how well a capture was told of.
type figures struct {
	recall float64 // exchanges told, orphans among them, of those there were
	named  float64 // and those with their principal
	// Shares of the bytes the hosts sent:
	attributed   float64
	unattributed float64
	gap          float64
	beyond       float64
	wrongOwner   int    // exchanges charged to a principal that was not theirs
	wrongBytes   uint64 // charged to a principal beyond what its exchange had on the wire
	unseenBytes  uint64 // the same, as is known of answers of which nothing was seen
	examples     []string
}

// sum is 1 where no byte is lost count of or told twice.
func (f *figures) sum() float64 { return f.attributed + f.unattributed + f.gap + f.beyond }

func (f *figures) wrong(t *told, why string) {
	if len(f.examples) < 5 {
		f.examples = append(f.examples, why+": "+t.String())
	}
}

// judge compares what was told with the truth.
func judge(l *corpus.Load, owners map[string]exchange.ID, o outcome) figures {
	truth := map[string]*score.Truth{}
	for i := range l.Truth {
		truth[l.Truth[i].Target] = &l.Truth[i]
	}
	var f figures
	var orphans, named int
	var attributed, unattributed, gap uint64
	seen := map[string]bool{}
	for _, t := range o.told {
		gap += t.gap
		if !t.known {
			unattributed += t.seen()
		} else {
			attributed += t.seen()
			f.charge(t, l.Wire, truth[t.target], owners)
		}
		switch {
		case truth[t.target] == nil:
			orphans++
		case !seen[t.target]:
			seen[t.target] = true
			if t.known {
				named++
			}
		}
	}
	unattributed += o.unread
	gap += o.lost
	all := float64(l.Payload)
	f.recall = float64(min(len(seen)+orphans, len(truth))) / float64(len(truth))
	f.named = float64(named) / float64(len(truth))
	f.attributed, f.unattributed, f.gap = float64(attributed)/all, float64(unattributed)/all, float64(gap)/all
	return f
}

// charge looks whether an exchange that a principal is charged with is its own, and no byte more.
func (f *figures) charge(t *told, wires map[string][2]int64, x *score.Truth, owners map[string]exchange.ID) {
	switch {
	case x == nil && !owned(owners, t.principal), x != nil && owners[tokenOf(t.target)] != t.principal:
		f.wrongOwner++
		f.wrong(t, "wrong owner")
		return
	case x == nil: // the target was not seen, the credential was
		return
	case t.status != 0 && t.status != x.Status:
		f.wrongOwner++
		f.wrong(t, fmt.Sprintf("the answer was %d", x.Status))
		return
	}
	wire := wires[t.target]
	if n := over(t.headUp+t.sent, uint64(wire[0])) + over(t.headDown+t.got, uint64(wire[1])); n > 0 && knownUnseen(t) {
		f.unseenBytes += n
	} else if n > 0 {
		f.wrongBytes += n
		f.wrong(t, fmt.Sprintf("%d bytes beyond the %d and %d", n, wire[0], wire[1]))
	}
}

func owned(owners map[string]exchange.ID, p exchange.ID) bool {
	for _, o := range owners {
		if o == p {
			return true
		}
	}
	return false
}

func over(told, had uint64) uint64 { return max(told, had) - had }

// tokenOf gives the number of the token that the target names.
func tokenOf(target string) string {
	token, _, _ := strings.Cut(strings.TrimPrefix(target, "/t"), "/")
	return token
}

// principals reads the whole capture and gives the principal of each token.
func principals(l *corpus.Load, r *rig) (map[string]exchange.ID, error) {
	o := r.read(l, none)
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

// span is what the numbers of the packets show of one direction of a connection.
type span struct{ first, last uint32 }

// beyond gives the share of the payload that no packet which is left bears witness to, be it by its sequence or its
// ACK number: begins and ends of directions that were lost whole. Nobody can count it.
func beyond(l *corpus.Load, lost func(frame int) bool) float64 {
	spans := map[[2]netip.AddrPort]*span{}
	see := func(from, to netip.AddrPort, first, last uint32) {
		key := [2]netip.AddrPort{from, to}
		s := spans[key]
		if s == nil {
			s = &span{first, last}
			spans[key] = s
		}
		s.first, s.last = min(s.first, first), max(s.last, last) // Busy does not wrap
	}
	d := packet.NewDecoder(packet.DecoderConfig{})
	var seg packet.Segment
	for i := range l.Frames {
		f := packet.Frame{Link: packet.LinkEthernet, Data: l.Frames[i].Data, Length: l.Frames[i].Length}
		if lost(i) || d.Decode(&f, &seg) != packet.OK {
			continue
		}
		see(seg.Src, seg.Dst, seg.Seq, seg.Seq+uint32(seg.PayloadLen))
		if seg.Flags&packet.ACK != 0 {
			see(seg.Dst, seg.Src, seg.Ack, seg.Ack)
		}
	}
	var shown int64
	for _, s := range spans {
		shown += int64(s.last - s.first)
	}
	return max(0, 1-float64(shown)/float64(l.Payload))
}
