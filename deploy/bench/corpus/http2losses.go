// SPDX-License-Identifier: Apache-2.0

package corpus

import "fmt"

// http2LossScenes are HTTP/2 of which the capture does not have all.
func http2LossScenes() []scene {
	return []scene{
		{"h2-joined", prior("h2-midstream", "missing-syn"), h2Joined},
		{"h2-joined-in-a-body", prior("h2-midstream", "missing-syn"), h2JoinedInBody},
		{"h2-joined-in-a-frame", prior("h2-midstream", "missing-syn"), h2JoinedInFrame},
		{"h2-joined-by-chance", prior("h2-midstream", "missing-syn"), h2JoinedAnywhere},
		{"h2-only-the-server", prior("one-direction", "orphan-response"), h2OnlyServer},
		{"h2-only-the-client", prior("one-direction", "no-response"), h2OnlyClient},
		{"h2-loss-in-body", prior("tcp-gap"), h2LossInBody},
		{"h2-loss-of-frames", prior("tcp-gap", "gap-resync"), h2LossOfFrames},
		{"h2-loss-of-request", prior("tcp-gap", "orphan-response"), h2LossOfRequest},
	}
}

// The capture begins when both tables are full: of a request only what is not in them is known, until it is
// sent anew.
func h2Joined(p *tape) {
	t := p.talk()
	c := speak(t)
	c.get2("/before", 10)
	c.get2("/before", 20)
	t.frames, t.truth = nil, nil
	unsure(c.get2("/before", 30), "host", "target")
	for i := range 6 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 100*i), "host")
	}
}

// Of a body that was under way the rest counts.
func h2JoinedInBody(p *tape) {
	t := p.talk()
	c := speak(t)
	id := c.ask("GET", "/before", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 5000, false)
	c.flush(server)
	t.frames, t.truth = nil, nil
	c.data(server, id, 2000, false)
	c.data(server, id, 3000, true)
	c.flush(server)
	x := t.did("", "", 0, 0, 5000)
	x.Host, x.Strict, x.Check = "", false, []string{"resp_body_len"}
	for i := range 6 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 100*i), "host")
	}
}

func h2LossInBody(p *tape) {
	t := p.talk().open()
	c := speak(t)
	id := c.ask("GET", "/gap", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 16000, true)
	text := c.side[server].buf.String()
	c.side[server].buf.Reset()
	c.say(server, text[:5000])
	c.lose(server, text[5000:12000])
	c.say(server, text[12000:])
	c.did("GET", "/gap", 200, 0, 16000)
	c.get2("/after", 10)
	c.close(client)
}

// What was in the frames that were lost nobody can say; those after them are found.
func h2LossOfFrames(p *tape) {
	c := speak(p.talk().open())
	c.get2("/before", 100)
	id := c.ask("GET", "/gap", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200", "x-a: b")
	c.data(server, id, 200, false)
	c.flush(server)
	c.data(server, id, 300, false)
	c.data(server, id, 400, false)
	c.unseen(server)
	for range 4 {
		c.data(server, id, 500, false)
		c.flush(server)
	}
	c.data(server, id, 500, true)
	c.flush(server)
	unsure(c.did("GET", "/gap", 200, 0, 3400), "resp_body_len")
	for i := range 5 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 1000), "status")
	}
	c.close(client)
}

func h2LossOfRequest(p *tape) {
	c := speak(p.talk().open())
	c.get2("/before", 100)
	id := c.ask("GET", "/not/seen", 0)
	c.unseen(client)
	c.answer(id, 200, 700)
	c.flush(server)
	c.orphan(200, 700)
	for i := range 5 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 10*i), "host")
	}
	c.close(client)
}

// The capture begins inside a frame of a body.
func h2JoinedInFrame(p *tape) {
	t := p.talk()
	c := speak(t)
	id := c.ask("GET", "/before", 0)
	c.flush(client)
	c.headers(server, id, false, ":status: 200")
	c.data(server, id, 16_000, true)
	c.flush(server)
	t.frames = t.frames[8:]
	t.truth = nil
	x := t.did("", "", 0, 0, 16_000)
	x.Host, x.Strict, x.Check = "", false, []string{"resp_body_len"}
	for i := range 8 {
		unsure(c.get2(fmt.Sprintf("/after/%d", i), 100*i), "host", "status")
	}
}

// Connections that the capture joins after any number of frames: what comes whole after it is told of.
func h2JoinedAnywhere(p *tape) {
	for n := range 12 {
		t := p.talk()
		first := len(t.frames)
		join := first + 4 + n
		c := speak(t.open())
		for i := range 3 {
			asked := len(t.frames)
			x := c.get2(fmt.Sprintf("/before/%d", i), 900*i)
			x.Strict, x.Check = false, []string{"status"}
			if asked < join { // its answer may be seen
				x.Method, x.Host, x.Target = "", "", ""
			}
		}
		t.frames = append(t.frames[:first], t.frames[join:]...)
		for i := range 4 {
			id := c.ask("GET", fmt.Sprintf("/after/%d/%d", n, i), 0)
			c.flush(client)
			c.answer(id, 200, 200*i, "x-new: "+noisy(10*n+i))
			c.flush(server)
			unsure(c.did("GET", fmt.Sprintf("/after/%d/%d", n, i), 200, 0, 200*i), "host")
		}
	}
}

func h2OnlyServer(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		c.get2("/unseen", 100*i)
	}
	for _, x := range c.truth {
		x.Method, x.Host, x.Target, x.Check = "", "", "", []string{"status", "resp_body_len"}
	}
	c.only(server)
}

func h2OnlyClient(p *tape) {
	c := speak(p.talk().open())
	for i := range 4 {
		id := c.ask("POST", "/seen", 50*i+1)
		c.flush(client)
		c.answer(id, 200, 300)
		c.flush(server)
		unsure(c.did("POST", "/seen", 0, 50*i+1, 0), "resp_body_len")
	}
	c.only(client)
}
