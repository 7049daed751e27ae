// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weir-project/weir/sensor/stream"
)

// A body that was framed well and reads like requests makes none, whenever the answer comes.
func TestGoodBodiesHideNothing(t *testing.T) {
	inside := []byte("GET /forged HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok_test_forged\r\n\r\n")
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 9))
		w, out := newPairing(t, false)
		w.cut = func(n int) int { return 1 + rng.IntN(n) }
		const exchanges = 8
		for i := range exchanges {
			body := bytes.Repeat(inside, 1+rng.IntN(5))
			q := fmt.Appendf(nil, "POST /r?i=%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", i, len(body))
			if rng.IntN(2) == 0 {
				q = fmt.Appendf(nil, "POST /r?i=%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", i, len(body))
				body = append(body, "\r\n0\r\n\r\n"...)
			}
			at := rng.IntN(len(body) + 1) // where the answer overtakes
			w.send(stream.A, q)
			w.send(stream.A, body[:at])
			w.send(stream.B, reply(i, rng.IntN(300)))
			w.send(stream.A, body[at:])
		}
		w.close()
		pairs, _ := checkPairs(t, fmt.Sprint("seed ", seed), out.all)
		if pairs != exchanges || len(out.all) != exchanges {
			t.Errorf("seed %d: %d pairs, %d exchanges", seed, pairs, len(out.all))
		}
		checkBytes(t, w.s.Counters())
	}
}

// However a request lies about its body, and however the client's segments fall, each download behind it
// is charged to who asked, and no byte of the client's is charged twice.
func TestLiesHideNothing(t *testing.T) {
	lies := []string{"Transfer-Encoding: xchunked", "Transfer-Encoding: gzip", "Content-Length: -1", "Content-Length: +3", "Content-Length: 5e9",
		"Content-Length: 99999999", "Content-Length: 0\r\nContent-Length: 7777777", "Content-Length: 0\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nX: y\r\n\r\nffffff", "Content-Length: 18446744073709551616"}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 10))
		w, out := newPairing(t, false)
		w.cut = func(n int) int { return 1 + rng.IntN(n) }
		const exchanges = 30
		for i := 0; i < exchanges; {
			burst := min(1+rng.IntN(1+int(seed%3)), exchanges-i)
			for j := range burst {
				q := ask(i + j)
				if rng.IntN(3) > 0 {
					q = bytes.Replace(q, []byte("\r\n\r\n"), []byte("\r\n"+lies[rng.IntN(len(lies))]+"\r\n\r\n"), 1)
				}
				w.send(stream.A, q)
			}
			for j := range burst {
				w.send(stream.B, reply(i+j, rng.IntN(300)))
			}
			i += burst
		}
		w.close()
		pairs, _ := checkPairs(t, fmt.Sprint("seed ", seed), out.all)
		if pairs != exchanges || len(out.all) != exchanges {
			t.Errorf("seed %d: %d pairs, %d exchanges of %d", seed, pairs, len(out.all), exchanges)
		}
		var sum uint64
		for _, x := range out.all {
			sum += x.RequestHeaderSize + x.RequestBodySize
		}
		if sum > uint64(w.sent[stream.A]) {
			t.Errorf("seed %d: %d bytes asked, %d charged", seed, w.sent[stream.A], sum)
		}
		checkBytes(t, w.s.Counters())
	}
}
