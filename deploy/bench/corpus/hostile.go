// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// hostileScenes are about segments that a host ignores, and about sizes and times beyond the usual.
func hostileScenes() []scene {
	return []scene{
		{"reset-outside-window", []string{"malformed-evasive"}, forged(func(t *talk) { t.segment(client, t.next[client]+200<<20, flagRST, "") })},
		{"reset-that-never-arrived", []string{"malformed-evasive"}, forged(func(t *talk) { t.rst(client) })},
		{"fin-with-wrong-number", []string{"malformed-evasive"}, forged(func(t *talk) { t.segment(client, t.next[client]-20, flagFIN|flagACK, "") })},
		{"syn-challenged", []string{"malformed-evasive"}, forged(func(t *talk) {
			t.segment(client, t.next[client]+12345, flagSYN, "") // RFC 5961 section 4.2: answered by an ACK alone
			t.ack(server)
		})},
		{"no-ack-flag", []string{"malformed-evasive"}, forged(func(t *talk) {
			t.segment(client, t.next[client], flagPSH, request("GET", "/never/taken")) // RFC 9293 section 3.10.7.4
		})},
		{"data-outside-window", []string{"malformed-evasive"}, forged(func(t *talk) {
			t.segment(client, t.next[client]+200<<20, flagPSH|flagACK, request("GET", "/never/taken"))
		})},
		{"every-frame-twice", []string{"retransmit"}, twice},
		{"retransmit-with-more", []string{"retransmit", "pipelining"}, coalesced},
		{"window-probes", []string{"retransmit"}, windowProbes},
		{"giant-frames", []string{"large-body"}, giant},
		{"giant-frames-without-length", []string{"large-body"}, giantUnsized},
		{"loss-of-a-gigabyte", []string{"tcp-gap", "large-body"}, lossOfGigabyte},
		{"pipelining-200", []string{"pipelining"}, pipelining200},
		{"time-goes-back", []string{"keepalive-multi"}, timeGoesBack},
		{"proxy-protocol-2-then-http", []string{"non-http-on-http-port"}, proxied2},
		{"snaplen-cuts-heads", []string{"snaplen-truncated", "tcp-gap"}, snapHeads},
		{"bytes-after-the-last-response", []string{"malformed-evasive"}, bytesAfter},
		{"refused-upload", []string{"truncated-body", "large-request"}, refusedUpload},
		{"pipelining-cut-by-close", []string{"pipelining", "close-delimited", "no-response"}, pipeliningClosed},
		{"chunk-extension-of-8-kilobytes", []string{"chunked-response", "malformed-evasive"}, longExtension},
		{"head-of-100-kilobytes", []string{"large-head"}, longHead},
		{"http09", []string{"http09", "close-delimited"}, http09},
	}
}

// forged has an exchange, something that the server does not act on, and another exchange.
func forged(between func(*talk)) func(*tape) {
	return func(p *tape) {
		t := p.talk().open()
		t.get("/before", 30)
		between(t)
		t.get("/after", 40)
		t.get("/after/2", 50)
		t.close(client)
	}
}

// A mirror of both a host's port and its uplink shows everything twice.
func twice(p *tape) {
	t := p.talk().open()
	t.get("/twice", 3000)
	t.say(client, upload("POST", "/twice", fill(2000)))
	t.say(server, response(200, "Transfer-Encoding: chunked")+chunked(fill(500), 200, 100))
	t.did("POST", "/twice", 200, 2000, 500)
	t.close(client)
	once := p.frames
	p.frames = nil
	for _, f := range once {
		p.frames = append(p.frames, f, frame{at: f.at + 1000, data: f.data})
	}
}

// A sender may put new bytes behind those it sends again.
func coalesced(p *tape) {
	t := p.talk()
	t.quiet = true
	t.open()
	a, b := request("GET", "/a"), request("GET", "/b")
	t.say(client, a)
	t.next[client] -= uint32(len(a))
	t.say(client, a+b)
	x, y := download(200, fill(30)), download(404, fill(40))
	t.say(server, x)
	t.next[server] -= 10
	t.say(server, x[len(x)-10:]+y)
	t.did("GET", "/a", 200, 0, 30)
	t.did("GET", "/b", 404, 0, 40)
	t.close(client)
}

// RFC 9293 section 3.8.6.1: a probe of a closed window has the next byte, which is not taken.
func windowProbes(p *tape) {
	t := p.talk().open()
	d := download(200, fill(4000))
	t.say(client, request("GET", "/window"))
	t.say(server, d[:2000])
	for range 3 {
		t.pause = time.Second
		t.segment(server, t.next[server], flagACK, d[2000:2001])
		t.ack(client)
	}
	t.say(server, d[2000:])
	t.did("GET", "/window", 200, 0, 4000)
	t.get("/after", 10)
	t.close(client)
}

// Segments that the network card has joined, or not yet cut.
func giant(p *tape) {
	t := p.talk()
	t.mss = 60_000
	t.open()
	t.get("/giant", 500_000)
	t.say(client, upload("PUT", "/giant", fill(200_000)))
	t.say(server, download(201, fill(1)))
	t.did("PUT", "/giant", 201, 200_000, 1)
	t.close(client)
}

