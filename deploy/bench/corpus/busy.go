// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weir-project/weir/deploy/bench/score"
)

// Frame is one frame; At is since the capture began, and Length is what it had before it was cut.
type Frame struct {
	At     time.Duration
	Data   []byte
	Length int
}

// Load is a capture in memory, for those who take frames away.
type Load struct {
	Kind    string
	Link    uint32 // pcap link type
	Frames  []Frame
	Truth   []score.Truth
	Payload int64               // of Busy: bytes of TCP payload that the hosts sent, each once
	Wire    map[string][2]int64 // of Busy: of each target, bytes of the request and of the response, heads and framing too
}

// All gives every capture that Write writes whose packets are all from one interface.
func All() []Load {
	var all []Load
	for _, s := range scenes() {
		p := &tape{name: s.name, classes: s.classes, link: linkEthernet, write: pcapLittle}
		s.play(p)
		if !slices.ContainsFunc(p.frames, func(f frame) bool { return f.iface > 0 }) {
			all = append(all, p.load())
		}
	}
	return all
}

func (p *tape) load() Load {
	l := Load{Kind: p.name, Link: p.link, Payload: p.payload, Wire: p.wire}
	for i := range p.frames {
		f := &p.frames[i]
		l.Frames = append(l.Frames, Frame{f.at, p.kept(f), len(f.data)})
	}
	for _, x := range p.truth {
		l.Truth = append(l.Truth, *x)
	}
	return l
}

// Kinds are what Busy knows.
var Kinds = []string{"keep-alive", "chunked", "pipelined", "large", "http2", "grpc"}

// Busy makes a Load of about n exchanges. The same seed makes the same one. Every target is unique and begins
// with /tN/, where N is the number of the token that was shown: Bearer tok_test_N.
func Busy(kind string, n int, seed uint64) Load {
	rng := rand.New(rand.NewPCG(seed, uint64(slices.Index(Kinds, kind))))
	p := &tape{name: kind, link: linkEthernet, step: 100 * time.Microsecond, wire: map[string][2]int64{}}
	const talks = 8
	for i := 0; i < n; i += (n + talks - 1) / talks {
		k := min((n+talks-1)/talks, n-i)
		switch kind {
		case "http2", "grpc":
			busyStreams(p, rng, i, k, kind == "grpc")
		case "keep-alive", "chunked", "pipelined", "large":
			busyTalk(p, rng, kind, i, k)
		default:
			panic("BUG: corpus: no such kind: " + kind)
		}
	}
	return p.load()
}

func token(rng *rand.Rand) (n int, field string) {
	n = rng.IntN(2)
	return n, fmt.Sprintf("Authorization: Bearer tok_test_%d", n)
}

// busyTalk is one connection on which n exchanges follow each other and two tokens take turns.
func busyTalk(p *tape, rng *rand.Rand, kind string, first, n int) {
	t := p.talk().open()
	for i := 0; i < n; {
		group := 1
		if kind == "pipelined" {
			group = min(1+rng.IntN(4), n-i)
		}
		var requests, responses string
		for range group {
			who, field := token(rng)
			target := fmt.Sprintf("/t%d/%d", who, first+i)
			sent, got := 0, 100+rng.IntN(6000)
			asked, told := len(requests), len(responses)
			if kind == "large" {
				got = 100_000 + rng.IntN(300_000)
			}
			if rng.IntN(4) == 0 {
				sent = 1 + rng.IntN(3000)
				requests += upload("POST", target, noise(sent, rng.Uint64()), field)
			} else {
				requests += request("GET", target, field)
			}
			if kind == "chunked" {
				responses += response(200, "Transfer-Encoding: chunked") + chunked(noise(got, rng.Uint64()), cuts(rng, got)...)
			} else {
				responses += download(200, noise(got, rng.Uint64()))
			}
			x := t.did("GET", target, 200, sent, got)
			if sent > 0 {
				x.Method = "POST"
			}
			t.wire[target] = [2]int64{int64(len(requests) - asked), int64(len(responses) - told)}
			i++
		}
		t.say(client, requests)
		t.say(server, responses)
	}
	t.close(client)
}

func cuts(rng *rand.Rand, n int) (sizes []int) {
	for n > 1500 {
		k := 500 + rng.IntN(1000)
		sizes = append(sizes, k)
		n -= k
	}
	return sizes
}

// busyStreams is one connection with some streams open at any time.
func busyStreams(p *tape, rng *rand.Rand, first, n int, grpc bool) {
	c := speak(p.talk().open())
	type open struct {
		id     uint32
		target string
		left   int
	}
	var streams []open
	for i := 0; i < n || len(streams) > 0; {
		if i < n && (len(streams) < 2 || len(streams) < 20 && rng.IntN(3) == 0) {
			id, target, left := c.begin(rng, first+i, grpc)
			streams = append(streams, open{id, target, left})
			i++
			continue
		}
		k := rng.IntN(len(streams))
		s := &streams[k]
		piece := min(s.left, 1+rng.IntN(5000))
		s.left -= piece
		c.data(server, s.id, piece, s.left == 0 && !grpc)
		if s.left == 0 && grpc {
			c.headers(server, s.id, true, "grpc-status: 0")
		}
		c.flushOf(server, s.target)
		if s.left == 0 {
			streams = slices.Delete(streams, k, k+1)
		}
	}
	c.close(client)
}

// begin asks, and answers with a head; left is how long the body will be.
func (c *h2) begin(rng *rand.Rand, i int, grpc bool) (stream uint32, target string, left int) {
	who, _ := token(rng)
	target = fmt.Sprintf("/t%d/%d", who, i)
	sent, method := 0, "GET"
	got := 100 + rng.IntN(12000)
	fields := []string{fmt.Sprintf("authorization: Bearer tok_test_%d", who), "accept: application/json"}
	if grpc {
		sent, method = 5+rng.IntN(200), "POST"
		fields = append(fields, "content-type: application/grpc", "te: trailers")
	}
	c.flush(client) // what comes before is no exchange's
	c.flush(server)
	id := c.ask(method, target, sent, fields...)
	c.flushOf(client, target)
	c.headers(server, id, false, ":status: 200", "content-type: application/json", fmt.Sprintf("etag: %x", rng.Uint32()))
	c.flushOf(server, target)
	c.did(method, target, 200, sent, got)
	return id, target, got
}

// flushOf sends what was written, all of it of one exchange.
func (c *h2) flushOf(from host, target string) {
	w := c.wire[target]
	w[from] += int64(c.side[from].buf.Len())
	c.wire[target] = w
	c.flush(from)
}
