// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/weir-project/weir/deploy/bench/corpus"
	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/packet"
)

// shapes gives every conversation of a framing.
func shapes(framing string, exchanges, pieces int) (all []corpus.Shape) {
	for n := range 16 {
		all = append(all, corpus.Shape{Exchanges: exchanges, Framing: framing, Pieces: pieces,
			Handshake: n&1 == 0, Bare: n&2 == 0, Pipelined: n&4 != 0, Upload: n&8 != 0})
	}
	return all
}

var framings = []string{"length", "chunked", "close", "http2"}

// owners loses every subset of the segments of two exchanges with two tokens, and subsets of six exchanges by
// chance: with HTTP/2 the later ones refer to what the earlier ones put into the table. Not all has the messages
// in three segments in few shapes only.
func (b *bench) owners(all bool) error {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, framing := range framings {
		var sum trial
		try := func(s corpus.Shape, some int) error {
			y, err := newTrial(s, b.rig)
			if err != nil {
				return err
			}
			for set := range uint64(1) << min(12, len(y.segments)) {
				if some == 0 {
					y.lose(set)
				} else if set < uint64(some) {
					y.lose(rng.Uint64() & rng.Uint64())
				}
			}
			sum.add(y)
			return nil
		}
		for _, pieces := range []int{1, 2, 3} {
			for _, s := range shapes(framing, 2, pieces) {
				if !all && pieces == 3 && (s.Upload || !s.Bare) {
					continue
				}
				if err := try(s, 0); err != nil {
					return err
				}
			}
		}
		for _, s := range shapes(framing, 6, 2) {
			if err := try(s, 300); err != nil {
				return err
			}
		}
		mark := ""
		if len(sum.faults) > 0 {
			mark, b.good = "  FAIL", false
		}
		fmt.Fprintf(b.out, "two tokens, %-8s %7d losses: %7d of %7d exchanges told with their owner, %d losses with a wrong one, %d as known%s\n",
			framing, sum.runs, sum.named, sum.exchanges, len(sum.faults), sum.known, mark)
		for i, text := range sum.faults {
			if i < 5 || b.verbose {
				fmt.Fprintln(b.out, " ", text)
			}
		}
	}
	return nil
}

// trial loses segments of a conversation that carry bytes.
type trial struct {
	shape           corpus.Shape
	load            corpus.Load
	segments        []int // frames with bytes
	principals      map[string]exchange.ID
	rig             *rig
	runs, exchanges int
	named           int // exchanges told with their owner
	known           int // losses after which something is wrong that is known
	faults          []string
}

func newTrial(s corpus.Shape, r *rig) (*trial, error) {
	whole := s
	whole.Handshake = true
	l := corpus.Play(whole)
	owners, err := principals(&l, r)
	if err != nil {
		return nil, err
	}
	y := &trial{shape: s, load: corpus.Play(s), principals: owners, rig: r}
	d := packet.NewDecoder(packet.DecoderConfig{})
	var seg packet.Segment
	for i, f := range y.load.Frames {
		if d.Decode(&packet.Frame{Link: packet.LinkEthernet, Data: f.Data, Length: f.Length}, &seg) == packet.OK && seg.PayloadLen > 0 {
			y.segments = append(y.segments, i)
		}
	}
	return y, nil
}

// lose takes the segments of a set away and looks whether a byte goes to a wrong principal.
func (y *trial) lose(set uint64) {
	gone := make([]bool, len(y.load.Frames))
	for i, f := range y.segments {
		gone[f] = set>>i&1 == 1
	}
	f := judge(&y.load, y.principals, y.rig.read(&y.load, func(i int) bool { return gone[i] }))
	y.runs++
	y.exchanges += len(y.load.Truth)
	y.named += int(f.named*float64(len(y.load.Truth)) + 0.5)
	wrong := f.wrongOwner > 0 || f.wrongBytes > 0
	switch {
	case wrong && !knownShape(y.shape):
		y.faults = append(y.faults, fmt.Sprintf("%s without segments %0*b (last first): %s", y.load.Kind, len(y.segments), set, f.examples))
	case wrong || f.unseenBytes > 0:
		y.known++
	}
}

func (y *trial) add(o *trial) {
	y.runs, y.exchanges, y.named, y.known = y.runs+o.runs, y.exchanges+o.exchanges, y.named+o.named, y.known+o.known
	y.faults = append(y.faults, o.faults...)
}