// Those beyond what the length of IPv4 can say have 0 there.
func giantUnsized(p *tape) {
	t := p.talk()
	t.mss = 150_000
	t.carry = func(from, to netip.AddrPort, seg []byte) [][]byte {
		d := p.datagram(from.Addr(), to.Addr(), protoTCP, seg)
		if len(d) > 0xffff {
			d[2], d[3], d[10], d[11] = 0, 0, 0, 0
			binary.BigEndian.PutUint16(d[10:], sum(d[:20]))
		}
		return [][]byte{ethernet(from, d)}
	}
	t.open()
	t.get("/unsized", 400_000)
	t.get("/unsized/2", 40)
	t.close(client)
}

func lossOfGigabyte(p *tape) {
	const body = 1_500_000_000
	t := p.talk().open()
	t.say(client, request("GET", "/export"))
	t.say(server, response(200, fmt.Sprintf("Content-Length: %d", body))+fill(1000))
	t.next[server] += body - 11_000
	t.say(server, fill(10_000))
	t.did("GET", "/export", 200, 0, body)
	t.get("/after", 10)
	t.close(client)
}

func pipelining200(p *tape) {
	t := p.talk().open()
	var asked, told strings.Builder
	for i := range 200 {
		target := fmt.Sprintf("/many/%d", i)
		asked.WriteString(request("GET", target))
		told.WriteString(download(200, fill(i)))
		t.did("GET", target, 200, 0, i)
	}
	t.say(client, asked.String())
	t.say(server, told.String())
	t.close(client)
}

// Clocks are set, and files are joined.
func timeGoesBack(p *tape) {
	t := p.talk().open()
	for i, back := range []time.Duration{time.Millisecond / 2, time.Second, time.Hour} {
		t.get(fmt.Sprintf("/back/%d", i), 100)
		p.pause = -back
	}
	t.get("/back/3", 100)
	t.close(client)
	for i := range p.frames {
		p.frames[i].at += 2 * time.Hour
	}
}

// The binary header of HAProxy's PROXY protocol, version 2.
func proxied2(p *tape) {
	t := p.talk().open()
	head := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x0a\xc7\x38\x00\x50"
	t.say(client, head+request("GET", "/proxied"))
	t.say(server, download(200, fill(61)))
	t.did("GET", "/proxied", 200, 0, 61)
	t.get("/proxied/2", 62)
	t.close(client)
}

// First lines fit, fields do not: where messages end is not known, which answers which is.
func snapHeads(p *tape) {
	p.snap = 100
	t := p.talk().open()
	for i := range 3 {
		target := fmt.Sprintf("/s/%d", i)
		t.say(client, request("GET", target))
		t.say(server, download(200, fill(300)))
		unsure(t.did("GET", target, 200, 0, 300), "host", "req_body_len", "resp_body_len")
	}
	t.close(client)
}

// What a server sends beyond its last response is no exchange.
func bytesAfter(p *tape) {
	t := p.talk().open()
	t.get("/first", 10)
	t.say(client, request("GET", "/last", "Connection: close"))
	t.say(server, download(200, fill(20), "Connection: close")+fill(500))
	t.close(server)
	t.did("GET", "/last", 200, 0, 20)
}

func refusedUpload(p *tape) {
	t := p.talk().open()
	t.say(client, request("PUT", "/refused", "Content-Length: 900000")+fill(50_000))
	t.say(server, download(413, fill(33), "Connection: close"))
	t.fin(server)
	t.say(client, fill(7000))
	t.rst(server)
	t.did("PUT", "/refused", 413, 57_000, 33)
}

func pipeliningClosed(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/a")+request("GET", "/b")+request("GET", "/c"))
	t.say(server, download(200, fill(9))+response(200, "Connection: close")+download(200, fill(40)))
	t.close(server)
	t.did("GET", "/a", 200, 0, 9)
	t.did("GET", "/b", 200, 0, len(download(200, fill(40))))
	t.did("GET", "/c", 0, 0, 0)
}

func longExtension(p *tape) {
	t := p.talk().open()
	t.say(client, request("GET", "/extension"))
	t.say(server, response(200, "Transfer-Encoding: chunked")+"5;x="+strings.Repeat("y", 8000)+"\r\nhello\r\n0\r\n\r\n")
	t.did("GET", "/extension", 200, 0, 5)
	t.get("/after", 10)
	t.close(client)
}

func longHead(p *tape) {
	t := p.talk().open()
	t.say(client, request("POST", "/long", "Content-Length: 8", "X-Long: "+strings.Repeat("z", 100_000))+"eight by")
	t.say(server, download(431, fill(11)))
	t.did("POST", "/long", 431, 8, 11)
	t.get("/after", 10)
	t.close(client)
}

// RFC 1945 section 4.1: no version, no head, no status; the whole stream is the body.
func http09(p *tape) {
	t := p.talk().open()
	t.say(client, "GET /ancient\r\n")
	t.say(server, "<html>"+fill(2000))
	t.close(server)
	t.did("GET", "/ancient", 0, 0, 2006).Host = ""
}

// slow plays a scene with 60 ms between frames: what a loss makes of it must not depend on the pace.
func slow(all []scene) []scene {
	out := make([]scene, len(all))
	for i, s := range all {
		out[i] = scene{s.name + "-slow", s.classes, func(p *tape) {
			p.step = 60 * time.Millisecond
			s.play(p)
		}}
	}
	return out
}

// delayed plays a scene in which hosts send no bare ACKs, as far as the scene leaves it to them.
func delayed(all []scene) []scene {
	out := make([]scene, len(all))
	for i, s := range all {
		out[i] = scene{s.name + "-delayed-acks", s.classes, func(p *tape) {
			p.delayed = true
			s.play(p)
		}}
	}
	return out
}
