// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/http2"
)

var bodySize = flag.Int("bodies", 1, "MB of each kind in TestBodiesAreNoFrames")

// No body is taken for frames, joined in or after a loss, whatever streams are in use.
func TestBodiesAreNoFrames(t *testing.T) {
	size := *bodySize << 20
	for _, name := range bodyNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := make([]byte, size)
			bodies[name](rand.New(rand.NewPCG(3, 4)), b)
			for _, side := range []struct {
				begin http2.Begin
				high  uint32
			}{{http2.Joined, 0}, {http2.AtFrame, 1}, {http2.AtFrame, 1<<20 + 1}} {
				var p http2.Parser
				d := &diary{}
				p.Reset(d, side.begin, 0, http2.Limits{})
				p.Opened(side.high)
				p.Gap(1)
				p.Data(b, http2.Mark{})
				if p.Frames() != 0 {
					t.Errorf("begin %d, stream %d: %d frames, first of them %.5q", side.begin, side.high, p.Frames(), d.out)
				}
				p.Close()
				if c := p.Counts(); c.Sum() != int64(len(b))+1 || p.Frames() == 0 && c.Junk != int64(len(b)) {
					t.Errorf("accounted %+v", c)
				}
			}
		})
	}
}
