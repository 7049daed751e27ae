// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/stream"
)

// With one segment in a hundred lost, every exchange is still told of and the bytes of the answers are
// right to half a percent, framed by lengths or by chunks.
func TestBytesUnderLoss(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		var asked, told int
		var sent, got uint64
		for seed := range uint64(12) {
			rng := rand.New(rand.NewPCG(seed, 7))
			w, out := newPairing(t, false)
			lossy := func(side stream.Side, b []byte) {
				for len(b) > 0 {
					n := min(len(b), 1448)
					if rng.Float64() < 0.01 {
						w.lose(side, int64(n))
					} else {
						w.send(side, b[:n])
					}
					b = b[n:]
				}
			}
			for i := range 40 {
				n := 1000 + rng.IntN(200_000)
				b := reply(i, n)
				if chunked {
					b = chunkedReply(i, n)
				}
				asked, sent = asked+1, sent+uint64(n)
				lossy(stream.A, ask(i))
				lossy(stream.B, b)
			}
			w.close()
			checkPairs(t, "loss", out.all)
			for _, x := range out.all {
				told++
				got += x.ResponseBodySize
			}
		}
		off := float64(got)/float64(sent) - 1
		t.Logf("chunked %v: %d of %d told, %d of %d bytes (%+.4f)", chunked, told, asked, got, sent, off)
		if told < asked*99/100 || off < -0.005 || off > 0.005 {
			t.Errorf("chunked %v: %d of %d told, %d of %d bytes", chunked, told, asked, got, sent)
		}
	}
}
