// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"math/rand/v2"
)

// mixedScenes throw dice, the same each time: whole conversations, cut, reordered and repeated at random.
func mixedScenes() []scene {
	var all []scene
	for seed := range uint64(24) {
		all = append(all, scene{fmt.Sprintf("mixed-%02d", seed), []string{"mixed", "out-of-order", "retransmit"}, func(p *tape) {
			(&dice{rand.New(rand.NewPCG(seed, 42))}).play(p)
		}})
	}
	return all
}

type dice struct{ *rand.Rand }

// play has a few connections that take turns.
func (d *dice) play(p *tape) {
	talks := make([]*talk, 1+d.IntN(5))
	for i := range talks {
		t := p.talkTo([]string{v4, v6}[d.IntN(2)])
		t.next = [2]uint32{d.Uint32(), d.Uint32()}
		t.mss, t.quiet = 20+d.IntN(1400), d.IntN(2) == 0
		talks[i] = t.open()
	}
	for n := range 20 {
		t := talks[d.IntN(len(talks))]
		d.turn(t, n)
	}
	for _, t := range talks {
		t.close(host(d.IntN(2)))
	}
}

// turn is one to three pipelined requests and their responses.
func (d *dice) turn(t *talk, n int) {
	var asked, told string
	for i := range 1 + d.IntN(3)/2*d.IntN(3) {
		q, r := d.exchange(t, fmt.Sprintf("/mixed/%d/%d?x=%d", n, i, d.IntN(1000)))
		asked += q
		told += r
	}
	d.burst(t, client, asked)
	d.burst(t, server, told)
}

// exchange makes a request and a response in one of the framings, and notes it.
func (d *dice) exchange(t *talk, target string) (asked, told string) {
	method := []string{"GET", "GET", "POST", "PUT", "HEAD", "DELETE"}[d.IntN(6)]
	status := []int{200, 200, 200, 201, 204, 304, 404, 500}[d.IntN(8)]
	sent, got := 0, d.IntN(1+d.IntN(20_000))
	asked = request(method, target)
	if method == "POST" || method == "PUT" {
		sent = d.IntN(3000)
		asked = upload(method, target, fill(sent))
		if d.IntN(2) == 0 {
			asked = request(method, target, "Transfer-Encoding: chunked") + d.chunks(fill(sent))
		}
	}
	if d.IntN(8) == 0 {
		told = response(103, "Link: </a.css>; rel=preload")
	}
	switch {
	case method == "HEAD":
		told += response(status, fmt.Sprintf("Content-Length: %d", got))
		got = 0
	case status == 204 || status == 304:
		told += response(status)
		got = 0
	case d.IntN(2) == 0:
		told += response(status, "Transfer-Encoding: chunked") + d.chunks(fill(got))
	default:
		told += download(status, fill(got))
	}
	t.did(method, target, status, sent, got)
	return asked, told
}

func (d *dice) chunks(body string) string {
	var sizes []int
	for rest := len(body); rest > 1 && d.IntN(5) > 0; {
		n := 1 + d.IntN(rest)
		sizes = append(sizes, n)
		rest -= n
	}
	return chunked(body, sizes...)
}

// burst says text; some neighbouring frames change places, some bytes come again in other cuts.
func (d *dice) burst(t *talk, from host, text string) {
	first := len(t.frames)
	quiet := t.quiet
	t.quiet = true
	t.say(from, text)
	t.quiet = quiet
	order := make([]int, len(t.frames)-first)
	for i := range order {
		order[i] = i
	}
	for i := 0; i+1 < len(order); i++ {
		if d.IntN(6) == 0 {
			j := min(len(order)-1, i+1+d.IntN(3))
			order[i], order[j] = order[j], order[i]
		}
	}
	t.reorder(first, order...)
	for range d.IntN(3) {
		at := d.IntN(len(text))
		n := min(1+d.IntN(1400), len(text)-at)
		t.again(from, len(text)-at-n, text[at:at+n])
	}
	if !quiet {
		t.ack(from.other())
	}
}
