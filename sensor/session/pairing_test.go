// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/session"
	"github.com/weir-project/weir/sensor/stream"
)

// message i of a connection: its request asks for ?i=I with a token, its response says I in its status
// and is long, so that bytes charged to the wrong token show.
func ask(i int) []byte {
	return fmt.Appendf(nil, "GET /r?i=%d HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok_test_%d\r\n\r\n", i, i)
}

func reply(i, size int) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %d OK\r\nX: y\r\nContent-Length: %d\r\n\r\n", 210+i, size)
	return append(b, bytes.Repeat([]byte{'z'}, size)...)
}

// chunkedReply is a reply in chunks of 300 bytes.
func chunkedReply(i, size int) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %d OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n", 210+i)
	for size > 0 {
		n := min(size, 300)
		b = fmt.Appendf(b, "%x\r\n%s\r\n", n, bytes.Repeat([]byte{'z'}, n))
		size -= n
	}
	return append(b, "0\r\n\r\n"...)
}

// checkPairs fails where bytes of a response were charged to another request. It returns how many
// exchanges were whole pairs, and how many responses were seen at all.
func checkPairs(t *testing.T, name string, all []told) (pairs, responses int) {
	t.Helper()
	for _, x := range all {
		if x.Status == 0 {
			continue
		}
		responses++
		if len(x.Method) == 0 {
			if x.Assurance != exchange.AssuranceUnknown {
				t.Errorf("%s: an orphan is charged to a %s principal", name, x.Assurance)
			}
			continue
		}
		pairs++
		asked, _ := strconv.Atoi(string(bytes.TrimPrefix(x.Target, []byte("/r?i="))))
		if int(x.Status) != 210+asked {
			t.Errorf("%s: request %d is charged with the response %d: %s", name, asked, int(x.Status)-210, x.text)
		}
	}
	return pairs, responses
}

func newPairing(t *testing.T, mid bool) (*wire, *sink) {
	out := &sink{}
	s := session.New(session.Config{Unredacted: true}, testKeys(t), out)
	return newWire(s, mid), out
}

// Any subset of two requests and two responses with two tokens is lost: no byte is charged to the
// wrong token, and what was wholly seen is still paired.
func TestEverySubsetLost(t *testing.T) {
	for _, mid := range []bool{false, true} {
		for lost := range 16 {
			w, out := newPairing(t, mid)
			for i := range 4 {
				side, b := stream.A, ask(i/2+1)
				if i%2 == 1 {
					side, b = stream.B, reply(i/2+1, 100*(i+1))
				}
				if lost&(1<<i) != 0 {
					w.lose(side, int64(len(b)))
				} else {
					w.send(side, b)
				}
			}
			w.close()
			name := fmt.Sprintf("mid %v lost %04b", mid, lost)
			pairs, responses := checkPairs(t, name, out.all)
			want := 0
			for i := range 2 {
				if lost>>(2*i)&3 == 0 {
					want++
				}
			}
			if lost == 3 {
				want = 0 // the lost request may have been sent together with the second: nothing tells
			}
			if pairs != want {
				t.Errorf("%s: %d pairs of %d whole ones", name, pairs, want)
			}
			seen := 2 - (lost>>1&1 + lost>>3&1)
			if responses != seen {
				t.Errorf("%s: %d responses of %d seen", name, responses, seen)
			}
			checkBytes(t, w.s.Counters())
		}
	}
}

// Long keep-alive connections, now and then pipelined, lose segments of any size at random places, and
// now and then requests are handed on after their responses: never a wrong pair.
func TestRandomLossNeverMispairs(t *testing.T) {
	pairs, whole := randomLoss(t, ask)
	if pairs < whole*8/10 {
		t.Errorf("%d pairs of at least %d", pairs, whole)
	}
}

// The same where requests lie about bodies that they do not have and the server does not care.
func TestRandomLossOfHiddenRequests(t *testing.T) {
	for _, lie := range []string{"Transfer-Encoding: xchunked", "Content-Length: -1", "Content-Length: 1000000",
		"Content-Length: 0\r\nContent-Length: 5000000"} {
		pairs, whole := randomLoss(t, func(i int) []byte {
			if i%3 == 2 {
				return ask(i)
			}
			return bytes.Replace(ask(i), []byte("\r\n\r\n"), []byte("\r\n"+lie+"\r\n\r\n"), 1)
		})
		if pairs < whole*8/10 {
			t.Errorf("%s: %d pairs of at least %d", lie, pairs, whole)
		}
	}
}

// randomLoss plays conversations and gives how many exchanges were paired, and how many lost nothing.
func randomLoss(t *testing.T, ask func(int) []byte) (pairs, whole int) {
	t.Helper()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		w, out := newPairing(t, seed%5 == 0)
		rate := []float64{0.01, 0.1, 0.3}[seed%3]
		lossy := func(side stream.Side, b []byte) (lost bool) {
			for len(b) > 0 {
				n := min(len(b), 1+rng.IntN(400))
				if rng.Float64() < rate {
					w.lose(side, int64(n))
					lost = true
				} else {
					w.send(side, b[:n])
				}
				b = b[n:]
			}
			return lost
		}
		var sizes [44]int
		for i := 0; i < 40; {
			burst := 1
			if seed%4 == 3 && rng.IntN(4) == 0 {
				burst = 1 + rng.IntN(3)
			}
			lost := false
			late := seed%7 == 6 && rng.IntN(4) == 0
			for j := range burst {
				if late && w.sent[stream.A] == w.told[stream.A] {
					w.delay(stream.A, bytes.Join([][]byte{ask(i), ask(i + 1), ask(i + 2)}[:burst], nil))
					break
				}
				lost = lossy(stream.A, ask(i+j)) || lost
			}
			for j := range burst {
				b := reply(i+j, 50+rng.IntN(2000))
				if rng.IntN(2) == 0 {
					b = chunkedReply(i+j, 50+rng.IntN(2000))
				}
				sizes[i+j] = len(b)
				lost = lossy(stream.B, b) || lost
			}
			w.catchUp()
			if !lost {
				whole += burst
			}
			i += burst
		}
		w.close()
		p, _ := checkPairs(t, "seed "+strconv.FormatUint(seed, 10), out.all)
		pairs += p
		for _, x := range out.all {
			if i := int(x.Status) - 210; i >= 0 && x.ResponseHeaderSize+x.ResponseBodySize > uint64(sizes[i]) {
				t.Errorf("seed %d: response %d had %d bytes, %d are charged", seed, i, sizes[i], x.ResponseHeaderSize+x.ResponseBodySize)
			}
		}
		checkBytes(t, w.s.Counters())
	}
	t.Logf("%d pairs, %d exchanges lost nothing", pairs, whole)
	return pairs, whole
}
