// SPDX-License-Identifier: Apache-2.0

package corpus

import "fmt"

// http2CutScenes are about how frames are put into segments, and segments into the network's own frames.
func http2CutScenes() []scene {
	return []scene{
		{"h2-small-segments", prior(), h2Segments(7)},
		{"h2-frames-share-segments", prior(), h2Segments(9000)},
		{"h2-out-of-order", prior("out-of-order"), h2OutOfOrder},
		{"h2-retransmit", prior("retransmit"), h2Again},
		{"h2-doubled", prior("retransmit"), h2Doubled},
	}
}

func h2Segments(mss int) func(*tape) {
	return func(p *tape) {
		t := p.talk()
		t.mss, t.quiet = mss, true
		c := speak(t.open())
		for i := range 6 {
			c.ask("POST", fmt.Sprintf("/cut/%d", i), 50*i+1)
			c.did("POST", fmt.Sprintf("/cut/%d", i), 200, 50*i+1, 100*i)
		}
		c.flush(client)
		for i := range 6 {
			c.answer(uint32(2*i+1), 200, 100*i)
		}
		c.flush(server)
		c.close(client)
	}
}

func h2OutOfOrder(p *tape) {
	t := p.talk()
	t.mss, t.quiet = 60, true
	c := speak(t.open())
	c.get2("/first", 10)
	from := len(t.frames)
	c.ask("GET", "/a/rather/long/target/for/a/request/that/is/cut", 0, "x-a: "+noisy(1))
	c.flush(client)
	n := len(t.frames) - from
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	t.reorder(from, order...)
	c.answer(3, 200, 40)
	c.flush(server)
	c.did("GET", "/a/rather/long/target/for/a/request/that/is/cut", 200, 0, 40)
	c.get2("/after", 5)
	c.close(client)
}

func h2Again(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		id := c.ask("GET", fmt.Sprintf("/again/%d", i), 0)
		r := c.side[client].buf.String()
		c.flush(client)
		c.again(client, 0, r)
		c.answer(id, 200, 2000)
		d := c.side[server].buf.String()
		c.flush(server)
		c.again(server, 0, d[1400:])
		c.did("GET", fmt.Sprintf("/again/%d", i), 200, 0, 2000)
	}
	c.close(client)
}

func h2Doubled(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		c.get2(fmt.Sprintf("/twice/%d", i), 1000*i)
	}
	c.close(client)
	var all []frame
	for _, f := range p.frames {
		all = append(all, f, f)
	}
	p.frames = all
}
