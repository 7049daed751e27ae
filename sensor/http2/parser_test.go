// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/http2"
)

var seeds = flag.Int("seeds", 120, "how many sides TestHoles makes holes in")

// holes takes ranges of bytes out of a side: segments, or any.
func holes(r *rand.Rand, side []piece, share float64) []piece {
	var out []piece
	for _, p := range side {
		switch {
		case r.Float64() >= share:
			out = append(out, p)
		case r.IntN(2) == 0:
			out = append(out, piece{gap: int64(len(p.data))})
		default:
			at := r.IntN(len(p.data))
			end := at + 1 + r.IntN(min(40, len(p.data)-at))
			for _, q := range []piece{{data: p.data[:at], mark: p.mark}, {gap: int64(end - at)}, {data: p.data[end:], mark: p.mark}} {
				if len(q.data) > 0 || q.gap > 0 {
					out = append(out, q)
				}
			}
		}
	}
	return out
}

func TestWholeSide(t *testing.T) {
	for seed := range uint64(20) {
		side := newTruth(seed).exchanges(40, 20000)
		j := &judge{t: t, truth: side}
		s := &script{begin: http2.AtFrame, pieces: side.pieces()}
		var p http2.Parser
		s.play(t, &p, j, cuts(seed))
		var body int64
		for _, f := range side.frames {
			body += f.bodyEnd - f.bodyAt
		}
		if j.blocks != len(side.blocks) || j.body != body || int(p.Frames()) != len(side.frames) || p.BadFrames() != 0 {
			t.Fatalf("%d of %d blocks, %d of %d bytes, %d of %d frames", j.blocks, len(side.blocks), j.body, body, p.Frames(), len(side.frames))
		}
	}
}

// What is said of a side with holes does not contradict what was sent, and does not depend on cuts.
func TestHoles(t *testing.T) {
	for name, side := range map[string]func(seed uint64) (*truth, http2.Begin){
		"server": func(seed uint64) (*truth, http2.Begin) {
			return newTruth(seed).exchanges(30, []int{300, 3000, 17000}[seed%3]), http2.AtFrame
		},
		"client": func(seed uint64) (*truth, http2.Begin) {
			return newClient(seed).exchanges(60, []int{300, 20, 1000}[seed%3]), http2.AtPreface
		},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, known, sent, losses := 0, 0, 0, 0
			for seed := range uint64(*seeds) {
				r := rand.New(rand.NewPCG(seed, 2))
				side, begin := side(seed)
				s := &script{begin: begin, pieces: holes(r, side.pieces(), []float64{0.01, 0.05, 0.3}[r.IntN(3)])}
				j := &judge{t: t, truth: side}
				s.play(t, new(http2.Parser), j, whole)
				blocks, known, sent, losses = blocks+j.blocks, known+j.known, sent+len(side.blocks), losses+j.losses
				if want, got := s.say(t, whole), s.say(t, cuts(seed)); !slices.Equal(got, want) {
					t.Fatalf("seed %d cut:\n%s\nwhole:\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			t.Logf("of %d blocks %d, %d with all fields; %d losses", sent, blocks, known, losses)
		})
	}
}

// A side joined anywhere gives no wrong value, and its frames from soon on.
func TestJoinAnywhere(t *testing.T) {
	side := newTruth(5).exchanges(25, 700)
	b := side.b.Bytes()
	whole := 0
	for at := range b {
		j := &judge{t: t, truth: side}
		var p http2.Parser
		p.Reset(j, http2.Joined, origin+int64(at), http2.Limits{})
		for _, x := range side.pieces() {
			skip := min(len(x.data), max(0, at+origin-int(x.mark.Offset)))
			p.Data(x.data[skip:], x.mark)
		}
		p.Close()
		if c := p.Counts(); c.Sum() != int64(len(b)-at) {
			t.Fatalf("joined at %d: %+v", at, c)
		} else if c.Junk < int64(len(b)-at)/2 {
			whole++
		}
	}
	if whole < len(b)*8/10 {
		t.Errorf("of %d joins only %d found frames", len(b), whole)
	}
}
