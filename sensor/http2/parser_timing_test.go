// SPDX-License-Identifier: Apache-2.0

package http2_test

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-project/weir/sensor/http2"
)

// download is a response in full frames.
func download() []piece {
	s := newTruth(1)
	s.headers(1, 0, false, []hpack.HeaderField{{Name: ":status", Value: "200"}})
	for range 64 {
		s.data(1, false, make([]byte, 1<<14))
	}
	return s.pieces()
}

// calls is small messages, as gRPC sends them.
func calls() []piece {
	s := newTruth(1)
	for i := range uint32(100) {
		s.headers(2*i+1, 0, false, []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}})
		for range 3 {
			s.data(2*i+1, false, make([]byte, 60))
		}
		s.headers(2*i+1, 0, true, []hpack.HeaderField{{Name: "grpc-status", Value: "0"}})
	}
	return s.pieces()
}

func bench(b *testing.B, side []piece, begin http2.Begin) {
	var p http2.Parser
	c := &tally{}
	n := 0
	for _, x := range side {
		n += len(x.data)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset(c, begin, 0, http2.Limits{})
		for _, x := range side {
			p.Data(x.data, x.mark)
		}
		p.Close()
	}
}

func BenchmarkDownload(b *testing.B) { bench(b, download(), http2.AtFrame) }
func BenchmarkCalls(b *testing.B)    { bench(b, calls(), http2.AtFrame) }

// BenchmarkSeek looks for frames where none are.
func BenchmarkSeek(b *testing.B) {
	for _, name := range []string{"random", "text", "zeros", "half zero"} {
		body := make([]byte, 1<<20)
		bodies[name](rand.New(rand.NewPCG(1, 1)), body)
		var side []piece
		for at := 0; at < len(body); at += segment {
			side = append(side, piece{data: body[at:min(at+segment, len(body))], mark: http2.Mark{Offset: int64(at)}})
		}
		b.Run(name, func(b *testing.B) { bench(b, side, http2.Joined) })
	}
}

// The steady state allocates nothing.
func TestNoAllocations(t *testing.T) {
	for name, side := range map[string][]piece{"download": download(), "calls": calls()} {
		var p http2.Parser
		c := &tally{}
		n := testing.AllocsPerRun(20, func() {
			p.Reset(c, http2.AtFrame, 0, http2.Limits{})
			for _, x := range side {
				p.Data(x.data, x.mark)
			}
			p.Close()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
