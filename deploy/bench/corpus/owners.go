// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strconv"
)

// Shape says how a conversation of a few exchanges looks, in which two tokens take turns.
type Shape struct {
	Exchanges int
	Framing   string // of the responses: length, chunked, close (of the last one; the others: length), http2
	Pieces    int    // segments of a message
	Handshake bool   // it is in the capture
	Bare      bool   // hosts acknowledge at once, without data
	Pipelined bool   // all is asked before anything is answered
	Upload    bool   // requests have bodies
}

// Play makes the Load of a Shape: targets, tokens and Wire are as those of Busy, and the i-th response has the
// status 211+i.
func Play(s Shape) Load {
	p := &tape{name: fmt.Sprintf("%+v", s), link: linkEthernet, wire: map[string][2]int64{}}
	t := p.talk()
	t.delayed = !s.Bare
	if s.Handshake {
		t.open()
	}
	var ask, answer func(i int)
	if s.Framing == "http2" {
		ask, answer = playStreams(t, s)
	} else {
		ask, answer = playMessages(t, s)
	}
	for i := range s.Exchanges {
		ask(i)
		if !s.Pipelined {
			answer(i)
		}
	}
	for i := range s.Exchanges {
		if s.Pipelined {
			answer(i)
		}
	}
	if s.Framing == "close" {
		t.close(server)
	} else {
		t.close(client)
	}
	return p.load()
}

func shapeTarget(i int) string { return fmt.Sprintf("/t%d/%d", i%2, i) }

// sizes of the i-th exchange, of which no two are alike.
func (s Shape) sizes(i int) (sent, got int) {
	if s.Upload {
		sent = 90 + 7*i
	}
	return sent, 300 + 110*i
}

// inPieces sends text in as many segments as the shape has for a message.
func (t *talk) inPieces(from host, text string, n int) {
	t.mss = (len(text) + n - 1) / n
	t.say(from, text)
}

func playMessages(t *talk, s Shape) (ask, answer func(i int)) {
	ask = func(i int) {
		sent, got := s.sizes(i)
		r := request("GET", shapeTarget(i), "Authorization: Bearer tok_test_"+strconv.Itoa(i%2))
		method := "GET"
		if s.Upload {
			method = "POST"
			r = upload("POST", shapeTarget(i), fill(sent), "Authorization: Bearer tok_test_"+strconv.Itoa(i%2))
		}
		t.did(method, shapeTarget(i), 211+i, sent, got)
		t.wire[shapeTarget(i)] = [2]int64{int64(len(r)), 0}
		t.inPieces(client, r, s.Pieces)
	}
	answer = func(i int) {
		_, got := s.sizes(i)
		r := download(211+i, fill(got))
		switch {
		case s.Framing == "chunked":
			r = response(211+i, "Transfer-Encoding: chunked") + chunked(fill(got), 100, 100)
		case s.Framing == "close" && i == s.Exchanges-1:
			r = response(211+i) + fill(got)
		}
		w := t.wire[shapeTarget(i)]
		w[server] = int64(len(r))
		t.wire[shapeTarget(i)] = w
		t.inPieces(server, r, s.Pieces)
	}
	return ask, answer
}

func playStreams(t *talk, s Shape) (ask, answer func(i int)) {
	c := speak(t)
	// send has the preface and settings travel with the first message, but be none of its bytes.
	send := func(from host, target string, before int) {
		w := t.wire[target]
		text := c.side[from].buf.String()
		c.side[from].buf.Reset()
		w[from] += int64(len(text) - before)
		t.wire[target] = w
		t.inPieces(from, text, s.Pieces)
	}
	ask = func(i int) {
		sent, got := s.sizes(i)
		before := c.side[client].buf.Len()
		method := "GET"
		if s.Upload {
			method = "POST"
		}
		c.ask(method, shapeTarget(i), sent, "authorization: Bearer tok_test_"+strconv.Itoa(i%2), "accept: application/json")
		send(client, shapeTarget(i), before)
		t.did(method, shapeTarget(i), 211+i, sent, got)
	}
	answer = func(i int) {
		_, got := s.sizes(i)
		before := c.side[server].buf.Len()
		c.answer(uint32(2*i+1), 211+i, got, "etag: "+strconv.Itoa(i%3))
		send(server, shapeTarget(i), before)
	}
	return ask, answer
}
